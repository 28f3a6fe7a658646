//! The digest of what the program wrote, from the moment when it was read: what the server compares
//! its log with. Its checkpoints go beside the spool after the bytes that they speak of.

use crate::{
    backend::runner::checkpoints::{Checkpoint, SIZE, next_kept},
    domain::digest::OutputDigest,
};
use std::{
    fs::File,
    io,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::Path,
};

/// The digest so far, and the file with its checkpoints.
#[derive(Debug)]
pub(super) struct ProgramDigest {
    digest: OutputDigest,
    position: u64,
    file: File,
    /// Where in the file the next checkpoint goes: what is before it is kept.
    end: u64,
    /// Where the next checkpoint is due that is kept.
    due: u64,
    /// One that was due and is not in the file yet.
    passed: Option<Checkpoint>,
}

impl ProgramDigest {
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        let file = File::options().create(true).truncate(true).write(true).mode(0o600).open(path)?;
        let digest = OutputDigest::default();
        Ok(ProgramDigest { digest, position: 0, file, end: 0, due: next_kept(0), passed: None })
    }

    /// Goes on over what the program wrote next.
    pub(super) fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let until_due = usize::try_from(self.due - self.position).unwrap_or(usize::MAX);
            let (now, later) = bytes.split_at(bytes.len().min(until_due));
            self.digest.update(now);
            self.position += now.len() as u64;
            if self.position == self.due {
                self.passed = Some(self.checkpoint());
                self.due = next_kept(self.due);
            }
            bytes = later;
        }
    }

    /// The digest of all bytes so far.
    pub(super) fn finish(&self) -> String {
        self.digest.finish()
    }

    /// Puts down how far the spool has come; to be called when all bytes so far are in it. Where the
    /// disk has no room the checkpoint is left out: the next one says more, and the end says all.
    pub(super) fn put_down(&mut self) -> io::Result<()> {
        if let Some(passed) = self.passed.take() {
            self.file.write_all_at(&passed.encode(), self.end)?;
            self.end += SIZE as u64;
            if passed.position == self.position {
                return Ok(());
            }
        }
        self.file.write_all_at(&self.checkpoint().encode(), self.end)
    }

    fn checkpoint(&self) -> Checkpoint {
        Checkpoint { position: self.position, digest: self.digest.finish() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::runner::checkpoints::{read_all, read_last};

    fn digest_of(length: usize) -> String {
        let mut digest = OutputDigest::default();
        digest.update(&vec![b'x'; length]);
        digest.finish()
    }

    #[test]
    fn each_mebibyte_has_a_checkpoint_and_so_has_the_end() {
        const MIB: usize = 1 << 20;
        let place = tempfile::tempdir().expect("a folder");
        let path = place.path().join("digests");
        let mut digest = ProgramDigest::create(&path).expect("made");
        let mut position = 0;
        // Over the boundary, exactly up to one, and nothing at all.
        for part in [10, MIB, MIB - 10, 0, 5, 5] {
            digest.update(&vec![b'x'; part]);
            digest.put_down().expect("room");
            position += part;
            let last = Checkpoint { position: position as u64, digest: digest_of(position) };
            assert_eq!(read_last(&path).expect("there"), Some(last));
        }
        let all = read_all(&path).expect("there");
        let positions: Vec<u64> = all.iter().map(|checkpoint| checkpoint.position).collect();
        assert_eq!(positions, [MIB, 2 * MIB, 2 * MIB + 10].map(|position| position as u64));
        for checkpoint in all {
            assert_eq!(checkpoint.digest, digest_of(checkpoint.position as usize));
        }
        assert_eq!(digest.finish(), digest_of(position));
    }

    #[test]
    fn a_full_disk_costs_a_checkpoint_and_nothing_else() {
        let place = tempfile::tempdir().expect("a folder");
        let path = place.path().join("digests");
        let mut digest = ProgramDigest::create(&path).expect("made");
        digest.update(b"xxx");
        let full = File::options().write(true).open("/dev/full").expect("Linux");
        let disk = std::mem::replace(&mut digest.file, full);
        assert!(digest.put_down().is_err());
        digest.update(&vec![b'x'; 1 << 20]);
        assert!(digest.put_down().is_err());
        digest.file = disk;
        digest.update(b"xx");
        digest.put_down().expect("room");
        let whole = Checkpoint { position: (1 << 20) + 5, digest: digest_of((1 << 20) + 5) };
        assert_eq!(read_all(&path).expect("there"), [whole]);
    }
}
