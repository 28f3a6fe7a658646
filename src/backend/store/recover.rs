//! Runs that the database has lost while their folders are there: each gets a row again, and where
//! its task is gone a task that says so.

use super::{
    Store,
    error::{Missing, StoreError},
    rows::{find_run, find_task},
    runs::{insert_run, run_started, title_of},
    tasks::put_and_log,
    writer::Group,
};
use crate::domain::{
    id::{RunId, TaskId},
    run::Run,
    task::{Task, TaskContext},
    timestamp::Timestamp,
};

/// What is known of a run that the database does not know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundRun {
    /// Its id.
    pub id: RunId,
    /// The task that it works for; made anew where it is gone.
    pub task: TaskId,
    /// The name of its runner.
    pub runner: String,
    /// What was asked for.
    pub prompt: String,
    /// What made a repeated submission the same one, where that is known.
    pub request_id: Option<String>,
    /// When it was accepted, where that is known.
    pub accepted_at: Option<Timestamp>,
    /// When its program was started; none where it has not been, as far as is known.
    pub started_at: Option<Timestamp>,
}

impl Store {
    /// Takes in a run that has a folder and no row. Of its output nothing is there yet: it is
    /// appended from the beginning. Said again, the run is given as it is.
    ///
    /// # Errors
    /// [`StoreError::Full`]; the database failed.
    pub async fn recover_run(&self, found: FoundRun) -> Result<Run, StoreError> {
        let now = self.0.clock.now();
        self.0.writer.write(move |group| Box::pin(recover(group, found, now))).await
    }
}

async fn recover(group: &mut Group, found: FoundRun, now: Timestamp) -> Result<Run, StoreError> {
    if let Some((_, run)) = find_run(&mut group.connection, found.id).await? {
        return Ok(run);
    }
    if find_task(&mut group.connection, found.task).await?.is_none() {
        put_and_log(group, &task(&found, now), now).await?;
    }
    group.live.remove(&found.id);
    let (id, started_at) = (found.id, found.started_at);
    // Its request id may be another run's by now.
    let known = sqlx::query("select 1 from runs where request_id = ?1").bind(&found.request_id);
    let is_taken = known.fetch_optional(&mut group.connection).await?.is_some();
    let request_id = found.request_id.filter(|_| !is_taken).unwrap_or_else(|| format!("found-{id}"));
    let run = Run::accepted(id, found.task, request_id, found.runner, found.prompt, found.accepted_at.unwrap_or(now));
    insert_run(group, run, now).await?;
    if let Some(at) = started_at {
        return run_started(group, id, at).await;
    }
    find_run(&mut group.connection, id).await?.map(|(_, run)| run).ok_or(StoreError::NotFound(Missing::Run))
}

fn task(found: &FoundRun, now: Timestamp) -> Task {
    Task {
        id: found.task,
        kind: "general".into(),
        status: "pending".into(),
        title: format!("Found again: {}", title_of(&found.prompt)),
        description: "The database did not know this run, and its program was there. As a deletion by hand or an older database may be \
                      the reason, it was taken in again with all that it has written."
            .into(),
        context: TaskContext { requested_at: found.accepted_at, prompt: Some(found.prompt.clone()), ..TaskContext::default() },
        scope: None,
        tags: Vec::new(),
        created_by: None,
        target_user: None,
        created_at: now,
        updated_at: now,
        answer: None,
        extra: serde_json::Map::new(),
    }
}
