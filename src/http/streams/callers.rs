//! Who has streams open: how many each caller has, against the caps. A caller with open streams is watched; all of them end when it may
//! no longer be here.

use super::StreamOptions;
use crate::{
    backend::auth::Caller,
    http::standing::{Standing, Standings},
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The callers with open streams.
pub(super) struct Callers {
    standings: Standings,
    limits: (usize, usize),
    // Held for a look-up, never across an await.
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    open: usize,
    total: usize,
    callers: HashMap<Caller, Entry>,
    /// How many were open when the first of them was told that the server stops.
    leaving: Option<usize>,
}

struct Entry {
    open: usize,
    standing: Arc<Standing>,
}

/// Why a stream is not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    /// The server has as many as it takes.
    Server,
    /// This caller has.
    Caller,
}

/// Counts one stream for as long as its body is held, whatever ends it.
pub(super) struct OpenStream {
    callers: Arc<Callers>,
    caller: Caller,
    pub standing: Arc<Standing>,
}

impl Callers {
    pub fn new(options: &StreamOptions, standings: Standings) -> Arc<Self> {
        let limits = (options.most, options.most_per_session);
        Arc::new(Callers { standings, limits, counts: Mutex::default() })
    }

    /// How many streams are open, and how many have been.
    pub fn count(&self) -> (usize, usize) {
        let counts = self.counts();
        (counts.open, counts.total)
    }

    /// How many streams there were when the server began to stop: while they end they become fewer, and all are to be told alike.
    pub fn leaving(&self) -> usize {
        let mut counts = self.counts();
        let open = counts.open;
        *counts.leaving.get_or_insert(open)
    }

    /// Whether that caller has any open.
    pub fn has_open(&self, caller: &Caller) -> bool {
        self.counts().callers.contains_key(caller)
    }

    /// Whether another stream of that caller would be opened.
    pub fn has_room(&self, caller: &Caller) -> Result<(), Full> {
        self.room(&self.counts(), caller)
    }

    /// Opens a stream for that caller.
    pub fn open(self: &Arc<Self>, caller: &Caller) -> Result<OpenStream, Full> {
        let mut counts = self.counts();
        self.room(&counts, caller)?;
        counts.open += 1;
        counts.total += 1;
        let entry = counts.callers.entry(caller.clone()).or_insert_with(|| Entry { open: 0, standing: self.standings.of(caller) });
        entry.open += 1;
        let standing = entry.standing.clone();
        drop(counts);
        Ok(OpenStream { callers: self.clone(), caller: caller.clone(), standing })
    }

    fn room(&self, counts: &Counts, caller: &Caller) -> Result<(), Full> {
        let (most, most_per_session) = self.limits;
        let of_caller = counts.callers.get(caller).map_or(0, |entry| entry.open);
        if matches!(caller, Caller::Session(_)) && of_caller >= most_per_session {
            return Err(Full::Caller);
        }
        if counts.open >= most { Err(Full::Server) } else { Ok(()) }
    }

    fn close(&self, caller: &Caller) {
        let mut counts = self.counts();
        counts.open -= 1;
        if let Some(entry) = counts.callers.get_mut(caller) {
            entry.open -= 1;
            if entry.open == 0 {
                counts.callers.remove(caller);
            }
        }
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        // The counts are whole between any two statements that could panic: there are none.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.callers.close(&self.caller);
    }
}
