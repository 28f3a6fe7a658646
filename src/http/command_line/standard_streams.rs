//! Standard output and standard error that never fail and never block. Whatever this process writes
//! there (log lines, panics, what a dependency prints) goes into a pipe that is always read; a
//! thread of its own passes it on to the terminal, file or pipe that the program was started with.
//! What that does not take is dropped and counted, up to the moment when it can be written again.
//!
//! Without it a full disk, a reader that is gone or one that does not read would reach whoever
//! logs: `eprintln!` panics, which is also how `tracing-subscriber` reports a failed write, and a
//! full pipe blocks. (tracing-appender's `non_blocking` covers log lines only, and prints itself
//! when it ends.) A process that is aborted may lose its last lines.

use rustix::{
    event::{PollFd, PollFlags, poll},
    io::Errno,
    stdio::{dup2_stderr, dup2_stdout},
};
use std::{
    fs::File,
    io::{self, PipeReader, Read, pipe},
    mem,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError},
    thread,
    time::{Duration, Instant},
};

/// How many bytes wait for a destination that does not take them; what comes beyond that is
/// dropped.
const CAPACITY: usize = 512 * 1024;

/// Where the streams led before they were relayed.
static OUTPUT: OnceLock<OwnedFd> = OnceLock::new();
static ERROR: OnceLock<OwnedFd> = OnceLock::new();

/// Where standard output leads, be it relayed or not: what a terminal, a journal or a file is
/// recognized by.
#[must_use]
pub fn output_destination() -> BorrowedFd<'static> {
    OUTPUT.get().map_or(rustix::stdio::stdout(), AsFd::as_fd)
}

/// Where standard error leads, be it relayed or not.
#[must_use]
pub fn error_destination() -> BorrowedFd<'static> {
    ERROR.get().map_or(rustix::stdio::stderr(), AsFd::as_fd)
}

/// Both streams of this process, relayed from [`StandardStreams::relay`] until they are finished.
#[derive(Debug)]
pub struct StandardStreams {
    output: Relay,
    error: Relay,
}

/// One stream.
#[derive(Debug)]
struct Relay {
    shared: Arc<Shared>,
    /// What the stream is connected to after the relay.
    null: File,
}

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
}

/// What was written and not passed on yet.
#[derive(Debug, Default)]
struct Queue {
    bytes: Vec<u8>,
    /// Something had no room; so nothing is taken in before all this is passed on, and the gap is
    /// in one place.
    full: bool,
    /// The rest of a line whose beginning was dropped is dropped too.
    skips_line: bool,
    /// Lines that were dropped after these bytes.
    dropped: u64,
    /// Nothing more comes.
    ended: bool,
    /// All that came was passed on or dropped.
    drained: bool,
    /// Something was dropped at any time.
    has_failed: bool,
}

/// Lines that the destination does not have, and has not been told of.
#[derive(Debug, Default)]
struct Gap {
    lines: u64,
    /// The last line before it lacks its end.
    torn: bool,
}

impl StandardStreams {
    /// Puts a relay before each of the two streams.
    ///
    /// # Errors
    /// The system has no descriptors or threads to give. The streams are as they were then.
    pub fn relay() -> io::Result<Self> {
        let (output, error) = (output_destination().try_clone_to_owned()?, error_destination().try_clone_to_owned()?);
        let (output, error) = (OUTPUT.get_or_init(|| output), ERROR.get_or_init(|| error));
        let error = Relay::start("stderr", error, true, |to| Ok(dup2_stderr(to)?))?;
        let output = Relay::start("stdout", output, false, |to| Ok(dup2_stdout(to)?));
        if output.is_err() {
            let _ = dup2_stderr(error_destination());
        }
        Ok(StandardStreams { output: output?, error })
    }

    /// Passes on what has been written to standard output, for at most `patience`; what is written
    /// afterwards goes nowhere. Says whether everything was taken.
    #[must_use]
    pub fn finish_output(&self, patience: Duration) -> bool {
        // A failure means nothing more than that the wait ends by its deadline.
        let _ = dup2_stdout(&self.output.null);
        self.output.wait(patience)
    }

    /// The same for standard error.
    pub fn finish_error(&self, patience: Duration) {
        let _ = dup2_stderr(&self.error.null);
        self.error.wait(patience);
    }
}

impl Drop for StandardStreams {
    /// After a panic, whose words are on their way.
    fn drop(&mut self) {
        if thread::panicking() {
            self.finish_error(Duration::from_millis(100));
        }
    }
}

impl Relay {
    /// `connect` makes the stream lead to the pipe. With `reports` what was dropped is said in its
    /// place.
    fn start(
        name: &str,
        destination: &'static OwnedFd,
        reports: bool,
        connect: impl FnOnce(&OwnedFd) -> io::Result<()>,
    ) -> io::Result<Self> {
        let null = File::options().read(true).write(true).open("/dev/null")?;
        let (reader, writer) = pipe()?;
        let shared = Arc::new(Shared::default());
        let thread = |role: &str| thread::Builder::new().name(format!("{name} {role}")).stack_size(256 * 1024);
        let queue = shared.clone();
        thread("reader").spawn(move || queue.read(reader))?;
        let queue = shared.clone();
        thread("writer").spawn(move || queue.write(destination, reports))?;
        // From here on the pipe ends when the stream is connected to something else; where this
        // fails, at once.
        connect(&writer.into())?;
        Ok(Relay { shared, null })
    }

    /// Waits until all is passed on, after the stream has been connected to something else. Says
    /// whether nothing was dropped.
    fn wait(&self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        let mut queue = self.shared.lock();
        while !queue.drained {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            queue = self.shared.changed.wait_timeout(queue, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        !queue.has_failed
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in what comes through the pipe, so that nobody ever waits for it.
    fn read(&self, mut pipe: PipeReader) {
        let mut buffer = vec![0; 16 * 1024];
        loop {
            match pipe.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => self.lock().push(&buffer[..count]),
                // There is no other error than an interruption; should there be one, it must not
                // end the reading.
                Err(_) => thread::sleep(Duration::from_millis(1)),
            }
            self.changed.notify_all();
        }
        self.lock().ended = true;
        self.changed.notify_all();
    }

    /// Passes on what waits. The only place that a destination can block.
    fn write(&self, destination: &OwnedFd, reports: bool) {
        let mut gap = Gap::default();
        while let Some((bytes, dropped)) = self.take() {
            if reports && gap.report(destination).is_err() {
                gap.lines += lines(&bytes) + dropped;
                self.lock().has_failed = true;
                continue;
            }
            let rest = match write_all(destination, &bytes) {
                Ok(()) => 0,
                Err(written) => {
                    gap.torn = bytes[..written].last().map_or(gap.torn, |last| *last != b'\n');
                    lines(&bytes[written..])
                }
            };
            gap.lines += rest + dropped;
            if gap.lines > 0 {
                self.lock().has_failed = true;
            }
            if reports && rest == 0 {
                // Where it fails, it is tried again before what comes next.
                let _ = gap.report(destination);
            }
        }
    }

    /// Waits for something to pass on; none at the end of the stream. The number is of lines that
    /// were dropped after it.
    fn take(&self) -> Option<(Vec<u8>, u64)> {
        let mut queue = self.lock();
        while queue.bytes.is_empty() && !queue.ended {
            queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        if queue.bytes.is_empty() {
            queue.drained = true;
            self.changed.notify_all();
            return None;
        }
        queue.full = false;
        Some((mem::take(&mut queue.bytes), mem::take(&mut queue.dropped)))
    }
}

impl Queue {
    fn push(&mut self, bytes: &[u8]) {
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            let has_room = !self.full && self.bytes.len() + line.len() <= CAPACITY;
            if has_room && !self.skips_line {
                self.bytes.extend_from_slice(line);
                continue;
            }
            if !has_room && !self.full {
                self.full = true;
                // The line of which only the beginning had room ends here.
                if self.bytes.last().is_some_and(|last| *last != b'\n') {
                    self.bytes.push(b'\n');
                }
            }
            self.skips_line = !line.ends_with(b"\n");
            self.dropped += u64::from(!self.skips_line);
        }
    }
}

impl Gap {
    /// Says how many lines are missing, where any are.
    fn report(&mut self, destination: &OwnedFd) -> Result<(), usize> {
        if self.lines > 0 {
            let line_end = if self.torn { "\n" } else { "" };
            let words = format!("{line_end}kontasks: {} line(s) could not be written here and were dropped\n", self.lines);
            write_all(destination, words.as_bytes())?;
            *self = Gap::default();
        }
        Ok(())
    }
}

/// How many lines these bytes are, of which the last may lack its end.
fn lines(bytes: &[u8]) -> u64 {
    bytes.split_inclusive(|byte| *byte == b'\n').count() as u64
}

/// Writes everything, however long that takes. An error says how many bytes were written before it.
fn write_all(destination: &OwnedFd, bytes: &[u8]) -> Result<(), usize> {
    let mut written = 0;
    while written < bytes.len() {
        match rustix::io::write(destination, &bytes[written..]) {
            Ok(0) => return Err(written),
            Ok(count) => written += count,
            Err(Errno::INTR) => {}
            // Whoever shares it has made it non-blocking.
            Err(Errno::AGAIN) => {
                let _ = poll(&mut [PollFd::new(destination, PollFlags::OUT)], None);
            }
            Err(_) => return Err(written),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_much_is_dropped_by_whole_lines_and_counted() {
        let mut queue = Queue::default();
        let half = [b'x'; CAPACITY / 2];
        queue.push(&half);
        queue.push(b"\n");
        // The beginning of this line has room, and the rest has none.
        queue.push(b"begun");
        queue.push(&half);
        queue.push(b"the end of it\n");
        queue.push(b"short, but after the gap\nhalf of ");
        assert_eq!((queue.bytes[CAPACITY / 2..].to_vec(), queue.dropped), (b"\nbegun\n".to_vec(), 2));
        // All that waited is taken.
        (queue.bytes, queue.full, queue.dropped) = (Vec::new(), false, 0);
        queue.push(b"a line\nnext\n");
        assert_eq!((queue.bytes.as_slice(), queue.dropped), (&b"next\n"[..], 1));
    }

    #[test]
    fn a_gap_is_reported_once_the_destination_takes_something_again() {
        let place = tempfile::tempdir().expect("a folder");
        let path = place.path().join("log");
        let [full, log] = ["/dev/full".as_ref(), path.as_path()]
            .map(|path| OwnedFd::from(File::options().append(true).create(true).open(path).expect("opens")));
        let mut gap = Gap { lines: 3, torn: true };
        assert!(gap.report(&full).is_err() && gap.report(&full).is_err());
        assert!(gap.report(&log).is_ok() && gap.report(&log).is_ok());
        let words = "\nkontasks: 3 line(s) could not be written here and were dropped\n";
        assert_eq!(std::fs::read_to_string(path).expect("there"), words);
    }

    #[test]
    fn lines_are_counted_with_the_one_that_lacks_its_end() {
        for (bytes, count) in [("", 0), ("a", 1), ("a\n", 1), ("a\nb", 2), ("\n\n", 2)] {
            assert_eq!(lines(bytes.as_bytes()), count, "{bytes:?}");
        }
    }
}
