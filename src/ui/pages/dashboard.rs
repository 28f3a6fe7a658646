//! The first page: the prompt box, what needs an answer, what runs, and what was there lately.

use crate::{
    api::{
        pages::{DashboardData, PageRequest, fetch_page},
        runs::PromptDraft,
    },
    domain::{board::Board, id::RunId, run::Run, snapshot::DashboardSnapshot, task::Task, visible_text::first_line},
    ui::{
        components::{
            examples::Examples,
            held_runs::{HeldRunsNotice, follow_held},
            list::List,
            loaded::Loaded,
            prompt_form::PromptForm,
            run_card::RunCard,
            task_card::TaskList,
        },
        hooks::use_board::{UseBoard, use_board},
        markup::PageTitle,
    },
};
use leptos::prelude::*;
use leptos_router::hooks::use_query_map;
use std::sync::Arc;

/// How many finished tasks are listed; the rest is on the board.
const RECENT: usize = 30;

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
    let held = RwSignal::new(held);
    let (draft, refusal) = notice.map_or((PromptDraft::default(), None), |notice| (notice.draft.unwrap_or_default(), Some(notice.error)));
    let taken = move |DashboardData { snapshot, .. }: DashboardData| {
        held.try_set(snapshot.held);
        (snapshot.cursor, Board::new(snapshot.tasks, snapshot.runs))
    };
    let reload = move || async move { fetch_page(PageRequest::dashboard(String::new())).await?.open().map(taken) };
    let UseBoard { board, first_heard, .. } =
        use_board(cursor.clone(), Board::new(tasks, runs), move |_, event| follow_held(held, event), reload);

    let is_empty = Memo::new(move |_| board.with(|board| board.tasks.is_empty()));
    let asking = Memo::new(move |_| board.with(|board| listed(board, |task, _| task.needs_answer())));
    let working = move || {
        board.with(|board| board.runs.iter().filter(|run| !run.status.is_final()).map(|run| run.id.to_string()).collect::<Vec<_>>())
    };
    let recent = Memo::new(move |_| {
        board.with(|board| {
            let mut recent = listed(board, |task, run| !task.needs_answer() && run.is_none_or(|run| run.status.is_final()));
            recent.truncate(RECENT);
            recent
        })
    });
    let run_card = move |id: String| {
        let id: RunId = id.parse().ok()?;
        let tail = tails.iter().find(|tail| tail.run == id).map(|tail| (tail.text.clone(), tail.sizes.clone()));
        let begun = first_heard.try_with_value(|first| first.iter().find(|(run, _)| *run == id).map(|(_, at)| at.clone())).flatten();
        let of_board = move |board: &Board| board.runs.iter().find(|run| run.id == id).cloned();
        let first = board.with_untracked(of_board)?;
        let task = first.task_id;
        let run = Memo::new(move |last: Option<&Run>| board.with(of_board).or_else(|| last.cloned()).unwrap_or_else(|| first.clone()));
        let title = Memo::new(move |_| {
            let named = board.with(|board| board.tasks.iter().find(|known| known.id == task).map(|task| task.title.clone()));
            named.unwrap_or_else(|| run.with(|run| first_line(&run.prompt).to_owned()))
        });
        let cursor = if tail.is_some() { cursor.clone() } else { begun.unwrap_or_else(|| cursor.clone()) };
        let (text, sizes) = tail.unwrap_or_default();
        Some(view! { <RunCard run title cursor text sizes/> }.into_any())
    };
    view! {
        <h1 class="visually-hidden">"Dashboard"</h1>
        <HeldRunsNotice held/>
        <PromptForm runners request_id=request_id.clone() draft refusal/>
        {move || is_empty.get().then(|| view! { <Examples request_id=request_id.clone()/> }.into_any())}
        <div class="dashboard">
            <Section name="Needs an answer" id="asking" count=Arc::new(move || asking.with(Vec::len))>
                <TaskList tasks=asking answerable=true/>
            </Section>
            <Section name="Running" id="working" count=Arc::new(move || working().len())>
                <ul class="task-list">
                    <List keys=Box::new(working) item=Box::new(move |id| view! { <li>{run_card(id)}</li> }.into_any())/>
                </ul>
            </Section>
            <Section name="Recent" id="recent" count=Arc::new(move || recent.with(Vec::len))>
                <TaskList tasks=recent/>
            </Section>
        </div>
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

fn listed(board: &Board, is_wanted: impl Fn(&Task, Option<&Run>) -> bool) -> Vec<(Task, Option<Run>)> {
    let with_run = |task: &Task| (task.clone(), board.last_run(task.id).cloned());
    board.tasks.iter().map(with_run).filter(|(task, run)| is_wanted(task, run.as_ref())).collect()
}
