//! The size of a run's terminal: it changes while the run writes, and each size holds from its place among the output on.

use super::{
    members::{Members, Read, Unreadable},
    terminal::Screen,
};
use serde::Serialize;
use serde_json::Value;

/// A size, and where in a snapshot's text it begins to hold. Before the first one a terminal has 120 columns and 32 rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct PlacedSize {
    /// How many bytes of the run's output come before it.
    pub at: u64,
    /// How many bytes of the snapshot's text come before it; 0 where it holds from the beginning of the text.
    pub text_at: u64,
    /// Cells in a row.
    pub columns: u16,
    /// Rows.
    pub rows: u16,
}

impl Read for PlacedSize {
    fn read(value: Value) -> Result<Self, Unreadable> {
        let mut members = Members::of(value)?;
        Ok(PlacedSize {
            at: members.take("at")?,
            text_at: members.take("text_at")?,
            columns: members.take("columns")?,
            rows: members.take("rows")?,
        })
    }
}

/// The screen after `text`, whose terminal had these sizes, in the order of their places.
#[must_use]
pub fn screen_of(text: &str, sizes: &[PlacedSize]) -> Screen {
    let mut screen = Screen::default();
    let (mut rest, mut fed) = (text, 0);
    for size in sizes {
        let length = usize::try_from(size.text_at).unwrap_or(usize::MAX).saturating_sub(fed);
        // A place inside a character, or behind the text, is none that a server gives.
        let (before, after) = rest.split_at_checked(length).unwrap_or((rest, ""));
        screen.feed(before);
        screen.resize(size.columns.into(), size.rows.into());
        fed += before.len();
        rest = after;
    }
    screen.feed(rest);
    screen
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(screen: &Screen) -> Vec<String> {
        (0..screen.lines()).map(|n| screen.line(n).expect("kept").text().to_owned()).collect()
    }

    fn size(text_at: u64, columns: u16, rows: u16) -> PlacedSize {
        PlacedSize { at: text_at, text_at, columns, rows }
    }

    #[test]
    fn a_size_holds_from_its_place_on() {
        // 30 letters and a step up: which row that is in depends on the width.
        let part = |letter: char| format!("{}\r\n\u{1b}[AX\r\n", letter.to_string().repeat(30));
        let (first, second) = (part('a'), part('b'));
        let text = [first.as_str(), &second].concat();
        let shown = lines(&screen_of(&text, &[size(0, 20, 5), size(first.len() as u64, 10, 5)]));
        assert_eq!(shown, ["aaaaaaaaaaaaaaaaaaaaXaaaaaaaaa", "bbbbbbbbbbbbbbbbbbbbXbbbbbbbbb"]);
        assert_eq!(lines(&screen_of(&text, &[])), ["Xaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "Xbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"]);
    }

    #[test]
    fn places_that_do_not_fit_are_survived() {
        for at in [1, 2, 100, u64::MAX] {
            assert_eq!(lines(&screen_of("äb", &[size(at, 10, 5), size(0, 10, 6)])), ["äb"]);
        }
    }
}
