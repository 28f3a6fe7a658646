//! Counts what arrives between the return of a lost connection and the moment when nothing is missing any more.

use crate::domain::{event::Output, id::RunId, reconnect::words::Progress};

/// How a page stands to what it has missed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Notice {
    /// Still on the way, for longer than a person would not notice.
    CatchingUp(Progress),
    /// Over.
    CaughtUp(CaughtUp),
}

/// What had been missed and has arrived.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CaughtUp {
    /// Lines of output, over all runs.
    pub lines: u64,
    /// Lines of output of each run that had some.
    pub runs: Vec<(RunId, u64)>,
}

impl CaughtUp {
    /// The lines of one run.
    #[must_use]
    pub fn lines_of(&self, run: RunId) -> u64 {
        self.runs.iter().find(|(known, _)| *known == run).map_or(0, |(_, lines)| *lines)
    }

    pub(super) fn count(&mut self, output: &Output) {
        let lines = output.text.bytes().filter(|byte| *byte == b'\n').count() as u64;
        if lines == 0 {
            return;
        }
        self.lines += lines;
        match self.runs.iter_mut().find(|(known, _)| *known == output.run) {
            Some((_, count)) => *count += lines,
            None => self.runs.push((output.run, lines)),
        }
    }
}
