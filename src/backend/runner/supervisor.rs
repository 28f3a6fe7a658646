//! The supervisor: the process that holds one run. It owns the program's terminal or pipe, appends what it reads to the spool and
//! writes down how the program ended. It outlives the server and knows nothing of it but the run's folder. Everything happens in one
//! thread around one `poll`; two small threads wait for children and for signals, which `poll` cannot.

mod children;
mod conclusion;
mod followers;
mod news;
mod program;
mod program_digest;
mod signals;
mod spool;
mod startup;
mod stop;
mod typing;

use super::{
    cgroup::Cgroup,
    folder::{Begun, Ended, How, Reached, RunFolder, Started, Stopped},
    limits::{LimitReached, RunLimits},
    process,
    sizes::TerminalSizes,
    start_error::StartError,
};
use crate::{backend::clock::Clock, domain::timestamp::Timestamp};
use children::Reaper;
use conclusion::{conclude, not_started};
use followers::Followers;
use news::News;
use program::Running;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use spool::Spool;
use startup::{answer, detach, lock};
use std::{
    io::{self, Read, Write},
    num::NonZeroU64,
    os::{fd::AsFd, unix::net::UnixStream},
    path::Path,
    process::ExitCode,
    sync::mpsc,
    time::{Duration, Instant},
};
use stop::Stop;
use typing::Typing;

/// After the program's end, what others of its making still write is waited for until they have been silent for this long …
const SILENCE: Duration = Duration::from_millis(250);
/// … and no longer than this, for one may go on for ever.
const DRAIN: Duration = Duration::from_secs(2);
/// How long a full disk is left alone before writing is tried again.
const RETRY: Duration = Duration::from_secs(1);
/// How much is read from the program at once.
const BUFFER: usize = 64 * 1024;
/// The most that waits in a pipe or a terminal before a program has to.
const PIPE: usize = 1024 * 1024;

/// Holds the run in `folder` until its end. This is the whole life of a `kontasks supervise` process, and no thread may have been
/// started in it before. What it answers the server is one line on its standard output, of `start_error.rs`.
#[must_use]
pub fn run(folder: &Path) -> ExitCode {
    match hold(folder) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "{error}");
            let mut stdout = io::stdout();
            let _ = write!(stdout, "{}", error.to_line()).and_then(|()| stdout.flush());
            ExitCode::FAILURE
        }
    }
}

fn hold(folder: &Path) -> Result<(), StartError> {
    detach().map_err(|error| StartError::new(&error, "the supervisor cannot leave the server's session"))?;
    // A socket's address is short, so it is bound relative to here.
    std::env::set_current_dir(folder).map_err(|error| StartError::new(&error, folder.display()))?;
    let folder = RunFolder::at(Path::new("."));
    let unusable = |error: io::Error| StartError::new(&error, "the run's folder cannot be used");
    let no_thread = |error: io::Error| StartError::new(&error, "the supervisor cannot wait for signals and children");

    let Some(_lock) = lock(&folder).map_err(unusable)? else { return answer("held").map_err(unusable) };
    if folder.begun().map_err(unusable)?.is_some() {
        return answer("begun").map_err(unusable);
    }
    let spec = folder.spec().map_err(unusable)?.ok_or_else(|| StartError::Permanent("there is no run in this folder".into()))?;
    let spool = Spool::create(&folder.spool(), &folder.digests(), spec.limits.bytes.map_or(u64::MAX, NonZeroU64::get)).map_err(unusable)?;
    let clock = Clock::system();
    let (herald, wakes, told) = news::channel().map_err(no_thread)?;
    signals::listen(&herald).map_err(no_thread)?;
    let reaper = Reaper::start(&clock, herald).map_err(no_thread)?;
    let followers = Followers::listen(&folder.socket()).map_err(unusable)?;
    if let Some(script) = &spec.program.script {
        std::fs::write(folder.script(), script).map_err(unusable)?;
    }

    let (cgroup, door) = Cgroup::make(folder.path(), spec.run).unzip();
    let name = cgroup.as_ref().map(|cgroup| cgroup.name().to_owned());
    let mut begun = false;
    let begin = || {
        folder.write_begun(&Begun { boot: process::boot(), data: spec.data, cgroup: name }).map_err(unusable)?;
        begun = true;
        Ok(())
    };
    let started = program::start(&spec, cgroup.clone(), door, begin);
    if started.is_err() {
        cgroup.iter().for_each(Cgroup::remove);
    }
    match started {
        Err(error @ StartError::Retryable { .. }) => {
            // Nothing was started, and the lock keeps everybody else from starting it: this alone may take the mark back.
            match folder.take_back_begun() {
                Ok(()) => return Err(error),
                Err(kept) => not_started(&folder, &spool, &clock, &format!("{error}; and it cannot be tried again: {kept}")),
            }
        }
        Err(StartError::Permanent(reason)) if begun => not_started(&folder, &spool, &clock, &reason),
        Err(error) => return Err(error),
        Ok(running) => {
            let pid = running.pid.as_raw_nonzero().get();
            let started = Started { pid, birth: process::birth(pid), contained: running.is_contained(), at: clock.now() };
            reaper.reap(running.pid);
            // Whatever becomes of the answer: the program runs.
            let _ = answer("ready");
            let supervision = Supervision {
                unsaid: Some(started),
                folder,
                spool,
                running,
                wakes,
                told,
                followers,
                typing: Typing::default(),
                sizes: TerminalSizes::default(),
                stop: None,
                requests: 0,
                clock,
                exit: None,
                alone: false,
                stalled: None,
                begun: Instant::now(),
                last_output: Instant::now(),
                limits: spec.limits,
                limit: None,
            };
            supervision.run();
        }
    }
    Ok(())
}

/// The program's end, and since when this thread knows of it.
struct Exit {
    how: How,
    at: Timestamp,
    seen: Instant,
    /// How many bytes that the program wrote may still be unread, however long ago it has ended: nothing is read while the disk is full.
    unread: usize,
}

/// A running program and all that is needed to hold it.
struct Supervision {
    folder: RunFolder,
    spool: Spool,
    running: Running,
    wakes: UnixStream,
    told: mpsc::Receiver<News>,
    followers: Followers,
    typing: Typing,
    sizes: TerminalSizes,
    /// What has not been written down yet.
    unsaid: Option<Started>,
    stop: Option<Stop>,
    /// How often somebody has asked for the end.
    requests: usize,
    clock: Clock,
    exit: Option<Exit>,
    /// Nothing that the program has started is left.
    alone: bool,
    /// The disk is full; until then nothing is read from the program, which waits as it would for a slow terminal.
    stalled: Option<Instant>,
    begun: Instant,
    last_output: Instant,
    limits: RunLimits,
    /// The one that it came to.
    limit: Option<LimitReached>,
}

impl Supervision {
    fn run(mut self) {
        loop {
            self.write();
            let now = Instant::now();
            if self.is_over(now) {
                break;
            }
            if self.stop.is_none() && self.is_drained(now) {
                self.stop = Some(Stop::clear(now));
            }
            self.heed_limits(now);
            self.advance(now);
            self.wait(now);
        }
        // There is always an exit here, as nothing else ends the loop.
        if let Some(exit) = self.exit {
            let stopped = self.stop.as_ref().and_then(|stop| stop.why);
            let left = self.stop.filter(|_| !self.alone).map_or_else(Vec::new, Stop::left);
            self.running.cgroup.iter().for_each(Cgroup::remove);
            let (bytes, digest) = (self.spool.length(), Some(self.spool.digest()));
            let ended = Ended { how: exit.how, stopped, limit: self.limit, at: exit.at, bytes, digest, left };
            conclude(&self.folder, &self.spool, &ended);
        }
    }

    /// The limit in time that the program comes to next, and when.
    fn next_limit(&self) -> Option<(Instant, LimitReached)> {
        if self.exit.is_some() || self.stop.is_some() {
            return None;
        }
        let after = |since: Instant, seconds: NonZeroU64| since.checked_add(Duration::from_secs(seconds.get()));
        let time = self.limits.seconds.and_then(|seconds| Some((after(self.begun, seconds)?, LimitReached::Time(seconds))));
        // While the disk is full, it is not the program that is silent.
        let silent_seconds = self.limits.silent_seconds.filter(|_| self.stalled.is_none());
        let silence = silent_seconds.and_then(|seconds| Some((after(self.last_output, seconds)?, LimitReached::Silence(seconds))));
        time.into_iter().chain(silence).min_by_key(|(at, _)| *at)
    }

    fn heed_limits(&mut self, now: Instant) {
        if let Some((_, limit)) = self.next_limit().filter(|(at, _)| now >= *at) {
            self.limit = Some(limit);
            self.stop = Some(Stop::new(None, now));
        }
        if let Some(bytes) = self.limits.bytes.filter(|_| self.spool.has_dropped()) {
            // Whatever else it came to: that output is missing has to be said.
            self.limit = Some(LimitReached::Output(bytes));
            if self.exit.is_none() && self.stop.is_none() {
                self.stop = Some(Stop::new(None, now));
            }
        }
    }

    /// Takes the step that is due towards the end, and tells of it.
    fn advance(&mut self, now: Instant) {
        let Some(stop) = &mut self.stop else { return };
        let reached = stop.advance(now, &self.running, self.exit.is_some());
        if let Some(signal) = reached.filter(|_| stop.is_of_program()) {
            let signal = process::signal_name(signal.as_raw());
            let limit = self.limit.filter(|_| stop.why.is_none());
            let reached = Reached { signal, at: self.clock.now(), requests: self.requests, limit };
            // That it cannot be said is no reason not to go on with it.
            if let Err(error) = self.folder.write_reached(&reached) {
                let _ = writeln!(io::stderr(), "how far the end has come cannot be written: {error}");
            }
            self.followers.poke();
        }
    }

    /// Puts what was read onto the disk and tells the followers, or stalls.
    fn write(&mut self) {
        if self.stalled.is_some_and(|until| Instant::now() < until) {
            return;
        }
        let written = self.write_what_waits();
        self.stalled = match written {
            Ok(()) => {
                if self.stalled.is_some() {
                    self.last_output = Instant::now();
                }
                None
            }
            Err(error) => {
                if self.stalled.is_none() {
                    let _ = writeln!(io::stderr(), "the output cannot be written, the program waits: {error}");
                }
                Some(Instant::now() + RETRY)
            }
        };
    }

    fn write_what_waits(&mut self) -> io::Result<()> {
        if let Some(started) = &self.unsaid {
            match self.folder.write_started(started) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => self.unsaid = None,
            }
            self.followers.poke();
        }
        if self.spool.flush()? {
            self.followers.poke();
        }
        // A size stands behind all that has been read.
        if let Some((columns, rows)) = self.sizes.apply(&self.folder, self.spool.length())? {
            self.running.resize(columns, rows);
            self.followers.poke();
        }
        Ok(())
    }

    /// The program has ended and nothing more of its output is waited for.
    fn is_drained(&self, now: Instant) -> bool {
        let Some(exit) = &self.exit else { return false };
        let silent = now >= exit.seen.max(self.last_output) + SILENCE || now >= exit.seen + DRAIN;
        (self.running.output.is_none() || (silent && exit.unread == 0)) && self.stalled.is_none()
    }

    fn is_over(&self, now: Instant) -> bool {
        self.is_drained(now) && (self.is_alone() || self.stop.as_ref().is_some_and(|stop| stop.is_given_up(now)))
    }

    fn is_alone(&self) -> bool {
        (self.alone || (!children::INHERITED && !self.running.group_lives())) && self.running.cgroup.as_ref().is_none_or(Cgroup::is_empty)
    }

    /// Waits for whatever happens next and takes it in.
    fn wait(&mut self, now: Instant) {
        let output = if self.stalled.is_none() { self.running.output.as_ref() } else { None };
        let ends = self.exit.as_ref().map(|exit| (exit.seen.max(self.last_output) + SILENCE).min(exit.seen + DRAIN));
        let unread = output.is_some() && self.exit.as_ref().is_some_and(|exit| exit.unread > 0);
        let look_again = (self.exit.is_some() && !children::INHERITED).then(|| now + Duration::from_millis(50));
        let stop = self.stop.as_ref().and_then(|stop| stop.next(now));
        let limit = self.next_limit().map(|(at, _)| at);
        let deadlines = [self.stalled, stop, limit, ends.filter(|at| unread || *at > now), look_again];
        let timeout = deadlines.into_iter().flatten().min().map(|at| at.saturating_duration_since(now));
        let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout + Duration::from_millis(1)).ok());

        let mut fds = vec![PollFd::new(&self.wakes, PollFlags::IN), PollFd::new(self.followers.listener(), PollFlags::IN)];
        fds.extend(self.followers.links().map(|link| PollFd::new(link, PollFlags::IN)));
        let program = if self.typing.waits() { PollFlags::IN | PollFlags::OUT } else { PollFlags::IN };
        fds.extend(output.map(|output| PollFd::new(output, program)));
        if poll(&mut fds, timeout.as_ref()).is_err() {
            return; // interrupted by a signal; whatever it was comes as news
        }
        let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        let readable = output.is_some() && ready.last() == Some(&true);
        drop(fds);

        if ready[0] {
            self.hear();
        }
        if readable {
            self.read();
            self.typing.write(&self.running);
        } else if unread {
            self.has_read(PIPE);
        }
        if ready[1..].contains(&true) {
            let said = self.followers.listen_to_all();
            if let Some(requests) = said.requests {
                self.cancel(requests);
            }
            if said.typed {
                self.take_typed();
            }
        }
    }

    fn take_typed(&mut self) {
        match self.typing.take(&self.folder) {
            Ok(size) => self.sizes.request(size),
            Err(error) => drop(writeln!(io::stderr(), "what was typed cannot be read: {error}")),
        }
        self.typing.write(&self.running);
    }

    fn hear(&mut self) {
        let mut wakes = [0; 64];
        while matches!((&self.wakes).read(&mut wakes), Ok(n) if n > 0) {}
        while let Ok(news) = self.told.try_recv() {
            match news {
                News::Exited(how, at) => {
                    self.exit = Some(Exit { how, at, seen: Instant::now(), unread: PIPE });
                    self.running.let_go();
                }
                News::Alone => self.alone = true,
                News::Terminate => self.request(Stopped::Terminated),
            }
        }
    }

    /// The first request begins the end, and each further one takes the next step towards it at once.
    fn cancel(&mut self, requests: usize) {
        let mut new = requests.saturating_sub(self.requests);
        self.requests += new;
        if new > 0 && self.stop.is_none() {
            self.request(Stopped::Cancelled);
            new -= 1;
        }
        if let Some(stop) = &mut self.stop {
            stop.hurry(new);
        }
    }

    /// The first request counts; a program that has ended by itself is not stopped any more.
    fn request(&mut self, why: Stopped) {
        if self.exit.is_none() && self.stop.is_none() {
            self.stop = Some(Stop::new(Some(why), Instant::now()));
        }
    }

    fn read(&mut self) {
        let Some(output) = &self.running.output else { return };
        match self.spool.fill(output.as_fd()) {
            Ok(0) => self.running.output = None,
            Ok(count) => {
                self.last_output = Instant::now();
                self.has_read(count);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.has_read(PIPE),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // A terminal that nobody has open any more says so by an error (EIO).
            Err(_) => self.running.output = None,
        }
    }

    /// So much less can stand before what others have written since the program's end.
    fn has_read(&mut self, count: usize) {
        if let Some(exit) = &mut self.exit {
            exit.unread = exit.unread.saturating_sub(count);
        }
    }
}
