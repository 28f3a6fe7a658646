//! What people type into a run's terminal, and how large it is: a file in the run's folder that the server writes at its end and the
//! supervisor reads from its beginning, a line of JSON for each. So nothing that was accepted is lost when either of them is replaced, and
//! nothing is typed twice.

use super::{RunnerError, Runners, folder::RunFolder};
use crate::domain::{
    id::RunId,
    limits::{self, Invalid},
    run::{Run, RunStatus},
};
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::OpenOptionsExt,
    sync::PoisonError,
};
use tokio::task::spawn_blocking;

/// How large the file may grow: all that is typed into one run.
const MOST: u64 = 4 * 1024 * 1024;

/// One thing that was done to the terminal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Typed {
    /// Somebody typed this. The same id again is the same text, and is not typed again.
    Text { id: String, text: String },
    /// The console has this size now, in cells.
    Size { columns: u16, rows: u16 },
}

/// What became of something typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Noted {
    /// It is on the disk, and the supervisor is to look.
    New,
    /// It was there already.
    Known,
    /// More than one run takes.
    TooMuch,
}

impl Runners {
    /// Types into a run's terminal. Once this is done it will arrive, whatever is restarted meanwhile; the same `id` again is not typed again.
    ///
    /// # Errors
    /// [`RunnerError::NotFound`], [`RunnerError::AlreadyEnded`], [`RunnerError::NotStarted`], [`RunnerError::NoTerminal`];
    /// [`RunnerError::Invalid`] for a text that is too long.
    pub async fn type_in(&self, run: RunId, id: String, text: String) -> Result<(), RunnerError> {
        limits::typed(&text)?;
        self.write_down(run, Typed::Text { id, text }).await
    }

    /// Tells a run's terminal how large the console is, in cells. Where there is no terminal yet, or none any more, that changes nothing.
    ///
    /// # Errors
    /// [`RunnerError::NotFound`], [`RunnerError::NoTerminal`]; [`RunnerError::Invalid`] for what is no size.
    pub async fn resize(&self, run: RunId, columns: u16, rows: u16) -> Result<(), RunnerError> {
        limits::terminal_size(columns, rows)?;
        match self.write_down(run, Typed::Size { columns, rows }).await {
            Err(RunnerError::NotStarted | RunnerError::AlreadyEnded) => Ok(()),
            told => told,
        }
    }

    async fn write_down(&self, id: RunId, typed: Typed) -> Result<(), RunnerError> {
        self.check_place()?;
        let run = self.0.store.run(id).await?.ok_or(RunnerError::NotFound)?;
        match run.status {
            RunStatus::Running => {}
            RunStatus::Queued => return Err(RunnerError::NotStarted),
            _ => return Err(RunnerError::AlreadyEnded),
        }
        if !self.takes_input(&run) {
            return Err(RunnerError::NoTerminal(run.runner));
        }
        let folder = self.folder(id);
        // What is written into a hard-linked copy of the file would be typed into somebody else's program.
        if folder.is_foreign().unwrap_or(true) {
            return Err(RunnerError::AlreadyEnded);
        }
        let noted = spawn_blocking({
            let runners = self.clone();
            move || {
                let _one = runners.0.typing.lock().unwrap_or_else(PoisonError::into_inner);
                note(&folder, &typed)
            }
        });
        match noted.await.unwrap_or_else(|error| Err(io::Error::other(error))) {
            // One that nobody follows any more has ended.
            Ok(Noted::New | Noted::Known) => {
                if let Some(requests) = self.requests(id) {
                    requests.typed();
                }
            }
            Ok(Noted::TooMuch) => {
                return Err(Invalid::new("text", "is more than one run takes in all (4 MiB)", "put it into a file").into());
            }
            // The run has ended meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(RunnerError::AlreadyEnded),
            Err(error) => return Err(RunnerError::Unwritable(error.to_string())),
        }
        Ok(())
    }

    /// Whether something can be typed into the run's program.
    #[must_use]
    pub fn takes_input(&self, run: &Run) -> bool {
        self.0.table.get(&run.runner).is_some_and(|runner| runner.terminal)
    }
}

/// Writes it at the end of the file. To be called by one thread of one server at a time.
pub(super) fn note(folder: &RunFolder, typed: &Typed) -> io::Result<Noted> {
    let path = folder.typed();
    let known = match fs::read(&path) {
        Ok(known) => known,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error),
    };
    let mut earlier = lines(&known);
    let repeats = match typed {
        Typed::Text { id, .. } => earlier.any(|earlier| matches!(earlier, Typed::Text { id: known, .. } if known == *id)),
        Typed::Size { .. } => earlier.filter(|earlier| matches!(earlier, Typed::Size { .. })).last().as_ref() == Some(typed),
    };
    if repeats {
        return Ok(Noted::Known);
    }
    let mut line = serde_json::to_vec(typed)?;
    line.push(b'\n');
    // What a full disk or a crash has left of a line must not swallow this one.
    if known.last().is_some_and(|last| *last != b'\n') {
        line.insert(0, b'\n');
    }
    if (known.len() + line.len()) as u64 > MOST {
        return Ok(Noted::TooMuch);
    }
    let mut file = File::options().create(true).append(true).mode(0o600).open(path)?;
    file.write_all(&line)?;
    Ok(Noted::New)
}

/// Reads what was noted since `position`, and moves that on. A line of which the end is missing is left for the next time.
pub(super) fn read_on(folder: &RunFolder, position: &mut u64) -> io::Result<Vec<Typed>> {
    let mut file = match File::open(folder.typed()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        file => file?,
    };
    file.seek(SeekFrom::Start(*position))?;
    let mut new = Vec::new();
    file.take(MOST).read_to_end(&mut new)?;
    let whole = new.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    *position += whole as u64;
    Ok(lines(&new[..whole]).collect())
}

/// What cannot be read is nothing that was accepted.
fn lines(bytes: &[u8]) -> impl Iterator<Item = Typed> {
    bytes.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(id: &str, text: &str) -> Typed {
        Typed::Text { id: id.into(), text: text.into() }
    }

    #[test]
    fn what_was_typed_is_read_once_and_in_order() {
        let place = tempfile::tempdir().expect("a folder");
        let folder = RunFolder::at(place.path());
        let mut position = 0;
        assert_eq!(read_on(&folder, &mut position).expect("nothing"), []);
        let size = Typed::Size { columns: 80, rows: 24 };
        for (typed, noted) in [
            (text("a", "one\r"), Noted::New),
            (size.clone(), Noted::New),
            (text("a", "one\r"), Noted::Known),
            (size.clone(), Noted::Known),
            (text("b", "line\nbreaks \u{3}"), Noted::New),
        ] {
            assert_eq!(note(&folder, &typed).expect("written"), noted, "{typed:?}");
        }
        assert_eq!(read_on(&folder, &mut position).expect("read"), [text("a", "one\r"), size.clone(), text("b", "line\nbreaks \u{3}")]);
        assert_eq!(read_on(&folder, &mut position).expect("read"), []);
        let other = Typed::Size { columns: 81, rows: 24 };
        note(&folder, &other).expect("written");
        note(&folder, &size).expect("written");
        assert_eq!(read_on(&folder, &mut position).expect("read"), [other, size], "the size before the last one is another again");
    }

    #[test]
    fn half_a_line_is_waited_for_and_what_follows_it_is_not_lost() {
        let place = tempfile::tempdir().expect("a folder");
        let folder = RunFolder::at(place.path());
        let mut position = 0;
        fs::write(folder.typed(), "{\"text\":{\"id\":\"a\",").expect("written");
        assert_eq!(read_on(&folder, &mut position).expect("read"), []);
        assert_eq!(position, 0);
        assert_eq!(note(&folder, &text("b", "x")).expect("written"), Noted::New);
        assert_eq!(read_on(&folder, &mut position).expect("read"), [text("b", "x")]);
    }

    #[test]
    fn a_run_takes_so_much_and_no_more() {
        let place = tempfile::tempdir().expect("a folder");
        let folder = RunFolder::at(place.path());
        let much = "x".repeat(3 << 20);
        assert_eq!(note(&folder, &text("a", &much)).expect("written"), Noted::New);
        assert_eq!(note(&folder, &text("b", &much)).expect("refused"), Noted::TooMuch);
        assert_eq!(note(&folder, &text("c", "y")).expect("written"), Noted::New);
    }
}
