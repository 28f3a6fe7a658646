//! Starts a supervisor. It is this program's own binary, so that server and supervisor always speak the same language.

use super::{folder::RunFolder, process_tree::MARK, start_error::StartError};
use crate::backend::{environment, identity::FolderId, open_files, space::Resource, umask};
use std::{
    fs::{self, File},
    io,
    os::unix::{
        ffi::{OsStrExt, OsStringExt},
        process::ExitStatusExt,
    },
    path::{Path, PathBuf},
    process::Stdio,
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
};

/// Where this program's file is, or will be again: the system names a file that was replaced since the program was started "… (deleted)".
///
/// # Errors
/// The system does not tell.
pub fn own_file() -> io::Result<PathBuf> {
    let file = std::env::current_exe()?;
    Ok(match file.as_os_str().as_bytes().strip_suffix(b" (deleted)") {
        Some(name) if !file.exists() => PathBuf::from(std::ffi::OsString::from_vec(name.to_vec())),
        _ => file,
    })
}

/// Starts a supervisor for the run in `folder` and waits until it listens, or has found that the run is held or was begun already.
/// It may be given up on at any moment: the supervisor goes on.
///
/// # Errors
/// No supervisor could be started, or it has started nothing.
pub(super) async fn supervisor(exe: &Path, folder: &RunFolder) -> Result<(), StartError> {
    let log = File::options().create(true).append(true).open(folder.log());
    let log = log.map_err(|error| StartError::new(&error, "its supervisor's log cannot be opened"))?;
    let mut command = Command::new(exe);
    for secret in environment::SECRETS {
        command.env_remove(secret);
    }
    let mut child = command
        .arg("supervise")
        .arg(folder.path())
        // A server that is itself of a run must not make this one's supervisor be taken for a part of that.
        .env_remove(MARK)
        .env_remove(FolderId::VARIABLE)
        .envs(open_files::found().map(|found| (open_files::FOUND, found)))
        .envs(umask::initial_in_octal().map(|mask| (umask::INITIAL, mask)))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        // Whatever is wrong with this program's own file is not the run's fault, and an upgrade rights it.
        .map_err(|error| StartError::Retryable {
            missing: Resource::of(&error).unwrap_or(Resource::Program),
            reason: format!("its supervisor, {}, cannot run: {error}", exe.display()),
        })?;
    let answer = child.stdout.take();
    // It is waited for to its end, which may be much later, so that no dead process stays behind.
    let end = tokio::spawn(async move { child.wait().await });
    let mut line = String::new();
    if let Some(answer) = answer {
        let read = BufReader::new(answer).read_line(&mut line).await;
        read.map_err(|error| StartError::new(&error, "its supervisor's answer cannot be read"))?;
    }
    if matches!(line.as_str(), "ready\n" | "held\n" | "begun\n") {
        return Ok(());
    }
    if let Some(error) = StartError::from_line(&line) {
        return Err(error);
    }
    if line.ends_with('\n') {
        return Err(StartError::Permanent(format!("its supervisor says {:?}, which only another version understands", line.trim_end())));
    }
    // It ended without a word, or is of an earlier version, whose words are in its log.
    let end = end.await.unwrap_or_else(|error| Err(io::Error::other(error)));
    let log = fs::read_to_string(folder.log()).unwrap_or_default();
    let last = log.lines().rfind(|line| !line.trim().is_empty()).map(str::to_owned);
    let words = |status: String| last.unwrap_or(format!("its supervisor ended without a word: {status}"));
    Err(match end {
        // As the system ends a process where memory is short.
        Ok(status) if status.signal().is_some() => {
            StartError::Retryable { missing: Resource::Other, reason: format!("its supervisor was killed: {status}") }
        }
        // It comes to an end before it has begun where it cannot write its files.
        _ if folder.is_full() => StartError::Retryable { missing: Resource::Room, reason: words("the disk is full".into()) },
        Ok(status) => StartError::Permanent(words(status.to_string())),
        Err(error) => StartError::Permanent(words(error.to_string())),
    })
}
