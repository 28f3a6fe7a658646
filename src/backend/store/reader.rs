//! A reader: a cursor over the log, woken when one of its topics moves. Replay and live are the same steps (look at the head, read what
//! comes after the cursor, wait), so nothing falls between them; and what a slow reader costs is its cursor.

use super::{
    error::{Missing, StoreError},
    frame::{Event, EventKind, Frame},
    hub::{BATCH_BYTES, BATCH_FRAMES, Found, Hub, Topic},
    rows,
};
use crate::domain::{id::RunId, timestamp::Timestamp};
use bytes::Bytes;
use futures::TryStreamExt;
use sqlx::{Row, SqlitePool, sqlite::SqliteRow};
use std::sync::Arc;
use tokio::sync::Notify;

/// What a reader wants to hear of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Topics {
    /// One run: its run, output, size and end events.
    Run(RunId),
    /// Every task and run event, and the output, size and end events of the runs that are named.
    Board {
        /// The runs named.
        runs: Vec<RunId>,
    },
}

/// Some frames, in the order of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// At least one.
    pub frames: Vec<Frame>,
}

/// Reads the log from a place on, as long as it is asked.
pub struct Reader {
    hub: Arc<Hub>,
    pool: SqlitePool,
    /// The board, where it is read, stands first.
    topics: Vec<Topic>,
    position: u64,
    bell: Arc<Notify>,
    /// How many rows of the database a batch is likely to hold.
    rows: usize,
}

impl Reader {
    pub(super) fn new(hub: Arc<Hub>, pool: SqlitePool, topics: Topics, after: u64) -> Self {
        let topics = match topics {
            Topics::Run(run) => vec![Topic::Run(run)],
            Topics::Board { mut runs } => {
                runs.sort_unstable();
                runs.dedup();
                std::iter::once(Topic::Board).chain(runs.into_iter().map(Topic::Run)).collect()
            }
        };
        let bell = Arc::new(Notify::new());
        hub.join(&topics, &bell);
        Reader { hub, pool, topics, position: after, bell, rows: 16 }
    }

    /// Everything of these topics up to here has been given.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Waits until there is something, and gives what comes next: at most 256 frames, or fewer once they have 256 KiB. It can be
    /// dropped at any time and asked again; nothing is lost by that.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where the one run that is read was deleted, and whatever the database says.
    pub async fn next(&mut self) -> Result<Batch, StoreError> {
        loop {
            match self.hub.take(&self.topics, self.position) {
                Found::Frames(frames, position) => {
                    self.position = position;
                    return Ok(Batch { frames });
                }
                // A bell that rang meanwhile is still ringing: `Notify` keeps one ring.
                Found::Nothing(position) => {
                    self.position = self.position.max(position);
                    self.bell.notified().await;
                }
                Found::Behind(head) => {
                    let (frames, position) = self.stored(head).await?;
                    self.position = position;
                    if !frames.is_empty() {
                        return Ok(Batch { frames });
                    }
                }
                Found::Gone => return Err(StoreError::NotFound(Missing::Run)),
            }
        }
    }

    /// What the database has after the cursor up to `head`, and how far that goes.
    async fn stored(&mut self, head: u64) -> Result<(Vec<Frame>, u64), StoreError> {
        let board = self.topics.contains(&Topic::Board);
        let (mut events, mut upto, mut bytes) = (Vec::new(), head, 0);
        // Each topic is read up to the place where the one before it had to stop, so that no event is passed over.
        for topic in &self.topics {
            let (more, end, size) = self.stored_of(*topic, board, upto).await?;
            bytes += size;
            upto = end;
            events.extend(more);
        }
        if !events.is_empty() {
            self.rows = (BATCH_BYTES * events.len() / bytes.max(1)).clamp(8, BATCH_FRAMES);
        }
        events.sort_unstable_by_key(|event| event.seq);
        let within = events.partition_point(|event| event.seq <= upto);
        if within > BATCH_FRAMES {
            events.truncate(BATCH_FRAMES);
            upto = events.last().map_or(upto, |event| event.seq);
        } else {
            events.truncate(within);
        }
        let frames = events.iter().map(|event| event.frame(self.hub.epoch())).collect::<Result<_, _>>()?;
        Ok((frames, upto))
    }

    /// The events of one topic after the cursor up to `upto`; how far they go, and how many bytes they have.
    async fn stored_of(&self, topic: Topic, board: bool, upto: u64) -> Result<(Vec<Event>, u64, usize), StoreError> {
        const OF_BOARD: &str = "select e.seq, e.kind, e.at, e.payload, r.id from events e indexed by events_of_board left join runs r on r.number = e.run \
             where e.kind in (0, 1) and e.seq > ?1 and e.seq <= ?2 order by e.seq limit ?3";
        const OF_RUN: &str = "select e.seq, e.kind, e.at, e.payload from events e indexed by events_of_run where e.run = (select number from runs where id = ?4) \
             and e.seq > ?1 and e.seq <= ?2 order by e.seq limit ?3";
        let limit = self.rows;
        let query = sqlx::query(if topic == Topic::Board { OF_BOARD } else { OF_RUN })
            .bind(self.position.cast_signed())
            .bind(upto.cast_signed())
            .bind(i64::try_from(limit).unwrap_or(i64::MAX));
        let query = match &topic {
            Topic::Run(run) => query.bind(rows::id(&run.0)),
            Topic::Board => query,
        };
        let mut connection = self.pool.acquire().await?;
        let mut found = query.fetch(&mut *connection);
        let (mut events, mut bytes, mut seen, mut last) = (Vec::new(), 0, 0, self.position);
        while let Some(row) = found.try_next().await? {
            let event = event(&row, topic)?;
            seen += 1;
            last = event.seq;
            bytes += event.payload.len();
            // The board's ring carries the run events of a reader of both.
            if !(board && topic != Topic::Board && event.kind == EventKind::Run) {
                events.push(event);
            }
            if bytes >= BATCH_BYTES {
                return Ok((events, last, bytes));
            }
        }
        Ok((events, if seen == limit { last } else { upto }, bytes))
    }
}

fn event(row: &SqliteRow, topic: Topic) -> Result<Event, StoreError> {
    let kind = EventKind::from_code(row.try_get(1)?)?;
    let run = match topic {
        Topic::Run(run) => Some(run),
        Topic::Board => row.try_get::<Option<&[u8]>, _>(4)?.map(|bytes| rows::uuid(bytes).map(RunId)).transpose()?,
    };
    let payload = Bytes::from(row.try_get::<Vec<u8>, _>(3)?);
    Ok(Event { seq: rows::unsigned(row.try_get(0)?), kind, run, at: Timestamp(row.try_get(2)?), payload })
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.hub.leave(&self.topics, &self.bell);
    }
}
