//! Those who follow the run, seen from the supervisor: told to look, listened to, never waited for. `link.rs` has the protocol.

use crate::backend::runner::link::{cancel_number, is_typed};
use std::{
    fs,
    io::{self, Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::Path,
};

/// More followers at a time than ever make sense.
const MOST: usize = 16;

/// The socket and the connections over it.
#[derive(Debug)]
pub(super) struct Followers {
    listener: UnixListener,
    links: Vec<Link>,
}

/// What followers have said.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    /// How often somebody has asked for the end of the run by now, where one says so.
    pub(super) requests: Option<usize>,
    /// Something was typed.
    pub(super) typed: bool,
}

#[derive(Debug)]
struct Link {
    stream: UnixStream,
    /// What came of a word that is not complete.
    word: Vec<u8>,
}

impl Followers {
    pub(super) fn listen(socket: &Path) -> io::Result<Self> {
        // One is left where an earlier supervisor ended before the program was begun.
        let _ = fs::remove_file(socket);
        let listener = UnixListener::bind(socket)?;
        listener.set_nonblocking(true)?;
        Ok(Followers { listener, links: Vec::new() })
    }

    pub(super) fn listener(&self) -> &UnixListener {
        &self.listener
    }

    pub(super) fn links(&self) -> impl Iterator<Item = &UnixStream> {
        self.links.iter().map(|link| &link.stream)
    }

    /// Tells all to look. Where a follower has not read the earlier bytes, it has yet to look anyway.
    pub(super) fn poke(&mut self) {
        self.links.retain(|link| match (&link.stream).write(b".") {
            Ok(_) => true,
            Err(error) => matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted),
        });
    }

    /// Takes in new followers and what the others say.
    pub(super) fn listen_to_all(&mut self) -> Said {
        while let Ok((stream, _)) = self.listener.accept() {
            if self.links.len() < MOST && stream.set_nonblocking(true).is_ok() {
                // What was put into the folder between its connecting and now was told to the others only.
                let _ = (&stream).write(b".");
                self.links.push(Link { stream, word: Vec::new() });
            }
        }
        let mut said = Said::default();
        self.links.retain_mut(|link| link.hear(&mut said));
        said
    }
}

impl Link {
    /// False where it is over.
    fn hear(&mut self, said: &mut Said) -> bool {
        let mut bytes = [0; 64];
        loop {
            match self.stream.read(&mut bytes) {
                Ok(0) => return false,
                Ok(n) => {
                    self.word.extend_from_slice(&bytes[..n]);
                    while let Some(end) = self.word.iter().position(|byte| *byte == b'\n') {
                        let line: Vec<u8> = self.word.drain(..=end).collect();
                        said.requests = cancel_number(&line).max(said.requests);
                        said.typed |= is_typed(&line);
                    }
                    if self.word.len() > 64 {
                        return false; // speaks another language
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return true,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
    }
}
