//! Runs: submitted, started in their turn, followed into the log, cancelled, and taken up again after a restart. The program itself is
//! held by a supervisor, a process of its own, which goes on when the server ends.

mod characters;
mod folder;
mod follower;
mod launch;
pub mod limits;
mod link;
mod orphans;
mod process;
mod process_tree;
mod queue;
mod sizes;
pub mod supervisor;
pub mod table;
mod typed;

use super::{
    clock::Clock,
    space::{self, Shortage},
    store::{NewRun, QueuedRun, Store, StoreError, Submitted},
};
use crate::domain::{
    id::RunId,
    limits::Invalid,
    run::{Run, RunStatus},
};
use folder::{Asked, RunFolder};
use follower::Follower;
use queue::{Limits, turns};
use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use table::RunnerTable;
use tokio::{sync::watch, task::spawn_blocking, time::sleep};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// How long to wait after a failure, such as a full disk.
const RETRY: Duration = Duration::from_secs(1);

/// Starts, follows and cancels runs; a cheap clone of one.
#[derive(Clone)]
pub struct Runners(Arc<Shared>);

struct Shared {
    store: Store,
    table: Arc<RunnerTable>,
    limits: Limits,
    /// The data folder, and where each run has its own.
    data: PathBuf,
    folders: PathBuf,
    shortage: watch::Sender<Option<Shortage>>,
    exe: PathBuf,
    shutdown: CancellationToken,
    followers: TaskTracker,
    /// A plain mutex: it is held for looking and moving, never across an await.
    runs: Mutex<Runs>,
    /// Held by whoever looks whose turn it is: one at a time, as each run is to be read from the store once.
    looking: tokio::sync::Mutex<()>,
    /// Somebody is about to look whose turn it is, and has not begun.
    will_look: AtomicBool,
    /// Tells all followers that somebody has asked for the end of a run; what was asked stands in its folder.
    asked: watch::Sender<()>,
    /// What is typed is written down by one thread at a time. Held for a write of some bytes, in a thread that may wait.
    typing: Mutex<()>,
}

/// The runs that have not ended, as far as they are known here.
#[derive(Default)]
struct Runs {
    followed: HashMap<RunId, Followed>,
    /// Runs that have not had their turn, in the order of their acceptance. One that was just accepted is still in the store alone.
    waiting: Vec<QueuedRun>,
}

struct Followed {
    /// Asks for its end.
    cancel: CancellationToken,
    place: Place,
}

/// Whether a run takes one of the places that the limits count.
enum Place {
    /// One of this runner's.
    Of(String),
    /// None: it is cancelled, and nothing is ever started for it.
    None,
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
    /// There is no room for it.
    #[error("{}", .0.refusal())]
    NoRoom(Shortage),
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
        // Supervisors and programs have working folders of their own.
        let data = std::path::absolute(data).unwrap_or_else(|_| data.to_owned());
        Runners(Arc::new(Shared {
            store,
            limits: table.limits(),
            table: Arc::new(table),
            folders: data.join("runs"),
            data,
            shortage: watch::Sender::new(None),
            exe,
            shutdown: shutdown.child_token(),
            followers: TaskTracker::new(),
            runs: Mutex::default(),
            looking: tokio::sync::Mutex::default(),
            will_look: AtomicBool::new(false),
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

    /// Accepts a prompt, unless the same submission came before; its run is started when its turn comes. Once begun it is carried out even
    /// where the caller goes away.
    ///
    /// # Errors
    /// [`RunnerError::Invalid`] for an unknown runner or a prompt that no program can be given; [`RunnerError::NoRoom`]; what
    /// [`Store::submit`] refuses.
    pub async fn submit(&self, new: NewRun) -> Result<Submitted, RunnerError> {
        if self.0.table.get(&new.runner).is_none() {
            let problem = format!("{:?} is not known", new.runner.chars().take(80).collect::<String>());
            let known = self.names().join(", ");
            return Err(Invalid::new("runner", format!("{problem} (there is {known})"), "choose one that is there").into());
        }
        if new.prompt.contains('\0') {
            return Err(Invalid::new("prompt", "contains a NUL character", "leave it out: no program can be given one").into());
        }
        if let Some(shortage) = *self.0.shortage.borrow() {
            return Err(RunnerError::NoRoom(shortage));
        }
        let runners = self.clone();
        let submission = tokio::spawn(async move {
            let submitted = runners.0.store.submit(new).await?;
            if submitted.created {
                runners.start_next();
            }
            Ok(submitted)
        });
        submission.await.unwrap_or(Err(RunnerError::Store(StoreError::Closed)))
    }

    /// Asks for the end of a run, queued or running, in the name of somebody (`Firefox on Linux`); its end comes as an event. Asked again,
    /// the next step towards it is taken at once: SIGINT, SIGTERM, SIGKILL. One that has not had its turn is never started.
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
        let waits = !self.runs().followed.contains_key(&id);
        let written = if waits { folder.request_cancel_of_waiting(&asked) } else { folder.request_cancel(&asked) };
        if let Err(error) = written {
            tracing::warn!(run = %id, "a request to cancel cannot be written down: {error}");
        }
        self.follow(id, Place::None).cancel();
        self.0.asked.send_replace(());
        Ok(())
    }

    /// At start: follows every run that was begun and has not ended, wherever it stands, and removes what ended runs have left. A run that
    /// nobody holds any more ends as interrupted; those that have not been begun wait for their turn, in the order in which they came.
    ///
    /// # Errors
    /// The store failed.
    pub async fn resume(&self) -> Result<(), RunnerError> {
        let unfinished = self.0.store.unfinished_runs().await?;
        for run in &unfinished {
            if let Some(place) = self.place_of(run) {
                self.follow(run.id, place);
            }
        }
        match self.left_over() {
            // A follower finds the run ended and removes the folder.
            Ok(left) => {
                let ended = left.into_iter().filter(|id| unfinished.iter().all(|run| run.id != *id));
                ended.for_each(|id| drop(self.follow(id, Place::None)));
            }
            Err(error) => tracing::warn!("what ended runs have left cannot be removed: {error}"),
        }
        if !unfinished.is_empty() {
            let taken_up = self.runs().followed.len();
            tracing::info!("taking up {taken_up} run(s); {} wait for their turn", unfinished.len().saturating_sub(taken_up));
        }
        self.start_next();
        Ok(())
    }

    /// Looks after the room that there is, now and until the server ends. While there is too little, no run is accepted or started; where the data
    /// folder has `max_data` bytes in it, that is too little too. To be called once.
    pub async fn watch_space(&self, max_data: Option<u64>) {
        self.look_at_space(max_data).await;
        let runners = self.clone();
        self.0.followers.spawn(async move {
            loop {
                tokio::select! {
                    () = sleep(RETRY) => runners.look_at_space(max_data).await,
                    () = runners.0.shutdown.cancelled() => return,
                }
            }
        });
    }

    async fn look_at_space(&self, max_data: Option<u64>) {
        match self.measure(max_data).await {
            Ok(shortage) => self.note(shortage),
            Err(error) => tracing::warn!("how much room there is cannot be told: {error}"),
        }
    }

    /// What is short, now and whenever that changes.
    #[must_use]
    pub fn shortage(&self) -> watch::Receiver<Option<Shortage>> {
        self.0.shortage.subscribe()
    }

    async fn measure(&self, max_data: Option<u64>) -> io::Result<Option<Shortage>> {
        let data = self.0.data.clone();
        let mut measured = spawn_blocking(move || space::measure(&data, max_data.is_some())).await??;
        if max_data.is_some() {
            measured.used += self.0.store.size().await.map_err(io::Error::other)?;
        }
        // Nobody else may try again: what was refused was told so, and waits for nothing.
        let refused = self.0.store.is_full() && matches!(self.0.store.try_room().await, Err(StoreError::Full));
        Ok(space::judge(*self.0.shortage.borrow(), measured, max_data, refused))
    }

    fn note(&self, shortage: Option<Shortage>) {
        let changed = self.0.shortage.send_if_modified(|known| std::mem::replace(known, shortage) != shortage);
        match shortage {
            Some(shortage) if changed => tracing::warn!("{}", shortage.notice()),
            None if changed => {
                tracing::info!("there is room again");
                self.start_next();
            }
            _ => {}
        }
    }

    /// Ends all following after what is being committed; supervisors and programs stay.
    pub async fn stop(&self) {
        self.0.shutdown.cancel();
        self.0.followers.close();
        self.0.followers.wait().await;
    }

    /// The place that a run has which the server before this one knew; none where it waits for its turn.
    fn place_of(&self, run: &Run) -> Option<Place> {
        let folder = RunFolder::new(&self.0.folders, run.id);
        if run.status == RunStatus::Running || folder.had_turn() {
            return Some(Place::Of(run.runner.clone()));
        }
        folder.cancel_requested().then_some(Place::None)
    }

    /// Follows the run unless that is being done; gives what asks for its end.
    fn follow(&self, id: RunId, place: Place) -> CancellationToken {
        let mut runs = self.runs();
        runs.waiting.retain(|run| run.id != id);
        self.follow_as(&mut runs, id, place)
    }

    fn follow_as(&self, runs: &mut Runs, id: RunId, place: Place) -> CancellationToken {
        if let Some(followed) = runs.followed.get(&id) {
            return followed.cancel.clone();
        }
        let cancel = CancellationToken::new();
        if matches!(place, Place::None) {
            cancel.cancel();
        }
        runs.followed.insert(id, Followed { cancel: cancel.clone(), place });
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
            runners.runs().followed.remove(&id);
            runners.start_next();
        });
        cancel
    }

    /// Starts those whose turn it is, soon. To be called whenever a run was accepted or has ended.
    fn start_next(&self) {
        if self.0.will_look.swap(true, Ordering::AcqRel) {
            return;
        }
        let runners = self.clone();
        self.0.followers.spawn(async move {
            let _alone = runners.0.looking.lock().await;
            // Whatever happens from here on may need another look.
            runners.0.will_look.store(false, Ordering::Release);
            while !runners.0.shutdown.is_cancelled() {
                match runners.look().await {
                    Ok(()) => return,
                    Err(error) => tracing::warn!("whose turn it is cannot be told, trying again: {error}"),
                }
                tokio::select! {
                    () = sleep(RETRY) => {}
                    () = runners.0.shutdown.cancelled() => {}
                }
            }
        });
    }

    /// Takes in what was accepted meanwhile, and starts those whose turn it is. The store alone knows the order of acceptance: of two that
    /// were accepted together, the later one may be heard of first.
    async fn look(&self) -> Result<(), StoreError> {
        let last = self.runs().waiting.last().map(|run| run.number);
        let accepted = self.0.store.queued_runs(last).await?;
        let mut runs = self.runs();
        for run in accepted {
            if !runs.followed.contains_key(&run.id) {
                runs.waiting.push(run);
            }
        }
        if self.0.shutdown.is_cancelled() || self.0.shortage.borrow().is_some() {
            return Ok(());
        }
        let executing = runs.followed.values().filter_map(|followed| match &followed.place {
            Place::Of(runner) => Some(runner.as_str()),
            Place::None => None,
        });
        let chosen = turns(&self.0.limits, executing, runs.waiting.iter().map(|run| run.runner.as_str()));
        for (before, place) in chosen.into_iter().enumerate() {
            let QueuedRun { id, runner, .. } = runs.waiting.remove(place - before);
            self.follow_as(&mut runs, id, Place::Of(runner));
        }
        Ok(())
    }

    fn runs(&self) -> MutexGuard<'_, Runs> {
        self.0.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn left_over(&self) -> io::Result<Vec<RunId>> {
        let entries = match fs::read_dir(&self.0.folders) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        entries.map(|entry| Ok(entry?.file_name().to_str().and_then(|name| name.parse().ok()))).filter_map(Result::transpose).collect()
    }
}
