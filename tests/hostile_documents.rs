//! Texts that mean something to a parser of HTML, in every field that a person or a program can
//! fill: each page must be the very document that it is with harmless words in their place, element
//! for element. Read by html5ever, with scripts and without.

#[path = "support/server.rs"]
mod server;

use axum::http::{Method, StatusCode};
use html5ever::{ParseOpts, parse_document, tendril::TendrilSink, tree_builder::TreeBuilderOpts};
use kontasks::{
    backend::store::{NewRun, RunEnd},
    domain::{run::RunStatus, timestamp::Timestamp, visible_text::visible},
};
use markup5ever_rcdom::{Handle, NodeData, RcDom};
use serde_json::json;
use server::{Server, start};

/// The corpus of `end2end/tests/hostile.spec.ts` too. None is longer than the shortest field takes,
/// each is one line.
const CORPUS: &str = include_str!("fixtures/hostile/documents.json");
/// What stands in the places of the corpus's texts for comparison.
const HARMLESS: &str = "harmless";
const FORM: &str = "application/x-www-form-urlencoded";

/// Where a form of ours may lead.
const ACTIONS: [&str; 6] =
    ["/actions/", "/settings/sessions/", "/settings/tokens", "/settings/other-sessions/", "/settings/theme", "/sign-in"];

fn corpus() -> Vec<String> {
    serde_json::from_str(CORPUS).expect("a list of texts")
}

fn percent(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// A page in the order of its document.
#[derive(Default)]
struct Document {
    /// Each element with its attributes' names, and the comments; the inside of sanitised output is
    /// left out.
    elements: Vec<String>,
    /// The text of the first title.
    title: String,
    /// What is wrong wherever it stands.
    faults: Vec<String>,
}

impl Document {
    fn parse(html: &str, scripting: bool) -> Self {
        let options = ParseOpts {
            tree_builder: TreeBuilderOpts { scripting_enabled: scripting, ..TreeBuilderOpts::default() },
            ..ParseOpts::default()
        };
        let dom = parse_document(RcDom::default(), options).one(html);
        let mut document = Document::default();
        document.visit(&dom.document, 0, false);
        document
    }

    fn visit(&mut self, node: &Handle, depth: usize, in_output: bool) {
        let mut in_output = in_output;
        match &node.data {
            NodeData::Element { name, attrs, .. } => {
                let tag = name.local.to_string();
                let attributes: Vec<(String, String)> =
                    attrs.borrow().iter().map(|attribute| (attribute.name.local.to_string(), attribute.value.to_string())).collect();
                let value = |name: &str| attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
                self.judge(&tag, &attributes, in_output);
                if !in_output {
                    // Which option is chosen stands where the alphabet has put it.
                    let mut names: Vec<&str> =
                        attributes.iter().map(|(name, _)| name.as_str()).filter(|name| *name != "selected").collect();
                    names.sort_unstable();
                    let fixed: Vec<&str> = ["type", "name", "method", "rel"].iter().filter_map(|name| value(name)).collect();
                    self.elements.push(format!("{depth} {tag} {names:?} {fixed:?}"));
                }
                if tag == "title" && self.title.is_empty() {
                    self.title = text_of(node);
                }
                in_output |= value("data-rich-output").is_some();
            }
            NodeData::Comment { .. } if !in_output => self.elements.push(format!("{depth} comment")),
            _ => {}
        }
        for child in node.children.borrow().iter() {
            self.visit(child, depth + 1, in_output);
        }
    }

    fn judge(&mut self, tag: &str, attributes: &[(String, String)], in_output: bool) {
        let mut fault = |words: &str| self.faults.push(format!("{words}: {tag} {attributes:?}"));
        if in_output && ["form", "script", "meta", "input", "button", "textarea", "style", "base", "iframe", "title", "svg"].contains(&tag)
        {
            fault("in sanitised output");
        }
        if tag == "x-hostile" || ["base", "iframe", "object", "embed", "plaintext", "template", "style"].contains(&tag) {
            fault("not ours");
        }
        for (name, value) in attributes {
            match name.as_str() {
                "x-hostile" | "formaction" | "http-equiv" | "srcdoc" => fault("not ours"),
                name if name.starts_with("on") => fault("a script"),
                "action" if !ACTIONS.iter().any(|ours| value.starts_with(ours)) && value != "/tasks" => fault("a form that is not ours"),
                "href" | "src" if value.starts_with("//") || value.to_lowercase().trim().starts_with("javascript:") => {
                    fault("leads elsewhere")
                }
                _ => {}
            }
        }
    }
}

fn text_of(node: &Handle) -> String {
    let children = node.children.borrow();
    let texts = children.iter().map(|child| match &child.data {
        NodeData::Text { contents } => contents.borrow().to_string(),
        _ => "(an element)".to_owned(),
    });
    texts.collect()
}

/// A board where every field says the same, and a browser that is signed in there.
struct Board {
    server: Server,
    cookie: String,
    /// Each page by what it is, with its address.
    pages: Vec<(&'static str, String)>,
    /// The pages whose title is the text.
    titled: [&'static str; 4],
}

async fn furnish(text: &str) -> Board {
    let server = start().await;
    let browser = server.link_form(&server.link().await).with_bytes("user-agent", text.as_bytes()).send().await;
    let cookie = browser.cookie();
    let store = &server.state.backend.store;
    let post = async |body: serde_json::Value| {
        let answer = server.post("/api/v1/tasks", body).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
        answer.json()["id"].as_str().expect("an id").to_owned()
    };
    let full = post(json!({
        "title": text, "description": text, "type": text, "status": text, "scope": text, "tags": [text], "createdBy": text, "targetUser": text,
        "context": {
            "output": text, "prompt": text, "requestId": text, text: text, "more": { text: [text] },
            "choices": [{ "label": text, "value": text, "primary": true, text: text }],
        },
        text: text,
    }))
    .await;
    let asking = post(json!({ "title": format!("a{text}"), "type": "question", "description": text })).await;
    let answered = post(json!({ "title": format!("b{text}"), "type": "approval" })).await;
    let answer = server.post(&format!("/api/v1/tasks/{answered}/answer"), json!({ "value": text, "comment": text })).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());

    let new = |id: &str| NewRun {
        prompt: text.into(),
        runner: "shell".into(),
        request_id: Some(format!("{id}{text}")),
        scope: Some(text.into()),
        tags: vec![text.into()],
        ..NewRun::default()
    };
    let mut runs = Vec::new();
    for id in ["1", "2"] {
        let submitted = store.submit(new(id)).await.expect("submits");
        store.run_started(submitted.run.id, Timestamp(1)).await.expect("starts");
        let output = format!("{text}\r\n\u{1b}[31;44m{text}\u{1b}[0m\r\n");
        let length = output.len() as u64;
        store.append_output(submitted.run.id, output.into(), length).await.expect("appends");
        runs.push(submitted);
    }
    let (ended, running) = (&runs[0], &runs[1]);
    let end = RunEnd { status: RunStatus::Failed, exit_code: None, signal: Some(text.into()), reason: Some(text.into()), at: Timestamp(2) };
    store.run_ended(ended.run.id, end).await.expect("ends");

    let token = server.form_token(&cookie).await;
    let submit = async |path: &str, form: String| {
        let form = format!("{form}&form_token={token}");
        server.browse(Method::POST, path, &cookie).with("accept", "text/html").body(FORM, form).send().await
    };
    let made = submit("/settings/tokens", format!("name={}", percent(text))).await;
    assert_eq!(made.status, StatusCode::SEE_OTHER, "{}", made.text());
    let shown_once = made.header("location").split('#').next().expect("a path").to_owned();
    let p = percent(text);
    let refused = submit("/actions/submit-prompt", format!("prompt={p}&runner={p}&scope={p}&tags={p}&request_id={p}")).await;
    assert!(refused.header("location").contains("notice="), "{} {}", refused.status, refused.header("location"));
    let refused = refused.header("location").to_owned();
    let pages = vec![
        ("dashboard", "/".to_owned()),
        ("dashboard after a refusal", refused),
        ("board", "/tasks".to_owned()),
        ("board, filtered", format!("/tasks?status={p}&scope={p}&tag={p}&type={p}&text={p}")),
        ("task", format!("/tasks/{full}")),
        ("question", format!("/tasks/{asking}")),
        ("answered", format!("/tasks/{answered}")),
        ("task of an ended run", format!("/tasks/{}", ended.task.id)),
        ("task of a run", format!("/tasks/{}", running.task.id)),
        ("ended run", format!("/runs/{}", ended.run.id)),
        ("run", format!("/runs/{}", running.run.id)),
        ("token made", shown_once),
        ("settings", format!("/settings?done={p}&count={p}")),
        ("no such page", format!("/nonsense/{p}?{p}={p}")),
        ("no such task", format!("/tasks/{p}")),
        ("no such run", format!("/runs/{p}?notice={p}")),
    ];
    Board { server, cookie, pages, titled: ["task", "task of an ended run", "ended run", "run"] }
}

impl Board {
    /// Every page by what it is, as it was sent.
    async fn load(&self, text: &str) -> Vec<(&'static str, String)> {
        let mut loaded = Vec::new();
        for (name, path) in &self.pages {
            let page = self.server.browse(Method::GET, path, &self.cookie).with("accept", "text/html").send().await;
            assert!(page.header("content-type").starts_with("text/html"), "{name}: {}", page.text());
            loaded.push((*name, page.text()));
        }
        let p = percent(text);
        for (name, path) in [("sign-in", format!("/sign-in?next=%2F{p}&token={p}")), ("sign-in on the way", format!("/tasks?text={p}"))] {
            loaded.push((name, self.server.anonymous(Method::GET, &path).with("accept", "text/html").send().await.text()));
        }
        let forged = self.server.browse(Method::POST, "/actions/submit-prompt", &self.cookie).with("accept", "text/html");
        let forged = forged
            .with("referer", &format!("{}/{p}", "http://a"))
            .body(FORM, format!("prompt={p}&scope={p}&tags={p}&name={p}"))
            .send()
            .await;
        loaded.push(("nothing was done", forged.text()));
        let refused = self.server.browse(Method::POST, "/settings/tokens", &self.cookie).with("accept", "text/html");
        let form = format!("name={p}&form_token={}", self.server.form_token(&self.cookie).await);
        loaded.push(("name that is taken", refused.body(FORM, form).send().await.text()));
        loaded
    }
}

#[tokio::test]
async fn no_text_is_markup_on_any_page() {
    let harmless = furnish(HARMLESS).await.load(HARMLESS).await;
    for text in corpus() {
        let board = furnish(&text).await;
        for ((name, html), (_, plain)) in board.load(&text).await.into_iter().zip(&harmless) {
            for scripting in [true, false] {
                let (document, expected) = (Document::parse(&html, scripting), Document::parse(plain, scripting));
                assert_eq!(document.faults, Vec::<String>::new(), "{name} of {text:?}");
                let other = document.elements.iter().zip(&expected.elements).find(|(one, other)| one != other);
                assert_eq!(other, None, "{name} of {text:?}: another document");
                assert_eq!(document.elements.len(), expected.elements.len(), "{name} of {text:?}");
                if board.titled.contains(&name) {
                    assert_eq!(document.title, format!("{} · Kontasks", visible(&text)), "{name}: a title is text");
                }
            }
        }
    }
}

/// Each of them once ran a command, or left for another origin, or took its own page away.
#[tokio::test]
async fn a_title_is_text() {
    let server = start().await;
    let cookie = server.sign_in().await;
    for title in [
        "</title><form action=/actions/submit-prompt method=post><input type=hidden name=prompt value='touch CLICKED'><button style='position:fixed;inset:0;opacity:0'>",
        "</title><meta http-equiv=refresh content=0;url=https://evil.example/>",
        "grep -c '</title>' index.html",
        "a & b </title>",
        "&amp; &lt;",
    ] {
        let task = server.post("/api/v1/tasks", json!({ "title": title })).await.json();
        // Without a program: it would only cost time.
        let new = NewRun { prompt: format!("# {title}"), runner: "shell".into(), ..NewRun::default() };
        let submitted = server.state.backend.store.submit(new).await.expect("submits");
        for (path, words) in [
            (format!("/tasks/{}", task["id"].as_str().expect("an id")), title.to_owned()),
            (format!("/tasks/{}", submitted.task.id), submitted.task.title.clone()),
            (format!("/runs/{}", submitted.run.id), format!("# {title}")),
        ] {
            let page = server.browse(Method::GET, &path, &cookie).with("accept", "text/html").send().await.text();
            for scripting in [true, false] {
                let document = Document::parse(&page, scripting);
                assert_eq!(document.title, format!("{words} · Kontasks"), "{path}");
                assert_eq!(document.faults, Vec::<String>::new(), "{path}");
                assert!(document.elements.iter().any(|element| element.contains(" main ")), "{path}: the page is there");
            }
        }
    }
    for (path, title) in
        [("/", "Kontasks"), ("/tasks", "Board · Kontasks"), ("/settings", "Settings · Kontasks"), ("/nonsense", "Not found · Kontasks")]
    {
        let page = server.browse(Method::GET, path, &cookie).with("accept", "text/html").send().await.text();
        assert_eq!(Document::parse(&page, true).title, title, "{path}");
    }
}
