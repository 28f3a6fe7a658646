//! One row of the screen as cells. Cells beyond its end are blank.

use super::style::Style;

/// One place of a row: a character with the marks that sit on it. The right half of a wide character is [`Cell::RIGHT_HALF`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    pub(super) style: Style,
    pub(super) c: char,
    /// Combining marks, NUL where there is none. Three are enough for every script; more are dropped.
    pub(super) marks: [char; 3],
}

impl Cell {
    /// The character in the second cell of a wide one.
    pub(super) const RIGHT_HALF: char = '\0';

    pub(super) const BLANK: Cell = Cell::new(' ', Style::PLAIN);

    pub(super) const fn new(c: char, style: Style) -> Self {
        Cell { style, c, marks: ['\0'; 3] }
    }

    pub(super) fn is_nothing(&self) -> bool {
        self.c == ' ' && self.style.hides_blank() && self.marks[0] == '\0'
    }
}

/// One row of the screen.
#[derive(Clone, Debug, Default)]
pub(super) struct Row {
    pub(super) cells: Vec<Cell>,
    /// Whether it goes on with the line that filled the row above it.
    pub(super) continues: bool,
}

impl Row {
    pub(super) fn clear(&mut self) {
        self.cells.clear();
        self.continues = false;
    }

    /// How many cells there are up to the last one that shows something.
    pub(super) fn shown(&self) -> usize {
        self.cells.iter().rposition(|cell| !cell.is_nothing()).map_or(0, |last| last + 1)
    }

    /// Writes ASCII text from `column` on.
    pub(super) fn write_ascii(&mut self, column: usize, text: &str, style: Style) {
        let cells = text.bytes().map(|byte| Cell::new(char::from(byte), style));
        if column >= self.cells.len() {
            self.cells.resize(column, Cell::BLANK);
            self.cells.extend(cells);
            return;
        }
        let end = column + text.len();
        self.part(column);
        self.part(end);
        if self.cells.len() < end {
            self.cells.resize(end, Cell::BLANK);
        }
        for (place, cell) in self.cells.iter_mut().skip(column).zip(cells) {
            *place = cell;
        }
    }

    /// Writes one character of `width` 1 or 2.
    pub(super) fn write(&mut self, column: usize, c: char, width: usize, style: Style) {
        let end = column + width;
        self.part(column);
        self.part(end);
        if self.cells.len() < end {
            self.cells.resize(end, Cell::BLANK);
        }
        if let Some(place) = self.cells.get_mut(column) {
            *place = Cell::new(c, style);
        }
        if let (2, Some(place)) = (width, self.cells.get_mut(column + 1)) {
            *place = Cell::new(Cell::RIGHT_HALF, style);
        }
    }

    /// Sets a combining mark on the character before `column`.
    pub(super) fn mark(&mut self, column: usize, mark: char) {
        let before = |column: usize| column.checked_sub(1);
        let half = before(column).filter(|&at| self.cells.get(at).is_some_and(|cell| cell.c == Cell::RIGHT_HALF));
        let Some(at) = before(half.unwrap_or(column)) else { return };
        if let Some(free) = self.cells.get_mut(at).and_then(|cell| cell.marks.iter_mut().find(|mark| **mark == '\0')) {
            *free = mark;
        }
    }

    /// Blanks the cells from `from` up to `to`, which may lie beyond the end.
    pub(super) fn erase(&mut self, from: usize, to: usize, style: Style) {
        self.part(from);
        self.part(to);
        if style != Style::PLAIN && self.cells.len() < to {
            self.cells.resize(to, Cell::BLANK);
        }
        if style == Style::PLAIN && to >= self.cells.len() {
            self.cells.truncate(from);
        } else if let Some(cells) = self.cells.get_mut(from..to) {
            cells.fill(Cell::new(' ', style));
        }
    }

    /// Makes room for `count` cells at `column`; what is pushed beyond `columns` is lost.
    pub(super) fn insert(&mut self, column: usize, count: usize, columns: usize, style: Style) {
        if column >= self.cells.len() {
            return;
        }
        self.part(column);
        let blanks = std::iter::repeat_n(Cell::new(' ', style), count.min(columns - column));
        self.cells.splice(column..column, blanks);
        self.part(columns);
        self.cells.truncate(columns);
    }

    /// Takes `count` cells out at `column`; the rest moves left.
    pub(super) fn delete(&mut self, column: usize, count: usize) {
        let end = column.saturating_add(count).min(self.cells.len());
        self.part(column);
        self.part(end);
        if column < end {
            self.cells.drain(column..end);
        }
    }

    /// Drops the cells from `columns` on.
    pub(super) fn crop(&mut self, columns: usize) {
        self.part(columns);
        self.cells.truncate(columns);
    }

    /// Makes sure that no wide character lies across the border before `column`: one that does becomes two blanks.
    fn part(&mut self, column: usize) {
        if let (true, Some([left, right])) = (column > 0, self.cells.get_mut(column.wrapping_sub(1)..=column))
            && right.c == Cell::RIGHT_HALF
        {
            *left = Cell::new(' ', left.style);
            *right = Cell::new(' ', right.style);
        }
    }
}
