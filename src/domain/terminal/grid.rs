//! The screen proper: rows of cells, a cursor, how text is written, and how rows leave the screen and are read as lines.

mod commands;
mod resize;

use super::{
    Options,
    history::{History, Line, LineBuilder, Measure},
    row::Row,
    style::Style,
};
use std::{borrow::Cow, collections::VecDeque};
use unicode_width::UnicodeWidthChar;

/// Where the cursor is, with what is saved and restored beside it.
#[derive(Clone, Copy, Debug, Default)]
struct Cursor {
    row: usize,
    /// `columns` where the row is full: the next character wraps.
    column: usize,
    style: Style,
    charsets: Charsets,
}

/// Which of the two character sets in reach draws lines, and which one is in use.
#[derive(Clone, Copy, Debug, Default)]
struct Charsets {
    drawing: [bool; 2],
    active: usize,
}

/// See the module's words.
#[derive(Clone, Debug)]
pub(super) struct Grid {
    columns: usize,
    rows: VecDeque<Row>,
    cursor: Cursor,
    saved: Cursor,
    /// The first and last row of the part that scrolls.
    region: (usize, usize),
    wraps: bool,
    alternate: bool,
    /// The last character printed, for REP.
    last: Option<char>,
    pub(super) history: History,
    /// The line whose first rows have left the screen while it goes on in the top row.
    tail: LineBuilder,
    widest: usize,
    dirty_row: usize,
    dirty_line: usize,
}

/// Rows of the screen that are one line.
struct Group {
    start: usize,
    end: usize,
    /// Whether the line began above the screen.
    tail: bool,
}

impl Grid {
    pub(super) fn new(options: Options) -> Self {
        let rows = options.rows.clamp(1, 500);
        Grid {
            columns: options.columns.clamp(2, 1000),
            rows: std::iter::repeat_with(Row::default).take(rows).collect(),
            cursor: Cursor::default(),
            saved: Cursor::default(),
            region: (0, rows - 1),
            wraps: true,
            alternate: false,
            last: None,
            history: History::new(options.max_lines, options.max_bytes),
            tail: LineBuilder::default(),
            widest: 0,
            dirty_row: usize::MAX,
            dirty_line: usize::MAX,
        }
    }

    // ---- what a reader sees

    /// How many rows hold something or lie above the cursor.
    fn extent(&self) -> usize {
        let shown = self.rows.iter().rposition(|row| row.shown() > 0).map_or(0, |last| last + 1);
        shown.max(self.cursor.row)
    }

    /// The lines that begin in the tail or on the screen. The same rule decides when rows leave the screen ([`Grid::leave`]), so
    /// that a line stays the same line.
    fn groups(&self) -> Vec<Group> {
        let mut groups = Vec::new();
        let mut line = Group { start: 0, end: 0, tail: self.tail.is_open() };
        let mut measure = self.tail.measure();
        for (at, row) in self.rows.iter().enumerate().take(self.extent()) {
            if !measure.takes(row) {
                if line.tail || line.end > line.start {
                    groups.push(line);
                }
                line = Group { start: at, end: at, tail: false };
                measure = Measure::default();
            }
            measure.add(row);
            line.end = at + 1;
        }
        if line.tail || line.end > line.start {
            groups.push(line);
        }
        groups
    }

    pub(super) fn end(&self) -> usize {
        self.history.end() + self.groups().len()
    }

    pub(super) fn line(&self, number: usize) -> Option<Cow<'_, Line>> {
        if let Some(line) = self.history.get(number) {
            return Some(Cow::Borrowed(line));
        }
        let group = self.groups().into_iter().nth(number.checked_sub(self.history.end())?)?;
        let mut builder = if group.tail { self.tail.clone() } else { LineBuilder::default() };
        self.rows.range(group.start..group.end).for_each(|row| builder.push(row));
        Some(Cow::Owned(builder.finish().0))
    }

    pub(super) fn widest(&self) -> usize {
        let cells = |group: Group| {
            let mut measure = if group.tail { self.tail.measure() } else { Measure::default() };
            self.rows.range(group.start..group.end).for_each(|row| measure.add(row));
            measure.cells()
        };
        self.groups().into_iter().map(cells).max().unwrap_or(0).max(self.widest)
    }

    pub(super) fn take_dirty(&mut self) -> Option<usize> {
        let row = std::mem::replace(&mut self.dirty_row, usize::MAX);
        let line = std::mem::replace(&mut self.dirty_line, usize::MAX);
        let on_screen = (row != usize::MAX).then(|| {
            // a row that has grown may have left the line of the row above it
            let row = if self.rows.get(row).is_some_and(|row| row.continues) { row.saturating_sub(1) } else { row };
            let groups = self.groups();
            let place = groups.iter().position(|group| group.end > row).unwrap_or(groups.len());
            self.history.end() + place
        });
        let above = (line != usize::MAX).then_some(line);
        on_screen.into_iter().chain(above).min()
    }

    fn touch(&mut self, row: usize) {
        self.dirty_row = self.dirty_row.min(row);
        if row == 0 && self.tail.is_open() {
            self.dirty_line = self.dirty_line.min(self.history.end());
        }
    }

    /// The row is no longer the continuation of the one above it.
    fn unlink(&mut self, row: usize) {
        if let Some(unlinked) = self.rows.get_mut(row).filter(|row| row.continues) {
            unlinked.continues = false;
            self.touch(row.saturating_sub(1));
        }
    }

    // ---- rows that come and go

    /// The top row leaves the screen and becomes part of the history. `followed`: the row below it goes on with its line.
    fn leave(&mut self, followed: bool) -> Row {
        let Some(mut row) = self.rows.pop_front() else { return Row::default() };
        if self.dirty_row == 0 {
            self.dirty_line = self.dirty_line.min(self.history.end());
        }
        if self.dirty_row != usize::MAX {
            self.dirty_row = self.dirty_row.saturating_sub(1);
        }
        if self.tail.is_open() && !self.tail.measure().takes(&row) {
            self.close_tail();
        }
        self.tail.push(&row);
        if !followed {
            self.close_tail();
        }
        row.clear();
        row
    }

    fn close_tail(&mut self) {
        let (line, cells) = self.tail.finish();
        self.widest = self.widest.max(cells);
        self.history.push(line);
    }

    /// The rows of the region move up by one, and the last one is blank. `wrapped`: that row will go on with the one above it.
    fn scroll_up(&mut self, wrapped: bool) {
        let (top, bottom) = self.region;
        if top == 0 {
            let followed = if bottom == 0 { wrapped } else { self.rows.get(1).is_some_and(|row| row.continues) };
            // rows below the region stay where they are: they have a new line number, and part from what moves up
            let parts = bottom + 1 < self.rows.len();
            if parts {
                self.touch(bottom);
            }
            let row = self.leave(followed);
            self.rows.insert(bottom, row);
            if parts {
                self.unlink(bottom + 1);
            }
            self.touch(bottom);
        } else {
            self.move_row(top, bottom);
        }
    }

    /// The row `from` is taken out and comes back blank as row `to`; those between move by one.
    fn move_row(&mut self, from: usize, to: usize) {
        let (first, last) = (from.min(to), from.max(to));
        // the row above loses what goes on here
        self.touch(first.saturating_sub(1));
        if let Some(mut row) = self.rows.remove(from) {
            row.clear();
            self.rows.insert(to, row);
        }
        for border in [first, to, to + 1, last + 1] {
            self.unlink(border);
        }
    }

    /// Everything on the screen becomes history, and the screen is blank.
    fn move_on(&mut self) {
        // what has changed is told by its line, since the rows are about to part from it
        if let Some(line) = self.take_dirty() {
            self.dirty_line = line;
        }
        let shown = self.rows.iter().rposition(|row| row.shown() > 0).map_or(0, |last| last + 1);
        for _ in 0..shown {
            let followed = self.rows.get(1).is_some_and(|row| row.continues);
            let row = self.leave(followed);
            self.rows.push_back(row);
        }
        if self.tail.is_open() {
            self.close_tail();
        }
        self.touch(0);
    }

    fn line_feed(&mut self, wrapped: bool) {
        let full = self.cursor.row + 1 == self.rows.len();
        if self.cursor.row == self.region.1 {
            self.scroll_up(wrapped);
        } else if !full {
            self.cursor.row += 1;
        }
    }

    fn reverse_line_feed(&mut self) {
        if self.cursor.row == self.region.0 {
            self.move_row(self.region.1, self.region.0);
        } else {
            self.cursor.row = self.cursor.row.saturating_sub(1);
        }
    }

    // ---- text

    /// Makes sure that `width` cells are free from the cursor on, in this row or the next.
    fn make_room(&mut self, width: usize) {
        if self.cursor.column + width <= self.columns {
            return;
        }
        if self.wraps {
            self.touch(self.cursor.row);
            self.line_feed(true);
            self.cursor.column = 0;
            let row = self.cursor.row;
            if let Some(row) = self.rows.get_mut(row) {
                row.continues = true;
            }
        } else {
            self.cursor.column = self.columns - width;
        }
    }

    fn draws_lines(&self) -> bool {
        self.cursor.charsets.drawing.get(self.cursor.charsets.active).copied().unwrap_or(false)
    }

    fn put(&mut self, c: char) {
        let width = c.width().unwrap_or(0);
        let style = self.cursor.style;
        if width == 0 {
            let (row, column) = (self.cursor.row, self.cursor.column);
            self.touch(row);
            if let Some(row) = self.rows.get_mut(row) {
                row.mark(column, c);
            }
            return;
        }
        self.make_room(width);
        let (row, column) = (self.cursor.row, self.cursor.column);
        self.touch(row);
        if let Some(row) = self.rows.get_mut(row) {
            row.write(column, c, width, style);
        }
        self.cursor.column += width;
        self.last = Some(c);
    }
}
