//! A task in a list: one line of what it is and how it stands, and a link to all of it.

use super::{
    answer_form::QuickAnswer,
    elapsed::took,
    labels::{Labels, StatusBadge},
    list::List,
    time::Time,
};
use crate::domain::{
    run::{Run, RunStatus},
    task::Task,
    visible_text::visible,
};
use leptos::prelude::*;

/// A list of cards, each with its task's newest run where that is known.
#[component]
pub fn TaskList(
    /// The tasks.
    tasks: Memo<Vec<(Task, Option<Run>)>>,
    /// Whether their choices can be chosen in the list.
    #[prop(optional)]
    answerable: bool,
) -> impl IntoView {
    let keys = move || tasks.with(|tasks| tasks.iter().map(key).collect());
    let card = move |wanted: String| {
        let item = tasks.with_untracked(|tasks| tasks.iter().find(|item| key(item) == wanted).cloned());
        item.map(|(task, run)| view! { <li><TaskCard task run answerable/></li> }.into_any()).into_any()
    };
    view! {
        <ul class="task-list">
            <List keys=Box::new(keys) item=Box::new(card)/>
        </ul>
    }
}

/// A changed task or a run that has ended makes another card.
fn key((task, run): &(Task, Option<Run>)) -> String {
    let run = run.as_ref().map(|run| format!("{} {}", run.id, run.status.as_str())).unwrap_or_default();
    format!("{} {} {run}", task.id, task.updated_at)
}

/// The card.
#[component]
fn TaskCard(
    /// The task.
    task: Task,
    /// Its newest run, where it has one and that is known.
    run: Option<Run>,
    /// Whether its choices can be chosen here.
    answerable: bool,
) -> impl IntoView {
    let asks = task.needs_answer();
    let answer = (answerable && asks).then(|| view! { <QuickAnswer task=task.clone()/> }.into_any());
    let kind = task.is_named_by_prompt().then_some("command");
    let description =
        (!task.description.is_empty()).then(|| view! { <p class="task-card-description">{visible(&task.description)}</p> }.into_any());
    let address = format!("/tasks/{}", task.id);
    let status = visible(&task.status);
    view! {
        <article class="task-card" data-status=status data-asks=asks.then_some("")>
            <div class="task-card-head">
                <StatusBadge status=task.status/>
                <h3 data-kind=kind>
                    <a href=address>{visible(&task.title)}</a>
                </h3>
            </div>
            {description}
            {answer}
            <div class="task-card-meta">
                {run.filter(|run| run.status.is_final()).map(outcome)}
                <Labels scope=task.scope tags=task.tags/>
                <Time at=task.updated_at/>
            </div>
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
