//! The page for an address that leads nowhere.

use crate::ui::markup::PageTitle;
use leptos::prelude::*;

/// The page. The status that says the same to programs is the router's matter.
#[component]
pub fn NotFoundPage() -> impl IntoView {
    view! {
        <PageTitle text="Not found"/>
        <section class="failure">
            <h1>"Not found"</h1>
            <p>"There is no page at this address."</p>
            <p class="failure-actions"><a class="button" data-variant="quiet" href="/">"Back to Kontasks"</a></p>
        </section>
    }
}
