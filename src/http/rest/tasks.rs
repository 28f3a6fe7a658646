//! Tasks: posted, listed, read, changed, deleted.

use super::{Id, Json, Query};
use crate::{
    domain::{
        cursor::Cursor,
        filter::TaskFilter,
        id::TaskId,
        task::{NewTask, Task, TaskPatch},
    },
    http::{problem::Problem, state::AppState},
};
use axum::{
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;

/// Some tasks.
#[derive(Clone, Debug, Serialize)]
pub struct TaskList {
    cursor: Cursor,
    total: u64,
    tasks: Vec<Task>,
}

/// `GET /tasks`: the tasks that the filter in the query lets through, newest change first, at most 200, without their output; how many there
/// are in all, and the cursor from which the stream goes on.
///
/// # Errors
/// Of the database only.
pub async fn list(State(state): State<AppState>, Query(filter): Query<TaskFilter>) -> Result<axum::Json<TaskList>, Problem> {
    let board = state.backend.store.board(&filter).await?;
    Ok(axum::Json(TaskList { cursor: board.cursor, total: board.total, tasks: board.tasks }))
}

/// `POST /tasks`: 201; 200 where the same task was posted with the same id before.
///
/// # Errors
/// 422 for values that cannot be taken, 409 where another task has the id.
pub async fn create(State(state): State<AppState>, Json(new): Json<NewTask>) -> Result<Response, Problem> {
    let made = state.backend.store.create_task(new).await?;
    let status = if made.created { StatusCode::CREATED } else { StatusCode::OK };
    let place = format!("{}/tasks/{}", super::PREFIX, made.task.id);
    Ok((status, [(header::LOCATION, place)], axum::Json(made.task)).into_response())
}

/// `GET /tasks/{id}`.
///
/// # Errors
/// 404.
pub async fn read(State(state): State<AppState>, Id(id): Id<TaskId>) -> Result<axum::Json<Task>, Problem> {
    let task = state.backend.store.task(id).await?;
    task.map(axum::Json).ok_or_else(|| Problem::not_found("such task"))
}

/// `PATCH /tasks/{id}`: members that are absent stay as they are (RFC 7396 for `context`).
///
/// # Errors
/// 404; 422 for values that cannot be taken.
pub async fn change(State(state): State<AppState>, Id(id): Id<TaskId>, Json(patch): Json<TaskPatch>) -> Result<axum::Json<Task>, Problem> {
    Ok(axum::Json(state.backend.store.patch_task(id, patch).await?))
}

/// `DELETE /tasks/{id}`: 204; its runs and their output are gone with it.
///
/// # Errors
/// 404; 409 while a run of it is not over.
pub async fn delete(State(state): State<AppState>, Id(id): Id<TaskId>) -> Result<StatusCode, Problem> {
    state.backend.store.delete_task(id).await?;
    Ok(StatusCode::NO_CONTENT)
}
