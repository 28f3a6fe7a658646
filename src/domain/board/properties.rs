//! Random histories of tasks and runs: a board that hears of them says what a snapshot of the server would, or that it is stale.

use super::*;
use crate::domain::{members::Read, run::RunStatus, timestamp::Timestamp};
use proptest::{prelude::*, sample::Index};
use serde_json::json;

const LIMITS: Limits = Limits { asking: 3, running: 3, recent: 4 };

#[derive(Clone)]
enum Event {
    Task(Box<TaskEvent>),
    Run(Box<Run>),
}

/// All tasks and runs there are; what is done to them is logged.
#[derive(Default)]
struct Server {
    tasks: Vec<Task>,
    runs: Vec<Run>,
    now: i64,
    made: u16,
}

/// What, to which, with which word, and whether time passes.
type Step = (u8, Index, u8, bool);

impl Server {
    /// As the store's queries have it.
    fn snapshot(&self) -> Board {
        let works = |task: &Task| self.runs.iter().any(|run| run.task_id == task.id && !run.status.is_final());
        let newest_first = |mut tasks: Vec<Task>| {
            tasks.sort_by_key(|task| std::cmp::Reverse((task.updated_at, task.id)));
            tasks
        };
        let mut working: Vec<_> = self.runs.iter().filter(|run| !run.status.is_final()).collect();
        working.sort_by_key(|run| std::cmp::Reverse((run.created_at, run.number)));
        working.truncate(LIMITS.running);
        let (asking, others): (Vec<_>, Vec<_>) = self.tasks.iter().cloned().partition(Task::needs_answer);
        let recent = newest_first(others.into_iter().filter(|task| !works(task)).collect());
        let mut tasks: Vec<_> = newest_first(asking).into_iter().take(LIMITS.asking).collect();
        tasks.extend(recent.into_iter().take(LIMITS.recent));
        for run in &working {
            let task = self.tasks.iter().find(|task| task.id == run.task_id).expect("a run has a task");
            if tasks.iter().all(|known| known.id != task.id) {
                tasks.push(task.clone());
            }
        }
        let newest = |task: TaskId| {
            self.runs.iter().filter(|run| run.task_id == task).max_by_key(|run| (run.created_at, run.number)).map(|run| run.id)
        };
        let is_there = |run: &&Run| tasks.iter().any(|task| task.id == run.task_id);
        let is_wanted = |run: &&Run| !run.status.is_final() || newest(run.task_id) == Some(run.id);
        let runs = self.runs.iter().filter(is_there).filter(is_wanted).cloned().collect();
        Board::with_limits(newest_first(tasks), runs, LIMITS)
    }

    fn id(&mut self) -> String {
        self.made += 1;
        // In no order: tasks may be posted with ids of their own.
        format!("019d0c5e-7b1c-7c7e-{:04x}-0d6f3a1f2b4c", self.made.wrapping_mul(40_503))
    }

    fn step(&mut self, (what, which, word, passes): Step) -> Vec<Event> {
        self.now += i64::from(passes);
        let task = (!self.tasks.is_empty()).then(|| which.index(self.tasks.len()));
        let run = (!self.runs.is_empty()).then(|| which.index(self.runs.len()));
        match (what, task, run) {
            (0, ..) => vec![self.post("general", word)],
            (1, ..) => vec![self.post("question", word)],
            (2, ..) => {
                let task = self.post("general", 0);
                let run = self.submit(self.tasks.len() - 1);
                vec![task, run]
            }
            (3, Some(task), _) => vec![self.submit(task)],
            (4 | 5, Some(task), _) => {
                let status = ["pending", "completed", "approved"][usize::from(word % 3)];
                vec![self.change(task, status)]
            }
            (6, Some(task), _) => {
                let id = self.tasks[task].id;
                if self.runs.iter().any(|run| run.task_id == id && !run.status.is_final()) {
                    return Vec::new();
                }
                self.tasks.remove(task);
                self.runs.retain(|run| run.task_id != id);
                vec![Event::Task(Box::new(TaskEvent::Deleted { id, deleted: true }))]
            }
            (7..=9, _, Some(run)) => self.go_on(run, word),
            _ => Vec::new(),
        }
    }

    fn post(&mut self, kind: &str, word: u8) -> Event {
        let (created, updated) = match word % 6 {
            1 => (-5, -3),
            2 => (-4, -4),
            _ => (self.now, self.now),
        };
        let (created, updated) = (Timestamp(created).to_string(), Timestamp(updated).to_string());
        let task = json!({
            "id": self.id(), "type": kind, "status": "pending", "title": "T", "createdAt": created, "updatedAt": updated,
        });
        let task: Task = serde_json::from_value(task).expect("a task");
        self.tasks.push(task.clone());
        Event::Task(Box::new(TaskEvent::Changed(task)))
    }

    fn change(&mut self, task: usize, status: &str) -> Event {
        let task = &mut self.tasks[task];
        task.status = status.to_owned();
        task.updated_at = Timestamp(self.now);
        Event::Task(Box::new(TaskEvent::Changed(task.clone())))
    }

    fn submit(&mut self, task: usize) -> Event {
        let at = Timestamp(self.now).to_string();
        let number = self.runs.iter().map(|run| run.number).max().unwrap_or_default() + 1;
        let run = json!({
            "id": self.id(), "taskId": self.tasks[task].id, "requestId": "r", "runner": "shell", "prompt": "p", "status": "queued",
            "exitCode": null, "createdAt": at, "startedAt": null, "endedAt": null, "events": 0, "bytes": 0, "digest": null, "number": number,
        });
        let run = Run::read(run).expect("a run");
        self.runs.push(run.clone());
        Event::Run(Box::new(run))
    }

    /// A run starts or ends, and with it mostly its task.
    fn go_on(&mut self, run: usize, word: u8) -> Vec<Event> {
        let now = Timestamp(self.now);
        let run = &mut self.runs[run];
        match (run.status, word % 4) {
            (RunStatus::Queued, 0) => (run.status, run.ended_at) = (RunStatus::Cancelled, Some(now)),
            (RunStatus::Queued, _) => (run.status, run.started_at) = (RunStatus::Running, Some(now)),
            (RunStatus::Running, _) => (run.status, run.ended_at) = (RunStatus::Failed, Some(now)),
            _ => return Vec::new(),
        }
        let run = run.clone();
        let task = self.tasks.iter().position(|task| task.id == run.task_id).expect("a run has a task");
        let word = if run.status.is_final() { "failed" } else { "in_progress" };
        // A status that somebody gave the task meanwhile stands.
        let stands = run.status.is_final() && self.tasks[task].status == "approved";
        let changed = (!stands).then(|| self.change(task, word));
        std::iter::once(Event::Run(Box::new(run))).chain(changed).collect()
    }
}

fn apply(board: &mut Board, event: &Event) {
    match event {
        Event::Task(event) => board.apply_task((**event).clone()),
        Event::Run(run) => board.apply_run((**run).clone()),
    }
}

/// All that the lists show, as text. How many wait before a run has a test of its own.
fn shown(board: &Board) -> String {
    let run = |run: Option<&Run>| run.map(|run| Run { ahead: None, ..run.clone() });
    let card = |id: &TaskId| format!("{:?} {:?}\n", board.task(*id), run(board.last_run(*id)));
    let running = |id: &RunId| {
        let found = board.runs.iter().find(|run| run.id == *id);
        format!("{:?} {:?}\n", run(found), found.and_then(|run| board.task(run.task_id)))
    };
    let [asking, recent] = [&board.asking, &board.recent].map(|ids| ids.iter().map(card).collect::<String>());
    let running: String = board.running.iter().map(running).collect();
    format!("asking:\n{asking}running:\n{running}recent:\n{recent}")
}

fn steps(most: usize) -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec((0u8..10, any::<Index>(), any::<u8>(), any::<bool>()), 0..most)
}

proptest! {
    /// From whichever snapshot on, and however late the next one arrives where one is needed.
    #[test]
    fn live_lists_are_those_of_a_snapshot(before in steps(25), after in steps(60), late in 0usize..5) {
        let mut server = Server::default();
        before.into_iter().for_each(|step| drop(server.step(step)));
        let mut live = server.snapshot();
        // A snapshot on its way, and what has been logged since it was made.
        let mut awaited: Option<(Board, Vec<Event>, usize)> = None;
        for step in after {
            for event in server.step(step) {
                apply(&mut live, &event);
                if let Some((_, since, _)) = &mut awaited {
                    since.push(event);
                }
            }
            if awaited.as_ref().is_some_and(|(.., left)| *left == 0) {
                let (snapshot, since, _) = awaited.take().expect("there");
                live = snapshot;
                since.iter().for_each(|event| apply(&mut live, event));
            }
            match &mut awaited {
                Some((.., left)) => *left = left.saturating_sub(1),
                None if live.is_stale() => awaited = Some((server.snapshot(), Vec::new(), late)),
                None => prop_assert_eq!(shown(&live), shown(&server.snapshot())),
            }
        }
    }
}
