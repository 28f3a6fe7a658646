//! What the kernel says about processes and signals, in the words that the rest uses.

use crate::domain::id::RunId;
use rustix::process::Signal;
use std::{
    ffi::OsStr,
    fs,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

/// What the kernel tells of a process.
pub(super) struct Stat {
    pub parent: i32,
    pub session: i32,
    /// See [`birth`].
    pub birth: u64,
    /// Whether any thread of it still runs: one that has ended stays until its parent has taken notice.
    pub lives: bool,
}

/// What is known of the process with that number, or of `self`; none where there is no such process, or no `/proc`.
pub(super) fn stat(pid: &str) -> Option<Stat> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    let stat = String::from_utf8_lossy(&stat);
    // The second field is the program's name in parentheses and may contain anything, so fields are counted from the third on.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
    let threads = number(20)?;
    Some(Stat {
        parent: fields.get(1)?.parse().ok()?,
        session: fields.get(3)?.parse().ok()?,
        birth: number(22)?,
        lives: !matches!(fields.first(), Some(&"Z" | &"X")) || threads > 1,
    })
}

/// When the process was made, in ticks since the machine's start; with the pid it names one process for good. None where there is
/// no such process, or no `/proc`.
pub(super) fn birth(pid: i32) -> Option<u64> {
    stat(&pid.to_string()).map(|stat| stat.birth)
}

/// Names one start of the machine, where the system tells.
pub(super) fn boot() -> Option<String> {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").ok().map(|id| id.trim().to_owned())
}

/// A signal's name as manuals have it.
pub(super) fn signal_name(number: i32) -> String {
    let name = match Signal::from_named_raw(number) {
        Some(Signal::HUP) => "SIGHUP",
        Some(Signal::INT) => "SIGINT",
        Some(Signal::QUIT) => "SIGQUIT",
        Some(Signal::ILL) => "SIGILL",
        Some(Signal::TRAP) => "SIGTRAP",
        Some(Signal::ABORT) => "SIGABRT",
        Some(Signal::BUS) => "SIGBUS",
        Some(Signal::FPE) => "SIGFPE",
        Some(Signal::KILL) => "SIGKILL",
        Some(Signal::USR1) => "SIGUSR1",
        Some(Signal::SEGV) => "SIGSEGV",
        Some(Signal::USR2) => "SIGUSR2",
        Some(Signal::PIPE) => "SIGPIPE",
        Some(Signal::ALARM) => "SIGALRM",
        Some(Signal::TERM) => "SIGTERM",
        Some(Signal::XCPU) => "SIGXCPU",
        Some(Signal::XFSZ) => "SIGXFSZ",
        Some(Signal::VTALARM) => "SIGVTALRM",
        Some(Signal::PROF) => "SIGPROF",
        Some(Signal::IO) => "SIGIO",
        Some(Signal::SYS) => "SIGSYS",
        _ => return format!("signal {number}"),
    };
    name.to_owned()
}

/// The folders of that run, of this data folder or of copies of it, for which a supervisor was started that still lives.
pub(super) fn supervised_folders(run: RunId) -> Vec<PathBuf> {
    let run = run.to_string();
    let supervised = |pid: i32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let mut words = line.split(|byte| *byte == 0).skip_while(|word| *word != b"supervise").skip(1);
        let folder = Path::new(OsStr::from_bytes(words.next()?));
        (folder.file_name() == Some(OsStr::new(&run))).then(|| folder.to_owned())
    };
    let pids = fs::read_dir("/proc").into_iter().flatten().flatten();
    pids.filter_map(|entry| supervised(entry.file_name().to_str()?.parse().ok()?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_have_the_names_of_the_manual() {
        assert_eq!(signal_name(9), "SIGKILL");
        assert_eq!(signal_name(15), "SIGTERM");
        assert_eq!(signal_name(44), "signal 44");
    }

    #[test]
    fn a_process_is_known_by_its_birth() {
        let own = i32::try_from(std::process::id()).expect("a pid");
        assert_eq!(birth(own).is_some(), fs::exists("/proc/self/stat").unwrap_or(false));
        assert_eq!(birth(-1), None);
    }
}
