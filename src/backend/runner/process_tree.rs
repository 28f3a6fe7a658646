//! All processes as `/proc` shows them: which descend from which, which carry a run's mark, and signals that reach the very process that
//! is meant. Where there is no `/proc`, as on macOS, nothing of this can be known: [`ProcessTree::read`] gives none, and whoever asks
//! does with the program's process group, which misses what has moved to a session of its own.

use super::process::{Stat, birth, stat};
use crate::{backend::identity::FolderId, domain::id::RunId};
use rustix::process::{Pid, Signal};
use std::fs;

/// The member of a program's environment by which everything that it starts is known to be of its run.
pub(super) const MARK: &str = "KONTASKS_RUN";

/// One process for good: its number may be used again, but not with the same birth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Process {
    pub pid: i32,
    /// As [`birth`] gives it.
    pub birth: u64,
}

/// The processes that live, as they were found one after another: what was started meanwhile may be missing, so whoever wants to be sure
/// reads again until nothing is left.
pub(super) struct ProcessTree(Vec<(i32, Stat)>);

impl ProcessTree {
    /// Looks at every process that this user may see; none where the system does not show them.
    pub(super) fn read() -> Option<Self> {
        stat("self")?;
        let pids = fs::read_dir("/proc").ok()?.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let living = |pid: i32| stat(&pid.to_string()).filter(|stat| stat.lives).map(|stat| (pid, stat));
        Some(ProcessTree(pids.filter_map(living).collect()))
    }

    /// All that descends from a process, parents before their children: a shell must have heard of an interrupt when its child ends by it.
    pub(super) fn below(&self, root: i32) -> Vec<Process> {
        let root = self.0.iter().find(|(pid, _)| *pid == root);
        root.map_or_else(Vec::new, |(pid, stat)| self.with_descendants(vec![Process { pid: *pid, birth: stat.birth }]).split_off(1))
    }

    /// Whether it is of that session.
    pub(super) fn is_in_session(&self, process: Process, session: i32) -> bool {
        self.0.iter().any(|(pid, stat)| *pid == process.pid && stat.birth == process.birth && stat.session == session)
    }

    /// What is left of a run whose supervisor is gone, and so is nobody's child any more: everything whose environment has the run's mark,
    /// the session of `program` while that lives, and what descends from those. A process that was given another environment, left the
    /// session and lost its parent is not found. One that is marked as of another data folder than `data` is not of this run, but of the
    /// one that this is a copy of.
    pub(super) fn of_run(&self, run: RunId, data: Option<FolderId>, program: Option<Process>) -> Vec<Process> {
        let own = std::process::id().cast_signed();
        let mark = format!("{MARK}={run}");
        let (folder, of_folder) = (format!("{}=", FolderId::VARIABLE), data.map(|data| data.to_string()));
        let is_marked = |pid: i32| {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            let mut variables = environment.split(|byte| *byte == 0);
            // What an earlier version started names no folder.
            let other = |variable: &[u8]| {
                let named = variable.strip_prefix(folder.as_bytes());
                named.is_some_and(|named| of_folder.as_deref().is_none_or(|own| named != own.as_bytes()))
            };
            variables.clone().any(|variable| variable == mark.as_bytes()) && !variables.any(other)
        };
        // While its leader lives, a session's number means no other.
        let session = program.filter(|program| self.0.iter().any(|(pid, stat)| *pid == program.pid && stat.birth == program.birth));
        let belongs = |pid: i32, stat: &Stat| session.is_some_and(|leader| stat.session == leader.pid) || is_marked(pid);
        let found = self.0.iter().filter(|(pid, stat)| *pid > 1 && *pid != own && belongs(*pid, stat));
        self.with_descendants(found.map(|(pid, stat)| Process { pid: *pid, birth: stat.birth }).collect())
    }

    fn with_descendants(&self, mut family: Vec<Process>) -> Vec<Process> {
        let mut next = 0;
        while let Some(parent) = family.get(next).copied() {
            next += 1;
            for (pid, stat) in &self.0 {
                let child = Process { pid: *pid, birth: stat.birth };
                // Nobody is older than its parent: that one had a number which was used again while this was read.
                if stat.parent == parent.pid && child.birth >= parent.birth && !family.contains(&child) {
                    family.push(child);
                }
            }
        }
        family
    }
}

impl Process {
    /// Sends it a signal; false where it is gone or may not be sent one. Another process that has its number by now gets none.
    pub(super) fn signal(self, signal: Signal) -> bool {
        let Some(pid) = Pid::from_raw(self.pid) else { return false };
        #[cfg(any(target_os = "linux", target_os = "android"))]
        match rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()) {
            // The descriptor stands for the process that has the number now, whatever becomes of the number; the birth says whether it is it.
            Ok(process) => return self.lives() && rustix::process::pidfd_send_signal(process, signal).is_ok(),
            Err(rustix::io::Errno::SRCH) => return false,
            // A kernel without them (before 5.3).
            Err(_) => {}
        }
        self.lives() && rustix::process::kill_process(pid, signal).is_ok()
    }

    fn lives(self) -> bool {
        birth(self.pid) == Some(self.birth)
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::process::{Child, Command};

    fn sleep(name: &str, value: &str) -> (Child, Process) {
        let child = Command::new("sleep").arg("1000").env(name, value).spawn().expect("starts");
        let pid = child.id().cast_signed();
        (child, Process { pid, birth: birth(pid).expect("lives") })
    }

    #[test]
    fn a_number_that_is_used_again_is_another_process() {
        let (mut child, process) = sleep("A", "b");
        let earlier = Process { birth: process.birth - 1, ..process };
        assert!(!earlier.signal(Signal::KILL));
        assert!(child.try_wait().expect("a child").is_none(), "it was not meant");
        assert!(process.signal(Signal::KILL));
        child.wait().expect("ends");
        assert!(!process.signal(Signal::KILL));
    }

    #[test]
    fn a_run_is_found_by_its_mark_and_descent() {
        let run: RunId = "019d0c5e-7b1c-7c7e-9d53-0d6f3a1f2b4c".parse().expect("an id");
        let (mut of_run, marked) = sleep(MARK, &run.to_string());
        let (mut longer, _) = sleep(MARK, &format!("{run}0"));
        let (mut unmarked, bare) = sleep("A", &format!("{MARK}={run}"));
        let tree = ProcessTree::read().expect("Linux");
        assert_eq!(tree.of_run(run, None, None), [marked]);
        let later = Process { birth: bare.birth + 1, ..bare };
        assert_eq!(tree.of_run(run, None, Some(later)), [marked], "the program's number is somebody else's by now");
        let below = tree.below(std::process::id().cast_signed());
        assert!(below.contains(&marked) && below.contains(&bare));
        assert!(tree.below(bare.pid).is_empty());
        for child in [&mut of_run, &mut longer, &mut unmarked] {
            child.kill().expect("a child");
            child.wait().expect("ends");
        }
    }

    #[test]
    fn a_child_that_is_older_than_its_parent_is_none() {
        let at = |pid, parent, birth| (pid, Stat { parent, birth, session: 1, lives: true });
        let tree = ProcessTree(vec![at(5, 3, 70), at(4, 3, 90), at(3, 2, 80), at(2, 1, 60), at(6, 4, 90)]);
        let pids: Vec<i32> = tree.below(2).iter().map(|process| process.pid).collect();
        assert_eq!(pids, [3, 4, 6]);
    }
}
