//! Connections that break at any byte, ten thousand of them, while the log grows: whoever goes on after the last event that came through
//! whole has every event once, byte for byte. Over real sockets, read by a client that knows no more of HTTP than it needs.

#[path = "support/server.rs"]
mod server;

use bytes::Bytes;
use kontasks::{
    backend::store::{EventKind, Store, Topics},
    domain::id::RunId,
};
use rand::{Rng, SeedableRng, rngs::StdRng};
use server::{TOKEN, success};
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Notify,
};

/// How often connections break, over all readers.
const ROUNDS: usize = 10_000;
/// How many read each of the two runs, and how many the board.
const READERS: usize = 3;
/// How many events the slowest reader may be behind before the writers wait for it.
const LEAD: usize = 60;

/// One event of the log as it came: its number and all of its bytes.
type Event = (u64, String);

/// What one connection brought.
struct Brought {
    events: Vec<Event>,
    /// The server ended the stream, or said that there is nothing left.
    over: bool,
}

/// Reads until so many bytes of the answer have come, or none for so long, or the server ends it; then lets go.
async fn connection(address: SocketAddr, path: &str, cursor: Option<(&str, bool)>, bytes: usize, silence: Duration) -> Brought {
    let (query, header) = match cursor {
        Some((cursor, true)) => (String::new(), format!("Last-Event-ID: {cursor}\r\n")),
        Some((cursor, false)) => (format!("{}after={cursor}", if path.contains('?') { '&' } else { '?' }), String::new()),
        None => Default::default(),
    };
    let mut stream = TcpStream::connect(address).await.expect("connects");
    let request = format!("GET {path}{query} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {TOKEN}\r\n{header}\r\n");
    stream.write_all(request.as_bytes()).await.expect("writes");
    let mut answer = Vec::new();
    let mut part = vec![0; 16 * 1024];
    while answer.len() < bytes {
        let wanted = part.len().min(bytes - answer.len());
        // On a busy machine the answer takes its time to begin, and a cut before that would prove nothing.
        let patience = if answer.is_empty() { Duration::from_secs(20) } else { silence };
        match tokio::time::timeout(patience, stream.read(&mut part[..wanted])).await {
            Ok(read) => {
                let count = read.expect("reads");
                assert!(count > 0, "the server closed without ending the stream: {}", String::from_utf8_lossy(&answer));
                answer.extend_from_slice(&part[..count]);
            }
            Err(_) => {
                assert!(!answer.is_empty(), "no answer");
                break;
            }
        }
        if answer.ends_with(b"\r\n0\r\n\r\n") || answer.starts_with(b"HTTP/1.1 204") && answer.ends_with(b"\r\n\r\n") {
            break;
        }
    }
    understand(&answer)
}

/// What a cut answer holds: whole events only, for the rest of it may be anything.
fn understand(answer: &[u8]) -> Brought {
    let nothing = || Brought { events: Vec::new(), over: false };
    let Some(head) = answer.windows(4).position(|four| four == b"\r\n\r\n") else { return nothing() };
    if answer.starts_with(b"HTTP/1.1 204") {
        return Brought { over: true, ..nothing() };
    }
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(answer));
    let (text, over) = dechunk(&answer[head + 4..]);
    let mut events = Vec::new();
    let mut rest = &text[..];
    while let Some(end) = rest.windows(2).position(|two| two == b"\n\n") {
        let block = std::str::from_utf8(&rest[..end]).expect("whole characters");
        rest = &rest[end + 2..];
        if let Some(id) = block.lines().find_map(|line| line.strip_prefix("id: ")) {
            events.push((id.rsplit_once('-').expect("a cursor").1.parse().expect("a number"), block.to_owned()));
        } else {
            assert!(block.contains("event: hello") || block.contains("event: ping"), "{block}");
        }
    }
    assert!(!over || rest.is_empty(), "half an event at the end");
    Brought { events, over }
}

/// Takes the chunks' sizes out (RFC 9112, 7.1), as far as the bytes go; and whether the last chunk was among them.
fn dechunk(mut bytes: &[u8]) -> (Vec<u8>, bool) {
    let mut text = Vec::new();
    while let Some(line) = bytes.windows(2).position(|two| two == b"\r\n") {
        let size = std::str::from_utf8(&bytes[..line]).ok().and_then(|size| usize::from_str_radix(size, 16).ok()).expect("a chunk's size");
        bytes = &bytes[line + 2..];
        if size == 0 {
            return (text, bytes == b"\r\n");
        }
        text.extend_from_slice(&bytes[..size.min(bytes.len())]);
        bytes = bytes.get(size + 2..).unwrap_or_default();
    }
    (text, false)
}

/// What readers and writers share.
struct Scene {
    address: SocketAddr,
    epoch: String,
    rounds: AtomicUsize,
    /// The last event of all, once it is written; 0 before.
    last: AtomicU64,
    /// How many events were written into each run.
    written: [AtomicUsize; 2],
    /// How many each reader has, of the board, the one run and the other in turn.
    seen: Vec<AtomicUsize>,
    /// Rung when a reader has come further.
    further: Notify,
    seed: u64,
}

/// Reads to the end over connections of which all break until there were enough.
async fn reader(scene: Arc<Scene>, path: String, number: usize) -> Vec<Event> {
    let mut random = StdRng::seed_from_u64(scene.seed ^ number as u64);
    let mut seen: Vec<Event> = Vec::new();
    loop {
        let enough = scene.rounds.fetch_add(1, Ordering::Relaxed) >= ROUNDS;
        // Mostly somewhere among the first events, sometimes in the head of the answer or far behind.
        let most = [800, 3_000, 12_000][random.random_range(0..3)];
        let bytes = if enough { usize::MAX } else { random.random_range(0..most) };
        let silence = if enough { Duration::from_millis(200) } else { Duration::from_micros(random.random_range(100..5_000)) };
        let cursor = seen.last().map(|(seq, _)| format!("{}-{seq}", scene.epoch));
        let cursor = cursor.as_deref().map(|cursor| (cursor, random.random()));
        let Brought { events, over } = connection(scene.address, &path, cursor, bytes, silence).await;
        for event in events {
            let last = seen.last().map_or(0, |(seq, _)| *seq);
            assert!(event.0 > last, "seed {}, {path}: {} comes after {last}", scene.seed, event.0);
            seen.push(event);
        }
        scene.seen[number].store(seen.len(), Ordering::Relaxed);
        scene.further.notify_waiters();
        // The board never ends by itself.
        let last = scene.last.load(Ordering::Relaxed);
        if over || (last > 0 && seen.last().is_some_and(|(seq, _)| *seq == last)) {
            return seen;
        }
    }
}

impl Scene {
    /// Waits until the readers of a run are near; whether there is to be more.
    async fn more(&self, run: usize) -> bool {
        loop {
            let further = self.further.notified();
            if self.rounds.load(Ordering::Relaxed) >= ROUNDS {
                return false;
            }
            let written = [0, 1].map(|run| self.written[run].load(Ordering::Relaxed));
            let wanted = [written[0] + written[1], written[0], written[1]];
            let behind = |number: usize| wanted[number % 3].saturating_sub(self.seen[number].load(Ordering::Relaxed));
            if (0..self.seen.len()).filter(|number| number % 3 != 2 - run).all(|number| behind(number) <= LEAD) {
                return true;
            }
            further.await;
        }
    }
}

/// Writes into a run until the connections have broken often enough, and ends it: mostly an event at a time, sometimes a large one,
/// sometimes, and at the beginning, more of them at once than the server keeps in memory.
async fn writer(scene: Arc<Scene>, store: Store, number: usize, run: RunId) {
    let mut random = StdRng::seed_from_u64(scene.seed ^ u64::MAX);
    let (mut position, mut appends) = (0, Vec::new());
    while scene.more(number).await {
        let (count, length) = match random.random_range(0..300) * u32::from(position > 0) {
            0 => (600, 5),
            1..=4 => (1, 2_000),
            _ => (1, random.random_range(0..120)),
        };
        for part in 0..count {
            let text = format!("{part} {}\r\n", "zażółć 🦀 ".chars().cycle().take(length).collect::<String>());
            position += text.len() as u64;
            appends.push(store.append_output(run, Bytes::from(text), position));
            // So many of them are taken in the order that they are in.
            if appends.len() == 20 || part + 1 == count {
                futures::future::try_join_all(appends.drain(..)).await.expect("appends");
            }
        }
        scene.written[number].fetch_add(count, Ordering::Relaxed);
    }
    store.run_ended(run, success()).await.expect("ends");
}

/// The same events from the log itself.
async fn written(store: &Store, topics: Topics) -> Vec<Event> {
    // A run's last event is its end, the board's is the log's.
    let is_run = matches!(topics, Topics::Run(_));
    let mut reader = store.reader(topics, 0);
    let mut all = Vec::new();
    loop {
        let batch = tokio::time::timeout(Duration::from_secs(20), reader.next()).await.expect("there is more");
        for frame in batch.expect("reads").frames {
            let block = std::str::from_utf8(&frame.bytes).expect("text").strip_suffix("\n\n").expect("an event's end");
            all.push((frame.seq, block.to_owned()));
            if frame.seq == store.head() || (is_run && frame.kind == EventKind::End) {
                return all;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_broken_connections_lose_and_repeat_nothing() {
    let server = server::start().await;
    let store = &server.state.backend.store;
    let runs = [server.bare_run().await, server.bare_run().await];
    let scene = Arc::new(Scene {
        address: server.address,
        epoch: store.epoch().to_string(),
        rounds: AtomicUsize::new(0),
        last: AtomicU64::new(0),
        written: Default::default(),
        seen: (0..READERS * 3).map(|_| AtomicUsize::new(0)).collect(),
        further: Notify::new(),
        seed: rand::random(),
    });
    let seed = scene.seed;
    // The board from where the log began, as a page has it whose cursor is from there.
    let board = format!("/api/v1/events?run={}&run={}&after={}-0", runs[0], runs[1], scene.epoch);
    let topics = [
        (board, Topics::Board { runs: runs.to_vec() }),
        (format!("/api/v1/runs/{}/events", runs[0]), Topics::Run(runs[0])),
        (format!("/api/v1/runs/{}/events", runs[1]), Topics::Run(runs[1])),
    ];
    let mut readers = Vec::new();
    for number in 0..READERS * topics.len() {
        let (path, topics) = &topics[number % topics.len()];
        readers.push((path, topics, tokio::spawn(reader(scene.clone(), path.clone(), number))));
    }
    for writer in [0, 1].map(|number| tokio::spawn(writer(scene.clone(), store.clone(), number, runs[number]))) {
        writer.await.expect("writes");
    }
    scene.last.store(store.head(), Ordering::Relaxed);
    for (path, topics, reader) in readers {
        let seen = reader.await.expect("reads");
        let all = written(store, topics.clone()).await;
        assert!(all.len() > ROUNDS / 20, "{path}: only {} events", all.len());
        let numbers = |events: &[Event]| events.iter().map(|(seq, _)| *seq).collect::<Vec<_>>();
        assert_eq!(numbers(&seen), numbers(&all), "seed {seed}: {path}");
        assert!(seen == all, "seed {seed}: an event of {path} came changed");
    }
    eprintln!("{} connections over {} events", scene.rounds.load(Ordering::Relaxed), store.head());
}
