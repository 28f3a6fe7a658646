//! Connections: accepted, served over HTTP/1.1, and ended in time when the server stops.

use super::{router::router, state::AppState};
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use std::{io, net::SocketAddr, time::Duration};
use tokio::net::{TcpListener, TcpStream};

/// How long requests that are under way may take once the server is to stop. Streams end at once, and the whole process within a second.
const GRACE: Duration = Duration::from_millis(700);
/// How long a client may take to send its headers, and keep a connection without a request: longer than proxies keep theirs, so that
/// none of them sends a request into a connection that is being closed.
const HEADER_TIME: Duration = Duration::from_secs(75);
/// How large they may be: more than any browser sends, so that a cursor of nonsense is told that it is one.
const HEADER_BYTES: usize = 2 * 1024 * 1024;
/// How long to wait where the system gives no more connections.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until the state's shutdown token is cancelled; returns when the last connection has ended, at most 0.7 seconds later.
pub async fn serve(listener: TcpListener, state: AppState) {
    let shutdown = state.shutdown.clone();
    let router = router(state);
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEADER_TIME).max_buf_size(HEADER_BYTES);
    let connections = GracefulShutdown::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => accept(&http, &connections, &router, stream, peer),
                Err(error) => pause(&error).await,
            },
            () = shutdown.cancelled() => break,
        }
    }
    drop(listener);
    if tokio::time::timeout(GRACE, connections.shutdown()).await.is_err() {
        tracing::debug!("connections were cut off");
    }
}

fn accept(http: &http1::Builder, connections: &GracefulShutdown, router: &Router, stream: TcpStream, peer: SocketAddr) {
    // An event is a small write that must not wait for the next one.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%peer, %error, "no TCP_NODELAY");
    }
    let connection = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router.clone()));
    let connection = connections.watch(connection);
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%peer, %error, "a connection broke off");
        }
    });
}

/// A connection that went away before it was accepted is its own affair; a system that has no more to give needs a moment.
async fn pause(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    if !matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
        tracing::error!(%error, "cannot accept connections");
        tokio::time::sleep(ACCEPT_PAUSE).await;
    }
}
