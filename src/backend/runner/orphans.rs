//! What a run has left where its supervisor was killed and could not end it any more: found by the run's control group, and by its mark
//! where there is none, and killed.

use super::{
    cgroup::Cgroup,
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

/// What became of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Orphans {
    /// How many were killed.
    pub killed: usize,
    /// How many were found and could not be.
    pub left: usize,
    /// Whether nothing can have been missed: all that the run had started was in its control group, and that is empty.
    pub is_sure: bool,
}

/// Kills all that is left of the run; none where another folder's supervisor holds it. To be called only where no supervisor of this
/// folder lives; it waits without giving way, so not on a thread that others need.
pub(super) fn end(folder: &RunFolder, run: RunId) -> io::Result<Option<Orphans>> {
    // Whatever is written down, as in a disk that was copied block by block: ours is gone, so a living supervisor is another folder's.
    if folder.is_foreign()? || process::supervised_folders(run).iter().any(|supervised| supervised != folder.path()) {
        return Ok(None);
    }
    let started = folder.started()?;
    // By the folder itself and below this server's own group: whatever a copied or altered file says, no other is touched.
    let cgroup = Cgroup::of(folder.path(), run);
    let begun_in = folder.begun()?.and_then(|begun| begun.cgroup);
    let is_same = cgroup.as_ref().is_some_and(|cgroup| begun_in.as_deref() == Some(cgroup.name()));
    let is_contained = is_same && started.as_ref().is_some_and(|started| started.contained);
    let program = started.and_then(|started| Some(Process { pid: started.pid, birth: started.birth? }));
    let begin = Instant::now();
    let mut killed = HashSet::new();
    let mut quiet = 0;
    // What is started while this looks may be missed once, but not by a look at what no longer starts anything.
    while quiet < 2 {
        let Some(tree) = ProcessTree::read() else { return Ok(Some(Orphans { killed: end_group(program), ..Orphans::default() })) };
        let mut left = tree.of_run(run, folder.data(), program);
        if let Some(cgroup) = &cgroup {
            left.extend(cgroup.members().into_iter().filter(|member| !left.contains(member)).collect::<Vec<_>>());
        }
        quiet = if left.is_empty() { quiet + 1 } else { 0 };
        if begin.elapsed() > PATIENCE {
            let pids: Vec<i32> = left.iter().map(|process| process.pid).collect();
            tracing::warn!(run = %run, processes = ?pids, "not all that an interrupted run has left could be ended");
            return Ok(Some(Orphans { killed: killed.len(), left: pids.len(), is_sure: false }));
        }
        killed.extend(left.into_iter().filter(|process| process.signal(Signal::KILL)).map(|process| (process.pid, process.birth)));
        // At one stroke, so that nothing that only goes on starting others gets away.
        if let Some(cgroup) = cgroup.as_ref().filter(|cgroup| !cgroup.is_empty()) {
            cgroup.kill();
            quiet = 0;
        }
        thread::sleep(AGAIN);
    }
    cgroup.iter().for_each(Cgroup::remove);
    Ok(Some(Orphans { killed: killed.len(), left: 0, is_sure: is_contained }))
}

/// All that can be done where the system does not show its processes.
fn end_group(program: Option<Process>) -> usize {
    let living = program.filter(|program| process::birth(program.pid) == Some(program.birth));
    let group = living.and_then(|program| Pid::from_raw(program.pid));
    group.map_or(0, |group| usize::from(rustix::process::kill_process_group(group, Signal::KILL).is_ok()))
}
