//! What a proxy says about the way between the browser and itself. Anybody can say it who comes without a proxy; it
//! decides on nothing but what the response asks of that very browser.

use axum::http::HeaderMap;

/// Whether the browser came by TLS. Of several proxies each one adds its word behind those before it, so the first word is
/// about the browser. `X-Forwarded-Proto` is what proxies send; where it is missing, `Forwarded` (RFC 7239) counts.
#[must_use]
pub fn is_https(headers: &HeaderMap) -> bool {
    let first = |name: &str| headers.get(name)?.to_str().ok()?.split(',').next();
    let protocol = match first("x-forwarded-proto") {
        Some(protocol) => Some(protocol),
        None => first("forwarded").and_then(|element| element.split(';').find_map(protocol_of)),
    };
    protocol.is_some_and(|protocol| protocol.trim().eq_ignore_ascii_case("https"))
}

/// The protocol of a pair such as `proto=https`, with quotes or without.
fn protocol_of(pair: &str) -> Option<&str> {
    let (name, value) = pair.trim().split_once('=')?;
    name.eq_ignore_ascii_case("proto").then(|| value.trim_matches('"'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::{HeaderName, HeaderValue};

    #[test]
    fn the_first_proxys_word_counts() {
        let come = |pairs: &[(&'static str, &'static str)]| {
            let pairs = pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
            is_https(&pairs.collect())
        };
        for value in ["https", "HTTPS", "https, http", "https,http,http", " https "] {
            assert!(come(&[("x-forwarded-proto", value)]), "{value}");
        }
        for value in ["http", "http, https", "", ",https", "httpss", "wss"] {
            assert!(!come(&[("x-forwarded-proto", value)]), "{value}");
        }
        for value in ["proto=https", "for=192.0.2.1;Proto=\"https\";by=10.0.0.1", "proto=https, proto=http"] {
            assert!(come(&[("forwarded", value)]), "{value}");
        }
        for value in ["for=192.0.2.1", "proto=http, proto=https", "proto", "by=proto=https", ""] {
            assert!(!come(&[("forwarded", value)]), "{value}");
        }
        assert!(!come(&[("x-forwarded-proto", "http"), ("forwarded", "proto=https")]));
        assert!(!come(&[]));
    }
}
