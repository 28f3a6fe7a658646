//! What a supervisor does before there is a program: it leaves those who started it, takes the
//! run's lock, and answers.

use super::signals;
use crate::backend::{open_files, runner::folder::RunFolder, umask};
use std::{
    fs::File,
    io::{self, Write},
    thread,
    time::Duration,
};

/// Leaves the session, the terminal, the open files and the limits of whoever started this process.
pub(super) fn detach() -> io::Result<()> {
    signals::close_inherited_files();
    open_files::give_back();
    umask::restrict();
    signals::block();
    // Fails where this process leads a group already, as one started by hand does: then it is on
    // its own anyway.
    let _ = rustix::process::setsid();
    // What the program leaves behind becomes this process's child and is waited for here.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    Ok(())
}

/// The lock on the run. A server may have it for an instant while it looks whether somebody lives
/// here.
pub(super) fn lock(folder: &RunFolder) -> io::Result<Option<File>> {
    for _ in 0..50 {
        if let Some(lock) = folder.lock()? {
            return Ok(Some(lock));
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(None)
}

/// Answers the server and lets go of the pipe to it.
pub(super) fn answer(word: &str) -> io::Result<()> {
    // A server that is gone by now does not matter.
    let _ = writeln!(io::stdout(), "{word}");
    let null = File::options().read(true).write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdout(&null)?;
    Ok(())
}
