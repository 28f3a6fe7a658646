//! The two event streams: a run alone, and the browser's one stream of the board and some runs. Both are one machinery: a cursor says
//! what has been seen, and everything after it follows, from the past and live alike.

mod body;
mod retry;
mod start;

use super::{
    problem::Problem,
    rest::{Id, Query, runs},
    state::AppState,
};
use crate::{
    backend::store::{Reader, Topics},
    domain::{event::MAX_RUNS, id::RunId},
};
use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use body::Opening;
use rand::Rng;
use start::Start;
use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio_util::sync::CancellationToken;

/// The open streams; a cheap clone.
#[derive(Clone)]
pub struct Streams {
    heartbeat: Duration,
    shutdown: CancellationToken,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    open: AtomicUsize,
    total: AtomicUsize,
    /// How many were open when the first of them was told that the server stops.
    leaving: OnceLock<usize>,
}

impl Counts {
    /// How many streams there were when the server began to stop: while they end they become fewer, and all are to be told alike.
    fn leaving(&self) -> usize {
        *self.leaving.get_or_init(|| self.open.load(Ordering::Relaxed))
    }
}

impl Streams {
    /// Streams that are never silent for longer than `heartbeat`, and end with `shutdown`.
    #[must_use]
    pub fn new(heartbeat: Duration, shutdown: CancellationToken) -> Self {
        Streams { heartbeat, shutdown, counts: Arc::default() }
    }

    /// How many are open.
    #[must_use]
    pub fn count(&self) -> usize {
        self.counts.open.load(Ordering::Relaxed)
    }

    /// How many have been opened since the server was started.
    #[must_use]
    pub fn total(&self) -> usize {
        self.counts.total.load(Ordering::Relaxed)
    }

    fn open(&self) -> OpenStream {
        self.counts.open.fetch_add(1, Ordering::Relaxed);
        self.counts.total.fetch_add(1, Ordering::Relaxed);
        OpenStream(self.counts.clone())
    }

    /// How long the server itself is silent: a little less, so that the client hears of it in time.
    fn silence(&self) -> Duration {
        self.heartbeat.mul_f32(0.95)
    }
}

/// Counts one stream for as long as its body is held, whatever ends it.
struct OpenStream(Arc<Counts>);

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// `GET /api/v1/runs/{id}/events`: that run from its beginning or behind the cursor, until its end. 204 where the cursor has seen the
/// end already.
///
/// # Errors
/// 404 for a run that does not exist.
pub async fn of_run(
    State(state): State<AppState>,
    method: Method,
    Id(id): Id<RunId>,
    Query(query): Query<Vec<(String, String)>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    runs::find(&state, id).await?;
    let store = &state.backend.store;
    let head = store.head();
    let end = store.end_seq(id).await?;
    let (after, reset) = match (Start::of(&headers, last(&query, "after"), store.epoch(), head), end) {
        (Start::Unsaid, _) => (0, None),
        (Start::After(seq), Some(end)) if seq >= end => return Ok(StatusCode::NO_CONTENT.into_response()),
        (Start::After(seq), _) => (seq, None),
        // Whoever has to begin anew still learns that, and how, the run ended.
        (Start::Reset(reason), end) => (end.map_or(head, |end| end.saturating_sub(1)), Some(reason)),
    };
    let opening = Opening { build: state.build.to_string(), reset, head, ends_with_run: true };
    Ok(respond(&state, &method, || store.reader(Topics::Run(id), after), opening))
}

/// `GET /api/v1/events`: every task and run as it changes, and the output of the runs that are named by `run`, from now on or behind the
/// cursor. A run that does not exist (any more) is silent.
///
/// # Errors
/// 422 for a `run` that is no id, and for too many of them.
pub async fn of_board(
    State(state): State<AppState>,
    method: Method,
    Query(query): Query<Vec<(String, String)>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let named = query.iter().filter(|(name, value)| name == "run" && !value.is_empty());
    let runs = named.map(|(_, value)| value.parse()).collect::<Result<Vec<RunId>, _>>();
    let runs = runs.map_err(|error| Problem::unprocessable(format!("run is {error}")))?;
    if runs.len() > MAX_RUNS {
        return Err(Problem::unprocessable(format!("a stream can name {MAX_RUNS} runs, and this one names {}", runs.len())));
    }
    let store = &state.backend.store;
    let head = store.head();
    let (after, reset) = match Start::of(&headers, last(&query, "after"), store.epoch(), head) {
        Start::Unsaid => (head, None),
        Start::After(seq) => (seq, None),
        Start::Reset(reason) => (head, Some(reason)),
    };
    let opening = Opening { build: state.build.to_string(), reset, head, ends_with_run: false };
    Ok(respond(&state, &method, || store.reader(Topics::Board { runs }, after), opening))
}

/// The last parameter of that name; one that repeats is as if the earlier ones had not been said.
fn last<'q>(query: &'q [(String, String)], name: &str) -> Option<&'q str> {
    query.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

/// HEAD is answered as GET is, without reading anything.
fn respond(state: &AppState, method: &Method, reader: impl FnOnce() -> Reader, opening: Opening) -> Response {
    if state.shutdown.is_cancelled() {
        let wait = rand::rng().random_range(1..=3).to_string();
        let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the server is stopping; come back in a moment");
        return ([(header::RETRY_AFTER, wait)], problem).into_response();
    }
    let body = match *method {
        // Of unknown length, as the stream is, so that no Content-Length tells them apart.
        Method::HEAD => Body::from_stream(futures::stream::empty::<Result<bytes::Bytes, std::convert::Infallible>>()),
        _ => body::body(state.streams.clone(), state.backend.store.clone(), reader(), &opening),
    };
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-cache, no-store, no-transform"),
        // nginx holds back what it proxies unless it is told not to.
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    (headers.map(|(name, value)| (name, HeaderValue::from_static(value))), body).into_response()
}
