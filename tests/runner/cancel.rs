//! Runs that somebody asks to end: who it was, how far it has come, and what a second request does.

use crate::place::{Gate, Place, Server};
use kontasks::{
    backend::store::{EventKind, Topics},
    domain::{
        id::RunId,
        members::{Read, parse},
        run::{Run, RunStatus, Stopping},
    },
};
use std::{
    fs,
    time::{Duration, Instant},
};

/// Says each signal that it hears, and stays.
const HEEDLESS: &str = "trap 'echo INT' INT; trap 'echo TERM' TERM; echo up; while :; do sleep 0.05; done";

/// Waits until that signal was sent, and says in whose name.
async fn reached(server: &Server, run: RunId, signal: &str) -> String {
    let run = server.until(run, signal, |run| run.stopping.as_ref().is_some_and(|stopping| stopping.signal == signal)).await;
    run.stopping.expect("it was there").by
}

/// Waits until the program has heard as many signals, and sees which they were. (What a shell says itself of its child is passed over.)
async fn heard(server: &Server, run: RunId, expected: &[&str]) {
    let heard = async || {
        let output = String::from_utf8(server.output(run).await).expect("UTF-8");
        output.lines().filter(|line| ["up", "INT", "TERM", "still here"].contains(line)).map(str::to_owned).collect::<Vec<_>>()
    };
    let mut bytes = 0;
    while heard().await.len() < expected.len() {
        bytes = server.until(run, "says more", |run| run.bytes > bytes).await.bytes;
    }
    assert_eq!(heard().await, expected);
}

/// All that was said of how far its end had come, which must have come.
async fn steps(server: &Server, run: RunId) -> Vec<Stopping> {
    let mut reader = server.store.reader(Topics::Run(run), 0);
    let mut steps = Vec::new();
    loop {
        let frames = reader.next().await.expect("readable").frames;
        let text = |frame: &kontasks::backend::store::Frame| {
            let text = String::from_utf8(frame.bytes.to_vec()).expect("UTF-8");
            text.lines().find_map(|line| line.strip_prefix("data: ").map(str::to_owned)).expect("data")
        };
        let runs = frames.iter().filter(|frame| frame.kind == EventKind::Run);
        steps.extend(runs.filter_map(|frame| Run::read(parse(&text(frame)).expect("JSON")).expect("a run").stopping));
        if frames.iter().any(|frame| frame.kind == EventKind::End) {
            return steps;
        }
    }
}

#[tokio::test]
async fn each_further_request_takes_the_next_step_at_once() {
    let place = Place::new();
    let server = place.server().await;
    let run = server.submit(HEEDLESS).await.id;
    heard(&server, run, &["up"]).await;
    for (by, signal, words) in [("Ann", "SIGINT", &["up", "INT"][..]), ("Ben", "SIGTERM", &["up", "INT", "TERM"])] {
        server.runners.cancel(run, by).await.expect("asked");
        assert_eq!(reached(&server, run, signal).await, by);
        heard(&server, run, words).await;
    }
    server.runners.cancel(run, "Cem").await.expect("asked");
    let (ended, _) = server.end(run).await;
    assert_eq!((ended.outcome().as_str(), ended.signal.as_deref()), ("cancelled by Ann", Some("SIGKILL")));
    assert_eq!((ended.status, ended.stopping), (RunStatus::Cancelled, None));

    let steps = steps(&server, run).await;
    let said: Vec<(&str, &str)> = steps.iter().map(|step| (step.signal.as_str(), step.by.as_str())).collect();
    assert_eq!(said[..2], [("SIGINT", "Ann"), ("SIGTERM", "Ben")]);
    assert!(steps[1].at.since(steps[0].at) < 5_000, "by itself it would have come after five seconds");
    // The last one may be over before anybody has looked.
    assert!(said[2..].iter().all(|step| *step == ("SIGKILL", "Cem")), "{said:?}");
    server.leave().await;
}

#[tokio::test]
async fn a_cancelled_run_stays_so_over_restarts() {
    let place = Place::new();
    let server = place.server().await;
    let gate = Gate::new(&place, "ask");
    let run = server.submit(&HEEDLESS.replace("while :;", &format!("{gate}; echo still here; while :;"))).await.id;
    heard(&server, run, &["up"]).await;
    server.runners.cancel(run, "Ann").await.expect("asked");
    heard(&server, run, &["up", "INT"]).await;
    server.leave().await;

    // The next server passes the same request on, which is heard once: by itself the second step comes later.
    let server = place.server().await;
    assert_eq!(reached(&server, run, "SIGINT").await, "Ann");
    gate.open();
    heard(&server, run, &["up", "INT", "still here"]).await;
    server.runners.cancel(run, "Ben").await.expect("asked");
    heard(&server, run, &["up", "INT", "still here", "TERM"]).await;
    assert_eq!(reached(&server, run, "SIGTERM").await, "Ben");
    server.leave().await;

    // What a server has written down only is passed on by the one after it.
    let file = place.run_folder(run).join("cancel");
    let written = fs::read_to_string(&file).expect("written");
    let third = written.lines().last().expect("two lines").replace("Ben", "Cem");
    fs::write(&file, format!("{written}{third}\n")).expect("written");
    let server = place.server().await;
    let (ended, _) = server.end(run).await;
    assert_eq!((ended.outcome().as_str(), ended.signal.as_deref()), ("cancelled by Ann", Some("SIGKILL")));
    let steps = steps(&server, run).await;
    assert_eq!(steps.iter().filter(|step| step.signal != "SIGKILL").count(), 2, "each is said once: {steps:?}");
    assert!(ended.ended_at.expect("ended").since(steps[1].at) < 5_000, "by itself the third step comes after five seconds");
    server.leave().await;
}

#[tokio::test]
async fn what_is_left_behind_is_killed_at_once_when_asked() {
    let place = Place::new();
    let server = place.server().await;
    let prompt =
        "trap 'exit 0' INT; setsid sh -c 'trap \"\" HUP INT TERM; echo up; while :; do sleep 0.05; done' & while :; do sleep 0.05; done";
    let run = server.submit(prompt).await.id;
    heard(&server, run, &["up"]).await;
    let asked = Instant::now();
    for by in ["Ann", "Ben", "Cem", "Dan"] {
        server.runners.cancel(run, by).await.expect("asked");
    }
    assert_eq!(server.end(run).await.0.outcome(), "cancelled by Ann");
    assert!(asked.elapsed() < Duration::from_secs(10), "by itself it would have come to that after ten seconds");
    server.leave().await;
}
