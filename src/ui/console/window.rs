//! Which rows are in view, and where they stand: pure arithmetic. The console's rows have one height, so a place in it is a number of
//! pixels from its beginning. Browsers lay out no element beyond some 17 million pixels; above [`MAX_HEIGHT`] the scrollbar therefore
//! moves by a fraction of what the rows move.

use std::ops::Range;

/// The tallest content, in pixels.
pub const MAX_HEIGHT: f64 = 10_000_000.0;

/// How many rows are drawn above and below those in view: about two screens, so that quick scrolling shows no gaps.
pub const OVERSCAN: usize = 60;

/// The view onto the rows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Window {
    /// The height of a row in pixels, above 0.
    pub row: f64,
    /// The height of the view in pixels.
    pub view: f64,
    /// How many rows there are.
    pub rows: usize,
    /// How far the view's upper edge is below the beginning of all rows, in pixels.
    pub top: f64,
}

impl Window {
    /// The height of all rows.
    fn full(&self) -> f64 {
        self.rows as f64 * self.row
    }

    /// The height that the content is given.
    #[must_use]
    pub fn height(&self) -> f64 {
        self.full().min(MAX_HEIGHT)
    }

    /// The lowest place of the view's upper edge.
    #[must_use]
    pub fn end(&self) -> f64 {
        (self.full() - self.view).max(0.0)
    }

    /// How many pixels of rows one pixel of the scrollbar is.
    fn ratio(&self) -> f64 {
        let room = self.height() - self.view;
        if self.full() > self.height() && room > 0.0 { self.end() / room } else { 1.0 }
    }

    /// Where the browser is to scroll to.
    #[must_use]
    pub fn scroll_top(&self) -> f64 {
        self.top / self.ratio()
    }

    /// The view after the reader has scrolled.
    pub fn scrolled_to(&mut self, scroll_top: f64) {
        self.top = (scroll_top * self.ratio()).clamp(0.0, self.end());
    }

    /// The row at the view's upper edge.
    #[must_use]
    pub fn first_in_view(&self) -> usize {
        (self.top / self.row).floor().max(0.0) as usize
    }

    /// The rows to draw: those in view and some around them.
    #[must_use]
    pub fn drawn(&self) -> Range<usize> {
        let first = self.first_in_view();
        let last = ((self.top + self.view) / self.row).ceil().max(0.0) as usize;
        let end = last.saturating_add(OVERSCAN).min(self.rows);
        first.saturating_sub(OVERSCAN).min(end)..end
    }

    /// How far below the content's beginning the row `first` is to stand.
    #[must_use]
    pub fn offset(&self, first: usize) -> f64 {
        let place = first as f64 * self.row;
        // exact where nothing is scaled, so that the rows do not move by fractions of a pixel
        if self.full() <= MAX_HEIGHT { place } else { self.scroll_top() + place - self.top }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn few_rows_are_all_drawn() {
        let window = Window { row: 20.0, view: 400.0, rows: 3, top: 0.0 };
        assert_eq!((window.drawn(), window.height(), window.end()), (0..3, 60.0, 0.0));
        assert_eq!(Window { rows: 0, ..window }.drawn(), 0..0);
    }

    #[test]
    fn the_end_is_the_end() {
        let mut window = Window { row: 20.0, view: 405.0, rows: 100_000, top: 0.0 };
        window.top = window.end();
        assert_eq!(window.drawn().end, 100_000);
        assert_eq!(window.scroll_top(), 2_000_000.0 - 405.0);
        assert_eq!(window.offset(window.drawn().start), window.drawn().start as f64 * 20.0);
    }

    #[test]
    fn a_million_rows_fit_a_browser() {
        let mut window = Window { row: 20.0, view: 400.0, rows: 1_000_000, top: 0.0 };
        assert_eq!(window.height(), MAX_HEIGHT);
        window.scrolled_to(MAX_HEIGHT - 400.0);
        assert_eq!(window.top, window.end());
        assert_eq!(window.drawn().end, 1_000_000);
    }

    proptest! {
        /// The row at the view's upper edge stands there on the page too, however much there is.
        #[test]
        fn rows_stand_where_they_are_looked_for(rows in 1usize..2_000_000, at in 0.0f64..1.0, view in 50.0f64..2000.0) {
            let mut window = Window { row: 21.0, view, rows, top: 0.0 };
            window.scrolled_to((window.height() - view).max(0.0) * at);
            let drawn = window.drawn();
            let first = drawn.start as f64;
            prop_assert!((window.offset(drawn.start) - window.scroll_top() - (first * 21.0 - window.top)).abs() < 0.01);
            prop_assert!(first * 21.0 <= window.top);
            prop_assert!(drawn.end as f64 * 21.0 >= (window.top + view).min(rows as f64 * 21.0) - 0.01);
            prop_assert!(drawn.len() <= (view / 21.0) as usize + 2 + 2 * OVERSCAN);
        }

        /// More rows at the end leave the view where it is.
        #[test]
        fn growing_moves_nothing(rows in 1usize..2_000_000, more in 0usize..1_000_000, at in 0.0f64..1.0) {
            let mut window = Window { row: 20.0, view: 400.0, rows, top: 0.0 };
            window.scrolled_to((window.height() - 400.0).max(0.0) * at);
            let before = window.top;
            window.rows += more;
            let place = window.scroll_top();
            window.scrolled_to(place);
            prop_assert!((window.top - before).abs() < 0.01);
        }
    }
}
