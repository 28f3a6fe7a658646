//! How long a run may take, how long it may be silent and how much it may write, in its runner's words and in those of its end.

use serde::{Deserialize, Serialize};
use std::{num::NonZeroU64, time::Duration};

/// What a run may use before it is stopped; none is unlimited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunLimits {
    /// How many seconds it may take from the start of its program.
    #[serde(default)]
    pub seconds: Option<NonZeroU64>,
    /// How many seconds may pass without output.
    #[serde(default)]
    pub silent_seconds: Option<NonZeroU64>,
    /// How many bytes it may write.
    #[serde(default)]
    pub bytes: Option<NonZeroU64>,
}

/// The limit that a run came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum LimitReached {
    /// It took as many seconds.
    Time(NonZeroU64),
    /// It was silent for as many seconds.
    Silence(NonZeroU64),
    /// It wrote more than as many bytes.
    Output(NonZeroU64),
}

impl RunLimits {
    /// What a run may write where nothing is said: 16 GiB.
    pub const BYTES: NonZeroU64 = NonZeroU64::new(16 << 30).expect("not 0");
}

impl LimitReached {
    /// Why a run ended that came to this limit of its runner.
    pub(super) fn reason(self, runner: &str) -> String {
        match self {
            LimitReached::Time(seconds) => format!("stopped after {}, the limit of the runner {runner}", duration_in_words(seconds.get())),
            LimitReached::Silence(seconds) => {
                let seconds = duration_in_words(seconds.get());
                format!("stopped after {seconds} without output, the limit of the runner {runner}")
            }
            LimitReached::Output(bytes) => {
                format!("wrote more than {}, the limit of the runner {runner}", size_in_words(bytes.get()))
            }
        }
    }

    /// What asked for the end, as a person would be named.
    pub(super) fn name(self) -> String {
        match self {
            LimitReached::Time(seconds) => format!("the limit of {}", duration_in_words(seconds.get())),
            LimitReached::Silence(seconds) => format!("the limit of {} without output", duration_in_words(seconds.get())),
            LimitReached::Output(bytes) => format!("the limit of {} of output", size_in_words(bytes.get())),
        }
    }
}

const DURATIONS: [(&str, u64); 4] = [("s", 1), ("m", 60), ("h", 60 * 60), ("d", 24 * 60 * 60)];
const SIZES: [(&str, u64); 9] = [
    ("B", 1),
    ("kB", 1000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

/// Seconds as a configuration has them: `90s`, `10m`, `2h`, `1d`.
pub(in crate::backend) fn parse_duration(text: &str) -> Option<NonZeroU64> {
    // What a clock can add to now, on every system.
    parse(text, &DURATIONS).filter(|seconds| Duration::from_secs(seconds.get()) <= Duration::from_secs(1 << 32))
}

/// Bytes as a configuration has them: `500 MB`, `1 GiB`.
pub(in crate::backend) fn parse_size(text: &str) -> Option<NonZeroU64> {
    parse(text, &SIZES)
}

fn parse(text: &str, units: &[(&str, u64)]) -> Option<NonZeroU64> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim_start_matches(' '))?;
    NonZeroU64::new(number.parse::<u64>().ok()?.checked_mul(*factor)?)
}

/// `2 h`, `1 h 30 min`, `90 s` where that is what whole minutes do not say.
fn duration_in_words(seconds: u64) -> String {
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    match (hours, minutes, seconds % 60) {
        (0, 0, _) | (_, _, 1..) => format!("{seconds} s"),
        (0, ..) => format!("{minutes} min"),
        (_, 0, _) => format!("{hours} h"),
        _ => format!("{hours} h {minutes} min"),
    }
}

/// In the largest unit that says it with a whole number.
fn size_in_words(bytes: u64) -> String {
    let (name, size) = SIZES.iter().filter(|(_, size)| bytes.is_multiple_of(*size)).max_by_key(|(_, size)| size).unwrap_or(&SIZES[0]);
    format!("{} {name}", bytes / size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes_are_read_and_said() {
        for (text, seconds, words) in
            [("90s", 90, "90 s"), ("10m", 600, "10 min"), ("2 h", 7200, "2 h"), ("90m", 5400, "1 h 30 min"), ("1d", 86400, "24 h")]
        {
            assert_eq!(parse_duration(text).map(NonZeroU64::get), Some(seconds), "{text}");
            assert_eq!(duration_in_words(seconds), words);
        }
        for (text, bytes, words) in
            [("1 GiB", 1 << 30, "1 GiB"), ("500MB", 500_000_000, "500 MB"), ("1536 KiB", 1536 << 10, "1536 KiB"), ("7 B", 7, "7 B")]
        {
            assert_eq!(parse_size(text).map(NonZeroU64::get), Some(bytes), "{text}");
            assert_eq!(size_in_words(bytes), words);
        }
        for text in
            ["", "10", "s", "0s", "-1s", "1.5h", "10 parsecs", "99999999999999999999s", "9999999999999999d", "1H", " 1h", "1000000d"]
        {
            assert_eq!(parse_duration(text), None, "{text}");
        }
        for text in ["", "1", "0 GiB", "1 gib", "1 GiBs", "99999999999 TiB", "GiB"] {
            assert_eq!(parse_size(text), None, "{text}");
        }
    }
}
