//! The machine of one tab. Its invariants: only a tab that holds the lock, or is alone, has a connection; what reaches the components
//! follows without a gap on what they have, or is a reset; and a tab that hears nothing from the one that leads takes over.

use super::{Action, Heard, Input, Led, Message, TabId, Term, Wish};
use crate::domain::{
    cursor::Cursor,
    event::MAX_RUNS,
    id::RunId,
    reconnect::{Closed, Pause, Status, View},
};

/// How long a tab that asked waits for an answer before it takes the lead itself, in milliseconds.
const ANSWER_MS: u64 = 5_000;
/// How long the leading tab may be silent before it is asked, in milliseconds: three heartbeats of the server, which it passes on.
const SILENCE_MS: u64 = 45_000;
/// How long a new leader carries the runs that its predecessor carried, whose tabs may not have spoken up yet, in milliseconds.
const INHERITANCE_MS: u64 = 5_000;

/// Where a tab stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// Nothing was wanted yet.
    Idle,
    /// Without lock or channel.
    Alone,
    /// Another tab leads, or none does yet.
    Following,
    /// This tab has the connection.
    Leading { since: u64 },
    /// Not on the screen, and perhaps never again.
    Away,
    /// The session is over. Only a new page helps.
    Over,
}

/// One tab's part. See the module.
#[derive(Clone, Debug)]
pub struct Sharing {
    me: TabId,
    role: Role,
    /// What the components want; `after` moves with what they get.
    wish: Option<Wish>,
    /// What comes next follows on what the components have.
    fed: bool,
    /// What the stream carries, as the one that leads has said; `after` moves with what it passes on.
    carried: Option<Wish>,
    view: View,
    /// Following: whom, and the number of the last message.
    leader: Option<(Term, u64)>,
    /// Following: since when an answer is waited for.
    asked_at: Option<u64>,
    heard_at: u64,
    /// Leading: what others want.
    members: Vec<(TabId, Vec<RunId>)>,
    inherited: Vec<RunId>,
    number: u64,
    now: u64,
}

impl Sharing {
    /// A tab that takes part in nothing before its components want something.
    #[must_use]
    pub fn new(me: TabId) -> Self {
        Sharing {
            me,
            role: Role::Idle,
            wish: None,
            fed: false,
            carried: None,
            view: View::default(),
            leader: None,
            asked_at: None,
            heard_at: 0,
            members: Vec::new(),
            inherited: Vec::new(),
            number: 0,
            now: 0,
        }
    }

    /// Takes one input, at a moment in milliseconds since 1970, and says what to do.
    pub fn step(&mut self, now: u64, input: Input) -> Vec<Action> {
        self.now = now;
        let mut actions = Vec::new();
        let out = &mut actions;
        match (input, self.role) {
            (_, Role::Over) => {}
            (Input::Want(wish), role) => self.want(role, wish, out),
            (Input::Alone, _) => {
                self.role = Role::Alone;
                self.fed = true;
                out.push(Action::Connect(self.wish.clone()));
            }
            (Input::Elected, Role::Following) => self.lead(out),
            // It was queued for and taken at the same time.
            (Input::Elected, Role::Leading { .. }) => {}
            // It came too late, and would stand in the way of others.
            (Input::Elected, _) => out.push(Action::Leave),
            (Input::Deposed, Role::Leading { .. }) => {
                out.push(Action::Connect(None));
                self.follow(out);
            }
            (Input::Told(message), role) => self.told(role, message, out),
            (Input::Heard(heard), Role::Leading { .. }) => {
                if self.has_audience() {
                    self.say(Led::Heard(heard.clone()), out);
                }
                self.take(heard, out);
            }
            (Input::Heard(heard), Role::Alone) => out.push(Action::Deliver(heard)),
            (Input::Stands(view), Role::Leading { .. }) => {
                self.say(Led::View(view.clone()), out);
                self.show(view, out);
            }
            (Input::Stands(view), Role::Alone) => out.push(Action::Show(view)),
            (Input::ReconnectNow, Role::Leading { .. } | Role::Alone) => out.push(Action::Reconnect),
            (Input::ReconnectNow, Role::Following) => {
                out.push(Action::Post(Message::ReconnectNow));
                self.ask(out);
            }
            (Input::Visible, Role::Following) => {
                out.push(Action::Post(Message::LookedAt));
                self.ask(out);
            }
            (Input::Away, Role::Leading { .. } | Role::Following | Role::Idle) => self.go(out),
            (Input::Back, Role::Away) if self.wish.is_some() => self.follow(out),
            (Input::Back, Role::Away) => self.role = Role::Idle,
            (Input::TimerFired, Role::Following) => self.look_at_the_clock(out),
            _ => {}
        }
        actions
    }

    fn want(&mut self, role: Role, wish: Option<Wish>, out: &mut Vec<Action>) {
        self.wish = wish;
        match role {
            Role::Alone => out.push(Action::Connect(self.wish.clone())),
            Role::Leading { .. } => {
                self.fed = false;
                self.admit(self.me, self.wish.clone(), out);
            }
            Role::Idle if self.wish.is_some() => {
                let view = View { status: Status::Connecting, ..View::default() };
                self.show(view, out);
                self.follow(out);
            }
            Role::Following => {
                self.fed = false;
                self.ask(out);
            }
            Role::Idle | Role::Away | Role::Over => {}
        }
    }

    /// Queues for the lead, and asks whoever has it.
    fn follow(&mut self, out: &mut Vec<Action>) {
        self.role = Role::Following;
        self.leader = None;
        self.fed = false;
        self.asked_at = None;
        self.heard_at = self.now;
        self.members.clear();
        out.push(Action::Queue);
        self.ask(out);
    }

    /// Says what this tab wants. Whoever leads answers with what the stream carries.
    fn ask(&mut self, out: &mut Vec<Action>) {
        out.push(Action::Post(Message::Wants(self.me, self.wish.clone())));
        if self.wish.is_some() {
            self.asked_at.get_or_insert(self.now);
            self.watch(out);
        }
    }

    fn watch(&mut self, out: &mut Vec<Action>) {
        out.push(Action::SetTimer(self.asked_at.map_or(self.heard_at + SILENCE_MS, |at| at + ANSWER_MS)));
    }

    fn look_at_the_clock(&mut self, out: &mut Vec<Action>) {
        // A clock that was set back.
        self.heard_at = self.heard_at.min(self.now);
        self.asked_at = self.asked_at.map(|at| at.min(self.now));
        match self.asked_at {
            Some(at) if self.now < at + ANSWER_MS => self.watch(out),
            Some(at) => {
                self.asked_at = None;
                if self.heard_at > at.max(self.now.saturating_sub(ANSWER_MS / 2)) {
                    self.ask(out);
                } else {
                    out.push(Action::Steal);
                    // In case that even this is in vain.
                    self.asked_at = Some(self.now);
                    self.watch(out);
                }
            }
            // A stream that has given up for now has nothing to say.
            None if self.now < self.heard_at + SILENCE_MS || matches!(self.view.status, Status::Paused(_)) => {
                self.heard_at = self.heard_at.max(self.now.saturating_sub(SILENCE_MS / 2));
                self.watch(out);
            }
            None => self.ask(out),
        }
    }

    fn lead(&mut self, out: &mut Vec<Action>) {
        // Two terms of one tab must differ, and a later one must be greater than any that was heard of.
        let since = self.leader.map_or(self.now, |(term, _)| self.now.max(term.since + 1));
        self.role = Role::Leading { since };
        self.asked_at = None;
        self.number = 0;
        self.members.clear();
        self.inherited = self.carried.take().map(|carried| carried.runs).unwrap_or_default();
        self.fed = false;
        self.admit(self.me, self.wish.clone(), out);
        // The others learn that there is somebody to ask, also where this tab wants nothing.
        let view = self.view.clone();
        self.say(Led::View(view), out);
    }

    /// Notes what a tab wants, sees to it that the stream carries it, and says what it carries.
    fn admit(&mut self, tab: TabId, wish: Option<Wish>, out: &mut Vec<Action>) {
        self.members.retain(|(member, _)| *member != tab);
        let Some(wish) = wish else {
            self.drop_unwanted(out);
            return;
        };
        self.members.push((tab, wish.runs.clone()));
        let reads_on = self.carried.as_ref().filter(|carried| carried.after.epoch == wish.after.epoch).map(|carried| carried.after.seq);
        let covered = self.carried.as_ref().is_some_and(|carried| carried.covers(&wish));
        // Whoever comes with a cursor of another log than the one that is being read must begin anew.
        let of_another_log = self.carried.is_some() && reads_on.is_none() && self.view.status == Status::Live;
        if covered {
            self.drop_unwanted(out);
        } else if !of_another_log {
            let mut after = wish.after;
            after.seq = reads_on.map_or(after.seq, |seq| seq.min(after.seq));
            self.carry(after, out);
        }
        if let Some(carried) = self.carried.clone() {
            self.say(Led::Carries { wish: carried.clone(), asker: tab }, out);
            self.align(&carried, true, out);
        }
    }

    /// Output that nobody wants any more is not worth its way.
    fn drop_unwanted(&mut self, out: &mut Vec<Action>) {
        if self.members.is_empty() {
            self.carried = None;
            out.push(Action::Connect(None));
            return;
        }
        let wanted = self.runs();
        let unwanted = |carried: &&Wish| carried.runs.iter().any(|run| !wanted.contains(run));
        if let Some(after) = self.carried.as_ref().filter(unwanted).map(|carried| carried.after.clone()) {
            self.carry(after, out);
            if let Some(carried) = self.carried.clone() {
                self.say(Led::Carries { wish: carried, asker: self.me }, out);
            }
        }
    }

    fn carry(&mut self, after: Cursor, out: &mut Vec<Action>) {
        let wish = Wish { runs: self.runs(), after };
        self.carried = Some(wish.clone());
        out.push(Action::Connect(Some(wish)));
    }

    /// The runs that are wanted, as many as a stream carries, those of the newest tabs first; in a fixed order.
    fn runs(&mut self) -> Vec<RunId> {
        if !matches!(self.role, Role::Leading { since } if self.now < since + INHERITANCE_MS) {
            self.inherited.clear();
        }
        let mut runs = Vec::new();
        for run in self.members.iter().rev().flat_map(|(_, runs)| runs).chain(&self.inherited) {
            if runs.len() < MAX_RUNS && !runs.contains(run) {
                runs.push(*run);
            }
        }
        runs.sort_unstable();
        runs
    }

    fn told(&mut self, role: Role, message: Message, out: &mut Vec<Action>) {
        match (message, role) {
            (Message::Wants(tab, wish), Role::Leading { .. }) => {
                self.admit(tab, wish, out);
                let view = self.view.clone();
                self.say(Led::View(view), out);
            }
            (Message::ReconnectNow, Role::Leading { .. }) => out.push(Action::Reconnect),
            (Message::LookedAt, Role::Leading { .. }) => out.push(Action::Look),
            (Message::Led { term, number, what }, Role::Following) => self.led(term, number, what, out),
            _ => {}
        }
    }

    fn led(&mut self, term: Term, number: u64, what: Led, out: &mut Vec<Action>) {
        let next = match self.leader {
            // Somebody who has not heard yet that it is over.
            Some((known, _)) if term < known => return,
            Some((known, last)) if known == term => Some(last + 1),
            _ => None,
        };
        self.leader = Some((term, number));
        self.heard_at = self.now;
        let was_fed = self.fed;
        // Something was missed, or another leads now: what it carries decides.
        if Some(number) != next {
            self.fed = false;
        }
        match what {
            Led::Carries { wish, asker } => {
                if next.is_none() && asker != self.me && self.wish.is_some() {
                    // A new leader does not know yet who is there.
                    out.push(Action::Post(Message::Wants(self.me, self.wish.clone())));
                }
                self.align(&wish, asker == self.me || was_fed, out);
                self.carried = Some(wish);
                if asker == self.me {
                    self.asked_at = (!self.fed && self.wish.is_some()).then_some(self.now);
                }
            }
            Led::View(view) => self.show(view, out),
            Led::Heard(heard) => self.take(heard, out),
        }
        if self.role != Role::Following {
            return;
        }
        // Only the answer itself shows that there is somebody to answer: other words may have been on their way before it was asked.
        if !self.fed && self.asked_at.is_none() && self.wish.is_some() {
            self.ask(out);
        }
    }

    /// Whether what the stream will bring follows on what the components have. Where it is another log and that is `final_word`, they
    /// begin anew; otherwise the answer to what this tab has asked is still to come.
    fn align(&mut self, carried: &Wish, final_word: bool, out: &mut Vec<Action>) {
        let Some(wish) = &self.wish else { return };
        self.fed = carried.covers(wish);
        if wish.after.epoch != carried.after.epoch && final_word {
            self.reset(Some(carried.after.clone()), out);
        }
    }

    /// The components load what there is, and then want what follows on it.
    fn reset(&mut self, cursor: Option<Cursor>, out: &mut Vec<Action>) {
        self.fed = false;
        self.asked_at = None;
        if self.wish.take().is_some() {
            out.push(Action::Deliver(Heard::Reset(cursor)));
        }
    }

    fn take(&mut self, heard: Heard, out: &mut Vec<Action>) {
        match heard {
            Heard::Event { ref cursor, .. } => {
                if let Some(carried) = &mut self.carried {
                    carried.after.clone_from(cursor);
                }
                if let Some(wish) = self.wish.as_mut().filter(|_| self.fed)
                    && cursor.epoch == wish.after.epoch
                    && cursor.seq > wish.after.seq
                {
                    wish.after.clone_from(cursor);
                    out.push(Action::Deliver(heard));
                }
            }
            Heard::Reset(cursor) => {
                if let (Some(carried), Some(cursor)) = (&mut self.carried, &cursor) {
                    carried.after.clone_from(cursor);
                }
                self.reset(cursor, out);
            }
            Heard::Hello { .. } if self.wish.is_some() => out.push(Action::Deliver(heard)),
            Heard::Hello { .. } | Heard::Ping => {}
        }
    }

    fn show(&mut self, view: View, out: &mut Vec<Action>) {
        if view.status == Status::Closed(Closed::SignedOut) {
            self.role = Role::Over;
            out.push(Action::Leave);
        }
        if self.view != view {
            self.view = view.clone();
            out.push(Action::Show(view));
        }
    }

    fn go(&mut self, out: &mut Vec<Action>) {
        match self.role {
            Role::Leading { .. } => out.push(Action::Connect(None)),
            _ => out.push(Action::Post(Message::Wants(self.me, None))),
        }
        if self.role != Role::Idle {
            out.push(Action::Leave);
        }
        self.role = Role::Away;
        self.fed = false;
        self.show(View { status: Status::Paused(Pause::Away), ..View::default() }, out);
    }

    /// Whether another tab listens, as far as is known. Whoever comes later asks, and is told from where on it hears everything.
    fn has_audience(&self) -> bool {
        let new = matches!(self.role, Role::Leading { since } if self.now < since + INHERITANCE_MS);
        new || self.members.iter().any(|(tab, _)| *tab != self.me)
    }

    fn say(&mut self, what: Led, out: &mut Vec<Action>) {
        if let Role::Leading { since } = self.role {
            let term = Term { since, tab: self.me };
            out.push(Action::Post(Message::Led { term, number: self.number, what }));
            self.number += 1;
        }
    }
}
