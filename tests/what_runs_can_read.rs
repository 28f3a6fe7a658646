//! What a program that is run, and every other user of the machine, can read of the server's
//! secrets and of other people's prompts in `/proc`. The program itself, once as root, if that is
//! who runs the test, and once as a user without any rights.

#![cfg(target_os = "linux")]

#[path = "support/program.rs"]
mod program;
#[path = "support/server.rs"]
mod server;

use program::{Program, ask};
use serde_json::json;
use server::TOKEN;
use std::{
    fs,
    os::unix::fs::{PermissionsExt, chown},
    path::{Path, PathBuf},
};
use tokio::process::Command;

/// The processes of which a file in `/proc` contains that text, with the file. This one does not
/// count.
fn found_in_proc(text: &str) -> Vec<String> {
    let contains = |path: &Path| fs::read(path).is_ok_and(|bytes| bytes.windows(text.len()).any(|part| part == text.as_bytes()));
    let pids = fs::read_dir("/proc").expect("Linux").flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| *pid != std::process::id())
        .flat_map(|pid| ["cmdline", "environ", "comm"].map(|name| PathBuf::from(format!("/proc/{pid}/{name}"))))
        .filter(|path| contains(path))
        .map(|path| format!("{}: {}", path.display(), fs::read_to_string(path.with_file_name("cmdline")).unwrap_or_default()))
        .collect()
}

async fn up(server: &Program, run: &str) {
    server.until(run, "up", |run| run["bytes"].as_u64() > Some(0)).await;
}

#[tokio::test]
async fn a_prompt_stands_in_no_process_list_and_in_no_environment() {
    let data = tempfile::tempdir().expect("a folder");
    let mut server = Program::start(data.path(), "127.0.0.1:0").await;
    let marker = format!("{}-{}", "the-secret-of-this-prompt", std::process::id());
    let gate = data.path().join("gate");
    let short = format!(": '{marker}'; echo up; until test -e '{}'; do sleep 0.01; done; read typed; echo \"$typed $0\"", gate.display());
    // Larger than one argument can be.
    let long = format!(": '{}'; {short}", "x".repeat(200_000));
    let mut runs = Vec::new();
    for prompt in [short, long] {
        let run = server.submit(&prompt).await;
        up(&server, &run).await;
        runs.push(run);
    }
    assert_eq!(found_in_proc(&marker), Vec::<String>::new());
    for run in &runs {
        let script = data.path().join("runs").join(run).join("prompt");
        assert_eq!(fs::metadata(script).expect("there").permissions().mode() & 0o777, 0o600);
    }
    fs::write(gate, "").expect("written");
    for run in &runs {
        // Standard input is the terminal's.
        server.post(&format!("/api/v1/runs/{run}/input"), &json!({ "text": "typed\r" })).await;
        server.until(run, "ended", |run| run["status"] == "succeeded").await;
        let output = ask(&server.address, &format!("GET /api/v1/runs/{run}/output"), "").await;
        assert!(output.contains("typed /bin/sh\n"), "{output}");
    }
    assert_eq!(found_in_proc(&marker), Vec::<String>::new());
    server.stop().await;
}

#[tokio::test]
async fn secrets_are_in_no_environment_once_the_server_runs() {
    let data = tempfile::tempdir().expect("a folder");
    let name = format!("a-password-in-the-address-{}", std::process::id());
    let database = data.path().join(&name);
    let before = format!("export KONTASKS_DATABASE='{}'", database.display());
    let mut server = Program::start_after(&before, data.path(), "127.0.0.1:0").await;
    let gate = data.path().join("gate");
    let run = server.submit(&format!("env; echo up; until test -e '{}'; do sleep 0.01; done", gate.display())).await;
    up(&server, &run).await;
    assert!(database.exists(), "it was read before it was taken away");
    // Other tests start servers with the same token, which start up.
    let own: Vec<String> = found_in_proc(TOKEN).into_iter().filter(|found| found.contains(&*data.path().to_string_lossy())).collect();
    assert_eq!((own, found_in_proc(&name)), (Vec::new(), Vec::new()));
    fs::write(gate, "").expect("written");
    server.until(&run, "ended", |run| run["status"] == "succeeded").await;
    let output = ask(&server.address, &format!("GET /api/v1/runs/{run}/output"), "").await;
    assert!(output.contains("KONTASKS_RUN=") && !output.contains(TOKEN) && !output.contains(&name), "{output}");
    for meant_for_us in ["KONTASKS_UMASK", "KONTASKS_OPEN_FILES"] {
        assert!(!output.contains(meant_for_us), "{output}");
    }
    server.stop().await;
}

/// A user without any rights, with a copy of the program and a folder of its own.
struct Nobody {
    place: tempfile::TempDir,
    data: PathBuf,
}

const NOBODY: u32 = 65534;

impl Nobody {
    /// None where this test is not root.
    fn new() -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            return None;
        }
        let place = tempfile::tempdir().expect("a folder");
        fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).expect("set");
        program::copy_to(&place.path().join("kontasks"));
        let home = place.path().join("home");
        // A longer path than a socket's address has room for.
        let data = home.join("data ".repeat(12)).join("x".repeat(60));
        fs::create_dir(&home).expect("made");
        chown(&home, Some(NOBODY), Some(NOBODY)).expect("root");
        // As many runs at once as a test wants, whatever the machine has.
        fs::write(place.path().join("config"), "max_running = 100\n").expect("written");
        Some(Nobody { place, data })
    }

    async fn serve(&self) -> Program {
        let mut command = Command::new("setpriv");
        command
            .args([&format!("--reuid={NOBODY}"), &format!("--regid={NOBODY}"), "--clear-groups"])
            .arg(self.place.path().join("kontasks"))
            .args(["serve", "--addr", "127.0.0.1:0", "--data"])
            .arg(&self.data)
            .arg("--config")
            .arg(self.place.path().join("config"))
            .env("HOME", self.place.path().join("home"));
        Program::of(command).await
    }
}

#[tokio::test]
async fn a_run_of_the_same_user_reads_neither_server_nor_supervisor() {
    let Some(nobody) = Nobody::new() else {
        eprintln!("only root can become a user without rights: not tried");
        return;
    };
    let mut server = nobody.serve().await;
    let pid = server.child.id().expect("runs");
    let files = "environ mem maps auxv stack syscall pagemap";
    let prompt = format!(
        "is_open() {{ (exec < \"$1\") 2>/dev/null; }}
        for process in {pid} $PPID; do
          for file in {files}; do is_open /proc/$process/$file && echo \"$file of $process\"; done
          for link in exe cwd root; do readlink /proc/$process/$link && echo \"$link of $process\"; done
          ls /proc/$process/fd 2>/dev/null && echo \"fd of $process\"
          ls /proc/$process/task/*/fd 2>/dev/null && echo \"fd of the threads of $process\"
          tr '\\0' ' ' < /proc/$process/cmdline | grep -o 'kontasks supervise\\|kontasks serve'
        done
        is_open /proc/$$/environ && is_open /proc/$$/mem && ls /proc/$$/fd > /dev/null && echo 'it could read what is open'"
    );
    let run = server.submit(&prompt).await;
    server.until(&run, "ended", |run| !run["endedAt"].is_null()).await;
    let output = ask(&server.address, &format!("GET /api/v1/runs/{run}/output"), "").await;
    let said = output.split_once("\r\n\r\n").expect("a body").1;
    assert_eq!(said, "kontasks serve\nkontasks supervise\nit could read what is open\n");
    server.stop().await;
}

#[tokio::test]
async fn a_server_without_rights_still_finds_its_runs_again() {
    let Some(nobody) = Nobody::new() else {
        eprintln!("only root can become a user without rights: not tried");
        return;
    };
    let server = nobody.serve().await;
    let gate = nobody.place.path().join("home/gate");
    let stays = format!("echo up; until test -e '{}'; do sleep 0.01; done; echo end", gate.display());
    let runs = [
        server.submit(&stays).await,
        server.submit("echo up; sleep 1000").await,
        server.submit("(setsid sleep 1000)& echo up; wait").await,
    ];
    for run in &runs {
        up(&server, run).await;
    }
    let supervisor = supervisor_of(&nobody.data, &runs[2]);
    server.kill().await;
    rustix::process::kill_process(supervisor, rustix::process::Signal::KILL).expect("kills");

    let mut server = nobody.serve().await;
    fs::write(&gate, "").expect("written");
    server.until(&runs[0], "ended", |run| run["status"] == "succeeded").await;
    server.post(&format!("/api/v1/runs/{}/cancellation", runs[1]), &json!({})).await;
    server.until(&runs[1], "ended", |run| run["status"] == "cancelled").await;
    let interrupted = server.until(&runs[2], "ended", |run| !run["endedAt"].is_null()).await;
    // A user without rights has no control groups.
    let words = "the process that held it is gone; what could be found of its program was ended, but one that left its session and \
                 cleared its environment may still run";
    assert_eq!(interrupted["reason"], words, "{interrupted}");
    let output = ask(&server.address, &format!("GET /api/v1/runs/{}/output", runs[0]), "").await;
    assert!(output.ends_with("up\nend\n"), "{output}");
    server.stop().await;
}

fn supervisor_of(data: &Path, run: &str) -> rustix::process::Pid {
    let line = format!("supervise\0{}\0", data.join("runs").join(run).display());
    let pids = fs::read_dir("/proc").expect("Linux").flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let mut found = pids.filter(|pid| fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|text| text.ends_with(&line)));
    rustix::process::Pid::from_raw(found.next().expect("a supervisor")).expect("a process")
}
