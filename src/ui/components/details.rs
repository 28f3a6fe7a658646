//! A list of what there is to know about a thing, each with its name.

use super::{
    labels::{Labels, StatusBadge, spaced},
    time::Time,
};
use crate::domain::{task::Task, visible_text::visible};
use leptos::prelude::*;

/// What there is to know about a task.
#[component]
pub fn TaskDetails(
    /// The task.
    task: Task,
) -> impl IntoView {
    let text =
        |name: &'static str, value: Option<String>| value.map(|value| view! { <div><dt>{name}</dt><dd>{visible(&value)}</dd></div> });
    let labels = |name: &'static str, scope: Option<String>, tags: Vec<String>| {
        let any = scope.is_some() || !tags.is_empty();
        any.then(|| view! { <div><dt>{name}</dt><dd><Labels scope tags/></dd></div> })
    };
    view! {
        <dl class="details">
            // The style sheet begins it with a capital: the tables of all letters' capitals would be a part of the page.
            <div><dt>"Type"</dt><dd class="capitalised">{spaced(&task.kind)}</dd></div>
            <div><dt>"Status"</dt><dd><StatusBadge status=task.status/></dd></div>
            {labels("Scope", task.scope, Vec::new())}
            {labels("Tags", None, task.tags)}
            <div><dt>"Created"</dt><dd><Time at=task.created_at/></dd></div>
            <div><dt>"Updated"</dt><dd><Time at=task.updated_at/></dd></div>
            {text("Created By", task.created_by)}
            {text("For", task.target_user)}
        </dl>
    }
}
