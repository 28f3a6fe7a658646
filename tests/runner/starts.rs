//! What cannot be started for want of something that comes back waits, says so, can be cancelled,
//! and starts by itself, once: no process, no thread, no descriptor, no terminal, a program that is
//! being written, a binary that is being replaced. The limits are real ones.

use crate::{
    place::{Gate, Place, Server, eventually, until},
    process_limit::ProcessLimit,
    program::{Program, ask},
};
use kontasks::domain::{
    id::RunId,
    run::{Run, RunStatus},
};
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use std::{
    fs::{self, File},
    io::Read,
    os::{
        fd::AsRawFd,
        unix::{fs::PermissionsExt, net::UnixListener},
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::sleep,
};

const WAITS: &str = "A run waits to be started: ";

/// Waits until the dashboard says that, or no longer says it.
async fn until_said(server: &Program, words: &str, is: bool) {
    let begin = Instant::now();
    loop {
        let page = ask(&server.address, "GET /", "").await;
        if page.contains(words) == is {
            return;
        }
        assert!(begin.elapsed() < Duration::from_secs(20), "never {is}: {words}\n{}", page.len());
        sleep(Duration::from_millis(20)).await;
    }
}

/// A prompt that leaves a line in the file each time when it is executed.
fn counts(file: &Path) -> String {
    format!("echo x >> '{}'", file.display())
}

fn count(file: &Path) -> usize {
    fs::read_to_string(file).unwrap_or_default().lines().count()
}

/// Whatever keeps a server from starting anything, until it is lifted.
enum Want {
    Processes(ProcessLimit),
    /// Of a user that is not root.
    Rlimit(Pid, Rlimit),
    Binary(PathBuf),
}

impl Want {
    /// The first that this machine has.
    fn of(server: &Program, binary: &Path) -> Want {
        let pid = Pid::from_raw(server.child.id().expect("runs").cast_signed()).expect("a process");
        if let Some(limit) = ProcessLimit::new() {
            fs::write(limit.members(), pid.as_raw_nonzero().to_string()).expect("becomes a member");
            // Below what there is: nothing more is made, and what there is goes on.
            limit.set(1);
            return Want::Processes(limit);
        }
        if !rustix::process::getuid().is_root() {
            let before = prlimit(Some(pid), Resource::Nproc, Rlimit { current: Some(1), ..rustix::process::getrlimit(Resource::Nproc) });
            return Want::Rlimit(pid, before.expect("limits"));
        }
        eprintln!("the number of processes cannot be limited here: the program's own file is taken away instead");
        fs::rename(binary, binary.with_extension("away")).expect("renamed");
        Want::Binary(binary.to_owned())
    }

    fn words(&self) -> String {
        let missing = match self {
            Want::Processes(_) | Want::Rlimit(..) => "the system gives it no process or thread",
            Want::Binary(_) => "the file of its program, or of Kontasks, is missing",
        };
        format!("{WAITS}{missing}")
    }

    fn lift(&self) {
        match self {
            Want::Processes(limit) => limit.lift(),
            Want::Rlimit(pid, before) => drop(prlimit(Some(*pid), Resource::Nproc, *before).expect("lifts")),
            Want::Binary(binary) => fs::rename(binary.with_extension("away"), binary).expect("renamed back"),
        }
    }
}

/// The built program under another name, in a folder of its own.
fn own_binary() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let binary = folder.path().join("kontasks");
    fs::hard_link(env!("CARGO_BIN_EXE_kontasks"), &binary)
        .or_else(|_| fs::copy(env!("CARGO_BIN_EXE_kontasks"), &binary).map(drop))
        .expect("linked");
    (folder, binary)
}

/// The server lacks something: it says so, what is not wanted any more ends, and the rest begins by
/// itself, each once.
async fn waits_and_goes_on(want: impl FnOnce(&Program, &Path) -> Want) {
    let (_folder, binary) = own_binary();
    let data = tempfile::tempdir().expect("a folder");
    fs::write(data.path().join("kontasks.toml"), "max_running = 2\n").expect("written");
    let mut server = Program::start_file(&binary, "true", data.path(), "127.0.0.1:0").await;
    let warm = server.submit("true").await;
    server.until(&warm, "ended", |run| run["status"] == "succeeded").await;
    let want = want(&server, &binary);
    let files = ["first", "second", "third"].map(|name| data.path().join(name));
    let mut runs = Vec::new();
    for file in &files {
        runs.push(server.submit(&counts(file)).await);
    }
    until_said(&server, &want.words(), true).await;
    for run in &runs {
        assert_eq!(server.get(&format!("/api/v1/runs/{run}")).await["status"], "queued");
    }
    let page = ask(&server.address, &format!("GET /runs/{}", runs[0]), "").await;
    assert!(page.contains(&want.words()), "its own page says so too");
    let answer = ask(&server.address, &format!("POST /api/v1/runs/{}/cancellation", runs[1]), "").await;
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    let ended = server.until(&runs[1], "ended", |run| !run["endedAt"].is_null()).await;
    assert_eq!(ended["status"], "cancelled", "{ended}");
    want.lift();
    for run in [&runs[0], &runs[2]] {
        let ended = server.until(run, "ended", |run| !run["endedAt"].is_null()).await;
        assert_eq!(ended["status"], "succeeded", "{ended}");
    }
    assert_eq!(files.each_ref().map(|file| count(file)), [1, 0, 1]);
    until_said(&server, WAITS, false).await;
    server.stop().await;
}

#[tokio::test]
async fn a_run_waits_for_a_process() {
    waits_and_goes_on(Want::of).await;
}

#[tokio::test]
async fn a_run_waits_for_a_binary_that_is_being_replaced() {
    waits_and_goes_on(|_, binary| {
        fs::rename(binary, binary.with_extension("away")).expect("renamed");
        Want::Binary(binary.to_owned())
    })
    .await;
}

/// The run that has the only place, until it is let go.
struct Holds(RunId, Gate);

impl Holds {
    async fn end(self, server: &Server) {
        self.1.open();
        server.end(self.0).await;
    }
}

/// A run that waits for its turn behind another one, with its folder as the server makes it when
/// that comes; the server has gone.
async fn prepared(place: &Place, counter: &Path) -> (Run, Holds) {
    let server = place.server().await;
    let gate = Gate::new(place, "holds");
    let holds = server.submit(&format!("{gate}")).await;
    server.until(holds.id, "executes", |run| run.status == RunStatus::Running).await;
    let run = server.submit(&counts(counter)).await;
    server.leave().await;
    let spec = fs::read_to_string(place.run_folder(holds.id).join("spec.json")).expect("there");
    let mut spec: serde_json::Value = serde_json::from_str(&spec).expect("JSON");
    spec["run"] = run.id.to_string().into();
    spec["program"]["script"] = serde_json::Value::Null;
    spec["program"]["command"] = serde_json::json!(["/bin/sh", "-c", run.prompt]);
    fs::create_dir(place.run_folder(run.id)).expect("made");
    fs::write(place.run_folder(run.id).join("spec.json"), spec.to_string()).expect("written");
    (run, Holds(holds.id, gate))
}

/// What a supervisor of that folder answers that was started after those commands of a shell.
fn supervise_after(before: &str, folder: &Path) -> String {
    let mut child = Command::new("/bin/sh")
        .args(["-c", &format!("{before}; exec \"$0\" supervise \"$1\""), env!("CARGO_BIN_EXE_kontasks")])
        .arg(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("starts");
    let mut answer = String::new();
    child.stdout.take().expect("piped").read_to_string(&mut answer).expect("reads");
    child.wait().expect("ends");
    answer
}

/// Whatever a supervisor lacks, it has started nothing, says so, and leaves a folder from which the
/// run begins when there is enough.
async fn nothing_was_begun(place: &Place, run: &Run, holds: Holds, counter: &Path) {
    assert!(!place.run_folder(run.id).join("begun.json").exists() && !place.run_folder(run.id).join("end.json").exists());
    assert_eq!(count(counter), 0);
    let server = place.server().await;
    let (run, _) = server.end(run.id).await;
    assert_eq!((run.outcome().as_str(), count(counter)), ("succeeded", 1));
    holds.end(&server).await;
    server.leave().await;
}

#[tokio::test]
async fn a_supervisor_without_threads_or_a_fork_has_started_nothing() {
    let Some(limit) = ProcessLimit::new() else {
        eprintln!("the number of processes cannot be limited here: that of descriptors was (the next test)");
        return;
    };
    let place = Place::configured("max_running = 1\n");
    let counter = place.data.join("counter");
    let (run, holds) = prepared(&place, &counter).await;
    let folder = place.run_folder(run.id);
    // Itself; with one of its two threads; with both and without its program.
    for most in 1..=3 {
        limit.set(most);
        let answer = supervise_after(&format!("echo $$ > '{}'", limit.members().display()), &folder);
        assert!(answer.starts_with("wait: process: ") && !answer.ends_with('\n'), "{most}: {answer:?}");
        assert_eq!(folder.join("unbegun.json").exists(), most == 3, "the mark of the begin is taken back, where it was made");
        assert!(!folder.join("begun.json").exists() && !folder.join("end.json").exists());
    }
    limit.lift();
    nothing_was_begun(&place, &run, holds, &counter).await;
}

#[tokio::test]
async fn a_supervisor_without_descriptors_has_started_nothing() {
    let place = Place::configured("max_running = 1\n");
    let counter = place.data.join("counter");
    let (run, holds) = prepared(&place, &counter).await;
    let folder = place.run_folder(run.id);
    let mut waited = 0;
    for most in 5.. {
        let answer = supervise_after(&format!("ulimit -n {most}"), &folder);
        if answer == "ready\n" {
            break;
        }
        assert!(answer.starts_with("wait: descriptor: "), "{most}: {answer:?}");
        assert!(!folder.join("begun.json").exists() && count(&counter) == 0, "{most}");
        waited += 1;
    }
    assert!(waited > 3, "{waited}");
    until("it has ended", || folder.join("end.json").exists());
    assert_eq!(count(&counter), 1);
    let server = place.server().await;
    assert_eq!(server.end(run.id).await.0.outcome(), "succeeded");
    holds.end(&server).await;
    server.leave().await;
}

/// Over one connection, which a server that may open no more files still answers; all that comes
/// until an answer ends so.
async fn over(connection: &mut TcpStream, address: &str, line: &str, body: &str, end: &str) -> String {
    let head = format!("{line} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {}\r\n", crate::server::TOKEN);
    let request = format!("{head}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    connection.write_all(request.as_bytes()).await.expect("writes");
    let mut text = String::new();
    while !text.contains(end) {
        let mut part = [0; 65536];
        let length = connection.read(&mut part).await.expect("reads");
        assert!(length > 0, "closed");
        text.push_str(&String::from_utf8_lossy(&part[..length]));
    }
    text
}

#[tokio::test]
async fn a_server_without_descriptors_waits() {
    let data = tempfile::tempdir().expect("a folder");
    let mut server = Program::start(data.path(), "127.0.0.1:0").await;
    let warm = server.submit("true").await;
    server.until(&warm, "ended", |run| run["status"] == "succeeded").await;
    let counter = data.path().join("counter");
    let mut connection = TcpStream::connect(&server.address).await.expect("connects");
    over(&mut connection, &server.address, "GET /", "", "</html>").await;
    let pid = Pid::from_raw(server.child.id().expect("runs").cast_signed()).expect("a process");
    let few = Rlimit { current: Some(3), maximum: rustix::process::getrlimit(Resource::Nofile).maximum };
    let before = prlimit(Some(pid), Resource::Nofile, few).expect("limits");
    let prompt = serde_json::json!({ "prompt": counts(&counter) }).to_string();
    let accepted = over(&mut connection, &server.address, "POST /api/v1/runs", &prompt, "\"task\":{").await;
    assert!(accepted.starts_with("HTTP/1.1 201"), "{accepted}");
    let words = format!("{WAITS}too many files are open");
    let begin = Instant::now();
    while !over(&mut connection, &server.address, "GET /", "", "</html>").await.contains(&words) {
        assert!(begin.elapsed() < Duration::from_secs(20), "never said");
        sleep(Duration::from_millis(20)).await;
    }
    prlimit(Some(pid), Resource::Nofile, before).expect("lifts");
    until_said(&server, WAITS, false).await;
    let begin = Instant::now();
    while server.get("/api/v1/tasks").await["tasks"].as_array().is_none_or(|tasks| tasks.iter().any(|task| task["status"] != "completed")) {
        assert!(begin.elapsed() < Duration::from_secs(20), "never ended");
        sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(count(&counter), 1);
    server.stop().await;
}

#[tokio::test]
async fn a_server_without_descriptors_cancels() {
    let data = tempfile::tempdir().expect("a folder");
    let mut server = Program::start(data.path(), "127.0.0.1:0").await;
    let run = server.submit("echo up; exec sleep 1000").await;
    server.until(&run, "up", |run| run["bytes"] == 3).await;
    let mut connection = TcpStream::connect(&server.address).await.expect("connects");
    over(&mut connection, &server.address, "GET /", "", "</html>").await;
    let pid = Pid::from_raw(server.child.id().expect("runs").cast_signed()).expect("a process");
    let few = Rlimit { current: Some(3), maximum: rustix::process::getrlimit(Resource::Nofile).maximum };
    let before = prlimit(Some(pid), Resource::Nofile, few).expect("limits");
    let answer = over(&mut connection, &server.address, &format!("POST /api/v1/runs/{run}/cancellation"), "", "\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    // How it ended is written down by its supervisor, which lacks nothing.
    let end = data.path().join("runs").join(&run).join("end.json");
    eventually("its program has ended", || end.exists()).await;
    let kept = fs::read_to_string(data.path().join("cancel.reserve")).expect("there");
    assert!(kept.contains(&run), "a next server would know of it");
    prlimit(Some(pid), Resource::Nofile, before).expect("lifts");
    let ended = server.until(&run, "ended", |run| !run["endedAt"].is_null()).await;
    assert_eq!(ended["status"], "cancelled", "{ended}");
    server.stop().await;
}

#[tokio::test]
async fn a_run_waits_for_a_terminal() {
    // One terminal, in a mount namespace of its own.
    let mounts = "mount -t devpts -o newinstance,ptmxmode=0666,max=1 devpts /dev/pts && mount --bind /dev/pts/ptmx /dev/ptmx";
    let tried = Command::new("unshare").args(["-m", "/bin/sh", "-c", mounts]).stderr(Stdio::null()).status();
    if !tried.is_ok_and(|status| status.success()) {
        eprintln!("terminals cannot be limited here: other wants were tried, and what the system says of this one is in space.rs");
        return;
    }
    let data = tempfile::tempdir().expect("a folder");
    let pipe =
        "[[runner]]\nname = \"shell\"\n[[runner]]\nname = \"pipe\"\ncommand = [\"/bin/sh\", \"-c\", \"{prompt}\"]\nterminal = false\n";
    fs::write(data.path().join("kontasks.toml"), format!("max_running = 5\n{pipe}")).expect("written");
    let before = format!("exec unshare -m /bin/sh -c '{mounts} && exec \"$0\" \"$@\"' \"$0\" \"$@\"");
    let mut server = Program::start_after(&before, data.path(), "127.0.0.1:0").await;
    let (gate, counter) = (data.path().join("gate"), data.path().join("counter"));
    let first = server.submit(&format!("until test -e '{}'; do sleep 0.01; done", gate.display())).await;
    server.until(&first, "executes", |run| run["status"] == "running").await;
    let second = server.submit(&counts(&counter)).await;
    until_said(&server, &format!("{WAITS}the system has no terminal left"), true).await;
    let piped = server.post("/api/v1/runs", &serde_json::json!({ "prompt": "true", "runner": "pipe" })).await;
    server.until(piped["run"]["id"].as_str().expect("an id"), "needs none", |run| run["status"] == "succeeded").await;
    assert_eq!(server.get(&format!("/api/v1/runs/{second}")).await["status"], "queued");
    fs::write(gate, "").expect("written");
    let ended = server.until(&second, "ended", |run| !run["endedAt"].is_null()).await;
    assert_eq!((ended["status"].as_str(), count(&counter)), (Some("succeeded"), 1), "{ended}");
    server.stop().await;
}

async fn stays_queued(server: &Server, run: &Run) {
    // Longer than between two attempts.
    sleep(Duration::from_millis(1500)).await;
    assert_eq!(server.store.run(run.id).await.expect("readable").expect("there").status, RunStatus::Queued);
}

#[tokio::test]
async fn a_run_waits_for_a_program_that_is_being_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let (program, counter) = (folder.path().join("program"), folder.path().join("counter"));
    let place = Place::with(&format!("[[runner]]\nname = \"own\"\ncommand = [\"{}\", \"{{prompt}}\"]\n", program.display()));
    fs::write(&program, format!("#!/bin/sh\n{}\n", counts(&counter))).expect("written");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("executable");
    let writing = File::options().append(true).open(&program).expect("open");
    let server = place.server().await;
    let run = server.submit_to("own", "x").await.expect("accepted");
    let unwanted = server.submit_to("own", "x").await.expect("accepted");
    stays_queued(&server, &run).await;
    server.runners.cancel(unwanted.id, "Ann").await.expect("asked");
    assert_eq!(server.end(unwanted.id).await.0.outcome(), "cancelled by Ann before it was started");
    // A next server waits for it as well.
    server.leave().await;
    let server = place.server().await;
    stays_queued(&server, &run).await;
    drop(writing);
    let (run, _) = server.end(run.id).await;
    assert_eq!((run.outcome().as_str(), count(&counter)), ("succeeded", 1));
    server.leave().await;
}

/// Stands where a supervisor does: has the lock, listens, and has begun.
fn pretend(folder: &Path) -> (File, UnixListener) {
    let lock = File::create(folder.join("lock")).expect("made");
    lock.lock().expect("free");
    let directory = File::open(folder).expect("there");
    let listener = UnixListener::bind(format!("/proc/self/fd/{}/ctl", directory.as_raw_fd())).expect("listens");
    fs::write(folder.join("begun.json"), "{\"boot\":null}").expect("written");
    (lock, listener)
}

#[tokio::test]
async fn a_begin_that_was_taken_back_is_made_again_and_no_other() {
    for taken_back in [true, false] {
        let place = Place::configured("max_running = 1\n");
        let counter = place.data.join("counter");
        let (run, holds) = prepared(&place, &counter).await;
        let folder = place.run_folder(run.id);
        let (lock, listener) = pretend(&folder);
        let server = place.server().await;
        // A server that came while a supervisor was about to start the program … (It follows, and
        // passes requests on.)
        let accept = move || [0; 2].map(|_| listener.accept().expect("connects"));
        let connection = tokio::task::spawn_blocking(accept).await.expect("accepts");
        if taken_back {
            fs::rename(folder.join("begun.json"), folder.join("unbegun.json")).expect("renamed");
        } else {
            fs::remove_file(folder.join("begun.json")).expect("removed");
        }
        drop((connection, lock));
        let (run, _) = server.end(run.id).await;
        // … and one whose folder somebody has emptied, where nobody knows what was started.
        let expected = if taken_back { (RunStatus::Succeeded, 1) } else { (RunStatus::Interrupted, 0) };
        assert_eq!((run.status, count(&counter)), expected);
        holds.end(&server).await;
        server.leave().await;
    }
}
