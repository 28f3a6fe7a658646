//! The command line.

use clap::Parser;
use kontasks::{
    backend::runner::supervisor,
    http::{
        command_line::{Command, CommandLine, log_to_stderr},
        launch,
    },
};
use std::{process::ExitCode, time::Duration};

/// How many threads wait for the disk at the most.
const BLOCKING_THREADS: usize = 64;
const FOR_EVER: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

fn main() -> ExitCode {
    let line = CommandLine::parse();
    match line.command {
        // Before anything starts a thread: the supervisor is a process of its own kind.
        Some(Command::Supervise { folder }) => supervisor::run(&folder),
        Some(Command::SignInLink(at)) => run(launch::print_sign_in_link(at)),
        Some(Command::Password(options)) => run(launch::change_password(options)),
        Some(Command::Serve(options)) => run(launch::run_server(options)),
        None => run(launch::run_server(line.serve)),
    }
}

fn run(work: impl Future<Output = anyhow::Result<()>>) -> ExitCode {
    log_to_stderr();
    // Threads that wait for the disk are kept: where the system gives no new one, what is to be done waits for those that are there, and
    // tokio panics where there is none.
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let builder = builder.enable_all().max_blocking_threads(BLOCKING_THREADS).thread_keep_alive(FOR_EVER);
    let runtime = match builder.build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("kontasks: cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    runtime.spawn_blocking(|| ());
    let done = runtime.block_on(work);
    // Whatever still waits for a disk or a terminal must not hold up the end.
    runtime.shutdown_timeout(Duration::from_millis(50));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("kontasks: {error:#}");
            ExitCode::FAILURE
        }
    }
}
