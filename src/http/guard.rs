//! Who may pass: a browser by its session's cookie, a program by its bearer token. Everybody else is told how to get in, programs by a
//! problem, people by a page.

use super::{problem::Problem, sign_in, state::AppState};
use crate::{
    backend::auth::{Admitted, Caller, FormToken, SESSION_DAYS},
    domain::cursor::Epoch,
    ui::pages::sign_in::SignInReason,
};
use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

/// Lets through who is signed in, and tells the handlers who it is by a [`Caller`] extension.
pub async fn require_sign_in(State(state): State<AppState>, mut request: Request, next: Next) -> Response {
    let bearer = bearer_token(request.headers()).map(str::to_owned);
    let cookie = session_cookie(request.headers(), state.backend.store.epoch()).map(str::to_owned);
    if let Some(token) = bearer {
        match state.auth.admit_token(&token).await {
            Ok(Some(caller)) => {
                request.extensions_mut().insert(caller);
                return next.run(request).await;
            }
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
                cookie.filter(|_| renewed).map(|token| set_cookie(state.backend.store.epoch(), &token, is_https(request.headers())));
            request.extensions_mut().insert(Caller::Session(id));
            let mut response = next.run(request).await;
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

/// The session of a request's cookie, where it has a good one.
pub async fn admitted(state: &AppState, headers: &HeaderMap) -> Option<Admitted> {
    let token = session_cookie(headers, state.backend.store.epoch())?;
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

/// Browsers keep one jar for all ports of a host, so the name tells several servers apart.
fn cookie_name(epoch: &Epoch) -> String {
    format!("kontasks_{epoch}")
}

fn session_cookie<'h>(headers: &'h HeaderMap, epoch: &Epoch) -> Option<&'h str> {
    cookie(headers, &cookie_name(epoch))
}

/// The value of the request's cookie of that name.
#[must_use]
pub fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(';'));
    cookies.filter_map(|cookie| cookie.trim().split_once('=')).find(|(key, _)| key == &name).map(|(_, value)| value)
}

/// The `Set-Cookie` of a session.
#[must_use]
pub fn set_cookie(epoch: &Epoch, token: &str, https: bool) -> String {
    let secure = if https { "; Secure" } else { "" };
    format!("{}={token}; Path=/; HttpOnly; SameSite=Lax; Max-Age={}{secure}", cookie_name(epoch), SESSION_DAYS * 24 * 60 * 60)
}

/// The `Set-Cookie` that takes it away again.
#[must_use]
pub fn clear_cookie(epoch: &Epoch) -> String {
    format!("{}=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0", cookie_name(epoch))
}

/// Whether the browser came by TLS, as the proxy that ended it says.
#[must_use]
pub fn is_https(headers: &HeaderMap) -> bool {
    headers.get("x-forwarded-proto").is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"https"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_found_among_others() {
        let epoch = Epoch::new("k3").expect("fits");
        let cookies = |text: &'static str| HeaderMap::from_iter([(header::COOKIE, HeaderValue::from_static(text))]);
        assert_eq!(session_cookie(&cookies("a=b; kontasks_k3=secret;c=d"), &epoch), Some("secret"));
        assert_eq!(session_cookie(&cookies("kontasks_k4=secret; kontasks_k3x=no"), &epoch), None);
        assert_eq!(session_cookie(&cookies("kontasks_k3"), &epoch), None);
        let bearing = |text: &'static str| HeaderMap::from_iter([(header::AUTHORIZATION, HeaderValue::from_static(text))]);
        assert_eq!(bearer_token(&bearing("bearer abc")), Some("abc"));
        assert_eq!(bearer_token(&bearing("Basic abc")), None);
        assert_eq!(bearer_token(&bearing("Bearer")), None);
    }

    #[test]
    fn the_cookie_is_for_the_server_only() {
        let cookie = set_cookie(&Epoch::new("k3").expect("fits"), "t", true);
        for part in ["kontasks_k3=t;", "HttpOnly", "SameSite=Lax", "Path=/", "Secure"] {
            assert!(cookie.contains(part), "{part}");
        }
    }
}
