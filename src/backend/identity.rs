//! Which data folder this is: an id of its own, and how one tells that a folder's files were put
//! there by something else than the server that kept them. A copy of a folder is another folder; so
//! is one that a backup was laid over.

use super::database_files::beside;
use serde::{Deserialize, Serialize};
use std::{
    fmt::{self, Display},
    fs::{self, Metadata},
    io,
    os::unix::fs::{MetadataExt, symlink},
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};
use uuid::Uuid;

/// Names one data folder for good. It is drawn anew for each copy and each restored backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FolderId(Uuid);

impl FolderId {
    /// The member of a program's environment that carries it.
    pub const VARIABLE: &str = "KONTASKS_FOLDER";

    /// A new one.
    #[must_use]
    pub fn draw() -> Self {
        FolderId(Uuid::now_v7())
    }

    /// The one that was written down as that text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        text.parse().ok().map(FolderId)
    }
}

impl Display for FolderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One file for good. Its inode number may be used again, often at once, but no other file was made
/// at the same nanosecond, and nothing that copies or restores can set that time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(Option<u64>, u64)", into = "(Option<u64>, u64)")]
pub(super) struct FileId {
    /// In nanoseconds since 1970; none where the file system does not keep it.
    born: Option<u64>,
    inode: u64,
}

impl From<(Option<u64>, u64)> for FileId {
    fn from((born, inode): (Option<u64>, u64)) -> Self {
        FileId { born, inode }
    }
}

impl From<FileId> for (Option<u64>, u64) {
    fn from(id: FileId) -> Self {
        (id.born, id.inode)
    }
}

impl FileId {
    pub(super) fn of(metadata: &Metadata) -> Self {
        let born = metadata.created().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        FileId { born: born.and_then(|since| u64::try_from(since.as_nanos()).ok()), inode: metadata.ino() }
    }

    /// Whether both are the same file, as far as the file system tells.
    pub(super) fn is(self, other: Self) -> bool {
        match (self.born, other.born) {
            (Some(one), Some(other)) => one == other,
            _ => self.inode == other.inode,
        }
    }
}

/// The data folder itself, and a symbolic link in it. Whatever restores files *into* a folder can
/// write over a regular file, which stays the same file; a symbolic link it has to make anew. And a
/// hard-linked copy shares all files, but no folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FolderMark {
    folder: FileId,
    link: Option<FileId>,
}

/// The name of the link. What it points to means nothing; that it points to something keeps tools
/// from complaining.
const LINK: (&str, &str) = ("identity", "lock");
const NEW_LINK: &str = "identity.new";

impl FolderMark {
    /// As it is found.
    pub(super) fn read(data: &Path) -> io::Result<Self> {
        let link = match fs::symlink_metadata(data.join(LINK.0)) {
            Ok(metadata) => Some(FileId::of(&metadata)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        Ok(FolderMark { folder: FileId::of(&fs::metadata(data)?), link })
    }

    /// Makes a new link, which takes its place by [`FolderMark::put`]: in between it can be written
    /// down.
    pub(super) fn renew(data: &Path) -> io::Result<Self> {
        let new = data.join(NEW_LINK);
        match fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => symlink(LINK.1, &new)?,
        }
        let link = FileId::of(&fs::symlink_metadata(&new)?);
        Ok(FolderMark { folder: FileId::of(&fs::metadata(data)?), link: Some(link) })
    }

    /// Puts the new link into its place.
    pub(super) fn put(data: &Path) -> io::Result<()> {
        fs::rename(data.join(NEW_LINK), data.join(LINK.0))
    }

    /// Whether there is a link in it, as since the first start.
    pub(super) fn is_set(self) -> bool {
        self.link.is_some()
    }

    /// Whether both are the same folder, kept by the same server.
    pub(super) fn is(self, other: Self) -> bool {
        let links = match (self.link, other.link) {
            (Some(one), Some(other)) => one.is(other),
            (None, None) => true,
            _ => false,
        };
        links && self.folder.is(other.folder)
    }
}

/// Files or a folder that are open, and the paths that they were opened by. Renamed away or deleted,
/// they can be written to as before, which is how what was accepted gets lost.
#[derive(Clone, Debug)]
pub(super) struct Presence(Vec<Place>);

#[derive(Clone, Debug)]
struct Place {
    path: PathBuf,
    /// Device and inode while the process lives, during which neither changes; none where it could
    /// not be told.
    id: Option<(u64, u64)>,
}

impl Presence {
    pub(super) fn of(path: &Path) -> Self {
        Presence(vec![Place { path: path.to_owned(), id: Self::look(path).ok() }])
    }

    /// Of a database that is open, with its write-ahead log, which lies beside the target of a link.
    pub(super) fn of_database(path: &Path) -> Self {
        let log = beside(&path.canonicalize().unwrap_or_else(|_| path.to_owned()), "-wal");
        let id = Self::look(&log).ok();
        let mut presence = Self::of(path);
        presence.0.push(Place { path: log, id });
        presence
    }

    /// Whether the paths still lead to them. Where that cannot be told, they do.
    pub(super) fn holds(&self) -> bool {
        self.0.iter().all(|place| match (place.id, Self::look(&place.path)) {
            (None, _) => true,
            (Some(id), Ok(now)) => id == now,
            (_, Err(error)) => !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory),
        })
    }

    fn look(path: &Path) -> io::Result<(u64, u64)> {
        fs::metadata(path).map(|metadata| (metadata.dev(), metadata.ino()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_known_by_itself_and_its_link() {
        let place = tempfile::tempdir().expect("a folder");
        let data = place.path().join("data");
        fs::create_dir(&data).expect("made");
        let bare = FolderMark::read(&data).expect("reads");
        let marked = FolderMark::renew(&data).expect("makes");
        assert!(FolderMark::read(&data).expect("reads").is(bare) && !marked.is(bare));
        FolderMark::put(&data).expect("puts");
        let moved = place.path().join("moved");
        fs::rename(&data, &moved).expect("moves");
        assert!(FolderMark::read(&moved).expect("reads").is(marked), "a folder that was moved is the same");
        // The clock by which files are made ticks every few milliseconds.
        std::thread::sleep(std::time::Duration::from_millis(20));
        fs::remove_file(moved.join(LINK.0)).expect("removed");
        assert!(!FolderMark::renew(&moved).expect("makes").is(marked), "its inode number may be the same");
    }

    #[test]
    fn what_is_gone_or_replaced_is_not_there() {
        let place = tempfile::tempdir().expect("a folder");
        let (path, away) = (place.path().join("file"), place.path().join("away"));
        fs::write(&path, "").expect("written");
        let presence = Presence::of(&path);
        assert!(presence.holds());
        fs::rename(&path, &away).expect("moves");
        assert!(!presence.holds());
        fs::write(&path, "").expect("written");
        assert!(!presence.holds(), "another one in its place");
        fs::rename(&away, &path).expect("moves");
        assert!(presence.holds());
    }
}
