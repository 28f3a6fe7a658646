//! Cancelling a run: taken, passed on and written down in this order, whatever the store and the
//! disk have to say.

use super::{Place, RunnerError, Runners, folder::Asked, requests::RunRequests};
use crate::{
    backend::clock::Clock,
    domain::{id::RunId, run::Run},
};
use std::time::Duration;
use tokio::time::timeout;

/// How long a request to cancel waits for what the store says of the run. It has been passed on
/// before.
const LOOKUP: Duration = Duration::from_secs(2);

impl Runners {
    /// Asks for the end of a run, queued or running, in the name of somebody (`Firefox on Linux`);
    /// its end comes as an event. Asked again, the next step towards it is taken at once: SIGINT,
    /// SIGTERM, SIGKILL. One that has not had its turn is never started. It is passed on before
    /// anything is asked of the store or written, and also where both fail.
    ///
    /// # Errors
    /// [`RunnerError::NotFound`], [`RunnerError::AlreadyEnded`]; what the store says where the run is not known here.
    pub async fn cancel(&self, id: RunId, by: &str) -> Result<(), RunnerError> {
        let request = Asked { by: by.to_owned(), at: Clock::system().now() };
        let followed = self.requests(id);
        if let Some(requests) = &followed {
            requests.add(request.clone());
        }
        let folder = self.folder(id);
        let is_known = || followed.is_some() || self.waits(id) || folder.is_held().unwrap_or(false);
        match timeout(LOOKUP, self.0.store.run(id)).await {
            Ok(Ok(Some(run))) if run.status.is_final() && !folder.is_held().unwrap_or(false) => return Err(RunnerError::AlreadyEnded),
            Ok(Ok(Some(_))) => {}
            Ok(Ok(None)) if !is_known() => return Err(RunnerError::NotFound),
            Ok(Err(error)) if !is_known() => return Err(error.into()),
            // What has no row is found again by who follows it.
            _ => {}
        }
        // What is written into a hard-linked copy of the file would end somebody else's program.
        let in_folder = match (folder.is_foreign(), &followed) {
            (Ok(true), _) => Ok(()),
            (Ok(false), Some(_)) => folder.request_cancel(&request),
            (Ok(false), None) => folder.request_cancel_of_waiting(&request),
            (Err(error), _) => Err(error),
        };
        if let Err(error) = in_folder
            && let Err(none) = self.0.reserve.keep(id, &request)
        {
            tracing::warn!(run = %id, "a request to cancel holds until this server ends, as it cannot be written down: {error}; {none}");
        }
        if followed.is_none() {
            self.follow(id, Place::None).add(request);
        }
        Ok(())
    }

    /// What is asked of a run that is followed.
    pub(super) fn requests(&self, id: RunId) -> Option<RunRequests> {
        self.runs().followed.get(&id).map(|followed| followed.requests.clone())
    }

    /// Whether the run waits for its turn, as far as that is known here.
    fn waits(&self, id: RunId) -> bool {
        self.runs().waiting.iter().any(|run| run.id == id)
    }

    /// Says of a run how far its end has come by what its supervisor was told, where the store
    /// cannot be told that, as on a full disk.
    pub fn complete(&self, run: &mut Run) {
        if run.status.is_final() || run.stopping.is_some() {
            return;
        }
        run.stopping = self.requests(run.id).and_then(|requests| requests.stopping());
    }
}
