//! What people ask of one run, its end or to be typed into, and how that reaches its supervisor: by
//! a task and a connection of its own, which wait neither for the store, nor for room, nor for the
//! run's output. A request to cancel is in memory at once, and on the disk where there is a place
//! for it; what is typed is in the run's folder, and the supervisor is only told to look.

use super::{
    RETRY,
    folder::{Asked, RunFolder},
    link::Link,
    reserve::CancelReserve,
};
use crate::domain::{id::RunId, run::Stopping};
use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{sync::Notify, time::sleep};
use tokio_util::sync::CancellationToken;

/// How long to wait for a supervisor that is being started, once there is a request for it.
const SHORTLY: Duration = Duration::from_millis(20);

/// What each request makes the supervisor send, in order; see `supervisor/stop.rs`.
const SIGNALS: [&str; RunFolder::REQUESTS] = ["SIGINT", "SIGTERM", "SIGKILL"];

/// The requests of one run; a cheap clone of one.
#[derive(Clone, Debug, Default)]
pub(super) struct RunRequests(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// Cancelled with the first request.
    first: CancellationToken,
    /// Notified of each request.
    changed: Notify,
    /// Notified when it is worth trying to connect.
    listens: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// In the order of asking, at most [`RunFolder::REQUESTS`].
    asked: Vec<Asked>,
    /// An earlier version wrote down that somebody had asked, and not who.
    anonymous: bool,
    /// How many of them the supervisor has been told.
    delivered: usize,
    /// How often something was typed.
    typed: u64,
}

impl State {
    fn count(&self) -> usize {
        self.asked.len().max(usize::from(self.anonymous))
    }
}

impl RunRequests {
    /// Takes another request; more than [`RunFolder::REQUESTS`] change nothing.
    pub(super) fn add(&self, request: Asked) {
        {
            let mut state = self.state();
            if state.asked.len() < RunFolder::REQUESTS && !state.asked.contains(&request) {
                state.asked.push(request);
            }
        }
        self.notify();
    }

    /// Takes those which the last server wrote down. Said again it changes nothing.
    ///
    /// # Errors
    /// The run's folder cannot be read.
    pub(super) fn load(&self, folder: &RunFolder, reserve: &CancelReserve, run: RunId) -> io::Result<()> {
        let in_folder = folder.requests()?;
        let anonymous = in_folder.is_empty() && folder.cancel_requested();
        let mut known: Vec<Asked> = in_folder;
        for request in reserve.requests(run) {
            if !known.contains(&request) {
                known.push(request);
            }
        }
        {
            let mut state = self.state();
            for request in std::mem::take(&mut state.asked) {
                if !known.contains(&request) {
                    known.push(request);
                }
            }
            known.truncate(RunFolder::REQUESTS);
            state.asked = known;
            state.anonymous |= anonymous;
            if state.count() == 0 {
                return Ok(());
            }
        }
        self.notify();
        Ok(())
    }

    /// Something was typed.
    pub(super) fn typed(&self) {
        self.state().typed += 1;
        self.0.changed.notify_waiters();
        self.supervised();
    }

    /// A supervisor of the run listens.
    pub(super) fn supervised(&self) {
        self.0.listens.notify_one();
    }

    pub(super) fn is_requested(&self) -> bool {
        self.0.first.is_cancelled()
    }

    /// Waits for the first request.
    pub(super) async fn requested(&self) {
        self.0.first.cancelled().await;
    }

    /// Who asked first; none where nobody has, or nobody knows who.
    pub(super) fn first(&self) -> Option<Asked> {
        self.get(0)
    }

    /// Who asked as the `index`th, from 0.
    pub(super) fn get(&self, index: usize) -> Option<Asked> {
        self.state().asked.get(index).cloned()
    }

    /// How far the end must have come, by what the supervisor was told; none where it was told
    /// nothing.
    pub(super) fn stopping(&self) -> Option<Stopping> {
        let state = self.state();
        let last = state.delivered.checked_sub(1)?;
        let request = state.asked.get(last)?;
        Some(Stopping { signal: (*SIGNALS.get(last)?).to_owned(), by: request.by.clone(), at: request.at })
    }

    /// Passes them on to whoever supervises the run. It goes on until it is dropped.
    pub(super) async fn forward(&self, folder: &RunFolder) {
        loop {
            if let Ok(link) = Link::open(folder) {
                self.forward_over(&link).await;
            }
            // There is none, or it is gone: nobody to be told, or somebody who is about to listen.
            let pause = if self.is_requested() { SHORTLY } else { RETRY };
            tokio::select! {
                () = sleep(pause) => {}
                () = self.requested(), if !self.is_requested() => {}
                () = self.0.listens.notified() => {}
            }
        }
    }

    /// Passes them on until the supervisor is gone. Each has its number, so that one that is told
    /// again is heard once.
    async fn forward_over(&self, link: &Link) {
        let mut told = 0;
        // What was typed and not passed on when the last server ended.
        let mut typed = None;
        loop {
            let changed = self.0.changed.notified();
            tokio::pin!(changed);
            // From here on no request is missed.
            changed.as_mut().enable();
            let (count, typed_now) = {
                let state = self.state();
                (state.count(), Some(state.typed))
            };
            if typed != typed_now {
                link.typed().await;
                typed = typed_now;
            }
            for number in told + 1..=count {
                link.cancel(number).await;
            }
            told = told.max(count);
            {
                let mut state = self.state();
                state.delivered = state.delivered.max(told);
            }
            tokio::select! {
                () = changed => {}
                lives = link.wait() => if !lives { return },
            }
        }
    }

    fn notify(&self) {
        self.0.first.cancel();
        self.0.changed.notify_waiters();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
