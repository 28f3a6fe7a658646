//! What a terminal would show of a text, kept as lines: escape sequences, carriage returns and the like are carried out, and what
//! scrolls off the top of the screen is kept as compact lines up to a bound.
//!
//! The screen wraps at its width as terminals do, so that programs that count rows find them where they expect them; a reader
//! gets the rows of one wrapped line as one [`Line`] again. It is total: any text gives some screen, in time proportional to its
//! length and memory within [`Options`]. It knows no colours, no HTML and no clock.

mod grid;
mod history;
mod parser;
mod row;
mod sgr;
mod style;

pub use history::Line;
pub use style::{Color, Style, palette};

use grid::Grid;
use parser::Parser;
use std::borrow::Cow;

/// How large a screen is, and how much is kept of what has left it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Cells in a row, 2 to 1,000.
    pub columns: usize,
    /// Rows that a program can still change, 1 to 500.
    pub rows: usize,
    /// How many lines above them are kept; older ones are dropped and counted.
    pub max_lines: usize,
    /// How many bytes those lines may take.
    pub max_bytes: usize,
}

impl Default for Options {
    /// The terminal that runs get, with a million lines or 64 MiB behind it.
    fn default() -> Self {
        Options { columns: 120, rows: 32, max_lines: 1_000_000, max_bytes: 64 * 1024 * 1024 }
    }
}

/// A terminal's screen and the lines above it. Lines are numbered from 0 at the beginning of the text, and keep their number when
/// older ones are dropped.
#[derive(Clone, Debug)]
pub struct Screen {
    parser: Parser,
    grid: Grid,
}

impl Default for Screen {
    fn default() -> Self {
        Screen::new(Options::default())
    }
}

impl Screen {
    /// An empty screen.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Screen { parser: Parser::default(), grid: Grid::new(options) }
    }

    /// The screen after `text`, with the usual options.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let mut screen = Screen::default();
        screen.feed(text);
        screen
    }

    /// Goes on with `text`. It may be cut anywhere between two characters, also inside an escape sequence.
    pub fn feed(&mut self, text: &str) {
        self.parser.feed(text, &mut self.grid);
    }

    /// Gives the screen another size, in cells, as a terminal's window gets one: text is wrapped at the new width, and the rows
    /// above come back into a higher screen.
    pub fn resize(&mut self, columns: usize, rows: usize) {
        self.grid.resize(columns, rows);
    }

    /// How many lines there are, with those that have been dropped. The row that the cursor waits in counts once something stands
    /// in it.
    #[must_use]
    pub fn lines(&self) -> usize {
        self.grid.end()
    }

    /// The number of the oldest line that is kept.
    #[must_use]
    pub fn first_line(&self) -> usize {
        self.grid.history.first()
    }

    /// One line by its number; none where it has been dropped or does not exist.
    #[must_use]
    pub fn line(&self, number: usize) -> Option<Cow<'_, Line>> {
        self.grid.line(number)
    }

    /// The lowest number of a line that may have changed since the last call; none where nothing has. All lines below that number
    /// are as they were. Blank lines may come and go at the end without being told here; [`Screen::lines`] says it.
    pub fn take_dirty(&mut self) -> Option<usize> {
        self.grid.take_dirty()
    }

    /// How many cells the longest line has or had.
    #[must_use]
    pub fn widest(&self) -> usize {
        self.grid.widest()
    }
}

#[cfg(test)]
mod tests;
