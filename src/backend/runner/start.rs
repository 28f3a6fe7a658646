//! Starts the supervisor of a run that never had one: from the run's row and its runner to a folder
//! with all that a supervisor needs.

use super::{
    folder::{Accepted, Spec},
    follower::Follower,
    launch,
    start_error::StartError,
};
use crate::{backend::space::Resource, domain::run::Run};
use std::io::ErrorKind;
use tokio::task::spawn_blocking;

impl Follower {
    /// Starts a supervisor and waits until it listens. To be called only while nobody holds the run
    /// and it was never begun.
    ///
    /// # Errors
    /// Nothing was started, except where the run's folder says otherwise.
    pub(super) async fn start(&self, run: &Run) -> Result<(), StartError> {
        let runner = self.table.get(&run.runner);
        let runner = runner.ok_or_else(|| StartError::Permanent(format!("there is no runner {:?} any more", run.runner)))?;
        let program = runner.program(&run.prompt, &self.folder.script());
        let accepted =
            Accepted { runner: run.runner.clone(), prompt: run.prompt.clone(), request_id: run.request_id.clone(), at: run.created_at };
        let spec =
            Spec { run: run.id, task: run.task_id, program, limits: runner.limits, data: self.folder.data(), accepted: Some(accepted) };
        let folder = self.folder.clone();
        let prepared = spawn_blocking(move || folder.prepare(&spec)).await;
        // As it is where the server ends.
        let ended = |error| StartError::Retryable { missing: Resource::Other, reason: format!("a task of the server failed: {error}") };
        let prepared = prepared.map_err(ended)?;
        prepared.map_err(|error| match error.kind() {
            // The data folder has gone this very moment.
            ErrorKind::NotFound => StartError::Retryable { missing: Resource::Other, reason: format!("its folder is not there: {error}") },
            _ => StartError::new(&error, "its folder cannot be written"),
        })?;
        launch::supervisor(&self.exe, &self.folder).await
    }
}
