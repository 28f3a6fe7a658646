//! The first page: the prompt box, what needs an answer, what runs, and what was there lately.

use crate::{
    api::pages::{DashboardData, PageRequest},
    domain::{
        board::Board,
        cursor::Cursor,
        event::StreamEvent,
        id::{RunId, TaskId},
        run::Run,
        snapshot::{DashboardSnapshot, RunTail},
        terminal_size::PlacedSize,
        visible_text::first_line,
    },
    ui::{
        components::{
            examples::Examples,
            held_runs::{HeldRunsNotice, follow_held},
            list::List,
            loaded::Loaded,
            prompt_form::PromptForm,
            run_card::RunCard,
            task_card::{FindItem, TaskList},
        },
        hooks::use_snapshot::{Fetched, SnapshotOptions, use_snapshot},
        markup::PageTitle,
    },
};
use leptos::prelude::*;
use leptos_router::hooks::use_query_map;
use std::sync::Arc;

/// The page.
#[component]
pub fn DashboardPage() -> impl IntoView {
    let query = use_query_map();
    // The query is read once: a change of it is no reason to take the prompt box away from under what is being typed.
    let request = PageRequest::dashboard(query.with_untracked(|query| query.get("notice")).unwrap_or_default());
    view! {
        <PageTitle text=""/>
        <Loaded
            request=Box::new(move || request.clone())
            view=|packed, _| packed.open().map(|data| view! { <Dashboard data/> }.into_any())
        />
    }
}

#[component]
fn Dashboard(data: DashboardData) -> impl IntoView {
    let DashboardData { snapshot, notice } = data;
    let DashboardSnapshot { cursor, tasks, runs, tails, runners, request_id, held } = snapshot;
    let draft = notice.map(|notice| (notice.draft.unwrap_or_default(), Some(notice.error)));
    let (draft, refusal) = draft.unwrap_or_default();
    let held = RwSignal::new(held);
    let board = RwSignal::new(Board::new(tasks, runs));
    let tails = StoredValue::new(Tails { cursor: cursor.clone(), texts: tails, begun: Vec::new() });
    use_snapshot(SnapshotOptions {
        cursor,
        runs: Vec::new(),
        request: Box::new(|| PageRequest::dashboard(String::new())),
        open: Box::new(move |packed| {
            let DashboardSnapshot { cursor, tasks, runs, tails: texts, held: now_held, .. } = packed.open::<DashboardData>()?.snapshot;
            let begins = Tails { cursor: cursor.clone(), texts, begun: Vec::new() };
            let show = move || {
                held.try_set(now_held);
                tails.try_set_value(begins);
                board.try_set(Board::new(tasks, runs));
            };
            Ok(Fetched { cursor, show: Box::new(show) })
        }),
        on_event: Box::new(move |event, at| {
            follow_held(held, event);
            if let StreamEvent::Run(run) = event {
                let is_known = board.try_with_untracked(|board| board.runs.iter().any(|known| known.id == run.id));
                if is_known == Some(false) {
                    tails.try_update_value(|tails| tails.begun.push((run.id, at.clone())));
                }
            }
            let is_stale = board.try_update(|board| {
                match event {
                    StreamEvent::Task(event) => board.apply_task((**event).clone()),
                    StreamEvent::Run(run) => board.apply_run((**run).clone()),
                    _ => {}
                }
                board.is_stale()
            });
            is_stale == Some(true)
        }),
        on_missing: Box::new(|_| {}),
    });

    let is_empty = Memo::new(move |_| board.with(|board| board.tasks.is_empty()));
    let asking = move || board.with(|board| board.asking.iter().map(TaskId::to_string).collect());
    let recent = move || board.with(|board| board.recent.iter().map(TaskId::to_string).collect());
    let running = move || board.with(|board| board.running.iter().map(RunId::to_string).collect());
    let find = move || -> FindItem { Arc::new(move |id| board.with(|board| Some((board.task(id)?.clone(), board.last_run(id).cloned())))) };
    let run_card = move |id: String| {
        let id: RunId = id.parse().ok()?;
        let (cursor, text, sizes) = tails.try_with_value(|tails| tails.of(id))?;
        let of_board = move |board: &Board| board.runs.iter().find(|run| run.id == id).cloned();
        let first = board.with_untracked(of_board)?;
        let task = first.task_id;
        let run = Memo::new(move |last: Option<&Run>| board.with(of_board).or_else(|| last.cloned()).unwrap_or_else(|| first.clone()));
        let title = Memo::new(move |_| {
            let named = board.with(|board| board.task(task).map(|task| task.title.clone()));
            named.unwrap_or_else(|| run.with(|run| first_line(&run.prompt).to_owned()))
        });
        Some(view! { <RunCard run title cursor text sizes/> }.into_any())
    };
    view! {
        <h1 class="visually-hidden">"Dashboard"</h1>
        <HeldRunsNotice held/>
        <PromptForm runners request_id=request_id.clone() draft refusal/>
        {move || is_empty.get().then(|| view! { <Examples request_id=request_id.clone()/> }.into_any())}
        <div class="dashboard">
            <Section name="Needs an answer" id="asking" count=Arc::new(move || board.with(|board| board.asking.len()))>
                <TaskList keys=Box::new(asking) find=find() answerable=true/>
            </Section>
            <Section name="Running" id="working" count=Arc::new(move || board.with(|board| board.running.len()))>
                <ul class="task-list">
                    <List keys=Box::new(running) item=Box::new(move |id| view! { <li>{run_card(id)}</li> }.into_any())/>
                </ul>
            </Section>
            <Section name="Recent" id="recent" count=Arc::new(move || board.with(|board| board.recent.len()))>
                <TaskList keys=Box::new(recent) find=find()/>
            </Section>
        </div>
    }
}

/// Where the output of a run is taken up that is not shown yet.
struct Tails {
    /// Where the snapshot ends.
    cursor: Cursor,
    /// What it has of each run.
    texts: Vec<RunTail>,
    /// Of each run that was first heard of in the stream: where that was. Its output comes after it.
    begun: Vec<(RunId, Cursor)>,
}

impl Tails {
    fn of(&self, run: RunId) -> (Cursor, String, Vec<PlacedSize>) {
        let begun = self.begun.iter().find(|(begun, _)| *begun == run).map(|(_, at)| at.clone());
        let tail = self.texts.iter().find(|tail| tail.run == run).map(|tail| (tail.text.clone(), tail.sizes.clone()));
        let (text, sizes) = tail.unwrap_or_default();
        (begun.unwrap_or_else(|| self.cursor.clone()), text, sizes)
    }
}

/// A list with its heading, which is there only while the list holds something.
#[component]
fn Section(
    /// The heading.
    name: &'static str,
    /// The section's id.
    id: &'static str,
    /// How much the list holds.
    count: Arc<dyn Fn() -> usize + Send + Sync>,
    /// The list.
    children: Children,
) -> impl IntoView {
    let shown = Arc::clone(&count);
    view! {
        <section id=id class="task-section" aria-labelledby=format!("{id}-heading") hidden=move || count() == 0>
            <h2 id=format!("{id}-heading")>{name}" "<span class="count">{move || shown().to_string()}</span></h2>
            {children()}
        </section>
    }
}
