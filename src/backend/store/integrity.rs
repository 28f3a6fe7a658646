//! Damage to the database: looked for after the start, and noticed where it is met.

use super::{Store, error::StoreError, schema};
use sqlx::{Connection, Row};
use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

/// For how long it is looked for. A database of some gigabytes takes longer on a slow disk, and its
/// pages are met one by one anyway.
const PATIENCE: Duration = Duration::from_secs(60);

/// How many steps of SQLite's machine lie between two looks at the time.
const STEPS: i32 = 100_000;

/// Whether any statement of this process has met a damaged page. A server has one database, and its
/// damage does not go away.
static MET: AtomicBool = AtomicBool::new(false);

/// A statement has met a damaged page.
pub(super) fn damage_was_met() {
    MET.store(true, Ordering::Relaxed);
}

impl Store {
    /// Whether anything in this process has met a damaged page of a database.
    #[must_use]
    pub fn has_met_damage() -> bool {
        MET.load(Ordering::Relaxed)
    }

    /// Looks for damage, page by page, for a minute at the most. What is found is said by the
    /// result and from then on by [`Store::has_met_damage`]. It reads beside everything else.
    ///
    /// # Errors
    /// [`StoreError::Damaged`]; or it could not be looked for.
    pub async fn look_for_damage(&self) -> Result<(), StoreError> {
        let mut connection = schema::open_reader(&self.0.path).await?;
        let begin = Instant::now();
        connection.lock_handle().await?.set_progress_handler(STEPS, move || begin.elapsed() < PATIENCE);
        let found = sqlx::query("pragma quick_check(1)").fetch_one(&mut connection).await;
        match found {
            Ok(row) if row.try_get::<&str, _>(0)? == "ok" => {}
            Ok(row) => {
                let what: &str = row.try_get(0)?;
                tracing::error!("the database {} is damaged: {what}", self.0.path.display());
                damage_was_met();
                return Err(StoreError::Damaged);
            }
            Err(_) if begin.elapsed() >= PATIENCE => {
                tracing::info!("the database was looked through for {PATIENCE:?}, not to its end, and no damage was found");
            }
            Err(error) => return Err(error.into()),
        }
        connection.close().await?;
        Ok(())
    }
}
