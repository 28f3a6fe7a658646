//! The theme that a browser has chosen, in a cookie, so that the server writes each page in its colours from the start.

use super::cookies;
use crate::domain::theme::Theme;
use axum::http::{HeaderMap, HeaderValue, header, request::Parts};
use leptos::prelude::use_context;

/// Not a server's own: a person's choice is the same on each port of a host.
const COOKIE: &str = "kontasks_theme";
const YEAR: u64 = 365 * 24 * 60 * 60;

/// The theme that a request asks for.
#[must_use]
pub fn of(headers: &HeaderMap) -> Theme {
    cookies::of_either_name(headers, COOKIE).and_then(Theme::from_word).unwrap_or_default()
}

/// The theme that the request asks for whose page is being rendered.
#[must_use]
pub fn of_context() -> Theme {
    use_context::<Parts>().map(|parts| of(&parts.headers)).unwrap_or_default()
}

/// The `Set-Cookie`s of a choice. It is no secret, and no script needs it.
#[must_use]
pub fn set_cookies(request: &HeaderMap, theme: Theme) -> HeaderMap {
    let Some(word) = theme.attribute() else { return cookies::clear(request, COOKIE) };
    let cookie = HeaderValue::try_from(cookies::set(request, COOKIE, word, YEAR));
    cookie.map(|cookie| HeaderMap::from_iter([(header::SET_COOKIE, cookie)])).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_is_read_and_nonsense_is_the_system() {
        for theme in Theme::ALL {
            for proto in ["http", "https"] {
                let request = HeaderMap::from_iter([("x-forwarded-proto".parse().expect("a name"), HeaderValue::from_static(proto))]);
                let cookies = set_cookies(&request, theme);
                let cookie = cookies[header::SET_COOKIE].to_str().expect("text");
                assert_eq!(cookie.starts_with("__Host-") && cookie.contains("; Secure"), proto == "https", "{cookie}");
                let sent = cookie.split(';').next().expect("a cookie").to_owned();
                let headers = HeaderMap::from_iter([(header::COOKIE, HeaderValue::try_from(sent).expect("text"))]);
                assert_eq!(of(&headers), theme);
            }
        }
        for other in ["kontasks_theme=pink", "kontasks_theme", "theme=dark", ""] {
            assert_eq!(of(&HeaderMap::from_iter([(header::COOKIE, HeaderValue::from_static(other))])), Theme::System, "{other}");
        }
    }
}
