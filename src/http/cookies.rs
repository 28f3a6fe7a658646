//! The cookies: a session's, which opens the door, and how each is named. What comes by TLS is named `__Host-…`: browsers
//! take such a cookie from this very host by TLS only (RFC 6265bis, 4.1.3.2), so that neither a neighbour's subdomain nor
//! somebody on the way can put one of theirs in its place.

use super::forwarded::is_https;
use crate::{backend::auth::SESSION_DAYS, domain::cursor::Epoch};
use axum::http::{HeaderMap, HeaderValue, header};

/// What a browser asks of a cookie of that name.
const HOST_ONLY: &str = "__Host-";

/// Browsers keep one jar for all ports of a host, so the name tells several servers apart.
fn session_name(epoch: &Epoch) -> String {
    format!("kontasks_{epoch}")
}

/// The token of a request's session cookie. By TLS only the name that nobody else can set is looked at: a browser that was
/// signed in under the other one signs in again.
#[must_use]
pub fn session<'h>(headers: &'h HeaderMap, epoch: &Epoch) -> Option<&'h str> {
    let name = session_name(epoch);
    let safe = cookie(headers, &format!("{HOST_ONLY}{name}"));
    if is_https(headers) { safe } else { safe.or_else(|| cookie(headers, &name)) }
}

/// The `Set-Cookie` of a session, for the way that the request came.
#[must_use]
pub fn set_session(request: &HeaderMap, epoch: &Epoch, token: &str) -> String {
    set(request, &session_name(epoch), token, SESSION_DAYS.unsigned_abs() * 24 * 60 * 60)
}

/// What takes a session's cookie away again.
#[must_use]
pub fn clear_session(request: &HeaderMap, epoch: &Epoch) -> HeaderMap {
    clear(request, &session_name(epoch))
}

/// The `Set-Cookie` of a cookie that lasts so many seconds, for the way that the request came.
#[must_use]
pub fn set(request: &HeaderMap, name: &str, value: &str, seconds: u64) -> String {
    let (prefix, secure) = if is_https(request) { (HOST_ONLY, "; Secure") } else { ("", "") };
    format!("{prefix}{name}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}")
}

/// The `Set-Cookie`s that take a cookie away, under whichever name it was set.
#[must_use]
pub fn clear(request: &HeaderMap, name: &str) -> HeaderMap {
    let plain = format!("{name}=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0");
    let cookies = if is_https(request) { vec![set(request, name, "", 0), plain] } else { vec![plain] };
    cookies.into_iter().filter_map(|cookie| Some((header::SET_COOKIE, HeaderValue::try_from(cookie).ok()?))).collect()
}

/// The value of a cookie that is no secret, under whichever name it was set.
#[must_use]
pub fn of_either_name<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    cookie(headers, &format!("{HOST_ONLY}{name}")).or_else(|| cookie(headers, name))
}

/// The value of the request's cookie of that name.
#[must_use]
pub fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(';'));
    cookies.filter_map(|cookie| cookie.trim().split_once('=')).find(|(key, _)| key == &name).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderName;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn the_session_is_found_among_others() {
        let epoch = Epoch::new("k3").expect("fits");
        for (text, token) in [
            ("a=b; kontasks_k3=secret;c=d", Some("secret")),
            ("kontasks_k4=secret; kontasks_k3x=no", None),
            ("kontasks_k3", None),
            ("kontasks_k3=one; __Host-kontasks_k3=two", Some("two")),
        ] {
            assert_eq!(session(&headers(&[("cookie", text)]), &epoch), token, "{text}");
        }
        let by_tls = |text: &'static str| headers(&[("cookie", text), ("x-forwarded-proto", "https")]);
        assert_eq!(session(&by_tls("kontasks_k3=one"), &epoch), None, "anybody below this domain can have set it");
        assert_eq!(session(&by_tls("kontasks_k3=one; __Host-kontasks_k3=two"), &epoch), Some("two"));
    }

    #[test]
    fn by_tls_a_cookie_is_for_this_host_only() {
        let epoch = Epoch::new("k3").expect("fits");
        let plain = set_session(&headers(&[]), &epoch, "t");
        assert!(
            plain.starts_with("kontasks_k3=t; Path=/; HttpOnly; SameSite=Lax; Max-Age=2592000") && !plain.contains("Secure"),
            "{plain}"
        );
        let safe = set_session(&headers(&[("x-forwarded-proto", "https, http")]), &epoch, "t");
        assert!(safe.starts_with("__Host-kontasks_k3=t; Path=/;") && safe.ends_with("; Secure") && !safe.contains("Domain"), "{safe}");
    }

    #[test]
    fn a_cookie_is_cleared_under_both_its_names() {
        let clear = |request: HeaderMap| -> Vec<String> {
            clear(&request, "c").get_all(header::SET_COOKIE).iter().map(|cookie| cookie.to_str().expect("text").to_owned()).collect()
        };
        assert_eq!(clear(headers(&[])), ["c=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0"]);
        let both = clear(headers(&[("x-forwarded-proto", "https")]));
        assert!(both[0].starts_with("__Host-c=;") && both[0].ends_with("; Secure"), "{both:?}");
        assert!(both[1].starts_with("c=;") && both.iter().all(|cookie| cookie.contains("Max-Age=0")), "{both:?}");
    }
}
