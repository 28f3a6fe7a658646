//! A disk that is small enough to be filled: a file system in memory, where this machine lets us mount one.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Room for all that a round writes, several times over.
const SIZE: &str = "size=64m";

#[derive(Debug)]
pub struct Disk(PathBuf);

impl Disk {
    /// None where it cannot be mounted.
    pub fn mount(folder: &Path) -> Option<Disk> {
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", SIZE, "kontasks-chaos"]).arg(folder).stderr(Stdio::null());
        mount.status().is_ok_and(|status| status.success()).then(|| Disk(folder.to_owned()))
    }

    /// Leaves no room for another byte.
    pub fn fill(&self) -> io::Result<()> {
        let mut ballast = File::options().create(true).append(true).open(self.ballast())?;
        for size in [1 << 20, 4096, 1] {
            let piece = vec![0; size];
            while ballast.write_all(&piece).is_ok() {}
        }
        Ok(())
    }

    pub fn free(&self) -> io::Result<()> {
        fs::remove_file(self.ballast())
    }

    fn ballast(&self) -> PathBuf {
        self.0.join("ballast")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: whoever still stands in it must not keep it for ever.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}
