//! A page's nonce stands in `nonce` attributes only. Browsers hide these from scripts and style sheets; the framework also
//! writes the nonce into `crossorigin` attributes, where a selector could read it letter by letter.

use super::problem::Problem;
use axum::{
    body::{Body, to_bytes},
    extract::Request,
    http::{HeaderMap, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

/// Puts `crossorigin="anonymous"`, which means the same to a browser, wherever the nonce stands as its value. Pages are
/// rendered as a whole before they are sent, so that holding one here costs nothing more.
pub async fn hide(request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let Some(nonce) = nonce_of(response.headers()) else { return response };
    let (mut parts, body) = response.into_parts();
    let page = match to_bytes(body, usize::MAX).await {
        Ok(page) => page,
        Err(error) => return Problem::internal(&error).into_response(),
    };
    parts.headers.remove(header::CONTENT_LENGTH);
    let page = match std::str::from_utf8(&page) {
        Ok(text) => Body::from(text.replace(&format!("crossorigin=\"{nonce}\""), "crossorigin=\"anonymous\"")),
        Err(_) => Body::from(page),
    };
    Response::from_parts(parts, page)
}

/// The nonce that a page's policy names; none where it is no page.
fn nonce_of(headers: &HeaderMap) -> Option<String> {
    let kind = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let policy = headers.get(header::CONTENT_SECURITY_POLICY)?.to_str().ok()?;
    let (_, rest) = policy.split_once("'nonce-")?;
    let (nonce, _) = rest.split_once('\'')?;
    kind.starts_with("text/html").then(|| nonce.to_owned())
}
