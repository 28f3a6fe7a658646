//! A disk that is small enough to be filled: a file system in memory, where this machine lets us
//! mount one.
#![allow(dead_code)]

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};

/// A file system in memory, of that many MiB; gone with the test.
pub struct Disk {
    pub path: PathBuf,
    _folder: tempfile::TempDir,
}

impl Disk {
    /// None where mounting is refused, as it is for users that are not root.
    pub fn new(mebibytes: u32) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("disk");
        fs::create_dir(&path).expect("made");
        let mounted = mount(&["-t", "tmpfs", "-o", &format!("size={mebibytes}m"), "tmpfs"], &path);
        mounted.then_some(Disk { path, _folder: folder })
    }

    pub fn resize(&self, mebibytes: u32) {
        assert!(mount(&["-o", &format!("remount,size={mebibytes}m")], &self.path), "resizes");
    }
}

impl Disk {
    /// Leaves no room for another byte; what is given is to be removed to make room again.
    pub fn fill(&self) -> PathBuf {
        let ballast = self.path.join("ballast");
        let mut file = fs::File::options().create(true).append(true).open(&ballast).expect("made");
        for size in [1 << 16, 512, 1] {
            let piece = vec![0; size];
            while file.write_all(&piece).is_ok() {}
        }
        ballast
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // What a test that failed has left would wait for room for ever.
        for entry in fs::read_dir("/proc").expect("Linux").flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()).and_then(rustix::process::Pid::from_raw) else {
                continue;
            };
            let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            if String::from_utf8_lossy(&line).contains(&format!("supervise\0{}", self.path.display())) {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
        }
        let _ = Command::new("umount").arg("-l").arg(&self.path).status();
    }
}

fn mount(arguments: &[&str], path: &Path) -> bool {
    Command::new("mount").args(arguments).arg(path).status().is_ok_and(|status| status.success())
}
