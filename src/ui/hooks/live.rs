//! `Live`: the one event stream of a page, shared by all its components and, where the browser can, by all tabs. Each component
//! registers a sink with the cursor of its own snapshot and the runs whose output it wants; the stream is connected while there is a
//! sink, and from far enough back for all of them.

mod catch_up;
mod hub;
mod lock;
mod share;

pub use catch_up::CaughtUp;

use super::{
    effect::effect,
    use_event_stream::{StreamTarget, UseEventStream, use_event_stream},
};
use crate::domain::{
    cursor::Cursor,
    event::StreamEvent,
    id::RunId,
    reconnect::{Status, View, words::Progress},
    sharing::Input,
};
use catch_up::Notice;
use hub::Hub;
use leptos::prelude::*;
use send_wrapper::SendWrapper;
use share::{Share, Surroundings};
use std::rc::Rc;

/// The page's stream. Made once by [`provide_live`], found by [`use_live`].
#[derive(Clone, Copy)]
pub struct Live {
    /// This tab's own connection, used while it holds the one of the browser.
    stream: UseEventStream,
    parts: StoredValue<Option<Parts>>,
    target: RwSignal<Option<StreamTarget>>,
    shown: RwSignal<View>,
    notice: RwSignal<Option<Notice>>,
    outdated: RwSignal<bool>,
    /// What the server said of its state; none before it did, empty where all is well.
    state: RwSignal<Option<String>>,
}

/// What there is in a browser only, once a component listens.
#[derive(Clone)]
struct Parts {
    hub: SendWrapper<Rc<Hub>>,
    share: SendWrapper<Rc<Share>>,
}

/// What a component does with an event and its place.
pub type OnEvent = Box<dyn Fn(&StreamEvent, &Cursor)>;

/// What a component wants of the stream.
pub struct SinkOptions {
    /// The cursor of the snapshot that the component shows: it receives what comes after.
    pub cursor: Cursor,
    /// The runs whose `output` and `end` it wants. Where it changes, a new run's output comes from the last event that the sink has
    /// seen; what came before is a matter for a snapshot.
    pub runs: Signal<Vec<RunId>>,
    /// Called with each event, in order, once. It runs outside of the reactive owner: signals are read by `try_` methods.
    pub on_event: OnEvent,
    /// Called when the component's state cannot be continued. It is to load a new snapshot and register again (or call
    /// [`Sink::restart`]); until then the sink receives nothing.
    pub on_reset: Box<dyn Fn()>,
}

impl SinkOptions {
    /// A sink for tasks and runs after the cursor.
    #[must_use]
    pub fn new(cursor: Cursor) -> Self {
        SinkOptions { cursor, runs: Signal::stored(Vec::new()), on_event: Box::new(|_, _| {}), on_reset: Box::new(|| {}) }
    }

    /// See [`SinkOptions::runs`].
    #[must_use]
    pub fn runs(mut self, runs: impl Into<Signal<Vec<RunId>>>) -> Self {
        self.runs = runs.into();
        self
    }

    /// See [`SinkOptions::on_event`].
    #[must_use]
    pub fn on_event(mut self, on_event: impl Fn(&StreamEvent, &Cursor) + 'static) -> Self {
        self.on_event = Box::new(on_event);
        self
    }

    /// See [`SinkOptions::on_reset`].
    #[must_use]
    pub fn on_reset(mut self, on_reset: impl Fn() + 'static) -> Self {
        self.on_reset = Box::new(on_reset);
        self
    }
}

/// A registered sink. It is taken away when the owner in which it was registered is cleaned up.
#[derive(Clone, Copy)]
pub struct Sink {
    live: Live,
    number: u64,
}

impl Sink {
    /// The component has loaded a snapshot with this cursor: go on from there.
    pub fn restart(&self, cursor: Cursor) {
        if let Some(hub) = self.live.hub() {
            hub.restart(self.number, cursor);
        }
    }

    /// The component wants nothing more.
    pub fn remove(&self) {
        if let Some(hub) = self.live.existing_hub() {
            hub.remove(self.number);
        }
    }
}

impl Live {
    /// All that there is to say about the connection, whichever tab holds it. Where it is read in an Effect or a view, that runs again
    /// when it changes.
    #[must_use]
    pub fn view(&self) -> View {
        self.shown.try_get().unwrap_or_default()
    }

    /// Whether events arrive as they happen; read as [`view`](Self::view) is.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.view().status == Status::Live
    }

    /// Whether the server has become another version than the one that this page came from; read as [`view`](Self::view) is.
    #[must_use]
    pub fn is_outdated(&self) -> bool {
        self.outdated.try_get().unwrap_or(false)
    }

    /// What everybody should know of the server's state: empty where all is well, none before the stream has said it; read as
    /// [`view`](Self::view) is.
    #[must_use]
    pub fn notice(&self) -> Option<String> {
        self.state.try_get().flatten()
    }

    /// Tries at once instead of waiting, in whichever tab that is. Without effect where only signing in helps.
    pub fn reconnect_now(&self) {
        if let Some(Parts { share, .. }) = self.existing() {
            share.tell(Input::ReconnectNow);
        }
    }

    /// After a lost connection was resumed: how much had been missed and has now arrived. It stands for a few seconds; read as
    /// [`is_live`](Self::is_live) is.
    #[must_use]
    pub fn caught_up(&self) -> Option<CaughtUp> {
        match self.notice.try_get().flatten() {
            Some(Notice::CaughtUp(caught_up)) => Some(caught_up),
            _ => None,
        }
    }

    /// While what was missed arrives for so long that a person waits for it: how far that is; read as [`is_live`](Self::is_live) is.
    #[must_use]
    pub fn catching_up(&self) -> Option<Progress> {
        match self.notice.try_get().flatten() {
            Some(Notice::CatchingUp(progress)) => Some(progress),
            _ => None,
        }
    }

    /// Registers a sink until the current owner is cleaned up. To be called in an Effect: it is what connects.
    pub fn sink(&self, options: SinkOptions) -> Sink {
        let live = *self;
        let runs = options.runs;
        let sink = Sink { live, number: self.hub().map_or(0, |hub| hub.add(options)) };
        effect(move || {
            runs.track();
            if let Some(hub) = live.existing_hub() {
                hub.plan_soon();
            }
        });
        on_cleanup(move || sink.remove());
        sink
    }

    fn hub(&self) -> Option<SendWrapper<Rc<Hub>>> {
        let live = *self;
        self.parts.try_update_value(|slot| slot.get_or_insert_with(|| live.parts()).hub.clone())
    }

    fn parts(&self) -> Parts {
        let Live { stream, target, shown, notice, outdated, state, .. } = *self;
        let share = SendWrapper::new(Share::new(Surroundings { stream, target, shown }));
        let wanting = share.clone();
        let hub = SendWrapper::new(Hub::new(Box::new(move |wish| wanting.tell(Input::Want(wish))), shown, notice, outdated, state));
        share.feed(&hub);
        Parts { hub, share }
    }

    fn existing(&self) -> Option<Parts> {
        self.parts.try_get_value().flatten()
    }

    fn existing_hub(&self) -> Option<SendWrapper<Rc<Hub>>> {
        self.existing().map(|parts| parts.hub)
    }
}

/// Makes the page's stream and puts it into the context. For the application, once.
///
/// ## On the server
/// Connects nothing and says [`Status::Idle`], as does the first render in the browser.
pub fn provide_live() -> Live {
    let (target, shown, notice) = (RwSignal::new(None), RwSignal::new(View::default()), RwSignal::new(None));
    let parts = StoredValue::new(None::<Parts>);
    let share = move || parts.try_get_value().flatten().map(|parts| parts.share);
    let stream = use_event_stream(target.into(), move |delivery| {
        if let Some(share) = share() {
            share.accept(delivery);
        }
    });
    effect(move || {
        let view = stream.view();
        if let Some(share) = share() {
            share.tell(Input::Stands(view));
        }
    });
    on_cleanup(move || {
        if let Some(Parts { share, .. }) = parts.try_update_value(Option::take).flatten() {
            share.dispose();
        }
    });
    let live = Live { stream, parts, target, shown, notice, outdated: RwSignal::new(false), state: RwSignal::new(None) };
    provide_context(live);
    live
}

/// The page's stream. Where the application provides none (a component in a test), one that never connects.
#[must_use]
pub fn use_live() -> Live {
    use_context::<Live>().unwrap_or_else(provide_live)
}
