//! Another size of the screen, by xterm's rules: lines are wrapped at the new width, lines of the history come back where there is
//! room for them, and what finds no room becomes history. A line that its program is drawing anew, since the cursor was moved back
//! into it, is cut at the new width; one whose end the cursor stands at is wrapped, so that nothing of it is lost.

use super::{
    super::{
        history::Line,
        row::{Cell, Row},
    },
    Cursor, Grid,
};
use unicode_width::UnicodeWidthChar;

/// Rows of the screen, and the row of the cursor among them.
struct Rows {
    rows: Vec<Row>,
    cursor: usize,
    column: usize,
}

impl Grid {
    /// Gives the screen another size, in cells.
    pub(in super::super) fn resize(&mut self, columns: usize, rows: usize) {
        let (columns, height) = (columns.clamp(2, 1000), rows.clamp(1, 500));
        if (columns, height) == (self.columns, self.rows.len()) {
            return;
        }
        let oldest = self.history.end();
        let pulled = if self.alternate {
            self.crop(columns, height);
            oldest
        } else {
            self.set_height(height);
            let pulled = self.history.end();
            self.set_width(columns);
            pulled.min(self.history.end())
        };
        self.columns = columns;
        self.region = (0, height - 1);
        self.cursor.column = self.cursor.column.min(columns);
        self.saved = Cursor { row: self.saved.row.min(height - 1), column: self.saved.column.min(columns - 1), ..self.saved };
        self.dirty_row = 0;
        self.dirty_line = self.dirty_line.min(pulled.min(oldest));
    }

    /// A program that takes the whole screen draws it anew: what does not fit goes.
    fn crop(&mut self, columns: usize, height: usize) {
        while self.rows.len() > height {
            if self.cursor.row + 1 < self.rows.len() {
                self.rows.pop_back();
            } else {
                self.rows.pop_front();
                self.cursor.row = self.cursor.row.saturating_sub(1);
            }
        }
        self.rows.resize_with(height, Row::default);
        for row in &mut self.rows {
            row.crop(columns);
        }
    }

    /// Fewer rows: blank ones below the cursor go first, then the top ones become history. More rows: where the cursor waits in
    /// the last one, lines come back from the history, else blank rows are added.
    fn set_height(&mut self, height: usize) {
        let mut more = height.saturating_sub(self.rows.len());
        while more > 0 && self.cursor.row + 1 == self.rows.len() && self.pull() {
            more -= 1;
        }
        self.rows.extend(std::iter::repeat_with(Row::default).take(more));
        self.fit(height);
    }

    fn set_width(&mut self, columns: usize) {
        if columns == self.columns {
            return;
        }
        let height = self.rows.len();
        self.pull_tail();
        let Rows { rows, cursor, column } = self.wrapped(columns);
        self.columns = columns;
        self.rows = rows.into();
        (self.cursor.row, self.cursor.column) = (cursor, column);
        self.fit(height);
        while self.rows.len() < height && self.pull() {}
        self.rows.resize_with(height, Row::default);
    }

    /// Takes rows away until there are no more than `height`.
    fn fit(&mut self, height: usize) {
        while self.rows.len() > height {
            let is_blank = self.rows.back().is_some_and(|row| row.shown() == 0);
            if is_blank && self.cursor.row + 1 < self.rows.len() {
                self.rows.pop_back();
                continue;
            }
            let followed = self.rows.get(1).is_some_and(|row| row.continues);
            self.leave(followed);
            // A cursor in the top row stays there: what stands below it is not given up for it.
            self.cursor.row = self.cursor.row.saturating_sub(1);
        }
    }

    /// The last row of what has left the screen comes back; false where there is none.
    fn pull(&mut self) -> bool {
        let (line, length) = if self.tail.is_open() {
            // The blanks at its end stand before what goes on in the top row.
            let length = self.tail.measure().cells();
            (self.tail.finish().0, length)
        } else {
            let Some(line) = self.history.pop() else { return false };
            (line, 0)
        };
        let mut cells = cells(&line);
        cells.resize(length.max(cells.len()), Cell::BLANK);
        let mut rows = wrap(cells, self.columns);
        if let Some(first) = rows.first_mut() {
            first.continues = line.is_continuation();
        }
        let Some(last) = rows.pop() else { return false };
        rows.iter().for_each(|row| self.tail.push(row));
        self.rows.push_front(last);
        self.cursor.row += 1;
        true
    }

    /// The beginning of the line that goes on in the top row comes back, however many rows that are.
    fn pull_tail(&mut self) {
        while self.tail.is_open() && self.pull() {}
    }

    /// All rows of the screen, wrapped at another width, up to the last one that shows something or has the cursor.
    fn wrapped(&self, columns: usize) -> Rows {
        let last = self.rows.iter().rposition(|row| row.shown() > 0).unwrap_or(0).max(self.cursor.row);
        let mut wrapped = Rows { rows: Vec::new(), cursor: 0, column: 0 };
        let (mut line, mut start) = (Vec::new(), 0);
        let mut cursor = None;
        for (number, row) in self.rows.iter().enumerate().take(last + 1) {
            let goes_on = number < last && self.rows.get(number + 1).is_some_and(|next| next.continues);
            if number == self.cursor.row {
                cursor = Some(line.len() + self.cursor.column);
            }
            line.extend_from_slice(&row.cells);
            if goes_on {
                // A row that was full but for the half of a wide character goes on without that gap.
                continue;
            }
            let begins = wrapped.rows.len();
            let shown = line.iter().rposition(|cell| !cell.is_nothing()).map_or(0, |at| at + 1);
            let range = start..number + 1;
            start = number + 1;
            if cursor.is_some_and(|at| at < shown) {
                // A cursor that was moved back, as by a progress bar: its program draws the line anew, and knows of no other rows.
                line.clear();
                cursor = None;
                wrapped.cursor = begins + self.cursor.row - range.start;
                wrapped.column = self.cursor.column.min(columns - 1);
                wrapped.rows.extend(self.rows.range(range).cloned().map(|mut row| {
                    row.crop(columns);
                    row
                }));
                continue;
            }
            // Blanks before the cursor stand before what comes next.
            line.truncate(shown.max(cursor.unwrap_or(0)));
            let mut rows = wrap(std::mem::take(&mut line), columns);
            if let Some(first) = rows.first_mut() {
                first.continues = self.goes_on_from_above(number);
            }
            if let Some(at) = cursor.take() {
                let (row, column) = place(&rows, at, columns);
                rows.resize_with(rows.len().max(row + 1), Row::default);
                (wrapped.cursor, wrapped.column) = (begins + row, column);
            }
            wrapped.rows.append(&mut rows);
        }
        wrapped
    }

    /// Whether the line that ends in row `end` began above the screen.
    fn goes_on_from_above(&self, end: usize) -> bool {
        self.rows.iter().take(end + 1).all(|row| row.continues)
    }
}

/// Where the cell `at` of a line stands in its rows: a row, which may be one more than there are, and a column.
fn place(rows: &[Row], at: usize, columns: usize) -> (usize, usize) {
    let mut left = at;
    for (number, row) in rows.iter().enumerate() {
        let length = row.cells.len();
        if left < length {
            return (number, left);
        }
        if number + 1 == rows.len() {
            // Behind a full row the next character wraps; where there is nothing but blanks, it does not.
            return (number, if left == length { left } else { left.min(columns - 1) });
        }
        left -= length;
    }
    (0, left.min(columns - 1))
}

/// The rows of a line. There is always one.
fn wrap(cells: Vec<Cell>, columns: usize) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut rest = cells.as_slice();
    loop {
        let mut end = rest.len().min(columns);
        // A wide character is not cut in two.
        if rest.get(end).is_some_and(|cell| cell.c == Cell::RIGHT_HALF) {
            end -= 1;
        }
        let (row, more) = rest.split_at(end);
        rows.push(Row { cells: row.to_vec(), continues: !rows.is_empty() });
        rest = more;
        if rest.is_empty() {
            return rows;
        }
    }
}

/// A kept line as cells again.
fn cells(line: &Line) -> Vec<Cell> {
    let mut cells: Vec<Cell> = Vec::new();
    for (text, style) in line.parts() {
        for c in text.chars() {
            match c.width().unwrap_or(0) {
                0 => {
                    let base = cells.iter_mut().rev().find(|cell| cell.c != Cell::RIGHT_HALF);
                    let free = base.and_then(|cell| cell.marks.iter_mut().find(|mark| **mark == '\0'));
                    if let Some(free) = free {
                        *free = c;
                    }
                }
                width => {
                    cells.push(Cell::new(c, style));
                    if width == 2 {
                        cells.push(Cell::new(Cell::RIGHT_HALF, style));
                    }
                }
            }
        }
    }
    cells
}
