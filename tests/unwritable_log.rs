//! Standard output and error that cannot be written: on a full device or disk, without a reader,
//! with one that never reads, or closed. The program itself goes on as if they could be.

#![cfg(target_os = "linux")]

#[path = "support/disk.rs"]
mod disk;
#[path = "support/program.rs"]
mod program;
#[path = "support/server.rs"]
mod server;

use disk::Disk;
use program::{Program, ask};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use serde_json::Value;
use server::TOKEN;
use std::{
    fs::{self, File},
    io::{PipeReader, Read, Write, pipe},
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};
use tokio::process::Command;

/// What a stream leads to.
#[derive(Clone, Copy, Debug)]
enum Destination {
    FullDevice,
    /// A pipe whose reader is gone.
    Broken,
    /// A pipe that is full, with a reader that does not read.
    Unread,
    Closed,
}

const DESTINATIONS: [Destination; 4] = [Destination::FullDevice, Destination::Broken, Destination::Unread, Destination::Closed];

/// What to give the program, and the reader that must stay.
fn stream(destination: Destination) -> (Stdio, Option<PipeReader>) {
    match destination {
        Destination::FullDevice => (File::options().write(true).open("/dev/full").expect("Linux").into(), None),
        Destination::Broken => (pipe().expect("a pipe").1.into(), None),
        Destination::Unread => {
            let (reader, mut writer) = pipe().expect("a pipe");
            let flags = fcntl_getfl(&writer).expect("flags");
            fcntl_setfl(&writer, flags | OFlags::NONBLOCK).expect("set");
            while writer.write(&[b'\n'; 4096]).is_ok() {}
            while writer.write(b"\n").is_ok() {}
            fcntl_setfl(&writer, flags).expect("set");
            (writer.into(), Some(reader))
        }
        // The shell closes it.
        Destination::Closed => (Stdio::null(), None),
    }
}

/// `kontasks` with these arguments and streams.
fn kontasks(data: &Path, arguments: &str, streams: [Option<Destination>; 2]) -> (Command, Vec<PipeReader>) {
    let closing =
        |number: usize| if matches!(streams[number - 1], Some(Destination::Closed)) { format!(" {number}>&-") } else { String::new() };
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", &format!("exec \"$0\" {arguments}{}{}", closing(1), closing(2)), env!("CARGO_BIN_EXE_kontasks")])
        .env("KONTASKS_DATA", data)
        .env("KONTASKS_TOKEN", TOKEN)
        .env("SHELL", "/bin/sh")
        .env_remove("KONTASKS_DATABASE")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    let mut readers = Vec::new();
    for (number, destination) in streams.into_iter().enumerate() {
        let Some((stream, reader)) = destination.map(stream) else { continue };
        if number == 0 {
            command.stdout(stream)
        } else {
            command.stderr(stream)
        };
        readers.extend(reader);
    }
    (command, readers)
}

/// Starts the server and waits until it has written down where it listens.
async fn serve(data: &Path, mut command: Command) -> Program {
    let child = command.spawn().expect("starts");
    Program { child, address: address(data).await }
}

async fn address(data: &Path) -> String {
    let patience = Instant::now() + Duration::from_secs(30);
    loop {
        let note = fs::read(data.join("server.json")).ok().and_then(|note| serde_json::from_slice::<Value>(&note).ok());
        if let Some(address) = note.as_ref().and_then(|note| note["address"].as_str()) {
            return address.to_owned();
        }
        assert!(Instant::now() < patience, "it never listens");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Does what makes a server say something: a refused sign-in, a run, an end.
async fn is_well(mut server: Program) {
    for _ in 0..3 {
        let refused = tokio::time::timeout(Duration::from_secs(10), ask(&server.address, "POST /sign-in", "")).await.expect("an answer");
        assert!(refused.starts_with("HTTP/1.1 4"), "{refused}");
        let refused = refuse_link(&server.address).await;
        assert!(refused.starts_with("HTTP/1.1 401"), "{refused}");
    }
    let run = server.submit("echo done").await;
    server.until(&run, "ended", |run| run["status"] == "succeeded").await;
    server.stop().await;
}

async fn refuse_link(address: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(address).await.expect("connects");
    let form = "token=a-code-that-is-none";
    let head = format!("POST /sign-in HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/x-www-form-urlencoded\r\n");
    stream.write_all(format!("{head}Content-Length: {}\r\nConnection: close\r\n\r\n{form}", form.len()).as_bytes()).await.expect("writes");
    let mut answer = String::new();
    tokio::time::timeout(Duration::from_secs(10), stream.read_to_string(&mut answer)).await.expect("an answer").expect("reads");
    answer
}

#[tokio::test]
async fn a_server_serves_and_stops_whatever_its_log_leads_to() {
    for destination in DESTINATIONS {
        eprintln!("standard error: {destination:?}");
        let data = tempfile::tempdir().expect("a folder");
        let (command, _readers) = kontasks(data.path(), "serve --addr 127.0.0.1:0", [None, Some(destination)]);
        is_well(serve(data.path(), command).await).await;
    }
}

#[tokio::test]
async fn a_server_serves_and_stops_whatever_its_standard_output_leads_to() {
    for destination in DESTINATIONS {
        eprintln!("standard output: {destination:?}");
        let data = tempfile::tempdir().expect("a folder");
        let (command, _readers) = kontasks(data.path(), "serve --addr 127.0.0.1:0", [Some(destination), None]);
        is_well(serve(data.path(), command).await).await;
        eprintln!("both: {destination:?}");
        let data = tempfile::tempdir().expect("a folder");
        let (command, _readers) = kontasks(data.path(), "serve --addr 127.0.0.1:0", [Some(destination), Some(destination)]);
        is_well(serve(data.path(), command).await).await;
    }
}

#[tokio::test]
async fn a_reader_that_comes_late_gets_the_log_in_order() {
    let data = tempfile::tempdir().expect("a folder");
    let (mut command, mut readers) = kontasks(data.path(), "serve --addr 127.0.0.1:0", [None, Some(Destination::Unread)]);
    command.env("NO_COLOR", "1");
    let mut server = serve(data.path(), command).await;
    for _ in 0..5 {
        assert!(refuse_link(&server.address).await.starts_with("HTTP/1.1 401"));
    }
    let mut reader = readers.pop().expect("a reader");
    let log = std::thread::spawn(move || {
        let mut log = String::new();
        reader.read_to_string(&mut log).expect("reads");
        log
    });
    server.stop().await;
    let log = log.join().expect("reads to the end");
    let lines: Vec<&str> = log.lines().filter(|line| !line.is_empty()).collect();
    assert_eq!(lines.iter().filter(|line| line.contains("a sign-in link was refused")).count(), 5, "{lines:?}");
    assert!(lines.last().expect("lines").contains("stopping"), "{lines:?}");
}

#[tokio::test]
async fn a_server_whose_log_is_on_the_disk_that_was_full_goes_on() {
    let Some(disk) = Disk::new(8) else {
        eprintln!("mounting is refused here: only devices and pipes were tried");
        return;
    };
    let log = disk.path.join("log");
    let (mut command, _) = kontasks(&disk.path, "serve --addr 127.0.0.1:0", [None, None]);
    command.env("NO_COLOR", "1").stderr(File::options().append(true).create(true).open(&log).expect("made"));
    let mut server = serve(&disk.path, command).await;
    let ballast = disk.path.join("ballast");
    let fill = || {
        // The page that the log ends in has room of its own.
        for (path, part) in [(&ballast, &[0; 512][..]), (&log, b".")] {
            let mut file = File::options().append(true).create(true).open(path).expect("opens");
            while file.write_all(part).is_ok() {}
        }
    };
    fill();
    let submit = async |server: &Program| ask(&server.address, "POST /api/v1/runs", r#"{"prompt":"echo again"}"#).await;
    until(async || submit(&server).await.starts_with("HTTP/1.1 507"), "no room").await;
    until(async || ask(&server.address, "GET /", "").await.contains("The disk is full: output waits"), "a notice").await;
    // What the database gave up meanwhile is room again.
    let is_unwritable = async || {
        fill();
        let before = fs::metadata(&log).expect("there").len();
        assert!(refuse_link(&server.address).await.starts_with("HTTP/1.1 "), "it is answered");
        tokio::time::sleep(Duration::from_millis(50)).await;
        fs::metadata(&log).expect("there").len() == before
    };
    until(is_unwritable, "a line that could not be written").await;
    fs::remove_file(ballast).expect("removed");
    let begin = Instant::now();
    until(async || submit(&server).await.starts_with("HTTP/1.1 20"), "room again").await;
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    server.stop().await;
    let log = String::from_utf8_lossy(&fs::read(&log).expect("there")).into_owned();
    assert!(log.contains("line(s) could not be written here and were dropped"), "{}", log.replace("....", ""));
    assert!(log.contains("runs are accepted and started again") && log.contains("stopping"), "{}", log.replace("....", ""));
}

async fn until(is: impl AsyncFn() -> bool, what: &str) {
    let patience = Instant::now() + Duration::from_secs(30);
    while !is().await {
        assert!(Instant::now() < patience, "never: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn commands_do_their_work_and_say_by_their_exit_code_what_could_not_be_said() {
    let data = tempfile::tempdir().expect("a folder");
    let (command, _) = kontasks(data.path(), "serve --addr 127.0.0.1:0", [None, None]);
    let mut server = serve(data.path(), command).await;
    let end = async |arguments: &str, streams: [Option<Destination>; 2]| {
        let (mut command, _readers) = kontasks(data.path(), arguments, streams);
        if streams[1].is_none() {
            command.stderr(Stdio::piped());
        }
        let child = command.spawn().expect("starts");
        let ended = tokio::time::timeout(Duration::from_secs(20), child.wait_with_output()).await;
        let output = ended.expect("it ends").expect("runs");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    for destination in DESTINATIONS {
        eprintln!("{destination:?}");
        // Who asks for a link and is not given it has to know; but one that closes its output wants
        // none.
        let expected = i32::from(!matches!(destination, Destination::Closed));
        let (code, words) = end("sign-in-link", [Some(destination), None]).await;
        assert_eq!(code, Some(expected), "{words}");
        assert!(!words.contains("panicked"), "{words}");
        assert_eq!(end("sign-in-link", [None, Some(destination)]).await.0, Some(0), "a log is not what it was asked for");
        assert_eq!(end("serve --addr 127.0.0.1:0", [None, Some(destination)]).await.0, Some(1), "the folder is in use");
        if !matches!(destination, Destination::Unread) {
            // The command line is looked at before anything else; who types it waits for what is
            // said about it.
            assert_eq!(end("serve --nonsense", [None, Some(destination)]).await.0, Some(2));
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn a_password_that_cannot_be_confirmed_is_set_and_all_are_signed_out() {
    let data = tempfile::tempdir().expect("a folder");
    let (command, _) = kontasks(data.path(), "serve --addr 127.0.0.1:0", [None, None]);
    let mut server = serve(data.path(), command).await;
    let link = |data: &Path| {
        let mut command = kontasks(data, "sign-in-link", [None, None]).0;
        command.stdout(Stdio::piped());
        command
    };
    for destination in DESTINATIONS {
        eprintln!("{destination:?}");
        let output = link(data.path()).output().await.expect("runs");
        let token = String::from_utf8(output.stdout).expect("text").trim().rsplit_once("token=").expect("a link").1.to_owned();
        let cookie = sign_in(&server.address, &format!("token={token}")).await;
        assert!(is_signed_in(&server.address, &cookie).await);
        let (mut command, _readers) = kontasks(data.path(), "password --sign-out-all", [Some(destination), Some(destination)]);
        let mut child = command.stdin(Stdio::piped()).spawn().expect("starts");
        let mut typed = child.stdin.take().expect("piped");
        tokio::io::AsyncWriteExt::write_all(&mut typed, b"correct horse battery\n").await.expect("writes");
        drop(typed);
        tokio::time::timeout(Duration::from_secs(20), child.wait()).await.expect("it ends").expect("waits");
        until(async || !is_signed_in(&server.address, &cookie).await, "signed out").await;
        sign_in(&server.address, "password=correct+horse+battery").await;
    }
    server.stop().await;
}

/// The cookie that a form brings.
async fn sign_in(address: &str, form: &str) -> String {
    let answer = exchange(
        address,
        &format!("POST /sign-in HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}", form.len()),
        form,
    )
    .await;
    let cookie = answer.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap_or_else(|| panic!("{answer}"));
    cookie.split(';').next().expect("a value").to_owned()
}

async fn is_signed_in(address: &str, cookie: &str) -> bool {
    exchange(address, &format!("GET /settings HTTP/1.1\r\nCookie: {cookie}"), "").await.starts_with("HTTP/1.1 200")
}

async fn exchange(address: &str, head: &str, body: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(address).await.expect("connects");
    let request = format!("{head}\r\nHost: {address}\r\nConnection: close\r\n\r\n{body}");
    stream.write_all(request.as_bytes()).await.expect("writes");
    let mut answer = String::new();
    tokio::time::timeout(Duration::from_secs(10), stream.read_to_string(&mut answer)).await.expect("an answer").expect("reads");
    answer
}
