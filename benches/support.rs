//! What the benches share: rounds and their median, a folder on the disk that the build is on, the machine in words, and a plain
//! table. A bench prints our number beside a reference from the same run, never a bare number.
#![allow(clippy::print_stdout, reason = "a bench is a program that prints")]
#![allow(dead_code, reason = "each bench uses its part")]

use anyhow::Context;
use futures::{Stream, TryStreamExt};
use kontasks::{
    backend::{
        Backend,
        auth::{Auth, Secret},
        clock::Clock,
        drafts::Drafts,
        runner::{Runners, table::RunnerTable},
        store::{NewRun, Store, StoreError},
    },
    domain::{id::RunId, timestamp::Timestamp},
    http::{self, AppState, StreamOptions},
};
use std::{
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    time::Duration,
};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// The runtime that the server has.
pub fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}

/// A folder on a real disk: the one of the build, not /tmp, which may be memory.
pub fn folder() -> anyhow::Result<TempDir> {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).context("no folder for the bench's data")
}

/// A store of its own in that folder, as a server has it.
pub async fn store(folder: &Path) -> anyhow::Result<Store> {
    Ok(Store::open_in(folder, &folder.join("kontasks.db"), Clock::system()).await?)
}

/// A run that output can be appended to.
pub async fn started(store: &Store) -> anyhow::Result<RunId> {
    let new = NewRun { prompt: "bench".into(), runner: "shell".into(), ..NewRun::default() };
    let run = store.submit(new).await?.run.id;
    store.run_started(run, now()).await?;
    Ok(run)
}

/// Waits for all appends of a run; gives how many there were. Their order is that of their first poll, which the runtime's habit of
/// interrupting busy tasks would upset.
pub async fn in_order(appends: impl Stream<Item = Result<(), StoreError>>) -> anyhow::Result<usize> {
    Ok(tokio::task::unconstrained(appends.try_fold(0, |done, ()| std::future::ready(Ok(done + 1)))).await?)
}

/// The token that the bench's server takes.
pub const TOKEN: &str = "bench-bench-bench-bench-bench-bench-bench";

/// The whole server over that store, on a free port of the loopback, as long as the runtime lives.
pub async fn serve(folder: &Path, store: Store) -> anyhow::Result<SocketAddr> {
    let (clock, shutdown) = (Clock::system(), CancellationToken::new());
    let auth = Auth::new(store.clone(), clock.clone(), Some(&Secret::new(TOKEN)))?;
    let runners = Runners::new(store.clone(), RunnerTable::new(Vec::new()), folder, std::env::current_exe()?, shutdown.clone());
    let state = AppState::new(Backend { store, runners, clock, drafts: Drafts::default() }, auth, &[], &StreamOptions::default(), shutdown);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(http::serve(listener, state));
    Ok(address)
}

/// The present moment.
pub fn now() -> Timestamp {
    Clock::system().now()
}

/// The middle one.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The value that this share of all is below.
pub fn percentile(mut values: Vec<f64>, share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
    let place = ((values.len() as f64 - 1.0) * share).round() as usize;
    values.get(place).copied().unwrap_or(f64::NAN)
}

/// The processor time that this process has used, all threads and the kernel's part together.
pub fn cpu_time() -> Duration {
    let ticks = std::fs::read_to_string("/proc/self/stat").ok().and_then(|stat| {
        // The name in parentheses may hold anything; user and system time are the 12th and 13th words after it.
        let mut words = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
        Some(words.next()?.parse::<u64>().ok()? + words.next()?.parse::<u64>().ok()?)
    });
    Duration::from_millis(ticks.unwrap_or(0) * 10)
}

/// The bench's title, the machine, the build and how often it is measured.
pub fn headline(title: &str, rounds: impl std::fmt::Display) {
    let processor = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = processor.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ")).map_or("?", |(_, name)| name);
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let build = if cfg!(debug_assertions) { "DEBUG BUILD, the numbers mean nothing" } else { "release build" };
    println!("\n{title}\n{model}, {cores} cores, Linux {}, {build}, median of {rounds} rounds", kernel.trim());
}

/// A table with columns as wide as they need; the first to the left, numbers to the right.
pub fn table(head: &[&str], rows: &[Vec<String>]) {
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .chain([head[column].chars().count()])
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let line = |cells: Vec<&str>| {
        let cells = cells.iter().enumerate().map(|(column, cell)| {
            let width = widths[column];
            if column == 0 { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
        });
        println!("  {}", cells.collect::<Vec<_>>().join("  ").trim_end());
    };
    println!();
    line(head.to_vec());
    for row in rows {
        line(row.iter().map(String::as_str).collect());
    }
}
