//! What acts in the name of a signed-in browser must come from a form or a script of ours: it
//! carries the form token of the browser's session, which content of a page cannot know. One layer
//! asks for it in front of all routes behind the sign-in, so that no new one can forget it. A
//! program with a bearer token needs none.
//!
//! The API asks for something else: what a form can send, JSON is not (HTML standard, 4.10.21.8),
//! so a form gets nowhere there.

use super::{document, problem::Problem, rest, sign_in::local_path, state::AppState};
use crate::{
    api::form_token::{FIELD, HEADER},
    backend::auth::{Caller, FormToken},
    ui::pages::not_done::NotDonePage,
};
use axum::{
    Form,
    body::Body,
    extract::{FromRequest, Request, State},
    http::{HeaderMap, Method, StatusCode, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use leptos::prelude::*;

/// A form's fields by name.
type Fields = Vec<(String, String)>;

/// What people type into our forms, by the name of its field and by what it is called.
const TYPED: [(&str, &str); 7] = [
    ("prompt", "Prompt"),
    ("scope", "Scope"),
    ("tags", "Tags"),
    ("value", "Answer"),
    ("comment", "Comment"),
    ("line", "Line"),
    ("name", "Name"),
];

/// Lets through what changes nothing, what a program asks for, and what carries the token.
pub async fn require(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let is_safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let is_program = matches!(request.extensions().get(), Some(Caller::Token(_) | Caller::ConfiguredToken));
    if is_safe || is_program {
        return next.run(request).await;
    }
    if is_of_api(request.uri().path()) {
        return if is_sent_by_form(request.headers()) { unsupported() } else { next.run(request).await };
    }
    let (parts, body) = request.into_parts();
    // The layer before this one has read it, and bounds its size.
    let body = match axum::body::to_bytes(body, usize::MAX).await {
        Ok(body) => body,
        Err(error) => return Problem::new(StatusCode::BAD_REQUEST, format!("the body cannot be read: {error}")).into_response(),
    };
    let fields = fields(&parts, &body).await;
    let in_header = parts.headers.get(HEADER).and_then(|value| value.to_str().ok());
    let sent = in_header.or_else(|| Some(fields.iter().find(|(name, _)| name == FIELD)?.1.as_str()));
    let token = parts.extensions.get::<FormToken>();
    if token.zip(sent).is_some_and(|(token, sent)| token.matches(sent)) {
        return next.run(Request::from_parts(parts, Body::from(body))).await;
    }
    tracing::warn!(path = parts.uri.path(), "a form without its token was refused");
    refuse(&state, parts, fields).await
}

fn is_of_api(path: &str) -> bool {
    path.strip_prefix(rest::PREFIX).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// A form always says of what type its body is; of a page's own requests only those without a body
/// do not.
fn is_sent_by_form(headers: &HeaderMap) -> bool {
    headers.contains_key(header::CONTENT_TYPE) && !rest::is_json(headers)
}

fn unsupported() -> Response {
    let detail = "a browser's page may send JSON to the API only, with Content-Type: application/json";
    Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail).into_response()
}

/// None where the body is of another type.
async fn fields(parts: &Parts, body: &bytes::Bytes) -> Fields {
    let mut copy = Request::new(Body::from(body.clone()));
    *copy.method_mut() = Method::POST;
    *copy.headers_mut() = parts.headers.clone();
    Form::<Fields>::from_request(copy, &()).await.map(|Form(fields)| fields).unwrap_or_default()
}

/// Programs are told, and so is the script of a page, which keeps what was typed. A person without
/// scripts gets a page with it.
async fn refuse(state: &AppState, parts: Parts, fields: Fields) -> Response {
    let accept = parts.headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !accept.contains("text/html") {
        let detail = "nothing was done, since the form is not from a page of this sign-in; reload the page and send it again";
        return Problem::new(StatusCode::FORBIDDEN, detail).into_response();
    }
    let words = |name: &str| TYPED.iter().find(|(field, _)| *field == name).map(|(_, words)| *words);
    let typed: Vec<_> =
        fields.into_iter().filter(|(_, text)| !text.is_empty()).filter_map(|(name, text)| Some((words(&name)?, text))).collect();
    let back = came_from(&parts.headers);
    let body = move || view! { <NotDonePage typed=typed.clone() back=back.clone()/> };
    let mut response = document::render(state, Request::from_parts(parts, Body::empty()), "Nothing was done", body).await;
    *response.status_mut() = StatusCode::FORBIDDEN;
    response
}

/// The path of the page that the form stood on, as the browser says; it is only a link.
fn came_from(headers: &HeaderMap) -> String {
    let referer = headers.get(header::REFERER).and_then(|value| value.to_str().ok());
    let after_scheme = referer.and_then(|referer| Some(referer.split_once("://")?.1));
    local_path(after_scheme.and_then(|rest| rest.find('/').and_then(|at| rest.get(at..))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn the_api_is_what_is_below_its_path() {
        assert!(is_of_api("/api/v1") && is_of_api("/api/v1/") && is_of_api("/api/v1/runs"));
        assert!(!is_of_api("/api/v10/runs") && !is_of_api("/api") && !is_of_api("/actions/api/v1") && !is_of_api("/"));
    }

    #[test]
    fn the_way_back_stays_on_this_server() {
        let back = |referer: &'static str| came_from(&HeaderMap::from_iter([(header::REFERER, HeaderValue::from_static(referer))]));
        assert_eq!(back("http://127.0.0.1:3000/tasks?text=a"), "/tasks?text=a");
        for elsewhere in ["http://evil.example//evil.example/", "nonsense", "http://a", "javascript:alert(1)", ""] {
            assert_eq!(back(elsewhere), "/", "{elsewhere}");
        }
    }
}
