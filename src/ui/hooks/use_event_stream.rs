//! `use_event_stream`: one stream of the server's events that reconnects by itself and resumes exactly where it was.

use super::event_source::{Driver, OnDelivery};
use crate::domain::{
    cursor::Cursor,
    event::{Hello, StreamEvent},
    reconnect::{Input, Options, Status, Trouble, View},
    timestamp::Timestamp,
};
use leptos::prelude::*;
use send_wrapper::SendWrapper;
use std::rc::Rc;

/// Which stream, and from where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamTarget {
    /// The stream's address without a cursor: `/api/v1/events?run=…`.
    pub url: String,
    /// Everything up to here is known already: the cursor of the snapshot that the page shows. Where it is none, the stream goes on
    /// after the last event it has seen, or at first with the newest.
    pub after: Option<Cursor>,
}

/// What arrives, in the order of the log.
#[derive(Clone, Copy, Debug)]
pub enum Delivery<'a> {
    /// A connection begins. `resumed` says that an earlier one was lost.
    Hello {
        /// Where the log stands.
        hello: &'a Hello,
        /// Whether an earlier connection was lost.
        resumed: bool,
    },
    /// An event of the log. Each is delivered once.
    Event {
        /// The event.
        event: &'a StreamEvent,
        /// Its place.
        cursor: &'a Cursor,
    },
    /// What was delivered so far cannot be continued: load a snapshot and replace everything by it. The stream goes on after the cursor.
    Reset {
        /// Where it goes on.
        cursor: Option<&'a Cursor>,
    },
}

/// What [`use_event_stream`] returns.
#[derive(Clone, Copy)]
pub struct UseEventStream {
    /// Where the stream stands.
    pub status: Signal<Status>,
    /// Which attempt in a row comes next or is under way; 0 while nothing has failed.
    pub attempt: Signal<u32>,
    /// When the next attempt is made.
    pub next_retry_at: Signal<Option<Timestamp>>,
    /// Everything up to here has been delivered.
    pub last_cursor: Signal<Option<Cursor>>,
    /// What went wrong last, until the stream is live again.
    pub error: Signal<Option<Trouble>>,
    /// All of it at once, for `domain::reconnect::words`.
    pub view: Signal<View>,
    /// Connects again after `close`, going on where it was.
    pub open: Callback<()>,
    /// Disconnects until `open`.
    pub close: Callback<()>,
    /// Tries at once instead of waiting, with a fresh budget of attempts. Without effect where only signing in helps.
    pub reconnect_now: Callback<()>,
}

/// Connects to a stream and keeps it connected: [`use_event_stream_with_options`] with the default options.
pub fn use_event_stream(target: Signal<Option<StreamTarget>>, on_event: impl Fn(Delivery<'_>) + 'static) -> UseEventStream {
    use_event_stream_with_options(target, Options::default(), on_event)
}

/// Connects to the stream that `target` names, and keeps it connected until the owner is cleaned up or `target` is none.
///
/// `on_event` is called with each event in order, from the browser's own callbacks: it has no reactive owner, and must read signals by
/// `try_` methods only, since a panic there ends the page. A new value of `target` closes the connection and opens the new one.
///
/// The connection is closed at its first error and made anew after a delay that grows with each failure in a row, has jitter and
/// starts from what the server asks for; after eight attempts it pauses until the network returns, the page is looked at, or
/// `reconnect_now`. Being signed out ends it for good.
///
/// ## On the server
/// Does nothing and says [`Status::Idle`], as does the first render in the browser: it connects in an Effect, after hydration.
pub fn use_event_stream_with_options(
    target: Signal<Option<StreamTarget>>,
    options: Options,
    on_event: impl Fn(Delivery<'_>) + 'static,
) -> UseEventStream {
    let view = RwSignal::new(View::default());
    let last_cursor = RwSignal::new(None::<Cursor>);
    let driver = StoredValue::new(None::<SendWrapper<Rc<Driver>>>);
    let on_event: OnDelivery = Rc::new(on_event);

    Effect::new(move |_| {
        let target = target.get();
        let made = driver.try_update_value(|slot| {
            let made = slot.get_or_insert_with(|| {
                let on_change = Box::new(move |now: View, cursor: Option<&Cursor>| show(view, last_cursor, now, cursor));
                SendWrapper::new(Driver::new(options.clone(), on_event.clone(), on_change))
            });
            Rc::clone(made)
        });
        if let Some(made) = made {
            made.retarget(target);
        }
    });
    on_cleanup(move || {
        if let Some(driver) = driver.try_update_value(Option::take).flatten() {
            driver.dispose();
        }
    });

    let tell = move |input: Input| {
        if let Some(driver) = driver.try_get_value().flatten() {
            driver.tell(input);
        }
    };
    let read = move || view.try_get().unwrap_or_default();
    UseEventStream {
        status: Signal::derive(move || read().status),
        attempt: Signal::derive(move || read().attempt),
        next_retry_at: Signal::derive(move || read().next_retry_at.and_then(|at| i64::try_from(at).ok()).map(Timestamp)),
        last_cursor: last_cursor.into(),
        error: Signal::derive(move || read().error),
        view: view.into(),
        open: Callback::new(move |()| tell(Input::Start { after: None })),
        close: Callback::new(move |()| tell(Input::Close)),
        reconnect_now: Callback::new(move |()| tell(Input::ReconnectNow)),
    }
}

/// Signals change only where their value does: an event a millisecond must not redraw what shows the connection.
fn show(view: RwSignal<View>, last_cursor: RwSignal<Option<Cursor>>, now: View, cursor: Option<&Cursor>) {
    if view.try_with_untracked(|shown| *shown != now).unwrap_or(false) {
        view.try_set(now);
    }
    if last_cursor.try_with_untracked(|shown| shown.as_ref() != cursor).unwrap_or(false) {
        last_cursor.try_set(cursor.cloned());
    }
}
