//! Runs an ended run's prompt once more, as a new run of the same task; and says of such a run which one it repeats.

use super::form_token::FormToken;
use crate::{
    api::runs,
    domain::{id::RunId, run::Run},
    ui::hooks::action::{pending, refusal},
};
use leptos::{form::ActionForm, prelude::*};

/// The button, once the run has ended; a plain form, so that it needs no script.
#[component]
pub fn RunAgain(
    /// The run.
    run: Signal<Option<Run>>,
) -> impl IntoView {
    let again = ServerAction::<runs::RunAgain>::new();
    let ended = Memo::new(move |_| run.get().filter(|run| run.status.is_final()).map(|run| run.id));
    let (is_pending, refused) = (pending(&again), refusal(&again));
    move || {
        ended.get().map(|id| {
            view! {
                <ActionForm action=again attr:class="run-again">
                    <FormToken/>
                    <input type="hidden" name="run_id" value=id.to_string()/>
                    <button class="button" data-variant="quiet" disabled=is_pending>"Run again"</button>
                    {move || refused().map(|words| view! { <p class="form-error" role="alert">{words}</p> })}
                </ActionForm>
            }
        })
    }
}

/// The way to the run that this one repeats; nothing where it repeats none.
#[component]
pub fn RepeatedRun(
    /// The run.
    run: Run,
) -> impl IntoView {
    let repeated: Option<RunId> = run.request_id.strip_prefix(Run::AGAIN).and_then(|id| id.parse().ok());
    repeated.map(|id| view! { <a href=format!("/runs/{id}")>"again, after an earlier run"</a> })
}
