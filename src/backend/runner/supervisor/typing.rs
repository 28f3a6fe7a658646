//! What people type, on its way into the program's terminal: taken from the run's folder, and written as the terminal takes it. A program
//! that does not read holds up nothing but what is typed after it.

use super::program::Running;
use crate::backend::runner::{
    folder::RunFolder,
    typed::{self, Typed},
};
use rustix::io::Errno;
use std::{collections::VecDeque, io};

/// How far the file has been read, and what the terminal has not taken yet.
#[derive(Debug, Default)]
pub(super) struct Typing {
    position: u64,
    waiting: VecDeque<u8>,
}

impl Typing {
    /// Takes what is new; gives the size, in columns and rows, that the terminal is to have by now, where that is new.
    pub(super) fn take(&mut self, folder: &RunFolder) -> io::Result<Option<(u16, u16)>> {
        let mut size = None;
        for typed in typed::read_on(folder, &mut self.position)? {
            match typed {
                Typed::Text { text, .. } => self.waiting.extend(text.as_bytes()),
                Typed::Size { columns, rows } => size = Some((columns, rows)),
            }
        }
        Ok(size)
    }

    /// Whether something waits for the terminal to take it.
    pub(super) fn waits(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Writes what the terminal takes without waiting.
    pub(super) fn write(&mut self, running: &Running) {
        while self.waits() {
            let (next, _) = self.waiting.as_slices();
            match running.type_in(next) {
                Ok(0) | Err(Errno::AGAIN) => return,
                Ok(taken) => drop(self.waiting.drain(..taken)),
                Err(Errno::INTR) => {}
                // There is no terminal (any more) that could take it.
                Err(_) => self.waiting.clear(),
            }
        }
    }
}
