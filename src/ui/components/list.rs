//! A list whose items keep their place in the document while others come and go. There is one for all lists, since what keeps it in
//! order is a good part of the page's code for each kind of key and item.

use leptos::prelude::*;
use std::sync::Arc;

/// Names the items, in order. It is read in an Effect, so that the list follows what it reads.
pub type Keys = Box<dyn Fn() -> Vec<String> + Send + Sync>;

/// Makes the item of a key, once for as long as the key stays in the list.
pub type ShowItem = Box<dyn Fn(String) -> AnyView + Send + Sync>;

/// The items alone, without the element around them.
#[component]
pub fn List(
    /// The items' keys.
    keys: Keys,
    /// An item.
    item: ShowItem,
) -> impl IntoView {
    let item: Arc<dyn Fn(String) -> AnyView + Send + Sync> = Arc::from(item);
    view! { <For each=keys key=String::clone children=move |key| item(key)/> }
}
