//! The server's proof that what it has committed of a run is what the run's program wrote: the digest
//! of the log against what the supervisor said of the bytes that it read. Where they differ, the log
//! is read once more to find the place.

use super::{
    checkpoints::{self, Checkpoint},
    folder::{Ended, RunFolder},
};
use crate::{
    backend::store::{Store, StoreError},
    domain::{
        digest::OutputDigest,
        id::RunId,
        integrity::{Damage, Integrity},
    },
};
use std::{fs, io};

/// How much of the log is read at once.
const PIECE: usize = 512 * 1024;

/// What stood in a run's folder at one moment.
pub(super) struct Look {
    /// What the supervisor had said last.
    checkpoint: Option<Checkpoint>,
    /// Bytes of the spool from the position that was asked for on.
    pub bytes: Vec<u8>,
    /// The spool's length.
    length: u64,
}

/// Reads at most `max` bytes of the spool from `position`. The checkpoint is read before the spool,
/// so all that it speaks of must be there.
pub(super) fn look(folder: &RunFolder, position: u64, max: usize) -> io::Result<Look> {
    let checkpoint = checkpoints::read_last(&folder.digests())?;
    let bytes = folder.read_spool(position, max)?;
    let length = match fs::metadata(folder.spool()) {
        Ok(spool) => spool.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
        Err(error) => return Err(error),
    };
    Ok(Look { checkpoint, bytes, length })
}

/// What is committed of a run that is followed, as the supervisor's word is compared with it.
pub(super) struct Watch {
    log: OutputDigest,
    /// What is known to be wrong: with it every later digest differs.
    damage: Option<Damage>,
}

impl Watch {
    /// From what is committed.
    pub(super) fn new(log: OutputDigest, damage: Option<Damage>) -> Self {
        Watch { log, damage }
    }

    /// More is committed, and this is the digest of all of it.
    pub(super) fn committed(&mut self, log: OutputDigest) {
        self.log = log;
    }

    /// Compares what was seen with the `position` bytes that are committed, and says so in the log
    /// where they are not what the program wrote.
    pub(super) async fn compare(
        &mut self,
        store: &Store,
        run: RunId,
        folder: &RunFolder,
        look: &Look,
        position: u64,
    ) -> Result<(), CompareError> {
        let Some(checkpoint) = look.checkpoint.as_ref().filter(|_| self.damage.is_none()) else {
            return Ok(());
        };
        // All that is left of the spool is committed, but for the beginning of a character.
        let is_cut = look.length <= position + 3 && position.max(look.length) < checkpoint.position;
        let differs = checkpoint.position == position && checkpoint.digest != self.log.finish();
        if !is_cut && !differs {
            return Ok(());
        }
        let checkpoints = read_checkpoints(folder).await?;
        if let Some(damage) = prove(store, run, &checkpoints, position, is_cut).await?.damage {
            let place = damage.place();
            tracing::warn!(%run, "a run's output differs from what its program wrote, {place}");
            store.run_damaged(run, damage).await?;
            self.damage = Some(damage);
        }
        Ok(())
    }

    /// What is known of a run's output when all of it is committed, `position` bytes.
    pub(super) async fn conclude(
        &self,
        store: &Store,
        run: RunId,
        folder: &RunFolder,
        ended: Option<&Ended>,
        position: u64,
    ) -> Result<Integrity, CompareError> {
        let mut checkpoints = read_checkpoints(folder).await?;
        if let Some(ended) = ended {
            let Some(digest) = ended.digest.clone() else {
                // A supervisor of an earlier version said how long it is and nothing more.
                let damage = Damage { from: 0, to: ended.bytes.max(position) };
                let damage = (ended.bytes != position).then_some(damage);
                return Ok(Integrity { damage, ..Integrity::default() });
            };
            checkpoints.retain(|checkpoint| checkpoint.position < ended.bytes);
            checkpoints.push(Checkpoint { position: ended.bytes, digest });
        }
        let program_digest = ended.and_then(|ended| ended.digest.clone());
        let Some(last) = checkpoints.last() else { return Ok(Integrity::default()) };
        // The digest of what is committed has been carried on from one commit to the next.
        if last.position == position && last.digest == self.log.finish() {
            let verified_bytes = Some(position);
            return Ok(Integrity { program_digest, verified_bytes, damage: None });
        }
        let proven = prove(store, run, &checkpoints, position, true).await?;
        // Where an end is written down, nothing that the program wrote comes after it.
        let more = ended.is_some().then_some(Damage { from: proven.verified.min(position), to: position.max(last.position) });
        let (verified_bytes, damage) = (Some(proven.verified), proven.damage.or(more));
        Ok(Integrity { program_digest, verified_bytes, damage })
    }
}

#[derive(Debug, thiserror::Error)]
pub(super) enum CompareError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the run's folder: {0}")]
    Folder(#[from] io::Error),
    #[error("a task of the server failed: {0}")]
    Task(#[from] tokio::task::JoinError),
}

async fn read_checkpoints(folder: &RunFolder) -> Result<Vec<Checkpoint>, CompareError> {
    let file = folder.digests();
    Ok(tokio::task::spawn_blocking(move || checkpoints::read_all(&file)).await??)
}

/// How much of a log its checkpoints prove.
struct Proven {
    verified: u64,
    damage: Option<Damage>,
}

/// Reads what is committed of a run, `length` bytes, from the beginning and compares it with each
/// checkpoint. Where `is_all`, nothing more comes: what a checkpoint speaks of and is not there is
/// lost.
async fn prove(store: &Store, run: RunId, checkpoints: &[Checkpoint], length: u64, is_all: bool) -> Result<Proven, StoreError> {
    let (mut digest, mut at, mut verified) = (OutputDigest::default(), 0, 0);
    for checkpoint in checkpoints {
        if checkpoint.position > length && !is_all {
            break;
        }
        while at < checkpoint.position.min(length) {
            let left = usize::try_from(checkpoint.position.min(length) - at).unwrap_or(PIECE);
            let bytes = store.output(run, at, left.min(PIECE)).await?;
            if bytes.is_empty() {
                break;
            }
            digest.update(&bytes);
            at += bytes.len() as u64;
        }
        if at < checkpoint.position || digest.finish() != checkpoint.digest {
            let damage = Some(Damage { from: verified, to: checkpoint.position });
            return Ok(Proven { verified, damage });
        }
        verified = checkpoint.position;
    }
    Ok(Proven { verified, damage: None })
}
