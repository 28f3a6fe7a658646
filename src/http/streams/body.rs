//! The body of a stream: the log's frames as they are committed, and between them the words of the connection itself. It holds a
//! reader, a timer and at most one batch; frames are shared with every other reader of the same event.

use super::{Streams, callers::OpenStream, retry};
use crate::{
    backend::{
        space::Shortage,
        store::{Batch, EventKind, Frame, Reader, Store},
    },
    domain::event::{ForceLogout, Hello, Ping, Reset, Shutdown},
};
use axum::body::Body;
use bytes::{Bytes, BytesMut};
use serde::Serialize;
use std::{convert::Infallible, pin::Pin, vec};
use tokio::{
    sync::watch,
    time::{Instant, Sleep},
};

/// Frames that wait are joined up to this many bytes: one write instead of many.
const CHUNK: usize = 64 * 1024;

/// What the first chunk says.
pub(super) struct Opening {
    /// Which build of the page this server sends.
    pub build: String,
    /// Why the cursor was not honoured, where it was not.
    pub reset: Option<&'static str>,
    /// The newest event at that time.
    pub head: u64,
    /// Whether the stream is over once an `end` was sent.
    pub ends_with_run: bool,
}

struct Connection {
    store: Store,
    reader: Reader,
    /// Sent before anything else.
    opening: Option<Bytes>,
    waiting: vec::IntoIter<Frame>,
    ends_with_run: bool,
    over: bool,
    /// When the silence will have lasted too long. It is moved only when it fires, so that an event costs no timer.
    silence: Pin<Box<Sleep>>,
    last_sent: Instant,
    /// When it has lasted long enough.
    last_moment: Instant,
    /// What its first words said of the server's state, and whether that has changed.
    shortage: watch::Receiver<Option<Shortage>>,
    is_stale: bool,
    /// The server stops, or the session is over.
    ended: Pin<Box<dyn Future<Output = ()> + Send>>,
    streams: Streams,
    open: OpenStream,
}

/// Makes the body. It begins at the reader's place and ends with the run, with the server, with the session, with its own time, or
/// with the client.
pub(super) fn body(streams: Streams, open: OpenStream, store: Store, reader: Reader, opening: &Opening) -> Body {
    let now = Instant::now();
    let last_moment = streams.last_moment();
    let mut shortage = streams.shortage.clone();
    let notice = shortage.borrow_and_update().map(Shortage::notice);
    let connection = Connection {
        opening: Some(first_words(&streams, &store, opening, notice)),
        shortage,
        is_stale: false,
        store,
        reader,
        waiting: Vec::new().into_iter(),
        ends_with_run: opening.ends_with_run,
        over: false,
        silence: Box::pin(tokio::time::sleep_until(last_moment.min(now + streams.silence()))),
        last_sent: now,
        last_moment,
        ended: {
            let (stops, over) = (streams.shutdown.clone(), open.standing.over.clone());
            Box::pin(async move {
                tokio::select! {
                    () = stops.cancelled() => {}
                    () = over.cancelled() => {}
                }
            })
        },
        open,
        streams,
    };
    Body::from_stream(futures::stream::unfold(connection, |mut connection| async move {
        let chunk = connection.next().await?;
        connection.last_sent = Instant::now();
        Some((Ok::<_, Infallible>(chunk), connection))
    }))
}

impl Connection {
    async fn next(&mut self) -> Option<Bytes> {
        if self.over {
            return None;
        }
        if let Some(opening) = self.opening.take() {
            return Some(opening);
        }
        if self.streams.shutdown.is_cancelled() || self.open.standing.over.is_cancelled() {
            return Some(self.farewell());
        }
        while self.waiting.as_slice().is_empty() {
            tokio::select! {
                // A stream that always has something to send ends in time all the same.
                biased;
                () = &mut self.ended => return Some(self.farewell()),
                () = &mut self.silence => {
                    let due = self.last_sent + self.streams.silence();
                    let now = Instant::now();
                    if now >= self.last_moment {
                        return Some(self.farewell());
                    } else if now < due {
                        self.silence.as_mut().reset(due.min(self.last_moment));
                    } else {
                        self.silence.as_mut().reset(self.last_moment.min(now + self.streams.silence()));
                        return Some(said("ping", &Ping { head: self.store.head() }).into());
                    }
                }
                // One that ends with its run goes on to there: whoever reads it wants that run, and nothing else.
                Ok(()) = self.shortage.changed(), if !self.ends_with_run => {
                    self.is_stale = true;
                    return Some(self.farewell());
                }
                batch = self.reader.next() => match batch {
                    Ok(Batch { frames }) => self.waiting = frames.into_iter(),
                    Err(error) => {
                        // The run was deleted, or the database failed: what a new connection is told says which.
                        tracing::debug!(%error, "a stream ends early");
                        return None;
                    }
                },
            }
        }
        Some(self.joined())
    }

    /// The frames that wait, as far as they fit into a chunk; at least one. A frame on its own is passed on as it is.
    fn joined(&mut self) -> Bytes {
        let (mut count, mut size) = (0, 0);
        for frame in self.waiting.as_slice() {
            if count > 0 && size + frame.bytes.len() > CHUNK {
                break;
            }
            count += 1;
            size += frame.bytes.len();
            if frame.kind == EventKind::End && self.ends_with_run {
                self.over = true;
                break;
            }
        }
        if count == 1 {
            return self.waiting.next().map(|frame| frame.bytes).unwrap_or_default();
        }
        let mut chunk = BytesMut::with_capacity(size);
        for frame in self.waiting.by_ref().take(count) {
            chunk.extend_from_slice(&frame.bytes);
        }
        chunk.freeze()
    }

    /// The last word: the server's own, the session's, or that the stream has lasted long enough.
    fn farewell(&mut self) -> Bytes {
        self.over = true;
        let stopping = self.streams.shutdown.is_cancelled();
        if let Some(reason) = self.open.standing.reason.get().filter(|_| !stopping) {
            return said("force_logout", &ForceLogout { reason: reason.clone() }).into();
        }
        let retry_ms = match (stopping, self.is_stale) {
            (true, _) => retry::together(self.streams.callers.leaving()),
            (false, true) => retry::together(self.streams.count()),
            (false, false) => retry::alone(),
        };
        format!("retry: {retry_ms}\n{}", said("shutdown", &Shutdown { retry_ms, renewal: !stopping })).into()
    }
}

fn first_words(streams: &Streams, store: &Store, opening: &Opening, notice: Option<String>) -> Bytes {
    let retry_ms = retry::alone();
    let hello = Hello {
        epoch: store.epoch().clone(),
        head: opening.head,
        heartbeat_ms: u64::try_from(streams.heartbeat.as_millis()).unwrap_or(u64::MAX),
        build: opening.build.clone(),
        retry_ms: Some(retry_ms),
        notice,
    };
    let mut text = format!("retry: {retry_ms}\n{}", said("hello", &hello));
    if let Some(reason) = opening.reset {
        text.push_str(&said("reset", &Reset { reason: reason.to_owned(), head: opening.head }));
    }
    text.into()
}

/// An event without an id: a word of the connection, not of the log.
fn said<T: Serialize>(name: &str, data: &T) -> String {
    // It cannot fail: these are plain structs with text members, written to memory.
    let data = serde_json::to_string(data).unwrap_or_else(|_| "{}".to_owned());
    format!("event: {name}\ndata: {data}\n\n")
}
