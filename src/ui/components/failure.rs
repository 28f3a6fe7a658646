//! What a page shows in place of what could not be had.

use super::fixed::fixed;
use crate::{
    api::error::ApiError,
    domain::visible_text::visible,
    ui::{hooks::effect::effect, markup::PageTitle},
};
use leptos::prelude::*;
use std::time::Duration;

/// How long until it is tried again, at first and at the most. It doubles with each failure.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// A page that is not there, or could not be loaded: what is wrong, and what can be done now. What may be there in a while is tried
/// again without being asked for.
#[component]
pub fn Failure(
    /// What is wrong.
    error: ApiError,
    /// How often it was tried in vain before.
    times: u32,
    /// Called to try again.
    #[prop(into)]
    retry: Callback<()>,
) -> impl IntoView {
    let heading = if error.is_missing() { "Not found" } else { "This page could not be loaded" };
    let can_retry = !error.is_missing() && error != ApiError::SignedOut;
    let pause = (FIRST_PAUSE * 2_u32.pow(times.min(8))).min(LONGEST_PAUSE);
    effect(move || {
        if !can_retry {
            return;
        }
        if let Ok(timeout) = set_timeout_with_handle(move || retry.run(()), pause) {
            on_cleanup(move || timeout.clear());
        }
    });
    view! {
        <PageTitle text=heading/>
        <section class="failure">
            <h1>{heading}</h1>
            <p>{visible(&error.to_string())}</p>
            <p class="failure-actions">
                {can_retry
                    .then(|| view! { <button class="button" {..fixed(&[("type", "button")])} on:click=move |_| retry.run(())>"Try again"</button> }.into_any())}
                <a class="button" data-variant="quiet" href="/">"Back to Kontasks"</a>
            </p>
        </section>
    }
}
