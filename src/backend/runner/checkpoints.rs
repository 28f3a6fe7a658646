//! The file `digests` of a run's folder: what the supervisor says of the program's bytes while it
//! reads them, so that a difference can be given its place, and so that what a killed supervisor had
//! read is known.
//!
//! It is a list of checkpoints in the order of their positions, each of them [`SIZE`] bytes of text:
//! how many bytes the program had written, the digest of those, and a check of the checkpoint
//! itself. One is kept for each MiB (fewer, further on: [`next_kept`]); the last one is of whatever
//! the spool has got since, and is overwritten by the next. A size that divides a disk's sectors
//! keeps a loss of power from leaving the half of one, and the check keeps a reader from taking half
//! of one that is being written.

use crate::domain::digest::OutputDigest;
use std::{fs::File, io, os::unix::fs::FileExt, path::Path};

/// How much room a checkpoint has.
pub(super) const SIZE: usize = 128;
/// How far apart checkpoints that are kept are at least.
const STEP: u64 = 1 << 20;

/// What the program had written at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Checkpoint {
    /// How many bytes.
    pub position: u64,
    /// Of those, as [`OutputDigest::finish`] gives it.
    pub digest: String,
}

/// Where the checkpoint after `position` is that is to be kept: the next full MiB, and beyond 1 GiB
/// a thousandth further on, so that no output, however long, has more than some thousands.
pub(super) fn next_kept(position: u64) -> u64 {
    let apart = (position / 1024 / STEP).max(1) * STEP;
    (position / STEP * STEP).saturating_add(apart)
}

impl Checkpoint {
    pub(super) fn encode(&self) -> [u8; SIZE] {
        let said = format!("{:020} {}", self.position, self.digest);
        let mut text = format!("{said} {}", check(&said)).into_bytes();
        text.resize(SIZE - 1, b' ');
        let mut record = [b'\n'; SIZE];
        record[..SIZE - 1].copy_from_slice(&text);
        record
    }

    /// None where it is not one, or not a whole one.
    fn decode(record: &[u8]) -> Option<Self> {
        let (said, checked) = std::str::from_utf8(record).ok()?.trim_end().rsplit_once(' ')?;
        let (position, digest) = said.split_once(' ')?;
        let position = position.parse().ok()?;
        (check(said) == checked).then(|| Checkpoint { position, digest: digest.to_owned() })
    }
}

fn check(said: &str) -> String {
    let mut digest = OutputDigest::default();
    digest.update(said.as_bytes());
    digest.finish().chars().rev().take(16).collect()
}

/// All that there are, up to the first that is none or does not follow the one before; none where
/// there is no such file, as an earlier version wrote none.
pub(super) fn read_all(file: &Path) -> io::Result<Vec<Checkpoint>> {
    let bytes = match std::fs::read(file) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut checkpoints: Vec<Checkpoint> = Vec::new();
    for checkpoint in bytes.chunks_exact(SIZE).map_while(Checkpoint::decode) {
        if checkpoints.last().is_some_and(|last| last.position >= checkpoint.position) {
            break;
        }
        checkpoints.push(checkpoint);
    }
    Ok(checkpoints)
}

/// The last one; none where there is none, or it is just being written.
pub(super) fn read_last(file: &Path) -> io::Result<Option<Checkpoint>> {
    let file = match File::open(file) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let Some(start) = (file.metadata()?.len() / SIZE as u64).checked_sub(1) else { return Ok(None) };
    let mut record = [0; SIZE];
    match file.read_exact_at(&mut record, start * SIZE as u64) {
        Ok(()) => Ok(Checkpoint::decode(&record)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(position: u64) -> Checkpoint {
        let mut digest = OutputDigest::default();
        digest.update(&position.to_le_bytes());
        Checkpoint { position, digest: digest.finish() }
    }

    #[test]
    fn a_checkpoint_is_read_as_it_was_written_or_not_at_all() {
        let written = at(u64::MAX).encode();
        assert_eq!((written.len(), written[SIZE - 1]), (SIZE, b'\n'));
        assert_eq!(Checkpoint::decode(&written), Some(at(u64::MAX)));
        for changed in 0..SIZE {
            let mut torn = written;
            torn[changed] = if torn[changed] == b'1' { b'2' } else { b'1' };
            let read = Checkpoint::decode(&torn);
            assert!(read.is_none() || changed > 100, "byte {changed}: {read:?}");
        }
        let half = [&at(7).encode()[..64], &at(8).encode()[64..]].concat();
        assert_eq!(Checkpoint::decode(&half), None, "of two");
    }

    #[test]
    fn what_follows_something_spoilt_is_not_believed() {
        let place = tempfile::tempdir().expect("a folder");
        let file = place.path().join("digests");
        assert_eq!((read_all(&file).expect("none"), read_last(&file).expect("none")), (vec![], None));
        let mut bytes = [at(1).encode(), at(2).encode(), at(3).encode()].concat();
        std::fs::write(&file, &bytes[..SIZE * 3 - 1]).expect("written");
        assert_eq!(read_all(&file).expect("read"), [at(1), at(2)]);
        assert_eq!(read_last(&file).expect("read"), Some(at(2)));
        bytes[SIZE] = b'x';
        std::fs::write(&file, &bytes).expect("written");
        assert_eq!(read_all(&file).expect("read"), [at(1)]);
        assert_eq!(read_last(&file).expect("read"), Some(at(3)));
        std::fs::write(&file, [at(2).encode(), at(2).encode()].concat()).expect("written");
        assert_eq!(read_all(&file).expect("read"), [at(2)]);
    }

    #[test]
    fn they_are_few_however_long_the_output() {
        assert_eq!((next_kept(0), next_kept(STEP - 1), next_kept(STEP)), (STEP, STEP, 2 * STEP));
        let (mut position, mut count) = (0, 0);
        while position < 1 << 40 {
            let next = next_kept(position);
            assert!(next > position && next.is_multiple_of(STEP));
            (position, count) = (next, count + 1);
        }
        assert!(count < 12_000, "{count} for a TiB");
        assert!(next_kept(u64::MAX) >= u64::MAX - STEP, "and no overflow");
    }
}
