//! A data folder that is taken away under the running server, and a database that is damaged: the
//! server is not ready and says why, and nothing that it accepts is lost.

use crate::program::{Program, ask};
use crate::tools::{Place, counted, cursor, hello, output, page, sh};
use serde_json::{Value, json};
use std::{
    fs::{self, File},
    os::unix::fs::FileExt,
    path::Path,
    time::{Duration, Instant},
};

const GONE: &str = "The data folder is not where it was: nothing is stored";
const DAMAGED: &str = "The database is damaged: no run is started or accepted";

async fn ready(server: &Program) -> String {
    ask(&server.address, "GET /readyz", "").await
}

async fn until_ready(server: &Program, words: &str) {
    let patience = Instant::now() + Duration::from_secs(30);
    while !ready(server).await.contains(words) {
        assert!(Instant::now() < patience, "never {words}: {}", ready(server).await);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn until_notice(server: &Program, path: &str, words: Option<&str>) {
    let patience = Instant::now() + Duration::from_secs(30);
    loop {
        let html = page(server, path).await;
        if words.map_or(!html.contains(GONE), |words| html.contains(words)) {
            return;
        }
        assert!(Instant::now() < patience, "{html}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn refused(server: &Program, path: &str, body: &Value) {
    let answer = ask(&server.address, &format!("POST {path}"), &body.to_string()).await;
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("the data folder is not where it was"), "{answer}");
}

#[tokio::test]
async fn a_data_folder_that_is_taken_away_and_put_back_loses_nothing() {
    let place = Place::new();
    let mut server = Program::start(&place.data(), "127.0.0.1:0").await;
    let prints = server.submit(&place.counting("gate")).await;
    let waits = server.submit(&place.marking("mark")).await;
    server.until(&prints, "prints", |run| run["bytes"].as_u64() > Some(100)).await;
    let before = cursor(&server).await;
    for _ in 0..2 {
        sh(place.path(), "mv data away");
        // At once, whatever is looked at each second.
        let not = ready(&server).await;
        assert!(not.starts_with("HTTP/1.1 503") && not.contains(GONE), "{not}");
        refused(&server, "/api/v1/runs", &json!({ "prompt": "echo no" })).await;
        refused(&server, "/api/v1/tasks", &json!({ "title": "no" })).await;
        refused(&server, &format!("/api/v1/runs/{prints}/input"), &json!({ "text": "no" })).await;
        until_notice(&server, "/", Some(GONE)).await;
        until_notice(&server, &format!("/runs/{prints}"), Some(GONE)).await;
        assert!(hello(&server, None).await.0["notice"].as_str().is_some_and(|notice| notice.starts_with(GONE)));
        // Longer than whatever failed is left alone.
        tokio::time::sleep(Duration::from_millis(2500)).await;
        assert!(!place.data().exists(), "nothing is made in its place");
        assert_eq!(server.get(&format!("/api/v1/runs/{prints}")).await["status"], "running");
        sh(place.path(), "mv away data");
        until_ready(&server, "ready\n").await;
        until_notice(&server, "/", None).await;
        let bytes = server.get(&format!("/api/v1/runs/{prints}")).await["bytes"].as_u64();
        server.until(&prints, "goes on", |run| run["bytes"].as_u64() > bytes).await;
    }
    assert_eq!(hello(&server, Some(&before)).await.1, None);
    fs::write(place.file("gate"), "").expect("written");
    server.until(&waits, "executed", |run| run["status"] == "succeeded").await;
    counted(&output(&server, &prints).await);
    let all = server.get("/api/v1/tasks").await;
    assert_eq!(all["total"], 2, "what was refused was not stored: {all}");
    server.stop().await;
}

#[tokio::test]
async fn a_run_that_ends_while_its_folder_is_away_has_ended_when_it_is_back() {
    let place = Place::new();
    let mut server = Program::start(&place.data(), "127.0.0.1:0").await;
    let prints = server.submit(&place.counting("gate")).await;
    server.until(&prints, "prints", |run| run["bytes"].as_u64() > Some(100)).await;
    sh(place.path(), "mv data away");
    fs::write(place.file("gate"), "").expect("written");
    let end = place.file("away").join("runs").join(&prints).join("end.json");
    crate::tools::until("the end is written down", || end.exists()).await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(server.get(&format!("/api/v1/runs/{prints}")).await["status"], "running");
    sh(place.path(), "mv away data");
    server.until(&prints, "ended", |run| run["status"] == "succeeded").await;
    counted(&output(&server, &prints).await);
    server.stop().await;
}

#[tokio::test]
async fn a_folder_that_was_replaced_is_not_written_to() {
    let place = Place::new();
    for way in ["rm -r data", "rm -r data; mkdir data", "mv data away; cp -a away data", "rm data/kontasks.db*", "rm data/kontasks.db-wal"]
    {
        sh(place.path(), "rm -rf data away; mkdir data");
        let server = Program::start(&place.data(), "127.0.0.1:0").await;
        sh(place.path(), way);
        let not = ready(&server).await;
        assert!(not.starts_with("HTTP/1.1 503") && not.contains(GONE), "{way}: {not}");
        refused(&server, "/api/v1/runs", &json!({ "prompt": "echo no" })).await;
        refused(&server, "/api/v1/tasks", &json!({ "title": "no" })).await;
        server.kill().await;
    }
}

/// Fills the pages of a closed database that hold rows of that table's kind with nonsense: a leaf
/// in the middle.
fn damage(database: &Path) {
    let file = File::options().read(true).write(true).open(database).expect("there");
    let pages = file.metadata().expect("there").len() / 4096;
    let mut done = 0;
    for page in 1..pages {
        let mut kind = [0; 1];
        file.read_exact_at(&mut kind, page * 4096).expect("reads");
        // A leaf of a table; the root pages of small tables are left as they are, so that the
        // server gets through its start.
        if kind == [13] && page > pages / 2 {
            file.write_all_at(&[0xA5; 64], page * 4096).expect("writes");
            done += 1;
        }
    }
    assert!(done > 0, "{pages} pages");
}

#[tokio::test]
async fn a_damaged_page_makes_the_server_not_ready() {
    let place = Place::new();
    let mut server = Program::start(&place.data(), "127.0.0.1:0").await;
    let run = server.submit("head -c 3000000 /dev/zero | tr '\\0' x").await;
    server.until(&run, "ended", |run| run["status"] == "succeeded").await;
    server.stop().await;
    damage(&place.data().join("kontasks.db"));
    let server = Program::start(&place.data(), "127.0.0.1:0").await;
    // Nobody has asked for what stands in that page.
    until_ready(&server, DAMAGED).await;
    assert!(ready(&server).await.starts_with("HTTP/1.1 503"));
    let answer = ask(&server.address, "POST /api/v1/runs", &json!({ "prompt": "echo no" }).to_string()).await;
    assert!(
        answer.starts_with("HTTP/1.1 503") && answer.contains("the database is damaged: stop the server and restore a backup"),
        "{answer}"
    );
    until_notice(&server, "/tasks", Some(DAMAGED)).await;
    assert!(ask(&server.address, "GET /healthz", "").await.starts_with("HTTP/1.1 200"));
    server.kill().await;
}

#[tokio::test]
async fn a_page_that_is_damaged_while_the_server_runs_makes_it_not_ready() {
    let place = Place::new();
    let mut server = Program::start(&place.data(), "127.0.0.1:0").await;
    let run = server.submit("head -c 30000000 /dev/zero | tr '\\0' x").await;
    server.until(&run, "ended", |run| run["status"] == "succeeded").await;
    server.stop().await;
    let server = Program::start(&place.data(), "127.0.0.1:0").await;
    until_ready(&server, "ready\n").await;
    // The look at the start is over before long; what is met later on is noticed as well.
    tokio::time::sleep(Duration::from_secs(3)).await;
    damage(&place.data().join("kontasks.db"));
    let answer = ask(&server.address, &format!("GET /api/v1/runs/{run}/output"), "").await;
    assert!(!answer.starts_with("HTTP/1.1 200") || answer.len() < 30_000_000, "{} bytes", answer.len());
    until_ready(&server, DAMAGED).await;
    server.kill().await;
}
