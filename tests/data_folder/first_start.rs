//! A data folder that is being made when the machine fails, or the disk is full: however far it had
//! come, the next start takes it up.

use crate::program::Program;
use crate::tools::{Place, sh};
use rand::Rng;
use sqlx::{Connection, SqliteConnection, sqlite::SqliteConnectOptions};
use std::{
    fs::{self, File},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// Starts, and executes something.
async fn works(data: &Path) {
    let mut server = Program::start(data, "127.0.0.1:0").await;
    let run = server.submit("true").await;
    server.until(&run, "executed", |run| run["status"] == "succeeded").await;
    assert_eq!(server.get("/api/v1/held-runs").await["count"], 0);
    server.stop().await;
}

async fn execute(database: &Path, sql: &str) {
    let options = SqliteConnectOptions::new().filename(database).create_if_missing(true);
    let mut connection = SqliteConnection::connect_with(&options).await.expect("opens");
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.expect("executes");
    connection.close().await.expect("closes");
}

#[tokio::test]
async fn a_first_start_that_is_killed_at_any_moment_is_taken_up() {
    let place = Place::new();
    // How long it takes from the first file to the last one, on this machine as busy as it is.
    let mut takes = Duration::ZERO;
    let is_made = |data: &Path| fs::metadata(data.join("kontasks.db.head")).is_ok_and(|file| file.len() > 0);
    let mut whole = 0;
    for round in 0..=60 {
        let data = place.file(&format!("data {round}"));
        let mut child = Command::new(env!("CARGO_BIN_EXE_kontasks"))
            .args(["serve", "--addr", "127.0.0.1:0", "--data"])
            .arg(&data)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("starts");
        // From the moment on when there is something to spoil.
        while !data.join("lock").exists() {
            std::hint::spin_loop();
        }
        if round == 0 {
            let begin = Instant::now();
            while !is_made(&data) {
                assert!(begin.elapsed() < Duration::from_secs(60), "never made");
                std::hint::spin_loop();
            }
            takes = begin.elapsed();
        }
        std::thread::sleep(takes.mul_f64(rand::rng().random_range(0.0..1.2)));
        child.kill().expect("kills");
        child.wait().expect("ends");
        whole += usize::from(is_made(&data));
        works(&data).await;
    }
    eprintln!("a first start takes {takes:?}; {whole} of 61 had come to its end");
    assert!(whole < 61, "none was cut off");
}

/// Each state that a database can be left in, one after the other.
#[tokio::test]
async fn each_step_of_making_a_database_can_be_the_last() {
    let mark = "pragma application_id = 1263817547;";
    // As the migrations' table is made, which is a step of its own.
    let table = "create table _sqlx_migrations (version bigint primary key, description text not null, installed_on timestamp not null \
         default current_timestamp, success boolean not null, checksum blob not null, execution_time bigint not null);";
    for (name, sql) in [
        ("an empty file", String::new()),
        ("a journal mode", "pragma journal_mode = wal;".to_owned()),
        ("a mark", format!("pragma journal_mode = wal; {mark}")),
        ("a mark and the migrations' table", format!("pragma journal_mode = wal; {mark} {table}")),
        ("the table alone, as earlier versions left it", format!("pragma journal_mode = wal; {table}")),
    ] {
        let place = Place::new();
        let database = place.data().join("kontasks.db");
        match sql.as_str() {
            "" => drop(File::create(&database).expect("made")),
            sql => execute(&database, sql).await,
        }
        eprintln!("{name}");
        works(&place.data()).await;
    }
    // The files beside it, half made; and each migration, with those after it undone.
    for (name, undone) in [
        ("an empty head file", "update meta set value = value; delete from meta where name = 'kept'"),
        ("no folder yet", "delete from meta where name in ('kept', 'folder')"),
        ("no epoch yet", "delete from meta where name in ('kept', 'folder', 'epoch')"),
        (
            "the newest migration to come",
            "delete from meta where name in ('kept', 'folder', 'epoch'); alter table runs drop column held; \
          alter table runs drop column program_digest; alter table runs drop column verified_bytes; alter table runs drop column damage_from; \
          alter table runs drop column damage_to; drop index events_of_size; alter table runs drop column sizes; \
          delete from _sqlx_migrations where version >= 6",
        ),
    ] {
        let place = Place::new();
        works(&place.data()).await;
        execute(&place.data().join("kontasks.db"), undone).await;
        sh(&place.data(), "rm kontasks.db.head identity; : > kontasks.db.head");
        eprintln!("{name}");
        works(&place.data()).await;
    }
}

#[tokio::test]
async fn a_foreign_database_is_left_as_it_is() {
    let place = Place::new();
    let database = place.data().join("kontasks.db");
    for sql in [
        "create table bookmarks (url text)",
        // Another program that uses the same library.
        "drop table bookmarks; create table _sqlx_migrations (version bigint primary key); insert into _sqlx_migrations values (1)",
        "drop table _sqlx_migrations; pragma application_id = 7",
    ] {
        execute(&database, sql).await;
        let before = fs::read(&database).expect("there");
        let refused = Command::new(env!("CARGO_BIN_EXE_kontasks"))
            .args(["serve", "--addr", "127.0.0.1:0", "--data"])
            .arg(place.data())
            .output()
            .expect("starts");
        let words = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && words.contains("it belongs to another program"), "{sql}: {words}");
        let after = fs::read(&database).expect("there");
        // That a journal is kept beside it is said in bytes 18 and 19, and counted from 24 on.
        assert!(before[28..92] == after[28..92] && before[100..] == after[100..], "{sql}");
    }
}

#[tokio::test]
async fn a_first_start_without_room_is_taken_up_when_there_is_some() {
    let place = Place::new();
    let disk = place.file("disk");
    fs::create_dir(&disk).expect("made");
    let mut refused = 0;
    for kibibytes in (4..=260).step_by(16) {
        let mut mount = Command::new("mount");
        let mount = mount.args(["-t", "tmpfs", "-o", &format!("size={kibibytes}k"), "tmpfs"]).arg(&disk);
        if !mount.status().is_ok_and(|status| status.success()) {
            eprintln!("mounting is refused here: not tried");
            return;
        }
        let data = disk.join("data");
        let mut child = Command::new(env!("CARGO_BIN_EXE_kontasks"))
            .args(["serve", "--addr", "127.0.0.1:0", "--data"])
            .arg(&data)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("starts");
        let mut first = String::new();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stdout.take().expect("piped")), &mut first).expect("reads");
        if first.is_empty() {
            let output = child.wait_with_output().expect("ends");
            let words = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(!words.contains("another program") && !words.contains("newer version"), "{kibibytes}: {words}");
            refused += 1;
        } else {
            child.kill().expect("kills");
            child.wait().expect("ends");
        }
        sh(&disk, "mount -o remount,size=64m .");
        works(&data).await;
        sh(place.path(), "umount -l disk");
    }
    assert!(refused > 3, "there was too much room: {refused}");
}
