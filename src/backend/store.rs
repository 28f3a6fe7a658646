//! The store: tasks, runs and the append-only log in one SQLite database, with one writer and any number of readers.
//!
//! What is committed survives the end of the process and a loss of power; what is not is seen by nobody. Beside the log it keeps the
//! present state of tasks and runs, always as of the same transaction. It knows nothing of processes, pages or HTTP.

mod answers;
mod append;
mod chunks;
mod claim;
mod digests;
mod error;
mod frame;
mod head_file;
mod held;
mod hub;
mod integrity;
mod queue;
mod reader;
mod recover;
mod rich_texts;
mod rows;
mod run_integrity;
mod runs;
mod schema;
mod sign_in;
mod sizes;
mod snapshots;
mod tasks;
mod tokens;
mod writer;

pub use answers::Answered;
pub use chunks::MAX_CHUNK;
pub use error::{Conflict, Missing, StoreError};
pub use frame::{EventKind, Frame};
pub use queue::{QueuedRun, RunNumber};
pub use reader::{Batch, Reader, Topics};
pub use recover::FoundRun;
pub use runs::{NewRun, RunEnd, Submitted};
pub use sign_in::{LinkUse, Session, SessionId};
pub use tasks::Created;
pub use tokens::{Token, TokenId};

use super::{
    clock::Clock,
    identity::{FolderId, Presence},
    rich_text::Sanitizers,
};
use crate::domain::cursor::{Cursor, Epoch};
use claim::Head;
use hub::Hub;
use sqlx::{Row, SqliteConnection, SqlitePool};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};
use writer::Writer;

/// The store; a cheap clone of one.
#[derive(Clone)]
pub struct Store(Arc<Shared>);

struct Shared {
    clock: Clock,
    folder: FolderId,
    path: PathBuf,
    presence: Presence,
    hub: Arc<Hub>,
    writer: Writer,
    readers: SqlitePool,
    sanitizers: Sanitizers,
}

impl Store {
    /// Opens the database beside the server that uses it, makes it where there is none and brings it up to date.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] says in words what stands against it: a file that is no database, a newer version's, a folder that
    /// cannot be written.
    pub async fn open(path: &Path, clock: Clock) -> Result<Store, StoreError> {
        Self::start(schema::open_writer(path).await?, path, clock, None).await
    }

    /// Opens it as the one server of the data folder `data`. What turns out to be older than what was committed here, or to come from
    /// elsewhere, gets an epoch of its own, and its queued runs are held.
    ///
    /// # Errors
    /// As for [`Store::open`]; and where another server uses the database.
    pub async fn open_in(data: &Path, path: &Path, clock: Clock) -> Result<Store, StoreError> {
        let head_file = claim::lock(path, data)?;
        let mut connection = schema::open_writer(path).await?;
        let head_file = claim::claim(&mut connection, data, head_file).await?;
        Self::start(connection, path, clock, Some(head_file)).await
    }

    async fn start(mut connection: SqliteConnection, path: &Path, clock: Clock, head_file: Option<Head>) -> Result<Store, StoreError> {
        let (epoch, folder) = (schema::epoch(&mut connection).await?, schema::folder(&mut connection).await?);
        let head = head(&mut connection).await?;
        let readers = schema::open_readers(path).await?;
        let hub = Arc::new(Hub::new(epoch, head));
        let presence = Presence::of_database(path);
        let writer = Writer::start(connection, head, hub.clone(), presence.clone(), head_file);
        let sanitizers = Sanitizers::default();
        Ok(Store(Arc::new(Shared { clock, folder, path: path.to_owned(), presence, hub, writer, readers, sanitizers })))
    }

    /// Waits until everything that was asked for is committed, and closes the database. Whoever still uses the store hears
    /// [`StoreError::Closed`].
    pub async fn close(&self) {
        // The readers first: the last connection that closes folds the write-ahead log into the database.
        self.0.readers.close().await;
        self.0.writer.close().await;
    }

    /// Limits how large the database may grow, in pages of 4 KiB: what does not fit is [`StoreError::Full`], as on a full disk. It holds
    /// until the store is closed.
    ///
    /// # Errors
    /// The database failed.
    pub async fn limit_pages(&self, pages: u32) -> Result<(), StoreError> {
        let sql = sqlx::AssertSqlSafe(format!("pragma max_page_count = {pages}"));
        self.0
            .writer
            .write(move |group| Box::pin(async move { Ok(sqlx::raw_sql(sql).execute(&mut group.connection).await.map(drop)?) }))
            .await
    }

    /// Whether the last that was to be committed found no room. It says so until something is committed.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.0.hub.is_full()
    }

    /// Commits something that means nothing, to see whether there is room.
    ///
    /// # Errors
    /// [`StoreError::Full`] where there is none.
    pub async fn try_room(&self) -> Result<(), StoreError> {
        const SQL: &str = "insert into meta (name, value) values ('room', '0') on conflict (name) do update set value = 1 - value";
        self.0.writer.write(|group| Box::pin(async move { Ok(sqlx::query(SQL).execute(&mut group.connection).await.map(drop)?) })).await
    }

    /// How many bytes the database has in use. What was deleted counts no more, though its file keeps the room for what comes.
    ///
    /// # Errors
    /// The database failed.
    pub async fn size(&self) -> Result<u64, StoreError> {
        let sql = "select (page_count - freelist_count) * page_size from pragma_page_count, pragma_freelist_count, pragma_page_size";
        Ok(rows::unsigned(sqlx::query(sql).fetch_one(&self.0.readers).await?.try_get(0)?))
    }

    /// The data folder that the database is of.
    #[must_use]
    pub fn folder(&self) -> FolderId {
        self.0.folder
    }

    /// Whether the database is still where it was opened. Where it is not, nothing is committed.
    #[must_use]
    pub fn is_in_place(&self) -> bool {
        self.0.presence.holds()
    }

    /// The log's name.
    #[must_use]
    pub fn epoch(&self) -> &Epoch {
        self.0.hub.epoch()
    }

    /// The newest committed event; 0 before the first.
    #[must_use]
    pub fn head(&self) -> u64 {
        self.0.hub.head()
    }

    /// The end of the log.
    #[must_use]
    pub fn cursor(&self) -> Cursor {
        Cursor { epoch: self.epoch().clone(), seq: self.head() }
    }

    /// Reads the log from behind `after` on.
    #[must_use]
    pub fn reader(&self, topics: Topics, after: u64) -> Reader {
        Reader::new(self.0.hub.clone(), self.0.readers.clone(), topics, after)
    }
}

/// The newest event that was ever committed, as the connection's transaction sees it; 0 before the first.
async fn head(connection: &mut SqliteConnection) -> Result<u64, StoreError> {
    let row = sqlx::query("select seq from sqlite_sequence where name = 'events'").fetch_optional(connection).await?;
    row.map_or(Ok(0), |row| Ok(rows::unsigned(row.try_get(0)?)))
}
