//! Runs that the database and the disk do not agree about: a row that is gone, also while the
//! server runs, one that says ended, an older database. What runs is seen and can be cancelled, and
//! nothing that it wrote is lost.

use crate::place::{Gate, Place, Server, eventually, kill, until};
use kontasks::domain::{
    id::RunId,
    run::{Run, RunStatus},
};
use sqlx::{ConnectOptions, SqliteConnection, sqlite::SqliteConnectOptions};
use std::{
    fs,
    time::{Duration, Instant},
};
use tokio::time::sleep;

/// The database as a person has it who opens it by hand, beside the server.
async fn by_hand(place: &Place) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(place.data.join("kontasks.db")).busy_timeout(Duration::from_secs(5));
    options.connect().await.expect("opens")
}

async fn execute(place: &Place, sql: &str) {
    let sql = sqlx::AssertSqlSafe(sql.to_owned());
    sqlx::raw_sql(sql).execute(&mut by_hand(place).await).await.expect("executes");
}

/// Deletes all that the database knows of the run and, unless only that is meant, of its task.
async fn delete(place: &Place, run: &Run, task: bool) {
    let (run, id) = (run.id.0.simple(), run.task_id.0.simple());
    let mut sql =
        format!("delete from events where run = (select number from runs where id = x'{run}'); delete from runs where id = x'{run}';");
    if task {
        sql += &format!("delete from events where task = x'{id}'; delete from tasks where id = x'{id}';");
    }
    execute(place, &sql).await;
}

/// Waits until the run is known again.
async fn found_again(server: &Server, id: RunId) -> Run {
    let begin = Instant::now();
    loop {
        if let Some(run) = server.store.run(id).await.expect("readable") {
            return run;
        }
        assert!(begin.elapsed() < Duration::from_secs(20), "never found again");
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_row_that_goes_while_the_run_goes_on_comes_back() {
    let place = Place::new();
    let server = place.server().await;
    let gate = Gate::new(&place, "more");
    let run = server.submit(&format!("echo one; {gate}; echo two")).await;
    server.until(run.id, "wrote", |run| run.bytes == 4).await;
    delete(&place, &run, true).await;
    // What it writes now goes to the log of a run that is there.
    gate.open();
    found_again(&server, run.id).await;
    let (again, bytes) = server.end(run.id).await;
    assert_eq!((again.outcome().as_str(), bytes.as_slice()), ("succeeded", &b"one\ntwo\n"[..]));
    assert_eq!((&again.prompt, &again.runner, again.task_id, again.created_at), (&run.prompt, &run.runner, run.task_id, run.created_at));
    assert_eq!(again.request_id, run.request_id, "the same submission is still the same run");
    let task = server.store.task(run.task_id).await.expect("readable").expect("its task is there again");
    assert_eq!((task.status.as_str(), task.title.starts_with("Found again: echo one")), ("completed", true));
    server.leave().await;
}

#[tokio::test]
async fn no_run_is_given_the_events_of_another() {
    let place = Place::new();
    let server = place.server().await;
    let ended = server.submit("echo of the old").await;
    server.end(ended.id).await;
    let gate = Gate::new(&place, "more");
    let goes_on = server.submit(&format!("echo one; {gate}; echo two")).await;
    server.until(goes_on.id, "wrote", |run| run.bytes == 4).await;
    // Their events stay.
    execute(&place, "delete from runs").await;
    let mine = server.submit("echo mine").await;
    let (run, bytes) = server.end(mine.id).await;
    assert_eq!((run.outcome().as_str(), bytes.as_slice()), ("succeeded", &b"mine\n"[..]));
    gate.open();
    found_again(&server, goes_on.id).await;
    let (run, bytes) = server.end(goes_on.id).await;
    assert_eq!((run.outcome().as_str(), bytes.as_slice(), run.verified), ("succeeded", &b"one\ntwo\n"[..], Some(true)));
    server.leave().await;
}

#[tokio::test]
async fn a_silent_run_without_a_row_is_seen_and_cancelled() {
    let place = Place::new();
    let server = place.server().await;
    let run = server.submit("echo up; exec sleep 1000").await;
    server.until(run.id, "up", |run| run.bytes > 0).await;
    delete(&place, &run, false).await;
    // Nothing is written that would tell; it is looked for.
    let again = found_again(&server, run.id).await;
    assert_eq!(again.task_id, run.task_id);
    server.until(run.id, "has its output again", |run| run.bytes > 0).await;
    server.runners.cancel(run.id, "Ann").await.expect("asked");
    let (ended, bytes) = server.end(run.id).await;
    assert_eq!((ended.outcome().as_str(), bytes.as_slice()), ("cancelled by Ann", &b"up\n"[..]));

    // Asked for its end before anybody has seen that the row is gone.
    let run = server.submit("echo up; exec sleep 1000").await;
    server.until(run.id, "up", |run| run.bytes > 0).await;
    delete(&place, &run, true).await;
    server.runners.cancel(run.id, "Ben").await.expect("asked");
    found_again(&server, run.id).await;
    assert_eq!(server.end(run.id).await.0.outcome(), "cancelled by Ben");
    server.leave().await;
}

#[tokio::test]
async fn an_older_database_gets_back_what_runs_and_what_ended_unseen() {
    let place = Place::new();
    let server = place.server().await;
    server.leave().await;
    let (database, older) = (place.data.join("kontasks.db"), place.data.join("older.db"));
    fs::copy(&database, &older).expect("copied");

    let server = place.server().await;
    let gate = Gate::new(&place, "end");
    let runs = server.submit("echo runs; exec sleep 1000").await;
    let ends = server.submit(&format!("echo ends; {gate}; echo here; exit 4")).await;
    let dies = server.submit("echo dies; exec sleep 1000").await;
    let lost = server.submit("echo lost; exec sleep 1000").await;
    for run in [&runs, &ends, &dies, &lost] {
        server.until(run.id, "wrote", |run| run.bytes > 0).await;
    }
    server.leave().await;
    gate.open();
    until("the end is written down", || place.run_folder(ends.id).join("end.json").exists());
    kill(place.supervisor(dies.id), "-KILL");
    // A spec that cannot be read is no reason not to see it.
    fs::write(place.run_folder(lost.id).join("spec.json"), "{\"run\":").expect("written");
    for name in ["kontasks.db-wal", "kontasks.db-shm"] {
        let _ = fs::remove_file(place.data.join(name));
    }
    fs::copy(&older, &database).expect("restored");
    // What was never begun is not begun now, and what it was is kept, where there was anything.
    let [never, prepared]: [RunId; 2] =
        ["019d0c5e-7b1c-7c7e-9d53-0d6f3a1f2b4c", "019d0c5e-7b1c-7c7e-9d53-0d6f3a1f2b4d"].map(|id| id.parse().expect("an id"));
    for (id, file, text) in [(never, "cancel", ""), (prepared, "spec.json", "its prompt")] {
        fs::create_dir(place.run_folder(id)).expect("made");
        fs::write(place.run_folder(id).join(file), text).expect("written");
    }

    let server = place.server().await;
    for run in [&runs, &ends, &dies, &lost] {
        found_again(&server, run.id).await;
    }
    let (run, bytes) = server.end(ends.id).await;
    assert_eq!((run.outcome().as_str(), bytes.as_slice()), ("failed with exit code 4", &b"ends\nhere\n"[..]));
    let (run, bytes) = server.end(dies.id).await;
    assert_eq!((run.status, bytes.as_slice()), (RunStatus::Interrupted, &b"dies\n"[..]));
    for (run, output) in [(&runs, &b"runs\n"[..]), (&lost, b"lost\n")] {
        server.until(run.id, "has its output", |run| run.status == RunStatus::Running && run.bytes == 5).await;
        server.runners.cancel(run.id, "Ann").await.expect("asked");
        let (run, bytes) = server.end(run.id).await;
        assert_eq!((run.outcome().as_str(), bytes.as_slice()), ("cancelled by Ann", output));
    }
    eventually("nothing is left of what was never begun", || !place.run_folder(never).exists()).await;
    let kept = place.data.join("kept");
    eventually("what was to be started is kept", || !place.run_folder(prepared).exists()).await;
    assert_eq!(fs::read_to_string(kept.join(prepared.to_string()).join("spec.json")).expect("kept"), "its prompt");
    assert!(!kept.join(never.to_string()).exists());
    for id in [never, prepared] {
        assert!(server.store.run(id).await.expect("readable").is_none());
    }
    server.leave().await;
}

/// A run whose row says that it has ended, and whose program goes on until it is told otherwise.
async fn ended_by_hand(place: &Place, run: &Run) {
    let id = run.id.0.simple();
    execute(place, &format!("update runs set status = 'failed', reason = 'by hand', ended_at = 5 where id = x'{id}'")).await;
}

#[tokio::test]
async fn a_run_that_has_ended_for_the_database_is_ended_and_its_output_kept() {
    let place = Place::new();
    let server = place.server().await;
    let late = "trap 'echo late; exit' INT; echo up; while :; do sleep 0.05; done";
    let first = server.submit(late).await;
    let second = server.submit(late).await;
    for run in [&first, &second] {
        server.until(run.id, "up", |run| run.bytes == 3).await;
    }
    // While the server runs …
    ended_by_hand(&place, &first).await;
    let kept = |run: &Run| place.data.join("kept").join(run.id.to_string()).join("spool");
    eventually("it is kept", || kept(&first).exists()).await;
    // … and while it does not.
    server.leave().await;
    ended_by_hand(&place, &second).await;
    let server = place.server().await;
    eventually("it is kept", || kept(&second).exists()).await;
    for run in [&first, &second] {
        assert_eq!(fs::read_to_string(kept(run)).expect("there"), "up\nlate\n");
        let row = server.store.run(run.id).await.expect("readable").expect("there");
        assert_eq!((row.outcome().as_str(), row.bytes), ("failed: by hand", 3));
        assert!(!place.run_folder(run.id).exists());
    }
    server.leave().await;
}
