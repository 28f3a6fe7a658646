//! The clock of the backend: the system's, or one that a test sets.

use crate::domain::timestamp::Timestamp;
use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

/// Tells the time; a cheap clone of one source.
#[derive(Clone, Debug, Default)]
pub struct Clock(Option<Arc<AtomicI64>>);

impl Clock {
    /// The system's clock.
    #[must_use]
    pub fn system() -> Self {
        Clock(None)
    }

    /// A clock that stands at `at` until [`Clock::set`] moves it, together with all its clones.
    #[must_use]
    pub fn manual(at: Timestamp) -> Self {
        Clock(Some(Arc::new(AtomicI64::new(at.0))))
    }

    /// Moves a manual clock; the system's is left alone.
    pub fn set(&self, at: Timestamp) {
        if let Some(manual) = &self.0 {
            manual.store(at.0, Ordering::Relaxed);
        }
    }

    /// The present moment.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Some(manual) => Timestamp(manual.load(Ordering::Relaxed)),
            None => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
            }
        }
    }
}
