//! Carries out what `domain::sharing` decides for this tab, with the browser's lock, a channel that all tabs of the origin hear, and the
//! events of a page that is left or frozen. Browser only.

use super::{
    hub::Hub,
    lock::{Change, Lock},
};
use crate::{
    domain::{
        event::StreamEvent,
        reconnect::View,
        sharing::{Action, Heard, Input, Message, Sharing, Wish},
    },
    ui::hooks::{
        driver::switch,
        timer::Timer,
        transport::now,
        use_event_stream::{Delivery, StreamTarget, UseEventStream},
    },
};
use leptos::prelude::*;
use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    rc::{Rc, Weak},
};
use wasm_bindgen::{JsCast, JsValue, closure::Closure};
use web_sys::{BroadcastChannel, Event, MessageEvent};

/// The channel's name. It changes with what is said there.
const CHANNEL: &str = "kontasks-live-1";

const WINDOW_EVENTS: [&str; 2] = ["pagehide", "pageshow"];
const DOCUMENT_EVENTS: [&str; 3] = ["freeze", "resume", "visibilitychange"];

/// What a tab's own stream and components are to it.
pub(super) struct Surroundings {
    /// The own stream, and what it is to carry.
    pub stream: UseEventStream,
    /// See `stream`.
    pub target: RwSignal<Option<StreamTarget>>,
    /// What is shown as the connection's state.
    pub shown: RwSignal<View>,
}

/// One tab's part, with its hands. Dropping it frees nothing by itself: [`Share::dispose`] does.
pub(super) struct Share {
    machine: RefCell<Sharing>,
    /// What is still to be taken, in order: a component may want something while it is given something.
    waiting: RefCell<VecDeque<Input>>,
    busy: Cell<bool>,
    surroundings: Surroundings,
    hub: RefCell<Weak<Hub>>,
    lock: Option<Rc<Lock>>,
    channel: Option<BroadcastChannel>,
    timer: Timer,
    on_event: Closure<dyn Fn(Event)>,
}

impl Share {
    pub(super) fn new(surroundings: Surroundings) -> Rc<Self> {
        let share = Rc::new_cyclic(|this: &Weak<Share>| {
            let (by_event, by_timer, by_lock) = (this.clone(), this.clone(), this.clone());
            let channel = BroadcastChannel::new(CHANNEL).ok();
            let on_lock = Box::new(move |change| {
                if let Some(share) = by_lock.upgrade() {
                    share.tell(match change {
                        Change::Held => Input::Elected,
                        Change::Lost => Input::Deposed,
                        Change::Refused => Input::Alone,
                    });
                }
            });
            let on_event = move |event: Event| {
                if let Some(share) = by_event.upgrade() {
                    share.hear(&event);
                }
            };
            let on_timer = move || {
                if let Some(share) = by_timer.upgrade() {
                    share.tell(Input::TimerFired);
                }
            };
            Share {
                machine: RefCell::new(Sharing::new(js_sys::Math::random().to_bits())),
                waiting: RefCell::default(),
                busy: Cell::new(false),
                surroundings,
                hub: RefCell::default(),
                lock: channel.as_ref().and_then(|_| Lock::new(on_lock)),
                channel,
                timer: Timer::new(on_timer),
                on_event: Closure::new(on_event),
            }
        });
        share.listen(true);
        if share.lock.is_none() {
            share.tell(Input::Alone);
        }
        share
    }

    /// Who is given what arrives.
    pub(super) fn feed(&self, hub: &Rc<Hub>) {
        self.hub.replace(Rc::downgrade(hub));
    }

    /// Takes what the tab's own stream brings.
    pub(super) fn accept(&self, delivery: Delivery<'_>) {
        let heard = match delivery {
            Delivery::Hello { resumed, data, .. } => Heard::Hello { resumed, data: data.to_owned() },
            Delivery::Event { cursor, name, data, .. } => {
                Heard::Event { cursor: cursor.clone(), name: name.to_owned(), data: data.to_owned() }
            }
            Delivery::Reset { cursor } => Heard::Reset(cursor.cloned()),
            Delivery::Ping => Heard::Ping,
        };
        self.take(Input::Heard(heard), Some(delivery));
    }

    /// Takes one input and carries out what follows from it.
    pub(super) fn tell(&self, input: Input) {
        self.take(input, None);
    }

    /// Leaves the others, and takes every listener and timer away.
    pub(super) fn dispose(&self) {
        self.tell(Input::Away);
        self.listen(false);
        self.timer.clear();
        if let Some(channel) = &self.channel {
            channel.close();
        }
    }

    /// `delivery` is what the input is about, where that is at hand: then it need not be read once more.
    fn take(&self, input: Input, delivery: Option<Delivery<'_>>) {
        if self.busy.replace(true) {
            self.waiting.borrow_mut().push_back(input);
            return;
        }
        let mut next = Some((input, delivery));
        while let Some((input, delivery)) = next {
            let actions = self.machine.borrow_mut().step(now(), input);
            for action in actions {
                self.act(action, delivery);
            }
            next = self.waiting.borrow_mut().pop_front().map(|input| (input, None));
        }
        self.busy.set(false);
    }

    fn act(&self, action: Action, delivery: Option<Delivery<'_>>) {
        let Surroundings { stream, target, shown } = &self.surroundings;
        match (action, &self.lock) {
            (Action::Queue, Some(lock)) => lock.queue(),
            (Action::Steal, Some(lock)) => lock.steal(),
            (Action::Leave, Some(lock)) => lock.leave(),
            (Action::Queue | Action::Steal | Action::Leave, None) => {}
            (Action::Post(message), _) => {
                if let Some(channel) = &self.channel {
                    // It fails for a channel that is closed, when nobody is there any more.
                    let _ = channel.post_message(&JsValue::from_str(&message.to_wire()));
                }
            }
            (Action::Connect(wish), _) => {
                target.try_set(wish.map(|wish| StreamTarget { url: address(&wish), after: Some(wish.after) }));
            }
            (Action::Reconnect, _) => stream.reconnect_now(),
            (Action::Look, _) => stream.look(),
            (Action::Deliver(heard), _) => {
                let hub = self.hub.borrow().upgrade();
                if let Some(hub) = hub {
                    match delivery {
                        Some(delivery) if !matches!(heard, Heard::Reset(_)) => hub.accept(delivery),
                        _ => deliver(&hub, &heard),
                    }
                }
            }
            (Action::Show(view), _) => {
                shown.try_set(view);
            }
            (Action::SetTimer(at), _) => self.timer.set(at),
        }
    }

    fn hear(&self, event: &Event) {
        match event.type_().as_str() {
            "message" => {
                let text = event.dyn_ref::<MessageEvent>().and_then(|event| event.data().as_string());
                if let Some(message) = text.and_then(|text| Message::from_wire(&text)) {
                    self.tell(Input::Told(message));
                }
            }
            "pagehide" | "freeze" => self.tell(Input::Away),
            "pageshow" | "resume" => self.tell(Input::Back),
            _ => {
                let document = web_sys::window().and_then(|window| window.document());
                if document.is_some_and(|document| !document.hidden()) {
                    self.tell(Input::Visible);
                }
            }
        }
    }

    fn listen(&self, on: bool) {
        let Some(window) = web_sys::window() else { return };
        WINDOW_EVENTS.iter().for_each(|name| switch(&window, name, &self.on_event, on));
        if let Some(document) = window.document() {
            DOCUMENT_EVENTS.iter().for_each(|name| switch(&document, name, &self.on_event, on));
        }
        if let Some(channel) = &self.channel {
            switch(channel, "message", &self.on_event, on);
        }
    }
}

/// What another tab heard is read here once more.
fn deliver(hub: &Rc<Hub>, heard: &Heard) {
    match heard {
        Heard::Hello { resumed, data } => {
            if let Ok(Some(StreamEvent::Hello(hello))) = StreamEvent::parse("hello", data) {
                hub.accept(Delivery::Hello { hello: &hello, resumed: *resumed, data });
            }
        }
        Heard::Event { cursor, name, data } => {
            if let Ok(Some(event)) = StreamEvent::parse(name, data) {
                hub.accept(Delivery::Event { event: &event, cursor, name, data });
            }
        }
        Heard::Reset(cursor) => hub.accept(Delivery::Reset { cursor: cursor.as_ref() }),
        Heard::Ping => {}
    }
}

fn address(wish: &Wish) -> String {
    let query: Vec<String> = wish.runs.iter().map(|run| format!("run={run}")).collect();
    if query.is_empty() { "/api/v1/events".to_owned() } else { format!("/api/v1/events?{}", query.join("&")) }
}
