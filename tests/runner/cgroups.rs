//! What is left where a supervisor was killed, and has neither its environment nor its session nor its parent any more: found by the
//! run's control group, and said to be missed where there is none.

use crate::place::{FOUND, Gate, Place, Server, gone, has_cgroups, kill, lives, own_cgroup, pid_in, until};
use kontasks::domain::{id::RunId, run::RunStatus};
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// A shell's command that leaves a process behind which nothing but its control group shows to be of the run, and where that writes its
/// number.
fn hide(place: &Place) -> (String, PathBuf) {
    let file = place.data.join("hidden");
    let hidden = format!("(setsid env -i /bin/sh -c 'echo $$ > '\\''{}'\\''; exec sleep 1000 <&- >&- 2>&-' &)", file.display());
    (format!("{hidden}\nuntil test -s '{}'; do sleep 0.01; done\necho up", file.display()), file)
}

/// A run that has hidden a process, and that.
async fn hidden(place: &Place, server: &Server) -> (RunId, i32) {
    let (hide, file) = hide(place);
    let run = server.submit(&format!("trap '' HUP; {hide}; exec sleep 1000")).await;
    server.until(run.id, "up", |run| run.bytes > 0).await;
    let pid = pid_in(&file);
    fs::remove_file(file).expect("there");
    (run.id, pid)
}

/// Kills the supervisor of a run and waits for its end.
fn kill_supervisor(place: &Place, run: RunId) {
    let supervisor = place.supervisor(run);
    kill(supervisor, "-KILL");
    until("it is dead", || !lives(supervisor));
}

#[tokio::test]
async fn what_hides_from_everything_else_is_found_by_its_control_group() {
    if !has_cgroups() {
        return without_cgroups().await;
    }
    let place = Place::new();
    let server = place.server().await;
    // While a server looks, and while none does.
    let (run, pid) = hidden(&place, &server).await;
    kill_supervisor(&place, run);
    assert_eq!(server.end(run).await.0.outcome(), gone(true));
    assert!(!lives(pid));

    let (run, pid) = hidden(&place, &server).await;
    server.leave().await;
    kill_supervisor(&place, run);
    assert!(lives(pid));
    let server = place.server().await;
    assert_eq!(server.end(run).await.0.outcome(), gone(true));
    assert!(!lives(pid));

    // The supervisor itself finds it too.
    let (run, pid) = hidden(&place, &server).await;
    let group = place.cgroups().expect("there").join(format!("run-{run}"));
    let supervisor = place.supervisor(run);
    let procs = fs::read_to_string(group.join("cgroup.procs")).expect("there");
    assert!(procs.lines().any(|line| line == pid.to_string()) && procs.lines().all(|line| line != supervisor.to_string()), "{procs}");
    server.runners.cancel(run, "a test").await.expect("asked");
    assert_eq!(server.end(run).await.0.status, RunStatus::Cancelled);
    assert!(!lives(pid));
    server.leave().await;
}

#[tokio::test]
async fn what_goes_on_starting_others_is_ended_all_the_same() {
    if !has_cgroups() {
        return without_cgroups().await;
    }
    let place = Place::new();
    let server = place.server().await;
    // Each lives for an instant and leaves another one, without anything of the run.
    let chain = place.data.join("chain");
    fs::write(&chain, "#!/bin/sh\ntrap '' HUP INT TERM\n: > \"$0.goes\"\nsleep 0.02\nsetsid env -i \"$0\" &\n").expect("written");
    fs::set_permissions(&chain, fs::Permissions::from_mode(0o700)).expect("executable");
    let name = chain.to_string_lossy().into_owned();
    let begin = format!("for i in 1 2 3 4 5 6 7 8; do (setsid env -i '{name}' &); done; until test -e '{name}.goes'; do sleep 0.01; done");
    let run = server.submit(&format!("{begin}; echo up; exec sleep 1000")).await;
    server.until(run.id, "up", |run| run.bytes > 0).await;
    server.leave().await;
    kill_supervisor(&place, run.id);
    let line = |pid: i32| fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let goes = || place.processes().into_iter().any(|pid| line(pid).contains(&name));
    until("it goes on", goes);
    let server = place.server().await;
    assert_eq!(server.end(run.id).await.0.outcome(), gone(true));
    for _ in 0..5 {
        assert!(!goes());
    }
    server.leave().await;
}

/// A binary that starts supervisors where no control group can be seen, as in a container.
fn blind(place: &Place) -> PathBuf {
    let exe = place.data.join("blind");
    let script = format!(
        "#!/bin/sh\nexec unshare --mount $(test \"$(id -u)\" = 0 || echo --map-root-user) sh -c \
         'mount -t tmpfs none /sys/fs/cgroup && exec \"$0\" \"$@\"' '{}' \"$@\"\n",
        env!("CARGO_BIN_EXE_kontasks")
    );
    fs::write(&exe, script).expect("written");
    fs::set_permissions(&exe, fs::Permissions::from_mode(0o700)).expect("executable");
    exe
}

#[tokio::test]
async fn without_control_groups_it_is_said_what_may_be_missed() {
    without_cgroups().await;
}

async fn without_cgroups() {
    let place = Place::new();
    let server = place.server_with(blind(&place)).await;
    let (run, pid) = hidden(&place, &server).await;
    assert!(!place.cgroups().expect("a folder").exists());
    kill_supervisor(&place, run);
    assert_eq!(server.end(run).await.0.outcome(), FOUND);
    // It is the one that may still run.
    assert!(lives(pid));
    kill(pid, "-KILL");
    until("it is gone", || !lives(pid));

    // Everything else is as it is with them.
    let (run, text) = server.run("echo one; exit 3").await;
    assert_eq!((run.outcome().as_str(), text.as_str()), ("failed with exit code 3", "one\n"));
    let (run, pid) = hidden(&place, &server).await;
    server.runners.cancel(run, "a test").await.expect("asked");
    assert_eq!(server.end(run).await.0.status, RunStatus::Cancelled);
    assert!(!lives(pid));
    server.leave().await;
}

/// A process in a control group, which ends with the test.
struct Sleeper(Child);

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn sleeper(group: &Path) -> Sleeper {
    fs::create_dir_all(group).expect("made");
    let child = Command::new("sleep").arg("1000").stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("starts");
    fs::write(group.join("cgroup.procs"), child.id().to_string()).expect("moved");
    Sleeper(child)
}

#[tokio::test]
async fn only_the_control_group_of_the_run_itself_is_touched() {
    if !has_cgroups() {
        return;
    }
    let place = Place::new();
    let server = place.server().await;
    let run = server.submit("trap '' HUP; echo up; exec sleep 1000").await;
    server.until(run.id, "up", |run| run.bytes > 0).await;
    server.leave().await;
    kill_supervisor(&place, run.id);
    // As a copied folder says it, or one that somebody has altered.
    let name = format!("kontasks-test-{}", std::process::id());
    let other = own_cgroup().expect("there").join(&name);
    let mut bystander = sleeper(&other);
    let begun = place.run_folder(run.id).join("begun.json");
    let mut altered: serde_json::Value = serde_json::from_slice(&fs::read(&begun).expect("there")).expect("JSON");
    let own = fs::read_to_string("/proc/self/cgroup").expect("Linux");
    let own = own.lines().find_map(|line| line.strip_prefix("0::")).expect("version 2").trim_end_matches('/').to_owned();
    altered["cgroup"] = format!("{own}/{name}").into();
    fs::write(&begun, altered.to_string()).expect("written");

    let server = place.server().await;
    assert_eq!(server.end(run.id).await.0.outcome(), FOUND, "where it was is not known for sure");
    assert!(bystander.0.try_wait().expect("a child").is_none());
    drop(bystander);
    fs::remove_dir(&other).expect("empty");
    server.leave().await;
}

#[tokio::test]
async fn what_ended_runs_have_left_is_removed_at_the_start() {
    if !has_cgroups() {
        return;
    }
    let place = Place::new();
    let server = place.server().await;
    server.run("true").await;
    let (holds, holds_not) = (server.submit("echo up; exec sleep 1000").await, RunId(uuid::Uuid::now_v7()));
    server.until(holds.id, "up", |run| run.bytes > 0).await;
    let groups = place.cgroups().expect("there");
    server.leave().await;
    let mut left = sleeper(&groups.join(format!("run-{holds_not}")).join("deeper"));
    let server = place.server().await;
    left.0.wait().expect("it was ended");
    until("its group is gone", || !groups.join(format!("run-{holds_not}")).exists());
    assert!(groups.join(format!("run-{}", holds.id)).exists(), "a run that goes on keeps its own");
    server.runners.cancel(holds.id, "a test").await.expect("asked");
    server.end(holds.id).await;
    server.leave().await;
}

#[tokio::test]
async fn a_run_ends_when_its_control_group_is_empty() {
    if !has_cgroups() {
        return;
    }
    let place = Place::new();
    let server = place.server().await;
    let gate = Gate::new(&place, "end");
    let run = server.submit(&format!("echo up; {gate}")).await;
    server.until(run.id, "up", |run| run.bytes > 0).await;
    // Of another parent: the supervisor has no such child.
    let mut moved = sleeper(&place.cgroups().expect("there").join(format!("run-{}", run.id)));
    gate.open();
    let (run, _) = server.end(run.id).await;
    assert_eq!(run.outcome(), "succeeded");
    assert!(moved.0.try_wait().expect("a child").is_some(), "it was ended with the run");
    server.leave().await;
}
