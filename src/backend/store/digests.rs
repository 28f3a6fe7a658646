//! The digests of runs' output as the database holds them.

use super::error::StoreError;
use crate::domain::digest::OutputDigest;
use futures::TryStreamExt;
use sqlx::{Row, SqliteConnection};

/// The digest of what a run, by its short number, has written so far. Where the version that wrote it kept none it is made from the
/// output itself.
pub(super) async fn digest_so_far(connection: &mut SqliteConnection, number: i64) -> Result<OutputDigest, StoreError> {
    let row = sqlx::query("select hashed from runs where number = ?1").bind(number).fetch_one(&mut *connection).await?;
    if let Some(digest) = row.try_get::<Option<&str>, _>(0)?.and_then(OutputDigest::take_up) {
        return Ok(digest);
    }
    let mut digest = OutputDigest::default();
    let mut output =
        sqlx::query("select payload from events where run = ?1 and kind = 2 order by start").bind(number).fetch(&mut *connection);
    while let Some(row) = output.try_next().await? {
        digest.update(row.try_get(0)?);
    }
    Ok(digest)
}
