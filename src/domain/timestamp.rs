//! A moment, in milliseconds since 1970 UTC; in JSON RFC 3339 text in UTC (`2026-01-02T09:13:58.259Z`). It reads no clock: the
//! backend and the browser each pass in theirs.

use super::members::{Read, Unreadable, deserialize_by_reading};
use serde::{Serialize, Serializer};
use serde_json::Value;
use std::fmt;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// Reads RFC 3339 text with any offset; digits beyond the millisecond are dropped.
    ///
    /// # Errors
    /// [`InvalidTimestamp`] where the text is not RFC 3339.
    pub fn parse(text: &str) -> Result<Self, InvalidTimestamp> {
        let at = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| InvalidTimestamp)?;
        i64::try_from(at.unix_timestamp_nanos().div_euclid(1_000_000)).map(Timestamp).map_err(|_| InvalidTimestamp)
    }

    /// Milliseconds from `earlier` until this moment; 0 where `earlier` lies after it.
    #[must_use]
    pub fn since(self, earlier: Timestamp) -> i64 {
        self.0.saturating_sub(earlier.0).max(0)
    }

    /// `2026-01-02 09:13 UTC`, for a page that is read before the browser can say it in the reader's own way.
    #[must_use]
    pub fn to_utc_minutes(self) -> String {
        let text = self.to_string();
        match (text.get(..10), text.get(11..16)) {
            (Some(day), Some(minute)) => format!("{day} {minute} UTC"),
            _ => text,
        }
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC with three digits of milliseconds. Moments outside the years 0 to 9999, which RFC 3339 cannot say, are
    /// written as its first or last one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.clamp(-62_167_219_200_000, 253_402_300_799_999);
        let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(millis) * 1_000_000).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let (year, month, day) = (at.year(), u8::from(at.month()), at.day());
        let (hour, minute, second, milli) = (at.hour(), at.minute(), at.second(), at.millisecond());
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Read for Timestamp {
    fn read(value: Value) -> Result<Self, Unreadable> {
        let at = value.as_str().and_then(|text| Timestamp::parse(text).ok());
        at.ok_or(Unreadable::value("must be a time in RFC 3339 such as 2026-01-02T09:13:58.259Z"))
    }
}

deserialize_by_reading!(Timestamp);

/// The text is not RFC 3339.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a time: RFC 3339 text such as 2026-01-02T09:13:58.259Z is expected")]
pub struct InvalidTimestamp;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_offsets_and_writes_utc() {
        let at = Timestamp::parse("2026-01-02T10:13:58.2599+01:00").expect("valid");
        assert_eq!(at.to_string(), "2026-01-02T09:13:58.259Z");
        assert_eq!(at.to_utc_minutes(), "2026-01-02 09:13 UTC");
        assert_eq!(Timestamp::parse("yesterday"), Err(InvalidTimestamp));
    }

    proptest! {
        #[test]
        fn every_moment_round_trips(millis in -62_167_219_200_000i64..=253_402_300_799_999) {
            prop_assert_eq!(Timestamp::parse(&Timestamp(millis).to_string()), Ok(Timestamp(millis)));
        }

        #[test]
        fn no_moment_panics(millis: i64) {
            let _ = Timestamp(millis).to_utc_minutes();
        }
    }
}
