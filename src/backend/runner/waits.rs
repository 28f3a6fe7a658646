//! Which runs wait to be started for want of something that the system will have again.

use crate::{backend::space::Resource, domain::id::RunId};
use std::collections::HashMap;
use tokio::sync::watch;

/// The runs that wait, each with what it lacks; a cheap clone of one.
#[derive(Clone, Debug, Default)]
pub(super) struct StartWaits(watch::Sender<HashMap<RunId, Wait>>);

#[derive(Clone, Copy, Debug)]
struct Wait {
    missing: Resource,
    /// How often it was tried in vain.
    attempts: u32,
}

impl StartWaits {
    /// It was tried once more, and this was missing.
    pub(super) fn set(&self, run: RunId, missing: Resource) {
        self.0.send_modify(|waits| {
            let attempts = waits.get(&run).map_or(1, |wait| wait.attempts.saturating_add(1));
            waits.insert(run, Wait { missing, attempts });
        });
    }

    /// It waits no longer, or not for that.
    pub(super) fn clear(&self, run: RunId) {
        self.0.send_if_modified(|waits| waits.remove(&run).is_some());
    }

    /// What is missing for one of those that wait and were tried more than once: less is over
    /// before anybody has read of it.
    pub(super) fn missing(&self) -> Option<Resource> {
        let waits = self.0.borrow();
        waits.iter().filter(|(_, wait)| wait.attempts > 1).min_by_key(|(run, _)| **run).map(|(_, wait)| wait.missing)
    }

    /// Tells of each change.
    pub(super) fn subscribe(&self) -> Changes {
        Changes(self.0.subscribe())
    }
}

/// The changes of [`StartWaits`].
#[derive(Debug)]
pub(super) struct Changes(watch::Receiver<HashMap<RunId, Wait>>);

impl Changes {
    /// Waits for the next one.
    pub(super) async fn next(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
