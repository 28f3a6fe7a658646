//! The live console: a run as a terminal shows it. The server writes the last rows into the page; the browser takes them over, goes on
//! with the page's stream and keeps only the rows in view in the document.

pub mod drawing;
pub mod earlier;
pub mod footer;
pub mod input_line;
pub mod own_copy;
pub mod rows;
pub mod size;
pub mod tail;
pub mod transcript;
pub mod window;

use crate::{
    api::{error::ApiError, packed::Packed, pages::PageRequest},
    domain::{
        event::{StreamEvent, TaskEvent},
        id::RunId,
        number::counted,
        run::{Run, RunStatus},
        snapshot::ConsoleSnapshot,
    },
    ui::{
        hooks::use_snapshot::{Fetched, SnapshotOptions, use_snapshot},
        markup::{Markup, content},
    },
};
use drawing::{Drawing, Elements, Report};
use earlier::Loading;
use footer::ConsoleFooter;
use input_line::InputLine;
use leptos::{html, prelude::*, task::spawn_local};
use own_copy::{Check, OwnCopy};
use send_wrapper::SendWrapper;
use size::SizeTeller;
use std::{
    cell::{Cell, RefCell},
    ops::Range,
    rc::Rc,
};
use transcript::Transcript;

/// How many rows the server writes into a page.
const FIRST_ROWS: usize = 200;

/// The console of one run, from a snapshot on. With `fill` it takes all the height that its place has; a run that was over when the
/// page was made gets no more height than its rows need.
///
/// ## On the server
/// The last 200 rows, and the same in the first render in the browser.
#[component]
pub fn Console(
    /// The run and its output so far.
    snapshot: ConsoleSnapshot,
    /// Whether it is what the page is for.
    #[prop(optional)]
    fill: bool,
    /// Called where the run is gone.
    #[prop(optional)]
    on_missing: Option<Callback<ApiError>>,
) -> impl IntoView {
    let id = snapshot.run.id;
    let transcript = Transcript::new(&snapshot);
    let drawn = transcript.rows().saturating_sub(FIRST_ROWS).max(transcript.first())..transcript.rows();
    let html = html_of(&transcript, drawn.clone());
    let rows = snapshot.run.status.is_final().then(|| format!("--rows: {}; --widest: {}", transcript.rows(), transcript.widest()));
    let before = (drawn.start > 0).then(|| {
        view! {
            <p class="console-before">
                {format!("{} earlier lines are in the ", counted(drawn.start as u64))} <a href=earlier::address(id) rel="external">"plain text"</a>"."
            </p>
        }
    });

    let run = RwSignal::new(snapshot.run.clone());
    let report =
        Report { lines: RwSignal::new(transcript.rows()), behind: RwSignal::new(None), missing: RwSignal::new(transcript.missing()) };
    let loading = RwSignal::new(Loading::Idle);
    let parts = Parts { scroller: NodeRef::new(), sizer: NodeRef::new(), rows: NodeRef::new(), probe: NodeRef::new() };
    let drawing = StoredValue::new(None::<SendWrapper<Rc<Drawing>>>);

    let check = RwSignal::new(Check::Unknown);
    let runs = Memo::new(move |_| run.with(|run| run.status == RunStatus::Running));
    let input = snapshot.input.clone();
    let has_terminal = input.is_some();
    let teller = StoredValue::new(None::<SendWrapper<SizeTeller>>);
    Effect::new(move |_| {
        let elements = parts.elements().filter(|_| has_terminal && runs.get());
        teller.set_value(elements.map(|elements| SendWrapper::new(SizeTeller::new(elements, id))));
    });
    let mut start = Some((transcript, drawn));
    Effect::new(move |_| {
        let Some(elements) = parts.elements() else { return };
        let Some((transcript, drawn)) = start.take() else { return };
        let wants_more = Box::new(move || load_earlier(drawing, id, loading));
        let made = Drawing::new(elements, transcript, drawn, report, wants_more);
        drawing.set_value(Some(SendWrapper::new(made)));
    });
    keep_up(&snapshot, Shown { run, drawing, check }, on_missing);
    on_cleanup(move || {
        teller.try_update_value(Option::take);
        drawing.try_update_value(Option::take);
    });

    let with = move |act: fn(&Drawing)| {
        if let Some(drawing) = existing(drawing) {
            act(&drawing);
        }
    };
    let status = move || run.with(|run| run.status.as_str());
    let nothing = move || {
        let over = run.with(|run| run.status.is_final());
        if over { "It wrote nothing." } else { "No output yet." }
    };
    view! {
        <section class="console" aria-label="Console" data-run=id.to_string() data-status=status data-fill=fill.then_some("")>
            <div class="console-body">
                <div
                    class="console-screen"
                    node_ref=parts.scroller
                    style=rows
                    tabindex="0"
                    role="group"
                    aria-label="Output"
                    on:scroll=move |_| with(Drawing::scrolled)
                    on:keydown=move |event| {
                        let act: fn(&Drawing) = match event.key().as_str() {
                            "End" => Drawing::to_end,
                            "Home" => Drawing::to_beginning,
                            _ => return,
                        };
                        event.prevent_default();
                        with(act);
                    }
                >
                    <div class="console-sizer" node_ref=parts.sizer>
                        {before}
                        <div class="console-rows" node_ref=parts.rows {..content(html)}></div>
                        <span class="console-probe" node_ref=parts.probe aria-hidden="true"></span>
                    </div>
                </div>
                <p class="console-empty" hidden=move || report.lines.get() != 0>{nothing}</p>
                <p class="console-loading" hidden=move || loading.get() == Loading::Idle>
                    {move || match loading.get() {
                        Loading::Idle => String::new(),
                        Loading::Under(bytes) => format!("Loading {} KiB of earlier output…", counted(bytes.div_ceil(1024))),
                        Loading::Failed => "Earlier output could not be loaded.".to_owned(),
                    }}
                    <button
                        type="button"
                        hidden=move || loading.get() != Loading::Failed
                        on:click=move |_| {
                            loading.set(Loading::Idle);
                            load_earlier(drawing, id, loading);
                        }
                    >
                        "Try again"
                    </button>
                </p>
                <button
                    type="button"
                    class="console-latest"
                    hidden=move || report.behind.get().is_none()
                    on:click=move |_| {
                        with(Drawing::to_end);
                        if let Some(scroller) = parts.scroller.get_untracked() {
                            // the button is about to vanish; the keyboard goes on in the rows
                            let _ = scroller.focus();
                        }
                    }
                >
                    "Jump to latest"
                    <span class="console-behind">
                        {move || report.behind.get().filter(|new| *new > 0).map(|new| format!(" · {} new", counted(new as u64)))}
                    </span>
                </button>
            </div>
            {input.map(|first_id| view! { <Show when=move || runs.get()><InputLine run=id first_id=first_id.clone()/></Show> }.into_any())}
            <ConsoleFooter run=Memo::new(move |_| run.get()) lines=report.lines check full_page_link=!fill/>
        </section>
    }
}

#[derive(Clone, Copy)]
struct Parts {
    scroller: NodeRef<html::Div>,
    sizer: NodeRef<html::Div>,
    rows: NodeRef<html::Div>,
    probe: NodeRef<html::Span>,
}

impl Parts {
    fn elements(self) -> Option<Elements> {
        Some(Elements {
            scroller: self.scroller.get()?.into(),
            sizer: self.sizer.get()?.into(),
            rows: self.rows.get()?.into(),
            probe: self.probe.get()?.into(),
        })
    }
}

type Stored = StoredValue<Option<SendWrapper<Rc<Drawing>>>>;

fn existing(drawing: Stored) -> Option<Rc<Drawing>> {
    drawing.try_with_value(|slot| slot.as_ref().map(|drawing| Rc::clone(&**drawing))).flatten()
}

fn html_of(transcript: &Transcript, numbers: Range<usize>) -> Markup {
    let mut html = Markup::default();
    for number in numbers {
        let content = transcript.row(number).map(|line| rows::content(&line)).unwrap_or_default();
        rows::push_row(&mut html, number, &content);
    }
    html
}

fn load_earlier(drawing: Stored, run: RunId, loading: RwSignal<Loading>) {
    let idle = loading.try_get_untracked() == Some(Loading::Idle);
    if let (true, Some(drawing)) = (idle, existing(drawing)) {
        loading.set(Loading::Under(drawing.with_transcript(|transcript| transcript.bytes())));
        spawn_local(earlier::load(Rc::downgrade(&drawing), run, loading));
    }
}

/// What of a console changes with what arrives.
#[derive(Clone, Copy)]
struct Shown {
    run: RwSignal<Run>,
    drawing: Stored,
    check: RwSignal<Check>,
}

/// Goes on with the page's stream from the snapshot's cursor, and with a new snapshot where that cannot be.
fn keep_up(snapshot: &ConsoleSnapshot, shown: Shown, on_missing: Option<Callback<ApiError>>) {
    let (id, task) = (snapshot.run.id, snapshot.run.task_id);
    let copy = Rc::new(RefCell::new(OwnCopy::new(snapshot)));
    let is_verified = is_whole(&copy, &snapshot.run) == Some(true);
    Effect::new(move |_| {
        if is_verified {
            shown.check.try_set(Check::Verified);
        }
    });
    // Whether a snapshot is fetched because the copy differs.
    let differs = Rc::new(Cell::new(false));
    // Which runs are known to wait no longer.
    let left = Rc::new(RefCell::new(Vec::new()));
    let missing = move |error| {
        if let Some(on_missing) = on_missing {
            on_missing.try_run(error);
        }
    };
    let open = {
        let (copy, differs, left) = (Rc::clone(&copy), Rc::clone(&differs), Rc::clone(&left));
        move |packed: Packed| {
            let snapshot: ConsoleSnapshot = packed.open()?;
            let (copy, differs, left) = (Rc::clone(&copy), Rc::clone(&differs), Rc::clone(&left));
            let cursor = snapshot.cursor.clone();
            let show = move || {
                copy.replace(OwnCopy::new(&snapshot));
                left.borrow_mut().clear();
                shown.check.try_set(match is_whole(&copy, &snapshot.run) {
                    Some(false) => Check::Differs,
                    _ if differs.take() => Check::Mended,
                    Some(true) => Check::Verified,
                    None => Check::Unknown,
                });
                if let Some(drawing) = existing(shown.drawing) {
                    drawing.with_transcript(|transcript| *transcript = Transcript::new(&snapshot));
                }
                shown.run.try_set(snapshot.run);
            };
            Ok(Fetched { cursor, show: Box::new(show) })
        }
    };
    let on_event = move |event: &StreamEvent, _: &_| {
        match event {
            StreamEvent::Output(output) if output.run == id => {
                copy.borrow_mut().push(output);
                if let Some(drawing) = existing(shown.drawing) {
                    drawing.push(output);
                }
            }
            StreamEvent::Size(size) if size.run == id => {
                if let Some(drawing) = existing(shown.drawing) {
                    drawing.with_transcript(|transcript| transcript.resize(size.columns, size.rows));
                }
            }
            StreamEvent::Run(now) if now.id == id => {
                shown.run.try_update(|run| {
                    // No event says how many are before it.
                    let ahead = run.ahead.filter(|_| now.status == RunStatus::Queued);
                    *run = Run { ahead, ..(**now).clone() };
                });
            }
            StreamEvent::Run(other) if other.has_left_queue() && !left.borrow().contains(&other.id) => {
                left.borrow_mut().push(other.id);
                if shown.run.try_with_untracked(|run| run.ahead.is_some()) == Some(true) {
                    shown.run.try_update(|run| run.hear(other));
                }
            }
            StreamEvent::Run(other) if other.was_released() => {
                shown.run.try_update(|run| run.let_in(other));
            }
            StreamEvent::End(end) if end.run == id => match copy.borrow().is(end.bytes, &end.digest) {
                Some(false) => differs.set(true),
                is => {
                    shown.check.try_set(if is.is_some() { Check::Verified } else { Check::Unknown });
                }
            },
            StreamEvent::Task(event) => {
                if matches!(&**event, TaskEvent::Deleted { id, .. } if *id == task) {
                    missing(ApiError::NoSuchRun);
                }
            }
            _ => {}
        }
        differs.get()
    };
    let runs = if snapshot.run.status.is_final() { Vec::new() } else { vec![id] };
    use_snapshot(SnapshotOptions {
        cursor: snapshot.cursor.clone(),
        runs,
        request: Box::new(move || PageRequest::console(id.to_string())),
        open: Box::new(open),
        on_event: Box::new(on_event),
        on_missing: Box::new(missing),
    });
}

/// Whether the copy is all of a run that is over; none where that is not known, or it goes on.
fn is_whole(copy: &RefCell<OwnCopy>, run: &Run) -> Option<bool> {
    copy.borrow().is(run.bytes, run.digest.as_deref()?)
}
