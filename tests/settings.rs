//! The settings page over real sockets: sessions listed and ended, tokens made, used and revoked, the theme; each by its plain form.

#[path = "support/server.rs"]
mod server;

use axum::http::{Method, StatusCode};
use kontasks::{backend::auth::Auth, domain::timestamp::Timestamp};
use server::{Answer, Events, Server, TOKEN, start};
use std::time::{Duration, Instant};

const BOARD: &str = "/api/v1/events";
const FORM: &str = "application/x-www-form-urlencoded";
const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0";

impl Server {
    async fn settings(&self, cookie: &str) -> String {
        let page = self.browse(Method::GET, "/settings", cookie).with("accept", "text/html").send().await;
        assert_eq!(page.status, StatusCode::OK);
        page.text()
    }

    /// Posts a form as a browser does.
    async fn submit(&self, path: &str, cookie: &str, form: &str) -> Answer {
        let call = self.browse(Method::POST, path, cookie).with("accept", "text/html");
        // Whoever is not signed in has no page to send it from.
        let token = if self.status_of(cookie).await == StatusCode::OK { self.form_token(cookie).await } else { String::new() };
        call.body(FORM, format!("{form}&form_token={token}")).send().await
    }

    /// The page that a posted form leads to.
    async fn follow(&self, answer: &Answer, cookie: &str) -> String {
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text());
        let path = answer.header("location").split('#').next().expect("a path").to_owned();
        let page = self.browse(Method::GET, &path, cookie).send().await;
        assert_eq!(page.status, StatusCode::OK);
        page.text()
    }

    async fn sign_in_as(&self, user_agent: &[u8]) -> String {
        self.link_form(&self.link().await).with_bytes("user-agent", user_agent).send().await.cookie()
    }

    /// A stream of the board, greeted.
    async fn board(&self, name: &'static str, value: &str) -> Events {
        let mut stream = self.anonymous(Method::GET, BOARD).with(name, value).events().await;
        assert_eq!(stream.next().await.expect("an event").name, "hello");
        stream
    }

    async fn status_of(&self, cookie: &str) -> StatusCode {
        self.browse(Method::GET, "/api/v1/tasks", cookie).send().await.status
    }

    /// Makes a token and reads its secret off the page.
    async fn make_token(&self, cookie: &str, name: &str) -> String {
        let made = self.submit("/settings/tokens", cookie, &format!("name={name}")).await;
        secret(&self.follow(&made, cookie).await).expect("the secret")
    }
}

/// The items of the lists, each as its markup.
fn rows(page: &str) -> Vec<&str> {
    let items = page.split("<li").skip(1).filter(|rest| rest.starts_with(['>', ' ']));
    items.map(|rest| rest.split("</li>").next().expect("an end")).collect()
}

/// Where the form of the row with that text leads.
fn action(page: &str, text: &str) -> String {
    let row = rows(page).into_iter().find(|row| row.contains(text)).unwrap_or_else(|| panic!("no row with {text}: {page}"));
    row.split("action=\"").nth(1).expect("a form").split('"').next().expect("an end").to_owned()
}

fn secret(page: &str) -> Option<String> {
    let rest = page.split("data-secret").nth(1)?.split_once('>')?.1;
    rest.split('<').next().map(str::to_owned)
}

/// The stream ends with `force_logout`, for that reason, and soon.
async fn is_logged_out(stream: &mut Events, since: Instant, reason: &str) {
    let last = stream.next().await.expect("a last word");
    assert_eq!((last.name.as_str(), last.data["reason"].as_str()), ("force_logout", Some(reason)));
    assert_eq!(stream.next().await, None);
    assert!(since.elapsed() < Duration::from_secs(2), "{:?}", since.elapsed());
}

#[tokio::test]
async fn nobody_gets_at_the_settings_without_a_sign_in() {
    let server = start().await;
    let page = server.anonymous(Method::GET, "/settings?done=theme").with("accept", "text/html").send().await;
    assert_eq!(page.status, StatusCode::UNAUTHORIZED);
    assert!(page.text().contains("value=\"/settings?done=theme\""), "where to go next");
    for path in ["/sessions/1/sign-out", "/other-sessions/sign-out", "/tokens", "/tokens/1/revocation", "/theme"] {
        let path = format!("/settings{path}");
        let program = server.anonymous(Method::POST, &path).body(FORM, "name=x&theme=dark").send().await;
        assert_eq!(program.status, StatusCode::UNAUTHORIZED, "{path}");
        program.problem();
        let person = server.submit(&path, "a=b", "name=x").await;
        assert_eq!(person.status, StatusCode::UNAUTHORIZED, "{path}");
        assert!(person.text().contains("kontasks sign-in-link") && person.text().contains("value=\"/settings\""), "{path}");
        // A page of another site can post a form, and the browser sends the cookie along.
        let cookie = server.sign_in().await;
        let foreign = server.browse(Method::POST, &path, &cookie).with("origin", "http://evil.example").body(FORM, "name=x&theme=dark");
        assert_eq!(foreign.send().await.status, StatusCode::FORBIDDEN, "{path}");
        assert_eq!(server.browse(Method::GET, &path, &cookie).send().await.status, StatusCode::METHOD_NOT_ALLOWED, "{path}");
    }
    assert!(server.state.auth.tokens().await.expect("reads").is_empty());
    assert_eq!(server.state.auth.sessions().await.expect("reads").len(), 5, "nobody was signed out");
}

#[tokio::test]
async fn sessions_are_listed_in_words_and_nothing_in_them_is_markup() {
    let server = start().await;
    let mine = server.sign_in_as(FIREFOX.as_bytes()).await;
    server.sign_in_as(b"<script>alert(1)</script>").await;
    server.sign_in_as(&[b'x'; 299]).await;
    server.sign_in_as(b"caf\xe9").await;
    let page = server.settings(&mine).await;
    assert!(rows(&page)[0].contains("Firefox on Linux") && rows(&page)[0].contains("this browser"), "one's own is first");
    assert_eq!(page.matches("this browser</span>").count(), 2, "in its row, and in the name of its button");
    assert!(page.contains("&lt;script>alert(1)") || page.contains("&lt;script&gt;alert(1)"), "{page}");
    assert!(!page.contains("<script>alert") && !page.contains("type=\"module\""), "a document of its own");
    assert!(page.contains(&format!("{}…", "x".repeat(60))) && !page.contains(&"x".repeat(61)));
    assert!(page.contains("Last seen in the last few minutes"));
    assert!(!page.contains("Connected now"));
    let _stream = server.board("cookie", &mine).await;
    assert!(server.settings(&mine).await.contains("Connected now"));
    let program = server.get("/settings").await.text();
    assert!(!program.contains("settings-mark"), "a program is none of them");
}

#[tokio::test]
async fn ending_a_session_ends_its_streams_and_no_other() {
    let server = start().await;
    let (mine, other, third) = (server.sign_in().await, server.sign_in_as(FIREFOX.as_bytes()).await, server.sign_in().await);
    let mut streams = [server.board("cookie", &other).await, server.board("cookie", &other).await];
    let (mut own, mut thirds) = (server.board("cookie", &mine).await, server.board("cookie", &third).await);
    let path = action(&server.settings(&mine).await, "Firefox on Linux");
    let begin = Instant::now();
    let answer = server.submit(&path, &mine, "").await;
    for stream in &mut streams {
        is_logged_out(stream, begin, "this browser was signed out").await;
    }
    let page = server.follow(&answer, &mine).await;
    assert!(page.contains("That browser is signed out.") && !page.contains("Firefox on Linux"), "{page}");
    assert_eq!(server.status_of(&other).await, StatusCode::UNAUTHORIZED);
    server.post("/api/v1/tasks", serde_json::json!({"title": "still heard"})).await;
    for stream in [&mut own, &mut thirds] {
        assert_eq!(stream.next().await.expect("an event").data["title"], "still heard");
    }
    // A second click, and an address that was made up.
    for path in [&path, "/settings/sessions/0/sign-out", "/settings/sessions/-1/sign-out", "/settings/sessions/x/sign-out"] {
        assert_eq!(server.submit(path, &mine, "").await.status, StatusCode::SEE_OTHER, "{path}");
    }
    assert_eq!(server.status_of(&mine).await, StatusCode::OK);
}

#[tokio::test]
async fn all_others_can_be_signed_out_and_oneself() {
    let server = start().await;
    let (mine, other, third) = (server.sign_in().await, server.sign_in().await, server.sign_in().await);
    let mut streams = [server.board("cookie", &other).await, server.board("cookie", &third).await];
    let mut own = server.board("cookie", &mine).await;
    let begin = Instant::now();
    let answer = server.submit("/settings/other-sessions/sign-out", &mine, "").await;
    for stream in &mut streams {
        is_logged_out(stream, begin, "this browser was signed out").await;
    }
    let page = server.follow(&answer, &mine).await;
    assert!(page.contains("The 2 other browsers are signed out.") && !page.contains("Sign out all others"), "{page}");
    let (begin, path) = (Instant::now(), action(&page, "this browser"));
    let answer = server.submit(&path, &mine, "").await;
    assert_eq!((answer.status, answer.header("location")), (StatusCode::SEE_OTHER, "/sign-in?next=%2Fsettings"));
    assert!(answer.header("set-cookie").contains("Max-Age=0"));
    is_logged_out(&mut own, begin, "this browser was signed out").await;
    assert_eq!(server.status_of(&mine).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn another_process_can_sign_everybody_out_and_is_heard() {
    let server = start().await;
    let cookie = server.sign_in().await;
    let token = server.make_token(&cookie, "ci").await;
    let mut stream = server.board("cookie", &cookie).await;
    let mut programs = server.board("authorization", &format!("Bearer {token}")).await;
    // A store of its own, as the command line opens it.
    let clock = kontasks::backend::clock::Clock::system();
    let store = kontasks::backend::store::Store::open(&server.folder.path().join("kontasks.db"), clock.clone()).await.expect("opens");
    let beside = Auth::new(store, clock, None).expect("valid");
    let begin = Instant::now();
    assert_eq!(beside.sign_out_all(None).await.expect("works"), 1);
    is_logged_out(&mut stream, begin, "this browser was signed out").await;
    let id = beside.tokens().await.expect("reads")[0].id;
    let begin = Instant::now();
    beside.revoke_token(id).await.expect("works");
    is_logged_out(&mut programs, begin, "this token was revoked").await;
}

#[tokio::test]
async fn a_token_is_shown_once_works_and_is_revoked() {
    let server = start().await;
    let cookie = server.sign_in().await;
    let page = server.settings(&cookie).await;
    assert!(page.contains("KONTASKS_TOKEN") && page.contains("From the environment") && !page.contains(TOKEN), "{page}");
    assert_eq!(page.matches("/revocation").count(), 0, "that one is not revoked here");

    let made = server.submit("/settings/tokens", &cookie, "name=robot+%3Ci%3E").await;
    assert_eq!(made.status, StatusCode::SEE_OTHER);
    let path = made.header("location").split('#').next().expect("a path").to_owned();
    let other = server.sign_in().await;
    assert_eq!(secret(&server.browse(Method::GET, &path, &other).send().await.text()), None, "only its maker sees it");
    server.browse(Method::HEAD, &path, &cookie).send().await;
    server.browse(Method::GET, &path, &cookie).with("sec-purpose", "prefetch").send().await;
    let page = server.browse(Method::GET, &path, &cookie).send().await;
    assert_eq!(page.header("cache-control"), "no-store");
    let token = secret(&page.text()).expect("the secret");
    assert_eq!(token.len(), 43);
    assert!(page.text().contains("robot &lt;i") && page.text().contains("Never used"), "{}", page.text());
    let again = server.browse(Method::GET, &path, &cookie).send().await.text();
    assert!(!again.contains(&token) && again.contains("robot"), "once");

    let bearer = format!("Bearer {token}");
    let call = || server.anonymous(Method::GET, "/api/v1/tasks").with("authorization", &bearer);
    assert_eq!(call().send().await.status, StatusCode::OK);
    let mut streams = [server.board("authorization", &bearer).await, server.board("authorization", &bearer).await];
    let mut configured = server.board("authorization", &format!("Bearer {TOKEN}")).await;
    let mut own = server.board("cookie", &cookie).await;
    let page = server.settings(&cookie).await;
    assert!(page.contains("Connected now") && !page.contains("Never used"), "{page}");
    let begin = Instant::now();
    let answer = server.submit(&action(&page, "robot"), &cookie, "").await;
    for stream in &mut streams {
        is_logged_out(stream, begin, "this token was revoked").await;
    }
    let page = server.follow(&answer, &cookie).await;
    assert!(page.contains("is revoked") && !page.contains("robot"), "{page}");
    let refused = call().send().await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    refused.problem();
    server.post("/api/v1/tasks", serde_json::json!({"title": "still heard"})).await;
    for stream in [&mut configured, &mut own] {
        assert_eq!(stream.next().await.expect("an event").data["title"], "still heard");
    }
    let database = std::fs::read(server.folder.path().join("kontasks.db-wal")).expect("a file");
    assert!(!database.windows(token.len()).any(|part| part == token.as_bytes()), "only its hash is stored");
}

#[tokio::test]
async fn a_name_that_cannot_be_taken_stays_in_its_field() {
    let server = start().await;
    let cookie = server.sign_in().await;
    server.make_token(&cookie, "ci").await;
    for (form, words, typed) in [
        ("name=ci", "taken", "value=\"ci\""),
        ("name=+", "blank", "value=\" \""),
        ("", "blank", "name=\"name\""),
        (&format!("name={}", "%22".repeat(65)), "longer than 64", "&quot;&quot;"),
        (&format!("name={}", "x".repeat(900_000)), "longer than 64", "value=\"xxx"),
    ] {
        let refused = server.submit("/settings/tokens", &cookie, form).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{words}");
        assert!(refused.text().contains(words) && refused.text().contains(typed), "{}", refused.text());
    }
    let huge = server.submit("/settings/tokens", &cookie, &format!("name={}", "x".repeat(2_000_000))).await;
    assert_eq!(huge.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(server.state.auth.tokens().await.expect("reads").len(), 1);
}

#[tokio::test]
async fn a_theme_is_kept_in_a_cookie_and_written_into_each_page() {
    let server = start().await;
    let cookie = server.sign_in().await;
    let html = async |path: &str, cookie: &str| {
        let page = server.browse(Method::GET, path, cookie).send().await.text();
        page.split("<html").nth(1).expect("a document").split('>').next().expect("a tag").to_owned()
    };
    for path in ["/", "/tasks", "/settings", "/nonsense"] {
        assert!(!html(path, &cookie).await.contains("data-theme"), "{path}: the system decides");
    }
    let chosen = server.submit("/settings/theme", &cookie, "theme=dark").await;
    assert!(server.follow(&chosen, &cookie).await.contains("colours are set"));
    let theme = chosen.header("set-cookie");
    for part in ["SameSite=Lax", "Path=/", "Max-Age=31536000", "HttpOnly"] {
        assert!(theme.contains(part), "{theme}");
    }
    let both = format!("{cookie}; {}", theme.split(';').next().expect("a cookie"));
    for path in ["/", "/tasks", "/settings", "/nonsense"] {
        assert!(html(path, &both).await.contains("data-theme=\"dark\""), "{path}");
    }
    assert!(html("/", theme.split(';').next().expect("a cookie")).await.contains("data-theme=\"dark\""), "the sign-in page too");
    assert!(server.settings(&both).await.contains("content=\"dark\""), "before the styles have come");
    for back in ["theme=system", "theme=pink", ""] {
        assert!(server.submit("/settings/theme", &both, back).await.header("set-cookie").contains("Max-Age=0"), "{back}");
    }
}

#[tokio::test]
async fn runners_are_named_with_their_commands() {
    let server = start().await;
    let page = server.settings(&server.sign_in().await).await;
    assert!(page.contains("shell") && page.contains("in your shell"), "{page}");
}

#[tokio::test]
async fn being_seen_is_noted_now_and_then() {
    let server = start().await;
    let cookie = server.sign_in().await;
    let seen = async || server.state.auth.sessions().await.expect("reads")[0].last_seen;
    let first = seen().await;
    for _ in 0..20 {
        assert_eq!(server.status_of(&cookie).await, StatusCode::OK);
    }
    assert_eq!(seen().await, first, "not a commit for each request");
    assert!(first > Timestamp(0));
}
