//! The server's side of one run: holds it from wherever it stands to its end. What the supervisor put into the run's folder goes into
//! the log, each byte once, since the log itself says how far it has come. So a follower may end at any moment, and a new one,
//! in this server or the next, goes on.

use super::{
    RETRY,
    characters::whole_characters,
    folder::{Ended, How, Reached, RunFolder, Spec, Stopped},
    launch,
    link::Link,
    orphans, process, sizes,
    table::RunnerTable,
};
use crate::{
    backend::{
        clock::Clock,
        store::{RunEnd, Store, StoreError},
    },
    domain::{
        id::RunId,
        run::{Run, RunStatus, Stopping},
        timestamp::Timestamp,
    },
};
use bytes::Bytes;
use std::{io, path::PathBuf, sync::Arc, time::Duration};
use tokio::{sync::watch, task::spawn_blocking, time::sleep};
use tokio_util::sync::CancellationToken;

/// How much is read from a spool and committed at once.
const CHUNK: usize = 512 * 1024;
/// How long to wait for a supervisor that is about to listen, or about to end.
const SHORTLY: Duration = Duration::from_millis(20);

/// What a follower needs.
pub(super) struct Follower {
    pub(super) run: RunId,
    pub(super) store: Store,
    pub(super) table: Arc<RunnerTable>,
    pub(super) folder: RunFolder,
    pub(super) exe: PathBuf,
    /// Somebody asked for the end of the run.
    pub(super) cancel: CancellationToken,
    /// Tells that somebody has asked for the end of a run, this one or another, be it the first time or not.
    pub(super) asked: watch::Receiver<()>,
    /// The server ends; the run does not.
    pub(super) shutdown: CancellationToken,
    pub(super) clock: Clock,
}

#[derive(Debug, thiserror::Error)]
enum FollowError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the run's folder: {0}")]
    Folder(#[from] io::Error),
    #[error("a task of the server failed: {0}")]
    Task(#[from] tokio::task::JoinError),
}

/// How a run is found.
enum Found {
    /// Its supervisor lives.
    Held(Link),
    /// Its supervisor lived.
    Left,
    /// It never had one, and never will.
    Never(RunStatus, Option<String>),
    /// The server ends before that is known.
    Unknown,
}

/// How far the run's output is in the log.
struct Progress {
    position: u64,
    /// How many sizes of the terminal are in the log.
    sizes: u64,
    started: bool,
    /// What is committed of it.
    reached: Option<Reached>,
}

impl Follower {
    /// Follows the run to its end, or until the server ends.
    pub(super) async fn follow(self) {
        let mut said = None;
        while let Err(error) = self.attempt().await {
            let words = error.to_string();
            if said.as_ref() != Some(&words) {
                tracing::warn!(run = %self.run, "following a run failed, trying again: {words}");
                said = Some(words);
            }
            tokio::select! {
                () = sleep(RETRY) => {}
                () = self.shutdown.cancelled() => return,
            }
        }
    }

    async fn attempt(&self) -> Result<(), FollowError> {
        let run = match self.store.run(self.run).await? {
            Some(run) if !run.status.is_final() => run,
            _ => return self.remove_folder().await,
        };
        if self.folder.cancel_requested() {
            self.cancel.cancel();
        }
        let mut progress = Progress {
            position: self.store.position(self.run).await?,
            sizes: self.store.sizes(self.run).await?,
            started: run.status == RunStatus::Running,
            reached: None,
        };
        let mut may_start = run.status == RunStatus::Queued;
        loop {
            let found = self.find(&run, may_start).await?;
            // Once it has had a supervisor it never gets another, even if somebody has emptied its folder.
            may_start = false;
            match found {
                // When the connection ends, the supervisor has nearly always ended too; finding it once more makes that sure.
                Found::Held(link) => {
                    if !self.read_along(&mut progress, &link).await? {
                        return Ok(());
                    }
                }
                Found::Left => return self.conclude(&run, progress).await,
                Found::Never(status, reason) => {
                    let end = RunEnd { status, exit_code: None, signal: None, reason, at: self.clock.now() };
                    self.store.run_ended(self.run, end).await?;
                    return self.remove_folder().await;
                }
                Found::Unknown => return Ok(()),
            }
        }
    }

    /// Finds the run's supervisor, or starts one where the run never had any.
    async fn find(&self, run: &Run, may_start: bool) -> Result<Found, FollowError> {
        loop {
            if self.folder.ended()?.is_some() {
                return Ok(Found::Left);
            }
            if let Ok(link) = Link::open(&self.folder) {
                return Ok(Found::Held(link));
            }
            if self.folder.is_held()? {
                tokio::select! {
                    () = sleep(SHORTLY) => continue,
                    () = self.shutdown.cancelled() => return Ok(Found::Unknown),
                }
            }
            // Nobody holds it now. From the mark that it was begun on, it is never started again.
            if !may_start || self.folder.begun()?.is_some() {
                return Ok(Found::Left);
            }
            if self.cancel.is_cancelled() {
                let before = "before it was started";
                let reason = self.cancelled_by()?.map_or_else(|| before.to_owned(), |by| format!("{by} {before}"));
                return Ok(Found::Never(RunStatus::Cancelled, Some(reason)));
            }
            if self.shutdown.is_cancelled() {
                return Ok(Found::Unknown);
            }
            let failed = |reason| Ok(Found::Never(RunStatus::Failed, Some(reason)));
            let Some(runner) = self.table.get(&run.runner) else {
                return failed(format!("could not be started: there is no runner {:?} any more", run.runner));
            };
            let program = runner.program(&run.prompt, &self.folder.script());
            let spec = Spec { run: run.id, task: run.task_id, program, limits: runner.limits };
            let folder = self.folder.clone();
            if let Err(error) = spawn_blocking(move || folder.prepare(&spec)).await? {
                if matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
                    return Err(error.into());
                }
                return failed(format!("could not be started: its folder cannot be written: {error}"));
            }
            if let Err(reason) = launch::supervisor(&self.exe, &self.folder).await {
                // It comes to an end before it has begun where it cannot write its files.
                if self.folder.begun()?.is_none() && self.folder.is_full() {
                    return Err(io::Error::from(io::ErrorKind::StorageFull).into());
                }
                return failed(reason);
            }
        }
    }

    /// Follows while the supervisor lives; false where the server ends first.
    async fn read_along(&self, progress: &mut Progress, link: &Link) -> Result<bool, FollowError> {
        // What was typed and not passed on when the last server ended.
        link.typed().await;
        let mut asked = self.asked.clone();
        let mut told = 0;
        loop {
            let more = self.take(progress, false).await?;
            if self.shutdown.is_cancelled() {
                return Ok(false);
            }
            asked.mark_unchanged();
            if self.cancel.is_cancelled() {
                // One that could not be written down counts as well.
                let requests = self.folder.requests()?.len().max(1);
                for number in told + 1..=requests {
                    link.cancel(number).await;
                }
                told = requests;
            }
            if more {
                continue;
            }
            tokio::select! {
                look = link.wait() => if !look { return Ok(true) },
                () = self.cancel.cancelled(), if told == 0 => {}
                Ok(()) = asked.changed(), if told > 0 => {}
                () = self.shutdown.cancelled() => {}
            }
        }
    }

    /// Takes what is new; true where there may be more. The beginning of a character waits for its end, unless `all` there is must
    /// be taken.
    async fn take(&self, progress: &mut Progress, all: bool) -> Result<bool, FollowError> {
        let (folder, position) = (self.folder.clone(), progress.position);
        // The sizes after the bytes: one that stands among these is there by then.
        let read = move || Ok::<_, io::Error>((folder.read_spool(position, CHUNK)?, sizes::read(&folder)?));
        let (mut bytes, sizes) = spawn_blocking(read).await??;
        // The start is written before any output. Looked for after the output was read, it is there and is logged first.
        if !progress.started
            && let Some(started) = self.folder.started()?
        {
            self.store.run_started(self.run, started.at).await?;
            progress.started = true;
        }
        self.take_reached(progress).await?;
        let full = bytes.len() == CHUNK;
        let next = usize::try_from(progress.sizes).ok().and_then(|next| sizes.get(next));
        let next = next.and_then(|size| Some((size, usize::try_from(size.at.saturating_sub(position)).ok()?)));
        let resized = next.filter(|(_, before)| *before <= bytes.len());
        if let Some((_, before)) = resized {
            bytes.truncate(before);
        }
        if full || !all || resized.is_some() {
            bytes.truncate(whole_characters(&bytes));
        }
        if let Some((size, _)) = resized.filter(|_| bytes.is_empty()) {
            self.store.run_resized(self.run, progress.sizes, size.columns, size.rows).await?;
            progress.sizes += 1;
            return Ok(true);
        }
        if bytes.is_empty() {
            return Ok(false);
        }
        let bytes = Bytes::from(bytes);
        let position = position + bytes.len() as u64;
        self.store.append_output(self.run, bytes, position).await?;
        progress.position = position;
        Ok(full || all || resized.is_some())
    }

    /// Takes how far the end has come that was asked for.
    async fn take_reached(&self, progress: &mut Progress) -> Result<(), FollowError> {
        let reached = self.folder.reached()?;
        if let Some(reached) = reached.filter(|reached| progress.reached.as_ref() != Some(reached)) {
            let by = match (reached.requests.checked_sub(1), reached.limit) {
                (Some(last), _) => self.folder.requests()?.get(last).map_or_else(|| "somebody".to_owned(), |asked| asked.by.clone()),
                (None, Some(limit)) => limit.name(),
                (None, None) => "a signal to what holds it".to_owned(),
            };
            let stopping = Stopping { signal: reached.signal.clone(), by, at: reached.at };
            self.store.run_stopping(self.run, stopping).await?;
            progress.reached = Some(reached);
        }
        Ok(())
    }

    /// Who was the first to ask for the end, for a sentence.
    fn cancelled_by(&self) -> io::Result<Option<String>> {
        Ok(self.folder.requests()?.first().map(|asked| format!("by {}", asked.by)))
    }

    /// The supervisor is gone: takes the rest of the output and ends the run as the supervisor wrote it down, or as interrupted.
    async fn conclude(&self, run: &Run, mut progress: Progress) -> Result<(), FollowError> {
        let mut orphans = 0;
        if self.folder.ended()?.is_none() {
            // A program that nobody holds any more must not go on unseen.
            let (folder, run) = (self.folder.clone(), self.run);
            orphans = spawn_blocking(move || orphans::end(&folder, run)).await??;
        }
        while self.take(&mut progress, true).await? {}
        let ended = self.folder.ended()?;
        if let Some(ended) = ended.as_ref().filter(|ended| !ended.left.is_empty()) {
            tracing::warn!(run = %self.run, processes = ?ended.left, "not all that a run had started could be ended");
        }
        let end = match ended {
            Some(ended) if ended.bytes == progress.position => outcome(ended, &run.runner, self.cancelled_by()?),
            Some(ended) => {
                let reason = format!("{} of its {} bytes of output are lost", ended.bytes.abs_diff(progress.position), ended.bytes);
                interrupted(reason, ended.at)
            }
            None => interrupted(self.why_interrupted(orphans)?, self.clock.now()),
        };
        self.store.run_ended(self.run, end).await?;
        self.remove_folder().await
    }

    fn why_interrupted(&self, orphans: usize) -> io::Result<String> {
        let restarted = match (self.folder.begun()?.and_then(|begun| begun.boot), process::boot()) {
            (Some(then), Some(now)) => then != now,
            _ => false,
        };
        let gone = "the process that held it is gone";
        Ok(match orphans {
            _ if restarted => "the machine was restarted".to_owned(),
            0 => format!("{gone}, and its program with it"),
            _ => format!("{gone}; what it had started was ended"),
        })
    }

    async fn remove_folder(&self) -> Result<(), FollowError> {
        let folder = self.folder.clone();
        Ok(spawn_blocking(move || folder.remove()).await??)
    }
}

fn outcome(ended: Ended, runner: &str, cancelled_by: Option<String>) -> RunEnd {
    let (exit_code, signal, reason) = match ended.how {
        How::Exited(code) => (Some(code), None, None),
        How::Signalled(name) => (None, Some(name), None),
        How::NotStarted(reason) => (None, None, Some(reason)),
    };
    let limit = ended.limit.map(|limit| limit.reason(runner));
    let (status, reason) = match ended.stopped {
        Some(Stopped::Cancelled) => {
            // It may have come to a limit while it was being stopped.
            let words: Vec<String> = [cancelled_by, limit].into_iter().flatten().collect();
            (RunStatus::Cancelled, (!words.is_empty()).then(|| words.join("; ")))
        }
        Some(Stopped::Terminated) => (RunStatus::Interrupted, Some("the process that held it was told to end (SIGTERM)".to_owned())),
        None if limit.is_some() => (RunStatus::Failed, limit),
        None if exit_code == Some(0) => (RunStatus::Succeeded, reason),
        None => (RunStatus::Failed, reason),
    };
    RunEnd { status, exit_code, signal, reason, at: ended.at }
}

fn interrupted(reason: String, at: Timestamp) -> RunEnd {
    RunEnd { status: RunStatus::Interrupted, exit_code: None, signal: None, reason: Some(reason), at }
}
