//! What the threads that wait for children and for signals tell the one that acts: over a channel, and a socket that wakes its `poll`.

use crate::{backend::runner::folder::How, domain::timestamp::Timestamp};
use std::{
    io::{self, Write},
    os::unix::net::UnixStream,
    sync::mpsc,
    thread,
};

/// What the other threads have to say.
pub(super) enum News {
    /// The program ended.
    Exited(How, Timestamp),
    /// All that it had started has ended too.
    Alone,
    /// Somebody sent SIGTERM.
    Terminate,
}

/// Carries news into the one thread that acts.
#[derive(Debug)]
pub(super) struct Herald {
    waker: UnixStream,
    tell: mpsc::Sender<News>,
}

impl Herald {
    pub(super) fn say(&self, news: News) {
        let _ = self.tell.send(news);
        let _ = (&self.waker).write(&[0]);
    }

    pub(super) fn try_clone(&self) -> io::Result<Self> {
        Ok(Herald { waker: self.waker.try_clone()?, tell: self.tell.clone() })
    }
}

/// Who tells, what wakes, and what was told.
pub(super) fn channel() -> io::Result<(Herald, UnixStream, mpsc::Receiver<News>)> {
    let (waker, wakes) = UnixStream::pair()?;
    waker.set_nonblocking(true)?;
    wakes.set_nonblocking(true)?;
    let (tell, told) = mpsc::channel();
    Ok((Herald { waker, tell }, wakes, told))
}

/// So that a debugger's view of the process says which is which.
pub(super) fn name_thread(name: &str) -> thread::Builder {
    thread::Builder::new().name(name.to_owned()).stack_size(64 * 1024)
}
