//! Sign-in by password over real sockets: the form, what is refused, and for how long.

#[path = "support/server.rs"]
mod server;

use axum::http::{Method, StatusCode};
use kontasks::backend::auth::Secret;
use server::{Answer, Server, start};

const PASSWORD: &str = "correct horse battery";

impl Server {
    async fn enter(&self, password: &str) -> Answer {
        let form = format!("password={}&next=%2Ftasks", password.replace(' ', "+"));
        self.anonymous(Method::POST, "/sign-in").body("application/x-www-form-urlencoded", form).send().await
    }

    async fn page(&self) -> String {
        self.anonymous(Method::GET, "/sign-in").send().await.text()
    }
}

#[tokio::test]
async fn the_password_is_asked_for_where_there_is_one_and_signs_in() {
    let server = start().await;
    assert!(!server.page().await.contains("current-password"));
    let refused = server.enter(PASSWORD).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "none is set");
    assert!(!refused.text().contains("current-password"));

    server.state.auth.set_password(Secret::new(PASSWORD)).await.expect("sets");
    assert!(server.page().await.contains("autocomplete=\"current-password\""));
    let closed = server.anonymous(Method::GET, "/tasks").with("accept", "text/html").send().await;
    assert_eq!(closed.status, StatusCode::UNAUTHORIZED);
    assert!(closed.text().contains("current-password") && closed.text().contains("kontasks sign-in-link"));

    let welcome = server.enter(PASSWORD).await;
    assert_eq!(welcome.header("location"), "/tasks");
    let cookie = welcome.cookie();
    assert_eq!(server.browse(Method::GET, "/api/v1/tasks", &cookie).send().await.status, StatusCode::OK);
    // It is for people: programs have tokens.
    let bearer = format!("Bearer {PASSWORD}");
    assert_eq!(server.anonymous(Method::GET, "/api/v1/tasks").with("authorization", &bearer).send().await.status, StatusCode::UNAUTHORIZED);

    server.state.auth.remove_password().await.expect("removes");
    assert!(!server.page().await.contains("current-password"));
    assert_eq!(server.enter(PASSWORD).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(server.browse(Method::GET, "/api/v1/tasks", &cookie).send().await.status, StatusCode::OK, "who is signed in stays");
}

#[tokio::test]
async fn guessing_is_slow_and_locks_nobody_out() {
    let server = start().await;
    server.state.auth.set_password(Secret::new(PASSWORD)).await.expect("sets");
    // What cannot be a password is no guess.
    for nonsense in [String::new(), "x".repeat(10_000)] {
        assert_eq!(server.enter(&nonsense).await.status, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(server.enter(&"x".repeat(1_000_000)).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    server.enter(PASSWORD).await.cookie();
    for number in 0..5 {
        let wrong = server.enter(&format!("wrong password {number}")).await;
        assert_eq!(wrong.status, StatusCode::UNAUTHORIZED);
        assert!(wrong.text().contains("This is not the password.") && wrong.text().contains("value=\"/tasks\""), "{}", wrong.text());
        assert!(wrong.header("set-cookie").is_empty());
    }
    for password in ["wrong again and again", PASSWORD] {
        let later = server.enter(password).await;
        assert_eq!(later.status, StatusCode::TOO_MANY_REQUESTS);
        let wait: u32 = later.header("retry-after").parse().expect("seconds");
        assert!((1..=60).contains(&wait), "{wait}");
        assert!(later.text().contains(&format!("{wait} seconds")) && later.text().contains("link"), "{}", later.text());
    }
    server.link_form(&server.link().await).send().await.cookie();
}
