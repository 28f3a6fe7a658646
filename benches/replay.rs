//! Replaying a finished run of 100,000 events over HTTP on the loopback, against servers that send the same bytes from memory (hyper)
//! or from a file (nginx, where it is installed).
#![allow(clippy::print_stdout, reason = "a bench is a program that prints")]

mod support;

use anyhow::{Context, ensure};
use bytes::Bytes;
use futures::{StreamExt, stream};
use http_body_util::Full;
use hyper::{Response, service::service_fn};
use hyper_util::rt::TokioIo;
use kontasks::{
    backend::store::{RunEnd, Store},
    domain::{id::RunId, run::RunStatus},
};
use std::{
    convert::Infallible,
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use support::{TOKEN, folder, headline, in_order, median, now, runtime, serve, started, store, table};
use tempfile::TempDir;

const EVENTS: u64 = 100_000;
const ROUNDS: usize = 7;

fn main() -> anyhow::Result<()> {
    headline("Replaying a run of 100,000 events over HTTP", ROUNDS);
    let folder = folder()?;
    let runtime = runtime()?;
    let (ours, path) = runtime.block_on(async {
        let store = store(folder.path()).await?;
        let run = written(&store).await?;
        anyhow::Ok((serve(folder.path(), store).await?, format!("/api/v1/runs/{run}/events")))
    })?;
    let (body, _) = fetched(ours, &path)?;
    let events = body.windows(14).filter(|window| window == b"event: output\n").count();
    ensure!(events as u64 == EVENTS, "{events} output events were replayed");
    let plain = runtime.block_on(hyper_server(Bytes::from(body.clone())))?;
    let nginx = Nginx::start(&body)?;

    let mut servers = vec![("Kontasks, from its log", ours, path.as_str()), ("hyper, from memory", plain, "/")];
    if let Some(nginx) = &nginx {
        servers.push(("nginx, from a file", nginx.address, "/body"));
    }
    let mut seconds = vec![Vec::new(); servers.len()];
    for _ in 0..ROUNDS {
        for (server, (_, address, path)) in servers.iter().enumerate() {
            let (bytes, time) = fetched(*address, path)?;
            ensure!(bytes.len().abs_diff(body.len()) < 1_000, "{} bytes instead of {}", bytes.len(), body.len());
            seconds[server].push(time.as_secs_f64());
        }
    }
    let medians: Vec<f64> = seconds.into_iter().map(median).collect();
    let rows = servers.iter().zip(&medians).map(|((name, ..), seconds)| {
        let [megabytes, events] = [count(body.len()) / 1e6 / seconds, count(events) / seconds];
        vec![
            (*name).into(),
            format!("{:.1}", seconds * 1e3),
            format!("{megabytes:.0}"),
            format!("{events:.0}"),
            format!("{:.1}", seconds / medians[1]),
        ]
    });
    table(&["", "ms", "MB/s", "events/s", "times hyper's"], &rows.collect::<Vec<_>>());
    if nginx.is_none() {
        println!("  (nginx is not installed here)");
    }
    Ok(())
}

#[allow(clippy::cast_precision_loss, reason = "counts of a bench")]
fn count(number: usize) -> f64 {
    number as f64
}

/// A run of 100,000 lines, each an event.
async fn written(store: &Store) -> anyhow::Result<RunId> {
    let run = started(store).await?;
    let mut position = 0;
    let appends = (0..EVENTS).map(|number| {
        let line = Bytes::from(format!("line {number}: what a program writes in one go, about as long as a line of a log is\r\n"));
        position += line.len() as u64;
        store.append_output(run, line, position)
    });
    in_order(stream::iter(appends.collect::<Vec<_>>()).buffered(200)).await?;
    let end = RunEnd { status: RunStatus::Succeeded, exit_code: Some(0), signal: None, reason: None, at: now() };
    store.run_ended(run, end).await?;
    Ok(run)
}

/// Asks as a program does and reads to the end; gives the body, decoded, and the time until the connection's end.
fn fetched(address: SocketAddr, path: &str) -> anyhow::Result<(Vec<u8>, Duration)> {
    let begun = Instant::now();
    let mut socket = TcpStream::connect(address)?;
    write!(socket, "GET {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {TOKEN}\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::with_capacity(64 * 1024 * 1024);
    socket.read_to_end(&mut answer)?;
    let time = begun.elapsed();
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").context("no head")?;
    let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
    ensure!(head.starts_with("http/1.1 200"), "{head}");
    let body = &answer[end + 4..];
    if !head.contains("transfer-encoding: chunked") {
        return Ok((body.to_vec(), time));
    }
    let (mut whole, mut rest) = (Vec::with_capacity(body.len()), body);
    loop {
        let line = rest.windows(2).position(|window| window == b"\r\n").context("a chunk without length")?;
        let length = usize::from_str_radix(std::str::from_utf8(&rest[..line])?, 16)?;
        if length == 0 {
            return Ok((whole, time));
        }
        whole.extend_from_slice(rest.get(line + 2..line + 2 + length).context("a chunk that is cut off")?);
        rest = &rest[line + 4 + length..];
    }
}

async fn hyper_server(body: Bytes) -> anyhow::Result<SocketAddr> {
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let body = body.clone();
            let service = service_fn(move |_| std::future::ready(Ok::<_, Infallible>(Response::new(Full::new(body.clone())))));
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), service));
        }
    });
    Ok(address)
}

/// An nginx of our own, which goes with this value.
struct Nginx {
    process: Child,
    address: SocketAddr,
    _folder: TempDir,
}

impl Nginx {
    fn start(body: &[u8]) -> anyhow::Result<Option<Self>> {
        if Command::new("nginx").arg("-v").stderr(Stdio::null()).status().is_err() {
            return Ok(None);
        }
        let folder = folder()?;
        // A port that was free a moment ago.
        let address = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        std::fs::write(folder.path().join("body"), body)?;
        std::fs::write(folder.path().join("nginx.conf"), configuration(folder.path(), address))?;
        let process = Command::new("nginx")
            .args(["-p".as_ref(), folder.path(), "-c".as_ref(), "nginx.conf".as_ref(), "-e".as_ref(), "stderr".as_ref()])
            .spawn()?;
        let until = Instant::now() + Duration::from_secs(5);
        while TcpStream::connect(address).is_err() {
            ensure!(Instant::now() < until, "nginx does not answer");
            std::thread::yield_now();
        }
        Ok(Some(Nginx { process, address, _folder: folder }))
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn configuration(folder: &Path, address: SocketAddr) -> String {
    let root = folder.display();
    format!(
        "daemon off; master_process off; pid {root}/pid; events {{}} http {{ access_log off; sendfile on; client_body_temp_path {root}; \
         proxy_temp_path {root}; fastcgi_temp_path {root}; uwsgi_temp_path {root}; scgi_temp_path {root}; \
         server {{ listen {address}; root {root}; }} }}"
    )
}
