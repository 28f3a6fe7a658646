//! Who was killed: the program, what holds it, or both. Each end has its own words, and none leaves anything behind.

use crate::place::{Place, Server, gone, kill, lives, pid_in, until};
use kontasks::domain::run::{Run, RunStatus};
use std::{fs, path::PathBuf};

/// A run whose program and whose leftover, in a session of its own, do not end with their terminal; both their numbers.
async fn start(place: &Place, server: &Server) -> (Run, [i32; 2]) {
    let [program, leftover] = ["program", "leftover"].map(|name| place.data.join(name));
    let _ = [&program, &leftover].map(fs::remove_file);
    let quoted = |file: &PathBuf| format!("'\\''{}'\\''", file.display());
    let prompt = format!(
        "trap '' HUP; setsid sh -c 'echo $$ > {}; exec sleep 1000' & echo $$ > '{}'; until test -s '{}'; do sleep 0.01; done; echo up; exec sleep 1000",
        quoted(&leftover),
        program.display(),
        leftover.display(),
    );
    let run = server.submit(&prompt).await;
    let run = server.until(run.id, "up", |run| run.bytes > 0).await;
    let pids = [&program, &leftover].map(|file| pid_in(file));
    (run, pids)
}

/// Kills them while no server looks, and lets the next one find out.
async fn kill_unseen(place: &Place, server: Server, pids: &[i32], then: impl FnOnce()) -> Server {
    server.leave().await;
    // The supervisor first: it must not see the end of its program.
    for pid in pids {
        kill(*pid, "-KILL");
    }
    until("they are dead", || !pids.iter().any(|pid| lives(*pid)));
    then();
    place.server().await
}

#[tokio::test]
async fn deaths_are_told_apart() {
    let place = Place::new();
    let server = place.server().await;

    let (run, [program, leftover]) = start(&place, &server).await;
    kill(program, "-KILL");
    let (run, bytes) = server.end(run.id).await;
    assert_eq!((run.status, run.outcome().as_str(), bytes.as_slice()), (RunStatus::Failed, "ended by SIGKILL", &b"up\n"[..]));
    assert!(!lives(leftover));

    let (run, pids) = start(&place, &server).await;
    let server = kill_unseen(&place, server, &[place.supervisor(run.id)], || assert_eq!(pids.map(lives), [true; 2])).await;
    let (run, bytes) = server.end(run.id).await;
    assert_eq!(run.outcome(), gone(true));
    assert_eq!((pids.map(lives), bytes.as_slice()), ([false; 2], &b"up\n"[..]));

    let (run, [program, leftover]) = start(&place, &server).await;
    let server = kill_unseen(&place, server, &[place.supervisor(run.id), program, leftover], || {}).await;
    let (run, bytes) = server.end(run.id).await;
    assert_eq!(run.outcome(), gone(false));
    assert_eq!(bytes, b"up\n");

    let (run, [program, leftover]) = start(&place, &server).await;
    let begun = place.run_folder(run.id).join("begun.json");
    let restart = || fs::write(begun, r#"{"boot":"an earlier one"}"#).expect("written");
    let server = kill_unseen(&place, server, &[place.supervisor(run.id), program, leftover], restart).await;
    assert_eq!(server.end(run.id).await.0.outcome(), "interrupted: the machine was restarted");
    server.leave().await;
}
