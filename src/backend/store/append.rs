//! Appending output: what a run wrote becomes events, and the run's row moves on, in the same transaction. What is known of a run that
//! writes is kept in memory, so that a group of many events costs few statements.

use super::{
    chunks::chunks,
    digests::digest_so_far,
    error::{Conflict, Missing, StoreError},
    rows,
    writer::Group,
};
use crate::domain::{digest::OutputDigest, id::RunId, run::RunStatus, timestamp::Timestamp};
use bytes::Bytes;
use sqlx::Row;
use std::sync::{Arc, OnceLock};

/// Output to be appended.
pub(super) struct Append {
    pub run: RunId,
    pub bytes: Bytes,
    /// Where the spool stands after these bytes.
    pub position: u64,
    pub at: Timestamp,
    /// Where the digest of the run's output with these bytes is laid.
    pub digest: Arc<OnceLock<OutputDigest>>,
}

/// A run that output is appended to, as it is with everything that the group holds.
pub(super) struct Live {
    number: i64,
    status: RunStatus,
    events: u64,
    bytes: u64,
    lines: u64,
    position: u64,
    digest: OutputDigest,
    /// Output events of this group that are not in the database yet.
    rows: Vec<OutputRow>,
}

pub(super) struct OutputRow {
    seq: u64,
    at: Timestamp,
    start: u64,
    payload: Bytes,
}

/// How many rows one statement inserts where there are as many.
const ROWS: usize = 32;

const INSERT_ONE: &str = "insert into events (seq, kind, run, at, start, payload) values (?, 2, ?, ?, ?, ?)";
const INSERT_MANY: &str = concat!(
    "insert into events (seq, kind, run, at, start, payload) values ",
    "(?, 2, ?, ?, ?, ?), (?, 2, ?, ?, ?, ?), (?, 2, ?, ?, ?, ?), (?, 2, ?, ?, ?, ?), (?, 2, ?, ?, ?, ?), (?, 2, ?, ?, ?, ?), ",
    "(?, 2, ?, ?, ?, ?), (?, 2, ?, ?, ?, ?), (?, 2, ?, ?, ?, ?), (?, 2, ?, ?, ?, ?), (?, 2, ?, ?, ?, ?), (?, 2, ?, ?, ?, ?), ",
    "(?, 2, ?, ?, ?, ?), (?, 2, ?, ?, ?, ?), (?, 2, ?, ?, ?, ?), (?, 2, ?, ?, ?, ?), (?, 2, ?, ?, ?, ?), (?, 2, ?, ?, ?, ?), ",
    "(?, 2, ?, ?, ?, ?), (?, 2, ?, ?, ?, ?), (?, 2, ?, ?, ?, ?), (?, 2, ?, ?, ?, ?), (?, 2, ?, ?, ?, ?), (?, 2, ?, ?, ?, ?), ",
    "(?, 2, ?, ?, ?, ?), (?, 2, ?, ?, ?, ?), (?, 2, ?, ?, ?, ?), (?, 2, ?, ?, ?, ?), (?, 2, ?, ?, ?, ?), (?, 2, ?, ?, ?, ?), ",
    "(?, 2, ?, ?, ?, ?), (?, 2, ?, ?, ?, ?)",
);

impl Group {
    /// Takes output into the group.
    ///
    /// # Errors
    /// Where the run is not known or has ended, or where the output does not follow what is there: bytes are taken exactly once.
    pub async fn append(&mut self, append: Append) -> Result<(), StoreError> {
        let Append { run, bytes, position, at, digest } = append;
        if !self.live.contains_key(&run) {
            let live = self.load(run).await?;
            self.live.insert(run, live);
        }
        let known = self.live.get(&run).ok_or(StoreError::NotFound(Missing::Run))?;
        if known.status.is_final() {
            return Err(Conflict::RunEnded { status: known.status }.into());
        }
        if known.position.checked_add(bytes.len() as u64) != Some(position) {
            return Err(Conflict::Position { committed: known.position }.into());
        }
        let mut start = known.bytes;
        let mut rows = Vec::new();
        for payload in chunks(bytes.clone()) {
            let seq = self.push_output(run, at, payload.clone());
            let length = payload.len() as u64;
            rows.push(OutputRow { seq, at, start, payload });
            start += length;
        }
        if let Some(live) = self.live.get_mut(&run) {
            live.events += rows.len() as u64;
            live.lines += rows.iter().map(|row| line_feeds(&row.payload)).sum::<u64>();
            live.bytes = start;
            live.position = position;
            live.digest.update(&bytes);
            let _ = digest.set(live.digest.clone());
            live.rows.append(&mut rows);
        }
        Ok(())
    }

    async fn load(&mut self, run: RunId) -> Result<Live, StoreError> {
        let row = sqlx::query("select number, status, events, bytes, lines, position from runs where id = ?1")
            .bind(rows::id(&run.0))
            .fetch_optional(&mut self.connection)
            .await?
            .ok_or(StoreError::NotFound(Missing::Run))?;
        let number = row.try_get(0)?;
        Ok(Live {
            number,
            status: rows::status(row.try_get(1)?)?,
            events: rows::unsigned(row.try_get(2)?),
            bytes: rows::unsigned(row.try_get(3)?),
            lines: rows::unsigned(row.try_get(4)?),
            position: rows::unsigned(row.try_get(5)?),
            digest: digest_so_far(&mut self.connection, number).await?,
            rows: Vec::new(),
        })
    }

    /// Writes the output that the group holds, and moves its runs on.
    pub async fn flush(&mut self) -> Result<(), StoreError> {
        for live in self.live.values_mut().filter(|live| !live.rows.is_empty()) {
            let rows = std::mem::take(&mut live.rows);
            let mut groups = rows.chunks_exact(ROWS);
            for group in &mut groups {
                let query = group.iter().fold(sqlx::query(INSERT_MANY), |query, row| bind(query, live.number, row));
                query.execute(&mut self.connection).await?;
            }
            for row in groups.remainder() {
                bind(sqlx::query(INSERT_ONE), live.number, row).execute(&mut self.connection).await?;
            }
            sqlx::query("update runs set events = ?2, bytes = ?3, lines = ?4, position = ?5, hashed = ?6 where number = ?1")
                .bind(live.number)
                .bind(live.events.cast_signed())
                .bind(live.bytes.cast_signed())
                .bind(live.lines.cast_signed())
                .bind(live.position.cast_signed())
                .bind(live.digest.put_down())
                .execute(&mut self.connection)
                .await?;
        }
        Ok(())
    }
}

type Query<'q> = sqlx::query::Query<'q, sqlx::Sqlite, sqlx::sqlite::SqliteArguments>;

fn bind<'q>(query: Query<'q>, number: i64, row: &OutputRow) -> Query<'q> {
    query.bind(row.seq.cast_signed()).bind(number).bind(row.at.0).bind(row.start.cast_signed()).bind(&row.payload[..])
}

/// How many line feeds there are.
fn line_feeds(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|byte| **byte == b'\n').count() as u64
}
