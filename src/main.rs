//! The command line.

use clap::Parser;
use kontasks::{
    backend::{environment, runner::supervisor, umask},
    http::{
        command_line::{Command, CommandLine, log_to_stderr, standard_streams::StandardStreams},
        launch,
    },
};
use std::{
    io::{self, Write},
    process::ExitCode,
    time::Duration,
};

/// What becomes of the last words.
struct LastWords {
    /// How long standard output and error may take to take them.
    patience: Duration,
    /// Whether the work was in vain where standard output did not take everything.
    matter: bool,
}

const SERVER: LastWords = LastWords { patience: Duration::from_millis(100), matter: false };
const COMMAND: LastWords = LastWords { patience: Duration::from_secs(2), matter: true };

/// How many threads wait for the disk at the most.
const BLOCKING_THREADS: usize = 64;
const FOR_EVER: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

fn main() -> ExitCode {
    let protected = environment::protect_memory();
    let line = CommandLine::parse();
    environment::remove_secrets();
    match line.command {
        // Before anything starts a thread: the supervisor is a process of its own kind.
        Some(Command::Supervise { folder }) => supervisor::run(&folder),
        Some(Command::SignInLink(at)) => run(protected, launch::print_sign_in_link(at), &COMMAND),
        Some(Command::Password(options)) => run(protected, launch::change_password(options), &COMMAND),
        Some(Command::Serve(options)) => run(protected, launch::run_server(options), &SERVER),
        None => run(protected, launch::run_server(line.serve), &SERVER),
    }
}

fn run(protected: io::Result<()>, work: impl Future<Output = anyhow::Result<()>>, last_words: &LastWords) -> ExitCode {
    umask::restrict();
    let relayed = StandardStreams::relay();
    // Threads that wait for the disk are kept: where the system gives no new one, what is to be done waits for those that are there, and
    // tokio panics where there is none.
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let builder = builder.enable_all().max_blocking_threads(BLOCKING_THREADS).thread_keep_alive(FOR_EVER);
    let done = relayed.and_then(|streams| Ok((streams, builder.build()?)));
    let (streams, runtime) = match done {
        Ok(parts) => parts,
        Err(error) => {
            let _ = writeln!(io::stderr(), "kontasks: cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    log_to_stderr();
    if let Err(error) = protected {
        tracing::warn!("what this process holds in memory can be read by others of the same user: {error}");
    }
    runtime.spawn_blocking(|| ());
    let done = runtime.block_on(work);
    // Whatever still waits for a disk or a terminal must not hold up the end.
    runtime.shutdown_timeout(Duration::from_millis(50));
    if let Err(error) = &done {
        let _ = writeln!(io::stderr(), "kontasks: {error:#}");
    }
    let was_heard = streams.finish_output(last_words.patience) || !last_words.matter;
    if !was_heard {
        let _ = writeln!(io::stderr(), "kontasks: standard output did not take everything");
    }
    streams.finish_error(last_words.patience);
    match done {
        Ok(()) if was_heard => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}
