//! The one-time link: whoever opens it sees a page that asks, only that page's form uses it up, and where others read what the server
//! prints it is not printed.

#[path = "support/server.rs"]
mod server;

use axum::http::{Method, StatusCode};
use server::{Server, TOKEN, start};
use std::{
    fs::{self, File},
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt},
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};
use tokio::process::{Child, Command};

impl Server {
    async fn works(&self, cookie: &str) -> bool {
        self.browse(Method::GET, "/api/v1/tasks", cookie).send().await.status == StatusCode::OK
    }
}

#[tokio::test]
async fn whatever_opens_a_link_uses_nothing_up() {
    let server = start().await;
    let link = server.link().await;
    let token = link.split_once('=').expect("a token").1.to_owned();
    let previews: [(Method, &'static str, &str); 6] = [
        (Method::GET, "user-agent", "TelegramBot (like TwitterBot)"),
        (Method::GET, "user-agent", "curl/8.5.0"),
        (Method::GET, "sec-purpose", "prefetch;prerender"),
        (Method::HEAD, "user-agent", "Slackbot-LinkExpanding 1.0"),
        (Method::GET, "accept", "*/*"),
        (Method::GET, "accept", "text/html"),
    ];
    for (method, name, value) in previews {
        let page = server.anonymous(method.clone(), &format!("{link}&next=%2Ftasks%3Fstatus%3Dfailed")).with(name, value).send().await;
        assert_eq!((page.status, page.header("set-cookie")), (StatusCode::OK, ""), "{value}");
        assert_eq!(page.header("cache-control"), "no-store");
        assert!(page.header("referrer-policy").starts_with("no-referrer"), "{}", page.header("referrer-policy"));
        if method == Method::GET {
            let text = page.text();
            assert!(text.contains(&format!("name=\"token\" value=\"{token}\"")) && text.contains("method=\"post\""), "{text}");
            assert!(text.contains("value=\"/tasks?status=failed\"") && text.contains(" autofocus"), "{text}");
            assert!(text.contains("<strong>board.example.org</strong>"), "which board it is for: {text}");
            assert!(!text.contains("type=\"module\"") && !text.contains(" src="), "a document without scripts of its own: {text}");
        }
    }
    let welcome = server.link_form(&format!("{link}&next=%2Ftasks%3Fstatus%3Dfailed")).send().await;
    assert_eq!(welcome.header("location"), "/tasks?status=failed");
    let cookie = welcome.cookie();
    assert!(server.works(&format!("a=b; {cookie}; c=d")).await);

    for used in [server.link_form(&link), server.anonymous(Method::GET, &link), server.anonymous(Method::GET, "/sign-in?token=nonsense")] {
        let refused = used.send().await;
        assert_eq!((refused.status, refused.header("set-cookie")), (StatusCode::UNAUTHORIZED, ""));
        assert!(refused.text().contains("does not work any more") && refused.text().contains("kontasks sign-in-link"));
        assert!(!refused.text().contains(&token), "what is of no use is not repeated");
    }
    let signed_in = server.browse(Method::GET, &link, &cookie).send().await;
    assert_eq!((signed_in.status, signed_in.header("location")), (StatusCode::SEE_OTHER, "/"), "a second click is no error");

    let left = server.sign_out(&cookie).await;
    assert_eq!(left.status, StatusCode::SEE_OTHER);
    assert!(left.header("set-cookie").contains("Max-Age=0"));
    assert!(!server.works(&cookie).await);
}

#[tokio::test]
async fn of_many_that_submit_one_link_one_is_signed_in() {
    let server = start().await;
    let link = server.link().await;
    let all = futures::future::join_all((0..20).map(|_| server.link_form(&link).send())).await;
    let (welcome, refused): (Vec<_>, Vec<_>) = all.into_iter().partition(|answer| answer.status == StatusCode::SEE_OTHER);
    assert_eq!((welcome.len(), refused.len()), (1, 19));
    assert!(refused.iter().all(|answer| answer.status == StatusCode::UNAUTHORIZED && answer.header("set-cookie").is_empty()));
}

#[tokio::test]
async fn a_page_of_another_site_cannot_sign_a_browser_in() {
    let server = start().await;
    let link = server.link().await;
    for (name, value) in
        [("origin", "http://evil.example"), ("origin", "null"), ("sec-fetch-site", "cross-site"), ("sec-fetch-site", "same-site")]
    {
        let answer = server.link_form(&link).with(name, value).send().await;
        assert_eq!((answer.status, answer.header("set-cookie")), (StatusCode::FORBIDDEN, ""), "{name}: {value}");
    }
    let own = format!("http://{}", server.address);
    server.link_form(&link).with("origin", &own).with("sec-fetch-site", "same-origin").send().await.cookie();
}

#[tokio::test]
async fn behind_a_proxy_the_page_names_the_board_by_the_name_that_people_know() {
    let server = start().await;
    let link = server.link().await;
    for (host, name) in [("board.example.org", "board.example.org"), ("127.0.0.1:3000", "board.example.org")] {
        let page = server.anonymous(Method::GET, &link).with("host", host).send().await.text();
        assert!(page.contains(&format!("<strong>{name}</strong>")), "{host}: {page}");
    }
}

/// The program with its outputs as they are given.
fn serve(data: &Path, stdout: impl Into<Stdio>, stderr: impl Into<Stdio>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kontasks"));
    for name in ["KONTASKS_CONFIG", "KONTASKS_DATABASE", "KONTASKS_DATA", "INVOCATION_ID", "JOURNAL_STREAM", "KONTASKS_LOG"] {
        command.env_remove(name);
    }
    command.args(["serve", "--addr", "127.0.0.1:0", "--data"]).arg(data).env("KONTASKS_TOKEN", TOKEN);
    command.stdin(Stdio::null()).stdout(stdout).stderr(stderr).kill_on_drop(true);
    command
}

/// What it has written once it has said how to sign in; then it is stopped.
async fn said(mut child: Child, file: &Path) -> String {
    let patience = Instant::now() + Duration::from_secs(20);
    let text = loop {
        let text = fs::read_to_string(file).expect("reads");
        if text.lines().any(|line| line.starts_with("Sign in: ")) && text.ends_with('\n') {
            break text;
        }
        assert!(Instant::now() < patience, "never said: {text}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    child.kill().await.expect("ends");
    text
}

fn file(path: &Path, mode: u32) -> File {
    let file = File::options().create(true).append(true).mode(mode).open(path).expect("a file");
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("changes");
    file
}

#[tokio::test]
async fn where_others_read_what_is_printed_no_link_is() {
    let place = tempfile::tempdir().expect("a folder");
    let (out, log) = (place.path().join("out"), place.path().join("log"));
    let stream = |path: &Path| {
        let place = fs::metadata(path).expect("there");
        format!("{}:{}", place.dev(), place.ino())
    };
    let run = async |mode: u32, change: &dyn Fn(&mut Command)| {
        let _ = (fs::remove_file(&out), fs::remove_file(&log));
        let data = tempfile::tempdir().expect("a folder");
        let mut command = serve(data.path(), file(&out, mode), file(&log, 0o600));
        change(&mut command);
        let text = said(command.spawn().expect("starts"), &out).await;
        (text, fs::read_to_string(&log).expect("reads"), format!("kontasks sign-in-link --data {}", data.path().display()))
    };
    let service = |command: &mut Command, stream: String| {
        command.env("INVOCATION_ID", "0123456789abcdef0123456789abcdef").env("JOURNAL_STREAM", stream);
    };
    let (text, log_text, words) = run(0o600, &|command| service(command, stream(&out))).await;
    assert!(!text.contains("token=") && text.contains(&words), "{text}");
    assert!(!log_text.contains("token="), "{log_text}");
    let (text, ..) = run(0o600, &|command| service(command, stream(&log))).await;
    assert!(!text.contains("token="), "the journal has standard error: {text}");
    let (text, _, words) = run(0o644, &|_| {}).await;
    assert!(!text.contains("token=") && text.contains(&words), "a file that others can read: {text}");

    // Started by hand from within a unit, as a terminal of a desktop is: its output is another one than the unit's.
    let elsewhere = place.path().join("elsewhere");
    file(&elsewhere, 0o600);
    let (text, ..) = run(0o600, &|command| service(command, stream(&elsewhere))).await;
    assert!(text.contains("/sign-in?token="), "{text}");
    let (text, ..) = run(0o600, &|command| _ = command.env("JOURNAL_STREAM", stream(&out))).await;
    assert!(text.contains("/sign-in?token="), "no unit's: {text}");
}

#[tokio::test]
async fn a_link_is_in_no_log_however_much_is_logged() {
    let place = tempfile::tempdir().expect("a folder");
    let (out, log, data) = (place.path().join("out"), place.path().join("log"), tempfile::tempdir().expect("a folder"));
    let child = serve(data.path(), file(&out, 0o600), file(&log, 0o600)).env("KONTASKS_LOG", "trace").spawn().expect("starts");
    let patience = Instant::now() + Duration::from_secs(20);
    let link = loop {
        let text = fs::read_to_string(&out).expect("reads");
        if let Some(link) = text.lines().find_map(|line| line.strip_prefix("Sign in: http://")).filter(|_| text.ends_with('\n')) {
            break link.to_owned();
        }
        assert!(Instant::now() < patience, "never said: {text}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    let (address, path) = link.split_once('/').expect("a path");
    let (path, form) = path.split_once('?').expect("a token");
    for (line, body) in [
        (format!("GET /{path}?{form}"), ""),
        (format!("POST /{path}"), form),
        (format!("GET /{path}?{form}"), ""),
        (format!("POST /{path}"), form),
    ] {
        let head = format!("{line} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/x-www-form-urlencoded\r\n");
        let request = format!("{head}Content-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
        let mut stream = tokio::net::TcpStream::connect(address).await.expect("connects");
        tokio::io::AsyncWriteExt::write_all(&mut stream, request.as_bytes()).await.expect("writes");
        let mut answer = String::new();
        tokio::io::AsyncReadExt::read_to_string(&mut stream, &mut answer).await.expect("reads");
        assert!(answer.starts_with("HTTP/1.1 "), "{answer}");
    }
    drop(said(child, &out).await);
    let token = form.strip_prefix("token=").expect("a token");
    let text = fs::read_to_string(&log).expect("reads");
    assert!(text.contains("a sign-in link was refused"), "that much is logged: {text}");
    assert!(!text.contains(token), "{}", text.lines().find(|line| line.contains(token)).unwrap_or_default());
}
