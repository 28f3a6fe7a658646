//! What every response says to browsers and caches, over all routes; and what changes where the browser came by TLS.

#[path = "support/routes.rs"]
mod routes;
#[path = "support/server.rs"]
mod server;

use axum::http::{Method, StatusCode, header::SET_COOKIE};
use kontasks::backend::auth::FormToken;
use server::{Answer, Server, start};

const FORM: &str = "application/x-www-form-urlencoded";

/// All values of a header that can come more than once.
fn cookies(answer: &Answer) -> Vec<&str> {
    answer.headers.get_all(SET_COOKIE).iter().map(|value| value.to_str().expect("text")).collect()
}

/// A response on each route, to a browser that is signed in and to nobody.
async fn responses(server: &Server, proto: &str) -> Vec<(String, Answer)> {
    let mut all = Vec::new();
    for (method, path, _) in routes::all(server) {
        for known in [true, false] {
            let call = if known { server.call(method.clone(), &path) } else { server.anonymous(method.clone(), &path) };
            let answer = call.with("x-forwarded-proto", proto).with("accept", "text/html").send().await;
            all.push((format!("{method} {path} ({}, {proto})", answer.status), answer));
        }
    }
    all
}

#[tokio::test]
async fn nothing_is_kept_but_what_is_for_everybody() {
    let server = start().await;
    server.bare_run().await;
    for proto in ["http", "https"] {
        for (what, answer) in responses(&server, proto).await {
            let caching = answer.header("cache-control");
            let is_file = answer.status == StatusCode::OK && (what.contains(" /pkg/") || what.contains("/favicon"));
            assert!(if is_file { caching.starts_with("public") } else { caching.contains("no-store") }, "{what}: {caching}");
            assert_eq!(answer.header("x-content-type-options"), "nosniff", "{what}");
            assert!(["same-origin", "no-referrer, strict-origin"].contains(&answer.header("referrer-policy")), "{what}");
            let tls_only = answer.header("strict-transport-security");
            assert_eq!(tls_only, if proto == "https" { "max-age=86400" } else { "" }, "{what}");
        }
    }
    let run = server.bare_run().await;
    for path in
        [format!("/api/v1/runs/{run}"), format!("/api/v1/runs/{run}/output"), "/api/v1/tasks".into(), "/".into(), format!("/runs/{run}")]
    {
        let answer = server.get(&path).await;
        assert_eq!((answer.status, answer.header("cache-control")), (StatusCode::OK, "no-store"), "{path}");
    }
}

#[tokio::test]
async fn what_browsers_ask_beforehand_is_answered_like_the_rest() {
    let origin = "https://other.example";
    let server = server::start_with_origins(kontasks::http::Origins::new(&[origin.to_owned()])).await;
    let asked =
        server.anonymous(Method::OPTIONS, "/api/v1/tasks").with("origin", origin).with("access-control-request-method", "POST").send();
    let asked = asked.await;
    assert_eq!((asked.status, asked.header("access-control-allow-origin")), (StatusCode::OK, origin));
    assert_eq!((asked.header("cache-control"), asked.header("x-content-type-options")), ("no-store", "nosniff"));
    let read = server.call(Method::GET, "/api/v1/tasks").with("origin", origin).send().await;
    assert_eq!((read.header("access-control-allow-origin"), read.header("cache-control")), (origin, "no-store"));
}

#[tokio::test]
async fn a_nonce_stands_where_browsers_hide_it_and_nowhere_else() {
    let server = start().await;
    let run = server.bare_run().await;
    let task = server.state.backend.store.run(run).await.expect("reads").expect("there").task_id;
    let mut scripts = 0;
    for path in ["/", "/tasks", &format!("/tasks/{task}"), &format!("/runs/{run}"), "/nonsense", "/settings", "/sign-in"] {
        for encoding in ["identity", "gzip"] {
            let page = server.call(Method::GET, path).with("accept-encoding", encoding).send().await;
            let policy = page.header("content-security-policy").to_owned();
            let nonce = policy.split("'nonce-").nth(1).and_then(|rest| rest.split('\'').next()).expect("a nonce");
            // What is open to everybody is not compressed.
            let wanted = if encoding == "gzip" && path != "/sign-in" { "gzip" } else { "" };
            assert_eq!(page.header("content-encoding"), wanted, "{path}");
            if encoding == "identity" {
                let rest = page.text().replace(&format!(" nonce=\"{nonce}\""), "");
                assert!(!rest.contains(nonce), "{path}: {}", rest.split(nonce).next().unwrap_or_default());
                scripts += page.text().matches("<script").count();
            }
        }
    }
    assert!(scripts > 0, "there was something to hide");
}

#[tokio::test]
async fn by_tls_a_session_is_for_this_host_only() {
    let server = start().await;
    let epoch = server.state.backend.store.epoch().to_string();
    for (name, value) in [("x-forwarded-proto", "https"), ("x-forwarded-proto", "https, http"), ("forwarded", "for=192.0.2.1;proto=https")]
    {
        let welcome = server.link_form(&server.link().await).with(name, value).send().await;
        let cookie = welcome.cookie();
        assert!(cookie.starts_with(&format!("__Host-kontasks_{epoch}=")), "{cookie}");
        assert!(welcome.header("set-cookie").contains("; Secure") && !welcome.header("set-cookie").contains("Domain"));
        let inside = server.browse(Method::GET, "/api/v1/tasks", &cookie).with(name, value).send().await;
        assert_eq!(inside.status, StatusCode::OK, "{name}: {value}");
        // The same under the name that a neighbour could set.
        let other = cookie.replace("__Host-", "");
        assert_eq!(server.browse(Method::GET, "/api/v1/tasks", &other).with(name, value).send().await.status, StatusCode::UNAUTHORIZED);
        assert_eq!(
            server.browse(Method::GET, "/api/v1/tasks", &other).send().await.status,
            StatusCode::OK,
            "without TLS there is no other"
        );
        let token = FormToken::of_session(cookie.split_once('=').expect("a cookie").1);
        let left = server.browse(Method::POST, "/sign-out", &cookie).with(name, value).with("x-form-token", &token.reveal()).send().await;
        let cleared = cookies(&left);
        assert!(
            cleared[0].starts_with("__Host-kontasks_") && cleared[0].contains("; Secure") && cleared[0].contains("Max-Age=0"),
            "{cleared:?}"
        );
    }
    for value in ["http", "http, https"] {
        let cookie = server.link_form(&server.link().await).with("x-forwarded-proto", value).send().await;
        assert!(cookie.cookie().starts_with("kontasks_") && !cookie.header("set-cookie").contains("Secure"), "{value}");
    }
}

#[tokio::test]
async fn by_tls_the_theme_is_for_this_host_only() {
    let server = start().await;
    let set = async |theme: &str| {
        let call = server.call(Method::POST, "/settings/theme").with("x-forwarded-proto", "https");
        call.body(FORM, format!("theme={theme}")).send().await
    };
    let dark = set("dark").await;
    let cookie = dark.header("set-cookie").split(';').next().expect("a cookie").to_owned();
    assert_eq!(cookie, "__Host-kontasks_theme=dark");
    assert!(dark.header("set-cookie").contains("; Secure"));
    let page = |cookie: &str| server.call(Method::GET, "/settings").with("cookie", cookie).with("x-forwarded-proto", "https").send();
    assert!(page(&cookie).await.text().contains("data-theme=\"dark\""));
    assert!(page("kontasks_theme=dark").await.text().contains("data-theme=\"dark\""), "what was chosen before stays");
    let system = set("system").await;
    let names: Vec<_> = cookies(&system).iter().map(|cookie| cookie.split('=').next().expect("a name")).collect();
    assert_eq!(names, ["__Host-kontasks_theme", "kontasks_theme"], "both are taken away");
}
