//! `/settings`: what is shown there is gathered here, and what is posted there is done here. Each form is answered by the page again, with
//! a sentence about what was done.

use super::{
    cookies, document,
    problem::Problem,
    sign_in::{looks_ahead, see_other},
    state::AppState,
    theme,
};
use crate::{
    backend::{
        auth::{AuthError, Caller, SEEN_AFTER},
        runner::table::Runner,
        store::{Session, SessionId, Token, TokenId},
    },
    domain::{theme::Theme, timestamp::Timestamp, user_agent},
    ui::pages::settings::{SettingsData, SettingsPage, runners::RunnerRow, sessions::SessionRow, tokens::TokenRow, tokens::TokensData},
};
use axum::{
    Extension, Form, Router,
    body::Body,
    extract::{Path, Query, Request, State, rejection::QueryRejection},
    http::{HeaderMap, StatusCode, request::Parts},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use leptos::prelude::*;
use serde::Deserialize;

/// The page and its forms.
pub fn routes() -> Router<AppState> {
    Router::new()
        .route("/settings", get(open))
        .route("/settings/sessions/{id}/sign-out", post(sign_out))
        .route("/settings/other-sessions/sign-out", post(sign_out_others))
        .route("/settings/tokens", post(make_token))
        .route("/settings/tokens/{id}/revocation", post(revoke_token))
        .route("/settings/theme", post(choose_theme))
}

/// What a form that was carried out leads back with.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Outcome {
    /// Which one it was.
    done: Option<String>,
    /// How many it was about.
    count: u64,
    /// The token that was made.
    made: Option<u64>,
}

impl Outcome {
    /// Only sentences that are known here: an address can be made up by anybody.
    fn words(&self) -> Option<String> {
        let words = match self.done.as_deref()? {
            "signed-out" => "That browser is signed out.".to_owned(),
            "others-signed-out" => match self.count {
                0 => "There was no other browser signed in.".to_owned(),
                1 => "The other browser is signed out.".to_owned(),
                count => format!("The {count} other browsers are signed out."),
            },
            "revoked" => "That token is revoked: whoever uses it is refused from now on.".to_owned(),
            "theme" => "This browser's colours are set.".to_owned(),
            _ => return None,
        };
        Some(words)
    }
}

async fn open(
    State(state): State<AppState>,
    Extension(caller): Extension<Caller>,
    query: Result<Query<Outcome>, QueryRejection>,
    request: Request,
) -> Response {
    let Query(outcome) = query.unwrap_or_default();
    // Whoever only looks whether the page is there does not use up the one time that a secret is shown.
    let made = outcome.made.map(TokenId).filter(|_| !looks_ahead(&request));
    let theme = theme::of(request.headers());
    let data = async {
        let mut data = gather(&state, &caller, theme).await?;
        data.done = outcome.words();
        data.tokens.new = made.and_then(|id| {
            let name = data.tokens.tokens.iter().find(|token| token.id == id.0)?.name.clone();
            Some((name, state.auth.show_once(id, &caller)?.reveal().to_owned()))
        });
        Ok::<_, AuthError>(data)
    };
    match data.await {
        Ok(data) => page(&state, request, data).await,
        Err(error) => Problem::internal(&error).into_response(),
    }
}

async fn page(state: &AppState, request: Request, data: SettingsData) -> Response {
    document::render(state, request, "Settings", move || view! { <SettingsPage data=data.clone()/> }).await
}

async fn gather(state: &AppState, caller: &Caller, theme: Theme) -> Result<SettingsData, AuthError> {
    let now = state.backend.clock.now();
    let mut sessions = state.auth.sessions().await?;
    let is_this = |session: &Session| *caller == Caller::Session(session.id);
    sessions.sort_by_key(|session| !is_this(session));
    let session_row = |session: Session| SessionRow {
        id: session.id.0,
        device: user_agent::in_words(&session.user_agent),
        since: session.created_at,
        last_seen: match state.streams.are_open_for(&Caller::Session(session.id)) {
            true => "Connected now".to_owned(),
            false => format!("Last seen {}", ago(now, session.last_seen)),
        },
        is_this: is_this(&session),
    };
    let token_row = |Token { id, name, created_at, last_used }: Token| TokenRow {
        id: id.0,
        name,
        made: created_at,
        last_used: match last_used {
            _ if state.streams.are_open_for(&Caller::Token(id)) => "Connected now".to_owned(),
            Some(at) => format!("Last used {}", ago(now, at)),
            None => "Never used".to_owned(),
        },
    };
    let runner_row = |runner: &Runner| RunnerRow {
        name: runner.name.clone(),
        command: runner.command.clone(),
        folder: runner.folder.as_ref().map(|folder| folder.display().to_string()),
    };
    Ok(SettingsData {
        done: None,
        sessions: sessions.into_iter().map(session_row).collect(),
        has_password: state.auth.has_password().await?,
        tokens: TokensData {
            tokens: state.auth.tokens().await?.into_iter().map(token_row).collect(),
            has_configured: state.auth.has_configured_token(),
            ..TokensData::default()
        },
        runners: state.backend.runners.table().iter().map(runner_row).collect(),
        configured_in: state.configured_in.as_ref().map(|file| file.display().to_string()),
        theme,
    })
}

/// How long ago something was, no more exactly than it is known.
fn ago(now: Timestamp, at: Timestamp) -> String {
    const MINUTE: i64 = 60 * 1000;
    let elapsed = now.since(at);
    let (count, unit) = match elapsed / MINUTE {
        _ if elapsed <= SEEN_AFTER => return "in the last few minutes".to_owned(),
        minutes @ 0..60 => (minutes, "minute"),
        minutes @ 60..1440 => (minutes / 60, "hour"),
        minutes => (minutes / 1440, "day"),
    };
    format!("{count} {unit}{} ago", if count == 1 { "" } else { "s" })
}

/// An id of an address; nothing has the id 0.
fn number(text: &str) -> u64 {
    text.parse().unwrap_or(0)
}

/// One's own session is ended like any other, and this page then is for somebody else.
async fn sign_out(
    State(state): State<AppState>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    let id = SessionId(number(&id));
    match state.auth.sign_out(id).await {
        Ok(()) if caller == Caller::Session(id) => {
            (cookies::clear_session(&headers, state.backend.store.epoch()), see_other("/sign-in?next=%2Fsettings")).into_response()
        }
        Ok(()) => see_other("/settings?done=signed-out"),
        Err(error) => Problem::internal(&error).into_response(),
    }
}

async fn sign_out_others(State(state): State<AppState>, Extension(caller): Extension<Caller>) -> Response {
    let own = match caller {
        Caller::Session(id) => Some(id),
        Caller::Token(_) | Caller::ConfiguredToken => None,
    };
    match state.auth.sign_out_all(own).await {
        Ok(count) => see_other(&format!("/settings?done=others-signed-out&count={count}")),
        Err(error) => Problem::internal(&error).into_response(),
    }
}

#[derive(Deserialize)]
struct NewToken {
    #[serde(default)]
    name: String,
}

async fn make_token(
    State(state): State<AppState>,
    Extension(caller): Extension<Caller>,
    parts: Parts,
    Form(NewToken { name }): Form<NewToken>,
) -> Response {
    let made = async {
        let refusal = match state.auth.make_token(&name, &caller).await? {
            Ok(id) => {
                tracing::info!(?id, ?caller, "a token is made");
                return Ok(see_other(&format!("/settings?made={}#tokens", id.0)));
            }
            Err(refusal) => refusal,
        };
        // What was typed stays, and no address has room for it.
        let mut data = gather(&state, &caller, theme::of(&parts.headers)).await?;
        let shown = name.chars().take(1000).collect();
        data.tokens.refused = Some((shown, format!("This {refusal}.")));
        let mut response = page(&state, Request::from_parts(parts, Body::empty()), data).await;
        *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
        Ok::<_, AuthError>(response)
    };
    made.await.unwrap_or_else(|error| Problem::internal(&error).into_response())
}

async fn revoke_token(State(state): State<AppState>, Extension(caller): Extension<Caller>, Path(id): Path<String>) -> Response {
    let id = TokenId(number(&id));
    match state.auth.revoke_token(id).await {
        Ok(name) => {
            tracing::info!(?id, name, ?caller, "a token is revoked");
            see_other("/settings?done=revoked")
        }
        Err(error) => Problem::internal(&error).into_response(),
    }
}

#[derive(Deserialize)]
struct Choice {
    #[serde(default)]
    theme: String,
}

async fn choose_theme(headers: HeaderMap, Form(Choice { theme }): Form<Choice>) -> Response {
    let theme = Theme::from_word(&theme).unwrap_or_default();
    (theme::set_cookies(&headers, theme), see_other("/settings?done=theme")).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_long_ago_is_said_no_more_exactly_than_it_is_known() {
        const MINUTE: i64 = 60 * 1000;
        for (minutes, words) in [
            (-5, "in the last few minutes"),
            (0, "in the last few minutes"),
            (5, "in the last few minutes"),
            (6, "6 minutes ago"),
            (59, "59 minutes ago"),
            (60, "1 hour ago"),
            (23 * 60, "23 hours ago"),
            (24 * 60, "1 day ago"),
            (29 * 24 * 60, "29 days ago"),
        ] {
            assert_eq!(ago(Timestamp(1_700_000_000_000), Timestamp(1_700_000_000_000 - minutes * MINUTE)), words);
        }
    }

    #[test]
    fn an_address_says_only_what_is_known_here() {
        let said = |done: &str| Outcome { done: Some(done.into()), ..Outcome::default() }.words();
        assert_eq!(said("signed-out").as_deref(), Some("That browser is signed out."));
        assert_eq!(said("<script>"), None);
        assert_eq!(Outcome::default().words(), None);
    }
}
