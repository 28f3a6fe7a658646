//! The board as a browser holds it: a snapshot, and each event of the stream applied to it in order.

use super::{event::TaskEvent, id::TaskId, run::Run, task::Task};

/// The tasks and runs that a page knows. Newest change first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Board {
    /// Tasks without their output.
    pub tasks: Vec<Task>,
    /// Runs.
    pub runs: Vec<Run>,
    /// How many runs wait, with those that are not among `runs`; none before the first event.
    waiting: Option<u64>,
}

impl Board {
    /// What a snapshot has: with the newest of the runs that wait, if any do.
    #[must_use]
    pub fn new(tasks: Vec<Task>, runs: Vec<Run>) -> Self {
        Board { tasks, runs, waiting: None }
    }

    /// A task was made, changed or deleted.
    pub fn apply_task(&mut self, event: TaskEvent) {
        match event {
            TaskEvent::Changed(task) => {
                self.tasks.retain(|known| known.id != task.id);
                let place = self.tasks.partition_point(|known| known.updated_at > task.updated_at);
                self.tasks.insert(place, task);
            }
            TaskEvent::Deleted { id, .. } => {
                self.tasks.retain(|known| known.id != id);
                self.runs.retain(|known| known.task_id != id);
            }
        }
    }

    /// A run was made or changed. Those that wait learn from it how many are before them.
    pub fn apply_run(&mut self, mut run: Run) {
        let mut waiting = self.waiting.unwrap_or_else(|| self.runs.iter().filter_map(|waits| waits.ahead).max().map_or(0, |last| last + 1));
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
        match known {
            Some(place) => self.runs[place] = run,
            None => self.runs.insert(0, run),
        }
    }

    /// The newest run of a task.
    #[must_use]
    pub fn last_run(&self, task: TaskId) -> Option<&Run> {
        self.runs.iter().filter(|run| run.task_id == task).max_by_key(|run| run.created_at)
    }
}

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
