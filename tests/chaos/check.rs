//! What must be true after a round: of each run, all copies are what its program wrote, and nothing that the round started or made is left.

use crate::{
    copies::{Copies, Whole},
    http::get,
    plan::RunPlan,
    processes,
    server::Server,
    storm::Harm,
    tally::Tally,
};
use kontasks::domain::{
    digest::OutputDigest,
    event::StreamEvent,
    event_stream_parser::{EventStreamParser, Parsed},
    id::RunId,
    members::Read,
    run::{Run, RunStatus},
};
use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::time::{Instant, sleep};

/// How long what is over may take to be gone.
const PATIENCE: Duration = Duration::from_secs(30);

/// A run as it was submitted.
pub struct Submitted {
    pub plan: RunPlan,
    pub id: RunId,
}

/// How a run stands in the log.
struct Logged {
    bytes: Vec<u8>,
    events: u64,
    end: Whole,
}

/// Each run ended as it had to, and server, log and every copy agree with its program. Says how many bytes that were.
pub async fn runs(address: &str, submitted: &[Submitted], copies: &[(String, Copies)], harm: &Harm, tally: &Tally) -> Result<u64, String> {
    let mut total = 0;
    for Submitted { plan, id } in submitted {
        let of_run = |error: String| format!("run {id} ({}, program {}): {error}", plan.runner, plan.program.prompt());
        let answer = get(address, &format!("/api/v1/runs/{id}")).await;
        let run = Run::read(answer.json().map_err(of_run)?).map_err(|error| of_run(error.to_string()))?;
        let output = get(address, &format!("/api/v1/runs/{id}/output")).await;
        let output = if output.status == 200 { output.body } else { return Err(of_run(output.text())) };

        is_what_was_written(plan, &run, &output, harm).map_err(of_run)?;
        let log = logged(address, *id).await.map_err(of_run)?;
        same("the log", &log.bytes, &output).map_err(of_run)?;
        let mut digest = OutputDigest::default();
        digest.update(&output);
        let whole =
            Whole { status: run.status, exit_code: run.exit_code, events: log.events, bytes: output.len() as u64, digest: digest.finish() };
        let said = Whole { events: run.events, bytes: run.bytes, digest: run.digest.clone().unwrap_or_default(), ..whole.clone() };
        let lines = output.iter().filter(|byte| **byte == b'\n').count() as u64;
        for (what, said) in [("the run", &said), ("its end in the log", &log.end)] {
            if *said != whole || run.lines != lines {
                return Err(of_run(format!("{what} says {said:?} and {} lines, and it is {whole:?} and {lines} lines", run.lines)));
            }
        }
        for (client, copies) in copies {
            let Some(copy) = copies.0.get(id) else { continue };
            same(client, &copy.bytes, &output).map_err(of_run)?;
            if copy.end.as_ref() != Some(&whole) {
                return Err(of_run(format!("{client} was told {:?}, and it is {whole:?}", copy.end)));
            }
        }
        tally.count(match run.status {
            RunStatus::Interrupted => "runs interrupted",
            RunStatus::Cancelled => "runs cancelled",
            RunStatus::Failed if run.exit_code.is_none() => "runs that could not be started",
            _ => "runs to their end",
        });
        total += output.len() as u64;
    }
    let tasks = get(address, "/api/v1/tasks").await.json()?;
    if tasks["total"] != submitted.len() {
        return Err(format!("{} tasks came of {} submissions", tasks["total"], submitted.len()));
    }
    Ok(total)
}

/// Whether the program wrote it, and all of it unless the run was cut short by somebody.
fn is_what_was_written(plan: &RunPlan, run: &Run, output: &[u8], harm: &Harm) -> Result<(), String> {
    let (bytes, exit_code) = (plan.program.bytes(), plan.program.exit_code());
    let was_killed = harm.killed.contains(&run.id.to_string());
    let not_started = run.reason.as_deref().is_some_and(|reason| reason.contains("could not be started"));
    let by_itself = if exit_code == 0 { RunStatus::Succeeded } else { RunStatus::Failed };
    match run.status {
        status if status == by_itself && run.exit_code == Some(exit_code) => same("the output", output, &bytes),
        RunStatus::Interrupted if was_killed || harm.folder_was_away => begins("the output", output, &bytes),
        RunStatus::Cancelled if plan.cancel.is_some() => begins("the output", output, &bytes),
        RunStatus::Failed if not_started && (was_killed || harm.disk_was_full) => same("the output", output, b""),
        _ => Err(format!("it {}, which nothing in this round explains", run.outcome())),
    }
}

/// Reads a run's events from the beginning, as a reader that comes when all is over.
async fn logged(address: &str, id: RunId) -> Result<Logged, String> {
    let answer = get(address, &format!("/api/v1/runs/{id}/events")).await;
    let (mut bytes, mut events, mut end, mut broken) = (Vec::new(), 0, None, None);
    let mut parser = EventStreamParser::default();
    parser.feed(&answer.body, &mut |parsed| {
        let Parsed::Event(event) = parsed else { return };
        match StreamEvent::parse(event.name, event.data) {
            Ok(Some(StreamEvent::Output(output))) => {
                bytes.extend_from_slice(&output.bytes());
                events += 1;
            }
            Ok(Some(StreamEvent::End(last))) => end = Some(last),
            Ok(_) => {}
            Err(error) => broken = Some(format!("an event {} of the log: {error}", event.name)),
        }
    });
    match (broken, end) {
        (Some(broken), _) => Err(broken),
        (None, None) => Err(format!("the log has no end of it: {}", answer.status)),
        (None, Some(end)) => {
            let end = Whole { status: end.status, exit_code: end.exit_code, events: end.events, bytes: end.bytes, digest: end.digest };
            Ok(Logged { bytes, events, end })
        }
    }
}

fn same(what: &str, is: &[u8], should_be: &[u8]) -> Result<(), String> {
    begins(what, is, should_be)?;
    if is.len() == should_be.len() {
        return Ok(());
    }
    Err(format!("{what} has {} bytes and not {}", is.len(), should_be.len()))
}

/// Whether it is the beginning of the whole, or all of it.
pub fn begins(what: &str, is: &[u8], whole: &[u8]) -> Result<(), String> {
    let alike = is.iter().zip(whole).take_while(|(is, whole)| is == whole).count();
    if alike == is.len() {
        return Ok(());
    }
    let around = |bytes: &[u8]| bytes[alike.min(bytes.len())..].iter().take(40).map(|byte| format!("{byte:02x}")).collect::<String>();
    let (is_there, should_be) = (around(is), around(whole));
    Err(format!("{what} ({} bytes of {}) differs from byte {alike} on: {is_there} instead of {should_be}", is.len(), whole.len()))
}

/// With the server still there: no supervisor, no program, no run's folder.
pub async fn no_run_is_left(round: &Path) -> Result<(), String> {
    let left = || {
        let processes = processes::of(round).into_iter().filter(|process| !process.line.contains(" serve "));
        let processes = processes.map(|process| format!("process {} ({})", process.pid, process.line));
        processes.chain(files(&Server::data_of(round).join("runs")).iter().map(|path| path.display().to_string())).collect::<Vec<_>>()
    };
    let begin = Instant::now();
    while !left().is_empty() {
        if begin.elapsed() > PATIENCE {
            return Err(format!("left over: {}", left().join(", ")));
        }
        sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

/// Without the server: no process at all, and no file that was only to be there for a moment.
pub fn nothing_is_left(round: &Path) -> Result<(), String> {
    let processes = processes::of(round).into_iter().map(|process| format!("process {} ({})", process.pid, process.line));
    let files = files(&Server::data_of(round)).into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "new"));
    let left: Vec<String> = processes.chain(files.map(|path| path.display().to_string())).collect();
    if left.is_empty() { Ok(()) } else { Err(format!("left over without the server: {}", left.join(", "))) }
}

/// Whatever lies in a folder, at any depth.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        found.push(entry.path());
        found.extend(files(&entry.path()));
    }
    found
}
