//! How long to wait before the next attempt: exponential with jitter, from a seeded generator, so that a history can be replayed.

/// The longest delay between two attempts, and the highest base that a server can name.
pub const MAX_DELAY_MS: u64 = 30_000;

/// The lowest base that a server can name.
pub const MIN_BASE_MS: u64 = 100;

/// The delay's upper bound after the n-th failure in a row (n from 1): it doubles from the base up to [`MAX_DELAY_MS`].
#[must_use]
pub fn cap(base_ms: u64, failures: u32) -> u64 {
    let base = base_ms.clamp(MIN_BASE_MS, MAX_DELAY_MS);
    let doublings = failures.saturating_sub(1).min(32);
    base.saturating_mul(1 << doublings).min(MAX_DELAY_MS)
}

/// The delay after the n-th failure in a row: half of its [`cap`], and a random part of the other half.
pub fn delay(base_ms: u64, failures: u32, random: &mut Random) -> u64 {
    let cap = cap(base_ms, failures);
    let half = cap / 2;
    half + random.up_to(cap - half)
}

/// SplitMix64 (Steele, Lea, Flood 2014): small, seedable with anything, and good enough to keep browsers from coming back in step.
/// Not for secrets.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// Starts from any seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Random(seed)
    }

    /// A number from 0 to `max`, both included.
    pub fn up_to(&mut self, max: u64) -> u64 {
        let wide = u128::from(self.next()) * (u128::from(max) + 1);
        u64::try_from(wide >> 64).unwrap_or(max)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_is_splitmix64() {
        // The reference implementation's first numbers from seed 1234567.
        let mut random = Random::new(1_234_567);
        assert_eq!(
            [random.next(), random.next(), random.next()],
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]
        );
    }

    #[test]
    fn every_part_of_the_range_is_drawn() {
        let mut random = Random::new(7);
        let mut seen = [0u32; 10];
        for _ in 0..10_000 {
            seen[usize::try_from(random.up_to(9)).unwrap_or(0)] += 1;
        }
        assert!(seen.iter().all(|count| (800..1200).contains(count)), "{seen:?}");
        assert_eq!(random.up_to(0), 0);
    }

    #[test]
    fn the_cap_doubles_and_stops_at_thirty_seconds() {
        let caps: Vec<u64> = (1..=8).map(|n| cap(1_000, n)).collect();
        assert_eq!(caps, [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
        assert_eq!(cap(1_000, u32::MAX), 30_000);
        assert_eq!(cap(0, 1), 100);
        assert_eq!(cap(u64::MAX, 9), 30_000);
    }
}
