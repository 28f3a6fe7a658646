//! Takes from a server for a while what the system gives to processes: descriptors by its limit on open files, processes and threads by
//! a cgroup of its own.

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

/// A limit on the open files of a process.
pub struct Descriptors {
    pid: Pid,
    before: Rlimit,
}

impl Descriptors {
    /// It keeps what it has open and may open `spare` more.
    pub fn of(pid: i32, spare: u64) -> Result<Self, String> {
        let open = fs::read_dir(format!("/proc/{pid}/fd")).map_err(|error| format!("its files: {error}"))?.count() as u64;
        let before = open_files(pid).ok_or("its limit cannot be read")?;
        let process = Pid::from_raw(pid).ok_or("no process")?;
        prlimit(Some(process), Resource::Nofile, Rlimit { current: Some(open + spare), ..before })
            .map_err(|error| format!("its limit: {error}"))?;
        Ok(Descriptors { pid: process, before })
    }

    pub fn lift(self) -> Result<(), String> {
        prlimit(Some(self.pid), Resource::Nofile, self.before).map(drop).map_err(|error| format!("its limit: {error}"))
    }
}

/// A limit on the processes and threads that a process starts.
pub struct Processes {
    group: PathBuf,
    parent: PathBuf,
}

impl Processes {
    /// It keeps those that it has. None where this machine has no such cgroup for us.
    pub fn of(pid: i32) -> Option<Self> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let parent = pids_cgroup()?;
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let group = parent.join(format!("kontasks-chaos-{}-{number}", std::process::id()));
        fs::create_dir(&group).ok()?;
        let limited = Processes { group, parent };
        let enter = || {
            fs::write(limited.group.join("cgroup.procs"), pid.to_string())?;
            let now = fs::read_to_string(limited.group.join("pids.current"))?;
            fs::write(limited.group.join("pids.max"), now.trim())
        };
        match enter() {
            Ok(()) => Some(limited),
            Err(_) => limited.lift().err().and(None),
        }
    }

    /// Gives back what was taken, and moves everything back to where it was.
    pub fn lift(self) -> Result<(), String> {
        let _ = fs::write(self.group.join("pids.max"), "max");
        // What is started while this looks is in the group as well.
        loop {
            let members = fs::read_to_string(self.group.join("cgroup.procs")).map_err(|error| format!("the cgroup: {error}"))?;
            for member in members.lines() {
                let _ = fs::write(self.parent.join("cgroup.procs"), member);
            }
            match fs::remove_dir(&self.group) {
                Ok(()) => return Ok(()),
                Err(error) if error.kind() == std::io::ErrorKind::ResourceBusy => {}
                Err(error) => return Err(format!("the cgroup: {error}")),
            }
        }
    }
}

fn open_files(pid: i32) -> Option<Rlimit> {
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).ok()?;
    let mut words = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?.split_whitespace();
    let mut next = || words.next().map(|word| word.parse().ok());
    Some(Rlimit { current: next()?, maximum: next()? })
}

/// The cgroup of this process that can limit how many processes there are, in the first version's hierarchy or the second's.
fn pids_cgroup() -> Option<PathBuf> {
    let own = fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = |controller: &str| {
        own.lines().find_map(|line| {
            let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
            controllers.split(',').any(|name| name == controller).then(|| path.trim_start_matches('/').to_owned())
        })
    };
    let first = path("pids").map(|path| Path::new("/sys/fs/cgroup/pids").join(path));
    let second = path("").map(|path| Path::new("/sys/fs/cgroup").join(path));
    let limits = |group: &PathBuf| {
        let controllers = fs::read_to_string(group.join("cgroup.subtree_control")).unwrap_or_default();
        group.starts_with("/sys/fs/cgroup/pids") || controllers.split_whitespace().any(|name| name == "pids")
    };
    [first, second].into_iter().flatten().filter(limits).find(|group| group.join("cgroup.procs").exists())
}
