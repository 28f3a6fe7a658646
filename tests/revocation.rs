//! Whoever was let in and may no longer be here gets nothing more, on each route that lasts and however the end came: revoked, signed
//! out, expired, or by another process.

#[path = "support/server.rs"]
mod server;

use axum::http::{Method, StatusCode};
use bytes::Bytes;
use http_body_util::BodyExt;
use kontasks::{
    backend::{auth::Auth, clock::Clock, store::Store},
    domain::timestamp::Timestamp,
};
use server::{Server, start};
use sha2::{Digest, Sha256};
use std::time::{Duration, Instant};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// How a caller's time ends.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Revocation,
    SignOut,
    SignOutByAnotherProcess,
    Expiry,
}

const ENDS: [End; 4] = [End::Revocation, End::SignOut, End::SignOutByAnotherProcess, End::Expiry];
/// How long after a sign-in the one expires that is to.
const LIFE: Duration = Duration::from_millis(2_500);

/// Somebody with a credential that is about to end.
struct Guest {
    end: End,
    header: (&'static str, String),
    since: Instant,
}

impl Guest {
    async fn of(server: &Server, end: End) -> Self {
        let header = match end {
            End::Revocation => {
                let maker = kontasks::backend::auth::Caller::ConfiguredToken;
                let id = server.state.auth.make_token("guest", &maker).await.expect("works").expect("a good name");
                let secret = server.state.auth.show_once(id, &maker).expect("once");
                ("authorization", format!("Bearer {}", secret.reveal()))
            }
            End::SignOut | End::SignOutByAnotherProcess => ("cookie", server.sign_in().await),
            End::Expiry => {
                let store = &server.state.backend.store;
                let end = server.state.backend.clock.now().0 + i64::try_from(LIFE.as_millis()).expect("short");
                store.create_session(Sha256::digest("a guest").into(), "browser".into(), Timestamp(end)).await.expect("creates");
                ("cookie", format!("kontasks_{}=a guest", store.epoch()))
            }
        };
        Guest { end, header, since: Instant::now() }
    }

    /// Ends the guest's time; says when it ended.
    async fn leaves(&self, server: &Server) -> Instant {
        match self.end {
            End::Revocation => {
                let id = server.state.auth.tokens().await.expect("reads")[0].id;
                server.state.auth.revoke_token(id).await.expect("works");
            }
            End::SignOut => {
                let left = server.sign_out(&self.header.1).await;
                assert_eq!(left.status, StatusCode::SEE_OTHER);
            }
            End::SignOutByAnotherProcess => {
                let clock = Clock::system();
                let store = Store::open(&server.folder.path().join("kontasks.db"), clock.clone()).await.expect("opens");
                Auth::new(store, clock, None).expect("valid").sign_out_all(None).await.expect("works");
            }
            End::Expiry => tokio::time::sleep(LIFE.saturating_sub(self.since.elapsed())).await,
        }
        Instant::now()
    }
}

/// It came to an end within two seconds; a busy machine may add one.
fn is_soon(since: Instant, what: &str) {
    assert!(since.elapsed() < Duration::from_secs(3), "{what}: {:?}", since.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_download_ends() {
    const PARTS: u64 = 48;
    for end in ENDS {
        let server = start().await;
        let run = server.bare_run().await;
        let text = Bytes::from("0123456789abcde\n".repeat(1 << 16));
        for part in 1..=PARTS {
            server.state.backend.store.append_output(run, text.clone(), part * text.len() as u64).await.expect("appends");
        }
        let guest = Guest::of(&server, end).await;
        let path = format!("/api/v1/runs/{run}/output");
        let mut body = server.anonymous(Method::GET, &path).with(guest.header.0, &guest.header.1).open().await.into_body();
        body.frame().await.expect("a beginning").expect("reads");
        let since = guest.leaves(&server).await;
        // Slowly, as over a long way: what has left the server is the guest's, and the rest never comes.
        let (mut read, mut failed) = (0, false);
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else {
                failed = true;
                break;
            };
            let length = frame.into_data().map_or(0, |data| data.len());
            read += length;
            tokio::time::sleep(Duration::from_secs(1).mul_f64(length as f64 / 10e6)).await;
        }
        assert!(failed && read < usize::try_from(PARTS).expect("few") * text.len(), "{end:?}: {read} bytes");
        is_soon(since, &format!("{end:?}"));
        let again = server.anonymous(Method::GET, &path).with(guest.header.0, &guest.header.1).send().await;
        assert_eq!(again.status, StatusCode::UNAUTHORIZED, "{end:?}");
        assert_eq!(server.get(&path).await.body.len(), usize::try_from(PARTS).expect("few") * text.len(), "others get it all");
    }
}

#[tokio::test]
async fn a_wait_for_an_answer_ends() {
    for end in ENDS {
        let server = start().await;
        let task = server.post("/api/v1/tasks", serde_json::json!({ "title": "Go on?" })).await.json();
        let path = format!("/api/v1/tasks/{}/answer", task["id"].as_str().expect("an id"));
        let guest = Guest::of(&server, end).await;
        let waiting = format!("{path}?wait=30");
        let waits = server.anonymous(Method::GET, &waiting).with(guest.header.0, &guest.header.1).send();
        let (answer, since) = tokio::join!(waits, async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            guest.leaves(&server).await
        });
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{end:?}");
        assert!(answer.problem().contains(if end == End::Revocation { "revoked" } else { "this browser" }), "{}", answer.text());
        is_soon(since, &format!("{end:?}"));
    }
}

#[tokio::test]
async fn what_is_still_being_sent_is_not_carried_out() {
    for end in ENDS {
        let server = start().await;
        let guest = Guest::of(&server, end).await;
        let body = serde_json::json!({ "title": "too late", "description": "x".repeat(100_000) }).to_string();
        let mut stream = TcpStream::connect(server.address).await.expect("connects");
        let head = format!(
            "POST /api/v1/tasks HTTP/1.1\r\nHost: localhost\r\n{}: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            guest.header.0,
            guest.header.1,
            body.len()
        );
        stream.write_all(head.as_bytes()).await.expect("writes");
        let (mut reader, mut writer) = stream.into_split();
        let sending = tokio::spawn(async move {
            for part in body.as_bytes().chunks(1_000) {
                if writer.write_all(part).await.is_err() {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
        let reading = async {
            let mut begin = [0; 12];
            reader.read_exact(&mut begin).await.expect("an answer");
            String::from_utf8_lossy(&begin).into_owned()
        };
        let (answer, since) = tokio::join!(reading, async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            guest.leaves(&server).await
        });
        assert_eq!(answer, "HTTP/1.1 401", "{end:?}");
        is_soon(since, &format!("{end:?}"));
        sending.abort();
        assert_eq!(server.get("/api/v1/tasks").await.json()["total"], 0, "{end:?}");
    }
}

#[tokio::test]
async fn streams_say_so_and_end() {
    for end in ENDS {
        let server = start().await;
        let run = server.bare_run().await;
        let guest = Guest::of(&server, end).await;
        let mut streams = Vec::new();
        for path in ["/api/v1/events".to_owned(), format!("/api/v1/runs/{run}/events")] {
            let mut stream = server.anonymous(Method::GET, &path).with(guest.header.0, &guest.header.1).events().await;
            assert_eq!(stream.next().await.expect("an event").name, "hello");
            streams.push(stream);
        }
        let since = guest.leaves(&server).await;
        for mut stream in streams {
            stream.find("force_logout").await;
            assert_eq!(stream.next().await, None);
        }
        is_soon(since, &format!("{end:?}"));
    }
}

#[tokio::test]
async fn whoever_stays_is_not_disturbed() {
    let server = start().await;
    let task = server.post("/api/v1/tasks", serde_json::json!({ "title": "Go on?" })).await.json();
    let path = format!("/api/v1/tasks/{}/answer", task["id"].as_str().expect("an id"));
    let (mine, other) = (server.sign_in().await, server.sign_in().await);
    let waiting = format!("{path}?wait=30");
    let (answer, ()) = tokio::join!(server.browse(Method::GET, &waiting, &mine).send(), async {
        tokio::time::sleep(Duration::from_millis(700)).await;
        assert_eq!(server.sign_out(&other).await.status, StatusCode::SEE_OTHER);
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(server.post(&path, serde_json::json!({ "value": "yes" })).await.status, StatusCode::CREATED);
    });
    assert_eq!((answer.status, &answer.json()["value"]), (StatusCode::OK, &serde_json::json!("yes")));
}
