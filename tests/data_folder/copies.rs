//! Copies and restored backups: the original's programs are left alone, nothing is executed again
//! by itself, and no cursor of before is believed.

use crate::program::{Program, ask};
use crate::tools::{Place, counted, cursor, go_on, held, hello, output, page, sh, until};
use serde_json::Value;
use std::{path::Path, process::Command};

const COPIED: &str = "this is a copy or a restored backup: its program belongs to the original and was left alone";

async fn start(data: &Path) -> Program {
    Program::start(data, "127.0.0.1:0").await
}

/// A server with a run that prints and two that wait; the second one's folder is there already, as
/// it was cancelled, and not the third's.
struct Busy {
    server: Program,
    prints: String,
    waits: String,
    cursor: String,
}

async fn busy(place: &Place) -> Busy {
    let server = start(&place.data()).await;
    let prints = server.submit(&place.counting("gate")).await;
    let waits = server.submit(&place.marking("mark")).await;
    server.until(&prints, "prints", |run| run["bytes"].as_u64() > Some(100)).await;
    assert_eq!(server.get(&format!("/api/v1/runs/{waits}")).await["status"], "queued");
    let cursor = cursor(&server).await;
    Busy { server, prints, waits, cursor }
}

/// What the server of a copy must say and do, while the original is as it may.
async fn check_copy(place: &Place, copy: &Program, original: &Busy) {
    let run = copy.until(&original.prints, "ended", |run| !run["endedAt"].is_null()).await;
    assert_eq!((run["status"].as_str(), run["reason"].as_str()), (Some("interrupted"), Some(COPIED)), "{run}");
    let waits = copy.get(&format!("/api/v1/runs/{}", original.waits)).await;
    assert_eq!(
        (waits["status"].as_str(), waits["held"].as_bool(), waits["ahead"].is_null()),
        (Some("queued"), Some(true), true),
        "{waits}"
    );
    assert_eq!(held(copy).await, 1);
    for path in ["/", "/tasks"] {
        let html = page(copy, path).await;
        assert!(html.contains("1 queued run comes from a backup or a copy") && html.contains("Run them"), "{html}");
    }
    assert!(page(copy, &format!("/runs/{}", original.waits)).await.contains("held, as it comes from a backup or a copy"));
    let (hello, reset) = hello(copy, Some(&original.cursor)).await;
    assert!(reset.is_some() && !original.cursor.starts_with(hello["epoch"].as_str().expect("an epoch")), "{hello} {reset:?}");
    // New ones have their turn; what came with the copy has not.
    let new = copy.submit(&place.marking("new")).await;
    copy.until(&new, "executed", |run| run["status"] == "succeeded").await;
    assert_eq!(place.lines("mark"), 0);
}

/// The original goes on to its end.
async fn check_original(place: &Place, server: &Program, prints: &str, waits: &str) {
    assert!(server.get(&format!("/api/v1/runs/{prints}")).await["endedAt"].is_null());
    std::fs::write(place.file("gate"), "").expect("written");
    let run = server.until(prints, "ended", |run| !run["endedAt"].is_null()).await;
    assert_eq!(run["status"], "succeeded", "{run}");
    counted(&output(server, prints).await);
    server.until(waits, "executed", |run| run["status"] == "succeeded").await;
    assert_eq!(place.lines("mark"), 1);
}

#[tokio::test]
async fn a_copy_beside_the_original_leaves_its_programs_alone() {
    for way in ["cp -a data copy", "mkdir copy; tar -C data -c --exclude=./runs/*/ctl . | tar -C copy -x", "cp -r data copy"] {
        let place = Place::new();
        let mut original = busy(&place).await;
        sh(place.path(), way);
        let mut copy = start(&place.file("copy")).await;
        check_copy(&place, &copy, &original).await;
        let copied = output(&copy, &original.prints).await;
        check_original(&place, &original.server, &original.prints, &original.waits).await;
        assert!(output(&original.server, &original.prints).await.starts_with(&copied) && copied.contains("line 1\n"));
        // A second start of the copy holds nothing anew, and believes its own cursors.
        let own = cursor(&copy).await;
        copy.stop().await;
        let mut copy = start(&place.file("copy")).await;
        assert_eq!((hello(&copy, Some(&own)).await.1, held(&copy).await), (None, 1));
        let released = copy.post("/api/v1/held-runs/release", &Value::Null).await;
        assert_eq!(released["count"], 1);
        copy.until(&original.waits, "executed", |run| run["status"] == "succeeded").await;
        assert_eq!((place.lines("mark"), held(&copy).await), (2, 0));
        assert!(!page(&copy, "/").await.contains("Run them"));
        copy.stop().await;
        original.server.stop().await;
    }
}

#[tokio::test]
async fn a_hard_linked_copy_is_refused_beside_the_original_and_becomes_a_folder_of_its_own() {
    let place = Place::new();
    let original = busy(&place).await;
    sh(place.path(), "cp -al data copy");
    let mut copy = Command::new(env!("CARGO_BIN_EXE_kontasks"));
    let refused = copy.args(["serve", "--addr", "127.0.0.1:0", "--data"]).arg(place.file("copy")).output().expect("starts");
    let words = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && words.contains("in use by another server"), "{words}");

    let Busy { server, prints, waits, cursor } = original;
    let address = server.address.clone();
    server.kill().await;
    let mut copy = start(&place.file("copy")).await;
    let original = Busy { server: Program { child: idle(), address }, prints, waits, cursor };
    check_copy(&place, &copy, &original).await;
    copy.stop().await;
    let mut server = start(&place.data()).await;
    assert_eq!(hello(&server, Some(&original.cursor)).await.1, None, "the original is what it was");
    assert_eq!(held(&server).await, 0);
    check_original(&place, &server, &original.prints, &original.waits).await;
    server.stop().await;
}

/// A process that does nothing.
fn idle() -> tokio::process::Child {
    tokio::process::Command::new("/bin/true").spawn().expect("starts")
}

#[tokio::test]
async fn a_backup_of_the_database_alone_is_another_folder() {
    let place = Place::new();
    let server = start(&place.data()).await;
    let gate = place.file("gate");
    // It prints nothing more until it may, so that sqlite3 comes to an end.
    let prints = server.submit(&format!("echo line 0; until test -e '{}'; do sleep 0.01; done; echo 1 lines", gate.display())).await;
    let waits = server.submit(&place.marking("mark")).await;
    server.until(&prints, "prints", |run| run["bytes"].as_u64() > Some(5)).await;
    let mut original = Busy { cursor: cursor(&server).await, server, prints, waits };
    sh(place.path(), "mkdir copy; cp data/kontasks.toml copy; sqlite3 data/kontasks.db '.backup copy/kontasks.db'");
    let mut copy = start(&place.file("copy")).await;
    check_copy(&place, &copy, &original).await;
    assert_eq!(output(&copy, &original.prints).await, "line 0\n");
    let dropped = copy.post("/api/v1/held-runs/drop", &Value::Null).await;
    assert_eq!(dropped["count"], 1);
    let run = copy.get(&format!("/api/v1/runs/{}", original.waits)).await;
    assert_eq!(run["status"], "cancelled");
    assert!(run["reason"].as_str().is_some_and(|reason| reason.contains("as it came with a backup or a copy")), "{run}");
    assert_eq!(held(&copy).await, 0);
    copy.stop().await;
    check_original(&place, &original.server, &original.prints, &original.waits).await;
    original.server.stop().await;
}

#[tokio::test]
async fn a_held_run_is_cancelled_by_itself() {
    let place = Place::new();
    let mut original = busy(&place).await;
    let other = original.server.submit(&place.marking("other")).await;
    sh(place.path(), "cp -a data copy");
    let mut copy = start(&place.file("copy")).await;
    copy.until(&original.prints, "ended", |run| !run["endedAt"].is_null()).await;
    assert_eq!(held(&copy).await, 2);
    let answer = ask(&copy.address, &format!("POST /api/v1/runs/{}/cancellation", original.waits), "").await;
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    copy.until(&original.waits, "cancelled", |run| run["status"] == "cancelled").await;
    assert_eq!((held(&copy).await, &copy.get(&format!("/api/v1/runs/{other}")).await["held"]), (1, &Value::Bool(true)));
    // By the form of a page without scripts.
    let answer = form(&copy, "/actions/decide-held-runs", "decision=run").await;
    assert!(answer.starts_with("HTTP/1.1 302"), "{answer}");
    copy.until(&other, "executed", |run| run["status"] == "succeeded").await;
    assert_eq!((place.lines("other"), place.lines("mark")), (1, 0));
    copy.stop().await;
    std::fs::write(place.file("gate"), "").expect("written");
    original.server.until(&other, "executed", |run| run["status"] == "succeeded").await;
    original.server.stop().await;
}

async fn form(server: &Program, path: &str, body: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(&server.address).await.expect("connects");
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nAccept: text/html\r\nOrigin: http://{}\r\nReferer: http://{}/\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        server.address,
        crate::server::TOKEN,
        server.address,
        server.address,
        body.len()
    );
    stream.write_all(head.as_bytes()).await.expect("writes");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("reads");
    answer
}

/// A folder that was stopped with a run that waits, and a backup of it from then; meanwhile the run
/// was executed, and more happened.
async fn with_backup(place: &Place, stop: &str) -> (String, String) {
    let mut original = busy(place).await;
    // Orderly, so that all of it is in the database's file.
    original.server.stop().await;
    sh(place.path(), "cp -a data backup");
    let mut server = start(&place.data()).await;
    assert_eq!(hello(&server, Some(&original.cursor)).await.1, None, "nothing has happened to it");
    std::fs::write(place.file("gate"), "").expect("written");
    server.until(&original.waits, "executed", |run| run["status"] == "succeeded").await;
    counted(&output(&server, &original.prints).await);
    go_on(&server, 30).await;
    let cursor = cursor(&server).await;
    match stop {
        "stop" => drop(server.stop().await),
        _ => server.kill().await,
    }
    (cursor, original.waits)
}

async fn check_restored(place: &Place, cursor: &str, waits: &str) {
    let mut server = start(&place.data()).await;
    assert!(hello(&server, Some(cursor)).await.1.is_some(), "the old cursor is not believed");
    assert_eq!((held(&server).await, server.get(&format!("/api/v1/runs/{waits}")).await["status"].as_str()), (1, Some("queued")));
    // As many events as before: its cursors are not mistaken for those of the log that is lost.
    go_on(&server, 40).await;
    assert!(hello(&server, Some(cursor)).await.1.is_some());
    server.stop().await;
    assert_eq!(place.lines("mark"), 1, "it was executed before, and not again");
}

#[tokio::test]
async fn a_backup_that_is_restored_in_place_executes_nothing_again() {
    for way in [
        "cp -a backup/. data/",
        "cp -r backup/* data/",
        "rm -r data; cp -a backup data",
        "tar -C backup -c . | tar -C data -x",
        "rm -r data; mv backup data",
        "cp -p backup/kontasks.db data/",
        // As `rsync --inplace` does it.
        "cp -p backup/kontasks.db backup/kontasks.db.head data/",
    ] {
        let place = Place::new();
        let (cursor, waits) = with_backup(&place, "stop").await;
        sh(place.path(), way);
        check_restored(&place, &cursor, &waits).await;
    }
}

#[tokio::test]
async fn a_backup_of_the_same_server_is_noticed_whichever_files_are_laid_over() {
    let place = Place::new();
    let Busy { server, prints, waits, cursor } = busy(&place).await;
    sh(place.path(), "cp -a data backup");
    let link = || std::fs::symlink_metadata(place.data().join("identity")).and_then(|link| link.created()).expect("there");
    let before = link();
    std::fs::write(place.file("gate"), "").expect("written");
    server.until(&waits, "executed", |run| run["status"] == "succeeded").await;
    counted(&output(&server, &prints).await);
    while link() == before {
        go_on(&server, 1).await;
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    server.kill().await;
    sh(place.path(), "cp -a backup/kontasks.db* data/");
    check_restored(&place, &cursor, &waits).await;
}

/// Whatever becomes of the database, the program of this very folder goes on, is cancelled from its page, and loses no output.
#[tokio::test]
async fn a_program_whose_database_is_taken_for_a_copy_goes_on() {
    for way in [
        "printf x | dd of=kontasks.db.head bs=1 seek=3 conv=notrunc",
        "touch -d '1 hour ago' kontasks.db.head",
        "rm identity",
        "rm kontasks.db.head",
    ] {
        let place = Place::new();
        let Busy { server, prints, waits, cursor } = busy(&place).await;
        server.kill().await;
        sh(&place.data(), way);
        let mut server = start(&place.data()).await;
        assert!(hello(&server, Some(&cursor)).await.1.is_some(), "{way}");
        assert_eq!(held(&server).await, 1, "{way}");
        let before = server.get(&format!("/api/v1/runs/{prints}")).await["bytes"].as_u64();
        server.until(&prints, "goes on", |run| run["bytes"].as_u64() > before.map(|bytes| bytes + 200)).await;
        // Also past another start.
        server.kill().await;
        server = start(&place.data()).await;
        server.post(&format!("/api/v1/runs/{prints}/cancellation"), &Value::Null).await;
        let run = server.until(&prints, "ended", |run| !run["endedAt"].is_null()).await;
        assert_eq!((run["status"].as_str(), run["verified"].as_bool()), (Some("cancelled"), Some(true)), "{way}: {run}");
        assert_eq!(server.get(&format!("/api/v1/runs/{waits}")).await["status"], "queued", "{way}");
        server.stop().await;
        assert_eq!(place.lines("mark"), 0, "{way}");
    }
}

#[tokio::test]
async fn a_lost_write_ahead_log_is_noticed() {
    let place = Place::new();
    let (cursor, waits) = with_backup(&place, "kill").await;
    assert!(place.data().join("kontasks.db-wal").exists());
    sh(&place.data(), "rm kontasks.db-wal kontasks.db-shm");
    check_restored(&place, &cursor, &waits).await;
}

#[tokio::test]
async fn an_older_database_is_of_the_same_folder_and_follows_what_runs() {
    let place = Place::new();
    let mut original = busy(&place).await;
    original.server.stop().await;
    sh(place.path(), "cp -a data/kontasks.db older.db");
    let server = start(&place.data()).await;
    let before = server.get(&format!("/api/v1/runs/{}", original.prints)).await["bytes"].as_u64();
    server.until(&original.prints, "goes on", |run| run["bytes"].as_u64() > before.map(|bytes| bytes + 200)).await;
    server.kill().await;
    sh(place.path(), "rm data/kontasks.db-*l data/kontasks.db-*m; cp older.db data/kontasks.db");
    let mut server = start(&place.data()).await;
    assert!(hello(&server, Some(&original.cursor)).await.1.is_some());
    assert_eq!(held(&server).await, 1);
    std::fs::write(place.file("gate"), "").expect("written");
    let run = server.until(&original.prints, "ended", |run| !run["endedAt"].is_null()).await;
    assert_eq!(run["status"], "succeeded", "{run}");
    counted(&output(&server, &original.prints).await);
    server.stop().await;
    assert_eq!(place.lines("mark"), 0);
}

#[tokio::test]
async fn what_is_no_copy_is_not_taken_for_one() {
    let place = Place::new();
    let mut original = busy(&place).await;
    for (stop, what) in [
        ("stop", "true"),
        ("kill", "true"),
        ("stop", "chown -R $(id -u):$(id -g) data; chmod -R go-rwx data"),
        ("kill", "chmod -R u+rwX data; find data -print0 | xargs -0 stat > /dev/null"),
        ("stop", "mv data other; mv other data"),
        ("kill", "cp -al data linked; rm -r linked"),
    ] {
        match stop {
            "stop" => drop(original.server.stop().await),
            _ => original.server.kill().await,
        }
        sh(place.path(), what);
        let server = start(&place.data()).await;
        original.server = server;
        assert_eq!((hello(&original.server, Some(&original.cursor)).await.1, held(&original.server).await), (None, 0), "{what}");
        let before = original.server.get(&format!("/api/v1/runs/{}", original.prints)).await["bytes"].as_u64();
        original.server.until(&original.prints, "goes on", |run| run["bytes"].as_u64() > before).await;
    }
    check_original(&place, &original.server, &original.prints, &original.waits).await;
    original.server.stop().await;
}

#[tokio::test]
async fn a_database_elsewhere_has_one_server_and_its_own_folder() {
    let place = Place::new();
    let database = place.file("elsewhere.db");
    let set = format!("export KONTASKS_DATABASE='{}'", database.display());
    let serve = |data: std::path::PathBuf| {
        let set = set.clone();
        async move { Program::start_after(&set, &data, "127.0.0.1:0").await }
    };
    let server = serve(place.data()).await;
    let prints = server.submit(&place.counting("gate")).await;
    server.until(&prints, "prints", |run| run["bytes"].as_u64() > Some(100)).await;
    // Another data folder does not make another database.
    sh(place.path(), "cp -a data copy");
    let second = Command::new(env!("CARGO_BIN_EXE_kontasks"))
        .args(["serve", "--addr", "127.0.0.1:0", "--data"])
        .arg(place.file("copy"))
        .env("KONTASKS_DATABASE", &database)
        .output()
        .expect("starts");
    let words = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(!second.status.success() && words.contains("another server uses it"), "{words}");
    server.kill().await;
    // Over a copy of the folder, what runs is not of it.
    let mut copy = serve(place.file("copy")).await;
    let run = copy.until(&prints, "ended", |run| !run["endedAt"].is_null()).await;
    assert_eq!(run["reason"].as_str(), Some(COPIED), "{run}");
    copy.stop().await;
    std::fs::write(place.file("gate"), "").expect("written");
    let end = place.data().join("runs").join(&prints).join("end.json");
    until("the original goes on to its end", || end.exists()).await;
    assert!(std::fs::read_to_string(end).expect("there").contains("\"Exited\":0"));
}
