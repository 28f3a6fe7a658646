//! The theme that a browser has chosen, in a cookie, so that the server writes each page in its colours from the start.

use super::guard;
use crate::domain::theme::Theme;
use axum::http::{HeaderMap, request::Parts};
use leptos::prelude::use_context;

/// Not a server's own: a person's choice is the same on each port of a host.
const COOKIE: &str = "kontasks_theme";

/// The theme that a request asks for.
#[must_use]
pub fn of(headers: &HeaderMap) -> Theme {
    guard::cookie(headers, COOKIE).and_then(Theme::from_word).unwrap_or_default()
}

/// The theme that the request asks for whose page is being rendered.
#[must_use]
pub fn of_context() -> Theme {
    use_context::<Parts>().map(|parts| of(&parts.headers)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::{HeaderValue, header};

    #[test]
    fn what_is_chosen_is_read_and_nonsense_is_the_system() {
        assert_eq!(of(&HeaderMap::from_iter([(header::COOKIE, HeaderValue::from_static("a=b; kontasks_theme=dark"))])), Theme::Dark);
        for other in ["kontasks_theme=pink", "kontasks_theme", "theme=dark", ""] {
            assert_eq!(of(&HeaderMap::from_iter([(header::COOKIE, HeaderValue::from_static(other))])), Theme::System, "{other}");
        }
    }
}
