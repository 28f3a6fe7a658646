//! The transport that streams use where nothing else is chosen: the browser's `EventSource`, which costs a page no code of its own, and
//! a HEAD request for the status that an `EventSource` keeps to itself.

use super::{
    driver::switch,
    transport::{AbortOnDrop, Connection, Listener, Transport, answer},
};
use crate::domain::{event::EVENT_NAMES, reconnect::Answer};
use gloo_net::http::Request;
use wasm_bindgen::{JsCast, closure::Closure};
use wasm_bindgen_futures::spawn_local;
use web_sys::{AbortSignal, Event, EventSource, MessageEvent, RequestCache, RequestInit};

/// `EventSource`: cookies of the page's own origin, no headers, events of the known names.
#[derive(Clone, Copy, Debug, Default)]
pub struct EventSourceTransport;

impl Transport for EventSourceTransport {
    fn connect(&self, address: &str, listener: Listener) -> Option<Connection> {
        let source = EventSource::new(address).ok()?;
        let callback = Closure::new(move |event: Event| say(&listener, &event));
        let open = Open { source, callback };
        open.listen(true);
        Some(Box::new(open))
    }

    fn probe(&self, address: &str, listener: Listener) -> Option<Connection> {
        let asked = AbortOnDrop::new()?;
        let (address, signal) = (address.to_owned(), asked.signal());
        spawn_local(async move {
            if signal.aborted() {
                return;
            }
            let answer = ask(&address, &signal).await;
            if !signal.aborted() {
                listener.answered(answer);
            }
        });
        Some(Box::new(asked))
    }
}

struct Open {
    source: EventSource,
    callback: Closure<dyn Fn(Event)>,
}

impl Open {
    fn listen(&self, on: bool) {
        for name in EVENT_NAMES.into_iter().chain(["open", "error"]) {
            switch(&self.source, name, &self.callback, on);
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.listen(false);
        self.source.close();
    }
}

/// An event that the server names `open` or `error` comes as a `MessageEvent`; the `EventSource`'s own are plain.
fn say(listener: &Listener, event: &Event) {
    let name = event.type_();
    match (name.as_str(), event.dyn_ref::<MessageEvent>()) {
        ("open", None) => listener.opened(),
        ("error", None) => listener.errored(),
        (name, Some(message)) => listener.message(name, &message.data().as_string().unwrap_or_default(), &message.last_event_id()),
        _ => {}
    }
}

async fn ask(address: &str, signal: &AbortSignal) -> Answer {
    // gloo's own builder would add an `&` to the query.
    let options = RequestInit::new();
    options.set_method("HEAD");
    options.set_cache(RequestCache::NoStore);
    options.set_signal(Some(signal));
    let Ok(request) = web_sys::Request::new_with_str_and_init(address, &options) else { return Answer::Unreachable };
    match Request::from(request).send().await {
        Ok(response) => answer(response.status(), response.headers().get("retry-after").as_deref()),
        Err(_) => Answer::Unreachable,
    }
}
