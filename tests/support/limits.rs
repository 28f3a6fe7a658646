//! How many processes a program and all that it starts may have: a cgroup of its own, where this
//! machine lets us make one.
#![allow(dead_code)]

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

/// The group, which goes with the test.
pub struct ProcessLimit(PathBuf);

impl ProcessLimit {
    /// A group without a limit and without a process; none where none can be made.
    pub fn new() -> Option<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("kontasks-test-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        // Version 1, and version 2 where the controller is given to groups below.
        let _ = fs::write("/sys/fs/cgroup/cgroup.subtree_control", "+pids");
        ["/sys/fs/cgroup/pids", "/sys/fs/cgroup", "/sys/fs/cgroup/unified"].into_iter().find_map(|root| {
            let group = Path::new(root).join(&name);
            fs::create_dir(&group).ok()?;
            let limit = ProcessLimit(group);
            limit.0.join("pids.max").exists().then_some(limit)
        })
    }

    /// Where a process writes its number to become a member.
    pub fn members(&self) -> PathBuf {
        self.0.join("cgroup.procs")
    }

    pub fn set(&self, most: u32) {
        fs::write(self.0.join("pids.max"), most.to_string()).expect("limits");
    }

    pub fn lift(&self) {
        fs::write(self.0.join("pids.max"), "max").expect("lifts");
    }
}

impl Drop for ProcessLimit {
    fn drop(&mut self) {
        let begin = Instant::now();
        // Not before the last member has gone.
        while fs::remove_dir(&self.0).is_err() && begin.elapsed() < Duration::from_secs(5) {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}
