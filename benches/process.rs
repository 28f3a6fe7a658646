//! The server as a process of its own, for benches that measure what lies between processes.
#![allow(dead_code, reason = "each bench uses its part")]

use crate::support::TOKEN;
use anyhow::{Context, ensure};
use serde_json::{Value, json};
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// A server process, and the calls that benches make.
pub struct Server {
    pub child: Child,
    address: String,
    /// From the start of the process to its first words.
    pub listens: Duration,
}

impl Server {
    pub fn start(data: &Path) -> anyhow::Result<Self> {
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

    pub fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    pub fn request(&self, line: &str, body: &str) -> anyhow::Result<TcpStream> {
        let mut stream = TcpStream::connect(&self.address)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        let head =
            format!("{line} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\n", self.address);
        write!(stream, "{head}Content-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())?;
        Ok(stream)
    }

    /// What a call is answered with.
    pub fn json(&self, line: &str, body: &str) -> anyhow::Result<Value> {
        let mut answer = String::new();
        self.request(line, body)?.read_to_string(&mut answer)?;
        Ok(serde_json::from_str(answer.split_once("\r\n\r\n").context("a body")?.1)?)
    }

    /// Starts a run; gives its id.
    pub fn submit(&self, prompt: &str) -> anyhow::Result<String> {
        let body = self.json("POST /api/v1/runs", &json!({ "prompt": prompt }).to_string())?;
        Ok(body["run"]["id"].as_str().context("an id")?.to_owned())
    }

    /// Reads a stream until there is enough in it.
    pub fn read(&self, path: &str, enough: impl Fn(&str) -> bool) -> anyhow::Result<String> {
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
    pub fn cursor(&self) -> anyhow::Result<String> {
        let text = self.read("/api/v1/events", |text| text.contains("event: hello\n") && text.ends_with("\n\r\n"))?;
        let data = text.lines().find_map(|line| line.strip_prefix("data: ")).context("a hello")?;
        let hello: Value = serde_json::from_str(data)?;
        Ok(format!("{}-{}", hello["epoch"].as_str().context("an epoch")?, hello["head"]))
    }
}

/// The most memory that a process has had at once, in MB; 0 where it is gone.
pub fn peak_memory(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let kib = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse::<f64>().ok());
    kib.unwrap_or_default() * 1024.0 / 1e6
}

/// The supervisor of a run, once it is there.
pub fn supervisor(run: &str) -> Option<u32> {
    std::fs::read_dir("/proc").ok()?.flatten().find_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        let line = std::fs::read_to_string(entry.path().join("cmdline")).ok()?;
        (line.contains("supervise") && line.contains(run)).then_some(pid)
    })
}
