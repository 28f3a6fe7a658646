//! Takes away what group and others may do with the data folder, its files and the database, where
//! something was created by an earlier version or changed since. What is created from now on is
//! private by the process's `umask.rs`.

use super::database_files::beside;
use std::{
    fs::{self, File, Metadata, Permissions},
    io,
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

/// The permission bits of group and others.
const OTHERS: u32 = 0o077;

/// Other users have access to something that must be private, and that cannot be changed from here.
#[derive(Debug, thiserror::Error)]
pub enum Exposed {
    /// Its permissions cannot be changed.
    #[error("other users have access to {} (mode {mode:03o}), and that cannot be changed: {source}; its owner can, by `chmod go= {}`", path.display(), path.display())]
    Fixed {
        /// The file or folder.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// What the system said.
        source: io::Error,
    },
    /// It is a symbolic link. Permissions are never changed through one, as it may lead to a file
    /// that is none of ours.
    #[error("{} is a link to {}, to which other users have access (mode {mode:03o}); change that by `chmod go= {}`", path.display(), target.display(), target.display())]
    Link {
        /// The link.
        path: PathBuf,
        /// Where it leads.
        target: PathBuf,
        /// The permission bits there.
        mode: u32,
    },
    /// It cannot be looked at.
    #[error("whether other users have access to {} cannot be told: {source}", path.display())]
    Unknown {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Makes the data folder private with the files in it and all that is below `runs`. Below other
/// folders nothing is changed: nobody else gets there once the data folder is private.
///
/// # Errors
/// [`Exposed`], where the folder itself stays open to others. About files in it there is only a
/// warning then, as nobody else reaches them.
pub fn restrict_folder(folder: &Path) -> Result<(), Exposed> {
    let had_access = restrict(folder)?;
    let mut files = 0;
    restrict_entries(folder, &mut files, &|name| name == "runs");
    if had_access {
        tracing::warn!("other users had access to the data folder {}; it is private now", folder.display());
    }
    if files > 0 {
        tracing::warn!("{files} file(s) in the data folder {} had modes for other users as well; they are private now", folder.display());
    }
    Ok(())
}

/// Makes the database private with the files that SQLite keeps beside it. Where it lies outside of
/// `data`, its folder is left as it is, with a warning if others may write there.
///
/// # Errors
/// [`Exposed`], where one of its files stays open to others.
pub fn restrict_database(file: &Path, data: &Path) -> Result<(), Exposed> {
    let mut parts: Vec<PathBuf> = ["", "-wal", "-shm", "-journal"].map(|suffix| beside(file, suffix)).into();
    // What lies beside a link's target is the database's as well, and the server's own.
    if is_link(file)
        && let Ok(target) = file.canonicalize()
    {
        parts.extend(["-wal", "-shm", "-journal"].map(|suffix| beside(&target, suffix)));
    }
    for part in parts {
        if is_link(&part) {
            refuse_open_target(&part)?;
        } else if restrict(&part)? {
            tracing::warn!("other users had access to {}; it is private now", part.display());
        }
    }
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let Ok((folder, metadata)) = folder.canonicalize().and_then(|folder| Ok((folder.clone(), folder.metadata()?))) else { return Ok(()) };
    if folder != data && metadata.mode() & 0o022 != 0 {
        let mode = metadata.mode() & 0o777;
        tracing::warn!("other users may write in {} (mode {mode:03o}), so they can replace the database there", folder.display());
    }
    Ok(())
}

/// Makes the entries of a folder private, and what is below those that `descend` names. Nobody else
/// can exchange them meanwhile: the folder is private already.
fn restrict_entries(folder: &Path, files: &mut usize, descend: &dyn Fn(&str) -> bool) {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return,
        Err(error) => return tracing::warn!("the files in {} cannot be looked through: {error}", folder.display()),
    };
    for entry in entries.flatten() {
        let path = entry.path();
        let Ok(kind) = entry.file_type() else { continue };
        let restricted = if kind.is_symlink() { refuse_open_target(&path).map(|()| false) } else { restrict(&path) };
        match restricted {
            Ok(true) => *files += 1,
            Ok(false) => {}
            Err(error) => tracing::warn!("{error}"),
        }
        if kind.is_dir() && entry.file_name().to_str().is_some_and(descend) {
            restrict_entries(&path, files, &|_| true);
        }
    }
}

/// Makes one file or folder private; true where that was needed. What is not there, or is a link,
/// is passed over.
fn restrict(path: &Path) -> Result<bool, Exposed> {
    let unknown = |source| Exposed::Unknown { path: path.to_owned(), source };
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(unknown(error)),
    };
    if found.is_symlink() || is_private(&found) {
        return Ok(false);
    }
    let fixed = |source| Exposed::Fixed { path: path.to_owned(), mode: found.mode() & 0o777, source };
    if !(found.is_file() || found.is_dir()) {
        // A socket or a pipe, which cannot be opened to be changed. They are below the data folder
        // only, where nobody else can exchange them.
        fs::set_permissions(path, Permissions::from_mode(found.mode() & 0o7777 & !OTHERS)).map_err(fixed)?;
        return Ok(true);
    }
    // By the open file, and never through a link that has taken its place since.
    let file = match File::options().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path) {
        // A server that runs has removed it meanwhile.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        file => file.map_err(fixed)?,
    };
    let opened = file.metadata().map_err(fixed)?;
    if opened.is_file() && opened.nlink() > 1 {
        return Err(fixed(io::Error::other("it has another name (a hard link), which may be none of ours")));
    }
    file.set_permissions(Permissions::from_mode(opened.mode() & 0o7777 & !OTHERS)).map_err(fixed)?;
    if !is_private(&file.metadata().map_err(fixed)?) {
        return Err(fixed(io::Error::other("its file system keeps no permissions")));
    }
    Ok(true)
}

fn is_private(metadata: &Metadata) -> bool {
    metadata.mode() & OTHERS == 0
}

fn is_link(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink())
}

/// What a link leads to is not touched. A link to nothing, or to a folder that keeps others out,
/// exposes nothing.
fn refuse_open_target(path: &Path) -> Result<(), Exposed> {
    let Ok(target) = path.canonicalize() else { return Ok(()) };
    match target.metadata() {
        Ok(metadata) if !is_private(&metadata) => Err(Exposed::Link { path: path.to_owned(), target, mode: metadata.mode() & 0o777 }),
        _ => Ok(()),
    }
}
