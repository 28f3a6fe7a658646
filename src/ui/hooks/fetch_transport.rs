//! The transport for those to whom an `EventSource` says or sends too little: `fetch`, with headers of one's own, a body that is read as
//! it comes, the exact status and `Retry-After`. Behind the feature `fetch-transport`, so that pages that do without it carry none of it.

use crate::{
    domain::{
        event_stream_parser::{Event, EventStreamParser, MAX_EVENT_BYTES, Parsed},
        reconnect::Answer,
    },
    ui::hooks::transport::{AbortOnDrop, Connection, Listener, Transport, answer},
};
use js_sys::{Promise, Uint8Array};
use std::rc::Rc;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{
    AbortSignal, Headers, ReadableStreamDefaultReader, ReadableStreamReadResult, Request, RequestCache, RequestCredentials, RequestInit,
    Response,
};

const STREAM_TYPE: &str = "text/event-stream";

/// The headers of a request: names and values.
pub type HeaderList = Vec<(String, String)>;

/// `fetch` with a streamed body.
///
/// ```no_run
/// use kontasks::fetch_transport::FetchTransport;
/// use kontasks::ui::hooks::use_event_stream::{StreamOptions, StreamTarget, UseEventStream, use_event_stream_with_options};
/// use leptos::prelude::*;
///
/// fn use_authorized_stream(target: Signal<Option<StreamTarget>>, token: RwSignal<String>) -> UseEventStream {
///     let headers = move || vec![("authorization".into(), format!("Bearer {}", token.try_get_untracked().unwrap_or_default()))];
///     let options = StreamOptions::default().transport(FetchTransport::new(headers));
///     use_event_stream_with_options(target, options, |_delivery| {})
/// }
/// ```
///
/// It needs no HEAD request: 401 and 403 say signed out, 204 says that there is nothing left, 503 and `Retry-After` when to come back,
/// and a 200 of another type than `text/event-stream` is a failure to be tried again. The end of the body is a lost connection, however it
/// ended. `retry:` is heard, too.
///
/// A server of another origin must allow each header and expose `Retry-After` (CORS). `fetch` follows redirects as `EventSource` does, and
/// takes an `Authorization` to no other origin.
#[derive(Clone)]
pub struct FetchTransport {
    headers: Rc<dyn Fn() -> HeaderList>,
    credentials: RequestCredentials,
    max_event_bytes: usize,
}

impl FetchTransport {
    /// Sends the headers that `headers` gives, asked anew for each connection, so that a token may change. A header that a browser does not
    /// let a page set is left out by the browser; one that is none makes every attempt fail.
    pub fn new(headers: impl Fn() -> HeaderList + 'static) -> Self {
        FetchTransport { headers: Rc::new(headers), credentials: RequestCredentials::SameOrigin, max_event_bytes: MAX_EVENT_BYTES }
    }

    /// Whether cookies are sent: by default to the page's own origin, as an `EventSource` does.
    #[must_use]
    pub fn credentials(mut self, credentials: RequestCredentials) -> Self {
        self.credentials = credentials;
        self
    }

    /// How long one event may be: by default [`MAX_EVENT_BYTES`]. A longer one counts as one that cannot be read, which a snapshot makes
    /// up for.
    #[must_use]
    pub fn max_event_bytes(mut self, max_event_bytes: usize) -> Self {
        self.max_event_bytes = max_event_bytes;
        self
    }

    fn request(&self, address: &str, signal: &AbortSignal) -> Result<Request, JsValue> {
        let headers = Headers::new()?;
        headers.set("accept", STREAM_TYPE)?;
        for (name, value) in (self.headers)() {
            headers.set(&name, &value)?;
        }
        let options = RequestInit::new();
        options.set_headers(&headers);
        options.set_credentials(self.credentials);
        options.set_cache(RequestCache::NoStore);
        options.set_signal(Some(signal));
        Request::new_with_str_and_init(address, &options)
    }
}

impl Transport for FetchTransport {
    fn connect(&self, address: &str, listener: Listener) -> Option<Connection> {
        let call = AbortOnDrop::new()?;
        let reporter = Reporter { listener, signal: call.signal() };
        let request = self.request(address, &reporter.signal).ok()?;
        // Asked here and not in the task, so that the request is on its way when this returns.
        let response = web_sys::window()?.fetch_with_request(&request);
        spawn_local(carry(response, reporter, EventStreamParser::new(self.max_event_bytes)));
        Some(Box::new(call))
    }
}

/// What a connection says, until it is closed. Everything that comes back from the browser may come after that.
struct Reporter {
    listener: Listener,
    signal: AbortSignal,
}

impl Reporter {
    fn listener(&self) -> Option<&Listener> {
        (!self.signal.aborted()).then_some(&self.listener)
    }

    fn lost(&self) {
        if let Some(listener) = self.listener() {
            listener.errored();
        }
    }

    /// There is no stream, and this is why.
    fn refused(&self, answer: Answer) {
        if let Some(listener) = self.listener() {
            listener.errored();
            // The loss has closed the connection; its reason is still wanted.
            listener.answered(answer);
        }
    }

    fn parsed(&self, parsed: Parsed<'_>) {
        let Some(listener) = self.listener() else { return };
        match parsed {
            Parsed::Event(Event { name, data, last_event_id }) => listener.message(name, data, last_event_id),
            Parsed::Retry(ms) => listener.retry(ms),
            Parsed::TooLong { name, last_event_id } => listener.too_long(name, last_event_id),
        }
    }
}

async fn carry(response: Promise, reporter: Reporter, mut parser: EventStreamParser) {
    let response = JsFuture::from(response).await;
    let Some(listener) = reporter.listener() else { return };
    let response = match response.and_then(JsCast::dyn_into::<Response>) {
        Ok(response) => response,
        Err(_) => return reporter.refused(Answer::Unreachable),
    };
    let Some(reader) = stream(&response) else {
        let retry_after = response.headers().get("retry-after").ok().flatten();
        return reporter.refused(answer(response.status(), retry_after.as_deref()));
    };
    listener.opened();
    while reporter.listener().is_some() {
        match next(&reader).await {
            Some(chunk) => parser.feed(&chunk, &mut |parsed| reporter.parsed(parsed)),
            None => return reporter.lost(),
        }
    }
}

/// The body, where it is a stream of events: status 200 and the right type, as for `EventSource`.
fn stream(response: &Response) -> Option<ReadableStreamDefaultReader> {
    let content_type = response.headers().get("content-type").ok().flatten()?;
    if response.status() != 200 || !is_event_stream(&content_type) {
        return None;
    }
    ReadableStreamDefaultReader::new(&response.body()?).ok()
}

fn is_event_stream(content_type: &str) -> bool {
    content_type.split(';').next().is_some_and(|essence| essence.trim().eq_ignore_ascii_case(STREAM_TYPE))
}

/// The next bytes; none where there are no more, for whatever reason.
async fn next(reader: &ReadableStreamDefaultReader) -> Option<Vec<u8>> {
    let read: ReadableStreamReadResult = JsFuture::from(reader.read()).await.ok()?.unchecked_into();
    if read.get_done().unwrap_or(false) {
        return None;
    }
    read.get_value().dyn_into::<Uint8Array>().ok().map(|chunk| chunk.to_vec())
}

#[cfg(test)]
mod tests {
    use super::is_event_stream;

    #[test]
    fn the_type_is_told_without_its_parameters() {
        for content_type in ["text/event-stream", "text/event-stream; charset=utf-8", "Text/Event-Stream;x", " text/event-stream "] {
            assert!(is_event_stream(content_type), "{content_type}");
        }
        for content_type in
            ["", "text/html", "text/event-streams", "application/json; a=text/event-stream", "text/plain, text/event-stream"]
        {
            assert!(!is_event_stream(content_type), "{content_type}");
        }
    }
}
