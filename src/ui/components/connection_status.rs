//! Says in words whether the page is live, and offers the way out where it is not.

use super::fixed::fixed;
use crate::{
    domain::reconnect::{
        Status,
        words::{WayOut, words},
    },
    ui::hooks::{live::use_live, use_now::use_now},
};
use leptos::prelude::*;
use std::time::Duration;

/// The page's connection: the one element with `data-connection`, a status line that screen readers hear when it changes (but not at
/// every second of the countdown), and "Reconnect now" or the way to sign in.
#[component]
pub fn ConnectionStatus() -> impl IntoView {
    let live = use_live();
    let counts_down = Memo::new(move |_| live.view().status == Status::Waiting);
    let now = use_now(Duration::from_secs(1), counts_down);
    let words = Memo::new(move |_| {
        let now = now().and_then(|at| u64::try_from(at.0).ok());
        let view = live.view();
        // Before the first tick nothing is left to wait for, rather than half a century.
        let now = now.or(view.next_retry_at).unwrap_or_default();
        words(&view, now, live.catching_up())
    });
    let way_out = move || words.with(|words| words.way_out);
    view! {
        <div class="connection">
            <span class="connection-state" {..fixed(&[("role", "status")])} data-connection=move || live.view().status.as_str() title=move || words.get().reason>
                {move || format!("{}{}", words.get().state, if live.is_outdated() { " · new version" } else { "" })}
                <span class="connection-countdown" {..fixed(&[("aria-hidden", "true")])}>{move || words.get().countdown}</span>
            </span>
            <button
                class="connection-action"
                {..fixed(&[("type", "button")])}
                hidden=move || way_out() != WayOut::Reconnect
                on:click=move |_| live.reconnect_now()
            >
                "Reconnect now"
            </button>
            <button class="connection-action" {..fixed(&[("type", "button")])} hidden=move || !live.is_outdated() on:click=move |_| reload()>
                "Reload"
            </button>
            <a class="connection-action" {..fixed(&[("rel", "external")])} href=move || sign_in(live.view().status) hidden=move || way_out() != WayOut::SignIn>
                "Sign in"
            </a>
        </div>
    }
}

/// What was typed is kept by the fields themselves.
fn reload() {
    if let Some(window) = web_sys::window() {
        // Nothing to be done about it where it fails.
        let _ = window.location().reload();
    }
}

/// The way back leads to the page that was left. A stream that is closed runs in a browser, so that its address can be asked.
fn sign_in(status: Status) -> String {
    let here = match status {
        Status::Closed(_) => web_sys::window().and_then(|window| {
            let location = window.location();
            Some(format!("{}{}", location.pathname().ok()?, location.search().ok()?))
        }),
        _ => None,
    };
    match here {
        Some(here) => format!("/sign-in?next={}", String::from(js_sys::encode_uri_component(&here))),
        None => "/sign-in".to_owned(),
    }
}
