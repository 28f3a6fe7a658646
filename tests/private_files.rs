//! Who may read what the program stores: nobody but its owner, whatever the umask is, and also
//! where an earlier version, or somebody, has left it open to others.

#![cfg(target_os = "linux")]

#[path = "support/program.rs"]
mod program;
#[path = "support/server.rs"]
mod server;

use program::Program;
use serde_json::json;
use server::TOKEN;
use std::{
    fs::{self, Permissions},
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).expect("there").mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("ours");
}

/// All that is in a folder, and itself; links are not followed.
fn walk(path: &Path) -> Vec<PathBuf> {
    let mut found = vec![path.to_owned()];
    if fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir()) {
        for entry in fs::read_dir(path).expect("readable").flatten() {
            found.extend(walk(&entry.path()));
        }
    }
    found
}

/// What others have access to, with its mode.
fn open_to_others(data: &Path) -> Vec<(PathBuf, String)> {
    let open = walk(data).into_iter().filter_map(|path| {
        let found = fs::symlink_metadata(&path).ok()?;
        (!found.is_symlink() && found.mode() & 0o077 != 0).then(|| (path, format!("{:o}", found.mode() & 0o7777)))
    });
    open.collect()
}

/// Opens everything to others, as with the umask 022.
fn expose(data: &Path) {
    for path in walk(data) {
        let found = fs::symlink_metadata(&path).expect("there");
        if !found.is_symlink() {
            set_mode(&path, if found.is_dir() { 0o755 } else { 0o644 });
        }
    }
}

fn kontasks(data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kontasks"));
    command.env("KONTASKS_DATA", data).env("NO_COLOR", "1").env_remove("KONTASKS_DATABASE").env_remove("KONTASKS_TOKEN");
    command.stdin(Stdio::null());
    command
}

/// A server that must refuse; what it said.
fn refusal(command: &mut Command) -> String {
    let Output { status, stderr, .. } = command.args(["serve", "--addr", "127.0.0.1:0"]).output().expect("runs");
    assert!(!status.success());
    String::from_utf8(stderr).expect("text")
}

/// Starts a server that logs into a file.
async fn serve(data: &Path, log: &Path) -> Program {
    Program::start_after(&format!("exec 2>>'{}'; export NO_COLOR=1", log.display()), data, "127.0.0.1:0").await
}

#[tokio::test]
async fn what_is_created_is_private_and_programs_have_the_umask_of_the_person() {
    let place = tempfile::tempdir().expect("a folder");
    let (data, work) = (place.path().join("deep/data"), place.path().join("work"));
    fs::create_dir(&work).expect("made");
    let server = Program::start_after("umask 000", &data, "127.0.0.1:0").await;
    let gate = work.join("gate");
    let stays = format!("echo up; until test -e '{}'; do sleep 0.01; done", gate.display());
    let run = server.submit(&format!("cd '{}'; umask; : > file; mkdir folder; {stays}", work.display())).await;
    let cancelled = server.submit("echo up; trap '' INT; while :; do sleep 0.05; done").await;
    for run in [&run, &cancelled] {
        server.until(run, "up", |run| run["bytes"].as_u64() > Some(0)).await;
    }
    server.post(&format!("/api/v1/runs/{run}/input"), &json!({ "text": "x" })).await;
    server.post(&format!("/api/v1/runs/{cancelled}/cancellation"), &json!({})).await;
    assert_eq!(open_to_others(&data), []);
    assert!(walk(&data).len() > 15, "it runs");
    // A server that comes back finds it so.
    server.kill().await;
    let mut server = Program::start_after("umask 000", &data, "127.0.0.1:0").await;
    assert_eq!(open_to_others(&data), []);

    fs::write(gate, "").expect("written");
    server.until(&run, "ended", |run| run["status"] == "succeeded").await;
    server.until(&cancelled, "ended", |run| run["status"] == "cancelled").await;
    let output = program::ask(&server.address, &format!("GET /api/v1/runs/{run}/output"), "").await;
    assert!(output.contains("0000\n"), "{output}");
    assert_eq!((mode(&work.join("file")), mode(&work.join("folder"))), (0o666, 0o777));
    server.stop().await;
    assert_eq!(open_to_others(&data), []);
}

#[tokio::test]
async fn what_was_open_to_others_is_made_private_with_a_word_and_nothing_behind_a_link() {
    let place = tempfile::tempdir().expect("a folder");
    let [data, other, log] = ["data", "other", "log"].map(|name| place.path().join(name));
    fs::create_dir(&other).expect("made");
    let mut server = serve(&data, &log).await;
    let gate = other.join("gate");
    let run = server.submit(&format!("echo up; until test -e '{}'; do sleep 0.01; done", gate.display())).await;
    server.until(&run, "up", |run| run["bytes"].as_u64() > Some(0)).await;
    server.stop().await;
    fs::write(data.join("kontasks.toml"), "max_running = 3\n").expect("written");
    fs::write(data.join("script"), "").expect("written");
    fs::create_dir(data.join("runs/folder")).expect("made");
    fs::write(data.join("runs/folder/file"), "").expect("written");
    expose(&data);
    set_mode(&data.join("script"), 0o4755);
    // What links lead to is somebody else's affair.
    for name in ["file", "hard", "folder"] {
        let path = other.join(name);
        if name == "folder" {
            fs::create_dir(&path).expect("made")
        } else {
            fs::write(&path, "").expect("written")
        };
        set_mode(&path, 0o755);
    }
    symlink(other.join("file"), data.join("link")).expect("made");
    symlink(other.join("folder"), data.join("runs/link")).expect("made");
    fs::hard_link(other.join("hard"), data.join("hard")).expect("made");

    let mut server = serve(&data, &log).await;
    let left = open_to_others(&data);
    assert_eq!(left, [(data.join("hard"), "755".to_owned())]);
    assert_eq!(mode(&data.join("script")), 0o4700, "its owner's bits stay");
    for name in ["file", "hard", "folder"] {
        assert_eq!(mode(&other.join(name)), 0o755, "{name}");
    }
    let words = fs::read_to_string(&log).expect("there");
    for word in ["other users had access to the data folder", "had modes for other users", "is a link to", "(a hard link)"] {
        assert!(words.contains(word), "{word}: {words}");
    }
    fs::write(gate, "").expect("written");
    server.until(&run, "ended", |run| run["status"] == "succeeded").await;

    // The other commands do the same, beside a server that runs.
    fs::remove_file(data.join("hard")).expect("removed");
    expose(&data);
    let linked = kontasks(&data).arg("sign-in-link").output().expect("runs");
    assert!(linked.status.success() && String::from_utf8_lossy(&linked.stderr).contains("other users had access"));
    assert_eq!(open_to_others(&data), []);
    server.stop().await;
    // Nothing is said where nothing is to be said.
    fs::remove_file(&log).expect("removed");
    fs::remove_file(data.join("link")).expect("removed");
    fs::remove_file(data.join("runs/link")).expect("removed");
    serve(&data, &log).await.stop().await;
    let words = fs::read_to_string(&log).expect("there");
    assert!(!words.contains("WARN"), "{words}");
}

#[tokio::test]
async fn a_database_elsewhere_is_made_private_and_its_folder_left_alone() {
    let place = tempfile::tempdir().expect("a folder");
    let [data, other, log] = ["data", "other", "log"].map(|name| place.path().join(name));
    fs::create_dir(&other).expect("made");
    set_mode(&other, 0o755);
    let database = other.join("the database");
    let start = async || {
        let before = format!("umask 000; exec 2>>'{}'; export NO_COLOR=1 KONTASKS_DATABASE='{}'", log.display(), database.display());
        Program::start_after(&before, &data, "127.0.0.1:0").await
    };
    let files = || ["", "-wal", "-shm"].map(|suffix| PathBuf::from(format!("{}{suffix}", database.display())));
    let server = start().await;
    server.submit("true").await;
    assert_eq!(files().map(|file| mode(&file)), [0o600; 3]);
    // So that what belongs to the database stays beside it.
    server.kill().await;
    files().iter().for_each(|file| set_mode(file, 0o644));
    let mut server = start().await;
    assert_eq!(files().map(|file| mode(&file)), [0o600; 3]);
    assert_eq!(mode(&other), 0o755);
    server.stop().await;
    // By a link: what is written lies beside its target.
    let target = place.path().join("target");
    fs::rename(&database, &target).expect("moves");
    fs::rename(other.join("the database.head"), place.path().join("head")).expect("moves");
    symlink(&target, &database).expect("made");
    let beside = || ["-wal", "-shm"].map(|suffix| PathBuf::from(format!("{}{suffix}", target.display())));
    let server = start().await;
    server.submit("true").await;
    server.kill().await;
    beside().iter().for_each(|file| set_mode(file, 0o644));
    start().await.stop().await;
    let server = start().await;
    server.submit("true").await;
    assert_eq!(beside().map(|file| mode(&file)), [0o600; 2]);
    server.kill().await;
    beside().iter().for_each(|file| set_mode(file, 0o644));
    let mut server = start().await;
    assert_eq!(beside().map(|file| mode(&file)), [0o600; 2]);
    server.stop().await;
    fs::remove_file(&database).expect("removed");
    fs::rename(&target, &database).expect("moves");
    assert!(!fs::read_to_string(&log).expect("there").contains("may write in"));
    set_mode(&other, 0o777);
    start().await.stop().await;
    assert_eq!(mode(&other), 0o777);
    assert!(fs::read_to_string(&log).expect("there").contains("other users may write in"));
}

#[test]
fn what_cannot_be_made_private_is_refused() {
    let place = tempfile::tempdir().expect("a folder");
    let [data, other] = ["data", "other"].map(|name| place.path().join(name));
    fs::create_dir(&data).expect("made");
    fs::write(&other, "").expect("written");
    set_mode(&other, 0o644);
    symlink(&other, data.join("kontasks.db")).expect("made");
    let words = refusal(&mut kontasks(&data));
    assert!(words.contains("kontasks.db is a link to") && words.contains(&format!("chmod go= {}", other.display())), "{words}");
    assert_eq!(mode(&other), 0o644);
    // Where it leads is private, so the link is fine.
    set_mode(&other, 0o600);
    fs::remove_file(data.join("kontasks.db")).expect("removed");

    if !rustix::process::geteuid().is_root() {
        eprintln!("only root can make a folder of another user: not tried");
        return;
    }
    let before = fs::read_dir(&data).expect("readable").count();
    let exe = place.path().join("kontasks");
    program::copy_to(&exe);
    set_mode(place.path(), 0o755);
    set_mode(&data, 0o777);
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(exe).env("KONTASKS_DATA", &data).env("KONTASKS_TOKEN", TOKEN);
    let words = refusal(command.stdin(Stdio::null()));
    assert!(words.contains("other users have access to") && words.contains("mode 777") && words.contains("chmod go="), "{words}");
    assert_eq!(fs::read_dir(&data).expect("readable").count(), before, "nothing was made in it");
}
