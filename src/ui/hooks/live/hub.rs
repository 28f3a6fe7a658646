//! Who listens to the page's stream, and what the stream must therefore carry. Browser only.

use super::{CaughtUp, SinkOptions, catch_up::Notice};
use crate::{
    domain::{
        cursor::Cursor,
        event::{MAX_RUNS, StreamEvent},
        id::RunId,
        reconnect::{Status, View, words::Progress},
        sharing::Wish,
    },
    ui::hooks::use_event_stream::Delivery,
};
use leptos::prelude::*;
use std::{
    cell::{Cell, RefCell},
    rc::{Rc, Weak},
    time::Duration,
};

/// How long the stream outlives its last listener: from one page to the next it need not be made anew.
const LINGER: Duration = Duration::from_secs(2);

/// How long the stream must be quiet to count as caught up, where what was missed concerns others; and after how long, and how often,
/// the page says how far it has come.
const QUIET: Duration = Duration::from_millis(400);

/// How long the page says that it has caught up.
const NOTICE: Duration = Duration::from_secs(4);

/// Who sees to it that the stream carries what is wanted.
pub(super) type OnWish = Box<dyn Fn(Option<Wish>)>;

pub(super) struct Hub {
    listeners: RefCell<Vec<Rc<Listener>>>,
    next_number: Cell<u64>,
    planned: Cell<bool>,
    /// What the stream carries, and how far it has come; none while it is not wanted.
    carried: RefCell<Option<Carried>>,
    catching: RefCell<Option<Catching>>,
    want: OnWish,
    shown: RwSignal<View>,
    notice: RwSignal<Option<Notice>>,
    /// The build of the server that was first heard of, and whether another answers now.
    build: RefCell<Option<String>>,
    outdated: RwSignal<bool>,
    /// What the server says of its state.
    state: RwSignal<Option<String>>,
    this: Weak<Hub>,
}

struct Listener {
    number: u64,
    options: SinkOptions,
    seen: RefCell<Cursor>,
    state: Cell<State>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Registered; the stream does not carry what it wants yet.
    Joining,
    /// Receives events.
    Fed,
    /// Was told to load a snapshot.
    Reset,
    /// Unregistered, perhaps while an event was being handed round.
    Gone,
}

#[derive(Clone, PartialEq)]
struct Carried {
    runs: Vec<RunId>,
    position: Cursor,
}

struct Catching {
    /// The places of the log that were missed: after this one, up to that one.
    from: u64,
    head: u64,
    heard: bool,
    /// Whether it is looked after. Not while the connection is lost once more.
    watched: bool,
    count: CaughtUp,
}

impl Hub {
    /// `want` is told what the stream must carry, whenever that changes; `shown` is how the connection stands.
    pub(super) fn new(
        want: OnWish,
        shown: RwSignal<View>,
        notice: RwSignal<Option<Notice>>,
        outdated: RwSignal<bool>,
        state: RwSignal<Option<String>>,
    ) -> Rc<Self> {
        Rc::new_cyclic(|this| Hub {
            listeners: RefCell::default(),
            next_number: Cell::new(1),
            planned: Cell::new(false),
            carried: RefCell::default(),
            catching: RefCell::default(),
            want,
            shown,
            notice,
            build: RefCell::default(),
            outdated,
            state,
            this: this.clone(),
        })
    }

    pub(super) fn add(&self, options: SinkOptions) -> u64 {
        let number = self.next_number.replace(self.next_number.get() + 1);
        let seen = RefCell::new(options.cursor.clone());
        self.listeners.borrow_mut().push(Rc::new(Listener { number, options, seen, state: Cell::new(State::Joining) }));
        self.plan_soon();
        number
    }

    pub(super) fn remove(&self, number: u64) {
        let gone: Vec<_> = self.listeners.borrow_mut().extract_if(.., |listener| listener.number == number).collect();
        // Let go of only here: what its callbacks own may come back to this list when it is dropped.
        gone.iter().for_each(|listener| listener.state.set(State::Gone));
        self.plan_soon();
    }

    pub(super) fn restart(&self, number: u64, cursor: Cursor) {
        if let Some(listener) = self.listeners.borrow().iter().find(|listener| listener.number == number) {
            listener.seen.replace(cursor);
            listener.state.set(State::Joining);
        }
        self.plan_soon();
    }

    /// Everything that changes in one go is one change of the stream.
    pub(super) fn plan_soon(&self) {
        if self.planned.replace(true) {
            return;
        }
        let this = self.this.clone();
        queue_microtask(move || {
            if let Some(hub) = this.upgrade() {
                hub.plan();
            }
        });
    }

    /// Sees to it that the stream carries what the listeners want.
    fn plan(&self) {
        self.planned.set(false);
        let listeners = self.listeners();
        if listeners.is_empty() {
            self.linger();
            return;
        }
        let mut wanting: Vec<_> =
            listeners.into_iter().filter(|listener| matches!(listener.state.get(), State::Joining | State::Fed)).collect();
        // The newest snapshot knows best which log there is.
        let Some(epoch) = wanting.last().map(|listener| listener.seen.borrow().epoch.clone()) else { return };
        let stale: Vec<_> = wanting.extract_if(.., |listener| listener.seen.borrow().epoch != epoch).collect();
        let Some(start) = wanting.iter().map(|listener| listener.seen.borrow().seq).min() else { return };
        let runs = runs_of(&wanting);
        let suffices = self.carried.borrow().as_ref().is_some_and(|carried| {
            let late =
                |listener: &Rc<Listener>| listener.state.get() == State::Joining && listener.seen.borrow().seq < carried.position.seq;
            carried.runs == runs && carried.position.epoch == epoch && !wanting.iter().any(late)
        });
        wanting.iter().for_each(|listener| listener.state.set(State::Fed));
        if !suffices {
            let position = Cursor { epoch, seq: start };
            self.carried.replace(Some(Carried { runs: runs.clone(), position: position.clone() }));
            (self.want)(Some(Wish { runs, after: position }));
        }
        stale.iter().for_each(|listener| listener.reset());
    }

    fn linger(&self) {
        let this = self.this.clone();
        set_timeout(
            move || {
                if let Some(hub) = this.upgrade().filter(|hub| hub.listeners.borrow().is_empty()) {
                    hub.carried.replace(None);
                    (hub.want)(None);
                }
            },
            LINGER,
        );
    }

    /// Takes what the stream delivers, in order.
    pub(super) fn accept(&self, delivery: Delivery<'_>) {
        match delivery {
            Delivery::Ping => {}
            Delivery::Hello { hello, resumed, .. } => {
                let first = self.build.borrow_mut().get_or_insert_with(|| hello.build.clone()).clone();
                if first != hello.build {
                    self.outdated.try_set(true);
                }
                self.state.try_set(Some(hello.notice.clone().unwrap_or_default()));
                if resumed {
                    self.catch_up(hello.head);
                }
            }
            Delivery::Event { event, cursor, .. } => {
                self.count(event, cursor);
                if let Some(carried) = self.carried.borrow_mut().as_mut() {
                    carried.position = cursor.clone();
                }
                self.hand_round(event, cursor);
            }
            Delivery::Reset { .. } => {
                self.catching.replace(None);
                self.notice.try_set(None);
                // Nothing more comes before somebody wants it anew.
                self.carried.replace(None);
                self.listeners().iter().filter(|listener| listener.state.get() == State::Fed).for_each(|listener| listener.reset());
            }
        }
    }

    fn hand_round(&self, event: &StreamEvent, cursor: &Cursor) {
        let run = match event {
            StreamEvent::Output(output) => Some(output.run),
            StreamEvent::Size(size) => Some(size.run),
            StreamEvent::End(end) => Some(end.run),
            _ => None,
        };
        let mut missing = false;
        for listener in self.listeners() {
            if listener.state.get() != State::Fed || cursor.seq <= listener.seen.borrow().seq {
                continue;
            }
            listener.seen.replace(cursor.clone());
            if run.is_none_or(|run| listener.wants(run)) {
                (listener.options.on_event)(event, cursor);
                // An event can make a component want another run: the stream must carry it before the next event passes.
                missing |= run.is_none() && listener.state.get() == State::Fed && self.lacks_runs_of(&listener);
            }
        }
        if missing {
            self.plan();
        }
    }

    fn lacks_runs_of(&self, listener: &Listener) -> bool {
        let carried = self.carried.borrow();
        let runs = carried.as_ref().map(|carried| carried.runs.as_slice()).unwrap_or_default();
        listener.runs().iter().any(|run| !runs.contains(run))
    }

    fn listeners(&self) -> Vec<Rc<Listener>> {
        self.listeners.borrow().clone()
    }

    fn count(&self, event: &StreamEvent, cursor: &Cursor) {
        let mut reached = false;
        if let Some(catching) = self.catching.borrow_mut().as_mut() {
            catching.heard = true;
            reached = cursor.seq >= catching.head;
            if let StreamEvent::Output(output) = event
                && cursor.seq <= catching.head
            {
                catching.count.count(output);
            }
        }
        if reached {
            self.caught_up();
        }
    }

    /// The stream goes on after it was lost; the log goes up to `head` by now.
    fn catch_up(&self, head: u64) {
        let from = self.carried.borrow().as_ref().map(|carried| carried.position.seq).filter(|from| *from < head);
        let Some(from) = from else { return self.caught_up() };
        // Lost again on the way, it is still the same that was missed.
        let mut slot = self.catching.borrow_mut();
        let catching = slot.get_or_insert_with(|| Catching { from, head, heard: false, watched: false, count: CaughtUp::default() });
        catching.head = head;
        if !std::mem::replace(&mut catching.watched, true) {
            self.watch();
        }
    }

    fn watch(&self) {
        let this = self.this.clone();
        set_timeout(
            move || {
                if let Some(hub) = this.upgrade() {
                    hub.look();
                }
            },
            QUIET,
        );
    }

    fn look(&self) {
        let live = self.shown.try_with_untracked(|view| view.status) == Some(Status::Live);
        let heard = self.catching.borrow_mut().as_mut().map(|catching| {
            catching.watched = live;
            std::mem::take(&mut catching.heard)
        });
        match heard {
            Some(true) if live => {
                self.notice.try_set(self.progress().map(Notice::CatchingUp));
                self.watch();
            }
            Some(false) if live => self.caught_up(),
            _ => {}
        }
    }

    fn progress(&self) -> Option<Progress> {
        let (catching, carried) = (self.catching.borrow(), self.carried.borrow());
        let (Catching { from, head, .. }, position) = (catching.as_ref()?, carried.as_ref()?.position.seq);
        Some(Progress { done: position.saturating_sub(*from), of: head - from })
    }

    fn caught_up(&self) {
        let Some(Catching { count, .. }) = self.catching.take() else { return };
        let caught_up = (count.lines > 0).then_some(Notice::CaughtUp(count));
        self.notice.try_set(caught_up.clone());
        let notice = self.notice;
        set_timeout(
            move || {
                if notice.try_with_untracked(|shown| *shown == caught_up) == Some(true) {
                    notice.try_set(None);
                }
            },
            NOTICE,
        );
    }
}

impl Listener {
    fn runs(&self) -> Vec<RunId> {
        self.options.runs.try_get_untracked().unwrap_or_default()
    }

    fn wants(&self, run: RunId) -> bool {
        self.options.runs.try_with_untracked(|runs| runs.contains(&run)).unwrap_or(false)
    }

    fn reset(&self) {
        self.state.set(State::Reset);
        (self.options.on_reset)();
    }
}

/// The runs to be named, in a fixed order: as many as the server takes, and those of the newest listeners first.
fn runs_of(wanting: &[Rc<Listener>]) -> Vec<RunId> {
    let mut runs = Vec::new();
    for run in wanting.iter().rev().flat_map(|listener| listener.runs()) {
        if runs.len() < MAX_RUNS && !runs.contains(&run) {
            runs.push(run);
        }
    }
    runs.sort_unstable();
    runs
}
