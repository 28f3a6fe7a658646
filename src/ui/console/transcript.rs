//! What the console knows of a run's output: a screen that goes on with what arrives, and, where the page began with the end of the
//! output only, how much is missing before it and the way to have it.
//!
//! Rows are numbered from the beginning of the output. While the beginning is missing, the number of rows before the first known one
//! is taken from the line feeds that the server counted; once it is there, the screen itself says it.

use crate::domain::{
    event::Output,
    snapshot::ConsoleSnapshot,
    terminal::{Line, Screen},
    terminal_size::{PlacedSize, screen_of},
};
use std::{borrow::Cow, ops::Range};

/// The most bytes that are loaded to complete a console; before them only the plain text has everything.
pub const MAX_REPLAY: u64 = 48 * 1024 * 1024;

/// A run's output as rows.
#[derive(Clone, Debug)]
pub struct Transcript {
    screen: Screen,
    /// How many rows come before the screen's first.
    base: usize,
    /// How many bytes of output are known or known to be missing.
    bytes: u64,
    /// How many of them are line feeds.
    line_feeds: u64,
    /// Where the output that the screen was fed begins.
    start: u64,
    /// The sizes that the terminal had, by their places among the bytes.
    sizes: Vec<PlacedSize>,
    replay: Option<Replay>,
    changed: Option<usize>,
}

/// The output read again from further back, until it has caught up.
#[derive(Clone, Debug)]
struct Replay {
    screen: Screen,
    range: Range<u64>,
    /// How many bytes of the output come before what is read next.
    at: u64,
    /// The sizes that come from there on, the next one last.
    sizes: Vec<PlacedSize>,
    line_feeds: u64,
    decoder: Decoder,
    /// What arrived since it began.
    waiting: Vec<Arrived>,
    waiting_line_feeds: u64,
    /// Whether the first line, of which only the end is in the range, has been passed over.
    aligned: bool,
}

/// What arrives while earlier output is read again.
#[derive(Clone, Debug)]
enum Arrived {
    Text(String),
    Size(u16, u16),
}

impl Transcript {
    /// What a page begins with.
    #[must_use]
    pub fn new(snapshot: &ConsoleSnapshot) -> Self {
        let run = &snapshot.run;
        let known = line_feeds(&snapshot.text);
        let base = if snapshot.text_start == 0 { 0 } else { run.lines.saturating_sub(known) };
        Transcript {
            screen: screen_of(&snapshot.text, &snapshot.sizes),
            base: usize::try_from(base).unwrap_or(usize::MAX),
            bytes: run.bytes,
            line_feeds: run.lines,
            start: snapshot.text_start,
            sizes: snapshot.sizes.clone(),
            replay: None,
            changed: Some(0),
        }
    }

    /// The next output.
    pub fn push(&mut self, output: &Output) {
        self.bytes += raw_length(output);
        let more = line_feeds(&output.text);
        self.line_feeds += more;
        self.screen.feed(&output.text);
        if let Some(replay) = &mut self.replay {
            replay.waiting.push(Arrived::Text(output.text.clone()));
            replay.waiting_line_feeds += more;
        }
    }

    /// The terminal has another size from here on, in cells.
    pub fn resize(&mut self, columns: u16, rows: u16) {
        self.sizes.push(PlacedSize { at: self.bytes, text_at: 0, columns, rows });
        self.screen.resize(columns.into(), rows.into());
        if let Some(replay) = &mut self.replay {
            replay.waiting.push(Arrived::Size(columns, rows));
        }
    }

    /// How many rows there are, with those that are not known.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.base + self.screen.lines()
    }

    /// The first row that is known.
    #[must_use]
    pub fn first(&self) -> usize {
        self.base + self.screen.first_line()
    }

    /// A row by its number.
    #[must_use]
    pub fn row(&self, number: usize) -> Option<Cow<'_, Line>> {
        self.screen.line(number.checked_sub(self.base)?)
    }

    /// The widest row, in cells.
    #[must_use]
    pub fn widest(&self) -> usize {
        self.screen.widest()
    }

    /// How many bytes the run has written, as far as is known here.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The lowest row that may have changed since the last call.
    pub fn take_changed(&mut self) -> Option<usize> {
        let base = self.base;
        let dirty = self.screen.take_dirty().map(|number| base + number);
        self.changed.take().into_iter().chain(dirty).min()
    }

    /// How many bytes before the known ones could be loaded.
    #[must_use]
    pub fn missing(&self) -> u64 {
        self.start.saturating_sub(self.bytes.saturating_sub(MAX_REPLAY))
    }

    /// Begins to read the output again from its beginning, or as far back as is reasonable; returns the bytes that
    /// [`Transcript::replay`] then needs.
    pub fn begin_replay(&mut self) -> Range<u64> {
        let range = self.bytes.saturating_sub(MAX_REPLAY)..self.bytes;
        self.replay = Some(Replay {
            screen: Screen::default(),
            range: range.clone(),
            at: range.start,
            sizes: self.sizes.iter().rev().copied().collect(),
            line_feeds: 0,
            decoder: Decoder::default(),
            waiting: Vec::new(),
            waiting_line_feeds: 0,
            aligned: range.start == 0,
        });
        range
    }

    /// The next bytes of that range.
    pub fn replay(&mut self, bytes: &[u8]) {
        if let Some(replay) = &mut self.replay {
            replay.read(bytes);
        }
    }

    /// All bytes of the range have been given: what they show replaces what was known. Returns how many rows further down each
    /// row now stands.
    pub fn finish_replay(&mut self) -> isize {
        let Some(mut replay) = self.replay.take() else { return 0 };
        let rest = replay.decoder.finish();
        replay.take(rest);
        // Those that stand behind the last byte.
        while let Some(size) = replay.sizes.pop() {
            replay.screen.resize(size.columns.into(), size.rows.into());
        }
        for arrived in &replay.waiting {
            match arrived {
                Arrived::Text(text) => replay.screen.feed(text),
                Arrived::Size(columns, rows) => replay.screen.resize((*columns).into(), (*rows).into()),
            }
        }
        let rows = self.rows();
        let before = self.line_feeds.saturating_sub(replay.line_feeds + replay.waiting_line_feeds);
        self.base = if replay.range.start == 0 { 0 } else { usize::try_from(before).unwrap_or(usize::MAX) };
        self.start = replay.range.start;
        self.screen = replay.screen;
        self.changed = Some(0);
        self.rows() as isize - rows as isize
    }

    /// The bytes could not be had.
    pub fn abandon_replay(&mut self) {
        self.replay = None;
    }
}

impl Replay {
    /// The next bytes, with each size at its place among them.
    fn read(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        loop {
            let before = self.sizes.last().and_then(|size| usize::try_from(size.at.saturating_sub(self.at)).ok());
            let Some((next, more)) = before.and_then(|before| rest.split_at_checked(before)) else { break };
            self.decode(next);
            if let Some(size) = self.sizes.pop() {
                self.screen.resize(size.columns.into(), size.rows.into());
            }
            rest = more;
        }
        self.decode(rest);
    }

    fn decode(&mut self, bytes: &[u8]) {
        self.at += bytes.len() as u64;
        let text = self.decoder.decode(bytes);
        self.take(&text);
    }

    fn take(&mut self, text: &str) {
        let text = match (self.aligned, text.split_once('\n')) {
            (true, _) => text,
            (false, Some((_, lines))) => {
                self.aligned = true;
                lines
            }
            (false, None) => return,
        };
        self.line_feeds += line_feeds(text);
        self.screen.feed(text);
    }
}

fn line_feeds(text: &str) -> u64 {
    text.bytes().filter(|byte| *byte == b'\n').count() as u64
}

/// How many bytes the program wrote.
fn raw_length(output: &Output) -> u64 {
    match &output.base64 {
        Some(base64) => (base64.trim_end_matches('=').len() as u64) * 3 / 4,
        None => output.text.len() as u64,
    }
}

/// Bytes to text, piece by piece, with U+FFFD for what is not UTF-8: the same as for all pieces at once.
#[derive(Clone, Debug, Default)]
struct Decoder {
    /// The beginning of a character, of which the rest is in the next piece.
    held: Vec<u8>,
}

impl Decoder {
    fn decode(&mut self, bytes: &[u8]) -> String {
        let mut text = String::with_capacity(bytes.len() + 4);
        let joined;
        let mut rest = if self.held.is_empty() {
            bytes
        } else {
            joined = [std::mem::take(&mut self.held).as_slice(), bytes].concat();
            &joined
        };
        loop {
            match std::str::from_utf8(rest) {
                Ok(valid) => {
                    text.push_str(valid);
                    return text;
                }
                Err(error) => {
                    let (valid, broken) = rest.split_at(error.valid_up_to());
                    text.push_str(std::str::from_utf8(valid).unwrap_or_default());
                    let Some(length) = error.error_len() else {
                        self.held = broken.to_vec();
                        return text;
                    };
                    text.push('\u{fffd}');
                    rest = broken.get(length..).unwrap_or_default();
                }
            }
        }
    }

    fn finish(&mut self) -> &'static str {
        if std::mem::take(&mut self.held).is_empty() { "" } else { "\u{fffd}" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        cursor::{Cursor, Epoch},
        id::{RunId, TaskId},
        run::{Run, RunStatus},
        timestamp::Timestamp,
    };
    use proptest::prelude::*;

    /// The snapshot of a run that wrote `all`, with its text from `start` on.
    fn snapshot(all: &str, start: usize) -> ConsoleSnapshot {
        let run = Run {
            id: RunId(uuid::Uuid::nil()),
            task_id: TaskId(uuid::Uuid::nil()),
            request_id: String::new(),
            runner: "shell".into(),
            prompt: String::new(),
            status: RunStatus::Running,
            exit_code: None,
            signal: None,
            reason: None,
            stopping: None,
            held: None,
            created_at: Timestamp(0),
            started_at: None,
            ended_at: None,
            events: 1,
            bytes: all.len() as u64,
            lines: line_feeds(all),
            digest: None,
            verified: None,
            verified_bytes: None,
            program_digest: None,
            damage: None,
            number: 1,
            ahead: None,
        };
        let cursor = Cursor { epoch: Epoch::new("e").expect("fits"), seq: 1 };
        ConsoleSnapshot {
            cursor,
            run,
            text: all[start..].into(),
            text_start: start as u64,
            sizes: Vec::new(),
            digest_so_far: None,
            input: None,
        }
    }

    fn output(text: &str) -> Output {
        Output { run: RunId(uuid::Uuid::nil()), text: text.into(), at: Timestamp(0), base64: None }
    }

    fn rows(transcript: &Transcript) -> Vec<String> {
        (transcript.first()..transcript.rows()).map(|n| transcript.row(n).expect("known").text().to_owned()).collect()
    }

    #[test]
    fn rows_keep_their_numbers_when_the_beginning_comes() {
        let all: String = (0..1000).map(|n| format!("line {n}\r\n")).collect();
        let start = all.find("line 700").expect("is there");
        let mut transcript = Transcript::new(&snapshot(&all, start));
        assert_eq!((transcript.first(), transcript.rows()), (700, 1000));
        assert_eq!(transcript.row(700).expect("known").text(), "line 700");
        assert_eq!(transcript.missing(), start as u64);

        transcript.push(&output("line 1000\r\n"));
        let range = transcript.begin_replay();
        assert_eq!(range, 0..all.len() as u64 + 11);
        let served = all + "line 1000\r\n";
        for piece in served.as_bytes().chunks(777) {
            transcript.replay(piece);
            transcript.push(&output("later\r\n"));
        }
        let before = transcript.rows();
        assert_eq!(transcript.finish_replay(), 0);
        assert_eq!((transcript.first(), transcript.rows(), transcript.missing()), (0, before, 0));
        assert_eq!(rows(&transcript)[1000..1003], ["line 1000", "later", "later"]);
        assert_eq!(transcript.take_changed(), Some(0));
    }

    #[test]
    fn rows_that_were_redrawn_are_not_rows() {
        // a bar that goes up a row a hundred times: line feeds are more than rows
        let mut all = "bar\n\u{1b}[A".repeat(100);
        all.push_str("\nend\n");
        let start = all.len() - 5;
        let mut transcript = Transcript::new(&snapshot(&all, start));
        let before = transcript.rows() as isize;
        let range = transcript.begin_replay();
        transcript.replay(&all.as_bytes()[range.start as usize..range.end as usize]);
        assert_eq!(transcript.finish_replay(), 2 - before);
        assert_eq!(rows(&transcript), ["bar", "end"]);
    }

    #[test]
    fn earlier_output_is_read_with_the_sizes_that_it_was_written_at() {
        // Each part is 30 letters and a step up: which row that is in depends on the width.
        let part = |letter: char| format!("{}\r\n\u{1b}[AX\r\n", letter.to_string().repeat(30));
        let (first, second, third) = (part('a'), part('b'), part('c'));
        let size = |at: usize, columns| PlacedSize { at: at as u64, text_at: 0, columns, rows: 10 };
        let all = [first.as_str(), &second].concat();
        let sizes = vec![size(0, 20), size(first.len(), 10)];
        let expected = ["aaaaaaaaaaaaaaaaaaaaXaaaaaaaaa", "bbbbbbbbbbbbbbbbbbbbXbbbbbbbbb", "Xccccccccccccccccccccccccccccc"];
        let mut snapshot = snapshot(&all, all.len());
        snapshot.sizes = sizes;
        let mut transcript = Transcript::new(&snapshot);
        let range = transcript.begin_replay();
        assert_eq!(range, 0..all.len() as u64);
        all.as_bytes().chunks(7).for_each(|piece| transcript.replay(piece));
        // What happens meanwhile comes after it, in its order.
        transcript.resize(40, 10);
        transcript.push(&output(&third));
        transcript.finish_replay();
        assert_eq!(rows(&transcript), expected);
        // The same again, with nothing that arrives.
        transcript.begin_replay();
        [all.as_bytes(), third.as_bytes()].concat().chunks(11).for_each(|piece| transcript.replay(piece));
        transcript.finish_replay();
        assert_eq!(rows(&transcript), expected);
    }

    #[test]
    fn bytes_that_are_no_text_are_counted_as_written() {
        let mut transcript = Transcript::new(&snapshot("", 0));
        for (base64, bytes) in [("/w==", 1), ("//8=", 2), ("////", 3), ("/////w==", 4)] {
            let before = transcript.bytes();
            transcript.push(&Output { base64: Some(base64.into()), ..output("\u{fffd}") });
            assert_eq!(transcript.bytes() - before, bytes);
        }
    }

    #[test]
    fn a_replay_that_begins_inside_begins_with_a_line() {
        let mut replay = Transcript::new(&snapshot("", 0));
        replay.begin_replay();
        let replay = replay.replay.as_mut().expect("begun");
        replay.aligned = false;
        ["half a l", "ine\none", "\ntwo\n"].iter().for_each(|piece| replay.take(piece));
        assert_eq!((replay.screen.lines(), replay.line_feeds), (2, 2));
        assert_eq!(replay.screen.line(0).expect("known").text(), "one");
    }

    proptest! {
        #[test]
        fn decoding_does_not_depend_on_the_pieces(bytes: Vec<u8>, text in "\\PC{0,20}", size in 1usize..9) {
            let all = [&bytes, text.as_bytes(), &bytes].concat();
            let mut decoder = Decoder::default();
            let mut decoded: String = all.chunks(size).map(|piece| decoder.decode(piece)).collect();
            decoded.push_str(decoder.finish());
            prop_assert_eq!(decoded, String::from_utf8_lossy(&all));
        }
    }
}
