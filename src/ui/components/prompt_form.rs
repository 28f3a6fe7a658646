//! The prompt box. It works by a plain POST before the page is live; afterwards it checks what it can at once and keeps what was
//! typed until the server has taken it.

use super::{fixed::fixed, form_token::FormToken};
use crate::{
    api::{
        error::ApiError,
        runs::{PromptDraft, SubmitPrompt},
    },
    domain::{limits, visible_text::visible},
    ui::{
        hooks::{effect::effect, use_kept_text::use_kept_text},
        markup::{Markup, content},
    },
};
use leptos::{
    ev::{KeyboardEvent, SubmitEvent},
    form::ActionForm,
    html::Textarea,
    prelude::*,
};

type Attributes = &'static [(&'static str, &'static str)];

const PROMPT: Attributes = &[
    ("id", "prompt"),
    ("name", "prompt"),
    ("rows", "3"),
    ("placeholder", "What shall run?"),
    ("autocomplete", "off"),
    ("autocapitalize", "off"),
    ("spellcheck", "false"),
    ("autofocus", ""),
    ("aria-describedby", "prompt-error"),
];
pub(super) const REQUEST_ID: Attributes = &[("type", "hidden"), ("name", "request_id"), ("autocomplete", "off")];
const SCOPE: Attributes = &[
    ("type", "text"),
    ("name", "scope"),
    ("placeholder", "none"),
    ("autocomplete", "off"),
    ("autocapitalize", "off"),
    ("maxlength", "128"),
];
const TAGS: Attributes = &[("type", "text"), ("name", "tags"), ("placeholder", "none"), ("autocomplete", "off"), ("autocapitalize", "off")];
const RUN: Attributes = &[("data-variant", "primary"), ("aria-keyshortcuts", "Control+Enter Meta+Enter")];
const ERROR: Attributes = &[("id", "prompt-error"), ("role", "alert")];

/// The form.
#[component]
pub fn PromptForm(
    /// The runners that can be chosen, the default first.
    runners: Vec<String>,
    /// What makes the next submission from this page one submission.
    request_id: String,
    /// What was typed and could not be taken.
    draft: PromptDraft,
    /// Why not.
    refusal: Option<ApiError>,
) -> impl IntoView {
    let submit = ServerAction::<SubmitPrompt>::new();
    let prompt = NodeRef::<Textarea>::new();
    // Empty where nothing is wrong.
    let checked = RwSignal::new(String::new());
    let refusal = refusal.map(|error| error.to_string()).unwrap_or_default();
    let words = Memo::new(move |_| {
        let answered = submit.value().with(|value| value.as_ref().map(|result| result.as_ref().err().map(ToString::to_string)));
        let found = checked.get();
        if found.is_empty() { answered.map_or_else(|| refusal.clone(), Option::unwrap_or_default) } else { found }
    });
    let kept = use_kept_text("kontasks.prompt", prompt);
    effect(move || {
        if submit.value().with(|value| matches!(value, Some(Ok(_)))) {
            kept.forget();
        }
    });
    effect(move || {
        if let Some(prompt) = prompt.get() {
            let _ = prompt.focus();
        }
    });
    let check = move |event: SubmitEvent| {
        let text = prompt.get_untracked().map(|prompt| prompt.value()).unwrap_or_default();
        let found = limits::prompt(&text).err().map(|invalid| ApiError::from(invalid).to_string()).unwrap_or_default();
        if !found.is_empty() {
            event.prevent_default();
        }
        checked.set(found);
    };
    // Ctrl+Enter and ⌘+Enter submit from every field; Enter alone makes a new line in the prompt, since prompts often have several.
    let submit_by_keys = move |event: KeyboardEvent| {
        if event.key() == "Enter" && (event.ctrl_key() || event.meta_key()) && !event.is_composing() {
            event.prevent_default();
            if let Some(form) = prompt.get_untracked().and_then(|prompt| prompt.form()) {
                let _ = form.request_submit();
            }
        }
    };
    let chosen = draft.runner.clone();
    let options: Vec<_> = runners
        .into_iter()
        .map(|name| view! { <option selected=name == chosen value=name.clone()>{name.clone()}</option> }.into_any())
        .collect();
    view! {
        <ActionForm action=submit attr:class="prompt-form" on:submit:capture=check on:keydown=submit_by_keys>
            <FormToken/>
            <label class="visually-hidden" for="prompt">"Prompt"</label>
            <textarea
                {..fixed(PROMPT)}
                aria-invalid=move || words.with(|words| !words.is_empty()).then_some("true")
                node_ref=prompt
                on:input=move |_| prompt.with_untracked(|prompt| prompt.iter().for_each(|prompt| kept.keep(prompt)))
                {..content(Markup::of_textarea(&draft.prompt))}
            ></textarea>
            <input {..fixed(REQUEST_ID)} value=request_id/>
            <div class="prompt-options">
                <label class="field" data-inline="">
                    <span>"Runner"</span>
                    <select name="runner">{options}</select>
                </label>
                <label class="field" data-inline="">
                    <span>"Scope"</span>
                    <input {..fixed(SCOPE)} value=draft.scope/>
                </label>
                <label class="field" data-inline="" data-wide="">
                    <span>"Tags"</span>
                    <input {..fixed(TAGS)} value=draft.tags/>
                </label>
                <div class="prompt-run">
                    <span class="key-hint" aria-hidden="true"><kbd>"Ctrl"</kbd>"/"<kbd>"⌘"</kbd>" "<kbd>"Enter"</kbd></span>
                    <button class="button" {..fixed(RUN)} disabled=move || submit.pending().get()>
                        "Run"
                    </button>
                </div>
            </div>
            <p class="form-error" {..fixed(ERROR)} hidden=move || words.with(String::is_empty)>{move || words.with(|words| visible(words))}</p>
        </ActionForm>
    }
}
