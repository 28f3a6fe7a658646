//! Whose turn it is: which of the runs that wait are started now, given those that execute and how many may. It only decides; processes
//! and the store are not known here.

use std::collections::{BTreeMap, HashMap};

/// How many runs may execute at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    /// In all.
    pub(super) total: usize,
    /// Of single runners; one that is not named has no limit of its own.
    pub(super) of_runner: BTreeMap<String, usize>,
}

/// Chooses among the runs that wait, which are given by their runners in the order of acceptance: the places of those whose turn it is,
/// in that order. One that waits only because of its runner's own limit does not hold up those behind it. Where more execute than
/// may, as after a limit was lowered, none is chosen until enough of them have ended.
pub(super) fn turns<'r>(
    limits: &Limits,
    executing: impl IntoIterator<Item = &'r str>,
    waiting: impl IntoIterator<Item = &'r str>,
) -> Vec<usize> {
    let mut of_runner: HashMap<&str, usize> = HashMap::new();
    let mut free = limits.total;
    for runner in executing {
        *of_runner.entry(runner).or_default() += 1;
        free = free.saturating_sub(1);
    }
    let mut chosen = Vec::new();
    for (place, runner) in waiting.into_iter().enumerate() {
        if free == 0 {
            break;
        }
        let executing = of_runner.entry(runner).or_default();
        if limits.of_runner.get(runner).is_none_or(|limit| *executing < *limit) {
            *executing += 1;
            free -= 1;
            chosen.push(place);
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RUNNERS: [&str; 4] = ["a", "b", "c", "d"];

    fn limits(total: usize, of_runner: &[(&str, usize)]) -> Limits {
        Limits { total, of_runner: of_runner.iter().map(|(name, limit)| ((*name).to_owned(), *limit)).collect() }
    }

    #[test]
    fn a_runner_that_is_full_holds_nobody_else_up() {
        let limits = limits(3, &[("a", 1)]);
        assert_eq!(turns(&limits, [], ["a", "a", "b", "a", "b", "b"]), [0, 2, 4]);
        assert_eq!(turns(&limits, ["a"], ["a", "b"]), [1]);
        assert_eq!(turns(&limits, ["b", "b", "b"], ["a"]), [0; 0]);
        assert_eq!(turns(&limits, ["b"; 5], ["a"]), [0; 0], "more than may, after a restart with a lower limit");
    }

    fn any_limits() -> impl Strategy<Value = Limits> {
        let own = prop::collection::btree_map(prop::sample::select(&RUNNERS[..3]).prop_map(str::to_owned), 1usize..4, 0..3);
        (1usize..6, own).prop_map(|(total, of_runner)| Limits { total, of_runner })
    }

    fn runs(most: usize) -> impl Strategy<Value = Vec<&'static str>> {
        prop::collection::vec(prop::sample::select(&RUNNERS[..]), 0..most)
    }

    fn count(runs: &[&str], runner: &str) -> usize {
        runs.iter().filter(|name| **name == runner).count()
    }

    proptest! {
        /// No limit is passed, no turn is left unused, and nobody is passed by without a reason.
        #[test]
        fn turns_are_allowed_used_and_in_order(limits in any_limits(), executing in runs(8), waiting in runs(12)) {
            let chosen = turns(&limits, executing.iter().copied(), waiting.iter().copied());
            prop_assert!(chosen.is_sorted_by(|a, b| a < b));
            let may = |now: &[&str], runner: &str| {
                now.len() < limits.total && limits.of_runner.get(runner).is_none_or(|limit| count(now, runner) < *limit)
            };
            let mut now = executing.clone();
            for (place, runner) in waiting.iter().enumerate() {
                // Those who come later cannot be the reason why somebody waits.
                prop_assert_eq!(chosen.contains(&place), may(&now, runner), "place {}", place);
                if chosen.contains(&place) {
                    now.push(runner);
                }
            }
            let left = waiting.iter().enumerate().filter(|(place, _)| !chosen.contains(place));
            for (_, runner) in left {
                prop_assert!(!may(&now, runner));
            }
        }

        /// Whatever ends when, everybody has a turn, and each runner's in the order of acceptance.
        #[test]
        fn everybody_has_a_turn(limits in any_limits(), accepted in runs(20), ends in prop::collection::vec(any::<prop::sample::Index>(), 20)) {
            let mut waiting: Vec<(usize, &str)> = accepted.iter().copied().enumerate().collect();
            let mut executing: Vec<(usize, &str)> = Vec::new();
            let mut begun: Vec<(usize, &str)> = Vec::new();
            let mut ends = ends.into_iter();
            while !(waiting.is_empty() && executing.is_empty()) {
                let chosen = turns(&limits, executing.iter().map(|run| run.1), waiting.iter().map(|run| run.1));
                let mut now: Vec<(usize, &str)> = chosen.into_iter().rev().map(|place| waiting.remove(place)).collect();
                now.reverse();
                executing.extend(&now);
                begun.extend(now);
                prop_assert!(!executing.is_empty(), "nobody can begin any more");
                let ended = ends.next().map_or(0, |end| end.index(executing.len()));
                executing.swap_remove(ended);
            }
            prop_assert_eq!(begun.len(), accepted.len());
            for runner in RUNNERS {
                prop_assert!(begun.iter().filter(|run| run.1 == runner).is_sorted(), "{:?}", begun);
            }
        }
    }
}
