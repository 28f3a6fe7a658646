//! Who else reads what is printed. A secret is for the person at the terminal; where standard output is kept for others to
//! read, it is not printed.

use super::command_line::standard_streams::{error_destination, output_destination};
use rustix::fs::{FileType, Stat, fstat, stat};
use std::{ffi::OsStr, io::IsTerminal};

/// Why what is printed is not for one person alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shared {
    /// systemd's journal has it (systemd.exec(5), `JOURNAL_STREAM`).
    Journal,
    /// It is the output of the first process, which is what a container's log is made of.
    Container,
    /// It is a file that other users can read.
    File,
}

/// Whether others read standard output. A pipe is a person's, as in `make run | tee`.
#[must_use]
pub fn of_stdout() -> Option<Shared> {
    let outputs = [fstat(output_destination()).ok(), fstat(error_destination()).ok()];
    let is_service = std::env::var_os("INVOCATION_ID").is_some();
    let journal = std::env::var_os("JOURNAL_STREAM").filter(|_| is_service);
    if outputs.iter().flatten().any(|output| journal.as_deref().is_some_and(|journal| is_stream(journal, output))) {
        return Some(Shared::Journal);
    }
    let stdout = outputs[0].as_ref()?;
    if output_destination().is_terminal() || FileType::from_raw_mode(stdout.st_mode) == FileType::CharacterDevice {
        return None;
    }
    // The first process itself has its relay there.
    if std::process::id() == 1 || stat("/proc/1/fd/1").is_ok_and(|first| is_same(&first, stdout)) {
        return Some(Shared::Container);
    }
    let is_open = FileType::from_raw_mode(stdout.st_mode) == FileType::RegularFile && stdout.st_mode & 0o044 != 0;
    is_open.then_some(Shared::File)
}

/// Whether `JOURNAL_STREAM` names that file: its device and inode, in decimals.
fn is_stream(journal: &OsStr, file: &Stat) -> bool {
    let numbers = journal.to_str().and_then(|text| text.split_once(':'));
    let numbers = numbers.and_then(|(device, inode)| Some((device.parse::<u64>().ok()?, inode.parse::<u64>().ok()?)));
    numbers == Some((file.st_dev, file.st_ino))
}

fn is_same(one: &Stat, other: &Stat) -> bool {
    (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)
}
