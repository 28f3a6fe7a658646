//! What a run has left where its supervisor was killed and could not end it any more: found by the run's mark, and killed.

use super::{
    folder::RunFolder,
    process,
    process_tree::{Process, ProcessTree},
};
use crate::domain::id::RunId;
use rustix::process::{Pid, Signal};
use std::{
    collections::HashSet,
    io, thread,
    time::{Duration, Instant},
};

/// How long it is tried: another user's process cannot be killed, and one that hangs in the kernel does not end.
const PATIENCE: Duration = Duration::from_secs(5);
const AGAIN: Duration = Duration::from_millis(10);

/// Kills all that is left of the run and says how many that were. To be called only where no supervisor lives; it waits without giving
/// way, so not on a thread that others need.
pub(super) fn end(folder: &RunFolder, run: RunId) -> io::Result<usize> {
    let program = folder.started()?.and_then(|started| Some(Process { pid: started.pid, birth: started.birth? }));
    let begin = Instant::now();
    let mut killed = HashSet::new();
    let mut quiet = 0;
    // What is started while this looks may be missed once, but not by a look at what no longer starts anything.
    while quiet < 2 {
        let Some(tree) = ProcessTree::read() else { return Ok(end_group(program)) };
        let left = tree.of_run(run, program);
        quiet = if left.is_empty() { quiet + 1 } else { 0 };
        if begin.elapsed() > PATIENCE {
            let pids: Vec<i32> = left.iter().map(|process| process.pid).collect();
            tracing::warn!(run = %run, processes = ?pids, "not all that an interrupted run has left could be ended");
            break;
        }
        killed.extend(left.into_iter().filter(|process| process.signal(Signal::KILL)).map(|process| (process.pid, process.birth)));
        thread::sleep(AGAIN);
    }
    Ok(killed.len())
}

/// All that can be done where the system does not show its processes.
fn end_group(program: Option<Process>) -> usize {
    let living = program.filter(|program| process::birth(program.pid) == Some(program.birth));
    let group = living.and_then(|program| Pid::from_raw(program.pid));
    group.map_or(0, |group| usize::from(rustix::process::kill_process_group(group, Signal::KILL).is_ok()))
}
