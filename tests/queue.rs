//! The queue and a server that is killed: the program itself, ended by SIGKILL wherever it stands while runs wait, and started again.

#![cfg(target_os = "linux")] // supervisors are looked for in /proc

#[path = "support/program.rs"]
mod program;
#[path = "support/server.rs"]
mod server;

use program::{Program, ask};
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::{fs, path::Path, time::Duration};

fn data(config: &str) -> tempfile::TempDir {
    let data = tempfile::tempdir().expect("a folder");
    fs::write(data.path().join("kontasks.toml"), config).expect("written");
    data
}

fn lines(file: &Path) -> Vec<String> {
    fs::read_to_string(file).unwrap_or_default().lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn each_run_has_one_turn_in_order_whenever_the_server_is_killed() {
    const RUNS: usize = 40;
    let data = data("max_running = 1\n");
    let [log, alone] = ["log", "alone"].map(|name| data.path().join(name));
    let mut random = StdRng::seed_from_u64(8);
    let mut server = Program::start(data.path(), "127.0.0.1:0").await;
    let mut runs = Vec::new();
    for number in 0..RUNS {
        // A second one at the same time would find the folder.
        let alone = alone.display();
        let prompt = format!("mkdir '{alone}' || echo together >> '{0}'; echo {number} >> '{0}'; rmdir '{alone}'", log.display());
        runs.push(server.submit(&prompt).await);
    }
    let mut killed = 0;
    while lines(&log).len() < RUNS {
        tokio::time::sleep(Duration::from_millis(random.random_range(0..60))).await;
        server.kill().await;
        killed += 1;
        server = Program::start(data.path(), "127.0.0.1:0").await;
    }
    for run in &runs {
        let run = server.until(run, "ended", |run| !run["endedAt"].is_null()).await;
        assert_eq!(run["status"], "succeeded", "{run}");
    }
    let order: Vec<String> = (0..RUNS).map(|number| number.to_string()).collect();
    assert_eq!(lines(&log), order, "killed {killed} times");
    assert!(killed > 3, "it was killed {killed} times");
}

#[tokio::test]
async fn what_executes_when_the_server_is_killed_keeps_its_place() {
    let data = data("max_running = 2\n");
    let [log, gate] = ["log", "gate"].map(|name| data.path().join(name));
    let mut server = Program::start(data.path(), "127.0.0.1:0").await;
    let mut runs = Vec::new();
    for number in 0..5 {
        let prompt = format!("echo {number} >> '{}'; until test -e '{}'; do sleep 0.01; done", log.display(), gate.display());
        runs.push(server.submit(&prompt).await);
    }
    for run in &runs[..2] {
        server.until(run, "executes", |run| run["status"] == "running").await;
    }
    for _ in 0..3 {
        server.kill().await;
        server = Program::start(data.path(), "127.0.0.1:0").await;
        // What is accepted now waits behind the others, and can be cancelled at once.
        let last = server.submit("true").await;
        server.post(&format!("/api/v1/runs/{last}/cancellation"), &serde_json::json!({})).await;
        let last = server.until(&last, "ended", |run| !run["endedAt"].is_null()).await;
        assert_eq!((last["status"].as_str(), &last["startedAt"]), (Some("cancelled"), &serde_json::Value::Null));
        for (number, run) in runs.iter().enumerate() {
            let run = server.get(&format!("/api/v1/runs/{run}")).await;
            assert_eq!(run["status"], if number < 2 { "running" } else { "queued" });
        }
    }
    fs::write(gate, "").expect("written");
    for run in &runs {
        server.until(run, "succeeded", |run| run["status"] == "succeeded").await;
    }
    assert_eq!(lines(&log).len(), 5);
    server.stop().await;
}

#[tokio::test]
async fn a_run_that_waits_says_how_many_are_before_it() {
    let data = data("max_running = 1\n");
    let gate = data.path().join("gate");
    let mut server = Program::start(data.path(), "127.0.0.1:0").await;
    let prompt = format!("until test -e '{}'; do sleep 0.01; done", gate.display());
    let first = server.submit(&prompt).await;
    server.until(&first, "executes", |run| run["status"] == "running").await;
    let mut waiting = Vec::new();
    for ahead in 0..3 {
        let run = server.submit(&prompt).await;
        assert_eq!(server.get(&format!("/api/v1/runs/{run}")).await["ahead"], ahead);
        waiting.push(run);
    }
    let page = async |path: String| ask(&server.address, &format!("GET {path}"), "").await;
    assert!(page(format!("/runs/{}", waiting[2])).await.contains(">queued, 2 before it<"));
    let dashboard = page("/".to_owned()).await;
    for words in [">queued, next<", ">queued, 1 before it<", ">queued, 2 before it<", ">running<"] {
        assert!(dashboard.contains(words), "{words} is missing in {dashboard}");
    }
    server.post(&format!("/api/v1/runs/{}/cancellation", waiting[0]), &serde_json::json!({})).await;
    server.until(&waiting[2], "nearer", |run| run["ahead"] == 1).await;
    assert!(page(format!("/runs/{}", waiting[2])).await.contains(">queued, 1 before it<"));
    fs::write(gate, "").expect("written");
    let last = server.until(&waiting[2], "ended", |run| run["status"] == "succeeded").await;
    assert!(last.get("ahead").is_none(), "{last}");
    server.stop().await;
}
