//! No room: a disk that is full and a data folder that has reached its limit, and how everything goes on by itself when there is room
//! again. The program itself, the first on a small file system of its own.

#![cfg(target_os = "linux")]

#[path = "support/disk.rs"]
mod disk;
#[path = "support/program.rs"]
mod program;
#[path = "support/server.rs"]
mod server;

use disk::Disk;
use program::{Program, ask};
use serde_json::json;
use server::TOKEN;
use std::{
    fs,
    io::Write,
    path::Path,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// A page as a browser without scripts has it.
async fn page(server: &Program, path: &str) -> String {
    ask(&server.address, &format!("GET {path}"), "").await
}

/// Waits until a page shows what is said there, or, where nothing is, no notice at all.
async fn until_shown(server: &Program, path: &str, words: Option<&str>) -> String {
    let patience = Instant::now() + Duration::from_secs(30);
    loop {
        let html = page(server, path).await;
        let place = html.find("class=\"server-notice\"").expect("has its place");
        let begin = html[..place].rfind("<p ").expect("a tag");
        let notice = html[begin..].split_once("</p>").expect("an end").0.to_owned();
        match words {
            Some(words) if notice.contains(words) && !notice.contains("hidden") => return notice,
            None if notice.contains("hidden") => return notice,
            _ => assert!(Instant::now() < patience, "{notice}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The board's stream, read until those words have come; all that came.
async fn heard(stream: &mut TcpStream, words: &str) -> String {
    let mut text = String::new();
    // A stream is never silent for long.
    let patience = tokio::time::Instant::now() + Duration::from_secs(30);
    while !text.contains(words) {
        let mut part = [0; 8192];
        let length = tokio::time::timeout_at(patience, stream.read(&mut part)).await.expect(words).expect("reads");
        assert!(length > 0, "the stream ended without {words}: {text}");
        text.push_str(&String::from_utf8_lossy(&part[..length]));
    }
    text
}

async fn until_there(file: &str) {
    let patience = Instant::now() + Duration::from_secs(30);
    while !Path::new(file).exists() {
        assert!(Instant::now() < patience, "never there: {file}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn listen(server: &Program) -> TcpStream {
    let mut stream = TcpStream::connect(&server.address).await.expect("connects");
    let head = format!("GET /api/v1/events HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {TOKEN}\r\n\r\n", server.address);
    stream.write_all(head.as_bytes()).await.expect("writes");
    stream
}

#[tokio::test]
async fn a_full_disk_makes_output_wait_and_loses_nothing() {
    let Some(disk) = Disk::new(8) else {
        eprintln!("mounting is refused here: only the injected failures were tried (tests/runner/space.rs)");
        return;
    };
    let config = "max_running = 1\n";
    fs::write(disk.path.join("kontasks.toml"), config).expect("written");
    let mut server = Program::start(&disk.path, "127.0.0.1:0").await;
    let mut stream = listen(&server).await;
    let first_words = heard(&mut stream, "event: hello").await;
    assert!(!first_words.contains("notice"), "{first_words}");

    let run = server.submit("head -c 12000000 /dev/zero | tr '\\0' x; echo end").await;
    let next = server.submit("echo next").await;
    let full = "The disk is full: output waits";
    until_shown(&server, "/", Some(full)).await;
    until_shown(&server, &format!("/runs/{run}"), Some(full)).await;
    // Whoever watches is told as well, at once and again when it is over.
    heard(&mut stream, "\"renewal\":true").await;
    let mut stream = listen(&server).await;
    let first_words = heard(&mut stream, "event: hello").await;
    assert!(first_words.contains(full), "{first_words}");

    let refusal = ask(&server.address, "POST /api/v1/runs", &json!({ "prompt": "echo no" }).to_string()).await;
    assert!(refusal.starts_with("HTTP/1.1 507") && refusal.contains("application/problem+json"), "{refusal}");
    assert!(refusal.contains("the disk is full: nothing was stored; free some space and try again"), "{refusal}");
    assert_eq!(server.get(&format!("/api/v1/runs/{run}")).await["status"], "running");
    // A server that ends and comes back while the disk is full takes up what runs, and still refuses.
    server.kill().await;
    server = Program::start(&disk.path, "127.0.0.1:0").await;
    until_shown(&server, "/", Some(full)).await;
    assert_eq!(server.get(&format!("/api/v1/runs/{next}")).await["status"], "queued");
    let mut stream = listen(&server).await;
    heard(&mut stream, full).await;

    disk.resize(256);
    heard(&mut stream, "\"renewal\":true").await;
    until_shown(&server, "/", None).await;
    let ended = server.until(&run, "ended", |run| !run["endedAt"].is_null()).await;
    assert_eq!((ended["status"].as_str(), ended["bytes"].as_u64()), (Some("succeeded"), Some(12_000_004)), "{ended}");
    let output = page(&server, &format!("/api/v1/runs/{run}/output")).await;
    let output = output.split_once("\r\n\r\n").expect("a body").1;
    assert!(output.len() == 12_000_004 && output.trim_end_matches("end\n").bytes().all(|byte| byte == b'x'), "{} bytes", output.len());
    server.until(&next, "had its turn", |run| run["status"] == "succeeded").await;
    let accepted = server.submit("true").await;
    server.until(&accepted, "ended", |run| run["status"] == "succeeded").await;
    server.stop().await;
}

#[tokio::test]
async fn a_program_that_ends_on_a_full_disk_has_its_last_bytes_read() {
    let Some(disk) = Disk::new(8) else {
        eprintln!("mounting is refused here: not tried");
        return;
    };
    let runner = "[[runner]]\nname = \"pipe\"\ncommand = [\"/bin/sh\", \"-c\", \"{prompt}\"]\nterminal = false\n";
    fs::write(disk.path.join("kontasks.toml"), runner).expect("written");
    let mut server = Program::start(&disk.path, "127.0.0.1:0").await;
    let gates = tempfile::tempdir().expect("a folder");
    let gate = |name: &str| gates.path().join(name).display().to_string();
    // The first byte is read and finds no room; from then on nothing is read, and the pipe holds the rest.
    let writes = "printf x; sleep 0.5; head -c 50000 /dev/zero | tr '\\0' x; echo end";
    let prompt = format!("touch {}; until test -e {}; do sleep 0.01; done; {writes}; touch {}", gate("up"), gate("full"), gate("over"));
    let run = server.submit(&prompt).await;
    until_there(&gate("up")).await;
    let ballast = disk.path.join("ballast");
    let mut file = fs::File::create(&ballast).expect("made");
    while file.write_all(&[0; 512]).is_ok() {}
    drop(file);
    fs::write(gate("full"), "").expect("written");
    until_there(&gate("over")).await;
    // Longer than anything more is waited for after a program's end.
    tokio::time::sleep(Duration::from_secs(3)).await;
    fs::remove_file(ballast).expect("removed");
    let ended = server.until(&run, "ended", |run| !run["endedAt"].is_null()).await;
    assert_eq!((ended["status"].as_str(), ended["bytes"].as_u64()), (Some("succeeded"), Some(50_005)), "{ended}");
    server.stop().await;
}

#[tokio::test]
async fn a_data_folder_at_its_limit_takes_on_nothing_new() {
    let data = tempfile::tempdir().expect("a folder");
    fs::write(data.path().join("kontasks.toml"), "max_running = 1\nmax_data = \"1 MB\"\n").expect("written");
    let gate = data.path().join("gate");
    let mut server = Program::start(data.path(), "127.0.0.1:0").await;
    let prompt = format!("head -c 2000000 /dev/zero | tr '\\0' x; until test -e '{}'; do sleep 0.01; done", gate.display());
    let run = server.submit(&prompt).await;
    let next = server.submit("echo next").await;
    let limit = "The data folder has reached its limit of 1 MB: no run is started or accepted";
    until_shown(&server, "/", Some(limit)).await;
    fs::write(gate, "").expect("written");
    let ended = server.until(&run, "ended", |run| run["status"] == "succeeded").await;
    assert_eq!(ended["bytes"], 2_000_000, "what runs goes on");
    let refusal = ask(&server.address, "POST /api/v1/runs", &json!({ "prompt": "echo no" }).to_string()).await;
    assert!(refusal.starts_with("HTTP/1.1 507") && refusal.contains("its limit of 1 MB (max_data)"), "{refusal}");
    assert_eq!(server.get(&format!("/api/v1/runs/{next}")).await["status"], "queued");

    let deleted = ask(&server.address, &format!("DELETE /api/v1/tasks/{}", ended["taskId"].as_str().expect("an id")), "").await;
    assert!(deleted.starts_with("HTTP/1.1 204"), "{deleted}");
    server.until(&next, "had its turn", |run| run["status"] == "succeeded").await;
    until_shown(&server, "/", None).await;
    server.stop().await;
}
