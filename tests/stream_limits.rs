//! What bounds an event stream besides its client: the session that it belongs to, the caps on how many are open, its own lifetime.

#[path = "support/server.rs"]
mod server;

use axum::http::{Method, StatusCode};
use bytes::Bytes;
use kontasks::{domain::timestamp::Timestamp, http::StreamOptions};
use server::{Events, Server, start, start_with_streams};
use sha2::{Digest, Sha256};
use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

const BOARD: &str = "/api/v1/events";

impl Server {
    /// A stream of the board for that browser, greeted.
    async fn board(&self, cookie: &str) -> Events {
        let mut stream = self.browse(Method::GET, BOARD, cookie).events().await;
        assert_eq!(stream.next().await.expect("an event").name, "hello");
        stream
    }

    /// The cookie of a session that ends so soon.
    async fn session_of(&self, life: Duration) -> String {
        let store = &self.state.backend.store;
        let end = self.state.backend.clock.now().0 + i64::try_from(life.as_millis()).expect("short");
        let token = format!("a token of {life:?}").replace(' ', "-");
        store.create_session(Sha256::digest(&token).into(), "browser".into(), Timestamp(end)).await.expect("creates");
        format!("kontasks_{}={token}", store.epoch())
    }
}

fn options() -> StreamOptions {
    StreamOptions::default()
}

#[tokio::test]
async fn signing_out_ends_the_streams_of_that_browser_and_no_other() {
    let server = start().await;
    let (mine, other) = (server.sign_in().await, server.sign_in().await);
    let (mut first, mut second, mut others) = (server.board(&mine).await, server.board(&mine).await, server.board(&other).await);
    let begin = Instant::now();
    assert_eq!(server.sign_out(&mine).await.status, StatusCode::SEE_OTHER);
    for stream in [&mut first, &mut second] {
        let last = stream.next().await.expect("a last word");
        assert_eq!(
            (last.name.as_str(), last.id.clone(), last.data["reason"].as_str()),
            ("force_logout", None, Some("this browser was signed out"))
        );
        assert_eq!(stream.next().await, None);
    }
    assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
    let answer = server.browse(Method::GET, BOARD, &mine).send().await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert!(answer.problem().contains("sign in"));
    server.until_open(1).await;
    server.post("/api/v1/tasks", serde_json::json!({"title": "still heard"})).await;
    assert_eq!(others.next().await.expect("an event").data["title"], "still heard");
}

#[tokio::test]
async fn a_session_that_expires_ends_its_streams() {
    let server = start().await;
    let cookie = server.session_of(Duration::from_millis(1_200)).await;
    let mut stream = server.board(&cookie).await;
    let last = stream.next().await.expect("a last word");
    assert_eq!((last.name.as_str(), last.data["reason"].as_str()), ("force_logout", Some("this browser's sign-in has expired")));
    assert_eq!(stream.next().await, None);
    assert_eq!(server.browse(Method::GET, BOARD, &cookie).send().await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_browser_has_its_own_cap_and_leaves_room_for_others() {
    let server = start_with_streams(StreamOptions { most_per_session: 3, ..options() }).await;
    let (mine, other) = (server.sign_in().await, server.sign_in().await);
    let mut streams = Vec::new();
    for _ in 0..3 {
        streams.push(server.board(&mine).await);
    }
    let mut waits = BTreeSet::new();
    for _ in 0..20 {
        let answer = server.browse(Method::GET, BOARD, &mine).send().await;
        assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
        assert!(answer.problem().contains("tabs"));
        let asked = server.browse(Method::HEAD, BOARD, &mine).send().await;
        assert_eq!(asked.status, StatusCode::TOO_MANY_REQUESTS);
        for answer in [answer, asked] {
            waits.insert(answer.header("retry-after").parse::<u32>().expect("seconds"));
        }
    }
    assert!(waits.len() > 3 && waits.iter().all(|wait| (5..=15).contains(wait)), "{waits:?}");
    drop(server.board(&other).await);
    drop(streams.pop());
    server.until_open(2).await;
    drop(server.board(&mine).await);
}

#[tokio::test]
async fn the_server_has_a_cap_for_all_and_the_count_returns_to_zero() {
    let server = start_with_streams(StreamOptions { most: 4, ..options() }).await;
    let cookie = server.sign_in().await;
    for _ in 0..3 {
        let mut streams = Vec::new();
        for _ in 0..2 {
            streams.push(server.board(&cookie).await);
            streams.push(server.call(Method::GET, BOARD).events().await);
        }
        for full in [server.browse(Method::GET, BOARD, &cookie), server.call(Method::GET, BOARD), server.call(Method::HEAD, BOARD)] {
            let answer = full.send().await;
            assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
            assert!(answer.header("retry-after").parse::<u32>().is_ok());
        }
        // Asking by HEAD takes no place.
        streams.truncate(2);
        server.until_open(2).await;
        for _ in 0..5 {
            assert_eq!(server.call(Method::HEAD, BOARD).send().await.status, StatusCode::OK);
        }
        assert_eq!(server.state.streams.count(), 2);
        drop(streams);
        server.until_open(0).await;
    }
}

#[tokio::test]
async fn a_stream_that_has_lasted_long_enough_says_so_and_the_next_goes_on_where_it_ended() {
    let server = start_with_streams(StreamOptions { lifetime: Duration::from_millis(150), ..options() }).await;
    let store = server.state.backend.store.clone();
    let run = server.bare_run().await;
    // Written without a pause, so that no stream is ever idle.
    let writing = tokio::spawn(async move {
        let mut position = 0;
        for number in 0.. {
            let line = format!("{number}\n");
            position += line.len() as u64;
            if store.append_output(run, Bytes::from(line), position).await.is_err() {
                break;
            }
        }
    });
    let mut text = String::new();
    let mut after = format!("{}-0", server.state.backend.store.epoch());
    for _ in 0..6 {
        let begin = Instant::now();
        let mut events = server.call(Method::GET, &format!("{BOARD}?run={run}&after={after}")).events().await.rest().await;
        let last = events.pop().expect("a last word");
        assert_eq!((last.name.as_str(), last.id.clone(), last.data["renewal"].as_bool()), ("shutdown", None, Some(true)));
        assert_eq!(last.retry, last.data["retryMs"].as_u64());
        assert!(begin.elapsed() >= Duration::from_millis(150), "{:?}", begin.elapsed());
        for event in events.into_iter().filter(|event| event.id.is_some()) {
            text.push_str(event.data["text"].as_str().unwrap_or_default());
            after = event.id.expect("an id");
        }
    }
    writing.abort();
    let numbers: Vec<usize> = text.lines().map(|line| line.parse().expect("a number")).collect();
    assert!(numbers.len() > 100, "{} lines", numbers.len());
    assert!(numbers.iter().enumerate().all(|(at, number)| at == *number), "{numbers:?}");
}

#[tokio::test]
async fn an_idle_stream_ends_in_time_too() {
    let server = start_with_streams(StreamOptions { lifetime: Duration::from_millis(100), ..options() }).await;
    let mut stream = server.board(&server.sign_in().await).await;
    let last = stream.next().await.expect("a last word");
    assert_eq!((last.name.as_str(), last.data["renewal"].as_bool()), ("shutdown", Some(true)));
    assert_eq!(stream.next().await, None);
    server.until_open(0).await;
}

#[tokio::test]
async fn a_stream_that_always_has_something_to_send_ends_in_time_too() {
    let server = start_with_streams(StreamOptions { lifetime: Duration::from_millis(1), ..options() }).await;
    let store = server.state.backend.store.clone();
    let run = server.bare_run().await;
    let text = "0123456789abcde\n".repeat(1 << 16);
    for part in 1..=16 {
        store.append_output(run, Bytes::from(text.clone()), part * text.len() as u64).await.expect("appends");
    }
    let events = server.call(Method::GET, &format!("/api/v1/runs/{run}/events")).events().await.rest().await;
    assert_eq!(events.last().expect("a last word").name, "shutdown");
    let read: usize = events.iter().filter_map(|event| event.data["text"].as_str()).map(str::len).sum();
    assert!(read < 8 * text.len(), "{read} bytes came before it");
}
