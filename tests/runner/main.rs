//! Runs as they really are: programs in processes of their own, held by the built binary, followed into a real store, and taken up
//! again after every kind of end.

#![cfg(target_os = "linux")] // it looks at processes in /proc

mod cancel;
mod cgroups;
mod damage;
mod deaths;
#[path = "../support/disk.rs"]
mod disk;
mod ends;
mod leftovers;
mod limits;
mod place;
#[path = "../support/limits.rs"]
mod process_limit;
#[path = "../support/program.rs"]
mod program;
mod queue;
mod requests;
mod restarts;
#[path = "../support/server.rs"]
mod server;
mod space;
mod starts;
mod typing;
mod unrecorded;

use kontasks::{
    backend::store::{EventKind, Topics},
    domain::run::RunStatus,
};
use place::{Gate, Place, digest};
use std::fs;

#[tokio::test]
async fn what_a_program_writes_arrives_as_it_is() {
    let place = Place::new();
    let server = place.server().await;
    let (run, text) = server.run("printf 'one\\ntwo\\r\\n\\033[31mred\\033[0m'; printf 'ä😀' >&2").await;
    assert_eq!(text, "one\ntwo\r\n\u{1b}[31mred\u{1b}[0mä😀");
    assert_eq!((run.status, run.exit_code, run.outcome().as_str()), (RunStatus::Succeeded, Some(0), "succeeded"));
    assert!(run.created_at <= run.started_at.expect("started"));
    server.leave().await;
}

#[tokio::test]
async fn what_cannot_be_run_is_refused_in_words() {
    let place = Place::new();
    let server = place.server().await;
    let refusal = async |runner: &str, prompt: &str| server.submit_to(runner, prompt).await.expect_err("refused").to_string();
    assert!(refusal("nope", "true").await.starts_with("runner \"nope\" is not known (there is shell)"));
    assert!(refusal("shell", " \n").await.starts_with("prompt is blank"));
    assert!(refusal("shell", "echo a\0b").await.starts_with("prompt contains a NUL character"));
    assert!(refusal("shell", &"x".repeat(1 << 20)).await.starts_with("prompt is longer than"));
    assert!(server.store.unfinished_runs().await.expect("readable").is_empty());
    server.leave().await;
}

#[tokio::test]
async fn a_terminal_or_pipes_and_a_clean_environment() {
    let place = Place::with(
        "[[runner]]\nname = \"shell\"\nfolder = \"/tmp\"\nenvironment = { EXTRA = \"a b\" }\n\
         [[runner]]\nname = \"pipes\"\ncommand = [\"bash\", \"-c\", \"{prompt}\"]\nterminal = false\n\
         environment = { KONTASKS_RUN = \"not for you to say\" }\n",
    );
    let server = place.server().await;
    let ask = "for fd in 0 1 2; do test -t $fd && echo tty || echo pipe; done";
    let (_, text) = server.run(&format!("{ask}; stty size; pwd; echo $EXTRA $TERM $COLORTERM $PAGER $GIT_PAGER")).await;
    assert_eq!(text, "tty\ntty\ntty\n32 120\n/tmp\na b xterm-256color truecolor cat cat\n");
    let run =
        server.submit_to("pipes", &format!("{ask}; echo $KONTASKS_RUN $KONTASKS_TASK; trap; ls /proc/self/fd")).await.expect("accepted");
    let (_, bytes) = server.end(run.id).await;
    // Four open files: three and the one that ls reads the folder with.
    let expected = format!("pipe\npipe\npipe\n{} {}\n0\n1\n2\n3\n", run.id, run.task_id);
    assert_eq!(String::from_utf8_lossy(&bytes), expected);
    server.leave().await;
}

#[tokio::test]
async fn characters_are_not_torn_and_bytes_not_changed() {
    let place = Place::new();
    let server = place.server().await;
    let [first, second] = ["first", "second"].map(|name| Gate::new(&place, name));
    let prompt = format!("printf 'a\\342\\202'; {first}; printf '\\254b\\377'; {second}; printf '\\360\\237'");
    let run = server.submit(&prompt).await;
    server.until(run.id, "wrote the whole first character", |run| run.bytes == 1).await;
    first.open();
    server.until(run.id, "wrote two more, and a byte that is none", |run| run.bytes == 6).await;
    second.open();
    let (run, bytes) = server.end(run.id).await;
    assert_eq!(bytes, b"a\xe2\x82\xacb\xff\xf0\x9f");
    assert!(run.events >= 3);

    let noise = place.data.join("noise");
    let run = server.submit(&format!("head -c 3000000 /dev/urandom | tee '{}'", noise.display())).await;
    let (_, bytes) = server.end(run.id).await;
    assert_eq!(digest(&bytes), digest(&fs::read(noise).expect("there")));
    server.leave().await;
}

#[tokio::test]
async fn a_byte_arrives_at_once() {
    let place = Place::new();
    let server = place.server().await;
    let [first, second] = ["first", "second"].map(|name| Gate::new(&place, name));
    // It waits for somebody who has seen its byte, so a byte that is held back is never followed by the end.
    let run = server.submit(&format!("printf x; {first}; printf y; {second}")).await;
    for (bytes, gate) in [(1, first), (2, second)] {
        let seen = server.until(run.id, "wrote", |run| run.bytes == bytes).await;
        assert_eq!(seen.status, RunStatus::Running);
        gate.open();
    }
    let (_, bytes) = server.end(run.id).await;
    assert_eq!(bytes, b"xy");
    server.leave().await;
}

#[tokio::test]
async fn a_run_is_said_to_run_before_its_output() {
    let place = Place::new();
    let server = place.server().await;
    for _ in 0..40 {
        let submitted = server.submit("echo at once").await;
        let mut reader = server.store.reader(Topics::Run(submitted.id), 0);
        let mut kinds = Vec::new();
        while kinds.last() != Some(&EventKind::End) {
            kinds.extend(reader.next().await.expect("readable").frames.iter().map(|frame| frame.kind));
        }
        assert_eq!(kinds, [EventKind::Run, EventKind::Run, EventKind::Output, EventKind::Run, EventKind::End]);
    }
    server.leave().await;
}

#[tokio::test]
async fn a_run_is_said_to_run_even_where_it_writes_nothing() {
    let place = Place::new();
    let server = place.server().await;
    for number in 0..20 {
        let gate = Gate::new(&place, &format!("gate {number}"));
        let run = server.submit(&gate.to_string()).await;
        server.until(run.id, "runs", |run| run.status == RunStatus::Running).await;
        gate.open();
        server.end(run.id).await;
    }
    server.leave().await;
}

#[tokio::test]
async fn twenty_runs_at_once() {
    let place = Place::new();
    let server = place.server().await;
    let mut runs = Vec::new();
    for number in 0..20 {
        runs.push((number, server.submit(&format!("for i in $(seq 1 50); do echo {number} $i; sleep 0.002; done")).await));
    }
    for (number, run) in runs {
        let (run, bytes) = server.end(run.id).await;
        let expected: String = (1..=50).map(|i| format!("{number} {i}\n")).collect();
        assert_eq!((run.status, String::from_utf8_lossy(&bytes).as_ref()), (RunStatus::Succeeded, expected.as_str()));
    }
    server.leave().await;
}
