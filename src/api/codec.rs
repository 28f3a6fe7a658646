//! How the server functions' answers and errors are written: as JSON, like leptos's own codec. What differs is how the page reads
//! them: as a value first, by the one reader of JSON text that it has.

use crate::domain::members::{self, Read, Unreadable};
use serde::Serialize;
use server_fn::{Bytes, ContentType, Decodes, Encodes, Format, FormatType, codec::Post};

/// The codec of answers, for `#[server(output = …)]`.
pub type Answer = Post<ByValue>;

/// JSON that is read as a value first.
pub struct ByValue;

impl ContentType for ByValue {
    const CONTENT_TYPE: &'static str = "application/json";
}

impl FormatType for ByValue {
    const FORMAT_TYPE: Format = Format::Text;
}

impl<T: Serialize> Encodes<T> for ByValue {
    type Error = serde_json::Error;

    fn encode(value: &T) -> Result<Bytes, Self::Error> {
        serde_json::to_vec(value).map(Bytes::from)
    }
}

impl<T: Read> Decodes<T> for ByValue {
    type Error = Unreadable;

    fn decode(data: Bytes) -> Result<T, Self::Error> {
        T::read(members::parse_bytes(&data)?)
    }
}
