//! What the tests of the data folder share: shell commands on it, and what a board says of itself.

use crate::program::{Program, ask};
use crate::server::TOKEN;
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// A shell's command in a folder; it must succeed.
pub fn sh(folder: &Path, command: &str) {
    let output = Command::new("/bin/sh").args(["-ec", command]).current_dir(folder).output().expect("starts");
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A folder with `data` in it, whose server runs one program at a time.
pub struct Place(tempfile::TempDir);

impl Place {
    pub fn new() -> Self {
        let place = Place(tempfile::tempdir().expect("a folder"));
        fs::create_dir(place.data()).expect("made");
        fs::write(place.data().join("kontasks.toml"), "max_running = 1\n").expect("written");
        place
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn data(&self) -> PathBuf {
        self.0.path().join("data")
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// How many lines there are in a file; none where it is not there.
    pub fn lines(&self, name: &str) -> usize {
        fs::read_to_string(self.file(name)).map_or(0, |text| text.lines().count())
    }

    /// A program that prints a line every few milliseconds until the file is there, and then how
    /// many they were.
    pub fn counting(&self, gate: &str) -> String {
        let gate = self.file(gate);
        format!("i=0; until test -e '{}'; do echo line $i; i=$((i+1)); sleep 0.005; done; echo $i lines", gate.display())
    }

    /// One that leaves a line in a file, each time that it is executed.
    pub fn marking(&self, name: &str) -> String {
        format!("echo x >> '{}'", self.file(name).display())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // What a test that failed has left would run for ever.
        let mark = self.0.path().to_string_lossy().into_owned();
        for entry in fs::read_dir("/proc").expect("Linux").flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            let line = String::from_utf8_lossy(&fs::read(entry.path().join("cmdline")).unwrap_or_default()).into_owned();
            if pid != std::process::id().cast_signed() && line.contains(&mark) {
                let _ = rustix::process::Pid::from_raw(pid).map(|pid| rustix::process::kill_process(pid, rustix::process::Signal::KILL));
            }
        }
    }
}

/// What the program of [`Place::counting`] has printed, checked to be exactly that.
pub fn counted(output: &str) {
    let lines: Vec<&str> = output.lines().collect();
    let (last, rest) = lines.split_last().expect("some lines");
    for (number, line) in rest.iter().enumerate() {
        assert_eq!(*line, format!("line {number}"));
    }
    assert_eq!(*last, format!("{} lines", rest.len()));
}

/// A run's output so far.
pub async fn output(server: &Program, run: &str) -> String {
    let answer = ask(&server.address, &format!("GET /api/v1/runs/{run}/output"), "").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    answer.split_once("\r\n\r\n").expect("a body").1.to_owned()
}

/// The board's stream after a cursor, or from now on: what comes at once.
pub async fn hello(server: &Program, after: Option<&str>) -> (Value, Option<Value>) {
    let mut stream = TcpStream::connect(&server.address).await.expect("connects");
    let path = after.map_or_else(|| "/api/v1/events".to_owned(), |after| format!("/api/v1/events?after={after}"));
    let head = format!("GET {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {TOKEN}\r\n\r\n", server.address);
    stream.write_all(head.as_bytes()).await.expect("writes");
    let mut text = String::new();
    // The first words come in one write.
    while !text.contains("event: hello") || !text.ends_with("\n\n") && !text.ends_with("\n\n\r\n") {
        let mut part = [0; 8192];
        let length = tokio::time::timeout(Duration::from_secs(10), stream.read(&mut part)).await.expect("in time").expect("reads");
        assert!(length > 0, "the stream ended: {text}");
        text.push_str(&String::from_utf8_lossy(&part[..length]));
    }
    let data = |name: &str| {
        let (_, rest) = text.split_once(&format!("event: {name}\ndata: "))?;
        serde_json::from_str(rest.lines().next()?).ok()
    };
    (data("hello").expect("a hello"), data("reset"))
}

/// The end of the log, as a cursor.
pub async fn cursor(server: &Program) -> String {
    let (hello, _) = hello(server, None).await;
    format!("{}-{}", hello["epoch"].as_str().expect("an epoch"), hello["head"])
}

pub async fn held(server: &Program) -> u64 {
    server.get("/api/v1/held-runs").await["count"].as_u64().expect("a number")
}

/// A page as a browser without scripts has it.
pub async fn page(server: &Program, path: &str) -> String {
    ask(&server.address, &format!("GET {path}"), "").await
}

pub async fn until(what: &str, is: impl Fn() -> bool) {
    let patience = Instant::now() + Duration::from_secs(30);
    while !is() {
        assert!(Instant::now() < patience, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Posts tasks until the log has come that much farther.
pub async fn go_on(server: &Program, events: usize) {
    for number in 0..events {
        server.post("/api/v1/tasks", &json!({ "title": format!("later {number}") })).await;
    }
}
