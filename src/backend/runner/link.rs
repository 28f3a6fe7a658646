//! The socket between a run's supervisor and whoever follows it, seen from the follower.
//!
//! The supervisor writes one byte of whatever value after it has put something into the run's folder, and leaves it out where its
//! earlier bytes have not been read yet: it says "look", nothing else, so it never waits for a reader. The end of the connection says that
//! the supervisor is gone. What has happened stands in the folder alone.
//!
//! | the follower writes | which means |
//! |---|---|
//! | `cancel\n` | somebody asked for the end |
//! | `cancel 2\n` | and once more, which makes two: the next step is taken at once. The same number again means nothing |
//! | `typed\n` | there may be more in the file `typed` |
//!
//! A line that is not understood is passed over, unless it is longer than 64 bytes: a supervisor of an earlier version knows the first only.

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

/// What a follower writes when somebody has asked for the end for the `number`th time.
fn cancel_line(number: usize) -> String {
    match number {
        1 => "cancel\n".to_owned(),
        _ => format!("cancel {number}\n"),
    }
}

/// How often somebody has asked for the end by the time of that line; none where it says something else.
pub(super) fn cancel_number(line: &[u8]) -> Option<usize> {
    match line.strip_suffix(b"\n")?.strip_prefix(b"cancel")? {
        [] => Some(1),
        [b' ', number @ ..] => std::str::from_utf8(number).ok()?.parse().ok(),
        _ => None,
    }
}

/// What a follower writes when something was typed.
const TYPED: &str = "typed\n";

/// Whether that line says that something was typed.
pub(super) fn is_typed(line: &[u8]) -> bool {
    line == TYPED.as_bytes()
}

/// A connection to a living supervisor.
pub(super) struct Link(UnixStream);

impl Link {
    /// Connects; an error where no supervisor listens (any more, or yet).
    pub(super) fn open(folder: &RunFolder) -> io::Result<Link> {
        // A hard link to the socket of another folder's supervisor leads to it.
        if folder.is_foreign()? {
            return Err(io::ErrorKind::NotFound.into());
        }
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

    /// Asks for the end of the run for the `number`th time, from 1. A supervisor that is gone has no need of it.
    pub(super) async fn cancel(&self, number: usize) {
        self.say(&cancel_line(number)).await;
    }

    /// Says that there may be something new in what was typed.
    pub(super) async fn typed(&self) {
        self.say(TYPED).await;
    }

    async fn say(&self, line: &str) {
        // A new connection is not known to be writable before it has been waited for. So few bytes go at once or not at all.
        while self.0.writable().await.is_ok() {
            match self.0.try_write(line.as_bytes()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                _ => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_known_by_its_number() {
        assert_eq!(cancel_line(1), "cancel\n", "what an earlier supervisor understands");
        for number in 1..4 {
            assert_eq!(cancel_number(cancel_line(number).as_bytes()), Some(number));
        }
        for line in ["cancel", "cancel x\n", "cancel -1\n", "cancelled\n", "cancel 2 \n", "size 80 24\n", "\n"] {
            assert_eq!(cancel_number(line.as_bytes()), None, "{line:?}");
        }
    }
}
