//! A moment, in milliseconds since 1970 UTC; in JSON RFC 3339 text in UTC (`2026-01-02T09:13:58.259Z`). It reads no clock: the
//! backend and the browser each pass in theirs.

use super::members::{Read, Unreadable, deserialize_by_reading};
use serde::{Serialize, Serializer};
use serde_json::Value;
use std::fmt;

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Timestamp(pub i64);

/// Milliseconds of a day.
const DAY: i64 = 86_400_000;

impl Timestamp {
    /// Reads RFC 3339 text with any offset; digits beyond the millisecond are dropped. A leap second (RFC 3339 section 5.7), which
    /// ends a month in UTC or is none, is the last millisecond before it.
    ///
    /// # Errors
    /// [`InvalidTimestamp`] where the text is not RFC 3339.
    pub fn parse(text: &str) -> Result<Self, InvalidTimestamp> {
        moment(text.as_bytes()).map(Timestamp).ok_or(InvalidTimestamp)
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
        let (year, month, day) = civil(millis.div_euclid(DAY));
        let (second, milli) = (millis.rem_euclid(DAY) / 1000, millis.rem_euclid(1000));
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
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

/// Reads `2026-01-02T09:13:58.259Z`. What parts day and time may be any one byte: RFC 3339 leaves it to the application.
fn moment(text: &[u8]) -> Option<i64> {
    let (year, month, day) = (digits(text, 0, 4)?, digits(text, 5, 2)?, digits(text, 8, 2)?);
    let (hour, minute, second) = (digits(text, 11, 2)?, digits(text, 14, 2)?, digits(text, 17, 2)?);
    let (mut rest, mut milli) = (&text[19..], 0);
    if let Some((b'.', fraction)) = rest.split_first() {
        let count = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
        rest = &fraction[count..];
        milli = digits(fraction, 0, count.clamp(1, 3))? * [100, 10, 1][count.min(3) - 1];
    }
    let offset = match rest {
        b"Z" | b"z" => 0,
        [sign @ (b'+' | b'-'), _, _, b':', _, _] => {
            let (hours, minutes) = (digits(rest, 1, 2)?, digits(rest, 4, 2)?);
            let offset = (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)?;
            if *sign == b'-' { -offset } else { offset }
        }
        _ => return None,
    };
    let days = (1..=12).contains(&month).then(|| days(year, month, day))?;
    // A day that the month does not have would be one of another month.
    let fits = civil(days) == (year, month, day) && hour < 24 && minute < 60 && second <= 60;
    let marks = [text[4], text[7], text[13], text[16]] == *b"--::";
    let is_leap = second == 60;
    let (second, milli) = if is_leap { (59, 999) } else { (second, milli) };
    let at = days * DAY + ((hour * 60 + minute - offset) * 60 + second) * 1000 + milli;
    let ends_month = (at + 1) % DAY == 0 && civil((at + 1).div_euclid(DAY)).2 == 1;
    (fits && marks && (!is_leap || ends_month)).then_some(at)
}

/// The number that is written with so many digits at that place.
fn digits(text: &[u8], at: usize, count: usize) -> Option<i64> {
    let digits = text.get(at..at + count)?;
    digits.iter().try_fold(0, |number, byte| byte.is_ascii_digit().then(|| number * 10 + i64::from(byte - b'0')))
}

/// Days from 1970-01-01 to a day of the Gregorian calendar. Years are counted from March, so that the day that is not in each of
/// them is their last, and in eras of 400, which are all of one length.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    year.div_euclid(400) * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Year, month and day, so many days after 1970-01-01: [`days`] the other way round.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (days.div_euclid(146_097) * 400 + year + i64::from(month <= 2), month, day)
}

/// The text is not RFC 3339.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a time: RFC 3339 text such as 2026-01-02T09:13:58.259Z is expected")]
pub struct InvalidTimestamp;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use time::{OffsetDateTime, format_description::well_known::Rfc3339};

    #[test]
    fn reads_offsets_and_writes_utc() {
        let at = Timestamp::parse("2026-01-02T10:13:58.2599+01:00").expect("valid");
        assert_eq!(at.to_string(), "2026-01-02T09:13:58.259Z");
        assert_eq!(at.to_utc_minutes(), "2026-01-02 09:13 UTC");
        assert_eq!(Timestamp::parse("yesterday"), Err(InvalidTimestamp));
    }

    /// What the `time` crate reads.
    fn reference(text: &str) -> Result<Timestamp, InvalidTimestamp> {
        let at = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| InvalidTimestamp)?;
        Ok(Timestamp(at.unix_timestamp_nanos().div_euclid(1_000_000).try_into().expect("fits")))
    }

    #[test]
    fn edges_are_read_as_the_reference_reads_them() {
        for (text, is_time) in [
            ("0000-01-01T00:00:00+23:59", true),
            ("9999-12-31T23:59:59.9999-23:59", true),
            ("2024-02-29 00:00:00z", true),
            ("2100-02-29T00:00:00Z", false),
            ("2000-02-29T00:00:00Z", true),
            ("2026-04-31T00:00:00Z", false),
            ("2026-00-01T00:00:00Z", false),
            ("2026-01-00T00:00:00Z", false),
            ("2026-13-01T00:00:00Z", false),
            ("2016-12-31T23:59:60Z", true),
            ("2017-01-01T00:59:60.5+01:00", true),
            ("2016-12-30T23:59:60Z", false),
            ("2016-12-31T22:59:60Z", false),
            ("2016-12-31T23:59:61Z", false),
            ("2026-01-02T24:00:00Z", false),
            ("2026-01-02T00:60:00Z", false),
            ("2026-01-02T00:00:00", false),
            ("2026-01-02T00:00:00.Z", false),
            ("2026-01-02T00:00:00.5", false),
            ("2026-01-02T00:00:00.1234567890123Z", true),
            ("2026-01-02T00:00:00+24:00", false),
            ("2026-01-02T00:00:00+00:60", false),
            ("2026-01-02T00:00:00-00:00", true),
            ("2026-01-02T00:00:00+0100", false),
            ("2026-01-02T00:00:00Z ", false),
            ("2026-01-02ä00:00:00Z", false),
            ("+026-01-02T00:00:00Z", false),
            ("", false),
        ] {
            assert_eq!(Timestamp::parse(text), reference(text), "{text}");
            assert_eq!(Timestamp::parse(text).is_ok(), is_time, "{text}");
        }
    }

    #[test]
    fn every_day_there_is_has_its_date() {
        let (first, last) = (-719_528, 2_932_896);
        let mut before = civil(first - 1);
        assert_eq!((before, civil(last)), ((-1, 12, 31), (9999, 12, 31)));
        for number in first..=last {
            let date = civil(number);
            assert_eq!(days(date.0, date.1, date.2), number);
            assert!(date > before, "{date:?} after {before:?}");
            before = date;
        }
    }

    /// Text that is a time, nearly one, or was one.
    fn texts() -> impl Strategy<Value = String> {
        let year = prop_oneof![0..=9999u16, Just(0u16), Just(1900), Just(2000), Just(2024), Just(9999)];
        let clock = prop_oneof![(0..=25u8, 0..=61u8, 0..=61u8), Just((23, 59, 60)), Just((0, 59, 60))];
        let day = prop_oneof![0..=32u8, 28..=31u8];
        let zone = prop_oneof![Just("Z".to_owned()), Just("+01:00".to_owned()), "[+-][0-2][0-9]:[0-6][0-9]"];
        let fraction = prop_oneof![Just(String::new()), "\\.[0-9]{0,12}"];
        let text = (year, 0..=13u8, day, "[Tt _]", clock, fraction, zone).prop_map(|(year, month, day, t, (h, m, s), fraction, zone)| {
            format!("{year:04}-{month:02}-{day:02}{t}{h:02}:{m:02}:{s:02}{fraction}{zone}")
        });
        let change = prop::option::weighted(0.5, (any::<prop::sample::Index>(), "[-0-9:.TZz+ ä]{0,2}", 0..2usize));
        (text, change).prop_map(|(text, change)| match change {
            None => text,
            Some((place, new, gone)) => {
                let mut letters: Vec<char> = text.chars().collect();
                let at = place.index(letters.len());
                letters.splice(at..at + gone, new.chars());
                letters.into_iter().collect()
            }
        })
    }

    proptest! {
        #[test]
        fn every_moment_round_trips(millis in -62_167_219_200_000i64..=253_402_300_799_999) {
            prop_assert_eq!(Timestamp::parse(&Timestamp(millis).to_string()), Ok(Timestamp(millis)));
        }

        #[test]
        fn texts_are_read_as_the_reference_reads_them(text in texts(), other in ".*") {
            prop_assert_eq!(Timestamp::parse(&text), reference(&text));
            prop_assert_eq!(Timestamp::parse(&other), reference(&other));
        }

        #[test]
        fn moments_are_written_as_the_reference_writes_them(millis in -62_167_219_200_000i64..=253_402_300_799_999) {
            let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(millis) * 1_000_000).expect("in range");
            let written = Timestamp(millis).to_string();
            prop_assert_eq!(OffsetDateTime::parse(&written, &Rfc3339), Ok(at));
            let (seconds, fraction) = written.split_at(19);
            let reference = at.format(&Rfc3339).expect("can be written");
            prop_assert!(reference.starts_with(seconds) && fraction == format!(".{:03}Z", millis.rem_euclid(1000)), "{} {}", written, reference);
        }

        #[test]
        fn no_moment_panics(millis: i64) {
            let _ = Timestamp(millis).to_utc_minutes();
        }
    }
}
