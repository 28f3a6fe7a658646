//! A task in a list: one line of what it is and how it stands, and a link to all of it.

use super::{
    answer_form::QuickAnswer,
    elapsed::Elapsed,
    labels::{Labels, StatusBadge},
    time::Time,
};
use crate::domain::{
    run::{Run, RunStatus},
    task::Task,
};
use leptos::prelude::*;

/// A list of cards, each with its task's newest run where that is known.
#[component]
pub fn TaskList(
    /// The tasks.
    tasks: Signal<Vec<(Task, Option<Run>)>>,
    /// Whether their choices can be chosen in the list.
    #[prop(optional)]
    answerable: bool,
) -> impl IntoView {
    // A changed task or a run that has ended makes another card.
    let key = |(task, run): &(Task, Option<Run>)| (task.id, task.updated_at, run.as_ref().map(|run| (run.id, run.status)));
    view! {
        <ul class="task-list">
            <For each=move || tasks.get() key let:item>
                <li>
                    <TaskCard task=item.0 run=item.1 answerable/>
                </li>
            </For>
        </ul>
    }
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
    let answer = (answerable && asks).then(|| view! { <QuickAnswer task=task.clone()/> });
    let kind = task.is_named_by_prompt().then_some("command");
    let description = (!task.description.is_empty()).then(|| view! { <p class="task-card-description">{task.description.clone()}</p> });
    let address = format!("/tasks/{}", task.id);
    let status = task.status.clone();
    view! {
        <article class="task-card" data-status=status data-asks=asks.then_some("")>
            <div class="task-card-head">
                <StatusBadge status=task.status/>
                <h3 data-kind=kind>
                    <a href=address>{task.title}</a>
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
fn outcome(run: Run) -> impl IntoView {
    let words = (!matches!(run.status, RunStatus::Succeeded | RunStatus::Cancelled)).then(|| view! { <span>{run.outcome()}</span> });
    view! {
        {words}
        <Elapsed run=Signal::stored(run)/>
    }
}
