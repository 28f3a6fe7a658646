//! `use_event_stream`: one stream of the server's events that reconnects by itself and resumes exactly where it was.

use super::{
    driver::{Driver, OnDelivery},
    effect::effect,
    event_source::EventSourceTransport,
    transport::Transport,
};
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
        /// The event's data as they came.
        data: &'a str,
    },
    /// An event of the log. Each is delivered once.
    Event {
        /// The event.
        event: &'a StreamEvent,
        /// Its place.
        cursor: &'a Cursor,
        /// Its name, and its data as they came: for whoever passes it on.
        name: &'a str,
        /// See `name`.
        data: &'a str,
    },
    /// What was delivered so far cannot be continued: load a snapshot and replace everything by it. The stream goes on after the cursor.
    Reset {
        /// Where it goes on.
        cursor: Option<&'a Cursor>,
    },
    /// The connection is alive. Nothing need be done about it.
    Ping,
}

/// What [`use_event_stream`] returns. What is asked for as a signal is made when it is asked for, so that what a page does not use
/// costs it nothing.
#[derive(Clone, Copy)]
pub struct UseEventStream {
    view: RwSignal<View>,
    driver: StoredValue<Option<SendWrapper<Rc<Driver>>>>,
}

impl UseEventStream {
    /// All that there is to say about the connection, for `domain::reconnect::words`. Where it is read in an Effect or a view, that
    /// runs again when it changes.
    #[must_use]
    pub fn view(&self) -> View {
        self.view.try_get().unwrap_or_default()
    }

    /// Where the stream stands.
    #[must_use]
    pub fn status(&self) -> Signal<Status> {
        let stream = *self;
        Signal::derive(move || stream.view().status)
    }

    /// Which attempt in a row comes next or is under way; 0 while nothing has failed.
    #[must_use]
    pub fn attempt(&self) -> Signal<u32> {
        let stream = *self;
        Signal::derive(move || stream.view().attempt)
    }

    /// When the next attempt is made.
    #[must_use]
    pub fn next_retry_at(&self) -> Signal<Option<Timestamp>> {
        let stream = *self;
        Signal::derive(move || stream.view().next_retry_at.and_then(|at| i64::try_from(at).ok()).map(Timestamp))
    }

    /// What went wrong last, until the stream is live again.
    #[must_use]
    pub fn error(&self) -> Signal<Option<Trouble>> {
        let stream = *self;
        Signal::derive(move || stream.view().error)
    }

    /// Everything up to here has been delivered. It is no signal: each event moves it.
    #[must_use]
    pub fn last_cursor(&self) -> Option<Cursor> {
        self.existing()?.cursor()
    }

    /// Connects again after [`close`](Self::close), going on where it was.
    pub fn open(&self) {
        self.tell(Input::Start { after: None });
    }

    /// Disconnects until [`open`](Self::open).
    pub fn close(&self) {
        self.tell(Input::Close);
    }

    /// Tries at once instead of waiting, with a fresh budget of attempts. Without effect where only signing in helps.
    pub fn reconnect_now(&self) {
        self.tell(Input::ReconnectNow);
    }

    /// A person looks at what the stream feeds: one that has given up for now tries again.
    pub fn look(&self) {
        self.tell(Input::Visible);
    }

    fn tell(&self, input: Input) {
        if let Some(driver) = self.existing() {
            driver.tell(input);
        }
    }

    fn existing(&self) -> Option<SendWrapper<Rc<Driver>>> {
        self.driver.try_get_value().flatten()
    }
}

/// What can be chosen about a stream. [`Options`] alone become one by `into`, with the transport that is the default.
#[derive(Clone)]
pub struct StreamOptions {
    /// When to connect, to wait and to give up. By default [`Options::default`].
    pub reconnect: Options,
    /// What carries the stream. By default the browser's `EventSource`, by [`EventSourceTransport`].
    pub transport: Rc<dyn Transport>,
}

impl Default for StreamOptions {
    fn default() -> Self {
        Options::default().into()
    }
}

impl From<Options> for StreamOptions {
    fn from(reconnect: Options) -> Self {
        StreamOptions { reconnect, transport: Rc::new(EventSourceTransport) }
    }
}

impl StreamOptions {
    /// See [`StreamOptions::transport`].
    #[must_use]
    pub fn transport(mut self, transport: impl Transport + 'static) -> Self {
        self.transport = Rc::new(transport);
        self
    }
}

/// Connects to a stream and keeps it connected: [`use_event_stream_with_options`] with the default options.
pub fn use_event_stream(target: Signal<Option<StreamTarget>>, on_event: impl Fn(Delivery<'_>) + 'static) -> UseEventStream {
    use_event_stream_with_options(target, StreamOptions::default(), on_event)
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
/// ```no_run
/// use kontasks::ui::hooks::use_event_stream::{Delivery, StreamTarget, use_event_stream};
/// use leptos::prelude::*;
///
/// #[component]
/// fn Changes() -> impl IntoView {
///     let target = Signal::stored(Some(StreamTarget { url: "/api/v1/events".into(), after: None }));
///     let changes = RwSignal::new(0);
///     let stream = use_event_stream(target, move |delivery| {
///         if let Delivery::Event { .. } = delivery {
///             changes.try_update(|count| *count += 1);
///         }
///     });
///     view! { <p>{move || stream.view().status.as_str()} ": " {changes} " changes"</p> }
/// }
/// ```
///
/// ## Options
/// [`StreamOptions`], each with its default:
/// - `reconnect.base_ms` (1,000): the delay after the first failure; the server's own wish replaces it.
/// - `reconnect.attempts` (8): how many failures in a row are followed by another attempt.
/// - `reconnect.healthy_after_ms` (5,000): how long a connection without an event must stand to end the row.
/// - `reconnect.heartbeat_ms` (15,000): the longest silence of a server that has not named its own; after two and a half of them the
///   connection counts as dead.
/// - `reconnect.connect_timeout_ms` (15,000): how long the server may take to answer.
/// - `reconnect.loopback` (false, and set by itself where the page comes from this machine): whether being offline does not matter.
/// - `transport` ([`EventSourceTransport`]): what carries the stream.
///
/// ## Transports
/// - [`EventSourceTransport`] costs a page nothing, sends cookies and no headers, and is told no status; after a loss one HEAD request asks
///   for it, so the server answers HEAD as it would GET.
/// - `kontasks::fetch_transport::FetchTransport`, behind the feature `fetch-transport`, sends headers of your own (`Authorization`, a
///   version) and sees the status and `Retry-After` of each attempt, without a second request.
/// - Anything else that implements [`Transport`].
///
/// ## What it returns
/// [`UseEventStream`], a copyable handle: `status`, `attempt`, `next_retry_at` and `error` as signals, `view` for all of them at once,
/// `last_cursor`, and the commands `open`, `close` and `reconnect_now`.
///
/// ## In another project
/// Depend on this crate (`hydrate` for the page, `ssr` for the server), or take `domain/reconnect` and `domain/cursor.rs` as they are,
/// `ui/hooks/driver.rs`, `transport.rs`, `event_source.rs`, `timer.rs`, `effect.rs` and this file, with events of your own in the place of
/// `domain::event`: what the machine wants to know of an event is in `Heard::of`. The server's part of the agreement: an id of the form `<epoch>-<seq>` on each event that is to
/// be resumed after; `?after=<id>` asks for what follows; `hello` begins each connection, `ping` fills a silence, and `reset` says that the
/// cursor cannot be honoured; 401 and 403 mean signed out, 204 that there is nothing left.
///
/// ## On the server
/// Does nothing and says [`Status::Idle`], as does the first render in the browser: it connects in an Effect, after hydration. So no
/// transport is ever asked there.
pub fn use_event_stream_with_options(
    target: Signal<Option<StreamTarget>>,
    options: impl Into<StreamOptions>,
    on_event: impl Fn(Delivery<'_>) + 'static,
) -> UseEventStream {
    let stream = UseEventStream { view: RwSignal::new(View::default()), driver: StoredValue::new(None) };
    let StreamOptions { reconnect, transport } = options.into();
    let on_event: OnDelivery = Rc::new(on_event);

    effect(move || {
        let target = target.get();
        let made = stream.driver.try_update_value(|slot| {
            let made = slot.get_or_insert_with(|| {
                let on_change = Box::new(move |now| show(stream.view, now));
                SendWrapper::new(Driver::new(reconnect.clone(), transport.clone(), on_event.clone(), on_change))
            });
            Rc::clone(made)
        });
        if let Some(made) = made {
            made.retarget(target);
        }
    });
    on_cleanup(move || {
        if let Some(driver) = stream.driver.try_update_value(Option::take).flatten() {
            driver.dispose();
        }
    });
    stream
}

/// The signal changes only where its value does: an event a millisecond must not redraw what shows the connection.
fn show(view: RwSignal<View>, now: View) {
    if view.try_with_untracked(|shown| *shown != now).unwrap_or(false) {
        view.try_set(now);
    }
}
