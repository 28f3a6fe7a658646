//! Where a stream begins: what the cursor of a request means for this log. Any bytes whatever are an answer here, at the cost of
//! looking at few of them.

use crate::domain::cursor::{Cursor, Epoch};
use axum::http::{HeaderMap, HeaderName};

/// What a browser sends by itself when it reconnects.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Where to begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// No cursor was given.
    Unsaid,
    /// Behind this event.
    After(u64),
    /// The cursor cannot be honoured, for this reason.
    Reset(&'static str),
}

impl Start {
    /// Reads the cursor of a request. `Last-Event-ID` wins over `after`, since it is newer wherever both are given; an empty one says
    /// nothing. `head` is the newest event.
    #[must_use]
    pub fn of(headers: &HeaderMap, after: Option<&str>, epoch: &Epoch, head: u64) -> Self {
        match headers.get(LAST_EVENT_ID).map(|value| value.as_bytes()).filter(|bytes| !bytes.is_empty()) {
            Some(bytes) => Self::read(bytes, epoch, head),
            None => match after.filter(|text| !text.is_empty()) {
                Some(text) => Self::read(text.as_bytes(), epoch, head),
                None => Start::Unsaid,
            },
        }
    }

    fn read(bytes: &[u8], epoch: &Epoch, head: u64) -> Self {
        let text = if bytes.len() <= 64 { std::str::from_utf8(bytes).ok() } else { None };
        match text.and_then(|text| text.parse::<Cursor>().ok()) {
            None => Start::Reset("the cursor is not one that this server gives out"),
            Some(cursor) if cursor.epoch != *epoch => Start::Reset("the cursor belongs to another log"),
            Some(cursor) if cursor.seq > head => Start::Reset("the cursor lies behind the end of the log"),
            Some(cursor) => Start::After(cursor.seq),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;
    use proptest::prelude::*;

    fn start(header: Option<&[u8]>, after: Option<&str>) -> Start {
        let headers = header.map(|bytes| (LAST_EVENT_ID, HeaderValue::from_bytes(bytes).expect("a header")));
        Start::of(&headers.into_iter().collect(), after, &Epoch::new("k3").expect("fits"), 100)
    }

    #[test]
    fn the_header_wins_and_empty_is_none() {
        assert_eq!(start(Some(b"k3-7"), Some("k3-5")), Start::After(7));
        assert_eq!(start(Some(b""), Some("k3-5")), Start::After(5));
        assert_eq!(start(None, Some("k3-100")), Start::After(100));
        assert_eq!(start(None, Some("k3-0")), Start::After(0));
        assert_eq!(start(Some(b""), Some("")), Start::Unsaid);
        assert_eq!(start(None, None), Start::Unsaid);
        assert!(matches!(start(Some(b"nonsense"), Some("k3-5")), Start::Reset(_)));
    }

    #[test]
    fn what_cannot_be_honoured_is_said() {
        let long = vec![b'9'; 1_000_000];
        for header in [&b"k4-7"[..], b"k3-101", b"k3-99999999999999999999", b"k3", b"-1", b"\xff\xfe", b"k3-7\xff", b" k3-7", &long] {
            assert!(matches!(start(Some(header), None), Start::Reset(_)), "{:.20}", String::from_utf8_lossy(header));
        }
        assert!(matches!(start(None, Some("k3-7\0")), Start::Reset(_)));
    }

    proptest! {
        #[test]
        fn any_text_has_a_meaning(after in ".*") {
            let _ = start(None, Some(&after));
        }
    }
}
