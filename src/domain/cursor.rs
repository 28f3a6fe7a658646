//! A cursor, `<epoch>-<seq>`: "everything up to here has been seen". The epoch names one log; a number of another log means nothing
//! in this one.

use super::members::{Read, Unreadable};
use serde::{Serialize, Serializer};
use serde_json::Value;
use std::{fmt, str::FromStr};

/// The name of one log, drawn when its database is made: 1 to 32 lower-case letters and digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Epoch(String);

impl Epoch {
    /// Checks that `text` can name a log.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let fits = (1..=32).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        fits.then(|| Epoch(text.to_owned()))
    }

    /// The name itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Epoch {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl Read for Epoch {
    fn read(value: Value) -> Result<Self, Unreadable> {
        value.as_str().and_then(Epoch::new).ok_or(Unreadable::value("must be the name of a log"))
    }
}

/// A place in one log: all events up to and with `seq` have been seen.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cursor {
    /// Which log.
    pub epoch: Epoch,
    /// The last event seen; 0 is the beginning.
    pub seq: u64,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.epoch, self.seq)
    }
}

impl FromStr for Cursor {
    type Err = InvalidCursor;

    /// Total and cheap: of a text of any length at most 64 bytes are looked at.
    fn from_str(text: &str) -> Result<Self, InvalidCursor> {
        if text.len() > 64 {
            return Err(InvalidCursor);
        }
        let (epoch, seq) = text.split_once('-').ok_or(InvalidCursor)?;
        let canonical = seq.bytes().all(|b| b.is_ascii_digit()) && (seq == "0" || !seq.starts_with('0'));
        if !canonical {
            return Err(InvalidCursor);
        }
        Ok(Cursor { epoch: Epoch::new(epoch).ok_or(InvalidCursor)?, seq: seq.parse().map_err(|_| InvalidCursor)? })
    }
}

impl Serialize for Cursor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Read for Cursor {
    fn read(value: Value) -> Result<Self, Unreadable> {
        let cursor = value.as_str().and_then(|text| text.parse().ok());
        cursor.ok_or(Unreadable::value("must be <epoch>-<number>, as the stream's ids have it"))
    }
}

/// The text is no cursor of any log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor: <epoch>-<number> is expected, as the stream's ids have it")]
pub struct InvalidCursor;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn broken_texts_are_refused() {
        let long = "a".repeat(1_000_000);
        for text in ["", "-", "-1", "a-", "a-+1", "a-01", "a--1", "a-1 ", "A-1", "ä-1", "a-18446744073709551616", "a-1\u{0}", &long] {
            assert_eq!(text.parse::<Cursor>(), Err(InvalidCursor), "{:.20}", text);
        }
        assert_eq!("k3-0".parse::<Cursor>().map(|c| c.seq), Ok(0));
    }

    proptest! {
        #[test]
        fn every_cursor_round_trips(epoch in "[a-z0-9]{1,32}", seq: u64) {
            let cursor = Cursor { epoch: Epoch::new(&epoch).expect("fits"), seq };
            prop_assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }

        #[test]
        fn no_text_panics(text in ".*") {
            if let Ok(cursor) = text.parse::<Cursor>() {
                prop_assert_eq!(cursor.to_string(), text);
            }
        }
    }
}
