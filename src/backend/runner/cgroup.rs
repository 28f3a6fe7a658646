//! A control group for each run (cgroup v2), where the system allows it: whatever a run's program
//! starts is born into it and stays in it, in whatever session, with whatever environment and
//! parent. So all of a run can be found, and ended at one stroke.
//!
//! The groups lie below the one that the server itself is in, as
//! `kontasks-<folder>/run-<id>`, where `<folder>` is the device and inode of the folder that holds
//! the runs' folders: a copy of the data has another one, so that its server never finds the
//! original's groups by what its files say. The supervisor stays outside. Where there is no
//! cgroup v2, or it may not be written, there is no group and everything else works as without.

use super::{process::birth, process_tree::Process};
use crate::domain::id::RunId;
use std::{
    fs::{self, File},
    io,
    os::unix::fs::MetadataExt,
    path::{Component, Path, PathBuf},
    thread,
    time::Duration,
};

/// How often something is tried again that another run's end can come between.
const TRIES: usize = 20;
/// How long is waited in between, where something takes its time.
const AGAIN: Duration = Duration::from_millis(20);

/// The group of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cgroup {
    /// Its folder.
    path: PathBuf,
    /// As `/proc/<pid>/cgroup` names it.
    name: String,
}

/// The groups of all runs of one data folder.
struct Groups {
    path: PathBuf,
    name: String,
}

impl Groups {
    /// Of the runs whose folders lie in `runs`, below the group of this very process; none where
    /// there is no cgroup v2. They need not be there.
    fn of(runs: &Path) -> Option<Self> {
        let own = own_group(&fs::read_to_string("/proc/self/cgroup").ok()?)?;
        let mount = mounted(&fs::read_to_string("/proc/self/mountinfo").ok()?, &own)?;
        let folder = fs::metadata(runs).ok()?;
        let of_folder = format!("kontasks-{:x}-{:x}", folder.dev(), folder.ino());
        let name = Path::new(&own).join(&of_folder).to_str()?.to_owned();
        Some(Groups { path: mount.join(of_folder), name })
    }

    fn run(&self, run: RunId) -> Cgroup {
        let last = format!("run-{run}");
        Cgroup { path: self.path.join(&last), name: format!("{}/{last}", self.name) }
    }
}

impl Cgroup {
    /// Makes a new one for the run whose folder is `folder`; none where that is not possible. Says
    /// what a process has to write `0` to in order to go into it.
    pub(super) fn make(folder: &Path, run: RunId) -> Option<(Self, File)> {
        let groups = Groups::of(&runs_of(folder)?)?;
        let cgroup = groups.run(run);
        for _ in 0..TRIES {
            // Another run's end may take away the common one in between.
            let made = fs::create_dir(&groups.path).or_else(but(io::ErrorKind::AlreadyExists));
            match made.and_then(|()| fs::create_dir(&cgroup.path)) {
                Ok(()) => break,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => break,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(_) => return None,
            }
        }
        match File::options().write(true).open(cgroup.path.join("cgroup.procs")) {
            Ok(door) => Some((cgroup, door)),
            Err(_) => {
                cgroup.remove();
                None
            }
        }
    }

    /// The one that the run whose folder is `folder` has, if its supervisor could make it below this very process's own. What the
    /// folder's files say does not matter: no other group is ever touched.
    pub(super) fn of(folder: &Path, run: RunId) -> Option<Self> {
        Some(Groups::of(&runs_of(folder)?)?.run(run))
    }

    /// What a process in it has in `/proc/<pid>/cgroup`.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Whether a process is in it, or in one below it.
    pub(super) fn contains(&self, pid: i32) -> bool {
        let Ok(text) = fs::read_to_string(format!("/proc/{pid}/cgroup")) else { return false };
        let rest = own_group(&text).and_then(|group| Some(group.strip_prefix(&self.name)?.to_owned()));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// Whether nothing lives in it. Where that cannot be told, something may.
    pub(super) fn is_empty(&self) -> bool {
        match fs::read_to_string(self.path.join("cgroup.events")) {
            Ok(events) => events.lines().any(|line| line == "populated 0"),
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        }
    }

    /// Who is in it and in those below it. What is started meanwhile may be missing.
    pub(super) fn members(&self) -> Vec<Process> {
        let mut members = Vec::new();
        each_below(&self.path, &mut |group| {
            let procs = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
            for pid in procs.lines().filter_map(|line| line.parse().ok()) {
                // In this order: a number that was used again meanwhile is not in the group.
                if let Some(birth) = birth(pid).filter(|_| self.contains(pid)) {
                    members.push(Process { pid, birth });
                }
            }
        });
        members
    }

    /// Kills all that is in it. Where the kernel does it at one stroke (5.14), nothing can be started
    /// meanwhile; elsewhere whoever wants to be sure calls again until it is empty.
    pub(super) fn kill(&self) {
        if fs::write(self.path.join("cgroup.kill"), "1").is_err() {
            for process in self.members() {
                process.signal(rustix::process::Signal::KILL);
            }
        }
    }

    /// Waits for those that were killed, which takes them an instant, without giving way.
    fn wait_until_empty(&self) {
        for _ in 0..TRIES {
            if self.is_empty() {
                return;
            }
            thread::sleep(AGAIN);
        }
    }

    /// Takes it away with those below it, if nothing lives in it, and the common one with the last.
    pub(super) fn remove(&self) {
        let mut below = Vec::new();
        each_below(&self.path, &mut |group| below.push(group.to_owned()));
        for group in below.iter().rev() {
            let _ = fs::remove_dir(group);
        }
        if let Some(groups) = self.path.parent() {
            let _ = fs::remove_dir(groups);
        }
    }
}

/// Ends and removes the groups of the runs in `runs` that nobody wants any more.
pub(super) fn remove_leftovers(runs: &Path, is_wanted: impl Fn(RunId) -> bool) {
    let Some(groups) = Groups::of(runs) else { return };
    let Ok(entries) = fs::read_dir(&groups.path) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let run = name.to_str().and_then(|name| name.strip_prefix("run-")?.parse().ok());
        if let Some(run) = run.filter(|run| !is_wanted(*run)) {
            let cgroup = groups.run(run);
            if !cgroup.is_empty() {
                tracing::warn!(%run, "what an ended run had left is ended now");
                cgroup.kill();
                cgroup.wait_until_empty();
            }
            cgroup.remove();
        }
    }
    let _ = fs::remove_dir(&groups.path);
}

/// A group and all below it, each before those below it.
fn each_below(group: &Path, see: &mut impl FnMut(&Path)) {
    see(group);
    let Ok(entries) = fs::read_dir(group) else { return };
    for entry in entries.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            each_below(&entry.path(), see);
        }
    }
}

fn runs_of(folder: &Path) -> Option<PathBuf> {
    match folder.canonicalize() {
        Ok(folder) => Some(folder.parent()?.to_owned()),
        // It is gone; the others' are not.
        Err(_) => folder.parent()?.canonicalize().ok(),
    }
}

fn but(kind: io::ErrorKind) -> impl FnOnce(io::Error) -> io::Result<()> {
    move |error| if error.kind() == kind { Ok(()) } else { Err(error) }
}

/// The group of a process in the one hierarchy of version 2, from what `/proc/<pid>/cgroup` says.
fn own_group(text: &str) -> Option<String> {
    let group = text.lines().find_map(|line| line.strip_prefix("0::"))?;
    // One that lies outside of this process's view has no name here.
    let is_plain = Path::new(group).components().all(|part| !matches!(part, Component::ParentDir));
    (group.starts_with('/') && is_plain).then(|| group.to_owned())
}

/// Where a group is mounted, from what `/proc/self/mountinfo` says: beside those of version 1 at
/// `/sys/fs/cgroup/unified`, and elsewhere too.
fn mounted(mounts: &str, group: &str) -> Option<PathBuf> {
    mounts.lines().find_map(|line| {
        // 36 35 98:0 /root /mount options optional… - type source options
        let (place, kind) = line.split_once(" - ")?;
        if kind.split(' ').next() != Some("cgroup2") {
            return None;
        }
        let mut fields = place.split(' ').skip(3);
        let (root, mount) = (unescaped(fields.next()?), unescaped(fields.next()?));
        let below = Path::new(group).strip_prefix(&root).ok()?;
        Some(Path::new(&mount).join(below))
    })
}

/// A path as mountinfo writes it: with blanks, tabs, line feeds and backslashes in octal.
fn unescaped(path: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .iter()
        .fold(path.to_owned(), |path, (escaped, plain)| path.replace(escaped, plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_group_of_a_process_is_found() {
        let hybrid = "9:name=systemd:/a\n4:memory:/b\n0::/user.slice/x\n";
        assert_eq!(own_group(hybrid).as_deref(), Some("/user.slice/x"));
        assert_eq!(own_group("0::/\n").as_deref(), Some("/"));
        for text in ["", "4:memory:/b\n", "0::/../outside\n", "0::/a/../../b\n", "0::\n"] {
            assert_eq!(own_group(text), None, "{text:?}");
        }
    }

    #[test]
    fn where_a_group_is_mounted_is_found() {
        let hybrid = "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n\
                      32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n\
                      41 31 0:38 / /sys/fs/cgroup/unified rw,relatime shared:4 - cgroup2 cgroup2 rw\n";
        let path = |mounts, group| mounted(mounts, group).map(|path| path.display().to_string());
        assert_eq!(path(hybrid, "/a/b").as_deref(), Some("/sys/fs/cgroup/unified/a/b"));
        assert_eq!(path(hybrid, "/").as_deref(), Some("/sys/fs/cgroup/unified/"));
        let part = "41 31 0:38 /docker/x /sys/fs/my\\040cgroup rw - cgroup2 none rw\n";
        assert_eq!(path(part, "/docker/x/y").as_deref(), Some("/sys/fs/my cgroup/y"));
        assert_eq!(path(part, "/elsewhere"), None);
        assert_eq!(path("31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n", "/"), None);
    }

    #[test]
    fn a_group_is_that_of_the_very_folder() {
        let place = tempfile::tempdir().expect("a folder");
        let run: RunId = "019d0c5e-7b1c-7c7e-9d53-0d6f3a1f2b4c".parse().expect("an id");
        let [folder, copy] = ["runs", "copy"].map(|runs| place.path().join(runs).join(run.to_string()));
        for folder in [&folder, &copy] {
            fs::create_dir_all(folder).expect("made");
        }
        let Some(of_folder) = Cgroup::of(&folder, run) else { return };
        assert_ne!(Cgroup::of(&copy, run).map(|cgroup| cgroup.name), Some(of_folder.name.clone()), "a copy has its own");
        fs::remove_dir(&folder).expect("removed");
        assert_eq!(Cgroup::of(&folder, run), Some(of_folder));
    }
}
