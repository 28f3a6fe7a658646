//! The one answer of a task: given, and waited for.

use super::{Id, Json, Query};
use crate::{
    domain::{id::TaskId, task::Answer},
    http::{problem::Problem, state::AppState},
};
use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use std::time::Duration;

/// The longest wait for an answer, in seconds: as long as common proxies bear silence.
const MAX_WAIT: u64 = 60;

/// What is answered.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewAnswer {
    value: String,
    #[serde(default)]
    comment: Option<String>,
}

/// How long to wait.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Wait {
    wait: Option<String>,
}

/// `POST /tasks/{id}/answer`: 201 for the first answer, 200 for the same again.
///
/// # Errors
/// 404; 409 with the answer that stands, where it is another; 422 for a value that cannot be taken.
pub async fn create(State(state): State<AppState>, Id(id): Id<TaskId>, Json(new): Json<NewAnswer>) -> Result<Response, Problem> {
    let answered = state.backend.store.answer_task(id, new.value, new.comment).await?;
    let status = if answered.first { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, axum::Json(answered.answer)).into_response())
}

/// `GET /tasks/{id}/answer?wait=30`: 200 with the answer, 204 where there is none within that many seconds, at most 60.
///
/// # Errors
/// 404; 422 for a wait that is no number of seconds in that range.
pub async fn read(State(state): State<AppState>, Id(id): Id<TaskId>, Query(Wait { wait }): Query<Wait>) -> Result<Response, Problem> {
    let seconds = match wait.as_deref().unwrap_or("0").parse::<u64>() {
        Ok(seconds @ 0..=MAX_WAIT) => seconds,
        _ => return Err(Problem::unprocessable(format!("wait is a whole number of seconds, at most {MAX_WAIT}"))),
    };
    let answer: Option<Answer> = tokio::select! {
        answer = state.backend.store.wait_for_answer(id, Duration::from_secs(seconds)) => answer?,
        () = state.shutdown.cancelled() => {
            return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the server is stopping; come back in a moment"));
        }
    };
    Ok(answer.map_or_else(|| StatusCode::NO_CONTENT.into_response(), |answer| axum::Json(answer).into_response()))
}
