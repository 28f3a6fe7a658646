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
    api::{error::ApiError, pages::load_console},
    domain::{
        event::StreamEvent,
        id::RunId,
        number::counted,
        run::{Run, RunStatus},
        snapshot::ConsoleSnapshot,
    },
    ui::{
        hooks::live::{Live, Sink, SinkOptions, use_live},
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
    time::Duration,
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
    let live = use_live();

    let check = RwSignal::new(Check::Unknown);
    let runs = Memo::new(move |_| run.with(|run| run.status == RunStatus::Running));
    let input = snapshot.input.clone();
    let has_terminal = input.is_some();
    let teller = StoredValue::new(None::<SendWrapper<SizeTeller>>);
    Effect::new(move |_| {
        let elements = parts.elements().filter(|_| has_terminal && runs.get());
        teller.set_value(elements.map(|elements| SendWrapper::new(SizeTeller::new(elements, id))));
    });
    let mut start = Some((snapshot, transcript, drawn));
    Effect::new(move |_| {
        let Some(elements) = parts.elements() else { return };
        let Some((snapshot, transcript, drawn)) = start.take() else { return };
        let wants_more = Box::new(move || load_earlier(drawing, id, loading));
        let made = Drawing::new(elements, transcript, drawn, report, wants_more);
        drawing.set_value(Some(SendWrapper::new(made)));
        listen(live, &snapshot, Shown { run, drawing, check });
    });
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
fn listen(live: Live, snapshot: &ConsoleSnapshot, shown: Shown) {
    let id = snapshot.run.id;
    let sink = Rc::new(Cell::new(None::<Sink>));
    let copy = Rc::new(RefCell::new(OwnCopy::new(snapshot)));
    if let Some(true) = is_whole(&copy, &snapshot.run) {
        shown.check.try_set(Check::Verified);
    }
    let reload = {
        let (sink, copy) = (Rc::clone(&sink), Rc::clone(&copy));
        move |to_mend| {
            if let Some(sink) = sink.get() {
                spawn_local(load_anew(id, shown, Rc::clone(&copy), sink, to_mend));
            }
        }
    };
    let mend = reload.clone();
    // Which runs are known to wait no longer.
    let left = RefCell::new(Vec::new());
    let on_event = move |event: &StreamEvent, _: &_| match event {
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
            shown.run.try_set((**now).clone());
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
            Some(false) => mend(true),
            is => {
                shown.check.try_set(if is.is_some() { Check::Verified } else { Check::Unknown });
            }
        },
        _ => {}
    };
    let runs = if snapshot.run.status.is_final() { Vec::new() } else { vec![id] };
    let options = SinkOptions::new(snapshot.cursor.clone()).runs(Signal::stored(runs)).on_event(on_event).on_reset(move || reload(false));
    sink.set(Some(live.sink(options)));
}

/// Whether the copy is all of a run that is over; none where that is not known, or it goes on.
fn is_whole(copy: &RefCell<OwnCopy>, run: &Run) -> Option<bool> {
    copy.borrow().is(run.bytes, run.digest.as_deref()?)
}

/// Loads a snapshot until one comes, and shows it in place of what was known.
async fn load_anew(id: RunId, shown: Shown, copy: Rc<RefCell<OwnCopy>>, sink: Sink, to_mend: bool) {
    let mut pause = Duration::from_secs(1);
    loop {
        match load_console(id.to_string()).await {
            Ok(snapshot) => {
                let Some(drawing) = existing(shown.drawing) else { return };
                copy.replace(OwnCopy::new(&snapshot));
                shown.check.try_set(match is_whole(&copy, &snapshot.run) {
                    Some(false) => Check::Differs,
                    _ if to_mend => Check::Mended,
                    Some(true) => Check::Verified,
                    None => Check::Unknown,
                });
                drawing.with_transcript(|transcript| *transcript = Transcript::new(&snapshot));
                shown.run.try_set(snapshot.run);
                sink.restart(snapshot.cursor);
                return;
            }
            Err(ApiError::NoSuchRun | ApiError::NoSuchTask | ApiError::SignedOut) => return,
            Err(_) => {
                earlier::wait(pause).await;
                pause = (pause * 2).min(Duration::from_secs(30));
                if existing(shown.drawing).is_none() {
                    return;
                }
            }
        }
    }
}
