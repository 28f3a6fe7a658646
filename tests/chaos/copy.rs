//! Copies of a round's data folder: one that is opened while the original's programs run, and a backup that is restored when all is over.
//! Neither may touch the original's programs, execute anything by itself, or pass for the original's log.

use crate::{
    check::{Submitted, begins},
    copies,
    http::get,
    processes,
    server::Server,
};
use kontasks::domain::{
    cursor::Epoch,
    members::Read,
    run::{Run, RunStatus},
};
use std::{
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};
use tokio::time::{Instant, sleep};

/// How long what cannot be running may be said to run after a start.
const PATIENCE: Duration = Duration::from_secs(30);

/// As people make copies. What is removed meanwhile is missing in it.
pub fn folder(from: &Path, to: &Path) -> Result<(), String> {
    let mut copy = Command::new("cp");
    copy.arg("-a").arg(from).arg(to).stdout(Stdio::null()).stderr(Stdio::null());
    copy.status().map(drop).map_err(|error| format!("the folder cannot be copied: {error}"))
}

/// No run is held in that data folder.
pub fn executes_nothing(round: &Path, data: &Path) -> Result<(), String> {
    let begin = format!(" supervise {}/", data.display());
    match processes::of(round).into_iter().find(|process| process.line.contains(&begin)) {
        None => Ok(()),
        Some(process) => Err(format!("a copied folder executes something: {}", process.line)),
    }
}

/// A server on the backup knows of each run what it could know then: nothing runs, what waited still waits, and its log has another name.
pub async fn restored(round: &Path, data: &Path, submitted: &[Submitted], original: &Option<Epoch>) -> Result<(), String> {
    let mut server = Server::on(round, data.to_owned())?;
    server.start().await.map_err(|error| format!("the backup: {error}"))?;
    let begin = Instant::now();
    let mut known = Vec::new();
    for Submitted { plan, id } in submitted {
        let of_run = |error: String| format!("run {id} in the backup: {error}");
        let run = loop {
            let answer = get(&server.address, &format!("/api/v1/runs/{id}")).await;
            if answer.status == 404 {
                break None; // submitted later
            }
            let run = Run::read(answer.json().map_err(of_run)?).map_err(|error| of_run(error.to_string()))?;
            if run.status != RunStatus::Running {
                break Some(run);
            }
            if begin.elapsed() > PATIENCE {
                return Err(of_run("it is said to run".to_owned()));
            }
            sleep(Duration::from_millis(20)).await;
        };
        if run.is_some() {
            known.push(*id);
            let output = get(&server.address, &format!("/api/v1/runs/{id}/output")).await;
            begins("the output", &output.body, &plan.program.bytes()).map_err(of_run)?;
        }
    }
    executes_nothing(round, data)?;
    let epoch = copies::epoch(&server.address, &known).await?;
    server.end().await?;
    match epoch {
        Some(epoch) if Some(&epoch) == original.as_ref() => Err(format!("the backup's log passes for the original's, {epoch}")),
        _ => Ok(()),
    }
}
