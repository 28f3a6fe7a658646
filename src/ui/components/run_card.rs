//! Work that runs: its title, how long it has been at it, and the last lines that it wrote, as they come.

use super::elapsed::Elapsed;
use crate::{
    domain::{cursor::Cursor, run::Run, terminal_size::PlacedSize, visible_text::visible},
    ui::console::tail::ConsoleTail,
};
use leptos::prelude::*;

/// The card.
#[component]
pub fn RunCard(
    /// The run.
    run: Memo<Run>,
    /// Its task's title.
    title: Memo<String>,
    /// Where the text below ends.
    cursor: Cursor,
    /// The last output of the run.
    text: String,
    /// The sizes that its terminal had.
    sizes: Vec<PlacedSize>,
) -> impl IntoView {
    let (id, address) = run.with_untracked(|run| (run.id, format!("/tasks/{}", run.task_id)));
    view! {
        <article class="run-card" data-status=move || run.with(|run| run.status.as_str())>
            <div class="run-card-head">
                <span class="badge" data-status=move || run.with(|run| run.status.as_str())>
                    {move || visible(&run.with(Run::outcome))}
                </span>
                <h3><a href=address>{move || visible(&title.get())}</a></h3>
                <Elapsed run/>
            </div>
            <ConsoleTail run=id text sizes cursor/>
        </article>
    }
}
