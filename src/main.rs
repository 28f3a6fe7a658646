//! The command line.

use clap::Parser;
use kontasks::{
    backend::{environment, runner::supervisor, umask},
    http::{
        command_line::{Command, CommandLine, log_to_stderr},
        launch,
    },
};
use std::{io, process::ExitCode, time::Duration};

fn main() -> ExitCode {
    let protected = environment::protect_memory();
    let line = CommandLine::parse();
    environment::remove_secrets();
    match line.command {
        // Before anything starts a thread: the supervisor is a process of its own kind.
        Some(Command::Supervise { folder }) => supervisor::run(&folder),
        Some(Command::SignInLink(at)) => run(protected, launch::print_sign_in_link(at)),
        Some(Command::Password(options)) => run(protected, launch::change_password(options)),
        Some(Command::Serve(options)) => run(protected, launch::run_server(options)),
        None => run(protected, launch::run_server(line.serve)),
    }
}

fn run(protected: io::Result<()>, work: impl Future<Output = anyhow::Result<()>>) -> ExitCode {
    umask::restrict();
    log_to_stderr();
    if let Err(error) = protected {
        tracing::warn!("what this process holds in memory can be read by others of the same user: {error}");
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("kontasks: cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
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
