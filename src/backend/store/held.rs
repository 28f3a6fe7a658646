//! Runs that wait for a person's word: they came with a backup or a copy of the data folder, and
//! may have been executed already by whoever that was made of. Each change is an event of its run.

use super::{
    Store, claim,
    error::{Missing, StoreError},
    frame::EventKind,
    rows::{self, find_run},
    runs::{RunEnd, run_ended},
    schema,
    writer::{Group, Subject},
};
use crate::domain::{
    held::HeldRuns,
    id::RunId,
    integrity::Integrity,
    run::{Run, RunStatus},
    timestamp::Timestamp,
};
use sqlx::{Row, SqliteConnection};

/// How many are changed in one transaction.
const PART: i64 = 100;

impl Store {
    /// How many runs are held, and what they came with.
    ///
    /// # Errors
    /// The database failed.
    pub async fn held_runs(&self) -> Result<HeldRuns, StoreError> {
        held_runs(&mut *self.0.readers.acquire().await?).await
    }

    /// Lets all held runs have their turn, and says how many that were.
    ///
    /// # Errors
    /// The database failed; those before are released.
    pub async fn release_held_runs(&self) -> Result<u64, StoreError> {
        let now = self.0.clock.now();
        let mut all = 0;
        loop {
            let released = self.0.writer.write(move |group| Box::pin(release_some(group, now))).await?;
            all += released;
            if released == 0 {
                return Ok(all);
            }
        }
    }

    /// Cancels all held runs in the name of somebody, and says how many that were.
    ///
    /// # Errors
    /// The database failed; those before are cancelled.
    pub async fn drop_held_runs(&self, by: &str) -> Result<u64, StoreError> {
        let now = self.0.clock.now();
        let mut all = 0;
        loop {
            let reason = format!("by {by}, as it came with a backup or a copy");
            let dropped = self.0.writer.write(move |group| Box::pin(drop_some(group, reason, now))).await?;
            all += dropped;
            if dropped == 0 {
                return Ok(all);
            }
        }
    }
}

/// As a page has them.
pub(super) async fn held_runs(connection: &mut SqliteConnection) -> Result<HeldRuns, StoreError> {
    let sql =
        "select count(*) from runs indexed by runs_unfinished where status in ('queued', 'running') and status = 'queued' and held = 1";
    let (count,): (i64,) = sqlx::query_as(sql).fetch_one(&mut *connection).await?;
    let at = schema::meta(connection, claim::COPIED_AT).await?.and_then(|at| at.parse().ok()).unwrap_or_default();
    Ok(HeldRuns { count: rows::unsigned(count), copied_at: Timestamp(at) })
}

/// The next ones in the order of acceptance.
async fn some(connection: &mut SqliteConnection) -> Result<Vec<RunId>, StoreError> {
    let sql = "select id from runs indexed by runs_unfinished where status in ('queued', 'running') and status = 'queued' and held = 1 \
         order by number limit ?1";
    let rows = sqlx::query(sql).bind(PART).fetch_all(connection).await?;
    rows.iter().map(|row| rows::uuid(row.try_get(0)?).map(RunId)).collect()
}

async fn release_some(group: &mut Group, now: Timestamp) -> Result<u64, StoreError> {
    let held = some(&mut group.connection).await?;
    for id in &held {
        let (number, run) = find_run(&mut group.connection, *id).await?.ok_or(StoreError::NotFound(Missing::Run))?;
        sqlx::query("update runs set held = 0 where number = ?1").bind(number).execute(&mut group.connection).await?;
        let run = Run { held: Some(false), ..run };
        group.log(EventKind::Run, Subject { task: None, run: Some((number, *id)) }, now, &run).await?;
    }
    Ok(held.len() as u64)
}

async fn drop_some(group: &mut Group, reason: String, now: Timestamp) -> Result<u64, StoreError> {
    let held = some(&mut group.connection).await?;
    for id in &held {
        let end = RunEnd { status: RunStatus::Cancelled, exit_code: None, signal: None, reason: Some(reason.clone()), at: now };
        run_ended(group, *id, end, Integrity::default()).await?;
    }
    Ok(held.len() as u64)
}
