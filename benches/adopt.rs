//! From the start of a server to 50 running runs taken up: what each wrote while no server was there has come out of a stream. Beside it
//! the start of a server that has nothing to take up, and a bare loop that connects to the 50 supervisors and reads their spools.
#![allow(clippy::print_stdout, reason = "a bench is a program that prints")]

mod support;

use anyhow::{Context, ensure};
use std::{
    fmt::Write as _,
    fs::{self, File},
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use support::{TOKEN, folder, headline, median, table};

const RUNS: usize = 50;
const ROUNDS: usize = 11;

struct Server {
    child: Child,
    address: String,
    /// From the start of the process to its first words.
    listens: Duration,
}

impl Server {
    fn start(data: &Path) -> anyhow::Result<Self> {
        let begun = Instant::now();
        let mut child = Command::new(env!("CARGO_BIN_EXE_kontasks"))
            .args(["serve", "--addr", "127.0.0.1:0", "--data"])
            .arg(data)
            .envs([("KONTASKS_TOKEN", TOKEN), ("SHELL", "/bin/sh")])
            .env_remove("KONTASKS_DATABASE")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("piped")?).read_line(&mut line)?;
        let listens = begun.elapsed();
        let address = line.trim().rsplit_once("http://").context("says where it listens")?.1.to_owned();
        Ok(Server { child, address, listens })
    }

    fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    fn request(&self, line: &str, body: &str) -> anyhow::Result<TcpStream> {
        let mut stream = TcpStream::connect(&self.address)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        let head =
            format!("{line} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\n", self.address);
        write!(stream, "{head}Content-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())?;
        Ok(stream)
    }

    fn submit(&self, prompt: &str) -> anyhow::Result<String> {
        let mut answer = String::new();
        self.request("POST /api/v1/runs", &serde_json::json!({ "prompt": prompt }).to_string())?.read_to_string(&mut answer)?;
        let body: serde_json::Value = serde_json::from_str(answer.split_once("\r\n\r\n").context("a body")?.1)?;
        Ok(body["run"]["id"].as_str().context("an id")?.to_owned())
    }

    /// Reads a stream until there is enough in it.
    fn read(&self, path: &str, enough: impl Fn(&str) -> bool) -> anyhow::Result<String> {
        let mut stream = self.request(&format!("GET {path}"), "")?;
        let (mut text, mut part) = (String::new(), vec![0; 64 * 1024]);
        while !enough(&text) {
            let length = stream.read(&mut part)?;
            ensure!(length > 0, "the stream ended early: {text}");
            text.push_str(&String::from_utf8_lossy(&part[..length]));
        }
        Ok(text)
    }

    /// The end of the log.
    fn cursor(&self) -> anyhow::Result<String> {
        let text = self.read("/api/v1/events", |text| text.contains("event: hello\n") && text.ends_with("\n\r\n"))?;
        let data = text.lines().find_map(|line| line.strip_prefix("data: ")).context("a hello")?;
        let hello: serde_json::Value = serde_json::from_str(data)?;
        Ok(format!("{}-{}", hello["epoch"].as_str().context("an epoch")?, hello["head"]))
    }
}

fn main() -> anyhow::Result<()> {
    headline("From the start of a server to 50 running runs taken up", ROUNDS);
    let (folder, empty) = (folder()?, folder()?);
    fs::write(folder.path().join("kontasks.toml"), format!("max_running = {RUNS}\n"))?;
    let mut server = Server::start(folder.path())?;
    let (mut runs, mut programs) = (Vec::new(), Vec::new());
    for number in 0..RUNS {
        let pipe = folder.path().join(format!("pipe {number}"));
        ensure!(Command::new("mkfifo").arg(&pipe).status()?.success(), "no pipe");
        runs.push(server.submit(&format!("cat '{}'", pipe.display()))?);
        // Waits until the program reads it.
        programs.push(File::options().write(true).open(&pipe)?);
    }
    let spools: Vec<PathBuf> = runs.iter().map(|run| folder.path().join("runs").join(run)).collect();
    let named = runs.iter().fold(String::new(), |mut named, run| {
        let _ = write!(named, "&run={run}");
        named
    });

    let mut rounds = Vec::new();
    for round in 1..=ROUNDS as u64 {
        let cursor = server.cursor()?;
        server.kill()?;
        for program in &mut programs {
            program.write_all(b"0123456789abcde\n")?;
        }
        while spools.iter().any(|run| fs::metadata(run.join("spool")).map_or(0, |spool| spool.len()) < 16 * round) {
            std::thread::sleep(Duration::from_millis(1));
        }
        let bare = bare(&spools)?;
        let idle = Server::start(empty.path())?;
        let nothing = idle.listens;
        idle.kill()?;

        let begun = Instant::now();
        server = Server::start(folder.path())?;
        server.read(&format!("/api/v1/events?after={cursor}{named}"), |text| text.matches("event: output\n").count() >= RUNS)?;
        rounds.push([begun.elapsed(), server.listens, nothing, bare].map(|time| time.as_secs_f64() * 1e3));
    }
    let middle = |column: usize| median(rounds.iter().map(|round| round[column]).collect());
    let rows = [
        "50 runs taken up, in a stream",
        "… of it until the server listens",
        "a server with nothing to take up listens",
        "a bare loop over the 50 runs",
    ]
    .into_iter()
    .enumerate()
    .map(|(column, name)| vec![name.to_owned(), format!("{:.1}", middle(column)), format!("{:.2}", middle(column) / middle(2))]);
    table(&["", "ms", "times an empty start"], &rows.collect::<Vec<_>>());

    // The programs read to the end of their pipes, and the runs end.
    drop(programs);
    while fs::read_dir(folder.path().join("runs"))?.next().is_some() {
        std::thread::sleep(Duration::from_millis(20));
    }
    server.kill()
}

/// Connects to each supervisor and reads its spool, one after the other.
fn bare(runs: &[PathBuf]) -> anyhow::Result<Duration> {
    let begun = Instant::now();
    let mut links = Vec::new();
    for run in runs {
        links.push(UnixStream::connect(run.join("ctl"))?);
        ensure!(!fs::read(run.join("spool"))?.is_empty(), "an empty spool");
    }
    Ok(begun.elapsed())
}
