//! The theme that a browser has chosen, in a cookie, so that the server writes each page in its colours from the start.

use super::guard;
use crate::domain::theme::Theme;
use axum::http::{HeaderMap, request::Parts};
use leptos::prelude::use_context;

/// Not a server's own: a person's choice is the same on each port of a host.
const COOKIE: &str = "kontasks_theme";
const YEAR: u64 = 365 * 24 * 60 * 60;

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

/// The `Set-Cookie` of a choice. It is no secret, and no script needs it.
#[must_use]
pub fn set_cookie(theme: Theme) -> String {
    let (value, age) = theme.attribute().map_or(("", 0), |word| (word, YEAR));
    format!("{COOKIE}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={age}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::{HeaderValue, header};

    #[test]
    fn what_is_set_is_read_and_nonsense_is_the_system() {
        for theme in Theme::ALL {
            let cookie = set_cookie(theme);
            let sent = cookie.split(';').next().expect("a cookie").to_owned();
            let headers = HeaderMap::from_iter([(header::COOKIE, HeaderValue::try_from(sent).expect("text"))]);
            assert_eq!(of(&headers), theme);
        }
        for other in ["kontasks_theme=pink", "kontasks_theme", "theme=dark", ""] {
            assert_eq!(of(&HeaderMap::from_iter([(header::COOKIE, HeaderValue::from_static(other))])), Theme::System, "{other}");
        }
    }
}
