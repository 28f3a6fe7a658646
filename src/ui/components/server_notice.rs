//! What everybody should know of the server's state, such as a full disk: as the page was made with it, and then as the stream says.

use crate::{domain::visible_text::visible, ui::hooks::live::use_live};
use leptos::prelude::*;

/// The notice; it takes no room while all is well.
#[component]
pub fn ServerNotice(
    /// What it said when the page was made; empty where all was well.
    notice: String,
) -> impl IntoView {
    let live = use_live();
    let words = move || visible(&live.notice().unwrap_or_else(|| notice.clone()));
    let shown = words.clone();
    view! {
        <p class="server-notice" role="status" hidden=move || words().is_empty()>
            {shown}
        </p>
    }
}
