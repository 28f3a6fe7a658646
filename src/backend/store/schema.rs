//! Opening the database: its settings, its migrations, and words for everything that stands against it. The SQL is embedded, so that
//! the binary starts from any folder.

use super::error::{StoreError, code, sqlite_code};
use crate::{backend::identity::FolderId, domain::cursor::Epoch};
use sqlx::{
    ConnectOptions, SqlSafeStr, SqliteConnection,
    migrate::{MigrateError, Migration, MigrationType, Migrator},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous},
};
use std::{path::Path, time::Duration};

/// "KTSK", the file's mark.
const APPLICATION_ID: i64 = 1_263_817_547;

/// How many reads are under way at once.
const READERS: u32 = 4;

fn migrations() -> Migrator {
    let simple = |version, name: &'static str, sql: &'static str| {
        Migration::new(version, name.into(), MigrationType::Simple, sql.into_sql_str(), false)
    };
    Migrator::with_migrations(vec![
        simple(1, "foundation", include_str!("../../../migrations/0001_foundation.sql")),
        simple(2, "settings", include_str!("../../../migrations/0002_settings.sql")),
        simple(3, "digests", include_str!("../../../migrations/0003_digests.sql")),
        simple(4, "stopping", include_str!("../../../migrations/0004_stopping.sql")),
        simple(5, "rich_text", include_str!("../../../migrations/0005_rich_text.sql")),
        simple(6, "identity", include_str!("../../../migrations/0006_identity.sql")),
        simple(8, "program_digest", include_str!("../../../migrations/0008_program_digest.sql")),
        simple(9, "sizes", include_str!("../../../migrations/0009_sizes.sql")),
    ])
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new().filename(path).busy_timeout(Duration::from_secs(5)).foreign_keys(true).disable_statement_logging()
}

/// Opens the one connection that writes, makes the database where there is none, and brings it up to date.
///
/// # Errors
/// [`StoreError::Unusable`], in words, where it cannot be used.
pub(super) async fn open_writer(path: &Path) -> Result<SqliteConnection, StoreError> {
    let options = options(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        // FULL, so that a commit survives a loss of power: the log is synced before anything is said to be committed.
        .synchronous(SqliteSynchronous::Full)
        .pragma("wal_autocheckpoint", "4000")
        .pragma("journal_size_limit", "67108864");
    let mut connection = options.connect().await.map_err(|error| in_words(path, error))?;
    mark(path, &mut connection).await?;
    migrations().run(&mut connection).await.map_err(|error| match error {
        MigrateError::VersionMissing(_) | MigrateError::VersionMismatch(_) | MigrateError::VersionTooNew(..) => {
            unusable(path, "it was made by another, newer version of Kontasks", "start that version, or choose another --data folder")
        }
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => in_words(path, error),
        other => unusable(path, other.to_string(), "restore it from a backup, or choose another --data folder"),
    })?;
    Ok(connection)
}

/// Marks a new database as ours before anything else is put into it: however soon the making of it is cut off, the next start takes
/// it up. One that some other program made is left as it is.
async fn mark(path: &Path, connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let (mark,): (i64,) =
        sqlx::query_as("pragma application_id").fetch_one(&mut *connection).await.map_err(|error| in_words(path, error))?;
    if mark == APPLICATION_ID {
        return Ok(());
    }
    // Earlier versions had their migrations' table made, empty, before the mark.
    let sql = "select count(*) from sqlite_schema where tbl_name <> '_sqlx_migrations'";
    let (others,): (i64,) = sqlx::query_as(sql).fetch_one(&mut *connection).await.map_err(|error| in_words(path, error))?;
    if mark != 0 || others > 0 || has_migrations(connection).await.map_err(|error| in_words(path, error))? {
        return Err(unusable(path, "it belongs to another program", "choose another --data folder"));
    }
    let sql = sqlx::AssertSqlSafe(format!("pragma application_id = {APPLICATION_ID}"));
    sqlx::raw_sql(sql).execute(connection).await.map(drop).map_err(|error| in_words(path, error))
}

/// Whether it was migrated by anybody.
async fn has_migrations(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    let (tables,): (i64,) =
        sqlx::query_as("select count(*) from sqlite_schema where name = '_sqlx_migrations'").fetch_one(&mut *connection).await?;
    if tables == 0 {
        return Ok(false);
    }
    let (rows,): (i64,) = sqlx::query_as("select count(*) from _sqlx_migrations").fetch_one(connection).await?;
    Ok(rows > 0)
}

/// Opens a connection of its own that reads. The writer must be open.
pub(super) async fn open_reader(path: &Path) -> Result<SqliteConnection, StoreError> {
    Ok(options(path).read_only(true).connect().await?)
}

/// Opens the connections that read. The writer must be open.
pub(super) async fn open_readers(path: &Path) -> Result<SqlitePool, StoreError> {
    let options = options(path).read_only(true);
    // Each has a thread and files of its own, which the system may not give later: they are made now and kept.
    let pool = SqlitePoolOptions::new().max_connections(READERS).min_connections(READERS).idle_timeout(None).max_lifetime(None);
    pool.connect_with(options).await.map_err(|error| in_words(path, error))
}

/// The log's name, drawn when the database is made, and anew where it turns out to be older than it was.
pub(super) async fn epoch(connection: &mut SqliteConnection) -> Result<Epoch, StoreError> {
    let epoch = drawn_once(connection, "epoch", draw_epoch()).await?;
    Epoch::new(&epoch).ok_or(StoreError::Broken { what: "epoch", reason: format!("{epoch:?} names no log") })
}

pub(super) fn draw_epoch() -> String {
    let random = uuid::Uuid::now_v7().simple().to_string();
    // The last digits of a version 7 UUID are random.
    random[random.len() - 12..].to_owned()
}

/// The data folder that the database is of.
pub(super) async fn folder(connection: &mut SqliteConnection) -> Result<FolderId, StoreError> {
    let id = drawn_once(connection, "folder", FolderId::draw().to_string()).await?;
    FolderId::parse(&id).ok_or(StoreError::Broken { what: "folder", reason: format!("{id:?} names none") })
}

async fn drawn_once(connection: &mut SqliteConnection, name: &str, drawn: String) -> Result<String, StoreError> {
    if let Some(value) = meta(connection, name).await? {
        return Ok(value);
    }
    // Another process may do the same: the first one stands.
    sqlx::query("insert into meta (name, value) values (?1, ?2) on conflict do nothing")
        .bind(name)
        .bind(drawn)
        .execute(&mut *connection)
        .await?;
    meta(connection, name).await?.ok_or(StoreError::Broken { what: "meta", reason: format!("it has no {name}") })
}

/// One of the values that stand on their own.
pub(super) async fn meta(connection: &mut SqliteConnection, name: &str) -> Result<Option<String>, StoreError> {
    let row: Option<(String,)> = sqlx::query_as("select value from meta where name = ?1").bind(name).fetch_optional(connection).await?;
    Ok(row.map(|(value,)| value))
}

pub(super) async fn set_meta(connection: &mut SqliteConnection, name: &str, value: &str) -> Result<(), StoreError> {
    sqlx::query("insert into meta (name, value) values (?1, ?2) on conflict (name) do update set value = excluded.value")
        .bind(name)
        .bind(value)
        .execute(connection)
        .await?;
    Ok(())
}

fn unusable(path: &Path, reason: impl Into<String>, advice: &'static str) -> StoreError {
    StoreError::Unusable { path: path.to_owned(), reason: reason.into(), advice }
}

fn in_words(path: &Path, error: sqlx::Error) -> StoreError {
    match sqlite_code(&error) {
        Some(code::CORRUPT) => {
            unusable(path, "it is damaged", "restore it from a backup (docs/operation.md), or choose another --data folder")
        }
        Some(code::NOTADB) => unusable(path, "it is no database", "move the file away, or choose another --data folder"),
        Some(code::CANTOPEN | code::READONLY) => {
            unusable(path, "it cannot be written", "see that the folder exists and belongs to you, or choose another with --data")
        }
        Some(code::FULL) => StoreError::Full,
        _ => unusable(path, error.to_string(), "see that no other program uses it, or choose another --data folder"),
    }
}
