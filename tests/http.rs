//! What the API answers, over real sockets.

#[path = "support/server.rs"]
mod server;

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};
use server::{Server, TOKEN, start};
use std::time::{Duration, Instant};

const SOME_ID: &str = "019d0c5e-7b1c-7c7e-9d53-0d6f3a1f2b4c";

impl Server {
    /// A run that has ended, and what it was answered with.
    async fn run(&self, prompt: &str) -> Value {
        let made = self.post("/api/v1/runs", json!({ "prompt": prompt })).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
        let id = made.json()["run"]["id"].as_str().expect("an id").to_owned();
        let events = self.call(Method::GET, &format!("/api/v1/runs/{id}/events")).events().await.rest().await;
        assert_eq!(events.last().expect("events").name, "end");
        self.get(&format!("/api/v1/runs/{id}")).await.json()
    }
}

#[tokio::test]
async fn a_submission_is_taken_once() {
    let server = start().await;
    let submission = json!({ "prompt": "echo hello", "requestId": "one", "title": "A title", "scope": "here", "tags": ["a", "b"] });
    let first = server.post("/api/v1/runs", submission.clone()).await;
    assert_eq!(first.status, StatusCode::CREATED);
    let made = first.json();
    let id = made["run"]["id"].as_str().expect("an id");
    assert_eq!(first.header("location"), format!("/api/v1/runs/{id}"));
    assert_eq!(made["run"]["taskId"], made["task"]["id"]);
    assert_eq!(
        (&made["task"]["title"], &made["task"]["scope"], &made["task"]["tags"]),
        (&json!("A title"), &json!("here"), &json!(["a", "b"]))
    );
    let (again, twice) = tokio::join!(server.post("/api/v1/runs", submission.clone()), server.post("/api/v1/runs", submission));
    for repeated in [again, twice] {
        assert_eq!(repeated.status, StatusCode::OK);
        assert_eq!(repeated.json()["run"]["id"], made["run"]["id"]);
    }
    let other = server.post("/api/v1/runs", json!({ "prompt": "echo other", "requestId": "one" })).await;
    assert_eq!(other.status, StatusCode::CONFLICT);
    assert!(other.problem().contains("requestId"));
    assert_eq!(other.json()["run"], made["run"]["id"]);
    assert_eq!(server.get("/api/v1/tasks").await.json()["total"], 1);
    // A follow-up works for the same task.
    let follow_up = server.post("/api/v1/runs", json!({ "prompt": "echo more", "taskId": made["task"]["id"] })).await;
    assert_eq!((follow_up.status, &follow_up.json()["task"]["id"]), (StatusCode::CREATED, &made["task"]["id"]));
    let nowhere = server.post("/api/v1/runs", json!({ "prompt": "echo more", "taskId": SOME_ID })).await;
    assert_eq!(nowhere.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_cannot_be_taken_is_said_and_harms_nothing() {
    let server = start().await;
    let unknown = server.post("/api/v1/runs", json!({ "prompt": "x", "runner": "cobol" })).await;
    assert_eq!(unknown.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(unknown.problem().contains("shell"));
    assert_eq!(unknown.json()["runners"], json!(["shell"]));
    for prompt in ["", " \n\t", &"x".repeat(256 * 1024 + 1), &"x".repeat(1_000_000), "a\0b"] {
        let answer = server.post("/api/v1/runs", json!({ "prompt": prompt })).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(answer.problem().contains("prompt"), "{}", answer.problem());
    }
    let large = server.post("/api/v1/runs", json!({ "prompt": "x".repeat(3_000_000) })).await;
    assert_eq!(large.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(large.problem().contains("1048576"));
    let actions =
        server.call(Method::POST, "/actions/submit-prompt").body("application/x-www-form-urlencoded", "x".repeat(3_000_000)).send().await;
    assert_eq!(actions.status, StatusCode::PAYLOAD_TOO_LARGE);
    actions.problem();
    for (body, status, words) in [
        ("{\"prompt\": \"x\",\n oops}", StatusCode::BAD_REQUEST, "line 2 column 2"),
        ("", StatusCode::BAD_REQUEST, "line 1"),
        ("{\"prompt\": \"\u{0}\"}", StatusCode::BAD_REQUEST, "line 1"),
        ("{}", StatusCode::UNPROCESSABLE_ENTITY, "prompt"),
        ("{\"prompt\": 7}", StatusCode::UNPROCESSABLE_ENTITY, "line 1 column 12"),
        ("{\"prompt\": \"x\", \"request_id\": \"y\"}", StatusCode::UNPROCESSABLE_ENTITY, "request_id"),
        ("\"x\"", StatusCode::UNPROCESSABLE_ENTITY, "invalid type"),
    ] {
        let answer = server.call(Method::POST, "/api/v1/runs").body("application/json", body.to_owned()).send().await;
        assert_eq!(answer.status, status, "{body}");
        assert!(answer.problem().contains(words), "{body}: {}", answer.problem());
    }
    let bytes = server.call(Method::POST, "/api/v1/runs").body("application/json", &b"{\"prompt\": \"\xff\"}"[..]).send().await;
    assert_eq!(bytes.status, StatusCode::BAD_REQUEST);
    for kind in ["text/plain", "application/x-www-form-urlencoded", ""] {
        let answer = server.call(Method::POST, "/api/v1/runs").body(kind, "{\"prompt\":\"x\"}").send().await;
        assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{kind}");
        answer.problem();
    }
    assert_eq!(server.get("/api/v1/tasks").await.json()["total"], 0);
    assert_eq!(server.run("echo still here").await["status"], "succeeded");
}

#[tokio::test]
async fn output_is_exact_and_in_parts() {
    let server = start().await;
    let run = server.run("printf 'h\\344llo, ä\\n'; exit 3").await;
    assert_eq!((run["status"].as_str(), run["exitCode"].as_i64()), (Some("failed"), Some(3)));
    let exact = b"h\xe4llo, \xc3\xa4\n";
    assert_eq!(run["bytes"], exact.len());
    let path = format!("/api/v1/runs/{}/output", run["id"].as_str().expect("an id"));
    let whole = server.call(Method::GET, &path).with("accept-encoding", "gzip, br").send().await;
    assert_eq!((whole.status, &whole.body[..]), (StatusCode::OK, &exact[..]));
    assert_eq!(whole.header("content-type"), "text/plain; charset=utf-8");
    assert_eq!((whole.header("accept-ranges"), whole.header("content-length")), ("bytes", "10"));
    assert_eq!((whole.header("x-content-type-options"), whole.header("content-encoding")), ("nosniff", ""));
    let head = server.call(Method::HEAD, &path).send().await;
    assert_eq!((head.status, head.header("content-length"), head.body.len()), (StatusCode::OK, "10", 0));
    for (range, part, words) in
        [("bytes=1-3", &exact[1..4], "bytes 1-3/10"), ("bytes=7-", &exact[7..], "bytes 7-9/10"), ("bytes=-1", b"\n", "bytes 9-9/10")]
    {
        let answer = server.call(Method::GET, &path).with("range", range).send().await;
        assert_eq!((answer.status, &answer.body[..]), (StatusCode::PARTIAL_CONTENT, part), "{range}");
        assert_eq!(answer.header("content-range"), words);
    }
    let beyond = server.call(Method::GET, &path).with("range", "bytes=10-").send().await;
    assert_eq!((beyond.status, beyond.header("content-range")), (StatusCode::RANGE_NOT_SATISFIABLE, "bytes */10"));
    for range in ["bytes=0-1,3-4", "lines=1-2", "nonsense"] {
        assert_eq!(server.call(Method::GET, &path).with("range", range).send().await.status, StatusCode::OK, "{range}");
    }
    let long = server.run("head -c 3000000 /dev/zero | tr '\\0' x").await;
    let answer = server.get(&format!("/api/v1/runs/{}/output", long["id"].as_str().expect("an id"))).await;
    assert_eq!(answer.body.len(), 3_000_000);
    assert!(answer.body.iter().all(|byte| *byte == b'x'));
}

#[tokio::test]
async fn a_run_can_be_cancelled_while_it_runs() {
    let server = start().await;
    let made = server.post("/api/v1/runs", json!({ "prompt": "echo begun; sleep 60" })).await.json();
    let path = format!("/api/v1/runs/{}", made["run"]["id"].as_str().expect("an id"));
    let mut events = server.call(Method::GET, &format!("{path}/events")).events().await;
    assert_eq!(events.find("output").await.data["text"], "begun\n");
    assert_eq!(server.call(Method::POST, &format!("{path}/cancellation")).send().await.status, StatusCode::ACCEPTED);
    assert_eq!(events.find("end").await.data["status"], "cancelled");
    assert_eq!(server.get(&path).await.json()["reason"], "by the token from the environment");
    let late = server.call(Method::POST, &format!("{path}/cancellation")).send().await;
    assert_eq!(late.status, StatusCode::CONFLICT);
    late.problem();
    let nobody = server.call(Method::POST, &format!("/api/v1/runs/{SOME_ID}/cancellation")).send().await;
    assert_eq!(nobody.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_run_says_which_browser_has_cancelled_it() {
    let server = start().await;
    let firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";
    let link = server.link().await;
    let cookie = server.link_form(&link).with("user-agent", firefox).send().await.cookie();
    let made = server.post("/api/v1/runs", json!({ "prompt": "echo begun; sleep 60" })).await.json();
    let id = made["run"]["id"].as_str().expect("an id");
    let mut events = server.call(Method::GET, &format!("/api/v1/runs/{id}/events")).events().await;
    events.find("output").await;
    let form = server.browse(Method::POST, "/actions/cancel-run", &cookie).with("accept", "text/html");
    let token = server.form_token(&cookie).await;
    let answer = form.body("application/x-www-form-urlencoded", format!("run_id={id}&form_token={token}")).send().await;
    assert!(answer.status.is_redirection(), "{} {}", answer.status, answer.text());
    events.find("end").await;
    assert_eq!(server.get(&format!("/api/v1/runs/{id}")).await.json()["reason"], "by Firefox on Linux");
}

#[tokio::test]
async fn tasks_are_kept_as_they_were_posted() {
    let server = start().await;
    let posted = json!({
        "id": "33bd79ef-3df0-4b50-a42d-0ae0ba02cf4b", "type": "report", "status": "odd", "title": "A report", "description": "Of something",
        "context": { "output": "<b>done</b>", "choices": [{ "label": "Yes", "value": "yes", "primary": true, "icon": "tick" }], "extra": { "a": [1] } },
        "scope": "here", "tags": ["a"], "createdBy": "agent", "targetUser": "me",
        "createdAt": "2026-01-02T09:13:58.259Z", "updatedAt": "2026-01-02T09:14:00.000Z", "unknown": 7
    });
    let made = server.post("/api/v1/tasks", posted.clone()).await;
    assert_eq!((made.status, made.header("location")), (StatusCode::CREATED, "/api/v1/tasks/33bd79ef-3df0-4b50-a42d-0ae0ba02cf4b"));
    let path = made.header("location").to_owned();
    let read = server.get(&path).await.json();
    for (name, value) in posted.as_object().expect("an object") {
        assert_eq!(&read[name], value, "{name}");
    }
    assert_eq!(server.post("/api/v1/tasks", posted).await.status, StatusCode::OK);
    let other = server.post("/api/v1/tasks", json!({ "id": "33bd79ef-3df0-4b50-a42d-0ae0ba02cf4b", "title": "Another" })).await;
    assert_eq!(other.status, StatusCode::CONFLICT);
    other.problem();

    let _ = server.post("/api/v1/tasks", json!({ "title": "Second", "tags": ["b"] })).await;
    for (query, count) in [
        ("", 2),
        ("?tag=a", 1),
        ("?status=pending", 1),
        ("?scope=here&type=report", 1),
        ("?text=SECOND", 1),
        ("?tag=nothing", 0),
        ("?tag=", 2),
    ] {
        let list = server.get(&format!("/api/v1/tasks{query}")).await.json();
        assert_eq!((list["total"].as_u64(), list["tasks"].as_array().expect("tasks").len()), (Some(count), count as usize), "{query}");
        assert_eq!(list["cursor"], server.state.backend.store.cursor().to_string());
    }

    let changed =
        server.call(Method::PATCH, &path).json(json!({ "status": "completed", "context": { "extra": null, "note": "n" } })).send().await;
    assert_eq!(changed.status, StatusCode::OK);
    assert_eq!((&changed.json()["status"], &changed.json()["context"]["note"]), (&json!("completed"), &json!("n")));
    assert_eq!(changed.json()["context"].get("extra"), None);
    assert_eq!(server.call(Method::PATCH, &path).json(json!({ "titel": "x" })).send().await.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(server.post("/api/v1/tasks", json!({ "title": " " })).await.status, StatusCode::UNPROCESSABLE_ENTITY);

    assert_eq!(server.call(Method::DELETE, &path).send().await.status, StatusCode::NO_CONTENT);
    for method in [Method::GET, Method::DELETE] {
        let gone = server.call(method, &path).send().await;
        assert_eq!(gone.status, StatusCode::NOT_FOUND);
        gone.problem();
    }
}

#[tokio::test]
async fn a_task_is_answered_once_and_whoever_waits_hears_of_it() {
    let server = start().await;
    let task = server.post("/api/v1/tasks", json!({ "title": "Go on?", "type": "question" })).await.json();
    let path = format!("/api/v1/tasks/{}/answer", task["id"].as_str().expect("an id"));
    assert_eq!(server.get(&path).await.status, StatusCode::NO_CONTENT);
    let begin = Instant::now();
    assert_eq!(server.get(&format!("{path}?wait=1")).await.status, StatusCode::NO_CONTENT);
    assert!((900..3000).contains(&begin.elapsed().as_millis()), "{:?}", begin.elapsed());
    for wait in ["61", "-1", "soon", "1.5"] {
        assert_eq!(server.get(&format!("{path}?wait={wait}")).await.status, StatusCode::UNPROCESSABLE_ENTITY, "{wait}");
    }
    let waiting = format!("{path}?wait=30");
    let (waited, first) = tokio::join!(server.get(&waiting), async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        server.post(&path, json!({ "value": "yes", "comment": "please" })).await
    });
    assert_eq!((first.status, waited.status), (StatusCode::CREATED, StatusCode::OK));
    assert_eq!((&waited.json()["value"], &waited.json()["comment"]), (&json!("yes"), &json!("please")));
    assert_eq!(waited.json(), first.json());
    assert_eq!(server.post(&path, json!({ "value": "yes", "comment": "please" })).await.status, StatusCode::OK);
    let other = server.post(&path, json!({ "value": "no" })).await;
    assert_eq!(other.status, StatusCode::CONFLICT);
    assert!(other.problem().contains("yes"));
    assert_eq!(other.json()["answer"]["value"], "yes");
    assert_eq!(server.get(&format!("/api/v1/tasks/{SOME_ID}/answer")).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_is_not_there_is_said_in_kind() {
    let server = start().await;
    for path in [
        "/api/v1",
        "/api/v1/nonsense",
        "/api/v2/runs",
        "/api/",
        "/actions/nonsense",
        "/api/v1/runs/nonsense",
        "/api/v1/tasks/%ff",
        &format!("/api/v1/runs/{SOME_ID}"),
    ] {
        let answer = server.get(path).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        answer.problem();
    }
    for path in ["/nonsense", "/api", "/pkg"] {
        let page = server.get(path).await;
        assert_eq!((page.status, page.header("content-type")), (StatusCode::NOT_FOUND, "text/html; charset=utf-8"), "{path}");
    }
    for (method, path, allow) in [
        (Method::DELETE, "/api/v1/runs".to_owned(), "POST"),
        (Method::POST, format!("/api/v1/runs/{SOME_ID}"), "GET,HEAD"),
        (Method::PUT, format!("/api/v1/tasks/{SOME_ID}"), "GET,HEAD,PATCH,DELETE"),
        (Method::POST, "/healthz".to_owned(), "GET,HEAD"),
    ] {
        let answer = server.call(method.clone(), &path).send().await;
        assert_eq!((answer.status, answer.header("allow")), (StatusCode::METHOD_NOT_ALLOWED, allow), "{method} {path}");
        answer.problem();
    }
    for path in ["/pkg/000000000000/kontasks.js", "/pkg/x/../../Cargo.toml", &format!("/pkg/{}/../../Cargo.toml", server.state.build)] {
        assert_eq!(server.get(path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn the_token_stays_out_of_what_it_opens() {
    let server = start().await;
    let run = server.run("env").await;
    let output = server.get(&format!("/api/v1/runs/{}/output", run["id"].as_str().expect("an id"))).await.text();
    assert!(output.contains("KONTASKS_RUN=") && !output.contains(TOKEN));
}

#[tokio::test]
async fn a_server_that_stops_says_so_and_is_gone_in_time() {
    let mut server = start().await;
    assert_eq!(server.get("/readyz").await.status, StatusCode::OK);
    let task = server.post("/api/v1/tasks", json!({ "title": "Go on?" })).await.json();
    let path = format!("/api/v1/tasks/{}/answer?wait=30", task["id"].as_str().expect("an id"));
    let shutdown = server.state.shutdown.clone();
    let begin = Instant::now();
    let (waited, ()) = tokio::join!(server.get(&path), async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        shutdown.cancel();
    });
    assert_eq!(waited.status, StatusCode::SERVICE_UNAVAILABLE);
    (&mut server.serving).await.expect("serves");
    assert!(begin.elapsed() < Duration::from_millis(1100), "{:?}", begin.elapsed());
    assert!(tokio::net::TcpStream::connect(server.address).await.is_err(), "nobody listens any more");
}
