//! The board: every task, by a filter that lives in the page's address.

use crate::{
    api::pages::{PageRequest, load_board},
    domain::{
        board::Board,
        event::{StreamEvent, TaskEvent},
        filter::TaskFilter,
        snapshot::BoardSnapshot,
        visible_text::visible,
    },
    ui::{
        components::{
            board_filter::{BoardFilter, Words},
            held_runs::{HeldRunsNotice, follow_held},
            loaded::Loaded,
            task_card::TaskList,
        },
        hooks::use_board::use_board,
        markup::PageTitle,
    },
};
use js_sys::JsString;
use leptos::{prelude::*, task::spawn_local};
use leptos_router::{LazyRoute, hooks::use_query_map, lazy_route};

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
    let total = RwSignal::new(snapshot.total);
    let words = RwSignal::new(Words::of(&snapshot));
    let held = RwSignal::new(snapshot.held);
    let kept = move |board: &mut Board, event: &StreamEvent| {
        let StreamEvent::Task(event) = event else { return };
        if let TaskEvent::Changed(task) = &**event {
            words.try_update(|words| words.learn(task));
        }
        if let Some(filter) = filter.try_get_untracked() {
            board.tasks.retain(|task| filter.matches_by(task, |text| JsString::from(text).to_lower_case().into()));
        }
    };
    let shown = RwSignal::new(snapshot.tasks.len());
    let changed = move |board: &mut Board, event: &StreamEvent| {
        follow_held(held, event);
        kept(board, event);
        let now = board.tasks.len();
        let before = shown.try_get_untracked().unwrap_or(now);
        total.try_update(|total| *total = total.saturating_add(now as u64).saturating_sub(before as u64));
        shown.try_set(now);
    };
    let taken = move |snapshot: BoardSnapshot| {
        total.try_set(snapshot.total);
        shown.try_set(snapshot.tasks.len());
        words.try_set(Words::of(&snapshot));
        held.try_set(snapshot.held);
        (snapshot.cursor, Board::new(snapshot.tasks, Vec::new()))
    };
    let reload = move || async move { load_board(filter.try_get_untracked().unwrap_or_default()).await.map(taken) };
    let failed = RwSignal::new(None::<String>);
    let known = use_board(snapshot.cursor, Board::new(snapshot.tasks, Vec::new()), changed, reload);
    Effect::new(move |last: Option<TaskFilter>| {
        let now = filter.get();
        if last.is_some_and(|last| last != now) {
            let asked = now.clone();
            spawn_local(async move {
                let answer = load_board(asked.clone()).await;
                // An answer that was overtaken by another filter says nothing any more.
                if filter.try_get_untracked() != Some(asked) {
                    return;
                }
                match answer {
                    Ok(snapshot) => {
                        failed.try_set(None);
                        let (cursor, board) = taken(snapshot);
                        known.replace(cursor, board);
                    }
                    Err(error) => {
                        failed.try_set(Some(visible(&error.to_string())));
                    }
                }
            });
        }
        now
    });
    let tasks = Memo::new(move |_| known.board.with(|board| board.tasks.iter().map(|task| (task.clone(), None)).collect()));
    let is_empty = Memo::new(move |_| known.board.with(|board| board.tasks.is_empty()));
    let count = move || match (total.get(), known.board.with(|board| board.tasks.len())) {
        (1, _) => "1 task".to_owned(),
        (total, shown) if total > shown as u64 => format!("{total} tasks, the newest {shown} shown"),
        (total, _) => format!("{total} tasks"),
    };
    view! {
        <HeldRunsNotice held/>
        <BoardFilter filter words/>
        {move || failed.get().map(|words| view! { <p class="form-error" role="alert">{words}</p> }.into_any())}
        <h2 class="visually-hidden">"Tasks"</h2>
        <p class="board-count" role="status">{move || count()}</p>
        <TaskList tasks/>
        {move || is_empty.get().then(|| view! { <EmptyBoard is_filtered=Signal::derive(move || !filter.with(TaskFilter::is_empty))/> })}
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
