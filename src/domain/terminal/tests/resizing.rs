//! The screen gets another size: what is wrapped, what comes back, what is cut, and that plain text is the same at any size.

use super::*;

fn resized(columns: usize, rows: usize, text: &str, to: (usize, usize)) -> Screen {
    let mut screen = narrow(columns, rows, text);
    screen.resize(to.0, to.1);
    screen
}

#[test]
fn another_width_wraps_what_is_on_the_screen_anew() {
    // A cursor that moves up a row of the narrow screen stands in the second row of the wrapped line.
    let mut screen = resized(20, 5, "0123456789abcdefghij", (10, 5));
    screen.feed("\r\n\u{1b}[A\u{1b}[GX");
    assert_eq!(lines(&screen), ["0123456789Xbcdefghij"]);
    let mut screen = resized(10, 5, "0123456789abcdefghij\r\n", (20, 5));
    screen.feed("\u{1b}[AX");
    assert_eq!(lines(&screen), ["X123456789abcdefghij"]);
    // A wide character is not cut in two, and takes no gap along.
    let mut screen = resized(4, 3, "ab日c日", (3, 3));
    assert_eq!(lines(&screen), ["ab日c日"]);
    screen.resize(100, 3);
    assert_eq!(lines(&screen), ["ab日c日"]);
}

#[test]
fn a_cursor_at_the_end_of_a_full_row_stays_where_the_next_character_wraps() {
    for columns in [5, 8, 10, 20] {
        let mut screen = resized(10, 4, "0123456789", (columns, 4));
        screen.feed("abc");
        assert_eq!(lines(&screen), ["0123456789abc"], "{columns}");
    }
    let mut screen = resized(80, 4, "\u{1b}[61Gx\u{1b}[50G", (40, 4));
    screen.feed("y");
    assert_eq!(screen.line(0).expect("kept").text().find('y'), Some(39), "cut, as it is drawn anew");
}

#[test]
fn a_line_that_is_being_drawn_anew_is_not_wrapped() {
    // A bar in a window that becomes narrower, before it is drawn again.
    let mut screen = resized(20, 4, "one\r\n[=======>      ]\r", (10, 4));
    screen.feed("\u{1b}[K[====>]\r\u{1b}[Kdone\r\n");
    assert_eq!(lines(&screen), ["one", "done"]);
}

#[test]
fn rows_come_back_into_a_higher_screen_and_leave_a_lower_one() {
    let mut screen = resized(10, 2, "one\r\ntwo\r\nthree", (10, 4));
    screen.feed("\u{1b}[H1");
    assert_eq!(lines(&screen), ["1ne", "two", "three"]);
    let mut screen = resized(10, 4, "one\r\ntwo\r\nthree", (10, 2));
    screen.feed("\u{1b}[H2");
    assert_eq!(lines(&screen), ["one", "2wo", "three"]);
    // Blank rows below the cursor are the first to go and the last to be filled.
    let mut screen = resized(10, 4, "one\r\ntwo", (10, 2));
    screen.feed("\u{1b}[H1");
    assert_eq!(lines(&screen), ["1ne", "two"]);
}

#[test]
fn a_screen_that_a_program_has_taken_is_cropped() {
    let mut screen = narrow(10, 3, "log\r\n\u{1b}[?1049h\u{1b}[H0123456789\u{1b}[3;1Hend");
    screen.resize(5, 2);
    assert_eq!(lines(&screen), ["log", "", "end"]);
    screen.resize(20, 10);
    screen.feed("\u{1b}[?1049lback");
    assert_eq!(lines(&screen).last().map(String::as_str), Some("back"));
}

proptest! {
    /// Whatever the size is, text that only goes forward gives its own lines.
    #[test]
    fn plain_text_does_not_depend_on_the_size(
        parts in proptest::collection::vec(("[a-z日]{0,30}(\n[a-z ]{0,30}){0,3}", 2usize..40, 1usize..8), 0..12)
    ) {
        let mut screen = narrow(20, 4, "");
        let mut text = String::new();
        for (part, columns, rows) in &parts {
            text.push_str(part);
            screen.feed(part);
            screen.resize(*columns, *rows);
        }
        let mut expected: Vec<&str> = text.split('\n').map(|line| line.trim_end_matches(' ')).collect();
        let mut shown = lines(&screen);
        while expected.last().is_some_and(|line| line.is_empty()) { expected.pop(); }
        while shown.last().is_some_and(String::is_empty) { shown.pop(); }
        prop_assert_eq!(shown, expected);
    }
}
