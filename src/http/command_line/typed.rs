//! A password as a person types it, twice and unseen, or as a program writes it, on one line. Where it is kept is not known here.

use crate::backend::auth::{PASSWORD_BYTES, Secret};
use anyhow::{Context, Result, bail};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use std::io::{self, BufRead, IsTerminal, Read, Write};
use tokio_util::task::AbortOnDropHandle;

/// Reads a new password from standard input.
///
/// # Errors
/// In words: nothing was typed, something else the second time, or it is no text.
pub fn new_password() -> Result<Secret> {
    if !io::stdin().is_terminal() {
        return line();
    }
    let first = ask("New password: ")?;
    if ask("The same again: ")? != first {
        bail!("these were two different passwords; nothing was changed");
    }
    Ok(first)
}

/// Standard output is for what was done; a question is none of it.
fn ask(question: &str) -> Result<Secret> {
    let unseen = Unseen::begin().context("the terminal cannot be kept from showing what is typed; write the password to standard input")?;
    let mut shown = io::stderr();
    let _ = write!(shown, "{question}");
    let _ = shown.flush();
    let typed = line();
    drop(unseen);
    // The line feed that ended the line was not shown either.
    let _ = writeln!(shown);
    typed
}

/// One line, read no further than a password could be long.
fn line() -> Result<Secret> {
    let mut bytes = Vec::new();
    let most = PASSWORD_BYTES as u64 + 2;
    io::stdin().lock().take(most).read_until(b'\n', &mut bytes).context("standard input cannot be read")?;
    let text = String::from_utf8(bytes).ok().context("the password is not in UTF-8; nothing was changed")?;
    let text = text.strip_suffix('\n').map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
    if text.is_empty() {
        bail!("no password was given; nothing was changed (`kontasks password --remove` takes it away)");
    }
    Ok(Secret::new(text))
}

/// While it lasts the terminal does not show what is typed; afterwards, and where the program is interrupted, it does again.
struct Unseen {
    before: Termios,
    _interruption: AbortOnDropHandle<()>,
}

impl Unseen {
    fn begin() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        tcsetattr(io::stdin(), OptionalActions::Flush, &quiet)?;
        let restored = before.clone();
        let interruption = tokio::spawn(async move {
            if tokio::signal::ctrl_c().await.is_ok() {
                let _ = tcsetattr(io::stdin(), OptionalActions::Now, &restored);
                std::process::exit(130);
            }
        });
        Ok(Unseen { before, _interruption: AbortOnDropHandle::new(interruption) })
    }
}

impl Drop for Unseen {
    fn drop(&mut self) {
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.before);
    }
}
