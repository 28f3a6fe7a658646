//! Runs that came with a backup or a copy, and wait for a person's word: how many there are, and
//! the two things that can be done with them. A plain form, so that it needs no script, and costs
//! the page next to nothing where there are none.

use super::{form_token::FormToken, time::Time};
use crate::domain::{event::StreamEvent, held::HeldRuns};
use leptos::prelude::*;

/// Takes one off for each event that says what becomes of a held run.
pub fn follow_held(held: RwSignal<HeldRuns>, event: &StreamEvent) {
    if let StreamEvent::Run(run) = event
        && held.try_with_untracked(|held| held.count > 0) == Some(true)
    {
        held.try_update(|held| held.apply_run(run));
    }
}

/// The notice; nothing while no run is held.
#[component]
pub fn HeldRunsNotice(
    /// What is held now.
    held: RwSignal<HeldRuns>,
) -> impl IntoView {
    move || {
        held.try_get().filter(|held| held.count > 0).map(|held| {
            view! {
                <form class="server-notice held-runs" method="post" action="/actions/decide-held-runs">
                    <FormToken/>
                    <p role="status">
                        {held.in_words()} " whose last event is of " <Time at=held.copied_at/>
                        ". They may have been executed already, so none is started by itself."
                    </p>
                    <button class="button" name="decision" value="run">"Run them"</button>
                    <button class="button" data-variant="quiet" name="decision" value="drop">"Drop them"</button>
                </form>
            }
            .into_any()
        })
    }
}
