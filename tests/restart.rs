//! A thousand open streams and a server that stops and comes back: the program itself, real sockets and real timers, and clients that
//! decide by the very machine that pages decide by. What the machine asks for is carried out here by tokio instead of a browser.

#[path = "support/server.rs"]
mod server;

use bytes::Bytes;
use http_body_util::Empty;
use hyper_util::rt::TokioIo;
use kontasks::domain::{
    cursor::Cursor,
    event::{StreamEvent, TaskEvent},
    reconnect::{Action, Answer, Heard, Input, Machine, Options},
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::Value;
use server::{Events, TOKEN};
use std::{
    collections::{BTreeSet, VecDeque},
    path::Path,
    process::Stdio,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    process::{Child, Command},
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    task::{AbortHandle, JoinSet},
};

const STREAMS: usize = 1_000;
/// Fewer open files than streams, as on many systems; the program may raise it.
const SOFT_LIMIT: u64 = 256;

/// What the titles of those tasks begin with that the clients look for.
const TITLE: &str = "task ";

/// The program, as a person or a service manager starts it.
struct Program {
    child: Child,
    address: String,
}

impl Program {
    async fn start(data: &Path, address: &str) -> Self {
        let mut child = Command::new("/bin/sh")
            .args(["-c", &format!("ulimit -Sn {SOFT_LIMIT}; exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_kontasks")])
            .args(["serve", "--addr", address, "--data"])
            .arg(data)
            .env("KONTASKS_TOKEN", TOKEN)
            .env("SHELL", "/bin/sh")
            .env_remove("KONTASKS_DATABASE")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("starts");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let first = lines.next_line().await.expect("reads").expect("a first line");
        let address = first.strip_prefix("Kontasks listens on http://").expect("its words").to_owned();
        Program { child, address }
    }

    /// How long it took from SIGTERM to its end.
    async fn stop(&mut self) -> Duration {
        let pid = rustix::process::Pid::from_raw(self.child.id().expect("runs").cast_signed()).expect("a process");
        let begin = Instant::now();
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("signals");
        let status = tokio::time::timeout(Duration::from_secs(20), self.child.wait()).await.expect("it ends").expect("waits");
        assert!(status.success(), "{status}");
        begin.elapsed()
    }

    async fn post(&self, path: &str, body: &Value) -> Value {
        let answer = ask(&self.address, &format!("POST {path}"), &body.to_string()).await;
        assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
        serde_json::from_str(answer.split_once("\r\n\r\n").expect("a body").1).expect("JSON")
    }

    async fn tell(&self, titles: &mut Vec<String>, count: usize) {
        for _ in 0..count {
            titles.push(format!("{TITLE}{}", titles.len()));
            self.post("/api/v1/tasks", &serde_json::json!({ "title": titles.last() })).await;
        }
    }
}

/// One request on a connection of its own; all that comes back.
async fn ask(address: &str, line: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).await.expect("connects");
    let head = format!(
        "{line} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all((head + body).as_bytes()).await.expect("writes");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("reads");
    answer
}

/// What a client has to tell.
enum Note {
    /// It is live, over a connection that it meant to make at this moment (in milliseconds since 1970).
    Live(u64),
    Task(String),
    /// The server goes, and asks for a return after so many milliseconds.
    Shutdown(u64),
    /// Something was lost.
    Lost,
}

/// What one client has told.
#[derive(Default)]
struct Record {
    live: Vec<u64>,
    titles: Vec<String>,
    shutdown: Vec<u64>,
    lost: bool,
}

struct Clients {
    records: Vec<Record>,
    notes: UnboundedReceiver<(usize, Note)>,
    /// Ended with this value.
    _running: JoinSet<()>,
}

impl Clients {
    fn start(count: usize, address: &str) -> Self {
        let (tell, notes) = unbounded_channel();
        let mut running = JoinSet::new();
        for number in 0..count {
            running.spawn(Client::new(number, address.to_owned(), tell.clone()).run());
        }
        Clients { records: (0..count).map(|_| Record::default()).collect(), notes, _running: running }
    }

    /// Waits until so many clients are as described.
    async fn until(&mut self, what: &str, wanted: usize, is: impl Fn(&Record) -> bool) {
        let patience = Instant::now() + Duration::from_secs(60);
        let mut some = Vec::new();
        loop {
            let so_many = self.records.iter().filter(|record| is(record)).count();
            if so_many >= wanted {
                return;
            }
            let left = patience.saturating_duration_since(Instant::now());
            let heard = tokio::time::timeout(left, self.notes.recv_many(&mut some, 4_096)).await;
            assert!(heard.is_ok_and(|heard| heard > 0), "{what}: only {so_many} of {wanted}");
            for (number, note) in some.drain(..) {
                let record = &mut self.records[number];
                match note {
                    Note::Live(at) => record.live.push(at),
                    Note::Task(title) => record.titles.push(title),
                    Note::Shutdown(retry) => record.shutdown.push(retry),
                    Note::Lost => record.lost = true,
                }
            }
        }
    }
}

/// One page's connection without the page.
struct Client {
    number: usize,
    address: String,
    machine: Machine,
    connection: Option<AbortHandle>,
    probe: Option<AbortHandle>,
    timer: Option<(u64, u64)>,
    /// When the last timer was to fire: how late it did on a busy machine says nothing about the server.
    due: u64,
    hands: JoinSet<()>,
    says: UnboundedSender<(Input, Option<StreamEvent>)>,
    said: UnboundedReceiver<(Input, Option<StreamEvent>)>,
    tell: UnboundedSender<(usize, Note)>,
}

impl Client {
    fn new(number: usize, address: String, tell: UnboundedSender<(usize, Note)>) -> Self {
        let machine = Machine::new(Options { loopback: true, ..Options::default() }, number as u64);
        let (says, said) = unbounded_channel();
        Client { number, address, machine, connection: None, probe: None, timer: None, due: now(), hands: JoinSet::new(), says, said, tell }
    }

    async fn run(mut self) {
        let mut inputs = VecDeque::from([(Input::Start { after: None }, None)]);
        loop {
            while let Some((input, event)) = inputs.pop_front() {
                for action in self.machine.step(now(), input) {
                    self.act(action, event.as_ref());
                }
            }
            let alarm = self.timer.map(|(_, at)| Duration::from_millis(at.saturating_sub(now())));
            tokio::select! {
                Some(input) = self.said.recv() => inputs.push_back(input),
                () = tokio::time::sleep(alarm.unwrap_or_default()), if alarm.is_some() => {
                    if let Some((timer, at)) = self.timer.take() {
                        self.due = at;
                        inputs.push_back((Input::TimerFired { timer }, None));
                    }
                }
            }
            while self.hands.try_join_next().is_some() {}
        }
    }

    fn act(&mut self, action: Action, event: Option<&StreamEvent>) {
        match action {
            Action::Open { generation, after } => {
                let reading = read(self.address.clone(), after, generation, self.says.clone(), (self.number, self.tell.clone()));
                self.connection = Some(self.hands.spawn(reading));
            }
            Action::CloseSource => self.connection.take().iter().for_each(AbortHandle::abort),
            Action::Probe { generation, after } => {
                let (address, says) = (self.address.clone(), self.says.clone());
                self.probe = Some(self.hands.spawn(async move {
                    let answer = match open("HEAD", &address, after.as_ref()).await {
                        Some(answer) => Answer::Status { code: answer.status().as_u16(), retry_after_ms: None },
                        None => Answer::Unreachable,
                    };
                    let _ = says.send((Input::Probed { generation, answer }, None));
                }));
            }
            Action::DropProbe => self.probe.take().iter().for_each(AbortHandle::abort),
            Action::SetTimer { timer, at } => self.timer = Some((timer, at)),
            Action::ClearTimer => self.timer = None,
            Action::Greet { .. } => self.tell(Note::Live(self.due)),
            Action::Deliver => {
                if let Some(StreamEvent::Task(task)) = event
                    && let TaskEvent::Changed(task) = &**task
                    && task.title.starts_with(TITLE)
                {
                    self.tell(Note::Task(task.title.clone()));
                }
            }
            Action::LoadSnapshot { .. } => self.tell(Note::Lost),
        }
    }

    fn tell(&self, note: Note) {
        let _ = self.tell.send((self.number, note));
    }
}

/// Reads one connection to its end.
async fn read(
    address: String,
    after: Option<Cursor>,
    generation: u64,
    says: UnboundedSender<(Input, Option<StreamEvent>)>,
    (number, tell): (usize, UnboundedSender<(usize, Note)>),
) {
    if let Some(answer) = open("GET", &address, after.as_ref()).await.filter(|answer| answer.status() == 200) {
        let _ = says.send((Input::Opened { generation }, None));
        let mut events = Events::of(answer.into_body());
        while let Some(event) = events.read().await {
            let read = StreamEvent::parse(&event.name, &event.data.to_string()).expect("readable").expect("known");
            if let StreamEvent::Shutdown(shutdown) = &read {
                assert_eq!(event.retry, Some(shutdown.retry_ms), "for a browser as for the page");
                let _ = tell.send((number, Note::Shutdown(shutdown.retry_ms)));
            }
            let heard = Heard::of(&read, event.id.map(|id| id.parse().expect("a cursor")));
            let _ = says.send((Input::Heard { generation, heard }, Some(read)));
        }
    }
    let _ = says.send((Input::Errored { generation }, None));
}

async fn open(method: &str, address: &str, after: Option<&Cursor>) -> Option<hyper::Response<hyper::body::Incoming>> {
    let stream = TcpStream::connect(address).await.ok()?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.ok()?;
    tokio::spawn(connection);
    let path = after.map_or_else(|| "/api/v1/events".to_owned(), |after| format!("/api/v1/events?after={after}"));
    let request =
        hyper::Request::builder().method(method).uri(path).header("host", address).header("authorization", format!("Bearer {TOKEN}"));
    sender.send_request(request.body(Empty::<Bytes>::new()).expect("a request")).await.ok()
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    u64::try_from(since.as_millis()).expect("fits")
}

/// The most of these moments that fall into one second, wherever it begins.
fn busiest_second(mut moments: Vec<u64>) -> usize {
    moments.sort_unstable();
    (0..moments.len()).map(|from| moments[from..].iter().take_while(|at| **at - moments[from] < 1_000).count()).max().unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_streams_are_told_come_back_one_after_the_other_and_miss_nothing() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).expect("raises its own limit");
    let data = tempfile::tempdir().expect("a folder");
    let mut program = Program::start(data.path(), "127.0.0.1:0").await;
    let mut clients = Clients::start(STREAMS, &program.address);
    clients.until("open", STREAMS, |record| record.live.len() == 1).await;

    let mut titles = Vec::new();
    program.tell(&mut titles, 5).await;
    let told = titles.len();
    clients.until("have what was written before", STREAMS, |record| record.titles.len() == told).await;
    // What is run from here begins with the limit that the server began with.
    let run = program.post("/api/v1/runs", &serde_json::json!({ "prompt": "ulimit -Sn" })).await;
    let id = run["run"]["id"].as_str().expect("an id");
    ask(&program.address, &format!("GET /api/v1/runs/{id}/events"), "").await;
    let output = ask(&program.address, &format!("GET /api/v1/runs/{id}/output"), "").await;
    assert_eq!(output.split_once("\r\n\r\n").expect("a body").1, format!("{SOFT_LIMIT}\n"));

    let took = program.stop().await;
    eprintln!("{STREAMS} idle streams: gone {took:?} after SIGTERM");
    clients.until("told", STREAMS, |record| record.shutdown.len() == 1).await;
    let asked: BTreeSet<u64> = clients.records.iter().flat_map(|record| record.shutdown.clone()).collect();
    assert!(asked.len() > STREAMS / 2, "only {} different times to return at", asked.len());

    let address = program.address.clone();
    let begin = Instant::now();
    let program = Program::start(data.path(), &address).await;
    for part in 1..=4 {
        program.tell(&mut titles, 3).await;
        clients.until("back", STREAMS * part / 4, |record| record.live.len() == 2).await;
    }
    let last = begin.elapsed();
    program.tell(&mut titles, 3).await;
    let told = titles.len();
    clients.until("have all that was written since", STREAMS, |record| record.titles.len() >= told).await;
    for record in &clients.records {
        assert_eq!(record.titles, titles, "nothing lost, nothing repeated");
        assert!(!record.lost, "a snapshot had to make good what the stream did not bring");
        assert_eq!(record.live.len(), 2, "no connection beyond the one that was needed");
    }
    let busiest = busiest_second(clients.records.iter().map(|record| record.live[1]).collect());
    eprintln!("all are back {last:?} after the start; the busiest second brought {busiest} of them");
    assert!(last < Duration::from_secs(30), "{last:?}");
    assert!(busiest <= STREAMS / 5, "{busiest} came back within one second");
}

#[tokio::test]
async fn while_it_stops_it_says_so_to_whoever_is_connected() {
    let server = server::start().await;
    let mut waiting = Vec::new();
    for path in std::iter::once("/readyz").chain(["/api/v1/events"; 30]) {
        let mut stream = TcpStream::connect(server.address).await.expect("connects");
        let begin = format!("GET {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {TOKEN}\r\n", server.address);
        stream.write_all(begin.as_bytes()).await.expect("writes");
        waiting.push(stream);
    }
    // It is accepted after those, so that they have been when it is answered.
    assert_eq!(server.get("/readyz").await.text(), "ready\n");
    server.state.shutdown.cancel();
    let mut answers = Vec::new();
    for mut stream in waiting {
        stream.write_all(b"\r\n").await.expect("writes");
        let mut answer = String::new();
        tokio::time::timeout(Duration::from_secs(10), stream.read_to_string(&mut answer)).await.expect("in time").expect("reads");
        assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
        answers.push(answer.to_lowercase());
    }
    assert!(answers.remove(0).ends_with("draining\n"));
    let times: BTreeSet<&str> =
        answers.iter().map(|answer| answer.split_once("retry-after: ").expect("a time").1.lines().next().expect("a value")).collect();
    assert!(times.len() > 1 && times.iter().all(|time| ["1", "2", "3"].contains(time)), "{times:?}");
}
