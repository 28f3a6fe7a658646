//! Pages of other origins, over real sockets: refused unless the configuration names them, exactly.

#[path = "support/server.rs"]
mod server;

use axum::http::{Method, StatusCode};
use kontasks::http::Origins;
use serde_json::json;
use server::{Answer, Call, Server, start, start_with_origins};

const FRIEND: &str = "https://dash.example.org";
const BOARD: &str = "/api/v1/events";

fn from<'s>(call: Call<'s>, origin: &str) -> Call<'s> {
    call.with("origin", origin).with("sec-fetch-site", "cross-site")
}

fn asked_beforehand<'s>(server: &'s Server, origin: &str) -> Call<'s> {
    let call = from(server.anonymous(Method::OPTIONS, "/api/v1/tasks"), origin);
    call.with("access-control-request-method", "POST").with("access-control-request-headers", "content-type")
}

fn varies(answer: &Answer) -> bool {
    answer.headers.get_all("vary").iter().any(|value| value.to_str().expect("text").to_ascii_lowercase().contains("origin"))
}

#[tokio::test]
async fn with_none_named_nothing_is_said_and_nobody_gets_in() {
    let server = start().await;
    for call in [from(server.call(Method::GET, BOARD), FRIEND), from(server.call(Method::GET, "/api/v1/tasks"), FRIEND)] {
        let answer = call.send().await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
        assert!(!answer.headers.keys().any(|name| name.as_str().starts_with("access-control-")));
    }
    let answer = asked_beforehand(&server, FRIEND).send().await;
    assert!(!answer.status.is_success(), "{}", answer.status);
}

#[tokio::test]
async fn an_origin_that_is_named_may_stream_read_and_act() {
    let server = start_with_origins(Origins::new(&[FRIEND.to_owned()])).await;
    let cookie = server.sign_in().await;
    let answer = from(server.browse(Method::HEAD, BOARD, &cookie), FRIEND).send().await;
    assert_eq!(answer.status, StatusCode::OK);
    for (name, value) in [("access-control-allow-origin", FRIEND), ("access-control-allow-credentials", "true")] {
        assert_eq!(answer.header(name), value);
    }
    assert!(varies(&answer));
    let mut stream = from(server.browse(Method::GET, BOARD, &cookie), FRIEND).events().await;
    assert_eq!(stream.next().await.expect("an event").name, "hello");
    let posted = from(server.browse(Method::POST, "/api/v1/tasks", &cookie), FRIEND).json(json!({"title": "from a friend"})).send().await;
    assert_eq!(posted.status, StatusCode::CREATED, "{}", posted.text());
    let asked = asked_beforehand(&server, FRIEND).send().await;
    assert!(asked.status.is_success(), "browsers ask without credentials: {}", asked.status);
    assert!(asked.header("access-control-allow-methods").contains("POST"));
    assert!(asked.header("access-control-allow-headers").contains("last-event-id"));
}

#[tokio::test]
async fn errors_can_be_read_there_too() {
    let server = start_with_origins(Origins::new(&[FRIEND.to_owned()])).await;
    for (call, status) in [
        (server.anonymous(Method::GET, BOARD), StatusCode::UNAUTHORIZED),
        (server.call(Method::GET, "/api/v1/runs/nonsense"), StatusCode::NOT_FOUND),
        (server.call(Method::PUT, BOARD), StatusCode::METHOD_NOT_ALLOWED),
    ] {
        let answer = from(call, FRIEND).send().await;
        assert_eq!((answer.status, answer.header("access-control-allow-origin")), (status, FRIEND));
        assert!(varies(&answer));
    }
}

#[tokio::test]
async fn nothing_but_that_very_origin_will_do() {
    let server = start_with_origins(Origins::new(&[FRIEND.to_owned()])).await;
    for origin in [
        "https://dash.example.org.evil.example",
        "http://dash.example.org",
        "https://dash.example.org:8443",
        "https://DASH.example.org",
        "null",
    ] {
        let answer = from(server.call(Method::GET, BOARD), origin).send().await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{origin}");
        assert_eq!(answer.header("access-control-allow-origin"), "", "{origin}");
        assert!(varies(&answer), "a cache must not give it to others");
    }
    let page = from(server.call(Method::GET, "/"), FRIEND).send().await;
    assert_eq!(page.status, StatusCode::FORBIDDEN, "the pages are the board's own");
}
