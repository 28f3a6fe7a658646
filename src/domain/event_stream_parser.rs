//! Reads `text/event-stream` as it comes, in chunks that are cut anywhere: sections 9.2.5 and 9.2.6 of the HTML standard, for a
//! transport that receives bytes. Total: any bytes give some events, in time proportional to their number and memory within a bound.
//! It knows no connection and no clock, and not what the events mean.

/// How many bytes one event may have where nothing else is said: 16 MiB.
pub const MAX_EVENT_BYTES: usize = 16 * 1024 * 1024;

const BOM: &[u8] = b"\xEF\xBB\xBF";

/// One thing that a stream says, in the stream's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed<'a> {
    /// An event is complete.
    Event(Event<'a>),
    /// The server wants to be asked again no sooner than so many milliseconds after a loss. A number beyond `u64` is cut to it.
    Retry(u64),
    /// An event is longer than the bound; nothing more of it is read, and the stream goes on behind it. Said as soon as it is known, so
    /// the name and the id are those that were given before.
    TooLong {
        /// As in [`Event::name`].
        name: &'a str,
        /// As in [`Event::last_event_id`].
        last_event_id: &'a str,
    },
}

/// An event as `EventSource` would dispatch it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event<'a> {
    /// Its type: `message` where it names none.
    pub name: &'a str,
    /// The lines of its data, joined by line feeds.
    pub data: &'a str,
    /// Its id, or where it has none the last one that the stream named; empty before that.
    pub last_event_id: &'a str,
}

/// What is read of one stream, between two chunks.
///
/// A stream has no last word: a block that no blank line has ended when the stream ends was never an event, so there is nothing to
/// be called then.
#[derive(Clone, Debug)]
pub struct EventStreamParser {
    max_event_bytes: usize,
    /// How much of a byte order mark has come; none once it is settled whether there is one.
    bom: Option<usize>,
    /// The last line ended with CR, and an LF that comes now belongs to it.
    after_cr: bool,
    line: Line,
    /// The field's name, then its value, as far as the line has come.
    bytes: Vec<u8>,
    /// The block's data so far, each line with its LF.
    data: String,
    event_type: String,
    /// The id that the block names; it counts from the block's end on.
    id: Option<String>,
    last_event_id: String,
    /// How many bytes of the block were kept, each line counted with its end.
    size: usize,
    too_long: bool,
}

/// Which part of a line is being read.
#[derive(Clone, Copy, Debug)]
enum Line {
    Name,
    Value(Field),
    /// A comment, a field that means nothing, or part of an event that is too long.
    Ignored,
}

#[derive(Clone, Copy, Debug)]
enum Field {
    Event,
    Data,
    Id,
    Retry,
}

impl Field {
    const LONGEST_NAME: usize = 5;

    fn of(name: &[u8]) -> Option<Self> {
        match name {
            b"event" => Some(Field::Event),
            b"data" => Some(Field::Data),
            b"id" => Some(Field::Id),
            b"retry" => Some(Field::Retry),
            _ => None,
        }
    }
}

impl Default for EventStreamParser {
    /// With [`MAX_EVENT_BYTES`].
    fn default() -> Self {
        Self::new(MAX_EVENT_BYTES)
    }
}

impl EventStreamParser {
    /// At the beginning of a stream. The values of one event's fields, each with one byte for its line's end, may have
    /// `max_event_bytes` together; comments and unknown fields do not count, and none of them is kept. What is held at a time stays
    /// below a small multiple of it, since a byte that is no UTF-8 becomes three.
    #[must_use]
    pub fn new(max_event_bytes: usize) -> Self {
        EventStreamParser {
            max_event_bytes,
            bom: Some(0),
            after_cr: false,
            line: Line::Name,
            bytes: Vec::new(),
            data: String::new(),
            event_type: String::new(),
            id: None,
            last_event_id: String::new(),
            size: 0,
            too_long: false,
        }
    }

    /// The id to resume after: the last one that the blocks so far have named, also where such a block was no event.
    #[must_use]
    pub fn last_event_id(&self) -> &str {
        &self.last_event_id
    }

    /// Reads on. `say` is called with what is complete, in order.
    pub fn feed(&mut self, chunk: &[u8], say: &mut dyn FnMut(Parsed<'_>)) {
        let mut rest = self.without_bom(chunk, say);
        while !rest.is_empty() {
            if std::mem::take(&mut self.after_cr)
                && let Some(after) = rest.strip_prefix(b"\n")
            {
                rest = after;
                continue;
            }
            // Neither CR nor LF is ever part of a longer UTF-8 sequence, valid or cut short, so lines can be told apart before decoding.
            let end = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n')).unwrap_or(rest.len());
            let (part, after) = rest.split_at(end);
            self.push(part, say);
            let Some((end, after)) = after.split_first() else { return };
            self.end_line(say);
            self.after_cr = *end == b'\r';
            rest = after;
        }
    }

    /// What of the chunk follows a mark at the very beginning of the stream.
    fn without_bom<'a>(&mut self, chunk: &'a [u8], say: &mut dyn FnMut(Parsed<'_>)) -> &'a [u8] {
        let Some(seen) = self.bom else { return chunk };
        let expected = BOM.get(seen..).unwrap_or_default();
        let same = expected.iter().zip(chunk).take_while(|(expected, byte)| expected == byte).count();
        let (_, rest) = chunk.split_at(same);
        if same < expected.len() && rest.is_empty() {
            self.bom = Some(seen + same);
            return rest;
        }
        self.bom = None;
        if same < expected.len() {
            self.push(BOM.get(..seen + same).unwrap_or_default(), say);
        }
        rest
    }

    /// Takes a part of a line.
    fn push(&mut self, part: &[u8], say: &mut dyn FnMut(Parsed<'_>)) {
        match self.line {
            Line::Ignored => {}
            Line::Value(_) => self.push_value(part, say),
            Line::Name => {
                let colon = part.iter().position(|byte| *byte == b':');
                let (name, value) = part.split_at(colon.unwrap_or(part.len()));
                if self.bytes.len() + name.len() > Field::LONGEST_NAME {
                    self.ignore_line();
                    return;
                }
                self.bytes.extend_from_slice(name);
                if let Some(value) = value.strip_prefix(b":") {
                    match self.field() {
                        Some(field) => {
                            self.line = Line::Value(field);
                            self.bytes.clear();
                            self.push_value(value, say);
                        }
                        None => self.ignore_line(),
                    }
                }
            }
        }
    }

    /// The field of the name that was read, where it is of any use.
    fn field(&self) -> Option<Field> {
        Field::of(&self.bytes).filter(|_| !self.too_long)
    }

    fn ignore_line(&mut self) {
        self.line = Line::Ignored;
        self.bytes.clear();
    }

    fn push_value(&mut self, part: &[u8], say: &mut dyn FnMut(Parsed<'_>)) {
        if self.grow(part.len(), say) {
            self.bytes.extend_from_slice(part);
        }
    }

    /// Whether the event may have so many bytes more.
    fn grow(&mut self, more: usize, say: &mut dyn FnMut(Parsed<'_>)) -> bool {
        self.size = self.size.saturating_add(more);
        if self.size <= self.max_event_bytes {
            return true;
        }
        self.too_long = true;
        self.line = Line::Ignored;
        // Their room is given back, too: they may be as large as the bound.
        self.bytes = Vec::new();
        self.data = String::new();
        say(Parsed::TooLong { name: self.name(), last_event_id: self.id.as_deref().unwrap_or(&self.last_event_id) });
        false
    }

    fn name(&self) -> &str {
        if self.event_type.is_empty() { "message" } else { &self.event_type }
    }

    fn end_line(&mut self, say: &mut dyn FnMut(Parsed<'_>)) {
        let field = match self.line {
            Line::Name if self.bytes.is_empty() => {
                self.end_block(say);
                None
            }
            // A line without a colon is a field without a value.
            Line::Name => {
                let field = self.field();
                self.bytes.clear();
                field
            }
            Line::Value(field) => Some(field),
            Line::Ignored => None,
        };
        if let Some(field) = field
            && self.grow(1, say)
        {
            self.take_field(field, say);
        }
        self.line = Line::Name;
        self.bytes.clear();
    }

    fn take_field(&mut self, field: Field, say: &mut dyn FnMut(Parsed<'_>)) {
        let value = self.bytes.strip_prefix(b" ").unwrap_or(&self.bytes);
        match field {
            Field::Data => {
                self.data.push_str(&String::from_utf8_lossy(value));
                self.data.push('\n');
            }
            Field::Event => self.event_type = String::from_utf8_lossy(value).into_owned(),
            Field::Id if value.contains(&0) => {}
            Field::Id => self.id = Some(String::from_utf8_lossy(value).into_owned()),
            Field::Retry => {
                if let Some(ms) = digits(value) {
                    say(Parsed::Retry(ms));
                }
            }
        }
    }

    fn end_block(&mut self, say: &mut dyn FnMut(Parsed<'_>)) {
        if let Some(id) = self.id.take() {
            self.last_event_id = id;
        }
        // Each line of data has its LF, so only a block without any is empty.
        if let Some(data) = self.data.strip_suffix('\n') {
            say(Parsed::Event(Event { name: self.name(), data, last_event_id: &self.last_event_id }));
        }
        self.data.clear();
        self.event_type.clear();
        self.size = 0;
        self.too_long = false;
    }
}

/// The number that ASCII digits write, and nothing else. No digits at all are no number: browsers differ there, and a wish for no delay
/// would be the worst reading.
fn digits(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(text.iter().fold(0u64, |number, digit| number.saturating_mul(10).saturating_add(u64::from(digit - b'0'))))
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
