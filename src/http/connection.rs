//! Connections, held to their limits: how many there are, and for each one how much of a request's head it may send, and
//! how long it may take for that and for reading a response. It knows nothing of routes. That somebody was let in is said
//! by `guard.rs`, and makes the connection one of the last that are closed for want of room.

mod stream;
mod table;

pub use table::{Connection, Connections};

use super::standing::EndsByItself;
use axum::{Router, body::Body};
use bytes::Bytes;
use futures::future::BoxFuture;
use http_body::{Frame, SizeHint};
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::Service};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use std::{
    convert::Infallible,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};
use stream::LimitedStream;
use table::Busy;
use tokio::net::TcpStream;
use tower::ServiceExt;

/// What is answered where there is no room for a connection, before anything of its request is read.
const NO_ROOM: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 5\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// Serves one connection in a task of its own, until it ends, its place is needed, or `shutdown` has let it finish.
pub fn serve(connections: &Connections, router: &Router, shutdown: &GracefulShutdown, stream: TcpStream, peer: SocketAddr) {
    let Some(open) = connections.open() else {
        tracing::warn!("as many connections are open as the server takes");
        refuse(stream);
        return;
    };
    // An event is a small write that must not wait for the next one.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%peer, %error, "no TCP_NODELAY");
    }
    let limits = connections.limits();
    let mut http = http1::Builder::new();
    // The stream keeps the time: it tells a head that does not end from a connection that is kept for the next one. With a
    // time of its own, which it never reaches, hyper asks the stream for the next head as soon as a response is complete.
    http.timer(TokioTimer::new()).header_read_timeout(2 * (limits.idle_time + limits.head_time));
    http.max_buf_size(limits.large_head);
    let connection = open.connection().clone();
    let io = TokioIo::new(LimitedStream::new(stream, connection.clone()));
    let served = http.serve_connection(io, Routes { router: router.clone(), connection: connection.clone() });
    let served = shutdown.watch(served);
    tokio::spawn(async move {
        let _open = open;
        tokio::select! {
            result = served => if let Err(error) = result {
                tracing::debug!(%peer, %error, "a connection broke off");
            },
            () = connection.displaced() => tracing::debug!(%peer, "a connection made room for another one"),
        }
    });
}

/// Nothing is waited for: what the client's system does not take at once is not sent.
fn refuse(stream: TcpStream) {
    use std::io::Write;
    if let Ok(mut stream) = stream.into_std() {
        let _ = stream.write(NO_ROOM);
    }
}

/// The routes, as the requests of one connection reach them; each one has its [`Connection`] as an extension.
struct Routes {
    router: Router,
    connection: Arc<Connection>,
}

impl Service<Request<Incoming>> for Routes {
    type Response = Response<ResponseBody>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let connection = self.connection.clone();
        let busy = Busy::begin(&connection);
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(connection.clone());
        let answer = self.router.clone().oneshot(request);
        Box::pin(async move {
            let response = answer.await?;
            connection.head_is_answered(response.extensions().get::<EndsByItself>().is_some());
            Ok(response.map(|body| ResponseBody { body, _busy: busy }))
        })
    }
}

/// A response's body, which says by its end that the connection waits for the next request.
struct ResponseBody {
    body: Body,
    _busy: Busy,
}

impl http_body::Body for ResponseBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.get_mut().body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
