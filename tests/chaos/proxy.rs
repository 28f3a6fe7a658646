//! A proxy on the way to the server, as bad as the seed wants it: connections are cut, go silent without an end, come in drops, or are
//! answered by an error that the server knows nothing of.

use crate::tally::Tally;
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::sleep,
};

pub struct Proxy {
    pub address: String,
    fair: Arc<AtomicBool>,
    _serving: JoinSet<()>,
}

/// What becomes of one connection.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Fair,
    /// It ends after so many bytes of the answer.
    Cut(usize),
    /// Nothing more comes after so many bytes, and it does not end.
    HalfOpen(usize),
    /// It comes in pieces of so many bytes, with a pause between them.
    Slow(usize, Duration),
    /// The proxy answers by itself.
    Error(u16),
}

impl Proxy {
    pub async fn start(upstream: String, seed: u64, tally: Tally) -> Result<Proxy, String> {
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(|error| format!("the proxy has no port: {error}"))?;
        let address = listener.local_addr().map_err(|error| error.to_string())?.to_string();
        let fair = Arc::new(AtomicBool::new(false));
        let mut serving = JoinSet::new();
        serving.spawn(serve(listener, upstream, seed, fair.clone(), tally));
        Ok(Proxy { address, fair, _serving: serving })
    }

    /// From now on nothing happens to new connections.
    pub fn calm(&self) {
        self.fair.store(true, Ordering::Relaxed);
    }
}

async fn serve(listener: TcpListener, upstream: String, seed: u64, fair: Arc<AtomicBool>, tally: Tally) {
    let mut random = StdRng::seed_from_u64(seed);
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let fate = if fair.load(Ordering::Relaxed) { Fate::Fair } else { Fate::draw(&mut random) };
        fate.count(&tally);
        let upstream = upstream.clone();
        connections.spawn(async move {
            // Whichever side ends it, the other hears of it by the drop.
            let _ = pass(client, &upstream, fate).await;
        });
        while connections.try_join_next().is_some() {}
    }
}

impl Fate {
    fn draw(random: &mut StdRng) -> Self {
        let most = [300, 3_000, 100_000].choose(random).copied().unwrap_or(300);
        let bytes = random.random_range(0..most);
        match random.random_range(0..100) {
            0..25 => Fate::Fair,
            25..60 => Fate::Cut(bytes),
            60..70 => Fate::HalfOpen(bytes),
            70..85 => Fate::Slow(random.random_range(1..4_000), Duration::from_millis(random.random_range(0..5))),
            _ => Fate::Error([500, 502, 503, 504].choose(random).copied().unwrap_or(502)),
        }
    }

    fn count(self, tally: &Tally) {
        match self {
            Fate::Fair => {}
            Fate::Cut(_) => tally.count("connection cut"),
            Fate::HalfOpen(_) => tally.count("connection half-open"),
            Fate::Slow(..) => tally.count("connection slow"),
            Fate::Error(_) => tally.count("proxy answers 5xx"),
        }
    }
}

async fn pass(mut client: TcpStream, upstream: &str, fate: Fate) -> std::io::Result<()> {
    if let Fate::Error(status) = fate {
        return answer(&mut client, status).await;
    }
    let Ok(mut server) = TcpStream::connect(upstream).await else { return answer(&mut client, 502).await };
    let (mut from_client, mut to_client) = client.split();
    let (mut from_server, mut to_server) = server.split();
    let down = async {
        let (piece, pause) = if let Fate::Slow(piece, pause) = fate { (piece, pause) } else { (16 * 1024, Duration::ZERO) };
        let mut left = if let Fate::Cut(bytes) | Fate::HalfOpen(bytes) = fate { bytes } else { usize::MAX };
        let mut buffer = vec![0; piece];
        loop {
            let wanted = piece.min(left);
            if wanted == 0 {
                if let Fate::HalfOpen(_) = fate {
                    std::future::pending::<()>().await;
                }
                return Ok(());
            }
            let count = from_server.read(&mut buffer[..wanted]).await?;
            if count == 0 {
                return Ok(());
            }
            left -= count;
            to_client.write_all(&buffer[..count]).await?;
            if !pause.is_zero() {
                sleep(pause).await;
            }
        }
    };
    tokio::select! {
        done = down => done,
        done = tokio::io::copy(&mut from_client, &mut to_server) => done.map(drop),
    }
}

/// Reads the request's head and refuses it.
async fn answer(client: &mut TcpStream, status: u16) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && head.len() < 16 * 1024 {
        head.push(client.read_u8().await?);
    }
    let words = format!("HTTP/1.1 {status} A proxy's own\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    client.write_all(words.as_bytes()).await?;
    client.shutdown().await
}
