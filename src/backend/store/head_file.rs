//! The head file: beside the database, how far it had come when it was last committed to, and by
//! which folder it was kept. It is compared at the next start: a database that is older than what
//! this machine committed, or that came from elsewhere, is told by it.
//!
//! It is written by one `pwrite` into the page cache after each commit, without a sync. So a loss
//! of power can leave it older than the database, which means nothing; it never leaves it newer,
//! for the database is synced first.

use super::error::StoreError;
use crate::backend::{
    database_files::beside,
    identity::{FileId, FolderId, FolderMark},
};
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File, Metadata, TryLockError},
    io::{self, Read},
    os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// It always has this size, so that writing it over needs no room. One block of the smallest disks:
/// it is never half written.
const SIZE: usize = 512;

/// By how much the time in it may differ from the time at which the system says that it was
/// written.
const APART: Duration = Duration::from_secs(2);

/// What stands in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Record {
    pub folder: FolderId,
    pub epoch: String,
    /// The newest committed event.
    pub seq: u64,
    /// When this was written, in milliseconds since 1970.
    pub at: u64,
    /// During which start of the machine.
    pub boot: Option<String>,
    /// Whether the database was closed in order after this, and all of it synced.
    pub closed: bool,
    /// The file itself.
    pub file: FileId,
    /// The block device that it lies on, as this start of the machine numbers them; none where there is none, as in an overlay.
    pub device: Option<u64>,
    /// The data folder that it is of.
    pub mark: FolderMark,
    /// What the mark was before it was renewed the last time: a loss of power can bring that back.
    pub before: Option<FolderMark>,
}

impl Record {
    /// Whether it is of the folder with that mark.
    pub(super) fn is_of(&self, mark: FolderMark) -> bool {
        self.mark.is(mark) || self.before.is_some_and(|before| before.is(mark))
    }
}

/// What is found at a start.
pub(super) struct Found {
    /// None where there is no file, or one that cannot be read.
    pub record: Option<Record>,
    pub file: FileId,
    pub device: Option<u64>,
    /// When it was written, as the system says.
    pub written: u64,
    pub boot: Option<String>,
    pub mark: FolderMark,
    /// Of the database.
    pub folder: FolderId,
    pub epoch: String,
    pub seq: u64,
}

/// What the database is to this folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// What was committed last.
    Same,
    /// It is of this folder, and older than what was committed; why.
    Older(&'static str),
    /// It came from elsewhere, or what was written since is gone; why.
    Copied(&'static str),
}

/// Compares.
pub(super) fn judge(found: &Found) -> Verdict {
    let Some(record) = &found.record else { return Verdict::Copied("the file beside it that belongs to it is missing or damaged") };
    // A loss of power may leave the one older than the other by what the system had not written to
    // the disk yet.
    let is_lossy = record.boot != found.boot && !record.closed;
    if record.folder != found.folder {
        return Verdict::Copied("the database and the file beside it are of different folders");
    }
    if !record.is_of(found.mark) {
        return Verdict::Copied("it lies in another folder than it was written in, or something else has written into this one");
    }
    if !record.file.is(found.file) {
        return Verdict::Copied("the file beside it was put there by something else");
    }
    // A copy of the whole disk has the same files.
    if let (Some(then), Some(now)) = (record.device, found.device)
        && (record.boot == found.boot && then != now)
    {
        return Verdict::Copied("it lies on another disk than it was written to");
    }
    if !is_lossy && record.at.abs_diff(found.written) > APART.as_millis() as u64 {
        return Verdict::Copied("the file beside it was written by something else");
    }
    if record.epoch != found.epoch {
        return Verdict::Older("the database has another epoch than it was left with");
    }
    if record.seq > found.seq {
        return Verdict::Older("events that were committed are missing from the database");
    }
    Verdict::Same
}

/// The file, held by the one server that may write it.
pub(super) struct HeadFile {
    file: File,
    is_failing: bool,
}

impl HeadFile {
    /// Where it lies: beside the database.
    pub(super) fn path(database: &Path) -> PathBuf {
        beside(database, ".head")
    }

    /// Opens it, makes it where it is missing, and takes the lock that keeps every other server off
    /// the database.
    pub(super) fn open(database: &Path) -> Result<Self, StoreError> {
        let path = Self::path(database);
        let unusable = |reason: String| StoreError::Unusable {
            path: database.to_owned(),
            reason,
            advice: "see that the folder belongs to you, or choose another with --data",
        };
        let file = File::options().create(true).truncate(false).read(true).write(true).mode(0o600).open(&path);
        let file = file.map_err(|error| match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::Full,
            _ => unusable(format!("{} cannot be written: {error}", path.display())),
        })?;
        match file.try_lock() {
            Ok(()) => Ok(HeadFile { file, is_failing: false }),
            Err(TryLockError::WouldBlock) => Err(StoreError::Unusable {
                path: database.to_owned(),
                reason: "another server uses it".to_owned(),
                advice: "stop that one first, or choose another --data folder",
            }),
            Err(TryLockError::Error(error)) => Err(unusable(format!("{} cannot be locked: {error}", path.display()))),
        }
    }

    /// What stands in it, and what the system says of it.
    pub(super) fn read(&self) -> io::Result<(Option<Record>, Metadata)> {
        let mut text = Vec::new();
        (&self.file).take(SIZE as u64 * 2).read_to_end(&mut text)?;
        Ok((serde_json::from_slice(&text).ok(), self.file.metadata()?))
    }

    /// Writes it. One that cannot be written is older than the database, which means nothing: it is
    /// said once and tried again.
    pub(super) fn write(&mut self, record: &mut Record) {
        record.at = millis(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default());
        match self.put(record) {
            Ok(()) => self.is_failing = false,
            Err(error) if !self.is_failing => {
                self.is_failing = true;
                tracing::warn!("how far the database has come cannot be written beside it: {error}");
            }
            Err(_) => {}
        }
    }

    /// Whether that stands in it.
    pub(super) fn check(&self, record: &Record) -> io::Result<()> {
        let mut text = vec![0; SIZE];
        self.file.read_exact_at(&mut text, 0)?;
        let is_there = serde_json::from_slice::<Record>(&text).is_ok_and(|there| there == *record);
        if is_there { Ok(()) } else { Err(io::ErrorKind::StorageFull.into()) }
    }

    /// Makes what was written survive a loss of power.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }

    /// The open file once more, for a thread that may wait for the disk.
    pub(super) fn handle(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    fn put(&self, record: &Record) -> io::Result<()> {
        let mut text = serde_json::to_vec(record)?;
        if text.len() >= SIZE {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        text.resize(SIZE - 1, b' ');
        text.push(b'\n');
        self.file.write_all_at(&text, 0)
    }
}

/// The block device that the file lies on. Numbers without a device behind them change with each mount.
pub(super) fn device(metadata: &Metadata) -> Option<u64> {
    (rustix::fs::major(metadata.dev()) != 0).then_some(metadata.dev())
}

/// When the file was written, in milliseconds since 1970.
pub(super) fn written(metadata: &Metadata) -> io::Result<u64> {
    Ok(millis(metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default()))
}

fn millis(since: Duration) -> u64 {
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Gives a hard-linked copy of a folder files of its own: two folders that write to one database
/// destroy it. Where the lock of [`HeadFile::open`] is held, nobody else writes to them. True where
/// there was something to do.
pub(super) fn unshare(database: &Path) -> io::Result<bool> {
    let beside = |suffix| beside(database, suffix);
    let mut has_changed = false;
    for path in [database.to_owned(), beside("-wal"), beside("-journal"), HeadFile::path(database)] {
        if fs::metadata(&path).is_ok_and(|metadata| metadata.nlink() > 1) {
            let own = path.with_added_extension("own");
            fs::copy(&path, &own)?;
            File::open(&own)?.sync_all()?;
            fs::rename(&own, &path)?;
            has_changed = true;
        }
    }
    if fs::metadata(beside("-shm")).is_ok_and(|metadata| metadata.nlink() > 1) {
        fs::remove_file(beside("-shm"))?;
    }
    Ok(has_changed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(place: &Path, name: &str) -> FolderMark {
        let path = place.join(name);
        fs::create_dir(&path).expect("made");
        // Files that are made within one tick of the clock have the same birth.
        std::thread::sleep(Duration::from_millis(20));
        FolderMark::renew(&path).expect("makes")
    }

    #[test]
    fn what_is_older_or_from_elsewhere_is_told_from_what_was_left() {
        let place = tempfile::tempdir().expect("a folder");
        let (mark, other_mark) = (folder(place.path(), "one"), folder(place.path(), "other"));
        let file = FileId::of(&fs::metadata(place.path().join("one")).expect("there"));
        let other_file = FileId::of(&fs::metadata(place.path().join("other")).expect("there"));
        let (folder, epoch) = (FolderId::draw(), "k1".to_owned());
        let boot = Some("a".to_owned());
        let record = Record {
            folder,
            epoch: epoch.clone(),
            seq: 7,
            at: 1_000_000,
            boot: boot.clone(),
            closed: false,
            file,
            device: Some(1),
            mark,
            before: None,
        };
        let found = |change: fn(&mut Record), seq: u64, written: u64| {
            let mut record = record.clone();
            change(&mut record);
            Found { record: Some(record), file, device: Some(1), written, boot: boot.clone(), mark, folder, epoch: epoch.clone(), seq }
        };
        let judged = |change: fn(&mut Record), seq, written| judge(&found(change, seq, written));
        assert_eq!(judged(|_| {}, 7, 1_000_000), Verdict::Same);
        assert_eq!(judged(|_| {}, 9, 998_001), Verdict::Same, "a loss of power may leave it older than the database");
        assert!(matches!(judged(|_| {}, 6, 1_000_000), Verdict::Older(_)));
        assert!(matches!(judged(|record| record.epoch = "k2".to_owned(), 7, 1_000_000), Verdict::Older(_)));
        assert!(matches!(judged(|record| record.folder = FolderId::draw(), 7, 1_000_000), Verdict::Copied(_)));
        assert!(matches!(judged(|_| {}, 7, 1_002_001), Verdict::Copied(_)), "written by something else");
        let lost_power: fn(&mut Record) = |record| record.boot = Some("b".to_owned());
        assert_eq!(judged(lost_power, 7, 1_030_000), Verdict::Same, "the disk had the file's time, and not yet what is in it");
        let stopped: fn(&mut Record) = |record| (record.boot, record.closed) = (Some("b".to_owned()), true);
        assert_eq!(judged(stopped, 7, 1_000_000), Verdict::Same);
        assert!(matches!(judged(stopped, 7, 1_030_000), Verdict::Copied(_)));
        let other_disk = Found { device: Some(2), ..found(|_| {}, 7, 1_000_000) };
        assert!(matches!(judge(&other_disk), Verdict::Copied(_)), "the disk was copied block by block");
        let after_a_start = Found { device: Some(2), ..found(lost_power, 7, 1_000_000) };
        assert_eq!(judge(&after_a_start), Verdict::Same, "devices are numbered anew by each start of the machine");
        let elsewhere = Found { mark: other_mark, ..found(|_| {}, 7, 1_000_000) };
        assert!(matches!(judge(&elsewhere), Verdict::Copied(_)));
        let mut renewed = Found { mark: other_mark, ..found(|_| {}, 7, 1_000_000) };
        renewed.record.as_mut().expect("there").before = Some(other_mark);
        assert_eq!(judge(&renewed), Verdict::Same, "cut off while the link was being renewed");
        let replaced = Found { file: other_file, ..found(|_| {}, 7, 1_000_000) };
        assert!(matches!(judge(&replaced), Verdict::Copied(_)));
        assert!(matches!(judge(&Found { record: None, ..found(|_| {}, 7, 1_000_000) }), Verdict::Copied(_)));
    }

    #[test]
    fn it_is_read_as_it_was_written_and_only_one_may_write_it() {
        let place = tempfile::tempdir().expect("a folder");
        let database = place.path().join("kontasks.db");
        let mut head = HeadFile::open(&database).expect("opens");
        let refused = HeadFile::open(&database).err().expect("locked").to_string();
        assert!(refused.contains("another server uses it"), "{refused}");
        let (none, metadata) = head.read().expect("reads");
        let file = FileId::of(&metadata);
        assert_eq!(none, None, "it is empty");
        let mark = FolderMark::renew(place.path()).expect("makes");
        let epoch = "k".repeat(32);
        let boot = Some("b".repeat(36));
        let mut record = Record {
            folder: FolderId::draw(),
            epoch,
            seq: u64::MAX,
            at: 0,
            boot,
            closed: false,
            file,
            device: Some(u64::MAX),
            mark,
            before: Some(mark),
        };
        head.write(&mut record);
        assert!(!head.is_failing);
        drop(head);
        let (read, metadata) = HeadFile::open(&database).expect("free").read().expect("reads");
        let written = written(&metadata).expect("a time");
        assert_eq!((read.as_ref(), FileId::of(&metadata)), (Some(&record), file));
        assert!(record.at.abs_diff(written) < 1_000);
        assert_eq!(fs::metadata(HeadFile::path(&database)).expect("there").len(), SIZE as u64);
    }
}
