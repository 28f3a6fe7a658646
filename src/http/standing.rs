//! Whoever was let in once may not be here for ever: a session ends, a token is revoked. What is still under way then,
//! a request that waits, a body that comes or goes, ends as well. A session or token is watched once, however many
//! requests it has, and only for those that last.

use crate::backend::auth::{Auth, Caller};
use axum::body::Body;
use bytes::Bytes;
use futures::future::BoxFuture;
use http_body::{Frame, SizeHint};
use std::{
    collections::HashMap,
    io,
    pin::Pin,
    sync::{Arc, Mutex, OnceLock, PoisonError, Weak},
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::sleep;
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

/// How long a request may take before its caller is watched. Most are over by then, and cost nothing.
const SHORT: Duration = Duration::from_millis(500);

/// A mark on a response whose body lasts and sees to its caller's end itself, as event streams do, which have something to
/// say about it.
#[derive(Clone, Copy, Debug)]
pub struct EndsByItself;

/// The callers that are watched; a cheap clone.
#[derive(Clone)]
pub struct Standings(Arc<Shared>);

struct Shared {
    auth: Auth,
    // Held for a look-up, never across an await.
    watched: Mutex<HashMap<Caller, Weak<Standing>>>,
}

/// Whether one caller may go on. It is watched for as long as somebody holds this.
pub struct Standing {
    /// Cancelled when the session or token is over.
    pub over: CancellationToken,
    /// Why it is, once it is.
    pub reason: Arc<OnceLock<String>>,
    _watch: AbortOnDropHandle<()>,
}

impl Standings {
    /// Nobody is watched yet.
    #[must_use]
    pub fn new(auth: Auth) -> Self {
        Standings(Arc::new(Shared { auth, watched: Mutex::default() }))
    }

    /// Watches a caller, together with whoever else does.
    #[must_use]
    pub fn of(&self, caller: &Caller) -> Arc<Standing> {
        let mut watched = self.0.watched.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(standing) = watched.get(caller).and_then(Weak::upgrade) {
            return standing;
        }
        watched.retain(|_, standing| standing.strong_count() > 0);
        let standing = Arc::new(self.watch(caller));
        watched.insert(caller.clone(), Arc::downgrade(&standing));
        standing
    }

    fn watch(&self, caller: &Caller) -> Standing {
        let (over, reason) = (CancellationToken::new(), Arc::new(OnceLock::new()));
        let (auth, caller, ends, why) = (self.0.auth.clone(), caller.clone(), over.clone(), reason.clone());
        let watch = tokio::spawn(async move {
            let reason = auth.over(&caller).await;
            tracing::info!(?caller, reason, "what it has under way ends");
            let _ = why.set(reason);
            ends.cancel();
        });
        Standing { over, reason, _watch: AbortOnDropHandle::new(watch) }
    }

    /// Waits until a caller may no longer be here, and says why in words.
    pub fn over(&self, caller: &Caller) -> BoxFuture<'static, String> {
        let (standings, caller) = (self.clone(), caller.clone());
        Box::pin(async move {
            sleep(SHORT).await;
            let standing = standings.of(&caller);
            standing.over.cancelled().await;
            standing.reason.get().cloned().unwrap_or_default()
        })
    }
}

/// The body of a response to somebody who was let in: it breaks off when that is over, so that nobody takes what has come
/// for the whole.
pub struct GuardedBody {
    body: Body,
    /// None once it has come.
    over: Option<BoxFuture<'static, String>>,
}

impl GuardedBody {
    /// Lets a body last no longer than `over` waits.
    #[must_use]
    pub fn new(body: Body, over: BoxFuture<'static, String>) -> Self {
        GuardedBody { body, over: Some(over) }
    }
}

impl http_body::Body for GuardedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.get_mut();
        let Some(over) = &mut this.over else { return Poll::Ready(None) };
        if let Poll::Ready(reason) = over.as_mut().poll(cx) {
            this.over = None;
            return Poll::Ready(Some(Err(axum::Error::new(io::Error::other(reason)))));
        }
        Pin::new(&mut this.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
