//! The browsers that are signed in, each with the way to sign it out.

use super::{Moment, Section};
use crate::{
    domain::{timestamp::Timestamp, visible_text::visible},
    ui::components::form_token::FormToken,
};
use leptos::prelude::*;

/// A signed-in browser.
#[derive(Clone, Debug)]
pub struct SessionRow {
    /// Identifies it.
    pub id: u64,
    /// What it is, in words.
    pub device: String,
    /// Since when it is signed in.
    pub since: Timestamp,
    /// When it was last seen, in words.
    pub last_seen: String,
    /// Whether this page is shown in it.
    pub is_this: bool,
}

/// The list.
#[component]
pub fn SessionsSection(
    /// The browsers, in the order of the list.
    sessions: Vec<SessionRow>,
    /// Whether a browser can sign in by a password.
    has_password: bool,
) -> impl IntoView {
    let has_others = sessions.iter().any(|session| !session.is_this);
    let rows = sessions.into_iter().map(|SessionRow { id, device, since, last_seen, is_this }| {
        let device = visible(&device);
        view! {
            <li data-this=is_this.then_some("")>
                <div>
                    <p class="settings-name">
                        <bdi>{device.clone()}</bdi>
                        {is_this.then(|| view! { " "<span class="settings-mark">"this browser"</span> })}
                    </p>
                    <p class="page-meta">
                        <span>"Signed in "<Moment at=since/></span>
                        <span>{last_seen}</span>
                    </p>
                </div>
                <form method="post" action=format!("/settings/sessions/{id}/sign-out")>
                    <FormToken/>
                    <button class="button" data-size="small">
                        "Sign out"<span class="visually-hidden">" "{if is_this { "this browser".to_owned() } else { device }}</span>
                    </button>
                </form>
            </li>
        }
    });
    view! {
        <Section id="sessions" name="Signed-in browsers">
            <ul class="settings-list">{rows.collect_view()}</ul>
            {has_others
                .then(|| {
                    view! {
                        <form method="post" action="/settings/other-sessions/sign-out" class="settings-action">
                            <FormToken/>
                            <button class="button">"Sign out all others"</button>
                        </form>
                    }
                })}
            <p class="settings-note">
                {if has_password { "A browser signs in by the password, or by a link that " } else { "A browser signs in by a link that " }}
                <code>"kontasks sign-in-link"</code>" prints. "<code>"kontasks password"</code>
                {if has_password { " changes or removes the password." } else { " sets a password to sign in by." }}
            </p>
        </Section>
    }
}
