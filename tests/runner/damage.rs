//! Output that is changed between the program and the log: found, said with its place, and never
//! shown as whole. Output that is not is verified back to the program.

use crate::place::{Gate, Place, Server, digest, kill, lives, until};
use kontasks::{
    backend::store::{EventKind, Topics},
    domain::{
        id::RunId,
        integrity::Damage,
        run::{Run, RunStatus},
    },
};
use rustix::fs::FallocateFlags;
use std::{
    fs::{self, File},
    os::unix::fs::FileExt,
    path::Path,
};

const MIB: u64 = 1 << 20;
/// Three million bytes of which no two parts are alike.
const LINES: &str = "seq 1 444444";

fn written() -> Vec<u8> {
    (1..=444_444).map(|n| format!("{n}\n")).collect::<String>().into_bytes()
}

/// What can happen to a spool, by the path of the run's folder.
type Fault = fn(&Path);

fn edit(folder: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let spool = folder.join("spool");
    let mut bytes = fs::read(&spool).expect("there");
    change(&mut bytes);
    // In place, as the supervisor may have it open.
    fs::write(spool, bytes).expect("written");
}

fn open(folder: &Path) -> File {
    File::options().write(true).open(folder.join("spool")).expect("there")
}

const CUT: Fault = |folder| open(folder).set_len(1_500_000).expect("cut");
const EMPTIED: Fault = |folder| open(folder).set_len(0).expect("emptied");
const FLIPPED: Fault = |folder| open(folder).write_all_at(b"X", 2_500_000).expect("written");
const PUNCHED: Fault = |folder| {
    let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    let punched = rustix::fs::fallocate(open(folder), flags, 1_200_000, 65_536);
    // Some file systems have no holes.
    punched.or_else(|_| open(folder).write_all_at(&[0; 65_536], 1_200_000)).expect("punched");
};
const DOUBLED: Fault = |folder| edit(folder, |bytes| drop(bytes.splice(5..5, bytes[100..200].to_vec())));
const LEFT_OUT: Fault = |folder| edit(folder, |bytes| drop(bytes.drain(2_200_000..2_200_001)));
const APPENDED: Fault = |folder| edit(folder, |bytes| bytes.extend_from_slice(b"and more"));
const REPLACED: Fault = |folder| {
    let length = fs::metadata(folder.join("spool")).expect("there").len();
    fs::write(folder.join("other"), vec![b'x'; usize::try_from(length).expect("fits")]).expect("written");
    fs::rename(folder.join("other"), folder.join("spool")).expect("renamed");
};
const REMOVED: Fault = |folder| fs::remove_file(folder.join("spool")).expect("removed");

/// A run that has written three million bytes and ended while no server looked, after the fault.
async fn ended_unseen(place: &Place, fault: impl FnOnce(&Path)) -> (Server, Run, Vec<u8>) {
    let server = place.server().await;
    let gate = Gate::new(place, "unseen");
    let run = server.submit(&format!("echo; {gate}; {LINES}")).await;
    server.until(run.id, "wrote", |run| run.bytes > 0).await;
    server.leave().await;
    gate.open();
    let folder = place.run_folder(run.id);
    until("the end is written down", || folder.join("end.json").exists());
    // It ends after that, and nothing is written any more.
    fault(&folder);
    let server = place.server().await;
    let (run, bytes) = server.end(run.id).await;
    fs::remove_file(place.data.join("gate unseen")).expect("removed");
    (server, run, bytes)
}

fn assert_verified(run: &Run, bytes: &[u8]) {
    assert_eq!((run.verified, run.verified_bytes), (Some(true), Some(bytes.len() as u64)), "{run:?}");
    assert_eq!((&run.program_digest, run.damage), (&run.digest, None));
    assert_eq!(run.digest, Some(digest(bytes)));
}

fn assert_damaged(run: &Run, from: u64, to: u64) {
    assert_eq!((run.damage, run.verified), (Some(Damage { from, to }), Some(false)), "{run:?}");
    assert_eq!(run.status, RunStatus::Interrupted);
    let place = Damage { from, to }.place();
    assert!(run.outcome().contains(&place), "{}: {place}", run.outcome());
}

#[tokio::test]
async fn each_end_is_verified_back_to_the_program() {
    let place = Place::new();
    let server = place.server().await;
    let cut = Place::with("[[runner]]\nname = \"shell\"\nmax_output = \"100 kB\"\n");
    let limited = cut.server().await;
    for (server, prompt, status) in [
        (&server, LINES, RunStatus::Succeeded),
        (&server, "printf 'a\\377'; exit 3", RunStatus::Failed),
        (&server, "true", RunStatus::Succeeded),
        (&server, "printf x; kill -TERM $PPID; sleep 1000", RunStatus::Interrupted),
        (&limited, LINES, RunStatus::Failed),
    ] {
        let run = server.submit(prompt).await;
        let (run, bytes) = server.end(run.id).await;
        assert_eq!(run.status, status, "{run:?}");
        assert_verified(&run, &bytes);
        let end = end_event(server, run.id).await;
        assert_eq!((&end["verified"], end.get("damage")), (&true.into(), None), "{end}");
    }
    server.leave().await;
    limited.leave().await;
}

async fn end_event(server: &Server, run: RunId) -> serde_json::Value {
    let mut reader = server.store.reader(Topics::Run(run), 0);
    loop {
        let frames = reader.next().await.expect("readable").frames;
        if let Some(end) = frames.iter().find(|frame| frame.kind == EventKind::End) {
            let text = String::from_utf8_lossy(&end.bytes).into_owned();
            let data = text.lines().find_map(|line| line.strip_prefix("data: ")).expect("data");
            return serde_json::from_str(data).expect("JSON");
        }
    }
}

#[tokio::test]
async fn what_happens_to_a_spool_while_no_server_looks_is_said_with_its_place() {
    let place = Place::new();
    let all = written().len() as u64 + 1;
    let cases: [(&str, Fault, u64, u64); 8] = [
        ("cut", CUT, MIB, 2 * MIB),
        ("emptied", EMPTIED, 0, MIB),
        ("flipped", FLIPPED, 2 * MIB, all),
        ("punched", PUNCHED, MIB, 2 * MIB),
        ("doubled", DOUBLED, 0, MIB),
        ("left out", LEFT_OUT, 2 * MIB, all),
        ("replaced", REPLACED, 0, MIB),
        ("removed", REMOVED, 0, MIB),
    ];
    for (name, fault, from, to) in cases {
        let (server, run, bytes) = ended_unseen(&place, fault).await;
        eprintln!("{name}: {}", run.outcome());
        assert_damaged(&run, from, to);
        assert!(run.outcome().ends_with("; its program exited with code 0"), "{}", run.outcome());
        assert_eq!((run.exit_code, run.verified_bytes), (Some(0), Some(from)));
        let original = [b"\n".as_slice(), &written()].concat();
        let proven = usize::try_from(from).expect("fits").min(bytes.len());
        assert!(bytes[..proven] == original[..proven], "what is called verified is what was written");
        let lost = bytes.len() < original.len();
        let words = if lost { "bytes of output are lost" } else { "differs from what the program wrote" };
        assert!(run.outcome().contains(words), "{}", run.outcome());
        let end = end_event(&server, run.id).await;
        assert_eq!(end["verified"], false);
        assert_eq!(end["damage"], serde_json::json!({"from": from, "to": to}));
        server.leave().await;
    }
}

#[tokio::test]
async fn what_others_put_behind_an_output_is_not_taken() {
    let place = Place::new();
    let (server, run, bytes) = ended_unseen(&place, APPENDED).await;
    assert_eq!(run.outcome(), "succeeded");
    assert_verified(&run, &bytes);
    server.leave().await;
}

#[tokio::test]
async fn without_checkpoints_the_place_is_anywhere() {
    let place = Place::new();
    let (server, run, bytes) = ended_unseen(&place, |folder| {
        fs::remove_file(folder.join("digests")).expect("there");
        FLIPPED(folder);
    })
    .await;
    assert_damaged(&run, 0, bytes.len() as u64);
    server.leave().await;
}

#[tokio::test]
async fn what_an_earlier_supervisor_did_not_say_is_not_claimed() {
    let place = Place::new();
    let old = |folder: &Path| {
        let end = fs::read_to_string(folder.join("end.json")).expect("there");
        let mut end: serde_json::Value = serde_json::from_str(&end).expect("JSON");
        assert!(end.as_object_mut().expect("members").remove("digest").is_some());
        fs::write(folder.join("end.json"), end.to_string()).expect("written");
    };
    let (server, run, _) = ended_unseen(&place, old).await;
    assert_eq!((run.outcome().as_str(), run.verified, run.verified_bytes), ("succeeded", None, None));
    assert_eq!(end_event(&server, run.id).await["verified"], serde_json::Value::Null);
    server.leave().await;
    // What it did say, the length, still counts.
    let (server, run, _) = ended_unseen(&place, |folder| {
        old(folder);
        CUT(folder);
    })
    .await;
    assert_eq!((run.status, run.verified), (RunStatus::Interrupted, Some(false)));
    server.leave().await;
}

#[tokio::test]
async fn a_running_program_s_damaged_output_is_said_at_once() {
    let place = Place::new();
    let cases: [(&str, Fault, u64, u64); 4] = [
        ("cut", CUT, MIB, 2 * MIB),
        ("flipped", FLIPPED, 2 * MIB, 3 * MIB),
        ("punched", PUNCHED, MIB, 2 * MIB),
        ("replaced", REPLACED, 0, MIB),
    ];
    for (name, fault, from, to) in cases {
        let [first, second] = ["first", "second"].map(|gate| Gate::new(&place, &format!("{gate} {name}")));
        let server = place.server().await;
        let run = server.submit(&format!("echo; {first}; {LINES}; {LINES}; {second}; echo end")).await;
        server.until(run.id, "wrote", |run| run.bytes > 0).await;
        server.leave().await;
        first.open();
        let spool = place.run_folder(run.id).join("spool");
        let all = 2 * written().len() as u64 + 1;
        until("all is in the spool", || fs::metadata(&spool).is_ok_and(|spool| spool.len() == all));
        fault(&place.run_folder(run.id));
        let server = place.server().await;
        let seen = server.until(run.id, "is said to be damaged", |run| run.damage.is_some()).await;
        assert_eq!((seen.status, seen.verified), (RunStatus::Running, Some(false)), "{name}");
        assert_eq!(seen.damage, Some(Damage { from, to }), "{name}");
        second.open();
        let (run, _) = server.end(run.id).await;
        assert_damaged(&run, from, to);
        assert_eq!(run.exit_code, Some(0));
        server.leave().await;
    }
}

#[tokio::test]
async fn a_spool_that_has_been_taken_over_may_be_lost() {
    let place = Place::new();
    let server = place.server().await;
    for (number, fault) in [EMPTIED, REMOVED, PUNCHED, FLIPPED].into_iter().enumerate() {
        let gate = Gate::new(&place, &format!("taken over {number}"));
        let run = server.submit(&format!("{LINES}; {gate}; echo end")).await;
        let length = written().len() as u64;
        server.until(run.id, "all is committed", |run| run.bytes == length).await;
        fault(&place.run_folder(run.id));
        gate.open();
        let (run, bytes) = server.end(run.id).await;
        if fault as usize == REMOVED as usize {
            // What came later went with the file, and is known to be missing.
            assert_damaged(&run, 2 * MIB, length + 4);
        } else {
            assert_eq!(run.outcome(), "succeeded");
            assert_verified(&run, &bytes);
        }
    }
    server.leave().await;
}

#[tokio::test]
async fn what_was_put_behind_a_running_program_s_output_is_said() {
    let place = Place::new();
    let server = place.server().await;
    let gate = Gate::new(&place, "go");
    let run = server.submit(&format!("echo begin; {gate}; echo end")).await;
    server.until(run.id, "wrote", |run| run.bytes > 0).await;
    edit(&place.run_folder(run.id), |bytes| bytes.extend_from_slice(b"and a lot more"));
    gate.open();
    let (run, bytes) = server.end(run.id).await;
    // It depends on who was there first; what is said of it does not.
    let original = b"begin\nend\n";
    if bytes == original {
        assert_verified(&run, &bytes);
    } else {
        let Damage { from, to } = run.damage.expect("it is seen");
        assert_damaged(&run, from, to);
        let right = usize::try_from(from).expect("fits");
        assert_eq!(bytes[..right], original[..right]);
    }
    server.leave().await;
}

/// A run whose supervisor is killed while no server looks, after it has written.
async fn killed_unseen(place: &Place, fault: impl FnOnce(&Path)) -> (Server, Run, Vec<u8>) {
    let server = place.server().await;
    let gate = Gate::new(place, "killed");
    let run = server.submit(&format!("echo; {gate}; {LINES}; exec sleep 1000")).await;
    server.until(run.id, "wrote", |run| run.bytes > 0).await;
    server.leave().await;
    gate.open();
    let folder = place.run_folder(run.id);
    let all = written().len() as u64 + 1;
    until("all is in the spool", || fs::metadata(folder.join("spool")).is_ok_and(|spool| spool.len() == all));
    until("so is its checkpoint", || fs::metadata(folder.join("digests")).is_ok_and(|file| file.len() == 3 * 128));
    let supervisor = place.supervisor(run.id);
    kill(supervisor, "-KILL");
    until("it is dead", || !lives(supervisor));
    fault(&folder);
    let server = place.server().await;
    let (run, bytes) = server.end(run.id).await;
    fs::remove_file(place.data.join("gate killed")).expect("removed");
    (server, run, bytes)
}

#[tokio::test]
async fn what_a_killed_supervisor_had_read_is_verified_as_far_as_it_said() {
    let place = Place::new();
    let (server, run, bytes) = killed_unseen(&place, |_| {}).await;
    assert_eq!((run.status, run.verified), (RunStatus::Interrupted, Some(true)), "{run:?}");
    assert_eq!((run.verified_bytes, run.program_digest), (Some(bytes.len() as u64), None));
    server.leave().await;

    let all = written().len() as u64 + 1;
    for (fault, from, to) in [(FLIPPED, 2 * MIB, all), (CUT, MIB, 2 * MIB), (PUNCHED, MIB, 2 * MIB)] {
        let (server, run, _) = killed_unseen(&place, fault).await;
        assert_damaged(&run, from, to);
        assert!(run.outcome().starts_with("interrupted: the process that held it is gone"), "{}", run.outcome());
        server.leave().await;
    }

    // As where it was killed after the bytes were written and before it could say so.
    let (server, run, _) = killed_unseen(&place, |folder| {
        File::options().write(true).open(folder.join("digests")).expect("there").set_len(2 * 128).expect("cut");
    })
    .await;
    assert_eq!((run.verified, run.verified_bytes, run.damage), (None, Some(2 * MIB), None));
    server.leave().await;

    let (server, run, _) = killed_unseen(&place, |folder| fs::remove_file(folder.join("digests")).expect("there")).await;
    assert_eq!((run.verified, run.verified_bytes, run.damage), (None, None, None), "an earlier version");
    server.leave().await;
}

#[tokio::test]
async fn a_digest_says_which_bytes_were_committed_whatever_the_database_gives_later() {
    use sqlx::Connection;
    let place = Place::new();
    let server = place.server().await;
    let gate = Gate::new(&place, "flipped");
    let run = server.submit(&format!("echo true; {gate}; echo end")).await;
    server.until(run.id, "wrote", |run| run.bytes == 5).await;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(place.data.join("kontasks.db"));
    let mut database = sqlx::SqliteConnection::connect_with(&options).await.expect("opens");
    let flip = "update events set payload = cast('trUe' || x'0a' as blob) where kind = 2";
    assert_eq!(sqlx::query(flip).execute(&mut database).await.expect("writes").rows_affected(), 1);
    database.close().await.expect("closes");
    gate.open();
    let run = server.until(run.id, "ended", |run| run.status.is_final()).await;
    assert_eq!(run.verified, Some(true));
    assert_eq!(run.digest, Some(digest(b"true\nend\n")), "what the program wrote, and what a live page has");
    let now = server.output(run.id).await;
    assert_eq!(now, b"trUe\nend\n");
    assert_ne!(run.digest, Some(digest(&now)), "whoever reads it now can tell");
    server.leave().await;
}
