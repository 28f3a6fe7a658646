//! `use_snapshot`: what a page shows is a snapshot of the server's state, and each event of the stream after its cursor. Where events do
//! not suffice, another snapshot is fetched until it is there; it never takes back what is shown already.

use super::{
    effect::effect,
    live::{Live, Sink, SinkOptions, use_live},
    timer::Timer,
    transport::now,
};
use crate::{
    api::{
        error::ApiError,
        packed::Packed,
        pages::{PageRequest, fetch_page},
    },
    domain::{cursor::Cursor, event::StreamEvent, id::RunId},
};
use leptos::{prelude::*, task::spawn_local};
use send_wrapper::SendWrapper;
use std::{
    cell::{Cell, RefCell},
    rc::{Rc, Weak},
};

/// The least time from one request to the next, in milliseconds, where the answer to the first is there.
const INTERVAL: u64 = 500;

/// How long to wait after a request that failed, in milliseconds: at first, and at the most. It doubles from one to the next.
const FIRST_PAUSE: u64 = 500;
const LONGEST_PAUSE: u64 = 5_000;

/// A snapshot that has arrived.
pub struct Fetched {
    /// Everything up to here is in it.
    pub cursor: Cursor,
    /// Puts it in the place of what is shown.
    pub show: Box<dyn FnOnce()>,
}

/// What is done with an event and its place; whether a snapshot is needed now that contains it.
pub type ApplyEvent = Box<dyn Fn(&StreamEvent, &Cursor) -> bool>;

/// What is shown, and how it is kept up to date. All of these are called in the browser only, outside of the reactive owner: signals are
/// read by `try_` methods.
pub struct SnapshotOptions {
    /// Where the snapshot that is shown at first ends.
    pub cursor: Cursor,
    /// The runs whose output is wanted.
    pub runs: Vec<RunId>,
    /// What to fetch.
    pub request: Box<dyn Fn() -> PageRequest>,
    /// Reads what was fetched.
    pub open: Box<dyn Fn(Packed) -> Result<Fetched, ApiError>>,
    /// Applies an event to what is shown; says whether a snapshot is needed now that contains it.
    pub on_event: ApplyEvent,
    /// Called where there is no such thing any more.
    pub on_missing: Box<dyn Fn(ApiError)>,
}

/// What [`use_snapshot`] gives.
#[derive(Clone, Copy)]
pub struct UseSnapshot {
    fetcher: StoredValue<Option<SendWrapper<Weak<Fetcher>>>>,
    /// Why the last request failed; empty where it did not.
    pub error: RwSignal<String>,
}

impl UseSnapshot {
    /// Fetches a snapshot now: what is asked for has become another. Answers that are on their way say nothing any more.
    pub fn refetch(&self) {
        if let Some(fetcher) = self.fetcher.try_get_value().flatten().and_then(|fetcher| fetcher.upgrade()) {
            fetcher.fetch();
        }
    }
}

/// Keeps a snapshot up to date until the current owner is cleaned up. A request that failed is repeated with growing pauses, and at once
/// when the stream is live again; what is shown stays meanwhile.
///
/// ## On the server
/// Does nothing.
pub fn use_snapshot(options: SnapshotOptions) -> UseSnapshot {
    let live = use_live();
    let used = UseSnapshot { fetcher: StoredValue::new(None), error: RwSignal::new(String::new()) };
    let mut options = Some(options);
    effect(move || {
        if let Some(options) = options.take() {
            let fetcher = Fetcher::start(options, live, used.error);
            used.fetcher.set_value(Some(SendWrapper::new(Rc::downgrade(&fetcher))));
        }
    });
    let mut was_live = false;
    effect(move || {
        let is_live = live.is_live();
        let is_live_again = is_live && !std::mem::replace(&mut was_live, is_live);
        let fetcher = used.fetcher.try_get_value().flatten().and_then(|fetcher| fetcher.upgrade());
        if let Some(fetcher) = fetcher.filter(|_| is_live_again) {
            fetcher.fetch_what_is_missing();
        }
    });
    used
}

struct Fetcher {
    options: SnapshotOptions,
    sink: Cell<Option<Sink>>,
    /// The newest event that what is shown contains.
    seen: RefCell<Cursor>,
    /// Whether nothing follows on what is shown: the sink waits for a new beginning.
    is_reset: Cell<bool>,
    request: RefCell<Request>,
    /// Which request's answer counts.
    generation: Cell<u32>,
    timer: Timer,
    error: RwSignal<String>,
    this: Weak<Fetcher>,
}

#[derive(Default)]
struct Request {
    /// Whether an answer is awaited.
    is_pending: bool,
    /// Whether another one is needed after it.
    is_wanted: bool,
    /// What was seen when it was sent: its answer contains that.
    from: u64,
    sent_at: u64,
    failures: u32,
    /// The events that have arrived since.
    since: Vec<(StreamEvent, Cursor)>,
}

impl Fetcher {
    fn start(options: SnapshotOptions, live: Live, error: RwSignal<String>) -> Rc<Self> {
        let (cursor, runs) = (options.cursor.clone(), options.runs.clone());
        let fetcher = Rc::new_cyclic(|this: &Weak<Fetcher>| {
            let fired = this.clone();
            let on_timer = move || {
                if let Some(fetcher) = fired.upgrade() {
                    fetcher.fetch();
                }
            };
            Fetcher {
                seen: RefCell::new(cursor.clone()),
                options,
                sink: Cell::new(None),
                is_reset: Cell::new(false),
                request: RefCell::default(),
                generation: Cell::new(0),
                timer: Timer::new(on_timer),
                error,
                this: this.clone(),
            }
        });
        // The sink owns it: it ends with that.
        let (by_event, by_reset) = (Rc::clone(&fetcher), Rc::clone(&fetcher));
        let options = SinkOptions::new(cursor)
            .runs(Signal::stored(runs))
            .on_event(move |event, cursor| by_event.accept(event, cursor))
            .on_reset(move || {
                by_reset.is_reset.set(true);
                by_reset.fetch();
            });
        fetcher.sink.set(Some(live.sink(options)));
        fetcher
    }

    fn accept(&self, event: &StreamEvent, cursor: &Cursor) {
        self.seen.replace(cursor.clone());
        {
            let mut request = self.request.borrow_mut();
            if request.is_pending {
                request.since.push((event.clone(), cursor.clone()));
            }
        }
        if (self.options.on_event)(event, cursor) {
            self.want();
        }
    }

    /// A snapshot is needed that contains all that has been seen.
    fn want(&self) {
        let mut request = self.request.borrow_mut();
        if request.is_wanted || request.failures > 0 {
            return;
        }
        request.is_wanted = true;
        if !request.is_pending {
            // Many events in a row are one reason.
            self.timer.set(now().max(request.sent_at + INTERVAL));
        }
    }

    /// The stream is live again: a request that failed, or whose answer may be lost with the server that it went to, is repeated.
    fn fetch_what_is_missing(&self) {
        let is_missing = {
            let request = self.request.borrow();
            request.is_pending || request.failures > 0
        };
        if is_missing {
            self.fetch();
        }
    }

    fn fetch(&self) {
        self.timer.clear();
        let generation = self.generation.get().wrapping_add(1);
        self.generation.set(generation);
        {
            let mut request = self.request.borrow_mut();
            let failures = request.failures;
            let from = self.seen.borrow().seq;
            *request = Request { is_pending: true, from, sent_at: now(), failures, ..Request::default() };
        }
        let (this, asked) = (self.this.clone(), (self.options.request)());
        spawn_local(async move {
            let answer = fetch_page(asked).await;
            if let Some(fetcher) = this.upgrade().filter(|fetcher| fetcher.generation.get() == generation) {
                fetcher.take_answer(answer);
            }
        });
    }

    fn take_answer(&self, answer: Result<Packed, ApiError>) {
        let (from, since) = {
            let mut request = self.request.borrow_mut();
            request.is_pending = false;
            (request.from, std::mem::take(&mut request.since))
        };
        match answer.and_then(|packed| (self.options.open)(packed)) {
            Ok(Fetched { cursor, show }) => {
                let follows = !self.is_reset.get() && self.seen.borrow().epoch == cursor.epoch;
                if follows && cursor.seq < from {
                    // From a server that is behind what this page has: it says nothing new.
                    return self.repeat(String::new());
                }
                self.request.borrow_mut().failures = 0;
                self.error.try_set(String::new());
                self.request.borrow_mut().is_wanted = false;
                show();
                let mut is_wanted = false;
                for (event, at) in since.iter().filter(|(_, at)| follows && at.seq > cursor.seq) {
                    is_wanted |= (self.options.on_event)(event, at);
                }
                if !follows || cursor.seq > self.seen.borrow().seq {
                    self.is_reset.set(false);
                    self.seen.replace(cursor.clone());
                    if let Some(sink) = self.sink.get() {
                        sink.restart(cursor);
                    }
                }
                if is_wanted {
                    self.want();
                }
            }
            Err(error) if error.is_missing() => (self.options.on_missing)(error),
            // Nothing helps but to sign in: then the stream is live again.
            Err(ApiError::SignedOut) => self.request.borrow_mut().failures += 1,
            Err(error) => self.repeat(error.to_string()),
        }
    }

    fn repeat(&self, error: String) {
        let _ = self.error.try_set(error);
        let mut request = self.request.borrow_mut();
        let pause = (FIRST_PAUSE << request.failures.min(8)).min(LONGEST_PAUSE);
        request.failures += 1;
        self.timer.set(now() + pause);
    }
}

impl Drop for Fetcher {
    fn drop(&mut self) {
        self.timer.clear();
    }
}
