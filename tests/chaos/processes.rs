//! The processes of a round: all that carry its mark in their environment, whoever started them.

use rustix::process::{Pid, Signal, kill_process};
use std::{fs, path::Path};

/// The environment variable that holds the mark, which is the round's folder.
pub const MARK: &str = "KONTASKS_CHAOS";

#[derive(Clone, Debug)]
pub struct Process {
    pub pid: i32,
    /// Its arguments, with spaces between them.
    pub line: String,
    /// When it was made, in ticks since the machine's start.
    birth: u64,
}

/// Those of the round, the oldest first. A dead one that nobody has waited for has no environment any more.
pub fn of(round: &Path) -> Vec<Process> {
    let mark = format!("{MARK}={}", round.display());
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let mut found: Vec<Process> = pids.filter_map(|pid| process(pid, mark.as_bytes())).collect();
    found.sort_by_key(|process| (process.birth, process.pid));
    found
}

fn process(pid: i32, mark: &[u8]) -> Option<Process> {
    let line = String::from_utf8_lossy(&fs::read(format!("/proc/{pid}/cmdline")).ok()?).replace('\0', " ");
    // Servers and supervisors show their environment to root only; but the round's folder stands in their arguments.
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    let is_marked = environment.split(|byte| *byte == 0).any(|variable| variable == mark);
    let folder = mark.splitn(2, |byte| *byte == b'=').nth(1)?;
    (is_marked || (is_own(&line) && line.contains(&*String::from_utf8_lossy(folder)))).then_some(())?;
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let birth = stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()?;
    Some(Process { pid, line, birth })
}

/// Whether it is a server or a supervisor.
fn is_own(line: &str) -> bool {
    [" serve ", " supervise "].iter().any(|word| line.contains(word))
}

/// The supervisors among them, each with the name of its run's folder. While one starts its program there is for a moment a copy of it,
/// which is younger.
pub fn supervisors(round: &Path) -> Vec<(Process, String)> {
    let mut found: Vec<(Process, String)> = Vec::new();
    for process in of(round) {
        let Some((_, folder)) = process.line.split_once(" supervise ") else { continue };
        let run = folder.trim().rsplit('/').next().unwrap_or_default().to_owned();
        if !found.iter().any(|(_, known)| *known == run) {
            found.push((process, run));
        }
    }
    found
}

/// Whether there was such a process to send it to.
pub fn send(pid: i32, signal: Signal) -> bool {
    Pid::from_raw(pid).is_some_and(|pid| kill_process(pid, signal).is_ok())
}
