//! For whatever watches over the process: does it live, and should it be sent more work.

use super::state::AppState;
use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};

/// Always 200 as long as the process answers at all.
pub async fn live() -> &'static str {
    "alive\n"
}

/// 503 while the server is about to stop.
pub async fn ready(State(state): State<AppState>) -> Response {
    if state.shutdown.is_cancelled() {
        return (StatusCode::SERVICE_UNAVAILABLE, "draining\n").into_response();
    }
    "ready\n".into_response()
}
