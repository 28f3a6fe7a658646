//! The program itself with a data folder, as a person or a service manager starts it, and as a machine that fails ends it.
#![allow(dead_code)]

use super::server::TOKEN;
use serde_json::Value;
use std::{
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    process::{Child, Command},
};

/// A started program; killed with the test.
pub struct Program {
    pub child: Child,
    pub address: String,
}

impl Program {
    pub async fn start(data: &Path, address: &str) -> Self {
        Self::start_after("true", data, address).await
    }

    /// Started by a shell that does something else first.
    pub async fn start_after(before: &str, data: &Path, address: &str) -> Self {
        Self::start_file(Path::new(env!("CARGO_BIN_EXE_kontasks")), before, data, address).await
    }

    /// Started from that file by a shell that does something else first.
    pub async fn start_file(file: &Path, before: &str, data: &Path, address: &str) -> Self {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", &format!("{before}; exec \"$0\" \"$@\"")]).arg(file).args(["serve", "--addr", address, "--data"]).arg(data);
        Self::of(command).await
    }

    /// Started by that command; it listens when this is back.
    pub async fn of(mut command: Command) -> Self {
        let mut child = command
            .env("KONTASKS_TOKEN", TOKEN)
            .env("SHELL", "/bin/sh")
            .env_remove("KONTASKS_DATABASE")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("starts");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let first = lines.next_line().await.expect("reads").expect("a first line");
        let address = first.strip_prefix("Kontasks listens on http://").expect("its words").to_owned();
        Program { child, address }
    }

    /// How long it took from SIGTERM to its end.
    pub async fn stop(&mut self) -> Duration {
        let pid = rustix::process::Pid::from_raw(self.child.id().expect("runs").cast_signed()).expect("a process");
        let begin = Instant::now();
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("signals");
        let status = tokio::time::timeout(Duration::from_secs(20), self.child.wait()).await.expect("it ends").expect("waits");
        assert!(status.success(), "{status}");
        begin.elapsed()
    }

    /// Ends it by SIGKILL.
    pub async fn kill(mut self) {
        self.child.kill().await.expect("kills");
    }

    pub async fn post(&self, path: &str, body: &Value) -> Value {
        let answer = ask(&self.address, &format!("POST {path}"), &body.to_string()).await;
        assert!(answer.starts_with("HTTP/1.1 20"), "{answer}");
        json(&answer)
    }

    pub async fn get(&self, path: &str) -> Value {
        let answer = ask(&self.address, &format!("GET {path}"), "").await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        json(&answer)
    }

    /// A prompt's run, by its id.
    pub async fn submit(&self, prompt: &str) -> String {
        let accepted = self.post("/api/v1/runs", &serde_json::json!({ "prompt": prompt })).await;
        accepted["run"]["id"].as_str().expect("an id").to_owned()
    }

    /// Waits until the run is as described.
    pub async fn until(&self, run: &str, what: &str, is: impl Fn(&Value) -> bool) -> Value {
        let patience = Instant::now() + Duration::from_secs(30);
        loop {
            let now = self.get(&format!("/api/v1/runs/{run}")).await;
            if is(&now) {
                return now;
            }
            assert!(Instant::now() < patience, "never {what}: {now}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// Puts the program where another user can start it.
pub fn copy_to(path: &Path) {
    let exe = env!("CARGO_BIN_EXE_kontasks");
    // It is large, and mostly lies on the same disk.
    if std::fs::hard_link(exe, path).is_err() {
        std::fs::copy(exe, path).expect("copied");
    }
}

/// The body of an answer; null where it has none.
fn json(answer: &str) -> Value {
    let body = answer.split_once("\r\n\r\n").expect("a whole answer").1;
    if body.is_empty() { Value::Null } else { serde_json::from_str(body).expect("JSON") }
}

/// One request on a connection of its own; all that comes back.
pub async fn ask(address: &str, line: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).await.expect("connects");
    let head = format!(
        "{line} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all((head + body).as_bytes()).await.expect("writes");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("reads");
    answer
}
