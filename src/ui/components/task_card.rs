//! A task in a list: one line of what it is and how it stands, and a link to all of it.

use super::{
    answer_form::{quick_answer, quick_choices},
    elapsed::took,
    labels::{Labels, spaced},
    list::{Keys, List},
    time::Time,
};
use crate::domain::{
    id::TaskId,
    run::{Run, RunStatus},
    task::Task,
    visible_text::visible,
};
use leptos::prelude::*;
use std::sync::Arc;

/// A task, and its newest run where it has one and that is known.
pub type TaskItem = (Task, Option<Run>);

/// Finds a task by its id. It is read in a view, which follows what it reads.
pub type FindItem = Arc<dyn Fn(TaskId) -> Option<TaskItem> + Send + Sync>;

/// A list of cards. Each stays as long as its task is in the list, and shows the task as it is.
#[component]
pub fn TaskList(
    /// The ids of the tasks, in order.
    keys: Keys,
    /// Finds one of them.
    find: FindItem,
    /// Whether their choices can be chosen in the list.
    #[prop(optional)]
    answerable: bool,
) -> impl IntoView {
    let card = move |id: String| {
        let (id, find) = (id.parse().ok()?, Arc::clone(&find));
        let first = untrack(|| find(id))?;
        // A card that is about to go shows what it did.
        let item = Memo::new(move |last: Option<&TaskItem>| find(id).or_else(|| last.cloned()).unwrap_or_else(|| first.clone()));
        Some(view! { <li><TaskCard item answerable/></li> }.into_any())
    };
    view! {
        <ul class="task-list">
            <List keys item=Box::new(move |id| card(id).into_any())/>
        </ul>
    }
}

/// The card.
#[component]
fn TaskCard(
    /// What it shows.
    item: Memo<TaskItem>,
    /// Whether its choices can be chosen here.
    answerable: bool,
) -> impl IntoView {
    let status = move || item.with(|(task, _)| visible(&task.status));
    let asks = move || item.with(|(task, _)| task.needs_answer().then_some(""));
    let kind = move || item.with(|(task, _)| task.is_named_by_prompt().then_some("command"));
    let title = move || item.with(|(task, _)| visible(&task.title));
    let description = move || {
        let text = item.with(|(task, _)| visible(&task.description));
        (!text.is_empty()).then(|| view! { <p class="task-card-description">{text}</p> }.into_any())
    };
    let answer = answerable.then(|| {
        // A button that is being pressed stays when something else of the task changes.
        let keys = move || item.with(|(task, _)| quick_choices(task).into_iter().collect());
        let form = move |_| item.with_untracked(|(task, _)| quick_answer(task));
        view! { <List keys=Box::new(keys) item=Box::new(form)/> }.into_any()
    });
    let meta = move || {
        let (task, run) = item.get();
        view! {
            {run.filter(|run| run.status.is_final()).map(outcome)}
            <Labels scope=task.scope tags=task.tags/>
            <Time at=task.updated_at/>
        }
        .into_any()
    };
    let address = item.with_untracked(|(task, _)| format!("/tasks/{}", task.id));
    view! {
        <article class="task-card" data-status=status data-asks=asks>
            <div class="task-card-head">
                <span class="badge" data-status=status>{move || spaced(&status())}</span>
                <h3 data-kind=kind>
                    <a href=address>{title}</a>
                </h3>
            </div>
            {description}
            {answer}
            <div class="task-card-meta">{meta}</div>
        </article>
    }
}

/// How the run ended, as far as the task's status does not say it, and how long it took.
fn outcome(run: Run) -> AnyView {
    let is_said = matches!(run.status, RunStatus::Succeeded | RunStatus::Cancelled);
    let words = (!is_said).then(|| view! { <span>{visible(&run.outcome())}</span> }.into_any());
    view! {
        {words}
        <span class="elapsed">{took(&run)}</span>
    }
    .into_any()
}
