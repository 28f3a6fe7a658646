//! What is known of whether a run's output is what its program wrote, while the run goes on: the
//! digest of what is committed, and the word that it differs. How a run is verified in the end
//! stands with its end, in `runs.rs`.

use super::{
    Store,
    digests::digest_so_far,
    error::{Conflict, Missing, StoreError},
    frame::EventKind,
    rows::find_run,
    writer::{Group, Subject},
};
use crate::domain::{digest::OutputDigest, id::RunId, integrity::Damage, run::Run, timestamp::Timestamp};
use sqlx::Connection;

impl Store {
    /// The digest of what is committed of a run's output, and how many bytes that is.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn digest(&self, id: RunId) -> Result<(u64, OutputDigest), StoreError> {
        let mut connection = self.0.readers.acquire().await?;
        let mut snapshot = connection.begin().await?;
        let found = find_run(&mut snapshot, id).await?;
        let (number, run) = found.ok_or(StoreError::NotFound(Missing::Run))?;
        Ok((run.bytes, digest_so_far(&mut snapshot, number).await?))
    }

    /// The output of a run that goes on differs from what its program wrote. Said again it changes
    /// nothing.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`Conflict::RunEnded`] where it is over already.
    pub async fn run_damaged(&self, id: RunId, damage: Damage) -> Result<Run, StoreError> {
        let at = self.0.clock.now();
        self.0.writer.write(move |group| Box::pin(run_damaged(group, id, damage, at))).await
    }
}

async fn run_damaged(group: &mut Group, id: RunId, damage: Damage, at: Timestamp) -> Result<Run, StoreError> {
    let found = find_run(&mut group.connection, id).await?;
    let (number, mut run) = found.ok_or(StoreError::NotFound(Missing::Run))?;
    if run.status.is_final() {
        return Err(Conflict::RunEnded { status: run.status }.into());
    }
    if run.damage == Some(damage) {
        return Ok(run);
    }
    (run.verified, run.damage) = (Some(false), Some(damage));
    sqlx::query("update runs set damage_from = ?2, damage_to = ?3 where number = ?1")
        .bind(number)
        .bind(damage.from.cast_signed())
        .bind(damage.to.cast_signed())
        .execute(&mut group.connection)
        .await?;
    let subject = Subject { task: None, run: Some((number, id)) };
    group.log(EventKind::Run, subject, at, &run).await?;
    Ok(run)
}
