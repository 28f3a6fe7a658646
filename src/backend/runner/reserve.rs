//! Room that is kept for requests to cancel: a file of fixed size in the data folder, which is
//! written over in place. It takes the requests that a full disk has no room for in the runs' own
//! folders, and is held open, so that it needs no descriptor either. Where a file system makes room
//! anew for what is written over (btrfs, ZFS), it keeps no promise.

use super::folder::Asked;
use crate::domain::id::RunId;
use serde::{Deserialize, Serialize};
use std::{
    fs::File,
    io,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Enough for some hundred requests.
const SIZE: usize = 64 * 1024;

/// The file, and what is in it.
#[derive(Debug)]
pub(super) struct CancelReserve {
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// None where it could not be made yet.
    file: Option<File>,
    entries: Vec<Entry>,
    /// How much of the file is in use.
    used: usize,
}

/// One line of the file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Entry {
    run: RunId,
    asked: Asked,
}

impl CancelReserve {
    /// The reserve of a data folder, with what an earlier server kept there.
    pub(super) fn open(data: &Path) -> Self {
        let reserve = CancelReserve { path: data.join("cancel.reserve"), state: Mutex::default() };
        if let Err(error) = reserve.ensure() {
            tracing::warn!("no room can be kept for requests to cancel, trying again: {error}");
        }
        reserve
    }

    /// Makes the file where that has not been possible yet.
    ///
    /// # Errors
    /// It is still not possible.
    pub(super) fn ensure(&self) -> io::Result<()> {
        let mut state = self.state();
        if state.file.is_some() {
            return Ok(());
        }
        let mut options = File::options();
        let file = options.create(true).truncate(false).read(true).write(true).mode(0o600).open(&self.path)?;
        let there = usize::try_from(file.metadata()?.len()).unwrap_or(SIZE).min(SIZE);
        let mut bytes = vec![0; there];
        file.read_exact_at(&mut bytes, 0)?;
        if there < SIZE && system_has_less_than(8 * SIZE as u64, &file) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        // Room that is really there, and not only promised by a length.
        if let Err(error) = file.write_all_at(&vec![b'\n'; SIZE - there], there as u64) {
            // What could not be kept whole is given back to who needs it more.
            let _ = file.set_len(there as u64);
            return Err(error);
        }
        let lines = bytes.split(|byte| *byte == b'\n');
        state.entries = lines.filter_map(|line| serde_json::from_slice(line).ok()).collect();
        state.used = bytes.iter().rposition(|byte| *byte != b'\n').map_or(0, |last| last + 2).min(SIZE);
        state.file = Some(file);
        Ok(())
    }

    /// Keeps a request for the next server.
    ///
    /// # Errors
    /// There is no room left here either, or the disk fails.
    pub(super) fn keep(&self, run: RunId, asked: &Asked) -> io::Result<()> {
        let entry = Entry { run, asked: asked.clone() };
        let mut line = serde_json::to_vec(&entry)?;
        line.push(b'\n');
        let mut state = self.state();
        if state.used + line.len() > SIZE {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let file = state.file.as_ref().ok_or(io::ErrorKind::StorageFull)?;
        file.write_all_at(&line, state.used as u64)?;
        state.used += line.len();
        state.entries.push(entry);
        Ok(())
    }

    /// What was kept for a run, in the order of asking.
    pub(super) fn requests(&self, run: RunId) -> Vec<Asked> {
        let state = self.state();
        state.entries.iter().filter(|entry| entry.run == run).map(|entry| entry.asked.clone()).collect()
    }

    /// A run is over. The file is wiped with the last of them, and until then keeps what nobody
    /// asks for any more.
    pub(super) fn release(&self, run: RunId) {
        self.retain(|kept| kept != run);
    }

    /// Keeps only what is for those runs.
    pub(super) fn retain(&self, is_wanted: impl Fn(RunId) -> bool) {
        let mut state = self.state();
        let before = state.entries.len();
        state.entries.retain(|entry| is_wanted(entry.run));
        if state.used == 0 || !state.entries.is_empty() {
            return;
        }
        let wiped = vec![b'\n'; state.used];
        match state.file.as_ref().map(|file| file.write_all_at(&wiped, 0)) {
            Some(Ok(())) => state.used = 0,
            // What is left names runs that have ended.
            Some(Err(error)) if before > 0 => tracing::warn!("{} cannot be wiped: {error}", self.path.display()),
            _ => {}
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the file's disk has less room: the last of it is for what the server itself begins with.
fn system_has_less_than(bytes: u64, file: &File) -> bool {
    rustix::fs::fstatvfs(file).is_ok_and(|system| system.f_bavail.saturating_mul(system.f_frsize) < bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::timestamp::Timestamp;
    use std::fs;

    fn run(number: u8) -> RunId {
        format!("019d0c5e-7b1c-7c7e-9d53-0d6f3a1f2b{number:02x}").parse().expect("an id")
    }

    fn asked(by: &str) -> Asked {
        Asked { by: by.into(), at: Timestamp(1) }
    }

    #[test]
    fn what_was_kept_is_there_for_the_next_server_until_its_run_is_over() {
        let place = tempfile::tempdir().expect("a folder");
        let reserve = CancelReserve::open(place.path());
        for (number, by) in [(1, "a\n"), (2, "b"), (1, "c")] {
            reserve.keep(run(number), &asked(by)).expect("kept");
        }
        drop(reserve);
        let reserve = CancelReserve::open(place.path());
        assert_eq!(reserve.requests(run(1)), [asked("a\n"), asked("c")]);
        reserve.release(run(1));
        assert_eq!((reserve.requests(run(1)).len(), reserve.requests(run(2)).len()), (0, 1));
        reserve.keep(run(3), &asked("d")).expect("kept");
        drop(reserve);
        let reserve = CancelReserve::open(place.path());
        assert_eq!(reserve.requests(run(3)), [asked("d")]);
        reserve.retain(|_| false);
        let bytes = fs::read(place.path().join("cancel.reserve")).expect("there");
        assert!(bytes.len() == SIZE && bytes.iter().all(|byte| *byte == b'\n'), "its room is kept");
    }

    #[test]
    fn what_is_torn_is_passed_over_and_what_is_full_says_so() {
        let place = tempfile::tempdir().expect("a folder");
        fs::write(place.path().join("cancel.reserve"), "{\"run\":\"019d").expect("written");
        let reserve = CancelReserve::open(place.path());
        reserve.keep(run(1), &asked("a")).expect("kept");
        let long = asked(&"x".repeat(1000));
        while reserve.keep(run(2), &long).is_ok() {}
        assert!(reserve.requests(run(2)).len() > 50);
        drop(reserve);
        let reserve = CancelReserve::open(place.path());
        assert_eq!(reserve.requests(run(1)), [asked("a")]);
    }
}
