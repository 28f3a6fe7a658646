//! Who may pass: a browser by its session's cookie, a program by its bearer token. Everybody else is told how to get in, programs by a
//! problem, people by a page. Who has passed may go on for no longer than the session or token lasts.

use super::{
    connection::Connection,
    cookies,
    problem::Problem,
    sign_in,
    standing::{EndsByItself, GuardedBody},
    state::AppState,
};
use crate::{
    backend::auth::{Admitted, Caller, FormToken},
    ui::pages::sign_in::SignInReason,
};
use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use std::sync::Arc;

/// Lets through who is signed in, and tells the handlers who it is by a [`Caller`] extension.
pub async fn require_sign_in(State(state): State<AppState>, mut request: Request, next: Next) -> Response {
    let bearer = bearer_token(request.headers()).map(str::to_owned);
    let cookie = cookies::session(request.headers(), state.backend.store.epoch()).map(str::to_owned);
    if let Some(token) = bearer {
        match state.auth.admit_token(&token).await {
            Ok(Some(caller)) => return let_in(&state, caller, request, next).await,
            Ok(None) => {}
            Err(error) => return Problem::internal(&error).into_response(),
        }
    }
    let admitted = match &cookie {
        Some(token) => state.auth.admit(token).await,
        None => Ok(None),
    };
    match admitted {
        Ok(Some(Admitted { id, renewed })) => {
            if let Some(token) = &cookie {
                request.extensions_mut().insert(FormToken::of_session(token));
            }
            let renewal =
                cookie.filter(|_| renewed).map(|token| cookies::set_session(request.headers(), state.backend.store.epoch(), &token));
            let mut response = let_in(&state, Caller::Session(id), request, next).await;
            if let Some(Ok(cookie)) = renewal.map(HeaderValue::try_from) {
                response.headers_mut().append(header::SET_COOKIE, cookie);
            }
            response
        }
        Ok(None) if wants_page(&request) => {
            let back = match *request.method() {
                Method::GET | Method::HEAD => request.uri().path_and_query().map_or("/", |path| path.as_str()),
                // What the form was for is not done: the page that it stands on shows so.
                _ if is_of_settings(&request) => "/settings",
                _ => "/",
            };
            let back = sign_in::local_path(Some(back));
            sign_in::page(&state, request, StatusCode::UNAUTHORIZED, SignInReason::SignedOut, back).await
        }
        Ok(None) => {
            Problem::new(StatusCode::UNAUTHORIZED, "sign in first, or send Authorization: Bearer with a valid token").into_response()
        }
        Err(error) => Problem::internal(&error).into_response(),
    }
}

/// Carries a request out for a caller: whatever of it is still under way when the session or token is over ends then.
async fn let_in(state: &AppState, caller: Caller, mut request: Request, next: Next) -> Response {
    if let Some(connection) = request.extensions().get::<Arc<Connection>>() {
        connection.let_in();
    }
    let mut over = state.standings.over(&caller);
    request.extensions_mut().insert(caller);
    let response = tokio::select! {
        // What is done is answered, also where it is what ended the session.
        biased;
        response = next.run(request) => response,
        reason = &mut over => return Problem::new(StatusCode::UNAUTHORIZED, reason).into_response(),
    };
    if response.extensions().get::<EndsByItself>().is_some() {
        return response;
    }
    response.map(|body| Body::new(GuardedBody::new(body, over)))
}

/// The session of a request's cookie, where it has a good one.
pub async fn admitted(state: &AppState, headers: &HeaderMap) -> Option<Admitted> {
    let token = cookies::session(headers, state.backend.store.epoch())?;
    state.auth.admit(token).await.ok().flatten()
}

/// A person in front of a browser, not a program: it asks for HTML, and not from the API.
fn wants_page(request: &Request) -> bool {
    let path = request.uri().path();
    let accept = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let of_page = !path.starts_with("/api/") && !path.starts_with("/actions/") && matches!(*request.method(), Method::GET | Method::HEAD);
    of_page || ((path.starts_with("/actions/") || is_of_settings(request)) && accept.contains("text/html"))
}

fn is_of_settings(request: &Request) -> bool {
    request.uri().path().starts_with("/settings")
}

fn bearer_token(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bearers_token_is_found() {
        let bearing = |text: &'static str| HeaderMap::from_iter([(header::AUTHORIZATION, HeaderValue::from_static(text))]);
        assert_eq!(bearer_token(&bearing("bearer abc")), Some("abc"));
        assert_eq!(bearer_token(&bearing("Basic abc")), None);
        assert_eq!(bearer_token(&bearing("Bearer")), None);
    }
}
