//! From a program to a browser: how long a line takes from the program's write to the event in a stream, beside the same line through a
//! bare pipe; and how fast a gigabyte goes into the log, beside the same gigabyte into a file, with the memory that it takes.
#![allow(clippy::print_stdout, reason = "a bench is a program that prints")]

mod process;
mod support;

use anyhow::{Context, ensure};
use process::{Server, peak_memory, supervisor};
use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Read, Write},
    process::{Command, Stdio},
    thread::sleep,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use support::{folder, headline, median, percentile, table};

const LINES: usize = 1_000;
const APART: Duration = Duration::from_millis(5);
const ROUNDS: usize = 3;
const GIGABYTE: usize = 1_000_000_000;

fn main() -> anyhow::Result<()> {
    // As a run's program, this is what it does.
    match std::env::args().nth(1).as_deref() {
        Some("tick") => tick(),
        Some("flood") => flood(),
        _ => measure(),
    }
}

/// Writes the time, again and again.
fn tick() -> anyhow::Result<()> {
    for _ in 0..LINES {
        sleep(APART);
        std::io::stdout().write_all(format!("{}\n", nanoseconds()).as_bytes())?;
    }
    Ok(())
}

/// Writes a gigabyte of lines.
fn flood() -> anyhow::Result<()> {
    let line = "what a program writes, about as long as a line of a log is, and a hundred bytes together with its end..\n";
    let block = line.repeat(640);
    let mut left = GIGABYTE;
    while left > 0 {
        let part = &block.as_bytes()[..block.len().min(left)];
        std::io::stdout().write_all(part)?;
        left -= part.len();
    }
    Ok(())
}

fn nanoseconds() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos())
}

fn measure() -> anyhow::Result<()> {
    let folder = folder()?;
    let exe = std::env::current_exe()?;
    let config = format!("[[runner]]\nname = \"bench\"\ncommand = [{:?}, \"{{prompt}}\"]\nterminal = false\n", exe.display());
    fs::write(folder.path().join("kontasks.toml"), config)?;
    let server = Server::start(folder.path())?;
    latency(&server)?;
    throughput(&server, folder.path())?;
    server.kill()
}

fn latency(server: &Server) -> anyhow::Result<()> {
    headline(&format!("From a program's write to the event in a stream, {LINES} lines, {} ms apart", APART.as_millis()), 1);
    let run = server.submit("tick")?;
    let stream = BufReader::new(server.request(&format!("GET /api/v1/runs/{run}/events"), "")?);
    let mut through = Vec::new();
    for line in stream.lines() {
        let line = line?;
        let Some(data) = line.strip_prefix("data: ").filter(|data| data.contains("\"text\"")) else {
            if line == "event: end" {
                break;
            }
            continue;
        };
        let now = nanoseconds();
        let output: serde_json::Value = serde_json::from_str(data)?;
        through.extend(output["text"].as_str().context("a text")?.lines().filter_map(|at| Some(now.saturating_sub(at.parse().ok()?))));
    }
    ensure!(through.len() == LINES, "{} lines arrived", through.len());

    let mut child = Command::new(std::env::current_exe()?).arg("tick").stdout(Stdio::piped()).spawn()?;
    let mut bare = Vec::new();
    for line in BufReader::new(child.stdout.take().context("piped")?).lines() {
        bare.push(nanoseconds().saturating_sub(line?.parse()?));
    }
    child.wait()?;
    #[allow(clippy::cast_precision_loss, reason = "times of a bench")]
    let row = |name: &str, times: Vec<u128>| {
        let times: Vec<f64> = times.into_iter().map(|time| time as f64 / 1e6).collect();
        let [half, most, worst] = [0.5, 0.99, 1.0].map(|share| format!("{:.2}", percentile(times.clone(), share)));
        vec![name.to_owned(), half, most, worst]
    };
    table(&["ms", "p50", "p99", "worst"], &[row("through Kontasks", through), row("through a bare pipe", bare)]);
    Ok(())
}

fn throughput(server: &Server, folder: &std::path::Path) -> anyhow::Result<()> {
    headline("A gigabyte of lines into the log", ROUNDS);
    let (mut ours, mut plain, mut memory) = (Vec::new(), Vec::new(), 0.0_f64);
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        let run = server.submit("flood")?;
        let mut holder = None;
        loop {
            holder = holder.or_else(|| supervisor(&run));
            memory = memory.max(holder.map_or(0.0, peak_memory));
            let now = server.json(&format!("GET /api/v1/runs/{run}"), "")?;
            if now["endedAt"].is_string() {
                ensure!(now["bytes"] == GIGABYTE && now["status"] == "succeeded", "{now}");
                break;
            }
            sleep(Duration::from_millis(20));
        }
        ours.push(begun.elapsed().as_secs_f64());

        let begun = Instant::now();
        let file = File::create(folder.join("plain"))?;
        ensure!(Command::new(std::env::current_exe()?).arg("flood").stdout(file.try_clone()?).status()?.success(), "no gigabyte");
        file.sync_all()?;
        plain.push(begun.elapsed().as_secs_f64());
        fs::remove_file(folder.join("plain"))?;
    }
    #[allow(clippy::cast_precision_loss, reason = "a size")]
    let speed = |seconds: f64| format!("{:.0}", GIGABYTE as f64 / 1e6 / seconds);
    let [ours, plain] = [ours, plain].map(median);
    let rows = [("a run", ours), ("the same into a file, and synced", plain)];
    let rows =
        rows.map(|(name, seconds)| vec![name.to_owned(), format!("{seconds:.2}"), speed(seconds), format!("{:.1}", seconds / plain)]);
    table(&["", "s", "MB/s", "times the file"], &rows);
    println!("  most memory at once: server {:.0} MB, supervisor {memory:.1} MB", peak_memory(server.child.id()));
    let mut rest = String::new();
    server.request("GET /healthz", "")?.read_to_string(&mut rest)?;
    ensure!(rest.contains(" 200 "), "the server goes on");
    Ok(())
}
