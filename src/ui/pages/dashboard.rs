//! The first page: the prompt box, what needs an answer, what runs, and what was there lately.

use crate::{
    api::{
        pages::{DashboardData, PageRequest, fetch_page},
        runs::PromptDraft,
    },
    domain::{board::Board, cursor::Cursor, id::RunId, run::Run, snapshot::DashboardSnapshot, task::Task},
    ui::{
        components::{examples::Examples, loaded::Loaded, prompt_form::PromptForm, run_card::RunCard, task_card::TaskList},
        hooks::use_board::{UseBoard, use_board},
    },
};
use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::use_query_map;

/// How many finished tasks are listed; the rest is on the board.
const RECENT: usize = 30;

/// The page.
#[component]
pub fn DashboardPage() -> impl IntoView {
    let query = use_query_map();
    // The query is read once: a change of it is no reason to take the prompt box away from under what is being typed.
    let request = PageRequest::dashboard(query.with_untracked(|query| query.get("notice")).unwrap_or_default());
    view! {
        <Title text=""/>
        <Loaded
            request=Signal::stored(request)
            view=|packed, _| packed.open().map(|data| view! { <Dashboard data/> }.into_any())
        />
    }
}

#[component]
fn Dashboard(data: DashboardData) -> impl IntoView {
    let DashboardData { snapshot, notice } = data;
    let DashboardSnapshot { cursor, tasks, runs, tails, runners, request_id } = snapshot;
    let (draft, refusal) = notice.map_or((PromptDraft::default(), None), |notice| (notice.draft.unwrap_or_default(), Some(notice.error)));
    let reload = || async { fetch_page(PageRequest::dashboard(String::new())).await?.open().map(board_of) };
    let UseBoard { board, first_heard, .. } = use_board(cursor.clone(), Board { tasks, runs }, |_, _| {}, reload);

    let is_empty = Memo::new(move |_| board.with(|board| board.tasks.is_empty()));
    let asking = Memo::new(move |_| board.with(|board| listed(board, |task, _| task.needs_answer())));
    let working = Memo::new(move |_| {
        board.with(|board| board.runs.iter().filter(|run| !run.status.is_final()).map(|run| run.id).collect::<Vec<_>>())
    });
    let recent = Memo::new(move |_| {
        board.with(|board| {
            let mut recent = listed(board, |task, run| !task.needs_answer() && run.is_none_or(|run| run.status.is_final()));
            recent.truncate(RECENT);
            recent
        })
    });
    let run_card = move |id: RunId| {
        let tail = tails.iter().find(|tail| tail.run == id).map(|tail| tail.text.clone());
        let begun = first_heard.try_with_value(|first| first.get(&id).cloned()).flatten();
        let run = Signal::derive(move || board.with(|board| board.runs.iter().find(|run| run.id == id).cloned()));
        let first = run.get_untracked()?;
        let task = first.task_id;
        let run = Memo::new(move |last: Option<&Run>| run.get().or_else(|| last.cloned()).unwrap_or_else(|| first.clone()));
        let title = Memo::new(move |_| {
            let named = board.with(|board| board.tasks.iter().find(|known| known.id == task).map(|task| task.title.clone()));
            named.unwrap_or_else(|| run.with(|run| run.prompt.lines().next().unwrap_or_default().to_owned()))
        });
        let cursor = if tail.is_some() { cursor.clone() } else { begun.unwrap_or_else(|| cursor.clone()) };
        Some(view! { <RunCard run=run.into() title=title.into() cursor text=tail.unwrap_or_default()/> })
    };
    view! {
        <h1 class="visually-hidden">"Dashboard"</h1>
        <PromptForm runners request_id=request_id.clone() draft refusal/>
        {move || is_empty.get().then(|| view! { <Examples request_id=request_id.clone()/> })}
        <div class="dashboard">
            <Section name="Needs an answer" id="asking" count=Signal::derive(move || asking.with(Vec::len))>
                <TaskList tasks=asking.into() answerable=true/>
            </Section>
            <Section name="Running" id="working" count=Signal::derive(move || working.with(Vec::len))>
                <ul class="task-list">
                    <For each=move || working.get() key=|id| *id let:id>
                        <li>{run_card(id)}</li>
                    </For>
                </ul>
            </Section>
            <Section name="Recent" id="recent" count=Signal::derive(move || recent.with(Vec::len))>
                <TaskList tasks=recent.into()/>
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
    count: Signal<usize>,
    /// The list.
    children: Children,
) -> impl IntoView {
    view! {
        <section id=id class="task-section" aria-labelledby=format!("{id}-heading") hidden=move || count.get() == 0>
            <h2 id=format!("{id}-heading")>{name}" "<span class="count">{count}</span></h2>
            {children()}
        </section>
    }
}

fn board_of(DashboardData { snapshot, .. }: DashboardData) -> (Cursor, Board) {
    (snapshot.cursor, Board { tasks: snapshot.tasks, runs: snapshot.runs })
}

fn listed(board: &Board, is_wanted: impl Fn(&Task, Option<&Run>) -> bool) -> Vec<(Task, Option<Run>)> {
    let with_run = |task: &Task| (task.clone(), board.last_run(task.id).cloned());
    board.tasks.iter().map(with_run).filter(|(task, run)| is_wanted(task, run.as_ref())).collect()
}
