//! What says of a form that it is ours, and no one's that content has brought into a page.
//! `tests/tidy.rs` fails where a form that posts goes without.

use super::fixed::fixed;
use crate::api::form_token::{FIELD, META, of_page};
use leptos::prelude::*;

/// The hidden field, to stand in each form that posts.
#[component]
pub fn FormToken() -> impl IntoView {
    view! { <input {..fixed(&[("type", "hidden"), ("name", FIELD), ("autocomplete", "off")])} value=of_page()/> }
}

/// The same for the page's script, in the head: there it is before any content.
#[component]
pub fn FormTokenMeta() -> impl IntoView {
    view! { <meta name=META content=of_page()/> }
}
