//! `use_event_stream` against a server that the test plays.

use crate::fakes::{Mounted, RUN, answer, board, hello, install, js, lose, mount, number, open, output, say, say_on, sleep, text, until};
use kontasks::{
    domain::reconnect::{Closed, Options, Pause, Status},
    ui::hooks::use_event_stream::{Delivery, StreamTarget, UseEventStream, use_event_stream_with_options},
};
use leptos::prelude::*;
use std::{cell::RefCell, rc::Rc};
use wasm_bindgen::JsCast;
use wasm_bindgen_test::wasm_bindgen_test;

type Log = Rc<RefCell<Vec<String>>>;

fn target() -> Option<StreamTarget> {
    Some(StreamTarget { url: "/events".to_owned(), after: "k-10".parse().ok() })
}

/// A component with a stream; what it hears is written down.
fn stream() -> (UseEventStream, Log, Mounted) {
    install();
    let (log, out) = (Log::default(), Rc::new(RefCell::new(None)));
    let (written, made) = (log.clone(), out.clone());
    let handle = mount(move || {
        let options = Options { base_ms: 100, ..Options::default() };
        let stream = use_event_stream_with_options(Signal::stored(target()), options, move |delivery| {
            let line = match delivery {
                Delivery::Hello { resumed, .. } => format!("hello {resumed}"),
                Delivery::Event { cursor, .. } => cursor.to_string(),
                Delivery::Reset { cursor } => format!("reset {}", cursor.map(ToString::to_string).unwrap_or_default()),
                Delivery::Ping => return,
            };
            written.borrow_mut().push(line);
        });
        assert_eq!(stream.status().get_untracked(), Status::Idle, "the first render says what the server said");
        assert_eq!(number("fake.sources.length"), 0, "nothing connects while rendering");
        made.replace(Some(stream));
    });
    let stream = out.take().expect("mounted");
    (stream, log, handle)
}

async fn live() -> (UseEventStream, Log, Mounted) {
    let made = stream();
    until("a connection", || number("fake.sources.length") == 1).await;
    open();
    hello(12);
    assert_eq!(made.0.status().get_untracked(), Status::Live);
    made
}

#[wasm_bindgen_test]
async fn it_connects_after_the_cursor_and_delivers_in_order() {
    let (stream, log, _handle) = live().await;
    assert_eq!(text("fake.last().url"), "/events?after=k-10");
    board(11);
    output(RUN, "one\n", 12);
    // Without an id of its own an event repeats the last one.
    say("ping", "{ head: 12 }", "k-12");
    output(RUN, "one again\n", 12);
    board(13);
    output(RUN, "two\n", 14);
    assert_eq!(*log.borrow(), ["hello false", "k-11", "k-12", "k-13", "k-14"]);
    assert_eq!(stream.last_cursor().map(|cursor| cursor.seq), Some(14));
}

#[wasm_bindgen_test]
async fn the_first_error_closes_shows_and_resumes() {
    let (stream, log, _handle) = live().await;
    board(11);
    lose();
    assert_eq!((stream.status().get_untracked(), stream.attempt().get_untracked()), (Status::Waiting, 1), "at once, before the probe");
    assert_eq!((number("fake.open()"), number("fake.listeners")), (0, 0));
    until("a probe", || number("fake.probes.length") == 1).await;
    assert_eq!(text("fake.probes[0].url").split("/events").last(), Some("?after=k-11"));
    say_on("fake.sources[0]", "task", &format!("{{ id: '{RUN}', deleted: true }}"), "k-12");
    until("a second connection", || number("fake.sources.length") == 2).await;
    assert_eq!(text("fake.last().url"), "/events?after=k-11");
    open();
    hello(12);
    board(12);
    assert_eq!(*log.borrow(), ["hello false", "k-11", "hello true", "k-12"]);
}

#[wasm_bindgen_test]
async fn a_probe_finds_the_sign_out_and_nothing_connects_again() {
    let (stream, _log, _handle) = live().await;
    lose();
    answer("401").await;
    until("the end", || stream.status().get_untracked() == Status::Closed(Closed::SignedOut)).await;
    js("window.dispatchEvent(new Event('online')); window.dispatchEvent(new Event('pageshow'))");
    stream.reconnect_now();
    sleep(400).await;
    assert_eq!((number("fake.sources.length"), number("fake.open()")), (1, 0));
}

#[wasm_bindgen_test]
async fn retry_after_is_read_from_the_probe() {
    let (stream, _log, _handle) = live().await;
    lose();
    answer("503, { 'Retry-After': '20' }").await;
    let far = || stream.next_retry_at().get_untracked().is_some_and(|at| at.0 as f64 - js_sys::Date::now() > 15_000.0);
    until("a later attempt", far).await;
    stream.reconnect_now();
    assert_eq!((stream.status().get_untracked(), number("fake.open()")), (Status::Connecting, 1));
}

#[wasm_bindgen_test]
async fn force_logout_is_the_last_word() {
    let (stream, log, _handle) = live().await;
    say("force_logout", "{ reason: 'ended elsewhere' }", "");
    board(11);
    assert_eq!(stream.status().get_untracked(), Status::Closed(Closed::SignedOut));
    assert_eq!(stream.error().get_untracked().map(|error| error.to_string()).as_deref(), Some("ended elsewhere"));
    assert_eq!(*log.borrow(), ["hello false"]);
    assert_eq!(number("fake.listeners"), 0);
}

#[wasm_bindgen_test]
async fn leaving_the_page_closes_and_coming_back_resumes_once() {
    let (stream, _log, _handle) = live().await;
    js("window.dispatchEvent(new Event('pagehide'))");
    assert_eq!((stream.status().get_untracked(), number("fake.open()")), (Status::Paused(Pause::Away), 0));
    js("window.dispatchEvent(new Event('pageshow')); window.dispatchEvent(new Event('online'))");
    js("document.dispatchEvent(new Event('visibilitychange'))");
    assert_eq!((number("fake.sources.length"), number("fake.open()"), number("fake.unload")), (2, 1, 0));
}

#[wasm_bindgen_test]
async fn events_that_cannot_be_read_neither_stop_nor_lose_the_stream() {
    let (_stream, log, _handle) = live().await;
    say("task", "{ nonsense: 1 }", "k-11");
    js("fake.last().dispatchEvent(new MessageEvent('output', { data: '{', lastEventId: '' }))");
    js("fake.last().dispatchEvent(new MessageEvent('error', { data: 'a server should not' }))");
    board(12);
    assert_eq!(*log.borrow(), ["hello false", "reset k-11", "k-12"]);
}

#[wasm_bindgen_test]
async fn the_end_of_the_component_frees_everything_in_every_state() {
    for state in ["connecting", "live", "waiting", "probing"] {
        let (_stream, _log, handle) = if state == "connecting" { stream() } else { live().await };
        until("a connection", || number("fake.sources.length") == 1).await;
        if state == "waiting" || state == "probing" {
            lose();
        }
        if state == "waiting" {
            answer("503").await;
            sleep(10).await;
        }
        if state == "probing" {
            until("a probe", || number("fake.probes.length") == 1).await;
        }
        assert_eq!(number("fake.pageListeners"), 5);
        drop(handle);
        assert_eq!((number("fake.open()"), number("fake.listeners"), number("fake.pageListeners")), (0, 0, 0), "{state}");
        assert!(state != "probing" || js("fake.probes[0].signal.aborted").is_truthy(), "{state}");
        sleep(250).await;
        assert_eq!(number("fake.sources.length"), 1, "{state}");
    }
}

#[wasm_bindgen_test]
async fn a_thousand_reconnects_leave_listeners_and_memory_as_they_were() {
    let (stream, _log, _handle) = live().await;
    let (listeners, mut memory) = (number("fake.listeners"), 0);
    for turn in 0..1_100 {
        lose();
        stream.reconnect_now();
        open();
        hello(12);
        sleep(0).await;
        if turn == 100 {
            memory = memory_size();
        }
    }
    assert_eq!((number("fake.sources.length"), number("fake.open()")), (1_101, 1));
    assert_eq!((number("fake.listeners"), number("fake.pageListeners")), (listeners, 5));
    assert!(memory_size() - memory < 128 * 1024, "from {memory} to {} bytes", memory_size());
}

/// The bytes of the page's wasm memory; it grows by pages of 64 KiB and never shrinks.
fn memory_size() -> u32 {
    let memory: js_sys::WebAssembly::Memory = wasm_bindgen::memory().unchecked_into();
    memory.buffer().unchecked_into::<js_sys::ArrayBuffer>().byte_length()
}
