//! A page's connection without the page: the very machine that pages decide by, over real sockets and with real timers. What the machine
//! asks for is carried out here by tokio instead of a browser.

use super::server::{Events, TOKEN};
use bytes::Bytes;
use http_body_util::Empty;
use hyper_util::rt::TokioIo;
use kontasks::domain::{
    cursor::Cursor,
    event::{StreamEvent, TaskEvent},
    reconnect::{Action, Answer, Heard, Input, Machine, Options},
};
use std::{
    collections::VecDeque,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::{
    net::TcpStream,
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    task::{AbortHandle, JoinSet},
};

/// What a client has to tell.
pub enum Note {
    /// It is live, over a connection that it meant to make at this moment (in milliseconds since 1970).
    Live(u64),
    Task(String),
    /// The server goes, and asks for a return after so many milliseconds.
    Shutdown(u64),
    /// Something was lost.
    Lost,
}

/// One page's connection without the page.
pub struct Client {
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
    pub fn new(number: usize, address: String, tell: UnboundedSender<(usize, Note)>) -> Self {
        let machine = Machine::new(Options { loopback: true, ..Options::default() }, number as u64);
        let (says, said) = unbounded_channel();
        Client { number, address, machine, connection: None, probe: None, timer: None, due: now(), hands: JoinSet::new(), says, said, tell }
    }

    pub async fn run(mut self) {
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
