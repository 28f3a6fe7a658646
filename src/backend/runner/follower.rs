//! The server's side of one run: holds it from wherever it stands to its end. What the supervisor put into the run's folder goes into
//! the log, each byte once, since the log itself says how far it has come. So a follower may end at any moment, and a new one,
//! in this server or the next, goes on.

use super::{
    RETRY,
    characters::whole_characters,
    folder::{Reached, RunFolder},
    integrity::{CompareError, Watch, look},
    link::Link,
    orphans::{self, Orphans},
    outcome::{COPIED, damaged, interrupted, outcome},
    process,
    requests::RunRequests,
    reserve::CancelReserve,
    sizes,
    start_error::StartError,
    table::RunnerTable,
    waits::StartWaits,
};
use crate::{
    backend::{
        clock::Clock,
        identity::Presence,
        space::Resource,
        store::{RunEnd, Store, StoreError},
    },
    domain::{
        id::RunId,
        integrity::Integrity,
        run::{Run, RunStatus, Stopping},
    },
};
use bytes::Bytes;
use std::{
    io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{
    task::spawn_blocking,
    time::{Instant, sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;

/// How much is read from a spool and committed at once.
const CHUNK: usize = 512 * 1024;
/// How long to wait for a supervisor that is about to listen, or about to end.
const SHORTLY: Duration = Duration::from_millis(20);
/// How often it is looked whether the store still knows a run that is followed: somebody may have deleted it by hand.
const ROW_CHECK: Duration = Duration::from_secs(5);

/// What a follower needs.
pub(super) struct Follower {
    pub(super) run: RunId,
    pub(super) store: Store,
    pub(super) table: Arc<RunnerTable>,
    pub(super) folder: RunFolder,
    /// The data folder.
    pub(super) data: Presence,
    pub(super) exe: PathBuf,
    /// What people ask of the run. They are passed on beside all that is done here.
    pub(super) requests: RunRequests,
    pub(super) reserve: Arc<CancelReserve>,
    /// Where it says that the run waits to be started.
    pub(super) waits: StartWaits,
    /// Whether the run is one that waits, as far as is known.
    pub(super) not_begun: AtomicBool,
    /// Whether its end is committed, so that only its folder remains to be removed.
    pub(super) concluded: AtomicBool,
    /// The server ends; the run does not.
    pub(super) shutdown: CancellationToken,
    pub(super) clock: Clock,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum FollowError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the run's folder: {0}")]
    Folder(#[from] io::Error),
    #[error("the data folder is not where it was")]
    Gone,
    #[error("it waits to be started: {0}")]
    Start(StartError),
    #[error("the store no longer knows it as a run that goes on")]
    Unknown,
    #[error("a task of the server failed: {0}")]
    Task(#[from] tokio::task::JoinError),
    #[error(transparent)]
    Compare(#[from] CompareError),
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
pub(super) struct Progress {
    pub(super) position: u64,
    /// Whether that is what the program wrote.
    pub(super) watch: Watch,
    /// How many sizes of the terminal are in the log.
    sizes: u64,
    started: bool,
    /// What is committed of it.
    reached: Option<Reached>,
}

impl Follower {
    /// Follows the run to its end, or until the server ends; whether the run is over.
    pub(super) async fn follow(self: Arc<Self>) -> bool {
        let mut said = None;
        while let Err(error) = self.attempt().await {
            let words = error.to_string();
            if said.as_ref() != Some(&words) {
                tracing::warn!(run = %self.run, "following a run failed, trying again: {words}");
                said = Some(words);
            }
            match self.missing(&error) {
                Some(missing) => self.waits.set(self.run, missing),
                None => self.waits.clear(self.run),
            }
            tokio::select! {
                () = sleep(RETRY) => {}
                // What waits to be started and is not wanted any more has not to wait for that.
                () = self.requests.requested(), if !self.requests.is_requested() => {}
                () = self.shutdown.cancelled() => break,
            }
        }
        self.waits.clear(self.run);
        !self.shutdown.is_cancelled()
    }

    /// What is missing, where that is why a run has not been started.
    fn missing(&self, error: &FollowError) -> Option<Resource> {
        match error {
            FollowError::Start(StartError::Retryable { missing, .. }) => Some(*missing),
            FollowError::Folder(error) if self.not_begun.load(Ordering::Relaxed) => Resource::of(error),
            _ => None,
        }
    }

    async fn attempt(&self) -> Result<(), FollowError> {
        if self.concluded.load(Ordering::Relaxed) {
            return self.remove_folder().await;
        }
        self.requests.load(&self.folder, &self.reserve, self.run)?;
        let run = match self.store.run(self.run).await? {
            Some(run) if !run.status.is_final() => run,
            Some(_) => return self.leave_ended().await,
            None => match self.recover().await? {
                Some(run) => run,
                None => return Ok(()),
            },
        };
        self.check_place()?;
        let (position, log) = self.store.digest(self.run).await?;
        let watch = Watch::new(log, run.damage);
        let sizes = self.store.sizes(self.run).await?;
        let mut progress = Progress { position, watch, sizes, started: run.status == RunStatus::Running, reached: None };
        if self.is_copy(&run)? {
            return self.leave_alone(&run, progress).await;
        }
        let mut may_start = run.status == RunStatus::Queued;
        loop {
            self.not_begun.store(may_start, Ordering::Relaxed);
            let found = self.find(&run, may_start).await?;
            self.not_begun.store(false, Ordering::Relaxed);
            self.waits.clear(self.run);
            // Once it has had a supervisor it gets another only where that one has said that nothing was started, and never because somebody
            // has emptied its folder.
            may_start = false;
            match found {
                // When the connection ends, the supervisor has nearly always ended too; finding it once more makes that sure.
                Found::Held(link) => {
                    if !self.read_along(&mut progress, &link).await? {
                        return Ok(());
                    }
                }
                Found::Left if self.may_begin_again(&progress)? => return Err(FollowError::Start(StartError::postponed())),
                Found::Left => return self.conclude(&run, progress).await,
                Found::Never(status, reason) => {
                    let end = RunEnd { status, exit_code: None, signal: None, reason, at: self.clock.now() };
                    return self.end(end, Integrity::default()).await;
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
            if self.requests.is_requested() {
                let before = "before it was started";
                let reason = self.cancelled_by().map_or_else(|| before.to_owned(), |by| format!("{by} {before}"));
                return Ok(Found::Never(RunStatus::Cancelled, Some(reason)));
            }
            // One that is held is started when a person has said so.
            if self.shutdown.is_cancelled() || run.held == Some(true) {
                return Ok(Found::Unknown);
            }
            self.check_place()?;
            match self.start(run).await {
                Ok(()) => {}
                Err(error @ StartError::Retryable { .. }) => return Err(FollowError::Start(error)),
                // Whatever was said, the folder knows better.
                Err(_) if self.folder.is_held()? || self.folder.begun()?.is_some() => {}
                Err(StartError::Permanent(reason)) => {
                    return Ok(Found::Never(RunStatus::Failed, Some(format!("could not be started: {reason}"))));
                }
            }
        }
    }

    /// Whether nothing was started by the supervisor that is gone, and it said so.
    fn may_begin_again(&self, progress: &Progress) -> io::Result<bool> {
        Ok(!progress.started && progress.position == 0 && self.folder.ended()?.is_none() && self.folder.may_begin_again()?)
    }

    /// Follows while the supervisor lives; false where the server ends first.
    async fn read_along(&self, progress: &mut Progress, link: &Link) -> Result<bool, FollowError> {
        self.requests.supervised();
        let mut row_check = Instant::now() + ROW_CHECK;
        loop {
            let more = self.take(progress, None).await?;
            if self.shutdown.is_cancelled() {
                return Ok(false);
            }
            if Instant::now() >= row_check {
                row_check = Instant::now() + ROW_CHECK;
                if self.store.run(self.run).await?.is_none_or(|run| run.status.is_final()) {
                    return Err(FollowError::Unknown);
                }
            }
            if more {
                continue;
            }
            tokio::select! {
                look = link.wait() => if !look { return Ok(true) },
                () = sleep_until(row_check) => {}
                () = self.shutdown.cancelled() => {}
            }
        }
    }

    /// Takes what is new; true where there may be more. The beginning of a character waits for its end, unless all that there is `until`
    /// a length of the spool must be taken.
    pub(super) async fn take(&self, progress: &mut Progress, until: Option<u64>) -> Result<bool, FollowError> {
        let (folder, position, all) = (self.folder.clone(), progress.position, until.is_some());
        let left = until.map_or(CHUNK, |until| usize::try_from(until.saturating_sub(position)).unwrap_or(CHUNK));
        // The sizes after the bytes: one that stands among these is there by then.
        let read = move || Ok::<_, io::Error>((look(&folder, position, left.min(CHUNK))?, sizes::read(&folder)?));
        let (mut look, sizes) = spawn_blocking(read).await??;
        // The start is written before any output. Looked for after the output was read, it is there and is logged first.
        if !progress.started
            && let Some(started) = self.folder.started()?
        {
            self.store.run_started(self.run, started.at).await?;
            progress.started = true;
        }
        self.take_reached(progress).await?;
        let mut bytes = std::mem::take(&mut look.bytes);
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
        let is_empty = bytes.is_empty();
        if let Some((size, _)) = resized.filter(|_| is_empty) {
            self.store.run_resized(self.run, progress.sizes, size.columns, size.rows).await?;
            progress.sizes += 1;
            return Ok(true);
        }
        if !is_empty {
            let position = position + bytes.len() as u64;
            progress.watch.committed(self.store.append_hashed(self.run, Bytes::from(bytes), position).await?);
            progress.position = position;
        }
        progress.watch.compare(&self.store, self.run, &self.folder, &look, progress.position).await?;
        Ok(!is_empty && (full || all || resized.is_some()))
    }

    /// Takes how far the end has come that was asked for.
    async fn take_reached(&self, progress: &mut Progress) -> Result<(), FollowError> {
        let reached = self.folder.reached()?;
        if let Some(reached) = reached.filter(|reached| progress.reached.as_ref() != Some(reached)) {
            let by = match (reached.requests.checked_sub(1), reached.limit) {
                (Some(last), _) => self.requests.get(last).map_or_else(|| "somebody".to_owned(), |asked| asked.by),
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
    pub(super) fn cancelled_by(&self) -> Option<String> {
        self.requests.first().map(|asked| format!("by {}", asked.by))
    }

    /// The supervisor is gone: takes the rest of the output and ends the run as the supervisor wrote it down, or as interrupted.
    async fn conclude(&self, run: &Run, mut progress: Progress) -> Result<(), FollowError> {
        let mut orphans = Some(Orphans::default());
        if self.folder.ended()?.is_none() {
            // A folder that is away has its supervisors, though they are not found there.
            self.check_place()?;
            // A program that nobody holds any more must not go on unseen.
            let (folder, run) = (self.folder.clone(), self.run);
            orphans = spawn_blocking(move || orphans::end(&folder, run)).await??;
        }
        let ended = self.folder.ended()?;
        // What others have put behind it is not of the program.
        let until = ended.as_ref().map_or(u64::MAX, |ended| ended.bytes);
        while self.take(&mut progress, Some(until)).await? {}
        if let Some(ended) = ended.as_ref().filter(|ended| !ended.left.is_empty()) {
            tracing::warn!(run = %self.run, processes = ?ended.left, "not all that a run had started could be ended");
        }
        let watch = &progress.watch;
        let integrity = watch.conclude(&self.store, self.run, &self.folder, ended.as_ref(), progress.position).await?;
        let bytes = ended.as_ref().map_or(progress.position, |ended| ended.bytes);
        let mut end = match ended {
            Some(ended) => outcome(ended, &run.runner, self.cancelled_by()),
            None => interrupted(self.why_interrupted(orphans)?, self.clock.now()),
        };
        if let Some(damage) = integrity.damage {
            end = damaged(end, damage, bytes.saturating_sub(progress.position), bytes);
            tracing::warn!(run = %self.run, "a run's output is damaged: {}", end.reason.as_deref().unwrap_or_default());
        }
        self.end(end, integrity).await
    }

    pub(super) async fn end(&self, end: RunEnd, integrity: Integrity) -> Result<(), FollowError> {
        self.store.run_ended_as(self.run, end, integrity).await?;
        self.concluded.store(true, Ordering::Relaxed);
        self.remove_folder().await
    }

    /// That the data folder is where it was.
    fn check_place(&self) -> Result<(), FollowError> {
        if self.data.holds() { Ok(()) } else { Err(FollowError::Gone) }
    }

    fn why_interrupted(&self, orphans: Option<Orphans>) -> io::Result<String> {
        let restarted = match (self.folder.begun()?.and_then(|begun| begun.boot), process::boot()) {
            (Some(then), Some(now)) => then != now,
            _ => false,
        };
        let gone = "the process that held it is gone";
        Ok(match orphans {
            None => COPIED.to_owned(),
            _ if restarted => "the machine was restarted".to_owned(),
            Some(Orphans { left: left @ 1.., .. }) => format!("{gone}; {} of the processes that it had started could not be ended", left),
            Some(Orphans { is_sure: true, killed: 0, .. }) => format!("{gone}, and nothing is left in its control group"),
            Some(Orphans { is_sure: true, .. }) => format!("{gone}; what was left in its control group was ended"),
            Some(Orphans { killed, .. }) => {
                let found = if killed == 0 { "nothing of its program was found" } else { "what could be found of its program was ended" };
                format!("{gone}; {found}, but one that left its session and cleared its environment may still run")
            }
        })
    }

    pub(super) async fn remove_folder(&self) -> Result<(), FollowError> {
        let folder = self.folder.clone();
        Ok(spawn_blocking(move || folder.remove()).await??)
    }
}
