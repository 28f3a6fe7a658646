//! The files that lie beside a database, named after it.

use std::path::{Path, PathBuf};

/// The database's own name with something at its end, such as `-wal`, `-shm`, `-journal` (SQLite's own) or `.head`.
#[must_use]
pub fn beside(database: &Path, suffix: &str) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
