//! The markup of the console's rows. What a program wrote reaches a page here only, and only as text; how it looks comes from a fixed
//! set of classes and from numbers.

use crate::{
    domain::terminal::{Color, Line, Style, palette},
    ui::markup::Markup,
};
use std::fmt::Write;
use unicode_width::UnicodeWidthChar;

/// One row: an element with the line's number and, in it, one with the whole text.
pub fn push_row(html: &mut Markup, number: usize, content: &Markup) {
    html.open("div", &[("class", "row"), ("data-row", &number.to_string())]);
    html.push(content);
    html.close("div");
}

/// What is in a row: the line's text, and its looks.
#[must_use]
pub fn content(line: &Line) -> Markup {
    let mut html = Markup::default();
    html.open("span", &[]);
    for (text, style) in line.parts() {
        push_part(&mut html, text, style);
    }
    html.close("span");
    html
}

fn push_part(html: &mut Markup, text: &str, style: Style) {
    if style == Style::PLAIN {
        push_text(html, text);
        return;
    }
    let (mut class, mut css) = (String::new(), String::new());
    let attributes = [
        (style.is_bold(), "bold"),
        (style.is_dim(), "dim"),
        (style.is_italic(), "italic"),
        (style.is_underlined(), "under"),
        (style.is_struck(), "struck"),
        (style.is_underlined() && style.is_struck(), "under-struck"),
        (style.is_concealed(), "hidden"),
    ];
    for (_, name) in attributes.iter().filter(|(on, _)| *on) {
        push_word(&mut class, name);
    }
    let (front, back) = match style.is_inverse() {
        false => (style.foreground(), style.background()),
        true => (style.background(), style.foreground()),
    };
    push_color(&mut class, &mut css, front, "fg", style.is_inverse());
    push_color(&mut class, &mut css, back, "bg", style.is_inverse());
    html.open("span", &[("class", &class), ("style", &css)]);
    push_text(html, text);
    html.close("span");
}

fn push_word(class: &mut String, word: &str) {
    if !class.is_empty() {
        class.push(' ');
    }
    class.push_str(word);
}

/// A colour of the text (`fg`) or behind it (`bg`). The reader's own colours are classes. A class also says whether a background is
/// dark, by which the style sheet chooses what is read on it.
fn push_color(class: &mut String, css: &mut String, color: Color, place: &str, inverse: bool) {
    let (red, green, blue) = match color {
        Color::Default if inverse => return push_word(class, if place == "fg" { "fg-back" } else { "bg-front" }),
        Color::Default => return,
        Color::Indexed(index @ 0..16) => {
            push_word(class, &format!("{place}-{index}"));
            if place == "bg" {
                push_word(class, if matches!(index, 7 | 15) { "on-light" } else { "on-dark" });
            }
            return;
        }
        Color::Indexed(index) => palette(index),
        Color::Rgb(red, green, blue) => (red, green, blue),
    };
    let property = if place == "fg" { "color" } else { "background-color" };
    let _ = write!(css, "{property}:#{red:02x}{green:02x}{blue:02x};");
    if place == "bg" {
        // luma of ITU-R BT.601, in thousandths
        let is_light = 299 * u32::from(red) + 587 * u32::from(green) + 114 * u32::from(blue) > 140_000;
        push_word(class, if is_light { "on-light" } else { "on-dark" });
    }
}

/// Text, with an element of two cells' width around each character that takes two: no two fonts agree about them.
fn push_text(html: &mut Markup, text: &str) {
    if text.is_ascii() {
        return html.push_text(text);
    }
    let mut rest = text;
    while let Some((at, wide)) = rest.char_indices().find(|(_, c)| c.width() == Some(2)) {
        let (before, from) = rest.split_at(at);
        // the marks that sit on it stay with it
        let after = from.get(wide.len_utf8()..).unwrap_or_default();
        let marks = after.find(|c: char| c.width() != Some(0)).unwrap_or(after.len());
        let (cell, more) = from.split_at(wide.len_utf8() + marks);
        html.push_text(before);
        html.open("span", &[("class", "wide")]);
        html.push_text(cell);
        html.close("span");
        rest = more;
    }
    html.push_text(rest);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::terminal::Screen;
    use proptest::prelude::*;

    fn html(text: &str) -> String {
        content(&Screen::of(text).line(0).expect("has a line")).as_str().to_owned()
    }

    #[test]
    fn text_is_escaped() {
        assert_eq!(html("a <b> & \"c\" 'd'"), "<span>a &lt;b&gt; &amp; &quot;c&quot; &#39;d&#39;</span>");
        assert_eq!(html("\u{1b}[31m<script>"), "<span><span class=\"fg-1\">&lt;script&gt;</span></span>");
    }

    #[test]
    fn looks_are_classes_and_numbers() {
        assert_eq!(html("\u{1b}[1;4;92;44mx"), "<span><span class=\"bold under fg-10 bg-4 on-dark\">x</span></span>");
        assert_eq!(html("\u{1b}[38;5;208mx"), "<span><span style=\"color:#ff8700;\">x</span></span>");
        assert_eq!(html("\u{1b}[7;48;2;1;2;3mx"), "<span><span class=\"bg-front\" style=\"color:#010203;\">x</span></span>");
        let both = html("\u{1b}[38;5;16;48;5;231mx");
        assert_eq!(both, "<span><span class=\"on-light\" style=\"color:#000000;background-color:#ffffff;\">x</span></span>");
        assert!(html("\u{1b}[48;2;0;0;99mx").contains("class=\"on-dark\""));
        assert_eq!(html("\u{1b}[7mx"), "<span><span class=\"fg-back bg-front\">x</span></span>");
        assert_eq!(html("a日\u{302}é"), "<span>a<span class=\"wide\">日\u{302}</span>é</span>");
        let mut row = Markup::default();
        push_row(&mut row, 7, &content(&Screen::of("x").line(0).expect("has a line")));
        assert_eq!(row.as_str(), "<div class=\"row\" data-row=\"7\"><span>x</span></div>");
    }

    proptest! {
        /// Whatever a program writes, nothing of it can open a tag or leave an attribute.
        #[test]
        fn nothing_but_our_own_tags(text in "(\u{1b}\\[[0-9;:]{0,12}m|[<>&\"'a-z =/]|\\PC){0,60}") {
            let screen = Screen::of(&text);
            for line in (0..screen.lines()).filter_map(|number| screen.line(number)) {
                let content = content(&line);
                let mut rest = content.as_str();
                while let Some(at) = rest.find('<') {
                    rest = &rest[at..];
                    let tag = &rest[..rest.find('>').expect("a tag ends") + 1];
                    let ours = tag == "<span>" || tag == "</span>" || {
                        let inside = tag.strip_prefix("<span ").and_then(|tag| tag.strip_suffix("\">")).expect("one of ours");
                        inside.chars().all(|c| c.is_ascii_alphanumeric() || " =\":;#-".contains(c))
                    };
                    prop_assert!(ours, "{}", tag);
                    rest = &rest[tag.len()..];
                }
            }
        }
    }
}
