//! A request to cancel is never behind output, room or the store: it ends the programs while
//! nothing can be committed, also by the next server, and is said when it can be.

use crate::{
    disk::Disk,
    place::{Gate, Place, Server, eventually, lives, pid_in},
    program::{Program, ask},
};
use kontasks::domain::run::RunStatus;
use sqlx::{ConnectOptions, Connection, SqliteConnection, sqlite::SqliteConnectOptions};
use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use tokio::time::sleep;

/// Writes for ever, as fast as it can.
const ENDLESS: &str = "exec yes 0123456789012345678901234567890123456789";
/// Writes three million bytes, and then goes on for ever, but not so fast.
const STEADY: &str = "head -c 3000000 /dev/zero | tr '\\0' x; while :; do echo y; sleep 0.01; done";

/// Says where its own number is, and does the rest.
fn numbered(pid: &Path, rest: &str) -> String {
    format!("echo $$ > '{}'; {rest}", pid.display())
}

async fn until_full(server: &Server) {
    eventually("full", || server.store.is_full()).await;
}

async fn until_dead(pid: i32) {
    eventually("it ends", || !lives(pid)).await;
}

#[tokio::test]
async fn a_run_is_cancelled_while_the_database_is_full() {
    let place = Place::with("max_output = \"1 GiB\"\n");
    let mut server = place.server().await;
    for restart in [false, true] {
        let pid = place.data.join("pid");
        let run = server.submit(&numbered(&pid, STEADY)).await;
        server.until(run.id, "writes", |run| run.bytes > 0).await;
        server.store.limit_pages(300).await.expect("limits");
        until_full(&server).await;
        let pid = pid_in(&pid);
        if restart {
            server.leave().await;
            server = place.server().await;
            server.store.limit_pages(300).await.expect("limits");
            until_full(&server).await;
        }
        assert!(lives(pid));
        server.runners.cancel(run.id, "Ann").await.expect("asked");
        until_dead(pid).await;
        let mut now = server.store.run(run.id).await.expect("readable").expect("there");
        assert_eq!(now.status, RunStatus::Running, "its output cannot be committed, and so its end neither");
        server.runners.complete(&mut now);
        assert_eq!(now.outcome(), "stopping: SIGINT sent, asked by Ann", "and yet it is seen");
        server.store.limit_pages(1_000_000).await.expect("limits");
        let (run, _) = server.end(run.id).await;
        assert_eq!((run.outcome().as_str(), run.signal.as_deref()), ("cancelled by Ann", Some("SIGINT")));
        fs::remove_file(place.data.join("pid")).expect("removed");
    }
    server.leave().await;
}

async fn by_hand(place: &Place) -> SqliteConnection {
    SqliteConnectOptions::new().filename(place.data.join("kontasks.db")).connect().await.expect("opens")
}

#[tokio::test]
async fn a_run_is_cancelled_while_somebody_else_has_the_database() {
    let place = Place::new();
    let server = place.server().await;
    let pid = place.data.join("pid");
    let run = server.submit(&numbered(&pid, STEADY)).await;
    server.until(run.id, "writes", |run| run.bytes > 0).await;
    let pid = pid_in(&pid);
    let mut other = by_hand(&place).await;
    sqlx::raw_sql("begin immediate").execute(&mut other).await.expect("locks");
    server.runners.cancel(run.id, "Ann").await.expect("asked");
    until_dead(pid).await;
    sqlx::raw_sql("rollback").execute(&mut other).await.expect("gives back");
    other.close().await.expect("closes");
    assert_eq!(server.end(run.id).await.0.outcome(), "cancelled by Ann");
    server.leave().await;
}

#[tokio::test]
async fn a_run_is_cancelled_while_the_database_fails() {
    let place = Place::new();
    let server = place.server().await;
    let files = ["corrupt", "closed"].map(|name| place.data.join(name));
    let mut runs = Vec::new();
    for file in &files {
        let run = server.submit(&numbered(file, STEADY)).await;
        server.until(run.id, "writes", |run| run.bytes > 0).await;
        runs.push(run.id);
    }
    let pids = files.each_ref().map(|file| pid_in(file));
    // For every connection the schema is one that SQLite calls malformed.
    let mut other = by_hand(&place).await;
    let spoil =
        "pragma writable_schema = on; update sqlite_schema set sql = 'no ' || sql where name = 'runs'; pragma schema_version = 1000";
    sqlx::raw_sql(spoil).execute(&mut other).await.expect("spoils");
    assert!(server.store.run(runs[0]).await.is_err(), "the store fails");
    server.runners.cancel(runs[0], "Ann").await.expect("asked");
    until_dead(pids[0]).await;
    let mend = "update sqlite_schema set sql = substr(sql, 4) where name = 'runs'; pragma schema_version = 1001";
    sqlx::raw_sql(mend).execute(&mut other).await.expect("mends");
    other.close().await.expect("closes");
    assert_eq!(server.end(runs[0]).await.0.outcome(), "cancelled by Ann");

    server.store.close().await;
    assert!(server.store.run(runs[1]).await.is_err(), "the store is closed");
    server.runners.cancel(runs[1], "Ben").await.expect("asked");
    until_dead(pids[1]).await;
    server.leave().await;
    let server = place.server().await;
    assert_eq!(server.end(runs[1]).await.0.outcome(), "cancelled by Ben");
    server.leave().await;
}

#[tokio::test]
async fn what_is_typed_reaches_a_run_that_cannot_be_read() {
    let place = Place::new();
    let server = place.server().await;
    let (gate, heard) = (Gate::new(&place, "full"), place.data.join("heard"));
    let prompt = format!("echo up; {gate}; head -c 3000000 /dev/zero | tr '\\0' x; read line; echo \"$line\" > '{}'", heard.display());
    let run = server.submit(&prompt).await;
    server.until(run.id, "up", |run| run.bytes > 0).await;
    server.store.limit_pages(300).await.expect("limits");
    gate.open();
    until_full(&server).await;
    server.runners.type_in(run.id, "1".into(), "hello\r".into()).await.expect("typed");
    eventually("it was heard", || fs::read_to_string(&heard).is_ok_and(|text| text == "hello\n")).await;
    server.store.limit_pages(1_000_000).await.expect("limits");
    assert_eq!(server.end(run.id).await.0.status, RunStatus::Succeeded);
    server.leave().await;
}

/// The program with its data on a disk of 8 MiB, a run that has filled it and the number of its
/// program, and a run that waits, which would make the file `never`.
async fn on_a_full_disk(disk: &Disk, gates: &Path) -> (Program, String, i32, String) {
    fs::write(disk.path.join("kontasks.toml"), "max_running = 1\n").expect("written");
    let server = Program::start(&disk.path, "127.0.0.1:0").await;
    let (pid, gate) = (gates.join("pid"), gates.join("gate"));
    let run = server.submit(&format!("until test -e '{}'; do sleep 0.01; done; {}", gate.display(), numbered(&pid, ENDLESS))).await;
    let waiting = server.submit(&format!("touch '{}'", gates.join("never").display())).await;
    fs::write(gate, "").expect("written");
    let pid = pid_in(&pid);
    until_said(&server, "The disk is full").await;
    (server, run, pid, waiting)
}

async fn until_said(server: &Program, words: &str) {
    let begin = Instant::now();
    while !ask(&server.address, "GET /", "").await.contains(words) {
        assert!(begin.elapsed() < Duration::from_secs(20), "never said: {words}");
        sleep(Duration::from_millis(20)).await;
    }
}

async fn cancel(server: &Program, run: &str) {
    let answer = ask(&server.address, &format!("POST /api/v1/runs/{run}/cancellation"), "").await;
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
}

fn folder_of(disk: &Disk, run: &str) -> PathBuf {
    disk.path.join("runs").join(run)
}

#[tokio::test]
async fn a_full_disk_holds_up_no_request() {
    let gates = tempfile::tempdir().expect("a folder");
    let Some(disk) = Disk::new(8) else {
        eprintln!("mounting is refused here: only the full database was tried");
        return;
    };
    let (server, run, pid, waiting) = on_a_full_disk(&disk, gates.path()).await;
    let ballast = disk.fill();
    // A server that is killed leaves it to the next one, which has heard of nothing.
    server.kill().await;
    let server = Program::start(&disk.path, "127.0.0.1:0").await;
    until_said(&server, "The disk is full").await;
    assert!(lives(pid));
    cancel(&server, &run).await;
    until_dead(pid).await;
    let now = server.get(&format!("/api/v1/runs/{run}")).await;
    assert_eq!((now["status"].as_str(), now["stopping"]["signal"].as_str()), (Some("running"), Some("SIGINT")), "{now}");
    until_said(&server, "What is cancelled now is ended now").await;
    // One that waits is not wanted any more, which no room is needed to remember.
    disk.fill();
    cancel(&server, &waiting).await;
    server.kill().await;
    let mut server = Program::start(&disk.path, "127.0.0.1:0").await;
    fs::remove_file(ballast).expect("removed");
    disk.resize(256);
    let ended = server.until(&run, "ended", |run| !run["endedAt"].is_null()).await;
    assert_eq!(ended["status"], "cancelled", "{ended}");
    let ended = server.until(&waiting, "ended", |run| !run["endedAt"].is_null()).await;
    assert_eq!((ended["status"].as_str(), ended["startedAt"].as_str()), (Some("cancelled"), None), "{ended}");
    let by = "the token from the environment";
    assert_eq!(ended["reason"], format!("by {by} before it was started"));
    assert!(!gates.path().join("never").exists());
    server.stop().await;
}

#[tokio::test]
async fn a_request_outlives_the_server_that_had_no_room_for_it() {
    let gates = tempfile::tempdir().expect("a folder");
    let Some(disk) = Disk::new(8) else {
        eprintln!("mounting is refused here: only the full database was tried");
        return;
    };
    let (server, run, pid, _) = on_a_full_disk(&disk, gates.path()).await;
    disk.fill();
    // A supervisor that is stopped and then killed hears nothing: what was asked must stand
    // somewhere.
    let supervisor = rustix::process::Pid::from_raw(supervisor_of(&disk, &run)).expect("a process");
    rustix::process::kill_process(supervisor, rustix::process::Signal::STOP).expect("stops");
    cancel(&server, &run).await;
    cancel(&server, &run).await;
    server.kill().await;
    let text = fs::read_to_string(disk.path.join("cancel.reserve")).expect("there");
    assert_eq!(text.lines().filter(|line| line.contains(&run)).count(), 2, "{}", text.trim_end());
    let server = Program::start(&disk.path, "127.0.0.1:0").await;
    rustix::process::kill_process(supervisor, rustix::process::Signal::CONT).expect("goes on");
    until_dead(pid).await;
    disk.resize(256);
    let mut server = server;
    let ended = server.until(&run, "ended", |run| !run["endedAt"].is_null()).await;
    assert_eq!(ended["status"], "cancelled", "{ended}");
    server.stop().await;
}

fn supervisor_of(disk: &Disk, run: &str) -> i32 {
    let mark = format!("supervise\0{}", folder_of(disk, run).display());
    let pids = fs::read_dir("/proc").expect("Linux").flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let line = |pid: &i32| String::from_utf8_lossy(&fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default()).into_owned();
    pids.into_iter().find(|pid| line(pid).contains(&mark)).expect("a supervisor")
}
