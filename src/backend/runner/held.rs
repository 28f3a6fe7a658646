//! What a copied, restored or missing data folder means for runs: those that came with a copy wait
//! until a person says what is to become of them, and nothing is taken on while the folder is away.

use super::{RunnerError, Runners};
use crate::backend::{space::Shortage, store::StoreError};

impl Runners {
    /// Lets the held runs have their turn, in the order of their acceptance, and says how many that
    /// were.
    ///
    /// # Errors
    /// [`RunnerError::NoRoom`]; the store failed.
    pub async fn release_held(&self) -> Result<u64, RunnerError> {
        if let Some(shortage) = *self.0.shortage.borrow() {
            return Err(RunnerError::NoRoom(shortage));
        }
        let runners = self.clone();
        // Carried out also where the caller goes away.
        let releasing = tokio::spawn(async move {
            let released = runners.0.store.release_held_runs().await;
            // They were accepted before others that wait already: all are read anew.
            let looking = runners.0.looking.lock().await;
            runners.runs().waiting.clear();
            drop(looking);
            runners.start_next();
            released
        });
        Ok(releasing.await.unwrap_or(Err(StoreError::Closed))?)
    }

    /// Cancels the held runs in the name of somebody (`Firefox on Linux`), and says how many that
    /// were.
    ///
    /// # Errors
    /// The store failed.
    pub async fn drop_held(&self, by: &str) -> Result<u64, RunnerError> {
        Ok(self.0.store.drop_held_runs(by).await?)
    }

    /// Whether the data folder and the database are where they were when the server was started.
    #[must_use]
    pub fn is_in_place(&self) -> bool {
        self.0.presence.holds() && self.0.store.is_in_place()
    }

    pub(super) fn check_place(&self) -> Result<(), RunnerError> {
        if self.is_in_place() { Ok(()) } else { Err(RunnerError::NoRoom(Shortage::Gone)) }
    }
}
