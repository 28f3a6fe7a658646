//! What a runner allows its runs: time, silence, output. And what the supervisor allows itself: little memory.

use crate::place::{Gate, Place, until};
use kontasks::domain::run::RunStatus;
use std::fs;

const RUNNERS: &str = "[[runner]]\nname = \"shell\"\n\
     [[runner]]\nname = \"short\"\ncommand = [\"sh\", \"-c\", \"{prompt}\"]\nlimit = \"1s\"\n\
     [[runner]]\nname = \"talker\"\ncommand = [\"sh\", \"-c\", \"{prompt}\"]\nidle_limit = \"2s\"\nlimit = \"1h\"\n\
     [[runner]]\nname = \"brief\"\ncommand = [\"sh\", \"-c\", \"{prompt}\"]\nterminal = false\nmax_output = \"100 kB\"\n";

#[tokio::test]
async fn a_run_that_takes_too_long_is_stopped_in_the_usual_steps() {
    let place = Place::with(RUNNERS);
    let server = place.server().await;
    let ends = server.submit_to("short", "trap 'echo bye; exit 0' INT; while :; do sleep 0.05; done").await.expect("accepted");
    let stays = server.submit_to("short", "trap '' INT; echo up; while :; do sleep 0.05; done").await.expect("accepted");
    let (run, bytes) = server.end(ends.id).await;
    assert_eq!((run.outcome().as_str(), bytes.as_slice()), ("failed: stopped after 1 s, the limit of the runner short", &b"bye\n"[..]));
    assert_eq!((run.status, run.exit_code), (RunStatus::Failed, Some(0)));

    let run = server.until(stays.id, "is being stopped", |run| run.stopping.is_some()).await;
    let stopping = run.stopping.expect("it was there");
    assert_eq!((stopping.signal.as_str(), stopping.by.as_str()), ("SIGINT", "the limit of 1 s"));
    server.runners.cancel(stays.id, "Ann").await.expect("asked");
    let (run, _) = server.end(stays.id).await;
    assert_eq!(
        (run.outcome().as_str(), run.signal.as_deref()),
        ("failed: stopped after 1 s, the limit of the runner short", Some("SIGTERM"))
    );
    server.leave().await;
}

#[tokio::test]
async fn a_run_that_falls_silent_is_stopped() {
    let place = Place::with(RUNNERS);
    let server = place.server().await;
    // It takes longer than it may be silent, but is not.
    let prompt = "i=0; while [ $i -lt 15 ]; do echo $i; sleep 0.2; i=$((i + 1)); done; sleep 1000";
    let run = server.submit_to("talker", prompt).await.expect("accepted");
    let (run, bytes) = server.end(run.id).await;
    assert_eq!(run.outcome(), "failed: stopped after 2 s without output, the limit of the runner talker");
    let expected: String = (0..15).map(|i| format!("{i}\n")).collect();
    assert_eq!(String::from_utf8_lossy(&bytes), expected);
    server.leave().await;
}

#[tokio::test]
async fn a_run_that_writes_too_much_keeps_what_it_may() {
    let place = Place::with(RUNNERS);
    let server = place.server().await;
    let write = |bytes: u32, then: &str| format!("head -c {bytes} /dev/zero | tr '\\0' x; {then}");
    let too_much = "failed: wrote more than 100 kB, the limit of the runner brief";
    for (prompt, outcome, kept) in [
        (write(100_000, "exit 0"), "succeeded", 100_000),
        (write(100_001, "exit 0"), too_much, 100_000),
        (write(100_001, "sleep 1000"), too_much, 100_000),
        // It writes all the time, and still hears that it is to end.
        (format!("trap 'exit 3' INT; while :; do {}; done", write(50_000, ":")), too_much, 100_000),
    ] {
        let run = server.submit_to("brief", &prompt).await.expect("accepted");
        let (run, bytes) = server.end(run.id).await;
        assert_eq!(run.outcome(), outcome, "{prompt}");
        assert!(bytes.len() == kept && bytes.iter().all(|byte| *byte == b'x'), "{} bytes", bytes.len());
    }
    server.leave().await;
}

#[tokio::test]
async fn a_supervisor_stays_small_whatever_is_written() {
    const BYTES: u64 = 200_000_000;
    let place = Place::new();
    let server = place.server().await;
    let [begin, end] = ["begin", "end"].map(|name| Gate::new(&place, name));
    let run = server.submit(&format!("echo up; {begin}; head -c {BYTES} /dev/zero; {end}")).await;
    server.until(run.id, "up", |run| run.bytes > 0).await;
    let supervisor = place.supervisor(run.id);
    let kib = |what: &str| -> u64 {
        let status = fs::read_to_string(format!("/proc/{supervisor}/status")).expect("lives");
        let size = status.lines().find_map(|line| line.strip_prefix(what)).expect("a size");
        size.trim_start_matches(':').trim().trim_end_matches(" kB").parse().expect("a number")
    };
    // The most that it ever had, with those pages of the binary that it has used.
    let before = kib("VmHWM");
    // It is about the supervisor: the server need not take all of it in.
    server.leave().await;
    begin.open();
    until("all is written", || fs::metadata(place.run_folder(run.id).join("spool")).is_ok_and(|spool| spool.len() == BYTES + 3));
    let (after, own) = (kib("VmHWM"), kib("RssAnon"));
    assert!(after < before + 4 * 1024 && own < 6 * 1024, "{before} kB, then {after} kB; {own} kB of its own");
    fs::remove_dir_all(place.run_folder(run.id)).expect("removed");
    end.open();
    let server = place.server().await;
    assert_eq!(server.end(run.id).await.0.status, RunStatus::Interrupted);
    server.leave().await;
}
