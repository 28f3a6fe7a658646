//! Tasks: answered.

use super::{codec::Answer, error::ApiError, form_token::FormClient};
use leptos::prelude::*;

/// Answers a task. The first answer stands for ever; the same one again changes nothing.
#[server(prefix = "/actions", endpoint = "answer-task", output = Answer, client = FormClient)]
pub async fn answer_task(
    /// Which task.
    task_id: String,
    /// The value of a choice, or free text.
    #[server(default)]
    value: String,
    /// What the person adds.
    #[server(default)]
    comment: String,
) -> Result<(), ApiError> {
    use crate::{
        api_context::{backend, refused},
        domain::id::TaskId,
    };

    let backend = backend()?;
    let task_id: TaskId = task_id.parse().map_err(|_| refused(ApiError::NoSuchTask, "/", None))?;
    let comment = Some(comment.trim().to_owned()).filter(|comment| !comment.is_empty());
    match backend.store.answer_task(task_id, value, comment).await {
        Ok(_) => Ok(()),
        Err(error) => Err(refused(error.into(), &format!("/tasks/{task_id}"), None)),
    }
}
