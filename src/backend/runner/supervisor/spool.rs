//! The spool as its writer sees it: what the program wrote, from the descriptor into the file, in order and nothing twice, also
//! where the disk takes only a part.

use super::{BUFFER, program_digest::ProgramDigest};
use std::{
    fs::File,
    io::{self, Write},
    os::{fd::BorrowedFd, unix::fs::OpenOptionsExt},
    path::Path,
};

/// The spool file and what has not reached it yet.
#[derive(Debug)]
pub(super) struct Spool {
    file: File,
    /// Bytes in the file.
    length: u64,
    buffer: Vec<u8>,
    /// How many bytes of the buffer are in use, and how many of them are in the file already.
    filled: usize,
    written: usize,
    /// How many bytes it takes; what comes after them is dropped.
    most: u64,
    has_dropped: bool,
    /// Of what was read, as it was read.
    digest: ProgramDigest,
}

impl Spool {
    /// A new file, which takes that many bytes at the most, and beside it one for its digests.
    pub(super) fn create(path: &Path, digests: &Path, most: u64) -> io::Result<Self> {
        let file = File::options().create(true).truncate(true).write(true).mode(0o600).open(path)?;
        let digest = ProgramDigest::create(digests)?;
        Ok(Spool { file, length: 0, buffer: vec![0; BUFFER], filled: 0, written: 0, most, has_dropped: false, digest })
    }

    /// How many bytes are in the file.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// The digest of all bytes that were read and kept.
    pub(super) fn digest(&self) -> String {
        self.digest.finish()
    }

    /// Whether something came that was more than it takes.
    pub(super) fn has_dropped(&self) -> bool {
        self.has_dropped
    }

    /// Reads what is there without waiting, as much as fits: a terminal gives 4 KiB at a time, a file wants more. Says how much came;
    /// 0 is the end. To be called only after everything has been flushed.
    pub(super) fn fill(&mut self, output: BorrowedFd<'_>) -> io::Result<usize> {
        while self.filled < self.buffer.len() {
            match rustix::io::read(output, &mut self.buffer[self.filled..]) {
                Ok(0) => break,
                Ok(n) => self.filled += n,
                // What came before it counts first; the error comes again.
                Err(_) if self.filled > 0 => break,
                Err(error) => return Err(error.into()),
            }
        }
        let came = self.filled;
        let room = usize::try_from(self.most.saturating_sub(self.length)).unwrap_or(usize::MAX);
        if came > room {
            self.filled = room;
            self.has_dropped = true;
        }
        self.digest.update(&self.buffer[..self.filled]);
        Ok(came)
    }

    /// Writes what was read; true where there was something. After an error the next call goes on where this one stopped.
    pub(super) fn flush(&mut self) -> io::Result<bool> {
        if self.filled == 0 {
            return Ok(false);
        }
        while self.written < self.filled {
            match self.file.write(&self.buffer[self.written..self.filled]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => {
                    self.written += n;
                    self.length += n as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        (self.filled, self.written) = (0, 0);
        // Output that is kept is worth more than the proof of it.
        let _ = self.digest.put_down();
        Ok(true)
    }

    /// Makes the file survive a power cut.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::digest::OutputDigest;
    use std::{io::pipe, os::fd::AsFd};

    fn digest(bytes: &[u8]) -> String {
        let mut digest = OutputDigest::default();
        digest.update(bytes);
        digest.finish()
    }

    #[test]
    fn a_full_disk_loses_and_repeats_nothing() {
        let place = tempfile::tempdir().expect("a folder");
        let path = place.path().join("spool");
        let mut spool = Spool::create(&path, &path.with_extension("digests"), u64::MAX).expect("made");
        let (reader, mut writer) = pipe().expect("a pipe");
        writer.write_all(b"one two three").expect("written");
        drop(writer);

        assert_eq!(spool.fill(reader.as_fd()).expect("read"), 13);
        let disk = std::mem::replace(&mut spool.file, File::options().write(true).open("/dev/full").expect("Linux"));
        assert!(spool.flush().is_err() && spool.flush().is_err());
        spool.file = disk;
        assert!(spool.flush().expect("room again"));
        assert!(!spool.flush().expect("nothing more"));
        assert_eq!(spool.length(), 13);
        assert_eq!(std::fs::read(&path).expect("there"), b"one two three");
        assert_eq!(spool.fill(reader.as_fd()).expect("read"), 0, "the end");
        assert_eq!(spool.digest(), digest(b"one two three"));
    }

    #[test]
    fn what_is_too_much_is_dropped_to_the_byte() {
        let place = tempfile::tempdir().expect("a folder");
        let path = place.path().join("spool");
        let mut spool = Spool::create(&path, &path.with_extension("digests"), 5).expect("made");
        let (reader, mut writer) = pipe().expect("a pipe");
        rustix::io::ioctl_fionbio(&reader, true).expect("set");
        for (text, dropped) in [("one", false), ("21", false), ("more", true), ("and more", true)] {
            writer.write_all(text.as_bytes()).expect("written");
            assert_eq!(spool.fill(reader.as_fd()).expect("read"), text.len(), "it is not the end");
            spool.flush().expect("room");
            assert_eq!(spool.has_dropped(), dropped);
        }
        assert_eq!((spool.length(), std::fs::read(&path).expect("there").as_slice()), (5, &b"one21"[..]));
        assert_eq!(spool.digest(), digest(b"one21"), "what was dropped is not of it");
    }
}
