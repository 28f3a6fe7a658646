//! The two event streams: a run alone, and the browser's one stream of the board and some runs. Both are one machinery: a cursor says
//! what has been seen, and everything after it follows, from the past and live alike.

mod body;
mod callers;
mod retry;
mod start;

use super::{
    problem::Problem,
    rest::{Id, Query, runs},
    standing::{EndsByItself, Standings},
    state::AppState,
};
use crate::{
    backend::{
        auth::Caller,
        space::Shortage,
        store::{Reader, Topics},
    },
    domain::{event::MAX_RUNS, id::RunId},
};
use axum::{
    Extension,
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use body::Opening;
use callers::{Callers, Full};
use rand::Rng;
use start::Start;
use std::{ops::RangeInclusive, sync::Arc, time::Duration};
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;

/// What can be chosen about streams.
#[derive(Clone, Debug)]
pub struct StreamOptions {
    /// The longest silence before a `ping`: well below the 60 seconds after which common proxies cut.
    pub heartbeat: Duration,
    /// How long a stream lasts at the least before it asks its client to come back. Each lasts up to half as long again, so that they do
    /// not all come back together. It bounds what a proxy or a server that forgot to let go can hold on to.
    pub lifetime: Duration,
    /// How many can be open.
    pub most: usize,
    /// How many one session can have open.
    pub most_per_session: usize,
}

impl Default for StreamOptions {
    fn default() -> Self {
        StreamOptions { heartbeat: Duration::from_secs(15), lifetime: Duration::from_secs(600), most: 10_000, most_per_session: 64 }
    }
}

/// The open streams; a cheap clone.
#[derive(Clone)]
pub struct Streams {
    heartbeat: Duration,
    lifetime: Duration,
    shutdown: CancellationToken,
    callers: Arc<Callers>,
    shortage: watch::Receiver<Option<Shortage>>,
}

impl Streams {
    /// Streams that end with `shutdown`, and those of a session with it; their first words say what is short.
    #[must_use]
    pub fn new(
        options: &StreamOptions,
        standings: Standings,
        shortage: watch::Receiver<Option<Shortage>>,
        shutdown: CancellationToken,
    ) -> Self {
        let callers = Callers::new(options, standings);
        Streams { heartbeat: options.heartbeat, lifetime: options.lifetime, shutdown, callers, shortage }
    }

    /// How many are open.
    #[must_use]
    pub fn count(&self) -> usize {
        self.callers.count().0
    }

    /// Whether that caller has any open.
    #[must_use]
    pub fn are_open_for(&self, caller: &Caller) -> bool {
        self.callers.has_open(caller)
    }

    /// How many have been opened since the server was started.
    #[must_use]
    pub fn total(&self) -> usize {
        self.callers.count().1
    }

    /// How long the server itself is silent: a little less, so that the client hears of it in time.
    fn silence(&self) -> Duration {
        self.heartbeat.mul_f32(0.95)
    }

    /// When a stream that begins now will have lasted long enough.
    fn last_moment(&self) -> Instant {
        Instant::now() + self.lifetime.mul_f32(rand::rng().random_range(1.0..=1.5))
    }
}

/// `GET /api/v1/runs/{id}/events`: that run from its beginning or behind the cursor, until its end. 204 where the cursor has seen the
/// end already.
///
/// # Errors
/// 404 for a run that does not exist, 429 and 503 where too many streams are open.
pub async fn of_run(
    State(state): State<AppState>,
    method: Method,
    Extension(caller): Extension<Caller>,
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
    Ok(respond(&state, &method, &caller, || store.reader(Topics::Run(id), after), opening))
}

/// `GET /api/v1/events`: every task and run as it changes, and the output of the runs that are named by `run`, from now on or behind the
/// cursor. A run that does not exist (any more) is silent.
///
/// # Errors
/// 422 for a `run` that is no id, and for too many of them; 429 and 503 where too many streams are open.
pub async fn of_board(
    State(state): State<AppState>,
    method: Method,
    Extension(caller): Extension<Caller>,
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
    Ok(respond(&state, &method, &caller, || store.reader(Topics::Board { runs }, after), opening))
}

/// The last parameter of that name; one that repeats is as if the earlier ones had not been said.
fn last<'q>(query: &'q [(String, String)], name: &str) -> Option<&'q str> {
    query.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

/// HEAD is answered as GET is, without reading or counting anything.
fn respond(state: &AppState, method: &Method, caller: &Caller, reader: impl FnOnce() -> Reader, opening: Opening) -> Response {
    if state.shutdown.is_cancelled() {
        return later(StatusCode::SERVICE_UNAVAILABLE, 1..=3, "the server is stopping; come back in a moment");
    }
    let callers = &state.streams.callers;
    let body = match *method {
        // Of unknown length, as the stream is, so that no Content-Length tells them apart.
        Method::HEAD => {
            callers.has_room(caller).map(|()| Body::from_stream(futures::stream::empty::<Result<bytes::Bytes, std::convert::Infallible>>()))
        }
        _ => callers.open(caller).map(|open| body::body(state.streams.clone(), open, state.backend.store.clone(), reader(), &opening)),
    };
    let body = match body {
        Ok(body) => body,
        Err(Full::Caller) => {
            let detail = "this browser has too many streams open; close some of its tabs";
            return later(StatusCode::TOO_MANY_REQUESTS, 5..=15, detail);
        }
        Err(Full::Server) => {
            tracing::warn!("as many streams are open as the server takes");
            return later(StatusCode::SERVICE_UNAVAILABLE, 5..=15, "the server has too many streams open; come back later");
        }
    };
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-cache, no-store, no-transform"),
        // nginx holds back what it proxies unless it is told not to.
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    (headers.map(|(name, value)| (name, HeaderValue::from_static(value))), Extension(EndsByItself), body).into_response()
}

/// Not now, but in so many seconds; not all in the same.
fn later(status: StatusCode, seconds: RangeInclusive<u32>, detail: &str) -> Response {
    let wait = rand::rng().random_range(seconds).to_string();
    ([(header::RETRY_AFTER, wait)], Problem::new(status, detail)).into_response()
}
