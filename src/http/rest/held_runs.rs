//! Runs that came with a backup or a copy of the data folder: counted, let run, dropped.

use crate::{
    backend::auth::Caller,
    domain::held::HeldRuns,
    http::{problem::Problem, state::AppState},
};
use axum::{Extension, Json, extract::State};
use serde::Serialize;

/// How many runs were changed.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Decided {
    count: u64,
}

/// `GET /held-runs`: how many are held, and what they came with.
///
/// # Errors
/// The database failed.
pub async fn read(State(state): State<AppState>) -> Result<Json<HeldRuns>, Problem> {
    Ok(Json(state.backend.store.held_runs().await?))
}

/// `POST /held-runs/release`: they wait for their turn from now on, in the order in which they were
/// accepted.
///
/// # Errors
/// 503 and 507 where nothing is started.
pub async fn release(State(state): State<AppState>) -> Result<Json<Decided>, Problem> {
    Ok(Json(Decided { count: state.backend.runners.release_held().await? }))
}

/// `POST /held-runs/drop`: they are cancelled.
///
/// # Errors
/// The database failed.
pub async fn cancel(State(state): State<AppState>, Extension(caller): Extension<Caller>) -> Result<Json<Decided>, Problem> {
    let by = state.auth.name_of(&caller).await.map_err(|error| Problem::internal(&error))?;
    Ok(Json(Decided { count: state.backend.runners.drop_held(&by).await? }))
}
