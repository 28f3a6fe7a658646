//! The console's rows in a real document: few of them, in their places, and not touched without need.

use crate::fakes::{RUN, js, number, sleep, text, until};
use kontasks::{
    domain::{
        event::Output,
        members::{self, Read},
        run::Run,
        snapshot::ConsoleSnapshot,
        timestamp::Timestamp,
    },
    ui::console::{
        drawing::{Drawing, Elements, Report},
        transcript::Transcript,
    },
};
use leptos::prelude::*;
use std::{cell::Cell, rc::Rc};
use wasm_bindgen::JsCast;
use wasm_bindgen_test::wasm_bindgen_test;
use web_sys::HtmlElement;

/// A console 200 pixels high with rows of 20, in place of the one before.
fn console(text: &str, text_start: usize, lines: usize) -> (Rc<Drawing>, Report, Rc<Cell<u32>>) {
    js("document.getElementById('console')?.remove();
        document.body.insertAdjacentHTML('beforeend', `<div id=console><style>.row, #probe { height: 20px; line-height: 20px; white-space: pre }</style>
        <div id=scroller style='height: 200px; overflow: auto; overflow-anchor: none'><div id=sizer style='position: relative'>
        <div id=rows style='position: absolute; top: 0'></div><div id=probe style='position: absolute'></div></div></div></div>`)");
    let run = format!(
        r#"{{ "id": "{RUN}", "taskId": "{RUN}", "requestId": "", "runner": "shell", "prompt": "", "status": "running", "exitCode": null,
        "createdAt": "2026-01-02T09:13:58Z", "startedAt": null, "endedAt": null, "events": 1, "bytes": {}, "lines": {lines}, "digest": null }}"#,
        text_start + text.len()
    );
    let snapshot = ConsoleSnapshot {
        cursor: "k-1".parse().expect("a cursor"),
        run: members::parse(&run).and_then(Run::read).expect("a run"),
        text: text.to_owned(),
        text_start: text_start as u64,
        sizes: Vec::new(),
        digest_so_far: None,
        input: None,
    };
    let report = Report { lines: RwSignal::new(0), behind: RwSignal::new(None), missing: RwSignal::new(0) };
    let asked = Rc::new(Cell::new(0));
    let count = Rc::clone(&asked);
    let elements = Elements { scroller: element("scroller"), sizer: element("sizer"), rows: element("rows"), probe: element("probe") };
    let wants_more = Box::new(move || count.set(count.get() + 1));
    (Drawing::new(elements, Transcript::new(&snapshot), 0..0, report, wants_more), report, asked)
}

fn element(id: &str) -> HtmlElement {
    document().get_element_by_id(id).expect("is there").unchecked_into()
}

fn push(drawing: &Drawing, text: &str) {
    let run = RUN.parse().expect("an id");
    drawing.push(&Output { run, text: text.to_owned(), at: Timestamp(0), base64: None });
}

fn lines(numbers: std::ops::Range<usize>) -> String {
    numbers.map(|number| format!("line {number}\r\n")).collect()
}

/// Two frames and what they bring about.
async fn drawn() {
    sleep(60).await;
}

/// The first row whose lower edge is in view: its text, and how far it is below the view's upper edge.
fn in_view() -> String {
    text(
        "(() => { const top = scroller.getBoundingClientRect().top;
            const row = [...rows.children].find((row) => row.getBoundingClientRect().bottom > top + 1);
            return row.textContent + ' at ' + Math.round(row.getBoundingClientRect().top - top) })()",
    )
}

fn scroll_to(place: &str) {
    // The test's page has no listener; the drawing looks by itself when it draws.
    js(&format!("scroller.scrollTop = {place}"));
}

#[wasm_bindgen_test]
async fn it_keeps_to_the_end_with_few_rows() {
    let (drawing, report, _) = console(&lines(0..10), 0, 10);
    for part in 1..100 {
        push(&drawing, &lines(part * 100..part * 100 + 100));
    }
    drawn().await;
    assert_eq!(text("rows.lastElementChild.textContent"), "line 9999");
    assert!(number("rows.children.length") < 100);
    assert_eq!(number("scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight"), 0);
    assert_eq!(report.lines.get_untracked(), 9910);
    assert_eq!(text("rows.lastElementChild.dataset.row"), "9909");
    assert_eq!(report.behind.get_untracked(), None);
}

#[wasm_bindgen_test]
async fn a_reader_who_scrolled_up_stays_there() {
    let (drawing, report, _) = console(&lines(0..1000), 0, 1000);
    drawn().await;
    scroll_to("5003");
    drawing.scrolled();
    drawn().await;
    assert_eq!(in_view(), "line 250 at -3");
    js("window.kept = rows.children[22]");
    push(&drawing, &lines(1000..1500));
    drawn().await;
    assert_eq!(in_view(), "line 250 at -3");
    assert_eq!(report.behind.get_untracked(), Some(500));
    assert_eq!(number("Number(kept === rows.children[22])"), 1, "a row that did not change is the same element");
    drawing.to_end();
    drawn().await;
    assert_eq!(text("rows.lastElementChild.textContent"), "line 1499");
    assert_eq!(report.behind.get_untracked(), None);
}

#[wasm_bindgen_test]
async fn only_what_changed_is_drawn_anew() {
    let (drawing, ..) = console("one\r\ntwo\r\n10%", 0, 2);
    drawn().await;
    js("window.changes = [];
        new MutationObserver((seen) => changes.push(...seen.map((one) => one.target.dataset.row ?? 'rows')))
            .observe(rows, { childList: true, subtree: true })");
    push(&drawing, "\r50%");
    push(&drawing, "\r90%");
    drawn().await;
    assert_eq!(text("[...rows.children].map((row) => row.textContent).join()"), "one,two,90%");
    assert_eq!(text("changes.join()"), "2");
}

#[wasm_bindgen_test]
async fn a_selection_is_let_alone() {
    let (drawing, report, _) = console(&lines(0..100), 0, 100);
    drawn().await;
    js("getSelection().selectAllChildren(rows.lastElementChild.previousElementSibling)");
    push(&drawing, &lines(100..200));
    drawn().await;
    assert_eq!(text("String(getSelection())").trim(), "line 98");
    assert_eq!(report.behind.get_untracked(), Some(100));
    js("getSelection().removeAllRanges()");
}

#[wasm_bindgen_test]
async fn more_rows_than_a_browser_can_lay_out() {
    let (drawing, ..) = console(&"x\n".repeat(700_000), 0, 700_000);
    drawn().await;
    assert!(number("scroller.scrollHeight") <= 10_000_000);
    assert_eq!(text("rows.lastElementChild.dataset.row"), "699999");
    assert!(number("Math.abs(rows.getBoundingClientRect().bottom - scroller.getBoundingClientRect().bottom)") <= 2);
    scroll_to("scroller.scrollHeight / 2");
    drawing.scrolled();
    drawn().await;
    let before = in_view();
    assert!((349_000..351_000).contains(&number("Number(rows.children[25].dataset.row)")));
    push(&drawing, &"y\n".repeat(1000));
    drawn().await;
    assert_eq!(in_view(), before, "the scrollbar's scale has changed, the rows have not");
    scroll_to("0");
    drawing.scrolled();
    drawn().await;
    assert_eq!(text("rows.firstElementChild.dataset.row"), "0");
}

#[wasm_bindgen_test]
async fn what_is_missing_is_asked_for_and_comes_without_a_jump() {
    let all = lines(0..1000);
    let start = all.find("line 600").expect("is there");
    let (drawing, _, asked) = console(&all[start..], start, 1000);
    until("the rest is asked for", || asked.get() > 0).await;
    assert_eq!(text("rows.lastElementChild.dataset.row"), "999");
    scroll_to("14007");
    drawing.scrolled();
    drawn().await;
    assert_eq!(in_view(), "line 700 at -7");
    js("window.kept = rows.children[22]");
    let range = drawing.with_transcript(Transcript::begin_replay);
    assert_eq!(range, 0..all.len() as u64);
    drawing.with_transcript(|transcript| transcript.replay(all.as_bytes()));
    let shift = drawing.with_transcript(Transcript::finish_replay);
    drawing.shifted(shift);
    drawn().await;
    assert_eq!(in_view(), "line 700 at -7");
    assert_eq!(number("Number(kept === rows.children[22])"), 1);
    drawing.to_beginning();
    drawn().await;
    assert_eq!(in_view(), "line 0 at 0");
}

#[wasm_bindgen_test]
async fn much_that_is_missing_is_asked_for_when_the_reader_comes_near() {
    let (drawing, _, asked) = console(&lines(0..1000), 30_000_000, 1000);
    drawn().await;
    assert_eq!(asked.get(), 0, "nobody asked for thirty megabytes");
    drawing.to_beginning();
    until("the reader comes near", || asked.get() > 0).await;
}
