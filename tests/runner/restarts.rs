//! Servers and supervisors come and go: nothing is lost, nothing comes twice, and nothing runs for ever.

use crate::place::{Gate, NOT_FOUND, Place, gone, kill, lives, pid_in, until};
use kontasks::{backend::store::NewRun, domain::run::RunStatus};
use std::{fs, path::Path, time::Duration};
use tokio::time::sleep;

#[tokio::test]
async fn a_run_goes_on_while_servers_come_and_go() {
    let place = Place::new();
    let server = place.server().await;
    let enough = place.data.join("enough");
    let writes = "printf \"ä$i \"; i=$((i + 1)); sleep 0.005";
    let prompt = format!("i=0; until test -e '{}'; do {writes}; done; echo; head -c 2000000 /dev/zero", enough.display());
    let run = server.submit(&prompt).await;
    let supervisor = loop {
        if place.run_folder(run.id).join("begun.json").exists() {
            break place.supervisor(run.id);
        }
        sleep(Duration::from_millis(1)).await;
    };
    let mut server = server;
    for pause in [0, 100, 200, 0, 400] {
        server.leave().await;
        sleep(Duration::from_millis(pause)).await;
        server = place.server().await;
        let before = server.store.run(run.id).await.expect("readable").expect("there");
        server.until(run.id, "goes on", |run| run.bytes > before.bytes).await;
        assert_eq!(place.supervisor(run.id), supervisor);
    }
    fs::write(&enough, "").expect("written");
    let (run, bytes) = server.end(run.id).await;
    let written = bytes.iter().filter(|byte| **byte == b' ').count();
    let mut expected: Vec<u8> = (0..written).map(|i| format!("ä{i} ")).collect::<String>().into_bytes();
    expected.push(b'\n');
    expected.resize(expected.len() + 2_000_000, 0);
    assert!(bytes == expected, "{} bytes instead of {}", bytes.len(), expected.len());
    assert_eq!(run.outcome(), "succeeded");
    server.leave().await;
}

#[tokio::test]
async fn an_end_without_a_server_is_taken_over() {
    let place = Place::new();
    let server = place.server().await;
    let gate = Gate::new(&place, "end");
    let run = server.submit(&format!("echo one; {gate}; echo two; exit 4")).await;
    server.until(run.id, "wrote", |run| run.bytes > 0).await;
    server.leave().await;
    gate.open();
    until("the end is written down", || place.run_folder(run.id).join("end.json").exists());
    let server = place.server().await;
    let (run, bytes) = server.end(run.id).await;
    assert_eq!((run.outcome().as_str(), bytes.as_slice()), ("failed with exit code 4", &b"one\ntwo\n"[..]));
    server.leave().await;
}

#[tokio::test]
async fn a_queued_run_is_started_by_the_next_server_once() {
    let place = Place::new();
    let server = place.server().await;
    let mark = place.data.join("mark");
    // The store alone accepts it: as if the server had been killed just after.
    let new = NewRun { prompt: format!("echo x >> '{}'", mark.display()), runner: "shell".into(), ..NewRun::default() };
    let queued = server.store.submit(new).await.expect("accepted").run;
    server.leave().await;
    let server = place.server().await;
    server.end(queued.id).await;
    assert_eq!(fs::read_to_string(mark).expect("written"), "x\n");
    server.leave().await;

    let server = place.server().await;
    let new = NewRun { prompt: "true".into(), runner: "gone".into(), ..NewRun::default() };
    let unknown = server.store.submit(new).await.expect("accepted").run;
    server.leave().await;
    let server = place.server().await;
    let (run, _) = server.end(unknown.id).await;
    assert_eq!(run.outcome(), "failed: could not be started: there is no runner \"gone\" any more");
    server.leave().await;
}

#[tokio::test]
async fn a_cancel_survives_the_server() {
    let place = Place::new();
    let server = place.server().await;
    let run = server.submit("echo up; sleep 1000").await;
    server.until(run.id, "up", |run| run.bytes > 0).await;
    server.leave().await;
    // As a server of an earlier version wrote it down.
    fs::write(place.run_folder(run.id).join("cancel"), "").expect("written");
    let server = place.server().await;
    assert_eq!(server.end(run.id).await.0.outcome(), "cancelled");
    server.leave().await;
}

#[tokio::test]
async fn a_run_whose_supervisor_is_killed_is_interrupted() {
    let place = Place::new();
    let pid = place.data.join("pid");
    let prompt = format!("trap '' HUP; echo $$ > '{}'; echo up; exec sleep 1000", pid.display());

    let server = place.server().await;
    let run = server.submit(&prompt).await;
    server.until(run.id, "up", |run| run.bytes > 0).await;
    kill(place.supervisor(run.id), "-KILL");
    let (run, bytes) = server.end(run.id).await;
    assert_eq!(run.outcome(), gone(true));
    assert_eq!(bytes, b"up\n");
    assert!(!lives(pid_in(&pid)));

    // The same while no server looks, and after a power cut, which may spoil what was not made to survive one.
    let run = server.submit(&prompt).await;
    server.until(run.id, "up", |run| run.bytes > 0).await;
    let supervisor = place.supervisor(run.id);
    server.leave().await;
    kill(supervisor, "-KILL");
    until("it is dead", || !lives(supervisor));
    fs::write(place.run_folder(run.id).join("spec.json"), "").expect("written");
    let server = place.server().await;
    let (run, _) = server.end(run.id).await;
    assert_eq!(run.outcome(), gone(true));
    assert!(!lives(pid_in(&pid)));

    let run = server.submit(&prompt).await;
    server.until(run.id, "up", |run| run.bytes > 0).await;
    let supervisor = place.supervisor(run.id);
    server.leave().await;
    kill(supervisor, "-KILL");
    until("it is dead", || !lives(supervisor));
    for name in ["begun.json", "started.json", "spool"] {
        fs::write(place.run_folder(run.id).join(name), "").expect("written");
    }
    let server = place.server().await;
    let (run, bytes) = server.end(run.id).await;
    assert_eq!((run.status, bytes.as_slice()), (RunStatus::Interrupted, &b"up\n"[..]));
    assert!(!lives(pid_in(&pid)), "found by its mark alone");
    server.leave().await;
}

#[tokio::test]
async fn a_supervisor_whose_folder_is_removed_ends_with_its_program() {
    let place = Place::new();
    let server = place.server().await;
    let run = server.submit("echo up; sleep 1; echo still").await;
    server.until(run.id, "up", |run| run.bytes > 0).await;
    let supervisor = place.supervisor(run.id);
    fs::remove_dir_all(place.run_folder(run.id)).expect("removed");
    let (run, bytes) = server.end(run.id).await;
    // The folder would have said whether something can have been missed.
    assert_eq!((run.outcome().as_str(), bytes.as_slice()), (NOT_FOUND, &b"up\n"[..]));
    until("it ends", || !lives(supervisor));
    server.leave().await;
}

#[tokio::test]
async fn a_supervisor_is_on_its_own_and_hears_only_term() {
    let place = Place::new();
    let server = place.server().await;
    let run = server.submit("trap 'echo bye; exit' INT; echo up; while :; do sleep 0.05; done").await;
    server.until(run.id, "up", |run| run.bytes > 0).await;
    let supervisor = place.supervisor(run.id);
    for signal in ["-HUP", "-INT", "-QUIT"] {
        kill(supervisor, signal);
    }
    let stat = fs::read_to_string(format!("/proc/{supervisor}/stat")).expect("lives");
    let fields: Vec<&str> = stat.rsplit_once(')').expect("a name").1.split_whitespace().collect();
    assert_eq!((fields[3], fields[4]), (supervisor.to_string().as_str(), "0"), "its own session, without a terminal");
    assert_eq!(fs::read_link(format!("/proc/{supervisor}/cwd")).expect("there"), place.run_folder(run.id).canonicalize().expect("there"));
    for file in fs::read_dir(format!("/proc/{supervisor}/fd")).expect("readable").flatten() {
        let target = fs::read_link(file.path()).unwrap_or_default();
        let own = target.starts_with(place.run_folder(run.id)) || target == Path::new("/dev/null") || target == Path::new("/dev/ptmx");
        let terminal = target.starts_with("/dev/pts");
        assert!(own || terminal || target.to_string_lossy().starts_with("socket:"), "{}", target.display());
    }
    let status = fs::read_to_string(format!("/proc/{supervisor}/status")).expect("lives");
    // Its own memory; the pages of the binary are shared with the server and all other supervisors.
    let own = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("a size").trim().to_owned();
    let kib: u64 = own.trim_end_matches(" kB").parse().expect("a number");
    assert!(kib < 6 * 1024, "{own}");

    kill(supervisor, "-TERM");
    let (run, bytes) = server.end(run.id).await;
    assert_eq!(run.outcome(), "interrupted: the process that held it was told to end (SIGTERM)");
    assert_eq!(bytes, b"up\nbye\n");
    server.leave().await;
}
