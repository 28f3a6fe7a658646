//! What a page is rendered from: a state together with the cursor that it was read at, so that the stream goes on exactly where the
//! page ends.

use super::{
    cursor::Cursor,
    held::HeldRuns,
    id::RunId,
    members::{Members, Read, Unreadable},
    run::Run,
    task::Task,
    terminal_size::PlacedSize,
};
use serde::Serialize;
use serde_json::Value;

/// The first page: what needs a person, what runs, what was there lately.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DashboardSnapshot {
    /// Everything up to here is in this snapshot.
    pub cursor: Cursor,
    /// The newest tasks that need an answer, that run, and that do neither, newest change first; without their output.
    pub tasks: Vec<Task>,
    /// The runs of those tasks that are not over, and the last run of each other one; newest first.
    pub runs: Vec<Run>,
    /// The last output of each run that is not over.
    pub tails: Vec<RunTail>,
    /// The runners that can be chosen, the default first.
    pub runners: Vec<String>,
    /// What makes the next submission from this page one submission.
    pub request_id: String,
    /// The runs that wait for a person's word.
    pub held: HeldRuns,
}

impl Read for DashboardSnapshot {
    fn read(value: Value) -> Result<Self, Unreadable> {
        let mut members = Members::of(value)?;
        Ok(DashboardSnapshot {
            cursor: members.take("cursor")?,
            tasks: members.take("tasks")?,
            runs: members.take("runs")?,
            tails: members.take("tails")?,
            runners: members.take("runners")?,
            request_id: members.take("request_id")?,
            held: members.take("held")?,
        })
    }
}

/// The end of a run's output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RunTail {
    /// Which run.
    pub run: RunId,
    /// At most the last 4 KiB of its text.
    pub text: String,
    /// The sizes that its terminal had.
    pub sizes: Vec<PlacedSize>,
}

impl Read for RunTail {
    fn read(value: Value) -> Result<Self, Unreadable> {
        let mut members = Members::of(value)?;
        Ok(RunTail { run: members.take("run")?, text: members.take("text")?, sizes: members.take("sizes")? })
    }
}

/// The board: the tasks that a filter lets through.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BoardSnapshot {
    /// Everything up to here is in this snapshot.
    pub cursor: Cursor,
    /// At most 200 tasks, newest change first; without their output.
    pub tasks: Vec<Task>,
    /// How many tasks the filter lets through.
    pub total: u64,
    /// The scopes there are, in order, to choose from.
    pub scopes: Vec<String>,
    /// The tags there are, in order, to choose from.
    pub tags: Vec<String>,
    /// The types there are, in order, to choose from.
    pub kinds: Vec<String>,
    /// The statuses there are, in order, to choose from.
    pub statuses: Vec<String>,
    /// The runs that wait for a person's word.
    pub held: HeldRuns,
}

impl Read for BoardSnapshot {
    fn read(value: Value) -> Result<Self, Unreadable> {
        let mut members = Members::of(value)?;
        Ok(BoardSnapshot {
            cursor: members.take("cursor")?,
            tasks: members.take("tasks")?,
            total: members.take("total")?,
            scopes: members.take("scopes")?,
            tags: members.take("tags")?,
            kinds: members.take("kinds")?,
            statuses: members.take("statuses")?,
            held: members.take("held")?,
        })
    }
}

/// One task with its runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TaskSnapshot {
    /// Everything up to here is in this snapshot.
    pub cursor: Cursor,
    /// The task, with its output as it was given.
    pub task: Task,
    /// The output, sanitised: safe to put into the page.
    pub output_html: Option<String>,
    /// Its runs, newest first.
    pub runs: Vec<Run>,
    /// The newest run with its output.
    pub console: Option<ConsoleSnapshot>,
}

impl Read for TaskSnapshot {
    fn read(value: Value) -> Result<Self, Unreadable> {
        let mut members = Members::of(value)?;
        Ok(TaskSnapshot {
            cursor: members.take("cursor")?,
            task: members.take("task")?,
            output_html: members.take("output_html")?,
            runs: members.take("runs")?,
            console: members.take("console")?,
        })
    }
}

/// One run with what it wrote so far.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ConsoleSnapshot {
    /// Everything up to here is in this snapshot.
    pub cursor: Cursor,
    /// The run.
    pub run: Run,
    /// The last output: all of it, or where there is more than [`ConsoleSnapshot::MAX_TEXT`] bytes, its end.
    pub text: String,
    /// How many bytes of the run's output come before `text`; 0 where it is complete.
    pub text_start: u64,
    /// All sizes that the run's terminal had, also before `text`.
    pub sizes: Vec<PlacedSize>,
    /// Where the digest of its output stands, for `OutputDigest::take_up`; none where it has ended, and [`Run::digest`] is all of it.
    pub digest_so_far: Option<String>,
    /// What makes the first line that is typed on this page one line; none where the program has no terminal or is over.
    pub input: Option<String>,
}

impl Read for ConsoleSnapshot {
    fn read(value: Value) -> Result<Self, Unreadable> {
        let mut members = Members::of(value)?;
        Ok(ConsoleSnapshot {
            cursor: members.take("cursor")?,
            run: members.take("run")?,
            text: members.take("text")?,
            text_start: members.take("text_start")?,
            sizes: members.take("sizes")?,
            digest_so_far: members.take("digest_so_far")?,
            input: members.take("input")?,
        })
    }
}

impl ConsoleSnapshot {
    /// How many bytes of output a page carries at the most.
    pub const MAX_TEXT: u64 = 256 * 1024;
}
