//! The data folder: where everything that must outlive the server lies, and the lock that lets only one server use it.

use super::private_files::{self, Exposed};
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, DirBuilder, File, TryLockError},
    io,
    net::SocketAddr,
    os::unix::fs::{DirBuilderExt, FileExt},
    path::{Path, PathBuf},
};

/// The data folder of a running server; the lock on it lasts as long as this value.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    /// Never read: closing it gives the lock back, and so does the end of the process, whatever ends it.
    _lock: File,
}

/// What a server says of itself in its data folder, for the other commands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerNote {
    /// Its process.
    pub pid: u32,
    /// Where it listens, once it does.
    pub address: Option<SocketAddr>,
}

/// The data folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// It cannot be made, or not be written.
    #[error("the data folder {} cannot be used: {source}", path.display())]
    Unusable {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Other users have access to it, and it cannot be made private.
    #[error(transparent)]
    Exposed(#[from] Exposed),
    /// Another server uses it.
    #[error("the data folder {} is in use by another server{holder}", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
        /// Which one, as far as it is known: empty, or words to put after "server".
        holder: String,
    },
}

impl DataDir {
    /// The platform's folder for this user's data, with `kontasks` in it: `$XDG_DATA_HOME` or `~/.local/share` on Linux,
    /// `~/Library/Application Support` on macOS. None where the user has no home.
    #[must_use]
    pub fn default_path() -> Option<PathBuf> {
        dirs::data_dir().map(|folder| folder.join("kontasks"))
    }

    /// Makes the folder where it is missing, readable for its owner only, and takes the lock.
    ///
    /// # Errors
    /// [`DataDirError`], of which each says in words what to do something about.
    pub fn open(path: &Path) -> Result<Self, DataDirError> {
        let unusable = |source| DataDirError::Unusable { path: path.to_owned(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(unusable)?;
        // Runs are started with another working folder than the server's.
        let path = path.canonicalize().map_err(unusable)?;
        private_files::restrict_folder(&path)?;
        let lock = File::options().create(true).truncate(false).write(true).open(path.join("lock")).map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let holder = Self::server(&path).map(|note| note.to_words()).unwrap_or_default();
                return Err(DataDirError::InUse { path, holder });
            }
            Err(TryLockError::Error(source)) => return Err(unusable(source)),
        }
        let data = DataDir { path, _lock: lock };
        data.write_note(None).map_err(unusable)?;
        Ok(data)
    }

    /// The folder, as an absolute path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the SQLite database lies in the data folder `path`.
    #[must_use]
    pub fn database(path: &Path) -> PathBuf {
        path.join("kontasks.db")
    }

    /// Where the configuration file lies in the data folder `path`.
    #[must_use]
    pub fn config(path: &Path) -> PathBuf {
        path.join("kontasks.toml")
    }

    /// Writes down where the server listens, for `kontasks sign-in-link` and for whoever starts a second server.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn announce(&self, address: SocketAddr) -> io::Result<()> {
        self.write_note(Some(address))
    }

    /// What the server that uses the data folder `path`, or used it last, said of itself.
    #[must_use]
    pub fn server(path: &Path) -> Option<ServerNote> {
        serde_json::from_slice(&fs::read(path.join("server.json")).ok()?).ok()
    }

    fn write_note(&self, address: Option<SocketAddr>) -> io::Result<()> {
        let note = serde_json::to_vec(&ServerNote { pid: std::process::id(), address })?;
        let (new, there) = (self.path.join("server.json.new"), self.path.join("server.json"));
        match fs::write(&new, &note).and_then(|()| fs::rename(&new, &there)) {
            Err(error) if is_full(&error) => {
                // The room that the last server's note has is not given up. Without any, none is better than that of another server.
                let _ = fs::remove_file(&new);
                overwrite(&there, &note).or_else(|_| fs::remove_file(&there)).or_else(|error| match error.kind() {
                    io::ErrorKind::NotFound => Ok(()),
                    _ => Err(error),
                })
            }
            written => written,
        }
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Puts other bytes into a file that is there, without freeing its room first.
fn overwrite(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let file = File::options().write(true).open(file)?;
    file.write_all_at(bytes, 0)?;
    file.set_len(bytes.len() as u64)
}

impl ServerNote {
    fn to_words(&self) -> String {
        match self.address {
            Some(address) => format!(" (process {}, http://{address})", self.pid),
            None => format!(" (process {})", self.pid),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_second_server_is_refused_and_the_first_one_named() {
        let place = tempfile::tempdir().expect("a folder");
        let path = place.path().join("deep/data");
        let first = DataDir::open(&path).expect("free");
        first.announce("127.0.0.1:4711".parse().expect("an address")).expect("written");
        assert_eq!(fs::metadata(&path).expect("made").permissions().mode() & 0o777, 0o700);

        let words = DataDir::open(&path).expect_err("in use").to_string();
        assert!(words.contains("http://127.0.0.1:4711") && words.contains(&std::process::id().to_string()), "{words}");

        drop(first);
        DataDir::open(&path).expect("free again");
    }

    #[test]
    fn a_file_in_the_way_is_said() {
        let place = tempfile::tempdir().expect("a folder");
        let path = place.path().join("data");
        fs::write(&path, "").expect("written");
        let words = DataDir::open(&path).expect_err("no folder").to_string();
        assert!(words.starts_with("the data folder ") && words.contains("cannot be used"), "{words}");
    }
}
