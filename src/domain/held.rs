//! Runs that are held: they came with a backup or a copy of the data folder, and wait until a
//! person says what is to become of them.

use super::{
    members::{Members, Read, Unreadable},
    run::{Run, RunStatus},
    timestamp::Timestamp,
};
use serde::Serialize;
use serde_json::Value;

/// How many are held, and what they came with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HeldRuns {
    /// How many wait for a person's word.
    pub count: u64,
    /// When the last event was committed of what they came with; means nothing where there are
    /// none.
    pub copied_at: Timestamp,
}

impl Read for HeldRuns {
    fn read(value: Value) -> Result<Self, Unreadable> {
        let mut members = Members::of(value)?;
        Ok(HeldRuns { count: members.take("count")?, copied_at: members.take("copiedAt")? })
    }
}

impl HeldRuns {
    /// A run was changed. To be called once for each event with a run.
    pub fn apply_run(&mut self, run: &Run) {
        let is_decided = match run.status {
            RunStatus::Queued => run.held == Some(false),
            RunStatus::Cancelled | RunStatus::Failed => run.held == Some(true) && run.started_at.is_none(),
            _ => false,
        };
        self.count = self.count.saturating_sub(u64::from(is_decided));
    }

    /// What there is, as a sentence without the time: "12 queued runs come from a backup or a
    /// copy".
    #[must_use]
    pub fn in_words(&self) -> String {
        match self.count {
            1 => "1 queued run comes from a backup or a copy".to_owned(),
            count => format!("{count} queued runs come from a backup or a copy"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::members::tests::check;
    use serde_json::json;

    #[test]
    fn it_is_read_as_it_is_written() {
        check::<HeldRuns>(json!({"count": 12, "copiedAt": "2026-01-02T09:13:58.259Z"}), &["count", "copiedAt"]);
    }

    #[test]
    fn it_follows_the_events_of_the_runs() {
        let run = Run::read(json!({
            "id": "019d0c5e-7b1c-7c7e-9d53-0d6f3a1f2b4c", "taskId": "019d0c5e-7b1c-7c7e-9d53-0d6f3a1f2b4d", "requestId": "r",
            "runner": "shell", "prompt": "true", "status": "queued", "exitCode": null, "createdAt": "2026-01-02T09:13:58.259Z",
            "startedAt": null, "endedAt": null, "events": 0, "bytes": 0, "digest": null,
        }))
        .expect("a run");
        let mut held = HeldRuns { count: 3, copied_at: Timestamp(0) };
        let mut after = |status, is_held, started_at| {
            held.apply_run(&Run { status, held: is_held, started_at, ..run.clone() });
            held.count
        };
        let started = Some(Timestamp(1));
        assert_eq!(after(RunStatus::Queued, None, None), 3, "a new one");
        assert_eq!(after(RunStatus::Queued, Some(false), None), 2, "released");
        assert_eq!(after(RunStatus::Running, Some(false), started), 2);
        assert_eq!(after(RunStatus::Cancelled, Some(false), None), 2, "cancelled while it waited for its turn");
        assert_eq!(after(RunStatus::Interrupted, Some(true), started), 2, "it ran where the copy was made of");
        assert_eq!(after(RunStatus::Cancelled, Some(true), None), 1, "dropped");
        assert_eq!(held.in_words(), "1 queued run comes from a backup or a copy");
    }
}
