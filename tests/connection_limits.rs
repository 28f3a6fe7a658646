//! What one client can take of the server before anything is known of it: size, time and number, on every route and over real sockets.
//! The limits are small here, so that nothing is waited for but the server.

#[path = "support/program.rs"]
mod program;
#[path = "support/routes.rs"]
mod routes;
#[path = "support/server.rs"]
mod server;

use axum::http::{Method, StatusCode};
use bytes::Bytes;
use kontasks::http::Limits;
use program::Program;
use server::{Server, TOKEN, start_with_limits};
use std::time::{Duration, Instant};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

const MILLIS_100: Duration = Duration::from_millis(100);
/// What a busy machine may add.
const SLACK: Duration = Duration::from_secs(5);

/// Times of a fraction of a second.
fn short() -> Limits {
    Limits {
        head_time: 4 * MILLIS_100,
        idle_time: 8 * MILLIS_100,
        body_pause: 3 * MILLIS_100,
        body_time: 6 * MILLIS_100,
        write_pause: 4 * MILLIS_100,
        ..Limits::default()
    }
}

impl Server {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("connects")
    }

    /// Waits until so many connections are open.
    async fn until_connected(&self, count: usize) {
        let patience = Instant::now() + Duration::from_secs(10);
        while self.state.connections.count() != count {
            assert!(Instant::now() < patience, "{} connections are open, not {count}", self.state.connections.count());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

fn authorization() -> String {
    format!("Authorization: Bearer {TOKEN}\r\n")
}

/// All that comes until the server ends the connection, in whichever way it does.
async fn until_closed(stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    let mut part = [0; 4096];
    let end = async {
        while let Ok(length @ 1..) = stream.read(&mut part).await {
            all.extend_from_slice(&part[..length]);
        }
    };
    tokio::time::timeout(Duration::from_secs(20), end).await.expect("the server ends it");
    String::from_utf8_lossy(&all).into_owned()
}

/// The head of the next response, and as much of its body as it says.
async fn answer(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    let read = async {
        while !text.ends_with("\r\n\r\n") {
            text.push(char::from(stream.read_u8().await.expect("an answer")));
        }
        let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |n| n.parse().expect("a number"));
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.expect("a body");
    };
    tokio::time::timeout(Duration::from_secs(20), read).await.expect("in time");
    text
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or_default()
}

const HEALTH: &str = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";

#[tokio::test]
async fn no_route_waits_for_a_body_that_does_not_come() {
    let server = start_with_limits(short()).await;
    let mut waits = JoinSet::new();
    for (method, path, _) in routes::all(&server) {
        for credentials in [String::new(), authorization()] {
            for part in ["", "x"] {
                let kind = if path.starts_with("/api/") { "application/json" } else { "application/x-www-form-urlencoded" };
                let head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n{credentials}Content-Type: {kind}\r\n");
                let mut stream = server.connect().await;
                stream.write_all(format!("{head}Content-Length: 100\r\n\r\n{part}").as_bytes()).await.expect("writes");
                let what =
                    format!("{method} {path}, {} bytes, {}", part.len(), if credentials.is_empty() { "nobody" } else { "a program" });
                waits.spawn(async move {
                    let begin = Instant::now();
                    let answer = until_closed(&mut stream).await;
                    assert!(begin.elapsed() < short().body_time + SLACK, "{what}: {:?}", begin.elapsed());
                    assert!(matches!(status(&answer), "408" | "401" | "404" | "405" | "200"), "{what}: {answer}");
                    (what, status(&answer).to_owned())
                });
            }
        }
    }
    let mut refused = 0;
    while let Some(result) = waits.join_next().await {
        let (what, status) = result.expect("ends");
        if what.starts_with("POST /sign-in,") {
            assert_eq!(status, "408", "{what}");
        }
        refused += usize::from(status == "408");
    }
    assert!(refused > 80, "{refused}");
}

#[tokio::test]
async fn a_body_that_trickles_is_given_up_and_one_that_is_merely_slow_is_not() {
    let limits = || Limits { body_pause: 4 * MILLIS_100, body_time: 8 * MILLIS_100, body_rate: 10_000, ..short() };
    let server = start_with_limits(limits()).await;
    let strict = start_with_limits(Limits { body: 10_000, ..limits() }).await;
    let send = async |server: &Server, parts: usize, size: usize| {
        let mut stream = server.connect().await;
        let head = format!("POST /api/v1/tasks HTTP/1.1\r\nHost: localhost\r\n{}Content-Type: application/json\r\n", authorization());
        let body = format!("{{\"title\":\"slow\",\"description\":\"{}\"}}", "x".repeat(parts * size));
        stream.write_all(format!("{head}Connection: close\r\nContent-Length: {}\r\n\r\n", body.len()).as_bytes()).await.expect("writes");
        let (mut reader, mut writer) = stream.into_split();
        let writing = async {
            for part in body.as_bytes().chunks(size) {
                // That it is refused meanwhile is not for the writer to say.
                if writer.write_all(part).await.is_err() {
                    return;
                }
                tokio::time::sleep(MILLIS_100).await;
            }
        };
        let reading = async {
            let mut text = Vec::new();
            let _ = reader.read_to_end(&mut text).await;
            String::from_utf8_lossy(&text).into_owned()
        };
        let begin = Instant::now();
        tokio::select! {
            biased;
            answer = reading => (status(&answer).to_owned(), begin.elapsed()),
            ((), ()) = async { tokio::join!(writing, std::future::pending()) } => unreachable!(),
        }
    };
    let ((slow, took), (trickle, gave_up), (too_large, refused)) =
        tokio::join!(send(&server, 20, 10_000), send(&server, 100, 1), send(&strict, 100, 1_000));
    // What is over the limit earns no more time.
    assert_eq!(too_large, "408");
    assert!(refused < 18 * MILLIS_100 + SLACK, "{refused:?}");
    assert_eq!(slow, "201");
    assert!(took > 2 * 8 * MILLIS_100, "longer than a trickle may take: {took:?}");
    assert_eq!(trickle, "408");
    assert!(gave_up < 8 * MILLIS_100 + SLACK, "{gave_up:?}");
}

#[tokio::test]
async fn bodies_have_a_size_that_fits_their_route() {
    let server = start_with_limits(Limits::default()).await;
    let form = "application/x-www-form-urlencoded";
    for size in [20_000, 3_000_000] {
        let large = server.anonymous(Method::POST, "/sign-in").body(form, format!("token={}", "x".repeat(size))).send().await;
        assert_eq!(large.status, StatusCode::PAYLOAD_TOO_LARGE, "{size}");
        assert!(large.problem().contains("16384"));
    }
    // Who asks before sending, or announces more than anybody would wait for, is told before the first byte.
    for fields in ["Expect: 100-continue\r\nContent-Length: 20000", "Content-Length: 20000000"] {
        let mut stream = server.connect().await;
        let head = format!("POST /sign-in HTTP/1.1\r\nHost: localhost\r\nContent-Type: {form}\r\nConnection: close\r\n{fields}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.expect("writes");
        assert_eq!(status(&answer(&mut stream).await), "413", "{fields}");
    }
    let nobody = server.anonymous(Method::POST, "/api/v1/runs").body("application/json", "x".repeat(3_000_000)).send().await;
    assert_eq!(nobody.status, StatusCode::UNAUTHORIZED, "nobody's body is not even read");
}

#[tokio::test]
async fn a_head_that_does_not_end_is_given_up() {
    let server = start_with_limits(short()).await;
    for begin in ["", "GET /healthz HTTP/1.1\r\nHost: local", "\r\n"] {
        let mut stream = server.connect().await;
        stream.write_all(begin.as_bytes()).await.expect("writes");
        let since = Instant::now();
        let answer = until_closed(&mut stream).await;
        assert!(since.elapsed() < short().head_time + SLACK, "{:?}", since.elapsed());
        assert!(matches!(status(&answer), "" | "408"), "{begin:?}: {answer}");
        assert_eq!(!begin.is_empty(), status(&answer) == "408", "{begin:?}: {answer}");
    }
    // A byte now and then changes nothing.
    let (mut reader, mut writer) = server.connect().await.into_split();
    writer.write_all(b"GET /healthz HTTP/1.1\r\nX: ").await.expect("writes");
    let since = Instant::now();
    let trickle = tokio::spawn(async move {
        while writer.write_all(b"x").await.is_ok() {
            tokio::time::sleep(MILLIS_100 / 2).await;
        }
    });
    let mut text = String::new();
    let _ = tokio::time::timeout(Duration::from_secs(20), reader.read_to_string(&mut text)).await.expect("the server ends it");
    trickle.await.expect("ends");
    assert!(since.elapsed() < short().head_time + SLACK, "{:?}", since.elapsed());
    server.until_connected(0).await;
}

#[tokio::test]
async fn a_connection_is_kept_for_the_next_request_and_not_for_ever() {
    let server = start_with_limits(Limits { head_time: MILLIS_100, idle_time: 8 * MILLIS_100, ..short() }).await;
    let mut stream = server.connect().await;
    for _ in 0..3 {
        stream.write_all(HEALTH.as_bytes()).await.expect("writes");
        assert_eq!(status(&answer(&mut stream).await), "200");
        // Longer than a head may take, and not as long as it is kept.
        tokio::time::sleep(3 * MILLIS_100).await;
    }
    let since = Instant::now();
    assert_eq!(until_closed(&mut stream).await, "", "nothing is wrong with it");
    assert!(since.elapsed() < 8 * MILLIS_100 + SLACK, "{:?}", since.elapsed());
    // Of a second head as of a first one.
    let mut stream = server.connect().await;
    stream.write_all(HEALTH.as_bytes()).await.expect("writes");
    answer(&mut stream).await;
    stream.write_all(&HEALTH.as_bytes()[..20]).await.expect("writes");
    assert_eq!(status(&until_closed(&mut stream).await), "408");
}

#[tokio::test]
async fn few_heads_are_large_at_once() {
    let server = start_with_limits(Limits { large_heads: 1, ..Limits::default() }).await;
    let begin = format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: {}", "7".repeat(20_000));
    let mut first = server.connect().await;
    first.write_all(begin.as_bytes()).await.expect("writes");
    // What the server reads of the first is not seen from here: so the second tries until it is refused.
    let patience = Instant::now() + Duration::from_secs(10);
    loop {
        let mut second = server.connect().await;
        second.write_all(format!("{begin}\r\n\r\n").as_bytes()).await.expect("writes");
        let refused = until_closed(&mut second).await;
        // It was sent more than was read, so that the answer can be lost on its way.
        if matches!(status(&refused), "431" | "") {
            break;
        }
        assert!(Instant::now() < patience, "never refused");
    }
    let mut usual = server.connect().await;
    usual.write_all(HEALTH.as_bytes()).await.expect("writes");
    assert_eq!(status(&answer(&mut usual).await), "200", "whoever sends less notices nothing");
    first.write_all(b"\r\n\r\n").await.expect("writes");
    let answered = until_closed(&mut first).await;
    assert_eq!(status(&answered), "200", "and the connection, with its memory, is not kept");
    let mut next = server.connect().await;
    next.write_all(format!("{begin}\r\n\r\n").as_bytes()).await.expect("writes");
    assert_eq!(status(&until_closed(&mut next).await), "200", "the place is free again");
}

#[tokio::test]
async fn a_client_that_does_not_read_is_given_up() {
    let server = start_with_limits(short()).await;
    let run = server.bare_run().await;
    let text = Bytes::from("0123456789abcde\n".repeat(1 << 16));
    for part in 1..=48 {
        server.state.backend.store.append_output(run, text.clone(), part * text.len() as u64).await.expect("appends");
    }
    let mut stream = server.connect().await;
    let head = format!("GET /api/v1/runs/{run}/output HTTP/1.1\r\nHost: localhost\r\n{}\r\n", authorization());
    stream.write_all(head.as_bytes()).await.expect("writes");
    server.until_connected(1).await;
    let since = Instant::now();
    server.until_connected(0).await;
    assert!(since.elapsed() < short().write_pause + SLACK, "{:?}", since.elapsed());
    // One that reads on, however slowly, gets all of it.
    let mut stream = server.connect().await;
    stream.write_all(head.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n").as_bytes()).await.expect("writes");
    let (mut read, mut part) = (0, vec![0; 512 * 1024]);
    while let Ok(length @ 1..) = stream.read(&mut part).await {
        read += length;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(read > 48 * text.len(), "{read}");
}

#[tokio::test]
async fn strangers_lock_nobody_out() {
    let server = start_with_limits(Limits { connections: 8, strangers: 3, ..Limits::default() }).await;
    let inside = format!("GET /api/v1/tasks HTTP/1.1\r\nHost: localhost\r\n{}\r\n", authorization());
    let mut known = Vec::new();
    for _ in 0..4 {
        let mut stream = server.connect().await;
        stream.write_all(inside.as_bytes()).await.expect("writes");
        assert_eq!(status(&answer(&mut stream).await), "200");
        known.push(stream);
    }
    // More than there are places, in every state that costs nothing to be in.
    let mut strangers = Vec::new();
    for number in 0..30 {
        let mut stream = server.connect().await;
        let begin = ["", "GET / HTTP/1.1\r\n", "POST /sign-in HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n"][number % 3];
        stream.write_all(begin.as_bytes()).await.expect("writes");
        strangers.push(stream);
    }
    for stream in &mut known {
        stream.write_all(inside.as_bytes()).await.expect("writes");
        assert_eq!(status(&answer(stream).await), "200", "who was let in stays");
    }
    for _ in 0..4 {
        let mut stream = server.connect().await;
        stream.write_all(inside.as_bytes()).await.expect("writes");
        assert_eq!(status(&answer(&mut stream).await), "200", "and comes in");
        known.push(stream);
    }
    assert!(server.state.connections.count() <= 8);
    drop(strangers);
    server.until_connected(8).await;
    let full = until_closed(&mut server.connect().await).await;
    assert!(status(&full) == "503" && full.contains("retry-after: "), "{full}");
    drop(known.pop());
    server.until_connected(7).await;
    assert_eq!(server.get("/api/v1/tasks").await.status, StatusCode::OK, "there is room again");
}

/// The most that the process has ever held, in KiB.
fn peak(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a line");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

#[tokio::test]
async fn two_hundred_megabytes_of_heads_take_no_such_memory() {
    let data = tempfile::tempdir().expect("a folder");
    let Program { mut child, address } = Program::start(data.path(), "127.0.0.1:0").await;
    let process = child.id().expect("it runs");
    let before = peak(process);
    // Without an end, so that they are held, and with one, so that what they have filled could be kept.
    for end in ["", "\r\n\r\n"] {
        let head = Bytes::from(format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {}{end}", "7".repeat((2 << 20) - 200)));
        let mut all = JoinSet::new();
        for _ in 0..120 {
            let (head, mut stream) = (head.clone(), TcpStream::connect(&address).await.expect("connects"));
            all.spawn(async move {
                // It is refused before it is all written, or is not.
                let _ = stream.write_all(&head).await;
                stream
            });
        }
        let streams = tokio::time::timeout(Duration::from_secs(60), all.join_all()).await.expect("all are read or refused");
        let answer = {
            let mut stream = TcpStream::connect(&address).await.expect("connects");
            stream.write_all(HEALTH.as_bytes()).await.expect("writes");
            self::answer(&mut stream).await
        };
        assert_eq!(status(&answer), "200");
        drop(streams);
    }
    let grown = peak(process) - before;
    assert!(grown < 40 * 1024, "{grown} KiB more than {before}");
    child.kill().await.expect("ends");
}
