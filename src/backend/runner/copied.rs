//! A run that is known from a copy or a backup only: another folder's supervisor holds it, if anybody does, and nothing is sent there.

use super::{
    follower::{FollowError, Follower, Progress},
    outcome::{COPIED, interrupted, outcome},
};
use crate::{
    backend::store::RunEnd,
    domain::run::{Run, RunStatus},
};
use std::io;

impl Follower {
    /// Whether the run is known from a copy or a backup only: who holds it, if anybody, is not of this folder.
    pub(super) fn is_copy(&self, run: &Run) -> io::Result<bool> {
        let is_copied = run.held == Some(true) && run.status == RunStatus::Running && !self.folder.is_supervised_here()?;
        Ok(is_copied || self.folder.is_foreign()?)
    }

    /// Ends the copy of a run that had been started, with what it has of its output. One that had not waits for a person's word, without
    /// what was copied of its folder.
    pub(super) async fn leave_alone(&self, run: &Run, mut progress: Progress) -> Result<(), FollowError> {
        if run.status == RunStatus::Queued {
            if self.requests.is_requested() {
                let reason = self.cancelled_by().map(|by| format!("{by} before it was started"));
                let end = RunEnd { status: RunStatus::Cancelled, exit_code: None, signal: None, reason, at: self.clock.now() };
                self.store.run_ended(self.run, end).await?;
            }
            return self.remove_folder().await;
        }
        // Where the files are hard links, the original's program still writes.
        let length = self.folder.spool_length()?;
        while progress.position < length && self.take(&mut progress, Some(length)).await? {}
        let ended = self.folder.ended()?;
        let watch = &progress.watch;
        let integrity = watch.conclude(&self.store, self.run, &self.folder, ended.as_ref(), progress.position).await?;
        let end = match ended {
            // It had ended before the copy was made.
            Some(ended) if ended.bytes == progress.position && integrity.damage.is_none() => {
                outcome(ended, &run.runner, self.cancelled_by())
            }
            _ => interrupted(COPIED.to_owned(), self.clock.now()),
        };
        self.end(end, integrity).await
    }
}
