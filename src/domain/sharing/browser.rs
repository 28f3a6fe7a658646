//! A browser with several tabs for tests: the lock, the channel, a server with a log, and components that check what they get. A tab
//! can be closed, killed, left, frozen with and without notice; messages wait in each tab's queue until it is let run.

use super::{Action, Heard, Input, Message, Sharing, TabId, Wish};
use crate::domain::{
    cursor::{Cursor, Epoch},
    id::RunId,
    reconnect::{Status, View},
};
use std::collections::VecDeque;
use uuid::Uuid;

pub(super) struct Tab {
    pub id: TabId,
    pub machine: Sharing,
    queue: VecDeque<Input>,
    pub frozen: bool,
    pub away: bool,
    timer: Option<u64>,
    /// The own connection: what it carries, and how far it has come.
    pub stream: Option<Wish>,
    pub view: View,
    /// What the components show: the runs, and how far they are.
    pub runs: Vec<RunId>,
    pub seen: Cursor,
    /// The components wait for what replaces everything they have.
    loading: bool,
    pub resets: usize,
}

pub(super) struct Browser {
    pub now: u64,
    pub tabs: Vec<Tab>,
    next_id: TabId,
    pub holder: Option<TabId>,
    waiting: VecDeque<TabId>,
    pub epoch: Epoch,
    /// The logs that were, in the order of their epochs, `k1` first.
    past: Vec<Vec<Option<RunId>>>,
    /// What each event of the log belongs to: the board or a run. The first has number 1.
    pub log: Vec<Option<RunId>>,
    /// Whether the server can be reached.
    pub up: bool,
    pub opened: usize,
}

pub(super) fn run(number: u8) -> RunId {
    RunId(Uuid::from_u128(number.into()))
}

impl Browser {
    pub fn new() -> Self {
        let epoch = Epoch::new("k1").expect("fits");
        let (tabs, waiting, log) = (Vec::new(), VecDeque::new(), vec![None; 10]);
        Browser { now: 1_000_000, tabs, next_id: 1, holder: None, waiting, epoch, past: Vec::new(), log, up: true, opened: 0 }
    }

    pub fn head(&self) -> Cursor {
        Cursor { epoch: self.epoch.clone(), seq: self.log.len() as u64 }
    }

    /// The server's data are replaced by others.
    pub fn replace_log(&mut self, length: usize) {
        self.past.push(self.log.clone());
        self.epoch = Epoch::new(&format!("k{}", self.past.len() + 1)).expect("fits");
        self.log.truncate(length);
    }

    /// A page is loaded: it shows what was there `late` events ago.
    pub fn open(&mut self, runs: &[RunId], late: u64) -> TabId {
        let id = self.next_id;
        self.next_id += 1;
        let mut seen = self.head();
        seen.seq = seen.seq.saturating_sub(late);
        let (machine, runs) = (Sharing::new(id), runs.to_vec());
        let (queue, view) = (VecDeque::new(), View::default());
        self.tabs.push(Tab {
            id,
            machine,
            queue,
            frozen: false,
            away: false,
            timer: None,
            stream: None,
            view,
            runs,
            seen,
            loading: false,
            resets: 0,
        });
        self.want(id);
        id
    }

    pub fn tab(&mut self, id: TabId) -> &mut Tab {
        self.tabs.iter_mut().find(|tab| tab.id == id).expect("a tab")
    }

    fn want(&mut self, id: TabId) {
        let tab = self.tab(id);
        if !tab.loading {
            let wish = Wish { runs: tab.runs.clone(), after: tab.seen.clone() };
            self.tell(id, Input::Want(Some(wish)));
        }
    }

    /// The page shows other runs; of the board it knows what it knew.
    pub fn turn_to(&mut self, id: TabId, runs: &[RunId]) {
        self.tab(id).runs = runs.to_vec();
        self.want(id);
    }

    /// Something happens to a tab. A frozen one learns of it later.
    pub fn tell(&mut self, id: TabId, input: Input) {
        let now = self.now;
        let tab = self.tab(id);
        if tab.frozen {
            tab.queue.push_back(input);
            return;
        }
        let actions = tab.machine.step(now, input);
        for action in actions {
            self.act(id, action);
        }
    }

    fn act(&mut self, id: TabId, action: Action) {
        match action {
            Action::Queue => {
                if self.holder != Some(id) && !self.waiting.contains(&id) {
                    self.waiting.push_back(id);
                }
            }
            Action::Steal => {
                self.waiting.retain(|waiting| *waiting != id);
                if let Some(holder) = self.holder.replace(id).filter(|holder| *holder != id) {
                    self.tab(holder).queue.push_back(Input::Deposed);
                }
                self.tab(id).queue.push_back(Input::Elected);
            }
            Action::Leave => self.release(id),
            Action::Post(message) => {
                let message = Message::from_wire(&message.to_wire()).expect("is understood");
                for tab in self.tabs.iter_mut().filter(|tab| tab.id != id) {
                    tab.queue.push_back(Input::Told(message.clone()));
                }
            }
            Action::Connect(wish) => {
                self.opened += usize::from(wish.is_some());
                let view = View { status: if wish.is_some() { Status::Connecting } else { Status::Idle }, ..View::default() };
                let tab = self.tab(id);
                tab.stream = wish;
                tab.queue.push_back(Input::Stands(view));
            }
            Action::Reconnect | Action::Look => {}
            Action::Deliver(heard) => self.deliver(id, heard),
            Action::Show(view) => self.tab(id).view = view,
            Action::SetTimer(at) => self.tab(id).timer = Some(at),
        }
    }

    /// What the lock had still to say to it is not said any more.
    fn release(&mut self, id: TabId) {
        self.waiting.retain(|waiting| *waiting != id);
        self.tab(id).queue.retain(|input| !matches!(input, Input::Elected | Input::Deposed));
        if self.holder == Some(id) {
            self.holder = None;
        }
    }

    fn deliver(&mut self, id: TabId, heard: Heard) {
        let number: usize = self.tab(id).seen.epoch.as_str()[1..].parse().expect("a number");
        let log = self.past.get(number - 1).unwrap_or(&self.log).clone();
        let tab = self.tab(id);
        match heard {
            Heard::Event { cursor, .. } => {
                assert_eq!(cursor.epoch, tab.seen.epoch);
                assert!(cursor.seq > tab.seen.seq, "tab {id} has seen {} and gets {cursor}", tab.seen);
                let between = usize::try_from(tab.seen.seq).expect("small")..usize::try_from(cursor.seq).expect("small") - 1;
                let missed = log[between].iter().position(|of| of.is_none_or(|run| tab.runs.contains(&run)));
                assert_eq!(missed, None, "tab {id} has seen {} and gets {cursor}", tab.seen);
                tab.seen = cursor;
            }
            Heard::Reset(_) => {
                assert!(!tab.loading, "tab {id} is told twice to load everything");
                tab.resets += 1;
                tab.loading = true;
                // It takes its time, and shows what is there when it comes.
                tab.queue.push_back(Input::Want(None));
            }
            Heard::Hello { .. } | Heard::Ping => {}
        }
    }

    /// The lock goes to the next who waits for it.
    pub fn elect(&mut self) {
        if self.holder.is_none()
            && let Some(next) = self.waiting.pop_front()
        {
            self.holder = Some(next);
            self.tab(next).queue.push_back(Input::Elected);
        }
    }

    /// What waits for a tab never reaches it.
    pub fn lose(&mut self, id: TabId) {
        self.tab(id).queue.clear();
    }

    /// A tab takes the next thing from its queue.
    pub fn run(&mut self, id: TabId) -> bool {
        let tab = self.tab(id);
        let next = if tab.frozen { None } else { tab.queue.pop_front() };
        let head = self.head();
        match next {
            None => return false,
            Some(Input::Want(_)) => {
                let tab = self.tab(id);
                (tab.seen, tab.loading) = (head, false);
                self.want(id);
            }
            Some(next) => self.tell(id, next),
        }
        true
    }

    /// A tab's own connection brings something: that it stands, or the next event.
    pub fn stream(&mut self, id: TabId) -> bool {
        let (head, up, log) = (self.head(), self.up, self.log.clone());
        let tab = self.tab(id);
        let live = tab.stream.is_some() && !tab.frozen && up;
        if !live {
            return false;
        }
        let Some(stream) = &mut tab.stream else { return false };
        if stream.after.epoch != head.epoch {
            stream.after = head.clone();
            self.stands(id);
            self.tell(id, Input::Heard(Heard::Reset(Some(head))));
            return true;
        }
        let from = usize::try_from(stream.after.seq).expect("small");
        let next = log[from..].iter().position(|of| of.is_none_or(|run| stream.runs.contains(&run)));
        let Some(next) = next else {
            stream.after = head;
            return self.stands(id);
        };
        stream.after.seq = (from + next) as u64 + 1;
        let cursor = stream.after.clone();
        self.stands(id);
        self.tell(id, Input::Heard(Heard::Event { cursor, name: "output".to_owned(), data: "{}".to_owned() }));
        true
    }

    /// Says once that the connection stands, as a hello does.
    fn stands(&mut self, id: TabId) -> bool {
        let stands = View { status: Status::Live, ..View::default() };
        if self.tab(id).view == stands {
            return false;
        }
        self.tell(id, Input::Heard(Heard::Hello { resumed: false, data: "{}".to_owned() }));
        self.tell(id, Input::Stands(stands));
        true
    }

    /// The next timer of a tab.
    pub fn fire(&mut self, id: TabId) -> bool {
        let now = self.now;
        let tab = self.tab(id);
        if tab.frozen || tab.timer.is_none_or(|at| at > now) {
            return false;
        }
        tab.timer = None;
        self.tell(id, Input::TimerFired);
        true
    }

    /// The tab is gone without a word; the browser takes its lock away.
    pub fn kill(&mut self, id: TabId) {
        self.release(id);
        self.tabs.retain(|tab| tab.id != id);
    }

    /// The tab is closed by a person.
    pub fn close(&mut self, id: TabId) {
        self.tell(id, Input::Away);
        self.kill(id);
    }

    pub fn freeze(&mut self, id: TabId, with_notice: bool) {
        if with_notice {
            self.tell(id, Input::Away);
            self.tab(id).away = true;
        }
        self.tab(id).frozen = true;
    }

    pub fn thaw(&mut self, id: TabId) {
        let tab = self.tab(id);
        tab.frozen = false;
        if std::mem::take(&mut tab.away) {
            self.tell(id, Input::Back);
        }
    }

    /// Lets everything happen that is due, in turn, until nothing is.
    pub fn settle(&mut self) {
        let mut busy = true;
        for _ in 0..20_000 {
            self.elect();
            let ids: Vec<TabId> = self.tabs.iter().map(|tab| tab.id).collect();
            busy = false;
            for id in ids {
                busy |= self.run(id) | self.stream(id) | self.fire(id);
            }
            self.check();
            busy |= self.holder.is_none() && !self.waiting.is_empty();
            if !busy {
                break;
            }
        }
        assert!(!busy, "it never comes to rest");
    }

    /// Passes time, so that whoever waits for an answer in vain acts.
    pub fn wait(&mut self, ms: u64) {
        let end = self.now + ms;
        while self.now < end {
            self.now += 1_000;
            self.settle();
        }
    }

    /// Whoever is connected holds the lock, or has not heard yet that it lost it.
    pub fn check(&self) {
        for tab in self.tabs.iter().filter(|tab| tab.stream.is_some()) {
            let deposed = tab.queue.iter().any(|input| *input == Input::Deposed);
            assert!(self.holder == Some(tab.id) || deposed, "tab {} is connected, and {:?} leads", tab.id, self.holder);
        }
    }

    /// Every tab that is awake has everything, and says that it is live.
    pub fn check_all_live(&mut self) {
        let (head, log) = (self.head(), self.log.clone());
        for tab in self.tabs.iter().filter(|tab| !tab.frozen && !tab.away) {
            assert_eq!(tab.view.status, Status::Live, "tab {}", tab.id);
            assert_eq!(tab.seen.epoch, head.epoch, "tab {}", tab.id);
            let rest = &log[usize::try_from(tab.seen.seq).expect("small")..];
            let missing = rest.iter().filter(|of| of.is_none_or(|run| tab.runs.contains(&run))).count();
            assert_eq!(missing, 0, "tab {} has seen {} of {head}", tab.id, tab.seen);
        }
    }
}
