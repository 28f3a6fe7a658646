//! What carries a stream: the interface between the driver, which knows when to connect, and the part of the browser that does it. A
//! transport decides nothing and remembers nothing from one connection to the next.

use super::driver::Driver;
use crate::domain::reconnect::{Answer, Heard, Input};
use std::{any::Any, rc::Weak};
use web_sys::{AbortController, AbortSignal};

/// A way to receive an event stream. The browser's `EventSource` is one
/// ([`EventSourceTransport`](super::event_source::EventSourceTransport)).
pub trait Transport {
    /// Connects to the address and tells the listener what becomes of it, after this has returned. `None`: there is no such address.
    fn connect(&self, address: &str, listener: Listener) -> Option<Connection>;

    /// Asks, after a loss of which only [`Listener::errored`] is known, with which status the address answers, and says it by
    /// [`Listener::answered`]. A transport that says the status where it has one leaves this out: then the next attempt shows.
    fn probe(&self, _address: &str, _listener: Listener) -> Option<Connection> {
        None
    }
}

/// What a transport has open. Dropping it closes it, at once and for good: the server sees it leave, nothing of it stays in the
/// browser, and it says nothing more.
pub type Connection = Box<dyn Any>;

/// Whom a connection tells what happens to it. It holds nothing alive, and what a connection says after another has taken its place has
/// no effect.
#[derive(Clone)]
pub struct Listener {
    driver: Weak<Driver>,
    generation: u64,
}

impl Listener {
    pub(super) fn new(driver: Weak<Driver>, generation: u64) -> Self {
        Listener { driver, generation }
    }

    /// The server has answered with a stream.
    pub fn opened(&self) {
        self.tell(Input::Opened { generation: self.generation });
    }

    /// An event arrived. `id` is its own, or else the last one that the stream named.
    pub fn message(&self, name: &str, data: &str, id: &str) {
        if let Some(driver) = self.driver.upgrade() {
            driver.hear(self.generation, name, data, id);
        }
    }

    /// An event arrived that is longer than the transport takes; what is known of it, as in [`message`](Self::message).
    pub fn too_long(&self, name: &str, id: &str) {
        if let Some(driver) = self.driver.upgrade() {
            driver.cannot_read(self.generation, name, id, "it is too long");
        }
    }

    /// The stream asked by `retry:` for so many milliseconds before another attempt.
    pub fn retry(&self, retry_ms: u64) {
        self.tell(Input::Heard { generation: self.generation, heard: Heard::Retry { retry_ms } });
    }

    /// The connection failed or ended. The driver drops it.
    pub fn errored(&self) {
        self.tell(Input::Errored { generation: self.generation });
    }

    /// After [`errored`](Self::errored): the status with which the server answers.
    pub fn answered(&self, answer: Answer) {
        self.tell(Input::Probed { generation: self.generation, answer });
    }

    fn tell(&self, input: Input) {
        if let Some(driver) = self.driver.upgrade() {
            driver.tell(input);
        }
    }
}

/// A request that is given up when this is dropped.
pub(crate) struct AbortOnDrop(AbortController);

impl AbortOnDrop {
    pub(crate) fn new() -> Option<Self> {
        AbortController::new().ok().map(AbortOnDrop)
    }

    pub(crate) fn signal(&self) -> AbortSignal {
        self.0.signal()
    }
}

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// An HTTP response as the machine takes it. `Retry-After` is a number of seconds or a date (RFC 9110, section 10.2.3).
pub(crate) fn answer(code: u16, retry_after: Option<&str>) -> Answer {
    Answer::Status { code, retry_after_ms: retry_after.and_then(delay_ms) }
}

fn delay_ms(retry_after: &str) -> Option<u64> {
    if let Ok(seconds) = retry_after.trim().parse::<u64>() {
        return Some(seconds.saturating_mul(1_000));
    }
    let at = js_sys::Date::parse(retry_after);
    (at.is_finite() && at > 0.0).then(|| (at as u64).saturating_sub(now()))
}

/// Milliseconds since 1970.
pub(in crate::ui) fn now() -> u64 {
    js_sys::Date::now() as u64
}
