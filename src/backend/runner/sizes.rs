//! The sizes of a run's terminal on their way from the supervisor to the log: a file in the run's folder, a line of JSON for each,
//! with its place among the bytes of the spool. A size is written before the terminal gets it, so before any byte that comes after
//! it is in the spool: whoever has read those bytes finds the size.

use super::folder::RunFolder;
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
};

/// The size that a terminal begins with: what most tools take for granted, with lines as long as a console on a wide screen shows.
pub(super) const FIRST: (u16, u16) = (120, 32);

/// From byte `at` of the spool on the terminal has this size, in cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SizeAt {
    pub at: u64,
    pub columns: u16,
    pub rows: u16,
}

/// What the supervisor knows of its terminal's size, in columns and rows.
#[derive(Debug)]
pub(super) struct TerminalSizes {
    current: (u16, u16),
    /// What somebody has asked for.
    wanted: (u16, u16),
    /// A part of a line is in the file, which a full disk has cut off.
    torn: bool,
}

impl Default for TerminalSizes {
    fn default() -> Self {
        TerminalSizes { current: FIRST, wanted: FIRST, torn: false }
    }
}

impl TerminalSizes {
    /// The terminal is to have that size, where one is given.
    pub(super) fn request(&mut self, size: Option<(u16, u16)>) {
        self.wanted = size.unwrap_or(self.wanted);
    }

    /// Writes down the size that was asked for, where it is another one, and gives it: the terminal is
    /// to get it now. Where the folder is gone nobody reads it.
    ///
    /// # Errors
    /// It cannot be written, as on a full disk; to be tried again.
    pub(super) fn apply(&mut self, folder: &RunFolder, at: u64) -> io::Result<Option<(u16, u16)>> {
        if self.current == self.wanted {
            return Ok(None);
        }
        let (columns, rows) = self.wanted;
        match self.append(folder, SizeAt { at, columns, rows }) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        self.current = self.wanted;
        Ok(Some(self.current))
    }

    fn append(&mut self, folder: &RunFolder, size: SizeAt) -> io::Result<()> {
        let mut line = serde_json::to_vec(&size)?;
        line.push(b'\n');
        if self.torn {
            line.insert(0, b'\n');
        }
        let mut file = File::options().create(true).append(true).mode(0o600).open(folder.sizes())?;
        let written = file.write_all(&line);
        self.torn = written.is_err();
        written
    }
}

/// All sizes so far, in order. A line that is cut off is none.
pub(super) fn read(folder: &RunFolder) -> io::Result<Vec<SizeAt>> {
    match fs::read(folder.sizes()) {
        Ok(bytes) => {
            let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
            Ok(bytes[..whole].split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_full_disk_has_cut_off_hides_nothing() {
        let place = tempfile::tempdir().expect("a folder");
        let folder = RunFolder::at(place.path());
        assert_eq!(read(&folder).expect("nothing"), []);
        let size = |at| SizeAt { at, columns: 80, rows: 24 };
        let mut writer = TerminalSizes::default();
        writer.append(&folder, size(1)).expect("written");
        let whole = fs::read(folder.sizes()).expect("there");
        fs::write(folder.sizes(), [&whole[..], b"{\"at\":2,\"col"].concat()).expect("written");
        assert_eq!(read(&folder).expect("read"), [size(1)]);
        writer.torn = true;
        writer.append(&folder, size(2)).expect("written");
        writer.append(&folder, size(3)).expect("written");
        assert_eq!(read(&folder).expect("read"), [size(1), size(2), size(3)]);
    }
}
