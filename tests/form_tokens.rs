//! What acts in the name of a signed-in browser carries the form token of its session, over real
//! sockets: a form that content has brought into a page has none, and does nothing.

#[path = "support/server.rs"]
mod server;

use axum::http::{Method, StatusCode};
use serde_json::json;
use server::{Answer, Server, start};

const FORM: &str = "application/x-www-form-urlencoded";
const SOME_ID: &str = "019d0c5e-7b1c-7c7e-9d53-0d6f3a1f2b4c";

/// Everything that a form can be sent to behind the sign-in, with fields that it would act upon.
fn forms() -> Vec<(String, String)> {
    let mut forms: Vec<_> = [
        ("/actions/submit-prompt", "prompt=touch+CLICKED"),
        ("/actions/run-again", "run_id=RUN"),
        ("/actions/cancel-run", "run_id=RUN"),
        ("/actions/type-in", "run_id=RUN&line=x&request_id=a"),
        ("/actions/answer-task", "task_id=TASK&value=yes"),
        ("/settings/tokens", "name=forged"),
        ("/settings/tokens/1/revocation", ""),
        ("/settings/other-sessions/sign-out", ""),
        ("/settings/sessions/1/sign-out", ""),
        ("/settings/theme", "theme=dark"),
        ("/sign-out", ""),
    ]
    .map(|(path, fields)| (path.to_owned(), fields.to_owned()))
    .into();
    // One that does not exist yet is asked for it too.
    forms.push(("/actions/made-tomorrow".to_owned(), String::new()));
    forms
}

struct Board {
    server: Server,
    cookie: String,
    task: String,
    run: String,
}

impl Board {
    async fn new() -> Self {
        let server = start().await;
        let cookie = server.sign_in().await;
        let task = server.post("/api/v1/tasks", json!({ "title": "Go on?", "type": "question" })).await.json();
        let run = server.bare_run().await.to_string();
        let task = task["id"].as_str().expect("an id").to_owned();
        let made = server.state.auth.make_token("kept", &kontasks::backend::auth::Caller::ConfiguredToken).await.expect("works");
        assert_eq!(made.expect("accepted").0, 1);
        Board { server, cookie, task, run }
    }

    async fn send(&self, path: &str, fields: &str, token: &str, accept: &str, cookie: &str) -> Answer {
        let fields = fields.replace("RUN", &self.run).replace("TASK", &self.task);
        let call = self.server.browse(Method::POST, path, cookie).with("accept", accept);
        call.body(FORM, format!("{fields}&form_token={token}")).send().await
    }

    /// Nothing has been done.
    async fn is_untouched(&self, sessions: usize) {
        let auth = &self.server.state.auth;
        assert_eq!(auth.sessions().await.expect("reads").len(), sessions, "nobody was signed out");
        let tokens = auth.tokens().await.expect("reads");
        assert_eq!(tokens.iter().map(|token| token.name.as_str()).collect::<Vec<_>>(), ["kept"]);
        assert_eq!(self.server.get("/api/v1/tasks").await.json()["total"], 2);
        assert_eq!(self.server.get(&format!("/api/v1/runs/{}", self.run)).await.json()["status"], "running");
        assert_eq!(self.server.get(&format!("/api/v1/tasks/{}/answer", self.task)).await.status, StatusCode::NO_CONTENT);
    }
}

#[tokio::test]
async fn a_form_without_its_token_does_nothing() {
    let board = Board::new().await;
    let other = board.server.sign_in().await;
    let others = board.server.form_token(&other).await;
    let own = board.server.form_token(&board.cookie).await;
    for (path, fields) in forms() {
        for token in ["", "x", &others, &own[1..], &own.to_lowercase(), &format!("{own}A"), &own.replace(|c: char| c.is_ascii(), "%00")] {
            let refused = board.send(&path, &fields, token, "application/json", &board.cookie).await;
            assert_eq!(refused.status, StatusCode::FORBIDDEN, "{path} {token}");
            assert!(refused.problem().contains("reload the page"), "{path}");
            assert_eq!(refused.header("set-cookie"), "", "{path}");
        }
        // Neither a header of another session nor a form of another type.
        let headed = board.server.browse(Method::POST, &path, &board.cookie).with("x-form-token", &others).body(FORM, fields.clone());
        assert_eq!(headed.send().await.status, StatusCode::FORBIDDEN, "{path}");
        for kind in ["multipart/form-data; boundary=a", "text/plain", ""] {
            let body = format!("--a\r\nContent-Disposition: form-data; name=\"form_token\"\r\n\r\n{own}\r\n--a--\r\n");
            let call = board.server.browse(Method::POST, &path, &board.cookie).body(kind, body);
            assert_eq!(call.send().await.status, StatusCode::FORBIDDEN, "{path} {kind}");
        }
        let unknown = board.server.browse(Method::PUT, &path, &board.cookie).send().await;
        assert_eq!(unknown.status, StatusCode::FORBIDDEN, "{path}: no other method either");
    }
    board.is_untouched(2).await;
}

#[tokio::test]
async fn a_form_of_ours_is_carried_out_by_field_and_by_header() {
    let board = Board::new().await;
    let token = board.server.form_token(&board.cookie).await;
    let made = board.send("/settings/tokens", "name=mine", &token, "text/html", &board.cookie).await;
    assert_eq!(made.status, StatusCode::SEE_OTHER);
    let answered = board.send("/actions/answer-task", "task_id=TASK&value=yes", &token, "text/html", &board.cookie).await;
    assert!(answered.status.is_redirection(), "{} {}", answered.status, answered.text());
    assert_eq!(board.server.get(&format!("/api/v1/tasks/{}/answer", board.task)).await.json()["value"], "yes");
    // As a page's script sends it.
    let call = board.server.browse(Method::POST, "/actions/cancel-run", &board.cookie).with("x-form-token", &token);
    let cancelled = call.with("accept", "application/json").body(FORM, format!("run_id={}", board.run)).send().await;
    assert_ne!(cancelled.status, StatusCode::FORBIDDEN, "{}", cancelled.text());
    // It is the same for the whole session, and its cookie cannot be had from it.
    assert_eq!(board.server.form_token(&board.cookie).await, token);
    assert!(!board.cookie.contains(&token));
    let left = board.send("/sign-out", "", &token, "text/html", &board.cookie).await;
    assert_eq!(left.status, StatusCode::SEE_OTHER);
    let gone = board.send("/settings/theme", "theme=dark", &token, "application/json", &board.cookie).await;
    assert_eq!(gone.status, StatusCode::UNAUTHORIZED, "it lives as long as its session");
}

#[tokio::test]
async fn a_person_without_scripts_is_told_and_keeps_what_was_typed() {
    let board = Board::new().await;
    let typed = "prompt=%0Aecho+%3C%2Ftextarea%3E%26amp%3B&scope=garden&tags=&request_id=r-1";
    let call = board.server.browse(Method::POST, "/actions/submit-prompt", &board.cookie).with("accept", "text/html,*/*");
    let referer = format!("http://{}/?notice=x", board.server.address);
    let page = call.with("referer", &referer).body(FORM, typed).send().await;
    assert_eq!((page.status, page.header("cache-control")), (StatusCode::FORBIDDEN, "no-store"));
    assert!(page.header("content-type").starts_with("text/html"));
    let text = page.text();
    assert!(text.contains("Nothing was done") && text.contains("\n\necho &lt;/textarea&gt;&amp;amp;</textarea>"), "{text}");
    assert!(text.contains(">garden</textarea>") && !text.contains("Tags") && !text.contains("r-1"), "{text}");
    assert!(text.contains("href=\"/?notice=x\"") && !text.contains("<form"), "it is not sent again from there: {text}");
    board.is_untouched(1).await;
}

#[tokio::test]
async fn a_program_needs_none() {
    let board = Board::new().await;
    let call = board.server.call(Method::POST, "/settings/tokens").body(FORM, "name=program");
    assert_eq!(call.send().await.status, StatusCode::SEE_OTHER);
    let call = board.server.call(Method::POST, "/actions/submit-prompt").with("accept", "application/json").body(FORM, "prompt=true");
    assert_ne!(call.send().await.status, StatusCode::FORBIDDEN);
    // A bad token does not make the cookie beside it a program's.
    let call = board.server.browse(Method::POST, "/settings/tokens", &board.cookie).with("authorization", "Bearer wrong");
    assert_eq!(call.body(FORM, "name=x").send().await.status, StatusCode::FORBIDDEN);
    let page = board.server.get("/settings").await.text();
    assert!(page.contains("name=\"form_token\""), "{page}");
}

#[tokio::test]
async fn every_form_on_every_page_carries_it() {
    let board = Board::new().await;
    board.server.sign_in().await;
    let token = board.server.form_token(&board.cookie).await;
    for path in ["/".to_owned(), "/tasks".into(), format!("/tasks/{}", board.task), format!("/runs/{}", board.run), "/settings".into()] {
        let page = board.server.browse(Method::GET, &path, &board.cookie).send().await.text();
        let mut forms = 0;
        for form in page.split("<form").skip(1).map(|rest| rest.split("</form>").next().expect("an end")) {
            let tag = form.split('>').next().expect("a tag");
            if tag.contains("method=\"post\"") {
                forms += 1;
                assert_eq!(form.matches(&format!("value=\"{token}\"")).count(), 1, "{path}: {form}");
            } else {
                assert!(tag.contains("method=\"get\"") && !form.contains(&token), "{path}: an address must not hold it: {form}");
            }
        }
        assert!(forms > 0 || path == "/tasks", "{path}");
    }
}

#[tokio::test]
async fn the_api_takes_nothing_that_a_form_can_send() {
    let board = Board::new().await;
    let token = board.server.form_token(&board.cookie).await;
    let kinds = [
        FORM,
        "multipart/form-data; boundary=a",
        "text/plain",
        "text/plain; charset=utf-8",
        "text/ping",
        "APPLICATION/X-WWW-FORM-URLENCODED",
    ];
    for (path, body) in [
        ("/api/v1/runs".to_owned(), "{\"prompt\":\"touch CLICKED\"}"),
        ("/api/v1/tasks".into(), "{\"title\":\"x\"}"),
        (format!("/api/v1/tasks/{}/answer", board.task), "{\"value\":\"yes\"}"),
        (format!("/api/v1/runs/{}/cancellation", board.run), ""),
        (format!("/api/v1/runs/{}/input", board.run), "{\"text\":\"x\"}"),
        (format!("/api/v1/runs/{}/size", board.run), "{\"columns\":80,\"rows\":24}"),
        (format!("/api/v1/runs/{SOME_ID}/made-tomorrow"), ""),
    ] {
        for kind in kinds {
            let answer = board.server.browse(Method::POST, &path, &board.cookie).with("x-form-token", &token).body(kind, body).send().await;
            assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{path} {kind}");
            assert!(answer.problem().contains("application/json"), "{path}");
        }
    }
    board.is_untouched(1).await;
    // JSON, and a request without a body, is what no form can send.
    let posted = board.server.browse(Method::POST, "/api/v1/tasks", &board.cookie).json(json!({ "title": "x" })).send().await;
    assert_eq!(posted.status, StatusCode::CREATED);
    let cancelled = board.server.browse(Method::POST, &format!("/api/v1/runs/{}/cancellation", board.run), &board.cookie).send().await;
    assert_ne!(cancelled.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
}
