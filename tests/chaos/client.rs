//! A page without the page: the machine that pages decide by and the parser that reads their streams, over real sockets and with a clock
//! that goes faster and jumps. It keeps exactly the bytes that it was given of each run.

use crate::{
    copies::{Copies, load},
    http,
    plan::{Begin, ClientPlan},
    tally::Tally,
};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use kontasks::domain::{
    cursor::{Cursor, Epoch},
    event::StreamEvent,
    event_stream_parser::{EventStreamParser, Parsed},
    id::RunId,
    reconnect::{Action, Answer, Closed, Heard, Input, Machine, Options, Pause, Status},
};
use std::{collections::VecDeque, time::Duration};
use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    task::{AbortHandle, JoinSet},
    time::{Instant, sleep_until},
};

/// How long a page stands paused before somebody looks at it.
const UNSEEN: Duration = Duration::from_millis(300);

pub struct Client {
    plan: ClientPlan,
    address: String,
    path: String,
    runs: Vec<RunId>,
    machine: Machine,
    clock: Clock,
    connection: Option<AbortHandle>,
    probe: Option<AbortHandle>,
    /// A snapshot is on its way: until it is there, what comes is not for the copies.
    loading: Option<AbortHandle>,
    /// The number of the newest of them.
    loads: u64,
    timer: Option<(u64, Instant)>,
    hands: JoinSet<()>,
    says: UnboundedSender<Said>,
    said: UnboundedReceiver<Said>,
    copies: Copies,
    tally: Tally,
}

/// What a hand has to say.
enum Said {
    Input(Input, Option<(StreamEvent, Cursor)>),
    Loaded(u64, Result<(Copies, Cursor), String>),
    /// The server has broken a promise.
    Broken(String),
}

impl Client {
    pub fn new(plan: ClientPlan, address: String, runs: Vec<RunId>, tally: Tally) -> Self {
        let path = if plan.board {
            let names: Vec<String> = runs.iter().map(|run| format!("run={run}")).collect();
            format!("/api/v1/events?{}", names.join("&"))
        } else {
            format!("/api/v1/runs/{}/events", runs[0])
        };
        let machine = Machine::new(Options { loopback: true, ..Options::default() }, plan.seed);
        let (says, said) = unbounded_channel();
        let clock = Clock { begin: Instant::now(), speed: plan.speed.into(), offset: 1_700_000_000_000 };
        let (connection, probe, loading, timer) = (None, None, None, None);
        let (loads, hands, copies) = (0, JoinSet::new(), Copies::default());
        Client { plan, address, path, runs, machine, clock, connection, probe, loading, loads, timer, hands, says, said, copies, tally }
    }

    /// Reads until every run has ended and, where the stream is a run's own, is over.
    pub async fn read(mut self) -> Result<Copies, String> {
        let begin = Instant::now();
        let mut jumps: Vec<(Instant, i64)> = self.plan.jumps.iter().map(|(after, by)| (begin + *after, *by)).collect();
        jumps.sort_unstable();
        let mut jumps = VecDeque::from(jumps);
        let mut reload = self.plan.reload.map(|after| begin + after);
        self.load();
        loop {
            if self.is_done()? {
                self.tally.add("snapshots loaded", self.loads);
                return Ok(self.copies);
            }
            let paused = matches!(self.machine.status(), Status::Paused(Pause::Exhausted));
            let (alarm, jump) = (self.timer.map(|(_, at)| at), jumps.front().map(|(at, _)| *at));
            tokio::select! {
                Some(said) = self.said.recv() => self.hear(said)?,
                () = until(alarm), if alarm.is_some() => {
                    if let Some((timer, _)) = self.timer.take() {
                        self.tell(Input::TimerFired { timer }, None);
                    }
                }
                () = until(jump), if jump.is_some() => {
                    self.tally.count("clock jumps");
                    self.clock.offset += jumps.pop_front().map_or(0, |(_, by)| by);
                }
                () = until(reload), if reload.is_some() => {
                    reload = None;
                    self.tell(Input::Stop, None);
                    self.plan.begin = Begin::Snapshot;
                    self.load();
                }
                () = tokio::time::sleep(UNSEEN), if paused => self.tell(Input::Visible, None),
            }
            while self.hands.try_join_next().is_some() {}
        }
    }

    fn is_done(&self) -> Result<bool, String> {
        let ended = self.loading.is_none() && self.copies.have_ended();
        match self.machine.status() {
            Status::Closed(Closed::Completed) if ended => Ok(true),
            Status::Closed(Closed::Completed) if self.loading.is_some() => Ok(false),
            Status::Closed(how) => Err(format!("{}: closed ({how:?}) before the end", self.path)),
            _ => Ok(ended && self.plan.board),
        }
    }

    fn hear(&mut self, said: Said) -> Result<(), String> {
        match said {
            Said::Input(input, event) => self.tell(input, event.as_ref()),
            Said::Broken(how) => return Err(format!("{}: {how}", self.path)),
            Said::Loaded(number, _) if number != self.loads => {}
            Said::Loaded(_, loaded) => {
                let (copies, cursor) = loaded?;
                self.loading = None;
                let later = Cursor { seq: 1 << 50, ..cursor.clone() };
                let foreign = Cursor { epoch: Epoch::new("0ther").expect("fits"), seq: 5 };
                // Only the first time: what a page loads later it goes on from.
                let after = match std::mem::replace(&mut self.plan.begin, Begin::Snapshot) {
                    Begin::Nothing => Cursor { seq: 0, ..cursor },
                    Begin::ForeignCursor => foreign,
                    Begin::FutureCursor => later,
                    Begin::Snapshot => {
                        self.copies = copies;
                        self.tell(Input::Start { after: Some(cursor) }, None);
                        return Ok(());
                    }
                };
                self.copies = Copies::nothing(&self.runs);
                self.tell(Input::Start { after: Some(after) }, None);
            }
        }
        Ok(())
    }

    fn tell(&mut self, input: Input, event: Option<&(StreamEvent, Cursor)>) {
        let now = self.clock.now();
        for action in self.machine.step(now, input) {
            self.act(action, event);
        }
    }

    fn act(&mut self, action: Action, event: Option<&(StreamEvent, Cursor)>) {
        match action {
            Action::Open { generation, after } => {
                self.tally.count("connections");
                let reading = read(self.address.clone(), self.path.clone(), after, generation, self.says.clone());
                self.connection = Some(self.hands.spawn(reading));
            }
            Action::CloseSource => self.connection.take().iter().for_each(AbortHandle::abort),
            Action::Probe { generation, after } => {
                let (address, path, says) = (self.address.clone(), with_cursor(&self.path, after.as_ref()), self.says.clone());
                self.probe = Some(self.hands.spawn(async move {
                    let answer = probe(&address, &path).await;
                    let _ = says.send(Said::Input(Input::Probed { generation, answer }, None));
                }));
            }
            Action::DropProbe => self.probe.take().iter().for_each(AbortHandle::abort),
            Action::SetTimer { timer, at } => self.timer = Some((timer, self.clock.moment(at))),
            Action::ClearTimer => self.timer = None,
            Action::Greet { .. } => {}
            Action::Deliver => {
                if let (Some((event, cursor)), None) = (event, &self.loading) {
                    self.copies.take(event, cursor.seq);
                }
            }
            Action::LoadSnapshot { .. } => self.load(),
        }
    }

    fn load(&mut self) {
        self.loading.take().iter().for_each(AbortHandle::abort);
        self.loads += 1;
        let (number, address, runs, says) = (self.loads, self.address.clone(), self.runs.clone(), self.says.clone());
        self.loading = Some(self.hands.spawn(async move {
            let _ = says.send(Said::Loaded(number, load(&address, &runs).await));
        }));
    }
}

/// The clock of the machine that the page is on.
struct Clock {
    begin: Instant,
    speed: u64,
    /// Where it began, in milliseconds since 1970, and how it was set since.
    offset: i64,
}

impl Clock {
    fn now(&self) -> u64 {
        let since = self.begin.elapsed().as_millis() as u64 * self.speed;
        self.offset.saturating_add_unsigned(since).unsigned_abs()
    }

    /// When a timer fires that is set now for `at`: a duration, as browsers have it, that no later setting of the clock changes.
    fn moment(&self, at: u64) -> Instant {
        Instant::now() + Duration::from_millis(at.saturating_sub(self.now()) / self.speed)
    }
}

async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

fn with_cursor(path: &str, after: Option<&Cursor>) -> String {
    match after {
        Some(cursor) => format!("{path}{}after={cursor}", if path.contains('?') { '&' } else { '?' }),
        None => path.to_owned(),
    }
}

async fn probe(address: &str, path: &str) -> Answer {
    let request = http::request("HEAD", address, path).body(Full::<Bytes>::default()).expect("a request");
    match http::open(address, request).await {
        Some(answer) => {
            let wish = answer.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
            Answer::Status { code: answer.status().as_u16(), retry_after_ms: wish.map(|seconds| seconds * 1_000) }
        }
        None => Answer::Unreachable,
    }
}

/// Reads one connection to its end, and sees to it that no event comes twice or out of turn.
async fn read(address: String, path: String, after: Option<Cursor>, generation: u64, says: UnboundedSender<Said>) {
    let request = http::request("GET", &address, &with_cursor(&path, after.as_ref())).body(Full::<Bytes>::default()).expect("a request");
    if let Some(answer) = http::open(&address, request).await.filter(|answer| answer.status() == 200) {
        let _ = says.send(Said::Input(Input::Opened { generation }, None));
        let (mut body, mut parser, mut last) = (answer.into_body(), EventStreamParser::default(), None);
        while let Some(Ok(frame)) = body.frame().await {
            let chunk = frame.into_data().unwrap_or_default();
            parser.feed(&chunk, &mut |parsed| {
                let said = match parsed {
                    Parsed::Event(event) => understand(event.name, event.data, event.last_event_id, generation, after.as_ref(), &mut last),
                    Parsed::Retry(retry_ms) => Ok(Said::Input(Input::Heard { generation, heard: Heard::Retry { retry_ms } }, None)),
                    Parsed::TooLong { name, .. } => Err(format!("an event {name} is too long")),
                };
                let _ = says.send(said.unwrap_or_else(Said::Broken));
            });
        }
    }
    let _ = says.send(Said::Input(Input::Errored { generation }, None));
}

fn understand(name: &str, data: &str, id: &str, generation: u64, after: Option<&Cursor>, last: &mut Option<u64>) -> Result<Said, String> {
    let event = StreamEvent::parse(name, data).map_err(|error| format!("an event {name}: {error}"))?;
    let event = event.ok_or_else(|| format!("an event {name} that nobody knows"))?;
    let in_log = matches!(name, "task" | "run" | "output" | "end");
    let cursor = if in_log { Some(id.parse::<Cursor>().map_err(|_| format!("an event {name} has the id {id:?}"))?) } else { None };
    if let StreamEvent::Hello(hello) = &event {
        *last = after.filter(|after| after.epoch == hello.epoch && after.seq <= hello.head).map(|after| after.seq);
    }
    if let Some(cursor) = &cursor {
        if last.is_some_and(|last| cursor.seq <= last) {
            return Err(format!("{cursor} ({name}) comes after {last:?}"));
        }
        *last = Some(cursor.seq);
    }
    let heard = Heard::of(&event, cursor.clone());
    Ok(Said::Input(Input::Heard { generation, heard }, cursor.map(|cursor| (event, cursor))))
}
