//! What a stream carries: the events of the log, which have an id, and the words of the connection itself, which have none. Names
//! and members are the outer contract.

use super::{
    cursor::{Cursor, Epoch},
    id::{RunId, TaskId},
    integrity::Damage,
    members::{self, Members, Read, Unreadable},
    run::{Run, RunStatus},
    task::Task,
    timestamp::Timestamp,
};
use serde::Serialize;
use serde_json::Value;
use std::borrow::Cow;

/// One event of a stream, by its name.
#[derive(Clone, Debug, PartialEq)]
pub enum StreamEvent {
    /// The first event of each connection.
    Hello(Hello),
    /// A task was made or changed.
    Task(Box<TaskEvent>),
    /// A run was made or changed.
    Run(Box<Run>),
    /// A run wrote something.
    Output(Output),
    /// A run's terminal has another size from here on.
    Size(Size),
    /// A run has ended and this is all of it.
    End(End),
    /// The connection is alive.
    Ping(Ping),
    /// The cursor cannot be honoured: load a snapshot.
    Reset(Reset),
    /// The session is over; the last event of the stream.
    ForceLogout(ForceLogout),
    /// The server ends the stream, and wants its client back.
    Shutdown(Shutdown),
}

/// The names of all events, as `event:` has them.
pub const EVENT_NAMES: [&str; 10] = ["hello", "task", "run", "output", "size", "end", "ping", "reset", "force_logout", "shutdown"];

/// How many runs one stream can name.
pub const MAX_RUNS: usize = 64;

/// Says where the log stands when a connection begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Hello {
    /// The log's name.
    pub epoch: Epoch,
    /// The newest committed event.
    pub head: u64,
    /// The longest silence, in milliseconds, before a `ping`.
    pub heartbeat_ms: u64,
    /// Which build of the server answers.
    pub build: String,
    /// The delay to start from when this connection is lost, in milliseconds: what `retry:` says to the browser, which keeps it to
    /// itself. A server varies it from one connection to the next, so that its readers do not all come back at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_ms: Option<u64>,
    /// What everybody should know of the server's state, such as a full disk, in words; none where all is well. When it changes, the
    /// streams of the board are renewed, so that each has the present one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notice: Option<String>,
}

impl Read for Hello {
    fn read(value: Value) -> Result<Self, Unreadable> {
        let mut members = Members::of(value)?;
        Ok(Hello {
            epoch: members.take("epoch")?,
            head: members.take("head")?,
            heartbeat_ms: members.take("heartbeatMs")?,
            build: members.take("build")?,
            retry_ms: members.take("retryMs")?,
            notice: members.take("notice")?,
        })
    }
}

/// A task without its output, or the word that it is gone.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
#[expect(clippy::large_enum_variant, reason = "a stream's event holds it in a box")]
pub enum TaskEvent {
    /// The task as it is now.
    Changed(Task),
    /// It was deleted.
    Deleted {
        /// Which task.
        id: TaskId,
        /// Always true.
        deleted: bool,
    },
}

impl Read for TaskEvent {
    fn read(value: Value) -> Result<Self, Unreadable> {
        if value.get("deleted") != Some(&Value::Bool(true)) {
            return Task::read(value).map(TaskEvent::Changed);
        }
        Ok(TaskEvent::Deleted { id: Members::of(value)?.take("id")?, deleted: true })
    }
}

/// A chunk of what a run wrote, split only between characters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    /// Which run.
    pub run: RunId,
    /// The text; each byte sequence that is not UTF-8 stands in it as U+FFFD.
    pub text: String,
    /// When it was committed.
    pub at: Timestamp,
    /// The exact bytes in base64, present only where `text` does not say them exactly.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base64: Option<String>,
}

impl Output {
    /// Exactly what the run wrote.
    #[must_use]
    pub fn bytes(&self) -> Cow<'_, [u8]> {
        match &self.base64 {
            Some(base64) => Cow::Owned(decoded(base64)),
            None => Cow::Borrowed(self.text.as_bytes()),
        }
    }
}

/// Base64 in the standard alphabet (RFC 4648, section 4), as a server writes it; what is none of its letters is passed over. By hand,
/// as a library weighs more on a page than these lines.
fn decoded(base64: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(base64.len() / 4 * 3);
    let (mut bits, mut count) = (0_u32, 0);
    for letter in base64.bytes() {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => continue,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    bytes
}

impl Read for Output {
    fn read(value: Value) -> Result<Self, Unreadable> {
        let mut members = Members::of(value)?;
        Ok(Output { run: members.take("run")?, text: members.take("text")?, at: members.take("at")?, base64: members.take("base64")? })
    }
}

/// The size of a run's terminal from here on. Before the first one it has 120 columns and 32 rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Size {
    /// Which run.
    pub run: RunId,
    /// Cells in a row.
    pub columns: u16,
    /// Rows.
    pub rows: u16,
}

impl Read for Size {
    fn read(value: Value) -> Result<Self, Unreadable> {
        let mut members = Members::of(value)?;
        Ok(Size { run: members.take("run")?, columns: members.take("columns")?, rows: members.take("rows")? })
    }
}

/// A run's end, and what a reader can check its copy against.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct End {
    /// Which run.
    pub run: RunId,
    /// How it ended.
    pub status: RunStatus,
    /// The program's exit code, where it has one.
    pub exit_code: Option<i32>,
    /// How many `output` events there are.
    pub events: u64,
    /// How many bytes they carry.
    pub bytes: u64,
    /// See [`Run::digest`].
    pub digest: String,
    /// See [`Run::verified`].
    pub verified: Option<bool>,
    /// See [`Run::damage`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub damage: Option<Damage>,
}

impl Read for End {
    fn read(value: Value) -> Result<Self, Unreadable> {
        let mut members = Members::of(value)?;
        Ok(End {
            run: members.take("run")?,
            status: members.take("status")?,
            exit_code: members.take("exitCode")?,
            events: members.take("events")?,
            bytes: members.take("bytes")?,
            digest: members.take("digest")?,
            verified: members.take("verified")?,
            damage: members.take("damage")?,
        })
    }
}

/// Sent after a silence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ping {
    /// The newest committed event.
    pub head: u64,
}

impl Read for Ping {
    fn read(value: Value) -> Result<Self, Unreadable> {
        let mut members = Members::of(value)?;
        Ok(Ping { head: members.take("head")? })
    }
}

/// The cursor cannot be honoured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reset {
    /// Why, in words.
    pub reason: String,
    /// The newest committed event; what comes after it follows in this stream.
    pub head: u64,
}

impl Read for Reset {
    fn read(value: Value) -> Result<Self, Unreadable> {
        let mut members = Members::of(value)?;
        Ok(Reset { reason: members.take("reason")?, head: members.take("head")? })
    }
}

/// The session is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ForceLogout {
    /// Why, in words.
    pub reason: String,
}

impl Read for ForceLogout {
    fn read(value: Value) -> Result<Self, Unreadable> {
        let mut members = Members::of(value)?;
        Ok(ForceLogout { reason: members.take("reason")? })
    }
}

/// The server ends the stream, and wants its client back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Shutdown {
    /// When to come back, in milliseconds from now.
    pub retry_ms: u64,
    /// The server stays: the stream has only lasted as long as any may, and a new one can be asked for at once.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub renewal: bool,
}

impl Read for Shutdown {
    fn read(value: Value) -> Result<Self, Unreadable> {
        let mut members = Members::of(value)?;
        Ok(Shutdown { retry_ms: members.take("retryMs")?, renewal: members.take::<Option<bool>>("renewal")?.unwrap_or_default() })
    }
}

impl StreamEvent {
    /// Reads one event from its name and its data. An event whose name is not known is `None`, so that a newer server may send
    /// more than an older page knows.
    ///
    /// # Errors
    /// The data is not what an event of that name carries.
    pub fn parse(name: &str, data: &str) -> Result<Option<Self>, Unreadable> {
        if !EVENT_NAMES.contains(&name) {
            return Ok(None);
        }
        let data = members::parse(data)?;
        Ok(Some(match name {
            "hello" => Self::Hello(Read::read(data)?),
            "task" => Self::Task(Box::new(Read::read(data)?)),
            "run" => Self::Run(Box::new(Read::read(data)?)),
            "output" => Self::Output(Read::read(data)?),
            "size" => Self::Size(Read::read(data)?),
            "end" => Self::End(Read::read(data)?),
            "ping" => Self::Ping(Read::read(data)?),
            "reset" => Self::Reset(Read::read(data)?),
            "force_logout" => Self::ForceLogout(Read::read(data)?),
            "shutdown" => Self::Shutdown(Read::read(data)?),
            _ => return Ok(None),
        }))
    }
}

/// An event of the log as a reader receives it: with its place.
#[derive(Clone, Debug, PartialEq)]
pub struct LogEvent {
    /// Where it stands; everything up to and with it has been seen once it is applied.
    pub cursor: Cursor,
    /// What happened.
    pub event: StreamEvent,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn data(event: &StreamEvent) -> (&'static str, Value) {
        let value = match event {
            StreamEvent::Hello(hello) => serde_json::to_value(hello),
            StreamEvent::Task(task) => serde_json::to_value(task),
            StreamEvent::Run(run) => serde_json::to_value(run),
            StreamEvent::Output(output) => serde_json::to_value(output),
            StreamEvent::Size(size) => serde_json::to_value(size),
            StreamEvent::End(end) => serde_json::to_value(end),
            StreamEvent::Ping(ping) => serde_json::to_value(ping),
            StreamEvent::Reset(reset) => serde_json::to_value(reset),
            StreamEvent::ForceLogout(logout) => serde_json::to_value(logout),
            StreamEvent::Shutdown(shutdown) => serde_json::to_value(shutdown),
        };
        let name = match event {
            StreamEvent::Hello(_) => "hello",
            StreamEvent::Task(_) => "task",
            StreamEvent::Run(_) => "run",
            StreamEvent::Output(_) => "output",
            StreamEvent::Size(_) => "size",
            StreamEvent::End(_) => "end",
            StreamEvent::Ping(_) => "ping",
            StreamEvent::Reset(_) => "reset",
            StreamEvent::ForceLogout(_) => "force_logout",
            StreamEvent::Shutdown(_) => "shutdown",
        };
        (name, value.expect("JSON"))
    }

    #[test]
    fn every_event_is_read_as_it_was_written() {
        let id = "019d0c5e-7b1c-7c7e-9d53-0d6f3a1f2b4c";
        let at = "2026-01-02T09:13:58.259Z";
        let task = json!({
            "id": id, "type": "odd", "status": "new", "title": "T", "context": {"a": 1}, "tags": [], "createdAt": at, "updatedAt": at, "more": []
        });
        let run = json!({
            "id": id, "taskId": id, "requestId": "r", "runner": "shell", "prompt": "p", "status": "running", "exitCode": null,
            "createdAt": at, "startedAt": at, "endedAt": null, "events": 1, "bytes": 2, "lines": 0, "digest": null, "verified": null,
        });
        let events = [
            ("hello", json!({"epoch": "k", "head": 7, "heartbeatMs": 15000, "build": "b"})),
            ("hello", json!({"epoch": "k", "head": 7, "heartbeatMs": 15000, "build": "b", "retryMs": 3, "notice": "n"})),
            ("task", task),
            ("task", json!({"id": id, "deleted": true})),
            ("run", run),
            ("output", json!({"run": id, "text": "a\r\n\u{1b}[0m", "at": at})),
            ("output", json!({"run": id, "text": "\u{fffd}", "at": at, "base64": "/w=="})),
            ("size", json!({"run": id, "columns": 80, "rows": 24})),
            (
                "end",
                json!({
                    "run": id, "status": "failed", "exitCode": 3, "events": 1, "bytes": 2, "digest": "sha256:00", "verified": true,
                }),
            ),
            (
                "end",
                json!({
                    "run": id, "status": "interrupted", "exitCode": 0, "events": 1, "bytes": 2, "digest": "sha256:00",
                    "verified": false, "damage": {"from": 0, "to": 2},
                }),
            ),
            ("ping", json!({"head": 7})),
            ("reset", json!({"reason": "r", "head": 7})),
            ("force_logout", json!({"reason": "r"})),
            ("shutdown", json!({"retryMs": 300})),
            ("shutdown", json!({"retryMs": 300, "renewal": true})),
        ];
        for name in EVENT_NAMES {
            assert!(events.iter().any(|(known, _)| *known == name), "{name}");
            assert!(StreamEvent::parse(name, "").is_err() && StreamEvent::parse(name, "[]").is_err(), "{name}");
        }
        for (name, written) in events {
            let event = StreamEvent::parse(name, &written.to_string()).expect("fits").expect("known");
            assert_eq!(data(&event), (name, written));
        }
        assert_eq!(StreamEvent::parse("later", "anything").expect("skipped"), None);
    }

    proptest! {
        #[test]
        fn the_exact_bytes_come_back(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            use base64::Engine;
            let base64 = base64::engine::general_purpose::STANDARD.encode(&bytes);
            prop_assert_eq!(decoded(&base64), bytes);
        }

        #[test]
        fn what_is_no_base64_is_survived(text in ".*") {
            prop_assert!(decoded(&text).len() <= text.len());
        }
    }
}
