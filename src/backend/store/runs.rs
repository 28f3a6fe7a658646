//! Runs: submitted once, started, followed, ended once. Each step changes the run, its task and the log in one transaction.

use super::{
    Store,
    digests::digest_so_far,
    error::{Conflict, Missing, StoreError},
    frame::EventKind,
    queue::count_ahead,
    rows::{self, find_run, find_task, run_columns},
    tasks::put_and_log,
    writer::{Group, Subject},
};
use crate::domain::{
    digest::OutputDigest,
    event::End,
    id::{RunId, TaskId},
    integrity::Integrity,
    limits::{self, Invalid},
    run::{Run, RunStatus, Stopping},
    task::{Task, TaskContext},
    timestamp::Timestamp,
    visible_text::first_line,
};
use bytes::{Bytes, BytesMut};
use futures::TryStreamExt;
use sqlx::{Connection, Row};
use uuid::Uuid;

/// A prompt to be run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewRun {
    /// What is to be done.
    pub prompt: String,
    /// The configured runner's name; the caller has checked it.
    pub runner: String,
    /// What makes a repeated submission the same one; drawn where it is missing.
    pub request_id: Option<String>,
    /// The new task's title; else the prompt's first line.
    pub title: Option<String>,
    /// The new task's scope.
    pub scope: Option<String>,
    /// The new task's tags.
    pub tags: Vec<String>,
    /// The task that it works for; else a new one.
    pub task_id: Option<TaskId>,
    /// Who asks for it.
    pub created_by: Option<String>,
}

/// What became of a submission.
#[derive(Clone, Debug, PartialEq)]
pub struct Submitted {
    /// The run.
    pub run: Run,
    /// Its task.
    pub task: Task,
    /// Whether this submission made the run; an earlier one with the same request id did otherwise.
    pub created: bool,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunEnd {
    /// A final one.
    pub status: RunStatus,
    /// The program's exit code, where it has one.
    pub exit_code: Option<i32>,
    /// The signal that ended it, by name.
    pub signal: Option<String>,
    /// What the code and the signal do not say, in words.
    pub reason: Option<String>,
    /// When it ended.
    pub at: Timestamp,
}

impl Store {
    /// Accepts a prompt: opens a task where none is named, and queues a run. The same request id with the same prompt gives the run
    /// that it gave before.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] for what is too long or blank, [`Conflict::RequestId`] for a request id that belongs to another prompt,
    /// [`StoreError::NotFound`] for a task that is not there.
    pub async fn submit(&self, new: NewRun) -> Result<Submitted, StoreError> {
        check(&new)?;
        let now = self.0.clock.now();
        self.0.writer.write(move |group| Box::pin(submit(group, new, now))).await
    }

    /// The run's program has been started. Said again it changes nothing.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`Conflict::RunEnded`] where it is over already.
    pub async fn run_started(&self, id: RunId, at: Timestamp) -> Result<Run, StoreError> {
        self.0.writer.write(move |group| Box::pin(run_started(group, id, at))).await
    }

    /// The end that was asked for has come this far. Said again it changes nothing.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`Conflict::RunEnded`] where it is over already.
    pub async fn run_stopping(&self, id: RunId, stopping: Stopping) -> Result<Run, StoreError> {
        self.0.writer.write(move |group| Box::pin(run_stopping(group, id, stopping))).await
    }

    /// Appends what a run wrote. `bytes` are split from what went before only between characters; `position` is where the run's spool
    /// stands after them, and moves in the same transaction. Output events have at most [`MAX_CHUNK`](super::MAX_CHUNK) bytes each.
    ///
    /// # Errors
    /// [`Conflict::Position`] where the bytes do not follow what is committed, so that nothing is taken twice or left out;
    /// [`Conflict::RunEnded`]; [`StoreError::NotFound`]; [`StoreError::Full`].
    pub async fn append_output(&self, id: RunId, bytes: Bytes, position: u64) -> Result<(), StoreError> {
        self.append_hashed(id, bytes, position).await.map(drop)
    }

    /// The same; gives the digest of the run's output with these bytes.
    ///
    /// # Errors
    /// As [`Store::append_output`] has them.
    pub async fn append_hashed(&self, id: RunId, bytes: Bytes, position: u64) -> Result<OutputDigest, StoreError> {
        self.0.writer.append(id, bytes, position, self.0.clock.now()).await
    }

    /// The run is over. The first end stands; said again, the run is given as it is.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::Invalid`] for a status that is not final.
    pub async fn run_ended(&self, id: RunId, end: RunEnd) -> Result<Run, StoreError> {
        self.run_ended_as(id, end, Integrity::default()).await
    }

    /// The same, with what is known of whether its output is what its program wrote.
    ///
    /// # Errors
    /// As [`Store::run_ended`] has them.
    pub async fn run_ended_as(&self, id: RunId, end: RunEnd, integrity: Integrity) -> Result<Run, StoreError> {
        if !end.status.is_final() {
            return Err(Invalid::new("status", format!("{:?} is no end", end.status.as_str()), "end a run with a final status").into());
        }
        self.0.writer.write(move |group| Box::pin(run_ended(group, id, end, integrity))).await
    }

    /// One run; where it waits, with how many are before it.
    ///
    /// # Errors
    /// The database failed.
    pub async fn run(&self, id: RunId) -> Result<Option<Run>, StoreError> {
        let mut connection = self.0.readers.acquire().await?;
        let mut run = find_run(&mut connection, id).await?.map(|(_, run)| run);
        count_ahead(&mut connection, run.as_mut_slice()).await?;
        Ok(run)
    }

    /// The runs of a task, newest first.
    ///
    /// # Errors
    /// The database failed.
    pub async fn runs_of_task(&self, id: TaskId) -> Result<Vec<Run>, StoreError> {
        let sql = concat!("select ", run_columns!(), " from runs r where r.task = ?1 order by r.created_at desc, r.number desc");
        let rows = sqlx::query(sql).bind(rows::id(&id.0)).fetch_all(&self.0.readers).await?;
        rows.iter().map(rows::run).collect()
    }

    /// The runs that are queued or running, in the order of their acceptance.
    ///
    /// # Errors
    /// The database failed.
    pub async fn unfinished_runs(&self) -> Result<Vec<Run>, StoreError> {
        let sql = concat!("select ", run_columns!(), " from runs r where r.status in ('queued', 'running') order by r.number");
        let rows = sqlx::query(sql).fetch_all(&self.0.readers).await?;
        rows.iter().map(rows::run).collect()
    }

    /// How far the run's spool is in the log: what [`Store::append_output`] goes on from.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn position(&self, id: RunId) -> Result<u64, StoreError> {
        let row = sqlx::query("select position from runs where id = ?1").bind(rows::id(&id.0)).fetch_optional(&self.0.readers).await?;
        Ok(rows::unsigned(row.ok_or(StoreError::NotFound(Missing::Run))?.try_get(0)?))
    }

    /// The exact bytes of a run's output from `from` on, at most `max` of them; empty where there is nothing (yet).
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn output(&self, id: RunId, from: u64, max: usize) -> Result<Bytes, StoreError> {
        let mut connection = self.0.readers.acquire().await?;
        let mut snapshot = connection.begin().await?;
        let (number, run) = find_run(&mut snapshot, id).await?.ok_or(StoreError::NotFound(Missing::Run))?;
        output(&mut snapshot, number, run.bytes, from, max).await
    }

    /// The place of the run's end event; none while it is not over or where there is no such run.
    ///
    /// # Errors
    /// The database failed.
    pub async fn end_seq(&self, id: RunId) -> Result<Option<u64>, StoreError> {
        let row = sqlx::query("select end_seq from runs where id = ?1").bind(rows::id(&id.0)).fetch_optional(&self.0.readers).await?;
        let seq = row.map(|row| row.try_get::<Option<i64>, _>(0)).transpose()?.flatten();
        Ok(seq.map(rows::unsigned))
    }

    /// The place of the run's newest event; none where there is no such run.
    ///
    /// # Errors
    /// The database failed.
    pub async fn last_seq_of_run(&self, id: RunId) -> Result<Option<u64>, StoreError> {
        let sql = "select max(seq) from events indexed by events_of_run where run = (select number from runs where id = ?1)";
        let row = sqlx::query(sql).bind(rows::id(&id.0)).fetch_one(&self.0.readers).await?;
        Ok(row.try_get::<Option<i64>, _>(0)?.map(rows::unsigned))
    }
}

fn check(new: &NewRun) -> Result<(), Invalid> {
    limits::prompt(&new.prompt)?;
    limits::tags(&new.tags)?;
    limits::scope(new.scope.as_deref().unwrap_or_default())?;
    new.title.as_deref().map_or(Ok(()), limits::title)?;
    new.created_by.as_deref().map_or(Ok(()), |name| limits::word("createdBy", name))?;
    new.request_id.as_deref().map_or(Ok(()), limits::request_id)
}

/// The first line of a prompt that says something, at most 80 characters.
pub(super) fn title_of(prompt: &str) -> String {
    const MOST: usize = 80;
    let line = first_line(prompt);
    if line.chars().count() <= MOST {
        return line.to_owned();
    }
    let start: String = line.chars().take(MOST - 1).collect();
    format!("{}…", start.trim_end())
}

async fn submit(group: &mut Group, new: NewRun, now: Timestamp) -> Result<Submitted, StoreError> {
    let request_id = new.request_id.unwrap_or_else(|| Uuid::now_v7().to_string());
    let known = concat!("select ", run_columns!(), " from runs r where r.request_id = ?1");
    if let Some(row) = sqlx::query(known).bind(&request_id).fetch_optional(&mut group.connection).await? {
        let run = rows::run(&row)?;
        if run.prompt != new.prompt {
            return Err(Conflict::RequestId { run: run.id }.into());
        }
        let task = find_task(&mut group.connection, run.task_id).await?.ok_or(StoreError::NotFound(Missing::Task))?;
        return Ok(Submitted { run, task, created: false });
    }
    let task = match new.task_id {
        Some(id) => find_task(&mut group.connection, id).await?.ok_or(StoreError::NotFound(Missing::Task))?,
        None => {
            let context = TaskContext {
                requested_at: Some(now),
                request_id: Some(request_id.clone()),
                prompt: Some(new.prompt.clone()),
                ..TaskContext::default()
            };
            let task = Task {
                id: TaskId(Uuid::now_v7()),
                kind: "general".into(),
                status: "pending".into(),
                title: new.title.map_or_else(|| title_of(&new.prompt), |title| title.trim().to_owned()),
                description: String::new(),
                context,
                scope: new.scope.filter(|scope| !scope.is_empty()),
                tags: new.tags,
                created_by: new.created_by,
                target_user: None,
                created_at: now,
                updated_at: now,
                answer: None,
                extra: serde_json::Map::new(),
            };
            put_and_log(group, &task, now).await?;
            task
        }
    };
    let run = Run::accepted(RunId(Uuid::now_v7()), task.id, request_id, new.runner, new.prompt, now);
    let run = insert_run(group, run, now).await?;
    Ok(Submitted { run, task, created: true })
}

/// A run never gets the number of another one that has events, as where the row of that one was deleted by hand.
const INSERT: &str = "insert into runs (number, id, task, request_id, runner, prompt, status, created_at) \
     select max(coalesce((select max(number) from runs), 0), coalesce((select max(run) from events where run is not null), 0)) + 1, \
     ?1, ?2, ?3, ?4, ?5, ?6, ?7";

/// Puts a queued run at the end of the order of acceptance, and says so in the log.
pub(super) async fn insert_run(group: &mut Group, mut run: Run, now: Timestamp) -> Result<Run, StoreError> {
    let made = sqlx::query(INSERT)
        .bind(rows::id(&run.id.0))
        .bind(rows::id(&run.task_id.0))
        .bind(&run.request_id)
        .bind(&run.runner)
        .bind(&run.prompt)
        .bind(run.status.as_str())
        .bind(run.created_at.0)
        .execute(&mut group.connection)
        .await?;
    let number = made.last_insert_rowid();
    run.number = rows::unsigned(number);
    group.log(EventKind::Run, Subject { task: None, run: Some((number, run.id)) }, now, &run).await?;
    Ok(run)
}

pub(super) async fn run_started(group: &mut Group, id: RunId, at: Timestamp) -> Result<Run, StoreError> {
    let (number, mut run) = find_run(&mut group.connection, id).await?.ok_or(StoreError::NotFound(Missing::Run))?;
    match run.status {
        RunStatus::Queued => {}
        RunStatus::Running => return Ok(run),
        status => return Err(Conflict::RunEnded { status }.into()),
    }
    group.live.remove(&id);
    run.status = RunStatus::Running;
    run.started_at = Some(at);
    // It had been started by this folder before the database became older than it was.
    run.held = run.held.map(|_| false);
    sqlx::query("update runs set status = ?2, started_at = ?3, held = ?4 where number = ?1")
        .bind(number)
        .bind(run.status.as_str())
        .bind(at.0)
        .bind(run.held)
        .execute(&mut group.connection)
        .await?;
    group.log(EventKind::Run, Subject { task: None, run: Some((number, id)) }, at, &run).await?;
    set_task_status(group, run.task_id, "in_progress", at, |_| true).await?;
    Ok(run)
}

async fn run_stopping(group: &mut Group, id: RunId, stopping: Stopping) -> Result<Run, StoreError> {
    let (number, mut run) = find_run(&mut group.connection, id).await?.ok_or(StoreError::NotFound(Missing::Run))?;
    if run.status.is_final() {
        return Err(Conflict::RunEnded { status: run.status }.into());
    }
    if run.stopping.as_ref() == Some(&stopping) {
        return Ok(run);
    }
    let at = stopping.at;
    let text = serde_json::to_string(&stopping).map_err(|error| StoreError::Broken { what: "run", reason: error.to_string() })?;
    run.stopping = Some(stopping);
    sqlx::query("update runs set stopping = ?2 where number = ?1").bind(number).bind(text).execute(&mut group.connection).await?;
    group.log(EventKind::Run, Subject { task: None, run: Some((number, id)) }, at, &run).await?;
    Ok(run)
}

pub(super) async fn run_ended(group: &mut Group, id: RunId, end: RunEnd, integrity: Integrity) -> Result<Run, StoreError> {
    let (number, mut run) = find_run(&mut group.connection, id).await?.ok_or(StoreError::NotFound(Missing::Run))?;
    if run.status.is_final() {
        return Ok(run);
    }
    group.live.remove(&id);
    run.status = end.status;
    run.exit_code = end.exit_code;
    run.signal = end.signal;
    run.reason = end.reason;
    run.stopping = None;
    run.ended_at = Some(end.at);
    let digest = digest_so_far(&mut group.connection, number).await?.finish();
    run.digest = Some(digest.clone());
    run.verified = integrity.verified(run.bytes);
    (run.program_digest, run.verified_bytes, run.damage) = (integrity.program_digest, integrity.verified_bytes, integrity.damage);
    let subject = Subject { task: None, run: Some((number, id)) };
    group.log(EventKind::Run, subject, end.at, &run).await?;
    // The task before the end: whoever reads the run alone sees its end as the last event there is of it.
    let word = match run.status {
        RunStatus::Succeeded => "completed",
        RunStatus::Cancelled => "cancelled",
        _ => "failed",
    };
    let (others,): (i64,) =
        sqlx::query_as("select count(*) from runs where task = ?1 and number <> ?2 and status in ('queued', 'running')")
            .bind(rows::id(&run.task_id.0))
            .bind(number)
            .fetch_one(&mut group.connection)
            .await?;
    // A status that somebody gave the task meanwhile stands, and so does the work of another run.
    set_task_status(group, run.task_id, word, end.at, |now| others == 0 && matches!(now, "pending" | "in_progress")).await?;
    let Run { status, exit_code, events, bytes, verified, damage, .. } = run;
    let last = End { run: id, status, exit_code, events, bytes, digest, verified, damage };
    let seq = group.log(EventKind::End, subject, end.at, &last).await?;
    sqlx::query(
        "update runs set status = ?2, exit_code = ?3, signal = ?4, reason = ?5, ended_at = ?6, digest = ?7, end_seq = ?8, stopping = null, \
         program_digest = ?9, verified_bytes = ?10, damage_from = ?11, damage_to = ?12 where number = ?1",
    )
    .bind(number)
    .bind(run.status.as_str())
    .bind(run.exit_code)
    .bind(&run.signal)
    .bind(&run.reason)
    .bind(end.at.0)
    .bind(&run.digest)
    .bind(seq.cast_signed())
    .bind(&run.program_digest)
    .bind(run.verified_bytes.map(u64::cast_signed))
    .bind(run.damage.map(|damage| damage.from.cast_signed()))
    .bind(run.damage.map(|damage| damage.to.cast_signed()))
    .execute(&mut group.connection)
    .await?;
    Ok(run)
}

async fn set_task_status(
    group: &mut Group,
    id: TaskId,
    status: &str,
    at: Timestamp,
    from: impl FnOnce(&str) -> bool,
) -> Result<(), StoreError> {
    let Some(mut task) = find_task(&mut group.connection, id).await? else { return Ok(()) };
    if task.status == status || !from(&task.status) {
        return Ok(());
    }
    task.status = status.to_owned();
    task.updated_at = at;
    put_and_log(group, &task, at).await
}

/// The bytes of a run's output from `from` on, of the `total` that there are.
pub(super) async fn output(
    connection: &mut sqlx::SqliteConnection,
    number: i64,
    total: u64,
    from: u64,
    max: usize,
) -> Result<Bytes, StoreError> {
    let wanted = usize::try_from(total.saturating_sub(from)).unwrap_or(usize::MAX).min(max);
    if wanted == 0 {
        return Ok(Bytes::new());
    }
    let mut bytes = BytesMut::with_capacity(wanted);
    let sql = "select start, payload from events indexed by events_of_output where run = ?1 and kind = 2 and start >= coalesce(\
         (select max(start) from events indexed by events_of_output where run = ?1 and kind = 2 and start <= ?2), 0) order by start";
    let mut found = sqlx::query(sql).bind(number).bind(from.cast_signed()).fetch(connection);
    while let Some(row) = found.try_next().await? {
        let start = rows::unsigned(row.try_get(0)?);
        let payload: &[u8] = row.try_get(1)?;
        let skipped = usize::try_from(from.saturating_sub(start)).unwrap_or(usize::MAX).min(payload.len());
        let part = &payload[skipped..];
        bytes.extend_from_slice(&part[..part.len().min(wanted - bytes.len())]);
        if bytes.len() == wanted {
            break;
        }
    }
    Ok(bytes.freeze())
}

#[cfg(test)]
mod tests {
    use super::title_of;

    #[test]
    fn a_title_is_the_first_line_that_says_something() {
        assert_eq!(title_of("\n  \n  make all  \nmore"), "make all");
        assert_eq!(title_of(&"ä".repeat(80)), "ä".repeat(80));
        assert_eq!(title_of(&"ä".repeat(81)), format!("{}…", "ä".repeat(79)));
    }
}
