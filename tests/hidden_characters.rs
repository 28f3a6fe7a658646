//! Characters that are not seen: every page shows them, the API keeps them, and nothing that must stand somewhere can be made of them.

#[path = "support/server.rs"]
mod server;

use axum::http::{Method, StatusCode};
use kontasks::domain::visible_text::{is_hidden, visible};
use serde_json::{Value, json};
use server::{Server, start};

/// One of each kind, and text that reads otherwise with them.
const HIDDEN: &str =
    "a\u{202e}b\u{2066}c\u{200b}d\u{200e}e\u{61c}f\u{ad}g\u{feff}h\u{e0041}i\u{e0101}j\u{3164}k\u{180e}l\u{fff9}m\u{2060}n\u{34f}o";

fn with(name: &str) -> String {
    format!("{name} {HIDDEN}")
}

/// What a person sees of a document: not its scripts, and not what its forms send.
fn seen(document: &str) -> String {
    let mut seen = String::new();
    let mut rest = document;
    while let Some((before, script)) = rest.split_once("<script") {
        seen.push_str(before);
        rest = script.split_once("</script>").map_or("", |(_, after)| after);
    }
    seen.push_str(rest);
    for (start, end) in [(" value=\"", "\""), ("<textarea", "</textarea>")] {
        while let Some((before, value)) = seen.clone().split_once(start) {
            seen = format!("{before}{}", value.split_once(end).map_or("", |(_, after)| after));
        }
    }
    seen
}

async fn page(server: &Server, path: &str, cookie: &str) -> String {
    let page = server.browse(Method::GET, path, cookie).with("user-agent", "curl").send().await;
    let seen = seen(&page.text());
    if let Some(hidden) = seen.chars().find(|c| is_hidden(*c)) {
        let at = seen.find(hidden).expect("it is there");
        let start = seen.floor_char_boundary(at.saturating_sub(200));
        panic!("{path}: {hidden:?} is not seen after {}", &seen[start..at]);
    }
    seen
}

fn task() -> Value {
    json!({
        "title": with("title"), "description": with("description"), "type": with("t"), "status": with("s"), "scope": with("scope"),
        "tags": [with("tag")], "createdBy": with("by"), "targetUser": with("for"), &with("extra"): with("value"),
        "context": {
            "prompt": with("prompt"), "requestId": with("request"), "output": format!("<p title='{0}'>{0}&#x202e;&shy;</p>", with("output")),
            "choices": [{"label": with("label"), "value": with("choice")}, {"label": "\u{200b}", "value": with("unnamed")}],
        },
    })
}

#[tokio::test]
async fn every_page_shows_them_and_the_api_keeps_them() {
    let server = start().await;
    let cookie = server.sign_in().await;
    let posted = server.post("/api/v1/tasks", task()).await;
    assert_eq!(posted.status, StatusCode::CREATED, "{}", posted.text());
    let id = posted.json()["id"].as_str().expect("an id").to_owned();
    let kept = server.get(&format!("/api/v1/tasks/{id}")).await.json();
    for (name, value) in task().as_object().expect("an object") {
        assert_eq!(&kept[name], value, "{name}");
    }

    let run = json!({ "prompt": with("true # run"), "title": with("run"), "scope": with("place"), "tags": [with("mark")], "createdBy": with("who") });
    let accepted = server.post("/api/v1/runs", run).await.json();
    let run = accepted["run"]["id"].as_str().expect("an id").to_owned();
    server.call(Method::GET, &format!("/api/v1/runs/{run}/events")).events().await.rest().await;
    let name = format!("name={}", with("token").replace(' ', "+"));
    let encoded: String =
        name.bytes().map(|byte| if byte.is_ascii() { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect();
    let made = server.browse(Method::POST, "/settings/tokens", &cookie).body("application/x-www-form-urlencoded", encoded);
    let made = made.with("origin", &format!("http://{}", server.address)).with("x-form-token", &server.form_token(&cookie).await);
    let made = made.send().await;
    assert_eq!(made.status, StatusCode::SEE_OTHER, "{}", made.text());
    let link = server.link().await;
    let signed_in = server.link_form(&link).with_bytes("user-agent", with("agent").as_bytes()).send().await;
    assert_eq!(signed_in.status, StatusCode::SEE_OTHER, "{}", signed_in.text());

    let words = |names: &[&str]| names.iter().map(|name| visible(&with(name))).collect::<Vec<_>>();
    let run_task = format!("/tasks/{}", accepted["task"]["id"].as_str().expect("an id"));
    for (path, names) in [
        ("/".to_owned(), words(&["title", "description", "label", "unnamed", "scope", "tag", "s"])),
        ("/tasks".into(), words(&["title", "description", "scope", "tag", "t", "s", "mark"])),
        (format!("/tasks/{id}"), words(&["title", "description", "t", "by", "for", "prompt", "request", "output", "label", "unnamed"])),
        (run_task, words(&["run", "true # run", "who", "place", "mark"])),
        (format!("/runs/{run}"), words(&["true # run"])),
        ("/settings".into(), words(&["token"])),
    ] {
        let seen = page(&server, &path, &cookie).await;
        for name in names {
            assert!(seen.contains(&name), "{path} does not show {name}");
        }
    }
    let seen = page(&server, &format!("/tasks/{id}"), &cookie).await;
    assert!(seen.contains("\\u202eb\\u2066c\\u200bd"), "raw data has them as escapes");

    let answer = server.post(&format!("/api/v1/tasks/{id}/answer"), json!({ "value": with("choice"), "comment": with("comment") })).await;
    assert_eq!((answer.status.is_success(), answer.json()["value"].as_str()), (true, Some(&*with("choice"))), "{}", answer.text());
    let seen = page(&server, &format!("/tasks/{id}"), &cookie).await;
    for name in words(&["label", "comment"]) {
        assert!(seen.contains(&name), "{name}");
    }
}

#[tokio::test]
async fn a_console_does_not_draw_them_and_its_output_keeps_them() {
    let server = start().await;
    let cookie = server.sign_in().await;
    let accepted =
        server.post("/api/v1/runs", json!({ "prompt": format!("printf '%s\\n' 'x{HIDDEN}x 👩\u{200d}💻'"), "title": "T" })).await.json();
    let run = accepted["run"]["id"].as_str().expect("an id").to_owned();
    server.call(Method::GET, &format!("/api/v1/runs/{run}/events")).events().await.rest().await;
    let document = server.browse(Method::GET, &format!("/runs/{run}"), &cookie).send().await.text();
    let (_, row) = document.split_once("data-row=\"0\">").expect("a row");
    let row = row.split_once("</div>").expect("its end").0;
    assert!(row.starts_with("<span>xabcdef-ghij"), "{row}");
    assert!(row.contains("👩\u{200d}") && !row.chars().any(|c| is_hidden(c) && c != '\u{200d}'), "{row}");
    let output = server.get(&format!("/api/v1/runs/{run}/output")).await.text();
    assert!(output.contains(HIDDEN), "{output}");
}

#[tokio::test]
async fn nothing_can_be_made_of_them_alone() {
    let server = start().await;
    for blank in ["\u{200b}", " ", "\u{3164}", "\u{2800}", "\u{202e}\u{2069}"] {
        for (field, body) in [
            ("title", json!({ "title": blank })),
            ("tags", json!({ "title": "T", "tags": [blank] })),
            ("scope", json!({ "title": "T", "scope": blank })),
            ("type", json!({ "title": "T", "type": blank })),
            ("status", json!({ "title": "T", "status": blank })),
            ("createdBy", json!({ "title": "T", "createdBy": blank })),
            ("prompt", json!({ "title": "T", "context": { "prompt": blank } })),
            ("context.choices", json!({ "title": "T", "context": { "choices": [{ "label": "Yes", "value": blank }] } })),
            ("value", json!({ "title": "T", "answer": { "value": blank, "answeredAt": "2026-01-02T09:13:58.259Z" } })),
        ] {
            let refused = server.post("/api/v1/tasks", body.clone()).await;
            assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
            assert!(refused.problem().contains(field), "{body}: {}", refused.problem());
        }
        for body in [json!({ "prompt": blank }), json!({ "prompt": "true", "title": blank }), json!({ "prompt": "true", "scope": blank })] {
            assert_eq!(server.post("/api/v1/runs", body.clone()).await.status, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
        }
        let form = format!("prompt={}", blank.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>());
        let refused = server.call(Method::POST, "/actions/submit-prompt").body("application/x-www-form-urlencoded", form).send().await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", refused.text());
    }
    let empty = json!({ "title": "T", "context": { "choices": [{ "label": "Never", "value": "" }] } });
    assert!(server.post("/api/v1/tasks", empty).await.problem().contains("context.choices"));
    assert_eq!(server.get("/api/v1/tasks").await.json()["total"], 0);
}

/// A choice is answered by its button as by the API, whatever line breaks it has: browsers post them as CR LF.
#[tokio::test]
async fn a_choice_of_several_lines_is_answered_alike() {
    let server = start().await;
    for (value, posted) in [("a\nb", "a%0D%0Ab"), ("a\r\nb", "a%0D%0Ab"), ("a\nb", "a%0Ab")] {
        let task = json!({ "title": "T", "context": { "choices": [{ "label": "L", "value": value }] } });
        let id = server.post("/api/v1/tasks", task).await.json()["id"].as_str().expect("an id").to_owned();
        let form = format!("task_id={id}&value={posted}");
        let answered = server.call(Method::POST, "/actions/answer-task").body("application/x-www-form-urlencoded", form).send().await;
        assert!(answered.status.is_success(), "{}", answered.text());
        assert_eq!(server.get(&format!("/api/v1/tasks/{id}/answer")).await.json()["value"], value);
        let again = server.post(&format!("/api/v1/tasks/{id}/answer"), json!({ "value": value })).await;
        assert_eq!(again.status, StatusCode::OK, "the same answer again: {}", again.text());
    }
}
