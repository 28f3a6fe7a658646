//! How a cell looks, packed into eight bytes: two colours and eight attributes.

use std::fmt;

/// A colour as a program names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Color {
    /// The terminal's own.
    #[default]
    Default,
    /// One of the palette of 256; the first 16 are the reader's choice.
    Indexed(u8),
    /// Red, green, blue.
    Rgb(u8, u8, u8),
}

/// Red, green and blue of a colour of the palette from 16 on, as xterm has it: a cube of 216 colours and 24 greys. The first 16 have
/// no fixed value and are given as 0.
#[must_use]
pub fn palette(index: u8) -> (u8, u8, u8) {
    let level = |step: u8| if step == 0 { 0 } else { 55 + 40 * step };
    match index {
        0..16 => (0, 0, 0),
        16..232 => {
            let place = index - 16;
            (level(place / 36), level(place / 6 % 6), level(place % 6))
        }
        232.. => {
            let grey = 8 + 10 * (index - 232);
            (grey, grey, grey)
        }
    }
}

/// How a cell looks. The default is plain text.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Style(u64);

/// An attribute: one bit of a [`Style`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Attribute {
    Bold = 0,
    Dim = 1,
    Italic = 2,
    Underline = 3,
    Blink = 4,
    Inverse = 5,
    Conceal = 6,
    Strike = 7,
}

/// Where the colours begin in the packed form: two bits say which kind, 24 hold the value.
const FOREGROUND: u32 = 8;
const BACKGROUND: u32 = 34;
const COLOR_MASK: u64 = (1 << 26) - 1;

impl Style {
    /// Plain text.
    pub const PLAIN: Style = Style(0);

    pub(super) fn set(&mut self, attribute: Attribute, on: bool) {
        let bit = 1 << attribute as u64;
        self.0 = if on { self.0 | bit } else { self.0 & !bit };
    }

    fn has(self, attribute: Attribute) -> bool {
        self.0 & (1 << attribute as u64) != 0
    }

    fn color(self, place: u32) -> Color {
        let bits = (self.0 >> place) & COLOR_MASK;
        let [low, middle, high, ..] = bits.to_le_bytes();
        match bits >> 24 {
            1 => Color::Indexed(low),
            2 => Color::Rgb(high, middle, low),
            _ => Color::Default,
        }
    }

    fn set_color(&mut self, place: u32, color: Color) {
        let bits = match color {
            Color::Default => 0,
            Color::Indexed(index) => (1 << 24) | u64::from(index),
            Color::Rgb(red, green, blue) => (2 << 24) | u64::from(red) << 16 | u64::from(green) << 8 | u64::from(blue),
        };
        self.0 = self.0 & !(COLOR_MASK << place) | bits << place;
    }

    pub(super) fn set_foreground(&mut self, color: Color) {
        self.set_color(FOREGROUND, color);
    }

    pub(super) fn set_background(&mut self, color: Color) {
        self.set_color(BACKGROUND, color);
    }

    /// What erasing leaves behind: the background alone.
    pub(super) fn erased(self) -> Style {
        Style(self.0 & COLOR_MASK << BACKGROUND)
    }

    /// Whether a space with this style looks like nothing.
    pub(super) fn hides_blank(self) -> bool {
        const SEEN: u64 = 1 << Attribute::Underline as u64 | 1 << Attribute::Inverse as u64 | 1 << Attribute::Strike as u64;
        self.0 & (SEEN | COLOR_MASK << BACKGROUND) == 0
    }

    /// The text's colour, before [`Style::is_inverse`].
    #[must_use]
    pub fn foreground(self) -> Color {
        self.color(FOREGROUND)
    }

    /// The colour behind the text, before [`Style::is_inverse`].
    #[must_use]
    pub fn background(self) -> Color {
        self.color(BACKGROUND)
    }

    /// Heavier.
    #[must_use]
    pub fn is_bold(self) -> bool {
        self.has(Attribute::Bold)
    }

    /// Fainter.
    #[must_use]
    pub fn is_dim(self) -> bool {
        self.has(Attribute::Dim)
    }

    /// Slanted.
    #[must_use]
    pub fn is_italic(self) -> bool {
        self.has(Attribute::Italic)
    }

    /// Underlined, in whatever manner.
    #[must_use]
    pub fn is_underlined(self) -> bool {
        self.has(Attribute::Underline)
    }

    /// Meant to blink.
    #[must_use]
    pub fn is_blinking(self) -> bool {
        self.has(Attribute::Blink)
    }

    /// With both colours exchanged.
    #[must_use]
    pub fn is_inverse(self) -> bool {
        self.has(Attribute::Inverse)
    }

    /// Takes its place but is not shown.
    #[must_use]
    pub fn is_concealed(self) -> bool {
        self.has(Attribute::Conceal)
    }

    /// Struck through.
    #[must_use]
    pub fn is_struck(self) -> bool {
        self.has(Attribute::Strike)
    }
}

impl fmt::Debug for Style {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Style({:?} on {:?}, {:08b})", self.foreground(), self.background(), self.0 & 0xff)
    }
}
