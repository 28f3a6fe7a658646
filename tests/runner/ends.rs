//! How runs end: by themselves, by somebody's wish, and in spite of what they leave behind.

use crate::place::{Place, lives, pid_in};
use kontasks::{
    backend::runner::RunnerError,
    domain::{id::RunId, run::RunStatus},
};
use std::time::{Duration, Instant};

#[tokio::test]
async fn every_kind_of_end_is_told_apart() {
    let place = Place::with(
        "[[runner]]\nname = \"shell\"\n[[runner]]\nname = \"missing\"\ncommand = [\"kontasks-no-such-program\", \"{prompt}\"]\n\
         [[runner]]\nname = \"nowhere\"\ncommand = [\"echo\", \"{prompt}\"]\nfolder = \"/no/such/folder\"\n\
         [[runner]]\nname = \"denied\"\ncommand = [\"/etc/passwd\", \"{prompt}\"]\n\
         [[runner]]\nname = \"echo\"\ncommand = [\"echo\", \"{prompt}\"]\nterminal = false\n",
    );
    let server = place.server().await;
    for (runner, prompt, outcome) in [
        ("shell", "exit 3", "failed with exit code 3"),
        ("shell", "kill -KILL $$", "ended by SIGKILL"),
        ("shell", "kill -SEGV $$", "ended by SIGSEGV"),
        ("missing", "x", "failed: could not be started: the program \"kontasks-no-such-program\" was not found"),
        ("nowhere", "x", "failed: could not be started: the working folder /no/such/folder does not exist"),
        ("denied", "x", "failed: could not be started: the program \"/etc/passwd\" may not be executed, or its folder not be entered"),
    ] {
        let run = server.submit_to(runner, prompt).await.expect("accepted");
        let (run, _) = server.end(run.id).await;
        assert_eq!((run.status, run.outcome().as_str()), (RunStatus::Failed, outcome));
        assert_eq!(run.started_at.is_some(), runner == "shell");
    }
    let long = "x".repeat(200 * 1024);
    let run = server.submit_to("echo", &long).await.expect("accepted");
    let (run, _) = server.end(run.id).await;
    assert!(run.outcome().contains("the prompt is too long to be passed to the program"), "{}", run.outcome());
    let (run, text) = server.run(&format!("echo a long script: {}\n#{long}", "$0")).await;
    assert!(run.status == RunStatus::Succeeded && text.starts_with("a long script: /"), "{run:?}");
    server.leave().await;
}

#[tokio::test]
async fn cancel_ends_the_whole_group() {
    let place = Place::with(
        "[[runner]]\nname = \"shell\"\n[[runner]]\nname = \"pipes\"\ncommand = [\"bash\", \"-c\", \"{prompt}\"]\nterminal = false\n",
    );
    let server = place.server().await;
    for runner in ["shell", "pipes"] {
        let pid = place.data.join(format!("pid-{runner}"));
        // In the background of a shell, INT is ignored.
        let prompt = format!("sleep 1000 & echo $! > '{}'; echo up; sleep 1000; echo never", pid.display());
        let run = server.submit_to(runner, &prompt).await.expect("accepted");
        server.until(run.id, "up", |run| run.bytes > 0).await;
        let background = pid_in(&pid);
        let asked = Instant::now();
        server.runners.cancel(run.id, "a test").await.expect("asked");
        server.runners.cancel(run.id, "a test").await.expect("asked twice");
        let (run, bytes) = server.end(run.id).await;
        assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", asked.elapsed());
        assert_eq!((run.status, bytes.as_slice()), (RunStatus::Cancelled, &b"up\n"[..]));
        assert!(!lives(background));
        assert!(matches!(server.runners.cancel(run.id, "a test").await, Err(RunnerError::AlreadyEnded)));
    }
    let nobody: RunId = "019d0c5e-7b1c-7c7e-9d53-0d6f3a1f2b4c".parse().expect("an id");
    assert!(matches!(server.runners.cancel(nobody, "a test").await, Err(RunnerError::NotFound)));
    server.leave().await;
}

#[tokio::test]
async fn a_program_that_does_not_listen_is_told_then_killed() {
    let place = Place::new();
    let server = place.server().await;
    let deaf = server.submit("trap 'echo INT' INT; trap '' TERM; echo up; while :; do sleep 0.1; done").await;
    let hard_of_hearing = server.submit("trap '' INT; trap 'echo TERM; exit 7' TERM; echo up; while :; do sleep 0.1; done").await;
    for run in [&deaf, &hard_of_hearing] {
        server.until(run.id, "up", |run| run.bytes > 0).await;
        server.runners.cancel(run.id, "a test").await.expect("asked");
    }
    let asked = Instant::now();
    let (run, bytes) = server.end(hard_of_hearing.id).await;
    assert!((4..8).contains(&asked.elapsed().as_secs()), "{:?}", asked.elapsed());
    assert_eq!((run.status, run.exit_code), (RunStatus::Cancelled, Some(7)));
    assert!(bytes.starts_with(b"up\n") && bytes.ends_with(b"TERM\n"));
    let (run, bytes) = server.end(deaf.id).await;
    assert!((9..13).contains(&asked.elapsed().as_secs()), "{:?}", asked.elapsed());
    assert_eq!((run.status, run.signal.as_deref(), bytes.as_slice()), (RunStatus::Cancelled, Some("SIGKILL"), &b"up\nINT\n"[..]));
    server.leave().await;
}

#[tokio::test]
async fn a_run_that_is_just_submitted_can_be_cancelled() {
    let place = Place::new();
    let server = place.server().await;
    for _ in 0..5 {
        let run = server.submit("sleep 1000").await;
        server.runners.cancel(run.id, "a test").await.expect("asked");
        assert_eq!(server.end(run.id).await.0.status, RunStatus::Cancelled);
    }
    server.leave().await;
}

#[tokio::test]
async fn an_orphan_with_the_output_open_does_not_hold_the_end_up() {
    let place = Place::with(
        "[[runner]]\nname = \"shell\"\n[[runner]]\nname = \"pipes\"\ncommand = [\"bash\", \"-c\", \"{prompt}\"]\nterminal = false\n",
    );
    let server = place.server().await;
    for (runner, orphan) in
        [("shell", "setsid sleep 5"), ("pipes", "sleep 5"), ("pipes", "timeout 5 sh -c 'while :; do echo y; sleep 0.01; done'")]
    {
        let run = server.submit_to(runner, &format!("{orphan} & echo done")).await.expect("accepted");
        let start = Instant::now();
        let (run, bytes) = server.end(run.id).await;
        assert!(start.elapsed() < Duration::from_secs(4), "{orphan}: {:?}", start.elapsed());
        assert!(run.status == RunStatus::Succeeded && String::from_utf8_lossy(&bytes).contains("done\n"));
    }
    server.leave().await;
}
