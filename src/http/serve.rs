//! Accepts connections, and ends them in time when the server stops.

use super::{connection, router::router, state::AppState};
use hyper_util::server::graceful::GracefulShutdown;
use std::{io, time::Duration};
use tokio::net::TcpListener;

/// How long requests that are under way may take once the server is to stop. Streams end at once, and the whole process within a second.
const GRACE: Duration = Duration::from_millis(700);
/// How long to wait where the system gives no more connections.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until the state's shutdown token is cancelled; returns when the last connection has ended, at most 0.7 seconds later.
pub async fn serve(listener: TcpListener, state: AppState) {
    let shutdown = state.shutdown.clone();
    let connections = state.connections.clone();
    let router = router(state);
    let graceful = GracefulShutdown::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => connection::serve(&connections, &router, &graceful, stream, peer),
                Err(error) => pause(&error).await,
            },
            () = shutdown.cancelled() => break,
        }
    }
    drop(listener);
    if tokio::time::timeout(GRACE, graceful.shutdown()).await.is_err() {
        tracing::debug!("connections were cut off");
    }
}

/// A connection that went away before it was accepted is its own affair; a system that has no more to give needs a moment.
async fn pause(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    if !matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
        tracing::error!(%error, "cannot accept connections");
        tokio::time::sleep(ACCEPT_PAUSE).await;
    }
}
