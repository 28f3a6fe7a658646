//! Runs: submitted, cancelled, started again.

use super::{codec::Answer, error::ApiError, form_token::FormClient};
use crate::domain::members::{Members, Read, Unreadable};
use leptos::prelude::*;
use serde::Serialize;
use serde_json::Value;

/// What was typed into the prompt form and could not be taken, for the page that is shown next.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PromptDraft {
    /// The prompt.
    pub prompt: String,
    /// The runner's name.
    pub runner: String,
    /// The scope.
    pub scope: String,
    /// The tags, as typed.
    pub tags: String,
}

impl Read for PromptDraft {
    fn read(value: Value) -> Result<Self, Unreadable> {
        let mut members = Members::of(value)?;
        Ok(PromptDraft {
            prompt: members.take("prompt")?,
            runner: members.take("runner")?,
            scope: members.take("scope")?,
            tags: members.take("tags")?,
        })
    }
}

/// Submits a prompt: it opens a task and starts a run, and the browser goes to the task's page. The same `request_id` with the same
/// prompt is the same run, however often it arrives; with another prompt, typed after going back to the form, it is a new one.
#[server(prefix = "/actions", endpoint = "submit-prompt", output = Answer, client = FormClient)]
pub async fn submit_prompt(
    /// What is to be run.
    prompt: String,
    /// By which runner; empty for the default.
    #[server(default)]
    runner: String,
    /// Which project or place it belongs to; empty for none.
    #[server(default)]
    scope: String,
    /// Words to find it by, separated by commas or blanks.
    #[server(default)]
    tags: String,
    /// What makes a repeated submission the same one.
    #[server(default)]
    request_id: String,
) -> Result<(), ApiError> {
    use crate::{
        api_context::{backend, refused},
        backend::{
            runner::RunnerError,
            store::{Conflict, NewRun, StoreError},
        },
        domain::{limits, visible_text::is_blank},
    };

    let backend = backend()?;
    // Browsers post line breaks as CR LF; a shell takes the CR for a part of the command.
    let draft = PromptDraft { prompt: prompt.replace("\r\n", "\n"), runner, scope, tags };
    let new = NewRun {
        runner: if draft.runner.is_empty() { backend.runners.names().into_iter().next().unwrap_or_default() } else { draft.runner.clone() },
        request_id: Some(request_id).filter(|id| !is_blank(id)),
        scope: Some(draft.scope.trim().to_owned()).filter(|scope| !scope.is_empty()),
        tags: draft.tags.split([',', ' ', ';']).map(str::trim).filter(|tag| !tag.is_empty()).map(str::to_owned).collect(),
        prompt: draft.prompt.clone(),
        ..NewRun::default()
    };
    let submission = async {
        limits::prompt(&new.prompt)?;
        match backend.runners.submit(new.clone()).await {
            Err(RunnerError::Store(StoreError::Conflict(Conflict::RequestId { .. }))) => {
                Ok(backend.runners.submit(NewRun { request_id: None, ..new }).await?)
            }
            answer => Ok(answer?),
        }
    };
    match submission.await {
        Ok(submitted) => {
            leptos_axum::redirect(&format!("/tasks/{}", submitted.task.id));
            Ok(())
        }
        Err(error) => Err(refused(error, "/", Some(draft))),
    }
}

/// Runs the prompt of an ended run once more, for the same task. However often it arrives, a run is followed by one such run.
#[server(prefix = "/actions", endpoint = "run-again", output = Answer, client = FormClient)]
pub async fn run_again(
    /// The run that has ended.
    run_id: String,
) -> Result<(), ApiError> {
    use crate::{
        api_context::{backend, refused},
        backend::store::NewRun,
        domain::{id::RunId, run::Run},
    };

    let backend = backend()?;
    let run_id: RunId = run_id.parse().map_err(|_| refused(ApiError::NoSuchRun, "/", None))?;
    let run = match backend.store.run(run_id).await {
        Ok(Some(run)) => run,
        Ok(None) => return Err(refused(ApiError::NoSuchRun, "/", None)),
        Err(error) => return Err(refused(error.into(), "/", None)),
    };
    let page = format!("/tasks/{}", run.task_id);
    if !run.status.is_final() {
        return Err(refused(ApiError::NotEnded, &page, None));
    }
    let again = NewRun {
        prompt: run.prompt,
        runner: run.runner,
        request_id: Some(format!("{}{run_id}", Run::AGAIN)),
        task_id: Some(run.task_id),
        ..NewRun::default()
    };
    match backend.runners.submit(again).await {
        Ok(_) => {
            leptos_axum::redirect(&page);
            Ok(())
        }
        Err(error) => Err(refused(error.into(), &page, None)),
    }
}

/// Asks for a run to be ended; asked again, for the next step towards it at once.
#[server(prefix = "/actions", endpoint = "cancel-run", output = Answer, client = FormClient)]
pub async fn cancel_run(
    /// Which run.
    run_id: String,
) -> Result<(), ApiError> {
    use crate::{
        api_context::{backend, caller, refused, task_page},
        domain::id::RunId,
    };

    let (backend, by) = (backend()?, caller().await?);
    let run_id: RunId = run_id.parse().map_err(|_| refused(ApiError::NoSuchRun, "/", None))?;
    let page = task_page(&backend, run_id).await;
    backend.runners.cancel(run_id, &by).await.map_err(|error| refused(error.into(), &page, None))
}

/// Says what becomes of the runs that came with a backup or a copy. The page that asked is shown anew.
#[server(prefix = "/actions", endpoint = "decide-held-runs", output = Answer, client = FormClient)]
pub async fn decide_held_runs(
    /// `run` or `drop`.
    decision: String,
) -> Result<(), ApiError> {
    use crate::api_context::{backend, caller, refused};

    let (backend, by) = (backend()?, caller().await?);
    let decided = match decision.as_str() {
        "run" => backend.runners.release_held().await,
        "drop" => backend.runners.drop_held(&by).await,
        _ => return Err(refused(ApiError::OtherBuild, "/", None)),
    };
    decided.map(drop).map_err(|error| refused(error.into(), "/", None))
}

/// Types a line into a run's terminal, with the Enter key at its end. The same `request_id` again is not typed again.
#[server(prefix = "/actions", endpoint = "type-in", output = Answer, client = FormClient)]
pub async fn type_in(
    /// Which run.
    run_id: String,
    /// The line; empty for the Enter key alone.
    #[server(default)]
    line: String,
    /// What makes it the same line when it arrives again.
    request_id: String,
) -> Result<(), ApiError> {
    use crate::{
        api_context::{backend, refused, task_page},
        domain::id::RunId,
    };

    let backend = backend()?;
    let run_id: RunId = run_id.parse().map_err(|_| refused(ApiError::NoSuchRun, "/", None))?;
    let page = task_page(&backend, run_id).await;
    let typed = backend.runners.type_in(run_id, request_id, format!("{line}\r")).await;
    typed.map_err(|error| refused(error.into(), &page, None))
}
