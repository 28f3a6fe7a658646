//! The faults of a round, carried out one after the other.

use crate::{
    copy,
    disk::Disk,
    limits,
    plan::{Fault, Plan, When},
    processes::{self, Process},
    server::Server,
    tally::Tally,
};
use rand::{SeedableRng, rngs::StdRng, seq::IndexedRandom};
use rustix::process::Signal;
use std::{
    collections::BTreeSet,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::time::{Instant, sleep};

/// How long a fault waits for what it is to hit, and how long between two looks.
const LONGEST_WAIT: Duration = Duration::from_secs(2);
const GLANCE: Duration = Duration::from_millis(2);

/// What a round has done that a run may not survive.
#[derive(Debug, Default)]
pub struct Harm {
    /// The runs whose supervisor was killed.
    pub killed: BTreeSet<String>,
    pub disk_was_full: bool,
    pub folder_was_away: bool,
    /// The data folder as it was at some moment while the server was down.
    pub backup: Option<PathBuf>,
}

pub struct Storm<'r> {
    pub round: &'r Path,
    pub server: &'r mut Server,
    pub disk: Option<&'r Disk>,
    pub tally: &'r Tally,
}

impl Storm<'_> {
    /// Returns with the server running.
    pub async fn carry_out(mut self, plan: &Plan) -> Result<Harm, String> {
        let mut random = StdRng::seed_from_u64(plan.seed);
        let mut harm = Harm::default();
        for (when, fault) in &plan.storm {
            self.until(*when).await;
            drop(self.server.note(&format!("{fault:?}"))?);
            if let Some(status) = self.server.has_ended() {
                return Err(format!("the server ended by itself: {status}"));
            }
            self.inflict(fault, &mut random, &mut harm).await.map_err(|error| format!("{fault:?}: {error}"))?;
        }
        Ok(harm)
    }

    async fn until(&self, when: When) {
        match when {
            When::After(pause) => sleep(pause).await,
            When::AtStart(pause) => {
                let begin = Instant::now();
                let known = self.runs();
                while self.runs().is_subset(&known) && begin.elapsed() < LONGEST_WAIT {
                    sleep(GLANCE).await;
                }
                sleep(pause).await;
            }
        }
    }

    /// The folders of runs that there are.
    fn runs(&self) -> BTreeSet<OsString> {
        let folders = fs::read_dir(Server::data_of(self.round).join("runs"));
        folders.into_iter().flatten().flatten().map(|folder| folder.file_name()).collect()
    }

    async fn inflict(&mut self, fault: &Fault, random: &mut StdRng, harm: &mut Harm) -> Result<(), String> {
        match fault {
            Fault::KillServer { down, again } => {
                self.tally.count("server killed");
                self.server.kill().await?;
                for pause in again {
                    sleep(*down).await;
                    self.tally.count("server killed soon after its start");
                    self.server.spawn()?;
                    sleep(*pause).await;
                    self.server.kill().await?;
                }
                sleep(*down).await;
                self.server.start().await
            }
            Fault::EndServer { down } => {
                self.tally.count("server ended");
                self.server.end().await?;
                sleep(*down).await;
                self.server.start().await
            }
            Fault::FreezeServer { pause } => {
                self.tally.count("server frozen");
                self.server.signal(Signal::STOP)?;
                sleep(*pause).await;
                self.server.signal(Signal::CONT)
            }
            Fault::FreezeSupervisor { pause } => {
                if let Some((supervisor, _)) = self.supervisor(random).await
                    && processes::send(supervisor.pid, Signal::STOP)
                {
                    self.tally.count("supervisor frozen");
                    sleep(*pause).await;
                    processes::send(supervisor.pid, Signal::CONT);
                }
                Ok(())
            }
            Fault::KillSupervisor { down } => {
                if down.is_some() {
                    self.server.kill().await?;
                }
                if let Some((supervisor, run)) = self.supervisor(random).await
                    && processes::send(supervisor.pid, Signal::KILL)
                {
                    drop(self.server.note(&format!("the supervisor of run {run} is killed"))?);
                    self.tally.count(if down.is_some() { "supervisor killed without a server" } else { "supervisor killed" });
                    harm.killed.insert(run);
                }
                if let Some(down) = down {
                    sleep(*down).await;
                    self.server.start().await?;
                }
                Ok(())
            }
            Fault::FillDisk { pause, kill } => match self.disk {
                Some(disk) => {
                    harm.disk_was_full = true;
                    self.fill(disk, *pause, *kill).await
                }
                None => Ok(()),
            },
            Fault::NoDescriptors { pause, spare } => {
                self.tally.count("server without descriptors");
                let pid = self.server.pid().ok_or("there is no server")?;
                let limited = limits::Descriptors::of(pid, *spare)?;
                sleep(*pause).await;
                limited.lift()
            }
            Fault::NoProcesses { pause } => {
                let pid = self.server.pid().ok_or("there is no server")?;
                let Some(limited) = limits::Processes::of(pid) else {
                    self.tally.count("no processes left out, as there is no cgroup for it here");
                    return Ok(());
                };
                self.tally.count("server without processes");
                sleep(*pause).await;
                limited.lift()
            }
            Fault::UnwritableLog { log, down } => {
                self.tally.count("log that cannot be written");
                self.server.kill().await?;
                sleep(*down).await;
                self.server.log_to(*log);
                self.server.start().await
            }
            Fault::CopyFolder { pause } => self.open_copy(*pause).await,
            Fault::MoveFolder { pause } => {
                if self.disk.is_some() {
                    self.tally.count("folder left where it is, as it is a disk of its own");
                    return Ok(());
                }
                self.tally.count("folder moved away");
                harm.folder_was_away = true;
                let (here, away) = (Server::data_of(self.round), self.round.join("away"));
                let said = |error: std::io::Error| format!("the folder: {error}");
                fs::rename(&here, &away).map_err(said)?;
                sleep(*pause).await;
                fs::rename(&away, &here).map_err(said)
            }
            Fault::BackUp { down } => {
                self.tally.count("backup");
                self.server.kill().await?;
                let backup = self.round.join("backup");
                copy::folder(&Server::data_of(self.round), &backup)?;
                harm.backup = Some(backup);
                sleep(*down).await;
                self.server.start().await
            }
        }
    }

    /// Somebody opens a copy to look at it, which was made while everything was being written.
    async fn open_copy(&self, pause: Duration) -> Result<(), String> {
        self.tally.count("copied folder opened");
        let data = self.round.join("copy");
        copy::folder(&Server::data_of(self.round), &data)?;
        let mut second = Server::on(self.round, data.clone())?;
        if second.start().await.is_err() {
            // What was copied in the middle of being written may not fit together.
            self.tally.count("copied folder that could not be opened");
            second.kill().await?;
        } else {
            sleep(pause).await;
            copy::executes_nothing(self.round, &data)?;
            second.end().await?;
        }
        fs::remove_dir_all(&data).map_err(|error| format!("the copy: {error}"))
    }

    async fn fill(&mut self, disk: &Disk, pause: Duration, kill: bool) -> Result<(), String> {
        let said = |error: std::io::Error| format!("the disk: {error}");
        self.tally.count("disk full");
        disk.fill().map_err(said)?;
        sleep(pause).await;
        if !kill {
            return disk.free().map_err(said);
        }
        self.tally.count("server killed on a full disk");
        self.server.kill().await?;
        // It may say that it cannot work without room.
        let started = self.server.start().await;
        disk.free().map_err(said)?;
        if started.is_err() {
            self.server.kill().await?;
            self.server.start().await?;
        }
        Ok(())
    }

    /// One that lives, or comes soon.
    async fn supervisor(&self, random: &mut StdRng) -> Option<(Process, String)> {
        let begin = Instant::now();
        loop {
            match processes::supervisors(self.round).choose(random).cloned() {
                None if begin.elapsed() < LONGEST_WAIT => sleep(GLANCE).await,
                found => return found,
            }
        }
    }
}
