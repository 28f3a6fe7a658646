//! Waits for the program and for whatever it leaves behind: as a child subreaper the supervisor inherits the orphans.

use super::news::{Herald, News, name_thread};
use crate::backend::{
    clock::Clock,
    runner::{folder::How, process::signal_name},
};
use rustix::{
    io::Errno,
    process::{Pid, WaitOptions, WaitStatus, wait},
};

/// Whether what the program leaves behind becomes a child of the supervisor. Then none is left when there is no child; elsewhere, as on
/// macOS, only the program's group can be asked.
pub(super) const INHERITED: bool = cfg!(any(target_os = "linux", target_os = "android"));

/// Tells the end of `program` and, where it can be known, that all that it has started has ended as well.
pub(super) fn reap(program: Pid, clock: &Clock, herald: Herald) {
    let clock = clock.clone();
    let waiting = move || {
        loop {
            match wait(WaitOptions::empty()) {
                Ok(Some((pid, status))) if pid == program => {
                    if let Some(how) = how(status) {
                        herald.say(News::Exited(how, clock.now()));
                    }
                }
                Ok(_) | Err(Errno::INTR) => {}
                Err(_) => break,
            }
        }
        if INHERITED {
            herald.say(News::Alone);
        }
    };
    if let Err(error) = name_thread("children").spawn(waiting) {
        // Without it the end would never be known. Ending here leaves that to the server, which calls the run interrupted.
        use std::io::Write;
        let _ = writeln!(std::io::stderr(), "no thread can be started: {error}");
        std::process::exit(1);
    }
}

fn how(status: WaitStatus) -> Option<How> {
    status.exit_status().map(How::Exited).or_else(|| status.terminating_signal().map(|signal| How::Signalled(signal_name(signal))))
}
