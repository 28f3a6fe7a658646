//! The page's one stream, shared by several components.

use crate::fakes::{
    Mounted, OTHER_RUN, RUN, answer, board, hello, install, js, lose, mount, number, open, output, place, say, sleep, text, until,
};
use kontasks::{
    domain::{cursor::Cursor, event::StreamEvent, id::RunId},
    ui::{
        components::connection_status::ConnectionStatus,
        hooks::live::{Live, Sink, SinkOptions, provide_live},
    },
};
use leptos::{mount::mount_to, prelude::*};
use std::{cell::RefCell, rc::Rc};
use wasm_bindgen_test::wasm_bindgen_test;
use web_sys::HtmlElement;

type Log = Rc<RefCell<Vec<String>>>;

fn cursor(seq: u64) -> Cursor {
    format!("k-{seq}").parse().expect("a cursor")
}

fn run(id: &str) -> RunId {
    id.parse().expect("an id")
}

fn take<T>(slot: &RefCell<Option<T>>) -> T {
    slot.take().expect("mounted")
}

fn page() -> (Live, Mounted) {
    install();
    let out = Rc::new(RefCell::new(None));
    let made = out.clone();
    let handle = mount(move || {
        made.replace(Some(provide_live()));
    });
    (take(&out), handle)
}

/// A page that says how its stream stands, and where it does.
fn page_with_status() -> (Live, HtmlElement, impl Sized) {
    install();
    let place = place();
    let out = Rc::new(RefCell::new(None));
    let made = out.clone();
    let page = mount_to(place.clone(), move || {
        made.replace(Some(provide_live()));
        view! { <ConnectionStatus/> }
    });
    (take(&out), place, page)
}

/// A component with a sink; what it hears is written down.
fn component(live: Live, seq: u64, runs: Signal<Vec<RunId>>) -> (Log, Rc<RefCell<Option<Sink>>>, Mounted) {
    let log = Log::default();
    let sink = Rc::new(RefCell::new(None));
    let (written, made) = (log.clone(), sink.clone());
    let handle = mount(move || {
        Effect::new(move |_| {
            let (events, resets) = (written.clone(), written.clone());
            let options = SinkOptions::new(cursor(seq)).runs(runs);
            let options = options.on_event(move |event, cursor| {
                let what = match event {
                    StreamEvent::Output(output) => output.text.trim(),
                    _ => "board",
                };
                events.borrow_mut().push(format!("{what} {}", cursor.seq));
            });
            made.replace(Some(live.sink(options.on_reset(move || resets.borrow_mut().push("reset".to_owned())))));
        });
    });
    (log, sink, handle)
}

fn none() -> Signal<Vec<RunId>> {
    Signal::stored(Vec::new())
}

async fn connected(count: u32) {
    until("a connection", || number("fake.sources.length") == count && number("fake.open()") == 1).await;
    open().await;
    hello(20).await;
}

#[wasm_bindgen_test]
async fn without_a_sink_nothing_connects() {
    let (_live, _page) = page();
    sleep(50).await;
    assert_eq!(number("fake.sources.length"), 0);
}

#[wasm_bindgen_test]
async fn several_sinks_share_one_connection_from_the_earliest_cursor() {
    let (live, _page) = page();
    let (early, _, _one) = component(live, 10, Signal::stored(vec![run(RUN)]));
    let (late, _, _two) = component(live, 12, none());
    connected(1).await;
    assert_eq!(text("fake.last().url"), format!("/api/v1/events?run={RUN}&after=k-10"));
    board(11).await;
    output(RUN, "out", 12).await;
    board(13).await;
    assert_eq!(*early.borrow(), ["board 11", "out 12", "board 13"]);
    assert_eq!(*late.borrow(), ["board 13"], "only what comes after its own cursor, and no run that it did not name");
    until("live", || live.is_live()).await;
}

#[wasm_bindgen_test]
async fn a_sink_that_starts_earlier_reopens_and_nobody_hears_anything_twice() {
    let (live, _page) = page();
    let (first, _, _one) = component(live, 10, none());
    connected(1).await;
    board(11).await;
    board(12).await;
    let (second, _, _two) = component(live, 11, none());
    connected(2).await;
    assert_eq!(text("fake.last().url"), "/api/v1/events?after=k-11");
    board(12).await;
    board(13).await;
    assert_eq!(*first.borrow(), ["board 11", "board 12", "board 13"]);
    assert_eq!(*second.borrow(), ["board 12", "board 13"]);
}

#[wasm_bindgen_test]
async fn a_sink_that_starts_where_the_stream_is_needs_no_new_connection() {
    let (live, _page) = page();
    let (_, _, _one) = component(live, 10, none());
    connected(1).await;
    board(11).await;
    let (second, _, _two) = component(live, 14, none());
    sleep(50).await;
    board(12).await;
    board(15).await;
    assert_eq!(number("fake.sources.length"), 1);
    assert_eq!(*second.borrow(), ["board 15"]);
}

#[wasm_bindgen_test]
async fn a_run_that_is_named_later_is_carried_from_that_event_on() {
    let (live, _page) = page();
    let runs = RwSignal::new(Vec::new());
    let (log, _, _one) = component(live, 10, runs.into());
    connected(1).await;
    board(11).await;
    runs.set(vec![run(OTHER_RUN)]);
    connected(2).await;
    assert_eq!(text("fake.last().url"), format!("/api/v1/events?run={OTHER_RUN}&after=k-11"));
    output(OTHER_RUN, "out", 12).await;
    assert_eq!(*log.borrow(), ["board 11", "out 12"]);
}

#[wasm_bindgen_test]
async fn no_more_runs_are_named_than_the_server_takes() {
    let (live, _page) = page();
    let runs = (0..70).map(|number| run(&format!("019d0c5e-7b1c-7c7e-9d53-0d6f3a1f{number:04x}"))).collect();
    let (_, _, _many) = component(live, 10, Signal::stored(runs));
    let (_, _, _newest) = component(live, 10, Signal::stored(vec![run(RUN)]));
    connected(1).await;
    let url = text("fake.last().url");
    assert_eq!((url.matches("run=").count(), url.contains(RUN)), (64, true));
}

#[wasm_bindgen_test]
async fn a_reset_asks_each_component_for_a_snapshot_and_feeds_it_from_there() {
    let (live, _page) = page();
    let (log, sink, _one) = component(live, 10, none());
    connected(1).await;
    say("reset", "{ reason: 'gone', head: 20 }", "").await;
    board(21).await;
    assert_eq!(*log.borrow(), ["reset"]);
    let sink = sink.borrow().expect("registered");
    sink.restart(cursor(20));
    connected(2).await;
    assert_eq!(text("fake.last().url"), "/api/v1/events?after=k-20");
    board(21).await;
    assert_eq!(*log.borrow(), ["reset", "board 21"]);
}

#[wasm_bindgen_test]
async fn another_log_resets_those_who_know_the_old_one() {
    let (live, _page) = page();
    let (log, _, _one) = component(live, 10, none());
    until("a connection", || number("fake.open()") == 1).await;
    open().await;
    say("hello", "{ epoch: 'n', head: 3, heartbeatMs: 15000, build: 'b' }", "").await;
    say("reset", "{ reason: 'another log', head: 3 }", "").await;
    assert_eq!(*log.borrow(), ["reset"]);
}

#[wasm_bindgen_test]
async fn the_last_sink_takes_the_connection_with_it_and_a_page_change_does_not() {
    let (live, _page) = page();
    let (_, _, one) = component(live, 10, none());
    connected(1).await;
    drop(one);
    sleep(300).await;
    let (_, _, two) = component(live, 10, none());
    sleep(50).await;
    assert_eq!((number("fake.sources.length"), number("fake.open()")), (1, 1));
    drop(two);
    until("the end", || number("fake.open()") == 0).await;
}

#[wasm_bindgen_test]
async fn after_a_loss_the_missed_lines_are_counted() {
    let (live, _page) = page();
    let (_, _, _one) = component(live, 10, Signal::stored(vec![run(RUN)]));
    connected(1).await;
    output(RUN, "before\n", 20).await;
    assert_eq!(live.caught_up(), None);
    lose().await;
    until("a second connection", || number("fake.sources.length") == 2).await;
    open().await;
    hello(23).await;
    output(RUN, "one\ntwo\n", 21).await;
    output(RUN, "three\n", 23).await;
    output(RUN, "live again\n", 24).await;
    let caught_up = live.caught_up().expect("a notice");
    assert_eq!((caught_up.lines, caught_up.lines_of(run(RUN)), caught_up.lines_of(run(OTHER_RUN))), (3, 3, 0));
}

#[wasm_bindgen_test]
async fn a_long_way_back_is_counted_as_it_goes_even_where_it_is_lost_again() {
    let (live, place, _page) = page_with_status();
    let state = place.query_selector("[data-connection]").expect("valid").expect("there");
    let words = || state.text_content().unwrap_or_default();
    let (_, _, _one) = component(live, 10, Signal::stored(vec![run(RUN)]));
    connected(1).await;
    lose().await;
    until("a second connection", || number("fake.sources.length") == 2).await;
    open().await;
    hello(10_010).await;
    let mut seq = 10;
    while !words().starts_with("Catching up (") {
        seq += 1;
        assert!(seq < 10_000, "never counted");
        output(RUN, "a line\n", seq).await;
        sleep(10).await;
    }
    assert!(words().ends_with(" of 10,000)"), "{}", words());
    lose().await;
    until("the loss", || words().starts_with("Reconnecting")).await;
    until("a third connection", || number("fake.sources.length") == 3).await;
    open().await;
    hello(10_010).await;
    output(RUN, "the last\n", 10_010).await;
    let lines = live.caught_up().map(|caught_up| caught_up.lines);
    assert_eq!(lines, Some(seq - 10 + 1), "what came before it was lost again counts");
    until("quiet", || words() == "Live").await;
}

#[wasm_bindgen_test]
async fn the_connection_s_state_stands_on_the_page_in_words() {
    let (live, place, _page) = page_with_status();
    let find = |selector: &str| place.query_selector(selector).expect("valid").expect("there");
    let state = find("[data-connection]");
    let shown = || (state.get_attribute("data-connection").unwrap_or_default(), state.text_content().unwrap_or_default());
    assert_eq!(shown(), ("idle".to_owned(), "Not live".to_owned()));
    let (_, _, _one) = component(live, 10, none());
    connected(1).await;
    until("live", || shown() == ("live".to_owned(), "Live".to_owned())).await;
    lose().await;
    answer("503, { 'Retry-After': '20' }").await;
    until("a countdown", || shown().0 == "waiting" && shown().1.starts_with("Reconnecting: attempt 1, next in 2")).await;
    assert!(!find("button").has_attribute("hidden") && find("a").has_attribute("hidden"));
    js("document.querySelector('.connection button:not([hidden])').click()");
    connected(2).await;
    say("force_logout", "{ reason: 'ended' }", "").await;
    until("the way out", || shown().1 == "Stopped: signed out").await;
    assert!(find("button").has_attribute("hidden") && !find("a").has_attribute("hidden"));
    assert!(find("a").get_attribute("href").is_some_and(|href| href.starts_with("/sign-in?next=%2F")));
}
