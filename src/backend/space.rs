//! What is short: room for what is stored, as the disk and the configured ceiling leave it, and what else a start needs of the system. What
//! is measured and what follows from it are apart; who is refused, and who waits, is not decided here.

use super::runner::limits::size_in_words;
use std::{fs, io, path::Path};

/// Why nothing new is taken on, or not begun: there is no room, or nothing that could be written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shortage {
    /// The data folder or the database is not where it was opened any more: what is written to it is lost.
    Gone,
    /// The database is damaged.
    Damaged,
    /// The disk is full, or nearly.
    Disk,
    /// The data folder has as much in it as it may have, in bytes.
    Ceiling(u64),
    /// A run waits to be started for want of this. Others are accepted all the same, and tried.
    Start(Resource),
}

/// What the system may lack now and have later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// A process or a thread.
    Process,
    /// A file descriptor.
    Descriptor,
    /// Memory.
    Memory,
    /// A terminal.
    Terminal,
    /// Room on the disk.
    Room,
    /// A program whose file is being replaced.
    Program,
    /// Something that only another version has a word for.
    Other,
}

impl Resource {
    /// Each of them.
    pub const ALL: [Resource; 7] =
        [Resource::Process, Resource::Descriptor, Resource::Memory, Resource::Terminal, Resource::Room, Resource::Program, Resource::Other];

    /// What an error of the system says is missing now and may be there later; none where it says something else.
    #[must_use]
    pub fn of(error: &io::Error) -> Option<Resource> {
        match error.raw_os_error() {
            Some(libc::EAGAIN) => Some(Resource::Process),
            Some(libc::EMFILE | libc::ENFILE) => Some(Resource::Descriptor),
            Some(libc::ENOMEM | libc::ENOBUFS) => Some(Resource::Memory),
            Some(libc::ENOSPC | libc::EDQUOT) => Some(Resource::Room),
            Some(libc::ETXTBSY) => Some(Resource::Program),
            _ => None,
        }
    }

    /// Its word between a supervisor and its server.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Resource::Process => "process",
            Resource::Descriptor => "descriptor",
            Resource::Memory => "memory",
            Resource::Terminal => "terminal",
            Resource::Room => "room",
            Resource::Program => "program",
            Resource::Other => "other",
        }
    }

    /// The one with that word; [`Resource::Other`] where it is not known.
    #[must_use]
    pub fn from_word(word: &str) -> Self {
        Resource::ALL.into_iter().find(|resource| resource.as_str() == word).unwrap_or(Resource::Other)
    }

    /// That there is none of it, in words.
    fn in_words(self) -> &'static str {
        match self {
            Resource::Process => "the system gives it no process or thread (a limit such as TasksMax, ulimit -u or pids.max)",
            Resource::Descriptor => "too many files are open (a limit such as LimitNOFILE or ulimit -n)",
            Resource::Memory => "there is no memory for it",
            Resource::Terminal => "the system has no terminal left (kernel.pty.max)",
            Resource::Room => "the disk has no room for its files",
            Resource::Program => "the file of its program, or of Kontasks, is missing or being written, as in an upgrade",
            Resource::Other => "the system lacks something for it that the server's log names",
        }
    }
}

impl Shortage {
    /// Whether room, or what starts a program, is missing, so that the server does what it can. It is not ready otherwise.
    #[must_use]
    pub fn is_of_room(self) -> bool {
        matches!(self, Shortage::Disk | Shortage::Ceiling(_) | Shortage::Start(_))
    }

    /// Whether nothing is accepted or begun because of it.
    #[must_use]
    pub fn refuses(self) -> bool {
        !matches!(self, Shortage::Start(_))
    }

    /// Why something was refused, in words for whoever asked for it.
    #[must_use]
    pub fn refusal(self) -> String {
        match self {
            Shortage::Gone => "the data folder is not where it was, and nothing was stored: put it back, or restart the server".to_owned(),
            Shortage::Damaged => "the database is damaged: stop the server and restore a backup".to_owned(),
            Shortage::Disk => "the disk is full: nothing was stored; free some space and try again".to_owned(),
            Shortage::Ceiling(max) => {
                let limit = size_in_words(max);
                format!("the data folder has reached its limit of {limit} (max_data): delete tasks that are done with, or raise the limit")
            }
            Shortage::Start(resource) => format!("nothing can be started: {}", resource.in_words()),
        }
    }

    /// The whole state in words for whoever looks at a page.
    #[must_use]
    pub fn notice(self) -> String {
        match self {
            Shortage::Gone => "The data folder is not where it was: nothing is stored, and no run is started or accepted. Put it back and \
                it goes on; or stop the server, restore a backup and start it again."
                .to_owned(),
            Shortage::Damaged => "The database is damaged: no run is started or accepted, and what is shown may be wrong. Stop the server \
                and restore a backup (docs/operation.md)."
                .to_owned(),
            Shortage::Disk => {
                "The disk is full: output waits, and no run is started or accepted. It goes on by itself when there is room. What is cancelled \
                 now is ended now, though its page says so only then."
                    .to_owned()
            }
            Shortage::Ceiling(max) => format!(
                "The data folder has reached its limit of {}: no run is started or accepted until there is room. What runs goes on.",
                size_in_words(max)
            ),
            Shortage::Start(resource) => {
                format!("A run waits to be started: {}. It starts by itself when that is over.", resource.in_words())
            }
        }
    }
}

/// What the look at the disk brought, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Measured {
    /// What this user may still write, and how much the file system holds in all.
    pub(super) available: u64,
    pub(super) total: u64,
    /// What the data folder has in it.
    pub(super) used: u64,
}

/// The least that is left free: enough that what was accepted can be started and ended. A hundredth of a small disk.
fn reserve(total: u64) -> u64 {
    (total / 100).clamp(64 * 1024, 16 * 1024 * 1024)
}

/// What is short, after `before` was. `refused` says that the database could not be written for want of room. What is short must become
/// clearly better before it counts as over, or it would come and go.
pub(super) fn judge(before: Option<Shortage>, measured: Measured, max_data: Option<u64>, refused: bool) -> Option<Shortage> {
    let reserve = reserve(measured.total);
    let enough = if before == Some(Shortage::Disk) { reserve * 2 } else { reserve };
    if refused || measured.available < enough {
        return Some(Shortage::Disk);
    }
    let max = max_data?;
    let most = if before == Some(Shortage::Ceiling(max)) { max - max / 100 } else { max };
    (measured.used >= most).then_some(Shortage::Ceiling(max))
}

/// Looks at the file system that `data` is on, and with `size` at what the folder has in it beside the database.
pub(super) fn measure(data: &Path, size: bool) -> io::Result<Measured> {
    let system = rustix::fs::statvfs(data)?;
    let used = if size { size_of(&data.join("runs"))? } else { 0 };
    let bytes = |blocks: u64| blocks.saturating_mul(system.f_frsize);
    Ok(Measured { available: bytes(system.f_bavail), total: bytes(system.f_blocks), used })
}

/// What the files below a folder hold. Those that go meanwhile count nothing.
fn size_of(folder: &Path) -> io::Result<u64> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        entries => entries?,
    };
    let mut size = 0u64;
    for entry in entries.flatten() {
        let Ok(metadata) = entry.metadata() else { continue };
        size = size.saturating_add(if metadata.is_dir() { size_of(&entry.path())? } else { metadata.len() });
    }
    Ok(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shortage_is_over_only_when_there_is_clearly_room() {
        let disk = |available| Measured { available, total: 1 << 40, used: 10 };
        let mib = 1 << 20;
        assert_eq!(judge(None, disk(16 * mib), None, false), None);
        assert_eq!(judge(None, disk(16 * mib - 1), None, false), Some(Shortage::Disk));
        assert_eq!(judge(Some(Shortage::Disk), disk(32 * mib - 1), None, false), Some(Shortage::Disk));
        assert_eq!(judge(Some(Shortage::Disk), disk(32 * mib), None, false), None);
        assert_eq!(judge(None, disk(1 << 39), None, true), Some(Shortage::Disk), "what the database says counts");

        let ceiling = Some(Shortage::Ceiling(1000));
        let folder = |used| Measured { used, ..disk(1 << 39) };
        assert_eq!(judge(None, folder(999), Some(1000), false), None);
        assert_eq!(judge(None, folder(1000), Some(1000), false), ceiling);
        assert_eq!(judge(ceiling, folder(990), Some(1000), false), ceiling);
        assert_eq!(judge(ceiling, folder(989), Some(1000), false), None);
        assert_eq!(judge(ceiling, folder(989), Some(1000), true), Some(Shortage::Disk));
        assert!(Shortage::Ceiling(100 << 30).notice().contains("its limit of 100 GiB:"));
    }

    #[test]
    fn what_comes_back_is_told_from_what_does_not() {
        for (errno, resource) in [
            (libc::EAGAIN, Some(Resource::Process)),
            (libc::EMFILE, Some(Resource::Descriptor)),
            (libc::ENFILE, Some(Resource::Descriptor)),
            (libc::ENOMEM, Some(Resource::Memory)),
            (libc::ENOBUFS, Some(Resource::Memory)),
            (libc::ENOSPC, Some(Resource::Room)),
            (libc::EDQUOT, Some(Resource::Room)),
            (libc::ETXTBSY, Some(Resource::Program)),
            (libc::ENOENT, None),
            (libc::EACCES, None),
            (libc::EPERM, None),
            (libc::ENOEXEC, None),
            (libc::E2BIG, None),
            (libc::ENOTDIR, None),
        ] {
            assert_eq!(Resource::of(&io::Error::from_raw_os_error(errno)), resource, "errno {errno}");
        }
        assert_eq!(Resource::of(&io::Error::other("x")), None);
        assert_eq!(Resource::from_word("gizmo"), Resource::Other);
        let waits = Shortage::Start(Resource::Process);
        assert!(!waits.refuses() && waits.notice().starts_with("A run waits to be started: the system gives it no process"));
    }

    #[test]
    fn a_folder_is_measured_with_all_that_is_below_it() {
        let place = tempfile::tempdir().expect("a folder");
        let run = place.path().join("runs").join("a");
        fs::create_dir_all(&run).expect("made");
        fs::write(run.join("spool"), [0; 1000]).expect("written");
        fs::write(run.join("spec.json"), [0; 10]).expect("written");
        let measured = measure(place.path(), true).expect("measures");
        assert_eq!(measured.used, 1010);
        assert!(measured.available <= measured.total && measured.total > 0);
        assert_eq!(measure(place.path(), false).expect("measures").used, 0);
        assert!(measure(&place.path().join("nowhere"), true).is_err());
    }
}
