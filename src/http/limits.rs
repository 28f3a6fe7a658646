//! What one client may take of the server: how large its requests are, how long they last, and how
//! many connections there are. The numbers stand here, and the layer that holds bodies to them;
//! `connection.rs` holds heads, responses and connections to them. Who the client is matters to
//! neither, except that a connection on which somebody was let in is closed last.

use super::problem::Problem;
use axum::{
    body::Body,
    extract::{Request, State},
    http::{StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use bytes::{Bytes, BytesMut};
use http_body::Body as _;
use http_body_util::BodyExt;
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, timeout_at};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// The limits of a server. Sizes are in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many connections are open at once.
    pub connections: usize,
    /// Of these, how many on which nobody was let in yet. One more closes another one: the oldest
    /// that waits for a request, or where none does, the oldest.
    pub strangers: usize,
    /// How large a head (request line and fields) may be on any connection.
    pub head: usize,
    /// How large it may be where one of the places for larger ones is free; at least 8 KiB.
    pub large_head: usize,
    /// How many of these places there are.
    pub large_heads: usize,
    /// How long a head may take from its first byte, and the first one from the connection's
    /// beginning.
    pub head_time: Duration,
    /// How long a connection is kept between two requests: longer than proxies keep theirs, so that
    /// none of them sends a request into a connection that is being closed.
    pub idle_time: Duration,
    /// The largest body of a request that was let in.
    pub body: usize,
    /// The largest body of a request to a route that is open to everybody.
    pub open_body: usize,
    /// How long a body may bring nothing.
    pub body_pause: Duration,
    /// How long a body may take in all, besides a second for each [`Limits::body_rate`] bytes.
    pub body_time: Duration,
    /// How many bytes of a body are worth a second; at least 1.
    pub body_rate: u32,
    /// How long a client may take nothing of a response.
    pub write_pause: Duration,
    /// The same of an event stream: as long as a stream lasts at the most.
    pub stream_write_pause: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            connections: 16_384,
            strangers: 4_096,
            head: 16 * KIB,
            large_head: 2 * MIB,
            large_heads: 4,
            head_time: Duration::from_secs(20),
            idle_time: Duration::from_secs(75),
            body: MIB,
            open_body: 16 * KIB,
            body_pause: Duration::from_secs(15),
            body_time: Duration::from_secs(30),
            body_rate: 2 * 1024,
            write_pause: Duration::from_secs(120),
            stream_write_pause: Duration::from_secs(900),
        }
    }
}

impl Limits {
    /// As many connections as `open_files` leave, with an eighth of them, and 64 at the least, kept
    /// for the database and for what is run; half of the connections for strangers, since whoever comes back after a
    /// restart is one for a moment.
    #[must_use]
    pub fn within_open_files(self, open_files: usize) -> Self {
        let kept = (open_files / 8).max(64);
        let connections = self.connections.min(open_files.saturating_sub(kept)).max(16);
        Limits { connections, strangers: self.strangers.min(connections / 2), ..self }
    }
}

/// How large the bodies of some routes may be, and how long they may take.
#[derive(Clone, Debug)]
pub struct BodyLimit {
    limits: Arc<Limits>,
    most: usize,
}

impl BodyLimit {
    /// For the routes that are open to everybody.
    #[must_use]
    pub fn for_strangers(limits: &Arc<Limits>) -> Self {
        BodyLimit { limits: limits.clone(), most: limits.open_body }
    }

    /// For the routes behind the sign-in.
    #[must_use]
    pub fn for_callers(limits: &Arc<Limits>) -> Self {
        BodyLimit { limits: limits.clone(), most: limits.body }
    }

    fn too_large(&self) -> Problem {
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, format!("a body may have at most {} bytes here", self.most))
    }

    /// When a body that began at `begin` must be complete, as far as it has come, and when the next
    /// part of it must be there. What is over the limit earns no time.
    fn deadline(&self, begin: Instant, received: usize) -> Instant {
        let earned = Duration::from_millis(received.min(self.most) as u64 * 1000 / u64::from(self.limits.body_rate.max(1)));
        (begin + self.limits.body_time + earned).min(Instant::now() + self.limits.body_pause)
    }
}

/// Reads each body before its handler runs, so that all of them refuse in the same words what is
/// too large (413) or too slow (408).
pub async fn limit_body(State(limit): State<BodyLimit>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    if body.is_end_stream() {
        return next.run(Request::from_parts(parts, body)).await;
    }
    let least = body.size_hint().lower();
    // Who asks before sending, or says that it is more than would be thrown away, is told at once.
    if least > limit.most as u64 && (parts.headers.contains_key(header::EXPECT) || least > DISCARDED as u64) {
        return limit.too_large().into_response();
    }
    match read(body, &limit).await {
        Ok(body) => next.run(Request::from_parts(parts, Body::from(body))).await,
        Err(problem) => problem.into_response(),
    }
}

/// Of a body that is too large as much is thrown away, so that a client which first sends
/// everything gets to read the answer.
const DISCARDED: usize = 16 * MIB;

async fn read(mut body: Body, limit: &BodyLimit) -> Result<Bytes, Problem> {
    let begin = Instant::now();
    let mut read = BytesMut::new();
    let mut length = 0;
    loop {
        let Ok(frame) = timeout_at(limit.deadline(begin, length), body.frame()).await else {
            let detail = "the body did not arrive in time; send it faster, or in parts";
            return Err(Problem::new(StatusCode::REQUEST_TIMEOUT, detail));
        };
        let Some(frame) = frame else { break };
        let frame = frame.map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "the body broke off"))?;
        let Some(data) = frame.data_ref() else { continue };
        length += data.len();
        if length <= limit.most {
            read.extend_from_slice(data);
        } else if length > DISCARDED {
            break;
        }
    }
    if length > limit.most {
        return Err(limit.too_large());
    }
    Ok(read.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_database_and_what_is_run_keep_their_files() {
        for (open_files, connections, strangers) in
            [(1_000_000, 16_384, 4_096), (4_096, 3_584, 1_792), (1_024, 896, 448), (256, 192, 96), (64, 16, 8), (0, 16, 8)]
        {
            let limits = Limits::default().within_open_files(open_files);
            assert_eq!((limits.connections, limits.strangers), (connections, strangers), "{open_files}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_goes_on_is_waited_for_and_one_that_trickles_is_not() {
        let limit = BodyLimit::for_callers(&Arc::new(Limits::default()));
        let parts = |size: usize, pause: u64, count: usize| {
            let stream = futures::stream::unfold(0, move |number| async move {
                tokio::time::sleep(Duration::from_secs(pause)).await;
                (number < count).then(|| (Ok::<_, std::io::Error>(Bytes::from(vec![b'x'; size])), number + 1))
            });
            Body::from_stream(stream)
        };
        // Ten minutes for a megabyte, on a line of 18 kbit/s.
        let slow = read(parts(16 * KIB, 7, 60), &limit).await.expect("arrives");
        assert_eq!(slow.len(), 60 * 16 * KIB);
        for (size, pause) in [(1, 1), (1, 14), (100_000, 16), (1024, 2)] {
            let begin = Instant::now();
            let refused = read(parts(size, pause, 1_000), &limit).await.expect_err("refused");
            assert_eq!(refused.status(), StatusCode::REQUEST_TIMEOUT, "{size} bytes each {pause} s");
            assert!(begin.elapsed() <= Duration::from_secs(60), "{:?}", begin.elapsed());
        }
    }
}
