//! The folder of one run: what the server and the run's supervisor tell each other through files, so that either may end and be
//! replaced at any moment.
//!
//! | file | written by | says |
//! |---|---|---|
//! | `spec.json` | server | what to start |
//! | `cancel` | server | who asked for the end and when, a line each time (JSON); an empty file means once, and nobody known |
//! | `typed` | server | what people typed into the terminal, and its size: `typed.rs` |
//! | `lock` | supervisor | locked for as long as it lives, which no recycled process id can pretend |
//! | `ctl` | supervisor | the socket of `link.rs` |
//! | `begun.json` | supervisor | from here on the program may have been started: nobody starts it again |
//! | `unbegun.json` | supervisor | what was `begun.json`, taken back: the system refused to start the program, and it may be tried again |
//! | `started.json` | supervisor | the program runs, since when, as which process |
//! | `stopping.json` | supervisor | how far the end has come that was asked for |
//! | `sizes` | supervisor | which sizes the terminal has had, and from which byte of the spool on: `sizes.rs` |
//! | `spool` | supervisor | every byte that the program wrote |
//! | `digests` | supervisor | the digest of those bytes, at one position after the other: `checkpoints.rs` |
//! | `end.json` | supervisor | how it ended, how long the spool is, and the digest of what is in it |
//! | `supervisor.log` | supervisor | what went wrong in itself; normally empty |
//!
//! `spec.json` and `begun.json` name the data folder that the run is of. One that names another is the copy of a run that somebody else
//! holds: it is read, and otherwise left alone ([`RunFolder::is_foreign`]).
//!
//! Server and supervisor may be of different versions. So a member or a file that is added is one that may be missing, and what is there
//! keeps its meaning.

use super::{
    limits::{LimitReached, RunLimits},
    process,
};
use crate::{
    backend::identity::FolderId,
    domain::{
        id::{RunId, TaskId},
        timestamp::Timestamp,
    },
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{
    collections::BTreeMap,
    fs::{self, DirBuilder, File, TryLockError},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

/// One run's folder, and the data folder whose runs are ours; none for a supervisor, which holds its run
/// whatever is around it.
#[derive(Clone, Debug)]
pub(super) struct RunFolder(PathBuf, Option<FolderId>);

/// What a supervisor is to start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Spec {
    pub run: RunId,
    pub task: TaskId,
    pub program: Program,
    #[serde(default)]
    pub limits: RunLimits,
    /// The data folder that the run is of; earlier versions did not say.
    #[serde(default)]
    pub data: Option<FolderId>,
    #[serde(default)]
    pub accepted: Option<Accepted>,
}

/// What the run was accepted as: enough to know it by where the database has lost it. No supervisor needs it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Accepted {
    pub runner: String,
    pub prompt: String,
    pub request_id: String,
    pub at: Timestamp,
}

/// A program with all it needs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Program {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Put into the file [`RunFolder::script`] before.
    pub script: Option<String>,
    pub folder: PathBuf,
    pub environment: BTreeMap<String, String>,
    /// A terminal, or pipes.
    pub terminal: bool,
}

/// The supervisor is about to start the program.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Begun {
    /// Which start of the machine it was, where the system tells.
    pub boot: Option<String>,
    /// The data folder that the run is of; earlier versions did not say.
    #[serde(default)]
    pub data: Option<FolderId>,
    /// The control group that it is started in, as `/proc/<pid>/cgroup` has it; none where there is none.
    #[serde(default)]
    pub cgroup: Option<String>,
}

/// The member of `spec.json` and `begun.json` that says whose the run is.
#[derive(Deserialize)]
struct Owner {
    #[serde(default)]
    data: Option<FolderId>,
}

/// The program runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Started {
    pub pid: i32,
    /// When the kernel says that the process was made, in its own unit: with the pid it names the process for good.
    pub birth: Option<u64>,
    /// Whether it was seen in its control group, so that all that it starts is.
    #[serde(default)]
    pub contained: bool,
    pub at: Timestamp,
}

/// Somebody's request to end the run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Asked {
    /// Who, in words.
    pub by: String,
    pub at: Timestamp,
}

/// What all that the program has started was sent last, because somebody asked for the end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Reached {
    /// By name.
    pub signal: String,
    pub at: Timestamp,
    /// How many requests to cancel the supervisor had heard by then.
    pub requests: usize,
    /// The limit that it was about, where there was no request.
    #[serde(default)]
    pub limit: Option<LimitReached>,
}

/// The program ended, or was never started.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Ended {
    pub how: How,
    /// Whether somebody had asked for it.
    pub stopped: Option<Stopped>,
    /// The limit that it came to, where nobody had asked before.
    #[serde(default)]
    pub limit: Option<LimitReached>,
    pub at: Timestamp,
    /// The length of the spool.
    pub bytes: u64,
    /// Of all bytes that were read from the program and kept, taken as they were read.
    #[serde(default)]
    pub digest: Option<String>,
    /// Processes of the run that could not be ended.
    #[serde(default)]
    pub left: Vec<i32>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum How {
    /// With this exit code.
    Exited(i32),
    /// By this signal.
    Signalled(String),
    /// It could not be started, for this reason.
    NotStarted(String),
}

/// Who asked for the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Stopped {
    /// A person or program, through the server.
    Cancelled,
    /// Whoever sent SIGTERM to the supervisor; a machine that shuts down does.
    Terminated,
}

impl RunFolder {
    /// How many requests for the end make a difference: one for each step towards it.
    pub(super) const REQUESTS: usize = 3;
    /// What the name of a folder that is being removed ends with.
    pub(super) const REMOVED: &str = "removed";

    pub(super) fn new(runs: &Path, run: RunId, data: FolderId) -> Self {
        RunFolder(runs.join(run.to_string()), Some(data))
    }

    pub(super) fn at(path: &Path) -> Self {
        RunFolder(path.to_owned(), None)
    }

    /// The data folder whose runs are ours.
    pub(super) fn data(&self) -> Option<FolderId> {
        self.1
    }

    /// The data folder that the run is of, as far as that is written down.
    pub(super) fn owner(&self) -> io::Result<Option<FolderId>> {
        for name in ["begun.json", "spec.json"] {
            if let Some(Owner { data: Some(owner) }) = self.read(name)? {
                return Ok(Some(owner));
            }
        }
        Ok(None)
    }

    /// Whether this is the copy of a run of another data folder, whose supervisor and program are none of ours. It is not where a
    /// supervisor of this very folder lives: then the database was restored or replaced below it.
    pub(super) fn is_foreign(&self) -> io::Result<bool> {
        let Some(own) = self.1 else { return Ok(false) };
        Ok(self.owner()?.is_some_and(|owner| owner != own) && !self.is_supervised_here()?)
    }

    /// Whether a supervisor lives that was started for this folder, and not for one that shares its files by hard links.
    pub(super) fn is_supervised_here(&self) -> io::Result<bool> {
        let run = self.0.file_name().and_then(|name| name.to_str()?.parse().ok());
        Ok(self.is_held()? && run.is_some_and(|run| process::supervised_folders(run).contains(&self.0)))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    pub(super) fn script(&self) -> PathBuf {
        self.0.join("prompt")
    }

    pub(super) fn log(&self) -> PathBuf {
        self.0.join("supervisor.log")
    }

    pub(super) fn spool(&self) -> PathBuf {
        self.0.join("spool")
    }

    pub(super) fn digests(&self) -> PathBuf {
        self.0.join("digests")
    }

    pub(super) fn typed(&self) -> PathBuf {
        self.0.join("typed")
    }

    pub(super) fn sizes(&self) -> PathBuf {
        self.0.join("sizes")
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.0.join("ctl")
    }

    /// Makes the folder for its owner only and puts into it what is to be started.
    pub(super) fn prepare(&self, spec: &Spec) -> io::Result<()> {
        self.make()?;
        self.write("spec.json", spec, Durable::No)
    }

    /// Makes the folder, and the one of all runs. The data folder is never made anew: where it is gone, this fails.
    fn make(&self) -> io::Result<()> {
        for folder in self.0.parent().into_iter().chain([self.0.as_path()]) {
            match DirBuilder::new().mode(0o700).create(folder) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// Whether the run's turn to be started has come: it may have been started. Where that cannot be told, it may.
    pub(super) fn had_turn(&self) -> bool {
        self.0.join("spec.json").try_exists().unwrap_or(true)
    }

    pub(super) fn spec(&self) -> io::Result<Option<Spec>> {
        self.read("spec.json")
    }

    /// Takes the lock that its supervisor holds for life; none where another process has it.
    pub(super) fn lock(&self) -> io::Result<Option<File>> {
        let lock = File::options().create(true).truncate(false).write(true).mode(0o600).open(self.0.join("lock"))?;
        match lock.try_lock() {
            Ok(()) => Ok(Some(lock)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Whether a supervisor lives. It takes the lock for an instant, so a supervisor tries for longer than an instant to get it.
    pub(super) fn is_held(&self) -> io::Result<bool> {
        match self.lock() {
            Ok(lock) => Ok(lock.is_none()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// A mark that cannot be read is a mark.
    pub(super) fn begun(&self) -> io::Result<Option<Begun>> {
        let there = self.0.join("begun.json").try_exists()?;
        Ok(self.read("begun.json")?.or(there.then_some(Begun { boot: None, data: None, cgroup: None })))
    }

    /// Survives a power cut, as a program must not be started a second time after one.
    pub(super) fn write_begun(&self, begun: &Begun) -> io::Result<()> {
        match fs::remove_file(self.0.join("unbegun.json")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        self.write("begun.json", begun, Durable::Yes)?;
        File::open(&self.0)?.sync_all()
    }

    /// Takes the mark back, in one step that needs no room. Only for the supervisor that wrote it, while it holds the lock and knows that
    /// there was no program. Where it was not written there is nothing to take back.
    pub(super) fn take_back_begun(&self) -> io::Result<()> {
        match fs::rename(self.0.join("begun.json"), self.0.join("unbegun.json")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            renamed => renamed,
        }
    }

    /// Whether the run was begun and that was taken back, so that it may be tried again. A folder that somebody has emptied does not say so.
    pub(super) fn may_begin_again(&self) -> io::Result<bool> {
        Ok(!self.0.join("begun.json").try_exists()? && self.0.join("unbegun.json").try_exists()?)
    }

    pub(super) fn started(&self) -> io::Result<Option<Started>> {
        self.read("started.json")
    }

    pub(super) fn write_started(&self, started: &Started) -> io::Result<()> {
        self.write("started.json", started, Durable::No)
    }

    pub(super) fn ended(&self) -> io::Result<Option<Ended>> {
        self.read("end.json")
    }

    pub(super) fn write_ended(&self, ended: &Ended) -> io::Result<()> {
        self.write("end.json", ended, Durable::Yes)
    }

    pub(super) fn reached(&self) -> io::Result<Option<Reached>> {
        self.read("stopping.json")
    }

    pub(super) fn write_reached(&self, reached: &Reached) -> io::Result<()> {
        self.write("stopping.json", reached, Durable::No)
    }

    pub(super) fn cancel_requested(&self) -> bool {
        self.0.join("cancel").exists()
    }

    /// Writes down that a run that waits is not to be started, for the case that this server ends before it has done so.
    pub(super) fn request_cancel_of_waiting(&self, asked: &Asked) -> io::Result<()> {
        self.make()?;
        self.request_cancel(asked)
    }

    /// Writes down that somebody wants the run to end, for the case that this server ends before it could pass it on. A run that has no
    /// folder yet has nothing to be passed on to. More than [`Self::REQUESTS`] change nothing.
    pub(super) fn request_cancel(&self, asked: &Asked) -> io::Result<()> {
        if self.requests()?.len() >= Self::REQUESTS {
            return Ok(());
        }
        let mut line = serde_json::to_vec(asked)?;
        line.push(b'\n');
        match File::options().create(true).append(true).mode(0o600).open(self.0.join("cancel")) {
            Ok(mut file) => file.write_all(&line),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Who has asked for the end, in order; none where nobody has, or an earlier version wrote it down, which did not say who.
    pub(super) fn requests(&self) -> io::Result<Vec<Asked>> {
        match fs::read(self.0.join("cancel")) {
            Ok(lines) => Ok(lines.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// At most `max` bytes of the spool from `position`; empty where there is no more, or no spool.
    pub(super) fn read_spool(&self, position: u64, max: usize) -> io::Result<Vec<u8>> {
        let spool = match File::open(self.spool()) {
            Ok(spool) => spool,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let there = spool.metadata()?.len().saturating_sub(position);
        let mut bytes = vec![0; max.min(usize::try_from(there).unwrap_or(max))];
        let mut filled = 0;
        while filled < bytes.len() {
            match spool.read_at(&mut bytes[filled..], position + filled as u64) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        bytes.truncate(filled);
        Ok(bytes)
    }

    /// How long the spool is; 0 where there is none.
    pub(super) fn spool_length(&self) -> io::Result<u64> {
        match fs::metadata(self.spool()) {
            Ok(spool) => Ok(spool.len()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            Err(error) => Err(error),
        }
    }

    /// Whether the disk has no room for the few files that a run begins with.
    pub(super) fn is_full(&self) -> bool {
        const NEEDED: u64 = 64 * 1024;
        rustix::fs::statvfs(&self.0).is_ok_and(|system| system.f_bavail.saturating_mul(system.f_frsize) < NEEDED)
    }

    pub(super) fn exists(&self) -> io::Result<bool> {
        self.0.try_exists()
    }

    /// Removes the folder with all that is in it. It loses its name first: one that still has it is one that is needed.
    pub(super) fn remove(&self) -> io::Result<()> {
        let removed = self.0.with_extension(Self::REMOVED);
        match fs::rename(&self.0, &removed) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(_) => return fs::remove_dir_all(&self.0),
            Ok(()) => {}
        }
        fs::remove_dir_all(&removed)
    }

    /// Moves the folder into another one, of what is kept, and says where it is then.
    pub(super) fn keep_in(&self, kept: &Path) -> io::Result<PathBuf> {
        DirBuilder::new().recursive(true).mode(0o700).create(kept)?;
        let place = kept.join(self.0.file_name().unwrap_or_default());
        fs::rename(&self.0, &place)?;
        Ok(place)
    }

    /// Nobody finds a part of a file; only a power cut can leave an empty one, where it is not durable.
    fn write<T: Serialize>(&self, name: &str, value: &T, durable: Durable) -> io::Result<()> {
        let new = self.0.join(format!("{name}.new"));
        let mut file = File::options().create(true).truncate(true).write(true).mode(0o600).open(&new)?;
        file.write_all(&serde_json::to_vec(value)?)?;
        if durable == Durable::Yes {
            file.sync_data()?;
        }
        fs::rename(new, self.0.join(name))
    }

    /// None where there is no such file, and where a power cut has spoilt it: then it is as if it had never been written.
    fn read<T: DeserializeOwned>(&self, name: &str) -> io::Result<Option<T>> {
        match fs::read(self.0.join(name)) {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Whether a file is to survive a power cut.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Durable {
    Yes,
    No,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_earlier_version_wrote_is_understood() {
        let place = tempfile::tempdir().expect("a folder");
        let folder = RunFolder::at(place.path());
        let write = |name: &str, text: &str| fs::write(place.path().join(name), text).expect("written");
        let id = "019d0c5e-7b1c-7c7e-9d53-0d6f3a1f2b4c";
        let program = r#"{"command":["sh"],"script":null,"folder":"/","environment":{},"terminal":true}"#;
        write("spec.json", &format!(r#"{{"run":"{id}","task":"{id}","program":{program}}}"#));
        assert!(folder.spec().expect("readable").is_some_and(|spec| spec.program.terminal && spec.limits == RunLimits::default()));
        write("end.json", r#"{"how":{"Exited":3},"stopped":"Cancelled","at":"2026-01-02T09:13:58.259Z","bytes":5}"#);
        let ended = folder.ended().expect("readable").expect("understood");
        assert_eq!((ended.how, ended.stopped, ended.bytes), (How::Exited(3), Some(Stopped::Cancelled), 5));
        assert_eq!((ended.limit, ended.digest, ended.left.len()), (None, None, 0));
        write("cancel", "");
        assert!(folder.cancel_requested() && folder.requests().expect("readable").is_empty());
    }

    #[test]
    fn requests_are_kept_in_order_and_no_more_than_matter() {
        let place = tempfile::tempdir().expect("a folder");
        let folder = RunFolder::at(place.path());
        for by in ["a", "b\n", "c", "d"] {
            folder.request_cancel(&Asked { by: by.into(), at: Timestamp(1) }).expect("written");
        }
        let names: Vec<String> = folder.requests().expect("readable").into_iter().map(|asked| asked.by).collect();
        assert_eq!(names, ["a", "b\n", "c"]);
        let gone = RunFolder::at(&place.path().join("gone"));
        assert!(gone.request_cancel(&Asked { by: "a".into(), at: Timestamp(1) }).is_ok());
    }
}
