//! Light, dark, or as the system says, for this browser.

use super::Section;
use crate::{domain::theme::Theme, ui::components::form_token::FormToken};
use leptos::prelude::*;

/// The choice.
#[component]
pub fn ThemeSection(
    /// What is chosen.
    theme: Theme,
) -> impl IntoView {
    let choices = Theme::ALL.map(|choice| {
        let name = match choice {
            Theme::System => "System",
            Theme::Light => "Light",
            Theme::Dark => "Dark",
        };
        view! {
            <button class="button" name="theme" value=choice.as_str() aria-pressed=if choice == theme { "true" } else { "false" }>{name}</button>
        }
    });
    view! {
        <Section id="theme" name="Colours in this browser">
            <form method="post" action="/settings/theme" class="choices"><FormToken/>{choices.collect_view()}</form>
        </Section>
    }
}
