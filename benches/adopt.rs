//! From the start of a server to 50 running runs taken up: what each wrote while no server was there has come out of a stream. Beside it
//! the start of a server that has nothing to take up, and a bare loop that connects to the 50 supervisors and reads their spools.
#![allow(clippy::print_stdout, reason = "a bench is a program that prints")]

mod process;
mod support;

use anyhow::ensure;
use process::Server;
use std::{
    fmt::Write as _,
    fs::{self, File},
    io::Write,
    os::unix::net::UnixStream,
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};
use support::{folder, headline, median, table};

const RUNS: usize = 50;
const ROUNDS: usize = 11;

fn main() -> anyhow::Result<()> {
    headline("From the start of a server to 50 running runs taken up", ROUNDS);
    let (folder, empty) = (folder()?, folder()?);
    fs::write(folder.path().join("kontasks.toml"), format!("max_running = {RUNS}\n"))?;
    let mut server = Server::start(folder.path())?;
    let (mut runs, mut programs) = (Vec::new(), Vec::new());
    for number in 0..RUNS {
        let pipe = folder.path().join(format!("pipe {number}"));
        ensure!(Command::new("mkfifo").arg(&pipe).status()?.success(), "no pipe");
        runs.push(server.submit(&format!("cat '{}'", pipe.display()))?);
        // Waits until the program reads it.
        programs.push(File::options().write(true).open(&pipe)?);
    }
    let spools: Vec<PathBuf> = runs.iter().map(|run| folder.path().join("runs").join(run)).collect();
    let named = runs.iter().fold(String::new(), |mut named, run| {
        let _ = write!(named, "&run={run}");
        named
    });

    let mut rounds = Vec::new();
    for round in 1..=ROUNDS as u64 {
        let cursor = server.cursor()?;
        server.kill()?;
        for program in &mut programs {
            program.write_all(b"0123456789abcde\n")?;
        }
        while spools.iter().any(|run| fs::metadata(run.join("spool")).map_or(0, |spool| spool.len()) < 16 * round) {
            std::thread::sleep(Duration::from_millis(1));
        }
        let bare = bare(&spools)?;
        let idle = Server::start(empty.path())?;
        let nothing = idle.listens;
        idle.kill()?;

        let begun = Instant::now();
        server = Server::start(folder.path())?;
        server.read(&format!("/api/v1/events?after={cursor}{named}"), |text| text.matches("event: output\n").count() >= RUNS)?;
        rounds.push([begun.elapsed(), server.listens, nothing, bare].map(|time| time.as_secs_f64() * 1e3));
    }
    let middle = |column: usize| median(rounds.iter().map(|round| round[column]).collect());
    let rows = [
        "50 runs taken up, in a stream",
        "… of it until the server listens",
        "a server with nothing to take up listens",
        "a bare loop over the 50 runs",
    ]
    .into_iter()
    .enumerate()
    .map(|(column, name)| vec![name.to_owned(), format!("{:.1}", middle(column)), format!("{:.2}", middle(column) / middle(2))]);
    table(&["", "ms", "times an empty start"], &rows.collect::<Vec<_>>());

    // The programs read to the end of their pipes, and the runs end.
    drop(programs);
    while fs::read_dir(folder.path().join("runs"))?.next().is_some() {
        std::thread::sleep(Duration::from_millis(20));
    }
    server.kill()
}

/// Connects to each supervisor and reads its spool, one after the other.
fn bare(runs: &[PathBuf]) -> anyhow::Result<Duration> {
    let begun = Instant::now();
    let mut links = Vec::new();
    for run in runs {
        links.push(UnixStream::connect(run.join("ctl"))?);
        ensure!(!fs::read(run.join("spool"))?.is_empty(), "an empty spool");
    }
    Ok(begun.elapsed())
}
