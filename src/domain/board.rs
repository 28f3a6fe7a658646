//! The dashboard as a browser holds it: a snapshot, and each event of the stream applied to it in order. What its lists show is what
//! the server's next snapshot would; where the events alone cannot say that, the board is stale.

use super::{
    event::TaskEvent,
    id::{RunId, TaskId},
    run::Run,
    sort_key::SortKey,
    task::Task,
};
use uuid::Uuid;

/// The tasks and runs that a page knows, and which of them are in its lists.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Board {
    /// Tasks without their output, newest change first.
    pub tasks: Vec<Task>,
    /// Runs, newest first.
    pub runs: Vec<Run>,
    /// The tasks that need an answer.
    pub asking: Vec<TaskId>,
    /// The runs that have not ended.
    pub running: Vec<RunId>,
    /// The tasks that neither need an answer nor have a run that has not ended.
    pub recent: Vec<TaskId>,
    /// How many runs wait, with those that are not among `runs`; none before the first event.
    waiting: Option<u64>,
    limits: Limits,
    floors: Floors,
    is_stale: bool,
}

/// How many items each list shows, and a snapshot therefore has, at the most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Tasks that need an answer.
    pub asking: usize,
    /// Runs that have not ended.
    pub running: usize,
    /// Tasks that do neither.
    pub recent: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { asking: 100, running: 100, recent: 30 }
    }
}

/// Down to where each list is known; none where all of it is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Floors {
    asking: Option<SortKey>,
    running: Option<SortKey>,
    recent: Option<SortKey>,
}

impl Board {
    /// What a snapshot has: the newest tasks of each list with their newest run and those that have not ended.
    #[must_use]
    pub fn new(tasks: Vec<Task>, runs: Vec<Run>) -> Self {
        Self::with_limits(tasks, runs, Limits::default())
    }

    fn with_limits(tasks: Vec<Task>, runs: Vec<Run>, limits: Limits) -> Self {
        let mut board = Board { limits, ..Board::default() };
        tasks.into_iter().for_each(|task| insert_task(&mut board.tasks, task));
        for run in runs {
            put_run(&mut board.runs, run);
        }
        let [asking, running, recent] = board.listed();
        let floor = |list: &[(SortKey, Uuid)], limit: usize| list.get(limit - 1).map(|(key, _)| *key);
        board.floors = Floors {
            asking: floor(&asking, limits.asking),
            running: floor(&running, limits.running),
            recent: floor(&recent, limits.recent),
        };
        board.update_lists();
        board
    }

    /// Whether the lists may lack something that the server has: then a new snapshot is needed.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        self.is_stale
    }

    /// A task was made, changed or deleted.
    pub fn apply_task(&mut self, event: TaskEvent) {
        match event {
            TaskEvent::Changed(task) => {
                let known = self.tasks.iter().position(|known| known.id == task.id);
                match known {
                    Some(place) => drop(self.tasks.remove(place)),
                    // An older one, whose runs are not known.
                    None => self.is_stale |= !self.knows_all_tasks() && !task.is_unchanged(),
                }
                insert_task(&mut self.tasks, task);
            }
            TaskEvent::Deleted { id, .. } => {
                self.tasks.retain(|known| known.id != id);
                self.runs.retain(|known| known.task_id != id);
            }
        }
        self.update_lists();
    }

    /// A run was made or changed. Those that wait learn from it how many are before them.
    pub fn apply_run(&mut self, mut run: Run) {
        let last = self.runs.iter().filter_map(|waits| waits.ahead).max();
        let mut waiting = self.waiting.unwrap_or_else(|| last.map_or(0, |last| last + 1));
        let known = self.runs.iter().position(|known| known.id == run.id);
        let left = match known {
            Some(place) => self.runs[place].waits() && !run.waits(),
            None => run.has_left_queue(),
        };
        // A new one comes after all others; one that was held until now may come before some.
        let joins = run.waits() && known.is_none_or(|place| !self.runs[place].waits());
        if left {
            waiting = waiting.saturating_sub(1);
            self.runs.iter_mut().for_each(|waits| waits.hear(&run));
        }
        if joins {
            // Before the first one behind it are as many as will be before it.
            let behind = self.runs.iter().filter(|waits| waits.ahead.is_some() && waits.number > run.number);
            run.ahead = behind.min_by_key(|waits| waits.number).map_or(Some(waiting), |first| first.ahead);
            self.runs.iter_mut().for_each(|waits| waits.let_in(&run));
            waiting += 1;
        } else if run.waits() {
            run.ahead = known.and_then(|place| self.runs[place].ahead);
        }
        self.waiting = Some(waiting);
        // Its title is not known.
        self.is_stale |= self.task(run.task_id).is_none();
        put_run(&mut self.runs, run);
        self.update_lists();
    }

    /// A task that is known.
    #[must_use]
    pub fn task(&self, id: TaskId) -> Option<&Task> {
        self.tasks.iter().find(|task| task.id == id)
    }

    /// The newest run of a task.
    #[must_use]
    pub fn last_run(&self, task: TaskId) -> Option<&Run> {
        self.runs.iter().find(|run| run.task_id == task)
    }

    fn knows_all_tasks(&self) -> bool {
        self.floors == Floors::default()
    }

    /// All that is known of each list: asking, running, recent.
    fn listed(&self) -> [Vec<(SortKey, Uuid)>; 3] {
        let [mut asking, mut running, mut recent] = [const { Vec::new() }; 3];
        for run in self.runs.iter().filter(|run| !run.status.is_final()) {
            running.push((run.sort_key(), run.id.0));
        }
        for task in &self.tasks {
            let works = || self.runs.iter().any(|run| run.task_id == task.id && !run.status.is_final());
            if task.needs_answer() {
                asking.push((task.sort_key(), task.id.0));
            } else if !works() {
                recent.push((task.sort_key(), task.id.0));
            }
        }
        [asking, running, recent]
    }

    fn update_lists(&mut self) {
        let [asking, running, recent] = self.listed();
        let (limits, floors) = (self.limits, self.floors);
        let mut newest = |list, floor, limit| {
            let (ids, is_short) = newest(list, floor, limit);
            self.is_stale |= is_short;
            ids
        };
        let asking = newest(asking, floors.asking, limits.asking);
        let running = newest(running, floors.running, limits.running);
        let recent = newest(recent, floors.recent, limits.recent);
        self.asking = asking.into_iter().map(TaskId).collect();
        self.running = running.into_iter().map(RunId).collect();
        self.recent = recent.into_iter().map(TaskId).collect();
    }
}

/// What a list shows of the items that are known, and whether others that are not known belong there as well: below the floor there may
/// be any.
fn newest(items: Vec<(SortKey, Uuid)>, floor: Option<SortKey>, limit: usize) -> (Vec<Uuid>, bool) {
    let mut ids = Vec::new();
    for (key, id) in items {
        if ids.len() < limit && floor.is_none_or(|floor| key >= floor) {
            ids.push(id);
        }
    }
    let is_short = floor.is_some() && ids.len() < limit;
    (ids, is_short)
}

/// Puts a task that is not there into its place in a list that has the newest change first.
pub fn insert_task(tasks: &mut Vec<Task>, task: Task) {
    let place = tasks.partition_point(|known| known.sort_key() > task.sort_key());
    tasks.insert(place, task);
}

/// Puts a run into its place in a list that has the newest first, instead of what was known of it; says whether it is new there.
pub fn put_run(runs: &mut Vec<Run>, mut run: Run) -> bool {
    match runs.iter().position(|known| known.id == run.id) {
        Some(place) => {
            // Events of earlier versions do not say it.
            run.number = run.number.max(runs[place].number);
            runs[place] = run;
            false
        }
        None => {
            let place = runs.partition_point(|known| known.sort_key() > run.sort_key());
            runs.insert(place, run);
            true
        }
    }
}

#[cfg(test)]
mod properties;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{members::Read, run::RunStatus, timestamp::Timestamp};
    use proptest::prelude::*;
    use serde_json::json;

    fn id(number: u8) -> String {
        format!("019d0c5e-7b1c-7c7e-9d53-0000000000{number:02}")
    }

    fn task(number: u8, second: u8) -> Task {
        let at = format!("2026-01-02T09:13:{second:02}Z");
        let task = json!({"id": id(number), "type": "general", "status": "pending", "title": "T", "createdAt": at, "updatedAt": at});
        serde_json::from_value(task).expect("a task")
    }

    fn run(number: u8, task: u8, second: u8) -> Run {
        let at = format!("2026-01-02T09:13:{second:02}Z");
        let run = json!({
            "id": id(number), "taskId": id(task), "requestId": "r", "runner": "shell", "prompt": "p", "status": "running", "exitCode": null,
            "createdAt": at, "startedAt": at, "endedAt": null, "events": 1, "bytes": 2, "digest": null,
        });
        Run::read(run).expect("a run")
    }

    #[test]
    fn events_keep_the_newest_change_first_and_each_task_once() {
        let mut board = Board::default();
        for changed in [task(1, 1), task(2, 2), task(3, 3), task(1, 4), task(2, 1)] {
            board.apply_task(TaskEvent::Changed(changed));
        }
        let order: Vec<_> = board.tasks.iter().map(|task| task.id.to_string()).collect();
        assert_eq!(order, [id(1), id(3), id(2)]);
        board.apply_run(run(10, 1, 1));
        board.apply_run(run(11, 1, 5));
        board.apply_run(Run { bytes: 99, ..run(10, 1, 1) });
        board.apply_run(run(12, 3, 1));
        assert_eq!(board.runs.len(), 3);
        assert_eq!(board.last_run(task(1, 1).id), Some(&run(11, 1, 5)));
        board.apply_task(TaskEvent::Deleted { id: task(1, 1).id, deleted: true });
        assert_eq!((board.tasks.len(), board.runs), (2, vec![run(12, 3, 1)]));
    }

    /// What the server knows of its queue, and what it logs.
    #[derive(Default)]
    struct Server {
        runs: Vec<Run>,
    }

    impl Server {
        fn waiting(&self) -> Vec<u64> {
            self.runs.iter().filter(|run| run.waits()).map(|run| run.number).collect()
        }

        /// As a snapshot has it.
        fn snapshot(&self, from: usize) -> Board {
            let waiting = self.waiting();
            let ahead = |run: &Run| waiting.iter().position(|number| *number == run.number).map(|ahead| ahead as u64);
            let runs = self.runs[from.min(self.runs.len())..].iter().map(|run| Run { ahead: ahead(run), ..run.clone() });
            Board::new(Vec::new(), runs.collect())
        }

        /// Does something, and gives what is logged about it.
        fn step(&mut self, what: u8, which: prop::sample::Index) -> Option<Run> {
            let changed = match what {
                0 | 1 | 6 => {
                    let number = self.runs.len() as u64 + 1;
                    let made = run(u8::try_from(number).expect("few"), 1, 1);
                    let held = (what == 6).then_some(true);
                    self.runs.push(Run { number, events: 0, bytes: 0, started_at: None, status: RunStatus::Queued, held, ..made });
                    self.runs.last_mut()?
                }
                _ if self.runs.is_empty() => return None,
                _ => {
                    let place = which.index(self.runs.len());
                    let run = &mut self.runs[place];
                    match (what, run.status) {
                        // A start, an end before the start, some other change, an end.
                        (2, RunStatus::Queued) if run.waits() => (run.status, run.started_at) = (RunStatus::Running, Some(Timestamp(1))),
                        (3, RunStatus::Queued) => run.status = RunStatus::Cancelled,
                        (7, RunStatus::Queued) if !run.waits() => run.held = Some(false),
                        (4, RunStatus::Running) => run.reason = Some("changed".to_owned()),
                        (5, RunStatus::Running) => run.status = RunStatus::Succeeded,
                        _ => return None,
                    }
                    run
                }
            };
            Some(changed.clone())
        }
    }

    proptest! {
        /// Whatever happens, and from whichever snapshot on: the page says what the server would.
        #[test]
        fn how_many_are_before_a_run_stays_true(
            steps in prop::collection::vec((0u8..8, any::<prop::sample::Index>()), 0..60), snapshot_at in 0usize..40, shown in 0usize..6
        ) {
            let mut server = Server::default();
            let mut board = None;
            for (number, (what, which)) in steps.into_iter().enumerate() {
                if number == snapshot_at {
                    // The newest ones, as where there are more than a page shows.
                    let newest = server.runs.iter().rposition(|run| run.waits()).unwrap_or(usize::MAX);
                    // How many are before one that is let in later on is known only where all behind it are shown.
                    let is_any_held = server.runs.iter().any(|run| run.held == Some(true));
                    board = Some(server.snapshot(if is_any_held { 0 } else { shown.min(newest) }));
                }
                let Some(logged) = server.step(what, which) else { continue };
                let Some(board) = &mut board else { continue };
                let was_shown = board.runs.iter().any(|run| run.id == logged.id);
                // Of one that is not shown, only what takes it out of the queue is of interest; a change of it later on is as new to the page.
                if !was_shown && matches!(what, 4 | 5) {
                    continue;
                }
                board.apply_run(logged);
                let truth = server.snapshot(0);
                for run in board.runs.iter().filter(|run| run.waits()) {
                    let true_one = truth.runs.iter().find(|known| known.id == run.id).expect("there");
                    prop_assert_eq!(run.ahead, true_one.ahead, "run {}", run.number);
                }
            }
        }
    }
}
