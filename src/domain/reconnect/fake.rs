//! A browser for tests: it carries out the machine's actions on a clock that it moves itself, and checks after each step what must
//! hold always.

use super::{Action, Answer, Heard, Input, Machine, Options, Status};
use crate::domain::cursor::{Cursor, Epoch};

pub(super) const START: u64 = 1_800_000_000_000;

pub(super) struct Browser {
    pub machine: Machine,
    pub now: u64,
    pub source: Option<u64>,
    pub timer: Option<(u64, u64)>,
    pub probe: Option<u64>,
    /// When each connection was asked for, and after which cursor.
    pub opens: Vec<(u64, Option<Cursor>)>,
    pub last: Vec<Action>,
}

impl Browser {
    pub fn new(options: Options, seed: u64) -> Self {
        let machine = Machine::new(options, seed);
        Browser { machine, now: START, source: None, timer: None, probe: None, opens: Vec::new(), last: Vec::new() }
    }

    /// Connected and greeted, after cursor `k-10`.
    pub fn live(seed: u64) -> Self {
        let mut browser = Browser::new(Options::default(), seed);
        browser.say(Input::Start { after: Some(at(10)) });
        browser.open();
        browser.hear(hello());
        assert_eq!(browser.machine.status(), Status::Live);
        browser
    }

    /// Somebody sets the clock. A timer that is set counts down by itself.
    pub fn set_clock(&mut self, now: u64) {
        self.timer = self.timer.map(|(timer, at)| (timer, now.saturating_add(at.saturating_sub(self.now))));
        self.now = now;
    }

    pub fn say(&mut self, input: Input) -> &[Action] {
        self.last = self.machine.step(self.now, input);
        for action in self.last.clone() {
            match action {
                Action::Open { generation, after } => {
                    assert_eq!(self.source, None, "a second connection");
                    self.source = Some(generation);
                    self.opens.push((self.now, after));
                }
                Action::CloseSource => assert!(self.source.take().is_some(), "nothing to close"),
                Action::Probe { generation, .. } => {
                    assert_eq!(self.probe, None, "a second probe");
                    self.probe = Some(generation);
                }
                Action::DropProbe => self.probe = None,
                Action::SetTimer { timer, at } => self.timer = Some((timer, at)),
                Action::ClearTimer => self.timer = None,
                Action::Greet { .. } | Action::Deliver | Action::LoadSnapshot { .. } => {}
            }
        }
        self.check();
        &self.last
    }

    fn check(&self) {
        let status = self.machine.status();
        let view = self.machine.view();
        let connected = matches!(status, Status::Connecting | Status::Live);
        assert_eq!(connected, self.source.is_some(), "{status:?} with source {:?}", self.source);
        assert_eq!(connected || status == Status::Waiting, self.timer.is_some(), "{status:?} with timer {:?}", self.timer);
        assert_eq!(status == Status::Waiting, view.next_retry_at.is_some());
        if let Some((_, at)) = self.timer {
            assert!(at <= self.now + 4_000_000, "the timer is out of reach");
        }
    }

    pub fn open(&mut self) -> &[Action] {
        let generation = self.source.expect("connecting");
        self.say(Input::Opened { generation })
    }

    pub fn hear(&mut self, heard: Heard) -> &[Action] {
        let generation = self.source.expect("connected");
        self.say(Input::Heard { generation, heard })
    }

    pub fn fail(&mut self) -> &[Action] {
        let generation = self.source.expect("connected");
        self.say(Input::Errored { generation })
    }

    pub fn answer(&mut self, answer: Answer) -> &[Action] {
        let generation = self.probe.take().expect("a probe");
        self.say(Input::Probed { generation, answer })
    }

    pub fn status_answer(&mut self, code: u16) -> &[Action] {
        self.answer(Answer::Status { code, retry_after_ms: None })
    }

    /// Moves the clock to the timer and fires it.
    pub fn fire(&mut self) -> &[Action] {
        let (timer, at) = self.timer.take().expect("a timer");
        self.now = self.now.max(at);
        self.say(Input::TimerFired { timer })
    }

    /// How long the next attempt is away.
    pub fn delay(&self) -> u64 {
        self.machine.view().next_retry_at.expect("waiting") - self.now
    }
}

pub(super) fn epoch(name: &str) -> Epoch {
    Epoch::new(name).expect("fits")
}

pub(super) fn at(seq: u64) -> Cursor {
    Cursor { epoch: epoch("k"), seq }
}

pub(super) fn hello() -> Heard {
    hello_with(None)
}

pub(super) fn hello_with(retry_ms: Option<u64>) -> Heard {
    Heard::Hello { epoch: epoch("k"), head: 10, heartbeat_ms: 15_000, retry_ms }
}
