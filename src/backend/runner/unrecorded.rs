//! Runs that the store and the disk do not agree about: a folder with no row (deleted by hand, or
//! an older database was restored), and one whose row says that the run has ended while its
//! supervisor lives. The first is brought back into view, with all that it has written; the second
//! is ended, and what the log cannot take is kept. Neither goes on unseen, and nothing of it is
//! removed in silence.

use super::{
    RETRY,
    folder::{Asked, Spec},
    follower::{FollowError, Follower},
    orphans,
};
use crate::{
    backend::store::{FoundRun, Missing, StoreError},
    domain::{
        id::{RunId, TaskId},
        run::Run,
        timestamp::Timestamp,
    },
};
use std::{
    io,
    path::{Path, PathBuf},
};
use tokio::{task::spawn_blocking, time::sleep};
use uuid::Uuid;

/// The runner of a run of which that is not known.
pub(super) const UNKNOWN_RUNNER: &str = "unknown";
/// The prompt of a run of which that is not known; a shell does nothing with it.
const UNKNOWN_PROMPT: &str = "# the prompt is not known: the run's spec.json cannot be read";

impl Follower {
    /// The store has no row of the run: makes it one from its folder, and gives it; none where
    /// there is nothing of the run but what was never begun.
    pub(super) async fn recover(&self) -> Result<Option<Run>, FollowError> {
        if !self.folder.exists()? {
            return Ok(None);
        }
        if self.folder.is_foreign()? {
            let place = self.keep_folder()?;
            tracing::warn!(
                run = %self.run,
                "the database does not know a run whose folder was copied from another data folder: it is left alone, and kept in {}",
                place.display()
            );
            return Ok(None);
        }
        if !self.is_begun()? {
            self.leave_prepared().await?;
            return Ok(None);
        }
        let spec = self.folder.spec().unwrap_or_else(|error| {
            tracing::warn!(run = %self.run, "what a run is cannot be read: {error}");
            None
        });
        let found = found(self.run, spec, self.folder.started()?.map(|started| started.at));
        let run = self.store.recover_run(found).await?;
        tracing::warn!(
            run = %run.id,
            task = %run.task_id,
            "the database did not know a run that has its folder: it was found again, and is shown with all that it has written"
        );
        Ok(Some(run))
    }

    /// Nothing of the run was begun, and nobody knows any more that it was accepted: it is not
    /// started. What it would have been is kept.
    async fn leave_prepared(&self) -> Result<(), FollowError> {
        if !self.folder.had_turn() {
            return self.remove_folder().await;
        }
        let place = self.keep_folder()?;
        tracing::warn!(
            run = %self.run,
            "the database does not know a run that was about to be started: it is not, and its prompt is kept in {}",
            place.join("spec.json").display()
        );
        Ok(())
    }

    /// Moves the run's folder to what is kept, and says where it is then.
    fn keep_folder(&self) -> io::Result<PathBuf> {
        let data = self.folder.path().parent().and_then(Path::parent).unwrap_or(Path::new("."));
        self.folder.keep_in(&data.join("kept"))
    }

    /// Whether the run was begun, so that there may be a program or something that it wrote. What
    /// cannot be told counts as that.
    fn is_begun(&self) -> io::Result<bool> {
        Ok(self.folder.begun()?.is_some() || self.folder.ended()?.is_some() || self.folder.spool_length()? > 0 || self.folder.is_held()?)
    }

    /// The store's row says that the run has ended. Where it is supervised all the same it is ended
    /// now, and what it wrote since then is kept; else its folder is no longer needed.
    pub(super) async fn leave_ended(&self) -> Result<(), FollowError> {
        if self.folder.is_foreign()? {
            // A copy of what belongs to another folder, whose log has it.
            return self.remove_folder().await;
        }
        let contradicts = self.folder.ended()?.is_none() && self.folder.is_held()?;
        if contradicts {
            tracing::warn!(run = %self.run, "the database says that a run has ended, and its program runs: it is told to end");
            self.requests.add(Asked { by: "the server, for which it had ended".to_owned(), at: self.clock.now() });
            self.requests.supervised();
            while self.folder.is_held()? {
                tokio::select! {
                    () = sleep(RETRY / 10) => {}
                    () = self.shutdown.cancelled() => return Ok(()),
                }
            }
        } else if self.folder.ended()?.is_none() && self.folder.begun()?.is_some() {
            let (folder, run) = (self.folder.clone(), self.run);
            spawn_blocking(move || orphans::end(&folder, run)).await??;
        }
        let committed = match self.store.position(self.run).await {
            // It was deleted at this moment.
            Err(StoreError::NotFound(Missing::Run)) => return Err(FollowError::Unknown),
            committed => committed?,
        };
        let written = self.folder.spool_length()?;
        if written <= committed {
            return self.remove_folder().await;
        }
        let place = self.keep_folder()?;
        tracing::warn!(
            run = %self.run,
            "{} bytes that a run wrote after its end in the database are kept in {}",
            written - committed,
            place.join("spool").display()
        );
        Ok(())
    }
}

/// What can be said of a run by its folder.
fn found(id: RunId, spec: Option<Spec>, started_at: Option<Timestamp>) -> FoundRun {
    let mut found = FoundRun {
        id,
        task: TaskId(Uuid::now_v7()),
        runner: UNKNOWN_RUNNER.to_owned(),
        prompt: UNKNOWN_PROMPT.to_owned(),
        request_id: None,
        accepted_at: None,
        started_at,
    };
    if let Some(spec) = spec {
        found.task = spec.task;
        if let Some(accepted) = spec.accepted {
            found.runner = accepted.runner;
            found.prompt = accepted.prompt;
            found.request_id = Some(accepted.request_id);
            found.accepted_at = Some(accepted.at);
        } else if let Some(last) = spec.program.script.or_else(|| spec.program.command.last().cloned()) {
            // What an earlier version wrote: the prompt is where its runner put it, mostly at the
            // end.
            found.prompt = last;
        }
    }
    found
}
