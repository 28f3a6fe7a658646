//! The last word on a run: how it ended, written down for the server that will ask.

use super::{RETRY, spool::Spool, startup::answer};
use crate::backend::{
    clock::Clock,
    runner::folder::{Ended, How, RunFolder},
};
use std::{
    io::{self, Write},
    thread,
};

/// The run was begun, and ends without its program having been started.
pub(super) fn not_started(folder: &RunFolder, spool: &Spool, clock: &Clock, reason: &str) {
    let _ = answer("ready");
    let how = How::NotStarted(format!("could not be started: {reason}"));
    conclude(
        folder,
        spool,
        &Ended { how, stopped: None, limit: None, at: clock.now(), bytes: 0, digest: Some(spool.digest()), left: Vec::new() },
    );
}

/// Writes down the end, however long the disk stays full. Where the folder is gone, nobody will ask.
pub(super) fn conclude(folder: &RunFolder, spool: &Spool, ended: &Ended) {
    while let Err(error) = spool.sync().and_then(|()| folder.write_ended(ended)) {
        if error.kind() == io::ErrorKind::NotFound {
            break;
        }
        let _ = writeln!(io::stderr(), "the end cannot be written yet: {error}");
        thread::sleep(RETRY);
    }
}
