//! A data folder with servers that come and go, and what the tests ask about processes.

use kontasks::{
    backend::{
        clock::Clock,
        config::Config,
        runner::{RunnerError, Runners, table::RunnerTable},
        store::{NewRun, Store},
    },
    domain::{id::RunId, run::Run},
};
use sha2::{Digest, Sha256};
use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
    time::{Duration, Instant},
};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// A data folder, whose server can be replaced. When it is dropped, nothing of any run may be left.
pub struct Place {
    /// A longer path than a socket's address has room for.
    pub data: PathBuf,
    table: RunnerTable,
    folder: tempfile::TempDir,
}

/// What a server has of runs.
pub struct Server {
    pub store: Store,
    pub runners: Runners,
}

impl Place {
    /// Where as many runs execute at once as a test wants.
    pub fn new() -> Self {
        Self::with("")
    }

    pub fn with(config: &str) -> Self {
        Self::configured(&format!("max_running = 1000\n{config}"))
    }

    pub fn configured(config: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path().join("data ".repeat(12)).join("x".repeat(40));
        fs::create_dir_all(&data).expect("made");
        let file = data.join("kontasks.toml");
        fs::write(&file, config).expect("written");
        let table = Config::load(&file, true).expect("valid").runners;
        Place { data, table, folder }
    }

    pub async fn server(&self) -> Server {
        self.server_with(PathBuf::from(env!("CARGO_BIN_EXE_kontasks"))).await
    }

    /// One whose supervisors are started from that binary.
    pub async fn server_with(&self, exe: PathBuf) -> Server {
        let store = Store::open(&self.data.join("kontasks.db"), Clock::system()).await.expect("opens");
        let runners = Runners::new(store.clone(), self.table.clone(), &self.data, exe, CancellationToken::new());
        runners.resume().await.expect("resumes");
        Server { store, runners }
    }

    pub fn run_folder(&self, run: RunId) -> PathBuf {
        self.data.join("runs").join(run.to_string())
    }

    /// Where the control groups of the runs in this place are, if there are any.
    pub fn cgroups(&self) -> Option<PathBuf> {
        let runs = fs::metadata(self.data.join("runs")).ok()?;
        Some(own_cgroup()?.join(format!("kontasks-{:x}-{:x}", runs.dev(), runs.ino())))
    }

    /// The processes of any run in this place: supervisors by their folder, programs by the mark in their environment.
    pub fn processes(&self) -> Vec<i32> {
        let mark = self.folder.path().to_string_lossy().into_owned();
        let entries = fs::read_dir("/proc").expect("Linux").flatten();
        entries
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter(|pid| *pid != std::process::id().cast_signed())
            .filter(|pid| fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| String::from_utf8_lossy(&line).contains(&mark)))
            .collect()
    }

    pub fn supervisor(&self, run: RunId) -> i32 {
        let folder = self.run_folder(run).to_string_lossy().into_owned();
        // The shell has the folder in its arguments as well.
        let is_supervisor =
            |pid: &i32| fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.contains(&format!("supervise\0{folder}")));
        let found = || self.processes().into_iter().filter(is_supervisor).collect::<Vec<i32>>();
        // While it starts the program there is for a moment a copy of it.
        until("there is one supervisor", || found().len() == 1);
        found()[0]
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.processes().into_iter().for_each(|pid| kill(pid, "-TERM"));
            return;
        }
        until("no process, no run's folder and no control group is left", || {
            let folders = fs::read_dir(self.data.join("runs")).map_or(0, Iterator::count);
            self.processes().is_empty() && folders == 0 && self.cgroups().is_none_or(|groups| !groups.exists())
        });
    }
}

/// Where a program stands still until the test has seen enough. Written into a prompt it is the shell's command to wait.
pub struct Gate(PathBuf);

impl Gate {
    pub fn new(place: &Place, name: &str) -> Self {
        Gate(place.data.join(format!("gate {name}")))
    }

    pub fn open(&self) {
        fs::write(&self.0, "").expect("written");
    }
}

impl std::fmt::Display for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "until test -e '{}'; do sleep 0.01; done", self.0.display())
    }
}

impl Server {
    pub async fn submit(&self, prompt: &str) -> Run {
        self.submit_to("shell", prompt).await.expect("accepted")
    }

    pub async fn submit_to(&self, runner: &str, prompt: &str) -> Result<Run, RunnerError> {
        let new = NewRun { prompt: prompt.into(), runner: runner.into(), ..NewRun::default() };
        self.runners.submit(new).await.map(|submitted| submitted.run)
    }

    pub async fn until(&self, id: RunId, what: &str, is: impl Fn(&Run) -> bool) -> Run {
        let start = Instant::now();
        loop {
            let run = self.store.run(id).await.expect("readable").expect("there");
            if is(&run) {
                return run;
            }
            assert!(start.elapsed() < Duration::from_secs(30), "never {what}: {run:?}");
            sleep(Duration::from_millis(2)).await;
        }
    }

    /// The run when it has ended, and exactly what it wrote; its numbers and its digest must fit.
    pub async fn end(&self, id: RunId) -> (Run, Vec<u8>) {
        let run = self.until(id, "ended", |run| run.status.is_final()).await;
        let bytes = self.output(id).await;
        assert_eq!(run.bytes, bytes.len() as u64);
        assert_eq!(run.lines, bytes.iter().filter(|byte| **byte == b'\n').count() as u64);
        assert_eq!(run.digest.as_deref(), Some(digest(&bytes).as_str()));
        assert!(run.started_at.is_none_or(|start| run.ended_at.is_some_and(|end| start <= end)));
        (run, bytes)
    }

    pub async fn output(&self, id: RunId) -> Vec<u8> {
        let mut all = Vec::new();
        loop {
            let bytes = self.store.output(id, all.len() as u64, 1 << 20).await.expect("readable");
            if bytes.is_empty() {
                return all;
            }
            all.extend_from_slice(&bytes);
        }
    }

    pub async fn run(&self, prompt: &str) -> (Run, String) {
        let run = self.submit(prompt).await;
        let (run, bytes) = self.end(run.id).await;
        (run, String::from_utf8(bytes).expect("UTF-8"))
    }

    /// As when the process is killed: nothing is said to anybody, and a next server takes over.
    pub async fn leave(self) {
        self.runners.stop().await;
        self.store.close().await;
    }
}

/// The control group (version 2) that this process is in, and so are the servers and supervisors of the tests.
pub fn own_cgroup() -> Option<PathBuf> {
    let own = fs::read_to_string("/proc/self/cgroup").ok()?;
    let own = own.lines().find_map(|line| line.strip_prefix("0::/"))?.to_owned();
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    let mount = mounts.lines().find(|line| line.contains(" - cgroup2 "))?.split(' ').nth(4)?.to_owned();
    Some(Path::new(&mount).join(own))
}

/// Whether runs have control groups here.
pub fn has_cgroups() -> bool {
    static PROBED: OnceLock<bool> = OnceLock::new();
    *PROBED.get_or_init(|| {
        let Some(probe) = own_cgroup().map(|own| own.join(format!("kontasks-probe-{}", std::process::id()))) else { return false };
        fs::create_dir(&probe).and_then(|()| fs::remove_dir(&probe)).is_ok()
    })
}

/// What is said where nothing was found, and something can have been missed.
pub const NOT_FOUND: &str = "interrupted: the process that held it is gone; nothing of its program was found, but one that left its \
                             session and cleared its environment may still run";
/// What is said where something was found.
pub const FOUND: &str = "interrupted: the process that held it is gone; what could be found of its program was ended, but one that left \
                         its session and cleared its environment may still run";

/// What is said of a run whose supervisor was killed, and whether there was anything to end, as far as that can be known here.
pub fn gone(found: bool) -> &'static str {
    match (has_cgroups(), found) {
        (true, true) => "interrupted: the process that held it is gone; what was left in its control group was ended",
        (true, false) => "interrupted: the process that held it is gone, and nothing is left in its control group",
        (false, true) => FOUND,
        (false, false) => NOT_FOUND,
    }
}

pub fn digest(bytes: &[u8]) -> String {
    let hex: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

pub fn until(what: &str, is: impl Fn() -> bool) {
    let start = Instant::now();
    while !is() {
        assert!(start.elapsed() < Duration::from_secs(30), "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// As [`until`], while a server in this process goes on.
pub async fn eventually(what: &str, is: impl Fn() -> bool) {
    let start = Instant::now();
    while !is() {
        assert!(start.elapsed() < Duration::from_secs(20), "never: {what}");
        sleep(Duration::from_millis(5)).await;
    }
}

pub fn kill(pid: i32, signal: &str) {
    let _ = Command::new("kill").args([signal, &pid.to_string()]).status();
}

/// A pid that a program wrote into a file.
pub fn pid_in(file: &Path) -> i32 {
    until("the pid is written", || fs::read_to_string(file).is_ok_and(|text| text.ends_with('\n')));
    fs::read_to_string(file).expect("there").trim().parse().expect("a pid")
}

pub fn lives(pid: i32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}
