//! How tasks and runs stand in the database: rows to values and back, beside the SQL, so that the domain knows none.

use super::error::StoreError;
use crate::domain::{
    id::{RunId, TaskId},
    integrity::{Damage, Integrity},
    members::{self, Read},
    run::{Run, RunStatus, Stopping},
    task::Task,
    timestamp::Timestamp,
};
use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};
use uuid::Uuid;

/// The columns that [`run`] reads, with `r` as the table.
macro_rules! run_columns {
    () => {
        "r.id, r.task, r.request_id, r.runner, r.prompt, r.status, r.exit_code, r.signal, r.reason, r.created_at, r.started_at, \
         r.ended_at, r.events, r.bytes, r.lines, r.digest, r.number, r.stopping, r.held, \
         r.program_digest, r.verified_bytes, r.damage_from, r.damage_to"
    };
}
pub(super) use run_columns;

pub(super) fn id(id: &Uuid) -> &[u8] {
    id.as_bytes()
}

/// Numbers are stored as SQLite has them, signed; none that stands for a size or a place is negative.
pub(super) fn unsigned(number: i64) -> u64 {
    number.max(0).cast_unsigned()
}

pub(super) fn uuid(bytes: &[u8]) -> Result<Uuid, StoreError> {
    Uuid::from_slice(bytes).map_err(|error| StoreError::Broken { what: "id", reason: error.to_string() })
}

pub(super) fn status(word: &str) -> Result<RunStatus, StoreError> {
    RunStatus::from_word(word).ok_or_else(|| StoreError::Broken { what: "run", reason: format!("{word:?} is no status") })
}

/// A run from the columns that `run_columns!` names.
pub(super) fn run(row: &SqliteRow) -> Result<Run, StoreError> {
    let known = integrity(row)?;
    let bytes = unsigned(row.try_get(13)?);
    Ok(Run {
        id: RunId(uuid(row.try_get(0)?)?),
        task_id: TaskId(uuid(row.try_get(1)?)?),
        request_id: row.try_get(2)?,
        runner: row.try_get(3)?,
        prompt: row.try_get(4)?,
        status: status(row.try_get(5)?)?,
        exit_code: row.try_get(6)?,
        signal: row.try_get(7)?,
        reason: row.try_get(8)?,
        stopping: row.try_get::<Option<&str>, _>(17)?.map(stopping).transpose()?,
        held: row.try_get(18)?,
        created_at: Timestamp(row.try_get(9)?),
        started_at: row.try_get::<Option<i64>, _>(10)?.map(Timestamp),
        ended_at: row.try_get::<Option<i64>, _>(11)?.map(Timestamp),
        events: unsigned(row.try_get(12)?),
        bytes,
        lines: unsigned(row.try_get(14)?),
        verified: known.verified(bytes),
        digest: row.try_get(15)?,
        verified_bytes: known.verified_bytes,
        program_digest: known.program_digest,
        damage: known.damage,
        number: unsigned(run_number(row)?),
        ahead: None,
    })
}

fn integrity(row: &SqliteRow) -> Result<Integrity, StoreError> {
    let place = |name: &str| Ok::<_, StoreError>(row.try_get::<Option<i64>, _>(name)?.map(unsigned));
    Ok(Integrity {
        program_digest: row.try_get("program_digest")?,
        verified_bytes: place("verified_bytes")?,
        damage: place("damage_from")?.zip(place("damage_to")?).map(|(from, to)| Damage { from, to }),
    })
}

fn stopping(text: &str) -> Result<Stopping, StoreError> {
    let read = members::parse(text).and_then(Stopping::read);
    read.map_err(|error| StoreError::Broken { what: "run", reason: format!("how far its end has come: {error}") })
}

/// The run's short number, from the same columns.
pub(super) fn run_number(row: &SqliteRow) -> Result<i64, StoreError> {
    Ok(row.try_get(16)?)
}

/// A task without its output, from its `body`.
pub(super) fn task(body: &str) -> Result<Task, StoreError> {
    serde_json::from_str(body).map_err(|error| StoreError::Broken { what: "task", reason: error.to_string() })
}

/// A task with its output.
pub(super) fn whole_task(body: &str, output: Option<String>) -> Result<Task, StoreError> {
    let mut task = task(body)?;
    task.context.output = output;
    Ok(task)
}

/// One task with its output.
pub(super) async fn find_task(connection: &mut SqliteConnection, task: TaskId) -> Result<Option<Task>, StoreError> {
    let row = sqlx::query("select body, output from tasks where id = ?1").bind(id(&task.0)).fetch_optional(connection).await?;
    row.map(|row| whole_task(row.try_get(0)?, row.try_get(1)?)).transpose()
}

/// One run, with its short number.
pub(super) async fn find_run(connection: &mut SqliteConnection, run_id: RunId) -> Result<Option<(i64, Run)>, StoreError> {
    let sql = concat!("select ", run_columns!(), " from runs r where r.id = ?1");
    let row = sqlx::query(sql).bind(id(&run_id.0)).fetch_optional(connection).await?;
    row.map(|row| Ok((run_number(&row)?, run(&row)?))).transpose()
}

/// Puts a task into the database, or in the place of what is there.
pub(super) async fn put_task(connection: &mut SqliteConnection, task: &Task) -> Result<(), StoreError> {
    let mut bare = task.clone();
    let output = bare.context.output.take();
    let body = serde_json::to_string(&bare).map_err(|error| StoreError::Broken { what: "task", reason: error.to_string() })?;
    sqlx::query(
        "insert into tasks (id, created_at, updated_at, status, kind, scope, waiting, search, body, output) \
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) on conflict (id) do update set created_at = ?2, updated_at = ?3, status = ?4, \
         kind = ?5, scope = ?6, waiting = ?7, search = ?8, body = ?9, output = ?10",
    )
    .bind(id(&task.id.0))
    .bind(task.created_at.0)
    .bind(task.updated_at.0)
    .bind(&task.status)
    .bind(&task.kind)
    .bind(task.scope.as_deref().unwrap_or_default())
    .bind(task.needs_answer())
    .bind(search_text(task))
    .bind(body)
    .bind(output)
    .execute(&mut *connection)
    .await?;
    sqlx::query("delete from task_tags where task = ?1").bind(id(&task.id.0)).execute(&mut *connection).await?;
    for tag in &task.tags {
        sqlx::query("insert or ignore into task_tags (tag, task) values (?1, ?2)")
            .bind(tag)
            .bind(id(&task.id.0))
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// What a text filter looks in. Words hold no line feed, so none is found across two members.
fn search_text(task: &Task) -> String {
    let members = [Some(&task.title), Some(&task.description), task.scope.as_ref(), task.context.prompt.as_ref()];
    let texts: Vec<String> = members.into_iter().flatten().chain(&task.tags).map(|text| text.to_lowercase()).collect();
    texts.join("\n")
}
