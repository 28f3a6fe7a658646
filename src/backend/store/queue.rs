//! The runs that wait: in which order they were accepted, which the store alone knows, and how many are before each.

use super::{Store, error::StoreError, rows};
use crate::domain::{id::RunId, run::Run};
use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};

/// Where a run stands in the order of acceptance: before all that have a higher number. A number is given to another run only after its
/// own has been deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RunNumber(i64);

/// A run that has not been started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueuedRun {
    /// Its place in the order of acceptance.
    pub number: RunNumber,
    /// Which.
    pub id: RunId,
    /// The name of its runner.
    pub runner: String,
}

impl Store {
    /// The queued runs that were accepted after that one, or all of them, in the order of their acceptance; without those that are held.
    ///
    /// # Errors
    /// The database failed.
    pub async fn queued_runs(&self, after: Option<RunNumber>) -> Result<Vec<QueuedRun>, StoreError> {
        // All queued runs are found by the index of the unfinished ones, the latest by their numbers: neither looks at what has ended.
        let sql = match after {
            Some(_) => {
                "select number, id, runner from runs not indexed where number > ?1 and status = 'queued' and held is not 1 order by number"
            }
            None => {
                "select number, id, runner from runs indexed by runs_unfinished \
                 where status in ('queued', 'running') and status = 'queued' and held is not 1 and ?1 is null order by number"
            }
        };
        let rows = sqlx::query(sql).bind(after.map(|number| number.0)).fetch_all(&self.0.readers).await?;
        let queued = |row: &SqliteRow| {
            Ok(QueuedRun { number: RunNumber(row.try_get(0)?), id: RunId(rows::uuid(row.try_get(1)?)?), runner: row.try_get(2)? })
        };
        rows.iter().map(queued).collect()
    }
}

/// Says of each run that waits how many are before it.
pub(super) async fn count_ahead(connection: &mut SqliteConnection, runs: &mut [Run]) -> Result<(), StoreError> {
    let waits = |run: &Run| run.waits();
    let Some(last) = runs.iter().filter(|run| waits(run)).map(|run| run.number).max() else { return Ok(()) };
    let sql = "select number from runs indexed by runs_unfinished where status in ('queued', 'running') and status = 'queued' \
         and held is not 1 and number < ?1 order by number";
    let numbers: Vec<(i64,)> = sqlx::query_as(sql).bind(last.cast_signed()).fetch_all(connection).await?;
    for run in runs.iter_mut().filter(|run| waits(run)) {
        run.ahead = Some(numbers.partition_point(|(number,)| rows::unsigned(*number) < run.number) as u64);
    }
    Ok(())
}
