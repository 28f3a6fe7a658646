//! Opening the database: its settings, its migrations, and words for everything that stands against it. The SQL is embedded, so that
//! the binary starts from any folder.

use super::error::{StoreError, code, sqlite_code};
use crate::domain::cursor::Epoch;
use sqlx::{
    ConnectOptions, Connection, SqlSafeStr, SqliteConnection,
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
    refuse_foreign(path, &mut connection).await?;
    migrations().run(&mut connection).await.map_err(|error| match error {
        MigrateError::VersionMissing(_) | MigrateError::VersionMismatch(_) | MigrateError::VersionTooNew(..) => {
            unusable(path, "it was made by another, newer version of Kontasks", "start that version, or choose another --data folder")
        }
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => in_words(path, error),
        other => unusable(path, other.to_string(), "restore it from a backup, or choose another --data folder"),
    })?;
    Ok(connection)
}

/// A database that some other program made is left as it is.
async fn refuse_foreign(path: &Path, connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let (mark,): (i64,) =
        sqlx::query_as("pragma application_id").fetch_one(&mut *connection).await.map_err(|error| in_words(path, error))?;
    let (tables,): (i64,) =
        sqlx::query_as("select count(*) from sqlite_schema").fetch_one(&mut *connection).await.map_err(|error| in_words(path, error))?;
    if tables > 0 && mark != APPLICATION_ID {
        return Err(unusable(path, "it belongs to another program", "choose another --data folder"));
    }
    Ok(())
}

/// Opens the connections that read. The writer must be open.
pub(super) async fn open_readers(path: &Path) -> Result<SqlitePool, StoreError> {
    let options = options(path).read_only(true);
    SqlitePoolOptions::new().max_connections(READERS).connect_with(options).await.map_err(|error| in_words(path, error))
}

/// The log's name, drawn when the database is made.
pub(super) async fn epoch(connection: &mut SqliteConnection) -> Result<Epoch, StoreError> {
    let random = uuid::Uuid::now_v7().simple().to_string();
    // The last digits of a version 7 UUID are random.
    let drawn = &random[random.len() - 12..];
    let mut transaction = connection.begin().await?;
    sqlx::query("insert into meta (name, value) values ('epoch', ?1) on conflict do nothing")
        .bind(drawn)
        .execute(&mut *transaction)
        .await?;
    let (epoch,): (String,) = sqlx::query_as("select value from meta where name = 'epoch'").fetch_one(&mut *transaction).await?;
    transaction.commit().await?;
    Epoch::new(&epoch).ok_or(StoreError::Broken { what: "epoch", reason: format!("{epoch:?} names no log") })
}

fn unusable(path: &Path, reason: impl Into<String>, advice: &'static str) -> StoreError {
    StoreError::Unusable { path: path.to_owned(), reason: reason.into(), advice }
}

fn in_words(path: &Path, error: sqlx::Error) -> StoreError {
    match sqlite_code(&error) {
        Some(code::NOTADB) => unusable(path, "it is no database", "move the file away, or choose another --data folder"),
        Some(code::CANTOPEN | code::READONLY) => {
            unusable(path, "it cannot be written", "see that the folder exists and belongs to you, or choose another with --data")
        }
        Some(code::FULL) => StoreError::Full,
        _ => unusable(path, error.to_string(), "see that no other program uses it, or choose another --data folder"),
    }
}
