//! Runs wait for their turn: how many execute at once, in which order, and what becomes of one that is cancelled before.

use crate::place::{Gate, Place, Server, until};
use kontasks::domain::{
    id::RunId,
    run::{Run, RunStatus},
};
use std::fs;

/// A prompt that says its name in a file once it executes, and goes on to its end when it may.
fn says(place: &Place, name: &str, gate: &Gate) -> String {
    format!("echo {name} >> '{}'; {gate}", place.data.join("begun").display())
}

/// Those that have been executed, in their order.
fn begun(place: &Place) -> Vec<String> {
    fs::read_to_string(place.data.join("begun")).unwrap_or_default().lines().map(str::to_owned).collect()
}

/// How many of them execute now; the others must be waiting.
async fn executing(server: &Server, runs: &[RunId]) -> usize {
    let mut executing = 0;
    for id in runs {
        let run = server.store.run(*id).await.expect("readable").expect("there");
        assert!(matches!(run.status, RunStatus::Queued | RunStatus::Running), "{run:?}");
        executing += usize::from(run.status == RunStatus::Running);
    }
    executing
}

#[tokio::test]
async fn as_many_execute_as_may_and_the_others_follow_in_order() {
    let place = Place::configured("max_running = 2\n");
    let server = place.server().await;
    let gates: Vec<Gate> = (0..6).map(|number| Gate::new(&place, &format!("gate {number}"))).collect();
    let mut runs: Vec<Run> = Vec::new();
    for (number, gate) in gates.iter().enumerate() {
        runs.push(server.submit(&says(&place, &number.to_string(), gate)).await);
    }
    for ended in 0..6 {
        // Once the next two are known to execute, those behind them had every chance to.
        let (now, waiting) = runs[ended..].split_at((6 - ended).min(2));
        for run in now {
            server.until(run.id, "executes", |run| run.status == RunStatus::Running).await;
        }
        let waiting: Vec<RunId> = waiting.iter().map(|run| run.id).collect();
        assert_eq!(executing(&server, &waiting).await, 0, "while run {ended} executes");
        gates[ended].open();
        server.end(runs[ended].id).await;
    }
    // The first two began together.
    let mut order = begun(&place);
    order[..2].sort();
    assert_eq!(order, ["0", "1", "2", "3", "4", "5"]);
    server.leave().await;
}

#[tokio::test]
async fn a_runner_s_own_limit_holds_up_no_other() {
    let place = Place::configured(
        "max_running = 3\n[[runner]]\nname = \"shell\"\n[[runner]]\nname = \"one\"\ncommand = [\"sh\", \"-c\", \"{prompt}\"]\nmax_running = 1\n",
    );
    let server = place.server().await;
    let gate = Gate::new(&place, "gate");
    let first = server.submit_to("one", &says(&place, "first", &gate)).await.expect("accepted");
    let second = server.submit_to("one", &says(&place, "second", &gate)).await.expect("accepted");
    let other = server.submit(&says(&place, "other", &gate)).await;
    for run in [&first, &other] {
        server.until(run.id, "executes", |run| run.status == RunStatus::Running).await;
    }
    // A third place is free, and not for it.
    let (_, text) = server.run("echo passes by").await;
    assert_eq!(text, "passes by\n");
    assert_eq!(executing(&server, &[second.id]).await, 0);
    gate.open();
    for run in [first, second, other] {
        assert_eq!(server.end(run.id).await.0.status, RunStatus::Succeeded);
    }
    assert_eq!(begun(&place).last().map(String::as_str), Some("second"));
    server.leave().await;
}

#[tokio::test]
async fn a_run_that_waits_is_cancelled_at_once_and_never_started() {
    let place = Place::configured("max_running = 1\n");
    let server = place.server().await;
    let gate = Gate::new(&place, "gate");
    let holds = server.submit(&says(&place, "holds", &gate)).await;
    let unwanted = server.submit(&says(&place, "unwanted", &gate)).await;
    let last = server.submit(&says(&place, "last", &gate)).await;
    server.until(holds.id, "executes", |run| run.status == RunStatus::Running).await;

    server.runners.cancel(unwanted.id, "Ann").await.expect("asked");
    let (run, bytes) = server.end(unwanted.id).await;
    assert_eq!((run.outcome().as_str(), run.started_at, bytes.len()), ("cancelled by Ann before it was started", None, 0));
    assert_eq!(executing(&server, &[holds.id, last.id]).await, 1, "its end gives nobody a place that it did not have");
    until("its folder is gone", || !place.run_folder(unwanted.id).exists());

    // A server that ends just after it was asked leaves it to the next.
    let unwanted = server.submit(&says(&place, "unwanted", &gate)).await;
    server.leave().await;
    fs::create_dir(place.run_folder(unwanted.id)).expect("made");
    fs::write(place.run_folder(unwanted.id).join("cancel"), "").expect("written");
    let server = place.server().await;
    let (run, _) = server.end(unwanted.id).await;
    assert_eq!((run.status, run.started_at), (RunStatus::Cancelled, None));
    assert_eq!(executing(&server, &[holds.id, last.id]).await, 1);
    gate.open();
    server.end(last.id).await;
    server.end(holds.id).await;
    assert_eq!(begun(&place), ["holds", "last"]);
    server.leave().await;
}

#[tokio::test]
async fn what_the_next_server_finds_executing_counts() {
    let place = Place::configured("max_running = 2\n");
    let server = place.server().await;
    let gates: Vec<Gate> = (0..4).map(|number| Gate::new(&place, &format!("gate {number}"))).collect();
    let mut runs = Vec::new();
    for (number, gate) in gates.iter().enumerate() {
        runs.push(server.submit(&says(&place, &number.to_string(), gate)).await.id);
    }
    for run in &runs[..2] {
        server.until(*run, "executes", |run| run.status == RunStatus::Running).await;
    }
    server.leave().await;

    let server = place.server().await;
    // Once it has accepted and ended something by itself, it has decided whose turn it is.
    let unwanted = server.submit("true").await;
    server.runners.cancel(unwanted.id, "Ann").await.expect("asked");
    server.end(unwanted.id).await;
    assert_eq!(executing(&server, &runs).await, 2);
    gates[0].open();
    server.until(runs[2], "executes", |run| run.status == RunStatus::Running).await;
    assert_eq!(executing(&server, &runs[1..]).await, 2);
    server.leave().await;

    // One that ends while no server is there makes room as well.
    gates[1].open();
    until("the end is written down", || place.run_folder(runs[1]).join("end.json").exists());
    let server = place.server().await;
    server.until(runs[3], "executes", |run| run.status == RunStatus::Running).await;
    gates[2].open();
    gates[3].open();
    for run in runs {
        assert_eq!(server.end(run).await.0.status, RunStatus::Succeeded);
    }
    server.leave().await;
}

#[tokio::test]
async fn a_run_that_had_its_turn_keeps_its_place() {
    let place = Place::configured("max_running = 1\n");
    let server = place.server().await;
    let gate = Gate::new(&place, "gate");
    let first = server.submit(&says(&place, "first", &gate)).await;
    let second = server.submit(&says(&place, "second", &gate)).await;
    server.until(first.id, "executes", |run| run.status == RunStatus::Running).await;
    server.leave().await;

    // As when the server was killed after it had given the second its place, at the very moment when the first ended: the supervisor has
    // begun, and the store does not know it yet.
    let spec = fs::read_to_string(place.run_folder(first.id).join("spec.json")).expect("there");
    let spec = spec.replace(&first.id.to_string(), &second.id.to_string()).replace("echo first", "echo second");
    fs::create_dir(place.run_folder(second.id)).expect("made");
    fs::write(place.run_folder(second.id).join("spec.json"), spec).expect("written");
    let supervise = std::process::Command::new(env!("CARGO_BIN_EXE_kontasks"))
        .arg("supervise")
        .arg(place.run_folder(second.id))
        .stdout(std::process::Stdio::null())
        .spawn();
    let mut supervisor = supervise.expect("starts");
    until("it has begun", || begun(&place).len() == 2);

    let server = place.server().await;
    server.until(second.id, "is taken up", |run| run.status == RunStatus::Running).await;
    gate.open();
    for run in [first, second] {
        assert_eq!(server.end(run.id).await.0.status, RunStatus::Succeeded);
    }
    assert_eq!(begun(&place), ["first", "second"], "nothing was started twice");
    supervisor.wait().expect("ends");
    server.leave().await;
}
