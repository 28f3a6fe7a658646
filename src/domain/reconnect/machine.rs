//! The machine itself: one `step` for everything that can happen. Its invariants: at most one connection is open, and each has its
//! own number, so that what an older one still says is ignored; in `Connecting`, `Live` and `Waiting` a timer is set, and in `Paused`
//! an input of the browser or of a person leads out, so that it never ends anywhere but in `Closed`.

mod clock;

use super::{
    Action, Answer, Closed, Heard, Input, Options, Pause, Status, Trouble, View,
    backoff::{self, Random},
    resume::Place,
};
use crate::domain::cursor::Cursor;

/// A `Retry-After` beyond this is cut to it: browser timers end at 24 days, and nobody waits an hour.
const MAX_RETRY_AFTER_MS: u64 = 3_600_000;

/// The connection's life. See the module.
#[derive(Clone, Debug)]
pub struct Machine {
    options: Options,
    random: Random,
    status: Status,
    /// Failures in a row.
    failures: u32,
    error: Option<Trouble>,
    place: Place,
    base_ms: u64,
    /// What the present connection said by `retry:`.
    hint_ms: Option<u64>,
    heartbeat_ms: u64,
    generation: u64,
    timer: u64,
    timer_set: bool,
    /// A probe is under way, and its answer is still wanted.
    probing: bool,
    /// In `Connecting` when it was asked for, in `Live` when it was answered.
    since: u64,
    heard_at: u64,
    /// This connection has proved its health.
    healthy: bool,
    next_retry_at: Option<u64>,
    /// The server asked not to be tried before then.
    not_before: Option<u64>,
    /// This connection takes the place of one whose time was up: nothing was lost, and nothing need be shown.
    renewing: bool,
    /// Something was lost since the last `hello`.
    lost: bool,
    offline: bool,
    away: bool,
    now: u64,
}

impl Machine {
    /// A machine that does nothing until [`Input::Start`]. The seed decides its jitter.
    #[must_use]
    pub fn new(options: Options, seed: u64) -> Self {
        Machine {
            random: Random::new(seed),
            status: Status::Idle,
            failures: 0,
            error: None,
            place: Place::default(),
            base_ms: options.base_ms,
            hint_ms: None,
            heartbeat_ms: options.heartbeat_ms,
            generation: 0,
            timer: 0,
            timer_set: false,
            probing: false,
            since: 0,
            heard_at: 0,
            healthy: false,
            next_retry_at: None,
            not_before: None,
            renewing: false,
            lost: false,
            offline: false,
            away: false,
            now: 0,
            options,
        }
    }

    /// Where the stream stands.
    #[must_use]
    pub fn status(&self) -> Status {
        self.status
    }

    /// What a page may show.
    #[must_use]
    pub fn view(&self) -> View {
        let unseen = self.renewing && self.status == Status::Connecting;
        View {
            status: if unseen { Status::Live } else { self.status },
            attempt: self.failures.min(self.options.attempts),
            next_retry_at: self.next_retry_at,
            error: self.error.clone(),
        }
    }

    /// Everything up to here has been delivered.
    #[must_use]
    pub fn cursor(&self) -> Option<&Cursor> {
        self.place.seen.as_ref()
    }

    /// Whether the machine was last told that there is no network.
    #[must_use]
    pub fn is_offline(&self) -> bool {
        self.offline
    }

    /// Takes one input, at a moment in milliseconds since 1970, and says what to do.
    pub fn step(&mut self, now: u64, input: Input) -> Vec<Action> {
        self.set_clock(now);
        let mut actions = Vec::new();
        let out = &mut actions;
        match input {
            Input::Start { after } => self.start(after, true, out),
            Input::Retarget { after } => self.start(after, false, out),
            // Who is signed out stays so, and the page goes on saying it.
            Input::Stop if self.status == Status::Closed(Closed::SignedOut) => {}
            Input::Stop => {
                self.end(Status::Idle, out);
                self.error = None;
            }
            Input::Close => {
                self.end(Status::Closed(Closed::Explicit), out);
                self.error = None;
            }
            Input::ReconnectNow => self.reconnect_now(out),
            Input::Opened { generation } if generation == self.generation => self.opened(out),
            Input::Heard { generation, heard } if generation == self.generation && self.is_connected() => {
                self.opened(out);
                self.heard(heard, out);
            }
            Input::Errored { generation } if generation == self.generation && self.is_connected() => self.lose(Trouble::Lost, true, out),
            Input::Probed { generation, answer } if generation == self.generation && self.probing => self.probed(answer, out),
            Input::TimerFired { timer } if timer == self.timer && self.timer_set => {
                self.timer_set = false;
                self.wake(out);
            }
            // What is over and speaks up all the same.
            Input::Opened { .. } | Input::Heard { .. } | Input::Errored { .. } | Input::Probed { .. } | Input::TimerFired { .. } => {}
            Input::Online => {
                self.offline = false;
                if matches!(self.status, Status::Waiting | Status::Paused(Pause::Offline | Pause::Exhausted)) {
                    self.rearm(out);
                }
            }
            Input::Offline => {
                self.offline = true;
                if !self.options.loopback && (self.is_trying() || self.status == Status::Paused(Pause::Exhausted)) {
                    self.end(Status::Paused(Pause::Offline), out);
                    self.lost = true;
                }
            }
            Input::Visible => self.look_up(out),
            Input::Hidden => {}
            Input::PageHide => {
                self.away = true;
                if self.is_trying() || matches!(self.status, Status::Paused(_)) {
                    self.end(Status::Paused(Pause::Away), out);
                    self.lost = true;
                }
            }
            Input::PageShow => {
                self.away = false;
                self.look_up(out);
            }
        }
        actions
    }

    fn is_connected(&self) -> bool {
        matches!(self.status, Status::Connecting | Status::Live)
    }

    fn is_trying(&self) -> bool {
        self.is_connected() || self.status == Status::Waiting
    }

    /// `explicit` also ends an explicit close; no start ends being signed out.
    fn start(&mut self, after: Option<Cursor>, explicit: bool, out: &mut Vec<Action>) {
        if after.is_some() {
            self.place.seen = after;
        }
        match self.status {
            Status::Connecting | Status::Live => self.open(out),
            // A probe that is under way asks about the target before: that nothing is left there says nothing of this one.
            Status::Waiting | Status::Paused(_) => self.drop_probe(out),
            Status::Closed(Closed::SignedOut) => {}
            Status::Closed(Closed::Explicit) if !explicit => {}
            Status::Idle | Status::Closed(_) => {
                self.lost = false;
                self.rearm(out);
            }
        }
    }

    fn reconnect_now(&mut self, out: &mut Vec<Action>) {
        match self.status {
            Status::Idle | Status::Closed(Closed::SignedOut | Closed::Completed) | Status::Paused(Pause::Away) => {}
            _ => {
                self.failures = 0;
                self.open(out);
            }
        }
    }

    /// Somebody looks at the page: what the sleeping clock has missed is made up for.
    fn look_up(&mut self, out: &mut Vec<Action>) {
        match self.status {
            Status::Paused(_) => self.rearm(out),
            Status::Waiting if self.not_before.is_none_or(|at| at <= self.now) => self.rearm(out),
            Status::Connecting | Status::Live => self.wake(out),
            _ => {}
        }
    }

    /// Connects with a fresh budget, unless there is a reason to pause.
    fn rearm(&mut self, out: &mut Vec<Action>) {
        self.failures = 0;
        if self.away {
            self.end(Status::Paused(Pause::Away), out);
        } else if self.is_cut_off() {
            self.end(Status::Paused(Pause::Offline), out);
        } else {
            self.open(out);
        }
    }

    fn is_cut_off(&self) -> bool {
        self.offline && !self.options.loopback
    }

    fn open(&mut self, out: &mut Vec<Action>) {
        self.disconnect(out);
        self.generation += 1;
        self.status = Status::Connecting;
        self.next_retry_at = None;
        self.not_before = None;
        self.healthy = false;
        self.renewing = false;
        self.hint_ms = None;
        self.place.begin();
        self.since = self.now;
        self.heard_at = self.now;
        out.push(Action::Open { generation: self.generation, after: self.place.seen.clone() });
        self.set_timer(self.now + self.options.connect_timeout_ms, out);
    }

    fn opened(&mut self, out: &mut Vec<Action>) {
        if self.status == Status::Connecting {
            self.status = Status::Live;
            self.error = None;
            self.since = self.now;
            self.heard_at = self.now;
            self.watch(out);
        }
    }

    fn heard(&mut self, heard: Heard, out: &mut Vec<Action>) {
        self.heard_at = self.now;
        match heard {
            Heard::ForceLogout { reason } => {
                self.end(Status::Closed(Closed::SignedOut), out);
                self.error = Some(Trouble::LoggedOut(reason));
                return;
            }
            // A server that ends each stream as soon as it stands is waited for as any other.
            Heard::Shutdown { renewal: true, .. } if self.now >= self.since + self.options.healthy_after_ms => {
                self.open(out);
                self.renewing = true;
                return;
            }
            Heard::Shutdown { retry_ms, .. } => {
                self.base_ms = retry_ms;
                self.lose(Trouble::ShuttingDown, false, out);
                return;
            }
            Heard::Retry { retry_ms } => {
                self.hint_ms = Some(retry_ms);
                self.base_ms = retry_ms;
                return;
            }
            Heard::Hello { heartbeat_ms, retry_ms, .. } => {
                self.heartbeat_ms = heartbeat_ms.clamp(1_000, 300_000);
                self.base_ms = retry_ms.or(self.hint_ms).unwrap_or(self.options.base_ms);
                self.prove_health();
                self.watch(out);
                out.push(Action::Greet { resumed: std::mem::take(&mut self.lost) });
            }
            _ => self.prove_health(),
        }
        out.extend(self.place.take(heard));
    }

    fn prove_health(&mut self) {
        self.healthy = true;
        self.failures = 0;
    }

    /// The connection is gone. Where the reason carried no status, a probe finds out which one there is.
    fn lose(&mut self, trouble: Trouble, probe: bool, out: &mut Vec<Action>) {
        self.lost = true;
        self.error = Some(trouble);
        if self.is_cut_off() {
            self.end(Status::Paused(Pause::Offline), out);
            return;
        }
        self.disconnect(out);
        self.failures = self.failures.saturating_add(1);
        if self.failures > self.options.attempts {
            self.status = Status::Paused(Pause::Exhausted);
            self.clear_timer(out);
        } else {
            self.status = Status::Waiting;
            let delay = backoff::delay(self.base_ms, self.failures, &mut self.random);
            self.wait_until(self.now + delay, out);
        }
        if probe {
            self.probing = true;
            out.push(Action::Probe { generation: self.generation, after: self.place.seen.clone() });
        }
    }

    fn probed(&mut self, answer: Answer, out: &mut Vec<Action>) {
        self.probing = false;
        match answer {
            Answer::Unreachable => self.error = Some(Trouble::Unreachable),
            Answer::Status { code: 204, .. } => {
                self.end(Status::Closed(Closed::Completed), out);
                self.error = None;
            }
            Answer::Status { code: code @ (401 | 403), .. } => {
                self.end(Status::Closed(Closed::SignedOut), out);
                self.error = Some(Trouble::Answered(code));
            }
            Answer::Status { code, retry_after_ms } if !(400..500).contains(&code) || matches!(code, 408 | 425 | 429) => {
                if code != 200 {
                    self.error = Some(Trouble::Answered(code));
                }
                if let Some(wish) = retry_after_ms {
                    self.respect(wish.min(MAX_RETRY_AFTER_MS), out);
                }
            }
            Answer::Status { code, .. } => {
                self.end(Status::Closed(Closed::Rejected(code)), out);
                self.error = Some(Trouble::Answered(code));
            }
        }
    }

    /// The server names a time before which it does not want to be asked; everybody else was told the same, so jitter goes on top.
    fn respect(&mut self, wish: u64, out: &mut Vec<Action>) {
        if self.status != Status::Waiting {
            return;
        }
        let not_before = self.now + wish;
        self.not_before = Some(not_before);
        if self.next_retry_at.is_none_or(|at| at < not_before) {
            let spread = self.random.up_to(backoff::cap(self.base_ms, self.failures));
            self.wait_until(not_before + spread, out);
        }
    }

    /// Leaves everything that is under way, for a status in which nothing is.
    fn end(&mut self, status: Status, out: &mut Vec<Action>) {
        self.disconnect(out);
        self.clear_timer(out);
        self.status = status;
        self.failures = 0;
    }

    fn disconnect(&mut self, out: &mut Vec<Action>) {
        if self.is_connected() {
            out.push(Action::CloseSource);
        }
        self.drop_probe(out);
        self.next_retry_at = None;
        self.not_before = None;
    }

    fn drop_probe(&mut self, out: &mut Vec<Action>) {
        if std::mem::take(&mut self.probing) {
            out.push(Action::DropProbe);
        }
    }
}
