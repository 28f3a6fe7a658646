//! The bar at the top of every page: where one is, where one can go, and how the connection stands.

use super::connection_status::ConnectionStatus;
use crate::ui::markup::{Markup, content};
use leptos::prelude::*;
use leptos_router::hooks::use_location;

/// Where scripts run, a browser keeps the inside of `noscript` as mere text: so it is given as one.
fn without_scripts() -> Markup {
    let mut markup = Markup::default();
    markup.open("p", &[("class", "notice"), ("data-tone", "info")]);
    markup.open("span", &[]);
    markup.push_text("Live updates are off, because JavaScript is. Everything else works: reload the page to see what is new.");
    markup.close("span");
    markup.close("p");
    markup
}

/// The bar.
#[component]
pub fn Header() -> impl IntoView {
    let path = use_location().pathname;
    let link = |to: &'static str, name: &'static str| {
        let is_shown = move || path.with(|path| path == to || (to == "/tasks" && path.starts_with("/tasks/")));
        view! { <a href=to aria-current=move || is_shown().then_some("page")>{name}</a> }.into_any()
    };
    view! {
        <header class="site-header">
            <div class="site-header-inner">
                <Brand/>
                <nav aria-label="Main">
                    {link("/", "Dashboard")} {link("/tasks", "Board")} <a href="/settings" rel="external">"Settings"</a>
                </nav>
                <ConnectionStatus/>
            </div>
        </header>
        <noscript {..content(without_scripts())}></noscript>
    }
}

/// The same bar on a document without scripts, which has no connection.
#[component]
pub fn PlainHeader(
    /// Which page it is.
    here: &'static str,
) -> impl IntoView {
    let link = |to: &'static str, name: &'static str| view! { <a href=to aria-current=(to == here).then_some("page")>{name}</a> };
    view! {
        <header class="site-header">
            <div class="site-header-inner">
                <Brand/>
                <nav aria-label="Main">{link("/", "Dashboard")} {link("/tasks", "Board")} {link("/settings", "Settings")}</nav>
            </div>
        </header>
    }
}

/// The name, which leads home.
#[component]
pub fn Brand() -> impl IntoView {
    view! {
        <a href="/" class="brand">
            <svg class="brand-mark" viewBox="0 0 32 32" width="26" height="26" aria-hidden="true">
                <rect class="brand-tile" width="32" height="32" rx="7"></rect>
                <path class="brand-chevron" d="M9 9.5 15.5 16 9 22.5"></path>
                <rect class="brand-caret" x="18" y="19.5" width="7" height="3.2" rx="0.6"></rect>
            </svg>
            <span class="brand-name">"Kontasks"</span>
        </a>
    }
}
