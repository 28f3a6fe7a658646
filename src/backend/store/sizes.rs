//! The sizes of runs' terminals: each an event of the log at its place among the output, logged once.

use super::{
    Store,
    error::{Conflict, Missing, StoreError},
    frame::EventKind,
    rows::{self, find_run},
    writer::{Group, Subject},
};
use crate::domain::{event::Size, id::RunId, terminal_size::PlacedSize, timestamp::Timestamp};
use serde::Deserialize;
use sqlx::{Row, SqliteConnection};

/// What is stored of a size.
#[derive(Deserialize)]
struct Stored {
    columns: u16,
    rows: u16,
}

impl Store {
    /// The run's terminal has another size after what is committed of its output. It is its size number `number`, from 0: said again
    /// it changes nothing.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`Conflict::RunEnded`].
    pub async fn run_resized(&self, id: RunId, number: u64, columns: u16, rows: u16) -> Result<(), StoreError> {
        let at = self.0.clock.now();
        let size = Size { run: id, columns, rows };
        self.0.writer.write(move |group| Box::pin(run_resized(group, number, size, at))).await
    }

    /// How many sizes of a run's terminal are in the log.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn sizes(&self, id: RunId) -> Result<u64, StoreError> {
        let row = sqlx::query("select sizes from runs where id = ?1").bind(rows::id(&id.0)).fetch_optional(&self.0.readers).await?;
        Ok(rows::unsigned(row.ok_or(StoreError::NotFound(Missing::Run))?.try_get(0)?))
    }
}

async fn run_resized(group: &mut Group, number: u64, size: Size, at: Timestamp) -> Result<(), StoreError> {
    let (run_number, run) = find_run(&mut group.connection, size.run).await?.ok_or(StoreError::NotFound(Missing::Run))?;
    if run.status.is_final() {
        return Err(Conflict::RunEnded { status: run.status }.into());
    }
    // The count moves with the event, in one transaction.
    let counted = sqlx::query("update runs set sizes = sizes + 1 where number = ?1 and sizes = ?2")
        .bind(run_number)
        .bind(number.cast_signed())
        .execute(&mut group.connection)
        .await?;
    if counted.rows_affected() == 0 {
        return Ok(());
    }
    let subject = Subject { task: None, run: Some((run_number, size.run)) };
    let seq = group.log(EventKind::Size, subject, at, &size).await?;
    sqlx::query("update events set start = ?2 where seq = ?1")
        .bind(seq.cast_signed())
        .bind(run.bytes.cast_signed())
        .execute(&mut group.connection)
        .await?;
    Ok(())
}

/// All sizes of a run's terminal by its short number, in order: how many bytes come before each, columns, rows.
pub(super) async fn of_run(connection: &mut SqliteConnection, number: i64) -> Result<Vec<(u64, u16, u16)>, StoreError> {
    let sql = "select start, payload from events indexed by events_of_size where run = ?1 and kind = 4 order by start, seq";
    let found = sqlx::query(sql).bind(number).fetch_all(connection).await?;
    let size = |row: &sqlx::sqlite::SqliteRow| {
        let Stored { columns, rows } =
            serde_json::from_slice(row.try_get(1)?).map_err(|error| StoreError::Broken { what: "size", reason: error.to_string() })?;
        Ok((rows::unsigned(row.try_get(0)?), columns, rows))
    };
    found.iter().map(size).collect()
}

/// The output from byte `start` on as text, and where in it each size begins to hold. What is not UTF-8 stands in it as U+FFFD; each
/// size stands between two characters.
pub(super) fn place(start: u64, bytes: &[u8], sizes: Vec<(u64, u16, u16)>) -> (String, Vec<PlacedSize>) {
    let (mut text, mut from) = (String::new(), 0);
    let mut placed = Vec::with_capacity(sizes.len());
    for (at, columns, rows) in sizes {
        let end = usize::try_from(at.saturating_sub(start)).unwrap_or(usize::MAX).clamp(from, bytes.len());
        text.push_str(&String::from_utf8_lossy(&bytes[from..end]));
        from = end;
        placed.push(PlacedSize { at, text_at: text.len() as u64, columns, rows });
    }
    text.push_str(&String::from_utf8_lossy(&bytes[from..]));
    (text, placed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_in_the_text() {
        let bytes = b"a\xffb\xc3\xa4c";
        let (text, placed) = place(100, bytes, vec![(7, 80, 24), (102, 81, 24), (105, 82, 24), (106, 83, 24)]);
        assert_eq!(text, String::from_utf8_lossy(bytes));
        let at: Vec<_> = placed.iter().map(|size| (size.at, size.text_at)).collect();
        assert_eq!(at, [(7, 0), (102, 4), (105, 7), (106, 8)]);
        assert_eq!(place(0, b"", Vec::new()), (String::new(), Vec::new()));
    }
}
