//! Which connections are open, and which one goes where there is no room for another. Somebody who was let in is not to be
//! locked out by strangers: a connection on which nobody was let in makes room first, and one more of these displaces the
//! oldest of them rather than being refused, since whoever comes to be let in says so at once.

use crate::http::limits::Limits;
use std::{
    collections::{BTreeMap, HashSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

/// The open connections; a cheap clone.
#[derive(Clone)]
pub struct Connections(Arc<Shared>);

struct Shared {
    limits: Arc<Limits>,
    large_heads: Arc<Semaphore>,
    // Held for a look-up, never across an await.
    table: Mutex<Table>,
}

/// Every open connection is in one of the two; their numbers grow, so that the oldest stands first.
#[derive(Default)]
struct Table {
    last: u64,
    strangers: BTreeMap<u64, Arc<Connection>>,
    callers: HashSet<u64>,
}

impl Connections {
    /// No connection yet.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        let limits = Arc::new(limits);
        let large_heads = Arc::new(Semaphore::new(limits.large_heads));
        Connections(Arc::new(Shared { limits, large_heads, table: Mutex::default() }))
    }

    /// What they are held to.
    #[must_use]
    pub fn limits(&self) -> &Arc<Limits> {
        &self.0.limits
    }

    /// How many are open.
    #[must_use]
    pub fn count(&self) -> usize {
        let table = self.table();
        table.strangers.len() + table.callers.len()
    }

    /// Takes a place for a connection, where need be a stranger's. None: all places are taken by those who were let in.
    pub(super) fn open(&self) -> Option<OpenConnection> {
        let mut table = self.table();
        let is_full = table.strangers.len() + table.callers.len() >= self.0.limits.connections;
        if is_full || table.strangers.len() >= self.0.limits.strangers {
            let made_room = table.displace();
            if is_full && !made_room {
                return None;
            }
        }
        table.last += 1;
        let connection = Arc::new(Connection {
            number: table.last,
            connections: self.clone(),
            requests: AtomicU64::new(0),
            under_way: AtomicU64::new(0),
            streams: AtomicBool::new(false),
            displaced: CancellationToken::new(),
            large_head: Mutex::default(),
            had_large_head: AtomicBool::new(false),
        });
        table.strangers.insert(connection.number, connection.clone());
        Some(OpenConnection(connection))
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // The table is whole between any two statements that could panic: there are none.
        self.0.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// Ends the oldest stranger's connection that waits for a request, or where none does, the oldest stranger's.
    fn displace(&mut self) -> bool {
        let waiting = self.strangers.values().find(|connection| !connection.is_busy()).map(|connection| connection.number);
        let Some(number) = waiting.or_else(|| self.strangers.keys().next().copied()) else { return false };
        if let Some(connection) = self.strangers.remove(&number) {
            connection.displaced.cancel();
        }
        true
    }
}

/// One connection, as its stream and its requests know it.
pub struct Connection {
    number: u64,
    connections: Connections,
    /// How many requests it has brought.
    requests: AtomicU64,
    /// How many of them are not answered to the end.
    under_way: AtomicU64,
    /// Whether its last response is an event stream.
    streams: AtomicBool,
    displaced: CancellationToken,
    large_head: Mutex<Option<OwnedSemaphorePermit>>,
    had_large_head: AtomicBool,
}

impl Connection {
    /// Somebody was let in over it: from now on no stranger takes its place.
    pub fn let_in(&self) {
        let mut table = self.connections.table();
        if table.strangers.remove(&self.number).is_some() {
            table.callers.insert(self.number);
        }
    }

    /// Waits until its place is needed.
    pub(super) async fn displaced(&self) {
        self.displaced.cancelled().await;
    }

    pub(super) fn limits(&self) -> &Limits {
        self.connections.limits()
    }

    /// How many requests it has brought, where none of them is under way.
    pub(super) fn waits_after(&self) -> Option<u64> {
        (!self.is_busy()).then(|| self.requests.load(Relaxed))
    }

    /// Whether it has an event stream to send.
    pub(super) fn streams(&self) -> bool {
        self.streams.load(Relaxed)
    }

    /// Takes one of the places for larger heads, which lasts until the request has its answer.
    pub(super) fn takes_large_head(&self) -> bool {
        let mut place = self.large_head.lock().unwrap_or_else(PoisonError::into_inner);
        if place.is_some() {
            return false;
        }
        *place = self.connections.0.large_heads.clone().try_acquire_owned().ok();
        self.had_large_head.fetch_or(place.is_some(), Relaxed);
        place.is_some()
    }

    /// Whether it had a larger head, whose memory stays with the connection.
    pub(super) fn had_large_head(&self) -> bool {
        self.had_large_head.load(Relaxed)
    }

    /// Nothing of the request's head is held any more.
    pub(super) fn head_is_answered(&self, by_stream: bool) {
        self.streams.store(by_stream, Relaxed);
        drop(self.large_head.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    fn is_busy(&self) -> bool {
        self.under_way.load(Relaxed) > 0
    }
}

/// Holds a connection's place for as long as it is open.
pub(super) struct OpenConnection(Arc<Connection>);

impl OpenConnection {
    pub fn connection(&self) -> &Arc<Connection> {
        &self.0
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        let mut table = self.0.connections.table();
        table.strangers.remove(&self.0.number);
        table.callers.remove(&self.0.number);
    }
}

/// Counts one request as under way, from its head to the last byte of its response, or to whatever ends it earlier.
pub(super) struct Busy(Arc<Connection>);

impl Busy {
    pub fn begin(connection: &Arc<Connection>) -> Self {
        connection.requests.fetch_add(1, Relaxed);
        connection.under_way.fetch_add(1, Relaxed);
        Busy(connection.clone())
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connections(connections: usize, strangers: usize) -> Connections {
        Connections::new(Limits { connections, strangers, large_heads: 1, ..Limits::default() })
    }

    fn is_displaced(open: &OpenConnection) -> bool {
        open.0.displaced.is_cancelled()
    }

    #[test]
    fn strangers_make_room_for_each_other_and_the_one_that_waits_longest_goes_first() {
        let all = connections(10, 3);
        let open: Vec<_> = (0..3).map(|_| all.open().expect("room")).collect();
        let busy = Busy::begin(open[0].connection());
        let fourth = all.open().expect("room");
        assert_eq!(open.iter().map(is_displaced).collect::<Vec<_>>(), [false, true, false]);
        let _busy = [Busy::begin(open[2].connection()), Busy::begin(fourth.connection())];
        let _fifth = all.open().expect("room");
        assert!(is_displaced(&open[0]), "where none waits, the oldest goes");
        drop(busy);
    }

    #[test]
    fn who_was_let_in_is_displaced_by_nobody() {
        let all = connections(3, 3);
        let known: Vec<_> = (0..2).map(|_| all.open().expect("room")).collect();
        known.iter().for_each(|open| open.connection().let_in());
        for _ in 0..10 {
            all.open().expect("a stranger's place is taken");
        }
        let third = all.open().expect("room");
        third.connection().let_in();
        assert!(all.open().is_none(), "only now there is no room");
        assert!(!known.iter().chain([&third]).any(is_displaced));
        drop(third);
        let stranger = all.open().expect("a place is free again");
        let _other = all.open().expect("room");
        assert!(is_displaced(&stranger));
        stranger.connection().let_in();
        drop(stranger);
        assert_eq!(all.table().callers.len(), 2, "what was displaced counts no more");
    }

    #[test]
    fn a_place_for_a_larger_head_is_had_by_one_and_given_back() {
        let all = connections(10, 10);
        let (one, other) = (all.open().expect("room"), all.open().expect("room"));
        assert!(one.connection().takes_large_head());
        assert!(!one.connection().takes_large_head() && !other.connection().takes_large_head());
        one.connection().head_is_answered(false);
        assert!(other.connection().takes_large_head());
        drop(other);
        assert!(one.connection().had_large_head());
    }
}
