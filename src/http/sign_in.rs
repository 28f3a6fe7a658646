//! Signing in by a one-time link, and out again. The link is used up by a person who opens it or enters its code, not by a browser that
//! looks ahead.

use super::{
    document,
    guard::{admitted, clear_cookie, is_https, set_cookie},
    problem::Problem,
    state::AppState,
};
use crate::{
    backend::auth::{Caller, Secret},
    ui::pages::sign_in::{SignInPage, SignInReason},
};
use axum::{
    Extension, Form,
    body::Body,
    extract::{Query, Request, State},
    http::{HeaderMap, HeaderName, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use leptos::prelude::*;
use serde::Deserialize;

/// What a link or the form says.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct SignIn {
    token: Option<String>,
    next: Option<String>,
}

/// `GET /sign-in`: the page; with `token` the link itself.
pub async fn open(
    State(state): State<AppState>,
    query: Result<Query<SignIn>, axum::extract::rejection::QueryRejection>,
    request: Request,
) -> Response {
    let Query(SignIn { token, next }) = query.unwrap_or_default();
    let next = local_path(next.as_deref());
    // A second click on a link that has done its work is no error.
    if admitted(&state, request.headers()).await.is_some() {
        return see_other(&next);
    }
    let looks_ahead = request.method() == Method::HEAD
        || [HeaderName::from_static("sec-purpose"), HeaderName::from_static("purpose")].iter().any(|name| {
            request
                .headers()
                .get(name)
                .and_then(|value| value.to_str().ok())
                .is_some_and(|value| value.contains("prefetch") || value.contains("prerender"))
        });
    match token.filter(|_| !looks_ahead) {
        Some(token) => enter(&state, request, &token, next).await,
        None => page(&state, request, StatusCode::OK, SignInReason::SignedOut, next).await,
    }
}

/// `POST /sign-in`: the form with the code of a link.
pub async fn submit(
    State(state): State<AppState>,
    headers: HeaderMap,
    form: Result<Form<SignIn>, axum::extract::rejection::FormRejection>,
) -> Response {
    let Form(SignIn { token, next }) = form.unwrap_or_default();
    let mut request = Request::new(Body::empty());
    *request.headers_mut() = headers;
    // People paste the whole link where its code is asked for.
    let text = token.unwrap_or_default();
    let code = text.trim().rsplit_once("token=").map_or(text.trim(), |(_, code)| code);
    enter(&state, request, code, local_path(next.as_deref())).await
}

/// `POST /sign-out`: the session is over; the token for automation stays.
pub async fn leave(State(state): State<AppState>, Extension(caller): Extension<Caller>) -> Response {
    if let Caller::Session(id) = caller
        && let Err(error) = state.auth.sign_out(id).await
    {
        return Problem::internal(&error).into_response();
    }
    ([(header::SET_COOKIE, clear_cookie(state.backend.store.epoch()))], see_other("/sign-in")).into_response()
}

async fn enter(state: &AppState, request: Request, code: &str, next: String) -> Response {
    let browser = request.headers().get(header::USER_AGENT).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    match state.auth.sign_in(code, &browser.unwrap_or_default()).await {
        Ok(Ok(token)) => welcome(state, &request, &token, &next),
        Ok(Err(why)) => {
            tracing::info!(?why, "a sign-in link was refused");
            page(state, request, StatusCode::UNAUTHORIZED, SignInReason::InvalidLink, next).await
        }
        Err(error) => Problem::internal(&error).into_response(),
    }
}

fn welcome(state: &AppState, request: &Request, token: &Secret, next: &str) -> Response {
    let cookie = set_cookie(state.backend.store.epoch(), token.reveal(), is_https(request.headers()));
    ([(header::SET_COOKIE, cookie)], see_other(next)).into_response()
}

fn see_other(path: &str) -> Response {
    (StatusCode::SEE_OTHER, [(header::LOCATION, path), (header::CACHE_CONTROL, "no-store")]).into_response()
}

/// The page. What it says does not depend on the address that it is shown at.
pub async fn page(state: &AppState, request: Request, status: StatusCode, reason: SignInReason, next: String) -> Response {
    let body = move || view! { <SignInPage reason next=next.clone()/> };
    let mut response = document::render(state, request, "Sign in", body).await;
    *response.status_mut() = status;
    response
}

/// Where to go next, if that is a path on this server; else the first page. `//host` and `/\host` are other servers to a browser.
#[must_use]
pub fn local_path(path: Option<&str>) -> String {
    let fits = |path: &&str| {
        path.starts_with('/')
            && !path.starts_with("//")
            && !path.starts_with("/sign-in")
            && path.bytes().all(|b| b.is_ascii_graphic() && b != b'\\')
    };
    path.filter(fits).unwrap_or("/").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_this_server_are_gone_to() {
        for path in ["/", "/tasks?status=failed&text=a+b", "/runs/1#x"] {
            assert_eq!(local_path(Some(path)), path);
        }
        for path in [
            "",
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "evil",
            "/a\r\nSet-Cookie: b",
            "/\t/evil.example",
            "/ä",
            "/sign-in?token=x",
        ] {
            assert_eq!(local_path(Some(path)), "/", "{path:?}");
        }
        assert_eq!(local_path(None), "/");
    }
}
