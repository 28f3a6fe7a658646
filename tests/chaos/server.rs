//! The server of a round: the built binary on a port that stays the same, started again and again on one data folder.

use crate::{
    http::TOKEN,
    plan::RUNNERS,
    processes::{MARK, send},
    program::{PRINT, STAY},
};
use rand::Rng;
use rustix::{fs::OFlags, process::Signal};
use std::{
    fs::{self, File},
    io::{PipeReader, PipeWriter, Write},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    time::timeout,
};

/// How long a start or an end may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Server {
    round: PathBuf,
    data: PathBuf,
    pub address: String,
    child: Option<Child>,
    log: Log,
    /// The end of its log that nobody reads.
    unread: Option<PipeReader>,
}

/// Where the server's log goes at its next start; afterwards it goes to the file again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Log {
    /// A file of the round.
    File,
    /// A device on which no byte finds room.
    FullDevice,
    /// A pipe that is full and that nobody reads.
    FullPipe,
    /// A pipe whose reader is gone.
    ClosedPipe,
}

impl Server {
    /// Makes what a server needs in `round`: its data folder and its configuration. Starts nothing.
    pub fn prepare(round: &Path) -> Result<Server, String> {
        let said = |error: std::io::Error| format!("the round's folder: {error}");
        fs::create_dir_all(Self::data_of(round)).map_err(said)?;
        fs::write(round.join("kontasks.toml"), configuration()?).map_err(said)?;
        Self::on(round, Self::data_of(round))
    }

    /// A server of a round for another data folder, which is there.
    pub fn on(round: &Path, data: PathBuf) -> Result<Server, String> {
        let address = format!("127.0.0.1:{}", free_port()?);
        Ok(Server { round: round.to_owned(), data, address, child: None, log: Log::File, unread: None })
    }

    /// Its log goes there at the next start.
    pub fn log_to(&mut self, log: Log) {
        self.log = log;
    }

    pub fn pid(&self) -> Option<i32> {
        self.child.as_ref().and_then(Child::id).map(u32::cast_signed)
    }

    pub fn data_of(round: &Path) -> PathBuf {
        round.join("data")
    }

    pub fn log_of(round: &Path) -> PathBuf {
        round.join("server.log")
    }

    /// Writes a line between those of the server.
    pub fn note(&self, line: &str) -> Result<File, String> {
        let log = File::options().create(true).append(true).open(Self::log_of(&self.round));
        let mut log = log.map_err(|error| format!("the server's log: {error}"))?;
        writeln!(log, "--- {line}").map_err(|error| format!("the server's log: {error}"))?;
        Ok(log)
    }

    /// Starts it, and does not wait until it listens.
    pub fn spawn(&mut self) -> Result<(), String> {
        let log = self.open_log()?;
        let child = Command::new(env!("CARGO_BIN_EXE_kontasks"))
            .args(["serve", "--addr", &self.address, "--data"])
            .arg(&self.data)
            .arg("--config")
            .arg(self.round.join("kontasks.toml"))
            .env("KONTASKS_TOKEN", TOKEN)
            .env("KONTASKS_LOG", "info,kontasks=debug")
            .env(MARK, &self.round)
            .env_remove("KONTASKS_DATABASE")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            .spawn();
        self.child = Some(child.map_err(|error| format!("the server cannot be started: {error}"))?);
        Ok(())
    }

    fn open_log(&mut self) -> Result<Stdio, String> {
        let said = |error: std::io::Error| format!("the server's log: {error}");
        let file = self.note("start")?;
        self.unread = None;
        Ok(match std::mem::replace(&mut self.log, Log::File) {
            Log::File => file.into(),
            Log::FullDevice => File::options().write(true).open("/dev/full").map_err(said)?.into(),
            Log::FullPipe => {
                let (reader, writer) = full_pipe().map_err(said)?;
                self.unread = Some(reader);
                writer.into()
            }
            Log::ClosedPipe => std::io::pipe().map_err(said)?.1.into(),
        })
    }

    /// Starts it and waits until it listens.
    pub async fn start(&mut self) -> Result<(), String> {
        self.spawn()?;
        let child = self.child.as_mut().ok_or("there is no server")?;
        let mut lines = BufReader::new(child.stdout.take().ok_or("it has no output")?).lines();
        match timeout(PATIENCE, lines.next_line()).await {
            Ok(Ok(Some(line))) if line.contains(&self.address) => Ok(()),
            Ok(line) => Err(format!("the server did not start: {line:?}")),
            Err(_) => Err("the server does not come to listen".to_owned()),
        }
    }

    pub async fn kill(&mut self) -> Result<(), String> {
        drop(self.note("SIGKILL")?);
        if let Some(mut child) = self.child.take() {
            child.kill().await.map_err(|error| format!("the server cannot be killed: {error}"))?;
        }
        Ok(())
    }

    /// Tells it to end, and waits until it has.
    pub async fn end(&mut self) -> Result<(), String> {
        self.signal(Signal::TERM)?;
        let Some(mut child) = self.child.take() else { return Ok(()) };
        match timeout(PATIENCE, child.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(status) => Err(format!("the server ended badly after SIGTERM: {status:?}")),
            Err(_) => Err("the server does not end after SIGTERM".to_owned()),
        }
    }

    pub fn signal(&self, signal: Signal) -> Result<(), String> {
        drop(self.note(&format!("{signal:?}"))?);
        let pid = self.pid().ok_or("there is no server to send a signal to")?;
        if send(pid, signal) { Ok(()) } else { Err("the server is gone".to_owned()) }
    }

    /// How it ended, where nobody has asked it to.
    pub fn has_ended(&mut self) -> Option<ExitStatus> {
        self.child.as_mut().and_then(|child| child.try_wait().ok().flatten())
    }
}

/// One into which not another byte goes.
fn full_pipe() -> std::io::Result<(PipeReader, PipeWriter)> {
    let (reader, mut writer) = std::io::pipe()?;
    let flags = rustix::fs::fcntl_getfl(&writer)?;
    rustix::fs::fcntl_setfl(&writer, flags | OFlags::NONBLOCK)?;
    for size in [4096, 1] {
        while writer.write_all(&vec![b'.'; size]).is_ok() {}
    }
    // A server's own standard error waits, as that of most does.
    rustix::fs::fcntl_setfl(&writer, flags)?;
    Ok((reader, writer))
}

/// Below the ports that the system gives to connections: one of those could else stand on the server's while it is away.
fn free_port() -> Result<u16, String> {
    let mut random = rand::rng();
    let free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    (0..100).map(|_| random.random_range(15_000..32_000)).find(free).ok_or_else(|| "no port is free".to_owned())
}

/// With a terminal and with a pipe, each also for a program that does not care whether anybody reads it.
fn configuration() -> Result<String, String> {
    let exe = std::env::current_exe().map_err(|error| format!("this binary cannot be found: {error}"))?;
    let exe = exe.display();
    let runners = RUNNERS.map(|name| {
        let command = if name.starts_with("stubborn") {
            format!("[\"/bin/sh\", \"-c\", \"trap '' HUP; exec \\\"$0\\\" {PRINT} \\\"$1\\\" {STAY}\", \"{exe}\", \"{{prompt}}\"]")
        } else {
            format!("[\"{exe}\", \"{PRINT}\", \"{{prompt}}\"]")
        };
        format!("[[runner]]\nname = \"{name}\"\nfolder = \"/\"\nterminal = {}\ncommand = {command}\n", name.ends_with("terminal"))
    });
    Ok(runners.concat())
}
