//! The API for programs, under `/api/v1`: one file per resource. What it takes and gives is JSON, and each error is a problem.

pub mod answers;
mod extract;
pub mod held_runs;
pub mod openapi;
pub mod output;
pub mod runs;
pub mod tasks;

pub use extract::{Id, Json, Query, is_json};

use super::{problem::Problem, state::AppState, streams};
use crate::backend::{
    runner::RunnerError,
    store::{Conflict, StoreError},
};
use axum::{
    Router,
    http::StatusCode,
    routing::{get, post},
};
use serde_json::json;

/// Where the API begins.
pub const PREFIX: &str = "/api/v1";

/// Its routes, below [`PREFIX`].
pub fn routes() -> Router<AppState> {
    Router::new()
        .route("/runs", post(runs::create))
        .route("/runs/{id}", get(runs::read))
        .route("/runs/{id}/output", get(output::read))
        .route("/runs/{id}/cancellation", post(runs::cancel))
        .route("/runs/{id}/input", post(runs::type_in))
        .route("/runs/{id}/size", post(runs::resize))
        .route("/runs/{id}/events", get(streams::of_run))
        .route("/held-runs", get(held_runs::read))
        .route("/held-runs/release", post(held_runs::release))
        .route("/held-runs/drop", post(held_runs::cancel))
        .route("/events", get(streams::of_board))
        .route("/tasks", get(tasks::list).post(tasks::create))
        .route("/tasks/{id}", get(tasks::read).patch(tasks::change).delete(tasks::delete))
        .route("/tasks/{id}/answer", get(answers::read).post(answers::create))
        .route("/openapi.json", get(openapi::read))
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::NotFound(_) => Problem::new(StatusCode::NOT_FOUND, error.to_string()),
            StoreError::Invalid(invalid) => Problem::unprocessable(error.to_string()).with("field", invalid.field),
            StoreError::Conflict(conflict) => {
                let problem = Problem::conflict(conflict.to_string());
                match conflict {
                    Conflict::Answered(answer) => problem.with("answer", json!(answer)),
                    Conflict::RequestId { run } | Conflict::TaskBusy { run } => problem.with("run", run.to_string()),
                    _ => problem,
                }
            }
            StoreError::Full => {
                tracing::error!(%error, "a request failed");
                Problem::new(StatusCode::INSUFFICIENT_STORAGE, error.to_string())
            }
            StoreError::Gone | StoreError::Damaged => {
                tracing::error!(%error, "a request failed");
                Problem::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
            }
            StoreError::Closed => Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the server is stopping; come back in a moment"),
            _ => Problem::internal(&error),
        }
    }
}

impl From<RunnerError> for Problem {
    fn from(error: RunnerError) -> Self {
        match error {
            RunnerError::Store(error) => error.into(),
            RunnerError::Invalid(invalid) => StoreError::Invalid(invalid).into(),
            RunnerError::AlreadyEnded | RunnerError::NotStarted | RunnerError::NoTerminal(_) => Problem::conflict(error.to_string()),
            RunnerError::Unwritable(_) => {
                tracing::error!(%error, "a request failed");
                Problem::new(StatusCode::INSUFFICIENT_STORAGE, error.to_string())
            }
            RunnerError::NoRoom(shortage) if !shortage.is_of_room() => Problem::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
            RunnerError::NoRoom(_) => Problem::new(StatusCode::INSUFFICIENT_STORAGE, error.to_string()),
            RunnerError::NotFound => Problem::new(StatusCode::NOT_FOUND, error.to_string()),
        }
    }
}
