//! What controls and sequences do to the screen (ECMA-48, with what xterm made common).

use super::{
    super::{
        parser::{Params, Perform},
        sgr,
        style::Style,
    },
    Charsets, Cursor, Grid,
};
use crate::domain::visible_text::{is_hidden, may_be_kept};
use unicode_width::UnicodeWidthChar;

impl Grid {
    fn column(&self) -> usize {
        self.cursor.column.min(self.columns - 1)
    }

    fn go_to(&mut self, row: usize, column: usize) {
        self.cursor.row = row.min(self.rows.len() - 1);
        self.cursor.column = column.min(self.columns - 1);
    }

    /// Up or down by some rows; the region's border holds a cursor that is inside it.
    fn go_up(&mut self, count: usize) {
        let stop = if self.cursor.row >= self.region.0 { self.region.0 } else { 0 };
        self.go_to(self.cursor.row.saturating_sub(count).max(stop), self.column());
    }

    fn go_down(&mut self, count: usize) {
        let stop = if self.cursor.row <= self.region.1 { self.region.1 } else { self.rows.len() - 1 };
        self.go_to(self.cursor.row.saturating_add(count).min(stop), self.column());
    }

    /// Blanks cells of one row.
    fn erase(&mut self, row: usize, from: usize, to: usize) {
        self.touch(row);
        let style = self.cursor.style.erased();
        if let Some(row) = self.rows.get_mut(row) {
            row.erase(from, to, style);
        }
        if to >= self.columns {
            self.unlink(row + 1);
        }
        if from == 0 {
            self.unlink(row);
        }
    }

    fn erase_rows(&mut self, rows: std::ops::Range<usize>) {
        for row in rows {
            self.erase(row, 0, self.columns);
        }
    }

    fn erase_in_line(&mut self, how: usize) {
        let (row, column) = (self.cursor.row, self.column());
        match how {
            0 => self.erase(row, column, self.columns),
            1 => self.erase(row, 0, column + 1),
            2 => self.erase(row, 0, self.columns),
            _ => {}
        }
    }

    fn erase_in_display(&mut self, how: usize) {
        let rows = self.rows.len();
        match how {
            0 => {
                self.erase_in_line(0);
                self.erase_rows(self.cursor.row + 1..rows);
            }
            1 => {
                self.erase_rows(0..self.cursor.row);
                self.erase_in_line(1);
            }
            // a program that clears the screen does not mean to clear the log
            2 if self.alternate => self.erase_rows(0..rows),
            2 => self.move_on(),
            _ => {}
        }
    }

    /// Inserts (or deletes) rows at the cursor, inside the region.
    fn shift_rows(&mut self, count: usize, insert: bool) {
        let (top, bottom) = self.region;
        let row = self.cursor.row;
        if !(top..=bottom).contains(&row) {
            return;
        }
        for _ in 0..count.min(bottom - row + 1) {
            if insert { self.move_row(bottom, row) } else { self.move_row(row, bottom) }
        }
        self.cursor.column = 0;
    }

    fn set_region(&mut self, params: &Params) {
        let rows = self.rows.len();
        let (top, bottom) = (params.get(0, 1) - 1, params.get(1, rows).min(rows) - 1);
        if top < bottom {
            self.region = (top, bottom);
            self.go_to(0, 0);
        }
    }

    fn set_alternate(&mut self, on: bool) {
        if self.alternate != on {
            self.move_on();
            self.alternate = on;
            self.region = (0, self.rows.len() - 1);
            self.go_to(0, 0);
        }
    }

    fn set_private_mode(&mut self, mode: u16, on: bool) {
        match mode {
            7 => self.wraps = on,
            47 | 1047 | 1049 => self.set_alternate(on),
            1048 if on => self.saved = self.cursor,
            1048 => self.restore(),
            _ => {}
        }
    }

    fn restore(&mut self) {
        self.cursor = self.saved;
    }

    fn reset(&mut self) {
        self.move_on();
        self.cursor = Cursor::default();
        self.saved = Cursor::default();
        self.region = (0, self.rows.len() - 1);
        self.wraps = true;
        self.alternate = false;
    }

    fn repeat(&mut self, count: usize) {
        // a row's worth at the most, so that a few bytes cannot ask for much work
        if let Some(c) = self.last {
            (0..count.min(self.columns)).for_each(|_| self.put(c));
        }
    }
}

impl Perform for Grid {
    fn print_ascii(&mut self, text: &str) {
        if self.draws_lines() {
            text.bytes().for_each(|byte| self.put(line_drawing(byte)));
            return;
        }
        let mut rest = text;
        while !rest.is_empty() {
            self.make_room(1);
            let (part, more) = rest.split_at(rest.len().min(self.columns - self.cursor.column));
            let (row, column, style) = (self.cursor.row, self.cursor.column, self.cursor.style);
            self.touch(row);
            if let Some(row) = self.rows.get_mut(row) {
                row.write_ascii(column, part, style);
            }
            self.cursor.column += part.len();
            rest = more;
        }
        self.last = text.bytes().last().map(char::from);
    }

    fn print(&mut self, c: char) {
        match c {
            // terminals show it
            '\u{ad}' => self.put('-'),
            // breaks lines in a page
            '\u{2028}' | '\u{2029}' => {}
            // What is unseen, or reorders the text around it, leaves the cells that it would have taken. Whether a joiner has something
            // to join is known when the line is read.
            _ if is_hidden(c) && !may_be_kept(c) => (0..c.width().unwrap_or(0)).for_each(|_| self.put(' ')),
            _ => self.put(c),
        }
    }

    fn control(&mut self, byte: u8) {
        match byte {
            0x08 => self.cursor.column = self.column().saturating_sub(1),
            b'\t' => self.cursor.column = ((self.column() / 8 + 1) * 8).min(self.columns - 1),
            b'\n' | 0x0b | 0x0c => {
                // Pipes and most programs mean a new line. Those that take the whole screen have switched the terminal's own
                // translation off and mean "down".
                if !self.alternate {
                    self.cursor.column = 0;
                }
                self.line_feed(false);
            }
            b'\r' => self.cursor.column = 0,
            0x0e => self.cursor.charsets.active = 1,
            0x0f => self.cursor.charsets.active = 0,
            _ => {}
        }
    }

    fn escape(&mut self, intermediate: Option<u8>, last: u8) {
        match (intermediate, last) {
            (None, b'7') => self.saved = self.cursor,
            (None, b'8') => self.restore(),
            (None, b'D') => self.line_feed(false),
            (None, b'E') => {
                self.cursor.column = 0;
                self.line_feed(false);
            }
            (None, b'M') => self.reverse_line_feed(),
            (None, b'c') => self.reset(),
            (Some(b'('), set) => self.cursor.charsets.drawing[0] = set == b'0',
            (Some(b')'), set) => self.cursor.charsets.drawing[1] = set == b'0',
            _ => {}
        }
    }

    fn csi(&mut self, params: &Params, mark: Option<u8>, last: u8) {
        let count = params.get(0, 1);
        let (row, column) = (self.cursor.row, self.column());
        match (mark, last) {
            (None, b'm') => sgr::apply(&mut self.cursor.style, params),
            (None, b'A') => self.go_up(count),
            (None, b'B' | b'e') => self.go_down(count),
            (None, b'C' | b'a') => self.go_to(row, column.saturating_add(count)),
            (None, b'D') => self.go_to(row, column.saturating_sub(count)),
            (None, b'E') => {
                self.go_down(count);
                self.cursor.column = 0;
            }
            (None, b'F') => {
                self.go_up(count);
                self.cursor.column = 0;
            }
            (None, b'G' | b'`') => self.go_to(row, count - 1),
            (None, b'd') => self.go_to(count - 1, column),
            (None, b'H' | b'f') => self.go_to(count - 1, params.get(1, 1) - 1),
            (None, b'I') => (0..count.min(self.columns)).for_each(|_| self.control(b'\t')),
            (None, b'Z') => self.go_to(row, (column.div_ceil(8)).saturating_sub(count) * 8),
            (None, b'J') => self.erase_in_display(params.get(0, 0)),
            (None, b'K') => self.erase_in_line(params.get(0, 0)),
            (None, b'X') => self.erase(row, column, column.saturating_add(count).min(self.columns)),
            (None, b'@' | b'P') => {
                self.touch(row);
                self.unlink(row + 1);
                let style = self.cursor.style.erased();
                let columns = self.columns;
                if let Some(row) = self.rows.get_mut(row) {
                    if last == b'@' { row.insert(column, count, columns, style) } else { row.delete(column, count) }
                }
            }
            (None, b'L') => self.shift_rows(count, true),
            (None, b'M') => self.shift_rows(count, false),
            (None, b'S') => (0..count.min(self.rows.len())).for_each(|_| self.scroll_up(false)),
            (None, b'T') => (0..count.min(self.rows.len())).for_each(|_| self.move_row(self.region.1, self.region.0)),
            (None, b'b') => self.repeat(count),
            (None, b'r') => self.set_region(params),
            (None, b's') => self.saved = self.cursor,
            (None, b'u') => self.restore(),
            (Some(b'?'), b'h' | b'l') => params.all().iter().for_each(|&mode| self.set_private_mode(mode, last == b'h')),
            (Some(b'!'), b'p') => {
                self.cursor.style = Style::PLAIN;
                self.cursor.charsets = Charsets::default();
                self.region = (0, self.rows.len() - 1);
                self.wraps = true;
            }
            _ => {}
        }
    }
}

/// The character that the DEC line drawing set has in an ASCII character's place.
fn line_drawing(byte: u8) -> char {
    const FROM_BACKTICK: [char; 31] = [
        '◆', '▒', '␉', '␌', '␍', '␊', '°', '±', '␤', '␋', '┘', '┐', '┌', '└', '┼', '⎺', '⎻', '─', '⎼', '⎽', '├', '┤', '┴', '┬', '│', '≤',
        '≥', 'π', '≠', '£', '·',
    ];
    byte.checked_sub(b'`').and_then(|place| FROM_BACKTICK.get(usize::from(place)).copied()).unwrap_or(char::from(byte))
}
