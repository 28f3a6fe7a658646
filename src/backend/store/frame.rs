//! One event of the log as a stream carries it: the text of a server-sent event, encoded once and shared by all its readers.

use super::error::StoreError;
use crate::domain::{cursor::Epoch, event::Output, id::RunId, timestamp::Timestamp};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde::Serialize;
use std::io::Write;

/// What an event of the log tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// A task was made, changed or deleted.
    Task,
    /// A run was made or changed.
    Run,
    /// A run wrote something.
    Output,
    /// A run's terminal got another size.
    Size,
    /// A run has ended: its last event.
    End,
}

impl EventKind {
    /// The event's name in a stream.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            EventKind::Task => "task",
            EventKind::Run => "run",
            EventKind::Output => "output",
            EventKind::Size => "size",
            EventKind::End => "end",
        }
    }

    pub(super) fn code(self) -> i64 {
        match self {
            EventKind::Task => 0,
            EventKind::Run => 1,
            EventKind::Output => 2,
            EventKind::End => 3,
            EventKind::Size => 4,
        }
    }

    pub(super) fn from_code(code: i64) -> Result<Self, StoreError> {
        [EventKind::Task, EventKind::Run, EventKind::Output, EventKind::Size, EventKind::End]
            .into_iter()
            .find(|kind| kind.code() == code)
            .ok_or_else(|| StoreError::Broken { what: "event", reason: format!("{code} is no kind") })
    }
}

/// One event, ready to be sent: `id: <epoch>-<seq>`, `event: <name>`, `data: <one line of JSON>` and an empty line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Its place in the log.
    pub seq: u64,
    /// What it tells of.
    pub kind: EventKind,
    /// The whole text.
    pub bytes: Bytes,
}

/// An event as it is stored. `payload` is JSON, or for output the bytes as the program wrote them.
#[derive(Clone, Debug)]
pub(super) struct Event {
    pub seq: u64,
    pub kind: EventKind,
    /// The run that it belongs to; none for a task.
    pub run: Option<RunId>,
    pub at: Timestamp,
    pub payload: Bytes,
}

impl Event {
    /// Encodes the event.
    ///
    /// # Errors
    /// [`StoreError::Broken`] for output without a run, which nothing writes.
    pub fn frame(&self, epoch: &Epoch) -> Result<Frame, StoreError> {
        let broken = |reason: String| StoreError::Broken { what: "event", reason };
        let mut bytes = Vec::with_capacity(self.payload.len() + self.payload.len() / 8 + 192);
        let written = write!(bytes, "id: {epoch}-{}\nevent: {}\ndata: ", self.seq, self.kind.name());
        written.map_err(|error| broken(error.to_string()))?;
        match (self.kind, self.run) {
            (EventKind::Output, Some(run)) => {
                serde_json::to_writer(&mut bytes, &output(run, self.at, &self.payload)).map_err(|error| broken(error.to_string()))?;
            }
            (EventKind::Output, None) => return Err(broken("output of no run".into())),
            _ => bytes.extend_from_slice(&self.payload),
        }
        bytes.extend_from_slice(b"\n\n");
        Ok(Frame { seq: self.seq, kind: self.kind, bytes: bytes.into() })
    }
}

/// The JSON of a value, on one line: JSON writes line feeds in texts as `\n`.
pub(super) fn json<T: Serialize>(value: &T) -> Result<Bytes, StoreError> {
    serde_json::to_vec(value).map(Bytes::from).map_err(|error| StoreError::Broken { what: "value", reason: error.to_string() })
}

/// What a stream says of bytes that a run wrote: text, and the bytes themselves only where the text does not say them exactly.
fn output(run: RunId, at: Timestamp, raw: &[u8]) -> Output {
    let text = String::from_utf8_lossy(raw).into_owned();
    let base64 = (text.as_bytes() != raw).then(|| STANDARD.encode(raw));
    Output { run, text, at, base64 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::StreamEvent;

    fn parse(frame: &Frame) -> (String, StreamEvent) {
        let text = std::str::from_utf8(&frame.bytes).expect("UTF-8");
        let lines: Vec<_> = text.split('\n').collect();
        assert_eq!(lines.len(), 5, "three lines and an empty one: {text:?}");
        let name = lines[1].strip_prefix("event: ").expect("a name");
        let event = StreamEvent::parse(name, lines[2].strip_prefix("data: ").expect("data")).expect("JSON").expect("known");
        (lines[0].to_owned(), event)
    }

    #[test]
    fn output_is_one_line_and_exact() {
        let run = RunId(uuid::Uuid::from_u128(7));
        for raw in [&b"a\r\nb\n\x1b[31mred\xe2\x80\xa8\0"[..], "zażółć 🚨".as_bytes(), b"\xff\xfe half \xe2\x82"] {
            let event = Event { seq: 12, kind: EventKind::Output, run: Some(run), at: Timestamp(5), payload: Bytes::copy_from_slice(raw) };
            let frame = event.frame(&Epoch::new("k1").expect("fits")).expect("encodes");
            let (id, event) = parse(&frame);
            assert_eq!(id, "id: k1-12");
            let StreamEvent::Output(output) = event else { panic!("not output") };
            assert_eq!(output.text, String::from_utf8_lossy(raw));
            let exact = output.base64.map_or_else(|| output.text.into_bytes(), |base64| STANDARD.decode(base64).expect("base64"));
            assert_eq!(exact, raw);
        }
    }
}
