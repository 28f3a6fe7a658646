//! A whole server on a free port with a data folder of its own, and a client that speaks HTTP to it over real sockets.
#![allow(dead_code)]

use axum::http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use kontasks::{
    backend::{
        Backend,
        auth::{Auth, Secret},
        clock::Clock,
        drafts::Drafts,
        runner::{Runners, table::RunnerTable},
        store::{NewRun, RunEnd, Store},
    },
    domain::{id::RunId, run::RunStatus, timestamp::Timestamp},
    http::{AppState, Connections, Limits, Origins, StreamOptions, serve},
};
use serde_json::Value;
use std::{
    net::SocketAddr,
    num::NonZeroUsize,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

/// The token for automation of every test's server.
pub const TOKEN: &str = "a token that nobody guesses";

/// A running server.
pub struct Server {
    pub address: SocketAddr,
    pub state: AppState,
    pub serving: JoinHandle<()>,
    pub folder: tempfile::TempDir,
}

/// Started with streams that are never silent for longer than this.
pub async fn start_with(heartbeat: Duration) -> Server {
    start_with_streams(StreamOptions { heartbeat, ..StreamOptions::default() }).await
}

/// Started with streams of that kind.
pub async fn start_with_streams(options: StreamOptions) -> Server {
    start_with_all(options, |_| {}).await
}

/// Started so that pages of those origins may use the API.
pub async fn start_with_origins(origins: Origins) -> Server {
    start_with_all(StreamOptions::default(), |state| state.origins = origins).await
}

/// Started so that clients may take only so much.
pub async fn start_with_limits(limits: Limits) -> Server {
    start_with_all(StreamOptions::default(), |state| state.connections = Connections::new(limits)).await
}

async fn start_with_all(options: StreamOptions, change: impl FnOnce(&mut AppState)) -> Server {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Clock::system();
    let shutdown = CancellationToken::new();
    let store = Store::open(&folder.path().join("kontasks.db"), clock.clone()).await.expect("a store");
    let auth = Auth::new(store.clone(), clock.clone(), Some(&Secret::new(TOKEN))).expect("valid");
    let exe = env!("CARGO_BIN_EXE_kontasks").into();
    // As many as a test wants, whatever the machine has.
    let table = RunnerTable::default().with_max_running(NonZeroUsize::new(1000));
    let runners = Runners::new(store.clone(), table, folder.path(), exe, shutdown.clone());
    let backend = Backend { store, runners, clock, drafts: Drafts::default() };
    let mut state = AppState::new(backend, auth, &["board.example.org".to_owned()], &options, shutdown);
    change(&mut state);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let serving = tokio::spawn(serve(listener, state.clone()));
    Server { address, state, serving, folder }
}

/// Started as it is by default.
pub async fn start() -> Server {
    start_with_streams(StreamOptions::default()).await
}

impl Drop for Server {
    fn drop(&mut self) {
        self.state.shutdown.cancel();
    }
}

/// The end of a run whose program did what it should; of its output nothing is said.
pub fn success() -> RunEnd {
    RunEnd { status: RunStatus::Succeeded, exit_code: Some(0), signal: None, reason: None, at: Timestamp(2) }
}

/// What came back.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }

    /// The session's cookie that a sign-in sets.
    pub fn cookie(&self) -> String {
        assert_eq!(self.status, StatusCode::SEE_OTHER, "{}", self.text());
        let cookie = self.header("set-cookie");
        for part in ["HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=2592000"] {
            assert!(cookie.contains(part), "{cookie}");
        }
        cookie.split(';').next().expect("a cookie").to_owned()
    }

    /// The problem's sentence; fails where it is no problem with the response's status.
    pub fn problem(&self) -> String {
        assert_eq!(self.header("content-type"), "application/problem+json", "{} {}", self.status, self.text());
        let problem = self.json();
        assert_eq!(problem["status"], self.status.as_u16());
        problem["detail"].as_str().expect("a detail").to_owned()
    }
}

/// A request in the making.
pub struct Call<'s> {
    server: &'s Server,
    request: Request<Full<Bytes>>,
}

impl Server {
    /// A request without credentials.
    pub fn anonymous(&self, method: Method, path: &str) -> Call<'_> {
        let request = Request::builder().method(method).uri(path).header(header::HOST, self.address.to_string());
        Call { server: self, request: request.body(Full::default()).expect("a request") }
    }

    /// A request with the token for automation.
    pub fn call(&self, method: Method, path: &str) -> Call<'_> {
        self.anonymous(method, path).with("authorization", &format!("Bearer {TOKEN}"))
    }

    /// A run as its program would make it, without a program.
    pub async fn bare_run(&self) -> RunId {
        let store = &self.state.backend.store;
        let new = NewRun { prompt: "true".into(), runner: "shell".into(), ..NewRun::default() };
        let run = store.submit(new).await.expect("submits").run.id;
        store.run_started(run, Timestamp(1)).await.expect("starts");
        run
    }

    /// Streams count down when their connection's task notices; it does so at once, but not before the client has seen the end.
    pub async fn until_open(&self, count: usize) {
        let until = Instant::now() + Duration::from_secs(5);
        while self.state.streams.count() != count {
            assert!(Instant::now() < until, "{} streams are open, not {count}", self.state.streams.count());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// A one-time link, as a path.
    pub async fn link(&self) -> String {
        format!("/sign-in?token={}", self.state.auth.issue_link().await.expect("a link").reveal())
    }

    /// The form on the page of a link, as a person submits it.
    pub fn link_form(&self, link: &str) -> Call<'_> {
        let (path, form) = link.split_once('?').expect("a link");
        self.anonymous(Method::POST, path).body("application/x-www-form-urlencoded", form.to_owned())
    }

    /// The cookie of a new session.
    pub async fn sign_in(&self) -> String {
        self.link_form(&self.link().await).send().await.cookie()
    }

    /// The form token of a signed-in browser's session, as its pages carry it.
    pub async fn form_token(&self, cookie: &str) -> String {
        let page = self.browse(Method::GET, "/settings", cookie).send().await.text();
        let field = page.split("name=\"form_token\"").nth(1).and_then(|rest| rest.split('>').next()).expect("a form with the field");
        field.split("value=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a value").to_owned()
    }

    /// Signs a browser out as its form would.
    pub async fn sign_out(&self, cookie: &str) -> Answer {
        let token = self.form_token(cookie).await;
        self.browse(Method::POST, "/sign-out", cookie).with("x-form-token", &token).send().await
    }

    /// A request from a signed-in browser.
    pub fn browse(&self, method: Method, path: &str, cookie: &str) -> Call<'_> {
        self.anonymous(method, path).with("cookie", cookie)
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path).send().await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.call(Method::POST, path).json(body).send().await
    }

    /// Bytes as they are, on a connection of their own; all that comes back.
    pub async fn raw(&self, request: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).await.expect("connects");
        stream.write_all(request).await.expect("writes");
        let mut answer = Vec::new();
        tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut answer)).await.expect("in time").expect("reads");
        String::from_utf8_lossy(&answer).into_owned()
    }
}

impl Call<'_> {
    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        self.request.headers_mut().insert(name, HeaderValue::from_bytes(value.as_bytes()).expect("a value"));
        self
    }

    pub fn with_bytes(mut self, name: &'static str, value: &[u8]) -> Self {
        self.request.headers_mut().insert(name, HeaderValue::from_bytes(value).expect("a value"));
        self
    }

    pub fn without(mut self, name: &'static str) -> Self {
        self.request.headers_mut().remove(name);
        self
    }

    pub fn body(mut self, kind: &str, body: impl Into<Bytes>) -> Self {
        *self.request.body_mut() = Full::new(body.into());
        self.with("content-type", kind)
    }

    pub fn json(self, body: Value) -> Self {
        self.body("application/json", body.to_string())
    }

    /// Sends it and reads all that comes back.
    pub async fn send(self) -> Answer {
        let response = self.open().await;
        let (parts, body) = response.into_parts();
        let body = tokio::time::timeout(Duration::from_secs(20), body.collect()).await.expect("ends in time").expect("reads").to_bytes();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    /// Sends it and reads the head only.
    pub async fn open(self) -> hyper::Response<Incoming> {
        let stream = TcpStream::connect(self.server.address).await.expect("connects");
        let (mut sender, connection) =
            hyper::client::conn::http1::Builder::new().max_buf_size(4 << 20).handshake(TokioIo::new(stream)).await.expect("shakes hands");
        tokio::spawn(connection);
        let answer =
            tokio::time::timeout(Duration::from_secs(10), sender.send_request(self.request)).await.expect("in time").expect("an answer");
        // The connection lives as long as its body does.
        answer
    }

    /// Sends it and reads it as a stream of events.
    pub async fn events(self) -> Events {
        let response = self.open().await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Events::of(response.into_body())
    }
}

/// One event as a browser would see it.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    pub id: Option<String>,
    pub name: String,
    pub retry: Option<u64>,
    pub data: Value,
}

impl Event {
    /// Its place in the log.
    pub fn seq(&self) -> u64 {
        let id = self.id.as_deref().expect("an id");
        id.rsplit_once('-').expect("a cursor").1.parse().expect("a number")
    }
}

/// A stream that is read event by event.
pub struct Events {
    body: Incoming,
    text: Vec<u8>,
}

impl Events {
    pub fn of(body: Incoming) -> Self {
        Events { body, text: Vec::new() }
    }

    /// The next event; none at the end of the stream.
    pub async fn next(&mut self) -> Option<Event> {
        tokio::time::timeout(Duration::from_secs(10), self.read()).await.expect("an event in time")
    }

    /// As [`Events::next`], however long it takes.
    pub async fn read(&mut self) -> Option<Event> {
        loop {
            if let Some(end) = self.text.windows(2).position(|two| two == b"\n\n") {
                let block: Vec<u8> = self.text.drain(..end + 2).collect();
                return Some(parse(std::str::from_utf8(&block).expect("UTF-8")));
            }
            let frame = self.body.frame().await?.ok()?;
            self.text.extend_from_slice(frame.data_ref().expect("data"));
        }
    }

    /// All events until the stream ends.
    pub async fn rest(mut self) -> Vec<Event> {
        let mut all = Vec::new();
        while let Some(event) = self.next().await {
            all.push(event);
        }
        assert!(self.text.is_empty(), "half an event at the end");
        all
    }

    /// The next event of that name; what comes before it is passed over.
    pub async fn find(&mut self, name: &str) -> Event {
        loop {
            let event = self.next().await.unwrap_or_else(|| panic!("the stream ended before {name}"));
            if event.name == name {
                return event;
            }
        }
    }
}

fn parse(block: &str) -> Event {
    let mut event = Event { id: None, name: "message".into(), retry: None, data: Value::Null };
    for line in block.lines().filter(|line| !line.is_empty()) {
        match line.split_once(": ").expect("a field") {
            ("id", id) => event.id = Some(id.into()),
            ("event", name) => event.name = name.into(),
            ("retry", millis) => event.retry = Some(millis.parse().expect("a number")),
            ("data", data) => event.data = serde_json::from_str(data).expect("JSON"),
            (other, _) => panic!("a field {other}"),
        }
    }
    assert_ne!(event.data, Value::Null, "an event without data is never dispatched");
    event
}
