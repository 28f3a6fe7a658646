//! What stands between the open network and the routes: under which names the board answers, from which pages it takes requests,
//! and what its responses allow a browser to do. Who may enter is decided elsewhere.
//!
//! A page of another site can make a browser send requests here (cross-site request forgery), and by a name that it controls it can
//! even pass for this site (DNS rebinding). The first is refused by where the browser says a request comes from, the second by the
//! name that it asks for.

use super::{forwarded::is_https, problem::Problem};
use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use std::{net::IpAddr, sync::Arc};
use tower_http::csrf::{CsrfLayer, ProtectionError, ProtectionErrorKind};

/// How the page that a request comes from stands to this server, in a browser's words (W3C Fetch Metadata).
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// What a page without any content of its own may do: nothing.
const CLOSED_POLICY: &str = "default-src 'none'; frame-ancestors 'none'";

/// The names under which the board answers besides addresses and `localhost`: lower case, each with the port that belongs to its address
/// where that is not the usual one.
#[derive(Clone, Debug, Default)]
pub struct Hosts(Arc<[String]>);

impl Hosts {
    /// Takes the names of the configuration.
    #[must_use]
    pub fn new(names: &[String]) -> Self {
        Hosts(names.iter().map(|name| name.trim_end_matches('.').to_ascii_lowercase()).collect())
    }

    /// Whether `name` cannot have been pointed here by a stranger: an address, the machine itself, or a name from the configuration.
    fn knows(&self, name: &str) -> bool {
        let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        let is_named = self.0.iter().any(|known| without_port(known) == name);
        address.parse::<IpAddr>().is_ok() || name == "localhost" || name.ends_with(".localhost") || is_named
    }

    /// What people call the board that they reach as `authority`: behind a proxy that asks by a name of its own, the first one
    /// of the configuration.
    #[must_use]
    pub fn name_of<'h>(&'h self, authority: &'h str) -> &'h str {
        let is_own = self.0.iter().any(|known| without_port(known).eq_ignore_ascii_case(without_port(authority)));
        self.0.first().filter(|_| !is_own).map_or(authority, String::as_str)
    }

    /// The authority of an `Origin` that the configuration names, port and all: pages from there are the board's own.
    fn own_authority<'o>(&self, origin: &'o str) -> Option<&'o str> {
        let (_, authority) = origin.split_once("://")?;
        self.0.iter().any(|known| known == authority).then_some(authority)
    }
}

/// The host of an authority, without its port: `[::1]:3000` is `[::1]`.
fn without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) && (!host.contains(':') || host.ends_with(']')) => host,
        _ => authority,
    }
}

/// Refuses requests for a name that is not the board's.
pub async fn check_host(State(hosts): State<Hosts>, mut request: Request, next: Next) -> Response {
    match requested_authority(&request) {
        Err(problem) => problem.into_response(),
        Ok(None) => next.run(request).await,
        Ok(Some(authority)) if hosts.knows(without_port(&authority)) => {
            restore_host(request.headers_mut(), &hosts);
            next.run(request).await
        }
        Ok(Some(authority)) => {
            let name = without_port(&authority);
            let detail = format!(
                "this server is not known as {name:?}; if it should be, add the line  hosts = [{name:?}]  to kontasks.toml and start it again"
            );
            Problem::new(StatusCode::MISDIRECTED_REQUEST, detail).into_response()
        }
    }
}

/// Puts the name that the browser asked for in the place of the one that a proxy asks for instead, which nginx does by default: else the
/// board's own pages would pass for foreign ones. A browser says it as `Origin`, which no page can forge, and only a name of the
/// configuration is believed. Where it sends `Sec-Fetch-Site`, which it does to TLS and to this machine, that alone decides.
fn restore_host(headers: &mut HeaderMap, hosts: &Hosts) {
    let origin = headers.get(header::ORIGIN).and_then(|origin| origin.to_str().ok());
    let asked = origin.and_then(|origin| hosts.own_authority(origin)).and_then(|authority| HeaderValue::from_str(authority).ok());
    if let Some(asked) = asked
        && !headers.contains_key(SEC_FETCH_SITE)
    {
        headers.insert(header::HOST, asked);
    }
}

/// The host and port that a request is meant for. HTTP/1.0 may leave it out, HTTP/1.1 must say it exactly once (RFC 9112, 3.2).
fn requested_authority(request: &Request) -> Result<Option<String>, Problem> {
    let mut named = request.headers().get_all(header::HOST).iter();
    let (first, more) = (named.next(), named.next());
    let missing = first.is_none() && request.uri().authority().is_none() && request.version() == Version::HTTP_11;
    if missing || more.is_some() {
        return Err(Problem::new(StatusCode::BAD_REQUEST, "the request must have one Host header"));
    }
    // Of the two places the header is what a browser is bound by; a request line that says otherwise is checked as well.
    let text = match (first, request.uri().authority()) {
        (Some(header), None) => header.to_str().map(str::to_owned).map_err(|_| ()),
        (Some(header), Some(line)) if header.as_bytes() == line.as_str().as_bytes() => Ok(line.as_str().to_owned()),
        (None, Some(line)) => Ok(line.as_str().to_owned()),
        (None, None) => return Ok(None),
        (Some(_), Some(_)) => Err(()),
    };
    text.map(Some).map_err(|()| Problem::new(StatusCode::BAD_REQUEST, "the Host header cannot be read"))
}

/// Refuses what a page of another origin makes a browser send, where it would change something: `Sec-Fetch-Site`, or where a
/// browser does not send it, `Origin`, has to say that it comes from here.
pub fn refuse_foreign_changes() -> CsrfLayer<impl FnMut(ProtectionError) -> Response + Clone> {
    CsrfLayer::new().with_rejection_response(|error: ProtectionError| foreign(error.kind() != ProtectionErrorKind::CrossOriginRequest))
}

/// Refuses reading by a page of another origin: none may, and a stream that such a page opens would only cost. Following a link is
/// no reading by the page that it stands on.
pub async fn refuse_foreign_readers(request: Request, next: Next) -> Response {
    let safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if safe && reads_from_elsewhere(request.headers(), request.uri().path()) {
        return foreign(!request.headers().contains_key(SEC_FETCH_SITE));
    }
    next.run(request).await
}

fn reads_from_elsewhere(headers: &HeaderMap, path: &str) -> bool {
    // The page's own files are no secret, and a browser names an Origin for its modules, which behind a proxy may not be the Host.
    if path.starts_with("/pkg/") {
        return false;
    }
    let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let for_programs = path.starts_with("/api/") || path.starts_with("/actions/");
    match text(SEC_FETCH_SITE) {
        Some("same-origin" | "none") => return false,
        Some(_) if for_programs => return true,
        _ => {}
    }
    let host = text(header::HOST).unwrap_or_default();
    text(header::ORIGIN).is_some_and(|origin| origin.split_once("://").is_none_or(|(_, authority)| authority != host))
}

/// `by_name` says that only the names differ: then it may be the board itself, behind a proxy that asks for it by another name.
fn foreign(by_name: bool) -> Response {
    let mut detail = "the request comes from a page of another site, and such requests are not taken".to_owned();
    if by_name {
        detail.push_str(
            "; if this is the board itself behind a proxy, add the line  hosts = [\"NAME\"]  to kontasks.toml, with the NAME that stands \
             in the browser's address bar, and its port if there is one, and start it again",
        );
    }
    Problem::new(StatusCode::FORBIDDEN, detail).into_response()
}

/// How long a browser that came by TLS comes by TLS only: a day, since it is for every port of the host, and whoever goes
/// back to plain HTTP must not be locked out for long.
const TLS_ONLY: &str = "max-age=86400";

/// Adds to each response what keeps browsers from guessing, framing, telling and keeping. A page brings its own, wider
/// policy; what is no secret, such as the page's files, says itself how long it may be kept.
pub async fn harden(request: Request, next: Next) -> Response {
    let by_tls = is_https(request.headers());
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(header::REFERRER_POLICY).or_insert(HeaderValue::from_static("same-origin"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    if by_tls {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(TLS_ONLY));
    }
    // Scripts, styles and wasm are no documents: a policy and an opener mean nothing there, and cost the first load half a kilobyte.
    let is_part = headers.get(header::CACHE_CONTROL).is_some_and(|kept| kept.as_bytes().ends_with(b"immutable"));
    if !is_part {
        headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(CLOSED_POLICY));
        headers.insert(HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin"));
    }
    headers.insert(HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin"));
    response
}

/// The policy of a page: its own files, inline scripts only with this response's nonce, and styles of elements, which a console's
/// colours and sizes are made of.
#[must_use]
pub fn page_policy(nonce: Option<&str>) -> String {
    let script = nonce.map(|nonce| format!(" 'nonce-{nonce}' 'wasm-unsafe-eval'")).unwrap_or_default();
    // cargo leptos watch reloads the page over a WebSocket of its own port.
    let reload = if std::env::var_os("LEPTOS_WATCH").is_some() { " ws://localhost:* ws://127.0.0.1:*" } else { "" };
    format!(
        "default-src 'none'; script-src 'self'{script}; style-src 'self'; style-src-elem 'self'; style-src-attr 'unsafe-inline'; \
         img-src 'self' data:; font-src 'self'; connect-src 'self'{reload}; manifest-src 'self'; form-action 'self'; \
         base-uri 'none'; frame-ancestors 'none'"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_configured_names_are_known() {
        let hosts = Hosts::new(&["Board.Example.org".into()]);
        for authority in [
            "127.0.0.1:3000",
            "[::1]:3000",
            "[::1]",
            "localhost",
            "LOCALHOST:80",
            "a.localhost:1",
            "board.example.org",
            "board.EXAMPLE.org.:443",
        ] {
            assert!(hosts.knows(without_port(authority)), "{authority}");
        }
        for authority in
            ["evil.example", "localhost.evil.example:3000", "127.0.0.1.evil.example", "", "board.example.org.evil.example", "xlocalhost"]
        {
            assert!(!hosts.knows(without_port(authority)), "{authority}");
        }
    }

    #[test]
    fn a_proxys_name_gives_way_to_the_boards_own_and_to_no_other() {
        let hosts = Hosts::new(&["board.example.org".into(), "other.example.org:8080".into()]);
        assert!(hosts.knows("other.example.org"));
        let host = |origin: &str, more: &[(HeaderName, &'static str)]| {
            let mut headers = HeaderMap::from_iter(more.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))));
            headers.insert(header::HOST, HeaderValue::from_static("127.0.0.1:3000"));
            headers.insert(header::ORIGIN, HeaderValue::from_str(origin).expect("a value"));
            restore_host(&mut headers, &hosts);
            headers[header::HOST].to_str().expect("text").to_owned()
        };
        for own in ["board.example.org", "other.example.org:8080"] {
            assert_eq!(host(&format!("http://{own}"), &[]), own);
        }
        for origin in [
            "http://evil.example",
            "http://board.example.org:8080",
            "http://board.example.org.evil.example",
            "http://other.example.org",
            "board.example.org",
            "null",
            "",
        ] {
            assert_eq!(host(origin, &[]), "127.0.0.1:3000", "{origin}");
        }
        assert_eq!(host("http://board.example.org", &[(SEC_FETCH_SITE, "cross-site")]), "127.0.0.1:3000");
    }

    #[test]
    fn reading_is_for_this_sites_own_pages() {
        let request = |pairs: &[(&'static str, &'static str)]| {
            pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect::<HeaderMap>()
        };
        let foreign = |path: &str, pairs: &[(&'static str, &'static str)]| reads_from_elsewhere(&request(pairs), path);
        assert!(!foreign("/api/v1/events", &[("host", "a:1")]));
        assert!(!foreign("/api/v1/events", &[("host", "a:1"), ("origin", "http://a:1")]));
        assert!(foreign("/api/v1/events", &[("host", "a:1"), ("origin", "http://a:2")]));
        assert!(foreign("/api/v1/events", &[("host", "a:1"), ("origin", "null")]));
        assert!(foreign("/api/v1/events", &[("host", "a:1"), ("sec-fetch-site", "same-site")]));
        assert!(foreign("/", &[("host", "a:1"), ("origin", "http://a:2"), ("sec-fetch-site", "cross-site")]));
        assert!(!foreign("/pkg/b/kontasks.js", &[("host", "a:1"), ("origin", "http://a:2")]));
        assert!(!foreign("/", &[("host", "a:1"), ("sec-fetch-site", "cross-site")]), "a link");
    }
}
