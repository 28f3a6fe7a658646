//! What only the transport by `fetch` does: headers, exact statuses without a question, bytes. What both do is in `event_stream`.

use crate::{
    event_stream::{Wire, live, stream_to},
    fakes::{Mounted, RUN, act, board, hello, js, number, open, output, say, text, until},
};
use kontasks::{
    domain::reconnect::{Closed, Options, Status, Trouble},
    fetch_transport::FetchTransport,
    ui::hooks::use_event_stream::{StreamOptions, StreamTarget, UseEventStream},
};
use leptos::prelude::*;
use std::{cell::Cell, rc::Rc};
use wasm_bindgen_test::wasm_bindgen_test;

fn target() -> Signal<Option<StreamTarget>> {
    Signal::stored(Some(StreamTarget { url: "/events".to_owned(), after: "k-10".parse().ok() }))
}

fn options(transport: FetchTransport) -> StreamOptions {
    StreamOptions::from(Options { base_ms: 100, ..Options::default() }).transport(transport)
}

/// Asked, not answered.
async fn asking() -> (UseEventStream, Mounted) {
    let (stream, _log, handle) = stream_to(target(), options(FetchTransport::new(Vec::new)));
    until("a connection", || number("fake.sources.length") == 1).await;
    (stream, handle)
}

fn waits_for(stream: UseEventStream) -> f64 {
    stream.next_retry_at().get_untracked().map_or(0.0, |at| at.0 as f64 - js_sys::Date::now())
}

#[wasm_bindgen_test]
async fn each_connection_sends_the_headers_of_its_moment() {
    let count = Rc::new(Cell::new(0));
    let transport = FetchTransport::new(move || {
        count.set(count.get() + 1);
        vec![("authorization".to_owned(), format!("Bearer {}", count.get())), ("x-api-version".to_owned(), "3".to_owned())]
    });
    let (stream, _log, _handle) = stream_to(target(), options(transport));
    until("a connection", || number("fake.sources.length") == 1).await;
    let sent = || text("JSON.stringify(fake.last().headers)");
    assert_eq!(sent(), r#"{"accept":"text/event-stream","authorization":"Bearer 1","x-api-version":"3"}"#);
    assert_eq!(
        text("[fake.last().request.method, fake.last().request.cache, fake.last().request.credentials].join()"),
        "GET,no-store,same-origin"
    );
    stream.reconnect_now();
    assert!(sent().contains("Bearer 2"), "{}", sent());
}

#[wasm_bindgen_test]
async fn the_status_is_known_without_a_question() {
    for (code, status) in [
        (401, Status::Closed(Closed::SignedOut)),
        (403, Status::Closed(Closed::SignedOut)),
        (204, Status::Closed(Closed::Completed)),
        (404, Status::Closed(Closed::Rejected(404))),
        (408, Status::Waiting),
        (429, Status::Waiting),
        (500, Status::Waiting),
        (503, Status::Waiting),
    ] {
        let (stream, _handle) = asking().await;
        act(&format!("fake.last().answers({code})")).await;
        assert_eq!((stream.status().get_untracked(), number("fake.open()"), number("fake.probes.length")), (status, 0, 0), "{code}");
        let error = if code == 204 { None } else { Some(Trouble::Answered(code)) };
        assert_eq!(stream.error().get_untracked(), error, "{code}");
    }
    // Whatever it calls itself, and whatever comes with it.
    let (stream, _handle) = asking().await;
    act("fake.last().answers(503, { 'content-type': 'text/event-stream' }, 'event: hello')").await;
    assert_eq!((stream.status().get_untracked(), stream.error().get_untracked()), (Status::Waiting, Some(Trouble::Answered(503))));

    let (stream, _handle) = asking().await;
    act("fake.last().fails()").await;
    assert_eq!((stream.status().get_untracked(), stream.error().get_untracked()), (Status::Waiting, Some(Trouble::Unreachable)));
    assert_eq!((number("fake.open()"), number("fake.probes.length")), (0, 0));
}

#[wasm_bindgen_test]
async fn retry_after_is_honoured() {
    let (stream, _handle) = asking().await;
    act("fake.last().answers(503, { 'Retry-After': '20' })").await;
    assert!((19_000.0..=20_200.0).contains(&waits_for(stream)), "{}", waits_for(stream));
}

#[wasm_bindgen_test]
async fn an_answer_that_is_no_stream_is_tried_again() {
    for content_type in ["text/html", "application/json", ""] {
        let (stream, _handle) = asking().await;
        act(&format!("fake.last().opens('{content_type}')")).await;
        assert_eq!((stream.status().get_untracked(), number("fake.open()")), (Status::Waiting, 0), "{content_type}");
        until("another attempt", || number("fake.sources.length") == 2).await;
        act("fake.last().opens('Text/Event-Stream; charset=utf-8')").await;
        assert_eq!((stream.status().get_untracked(), number("fake.probes.length")), (Status::Live, 0));
    }
}

#[wasm_bindgen_test]
async fn the_end_of_the_body_is_a_lost_connection() {
    let (stream, log, _handle) = live(Wire::Fetch).await;
    board(11).await;
    act("fake.last().ends()").await;
    assert_eq!((stream.status().get_untracked(), stream.error().get_untracked()), (Status::Waiting, Some(Trouble::Lost)));
    until("a second connection", || number("fake.sources.length") == 2).await;
    assert_eq!((text("fake.last().url"), number("fake.probes.length")), ("/events?after=k-11".to_owned(), 0));
    open().await;
    hello(12).await;
    assert_eq!(*log.borrow(), ["hello false", "k-11", "hello true"]);
}

#[wasm_bindgen_test]
async fn a_server_that_does_not_answer_is_left() {
    let reconnect = Options { base_ms: 100, connect_timeout_ms: 50, ..Options::default() };
    let options = StreamOptions::from(reconnect).transport(FetchTransport::new(Vec::new));
    let (stream, _log, _handle) = stream_to(target(), options);
    until("a second attempt", || number("fake.sources.length") == 2).await;
    assert_eq!(stream.error().get_untracked(), Some(Trouble::NoAnswer));
    assert!(js("fake.sources[0].closed").is_truthy());
    assert_eq!((number("fake.open()"), number("fake.probes.length")), (1, 0));
    // The late answer of what was left.
    act("fake.sources[0].resolve(new Response(null, { status: 401 }))").await;
    assert_ne!(stream.status().get_untracked(), Status::Closed(Closed::SignedOut));
}

#[wasm_bindgen_test]
async fn nothing_of_a_chunk_is_heard_after_the_close() {
    let (stream, log, _handle) = live(Wire::Fetch).await;
    let event = |seq: u64| format!("id: k-{seq}\\nevent: task\\ndata: {{ \"id\": \"{RUN}\", \"deleted\": true }}\\n\\n");
    let logout = "event: force_logout\\ndata: { \"reason\": \"ended\" }\\n\\n";
    act(&format!("fake.last().writes('{}{logout}{}')", event(11), event(12))).await;
    assert_eq!(stream.status().get_untracked(), Status::Closed(Closed::SignedOut));
    assert_eq!(*log.borrow(), ["hello false", "k-11"]);

    // The bytes are in the page already, and the page closes before it comes to them.
    let (stream, log, _handle) = live(Wire::Fetch).await;
    let taken = js(&format!("fake.last().writes('{}')", event(11)));
    stream.close();
    wasm_bindgen_futures::JsFuture::from(js_sys::Promise::from(taken)).await.expect("closed");
    crate::fakes::sleep(20).await;
    assert_eq!((log.borrow().len(), stream.last_cursor().map(|cursor| cursor.seq)), (1, Some(10)));
}

#[wasm_bindgen_test]
async fn an_event_may_come_in_pieces() {
    let (_stream, log, _handle) = live(Wire::Fetch).await;
    let event = format!(
        "id: k-11\\r\\nevent: output\\r\\ndata: {{ \"run\": \"{RUN}\", \"text\": \"ż🚨\", \"at\": \"2026-01-02T09:13:58.259Z\" }}\\r\\n\\r\\n"
    );
    act(&format!(
        "(async () => {{
            for (const byte of new TextEncoder().encode('{event}')) await fake.last().sends(new Uint8Array([byte]));
        }})()"
    ))
    .await;
    assert_eq!(*log.borrow(), ["hello false", "k-11"]);
}

#[wasm_bindgen_test]
async fn an_event_that_is_too_long_asks_for_a_snapshot() {
    let (_stream, log, _handle) = stream_to(target(), options(FetchTransport::new(Vec::new).max_event_bytes(200)));
    until("a connection", || number("fake.sources.length") == 1).await;
    open().await;
    hello(12).await;
    output(RUN, &"long ".repeat(100), 11).await;
    board(12).await;
    assert_eq!(*log.borrow(), ["hello false", "reset k-11", "k-12"]);
}

#[wasm_bindgen_test]
async fn headers_that_are_none_fail_without_a_panic() {
    let transport = FetchTransport::new(|| vec![("no header".to_owned(), "a\nb".to_owned())]);
    let (stream, _log, _handle) = stream_to(target(), options(transport));
    until("a failure", || stream.status().get_untracked() == Status::Waiting).await;
    assert_eq!(number("fake.sources.length"), 0);
}

#[wasm_bindgen_test]
async fn retry_is_where_the_delay_starts_from() {
    let (stream, _handle) = asking().await;
    open().await;
    act("fake.last().writes('retry: 6000\\n\\n')").await;
    say("hello", "{ epoch: 'k', head: 12, heartbeatMs: 15000, build: 'b' }", "").await;
    act("fake.last().ends()").await;
    assert!((2_900.0..=6_000.0).contains(&waits_for(stream)), "{}", waits_for(stream));
}

/// The browser's own `fetch`, where everything else here plays it: an address that is its own answer.
#[wasm_bindgen_test]
async fn a_real_response_is_read() {
    let events = format!(
        "retry: 30000\nevent: hello\ndata: {{\"epoch\":\"k\",\"head\":12,\"heartbeatMs\":15000,\"build\":\"ż\"}}\n\n\
         id: k-11\nevent: task\ndata: {{\"id\":\"{RUN}\",\"deleted\":true}}\n\n: the cursor follows "
    );
    let url = format!("data:text/event-stream,{}", js_sys::encode_uri_component(&events));
    let target = Signal::stored(Some(StreamTarget { url, after: "k-10".parse().ok() }));
    let (stream, log, _handle) = stream_to(target, options(FetchTransport::new(|| vec![("x-api-version".to_owned(), "3".to_owned())])));
    js("window.fetch = real.fetch");
    until("the end", || stream.status().get_untracked() == Status::Waiting).await;
    assert_eq!(
        (log.borrow().as_slice(), stream.error().get_untracked()),
        (["hello false", "k-11"].map(str::to_owned).as_slice(), Some(Trouble::Lost))
    );
    assert!(waits_for(stream) > 14_000.0, "{}", waits_for(stream));
}
