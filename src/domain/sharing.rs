//! How the tabs of one browser share one connection: one of them leads and holds it, the others follow and are told what it hears. A
//! pure state machine for one tab; who leads is decided by a lock that only one tab can hold, and what they say to each other goes
//! through a channel that all of them hear. `ui::hooks` carries its actions out.

mod machine;
mod wire;

use super::{cursor::Cursor, event::MAX_RUNS, id::RunId, reconnect::View};

pub use machine::Sharing;

/// What a tab wants of the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// The runs whose output it wants, besides the board.
    pub runs: Vec<RunId>,
    /// It has everything up to here.
    pub after: Cursor,
}

impl Wish {
    /// Whether a stream that goes on after `self.after` with `self.runs` gives what the other wants.
    fn covers(&self, other: &Wish) -> bool {
        // Where as many runs are named as a stream can carry, the newest have been taken, and the others go without.
        let full = self.runs.len() >= MAX_RUNS;
        self.after.epoch == other.after.epoch
            && self.after.seq <= other.after.seq
            && (full || other.runs.iter().all(|run| self.runs.contains(run)))
    }
}

/// A tab, by a number that it has drawn.
pub type TabId = u64;

/// One time of leading. A later one is right where two believe that they lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Term {
    /// When it began, in milliseconds since 1970.
    pub since: u64,
    /// Whose it is.
    pub tab: TabId,
}

/// What one tab says to all others.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// What a tab wants, or that it wants nothing any more.
    Wants(TabId, Option<Wish>),
    /// A person at another tab does not want to wait.
    ReconnectNow,
    /// A person looks at another tab.
    LookedAt,
    /// From the tab that leads; numbered, so that a gap is noticed.
    Led {
        /// Which time of leading.
        term: Term,
        /// How many were said before in it.
        number: u64,
        /// What is said.
        what: Led,
    },
}

/// What the leading tab says.
#[derive(Clone, Debug, PartialEq)]
pub enum Led {
    /// From now on follows what comes after that, with the output of those runs.
    Carries {
        /// What the stream carries.
        wish: Wish,
        /// Whose question it answers.
        asker: TabId,
    },
    /// The connection's state.
    View(View),
    /// Something that the stream said.
    Heard(Heard),
}

/// What the stream said, as far as it concerns others than the connection itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// A connection begins.
    Hello {
        /// An earlier one was lost.
        resumed: bool,
        /// The event's data.
        data: String,
    },
    /// An event of the log.
    Event {
        /// Its place.
        cursor: Cursor,
        /// Its name.
        name: String,
        /// Its data.
        data: String,
    },
    /// What was delivered so far cannot be continued.
    Reset(Option<Cursor>),
    /// The connection is alive.
    Ping,
}

/// What happens to a tab.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// The tab's own components want this.
    Want(Option<Wish>),
    /// The lock is held now.
    Elected,
    /// Another tab has taken the lock away.
    Deposed,
    /// There is no lock or no channel here: each tab has a connection of its own.
    Alone,
    /// The channel brought this.
    Told(Message),
    /// The tab's own stream said this.
    Heard(Heard),
    /// The tab's own stream stands so.
    Stands(View),
    /// A person does not want to wait.
    ReconnectNow,
    /// A person looks at this tab.
    Visible,
    /// The tab is left or frozen; perhaps it comes back.
    Away,
    /// It has come back.
    Back,
    /// The time set by [`Action::SetTimer`] has come.
    TimerFired,
}

/// What to do, in the order given.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Queue for the lock, where the tab does not hold it or queue for it already.
    Queue,
    /// Take the lock away from whoever holds it.
    Steal,
    /// Let go of the lock, or leave the queue.
    Leave,
    /// Say this to all other tabs.
    Post(Message),
    /// The tab's own stream shall carry this.
    Connect(Option<Wish>),
    /// The tab's own stream shall try at once.
    Reconnect,
    /// Somebody looks: a stream that has given up for now tries again.
    Look,
    /// Hand this to the components.
    Deliver(Heard),
    /// Show this as the connection's state.
    Show(View),
    /// Wake the machine at that moment, in milliseconds since 1970; replaces an earlier setting. It may come late.
    SetTimer(u64),
}

#[cfg(test)]
mod browser;
#[cfg(test)]
mod laws;
