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
use std::{io, sync::mpsc};

/// Whether what the program leaves behind becomes a child of the supervisor. Then none is left when there is no child; elsewhere, as on
/// macOS, only the program's group can be asked.
pub(super) const INHERITED: bool = cfg!(any(target_os = "linux", target_os = "android"));

/// The thread that waits, started before there is anything to wait for: a program is only started where its end will be known.
#[derive(Debug)]
pub(super) struct Reaper(mpsc::Sender<Pid>);

impl Reaper {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(super) fn start(clock: &Clock, herald: Herald) -> io::Result<Self> {
        let clock = clock.clone();
        let (sender, program) = mpsc::channel();
        name_thread("children").spawn(move || {
            // Without a program there is nothing to wait for.
            if let Ok(program) = program.recv() {
                reap(program, &clock, &herald);
            }
        })?;
        Ok(Reaper(sender))
    }

    /// From now on tells the end of `program` and, where it can be known, that all that it has started has ended as well.
    pub(super) fn reap(self, program: Pid) {
        // The thread waits for this until it has it.
        let _ = self.0.send(program);
    }
}

fn reap(program: Pid, clock: &Clock, herald: &Herald) {
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
}

fn how(status: WaitStatus) -> Option<How> {
    status.exit_status().map(How::Exited).or_else(|| status.terminating_signal().map(|signal| How::Signalled(signal_name(signal))))
}
