//! The live console: a run as a terminal shows it. The server writes the last rows into the page; the browser takes them over, goes on
//! with the page's stream and keeps only the rows in view in the document.

pub mod drawing;
pub mod earlier;
pub mod footer;
pub mod rows;
pub mod tail;
pub mod transcript;
pub mod window;

use crate::{
    api::{error::ApiError, pages::load_console},
    domain::{event::StreamEvent, id::RunId, run::Run, snapshot::ConsoleSnapshot},
    ui::hooks::live::{Live, Sink, SinkOptions, use_live},
};
use drawing::{Drawing, Elements, Report};
use earlier::Loading;
use footer::{ConsoleFooter, counted};
use leptos::{html, prelude::*, task::spawn_local};
use send_wrapper::SendWrapper;
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

    let mut start = Some((snapshot.cursor, transcript, drawn));
    Effect::new(move |_| {
        let Some(elements) = parts.elements() else { return };
        let Some((cursor, transcript, drawn)) = start.take() else { return };
        let wants_more = Box::new(move || load_earlier(drawing, id, loading));
        let made = Drawing::new(elements, transcript, drawn, report, wants_more);
        drawing.set_value(Some(SendWrapper::new(made)));
        listen(live, cursor, run, drawing);
    });
    on_cleanup(move || {
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
                        <div class="console-rows" node_ref=parts.rows inner_html=html></div>
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
            <ConsoleFooter run=Memo::new(move |_| run.get()) lines=report.lines full_page_link=!fill/>
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

fn html_of(transcript: &Transcript, numbers: Range<usize>) -> String {
    let mut html = String::new();
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

/// Goes on with the page's stream from the snapshot's cursor, and with a new snapshot where that cannot be.
fn listen(live: Live, cursor: crate::domain::cursor::Cursor, run: RwSignal<Run>, drawing: Stored) {
    let Some(id) = run.try_with_untracked(|run| run.id) else { return };
    let sink = Rc::new(Cell::new(None::<Sink>));
    // What was shown is not what the run wrote: shown anew, but only once for each end, whatever the server says.
    let healed = Cell::new(false);
    let reload = {
        let sink = Rc::clone(&sink);
        move || {
            if let Some(sink) = sink.get() {
                spawn_local(load_anew(id, run, drawing, sink));
            }
        }
    };
    let heal = reload.clone();
    // Which runs are known to wait no longer.
    let left = RefCell::new(Vec::new());
    let on_event = move |event: &StreamEvent, _: &_| match event {
        StreamEvent::Output(output) if output.run == id => {
            if let Some(drawing) = existing(drawing) {
                drawing.push(output);
            }
        }
        StreamEvent::Run(now) if now.id == id => {
            run.try_set((**now).clone());
        }
        StreamEvent::Run(other) if other.has_left_queue() && !left.borrow().contains(&other.id) => {
            left.borrow_mut().push(other.id);
            if run.try_with_untracked(|run| run.ahead.is_some()) == Some(true) {
                run.try_update(|run| run.hear(other));
            }
        }
        StreamEvent::End(end) if end.run == id => {
            let complete = existing(drawing).is_none_or(|drawing| drawing.with_transcript(|transcript| transcript.bytes()) == end.bytes);
            if !complete && !healed.replace(true) {
                heal();
            }
        }
        _ => {}
    };
    let over = run.try_with_untracked(|run| run.status.is_final()) == Some(true);
    let runs = if over { Vec::new() } else { vec![id] };
    let options = SinkOptions::new(cursor).runs(Signal::stored(runs)).on_event(on_event).on_reset(reload);
    sink.set(Some(live.sink(options)));
}

/// Loads a snapshot until one comes, and shows it in place of what was known.
async fn load_anew(id: RunId, run: RwSignal<Run>, drawing: Stored, sink: Sink) {
    let mut pause = Duration::from_secs(1);
    loop {
        match load_console(id.to_string()).await {
            Ok(snapshot) => {
                let Some(drawing) = existing(drawing) else { return };
                drawing.with_transcript(|transcript| *transcript = Transcript::new(&snapshot));
                run.try_set(snapshot.run);
                sink.restart(snapshot.cursor);
                return;
            }
            Err(ApiError::NoSuchRun | ApiError::NoSuchTask | ApiError::SignedOut) => return,
            Err(_) => {
                earlier::wait(pause).await;
                pause = (pause * 2).min(Duration::from_secs(30));
                if existing(drawing).is_none() {
                    return;
                }
            }
        }
    }
}
