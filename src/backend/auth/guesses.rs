//! How often a password may be guessed: so many times at once, and then one time in so long. The bound is one for everybody, since an
//! address is nothing to tell people apart by behind a proxy; whoever is kept waiting by somebody else's guesses still has the one-time
//! link. It reads no clock.

use crate::domain::timestamp::Timestamp;

/// How many guesses there are at once.
pub const MOST: i64 = 5;
/// How long it takes until there is one more, in milliseconds.
pub const EVERY: i64 = 60 * 1000;

/// The guesses that are left.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Guesses {
    /// When all of them will be back.
    full_at: Timestamp,
}

impl Guesses {
    /// Takes one guess; where none is left, says in how many milliseconds there will be one.
    pub fn take(&mut self, now: Timestamp) -> Result<(), i64> {
        // A clock that was set back must not keep anybody waiting for longer than a clock that was not.
        let full_at = self.full_at.0.clamp(now.0, now.0 + MOST * EVERY) + EVERY;
        let wait = full_at - now.0 - MOST * EVERY;
        if wait > 0 {
            return Err(wait);
        }
        self.full_at = Timestamp(full_at);
        Ok(())
    }

    /// Gives one back: it was right.
    pub fn give_back(&mut self) {
        self.full_at.0 -= EVERY;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const START: Timestamp = Timestamp(1_700_000_000_000);

    fn later(millis: i64) -> Timestamp {
        Timestamp(START.0 + millis)
    }

    #[test]
    fn five_at_once_and_then_one_a_minute() {
        let mut guesses = Guesses::default();
        for _ in 0..MOST {
            assert_eq!(guesses.take(START), Ok(()));
        }
        assert_eq!(guesses.take(START), Err(EVERY));
        assert_eq!(guesses.take(later(EVERY - 1)), Err(1));
        assert_eq!(guesses.take(later(EVERY)), Ok(()));
        assert_eq!(guesses.take(later(EVERY)), Err(EVERY));
        for _ in 0..MOST {
            assert_eq!(guesses.take(later(100 * EVERY)), Ok(()), "all are back, and no more than all");
        }
        assert!(guesses.take(later(100 * EVERY)).is_err());
    }

    #[test]
    fn a_right_one_costs_nothing() {
        let mut guesses = Guesses::default();
        for _ in 0..100 {
            assert_eq!(guesses.take(START), Ok(()));
            guesses.give_back();
        }
        for _ in 0..MOST {
            assert_eq!(guesses.take(START), Ok(()));
        }
        assert!(guesses.take(START).is_err());
    }

    proptest! {
        #[test]
        fn whatever_the_clock_does_nobody_waits_longer_than_a_minute(steps in prop::collection::vec((-100 * EVERY..100 * EVERY, any::<bool>()), 0..50)) {
            let (mut guesses, mut now) = (Guesses::default(), START);
            for (step, right) in steps {
                now.0 += step;
                match guesses.take(now) {
                    Ok(()) if right => guesses.give_back(),
                    Ok(()) => {}
                    Err(wait) => prop_assert!((1..=EVERY).contains(&wait)),
                }
            }
        }

        #[test]
        fn in_a_day_there_are_no_more_than_the_bound_says(steps in prop::collection::vec(0..20_000i64, 4000)) {
            let (mut guesses, mut now, mut taken) = (Guesses::default(), START, 0);
            for step in steps {
                now.0 += step;
                taken += i64::from(guesses.take(now).is_ok());
            }
            prop_assert!(taken <= MOST + now.since(START) / EVERY);
        }
    }
}
