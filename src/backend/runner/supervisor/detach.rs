//! How a supervisor becomes a process of its own, which owes nothing to whoever started it, and the only one of its run.

use super::signals;
use crate::backend::{open_files, runner::folder::RunFolder};
use std::{fs::File, io, thread, time::Duration};

/// Leaves the session, the terminal, the open files and the limits of whoever started this process.
pub(super) fn detach() -> io::Result<()> {
    signals::close_inherited_files();
    open_files::give_back();
    signals::block();
    // Fails where this process leads a group already, as one started by hand does: then it is on its own anyway.
    let _ = rustix::process::setsid();
    // What the program leaves behind becomes this process's child and is waited for here.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    Ok(())
}

/// The lock on the run, which makes this the only supervisor that it has; none where there is another. A server may have it for an instant while it looks whether somebody lives here.
pub(super) fn lock(folder: &RunFolder) -> io::Result<Option<File>> {
    for _ in 0..50 {
        if let Some(lock) = folder.lock()? {
            return Ok(Some(lock));
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(None)
}
