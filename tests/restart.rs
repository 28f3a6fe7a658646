//! A thousand open streams and a server that stops and comes back: the program itself, as a service manager stops and starts it, and as many
//! clients that decide as pages do.

#[path = "support/client.rs"]
mod client;
#[path = "support/program.rs"]
mod program;
#[path = "support/server.rs"]
mod server;

use client::{Client, Note};
use program::{Program, ask};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use server::TOKEN;
use std::{
    collections::BTreeSet,
    path::Path,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
    task::JoinSet,
};

const STREAMS: usize = 1_000;
/// Fewer open files than streams, as on many systems; the program may raise it.
const SOFT_LIMIT: u64 = 256;

/// What the titles of those tasks begin with that the clients look for.
const TITLE: &str = "task ";

async fn start(data: &Path, address: &str) -> Program {
    Program::start_after(&format!("ulimit -Sn {SOFT_LIMIT}"), data, address).await
}

async fn tell(program: &Program, titles: &mut Vec<String>, count: usize) {
    for _ in 0..count {
        titles.push(format!("{TITLE}{}", titles.len()));
        program.post("/api/v1/tasks", &serde_json::json!({ "title": titles.last() })).await;
    }
}

/// What one client has told.
#[derive(Default)]
struct Record {
    live: Vec<u64>,
    titles: Vec<String>,
    shutdown: Vec<u64>,
    lost: bool,
}

struct Clients {
    records: Vec<Record>,
    notes: UnboundedReceiver<(usize, Note)>,
    /// Ended with this value.
    _running: JoinSet<()>,
}

impl Clients {
    fn start(count: usize, address: &str) -> Self {
        let (tell, notes) = unbounded_channel();
        let mut running = JoinSet::new();
        for number in 0..count {
            running.spawn(Client::new(number, address.to_owned(), tell.clone()).run());
        }
        Clients { records: (0..count).map(|_| Record::default()).collect(), notes, _running: running }
    }

    /// Waits until so many clients are as described.
    async fn until(&mut self, what: &str, wanted: usize, is: impl Fn(&Record) -> bool) {
        let patience = Instant::now() + Duration::from_secs(60);
        let mut some = Vec::new();
        loop {
            let so_many = self.records.iter().filter(|record| is(record)).count();
            if so_many >= wanted {
                return;
            }
            let left = patience.saturating_duration_since(Instant::now());
            let heard = tokio::time::timeout(left, self.notes.recv_many(&mut some, 4_096)).await;
            assert!(heard.is_ok_and(|heard| heard > 0), "{what}: only {so_many} of {wanted}");
            for (number, note) in some.drain(..) {
                let record = &mut self.records[number];
                match note {
                    Note::Live(at) => record.live.push(at),
                    Note::Task(title) if title.starts_with(TITLE) => record.titles.push(title),
                    Note::Task(_) => {}
                    Note::Shutdown(retry) => record.shutdown.push(retry),
                    Note::Lost => record.lost = true,
                }
            }
        }
    }
}

/// The most of these moments that fall into one second, wherever it begins.
fn busiest_second(mut moments: Vec<u64>) -> usize {
    moments.sort_unstable();
    (0..moments.len()).map(|from| moments[from..].iter().take_while(|at| **at - moments[from] < 1_000).count()).max().unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_streams_are_told_come_back_one_after_the_other_and_miss_nothing() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).expect("raises its own limit");
    let data = tempfile::tempdir().expect("a folder");
    let mut program = start(data.path(), "127.0.0.1:0").await;
    let mut clients = Clients::start(STREAMS, &program.address);
    clients.until("open", STREAMS, |record| record.live.len() == 1).await;

    let mut titles = Vec::new();
    tell(&program, &mut titles, 5).await;
    let told = titles.len();
    clients.until("have what was written before", STREAMS, |record| record.titles.len() == told).await;
    // What is run from here begins with the limit that the server began with.
    let run = program.post("/api/v1/runs", &serde_json::json!({ "prompt": "ulimit -Sn" })).await;
    let id = run["run"]["id"].as_str().expect("an id");
    ask(&program.address, &format!("GET /api/v1/runs/{id}/events"), "").await;
    let output = ask(&program.address, &format!("GET /api/v1/runs/{id}/output"), "").await;
    assert_eq!(output.split_once("\r\n\r\n").expect("a body").1, format!("{SOFT_LIMIT}\n"));

    let took = program.stop().await;
    eprintln!("{STREAMS} idle streams: gone {took:?} after SIGTERM");
    clients.until("told", STREAMS, |record| record.shutdown.len() == 1).await;
    let asked: BTreeSet<u64> = clients.records.iter().flat_map(|record| record.shutdown.clone()).collect();
    assert!(asked.len() > STREAMS / 2, "only {} different times to return at", asked.len());

    let address = program.address.clone();
    let begin = Instant::now();
    let program = start(data.path(), &address).await;
    for part in 1..=4 {
        tell(&program, &mut titles, 3).await;
        clients.until("back", STREAMS * part / 4, |record| record.live.len() == 2).await;
    }
    let last = begin.elapsed();
    tell(&program, &mut titles, 3).await;
    let told = titles.len();
    clients.until("have all that was written since", STREAMS, |record| record.titles.len() >= told).await;
    for record in &clients.records {
        assert_eq!(record.titles, titles, "nothing lost, nothing repeated");
        assert!(!record.lost, "a snapshot had to make good what the stream did not bring");
        assert_eq!(record.live.len(), 2, "no connection beyond the one that was needed");
    }
    let busiest = busiest_second(clients.records.iter().map(|record| record.live[1]).collect());
    eprintln!("all are back {last:?} after the start; the busiest second brought {busiest} of them");
    assert!(last < Duration::from_secs(30), "{last:?}");
    assert!(busiest <= STREAMS / 5, "{busiest} came back within one second");
}

#[tokio::test]
async fn while_it_stops_it_says_so_to_whoever_is_connected() {
    let server = server::start().await;
    let mut waiting = Vec::new();
    for path in std::iter::once("/readyz").chain(["/api/v1/events"; 30]) {
        let mut stream = TcpStream::connect(server.address).await.expect("connects");
        let begin = format!("GET {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {TOKEN}\r\n", server.address);
        stream.write_all(begin.as_bytes()).await.expect("writes");
        waiting.push(stream);
    }
    // It is accepted after those, so that they have been when it is answered.
    assert_eq!(server.get("/readyz").await.text(), "ready\n");
    server.state.shutdown.cancel();
    let mut answers = Vec::new();
    for mut stream in waiting {
        stream.write_all(b"\r\n").await.expect("writes");
        let mut answer = String::new();
        tokio::time::timeout(Duration::from_secs(10), stream.read_to_string(&mut answer)).await.expect("in time").expect("reads");
        assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
        answers.push(answer.to_lowercase());
    }
    assert!(answers.remove(0).ends_with("draining\n"));
    let times: BTreeSet<&str> =
        answers.iter().map(|answer| answer.split_once("retry-after: ").expect("a time").1.lines().next().expect("a value")).collect();
    assert!(times.len() > 1 && times.iter().all(|time| ["1", "2", "3"].contains(time)), "{times:?}");
}
