//! What can go wrong in the store, by kind. It says nothing of HTTP: which status fits is decided where there is one.

use super::integrity;
use crate::domain::{
    id::{RunId, TaskId},
    limits::Invalid,
    run::RunStatus,
    task::Answer,
};
use std::{path::PathBuf, sync::Arc};

/// Why the store did not do something. Nothing of it was done then.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no such thing.
    #[error("there is no such {0}")]
    NotFound(Missing),
    /// It contradicts what is already there.
    #[error(transparent)]
    Conflict(Conflict),
    /// A value is not accepted.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The disk, or the database's share of it, is full.
    #[error("the disk is full: nothing was stored; free some space and try again")]
    Full,
    /// The database is not where it was: what would be written to it now would be lost.
    #[error("the data folder is not where it was, and nothing was stored: put it back, or restart the server")]
    Gone,
    /// The database is damaged.
    #[error("the database is damaged: stop the server and restore a backup")]
    Damaged,
    /// The database cannot be used at all.
    #[error("cannot use the database {path}: {reason}; {advice}")]
    Unusable {
        /// Its file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
        /// What to do.
        advice: &'static str,
    },
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
    /// The database failed in a way that is not foreseen.
    #[error("the database failed: {0}")]
    Database(Arc<sqlx::Error>),
    /// What the database holds cannot be read as what it should be.
    #[error("the database holds a broken {what}: {reason}")]
    Broken {
        /// Which kind of thing.
        what: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}

/// What was looked for and is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// A task.
    Task,
    /// A run.
    Run,
    /// A session.
    Session,
}

impl std::fmt::Display for Missing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Missing::Task => "task",
            Missing::Run => "run",
            Missing::Session => "session",
        })
    }
}

/// What stands against a change.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    /// The request id belongs to a run with another prompt.
    #[error("this requestId was used for another prompt, by run {run}: send a new one")]
    RequestId {
        /// Whose it is.
        run: RunId,
    },
    /// A task with this id was posted with other content.
    #[error("there is another task with the id {id}: change it with PATCH, or leave the id out")]
    TaskExists {
        /// Which.
        id: TaskId,
    },
    /// The task has a run that is not over.
    #[error("run {run} of this task is not over: cancel it first")]
    TaskBusy {
        /// Which.
        run: RunId,
    },
    /// Another answer stands.
    #[error("this task was answered with \"{}\" already", .0.value)]
    Answered(Answer),
    /// The run has ended.
    #[error("the run has ended: {}", status.as_str())]
    RunEnded {
        /// How.
        status: RunStatus,
    },
    /// The output does not follow what is committed.
    #[error("the run's output is committed up to byte {committed} of its spool, and this does not follow it")]
    Position {
        /// Where the run's output in the log ends, as an offset of its spool.
        committed: u64,
    },
}

impl From<Conflict> for StoreError {
    fn from(conflict: Conflict) -> Self {
        StoreError::Conflict(conflict)
    }
}

/// SQLite's primary result codes: <https://www.sqlite.org/rescode.html>.
pub(super) mod code {
    pub const READONLY: i32 = 8;
    pub const CORRUPT: i32 = 11;
    pub const FULL: i32 = 13;
    pub const CANTOPEN: i32 = 14;
    pub const NOTADB: i32 = 26;
    /// The shared memory of the write-ahead log, a file as well, could not grow: an extended code.
    pub const IOERR_SHMSIZE: i32 = 4874;
}

/// The primary result code, where SQLite itself refused.
pub(super) fn sqlite_code(error: &sqlx::Error) -> Option<i32> {
    match error.as_database_error()?.code()?.parse().ok()? {
        // What it says of a disk that is full in this one place.
        code::IOERR_SHMSIZE => Some(code::FULL),
        extended => Some(extended & 0xff),
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match (&error, sqlite_code(&error)) {
            (_, Some(code::FULL)) => StoreError::Full,
            (_, Some(code::CORRUPT | code::NOTADB)) => {
                integrity::damage_was_met();
                StoreError::Damaged
            }
            (sqlx::Error::PoolClosed, _) => StoreError::Closed,
            _ => StoreError::Database(Arc::new(error)),
        }
    }
}
