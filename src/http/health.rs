//! For whatever watches over the process: does it live, and should it be sent more work.

use super::state::AppState;
use crate::backend::space::Shortage;
use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};

/// Always 200 as long as the process answers at all.
pub async fn live() -> &'static str {
    "alive\n"
}

/// 503 while the server is about to stop, and where nothing that is accepted could be kept: the data folder is gone, or damaged.
pub async fn ready(State(state): State<AppState>) -> Response {
    if state.shutdown.is_cancelled() {
        return (StatusCode::SERVICE_UNAVAILABLE, "draining\n").into_response();
    }
    let runners = &state.backend.runners;
    let known = *runners.shortage().borrow();
    let gone = (!runners.is_in_place()).then_some(Shortage::Gone);
    match known.into_iter().chain(gone).find(|shortage| !shortage.is_of_room()) {
        Some(shortage) => (StatusCode::SERVICE_UNAVAILABLE, format!("{}\n", shortage.notice())).into_response(),
        None => "ready\n".into_response(),
    }
}
