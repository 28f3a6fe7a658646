//! The tokens of programs: made here, shown once, revoked here.

use super::{Moment, Section};
use crate::{
    domain::{limits::WORD_CHARS, timestamp::Timestamp, visible_text::visible},
    ui::components::form_token::FormToken,
};
use leptos::prelude::*;

/// A token that was made here.
#[derive(Clone, Debug)]
pub struct TokenRow {
    /// Identifies it.
    pub id: u64,
    /// What its maker calls it.
    pub name: String,
    /// When it was made.
    pub made: Timestamp,
    /// When it was last used, in words.
    pub last_used: String,
}

/// All tokens, and how making one went.
#[derive(Clone, Default)]
pub struct TokensData {
    /// Those that were made here.
    pub tokens: Vec<TokenRow>,
    /// Whether there is one from the environment.
    pub has_configured: bool,
    /// Name and secret of the one that was just made. It is on this page and on no other.
    pub new: Option<(String, String)>,
    /// A name that could not be taken, and why.
    pub refused: Option<(String, String)>,
}

impl std::fmt::Debug for TokensData {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokensData").field("tokens", &self.tokens).field("has_configured", &self.has_configured).finish_non_exhaustive()
    }
}

/// The list, and the form that makes one.
#[component]
pub fn TokensSection(
    /// What it shows.
    data: TokensData,
) -> impl IntoView {
    let TokensData { tokens, has_configured, new, refused } = data;
    let (typed, why) = refused.unzip();
    let is_refused = why.is_some();
    let rows = tokens.into_iter().map(|TokenRow { id, name, made, last_used }| {
        let name = visible(&name);
        view! {
            <li>
                <div>
                    <p class="settings-name"><bdi>{name.clone()}</bdi></p>
                    <p class="page-meta">
                        <span>"Made "<Moment at=made/></span>
                        <span>{last_used}</span>
                    </p>
                </div>
                <form method="post" action=format!("/settings/tokens/{id}/revocation")>
                    <FormToken/>
                    <button class="button" data-size="small">"Revoke"<span class="visually-hidden">" "{name}</span></button>
                </form>
            </li>
        }
    });
    let configured = has_configured.then(|| {
        view! {
            <li>
                <div>
                    <p class="settings-name"><code>"KONTASKS_TOKEN"</code></p>
                    <p class="page-meta">"From the environment of the server, and good until the server is started without it."</p>
                </div>
            </li>
        }
    });
    let is_empty = rows.len() == 0 && !has_configured;
    view! {
        <Section id="tokens" name="Tokens for programs">
            {new
                .map(|(name, secret)| {
                    view! {
                        <div class="form-done new-token" role="status">
                            <p>"The token “"<bdi>{visible(&name)}</bdi>"” was made. Copy it now: it is shown only this once."</p>
                            <pre><code data-secret="">{secret}</code></pre>
                        </div>
                    }
                })}
            <p class="settings-note">
                "A program sends its token as "<code>"Authorization: Bearer …"</code>" and may do everything that you may."
            </p>
            {(!is_empty).then(|| view! { <ul class="settings-list">{rows.collect_view()}{configured}</ul> })}
            {why.map(|why| view! { <p class="form-error" role="alert" id="token-error">{visible(&why)}</p> })}
            <form method="post" action="/settings/tokens" class="settings-form">
                <FormToken/>
                <label class="field">
                    <span>"Name of a new token"</span>
                    <input
                        type="text"
                        name="name"
                        value=typed
                        placeholder="nightly build"
                        autocomplete="off"
                        required
                        maxlength=WORD_CHARS.to_string()
                        autofocus=is_refused
                        aria-invalid=is_refused.then_some("true")
                        aria-describedby=is_refused.then_some("token-error")
                    />
                </label>
                <button class="button" data-variant="primary">"Make token"</button>
            </form>
        </Section>
    }
}
