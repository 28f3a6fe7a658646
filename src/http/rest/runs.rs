//! Runs: a prompt submitted, read, cancelled.

use super::{Id, Json};
use crate::{
    backend::{auth::Caller, runner::RunnerError, store::NewRun},
    domain::{
        id::{RunId, TaskId},
        limits,
        run::Run,
        task::Task,
    },
    http::{problem::Problem, state::AppState},
};
use axum::{
    Extension,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};

/// A prompt as a program submits it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Submission {
    prompt: String,
    #[serde(default)]
    runner: Option<String>,
    #[serde(default)]
    request_id: Option<String>,
    #[serde(default)]
    title: Option<String>,
    #[serde(default)]
    scope: Option<String>,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default)]
    task_id: Option<TaskId>,
    #[serde(default)]
    created_by: Option<String>,
}

/// What became of it.
#[derive(Clone, Debug, Serialize)]
struct Accepted {
    run: Run,
    task: Task,
}

/// `POST /runs`: 201 with the run and its task; 200 with the same where the `requestId` was submitted before.
///
/// # Errors
/// 422 for a prompt or a runner that cannot be taken, 409 where the `requestId` came with another prompt.
pub async fn create(State(state): State<AppState>, Json(submission): Json<Submission>) -> Result<Response, Problem> {
    let Submission { prompt, runner, request_id, title, scope, tags, task_id, created_by } = submission;
    let runners = &state.backend.runners;
    // The first one is the default.
    let runner = runner.filter(|name| !name.is_empty()).or_else(|| runners.names().into_iter().next()).unwrap_or_default();
    let new = NewRun { prompt, runner, request_id, title, scope, tags, task_id, created_by };
    let submitted = runners.submit(new).await.map_err(|error| match error {
        RunnerError::Invalid(invalid) if invalid.field == "runner" => {
            Problem::unprocessable(invalid.to_string()).with("field", "runner").with("runners", runners.names())
        }
        error => error.into(),
    })?;
    let status = if submitted.created { StatusCode::CREATED } else { StatusCode::OK };
    let place = format!("{}/runs/{}", super::PREFIX, submitted.run.id);
    let accepted = Accepted { run: submitted.run, task: submitted.task };
    Ok((status, [(header::LOCATION, place)], axum::Json(accepted)).into_response())
}

/// `GET /runs/{id}`.
///
/// # Errors
/// 404.
pub async fn read(State(state): State<AppState>, Id(id): Id<RunId>) -> Result<axum::Json<Run>, Problem> {
    let mut run = find(&state, id).await?;
    state.backend.runners.complete(&mut run);
    Ok(axum::Json(run))
}

/// `POST /runs/{id}/cancellation`: 202, the run will end soon; once more, sooner.
///
/// # Errors
/// 404; 409 where it has ended.
pub async fn cancel(State(state): State<AppState>, Extension(caller): Extension<Caller>, Id(id): Id<RunId>) -> Result<StatusCode, Problem> {
    // A database that cannot say who it is is no reason not to hear them.
    let by = state.auth.name_of(&caller).await.unwrap_or_else(|error| {
        tracing::warn!("who asks for the end of a run cannot be told: {error}");
        "somebody who was signed in".to_owned()
    });
    state.backend.runners.cancel(id, &by).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Something to be typed.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Input {
    text: String,
    #[serde(default)]
    request_id: Option<String>,
}

/// `POST /runs/{id}/input`: 202, it will be typed; the same `requestId` again is not typed again.
///
/// # Errors
/// 404; 409 where there is no terminal to type into, or not yet, or not any more; 422 for a text that is too long.
pub async fn type_in(State(state): State<AppState>, Id(id): Id<RunId>, Json(input): Json<Input>) -> Result<StatusCode, Problem> {
    let request_id = match input.request_id {
        Some(request_id) => {
            limits::request_id(&request_id).map_err(RunnerError::Invalid)?;
            request_id
        }
        None => uuid::Uuid::now_v7().to_string(),
    };
    state.backend.runners.type_in(id, request_id, input.text).await?;
    Ok(StatusCode::ACCEPTED)
}

/// A console's size in cells.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Size {
    columns: u16,
    rows: u16,
}

/// `POST /runs/{id}/size`: 202, the terminal will have that size if it is there.
///
/// # Errors
/// 404; 409 for a runner without terminals; 422 for what is no size.
pub async fn resize(State(state): State<AppState>, Id(id): Id<RunId>, Json(size): Json<Size>) -> Result<StatusCode, Problem> {
    state.backend.runners.resize(id, size.columns, size.rows).await?;
    Ok(StatusCode::ACCEPTED)
}

/// The run.
///
/// # Errors
/// 404.
pub async fn find(state: &AppState, id: RunId) -> Result<Run, Problem> {
    state.backend.store.run(id).await?.ok_or_else(|| Problem::not_found("such run"))
}
