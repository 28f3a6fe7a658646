//! The program itself, as a person or a service manager starts it: what it prints, what it refuses, and how fast it goes.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Output, Stdio},
};

fn kontasks(data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kontasks"));
    for name in ["KONTASKS_ADDR", "KONTASKS_TOKEN", "KONTASKS_CONFIG", "KONTASKS_DATABASE", "LEPTOS_SITE_ADDR"] {
        command.env_remove(name);
    }
    command.env("KONTASKS_DATA", data).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A started server; killed with the test.
struct Started {
    child: Child,
    address: String,
    link: String,
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn start(command: &mut Command) -> Started {
    let mut child = command.spawn().expect("starts");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines().map(|line| line.expect("text"));
    let address = lines.next().expect("a first line").strip_prefix("Kontasks listens on http://").expect("its words").to_owned();
    let link = lines.next().expect("a second line").strip_prefix("Sign in: ").expect("its words").to_owned();
    Started { child, address, link }
}

fn ask(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("connects");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").expect("writes");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("reads");
    answer
}

fn path_of<'l>(link: &'l str, address: &str) -> &'l str {
    link.strip_prefix(&format!("http://{address}")).expect("a link to this server")
}

fn refusal(command: &mut Command) -> String {
    let Output { status, stderr, stdout } = command.output().expect("runs");
    assert!(!status.success());
    assert!(stdout.is_empty());
    String::from_utf8(stderr).expect("text")
}

#[test]
fn it_says_where_it_is_and_how_to_get_in() {
    let data = tempfile::tempdir().expect("a folder");
    // Serving is what happens without a word.
    let server = start(kontasks(data.path()).args(["--addr", "127.0.0.1:0"]));
    assert!(ask(&server.address, "/").starts_with("HTTP/1.1 401"));
    assert!(ask(&server.address, path_of(&server.link, &server.address)).starts_with("HTTP/1.1 303"));
    assert!(ask(&server.address, path_of(&server.link, &server.address)).starts_with("HTTP/1.1 401"));

    let another = kontasks(data.path()).arg("sign-in-link").output().expect("runs");
    assert!(another.status.success(), "{}", String::from_utf8_lossy(&another.stderr));
    let link = String::from_utf8(another.stdout).expect("text");
    assert!(ask(&server.address, path_of(link.trim(), &server.address)).starts_with("HTTP/1.1 303"));

    let words = refusal(kontasks(data.path()).args(["serve", "--addr", "127.0.0.1:0"]));
    assert!(words.contains("in use") && words.contains(&server.address) && words.contains(&server.child.id().to_string()), "{words}");
}

#[test]
fn what_it_cannot_start_with_is_said() {
    let data = tempfile::tempdir().expect("a folder");
    let serve = || {
        let mut command = kontasks(data.path());
        command.args(["serve", "--addr", "127.0.0.1:0"]);
        command
    };
    let words = refusal(serve().env("KONTASKS_TOKEN", "too short"));
    assert!(words.contains("KONTASKS_TOKEN is too short") && words.contains("16") && !words.contains("too short\""), "{words}");
    let words = refusal(serve().args(["--database", "postgres://localhost/x"]));
    assert!(words.contains("postgres://") && words.contains("SQLite"), "{words}");
    let words = refusal(serve().args(["--config", "/nonexistent/kontasks.toml"]));
    assert!(words.contains("/nonexistent/kontasks.toml"), "{words}");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let words = refusal(kontasks(data.path()).args(["serve", "--addr", &address]));
    assert!(words.contains(&format!("cannot listen at {address}")), "{words}");
    std::fs::write(data.path().join("kontasks.toml"), "hosts = []\nrunners = 7\n").expect("writes");
    let words = refusal(&mut serve());
    assert!(words.contains("kontasks.toml:2") && words.contains("runners"), "{words}");
    let empty = tempfile::tempdir().expect("a folder");
    let words = refusal(kontasks(empty.path()).arg("sign-in-link"));
    assert!(words.contains("no server") && words.contains("--data"), "{words}");
    assert!(empty.path().read_dir().expect("reads").next().is_none(), "nothing was made");
}

#[test]
fn it_warns_where_others_could_listen() {
    let data = tempfile::tempdir().expect("a folder");
    let mut server = start(kontasks(data.path()).args(["serve", "--addr", "0.0.0.0:0"]));
    assert!(server.link.starts_with("http://127.0.0.1:"), "{}", server.link);
    let mut log = BufReader::new(server.child.stderr.take().expect("piped")).lines().map(|line| line.expect("text"));
    assert!(log.any(|line| line.contains("WARN") && line.contains("without TLS")));
}
