//! Rich output in the form that pages show: sanitised when it is posted, and stored beside what was posted. What has none yet, or
//! one of an older sanitiser, gets it when it is first shown.

use super::{Store, error::StoreError, rows};
use crate::{
    backend::rich_text::{Sanitized, VERSION},
    domain::{id::TaskId, task::Task},
};
use sqlx::{Row, SqliteConnection};

impl Store {
    /// What a page contains for the output of a task, of which that is stored.
    pub(super) async fn output_html(&self, task: &Task, stored: Option<Sanitized>) -> Option<String> {
        let output = task.context.output.as_deref()?;
        let sanitized = match stored {
            Some(sanitized) => sanitized,
            None => self.sanitize_stored(task.id, output).await,
        };
        Some(sanitized.to_html(output))
    }

    async fn sanitize_stored(&self, id: TaskId, output: &str) -> Sanitized {
        let sanitized = self.0.sanitizers.sanitize(output.to_owned()).await;
        let (made, of) = (sanitized.clone(), output.to_owned());
        let stored = self.0.writer.write(move |group| Box::pin(async move { put_if_of(&mut group.connection, id, &made, &of).await }));
        if let Err(error) = stored.await {
            // Shown it is all the same, and stored the next time.
            tracing::debug!(%error, "sanitised output could not be stored");
        }
        sanitized
    }
}

/// The stored form of a task's output; none where there is none of this sanitiser.
pub(super) async fn find(connection: &mut SqliteConnection, id: TaskId) -> Result<Option<Sanitized>, StoreError> {
    let sql = "select rich, rich_refusal from tasks where id = ?1 and rich_version = ?2";
    let Some(row) = sqlx::query(sql).bind(rows::id(&id.0)).bind(VERSION).fetch_optional(connection).await? else { return Ok(None) };
    let (html, refusal): (Option<String>, Option<String>) = (row.try_get(0)?, row.try_get(1)?);
    Ok(html.map(Sanitized::Html).or(refusal.map(Sanitized::Refused)))
}

/// Stores the form of the output that a task now has; none where it has no output.
pub(super) async fn put(connection: &mut SqliteConnection, id: TaskId, sanitized: Option<&Sanitized>) -> Result<(), StoreError> {
    let (html, refusal) = columns(sanitized);
    sqlx::query("update tasks set rich = ?2, rich_refusal = ?3, rich_version = ?4 where id = ?1")
        .bind(rows::id(&id.0))
        .bind(html)
        .bind(refusal)
        .bind(sanitized.map(|_| VERSION))
        .execute(connection)
        .await?;
    Ok(())
}

/// The same where the output is still the one that was sanitised.
async fn put_if_of(connection: &mut SqliteConnection, id: TaskId, sanitized: &Sanitized, output: &str) -> Result<(), StoreError> {
    let (html, refusal) = columns(Some(sanitized));
    sqlx::query("update tasks set rich = ?2, rich_refusal = ?3, rich_version = ?4 where id = ?1 and output = ?5")
        .bind(rows::id(&id.0))
        .bind(html)
        .bind(refusal)
        .bind(VERSION)
        .bind(output)
        .execute(connection)
        .await?;
    Ok(())
}

fn columns(sanitized: Option<&Sanitized>) -> (Option<&str>, Option<&str>) {
    match sanitized {
        Some(Sanitized::Html(html)) => (Some(html), None),
        Some(Sanitized::Refused(why)) => (None, Some(why)),
        None => (None, None),
    }
}
