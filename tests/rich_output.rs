//! Rich output from its post to its page, over real sockets: sanitised once and beside the runtime, exact in the API, never lost.

#[path = "support/hostile_shapes.rs"]
mod hostile_shapes;
#[path = "support/program.rs"]
mod program;
#[path = "support/server.rs"]
mod server;

use axum::http::{Method, StatusCode};
use futures::{StreamExt, stream::FuturesUnordered};
use hostile_shapes::shapes;
use program::Program;
use serde_json::{Value, json};
use server::{Answer, Server, start};
use sqlx::{ConnectOptions, SqliteConnection, sqlite::SqliteConnectOptions};
use std::fs;

impl Server {
    async fn post_output(&self, output: &str) -> String {
        let made = self.post("/api/v1/tasks", json!({ "title": "A report", "context": { "output": output } })).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
        assert_eq!(made.json()["context"]["output"], output);
        made.json()["id"].as_str().expect("an id").to_owned()
    }

    async fn patch(&self, id: &str, context: Value) -> Answer {
        self.call(Method::PATCH, &format!("/api/v1/tasks/{id}")).json(json!({ "context": context })).send().await
    }

    async fn page(&self, path: &str, cookie: &str) -> String {
        let page = self.browse(Method::GET, path, cookie).send().await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.text());
        page.text()
    }

    /// The database, beside the server.
    async fn database(&self) -> SqliteConnection {
        SqliteConnectOptions::new().filename(self.folder.path().join("kontasks.db")).connect().await.expect("opens")
    }
}

/// What stands in the box for rich output.
fn rich(page: &str) -> &str {
    let (_, rest) = page.split_once("data-rich-output=\"\" class=\"rich-output\">").unwrap_or_else(|| panic!("no output: {page}"));
    rest.split_once("</section>").expect("its end").0
}

#[tokio::test]
async fn what_is_too_much_is_shown_as_text_and_answered_exactly() {
    let server = start().await;
    let cookie = server.sign_in().await;
    for output in ["<ul><li>".repeat(32_000), "fish & chips ".repeat(60_000) + "\u{202e}\r\n\u{0}"] {
        let id = server.post_output(&output).await;
        let page = server.page(&format!("/tasks/{id}"), &cookie).await;
        let shown = rich(&page);
        assert!(shown.starts_with("<p data-shown-as=\"text\">Shown as text, since as HTML it "), "{shown:.200}");
        let (word, count) = if output.starts_with('<') { ("&lt;ul&gt;&lt;li&gt;", 32_000) } else { ("fish &amp; chips", 60_000) };
        assert_eq!(shown.matches(word).count(), count);
        assert_eq!(server.get(&format!("/api/v1/tasks/{id}")).await.json()["context"]["output"], output);
    }
}

#[tokio::test]
async fn output_is_sanitised_when_it_changes_and_not_when_it_is_shown() {
    let server = start().await;
    let cookie = server.sign_in().await;
    let id = server.post_output("<p onclick=x>first</p>").await;
    let path = format!("/tasks/{id}");
    assert!(rich(&server.page(&path, &cookie).await).starts_with("<p>first</p>"));
    let mut database = server.database().await;
    // A page shows what is stored: nothing is sanitised at a view.
    sqlx::query("update tasks set rich = '<p>stored</p>'").execute(&mut database).await.expect("updates");
    assert!(rich(&server.page(&path, &cookie).await).starts_with("<p>stored</p>"));
    // What does not touch the output leaves it alone, and what does renews it.
    assert_eq!(server.patch(&id, json!({ "mood": "calm" })).await.status, StatusCode::OK);
    assert!(rich(&server.page(&path, &cookie).await).starts_with("<p>stored</p>"));
    for (output, shown) in
        [("<b onclick=x>second</b>", "<b>second</b>"), (&*"<i>".repeat(1000), "<p data-shown-as"), ("<u>third", "<u>third</u>")]
    {
        let patched = server.patch(&id, json!({ "output": output })).await;
        assert_eq!(patched.json()["context"]["output"], output);
        assert!(rich(&server.page(&path, &cookie).await).starts_with(shown), "{shown}");
    }
    assert_eq!(server.patch(&id, json!({ "output": 3 })).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(rich(&server.page(&path, &cookie).await).starts_with("<u>third</u>"));
    server.patch(&id, json!({ "output": null })).await;
    assert!(!server.page(&path, &cookie).await.contains("data-rich-output"));
}

#[tokio::test]
async fn what_an_older_version_stored_is_sanitised_once() {
    let server = start().await;
    let cookie = server.sign_in().await;
    let mut database = server.database().await;
    for version in ["null", "rich_version - 1"] {
        let id = server.post_output("<p onclick=x>old</p>").await;
        let outdate = format!("update tasks set rich = '<p>unsafe</p>', rich_version = {version} where id = ?1");
        let key = uuid::Uuid::parse_str(&id).expect("an id");
        sqlx::query(sqlx::AssertSqlSafe(outdate)).bind(&key.as_bytes()[..]).execute(&mut database).await.expect("updates");
        let path = format!("/tasks/{id}");
        assert!(rich(&server.page(&path, &cookie).await).starts_with("<p>old</p>"), "{version}");
        sqlx::query("update tasks set rich = '<p>stored</p>'").execute(&mut database).await.expect("updates");
        assert!(rich(&server.page(&path, &cookie).await).starts_with("<p>stored</p>"), "it is stored: {version}");
    }
}

/// The texts that take longest of those that are sanitised to their end.
#[tokio::test]
async fn the_server_answers_while_much_is_sanitised() {
    const POSTS: usize = 8;
    let server = start().await;
    let slow = shapes().into_iter().find(|shape| shape.name == "<").expect("the shape").html;
    let slow = &slow[..40_000];
    let mut posts: FuturesUnordered<_> = (0..POSTS).map(|_| server.post_output(slow)).collect();
    let (mut done, mut answered) = (0, 0);
    while done < POSTS {
        tokio::select! {
            Some(_) = posts.next() => done += 1,
            health = server.get("/healthz") => {
                assert_eq!(health.status, StatusCode::OK);
                answered += 1;
            }
        }
    }
    // Where sanitising holds the runtime up there is at most one answer or so between two posts.
    assert!(answered > 5 * POSTS, "{answered} answers while {POSTS} posts were taken");
}

#[tokio::test]
async fn dependencies_do_not_log_what_is_posted() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("log");
    let redirect = format!("unset KONTASKS_LOG; exec 2>'{}'", log.display());
    let mut program = Program::start_after(&redirect, &folder.path().join("data"), "127.0.0.1:0").await;
    let said_at_start = fs::read_to_string(&log).expect("a log").len();
    for output in ["<table><tr>x<b>y".repeat(500), "&#x; &bogus; <p <".repeat(500), "<select><option><table>".repeat(300)] {
        let made = program.post("/api/v1/tasks", &json!({ "title": "T", "context": { "output": output } })).await;
        program.get(&format!("/api/v1/tasks/{}", made["id"].as_str().expect("an id"))).await;
    }
    let log = fs::read_to_string(&log).expect("a log");
    assert_eq!(&log[said_at_start..], "");
    program.stop().await;
}
