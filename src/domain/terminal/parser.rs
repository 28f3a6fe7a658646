//! Tells text, controls and escape sequences apart (ECMA-48, and the state machine that VT500 terminals share). It keeps no text:
//! the strings that sequences carry (titles, links, images) are passed over as they come, so its memory is one fixed struct.

/// What a terminal does with what the parser finds.
pub(super) trait Perform {
    /// A run of printable ASCII, never empty.
    fn print_ascii(&mut self, text: &str);
    /// A printable character beyond ASCII, or one that takes no room of its own.
    fn print(&mut self, c: char);
    /// A control character, 0x00 to 0x1F.
    fn control(&mut self, byte: u8);
    /// `ESC`, an intermediate where there is one, and the final byte.
    fn escape(&mut self, intermediate: Option<u8>, last: u8);
    /// `CSI …`: its parameters, the private mark (`?`, `>` …) or intermediate where there is one, and the final byte.
    fn csi(&mut self, params: &Params, mark: Option<u8>, last: u8);
}

/// The parameters of a control sequence: numbers in groups. Groups are parted by `;`, the numbers of one group by `:`. What comes
/// after the 32nd number is dropped.
#[derive(Clone, Debug, Default)]
pub(super) struct Params {
    values: [u16; Self::MAX],
    /// Bit n is set where number n belongs to the group of the one before it.
    joined: u32,
    /// The last number that has begun.
    last: usize,
    full: bool,
}

impl Params {
    const MAX: usize = 32;

    fn digit(&mut self, digit: u8) {
        if let (false, Some(value)) = (self.full, self.values.get_mut(self.last)) {
            *value = value.saturating_mul(10).saturating_add(u16::from(digit));
        }
    }

    fn separator(&mut self, joined: bool) {
        if self.last + 1 == Self::MAX {
            self.full = true;
        } else {
            self.last += 1;
            self.joined |= u32::from(joined) << self.last;
        }
    }

    /// The numbers, group by group; a number that is not given is 0.
    pub(super) fn groups(&self) -> impl Iterator<Item = &[u16]> {
        let mut from = 0;
        std::iter::from_fn(move || {
            let start = from;
            if start > self.last {
                return None;
            }
            from += 1;
            while from <= self.last && self.joined >> from & 1 == 1 {
                from += 1;
            }
            self.values.get(start..from)
        })
    }

    /// The number at a place; `or` where it is not given or 0.
    pub(super) fn get(&self, place: usize, or: usize) -> usize {
        match self.values.get(place) {
            Some(0) | None => or,
            Some(&value) => usize::from(value),
        }
    }

    /// All numbers, without their groups.
    pub(super) fn all(&self) -> &[u16] {
        self.values.get(..=self.last).unwrap_or_default()
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Ground,
    Escape,
    EscapeIntermediate(u8),
    Csi,
    /// In a sequence that has gone wrong, until its final byte.
    CsiIgnore,
    /// In an operating system command, a privacy message or the like.
    Text,
    /// In a device control string, which may hold line feeds.
    Device,
}

/// The parser's state between two pieces of text.
#[derive(Clone, Debug, Default)]
pub(super) struct Parser {
    state: State,
    params: Params,
    mark: Option<u8>,
}

const ESC: u8 = 0x1b;
const CAN: u8 = 0x18;
const SUB: u8 = 0x1a;
const BEL: u8 = 0x07;

impl Parser {
    /// Reads `text` and tells `target` what is in it.
    pub(super) fn feed(&mut self, text: &str, target: &mut impl Perform) {
        let mut rest = text;
        while !rest.is_empty() {
            rest = match self.state {
                State::Ground => self.ground(rest, target),
                State::Text | State::Device => self.string(rest),
                _ => self.sequence(rest, target),
            };
        }
    }

    fn ground<'a>(&mut self, text: &'a str, target: &mut impl Perform) -> &'a str {
        let printable = text.bytes().position(|byte| !(0x20..0x7f).contains(&byte)).unwrap_or(text.len());
        let (run, rest) = text.split_at(printable);
        if !run.is_empty() {
            target.print_ascii(run);
        }
        let mut chars = rest.chars();
        match chars.next() {
            None => {}
            Some('\u{1b}') => self.state = State::Escape,
            Some(c @ '\0'..='\u{1f}') => target.control(c as u8),
            // DEL, and the C1 controls, which terminals in UTF-8 do not expect either
            Some('\u{7f}'..='\u{9f}') => {}
            Some(c) => target.print(c),
        }
        chars.as_str()
    }

    /// One byte of a sequence. Every byte that means something in one is ASCII; any other character ends it and is text.
    fn sequence<'a>(&mut self, text: &'a str, target: &mut impl Perform) -> &'a str {
        let mut chars = text.chars();
        let byte = match chars.next() {
            Some(c) if c.is_ascii() => c as u8,
            _ => {
                self.state = State::Ground;
                return text;
            }
        };
        match (byte, self.state) {
            (CAN | SUB, _) => self.state = State::Ground,
            (ESC, _) => self.state = State::Escape,
            // a control inside a sequence is carried out as if it stood before it
            (0x00..=0x1f, _) => target.control(byte),
            (0x7f, _) => {}
            (b'[', State::Escape) => {
                self.params = Params::default();
                self.mark = None;
                self.state = State::Csi;
            }
            (b']' | b'^' | b'_' | b'X', State::Escape) => self.state = State::Text,
            (b'P', State::Escape) => self.state = State::Device,
            (0x20..=0x2f, State::Escape | State::EscapeIntermediate(_)) => self.state = State::EscapeIntermediate(byte),
            (_, State::EscapeIntermediate(intermediate)) => {
                self.state = State::Ground;
                target.escape(Some(intermediate), byte);
            }
            (_, State::Escape) => {
                self.state = State::Ground;
                target.escape(None, byte);
            }
            (0x40.., State::CsiIgnore) => self.state = State::Ground,
            (_, State::CsiIgnore) => {}
            (b'0'..=b'9', _) => self.params.digit(byte - b'0'),
            (b':', _) => self.params.separator(true),
            (b';', _) => self.params.separator(false),
            (0x20..=0x3f, _) => match self.mark {
                None => self.mark = Some(byte),
                // no sequence that is known here has two
                Some(_) => self.state = State::CsiIgnore,
            },
            (_, _) => {
                self.state = State::Ground;
                target.csi(&self.params, self.mark, byte);
            }
        }
        chars.as_str()
    }

    /// The inside of a string. It ends with `ESC \`, whose second byte is then an escape without a meaning. A line feed ends all
    /// but device controls: a lost terminator must not swallow the rest of a log.
    fn string<'a>(&mut self, text: &'a str) -> &'a str {
        let device = self.state == State::Device;
        let ends = |byte: u8| matches!(byte, ESC | CAN | SUB) || !device && matches!(byte, BEL | b'\n');
        let Some(at) = text.bytes().position(ends) else { return "" };
        let (_, rest) = text.split_at(at);
        self.state = State::Ground;
        // ESC and the line feed are still to be acted upon
        if rest.starts_with(['\u{1b}', '\n']) { rest } else { rest.get(1..).unwrap_or_default() }
    }
}
