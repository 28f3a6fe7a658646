//! Who gets in, and from where requests are taken, over real sockets.

#[path = "support/server.rs"]
mod server;

use axum::http::{Method, StatusCode};
use serde_json::json;
use server::start;

const SOME_ID: &str = "019d0c5e-7b1c-7c7e-9d53-0d6f3a1f2b4c";

#[tokio::test]
async fn nobody_gets_in_without_a_sign_in() {
    let server = start().await;
    let id = SOME_ID;
    let mut programs: Vec<(Method, String)> = Vec::new();
    for path in ["/runs", "/tasks", "/events", "/nonsense", "/../../runs", ""] {
        programs.push((Method::GET, format!("/api/v1{path}")));
        programs.push((Method::POST, format!("/api/v1{path}")));
    }
    for path in ["", "/output", "/events", "/cancellation"] {
        programs.push((Method::GET, format!("/api/v1/runs/{id}{path}")));
        programs.push((Method::HEAD, format!("/api/v1/runs/{id}{path}")));
        programs.push((Method::POST, format!("/api/v1/runs/{id}{path}")));
    }
    for method in [Method::GET, Method::PATCH, Method::DELETE, Method::OPTIONS, Method::PUT] {
        programs.push((method.clone(), format!("/api/v1/tasks/{id}")));
        programs.push((method, format!("/api/v1/tasks/{id}/answer")));
    }
    for action in ["submit-prompt", "cancel-run", "answer-task", "dashboard", "nonsense"] {
        programs.push((Method::POST, format!("/actions/{action}")));
        programs.push((Method::GET, format!("/actions/{action}")));
    }
    programs.push((Method::POST, "/sign-out".into()));
    for (method, path) in programs {
        for (header, value) in [("x", ""), ("authorization", "Bearer wrong"), ("cookie", "kontasks_x=1"), ("authorization", "Basic dTpw")] {
            let answer = server.anonymous(method.clone(), &path).with(header, value).send().await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{method} {path}");
            if method != Method::HEAD {
                answer.problem();
            }
        }
    }
    for path in ["/", "/tasks", &format!("/tasks/{id}"), &format!("/runs/{id}"), "/nonsense", "/settings"] {
        let answer = server.anonymous(Method::GET, path).with("accept", "text/html").send().await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path}");
        assert!(answer.text().contains("kontasks sign-in-link"), "{path}");
        assert!(!answer.text().contains("type=\"module\""), "the page is not to be hydrated");
        assert!(answer.text().contains(&format!("value=\"{path}\"")), "where to go next");
    }
    for path in ["/healthz", "/readyz", "/sign-in"] {
        assert_eq!(server.anonymous(Method::GET, path).send().await.status, StatusCode::OK, "{path}");
    }
}

#[tokio::test]
async fn the_code_of_a_link_can_be_typed_in() {
    let server = start().await;
    let form = async |body: String| server.anonymous(Method::POST, "/sign-in").body("application/x-www-form-urlencoded", body).send().await;
    let code = server.link().await.split_once('=').expect("a code").1.to_owned();
    let refused = form("token=nonsense&next=%2Ftasks".into()).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    assert!(refused.text().contains("value=\"/tasks\""));
    let welcome = form(format!("token=+{code}%0A&next=%2F%2Fevil.example")).await;
    assert_eq!(welcome.header("location"), "/", "other servers are not gone to");
    welcome.cookie();
    let whole = form(format!("token=http%3A%2F%2Fx%2Fsign-in%3Ftoken%3D{}", server.link().await.split_once('=').expect("a code").1)).await;
    whole.cookie();
    assert_eq!(form("x".repeat(2_000_000)).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(server.anonymous(Method::POST, "/sign-in").send().await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn the_server_answers_to_its_own_names_only() {
    let server = start().await;
    let port = server.address.port();
    for host in [
        format!("localhost:{port}"),
        format!("kontasks.localhost:{port}"),
        "[::1]:80".into(),
        "10.0.0.7".into(),
        "Board.Example.ORG:443".into(),
    ] {
        assert_eq!(server.call(Method::GET, "/api/v1/tasks").with("host", &host).send().await.status, StatusCode::OK, "{host}");
    }
    for host in ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example:80", "board.example.org.evil.example"] {
        for path in ["/", "/healthz", "/sign-in", "/api/v1/tasks"] {
            let answer = server.call(Method::GET, path).with("host", host).send().await;
            assert_eq!(answer.status, StatusCode::MISDIRECTED_REQUEST, "{host}");
            let problem = answer.problem();
            assert!(problem.contains("hosts = [") && problem.contains(host.trim_end_matches(":80")), "{problem}");
        }
    }
    for (request, status) in [
        ("GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n", "400"),
        ("GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\nConnection: close\r\n\r\n", "400"),
        ("GET http://evil.example/healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", "400"),
        ("GET http://evil.example/healthz HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n", "421"),
        ("GET /healthz HTTP/1.1\r\nHost: \r\nConnection: close\r\n\r\n", "421"),
        ("GET /healthz HTTP/1.0\r\n\r\n", "200"),
        ("GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", "200"),
    ] {
        let answer = server.raw(request.as_bytes()).await;
        assert_eq!(answer.split(' ').nth(1), Some(status), "{request}\n{answer}");
    }
}

#[tokio::test]
async fn pages_of_other_sites_cannot_act_here() {
    let server = start().await;
    let cookie = server.sign_in().await;
    let own = format!("http://{}", server.address);
    let call = |method: Method, headers: &[(&'static str, &str)]| {
        let path = if method == Method::POST { "/api/v1/tasks" } else { "/api/v1/events" };
        let call = server.anonymous(method.clone(), path).with("cookie", &cookie);
        let call = if method == Method::POST { call.json(json!({ "title": "x" })) } else { call };
        headers.iter().fold(call, |call, (name, value)| call.with(name, value))
    };
    let foreign: [&[(&'static str, &str)]; 7] = [
        &[("origin", "http://evil.example")],
        &[("origin", "null")],
        &[("origin", "http://127.0.0.1:1")],
        &[("origin", "http://evil.example"), ("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site")],
        &[("origin", &own), ("sec-fetch-site", "same-site")],
    ];
    for headers in foreign {
        for method in [Method::POST, Method::HEAD, Method::GET] {
            let answer = call(method.clone(), headers).send().await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{method} {headers:?}");
        }
    }
    assert_eq!(server.get("/api/v1/tasks").await.json()["total"], 0);
    let ours: [&[(&'static str, &str)]; 4] =
        [&[], &[("origin", &own)], &[("origin", &own), ("sec-fetch-site", "same-origin")], &[("sec-fetch-site", "none")]];
    for headers in ours {
        assert_eq!(call(Method::POST, headers).send().await.status, StatusCode::CREATED, "{headers:?}");
        assert_eq!(call(Method::HEAD, headers).send().await.status, StatusCode::OK, "{headers:?}");
    }
    // Following a link from elsewhere is fine; the session comes along.
    let page = server.anonymous(Method::GET, "/nonsense").with("cookie", &cookie).with("sec-fetch-site", "cross-site").send().await;
    assert_eq!(page.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn behind_a_proxy_that_asks_by_its_own_name_the_boards_pages_can_act() {
    let server = start().await;
    let cookie = server.sign_in().await;
    // The Host is the server's own address, as nginx asks for it by default; without TLS no browser sends Sec-Fetch-Site.
    let call = |method: Method, headers: &[(&'static str, &str)]| {
        let call = server.anonymous(method, "/api/v1/tasks").with("cookie", &cookie).json(json!({ "title": "x" }));
        headers.iter().fold(call, |call, (name, value)| call.with(name, value))
    };
    for origin in ["http://board.example.org", "https://board.example.org"] {
        assert_eq!(call(Method::POST, &[("origin", origin)]).send().await.status, StatusCode::CREATED, "{origin}");
        assert_eq!(call(Method::GET, &[("origin", origin)]).send().await.status, StatusCode::OK, "{origin}");
    }
    for origin in ["http://evil.example", "http://board.example.org:8080", "http://board.example.org.evil.example"] {
        for method in [Method::POST, Method::GET] {
            let answer = call(method, &[("origin", origin)]).send().await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{origin}");
            assert!(answer.problem().contains("hosts = [\"NAME\"]"), "what may be missing is said: {}", answer.text());
        }
    }
    for site in ["cross-site", "same-site"] {
        let answer = call(Method::POST, &[("origin", "http://board.example.org"), ("sec-fetch-site", site)]).send().await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "a browser that knows better is believed");
        assert!(!answer.problem().contains("hosts"));
    }
}

#[tokio::test]
async fn responses_tie_the_browsers_hands() {
    let server = start().await;
    for path in ["/sign-in", "/healthz", "/api/v1/tasks", "/nonsense"] {
        let answer = server.get(path).await;
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("referrer-policy"), "same-origin", "{path}");
        let policy = answer.header("content-security-policy");
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
        let scripts = policy.split(';').find(|part| part.trim().starts_with("script-src")).unwrap_or_default();
        assert!(!scripts.contains("unsafe-inline") && !scripts.contains("'unsafe-eval'"), "{scripts}");
    }
    let page = server.get("/nonsense").await;
    let nonce = page
        .header("content-security-policy")
        .split("'nonce-")
        .nth(1)
        .and_then(|rest| rest.split('\'').next())
        .expect("a nonce")
        .to_owned();
    assert!(page.text().contains(&format!("nonce=\"{nonce}\"")));
    for script in page.text().split("<script").skip(1) {
        assert!(script.split('>').next().expect("a tag").contains(&nonce), "every script has the nonce");
    }
    let other = server.get("/nonsense").await;
    assert!(!other.header("content-security-policy").contains(&nonce), "each response has its own");
}
