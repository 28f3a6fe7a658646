//! Taking a database over at a server's start: is it what this folder's server committed last? What
//! is older, and what came from elsewhere, gets an epoch of its own, so that no cursor of before is
//! believed, and nothing of it is executed by itself.

use super::{
    error::StoreError,
    head_file::{Found, HeadFile, Record, Verdict, device, judge, written},
    schema,
};
use crate::backend::identity::{FileId, FolderId, FolderMark};
use sqlx::{Connection, SqliteConnection};
use std::{
    fs::{self, File},
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use tokio::task::spawn_blocking;

/// Says in the database that its head file was written: from then on it is missed.
const KEPT: &str = "kept";

/// When the newest event of what was copied or restored was committed, in milliseconds since 1970.
pub(super) const COPIED_AT: &str = "copied_at";

/// How often the folder's mark is renewed while there is something to commit.
const RENEWAL: Duration = Duration::from_secs(10);

/// The head file of a database that is this server's, and what stands in it.
pub(super) struct Head {
    file: HeadFile,
    record: Record,
    data: PathBuf,
    renewed: Instant,
}

impl Head {
    /// What was committed goes up to `seq`.
    pub(super) async fn advance(&mut self, seq: u64) {
        if self.record.seq == seq {
            return;
        }
        self.record.seq = seq;
        self.file.write(&mut self.record);
        if self.renewed.elapsed() >= RENEWAL
            && let Err(error) = self.renew().await
        {
            tracing::warn!("what tells this data folder from a backup of it cannot be renewed: {error}");
        }
    }

    /// Gives the folder another mark, so that a backup of before is known whichever of its files are laid over the folder's. What stands in
    /// the file is on the disk before the mark changes, and names both: after a loss of power either may be found.
    async fn renew(&mut self) -> io::Result<()> {
        self.renewed = Instant::now();
        let before = FolderMark::read(&self.data)?;
        (self.record.mark, self.record.before) = (FolderMark::renew(&self.data)?, Some(before));
        self.file.write(&mut self.record);
        let (file, data) = (self.file.handle()?, self.data.clone());
        spawn_blocking(move || file.sync_all().and_then(|()| FolderMark::put(&data))).await?
    }

    /// The database was closed in order.
    pub(super) fn close(mut self) {
        self.record.closed = true;
        self.file.write(&mut self.record);
        if let Err(error) = self.file.sync() {
            tracing::warn!("that the database was closed in order cannot be written beside it: {error}");
        }
    }
}

/// To be called before the database is opened. Nobody else writes to it from then on; where its
/// files are hard links to another folder's, they become this folder's own.
pub(super) fn lock(database: &Path, data: &Path) -> Result<HeadFile, StoreError> {
    let head = HeadFile::open(database)?;
    let is_linked = fs::metadata(database).is_ok_and(|metadata| metadata.nlink() > 1);
    let is_own = || {
        let (record, ..) = head.read()?;
        let mark = FolderMark::read(data)?;
        Ok::<_, io::Error>(record.is_some_and(|record| record.is_of(mark)))
    };
    if is_linked && !is_own().map_err(failed)? && super::head_file::unshare(database).map_err(failed)? {
        tracing::info!("the database was shared with another folder by hard links: it has files of its own now");
        // The one that is locked until here is the other folder's.
        return HeadFile::open(database);
    }
    Ok(head)
}

/// Compares the database with its head file, and takes it over.
pub(super) async fn claim(connection: &mut SqliteConnection, data: &Path, file: HeadFile) -> Result<Head, StoreError> {
    let (record, metadata) = file.read().map_err(failed)?;
    let (id, device, written) = (FileId::of(&metadata), device(&metadata), written(&metadata).map_err(failed)?);
    let mark = FolderMark::read(data).map_err(failed)?;
    let folder = schema::folder(connection).await?;
    let epoch = schema::epoch(connection).await?.as_str().to_owned();
    let seq = super::head(connection).await?;
    let is_kept = schema::meta(connection, KEPT).await?.is_some();
    let boot = boot();
    let found = Found { record, file: id, device, written, boot, mark, folder, epoch, seq };
    // Until the file was written for the first time, as after an upgrade, nothing can be said.
    let is_first = !is_kept && found.record.is_none();
    let verdict = if is_first { Verdict::Same } else { judge(&found) };
    match verdict {
        Verdict::Same => {}
        Verdict::Older(why) => set_aside(connection, why, None).await?,
        Verdict::Copied(why) => set_aside(connection, why, Some(FolderId::draw())).await?,
    }
    let (folder, epoch) = (schema::folder(connection).await?, schema::epoch(connection).await?.as_str().to_owned());
    let record = Record { folder, epoch, seq, at: 0, boot: found.boot, closed: false, file: id, device, mark, before: None };
    let mut head = Head { file, record, data: data.to_owned(), renewed: Instant::now() };
    match head.renew().await {
        // A folder without a link is never taken for one that had one.
        Ok(()) => head.record.before = head.record.before.filter(|before| before.is_set()),
        Err(error) if verdict == Verdict::Same && is_kept => {
            tracing::warn!("what tells this data folder from a backup of it cannot be renewed: {error}");
        }
        Err(error) => return Err(failed(error)),
    }
    head.file.write(&mut head.record);
    if verdict != Verdict::Same || !is_kept {
        // What is not written now would be taken for a copy the next time.
        head.file.check(&head.record).map_err(failed)?;
        head.file.sync().and_then(|()| File::open(data)?.sync_all()).map_err(failed)?;
        schema::set_meta(connection, KEPT, "1").await?;
    }
    Ok(head)
}

/// Gives the database an epoch of its own and holds what waits. Where it came from elsewhere, it
/// becomes a folder of its own as well, and what runs according to it is somebody else's.
async fn set_aside(connection: &mut SqliteConnection, why: &str, folder: Option<FolderId>) -> Result<(), StoreError> {
    let mut transaction = connection.begin().await?;
    let last: Option<(i64,)> = sqlx::query_as("select at from events order by seq desc limit 1").fetch_optional(&mut *transaction).await?;
    let last = last.map_or(0, |(at,)| at);
    schema::set_meta(&mut transaction, "epoch", &schema::draw_epoch()).await?;
    schema::set_meta(&mut transaction, COPIED_AT, &last.to_string()).await?;
    if let Some(folder) = folder {
        schema::set_meta(&mut transaction, "folder", &folder.to_string()).await?;
        let running = "update runs set held = 1 where status in ('queued', 'running') and status = 'running'";
        sqlx::query(running).execute(&mut *transaction).await?;
    }
    let queued = "update runs set held = 1 where status in ('queued', 'running') and status = 'queued'";
    let held = sqlx::query(queued).execute(&mut *transaction).await?.rows_affected();
    transaction.commit().await?;
    let last = crate::domain::timestamp::Timestamp(last);
    tracing::warn!(
        "the database is a copy, comes from a backup, or is older than what was committed ({why}); its last event is of {last}. It has an \
         epoch of its own now, browsers have to sign in again, and {held} queued run(s) wait for a person's word"
    );
    Ok(())
}

fn boot() -> Option<String> {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").ok().map(|id| id.trim().to_owned())
}

fn failed(error: io::Error) -> StoreError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::Full,
        _ => StoreError::Broken { what: "data folder", reason: error.to_string() },
    }
}
