//! What real tools wrote to a terminal, read by our screen and by another emulator: both must show the same rows in the same colours.
//! `tests/fixtures/terminal/reference.py` says how the files are made.

use kontasks::domain::terminal::{Color, Line, Screen, Style, palette};
use std::{fs, path::Path};
use unicode_width::UnicodeWidthChar;

const COLUMNS: usize = 120;

fn color_name(color: Color) -> Option<String> {
    const NAMES: [&str; 8] = ["black", "red", "green", "brown", "blue", "magenta", "cyan", "white"];
    match color {
        Color::Default => None,
        Color::Indexed(index @ 0..8) => Some(NAMES[usize::from(index)].to_owned()),
        // the emulator's own word for bright yellow is "brightbrown", and "bfightmagenta" its misprint
        Color::Indexed(index @ 8..16) => Some(format!("bright{}", NAMES[usize::from(index) - 8])),
        Color::Indexed(index) => {
            let (red, green, blue) = palette(index);
            Some(format!("{red:02x}{green:02x}{blue:02x}"))
        }
        Color::Rgb(red, green, blue) => Some(format!("{red:02x}{green:02x}{blue:02x}")),
    }
}

fn look(style: Style) -> String {
    let mut words: Vec<String> = Vec::new();
    words.extend(color_name(style.foreground()).map(|name| format!("fg:{name}")));
    words.extend(color_name(style.background()).map(|name| format!("bg:{name}")));
    let attributes = [
        (style.is_bold(), "bold"),
        (style.is_italic(), "italics"),
        (style.is_underlined(), "underscore"),
        (style.is_struck(), "strikethrough"),
        (style.is_inverse(), "reverse"),
    ];
    words.extend(attributes.iter().filter(|(on, _)| *on).map(|(_, name)| (*name).to_owned()));
    words.join(" ")
}

/// A line as the rows of a terminal of 120 columns.
fn rows(line: &Line) -> Vec<String> {
    let mut rows = vec![(String::new(), Vec::<(usize, usize, String)>::new(), 0)];
    for (text, style) in line.parts() {
        for c in text.chars() {
            let width = c.width().unwrap_or(0);
            if rows.last().is_some_and(|row| row.2 + width > COLUMNS) {
                rows.push(Default::default());
            }
            let (shown, parts, cells) = rows.last_mut().expect("one at least");
            shown.push(c);
            let (from, look) = (*cells, look(style));
            *cells += width;
            match parts.last_mut() {
                Some(last) if last.2 == look && last.1 == from => last.1 = *cells,
                _ => parts.push((from, *cells, look)),
            }
        }
    }
    let describe = |(text, parts, _): (String, Vec<(usize, usize, String)>, usize)| {
        let parts = parts.iter().filter(|part| !part.2.is_empty());
        text + &parts.map(|(from, to, look)| format!("\t{from}..{to} {look}")).collect::<String>()
    };
    rows.into_iter().map(describe).collect()
}

fn same_as_the_emulator(name: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/terminal");
    let capture = fs::read_to_string(folder.join(format!("{name}.capture"))).expect("a capture");
    let expected = fs::read_to_string(folder.join(format!("{name}.expected"))).expect("what the emulator shows");
    let screen = Screen::of(&capture);
    let mut shown: Vec<String> = (0..screen.lines()).flat_map(|n| rows(&screen.line(n).expect("kept"))).collect();
    while shown.last().is_some_and(String::is_empty) {
        shown.pop();
    }
    let expected: Vec<String> = expected.lines().map(|row| row.replace("bfight", "bright")).collect();
    for (number, (ours, theirs)) in shown.iter().zip(&expected).enumerate() {
        assert_eq!(ours, theirs, "{name}, row {number}");
    }
    assert_eq!(shown.len(), expected.len(), "{name}: rows");
}

#[test]
fn pip_with_a_progress_bar() {
    same_as_the_emulator("pip-install");
}

#[test]
fn npm_with_a_spinner() {
    same_as_the_emulator("npm-install");
}

#[test]
fn cargo_with_its_bar_and_an_error() {
    same_as_the_emulator("cargo-build");
}

#[test]
fn nested_bars_and_tables_of_python() {
    same_as_the_emulator("python-bars");
}

#[test]
fn colours_and_cursor_movements_of_the_shell() {
    same_as_the_emulator("shell");
}

/// One of the cases of `resized.json`: sizes and texts, and the lines that are shown in the end.
#[derive(serde::Deserialize)]
struct Resized {
    steps: Vec<Step>,
    lines: Vec<String>,
}

#[derive(serde::Deserialize)]
#[serde(untagged)]
enum Step {
    Text { text: String },
    Size { columns: usize, rows: usize },
}

#[test]
fn windows_that_get_other_sizes() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/terminal/resized.json");
    let cases: Vec<Resized> = serde_json::from_str(&fs::read_to_string(file).expect("the cases")).expect("JSON");
    let mut differ = Vec::new();
    for (number, case) in cases.iter().enumerate() {
        let mut screen = Screen::default();
        for step in &case.steps {
            match step {
                Step::Text { text } => screen.feed(text),
                Step::Size { columns, rows } => screen.resize(*columns, *rows),
            }
        }
        let mut shown: Vec<String> = (0..screen.lines()).map(|n| screen.line(n).expect("kept").text().trim_end().to_owned()).collect();
        while shown.last().is_some_and(String::is_empty) {
            shown.pop();
        }
        if shown != case.lines {
            differ.push(format!("case {number}:\n  ours   {shown:?}\n  xterm  {:?}", case.lines));
        }
    }
    assert!(differ.is_empty(), "{} of {} differ\n{}", differ.len(), cases.len(), differ[..differ.len().min(4)].join("\n"));
}
