//! Lines that have left the screen: compact, numbered, and bounded in number and bytes.

use super::{
    row::{Cell, Row},
    style::Style,
};
use crate::domain::visible_text::{is_hidden, is_kept};
use std::collections::VecDeque;

/// A line as it is shown: its text, and how its parts look.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Line {
    text: Box<str>,
    /// The parts from left to right; empty where all is plain.
    spans: Box<[Span]>,
    continuation: bool,
}

/// A part of a line with one style.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    /// The byte of the text where it ends.
    end: u32,
    style: Style,
}

impl Line {
    /// The line without its looks. It holds no control characters.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The line's parts with their looks, from left to right. None is empty.
    pub fn parts(&self) -> impl Iterator<Item = (&str, Style)> {
        let plain = (self.spans.is_empty() && !self.text.is_empty()).then_some((&*self.text, Style::PLAIN));
        let mut from = 0;
        let styled = self.spans.iter().map(move |span| {
            let part = from..span.end as usize;
            from = part.end;
            (self.text.get(part).unwrap_or_default(), span.style)
        });
        plain.into_iter().chain(styled)
    }

    /// Whether it goes on with a line that was too long to be kept as one.
    #[must_use]
    pub fn is_continuation(&self) -> bool {
        self.continuation
    }

    fn bytes(&self) -> usize {
        size_of::<Line>() + self.text.len() + size_of_val(&*self.spans)
    }
}

/// How much of a line there is so far: decides which rows it takes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Measure {
    open: bool,
    cells: usize,
}

impl Measure {
    /// The longest line, in cells, that is kept as one.
    pub(super) const MAX_CELLS: usize = 4096;

    /// Whether `row` belongs to the line.
    pub(super) fn takes(self, row: &Row) -> bool {
        self.open && row.continues && self.cells + row.cells.len() <= Self::MAX_CELLS
    }

    /// How many cells there are.
    pub(super) fn cells(self) -> usize {
        self.cells
    }

    /// Counts a row in.
    pub(super) fn add(&mut self, row: &Row) {
        self.open = true;
        self.cells += row.cells.len();
    }
}

/// Puts the rows of one line together.
#[derive(Clone, Debug, Default)]
pub(super) struct LineBuilder {
    text: String,
    spans: Vec<Span>,
    style: Style,
    cells: usize,
    continuation: bool,
    open: bool,
    /// A joiner or variation selector, until the character after it is known.
    waiting: Option<char>,
}

impl LineBuilder {
    /// Whether something has been put in since the last [`LineBuilder::finish`].
    pub(super) fn is_open(&self) -> bool {
        self.open
    }

    /// How much there is.
    pub(super) fn measure(&self) -> Measure {
        Measure { open: self.open, cells: self.cells }
    }

    /// Adds a row.
    pub(super) fn push(&mut self, row: &Row) {
        if !self.open {
            self.open = true;
            self.continuation = row.continues;
        }
        self.cells += row.cells.len();
        self.text.reserve(row.cells.len());
        for cell in &row.cells {
            if cell.style != self.style {
                self.close_span();
                self.style = cell.style;
            }
            if cell.c == Cell::RIGHT_HALF {
                continue;
            }
            self.put(cell.c);
            if cell.marks[0] != '\0' {
                cell.marks.iter().filter(|mark| **mark != '\0').for_each(|mark| self.put(*mark));
            }
        }
    }

    fn put(&mut self, c: char) {
        if self.waiting.is_some() {
            self.settle(Some(c));
        }
        if !c.is_ascii() && is_hidden(c) {
            self.waiting = Some(c);
        } else {
            self.text.push(c);
        }
    }

    /// What waits stays where it does what it is for, now that the character after it is known.
    fn settle(&mut self, after: Option<char>) {
        if let Some(waiting) = self.waiting.take()
            && is_kept(self.text.chars().next_back(), waiting, after)
        {
            self.text.push(waiting);
        }
    }

    fn close_span(&mut self) {
        let end = u32::try_from(self.text.len()).unwrap_or(u32::MAX);
        if end > self.spans.last().map_or(0, |span| span.end) {
            self.spans.push(Span { end, style: self.style });
        }
    }

    /// Takes the blanks at the end away that look like nothing.
    fn trim(&mut self) {
        while self.style.hides_blank() {
            let start = self.spans.last().map_or(0, |span| span.end as usize);
            let blanks = self.text.bytes().skip(start).rev().take_while(|byte| *byte == b' ').count();
            self.text.truncate(self.text.len() - blanks);
            self.cells -= blanks;
            if self.text.len() > start {
                return;
            }
            let Some(before) = self.spans.pop() else { return };
            self.style = before.style;
        }
    }

    /// The line without the blanks at its end, and how many cells it has; the builder is empty afterwards.
    pub(super) fn finish(&mut self) -> (Line, usize) {
        self.settle(None);
        self.trim();
        if !self.spans.is_empty() || self.style != Style::PLAIN {
            self.close_span();
        }
        let line = Line { text: self.text.as_str().into(), spans: self.spans.as_slice().into(), continuation: self.continuation };
        let cells = self.cells;
        self.text.clear();
        self.spans.clear();
        self.style = Style::PLAIN;
        self.cells = 0;
        self.open = false;
        (line, cells)
    }
}

/// The lines above the screen.
#[derive(Clone, Debug)]
pub(super) struct History {
    lines: VecDeque<Line>,
    dropped: usize,
    bytes: usize,
    max_lines: usize,
    max_bytes: usize,
}

impl History {
    pub(super) fn new(max_lines: usize, max_bytes: usize) -> Self {
        History { lines: VecDeque::new(), dropped: 0, bytes: 0, max_lines, max_bytes }
    }

    /// The number of the oldest line that is kept.
    pub(super) fn first(&self) -> usize {
        self.dropped
    }

    /// One more than the number of the newest line.
    pub(super) fn end(&self) -> usize {
        self.dropped + self.lines.len()
    }

    pub(super) fn get(&self, number: usize) -> Option<&Line> {
        self.lines.get(number.checked_sub(self.dropped)?)
    }

    pub(super) fn push(&mut self, line: Line) {
        self.bytes += line.bytes();
        self.lines.push_back(line);
        while self.lines.len() > self.max_lines || self.bytes > self.max_bytes {
            let Some(oldest) = self.lines.pop_front() else { return };
            self.bytes -= oldest.bytes();
            self.dropped += 1;
        }
    }

    /// Takes the newest line back; none where all have been dropped.
    pub(super) fn pop(&mut self) -> Option<Line> {
        let line = self.lines.pop_back()?;
        self.bytes -= line.bytes();
        Some(line)
    }

    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}
