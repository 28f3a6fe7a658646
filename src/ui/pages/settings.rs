//! What can be settled about this board: who is signed in, which programs have tokens, how it looks, and which runners there are. The
//! server sends it as a document of its own without scripts: each action is a form.

pub mod runners;
pub mod sessions;
pub mod theme;
pub mod tokens;

use crate::{
    domain::{theme::Theme, timestamp::Timestamp},
    ui::components::header::PlainHeader,
};
use leptos::prelude::*;
use runners::{RunnerRow, RunnersSection};
use sessions::{SessionRow, SessionsSection};
use theme::ThemeSection;
use tokens::{TokensData, TokensSection};

/// Everything that the page shows.
#[derive(Clone, Debug)]
pub struct SettingsData {
    /// What was just done, in a sentence.
    pub done: Option<String>,
    /// The signed-in browsers.
    pub sessions: Vec<SessionRow>,
    /// Whether a browser can sign in by a password.
    pub has_password: bool,
    /// The tokens, and how making one went.
    pub tokens: TokensData,
    /// The runners, the default first.
    pub runners: Vec<RunnerRow>,
    /// Where runners are configured, where that is known.
    pub configured_in: Option<String>,
    /// How pages look in this browser.
    pub theme: Theme,
}

/// The page.
#[component]
pub fn SettingsPage(
    /// What it shows.
    data: SettingsData,
) -> impl IntoView {
    let SettingsData { done, sessions, has_password, tokens, runners, configured_in, theme } = data;
    view! {
        <a class="skip-link" href="#main">"Skip to content"</a>
        <PlainHeader here="/settings"/>
        <main id="main" tabindex="-1">
            <div class="settings">
                <header class="page-head">
                    <a class="back" href="/">"Back to Kontasks"</a>
                    <h1>"Settings"</h1>
                </header>
                {done.map(|done| view! { <p class="form-done" role="status">{done}</p> })}
                <SessionsSection sessions has_password/>
                <TokensSection data=tokens/>
                <ThemeSection theme/>
                <RunnersSection runners configured_in/>
            </div>
        </main>
    }
}

/// One part of the page, with its heading.
#[component]
fn Section(
    /// Its id.
    id: &'static str,
    /// Its heading.
    name: &'static str,
    /// What is in it.
    children: Children,
) -> impl IntoView {
    view! {
        <section class="panel" id=id aria-labelledby=format!("{id}-heading")>
            <h2 id=format!("{id}-heading")>{name}</h2>
            {children()}
        </section>
    }
}

/// A moment on a page without scripts: in UTC.
#[component]
fn Moment(
    /// When.
    at: Timestamp,
) -> impl IntoView {
    view! { <time datetime=at.to_string()>{at.to_utc_minutes()}</time> }
}
