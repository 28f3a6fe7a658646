//! The socket between a run's supervisor and whoever follows it, seen from the follower.
//!
//! The supervisor writes one byte of whatever value after it has put something into the run's folder, and leaves it out where its
//! earlier bytes have not been read yet: it says "look", nothing else, so it never waits for a reader. The follower writes
//! `cancel\n`. The end of the connection says that the supervisor is gone. What has happened stands in the folder alone.

use super::folder::RunFolder;
use std::{
    fs::File,
    io,
    os::{
        fd::AsRawFd,
        unix::{ffi::OsStrExt, net},
    },
    path::PathBuf,
};
use tokio::net::UnixStream;

/// What a follower writes to end the run.
pub(super) const CANCEL: &[u8] = b"cancel\n";

/// A connection to a living supervisor.
pub(super) struct Link(UnixStream);

impl Link {
    /// Connects; an error where no supervisor listens (any more, or yet).
    pub(super) fn open(folder: &RunFolder) -> io::Result<Link> {
        let socket = folder.socket();
        // A socket's address has room for 108 bytes of path, with macOS 104. A longer one is shortened by going over the open folder.
        let stream = if socket.as_os_str().as_bytes().len() < 100 {
            net::UnixStream::connect(&socket)?
        } else {
            let directory = File::open(folder.path())?;
            net::UnixStream::connect(PathBuf::from(format!("/proc/self/fd/{}/ctl", directory.as_raw_fd())))?
        };
        stream.set_nonblocking(true)?;
        UnixStream::from_std(stream).map(Link)
    }

    /// Waits until there is something to look at: true, or the supervisor is gone: false. May be dropped while it waits.
    pub(super) async fn wait(&self) -> bool {
        let mut looks = [0; 512];
        loop {
            if self.0.readable().await.is_err() {
                return false;
            }
            match self.0.try_read(&mut looks) {
                Ok(0) => return false,
                // The rest, if there is any, is read at the next call, which costs one look too many at the most.
                Ok(_) => return true,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return false,
            }
        }
    }

    /// Asks for the end of the run. A supervisor that is gone has no need of it.
    pub(super) async fn cancel(&self) {
        // A new connection is not known to be writable before it has been waited for. Seven bytes go at once or not at all.
        while self.0.writable().await.is_ok() {
            match self.0.try_write(CANCEL) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                _ => return,
            }
        }
    }
}
