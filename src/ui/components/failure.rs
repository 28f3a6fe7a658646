//! What a page shows in place of what could not be had.

use super::fixed::fixed;
use crate::{api::error::ApiError, domain::visible_text::visible, ui::markup::PageTitle};
use leptos::prelude::*;

/// A page that is not there, or could not be loaded: what is wrong, and what can be done now.
#[component]
pub fn Failure(
    /// What is wrong.
    error: ApiError,
    /// Called to try again.
    #[prop(into)]
    retry: Callback<()>,
) -> impl IntoView {
    let heading = if error.is_missing() { "Not found" } else { "This page could not be loaded" };
    let can_retry = !error.is_missing() && error != ApiError::SignedOut;
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
