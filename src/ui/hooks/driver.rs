//! Carries out what `domain::reconnect` decides, with a transport's connections and the browser's timers and page events. It decides
//! nothing itself. Browser calls only: it is made in an Effect, never on the server.

use super::{
    timer::Timer,
    transport::{Connection, Listener, Transport, now},
    use_event_stream::{Delivery, StreamTarget},
};
use crate::domain::{
    cursor::Cursor,
    event::StreamEvent,
    reconnect::{Action, Heard, Input, Machine, Options, View},
};
use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    rc::{Rc, Weak},
};
use wasm_bindgen::{JsCast, closure::Closure};
use web_sys::{Event, EventTarget};

/// The events of the window that lead into and out of a pause.
const WINDOW_EVENTS: [&str; 4] = ["online", "offline", "pagehide", "pageshow"];

/// What the page does with what arrives.
pub(super) type OnDelivery = Rc<dyn Fn(Delivery<'_>)>;

/// What the page does when the state has changed.
pub(super) type OnChange = Box<dyn Fn(View)>;

/// One stream's machine with its hands. Dropping it frees nothing by itself: [`Driver::dispose`] does.
pub(super) struct Driver {
    machine: RefCell<Machine>,
    transport: Rc<dyn Transport>,
    /// What is still to be taken, in order: a callback of the page may ask for more while it is called.
    waiting: RefCell<VecDeque<Job>>,
    busy: Cell<bool>,
    disposed: Cell<bool>,
    url: RefCell<String>,
    source: RefCell<Option<Connection>>,
    timer: Timer,
    /// The number that the machine has given to the timer's setting.
    setting: Cell<Option<u64>>,
    probe: RefCell<Option<Connection>>,
    on_page: Closure<dyn Fn(Event)>,
    on_delivery: OnDelivery,
    on_change: OnChange,
    this: Weak<Driver>,
}

struct Job {
    input: Input,
    received: Option<Received>,
}

/// An event as it came, and as it was read.
struct Received {
    event: StreamEvent,
    cursor: Option<Cursor>,
    name: String,
    data: String,
}

impl Driver {
    /// Listens to the page, and connects nothing before it is told a target.
    pub(super) fn new(mut options: Options, transport: Rc<dyn Transport>, on_delivery: OnDelivery, on_change: OnChange) -> Rc<Self> {
        let host = web_sys::window().and_then(|window| window.location().hostname().ok());
        options.loopback |= host.is_some_and(|host| is_loopback(&host));
        let seed = (js_sys::Math::random() * 9_007_199_254_740_992.0) as u64;
        let driver = Rc::new_cyclic(|this: &Weak<Driver>| {
            let (timer, page) = (this.clone(), this.clone());
            Driver {
                machine: RefCell::new(Machine::new(options, seed)),
                transport,
                waiting: RefCell::default(),
                busy: Cell::new(false),
                disposed: Cell::new(false),
                url: RefCell::default(),
                source: RefCell::default(),
                timer: Timer::new(move || {
                    if let Some(driver) = timer.upgrade() {
                        driver.timer_fired();
                    }
                }),
                setting: Cell::new(None),
                probe: RefCell::default(),
                on_page: Closure::new(move |event: Event| {
                    if let Some(driver) = page.upgrade() {
                        driver.page_says(&event);
                    }
                }),
                on_delivery,
                on_change,
                this: this.clone(),
            }
        });
        driver.listen_to_page(true);
        driver.learn_network();
        driver
    }

    /// Where to connect; `None` disconnects.
    pub(super) fn retarget(&self, target: Option<StreamTarget>) {
        match target {
            Some(StreamTarget { url, after }) => {
                self.url.replace(url);
                self.tell(Input::Retarget { after });
            }
            None => self.tell(Input::Stop),
        }
    }

    /// Takes one input and carries out what follows from it.
    pub(super) fn tell(&self, input: Input) {
        self.tell_job(Job { input, received: None });
    }

    /// Everything up to here has been delivered.
    pub(super) fn cursor(&self) -> Option<Cursor> {
        self.machine.borrow().cursor().cloned()
    }

    /// Disconnects, and takes every listener and timer away.
    pub(super) fn dispose(&self) {
        self.tell(Input::Stop);
        self.disposed.set(true);
        self.listen_to_page(false);
    }

    fn tell_job(&self, job: Job) {
        if self.disposed.get() {
            return;
        }
        self.waiting.borrow_mut().push_back(job);
        if self.busy.replace(true) {
            return;
        }
        loop {
            let next = self.waiting.borrow_mut().pop_front();
            let Some(Job { input, received }) = next else { break };
            let actions = self.machine.borrow_mut().step(now(), input);
            for action in actions {
                self.act(action, received.as_ref());
            }
            let view = self.machine.borrow().view();
            (self.on_change)(view);
        }
        self.busy.set(false);
    }

    fn act(&self, action: Action, received: Option<&Received>) {
        match action {
            Action::Open { generation, after } => self.connect(generation, after.as_ref()),
            Action::CloseSource => drop(self.source.take()),
            Action::Probe { generation, after } => self.probe(generation, after.as_ref()),
            Action::DropProbe => drop(self.probe.take()),
            Action::SetTimer { timer, at } => {
                self.setting.set(Some(timer));
                self.timer.set(at);
            }
            Action::ClearTimer => {
                self.setting.set(None);
                self.timer.clear();
            }
            Action::Greet { resumed } => {
                if let Some(Received { event: StreamEvent::Hello(hello), data, .. }) = received {
                    self.deliver(Delivery::Hello { hello, resumed, data });
                }
            }
            Action::Deliver => {
                if let Some(Received { event, cursor: Some(cursor), name, data }) = received {
                    self.deliver(Delivery::Event { event, cursor, name, data });
                }
            }
            Action::LoadSnapshot { cursor } => self.deliver(Delivery::Reset { cursor: cursor.as_ref() }),
        }
    }

    fn deliver(&self, delivery: Delivery<'_>) {
        if !self.disposed.get() {
            (self.on_delivery)(delivery);
        }
    }

    fn address(&self, after: Option<&Cursor>) -> String {
        with_cursor(&self.url.borrow(), after)
    }

    fn connect(&self, generation: u64, after: Option<&Cursor>) {
        let connection = self.transport.connect(&self.address(after), self.listener(generation));
        // An address that is none: the machine waits and gives up in its own way.
        if connection.is_none() {
            self.tell(Input::Errored { generation });
        }
        self.source.replace(connection);
    }

    fn probe(&self, generation: u64, after: Option<&Cursor>) {
        self.probe.replace(self.transport.probe(&self.address(after), self.listener(generation)));
    }

    fn listener(&self, generation: u64) -> Listener {
        Listener::new(self.this.clone(), generation)
    }

    /// A connection carried an event.
    pub(super) fn hear(&self, generation: u64, name: &str, data: &str, id: &str) {
        let cursor = id.parse::<Cursor>().ok();
        let (heard, received) = match StreamEvent::parse(name, data) {
            Ok(Some(event)) => {
                let heard = Heard::of(&event, cursor.clone());
                (heard, Some(Received { event, cursor, name: name.to_owned(), data: data.to_owned() }))
            }
            Ok(None) => (Heard::Ping, None),
            Err(error) => return self.cannot_read(generation, name, id, &error.to_string()),
        };
        if heard == Heard::Ping {
            self.deliver(Delivery::Ping);
        }
        self.tell_job(Job { input: Input::Heard { generation, heard }, received });
    }

    /// A connection carried an event of which only this is known.
    pub(super) fn cannot_read(&self, generation: u64, name: &str, id: &str, why: &str) {
        let reason = format!("an event {name} cannot be read: {why}");
        leptos::logging::warn!("{reason}");
        let heard = Heard::Unreadable(id.parse().ok().filter(|_| carries_id(name)));
        self.tell(Input::Heard { generation, heard });
    }

    fn timer_fired(&self) {
        if let Some(timer) = self.setting.take() {
            self.tell(Input::TimerFired { timer });
        }
    }

    fn listen_to_page(&self, on: bool) {
        let Some(window) = web_sys::window() else { return };
        for name in WINDOW_EVENTS {
            switch(&window, name, &self.on_page, on);
        }
        if let Some(document) = window.document() {
            switch(&document, "visibilitychange", &self.on_page, on);
        }
    }

    fn page_says(&self, event: &Event) {
        match event.type_().as_str() {
            "online" => self.tell(Input::Online),
            "offline" => self.tell(Input::Offline),
            "pagehide" => self.tell(Input::PageHide),
            "pageshow" => {
                self.learn_network();
                self.tell(Input::PageShow);
            }
            _ => {
                let document = web_sys::window().and_then(|window| window.document());
                if document.is_some_and(|document| document.hidden()) {
                    self.tell(Input::Hidden);
                } else {
                    self.learn_network();
                    self.tell(Input::Visible);
                }
            }
        }
    }

    /// A page that was kept aside may have missed the browser's word about the network.
    fn learn_network(&self) {
        let Some(window) = web_sys::window() else { return };
        let offline = !window.navigator().on_line();
        let known = self.machine.try_borrow().is_ok_and(|machine| machine.is_offline());
        if offline != known {
            self.tell(if offline { Input::Offline } else { Input::Online });
        }
    }
}

/// Begins or ends listening to an event.
pub(super) fn switch(target: &EventTarget, name: &str, callback: &Closure<dyn Fn(Event)>, on: bool) {
    let callback = callback.as_ref().unchecked_ref();
    // Both fail only for a callback that is no function.
    let _ = if on {
        target.add_event_listener_with_callback(name, callback)
    } else {
        target.remove_event_listener_with_callback(name, callback)
    };
}

/// A stream repeats the last id for events that have none of their own.
fn carries_id(name: &str) -> bool {
    matches!(name, "task" | "run" | "output" | "end")
}

fn with_cursor(url: &str, after: Option<&Cursor>) -> String {
    match after {
        Some(cursor) => format!("{url}{}after={cursor}", if url.contains('?') { '&' } else { '?' }),
        None => url.to_owned(),
    }
}

/// For a host as `location` has it: there an address is written in one way only.
fn is_loopback(host: &str) -> bool {
    let of_127 = |rest: &str| rest.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    host == "localhost" || host.ends_with(".localhost") || host == "[::1]" || host.strip_prefix("127.").is_some_and(of_127)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_told_from_other_hosts() {
        for host in ["localhost", "board.localhost", "127.0.0.1", "127.8.8.8", "[::1]"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["localhost.example.org", "128.0.0.1", "[2001:db8::1]", "", "127.example.org"] {
            assert!(!is_loopback(host), "{host}");
        }
    }

    #[test]
    fn the_cursor_joins_an_address_with_and_without_a_query() {
        let cursor = "k3-7".parse().ok();
        assert_eq!(with_cursor("/e", cursor.as_ref()), "/e?after=k3-7");
        assert_eq!(with_cursor("/e?run=a", cursor.as_ref()), "/e?run=a&after=k3-7");
        assert_eq!(with_cursor("/e?run=a", None), "/e?run=a");
    }
}
