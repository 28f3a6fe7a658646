//! The tasks that a filter lets through, as the board's page holds them: a snapshot, and each event of the stream applied to it in order.
//! Where the events alone do not say what the server's next snapshot would, it is stale.

use super::{board::insert_task, event::TaskEvent, filter::TaskFilter, id::TaskId, snapshot::BoardSnapshot, sort_key::SortKey, task::Task};

/// How many tasks are shown, and a snapshot therefore has, at the most.
pub const SHOWN: usize = 200;

/// How many words of each kind there are to choose from, at the most.
pub const WORDS: usize = 500;

/// The words that a filter can be chosen from: those that some task has, whether the filter lets it through or not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FilterWords {
    /// Statuses, in order, as all of these.
    pub statuses: Vec<String>,
    /// Scopes.
    pub scopes: Vec<String>,
    /// Tags.
    pub tags: Vec<String>,
    /// Types.
    pub kinds: Vec<String>,
}

/// See the module's words.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FilteredTasks {
    filter: TaskFilter,
    /// Newest change first.
    tasks: Vec<Task>,
    total: u64,
    words: FilterWords,
    limit: usize,
    /// Down to where the tasks are known; none where all are that the filter lets through.
    floor: Option<SortKey>,
    is_stale: bool,
}

impl FilteredTasks {
    /// What a snapshot has that was made by the filter.
    #[must_use]
    pub fn new(snapshot: BoardSnapshot, filter: TaskFilter) -> Self {
        Self::with_limit(snapshot, filter, SHOWN)
    }

    fn with_limit(snapshot: BoardSnapshot, filter: TaskFilter, limit: usize) -> Self {
        let BoardSnapshot { tasks, total, scopes, tags, kinds, statuses, .. } = snapshot;
        let floor = tasks.last().filter(|_| total > tasks.len() as u64).map(Task::sort_key);
        let words = FilterWords { statuses, scopes, tags, kinds };
        FilteredTasks { filter, tasks, total, words, limit, floor, is_stale: false }
    }

    /// The filter.
    #[must_use]
    pub fn filter(&self) -> &TaskFilter {
        &self.filter
    }

    /// The tasks that are shown.
    pub fn shown(&self) -> impl Iterator<Item = &Task> {
        self.tasks.iter().take(self.limit).take_while(|task| self.floor.is_none_or(|floor| task.sort_key() >= floor))
    }

    /// One of them.
    #[must_use]
    pub fn task(&self, id: TaskId) -> Option<&Task> {
        self.tasks.iter().find(|task| task.id == id)
    }

    /// How many tasks the filter lets through.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// What there is to choose a filter from.
    #[must_use]
    pub fn words(&self) -> &FilterWords {
        &self.words
    }

    /// Whether something is not known that a snapshot would have: then a new one is needed.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        self.is_stale
    }

    /// A task was made, changed or deleted. `lower` writes a text in lower case.
    pub fn apply(&mut self, event: &TaskEvent, lower: fn(&str) -> String) {
        let id = match event {
            TaskEvent::Changed(task) => task.id,
            TaskEvent::Deleted { id, .. } => *id,
        };
        let before = self.tasks.iter().position(|task| task.id == id).map(|place| self.tasks.remove(place));
        let knows_all = self.floor.is_none() && self.filter.is_empty();
        // What a filter keeps out is not known here: then nothing tells a new task from one that was changed at once.
        let is_new = matches!(event, TaskEvent::Changed(task) if before.is_none() && self.filter.is_empty() && task.is_unchanged());
        self.total -= u64::from(before.is_some());
        if let TaskEvent::Changed(task) = event {
            if self.filter.matches_by(task, lower) {
                self.total += 1;
                insert_task(&mut self.tasks, task.clone());
            }
            self.words.add(task);
        }
        if knows_all {
            self.words = FilterWords::default();
            self.tasks.iter().for_each(|task| self.words.add(task));
        } else if !is_new {
            // Whether it was counted, and whether others have the words that it has no more.
            self.is_stale |= match &before {
                Some(before) => !self.has_words_of(before),
                None => true,
            };
        }
        self.is_stale |= self.floor.is_some() && self.shown().count() < self.limit;
    }

    /// Whether the known tasks have each of its words.
    fn has_words_of(&self, task: &Task) -> bool {
        let some = |has: &dyn Fn(&Task) -> bool| self.tasks.iter().any(has);
        some(&|known| known.status == task.status)
            && some(&|known| known.kind == task.kind)
            && (task.scope.is_none() || some(&|known| known.scope == task.scope))
            && task.tags.iter().all(|tag| some(&|known| known.tags.contains(tag)))
    }
}

impl FilterWords {
    fn add(&mut self, task: &Task) {
        let add = |words: &mut Vec<String>, word: &str| {
            if let Err(place) = words.binary_search_by(|known| known.as_str().cmp(word)) {
                words.insert(place, word.to_owned());
                words.truncate(WORDS);
            }
        };
        add(&mut self.statuses, &task.status);
        add(&mut self.kinds, &task.kind);
        task.scope.iter().filter(|scope| !scope.is_empty()).for_each(|scope| add(&mut self.scopes, scope));
        task.tags.iter().for_each(|tag| add(&mut self.tags, tag));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        cursor::{Cursor, Epoch},
        held::HeldRuns,
        timestamp::Timestamp,
    };
    use proptest::prelude::*;
    use serde_json::json;

    /// All tasks there are; what is done to them is logged.
    #[derive(Default)]
    struct Server {
        tasks: Vec<Task>,
        now: i64,
        made: u8,
    }

    const LIMIT: usize = 4;

    impl Server {
        /// As the store's queries have it.
        fn snapshot(&self, filter: &TaskFilter) -> BoardSnapshot {
            let mut tasks: Vec<_> = self.tasks.iter().filter(|task| filter.matches(task)).cloned().collect();
            tasks.sort_by_key(|task| std::cmp::Reverse((task.updated_at, task.id)));
            let total = tasks.len() as u64;
            tasks.truncate(LIMIT);
            let words = |of: fn(&Task) -> Vec<String>| {
                let mut words: Vec<_> = self.tasks.iter().flat_map(of).collect();
                words.sort();
                words.dedup();
                words
            };
            BoardSnapshot {
                cursor: Cursor { epoch: Epoch::new("e").expect("fits"), seq: 0 },
                tasks,
                total,
                scopes: words(|task| task.scope.iter().cloned().collect()),
                tags: words(|task| task.tags.clone()),
                kinds: words(|task| vec![task.kind.clone()]),
                statuses: words(|task| vec![task.status.clone()]),
                held: HeldRuns { count: 0, copied_at: Timestamp(0) },
            }
        }

        fn step(&mut self, (what, which, word, passes): Step) -> Option<TaskEvent> {
            self.now += i64::from(passes);
            let place = (!self.tasks.is_empty()).then(|| which.index(self.tasks.len()));
            let word = |prefix: &str, words: u8| format!("{prefix}{}", word % words);
            let changed = match (what, place) {
                (0, Some(place)) => {
                    let id = self.tasks.remove(place).id;
                    return Some(TaskEvent::Deleted { id, deleted: true });
                }
                (1, Some(place)) => {
                    let task = &mut self.tasks[place];
                    task.status = word("s", 3);
                    task.updated_at = Timestamp(self.now);
                    task
                }
                (2, Some(place)) => {
                    let task = &mut self.tasks[place];
                    (task.scope, task.tags) = (Some(word("c", 2)), vec![word("t", 3)]);
                    task.updated_at = Timestamp(self.now);
                    task
                }
                _ => {
                    self.made += 1;
                    // Ids come in no order, and times may be given.
                    let id = format!("019d0c5e-7b1c-7c7e-{:04x}-0d6f3a1f2b4c", u16::from(self.made).wrapping_mul(40_503));
                    let (created, updated) = match what {
                        3 => (-5, -3),
                        4 => (-4, -4),
                        _ => (self.now, self.now),
                    };
                    let (created, updated) = (Timestamp(created).to_string(), Timestamp(updated).to_string());
                    let task = json!({
                        "id": id, "type": word("k", 2), "status": word("s", 3), "title": "T", "createdAt": created, "updatedAt": updated,
                    });
                    self.tasks.push(serde_json::from_value(task).expect("a task"));
                    self.tasks.last_mut()?
                }
            };
            Some(TaskEvent::Changed(changed.clone()))
        }
    }

    /// What, to which, with which word, and whether time passes.
    type Step = (u8, prop::sample::Index, u8, bool);

    proptest! {
        /// Whatever happens: what is not stale says what a snapshot would.
        #[test]
        fn live_tasks_are_those_of_a_snapshot(
            before in prop::collection::vec((0u8..8, any::<prop::sample::Index>(), any::<u8>(), any::<bool>()), 0..20),
            steps in prop::collection::vec((0u8..8, any::<prop::sample::Index>(), any::<u8>(), any::<bool>()), 0..40),
            kind in 0u8..4,
        ) {
            let mut server = Server::default();
            before.into_iter().for_each(|step| drop(server.step(step)));
            let filter = match kind {
                0 => TaskFilter { status: "s1".into(), ..TaskFilter::default() },
                1 => TaskFilter { tag: "t1".into(), ..TaskFilter::default() },
                _ => TaskFilter::default(),
            };
            let fresh = |server: &Server| FilteredTasks::with_limit(server.snapshot(&filter), filter.clone(), LIMIT);
            let mut live = fresh(&server);
            for step in steps {
                let Some(event) = server.step(step) else { continue };
                live.apply(&event, str::to_lowercase);
                let fresh = fresh(&server);
                if live.is_stale() {
                    live = fresh;
                    continue;
                }
                prop_assert_eq!(live.shown().collect::<Vec<_>>(), fresh.shown().collect::<Vec<_>>());
                prop_assert_eq!(live.total(), fresh.total());
                prop_assert_eq!(live.words(), fresh.words());
            }
        }
    }
}
