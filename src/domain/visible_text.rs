//! What a person is shown of a program's text: each character that would be there unseen, or would change how its surroundings read,
//! becomes visible as `‹U+202E›`. It is a step from text to text, before whatever escapes, and the same on server and page; what is
//! stored, answered and sent by the API stays exact.
//!
//! Hidden are controls, format characters (bidirectional ones, zero width, tags, annotations), fillers, variation selectors and line
//! separators. Kept are those that a script or an emoji needs, where it needs them: see [`is_kept`].

use std::fmt::Write;
use unicode_width::UnicodeWidthChar;

/// How many marks may sit on one character; a flood of them covers the lines around.
const MARKS: usize = 8;
/// How many hidden characters in a row are named one by one; the rest is counted.
const NAMED: usize = 16;

/// The text as it is shown. No other characters are dropped, added to or moved, and shown once more it stays the same.
#[must_use]
pub fn visible(text: &str) -> String {
    rewrite(text, NAMED, |shown, c| {
        let _ = write!(shown, "‹U+{:04X}›", u32::from(c));
    })
}

/// JSON in which the same characters stand as `\u202e`: the same value, and visible.
#[must_use]
pub fn visible_json(json: &str) -> String {
    rewrite(json, usize::MAX, |shown, c| {
        for unit in c.encode_utf16(&mut [0; 2]) {
            let _ = write!(shown, "\\u{unit:04x}");
        }
    })
}

/// Whether nothing of the text could be seen: it is empty, or all white space, hidden characters and the blank of braille.
#[must_use]
pub fn is_blank(text: &str) -> bool {
    text.chars().all(|c| c.is_whitespace() || is_hidden(c) || c == '\u{2800}')
}

/// The first line that is not blank, without the white space around it; empty where there is none.
#[must_use]
pub fn first_line(text: &str) -> &str {
    text.lines().map(str::trim).find(|line| !is_blank(line)).unwrap_or_default()
}

/// Whether the character shows nothing by itself and is not kept everywhere.
#[must_use]
pub fn is_hidden(c: char) -> bool {
    matches!(u32::from(c),
        0x00..=0x08 | 0x0b..=0x1f | 0x7f..=0x9f | 0xad | 0x34f | 0x61c | 0x115f..=0x1160 | 0x17b4..=0x17b5 | 0x180b..=0x180f
        | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0x3164 | 0xfe00..=0xfe0f | 0xfeff | 0xffa0 | 0xfff0..=0xfffc
        | 0x13430..=0x1343f | 0x16fe4 | 0x1bca0..=0x1bca3 | 0x1d159 | 0x1d173..=0x1d17a | 0xe0000..=0xe0fff)
}

/// Whether a hidden character stays between the one before it, if that one stayed, and the one after it.
#[must_use]
pub fn is_kept(before: Option<char>, c: char, after: Option<char>) -> bool {
    let Some(before) = before else { return false };
    let is_keycap = c == '\u{fe0f}' && after == Some('\u{20e3}') && matches!(before, '0'..='9' | '#' | '*');
    is_keycap || selects_after(before, c) || joins_around(before, c, after)
}

/// Whether it may be one that [`is_kept`], wherever that is.
#[must_use]
pub fn may_be_kept(c: char) -> bool {
    matches!(c, '\u{200c}' | '\u{200d}' | '\u{fe0e}' | '\u{fe0f}' | '\u{180b}'..='\u{180d}' | '\u{180f}')
}

/// Whether a joiner between these two does what it is for: it ties emoji together (👩‍💻), or says how letters of Arabic, Syriac, Indic
/// and related scripts join (می‌خواهم). After a mark of an Indic script a zero width joiner may also stand last (RFC 5892).
fn joins_around(before: char, joiner: char, after: Option<char>) -> bool {
    let is_indic = |c: char| matches!(u32::from(c), 0x900..=0xdff);
    let after = after.filter(|c| !is_hidden(*c));
    match joiner {
        '\u{200d}' if is_indic(before) && is_mark(before) => true,
        '\u{200d}' if is_pictograph(before) || before == '\u{fe0f}' => after.is_some_and(is_pictograph),
        '\u{200c}' | '\u{200d}' => is_joining(before) && after.is_some_and(is_joining),
        _ => false,
    }
}

/// Whether a variation selector after this character does what it is for: a symbol as emoji or as text, or a form of a Mongolian letter.
fn selects_after(before: char, selector: char) -> bool {
    match selector {
        '\u{fe0e}' | '\u{fe0f}' => is_pictograph(before),
        '\u{180b}'..='\u{180d}' | '\u{180f}' => matches!(u32::from(before), 0x1820..=0x18aa),
        _ => false,
    }
}

/// Whether the character sits on the one before it. Signs of Arabic that enclose the numbers after them do not.
fn is_mark(c: char) -> bool {
    let is_sign = matches!(u32::from(c), 0x600..=0x605 | 0x6dd | 0x70f | 0x890..=0x891 | 0x8e2 | 0x110bd | 0x110cd);
    c.width() == Some(0) && !is_sign
}

/// Symbols that are emoji or may be, in whole blocks.
fn is_pictograph(c: char) -> bool {
    matches!(u32::from(c),
        0xa9 | 0xae | 0x203c | 0x2049 | 0x2122 | 0x2139 | 0x2190..=0x21ff | 0x2300..=0x23ff | 0x24c2 | 0x25a0..=0x27bf
        | 0x2934..=0x2935 | 0x2b00..=0x2bff | 0x3030 | 0x303d | 0x3297 | 0x3299 | 0x1f000..=0x1faff)
}

/// Letters and marks of scripts in which a joiner means something, in whole blocks.
fn is_joining(c: char) -> bool {
    matches!(u32::from(c),
        0x600..=0x7ff | 0x840..=0xdff | 0x1000..=0x109f | 0x1780..=0x18af | 0x1a20..=0x1aad | 0x1b00..=0x1bff | 0xa840..=0xa87f
        | 0xa8e0..=0xa9ff | 0xaa60..=0xaa7f | 0xabc0..=0xabff | 0xfb50..=0xfdff | 0xfe70..=0xfefc | 0x10a00..=0x10fff
        | 0x11000..=0x11fff)
        && !is_hidden(c)
}

/// Goes through the text once and has `name` write what is to be seen in place of a hidden character.
fn rewrite(text: &str, named: usize, name: fn(&mut String, char)) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    // The character just before, if it was kept, and how many marks sit on its base.
    let mut before = None;
    let mut marks = 0;
    let mut hidden_in_a_row = 0;
    loop {
        // Most text is ASCII that is printed.
        let plain = rest.bytes().take_while(|byte| matches!(byte, 0x20..=0x7e | b'\n' | b'\t')).count();
        let (ascii, others) = rest.split_at(plain);
        if let Some(last) = ascii.chars().next_back() {
            end_row(&mut shown, &mut hidden_in_a_row, named);
            shown.push_str(ascii);
            (before, marks) = (Some(last), 0);
        }
        let mut chars = others.chars();
        let Some(c) = chars.next() else { break };
        rest = chars.as_str();
        let after = chars.next();
        if c == '\r' && after == Some('\n') {
            continue;
        }
        let has_room = marks < MARKS && before.is_some_and(|c| !matches!(c, '\n' | '\t'));
        let stays = match is_hidden(c) {
            // A mark that it relies on must stay as well.
            true => is_kept(before, c, after.filter(|c| !is_mark(*c) || marks < MARKS)),
            false => has_room || !is_mark(c),
        };
        if stays {
            end_row(&mut shown, &mut hidden_in_a_row, named);
            shown.push(c);
            marks = match is_hidden(c) {
                true => marks,
                false if is_mark(c) => marks + 1,
                false => 0,
            };
            before = Some(c);
        } else {
            hidden_in_a_row += 1;
            if hidden_in_a_row <= named {
                name(&mut shown, c);
            }
            before = None;
        }
    }
    end_row(&mut shown, &mut hidden_in_a_row, named);
    shown
}

/// Says how many hidden characters were not named.
fn end_row(shown: &mut String, in_a_row: &mut usize, named: usize) {
    let more = std::mem::take(in_a_row).saturating_sub(named);
    if more > 0 {
        let _ = write!(shown, "‹{more} more›");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_would_be_unseen_is_seen() {
        for (text, shown) in [
            ("rm -rf \u{202e}txt.exe", "rm -rf ‹U+202E›txt.exe"),
            ("a\u{200b}b\u{2060}c\u{feff}", "a‹U+200B›b‹U+2060›c‹U+FEFF›"),
            ("\u{2066}x\u{2069}\u{200e}\u{200f}\u{61c}", "‹U+2066›x‹U+2069›‹U+200E›‹U+200F›‹U+061C›"),
            ("pass\u{ad}word", "pass‹U+00AD›word"),
            ("a\u{e0041}\u{e007f}", "a‹U+E0041›‹U+E007F›"),
            ("☺\u{fe0f}\u{e0101}", "☺\u{fe0f}‹U+E0101›"),
            ("\u{115f}\u{1160}\u{3164}\u{ffa0}\u{180e}", "‹U+115F›‹U+1160›‹U+3164›‹U+FFA0›‹U+180E›"),
            ("\u{fff9}a\u{fffa}b\u{fffb}", "‹U+FFF9›a‹U+FFFA›b‹U+FFFB›"),
            ("\u{1b}[31m\u{0}\u{7f}\u{9b}", "‹U+001B›[31m‹U+0000›‹U+007F›‹U+009B›"),
            ("a\r\nb\rc\td\n", "a\nb‹U+000D›c\td\n"),
            ("a\u{2028}b", "a‹U+2028›b"),
            ("plain, ä, 日本, עברית, a\u{301}", "plain, ä, 日本, עברית, a\u{301}"),
        ] {
            assert_eq!(visible(text), shown);
        }
    }

    #[test]
    fn what_a_script_or_an_emoji_needs_stays() {
        for kept in [
            "👩\u{200d}💻 👩🏽\u{200d}💻 🏳\u{fe0f}\u{200d}🌈 ❤\u{fe0f}\u{200d}🔥 👨\u{200d}👩\u{200d}👧 1\u{fe0f}\u{20e3} ☺\u{fe0e}",
            "می\u{200c}خواهم",
            "क्\u{200d}ष र\u{200d}्य ശ്രീ ന്\u{200d}",
            "ශ්\u{200d}රී",
            "ᠠ\u{180b}",
            "e\u{301}\u{323} ก็ 각",
        ] {
            assert_eq!(visible(kept), kept);
        }
        for (text, shown) in [
            ("a\u{200d}b", "a‹U+200D›b"),
            ("👩\u{200d}", "👩‹U+200D›"),
            ("👩\u{200d}a", "👩‹U+200D›a"),
            ("👩\u{200d}\u{200d}💻", "👩‹U+200D›‹U+200D›💻"),
            ("می\u{200c}", "می‹U+200C›"),
            ("می\u{200c}\u{200c}خ", "می‹U+200C›‹U+200C›خ"),
            ("a\u{fe0f}1\u{fe0f}x", "a‹U+FE0F›1‹U+FE0F›x"),
            ("☺\u{fe0f}\u{fe0f}", "☺\u{fe0f}‹U+FE0F›"),
        ] {
            assert_eq!(visible(text), shown);
        }
    }

    #[test]
    fn floods_are_counted() {
        let flood = visible(&format!("a{}b", "\u{301}".repeat(1000)));
        assert!(flood.starts_with(&format!("a{}‹U+0301›", "\u{301}".repeat(MARKS))) && flood.ends_with("‹976 more›b"), "{flood}");
        assert_eq!(visible("\u{301}a\n\u{301}"), "‹U+0301›a\n‹U+0301›");
        assert!(visible(&"\u{200b}".repeat(100_000)).len() < 1000);
    }

    #[test]
    fn json_stays_the_same_value() {
        let json = "{\"a\": \"\u{202e}\u{e0041}\u{9b}\"}";
        assert_eq!(visible_json(json), "{\"a\": \"\\u202e\\udb40\\udc41\\u009b\"}");
        let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).expect("JSON");
        assert_eq!(read(&visible_json(json)), read(json));
    }

    #[test]
    fn blank_is_what_looks_blank() {
        for blank in ["", " ", "\u{200b}", "\u{3164}", "\u{2800}", "\u{a0}\u{3000}", "\u{e0041}", "\u{ad}\u{fe0f}", "\n\t\u{0}"] {
            assert!(is_blank(blank), "{blank:?}");
        }
        for seen in [".", "\u{200b}a", "日", "👩\u{200d}💻"] {
            assert!(!is_blank(seen), "{seen:?}");
        }
        assert_eq!(first_line("\n \u{200b}\n  ls -l \nrm"), "ls -l");
        assert_eq!(first_line(" \n"), "");
    }

    /// Text with far more of what is hidden and what it hides among than chance would bring.
    fn texts() -> impl Strategy<Value = String> {
        let odd = "[\u{0}-\u{1f}\u{7f}-\u{9f}\u{ad}\u{34f}\u{61c}\u{115f}\u{1160}\u{180b}-\u{180f}\u{200b}-\u{200f}\u{2028}-\u{202e}\u{2060}-\u{206f}\
                   \u{3164}\u{fe00}-\u{fe0f}\u{feff}\u{ffa0}\u{fff9}-\u{fffb}\u{e0000}-\u{e007f}\u{e0100}-\u{e01ef}]";
        let near = "[a1#\u{20e3}☺👩💻🏽\u{301}\u{300}میखक्รรᠠ각 ‹›]";
        prop::collection::vec(prop_oneof![odd, odd, near, near, "\\PC", any::<char>().prop_map(String::from)], 0..40)
            .prop_map(|parts| parts.concat())
    }

    proptest! {
        #[test]
        fn nothing_hidden_is_left_and_nothing_else_is_lost(text in texts()) {
            let shown = visible(&text);
            prop_assert_eq!(&visible(&shown), &shown);
            let shown: Vec<char> = shown.chars().collect();
            for (at, c) in shown.iter().enumerate().filter(|(_, c)| is_hidden(**c)) {
                let before = at.checked_sub(1).and_then(|at| shown.get(at)).copied();
                prop_assert!(is_kept(before, *c, shown.get(at + 1).copied()) && may_be_kept(*c), "{:?}", shown);
            }
            // Every character that is neither hidden nor a mark is there, in its order.
            let mut left = shown.iter();
            for c in text.chars().filter(|c| !is_hidden(*c) && !is_mark(*c)) {
                prop_assert!(left.any(|found| *found == c), "{:?} is lost", c);
            }
        }

        #[test]
        fn json_of_any_text_stays_itself(text in texts()) {
            let json = serde_json::to_string(&text).expect("JSON");
            let shown = visible_json(&json);
            prop_assert_eq!(serde_json::from_str::<String>(&shown).expect("JSON"), text);
        }
    }
}
