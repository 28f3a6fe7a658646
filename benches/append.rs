//! Appending and committing output: what the store takes, against writing the same bytes to a plain file with as many syncs.
#![allow(clippy::print_stdout, reason = "a bench is a program that prints")]

mod support;

use bytes::Bytes;
use futures::{StreamExt, stream};
use kontasks::{
    backend::store::{Store, Topics},
    domain::id::RunId,
};
use std::{
    fs::File,
    io::{Seek, Write},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use support::{folder, headline, in_order, median, runtime, started, store, table};

struct Workload {
    name: &'static str,
    runs: usize,
    /// Bytes in one event.
    size: usize,
    /// How many appends of a run wait for their commit at once. A follower waits for each.
    depth: usize,
}

const WORKLOADS: [Workload; 4] = [
    Workload { name: "100 B, 8 runs, each waits for its commit", runs: 8, size: 100, depth: 1 },
    Workload { name: "100 B, 8 runs, 32 on the way", runs: 8, size: 100, depth: 32 },
    Workload { name: "64 KiB, 1 run, waits for each commit", runs: 1, size: 64 * 1024, depth: 1 },
    Workload { name: "64 KiB, 8 runs, each waits for its commit", runs: 8, size: 64 * 1024, depth: 1 },
];

/// How long one round appends. Short rounds and many, since the speed of a disk's sync changes from one second to the next.
const ROUND: Duration = Duration::from_millis(150);
const ROUNDS: usize = 15;

struct Round {
    seconds: f64,
    events: usize,
    commits: usize,
}

fn main() -> anyhow::Result<()> {
    headline("Appending and committing output (what a commit costs is one sync of the disk)", ROUNDS);
    let mut rows = Vec::new();
    for workload in &WORKLOADS {
        let mut rounds = Vec::new();
        for _ in 0..ROUNDS {
            let folder = folder()?;
            let round = runtime()?.block_on(appended(folder.path(), workload))?;
            let ours = per_second(round.events, round.seconds);
            let grown = per_second(round.events, written(folder.path(), workload.size, &round, false)?);
            let laid_out = per_second(round.events, written(folder.path(), workload.size, &round, true)?);
            rounds.push([ours, per_second(round.events, per_second(round.commits, 1.0)), grown, ours / grown, laid_out, ours / laid_out]);
        }
        let middle = |column: usize| median(rounds.iter().map(|round| round[column]).collect());
        let [ours, group, grown, to_grown, laid_out, to_laid_out] = std::array::from_fn(middle);
        let megabytes = |events: f64| format!("{:.1}", events * size(workload.size) / 1e6);
        rows.push(vec![
            workload.name.into(),
            format!("{ours:.0}"),
            megabytes(ours),
            format!("{group:.1}"),
            format!("{grown:.0}"),
            megabytes(grown),
            format!("{to_grown:.2}"),
            format!("{laid_out:.0}"),
            megabytes(laid_out),
            format!("{to_laid_out:.2}"),
        ]);
    }
    table(&["", "events/s", "MB/s", "a commit", "file that grows", "MB/s", "ratio", "file of full size", "MB/s", "ratio"], &rows);
    Ok(())
}

#[allow(clippy::cast_precision_loss, reason = "counts of a bench")]
fn per_second(count: usize, seconds: f64) -> f64 {
    count as f64 / seconds
}

#[allow(clippy::cast_precision_loss, reason = "sizes of a bench")]
fn size(bytes: usize) -> f64 {
    bytes as f64
}

async fn appended(folder: &Path, workload: &Workload) -> anyhow::Result<Round> {
    let store = store(folder).await?;
    let mut runs = Vec::new();
    for _ in 0..workload.runs {
        runs.push(started(&store).await?);
    }
    // A reader gets what was committed together together, so its batches are the commits (or a few less, if it falls behind).
    let commits = Arc::new(AtomicUsize::new(0));
    let mut reader = store.reader(Topics::Board { runs: runs.clone() }, store.head());
    let counter = tokio::spawn({
        let commits = Arc::clone(&commits);
        async move {
            while reader.next().await.is_ok() {
                commits.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    let begun = Instant::now();
    let writers: Vec<_> =
        runs.into_iter().map(|run| tokio::spawn(write(store.clone(), run, workload.size, workload.depth, begun + ROUND))).collect();
    let mut events = 0;
    for writer in writers {
        events += writer.await??;
    }
    let seconds = begun.elapsed().as_secs_f64();
    counter.abort();
    Ok(Round { seconds, events, commits: commits.load(Ordering::Relaxed).max(1) })
}

async fn write(store: Store, run: RunId, size: usize, depth: usize, until: Instant) -> anyhow::Result<usize> {
    let bytes = Bytes::from(vec![b'x'; size]);
    let appends = stream::iter(1..)
        .take_while(|_| std::future::ready(Instant::now() < until))
        .map(|number: u64| store.append_output(run, bytes.clone(), number * size as u64))
        .buffered(depth);
    in_order(appends).await
}

/// The same events into one file, synced as often. Gives the seconds it took. A file that grows has its length to write as well at each
/// sync; one that has its full size already, as a write-ahead log that is used again, has not.
fn written(folder: &Path, size: usize, round: &Round, laid_out: bool) -> anyhow::Result<f64> {
    let mut file = File::create(folder.join("plain"))?;
    let bytes = vec![b'x'; size];
    if laid_out {
        for _ in 0..round.events {
            file.write_all(&bytes)?;
        }
        file.sync_all()?;
        file.rewind()?;
    }
    let begun = Instant::now();
    let mut left = round.events;
    for commit in (1..=round.commits).rev() {
        let now = left.div_ceil(commit);
        for _ in 0..now {
            file.write_all(&bytes)?;
        }
        left -= now;
        file.sync_data()?;
    }
    Ok(begun.elapsed().as_secs_f64())
}
