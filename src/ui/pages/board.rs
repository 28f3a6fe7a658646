//! The board: every task, by a filter that lives in the page's address.

use crate::{
    api::pages::PageRequest,
    domain::{event::StreamEvent, filter::TaskFilter, filtered_tasks::FilteredTasks, snapshot::BoardSnapshot, visible_text::visible},
    ui::{
        components::{
            board_filter::BoardFilter,
            held_runs::{HeldRunsNotice, follow_held},
            loaded::Loaded,
            task_card::{FindItem, TaskList},
        },
        hooks::use_snapshot::{Fetched, SnapshotOptions, use_snapshot},
        markup::PageTitle,
    },
};
use js_sys::JsString;
use leptos::prelude::*;
use leptos_router::{LazyRoute, hooks::use_query_map, lazy_route};
use std::sync::Arc;

/// The page's route. Its code is a chunk of its own, which the browser loads when it first shows such a page.
pub struct BoardRoute;

#[lazy_route]
impl LazyRoute for BoardRoute {
    fn data() -> Self {
        BoardRoute
    }

    fn view(_this: Self) -> AnyView {
        view! { <BoardPage/> }.into_any()
    }
}

#[component]
fn BoardPage() -> impl IntoView {
    let filter = use_filter();
    // Only the first filter's tasks come with the page; a change of the filter keeps the page and what is being typed.
    let request = PageRequest::board(filter.get_untracked());
    view! {
        <PageTitle text="Board"/>
        <div class="page-head">
            <h1>"Board"</h1>
        </div>
        <Loaded request=Box::new(move || request.clone()) view=|packed, _| packed.open().map(|snapshot| view! { <FilteredBoard snapshot/> }.into_any())/>
    }
}

#[component]
fn FilteredBoard(snapshot: BoardSnapshot) -> impl IntoView {
    let filter = use_filter();
    let cursor = snapshot.cursor.clone();
    let held = RwSignal::new(snapshot.held);
    let tasks = RwSignal::new(FilteredTasks::new(snapshot, filter.get_untracked()));
    let snapshots = use_snapshot(SnapshotOptions {
        cursor,
        runs: Vec::new(),
        request: Box::new(move || PageRequest::board(filter.try_get_untracked().unwrap_or_default())),
        open: Box::new(move |packed| {
            let snapshot: BoardSnapshot = packed.open()?;
            let (cursor, fetched_held) = (snapshot.cursor.clone(), snapshot.held);
            // What is opened answers the last request, and that was made by the present filter.
            let fetched = FilteredTasks::new(snapshot, filter.try_get_untracked().unwrap_or_default());
            let held_now = fetched_held;
            let show = move || {
                held.try_set(held_now);
                tasks.try_set(fetched);
            };
            Ok(Fetched { cursor, show: Box::new(show) })
        }),
        on_event: Box::new(move |event, _| {
            follow_held(held, event);
            let StreamEvent::Task(event) = event else { return false };
            let is_stale = tasks.try_update(|tasks| {
                tasks.apply(event, |text| JsString::from(text).to_lower_case().into());
                tasks.is_stale()
            });
            is_stale == Some(true)
        }),
        on_missing: Box::new(|_| {}),
    });
    Effect::new(move |last: Option<TaskFilter>| {
        let now = filter.get();
        if last.is_some_and(|last| last != now) {
            snapshots.refetch();
        }
        now
    });
    // Why what was asked for is not shown yet.
    let missing = move || {
        let is_other = tasks.with(|tasks| filter.with(|filter| filter != tasks.filter()));
        Some(snapshots.error.get()).filter(|error| is_other && !error.is_empty())
    };
    let keys = move || tasks.with(|tasks| tasks.shown().map(|task| task.id.to_string()).collect());
    let find: FindItem = Arc::new(move |id| tasks.with(|tasks| Some((tasks.task(id)?.clone(), None))));
    let words = Memo::new(move |_| tasks.with(|tasks| tasks.words().clone()));
    let shown = move || tasks.with(|tasks| tasks.shown().count());
    let is_empty = Memo::new(move |_| shown() == 0);
    let count = move || match (tasks.with(FilteredTasks::total), shown()) {
        (1, _) => "1 task".to_owned(),
        (total, shown) if total > shown as u64 => format!("{total} tasks, the newest {shown} shown"),
        (total, _) => format!("{total} tasks"),
    };
    view! {
        <HeldRunsNotice held/>
        <BoardFilter filter words/>
        {move || missing().map(|words| view! { <p class="form-error" role="alert">{visible(&words)}</p> }.into_any())}
        <h2 class="visually-hidden">"Tasks"</h2>
        <p class="board-count" role="status">{move || count()}</p>
        <TaskList keys=Box::new(keys) find/>
        {move || {
            let is_filtered = Signal::derive(move || !filter.with(TaskFilter::is_empty));
            is_empty.get().then(|| view! { <EmptyBoard is_filtered/> })
        }}
    }
}

#[component]
fn EmptyBoard(is_filtered: Signal<bool>) -> impl IntoView {
    view! {
        <div class="empty" data-kind="board">
            {move || match is_filtered.get() {
                true => view! {
                    <p>"No task fits this filter."</p>
                    <p><a class="button" data-variant="quiet" href="/tasks">"Show all tasks"</a></p>
                }.into_any(),
                false => view! {
                    <p>"There are no tasks yet. A prompt opens one, and programs can post theirs."</p>
                    <p><a class="button" data-variant="quiet" href="/">"Run something"</a></p>
                }.into_any(),
            }}
        </div>
    }
}

/// The filter as the page's address has it.
fn use_filter() -> Memo<TaskFilter> {
    let query = use_query_map();
    Memo::new(move |_| {
        query.with(|query| {
            let of = |name| query.get(name).unwrap_or_default();
            TaskFilter { status: of("status"), scope: of("scope"), tag: of("tag"), kind: of("type"), text: of("text") }
        })
    })
}
