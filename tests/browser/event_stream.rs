//! `use_event_stream` against a server that the test plays: what it does over each transport, and how it finds out a status over each.

use crate::fakes::{
    Mounted, RUN, act, answer, board, hello, install, js, lose, mount, number, open, output, say, say_on, sleep, text, until,
};
use kontasks::{
    domain::reconnect::{Closed, Options, Pause, Status},
    fetch_transport::FetchTransport,
    ui::hooks::use_event_stream::{Delivery, StreamOptions, StreamTarget, UseEventStream, use_event_stream_with_options},
};
use leptos::prelude::*;
use std::{cell::RefCell, rc::Rc};
use wasm_bindgen::JsCast;
use wasm_bindgen_test::wasm_bindgen_test;

type Log = Rc<RefCell<Vec<String>>>;

/// What carries the stream.
#[derive(Clone, Copy, PartialEq)]
pub enum Wire {
    EventSource,
    Fetch,
}

impl Wire {
    fn options(self) -> StreamOptions {
        let options = StreamOptions::from(Options { base_ms: 100, ..Options::default() });
        match self {
            Wire::EventSource => options,
            Wire::Fetch => options.transport(FetchTransport::new(Vec::new)),
        }
    }
}

macro_rules! over_each_transport {
    ($($behaviour:ident)*) => {
        mod event_source {
            use super::{Wire, wasm_bindgen_test};
            $(#[wasm_bindgen_test] async fn $behaviour() { super::$behaviour(Wire::EventSource).await; })*
        }
        mod fetch {
            use super::{Wire, wasm_bindgen_test};
            $(#[wasm_bindgen_test] async fn $behaviour() { super::$behaviour(Wire::Fetch).await; })*
        }
    };
}

over_each_transport! {
    it_connects_after_the_cursor_and_delivers_in_order
    the_first_error_closes_shows_and_resumes
    force_logout_is_the_last_word
    leaving_the_page_closes_and_coming_back_resumes_once
    events_that_cannot_be_read_neither_stop_nor_lose_the_stream
    a_close_and_a_new_target_leave_no_connection_behind
    the_end_of_the_component_frees_everything_in_every_state
    a_thousand_reconnects_leave_listeners_and_memory_as_they_were
}

fn target() -> Option<StreamTarget> {
    Some(StreamTarget { url: "/events".to_owned(), after: "k-10".parse().ok() })
}

/// A component with a stream; what it hears is written down.
fn stream(wire: Wire) -> (UseEventStream, Log, Mounted) {
    stream_to(Signal::stored(target()), wire.options())
}

pub fn stream_to(target: Signal<Option<StreamTarget>>, options: StreamOptions) -> (UseEventStream, Log, Mounted) {
    install();
    let (log, out) = (Log::default(), Rc::new(RefCell::new(None)));
    let (written, made) = (log.clone(), out.clone());
    let handle = mount(move || {
        let stream = use_event_stream_with_options(target, options, move |delivery| {
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

pub async fn live(wire: Wire) -> (UseEventStream, Log, Mounted) {
    let made = stream(wire);
    until("a connection", || number("fake.sources.length") == 1).await;
    open().await;
    hello(12).await;
    assert_eq!(made.0.status().get_untracked(), Status::Live);
    made
}

async fn it_connects_after_the_cursor_and_delivers_in_order(wire: Wire) {
    let (stream, log, _handle) = live(wire).await;
    assert_eq!(text("fake.last().url"), "/events?after=k-10");
    board(11).await;
    output(RUN, "one\n", 12).await;
    // Without an id of its own an event repeats the last one.
    say("ping", "{ head: 12 }", "k-12").await;
    output(RUN, "one again\n", 12).await;
    board(13).await;
    output(RUN, "two\n", 14).await;
    assert_eq!(*log.borrow(), ["hello false", "k-11", "k-12", "k-13", "k-14"]);
    assert_eq!(stream.last_cursor().map(|cursor| cursor.seq), Some(14));
}

async fn the_first_error_closes_shows_and_resumes(wire: Wire) {
    let (stream, log, _handle) = live(wire).await;
    board(11).await;
    lose().await;
    assert_eq!((stream.status().get_untracked(), stream.attempt().get_untracked()), (Status::Waiting, 1), "at once, before the probe");
    assert_eq!((number("fake.open()"), number("fake.listeners")), (0, 0));
    if wire == Wire::EventSource {
        until("a probe", || number("fake.probes.length") == 1).await;
        assert_eq!(text("fake.probes[0].url").split("/events").last(), Some("?after=k-11"));
    }
    say_on("fake.sources[0]", "task", &format!("{{ id: '{RUN}', deleted: true }}"), "k-12").await;
    until("a second connection", || number("fake.sources.length") == 2).await;
    assert_eq!(text("fake.last().url"), "/events?after=k-11");
    open().await;
    hello(12).await;
    board(12).await;
    assert_eq!(*log.borrow(), ["hello false", "k-11", "hello true", "k-12"]);
}

#[wasm_bindgen_test]
async fn a_probe_finds_the_sign_out_and_nothing_connects_again() {
    let (stream, _log, _handle) = live(Wire::EventSource).await;
    lose().await;
    answer("401").await;
    until("the end", || stream.status().get_untracked() == Status::Closed(Closed::SignedOut)).await;
    js("window.dispatchEvent(new Event('online')); window.dispatchEvent(new Event('pageshow'))");
    stream.reconnect_now();
    sleep(400).await;
    assert_eq!((number("fake.sources.length"), number("fake.open()")), (1, 0));
}

#[wasm_bindgen_test]
async fn retry_after_is_read_from_the_probe() {
    let (stream, _log, _handle) = live(Wire::EventSource).await;
    lose().await;
    answer("503, { 'Retry-After': '20' }").await;
    let far = || stream.next_retry_at().get_untracked().is_some_and(|at| at.0 as f64 - js_sys::Date::now() > 15_000.0);
    until("a later attempt", far).await;
    stream.reconnect_now();
    assert_eq!((stream.status().get_untracked(), number("fake.open()")), (Status::Connecting, 1));
}

async fn force_logout_is_the_last_word(wire: Wire) {
    let (stream, log, _handle) = live(wire).await;
    say("force_logout", "{ reason: 'ended elsewhere' }", "").await;
    board(11).await;
    assert_eq!(stream.status().get_untracked(), Status::Closed(Closed::SignedOut));
    assert_eq!(stream.error().get_untracked().map(|error| error.to_string()).as_deref(), Some("ended elsewhere"));
    assert_eq!(*log.borrow(), ["hello false"]);
    assert_eq!(number("fake.listeners"), 0);
}

async fn leaving_the_page_closes_and_coming_back_resumes_once(wire: Wire) {
    let (stream, _log, _handle) = live(wire).await;
    js("window.dispatchEvent(new Event('pagehide'))");
    assert_eq!((stream.status().get_untracked(), number("fake.open()")), (Status::Paused(Pause::Away), 0));
    js("window.dispatchEvent(new Event('pageshow')); window.dispatchEvent(new Event('online'))");
    js("document.dispatchEvent(new Event('visibilitychange'))");
    assert_eq!((number("fake.sources.length"), number("fake.open()"), number("fake.unload")), (2, 1, 0));
}

async fn events_that_cannot_be_read_neither_stop_nor_lose_the_stream(wire: Wire) {
    let (_stream, log, _handle) = live(wire).await;
    say("task", "{ nonsense: 1 }", "k-11").await;
    act("fake.last().says('output', '{', '')").await;
    act("fake.last().says('error', 'a server should not', '')").await;
    act("fake.last().says('open', 'nor this', '')").await;
    board(12).await;
    assert_eq!(*log.borrow(), ["hello false", "reset k-11", "k-12"]);
}

async fn a_close_and_a_new_target_leave_no_connection_behind(wire: Wire) {
    let target = RwSignal::new(target());
    let (stream, log, _handle) = stream_to(target.into(), wire.options());
    until("a connection", || number("fake.sources.length") == 1).await;
    open().await;
    hello(12).await;
    target.set(Some(StreamTarget { url: "/events?run=a".to_owned(), after: "k-9".parse().ok() }));
    until("the other stream", || number("fake.sources.length") == 2).await;
    assert_eq!((text("fake.last().url"), number("fake.open()")), ("/events?run=a&after=k-9".to_owned(), 1));
    say_on("fake.sources[0]", "task", &format!("{{ id: '{RUN}', deleted: true }}"), "k-11").await;
    open().await;
    stream.close();
    assert_eq!((stream.status().get_untracked(), number("fake.open()")), (Status::Closed(Closed::Explicit), 0));
    say_on("fake.sources[1]", "task", &format!("{{ id: '{RUN}', deleted: true }}"), "k-11").await;
    stream.open();
    assert_eq!((number("fake.sources.length"), number("fake.open()")), (3, 1));
    open().await;
    board(10).await;
    target.set(None);
    until("the end", || number("fake.open()") == 0).await;
    assert_eq!(stream.status().get_untracked(), Status::Idle);
    assert_eq!(*log.borrow(), ["hello false", "k-10"]);
}

async fn the_end_of_the_component_frees_everything_in_every_state(wire: Wire) {
    let states: &[&str] = match wire {
        Wire::EventSource => &["connecting", "live", "waiting", "probing"],
        Wire::Fetch => &["connecting", "live", "waiting"],
    };
    for &state in states {
        let (_stream, _log, handle) = if state == "connecting" { stream(wire) } else { live(wire).await };
        until("a connection", || number("fake.sources.length") == 1).await;
        if state == "waiting" || state == "probing" {
            lose().await;
        }
        if state == "waiting" && wire == Wire::EventSource {
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

async fn a_thousand_reconnects_leave_listeners_and_memory_as_they_were(wire: Wire) {
    let (stream, _log, _handle) = live(wire).await;
    let (listeners, mut memory) = (number("fake.listeners"), 0);
    for turn in 0..1_100 {
        lose().await;
        stream.reconnect_now();
        open().await;
        hello(12).await;
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
