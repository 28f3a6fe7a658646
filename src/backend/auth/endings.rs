//! The word that some session or token is gone, for whoever waits for the end of a certain one. Another process, such as
//! `kontasks password --sign-out-all`, can take them away as well: that is seen in the database.

use crate::backend::store::Store;
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};

/// How often a waiting stream looks at the clock, and one of them at the database.
const GLANCE: Duration = Duration::from_secs(1);

/// A cheap clone of one bell.
#[derive(Clone)]
pub(super) struct Endings(Arc<Shared>);

struct Shared {
    store: Store,
    /// The database's count of endings, as far as it is known. Whoever changes it wakes everybody.
    bell: watch::Sender<u64>,
    /// When somebody last looked into the database.
    looked: Mutex<Option<Instant>>,
}

impl Endings {
    pub fn new(store: Store) -> Self {
        Endings(Arc::new(Shared { store, bell: watch::Sender::new(0), looked: Mutex::default() }))
    }

    /// Wakes whoever waits: this process took something away.
    pub fn ring(&self) {
        self.0.bell.send_modify(|_| ());
    }

    /// Hears of all endings from now on.
    pub fn listen(&self) -> Listener {
        Listener { endings: self.clone(), bell: self.0.bell.subscribe() }
    }

    /// Looks whether another process took something away. Of all that wait, one looks in each second.
    async fn look(&self) {
        if !self.takes_turn() {
            return;
        }
        match self.0.store.endings().await {
            Ok(count) => {
                self.0.bell.send_if_modified(|known| std::mem::replace(known, count) != count);
            }
            Err(error) => tracing::warn!(%error, "whether somebody was signed out cannot be told now"),
        }
    }

    fn takes_turn(&self) -> bool {
        let mut looked = self.0.looked.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = looked.is_none_or(|at| at.elapsed() >= GLANCE / 2);
        if is_due {
            *looked = Some(Instant::now());
        }
        is_due
    }
}

/// Waits for endings; one that rings while nobody waits is not missed.
pub(super) struct Listener {
    endings: Endings,
    bell: watch::Receiver<u64>,
}

impl Listener {
    /// What ends from here on is heard by the next [`Listener::heard`].
    pub fn begin(&mut self) {
        self.bell.mark_unchanged();
    }

    /// Until something has ended, or `is_due` says so: it is asked once a second, since a clock can be set.
    pub async fn heard(&mut self, is_due: impl Fn() -> bool) {
        loop {
            tokio::select! {
                _ = self.bell.changed() => return,
                () = sleep(GLANCE) => {
                    self.endings.look().await;
                    if is_due() {
                        return;
                    }
                }
            }
        }
    }
}
