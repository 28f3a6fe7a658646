//! One event to 1, 100 and 1,000 readers over sockets: the time until the last one has it and the processor's time, against writing
//! the same bytes to as many sockets.
#![allow(clippy::print_stdout, reason = "a bench is a program that prints")]

mod support;

use anyhow::ensure;
use bytes::Bytes;
use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use support::{TOKEN, cpu_time, folder, headline, percentile, runtime, serve, started, store, table};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Notify,
};

/// How many readers, and how often.
const ROUNDS: [(usize, usize); 3] = [(1, 2_000), (100, 300), (1_000, 60)];
const TEXT: &[u8] = b"one line of output, as long as such lines are, with a few words in it to be read\r\n";

fn main() -> anyhow::Result<()> {
    headline("One event to many readers (their own work included on both sides; Kontasks commits it to the disk first)", "60 to 2,000");
    // Both ends of each connection are ours.
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let raised = rustix::process::Rlimit { current: limit.maximum, maximum: limit.maximum };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, raised)?;

    let mut rows = Vec::new();
    for (readers, rounds) in ROUNDS {
        let (ours, frame) = runtime()?.block_on(through_server(readers, rounds))?;
        let plain = runtime()?.block_on(through_sockets(readers, rounds, frame))?;
        for (name, measured) in [("Kontasks", ours), ("plain sockets", plain)] {
            let milliseconds = |share: f64| format!("{:.2}", percentile(measured.last.clone(), share) * 1e3);
            rows.push(vec![
                format!("{name}, readers: {readers}"),
                milliseconds(0.5),
                milliseconds(0.99),
                measured.commit.map_or("–".into(), |commit| format!("{:.2}", commit * 1e3)),
                format!("{:.1}", measured.cpu.as_secs_f64() * 1e6 / count(rounds * readers)),
            ]);
        }
    }
    table(&["", "last reader p50 ms", "p99 ms", "of it commit p50 ms", "CPU µs a delivery"], &rows);
    Ok(())
}

#[allow(clippy::cast_precision_loss, reason = "counts of a bench")]
fn count(number: usize) -> f64 {
    number as f64
}

struct Measured {
    /// Seconds from the beginning of each round until the last reader had the event.
    last: Vec<f64>,
    /// The median of the seconds until it was committed.
    commit: Option<f64>,
    cpu: Duration,
}

/// Counts the readers that have the round's event.
#[derive(Default)]
struct Finish {
    arrived: AtomicUsize,
    all: Notify,
}

impl Finish {
    fn arrive(&self, readers: usize) {
        if self.arrived.fetch_add(1, Ordering::AcqRel) + 1 == readers {
            self.all.notify_one();
        }
    }

    async fn wait(&self) {
        self.all.notified().await;
        self.arrived.store(0, Ordering::Release);
    }
}

async fn through_server(readers: usize, rounds: usize) -> anyhow::Result<(Measured, usize)> {
    let folder = folder()?;
    let store = store(folder.path()).await?;
    let run = started(&store).await?;
    let address = serve(folder.path(), store.clone()).await?;
    let finish = Arc::new(Finish::default());
    let ready = Arc::new(Finish::default());
    let size = Arc::new(AtomicUsize::new(0));
    for _ in 0..readers {
        let mut socket = TcpStream::connect(address).await?;
        // From the log's head: what comes next is the first round's event.
        let request = format!("GET /api/v1/events?run={run} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {TOKEN}\r\n\r\n");
        socket.write_all(request.as_bytes()).await?;
        let (finish, ready, size) = (Arc::clone(&finish), Arc::clone(&ready), Arc::clone(&size));
        tokio::spawn(async move {
            let mut buffer = vec![0; 4096];
            while let Ok(length @ 1..) = socket.read(&mut buffer).await {
                let seen = &buffer[..length];
                if contains(seen, b"event: output") {
                    size.store(length, Ordering::Relaxed);
                    finish.arrive(readers);
                }
                if contains(seen, b"event: hello") {
                    ready.arrive(readers);
                }
            }
        });
    }
    tokio::time::timeout(Duration::from_secs(20), ready.wait()).await?;

    let (mut last, mut commits) = (Vec::new(), Vec::new());
    let cpu = cpu_time();
    for round in 1..=rounds {
        let begun = Instant::now();
        store.append_output(run, Bytes::from_static(TEXT), (TEXT.len() * round) as u64).await?;
        commits.push(begun.elapsed().as_secs_f64());
        tokio::time::timeout(Duration::from_secs(20), finish.wait()).await?;
        last.push(begun.elapsed().as_secs_f64());
    }
    let cpu = cpu_time() - cpu;
    Ok((Measured { last, commit: Some(percentile(commits, 0.5)), cpu }, size.load(Ordering::Relaxed)))
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

async fn through_sockets(readers: usize, rounds: usize, frame: usize) -> anyhow::Result<Measured> {
    ensure!(frame > TEXT.len(), "no event has come through");
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
    let address = listener.local_addr()?;
    let finish = Arc::new(Finish::default());
    let mut sockets = Vec::new();
    for _ in 0..readers {
        let mut socket = TcpStream::connect(address).await?;
        sockets.push(listener.accept().await?.0);
        let finish = Arc::clone(&finish);
        tokio::spawn(async move {
            let mut buffer = vec![0; 4096];
            while let Ok(1..) = socket.read(&mut buffer).await {
                finish.arrive(readers);
            }
        });
    }
    let bytes = vec![b'x'; frame];
    let mut last = Vec::new();
    let cpu = cpu_time();
    for _ in 0..rounds {
        let begun = Instant::now();
        for socket in &mut sockets {
            socket.write_all(&bytes).await?;
        }
        tokio::time::timeout(Duration::from_secs(20), finish.wait()).await?;
        last.push(begun.elapsed().as_secs_f64());
    }
    Ok(Measured { last, commit: None, cpu: cpu_time() - cpu })
}
