//! Tasks: made, changed, found, deleted. Each change is in the log with the task as it then is, without its output.

use super::{
    Store,
    error::{Conflict, Missing, StoreError},
    frame::EventKind,
    rich_texts,
    rows::{self, find_task, put_task},
    writer::{Group, Subject},
};
use crate::{
    backend::rich_text::Sanitized,
    domain::{
        event::TaskEvent,
        filter::TaskFilter,
        id::{RunId, TaskId},
        limits,
        task::{NewTask, Task, TaskPatch},
        timestamp::Timestamp,
    },
};
use serde_json::Value;
use sha2::{Digest, Sha256};
use sqlx::{Row, SqliteConnection};
use uuid::Uuid;

/// What became of a posted task.
#[derive(Clone, Debug, PartialEq)]
pub struct Created {
    /// The task as it is now.
    pub task: Task,
    /// Whether this post made it; the same post did before, otherwise.
    pub created: bool,
}

impl Store {
    /// Takes in a task, and sanitises its output. A given id is kept; the same task posted with it again changes nothing.
    ///
    /// # Errors
    /// [`StoreError::Invalid`]; [`Conflict::TaskExists`] where another task was posted with that id.
    pub async fn create_task(&self, new: NewTask) -> Result<Created, StoreError> {
        limits::new_task(&new)?;
        let sanitized = match new.context.output.clone() {
            Some(output) => Some(self.0.sanitizers.sanitize(output).await),
            None => None,
        };
        let now = self.0.clock.now();
        self.0.writer.write(move |group| Box::pin(create(group, new, sanitized, now))).await
    }

    /// One task, with its output.
    ///
    /// # Errors
    /// The database failed.
    pub async fn task(&self, id: TaskId) -> Result<Option<Task>, StoreError> {
        let mut connection = self.0.readers.acquire().await?;
        find_task(&mut connection, id).await
    }

    /// The tasks that the filter lets through, newest change first, at most `limit`, without their output.
    ///
    /// # Errors
    /// The database failed.
    pub async fn tasks(&self, filter: &TaskFilter, limit: usize) -> Result<Vec<Task>, StoreError> {
        let mut connection = self.0.readers.acquire().await?;
        find_tasks(&mut connection, filter, limit).await
    }

    /// Changes a task, and sanitises its output where that is new.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::Invalid`].
    pub async fn patch_task(&self, id: TaskId, patch: TaskPatch) -> Result<Task, StoreError> {
        let output = patch.context.as_ref().and_then(|members| members.get("output"));
        let sanitized = match output {
            Some(Value::String(output)) => Some(Some(self.0.sanitizers.sanitize(output.clone()).await)),
            // It is taken away, or refused.
            Some(_) => Some(None),
            None => None,
        };
        let now = self.0.clock.now();
        self.0.writer.write(move |group| Box::pin(patch_task(group, id, patch, sanitized, now))).await
    }

    /// Deletes a task with its runs and all that the log has of them. What remains is the word that it is gone.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`Conflict::TaskBusy`] while one of its runs is not over.
    pub async fn delete_task(&self, id: TaskId) -> Result<(), StoreError> {
        let now = self.0.clock.now();
        self.0.writer.write(move |group| Box::pin(delete(group, id, now))).await
    }
}

/// Stores a task as it now is, and says so in the log.
pub(super) async fn put_and_log(group: &mut Group, task: &Task, at: Timestamp) -> Result<(), StoreError> {
    put_task(&mut group.connection, task).await?;
    let event = TaskEvent::Changed(task.clone().without_output());
    group.log(EventKind::Task, Subject { task: Some(rows::id(&task.id.0)), run: None }, at, &event).await?;
    Ok(())
}

async fn create(group: &mut Group, new: NewTask, sanitized: Option<Sanitized>, now: Timestamp) -> Result<Created, StoreError> {
    let given = new.id;
    let mut task = Task {
        id: given.unwrap_or(TaskId(Uuid::nil())),
        kind: new.kind.unwrap_or_else(|| "general".into()),
        status: new.status.unwrap_or_else(|| "pending".into()),
        title: new.title.trim().to_owned(),
        description: new.description,
        context: new.context,
        scope: new.scope.filter(|scope| !scope.is_empty()),
        tags: new.tags,
        created_by: new.created_by,
        target_user: new.target_user,
        created_at: new.created_at.unwrap_or_default(),
        updated_at: new.updated_at.unwrap_or_default(),
        answer: new.answer,
        extra: new.extra,
    };
    // Before the server adds what it decides: the same post has the same mark, whatever became of the task since.
    let whole = serde_json::to_vec(&task).map_err(|error| StoreError::Broken { what: "task", reason: error.to_string() })?;
    let posted = Sha256::digest(whole).to_vec();
    task.created_at = new.created_at.unwrap_or(now);
    task.updated_at = new.updated_at.unwrap_or(now);
    match given {
        Some(id) => {
            let known = sqlx::query("select posted from tasks where id = ?1").bind(rows::id(&id.0)).fetch_optional(&mut group.connection);
            if let Some(row) = known.await? {
                if row.try_get::<Option<&[u8]>, _>(0)? != Some(&posted[..]) {
                    return Err(Conflict::TaskExists { id }.into());
                }
                let task = find_task(&mut group.connection, id).await?.ok_or(StoreError::NotFound(Missing::Task))?;
                return Ok(Created { task, created: false });
            }
        }
        None => task.id = TaskId(Uuid::now_v7()),
    }
    put_and_log(group, &task, now).await?;
    rich_texts::put(&mut group.connection, task.id, sanitized.as_ref()).await?;
    sqlx::query("update tasks set posted = ?2 where id = ?1")
        .bind(rows::id(&task.id.0))
        .bind(posted)
        .execute(&mut group.connection)
        .await?;
    Ok(Created { task, created: true })
}

async fn patch_task(
    group: &mut Group,
    id: TaskId,
    patch: TaskPatch,
    sanitized: Option<Option<Sanitized>>,
    now: Timestamp,
) -> Result<Task, StoreError> {
    let task = find_task(&mut group.connection, id).await?.ok_or(StoreError::NotFound(Missing::Task))?;
    let mut changed = task.clone().patched(patch)?;
    if changed != task {
        changed.updated_at = now;
        put_and_log(group, &changed, now).await?;
        if let Some(sanitized) = sanitized {
            rich_texts::put(&mut group.connection, id, sanitized.as_ref()).await?;
        }
    }
    Ok(changed)
}

async fn delete(group: &mut Group, id: TaskId, now: Timestamp) -> Result<(), StoreError> {
    let task = rows::id(&id.0);
    let runs = sqlx::query("select id, status from runs where task = ?1 order by created_at").bind(task);
    for row in runs.fetch_all(&mut group.connection).await? {
        let run = RunId(rows::uuid(row.try_get(0)?)?);
        if !rows::status(row.try_get(1)?)?.is_final() {
            return Err(Conflict::TaskBusy { run }.into());
        }
        group.live.remove(&run);
        group.gone.push(run);
    }
    for sql in [
        "delete from events where run in (select number from runs where task = ?1)",
        "delete from events where task = ?1",
        "delete from runs where task = ?1",
    ] {
        sqlx::query(sql).bind(task).execute(&mut group.connection).await?;
    }
    let deleted = sqlx::query("delete from tasks where id = ?1").bind(task).execute(&mut group.connection).await?;
    if deleted.rows_affected() == 0 {
        return Err(StoreError::NotFound(Missing::Task));
    }
    group.answered = true;
    let event = TaskEvent::Deleted { id, deleted: true };
    group.log(EventKind::Task, Subject { task: Some(task), run: None }, now, &event).await?;
    Ok(())
}

/// What a filter asks of a row of `tasks t`; its values are ?1 to ?5.
macro_rules! filter_sql {
    () => {
        "(?1 = '' or t.status = ?1) and (?2 = '' or t.kind = ?2) and (?3 = '' or t.scope = ?3) \
         and (?4 = '' or exists (select 1 from task_tags g where g.tag = ?4 and g.task = t.id)) \
         and not exists (select 1 from json_each(?5) w where instr(t.search, w.value) = 0)"
    };
}

type Query<'q> = sqlx::query::Query<'q, sqlx::Sqlite, sqlx::sqlite::SqliteArguments>;

fn bind_filter<'q>(query: Query<'q>, filter: &TaskFilter) -> Query<'q> {
    let words: Vec<String> = filter.text.split_whitespace().map(str::to_lowercase).collect();
    let words = serde_json::Value::from(words).to_string();
    query.bind(filter.status.clone()).bind(filter.kind.clone()).bind(filter.scope.clone()).bind(filter.tag.clone()).bind(words)
}

pub(super) async fn find_tasks(connection: &mut SqliteConnection, filter: &TaskFilter, limit: usize) -> Result<Vec<Task>, StoreError> {
    let sql = concat!("select t.body from tasks t where ", filter_sql!(), " order by t.updated_at desc, t.id desc limit ?6");
    let query = bind_filter(sqlx::query(sql), filter).bind(i64::try_from(limit).unwrap_or(i64::MAX));
    query.fetch_all(connection).await?.iter().map(|row| rows::task(row.try_get(0)?)).collect()
}

pub(super) async fn count_tasks(connection: &mut SqliteConnection, filter: &TaskFilter) -> Result<u64, StoreError> {
    let sql = concat!("select count(*) from tasks t where ", filter_sql!());
    let row = bind_filter(sqlx::query(sql), filter).fetch_one(connection).await?;
    Ok(rows::unsigned(row.try_get(0)?))
}
