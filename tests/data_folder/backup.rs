//! The backup that docs/operation.md tells of, as it stands there, while a program prints.

use crate::program::Program;
use crate::tools::{Place, counted, held, output};
use std::{fs, path::Path, process::Stdio, time::Duration};

/// The commands of the document's section on backups.
fn commands() -> String {
    let document = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/operation.md")).expect("there");
    let (_, section) = document.split_once("## Backup").expect("a section");
    let (_, block) = section.split_once("```sh\n").expect("a block");
    block.split_once("```").expect("its end").0.to_owned()
}

#[tokio::test]
async fn the_documented_backup_comes_to_an_end_while_a_program_prints() {
    let commands = commands();
    assert!(commands.contains("vacuum into"), "{commands}");
    let place = Place::new();
    let mut server = Program::start(&place.data(), "127.0.0.1:0").await;
    let much = server.submit("head -c 8000000 /dev/zero | tr '\\0' x").await;
    server.until(&much, "ended", |run| run["status"] == "succeeded").await;
    let prints = server.submit(&place.counting("gate")).await;
    let waits = server.submit(&place.marking("mark")).await;
    server.until(&prints, "prints", |run| run["bytes"].as_u64() > Some(100)).await;
    let script = commands.replace("/var/lib/kontasks", &place.data().display().to_string());
    let script = script.replace("/var/backups", &place.path().display().to_string());
    let mut shell = tokio::process::Command::new("/bin/sh");
    let backup = shell.args(["-ec", &script]).stdin(Stdio::null()).kill_on_drop(true).output();
    let made = tokio::time::timeout(Duration::from_secs(30), backup).await.expect("it comes to an end").expect("starts");
    let words = String::from_utf8_lossy(&made.stderr).into_owned();
    if !made.status.success() && words.contains("not found") {
        eprintln!("sqlite3 is not installed here: the documented command was not tried ({words})");
        return;
    }
    assert!(made.status.success(), "{words}");
    let restored = place.file("restored");
    fs::create_dir(&restored).expect("made");
    fs::copy(place.file("kontasks.db"), restored.join("kontasks.db")).expect("copied");
    let mut copy = Program::start(&restored, "127.0.0.1:0").await;
    assert_eq!(output(&copy, &much).await.len(), 8_000_000);
    let run = copy.until(&prints, "ended", |run| !run["endedAt"].is_null()).await;
    assert_eq!(run["status"], "interrupted", "{run}");
    assert_eq!((held(&copy).await, place.lines("mark")), (1, 0));
    copy.stop().await;
    fs::write(place.file("gate"), "").expect("written");
    server.until(&waits, "executed", |run| run["status"] == "succeeded").await;
    counted(&output(&server, &prints).await);
    server.stop().await;
}
