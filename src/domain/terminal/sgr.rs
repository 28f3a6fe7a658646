//! "Select graphic rendition" (ECMA-48 8.3.117, ISO 8613-6 for colours): from parameters to a style.

use super::{
    parser::Params,
    style::{Attribute, Color, Style},
};

/// Changes `style` as the parameters say; what is not known is passed over.
pub(super) fn apply(style: &mut Style, params: &Params) {
    let mut groups = params.groups();
    while let Some(group) = groups.next() {
        let [code, sub @ ..] = group else { continue };
        match code {
            0 => *style = Style::PLAIN,
            1 => style.set(Attribute::Bold, true),
            2 => style.set(Attribute::Dim, true),
            3 => style.set(Attribute::Italic, true),
            // 4:0 is "no underline", the other forms (double, curly, …) are all shown as one
            4 => style.set(Attribute::Underline, sub.first() != Some(&0)),
            5 | 6 => style.set(Attribute::Blink, true),
            7 => style.set(Attribute::Inverse, true),
            8 => style.set(Attribute::Conceal, true),
            9 => style.set(Attribute::Strike, true),
            // doubly underlined
            21 => style.set(Attribute::Underline, true),
            22 => {
                style.set(Attribute::Bold, false);
                style.set(Attribute::Dim, false);
            }
            23 => style.set(Attribute::Italic, false),
            24 => style.set(Attribute::Underline, false),
            25 => style.set(Attribute::Blink, false),
            27 => style.set(Attribute::Inverse, false),
            28 => style.set(Attribute::Conceal, false),
            29 => style.set(Attribute::Strike, false),
            30..=37 => style.set_foreground(indexed(code - 30)),
            39 => style.set_foreground(Color::Default),
            40..=47 => style.set_background(indexed(code - 40)),
            49 => style.set_background(Color::Default),
            90..=97 => style.set_foreground(indexed(code - 90 + 8)),
            100..=107 => style.set_background(indexed(code - 100 + 8)),
            38 | 48 | 58 => {
                let color = if sub.is_empty() { separate(&mut groups) } else { joined(sub) };
                match (code, color) {
                    (38, Some(color)) => style.set_foreground(color),
                    (48, Some(color)) => style.set_background(color),
                    // 58 colours the underline, which is shown in the text's colour
                    _ => {}
                }
            }
            _ => {}
        }
    }
}

fn indexed(index: u16) -> Color {
    Color::Indexed(u8::try_from(index).unwrap_or(u8::MAX))
}

fn rgb(red: u16, green: u16, blue: u16) -> Color {
    let part = |value: u16| u8::try_from(value).unwrap_or(u8::MAX);
    Color::Rgb(part(red), part(green), part(blue))
}

/// `38:5:n`, `38:2:r:g:b`, and `38:2:space:r:g:b` as the standard has it.
fn joined(sub: &[u16]) -> Option<Color> {
    match *sub {
        [5, index, ..] => Some(indexed(index)),
        [2, _, red, green, blue, ..] | [2, red, green, blue] => Some(rgb(red, green, blue)),
        _ => None,
    }
}

/// `38;5;n` and `38;2;r;g;b`, as most programs write it.
fn separate<'a>(groups: &mut impl Iterator<Item = &'a [u16]>) -> Option<Color> {
    let mut next = || groups.next().and_then(|group| group.first().copied());
    match next()? {
        5 => Some(indexed(next()?)),
        2 => Some(rgb(next()?, next()?, next()?)),
        _ => None,
    }
}
