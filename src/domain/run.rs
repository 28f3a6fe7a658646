//! A run: one execution of a prompt by a runner.

use super::{
    id::{RunId, TaskId},
    integrity::Damage,
    members::{Members, Read, Unreadable},
    sort_key::SortKey,
    timestamp::Timestamp,
};
use serde::Serialize;
use serde_json::Value;

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// Accepted, not started.
    Queued,
    /// Its program has been started and has not ended.
    Running,
    /// The program ended with exit code 0.
    Succeeded,
    /// The program ended otherwise, or could not be started; `reason` says which.
    Failed,
    /// Ended because somebody asked for it.
    Cancelled,
    /// What held it is gone, so that its end is not known.
    Interrupted,
}

impl RunStatus {
    /// Whether nothing more will happen to the run.
    #[must_use]
    pub fn is_final(self) -> bool {
        !matches!(self, RunStatus::Queued | RunStatus::Running)
    }

    /// The word that JSON, the database and `data-status` use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            RunStatus::Queued => "queued",
            RunStatus::Running => "running",
            RunStatus::Succeeded => "succeeded",
            RunStatus::Failed => "failed",
            RunStatus::Cancelled => "cancelled",
            RunStatus::Interrupted => "interrupted",
        }
    }

    /// The status with that word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Queued, Self::Running, Self::Succeeded, Self::Failed, Self::Cancelled, Self::Interrupted]
            .into_iter()
            .find(|status| status.as_str() == word)
    }
}

impl Read for RunStatus {
    fn read(value: Value) -> Result<Self, Unreadable> {
        value.as_str().and_then(RunStatus::from_word).ok_or(Unreadable::value("must be the status of a run"))
    }
}

/// How far the end of a run has come that somebody asked for, or a limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Stopping {
    /// The signal that its programs were sent last: `SIGINT`, then `SIGTERM`, then `SIGKILL`.
    pub signal: String,
    /// Who or what asked for it, in words: `Firefox on Linux`.
    pub by: String,
    /// When it was sent.
    pub at: Timestamp,
}

impl Read for Stopping {
    fn read(value: Value) -> Result<Self, Unreadable> {
        let mut members = Members::of(value)?;
        Ok(Stopping { signal: members.take("signal")?, by: members.take("by")?, at: members.take("at")? })
    }
}

/// One execution of a prompt.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    /// Identifies the run.
    pub id: RunId,
    /// The task that it works for.
    pub task_id: TaskId,
    /// What makes a repeated submission the same one.
    pub request_id: String,
    /// The configured runner's name.
    pub runner: String,
    /// What was asked for.
    pub prompt: String,
    /// Where it stands.
    pub status: RunStatus,
    /// The program's exit code; none while it runs, after a signal, and where it could not be started.
    pub exit_code: Option<i32>,
    /// The signal that ended the program, by name (`SIGKILL`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<String>,
    /// Why it ended as it did, in words, where exit code and signal do not say it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// While it is being stopped: how far that has come.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stopping: Option<Stopping>,
    /// True where it came with a backup or a copy of the data folder and waits for a person's word, or belongs to the folder that the copy
    /// was made of; false where a person has let it run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held: Option<bool>,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When its program was started.
    pub started_at: Option<Timestamp>,
    /// When its program ended.
    pub ended_at: Option<Timestamp>,
    /// How many `output` events it has so far.
    pub events: u64,
    /// How many bytes its program wrote, as far as they are committed.
    pub bytes: u64,
    /// How many line feeds are among them.
    pub lines: u64,
    /// `sha256:` and 64 hexadecimal digits over exactly those bytes; set when the run has ended.
    pub digest: Option<String>,
    /// Whether [`Run::digest`] is that of what the program wrote, as its supervisor read it, so that
    /// whoever has bytes of that digest has the program's. Not, as soon as it is known to differ.
    /// None while it runs, and where nobody can know: supervisors of earlier versions said nothing.
    pub verified: Option<bool>,
    /// How many bytes from the beginning are known to be what the program wrote; set when the run
    /// has ended, where its supervisor said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verified_bytes: Option<u64>,
    /// The digest of all bytes that were read from the program and kept, as its supervisor said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub program_digest: Option<String>,
    /// Where the output differs from what the program wrote; it may be known while the run goes on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub damage: Option<Damage>,
    /// Its place in the order of acceptance, which is that of these numbers. 0 where it is not known: earlier versions logged none.
    #[serde(skip_serializing_if = "is_unknown")]
    pub number: u64,
    /// How many runs wait before it; only while it waits itself, and only in snapshots. No event says it: at each start it changes for all
    /// that wait, and whoever has a snapshot learns that from the event of the start ([`Run::hear`]).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ahead: Option<u64>,
}

fn is_unknown(number: &u64) -> bool {
    *number == 0
}

impl Read for Run {
    fn read(value: Value) -> Result<Self, Unreadable> {
        let mut members = Members::of(value)?;
        Ok(Run {
            id: members.take("id")?,
            task_id: members.take("taskId")?,
            request_id: members.take("requestId")?,
            runner: members.take("runner")?,
            prompt: members.take("prompt")?,
            status: members.take("status")?,
            exit_code: members.take("exitCode")?,
            signal: members.take("signal")?,
            reason: members.take("reason")?,
            stopping: members.take("stopping")?,
            held: members.take("held")?,
            created_at: members.take("createdAt")?,
            started_at: members.take("startedAt")?,
            ended_at: members.take("endedAt")?,
            events: members.take("events")?,
            bytes: members.take("bytes")?,
            lines: members.take_or_default("lines")?,
            digest: members.take("digest")?,
            verified: members.take("verified")?,
            verified_bytes: members.take("verifiedBytes")?,
            program_digest: members.take("programDigest")?,
            damage: members.take("damage")?,
            number: members.take_or_default("number")?,
            ahead: members.take("ahead")?,
        })
    }
}

impl Run {
    /// A run as it is accepted: queued, and its place not known yet.
    #[must_use]
    pub fn accepted(id: RunId, task_id: TaskId, request_id: String, runner: String, prompt: String, at: Timestamp) -> Self {
        Run {
            id,
            task_id,
            request_id,
            runner,
            prompt,
            status: RunStatus::Queued,
            exit_code: None,
            signal: None,
            reason: None,
            stopping: None,
            held: None,
            created_at: at,
            started_at: None,
            ended_at: None,
            events: 0,
            bytes: 0,
            lines: 0,
            digest: None,
            verified: None,
            verified_bytes: None,
            program_digest: None,
            damage: None,
            number: 0,
            ahead: None,
        }
    }

    /// What the request id of a run begins with that repeats another, whose id follows.
    pub const AGAIN: &str = "again-";

    /// Where it stands among others, of which the newest comes first.
    #[must_use]
    pub fn sort_key(&self) -> SortKey {
        (self.created_at, u128::from(self.number))
    }

    /// Whether an event with this run tells that it waits no longer. Such an event is its start, or its end where it was never started;
    /// a request to cancel it that came after its start is none.
    #[must_use]
    pub fn has_left_queue(&self) -> bool {
        let asked_since = || self.stopping.as_ref().is_some_and(|stopping| Some(stopping.at) >= self.started_at);
        match self.status {
            RunStatus::Queued => false,
            RunStatus::Running => self.events == 0 && !asked_since(),
            _ => self.started_at.is_none() && self.held != Some(true),
        }
    }

    /// Whether it waits for its turn, and not for a person's word.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.status == RunStatus::Queued && self.held != Some(true)
    }

    /// Another run waits no longer: if it was before this one, there is one fewer. To be called once for each.
    pub fn hear(&mut self, left: &Run) {
        if left.number < self.number {
            self.ahead = self.ahead.map(|ahead| ahead.saturating_sub(1));
        }
    }

    /// Another run was held and waits now: if it is before this one, there is one more. To be called once for each.
    pub fn let_in(&mut self, released: &Run) {
        if released.number < self.number {
            self.ahead = self.ahead.map(|ahead| ahead + 1);
        }
    }

    /// Whether an event with this run tells that it was held and waits now.
    #[must_use]
    pub fn was_released(&self) -> bool {
        self.status == RunStatus::Queued && self.held == Some(false)
    }

    /// How the run ended or stands, as a sentence of few words: "queued, 3 before it", "failed with exit code 3", "ended by SIGKILL",
    /// "failed: could not be started: …", "cancelled by …".
    #[must_use]
    pub fn outcome(&self) -> String {
        let because = |words: &str| match &self.reason {
            Some(reason) => format!("{words}: {reason}"),
            None => words.to_owned(),
        };
        match (self.status, self.exit_code, &self.signal) {
            (RunStatus::Queued, ..) if self.held == Some(true) => "held, as it comes from a backup or a copy".into(),
            (RunStatus::Queued, ..) => match self.ahead {
                None => "queued".into(),
                Some(0) => "queued, next".into(),
                Some(ahead) => format!("queued, {ahead} before it"),
            },
            (RunStatus::Running, ..) => match &self.stopping {
                Some(Stopping { signal, by, .. }) => format!("stopping: {signal} sent, asked by {by}"),
                None => "running".into(),
            },
            (RunStatus::Succeeded, ..) => "succeeded".into(),
            (RunStatus::Failed, ..) if self.reason.is_some() => because("failed"),
            (RunStatus::Failed, Some(code), _) => format!("failed with exit code {code}"),
            (RunStatus::Failed, None, Some(signal)) => format!("ended by {signal}"),
            (RunStatus::Failed, None, None) => "failed".into(),
            (RunStatus::Cancelled, ..) => match &self.reason {
                Some(reason) => format!("cancelled {reason}"),
                None => "cancelled".into(),
            },
            (RunStatus::Interrupted, ..) => because("interrupted"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn run() -> Run {
        Run::read(json!({
            "id": "019d0c5e-7b1c-7c7e-9d53-0d6f3a1f2b4c", "taskId": "019d0c5e-7b1c-7c7e-9d53-0d6f3a1f2b4d", "requestId": "r",
            "runner": "shell", "prompt": "true", "status": "queued", "exitCode": null, "createdAt": "2026-01-02T09:13:58.259Z",
            "startedAt": null, "endedAt": null, "events": 0, "bytes": 0, "digest": null,
        }))
        .expect("a run")
    }

    #[test]
    fn every_status_has_one_word() {
        for word in ["queued", "running", "succeeded", "failed", "cancelled", "interrupted"] {
            let status = RunStatus::from_word(word).expect("known");
            assert_eq!(status.as_str(), word);
            assert_eq!(serde_json::to_value(status).expect("JSON"), json!(word));
            assert_eq!(status.is_final(), word != "queued" && word != "running");
        }
        assert_eq!(RunStatus::from_word("Queued"), None);
    }

    #[test]
    fn a_run_round_trips() {
        let ended = Run { status: RunStatus::Failed, signal: Some("SIGKILL".into()), reason: Some("x".into()), lines: 3, ..run() };
        let stopping = Stopping { signal: "SIGTERM".into(), by: "Firefox on Linux".into(), at: Timestamp(1) };
        let stopping = Run { stopping: Some(stopping), ..run() };
        let waiting = Run { number: 7, ahead: Some(0), ..run() };
        let held = Run { held: Some(true), ..run() };
        let damage = Some(Damage { from: 1, to: 2 });
        let damaged = Run { verified: Some(false), verified_bytes: Some(1), program_digest: Some("d".into()), damage, ..run() };
        for run in [run(), ended, stopping, waiting, held, damaged] {
            let written = serde_json::to_value(&run).expect("JSON");
            assert_eq!(Run::read(written).expect("a run"), run);
        }
        let written = serde_json::to_value(run()).expect("JSON");
        assert_eq!(written["exitCode"], json!(null), "what is not there yet is said to be null");
        assert_eq!((written.get("signal"), written.get("stopping"), written.get("held")), (None, None, None));
    }

    #[test]
    fn the_outcome_tells_ends_apart() {
        let outcome = |status, exit_code, signal: Option<&str>, reason: Option<&str>| {
            Run { status, exit_code, signal: signal.map(Into::into), reason: reason.map(Into::into), ..run() }.outcome()
        };
        let waiting = |ahead| Run { ahead, ..run() }.outcome();
        assert_eq!(Run { held: Some(true), ..run() }.outcome(), "held, as it comes from a backup or a copy");
        assert_eq!(Run { held: Some(false), ahead: Some(0), ..run() }.outcome(), "queued, next");
        assert_eq!([None, Some(0), Some(12)].map(waiting), ["queued", "queued, next", "queued, 12 before it"]);
        assert_eq!(outcome(RunStatus::Succeeded, Some(0), None, None), "succeeded");
        let stopping = Stopping { signal: "SIGTERM".into(), by: "Firefox on Linux".into(), at: Timestamp(1) };
        let stopping = Run { status: RunStatus::Running, stopping: Some(stopping), ..run() };
        assert_eq!(stopping.outcome(), "stopping: SIGTERM sent, asked by Firefox on Linux");
        assert_eq!(outcome(RunStatus::Failed, Some(3), None, None), "failed with exit code 3");
        assert_eq!(outcome(RunStatus::Failed, None, Some("SIGSEGV"), None), "ended by SIGSEGV");
        assert_eq!(outcome(RunStatus::Failed, None, None, Some("there is no program x")), "failed: there is no program x");
        assert_eq!(outcome(RunStatus::Failed, Some(0), None, Some("stopped after 2 h")), "failed: stopped after 2 h");
        assert_eq!(outcome(RunStatus::Interrupted, None, None, Some("the machine restarted")), "interrupted: the machine restarted");
        assert_eq!(outcome(RunStatus::Cancelled, None, Some("SIGINT"), None), "cancelled");
        assert_eq!(outcome(RunStatus::Cancelled, Some(0), None, Some("by Firefox on Linux")), "cancelled by Firefox on Linux");
    }
}
