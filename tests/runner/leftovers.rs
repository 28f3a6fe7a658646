//! What a run has started ends with it, wherever it went: into a session of its own, deaf to signals, away from its parent.

use crate::place::{Gate, Place, gone, kill, lives, pid_in, until};
use kontasks::domain::run::RunStatus;
use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf};

/// A shell's commands that leave three processes behind, and where these write their numbers.
fn scatter(place: &Place) -> (String, [PathBuf; 3]) {
    let files = ["deaf", "orphan", "unhung"].map(|name| place.data.join(name));
    let [deaf, orphan, unhung] = files.each_ref().map(|file| format!("'\\''{}'\\''", file.display()));
    let commands = [
        // In a session of its own, and it ends by nothing but KILL.
        format!("setsid sh -c 'trap \"\" HUP INT TERM; echo $$ > {deaf}; while :; do sleep 0.1; done' &"),
        // A daemon: its parent has ended, and it has closed what it was given.
        format!("(setsid sh -c 'echo $$ > {orphan}; exec sleep 1000 <&- >&- 2>&-' &)"),
        // In the program's own group and with its output.
        format!("sh -c 'trap \"\" HUP; echo $$ > {unhung}; exec sleep 1000' &"),
    ];
    let there = files.each_ref().map(|file| format!("until test -s '{}'; do sleep 0.01; done", file.display()));
    (format!("{}\n{}\necho up", commands.join("\n"), there.join("\n")), files)
}

#[tokio::test]
async fn what_a_cancelled_run_has_started_ends_with_it() {
    let place = Place::new();
    let server = place.server().await;
    let (scatter, files) = scatter(&place);
    let run = server.submit(&format!("{scatter}; sleep 1000")).await;
    server.until(run.id, "up", |run| run.bytes > 0).await;
    let pids = files.each_ref().map(|file| pid_in(file));
    assert!(pids.into_iter().all(lives));
    server.runners.cancel(run.id, "a test").await.expect("asked");
    assert_eq!(server.end(run.id).await.0.status, RunStatus::Cancelled);
    assert_eq!(pids.map(lives), [false; 3]);
    server.leave().await;
}

#[tokio::test]
async fn what_an_ended_program_has_left_ends_too() {
    let place = Place::with(
        "[[runner]]\nname = \"shell\"\n[[runner]]\nname = \"pipes\"\ncommand = [\"sh\", \"-c\", \"{prompt}\"]\nterminal = false\n",
    );
    let server = place.server().await;
    for runner in ["shell", "pipes"] {
        let (scatter, files) = scatter(&place);
        let run = server.submit_to(runner, &format!("{scatter}; exit 3")).await.expect("accepted");
        let (run, bytes) = server.end(run.id).await;
        assert_eq!((run.outcome().as_str(), bytes.ends_with(b"up\n")), ("failed with exit code 3", true));
        for file in files {
            assert!(!lives(pid_in(&file)), "{}", file.display());
            fs::remove_file(file).expect("removed");
        }
    }
    server.leave().await;
}

#[tokio::test]
async fn what_is_told_to_end_may_do_so_in_order() {
    let place = Place::new();
    let server = place.server().await;
    let (done, ready) = (place.data.join("done"), Gate::new(&place, "ready"));
    let tidy = format!(
        "trap \"sleep 0.5; echo x > \\\"{}\\\"; exit\" TERM; touch \\\"{}\\\"",
        done.display(),
        place.data.join("gate ready").display()
    );
    let tidy = tidy.replace("\\\"", "'\\''");
    let run = server.submit(&format!("setsid sh -c 'trap \"\" HUP; {tidy}; while :; do sleep 0.05; done' & {ready}")).await;
    server.end(run.id).await;
    assert_eq!(fs::read_to_string(done).expect("it had the time"), "x\n");
    server.leave().await;
}

#[tokio::test]
async fn processes_that_flee_are_caught() {
    let place = Place::new();
    let server = place.server().await;
    // Six, each of which lives for an instant and leaves another one, in a session of its own and without a parent.
    let fugitive = place.data.join("fugitive");
    fs::write(&fugitive, "#!/bin/sh\ntrap '' HUP INT TERM\n: > \"$0.flees\"\nsleep 0.02\nsetsid \"$0\" &\n").expect("written");
    fs::set_permissions(&fugitive, fs::Permissions::from_mode(0o700)).expect("executable");
    let name = fugitive.to_string_lossy().into_owned();
    let (_, text) = server
        .run(&format!("for i in 1 2 3 4 5 6; do '{name}' & done; until test -e '{name}.flees'; do sleep 0.01; done; echo gone"))
        .await;
    assert_eq!(text, "gone\n");
    // The one that is about to end has left another one before.
    let line = |pid: i32| fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let flees = || place.processes().into_iter().any(|pid| line(pid).contains(&name));
    for _ in 0..5 {
        assert!(!flees());
    }
    server.leave().await;
}

#[tokio::test]
async fn what_a_killed_supervisor_has_left_is_found_and_ended() {
    let place = Place::new();
    let server = place.server().await;
    let (scatter, files) = scatter(&place);
    let run = server.submit(&format!("{scatter}; sleep 1000")).await;
    let other = server.submit("echo up; sleep 1000").await;
    for run in [run.id, other.id] {
        server.until(run, "up", |run| run.bytes > 0).await;
    }
    let pids = files.each_ref().map(|file| pid_in(file));
    let (supervisor, of_other) = (place.supervisor(run.id), place.supervisor(other.id));
    server.leave().await;
    kill(supervisor, "-KILL");
    until("it is dead", || !lives(supervisor));
    assert_eq!(pids.map(lives), [true; 3]);

    let server = place.server().await;
    let (run, bytes) = server.end(run.id).await;
    assert_eq!(run.outcome(), gone(true));
    assert!(bytes.ends_with(b"up\n"));
    assert_eq!(pids.map(lives), [false; 3]);
    assert!(lives(of_other), "another run is left alone");
    server.runners.cancel(other.id, "a test").await.expect("asked");
    assert_eq!(server.end(other.id).await.0.status, RunStatus::Cancelled);
    server.leave().await;
}
