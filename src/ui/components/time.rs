//! A moment, in the reader's own words as soon as there is a browser.

use crate::{domain::timestamp::Timestamp, ui::hooks::use_local_time::use_local_time};
use leptos::prelude::*;

/// A moment. The server writes UTC; the browser then writes it in the reader's language and time zone.
#[component]
pub fn Time(
    /// When.
    at: Timestamp,
) -> impl IntoView {
    let words = use_local_time(at);
    view! { <time datetime=at.to_string()>{move || words.get()}</time> }
}
