//! Quick actions: how a person answers a task. Every way is a plain form, so that an answer needs no script.

use super::{fixed::fixed, form_token::FormToken, time::Time};
use crate::{
    api::tasks::AnswerTask,
    domain::{
        task::{Choice, Task},
        visible_text::{is_blank, visible},
    },
    ui::hooks::action::{pending, refusal},
};
use leptos::{form::ActionForm, prelude::*};

/// The choices of a task as buttons; a box where it asks for words; the answer where one was given.
#[component]
pub fn AnswerForm(
    /// The task.
    #[prop(into)]
    task: Signal<Task>,
) -> impl IntoView {
    let given = Memo::new(move |_| {
        task.with(|task| {
            task.answer.clone().map(|answer| (said(task, &answer.value), answer.comment.as_deref().map(visible), answer.answered_at))
        })
    });
    // Not the whole task: what is being typed stays when something else of it changes.
    let asked = Memo::new(move |_| task.with(|task| (task.id.to_string(), choices(task))));
    move || match given.get() {
        Some((said, comment, at)) => view! {
            <p class="answered">
                <strong>"Answered: " {said}</strong>
                {comment.map(|comment| view! { <q>{comment}</q> }.into_any())}
                <Time at/>
            </p>
        }
        .into_any(),
        None => {
            let (id, choices) = asked.get();
            form(id, choices, false)
        }
    }
}

/// The choices of a task as one text, which changes when they do; none where there is nothing to choose from in a list.
#[must_use]
pub fn quick_choices(task: &Task) -> Option<String> {
    let choices = if task.needs_answer() { choices(task) } else { Vec::new() };
    let texts: Vec<_> = choices.iter().map(|choice| format!("{}\u{0}{}\u{0}{}\u{0}", choice.label, choice.value, choice.primary)).collect();
    (!texts.is_empty()).then(|| texts.concat())
}

/// The choices alone, for a list.
#[must_use]
pub fn quick_answer(task: &Task) -> AnyView {
    form(task.id.to_string(), choices(task), true)
}

fn form(id: String, choices: Vec<Choice>, in_list: bool) -> AnyView {
    let answer = ServerAction::<AnswerTask>::new();
    let (is_pending, refused) = (pending(&answer), refusal(&answer));
    let words = choices.is_empty();
    let buttons: Vec<_> = choices
        .into_iter()
        .map(|choice| {
            let variant = choice.primary.then_some("primary");
            let name = visible(choice.name());
            let size = in_list.then_some("small");
            view! {
                <button class="button" {..fixed(&[("name", "value")])} data-size=size data-variant=variant value=choice.value disabled=is_pending>
                    {name}
                </button>
            }
            .into_any()
        })
        .collect();
    view! {
        <ActionForm action=answer attr:class=if in_list { "quick-answer" } else { "answer-form" }>
            <FormToken/>
            <input {..fixed(&[("type", "hidden"), ("name", "task_id")])} value=id/>
            {words.then(|| view! {
                <label class="field">
                    <span>"Your answer"</span>
                    <textarea name="value" rows="3" autocomplete="off"></textarea>
                </label>
                <button class="button" data-variant="primary" disabled=is_pending>"Answer"</button>
            }.into_any())}
            <div class="choices">{buttons}</div>
            {(!words && !in_list).then(|| view! {
                <label class="field">
                    <span>"Comment"</span>
                    <input type="text" name="comment" placeholder="optional, sent along with the answer" autocomplete="off"/>
                </label>
            }.into_any())}
            {move || refused().map(|words| view! { <p class="form-error" role="alert">{words}</p> }.into_any())}
        </ActionForm>
    }
    .into_any()
}

/// What can be chosen; a choice of an earlier version that nothing can answer is none. An approval that names nothing is approved or rejected.
fn choices(task: &Task) -> Vec<Choice> {
    let choices: Vec<Choice> = task.context.choices.iter().filter(|choice| !is_blank(&choice.value)).cloned().collect();
    if !choices.is_empty() || task.kind != "approval" {
        return choices;
    }
    let choice =
        |label: &str, value: &str, primary| Choice { label: label.into(), value: value.into(), primary, extra: Default::default() };
    vec![choice("Approve", "approved", true), choice("Reject", "rejected", false)]
}

/// The answer as the person saw it: the choice's label, or the text.
fn said(task: &Task, value: &str) -> String {
    choices(task).iter().find(|choice| choice.value == value).map_or_else(|| visible(value), |choice| visible(choice.name()))
}
