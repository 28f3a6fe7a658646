//! When clients that lose their stream are asked to come back. One that is lost alone is asked back soon. When the server stops, all
//! are lost at once, and the more there are the longer their return takes, so that it is no blow to a server that has just started.

use rand::Rng;
use std::ops::RangeInclusive;

/// One client is to be back within this time, in milliseconds.
const SOON: RangeInclusive<u64> = 300..=700;
/// How much time each of them adds when all are lost, in milliseconds. A client waits between half of what it is told and all of it,
/// which crowds the middle: of a thousand the busiest second then brings back a seventh, and a hundred are back after 1.5 seconds.
const EACH: u64 = 10;
/// And how much later the first of them comes for each: whoever finds the server still away comes again with others.
const FIRST: u64 = 2;
/// Clients take no longer time from a server.
const MOST: u64 = 30_000;

/// For one stream among others, in milliseconds, should it be lost.
pub(super) fn alone() -> u64 {
    rand::rng().random_range(SOON)
}

/// For one of so many streams that end together, in milliseconds; each draws its own.
pub(super) fn together(streams: usize) -> u64 {
    rand::rng().random_range(range(streams))
}

fn range(streams: usize) -> RangeInclusive<u64> {
    let streams = u64::try_from(streams).unwrap_or(u64::MAX);
    let first = SOON.start().saturating_add(streams.saturating_mul(FIRST)).min(MOST / 10);
    first..=first.saturating_add(streams.saturating_mul(EACH)).clamp(*SOON.end(), MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_come_back_soon_and_many_one_after_the_other() {
        assert_eq!(range(0), SOON);
        assert_eq!(range(30), 360..=700);
        assert_eq!(range(100), 500..=1_500);
        assert_eq!(range(1_000), 2_300..=12_300);
        assert_eq!(range(usize::MAX), 3_000..=30_000);
        let drawn: std::collections::BTreeSet<u64> = (0..1_000).map(|_| together(1_000)).collect();
        assert!(drawn.len() > 800, "{}", drawn.len());
    }
}
