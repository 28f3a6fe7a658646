//! Signing in by a one-time link or the password, and out again. A link is opened by whatever sees it, a chat's preview or a scanner of
//! mails as well as a person, so opening it does nothing: what uses it up is the form on the page that it shows.

use super::{cookies, document, guard::admitted, problem::Problem, state::AppState};
use crate::{
    backend::{
        auth::{Caller, PasswordRefusal, Secret},
        store::LinkUse,
    },
    ui::pages::sign_in::{LinkPage, SignInPage, SignInReason},
};
use axum::{
    Extension, Form,
    body::Body,
    extract::{Query, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use leptos::prelude::*;
use serde::Deserialize;

/// What a link or the form says.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct SignIn {
    token: Option<String>,
    password: Option<String>,
    next: Option<String>,
}

/// `GET /sign-in`: the page; with `token` the page of that link, which asks whether to sign in by it.
pub async fn open(
    State(state): State<AppState>,
    query: Result<Query<SignIn>, axum::extract::rejection::QueryRejection>,
    request: Request,
) -> Response {
    let Query(SignIn { token, next, .. }) = query.unwrap_or_default();
    let next = local_path(next.as_deref());
    // A second click on a link that has done its work is no error.
    if admitted(&state, request.headers()).await.is_some() {
        return see_other(&next);
    }
    let Some(token) = token else { return page(&state, request, StatusCode::OK, SignInReason::SignedOut, next).await };
    let mut response = match state.auth.link(&token).await {
        Ok(LinkUse::Accepted) => link_page(&state, request, Secret::new(token), next).await,
        Ok(_) => page(&state, request, StatusCode::UNAUTHORIZED, SignInReason::InvalidLink, next).await,
        Err(error) => Problem::internal(&error).into_response(),
    };
    // The address is a secret: no request tells it. A browser that knows the second word goes by it; by the first one it
    // would not even say that the form is the board's own, and the form would be refused where there is no TLS.
    response.headers_mut().insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer, strict-origin"));
    response
}

/// Whether nobody is to see the answer, or not yet.
#[must_use]
pub fn looks_ahead(request: &Request) -> bool {
    let is_ahead = |name: &HeaderName| {
        let purpose = request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        purpose.contains("prefetch") || purpose.contains("prerender")
    };
    request.method() == Method::HEAD || [HeaderName::from_static("sec-purpose"), HeaderName::from_static("purpose")].iter().any(is_ahead)
}

/// `POST /sign-in`: a form with the code of a link, or with the password.
pub async fn submit(
    State(state): State<AppState>,
    headers: HeaderMap,
    form: Result<Form<SignIn>, axum::extract::rejection::FormRejection>,
) -> Response {
    let Form(SignIn { token, password, next }) = form.unwrap_or_default();
    let mut request = Request::new(Body::empty());
    *request.headers_mut() = headers;
    let next = local_path(next.as_deref());
    if let Some(password) = password {
        return enter_by_password(&state, request, Secret::new(password), next).await;
    }
    // People paste the whole link where its code is asked for.
    let text = token.unwrap_or_default();
    let code = text.trim().rsplit_once("token=").map_or(text.trim(), |(_, code)| code);
    enter(&state, request, code, next).await
}

/// `POST /sign-out`: the session is over; the token for automation stays.
pub async fn leave(State(state): State<AppState>, Extension(caller): Extension<Caller>, headers: HeaderMap) -> Response {
    if let Caller::Session(id) = caller
        && let Err(error) = state.auth.sign_out(id).await
    {
        return Problem::internal(&error).into_response();
    }
    (cookies::clear_session(&headers, state.backend.store.epoch()), see_other("/sign-in")).into_response()
}

async fn enter(state: &AppState, request: Request, code: &str, next: String) -> Response {
    match state.auth.sign_in(code, &user_agent(&request)).await {
        Ok(Ok(token)) => welcome(state, &request, &token, &next),
        Ok(Err(why)) => {
            tracing::info!(?why, "a sign-in link was refused");
            page(state, request, StatusCode::UNAUTHORIZED, SignInReason::InvalidLink, next).await
        }
        Err(error) => Problem::internal(&error).into_response(),
    }
}

async fn enter_by_password(state: &AppState, request: Request, password: Secret, next: String) -> Response {
    match state.auth.sign_in_by_password(password, &user_agent(&request)).await {
        Ok(Ok(token)) => welcome(state, &request, &token, &next),
        // That none is set shows by the page, which does not ask for one.
        Ok(Err(why @ (PasswordRefusal::Wrong | PasswordRefusal::NotSet))) => {
            tracing::warn!(?why, "a password was refused");
            page(state, request, StatusCode::UNAUTHORIZED, SignInReason::WrongPassword, next).await
        }
        Ok(Err(PasswordRefusal::Later(wait))) => {
            let seconds = wait.as_millis().div_ceil(1000);
            let reason = SignInReason::TooManyGuesses(u64::try_from(seconds).unwrap_or(u64::MAX));
            let mut response = page(state, request, StatusCode::TOO_MANY_REQUESTS, reason, next).await;
            if let Ok(seconds) = HeaderValue::try_from(seconds.to_string()) {
                response.headers_mut().insert(header::RETRY_AFTER, seconds);
            }
            response
        }
        Err(error) => Problem::internal(&error).into_response(),
    }
}

fn user_agent(request: &Request) -> String {
    let value = request.headers().get(header::USER_AGENT);
    value.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).unwrap_or_default()
}

fn welcome(state: &AppState, request: &Request, token: &Secret, next: &str) -> Response {
    let cookie = cookies::set_session(request.headers(), state.backend.store.epoch(), token.reveal());
    ([(header::SET_COOKIE, cookie)], see_other(next)).into_response()
}

/// Goes on to another page of this server.
pub fn see_other(path: &str) -> Response {
    (StatusCode::SEE_OTHER, [(header::LOCATION, path), (header::CACHE_CONTROL, "no-store")]).into_response()
}

/// The page of a link that is good: it says for which board it is, and its form uses the link up.
async fn link_page(state: &AppState, request: Request, token: Secret, next: String) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let board = state.hosts.name_of(host).to_owned();
    let body = move || view! { <LinkPage board=board.clone() token=token.reveal() next=next.clone()/> };
    document::render(state, request, "Sign in", body).await
}

/// The page. What it says does not depend on the address that it is shown at.
pub async fn page(state: &AppState, request: Request, status: StatusCode, reason: SignInReason, next: String) -> Response {
    // Without an answer from the database the link's way is still there.
    let has_password = state.auth.has_password().await.unwrap_or_else(|error| {
        tracing::error!(%error, "whether a password is set cannot be told");
        false
    });
    let body = move || view! { <SignInPage reason has_password next=next.clone()/> };
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
