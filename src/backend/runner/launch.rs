//! Starts a supervisor. It is this program's own binary, so that server and supervisor always speak the same language.

use super::{folder::RunFolder, process_tree::MARK};
use crate::backend::{environment, identity::FolderId, open_files, umask};
use std::{
    fs::{self, File},
    io,
    path::Path,
    process::Stdio,
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
};

/// Starts a supervisor for the run in `folder` and waits until it listens, or has found that the run is held or was begun already.
/// It may be given up on at any moment: the supervisor goes on.
///
/// # Errors
/// No supervisor could be started; the words are for people.
pub(super) async fn supervisor(exe: &Path, folder: &RunFolder) -> Result<(), String> {
    let failed = |error: io::Error| format!("could not be started: its supervisor cannot run: {error}");
    let log = File::options().create(true).append(true).open(folder.log()).map_err(failed)?;
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
        .map_err(failed)?;
    let answer = child.stdout.take();
    // It is waited for to its end, which may be much later, so that no dead process stays behind.
    let end = tokio::spawn(async move { child.wait().await });
    let mut line = String::new();
    if let Some(answer) = answer {
        BufReader::new(answer).read_line(&mut line).await.map_err(failed)?;
    }
    if line.ends_with('\n') {
        return Ok(());
    }
    let status = match end.await {
        Ok(Ok(status)) => status.to_string(),
        _ => "unknown".to_owned(),
    };
    let log = fs::read_to_string(folder.log()).unwrap_or_default();
    let last = log.lines().rfind(|line| !line.trim().is_empty()).map_or(status, str::to_owned);
    Err(format!("could not be started: {last}"))
}
