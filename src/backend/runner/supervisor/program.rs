//! The program: started in a session of its own, with a terminal or a pipe that it writes to.

use super::signals;
use crate::backend::{
    environment,
    identity::FolderId,
    open_files,
    runner::{
        cgroup::Cgroup,
        folder::{Program, Spec},
        process_tree::{MARK, ProcessTree},
        sizes,
        start_error::StartError,
    },
    space::Resource,
    umask,
};
use rustix::{
    fs::{Mode, OFlags},
    io::{Errno, FdFlags},
    process::{Pid, Signal},
    pty::OpenptFlags,
    termios::{InputModes, OptionalActions, OutputModes, Winsize},
};
use std::{
    fs::File,
    io,
    os::{fd::OwnedFd, unix::process::CommandExt},
    path::Path,
    process::{Command, Stdio},
};

/// A program that was started.
#[derive(Debug)]
pub(super) struct Running {
    /// Its process, which leads a session and a group.
    pub(super) pid: Pid,
    /// Where what it writes can be read; none after the end of it.
    pub(super) output: Option<OwnedFd>,
    is_terminal: bool,
    /// The program's side of the terminal, held so that a program that closes its own for a while does not end it.
    other_side: Option<OwnedFd>,
    /// Where all that it starts stays, if there is such a place.
    pub(super) cgroup: Option<Cgroup>,
}

/// Starts it in its control group, whose `door` it goes in by. `begin` is called when there is everything that it needs and nothing is left to do but to start it.
///
/// # Errors
/// `begin` failed, or nothing was started, which is certain: a program that cannot be executed has no process any more.
pub(super) fn start(
    spec: &Spec,
    cgroup: Option<Cgroup>,
    door: Option<File>,
    begin: impl FnOnce() -> Result<(), StartError>,
) -> Result<Running, StartError> {
    let program = &spec.program;
    let (name, arguments) = program.command.split_first().ok_or_else(|| StartError::Permanent("there is no program".into()))?;
    check_folder(&program.folder)?;
    let Ends { output, input, other_side } = if program.terminal { terminal()? } else { pipe().map_err(|error| no_ends(&error))? };
    let duplicate = || other_side.try_clone().map(Stdio::from);
    let (stdout, stderr) = duplicate().and_then(|out| Ok((out, duplicate()?))).map_err(|error| no_ends(&error))?;

    let mut command = Command::new(name);
    command.args(arguments).current_dir(&program.folder).stdin(input).stdout(stdout).stderr(stderr);
    // What an outer terminal says of itself is not true of this one, and the server's secrets are none of the program's business.
    for name in ["LINES", "COLUMNS", "NO_COLOR", open_files::FOUND, umask::INITIAL].iter().chain(&environment::SECRETS) {
        command.env_remove(name);
    }
    command.env("TERM", "xterm-256color").env("COLORTERM", "truecolor");
    // A pager would wait for a key for ever; here the page scrolls.
    command.env("PAGER", "cat").env("GIT_PAGER", "cat").env("SYSTEMD_PAGER", "cat");
    command.env("KONTASKS_TASK", spec.task.to_string()).envs(&program.environment);
    // Last, so that no configuration takes it away: by this mark is found what is left when this process is killed.
    command.env(MARK, spec.run.to_string());
    command.envs(spec.data.map(|data| (FolderId::VARIABLE, data.to_string())));

    let is_terminal = program.terminal;
    let mask = umask::initial();
    let before = move || {
        if let Some(door) = &door {
            // Where that is refused it runs outside, which is seen afterwards.
            let _ = rustix::io::write(door, b"0");
        }
        rustix::process::setsid()?;
        if is_terminal {
            rustix::process::ioctl_tiocsctty(rustix::stdio::stdin())?;
        }
        signals::reset();
        if let Some(mask) = mask {
            umask::set(mask);
        }
        Ok(())
    };
    // SAFETY: the closure makes system calls only and allocates nothing.
    #[allow(unsafe_code)]
    unsafe {
        command.pre_exec(before);
    }
    begin()?;
    let child = command.spawn().map_err(|error| match Resource::of(&error) {
        Some(_) => StartError::new(&error, format_args!("the program {name:?} cannot be started now")),
        None => StartError::Permanent(reason(program, &error)),
    })?;
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or_else(|| StartError::Permanent("it has no process".into()))?;
    // A pipe must end with its last writer, of which this process is none.
    let other_side = is_terminal.then_some(other_side);
    Ok(Running { pid, output: Some(output), is_terminal, other_side, cgroup })
}

impl Running {
    /// Whether the program is in its control group. Where it is not, that group is of no use. To be asked before its end is waited for.
    pub(super) fn is_contained(&self) -> bool {
        self.cgroup.as_ref().is_some_and(|cgroup| cgroup.contains(self.pid.as_raw_nonzero().get()))
    }

    /// The program has ended: from here on its terminal is at its end when nobody else has it open.
    pub(super) fn let_go(&mut self) {
        self.other_side = None;
    }

    /// Gives the terminal another size, in cells, of which its programs are told (SIGWINCH).
    pub(super) fn resize(&self, columns: u16, rows: u16) {
        if let Some(terminal) = self.output.as_ref().filter(|_| self.is_terminal) {
            // It fails for a terminal that is gone.
            let _ = rustix::termios::tcsetwinsize(terminal, Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 });
        }
    }

    /// Types into the terminal as much as it takes at once; says how many bytes that were.
    pub(super) fn type_in(&self, bytes: &[u8]) -> Result<usize, Errno> {
        match self.output.as_ref().filter(|_| self.is_terminal) {
            Some(terminal) => rustix::io::write(terminal, bytes),
            None => Err(Errno::IO),
        }
    }

    /// Whether anything in the program's group lives.
    pub(super) fn group_lives(&self) -> bool {
        !matches!(rustix::process::test_kill_process_group(self.pid), Err(Errno::SRCH))
    }

    /// Sends a signal to all that the program has started and to itself, also where they moved to a session of their own or lost their
    /// parents; says which they are, where that is known. What is started meanwhile may have missed it.
    pub(super) fn signal(&self, signal: Signal) -> Vec<i32> {
        let Some(tree) = ProcessTree::read() else {
            self.signal_groups(signal);
            return Vec::new();
        };
        let mut family = tree.below(std::process::id().cast_signed());
        if let Some(cgroup) = &self.cgroup {
            family.extend(cgroup.members().into_iter().filter(|member| !family.contains(member)).collect::<Vec<_>>());
            if signal == Signal::KILL {
                cgroup.kill();
            }
        }
        for process in &family {
            process.signal(signal);
            // A stopped program would not notice.
            process.signal(Signal::CONT);
        }
        family.iter().map(|process| process.pid).collect()
    }

    /// The program has ended: tells those of its session, as a terminal does.
    pub(super) fn hang_up(&self) {
        let Some(tree) = ProcessTree::read() else { return self.signal_groups(Signal::HUP) };
        let session = self.pid.as_raw_nonzero().get();
        for process in tree.below(std::process::id().cast_signed()) {
            if tree.is_in_session(process, session) {
                process.signal(Signal::HUP);
                process.signal(Signal::CONT);
            }
        }
    }

    /// The program's group and the one that has its terminal, which differ where a shell with job control is in between.
    fn signal_groups(&self, signal: Signal) {
        let foreground = match &self.output {
            Some(terminal) if self.is_terminal => rustix::termios::tcgetpgrp(terminal).ok().filter(|group| *group != self.pid),
            _ => None,
        };
        for group in [Some(self.pid), foreground].into_iter().flatten() {
            let _ = rustix::process::kill_process_group(group, signal);
            let _ = rustix::process::kill_process_group(group, Signal::CONT);
        }
    }
}

/// Both ends of what the program writes to, and its input.
struct Ends {
    output: OwnedFd,
    input: Stdio,
    other_side: OwnedFd,
}

fn no_ends(error: &io::Error) -> StartError {
    StartError::new(error, "there is no terminal or pipe for it")
}

fn terminal() -> Result<Ends, StartError> {
    let output = rustix::pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).map_err(|error| match error {
        // What systems say where they have as many terminals as they may have: there is neither a disk nor a process behind them.
        Errno::NOSPC | Errno::AGAIN => {
            StartError::Retryable { missing: Resource::Terminal, reason: format!("there is no terminal for it: {error}") }
        }
        error => no_ends(&error.into()),
    })?;
    open_terminal(output).map_err(|error| no_ends(&error))
}

fn open_terminal(output: OwnedFd) -> io::Result<Ends> {
    rustix::io::fcntl_setfd(&output, FdFlags::CLOEXEC)?;
    rustix::pty::grantpt(&output)?;
    rustix::pty::unlockpt(&output)?;
    let name = rustix::pty::ptsname(&output, Vec::new())?;
    let other_side = rustix::fs::open(name.as_c_str(), OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())?;
    let mut modes = rustix::termios::tcgetattr(&other_side)?;
    // A line feed stays the one byte that the program wrote: a terminal would make two of it.
    modes.output_modes.remove(OutputModes::OPOST);
    modes.input_modes.insert(InputModes::IUTF8);
    rustix::termios::tcsetattr(&other_side, OptionalActions::Now, &modes)?;
    let (columns, rows) = sizes::FIRST;
    rustix::termios::tcsetwinsize(&other_side, Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 })?;
    unblock(&output)?;
    Ok(Ends { output, input: Stdio::from(other_side.try_clone()?), other_side })
}

fn pipe() -> io::Result<Ends> {
    let (output, other_side) = io::pipe()?;
    let output = OwnedFd::from(output);
    unblock(&output)?;
    Ok(Ends { output, input: Stdio::null(), other_side: other_side.into() })
}

fn unblock(output: &OwnedFd) -> io::Result<()> {
    let flags = rustix::fs::fcntl_getfl(output)?;
    Ok(rustix::fs::fcntl_setfl(output, flags | OFlags::NONBLOCK)?)
}

/// The system gives the same error for a folder that is missing and a program that is.
fn check_folder(folder: &Path) -> Result<(), StartError> {
    match folder.metadata() {
        Ok(metadata) if metadata.is_dir() => Ok(()),
        Ok(_) => Err(StartError::Permanent(format!("the working folder {} is not a folder", folder.display()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(StartError::Permanent(format!("the working folder {} does not exist", folder.display())))
        }
        Err(error) => Err(StartError::new(&error, format_args!("the working folder {} cannot be entered", folder.display()))),
    }
}

fn reason(program: &Program, error: &io::Error) -> String {
    let name = program.command.first().map(String::as_str).unwrap_or_default();
    match error.kind() {
        io::ErrorKind::NotFound if name.contains('/') && Path::new(name).exists() => {
            format!("the interpreter that {name:?} names in its first line was not found")
        }
        io::ErrorKind::NotFound => format!("the program {name:?} was not found"),
        io::ErrorKind::PermissionDenied => format!("the program {name:?} may not be executed, or its folder not be entered"),
        io::ErrorKind::ArgumentListTooLong => "the prompt is too long to be passed to the program as an argument".into(),
        io::ErrorKind::InvalidInput => format!("the program {name:?} or its arguments contain a NUL character"),
        _ => error.to_string(),
    }
}
