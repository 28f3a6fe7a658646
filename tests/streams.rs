//! The event streams over real sockets: what comes first, what comes back after a cut, what a cursor of nonsense brings, and how they end.

#[path = "support/server.rs"]
mod server;

use axum::http::{Method, StatusCode};
use bytes::Bytes;
use kontasks::domain::id::RunId;
use rand::Rng;
use server::{Event, Server, start, start_with, success};
use std::time::{Duration, Instant};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

impl Server {
    async fn write(&self, run: RunId, text: &str) {
        let store = &self.state.backend.store;
        let at = store.position(run).await.expect("there");
        let end = at + text.len() as u64;
        store.append_output(run, Bytes::copy_from_slice(text.as_bytes()), end).await.expect("appends");
    }

    async fn end(&self, run: RunId) {
        self.state.backend.store.run_ended(run, success()).await.expect("ends");
    }

    fn events_of(&self, run: RunId) -> String {
        format!("/api/v1/runs/{run}/events")
    }
}

fn written(events: &[Event]) -> String {
    events.iter().filter(|event| event.name == "output").map(|event| event.data["text"].as_str().expect("text")).collect()
}

fn with_ids(events: Vec<Event>) -> Vec<Event> {
    events.into_iter().filter(|event| event.id.is_some()).collect()
}

#[tokio::test]
async fn a_stream_says_hello_first_and_ends_with_its_run() {
    let server = start().await;
    let run = server.bare_run().await;
    server.write(run, "one\n").await;
    let mut stream = server.call(Method::GET, &server.events_of(run)).events().await;
    let hello = stream.next().await.expect("hello");
    assert_eq!((hello.name.as_str(), hello.id.as_deref()), ("hello", None));
    assert!((300..=700).contains(&hello.retry.expect("retry")));
    assert_eq!(hello.data["epoch"], server.state.backend.store.epoch().as_str());
    assert_eq!((hello.data["heartbeatMs"].as_u64(), hello.data["retryMs"].as_u64()), (Some(15_000), hello.retry));
    assert_eq!(hello.data["build"], *server.state.build);
    assert_eq!(stream.find("output").await.data["text"], "one\n");
    assert_eq!(server.state.streams.count(), 1);
    server.write(run, "two\n").await;
    assert_eq!(stream.find("output").await.data["text"], "two\n");
    server.end(run).await;
    let rest = stream.rest().await;
    let end = rest.last().expect("an end");
    assert_eq!((end.name.as_str(), end.data["bytes"].as_u64(), end.data["events"].as_u64()), ("end", Some(8), Some(2)));
    server.until_open(0).await;
}

#[tokio::test]
async fn headers_keep_proxies_from_holding_back() {
    let server = start().await;
    let run = server.bare_run().await;
    for path in [server.events_of(run), "/api/v1/events".to_owned()] {
        let get = server.call(Method::GET, &path).with("accept-encoding", "gzip, br").open().await;
        let head = server.call(Method::HEAD, &path).with("accept-encoding", "gzip, br").open().await;
        assert_eq!((get.status(), head.status()), (StatusCode::OK, StatusCode::OK));
        assert_eq!(get.headers()["cache-control"], "no-cache, no-store, no-transform");
        assert_eq!(get.headers()["x-accel-buffering"], "no");
        assert_eq!(get.headers()["x-content-type-options"], "nosniff");
        for absent in ["connection", "content-encoding", "content-length"] {
            assert!(get.headers().get(absent).is_none(), "{absent}");
        }
        let names = |response: &hyper::Response<_>| {
            let mut names: Vec<_> = response.headers().keys().filter(|name| *name != "transfer-encoding").cloned().collect();
            names.sort_by(|a, b| a.as_str().cmp(b.as_str()));
            names
        };
        assert_eq!(names(&get), names(&head));
        drop(get);
        server.until_open(0).await;
    }
}

#[tokio::test]
async fn asking_by_head_subscribes_to_nothing() {
    let server = start().await;
    let run = server.bare_run().await;
    let answer = server.call(Method::HEAD, &server.events_of(run)).send().await;
    assert_eq!((answer.status, answer.body.len()), (StatusCode::OK, 0));
    assert_eq!(server.state.streams.total(), 0);
    for method in [Method::POST, Method::PUT, Method::DELETE] {
        let answer = server.call(method, &server.events_of(run)).send().await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(answer.header("allow"), "GET,HEAD");
        answer.problem();
    }
}

#[tokio::test]
async fn a_silence_is_broken_by_a_ping() {
    let server = start_with(Duration::from_millis(200)).await;
    let run = server.bare_run().await;
    let mut stream = server.call(Method::GET, &server.events_of(run)).events().await;
    let _ = stream.find("run").await;
    let begin = Instant::now();
    for _ in 0..3 {
        let ping = stream.find("ping").await;
        assert_eq!((ping.id, ping.data["head"].as_u64()), (None, Some(server.state.backend.store.head())));
    }
    let silence = begin.elapsed();
    assert!((Duration::from_millis(400)..Duration::from_millis(2000)).contains(&silence), "{silence:?}");
}

#[tokio::test]
async fn every_cursor_of_an_ended_run_gives_exactly_the_rest() {
    let server = start().await;
    let run = server.bare_run().await;
    for n in 0..40 {
        server.write(run, &format!("{n} ä\n")).await;
    }
    server.end(run).await;
    let all = with_ids(server.call(Method::GET, &server.events_of(run)).events().await.rest().await);
    assert_eq!(written(&all), (0..40).map(|n| format!("{n} ä\n")).collect::<String>());
    let last = all.last().expect("an end").seq();
    let epoch = server.state.backend.store.epoch().clone();
    for k in 0..last {
        let stream = server.call(Method::GET, &server.events_of(run)).with("last-event-id", &format!("{epoch}-{k}")).events().await;
        let expected: Vec<Event> = all.iter().filter(|event| event.seq() > k).cloned().collect();
        assert_eq!(with_ids(stream.rest().await), expected, "after {k}");
    }
    for k in last..=server.state.backend.store.head() {
        for method in [Method::GET, Method::HEAD] {
            let answer = server.call(method.clone(), &format!("{}?after={epoch}-{k}", server.events_of(run))).send().await;
            assert_eq!((answer.status, answer.body.len()), (StatusCode::NO_CONTENT, 0), "{method} after {k}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cuts_anywhere_in_a_running_run_lose_and_repeat_nothing() {
    const LINES: usize = 400;
    let server = start().await;
    let run = server.bare_run().await;
    let readers = (0..4).map(|_| async {
        let mut seen: Vec<Event> = Vec::new();
        loop {
            let mut call = server.call(Method::GET, &server.events_of(run));
            if let Some(last) = seen.last() {
                call = call.with("last-event-id", last.id.as_deref().expect("an id"));
            }
            // The answer may be 204: then the end has been seen.
            let mut stream = call.events().await;
            // A cut leaves whatever was read of the next event behind.
            let cut = rand::rng().random_range(1..30);
            for _ in 0..cut {
                match stream.next().await {
                    Some(event) if event.id.is_some() => seen.push(event),
                    Some(event) => assert_eq!(event.name, "hello"),
                    None => {
                        assert_eq!(seen.last().expect("events").name, "end");
                        return seen;
                    }
                }
                if seen.last().is_some_and(|event| event.name == "end") {
                    return seen;
                }
            }
        }
    });
    let writer = async {
        for n in 0..LINES {
            server.write(run, &format!("line {n}\n")).await;
        }
        server.end(run).await;
    };
    let (all, ()) = tokio::join!(futures::future::join_all(readers), writer);
    let expected: String = (0..LINES).map(|n| format!("line {n}\n")).collect();
    for seen in &all {
        assert!(seen.windows(2).all(|two| two[0].seq() < two[1].seq()), "in order");
        assert_eq!(written(seen), expected);
        assert_eq!(seen, &all[0]);
    }
    server.until_open(0).await;
}

#[tokio::test]
async fn a_cursor_that_cannot_be_honoured_is_said_and_the_stream_goes_on() {
    let server = start().await;
    let (open, over) = (server.bare_run().await, server.bare_run().await);
    server.write(over, "text\n").await;
    server.end(over).await;
    let epoch = server.state.backend.store.epoch().to_string();
    let long = vec![b'7'; 1_000_000];
    let future = format!("{epoch}-{}", server.state.backend.store.head() + 1);
    let other = format!("x{epoch}-1");
    let headers: [&[u8]; 9] = [
        b"nonsense",
        b"-1",
        b"\xff\xfe\x80",
        &long,
        future.as_bytes(),
        other.as_bytes(),
        b"0",
        b"'; drop table events; --",
        b"99999999999999999999999-99999999999999999999999",
    ];
    for header in headers {
        let stream = server.call(Method::GET, &server.events_of(over)).with_bytes("last-event-id", header).events().await;
        let names: Vec<String> = stream.rest().await.into_iter().map(|event| event.name).collect();
        assert_eq!(names.first().map(String::as_str), Some("hello"));
        assert_eq!(names.get(1).map(String::as_str), Some("reset"));
        assert_eq!(names.last().map(String::as_str), Some("end"));
        assert!(!names.iter().any(|name| name == "output"), "what came before is in the snapshot");
    }
    for after in ["nonsense", "%ff%fe", &future, &"7".repeat(50_000), "%00", "a&after=b"] {
        for path in [server.events_of(open), "/api/v1/events".to_owned()] {
            let mut stream = server.call(Method::GET, &format!("{path}?after={after}")).events().await;
            assert_eq!(stream.next().await.expect("hello").name, "hello");
            let reset = stream.next().await.expect("reset");
            assert_eq!((reset.name.as_str(), reset.id), ("reset", None));
            assert_eq!(reset.data["head"], server.state.backend.store.head());
            assert!(!reset.data["reason"].as_str().expect("words").is_empty());
        }
    }
    let mut stream = server.call(Method::GET, &format!("{}?after=nonsense", server.events_of(open))).events().await;
    let _ = stream.find("reset").await;
    server.write(open, "more\n").await;
    assert_eq!(stream.next().await.expect("output").data["text"], "more\n");
}

#[tokio::test]
async fn the_browsers_own_cursor_wins_and_an_empty_one_is_none() {
    let server = start().await;
    let run = server.bare_run().await;
    for text in ["a", "b", "c"] {
        server.write(run, text).await;
    }
    server.end(run).await;
    let all = with_ids(server.call(Method::GET, &server.events_of(run)).events().await.rest().await);
    let outputs: Vec<&Event> = all.iter().filter(|event| event.name == "output").collect();
    let (a, b) = (outputs[0].id.clone().expect("an id"), outputs[1].id.clone().expect("an id"));
    let read = async |path: String, header: Option<&str>| {
        let call = server.call(Method::GET, &path);
        let call = if let Some(header) = header { call.with("last-event-id", header) } else { call };
        written(&call.events().await.rest().await)
    };
    let path = server.events_of(run);
    assert_eq!(read(format!("{path}?after={a}"), Some(&b)).await, "c");
    assert_eq!(read(format!("{path}?after={b}"), Some(&a)).await, "bc");
    assert_eq!(read(format!("{path}?after={a}"), Some("")).await, "bc");
    assert_eq!(read(format!("{path}?after="), Some("")).await, "abc");
    assert_eq!(read(format!("{path}?after={a}"), None).await, "bc");
}

#[tokio::test]
async fn the_board_tells_of_all_and_shows_the_output_of_the_runs_that_are_named() {
    let server = start().await;
    let (one, other) = (server.bare_run().await, server.bare_run().await);
    let mut stream = server.call(Method::GET, &format!("/api/v1/events?run={one}&run=")).events().await;
    let hello = stream.next().await.expect("hello");
    assert_eq!(hello.data["head"], server.state.backend.store.head());
    server.write(other, "unheard\n").await;
    server.write(one, "heard\n").await;
    let output = stream.next().await.expect("from now on");
    assert_eq!((output.data["text"].as_str(), output.data["run"].as_str()), (Some("heard\n"), Some(one.to_string().as_str())));
    server.end(other).await;
    let run = stream.find("run").await;
    assert_eq!((run.data["id"].as_str(), run.data["status"].as_str()), (Some(other.to_string().as_str()), Some("succeeded")));
    server.end(one).await;
    let _ = stream.find("end").await;
    let third = server.bare_run().await;
    assert_eq!(stream.find("run").await.data["id"], third.to_string(), "it goes on after a run's end");
}

#[tokio::test]
async fn what_cannot_be_streamed_is_said() {
    let server = start().await;
    let nobody = server.events_of(RunId(uuid::Uuid::from_u128(7)));
    let many = (0..65).map(|n| format!("run={}", RunId(uuid::Uuid::from_u128(n)))).collect::<Vec<_>>().join("&");
    for (path, status, words) in [
        (nobody.as_str(), StatusCode::NOT_FOUND, "no such run"),
        ("/api/v1/runs/nonsense/events", StatusCode::NOT_FOUND, "a UUID is expected"),
        ("/api/v1/events?run=nonsense", StatusCode::UNPROCESSABLE_ENTITY, "not an id"),
        (&format!("/api/v1/events?{many}"), StatusCode::UNPROCESSABLE_ENTITY, "64"),
    ] {
        let answer = server.get(path).await;
        assert_eq!(answer.status, status, "{path}");
        assert!(answer.problem().contains(words), "{path}: {}", answer.problem());
        let head = server.call(Method::HEAD, path).send().await;
        assert_eq!((head.status, head.header("content-type")), (status, answer.header("content-type")), "{path}");
    }
}

/// More than a browser ever sends, and more than a server should keep: refused before it is all there, and the others notice nothing.
#[tokio::test]
async fn an_oversized_head_is_refused_by_its_status_alone() {
    let server = start().await;
    let run = server.bare_run().await;
    let mut stream = server.call(Method::GET, &server.events_of(run)).events().await;
    assert_eq!(stream.next().await.expect("hello").name, "hello");
    let path = server.events_of(run);
    // No byte more than the server reads: the answer to a client that still writes can be lost on its way.
    let endless = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: {}", "7".repeat(2 << 20))[..2 << 20].to_owned();
    let long = "7".repeat(70_000);
    let fields = "x: y\r\n".repeat(200);
    for (request, status) in [
        (endless, "431"),
        (format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n"), "431"),
        (format!("GET {path}?after={long} HTTP/1.1\r\nHost: localhost\r\n\r\n"), "414"),
    ] {
        let mut connection = TcpStream::connect(server.address).await.expect("connects");
        connection.write_all(request.as_bytes()).await.expect("writes");
        let mut answer = [0; 12];
        connection.read_exact(&mut answer).await.expect("an answer");
        assert_eq!(String::from_utf8_lossy(&answer), format!("HTTP/1.1 {status}"));
    }
    server.write(run, "on\n").await;
    assert_eq!(stream.find("output").await.data["text"], "on\n");
}

#[tokio::test]
async fn when_the_server_stops_each_stream_is_told_and_all_is_over_within_a_second() {
    let mut server = start().await;
    let run = server.bare_run().await;
    let mut streams = Vec::new();
    for _ in 0..50 {
        let mut stream = server.call(Method::GET, &format!("/api/v1/events?run={run}")).events().await;
        assert_eq!(stream.next().await.expect("hello").name, "hello");
        streams.push(stream);
    }
    assert_eq!(server.state.streams.count(), 50);
    let begin = Instant::now();
    server.state.shutdown.cancel();
    let mut delays = std::collections::BTreeSet::new();
    for stream in streams {
        let last = stream.rest().await.pop().expect("a last word");
        assert_eq!((last.name.as_str(), last.data["retryMs"].as_u64()), ("shutdown", last.retry));
        delays.insert(last.retry);
    }
    (&mut server.serving).await.expect("serves");
    assert!(begin.elapsed() < Duration::from_secs(1), "{:?}", begin.elapsed());
    assert!(delays.len() > 10, "they must not all come back at once");
    assert_eq!(server.state.streams.count(), 0);
}

#[tokio::test]
async fn a_run_that_is_deleted_ends_its_stream() {
    let server = start().await;
    let run = server.bare_run().await;
    let task = server.state.backend.store.run(run).await.expect("reads").expect("there").task_id;
    server.end(run).await;
    // Behind the end nothing more comes, so the board is read instead.
    let mut board = server.call(Method::GET, &format!("/api/v1/events?run={run}")).events().await;
    let _ = board.next().await;
    assert_eq!(server.call(Method::DELETE, &format!("/api/v1/tasks/{task}")).send().await.status, StatusCode::NO_CONTENT);
    assert_eq!(board.find("task").await.data["deleted"], true);
    assert_eq!(server.get(&server.events_of(run)).await.status, StatusCode::NOT_FOUND);
}
