//! The line under a console: what is typed here goes into the run's terminal. A plain form, so that it needs no script.

use crate::{
    api::runs::TypeIn,
    domain::id::RunId,
    ui::{
        components::form_token::FormToken,
        hooks::action::{done, pending, refusal},
    },
};
use leptos::{form::ActionForm, html, prelude::*};

/// The line, for a run that has a terminal.
#[component]
pub fn InputLine(
    /// Which run.
    run: RunId,
    /// What makes the first line that is sent one line, however often it arrives.
    first_id: String,
) -> impl IntoView {
    let typing = ServerAction::<TypeIn>::new();
    let field = NodeRef::<html::Input>::new();
    let sent = StoredValue::new(String::new());
    let arrived = RwSignal::new(0_u32);
    let (has_arrived, is_pending, error) = (done(&typing), pending(&typing), refusal(&typing));
    Effect::new(move |_| {
        if has_arrived() {
            arrived.try_update(|count| *count += 1);
            if let Some(field) = field.get_untracked() {
                // What was typed meanwhile is for the next line.
                let now = field.value();
                let rest = sent.with_value(|sent| now.strip_prefix(sent.as_str()).map(str::to_owned));
                field.set_value(&rest.unwrap_or(now));
            }
        }
    });
    let id = move || match arrived.get() {
        0 => first_id.clone(),
        count => format!("{first_id}-{count}"),
    };
    view! {
        <ActionForm action=typing attr:class="console-input">
            <FormToken/>
            <input type="hidden" name="run_id" value=run.to_string()/>
            <input type="hidden" name="request_id" prop:value=id.clone() value=id/>
            <label>
                <span aria-hidden="true">"›"</span>
                <input
                    type="text"
                    name="line"
                    node_ref=field
                    aria-label="Type into the terminal"
                    placeholder="Type into the terminal"
                    maxlength="4000"
                    autocomplete="off"
                    autocapitalize="off"
                    spellcheck="false"
                />
            </label>
            <button
                class="button"
                type="submit"
                disabled=is_pending
                on:click=move |_| {
                    if let Some(field) = field.get_untracked() {
                        sent.set_value(field.value());
                    }
                }
            >
                "Enter"
            </button>
            <span class="console-error" role="alert">{error}</span>
        </ActionForm>
    }
}
