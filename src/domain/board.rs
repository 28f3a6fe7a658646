//! The board as a browser holds it: a snapshot, and each event of the stream applied to it in order.

use super::{event::TaskEvent, id::TaskId, run::Run, task::Task};

/// The tasks and runs that a page knows. Newest change first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Board {
    /// Tasks without their output.
    pub tasks: Vec<Task>,
    /// Runs.
    pub runs: Vec<Run>,
}

impl Board {
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

    /// A run was made or changed.
    pub fn apply_run(&mut self, run: Run) {
        match self.runs.iter_mut().find(|known| known.id == run.id) {
            Some(known) => *known = run,
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
    use crate::domain::members::Read;
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
}
