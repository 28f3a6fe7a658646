//! Runs: submitted, started in their turn, followed into the log, cancelled, and taken up again after a restart. The program itself is
//! held by a supervisor, a process of its own, which goes on when the server ends.

mod cancel;
mod cgroup;
mod characters;
mod checkpoints;
mod copied;
mod folder;
mod follower;
mod held;
mod integrity;
mod launch;
pub mod limits;
mod link;
mod orphans;
mod outcome;
mod process;
mod process_tree;
mod queue;
mod requests;
mod reserve;
mod shell;
mod sizes;
mod space_watch;
mod start;
mod start_error;
pub mod supervisor;
pub mod table;
mod typed;
mod unrecorded;
mod waits;

pub use launch::own_file;

use super::{
    clock::Clock,
    identity::Presence,
    space::Shortage,
    store::{NewRun, QueuedRun, Store, StoreError, Submitted},
};
use crate::domain::{
    id::RunId,
    limits::Invalid,
    run::{Run, RunStatus},
};
use folder::RunFolder;
use follower::Follower;
use queue::{Limits, turns};
use requests::RunRequests;
use reserve::CancelReserve;
use std::{
    collections::{HashMap, HashSet},
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use table::RunnerTable;
use tokio::{sync::watch, time::sleep};
use tokio_util::{
    sync::CancellationToken,
    task::{AbortOnDropHandle, TaskTracker},
};
use unrecorded::UNKNOWN_RUNNER;
use waits::StartWaits;

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
    presence: Presence,
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
    /// Where requests to cancel stand that the disk has no room for.
    reserve: Arc<CancelReserve>,
    /// Which runs wait to be started for want of something.
    waits: StartWaits,
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
    /// What people ask of it.
    requests: RunRequests,
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
        let reserve = Arc::new(CancelReserve::open(&data));
        Runners(Arc::new(Shared {
            store,
            limits: table.limits(),
            table: Arc::new(table),
            folders: data.join("runs"),
            presence: Presence::of(&data),
            data,
            shortage: watch::Sender::new(None),
            exe,
            shutdown: shutdown.child_token(),
            followers: TaskTracker::new(),
            runs: Mutex::default(),
            looking: tokio::sync::Mutex::default(),
            will_look: AtomicBool::new(false),
            reserve,
            waits: StartWaits::default(),
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
        if let Some(shortage) = self.0.shortage.borrow().filter(|shortage| shortage.refuses()) {
            return Err(RunnerError::NoRoom(shortage));
        }
        self.check_place()?;
        let runners = self.clone();
        let submission = tokio::spawn(async move {
            let submitted = runners.0.store.submit(new).await?;
            // What was committed to a database that was taken away meanwhile is not said to be accepted.
            runners.check_place()?;
            if submitted.created {
                runners.start_next();
            }
            Ok(submitted)
        });
        submission.await.unwrap_or(Err(RunnerError::Store(StoreError::Closed)))
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
            // A follower finds the run ended and removes the folder, or finds that the store does not know the run.
            Ok(left) => {
                let others = left.into_iter().filter(|id| unfinished.iter().all(|run| run.id != *id));
                others.for_each(|id| drop(self.follow(id, self.place_of_other(id))));
            }
            Err(error) => tracing::warn!("what ended runs have left cannot be removed: {error}"),
        }
        self.0.reserve.retain(|id| unfinished.iter().any(|run| run.id == id));
        self.remove_cgroups(unfinished.iter().map(|run| run.id).collect());
        if !unfinished.is_empty() {
            let taken_up = self.runs().followed.len();
            tracing::info!("taking up {taken_up} run(s); {} wait for their turn", unfinished.len().saturating_sub(taken_up));
        }
        self.start_next();
        Ok(())
    }

    /// Ends all following after what is being committed; supervisors and programs stay.
    pub async fn stop(&self) {
        self.0.shutdown.cancel();
        self.0.followers.close();
        self.0.followers.wait().await;
    }

    /// The place that a run has which the server before this one knew; none where it waits for its turn.
    fn place_of(&self, run: &Run) -> Option<Place> {
        let folder = self.folder(run.id);
        if run.status == RunStatus::Running || folder.had_turn() {
            return Some(Place::Of(run.runner.clone()));
        }
        (folder.cancel_requested() || !self.0.reserve.requests(run.id).is_empty()).then_some(Place::None)
    }

    /// The place of a run that has a folder and is none of those that go on, as far as the store knows: it takes one where it goes on all the
    /// same.
    fn place_of_other(&self, id: RunId) -> Place {
        let folder = self.folder(id);
        if folder.is_foreign().unwrap_or(true) || !folder.is_held().unwrap_or(false) {
            return Place::None;
        }
        let accepted = folder.spec().ok().flatten().and_then(|spec| spec.accepted);
        Place::Of(accepted.map_or_else(|| UNKNOWN_RUNNER.to_owned(), |accepted| accepted.runner))
    }

    /// Follows the run unless that is being done; gives what is asked of it.
    fn follow(&self, id: RunId, place: Place) -> RunRequests {
        let mut runs = self.runs();
        runs.waiting.retain(|run| run.id != id);
        self.follow_as(&mut runs, id, place)
    }

    fn follow_as(&self, runs: &mut Runs, id: RunId, place: Place) -> RunRequests {
        if let Some(followed) = runs.followed.get(&id) {
            return followed.requests.clone();
        }
        let folder = self.folder(id);
        let (requests, waits) = (RunRequests::default(), matches!(place, Place::Of(_)) && !folder.had_turn());
        runs.followed.insert(id, Followed { requests: requests.clone(), place });
        let follower = Follower {
            run: id,
            store: self.0.store.clone(),
            table: self.0.table.clone(),
            folder: folder.clone(),
            data: self.0.presence.clone(),
            exe: self.0.exe.clone(),
            requests: requests.clone(),
            reserve: self.0.reserve.clone(),
            waits: self.0.waits.clone(),
            not_begun: AtomicBool::new(waits),
            concluded: AtomicBool::new(false),
            shutdown: self.0.shutdown.clone(),
            clock: Clock::system(),
        };
        // A task of its own: whatever the follower waits for, this goes on.
        let forwarding = requests.clone();
        let forwarder = AbortOnDropHandle::new(tokio::spawn(async move { forwarding.forward(&folder).await }));
        let (runners, follower) = (self.clone(), Arc::new(follower));
        self.0.followers.spawn(async move {
            let over = loop {
                match tokio::spawn(follower.clone().follow()).await {
                    Ok(over) => break over,
                    // A run that nobody follows would never end.
                    Err(error) if error.is_panic() => tracing::error!(run = %id, "following a run failed, trying again: {error}"),
                    Err(_) => break false,
                }
                sleep(RETRY).await;
            };
            drop(forwarder);
            if over {
                runners.0.reserve.release(id);
            }
            runners.runs().followed.remove(&id);
            runners.start_next();
        });
        requests
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
        if self.0.shutdown.is_cancelled() || self.0.shortage.borrow().is_some_and(Shortage::refuses) {
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

    fn folder(&self, id: RunId) -> RunFolder {
        RunFolder::new(&self.0.folders, id, self.0.store.folder())
    }

    fn runs(&self) -> MutexGuard<'_, Runs> {
        self.0.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes away what ended runs have left of their control groups, where nobody holds the run any more.
    fn remove_cgroups(&self, unfinished: HashSet<RunId>) {
        let (folders, data) = (self.0.folders.clone(), self.0.store.folder());
        self.0.followers.spawn_blocking(move || {
            let is_held = |run| RunFolder::new(&folders, run, data).is_held().unwrap_or(true);
            cgroup::remove_leftovers(&folders, |run| unfinished.contains(&run) || is_held(run));
        });
    }

    fn left_over(&self) -> io::Result<Vec<RunId>> {
        let entries = match fs::read_dir(&self.0.folders) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut left = Vec::new();
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            if name.ends_with(RunFolder::REMOVED) {
                // Its removal was cut off.
                let _ = fs::remove_dir_all(entry.path());
            } else {
                left.extend(name.parse::<RunId>().ok());
            }
        }
        Ok(left)
    }
}
