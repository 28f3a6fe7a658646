//! One round: a server, programs, readers and faults together, and afterwards the proof that nothing was lost, repeated or left.

use crate::{
    check::{self, Submitted},
    client::Client,
    copies::{self, Copies},
    copy,
    disk::Disk,
    http::post,
    plan::{ClientPlan, Plan, RunPlan},
    processes,
    proxy::Proxy,
    server::Server,
    storm::{Harm, Storm},
    tally::Tally,
};
use kontasks::domain::id::RunId;
use rustix::process::Signal;
use serde_json::json;
use std::{
    collections::BTreeSet,
    path::Path,
    process::Command,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};

/// Far more than any round takes: one that is not over by then hangs.
const PATIENCE: Duration = Duration::from_secs(180);

/// Holds the round of that seed and says what it was like.
///
/// # Errors
/// What was wrong, in words that end with where its traces are kept.
pub async fn hold(seed: u64, tally: &Tally) -> Result<String, String> {
    let folder = tempfile::Builder::new().prefix("kontasks-chaos-").tempdir().map_err(|error| format!("no folder: {error}"))?;
    let plan = Plan::of(seed);
    let mut server = Server::prepare(folder.path())?;
    let disk = if plan.fills_disk() { Disk::mount(&Server::data_of(folder.path())) } else { None };
    if plan.fills_disk() && disk.is_none() {
        tally.count("full disk left out, as nothing can be mounted here");
    }
    let waiting = Waiting::default();
    let held = timeout(PATIENCE, hold_in(folder.path(), &plan, &mut server, disk.as_ref(), &waiting, tally)).await;
    let error = match held {
        Ok(Ok(words)) => {
            drop(disk);
            return Ok(words);
        }
        Ok(Err(error)) => error,
        Err(_) => format!("not over after {} s; waiting for {}", PATIENCE.as_secs(), waiting.words()),
    };
    for process in processes::of(folder.path()) {
        processes::send(process.pid, Signal::KILL);
    }
    if disk.is_some() {
        // What lies in memory would be gone.
        let _ = Command::new("cp").arg("-a").arg(Server::data_of(folder.path())).arg(folder.path().join("kept")).status();
    }
    drop(disk);
    let kept = folder.keep();
    Err(format!("{error}\nkept: {} (server.log; {})\n{plan:#?}", kept.display(), data_words(&kept)))
}

fn data_words(kept: &Path) -> &'static str {
    if kept.join("kept").exists() { "the data folder is in kept" } else { "the data folder is in data" }
}

/// Who is still waited for.
#[derive(Clone, Debug, Default)]
struct Waiting(Arc<Mutex<BTreeSet<String>>>);

impl Waiting {
    fn change(&self, change: impl FnOnce(&mut BTreeSet<String>) -> bool) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn words(&self) -> String {
        let waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect::<Vec<_>>();
        if waiting.is_empty() { "what comes after all readers were done".to_owned() } else { waiting.join(", ") }
    }
}

async fn hold_in(
    round: &Path,
    plan: &Plan,
    server: &mut Server,
    disk: Option<&Disk>,
    waiting: &Waiting,
    tally: &Tally,
) -> Result<String, String> {
    server.start().await?;
    let address = server.address.clone();
    let proxy = Proxy::start(address.clone(), plan.network, tally.clone()).await?;
    let storm = async {
        let harm = Storm { round, server: &mut *server, disk, tally }.carry_out(plan).await;
        proxy.calm();
        harm
    };
    let people = People { direct: address.clone(), proxied: proxy.address.clone(), readers: JoinSet::new(), waiting, tally };
    let (harm, (submitted, copies)): (Harm, _) = tokio::try_join!(storm, people.live(plan))?;
    let bytes = check::runs(&address, &submitted, &copies, &harm, tally).await?;
    check::no_run_is_left(round).await?;
    let epoch = copies::epoch(&address, &submitted.iter().map(|run| run.id).collect::<Vec<_>>()).await?;
    server.end().await?;
    if let Some(backup) = &harm.backup {
        copy::restored(round, backup, &submitted, &epoch).await?;
    }
    check::nothing_is_left(round)?;
    tally.add("copies compared", copies.iter().map(|(_, copies)| copies.0.len() as u64).sum());
    tally.add("bytes", bytes);
    Ok(format!("{} runs with {bytes} bytes, {} readers, {} faults", submitted.len(), copies.len(), plan.storm.len()))
}

/// Those who submit, cancel and read.
struct People<'r> {
    direct: String,
    proxied: String,
    readers: JoinSet<(String, Result<Copies, String>)>,
    waiting: &'r Waiting,
    tally: &'r Tally,
}

impl People<'_> {
    /// Until everybody has read everything.
    async fn live(mut self, plan: &Plan) -> Result<(Vec<Submitted>, Vec<(String, Copies)>), String> {
        let mut submitted = Vec::new();
        let mut cancels = JoinSet::new();
        for (number, run) in plan.runs.iter().enumerate() {
            sleep(run.after).await;
            let id = submit(&self.proxied, run, &format!("chaos-{}-{number}", plan.seed)).await?;
            submitted.push(Submitted { plan: run.clone(), id });
            for client in &run.clients {
                self.read(client, vec![id]);
            }
            if let Some(after) = run.cancel {
                self.tally.count("cancels");
                cancels.spawn(cancel(self.direct.clone(), id, after));
            }
        }
        for client in &plan.boards {
            self.read(client, submitted.iter().map(|run| run.id).collect());
        }
        let mut copies = Vec::new();
        while let Some(done) = self.readers.join_next().await {
            let (name, read) = done.map_err(|error| format!("a reader failed: {error}"))?;
            self.waiting.change(|waiting| waiting.remove(&name));
            copies.push((name.clone(), read.map_err(|error| format!("{name}: {error}"))?));
        }
        while let Some(done) = cancels.join_next().await {
            done.map_err(|error| format!("a cancel failed: {error}"))??;
        }
        Ok((submitted, copies))
    }

    fn read(&mut self, plan: &ClientPlan, runs: Vec<RunId>) {
        let way = if plan.through_proxy { "through the proxy" } else { "directly" };
        let stream = if plan.board { "the board's stream" } else { "a run's stream" };
        let number = self.readers.len();
        let name = format!("reader {number} of {stream} {way} from {:?} (seed {})", plan.begin, plan.seed);
        let address = if plan.through_proxy { &self.proxied } else { &self.direct };
        let client = Client::new(plan.clone(), address.clone(), runs, self.tally.clone());
        self.waiting.change(|waiting| waiting.insert(name.clone()));
        self.readers.spawn(async move { (name, client.read().await) });
    }
}

/// The same request again and again until it is answered makes one run.
async fn submit(address: &str, run: &RunPlan, request: &str) -> Result<RunId, String> {
    let body = json!({ "prompt": run.program.prompt(), "runner": run.runner, "requestId": request });
    let answer = post(address, "/api/v1/runs", &body).await;
    if !answer.status.is_success() {
        return Err(format!("a submission is refused: {}", answer.text()));
    }
    let id = answer.json()?["run"]["id"].as_str().unwrap_or_default().parse::<RunId>();
    id.map_err(|error| format!("a submission is answered by no run: {error}"))
}

async fn cancel(address: String, run: RunId, after: Duration) -> Result<(), String> {
    sleep(after).await;
    let answer = post(&address, &format!("/api/v1/runs/{run}/cancellation"), &json!({})).await;
    // What has ended meanwhile cannot be cancelled.
    if answer.status == 202 || answer.status == 409 { Ok(()) } else { Err(format!("a cancel is refused: {}", answer.text())) }
}
