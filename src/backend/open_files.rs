//! How many files and sockets a process may have open. Each stream is a socket, and systems begin with a soft limit, mostly 1,024, that
//! is low for the sake of programs which cannot handle more: the server goes up to the hard limit, and what it runs gets back what the
//! server found.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::{
    io,
    sync::atomic::{AtomicU64, Ordering},
};

/// In the environment of a supervisor: the soft limit that its server found.
pub const FOUND: &str = "KONTASKS_OPEN_FILES";

/// What [`raise`] found; 0 where it changed nothing.
static BEFORE: AtomicU64 = AtomicU64::new(0);

/// Goes up to the hard limit, in the whole process. Returns the limit that is in force from now on; none: there is no limit.
///
/// # Errors
/// The system does not allow it; the limit is what it was.
pub fn raise() -> io::Result<Option<u64>> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if let Some(found) = current
        && maximum.is_none_or(|maximum| found < maximum)
    {
        setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?;
        BEFORE.store(found, Ordering::Relaxed);
    }
    Ok(maximum)
}

/// What a supervisor is to be told as [`FOUND`].
#[must_use]
pub fn found() -> Option<String> {
    Some(BEFORE.load(Ordering::Relaxed)).filter(|found| *found > 0).map(|found| found.to_string())
}

/// Goes back to what the server found, for this process and all that it starts.
pub fn give_back() {
    let found = std::env::var(FOUND).ok().and_then(|text| text.parse::<u64>().ok());
    if let Some(found) = found {
        let limit = Rlimit { current: Some(found), ..getrlimit(Resource::Nofile) };
        // It is below the hard limit, so that nothing is in its way; and a program with a higher limit than usual still runs.
        let _ = setrlimit(Resource::Nofile, limit);
    }
}
