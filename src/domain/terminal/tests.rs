//! Each control and sequence by itself, and the laws that hold for any text: no panic, no difference by where it is cut, bounded memory.

use super::{history::Measure, *};
use crate::domain::visible_text::visible;
use proptest::prelude::*;

mod resizing;

/// All lines as text.
fn lines(screen: &Screen) -> Vec<String> {
    (screen.first_line()..screen.lines()).map(|n| screen.line(n).expect("is kept").text().to_owned()).collect()
}

fn shown(text: &str) -> Vec<String> {
    lines(&Screen::of(text))
}

fn narrow(columns: usize, rows: usize, text: &str) -> Screen {
    let mut screen = Screen::new(Options { columns, rows, ..Options::default() });
    screen.feed(text);
    screen
}

fn style(text: &str) -> Style {
    let screen = Screen::of(text);
    let line = screen.line(0).expect("has a line");
    line.parts().last().expect("has a part").1
}

#[test]
fn text_and_line_ends() {
    assert_eq!(shown(""), [""; 0]);
    assert_eq!(shown("one"), ["one"]);
    assert_eq!(shown("one\n"), ["one"]);
    assert_eq!(shown("one\r\ntwo\nthree"), ["one", "two", "three"]);
    assert_eq!(shown("one\n\n"), ["one", ""]);
    assert_eq!(shown("trailing  \n  leading"), ["trailing", "  leading"]);
    assert_eq!(shown("a\u{b}b\u{c}c"), ["a", "b", "c"]);
    let many: String = (1..=1000).map(|n| format!("line {n}\r\n")).collect();
    let all = shown(&many);
    assert_eq!((all.len(), &*all[0], &*all[999]), (1000, "line 1", "line 1000"));
}

#[test]
fn what_is_unseen_is_not_drawn_and_moves_nothing() {
    // What reorders or hides is dropped, and takes the cells that a terminal would have given it.
    assert_eq!(shown("rm \u{202e}txt\u{2066}\u{200b}\u{feff}\u{e0041}.sh\u{200e}"), ["rm txt.sh"]);
    assert_eq!(shown("pass\u{ad}word"), ["pass-word"]);
    let wide = shown("a\u{115f}b\u{1b}[1;4Hc");
    assert_eq!((wide[0].chars().count(), &wide[0][..1], &wide[0][3..]), (4, "a", "c"), "{wide:?}");
    // What an emoji or a script needs stays, also where it is cut or ends the line.
    for kept in ["👩\u{200d}💻", "🏳\u{fe0f}\u{200d}🌈", "❤\u{fe0f} x", "می\u{200c}خواهم", "क्\u{200d}ष", "ന്\u{200d}", "1\u{fe0f}\u{20e3}"]
    {
        assert_eq!(shown(kept), [kept]);
        let mut screen = Screen::default();
        kept.chars().for_each(|c| screen.feed(&c.to_string()));
        assert_eq!(lines(&screen), [kept]);
    }
    assert_eq!(shown("a\u{200d}b \u{200c}c\u{fe0f} 👩\u{200d} x"), ["ab c 👩 x"]);
    assert_eq!(shown(&format!("a{}b", "\u{301}".repeat(1000))), ["a\u{301}\u{301}\u{301}b"]);
}

#[test]
fn progress_redraws_in_place() {
    assert_eq!(shown("10%\r50%\r100%\n"), ["100%"]);
    assert_eq!(shown("12345\r\u{1b}[Kab"), ["ab"]);
    assert_eq!(shown("abc\u{8}\u{8}X"), ["aXc"]);
    assert_eq!(shown("abc\u{8}\u{8}\u{8}\u{8}\u{8}X"), ["Xbc"]);
    assert_eq!(shown("one\ntwo\n\u{1b}[1A\u{1b}[2Kthree\n"), ["one", "three"]);
    assert_eq!(shown("one\ntwo\n\u{1b}[2F1\u{1b}[1E2"), ["1ne", "2wo"]);
}

#[test]
fn tabs() {
    assert_eq!(shown("a\tb\t\tc"), ["a       b               c"]);
    assert_eq!(shown("abcdefgh\tx\u{1b}[2Zy"), ["abcdefghy       x"]);
    assert_eq!(lines(&narrow(10, 3, "a\t\t\tb")), ["a        b"]);
}

#[test]
fn erasing() {
    assert_eq!(shown("abcdef\u{1b}[3D\u{1b}[K"), ["abc"]);
    assert_eq!(shown("abcdef\u{1b}[3D\u{1b}[1K"), ["    ef"]);
    assert_eq!(shown("abcdef\u{1b}[2K."), ["      ."]);
    assert_eq!(shown("a\nb\nc\u{1b}[2;1H\u{1b}[J"), ["a"]);
    assert_eq!(shown("a\nb\nc\u{1b}[2;1H\u{1b}[1J"), ["", "", "c"]);
    assert_eq!(shown("abcdef\u{1b}[2G\u{1b}[2X"), ["a  def"]);
}

#[test]
fn clearing_the_screen_keeps_the_log() {
    assert_eq!(shown("one\ntwo\n\u{1b}[H\u{1b}[2J\u{1b}[3Jthree"), ["one", "two", "three"]);
    assert_eq!(shown("one\u{1b}cthree"), ["one", "three"]);
    assert_eq!(shown("one\r\n\u{1b}[?1049hscreen\u{1b}[2J\u{1b}[Hagain\u{1b}[?1049ltwo"), ["one", "again", "two"]);
}

#[test]
fn moving() {
    assert_eq!(shown("\u{1b}[2;3Hx\u{1b}[Hy\u{1b}[3dz"), ["y", "  x", " z"]);
    assert_eq!(shown("ab\u{1b}[3Cc\u{1b}[1Gd\u{1b}[4De"), ["eb   c"]);
    assert_eq!(shown("a\u{1b}7bc\u{1b}8X\u{1b}[sYZ\u{1b}[uW"), ["aXWZ"]);
    assert_eq!(shown("\u{1b}[99999;99999Hx").len(), 32);
    assert_eq!(shown("a\u{1b}[B\u{1b}Db\u{1b}Ec"), ["a", "", " b", "c"]);
    assert_eq!(lines(&narrow(9, 3, "a\nb\nc\u{1b}[H\u{1b}Md")), ["d", "a", "b"]);
}

#[test]
fn inserting_and_deleting() {
    assert_eq!(shown("abcd\u{1b}[2G\u{1b}[2@"), ["a  bcd"]);
    assert_eq!(shown("abcd\u{1b}[2G\u{1b}[2P"), ["ad"]);
    assert_eq!(lines(&narrow(9, 4, "a\nb\nc\u{1b}[2H\u{1b}[Lx")), ["a", "x", "b", "c"]);
    assert_eq!(lines(&narrow(9, 4, "a\nb\nc\u{1b}[1H\u{1b}[M")), ["b", "c"]);
    assert_eq!(lines(&narrow(9, 3, "a\nb\nc\u{1b}[2S")), ["a", "b", "c", ""]);
    assert_eq!(lines(&narrow(9, 3, "a\nb\nc\u{1b}[1T")), ["", "a", "b"]);
    assert_eq!(shown("ab\u{1b}[3b."), ["abbbb."]);
}

#[test]
fn a_region_scrolls_above_a_status_line() {
    // as apt draws its bar: the last row stays, what scrolls above it goes into the log
    let mut screen = narrow(20, 4, "\u{1b}7\u{1b}[1;3r\u{1b}8\u{1b}7\u{1b}[4;1Hbar 1\u{1b}8");
    screen.feed("one\r\ntwo\r\nthree\r\nfour\r\n\u{1b}7\u{1b}[4;1Hbar 2\u{1b}8five");
    assert_eq!(lines(&screen), ["one", "two", "three", "four", "five", "bar 2"]);
}

#[test]
fn long_lines_wrap_for_programs_and_not_for_readers() {
    let screen = narrow(10, 3, "0123456789abcdefghij0123456789abcdefghij!\r\nnext");
    assert_eq!(lines(&screen), ["0123456789abcdefghij0123456789abcdefghij!", "next"]);
    assert_eq!(screen.widest(), 41);
    // a carriage return goes to the beginning of the last row, as in a terminal
    assert_eq!(lines(&narrow(10, 3, "0123456789abc\rX")), ["0123456789Xbc"]);
    // exactly full, and the next line is another line
    assert_eq!(lines(&narrow(10, 3, "0123456789\r\nabc")), ["0123456789", "abc"]);
    // the first row's end is erased: what follows is a line of its own
    assert_eq!(lines(&narrow(10, 3, "0123456789abc\u{1b}[A\u{1b}[K")), ["012", "abc"]);
    assert_eq!(lines(&narrow(10, 1, "0123456789abc\r\nd")), ["0123456789abc", "d"]);
    assert_eq!(lines(&narrow(10, 3, "\u{1b}[?7l0123456789abc")), ["012345678c"]);
}

#[test]
fn a_line_without_end_is_bounded() {
    let mut screen = Screen::default();
    (0..100).for_each(|_| screen.feed(&"x".repeat(1000)));
    screen.feed("\nend");
    assert!((100_000usize.div_ceil(Measure::MAX_CELLS)..30).contains(&screen.lines()), "{}", screen.lines());
    let all: String = lines(&screen).concat();
    assert_eq!(all, "x".repeat(100_000) + "end");
    assert!(!screen.line(0).expect("kept").is_continuation() && screen.line(1).expect("kept").is_continuation());
    assert!(!screen.line(screen.lines() - 1).expect("kept").is_continuation());
}

#[test]
fn wide_characters_and_marks() {
    assert_eq!(shown("日本\u{1b}[2GX"), [" X本"]);
    assert_eq!(shown("日本\u{1b}[3GX"), ["日X"]);
    assert_eq!(shown("日本\u{1b}[2G\u{1b}[K."), [" ."]);
    assert_eq!(shown("e\u{301}x\u{8}\u{8}a"), ["ax"]);
    assert_eq!(shown("e\u{301}日\u{302}x"), ["e\u{301}日\u{302}x"]);
    assert_eq!(shown("\u{301}a"), ["a"]);
    assert_eq!(lines(&narrow(5, 3, "abcd日e")), ["abcd日e"]);
    let zalgo = "a".to_owned() + &"\u{301}".repeat(1000);
    assert_eq!(shown(&zalgo)[0].chars().count(), 4);
    // what would turn text around in a page
    assert_eq!(shown("a\u{202e}b\u{2028}c"), ["abc"]);
}

#[test]
fn styles() {
    for (code, color) in [("31", Color::Indexed(1)), ("97", Color::Indexed(15)), ("38;5;208", Color::Indexed(208))] {
        assert_eq!(style(&format!("\u{1b}[{code}mx")).foreground(), color);
    }
    for code in ["38;2;1;2;3", "38:2:1:2:3", "38:2::1:2:3"] {
        assert_eq!(style(&format!("\u{1b}[{code}mx")).foreground(), Color::Rgb(1, 2, 3), "{code}");
    }
    assert_eq!(style("\u{1b}[48:5:9mx").background(), Color::Indexed(9));
    assert_eq!(style("\u{1b}[42;103mx").background(), Color::Indexed(11));
    assert_eq!(style("\u{1b}[48;2;255;0;300mx").background(), Color::Rgb(255, 0, 255));
    // what follows a colour counts again, and an underline's colour changes nothing
    let both = style("\u{1b}[38;5;1;1;58;2;9;9;9;4mx");
    assert!(both.is_bold() && both.is_underlined() && both.foreground() == Color::Indexed(1));
    let all = style("\u{1b}[1;2;3;4;5;7;8;9mx");
    assert!(all.is_bold() && all.is_dim() && all.is_italic() && all.is_underlined() && all.is_blinking());
    assert!(all.is_inverse() && all.is_concealed() && all.is_struck());
    assert_eq!(style("\u{1b}[1;2;3;4;5;7;8;9;31;41m\u{1b}[22;23;24;25;27;28;29;39;49mx"), Style::PLAIN);
    assert_eq!(style("\u{1b}[31m\u{1b}[mx"), Style::PLAIN);
    assert!(!style("\u{1b}[4:3m\u{1b}[4:0mx").is_underlined());
}

#[test]
fn parts_of_a_line() {
    let screen = Screen::of("a\u{1b}[31mb\u{1b}[1mc\u{1b}[0m d\u{1b}[44m \u{1b}[0m  ");
    let line = screen.line(0).expect("has a line").into_owned();
    let parts: Vec<_> = line.parts().map(|(text, _)| text).collect();
    assert_eq!(parts, ["a", "b", "c", " d", " "]);
    assert_eq!(line.text(), "abc d ");
}

#[test]
fn erasing_keeps_the_background() {
    let screen = Screen::of("\u{1b}[41m\u{1b}[K");
    assert_eq!(screen.line(0).expect("has a line").text().len(), 120);
}

#[test]
fn what_is_not_text_is_dropped() {
    assert_eq!(shown("a\u{1b}]0;title\u{7}b\u{1b}]0;title\u{1b}\\c"), ["abc"]);
    assert_eq!(shown("\u{1b}]8;;http://x\u{7}link\u{1b}]8;;\u{7}"), ["link"]);
    assert_eq!(shown("a\u{1b}Pq#0;2;0\n0#1\u{1b}\\b\u{1b}_Ga=T;AAAA\u{1b}\\c\u{1b}^x\u{1b}\\d"), ["abcd"]);
    assert_eq!(shown("a\u{1b}[?25lb\u{1b}[>4;2mc\u{1b}[1;2;3yd\u{1b}[5 qe\u{1b}[?1$pf"), ["abcdef"]);
    assert_eq!(shown("a\0b\u{7f}c\u{9b}31md\u{85}e"), ["abc31mde"]);
    assert_eq!(shown("a\u{1b}[3\u{18}b\u{1b}[3\u{1b}[1mc\u{1b}(Bd"), ["abcd"]);
    // a control inside a sequence is carried out
    assert_eq!(shown("a\u{1b}[3\n1mb"), ["a", "b"]);
    // a title that is never closed does not swallow the log
    assert_eq!(shown("a\u{1b}]0;title\nb"), ["a", "b"]);
    assert_eq!(shown("\u{1b}(0lqk\u{1b}(Bq"), ["┌─┐q"]);
    assert_eq!(shown("\u{1b})0a\u{e}x\u{f}x"), ["a│x"]);
}

#[test]
fn dirty_is_the_lowest_changed_line() {
    let mut screen = Screen::default();
    assert_eq!(screen.take_dirty(), None);
    screen.feed("one\r\ntwo\r\n");
    assert_eq!(screen.take_dirty(), Some(0));
    assert_eq!(screen.take_dirty(), None);
    screen.feed("three");
    assert_eq!(screen.take_dirty(), Some(2));
    screen.feed("\r\u{1b}[A2");
    assert_eq!(screen.take_dirty(), Some(1));
    screen.feed("\u{1b}[31m");
    assert_eq!(screen.take_dirty(), None);
    screen.feed(&"\r\nmore".repeat(100));
    assert_eq!(screen.take_dirty(), Some(2));
}

#[test]
fn a_line_that_is_cut_short_while_it_leaves_the_screen_is_dirty() {
    let mut screen = narrow(9, 2, "0123456789abcdefghi\r");
    screen.take_dirty();
    screen.feed("\u{1b}[P\u{1b}c");
    assert_eq!(screen.take_dirty(), Some(0));
    assert_eq!(lines(&screen), ["0123456789abcdefgh"]);
    // blanks at the end of a full row belong to its line before and after it leaves
    assert_eq!(lines(&narrow(2, 2, "   ")), lines(&narrow(2, 2, "   \n")));
}

#[test]
fn old_lines_are_dropped_and_counted() {
    let mut screen = Screen::new(Options { max_lines: 100, ..Options::default() });
    (0..1000).for_each(|n| screen.feed(&format!("line {n}\n")));
    assert_eq!(screen.lines(), 1000);
    assert_eq!(screen.first_line(), 1000 - 100 - 31);
    assert!(screen.line(screen.first_line() - 1).is_none());
    assert_eq!(screen.line(screen.first_line()).expect("kept").text(), format!("line {}", screen.first_line()));

    let mut screen = Screen::new(Options { max_bytes: 10_000, ..Options::default() });
    (0..1000).for_each(|n| screen.feed(&format!("\u{1b}[3{}mline {n}\n", n % 8)));
    assert!(screen.grid.history.bytes() <= 10_000 && screen.first_line() > 500);
}

/// Text in which sequences, controls and wide characters are frequent.
fn terminal_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[ -~]{0,30}",
        2 => "\\PC{0,4}",
        2 => prop_oneof!["\n", "\r\n", "\r", "\u{8}", "\t", "日", "e\u{301}"].prop_map(|s: String| s),
        4 => "\u{1b}\\[[0-9;:]{0,8}[@-~]",
        1 => "\u{1b}\\[\\?(7|1049|25|1048)[hl]",
        1 => "\u{1b}[\\[\\]P_^()78DEMc]?[ -~]{0,5}(\u{7}|\u{1b}\\\\)?",
        1 => any::<char>().prop_map(String::from),
    ];
    proptest::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

fn all(screen: &Screen) -> Vec<Line> {
    (screen.first_line()..screen.lines()).map(|n| screen.line(n).expect("is kept").into_owned()).collect()
}

proptest! {
    #[test]
    fn any_bytes_give_a_screen(bytes: Vec<u8>, columns in 0usize..200, rows in 0usize..40) {
        let screen = narrow(columns, rows, &String::from_utf8_lossy(&bytes));
        prop_assert!(all(&screen).iter().all(|line| !line.text().contains(char::is_control)));
    }

    /// What a screen shows needs no mending before it is shown: nothing of it is hidden, and no flood of marks covers its surroundings.
    #[test]
    fn nothing_hidden_is_drawn(
        text in "(\u{1b}\\[[0-9;]{0,4}[A-HJKPX@m]|[\u{ad}\u{61c}\u{115f}\u{180b}\u{200b}-\u{200f}\u{202a}-\u{202e}\u{2066}-\u{2069}\u{feff}\u{fe0e}\u{fe0f}]|[\u{e0041}\u{e0101}\u{3164}]|[👩💻☺1\u{20e3}\u{301}میक्र a\n\r]){0,60}",
        columns in 2usize..20
    ) {
        for line in all(&narrow(columns, 5, &text)) {
            prop_assert_eq!(visible(line.text()), line.text());
        }
    }

    #[test]
    fn any_split_gives_the_same_screen(text in terminal_text(), cuts: Vec<prop::sample::Index>, columns in 2usize..40, rows in 1usize..8) {
        let whole = narrow(columns, rows, &text);
        let mut places: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
        places.push(text.len());
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| places[cut.index(places.len())]).collect();
        cuts.extend([0, text.len()]);
        cuts.sort_unstable();
        let mut parts = Screen::new(Options { columns, rows, ..Options::default() });
        cuts.windows(2).for_each(|cut| parts.feed(&text[cut[0]..cut[1]]));
        prop_assert_eq!(all(&whole), all(&parts));
        prop_assert_eq!(whole.widest(), parts.widest());
    }

    /// Whoever reads again from the lowest changed line on has what a new reader has.
    #[test]
    fn dirty_lines_are_all_that_changed(texts in proptest::collection::vec((terminal_text(), proptest::option::of((0usize..60, 0usize..12))), 1..8), columns in 2usize..40, rows in 1usize..8) {
        let mut screen = Screen::new(Options { columns, rows, max_lines: 50, ..Options::default() });
        let mut copy: Vec<Option<Line>> = Vec::new();
        for (text, size) in texts {
            screen.feed(&text);
            if let Some((columns, rows)) = size {
                screen.resize(columns, rows);
            }
            let dirty = screen.take_dirty().unwrap_or(usize::MAX).min(copy.len());
            copy.truncate(dirty);
            copy.truncate(screen.lines());
            for number in copy.len()..screen.lines() {
                copy.push(screen.line(number).map(Cow::into_owned));
            }
            for (number, line) in copy.iter().enumerate().skip(screen.first_line()) {
                prop_assert_eq!(line, &screen.line(number).map(Cow::into_owned), "line {}", number);
            }
        }
    }

    #[test]
    fn lines_keep_their_bound(text in terminal_text()) {
        let screen = narrow(120, 32, &text.repeat(20));
        for line in all(&screen) {
            prop_assert!(line.text().chars().count() <= 4 * Measure::MAX_CELLS);
        }
    }
}
