//! What a page has of the runs that it shows, and how it gets that at once: each run's snapshot, with the output that belongs to it.

use crate::http::{get, get_first};
use kontasks::domain::{
    cursor::{Cursor, Epoch},
    digest::OutputDigest,
    event::StreamEvent,
    id::RunId,
    members::Read,
    run::RunStatus,
    snapshot::ConsoleSnapshot,
};
use std::collections::BTreeMap;

/// The copies of one page, by run.
#[derive(Clone, Debug, Default)]
pub struct Copies(pub BTreeMap<RunId, Copy>);

#[derive(Clone, Debug, Default)]
pub struct Copy {
    pub bytes: Vec<u8>,
    /// What is said of the whole, once it is.
    pub end: Option<Whole>,
    /// Everything up to this event of the log is in it.
    upto: u64,
}

/// What an `end` says, or a snapshot of a run that is over.
#[derive(Clone, Debug, PartialEq)]
pub struct Whole {
    pub status: RunStatus,
    pub exit_code: Option<i32>,
    pub events: u64,
    pub bytes: u64,
    pub digest: String,
}

impl Copies {
    pub fn nothing(runs: &[RunId]) -> Self {
        Copies(runs.iter().map(|run| (*run, Copy::default())).collect())
    }

    pub fn have_ended(&self) -> bool {
        !self.0.is_empty() && self.0.values().all(|copy| copy.end.is_some())
    }

    /// Takes an event of the stream, unless a copy has it already.
    pub fn take(&mut self, event: &StreamEvent, seq: u64) {
        let run = match event {
            StreamEvent::Output(output) => output.run,
            StreamEvent::End(end) => end.run,
            _ => return,
        };
        let Some(copy) = self.0.get_mut(&run).filter(|copy| seq > copy.upto) else { return };
        match event {
            StreamEvent::Output(output) => copy.bytes.extend_from_slice(&output.bytes()),
            StreamEvent::End(end) => {
                copy.end = Some(Whole {
                    status: end.status,
                    exit_code: end.exit_code,
                    events: end.events,
                    bytes: end.bytes,
                    digest: end.digest.clone(),
                });
            }
            _ => {}
        }
        copy.upto = seq;
    }
}

/// The snapshots of all runs, and the cursor that the stream goes on from. Asks again for as long as it takes.
pub async fn load(address: &str, runs: &[RunId]) -> Result<(Copies, Cursor), String> {
    let (mut copies, mut from) = (Copies::default(), None::<Cursor>);
    for run in runs {
        let (copy, cursor) = load_one(address, *run).await.map_err(|error| format!("the snapshot of run {run}: {error}"))?;
        copies.0.insert(*run, copy);
        from = Some(match from {
            Some(from) if from.seq <= cursor.seq => from,
            _ => cursor,
        });
    }
    Ok((copies, from.ok_or("there is no run to load")?))
}

/// The name of the log, where there is a run to ask about.
pub async fn epoch(address: &str, runs: &[RunId]) -> Result<Option<Epoch>, String> {
    match runs.first() {
        Some(run) => Ok(Some(load_one(address, *run).await?.1.epoch)),
        None => Ok(None),
    }
}

async fn load_one(address: &str, id: RunId) -> Result<(Copy, Cursor), String> {
    let answer = get(address, &format!("/actions/page?request%5Bpage%5D=console&request%5Bid%5D={id}")).await;
    if answer.status != 200 {
        return Err(answer.text());
    }
    let ConsoleSnapshot { cursor, run, digest_so_far, .. } = Read::read(answer.json()?).map_err(|error| error.to_string())?;
    let bytes = first(address, id, run.bytes).await?;
    let mut digest = OutputDigest::default();
    digest.update(&bytes);
    let said = match (&run.digest, &digest_so_far) {
        (Some(all), _) => Some(all.clone()),
        (None, Some(so_far)) => OutputDigest::take_up(so_far).map(|digest| digest.finish()),
        (None, None) => None,
    };
    if said != Some(digest.finish()) {
        return Err(format!("its digest {said:?} is not that of its {} bytes", bytes.len()));
    }
    let end = run.digest.filter(|_| run.status.is_final()).map(|digest| Whole {
        status: run.status,
        exit_code: run.exit_code,
        events: run.events,
        bytes: run.bytes,
        digest,
    });
    Ok((Copy { bytes, end, upto: cursor.seq }, cursor))
}

/// Exactly so much of the output.
async fn first(address: &str, id: RunId, length: u64) -> Result<Vec<u8>, String> {
    if length == 0 {
        return Ok(Vec::new());
    }
    let answer = get_first(address, &format!("/api/v1/runs/{id}/output"), length).await;
    if answer.status != 206 || answer.body.len() as u64 != length {
        return Err(format!("{} bytes of {length}: {}", answer.body.len(), answer.status));
    }
    Ok(answer.body.to_vec())
}
