//! Runs: submitted, followed into the log, cancelled, and taken up again after a restart. The program itself is held by a supervisor, a
//! process of its own, which goes on when the server ends.

mod characters;
mod folder;
mod follower;
mod launch;
pub mod limits;
mod link;
mod orphans;
mod process;
mod process_tree;
pub mod supervisor;
pub mod table;
mod typed;

use super::{
    clock::Clock,
    store::{NewRun, Store, StoreError, Submitted},
};
use crate::domain::{
    id::RunId,
    limits::{self, Invalid},
    run::{Run, RunStatus},
};
use folder::{Asked, RunFolder};
use follower::Follower;
use link::Link;
use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use table::RunnerTable;
use tokio::{sync::watch, task::spawn_blocking};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use typed::{Noted, Typed};

/// Starts, follows and cancels runs; a cheap clone of one.
#[derive(Clone)]
pub struct Runners(Arc<Shared>);

struct Shared {
    store: Store,
    table: Arc<RunnerTable>,
    /// Where each run has its folder.
    folders: PathBuf,
    exe: PathBuf,
    shutdown: CancellationToken,
    followers: TaskTracker,
    /// The runs that are followed, each with what asks for its end. A plain mutex: it is held for single look-ups, never across an await.
    followed: Mutex<HashMap<RunId, CancellationToken>>,
    /// Tells all followers that somebody has asked for the end of a run; what was asked stands in its folder.
    asked: watch::Sender<()>,
    /// What is typed is written down by one thread at a time. Held for a write of some bytes, in a thread that may wait.
    typing: Mutex<()>,
}

/// Why a run was not accepted or not cancelled.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RunnerError {
    /// A value is not accepted, such as the name of a runner that is not there.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// There is no such run.
    #[error("there is no such run")]
    NotFound,
    /// There is nothing to cancel any more.
    #[error("the run has ended already")]
    AlreadyEnded,
    /// Its program has not been started.
    #[error("the run has not been started yet: type when it runs")]
    NotStarted,
    /// Its program reads nothing.
    #[error("the runner {0} gives its program no terminal to type into: set terminal = true for it in kontasks.toml")]
    NoTerminal(String),
    /// The run's folder cannot be written.
    #[error("it cannot be written down, and was not typed: {0}")]
    Unwritable(String),
    /// The store refused or failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Runners {
    /// Runs have their folders below `data`, and their supervisors are started from the binary `exe`. When `shutdown` comes, following
    /// ends; the runs go on.
    #[must_use]
    pub fn new(store: Store, table: RunnerTable, data: &Path, exe: PathBuf, shutdown: CancellationToken) -> Runners {
        Runners(Arc::new(Shared {
            store,
            table: Arc::new(table),
            // Supervisors and programs have working folders of their own.
            folders: std::path::absolute(data).unwrap_or_else(|_| data.to_owned()).join("runs"),
            exe,
            shutdown: shutdown.child_token(),
            followers: TaskTracker::new(),
            followed: Mutex::default(),
            asked: watch::Sender::default(),
            typing: Mutex::default(),
        }))
    }

    /// The runners' names, the default first.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.0.table.names()
    }

    /// The runners themselves.
    #[must_use]
    pub fn table(&self) -> &RunnerTable {
        &self.0.table
    }

    /// Accepts a prompt and starts its run, unless the same submission came before. Once begun it is carried out even where the caller
    /// goes away.
    ///
    /// # Errors
    /// [`RunnerError::Invalid`] for an unknown runner or a prompt that no program can be given; what [`Store::submit`] refuses.
    pub async fn submit(&self, new: NewRun) -> Result<Submitted, RunnerError> {
        if self.0.table.get(&new.runner).is_none() {
            let problem = format!("{:?} is not known", new.runner.chars().take(80).collect::<String>());
            let known = self.names().join(", ");
            return Err(Invalid::new("runner", format!("{problem} (there is {known})"), "choose one that is there").into());
        }
        if new.prompt.contains('\0') {
            return Err(Invalid::new("prompt", "contains a NUL character", "leave it out: no program can be given one").into());
        }
        let runners = self.clone();
        let submission = tokio::spawn(async move {
            let submitted = runners.0.store.submit(new).await?;
            if submitted.created {
                runners.follow(submitted.run.id);
            }
            Ok(submitted)
        });
        submission.await.unwrap_or(Err(RunnerError::Store(StoreError::Closed)))
    }

    /// Asks for the end of a run, queued or running, in the name of somebody (`Firefox on Linux`); its end comes as an event. Asked again,
    /// the next step towards it is taken at once: SIGINT, SIGTERM, SIGKILL.
    ///
    /// # Errors
    /// [`RunnerError::NotFound`], [`RunnerError::AlreadyEnded`].
    pub async fn cancel(&self, id: RunId, by: &str) -> Result<(), RunnerError> {
        let run = self.0.store.run(id).await?.ok_or(RunnerError::NotFound)?;
        if run.status.is_final() {
            return Err(RunnerError::AlreadyEnded);
        }
        let folder = RunFolder::new(&self.0.folders, id);
        let asked = Asked { by: by.to_owned(), at: Clock::system().now() };
        if let Err(error) = folder.request_cancel(&asked) {
            tracing::warn!(run = %id, "a request to cancel cannot be written down: {error}");
        }
        self.follow(id).cancel();
        self.0.asked.send_replace(());
        Ok(())
    }

    /// Types into a run's terminal. Once this is done it will arrive, whatever is restarted meanwhile; the same `id` again is not typed again.
    ///
    /// # Errors
    /// [`RunnerError::NotFound`], [`RunnerError::AlreadyEnded`], [`RunnerError::NotStarted`], [`RunnerError::NoTerminal`];
    /// [`RunnerError::Invalid`] for a text that is too long.
    pub async fn type_in(&self, run: RunId, id: String, text: String) -> Result<(), RunnerError> {
        limits::typed(&text)?;
        self.note(run, Typed::Text { id, text }).await
    }

    /// Tells a run's terminal how large the console is, in cells.
    ///
    /// # Errors
    /// As for [`Runners::type_in`].
    pub async fn resize(&self, run: RunId, columns: u16, rows: u16) -> Result<(), RunnerError> {
        limits::terminal_size(columns, rows)?;
        self.note(run, Typed::Size { columns, rows }).await
    }

    async fn note(&self, id: RunId, typed: Typed) -> Result<(), RunnerError> {
        let run = self.0.store.run(id).await?.ok_or(RunnerError::NotFound)?;
        match run.status {
            RunStatus::Running => {}
            RunStatus::Queued => return Err(RunnerError::NotStarted),
            _ => return Err(RunnerError::AlreadyEnded),
        }
        if !self.takes_input(&run) {
            return Err(RunnerError::NoTerminal(run.runner));
        }
        let folder = RunFolder::new(&self.0.folders, id);
        let noted = spawn_blocking({
            let (runners, folder) = (self.clone(), folder.clone());
            move || {
                let _one = runners.0.typing.lock().unwrap_or_else(PoisonError::into_inner);
                typed::note(&folder, &typed)
            }
        });
        match noted.await.unwrap_or_else(|error| Err(io::Error::other(error))) {
            // One that cannot be told now is about to end.
            Ok(Noted::New | Noted::Known) => {
                if let Ok(link) = Link::open(&folder) {
                    link.typed().await;
                }
            }
            Ok(Noted::TooMuch) => {
                return Err(Invalid::new("text", "is more than one run takes in all (4 MiB)", "put it into a file").into());
            }
            // The run has ended meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(RunnerError::AlreadyEnded),
            Err(error) => return Err(RunnerError::Unwritable(error.to_string())),
        }
        Ok(())
    }

    /// Whether something can be typed into the run's program.
    #[must_use]
    pub fn takes_input(&self, run: &Run) -> bool {
        self.0.table.get(&run.runner).is_some_and(|runner| runner.terminal)
    }

    /// At start: follows every run that has not ended, wherever it stands, and removes what ended runs have left. A run that nobody holds
    /// any more ends as interrupted; one that was never begun is started.
    ///
    /// # Errors
    /// The store failed.
    pub async fn resume(&self) -> Result<(), RunnerError> {
        let unfinished = self.0.store.unfinished_runs().await?;
        for run in &unfinished {
            self.follow(run.id);
        }
        match self.left_over() {
            // A follower finds the run ended and removes the folder.
            Ok(left) => left.into_iter().for_each(|id| drop(self.follow(id))),
            Err(error) => tracing::warn!("what ended runs have left cannot be removed: {error}"),
        }
        if !unfinished.is_empty() {
            tracing::info!("taking up {} run(s)", unfinished.len());
        }
        Ok(())
    }

    /// Ends all following after what is being committed; supervisors and programs stay.
    pub async fn stop(&self) {
        self.0.shutdown.cancel();
        self.0.followers.close();
        self.0.followers.wait().await;
    }

    /// Follows the run unless that is being done; gives what asks for its end.
    fn follow(&self, id: RunId) -> CancellationToken {
        let mut followed = self.followed();
        if let Some(cancel) = followed.get(&id) {
            return cancel.clone();
        }
        let cancel = CancellationToken::new();
        followed.insert(id, cancel.clone());
        let follower = Follower {
            run: id,
            store: self.0.store.clone(),
            table: self.0.table.clone(),
            folder: RunFolder::new(&self.0.folders, id),
            exe: self.0.exe.clone(),
            cancel: cancel.clone(),
            asked: self.0.asked.subscribe(),
            shutdown: self.0.shutdown.clone(),
            clock: Clock::system(),
        };
        let runners = self.clone();
        self.0.followers.spawn(async move {
            follower.follow().await;
            runners.followed().remove(&id);
        });
        cancel
    }

    fn followed(&self) -> MutexGuard<'_, HashMap<RunId, CancellationToken>> {
        self.0.followed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn left_over(&self) -> io::Result<Vec<RunId>> {
        let entries = match fs::read_dir(&self.0.folders) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        entries.map(|entry| Ok(entry?.file_name().to_str().and_then(|name| name.parse().ok()))).filter_map(Result::transpose).collect()
    }
}
