//! How a stream keeps its connection: when to connect, to wait, to give up for now, to stop for good. A pure state machine: it reads
//! no clock and touches no browser, it is told what happened and answers what to do. `ui::hooks` carries its actions out.

pub mod backoff;
pub mod machine;
mod resume;
pub mod words;

use super::{
    cursor::{Cursor, Epoch},
    event::StreamEvent,
};
use std::fmt;

pub use machine::Machine;

/// What can be chosen about a connection. Times are in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The delay that grows with each failure in a row, until the server names its own.
    pub base_ms: u64,
    /// How often a lost connection is tried again before the stream pauses.
    pub attempts: u32,
    /// How long a connection must have stood to count as healthy where it carried no event.
    pub healthy_after_ms: u64,
    /// The longest silence that the server allows itself, until its `hello` says so.
    pub heartbeat_ms: u64,
    /// How long the server may take to answer.
    pub connect_timeout_ms: u64,
    /// The server is on this machine, so that having no network does not matter.
    pub loopback: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options { base_ms: 1_000, attempts: 8, healthy_after_ms: 5_000, heartbeat_ms: 15_000, connect_timeout_ms: 15_000, loopback: false }
    }
}

/// Where a stream stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Status {
    /// Nobody wants it; also on the server and before hydration.
    #[default]
    Idle,
    /// Asked, not answered yet.
    Connecting,
    /// Events arrive as they happen.
    Live,
    /// Lost; it will be tried again at a known moment.
    Waiting,
    /// Not trying, and ready to go on.
    Paused(Pause),
    /// Over.
    Closed(Closed),
}

/// Why a stream is not trying.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pause {
    /// The machine has no network.
    Offline,
    /// As many attempts as are allowed have failed.
    Exhausted,
    /// The page is not shown at all: the browser keeps it for going back.
    Away,
}

/// Why a stream is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// The server does not know the session any more. Only signing in helps.
    SignedOut,
    /// There is nothing left to receive.
    Completed,
    /// The server refuses the stream with this status.
    Rejected(u16),
    /// The page asked for it.
    Explicit,
}

impl Status {
    /// The word that `data-connection` carries.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Idle => "idle",
            Status::Connecting => "connecting",
            Status::Live => "live",
            Status::Waiting => "waiting",
            Status::Paused(_) => "paused",
            Status::Closed(_) => "closed",
        }
    }
}

/// What went wrong last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The connection ended.
    Lost,
    /// The server said that it is going away.
    ShuttingDown,
    /// Nothing was heard for longer than the server allows itself.
    Silent,
    /// The server took too long to answer.
    NoAnswer,
    /// The server cannot be reached.
    Unreachable,
    /// The server answered with this status instead of a stream.
    Answered(u16),
    /// The session was ended, for this reason.
    LoggedOut(String),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Lost => f.write_str("the connection was lost"),
            Trouble::ShuttingDown => f.write_str("the server is restarting"),
            Trouble::Silent => f.write_str("the server has fallen silent"),
            Trouble::NoAnswer => f.write_str("the server does not answer"),
            Trouble::Unreachable => f.write_str("the server cannot be reached"),
            Trouble::Answered(status) => write!(f, "the server answers with status {status}"),
            Trouble::LoggedOut(reason) => f.write_str(reason),
        }
    }
}

/// All of a connection that a page may show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// Where it stands.
    pub status: Status,
    /// Which attempt in a row comes next or is under way; 0 while nothing has failed.
    pub attempt: u32,
    /// When the next attempt is made, in milliseconds since 1970.
    pub next_retry_at: Option<u64>,
    /// What went wrong last, until the stream is live again.
    pub error: Option<Trouble>,
}

/// What happened. Where a connection or a question has a number, an older number than the current one has no effect.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// The page wants the stream, after the cursor, or where none is given after the last event that was seen. Also ends an
    /// explicit close.
    Start {
        /// Everything up to here is known.
        after: Option<Cursor>,
    },
    /// The page wants other topics, or events from further back; not the end of an explicit close.
    Retarget {
        /// Everything up to here is known; none keeps the last event that was seen.
        after: Option<Cursor>,
    },
    /// Nobody wants the stream any more.
    Stop,
    /// The page closes the stream.
    Close,
    /// A person does not want to wait.
    ReconnectNow,
    /// The server answered with a stream.
    Opened {
        /// Of which connection.
        generation: u64,
    },
    /// An event arrived.
    Heard {
        /// From which connection.
        generation: u64,
        /// What it says.
        heard: Heard,
    },
    /// The connection failed; a browser says no more than that.
    Errored {
        /// Which connection.
        generation: u64,
    },
    /// The question that [`Action::Probe`] asks is answered.
    Probed {
        /// After which connection.
        generation: u64,
        /// What came back.
        answer: Answer,
    },
    /// The time set by [`Action::SetTimer`] has come.
    TimerFired {
        /// Which setting.
        timer: u64,
    },
    /// The browser has a network again.
    Online,
    /// The browser has lost its network.
    Offline,
    /// The page can be seen again.
    Visible,
    /// The page cannot be seen.
    Hidden,
    /// The page is left; the browser may keep it.
    PageHide,
    /// The page is shown, for the first time or after having been kept.
    PageShow,
}

/// An event, as far as the connection is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// See [`super::event::Hello`].
    Hello {
        /// The log's name.
        epoch: Epoch,
        /// The newest event of the log.
        head: u64,
        /// The longest silence, in milliseconds.
        heartbeat_ms: u64,
        /// The delay to start from when this connection is lost.
        retry_ms: Option<u64>,
    },
    /// The stream's own `retry:`, which only some transports show.
    Retry {
        /// The delay to start from when this connection is lost, where its `hello` names none.
        retry_ms: u64,
    },
    /// The connection is alive.
    Ping,
    /// The cursor cannot be honoured; what comes after `head` follows.
    Reset {
        /// The newest event of the log.
        head: u64,
    },
    /// The session is over.
    ForceLogout {
        /// Why, in words.
        reason: String,
    },
    /// The server ends the connection.
    Shutdown {
        /// When to come back, in milliseconds from now.
        retry_ms: u64,
        /// It does not go away, so that the next connection can be asked for at once.
        renewal: bool,
    },
    /// An event of the log.
    Log(Cursor),
    /// An event of the log that this page cannot read.
    Unreadable(Option<Cursor>),
}

impl Heard {
    /// What an event says about the connection. `cursor` is the event's id, where it has one.
    #[must_use]
    pub fn of(event: &StreamEvent, cursor: Option<Cursor>) -> Self {
        match event {
            StreamEvent::Hello(hello) => {
                Heard::Hello { epoch: hello.epoch.clone(), head: hello.head, heartbeat_ms: hello.heartbeat_ms, retry_ms: hello.retry_ms }
            }
            StreamEvent::Ping(_) => Heard::Ping,
            StreamEvent::Reset(reset) => Heard::Reset { head: reset.head },
            StreamEvent::ForceLogout(logout) => Heard::ForceLogout { reason: logout.reason.clone() },
            StreamEvent::Shutdown(shutdown) => Heard::Shutdown { retry_ms: shutdown.retry_ms, renewal: shutdown.renewal },
            StreamEvent::Task(_) | StreamEvent::Run(_) | StreamEvent::Output(_) | StreamEvent::Size(_) | StreamEvent::End(_) => {
                cursor.map_or(Heard::Unreadable(None), Heard::Log)
            }
        }
    }
}

/// What a probe found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The server answered.
    Status {
        /// The HTTP status.
        code: u16,
        /// What `Retry-After` asks for, in milliseconds.
        retry_after_ms: Option<u64>,
    },
    /// No answer: no network, no server, or a cross-origin refusal.
    Unreachable,
}

/// What to do, in the order given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Connect.
    Open {
        /// The connection's number, to be given back with what it says.
        generation: u64,
        /// Ask for what comes after this.
        after: Option<Cursor>,
    },
    /// Close the connection, with its listeners.
    CloseSource,
    /// Ask the stream's address by HEAD which status it answers with.
    Probe {
        /// The number to be given back with the answer.
        generation: u64,
        /// As for [`Action::Open`].
        after: Option<Cursor>,
    },
    /// Forget the question.
    DropProbe,
    /// Wake the machine at that moment; replaces an earlier setting.
    SetTimer {
        /// The number to be given back.
        timer: u64,
        /// In milliseconds since 1970.
        at: u64,
    },
    /// No waking.
    ClearTimer,
    /// The connection stands and its `hello` has come. `resumed` says that it follows one that was lost.
    Greet {
        /// Whether something was lost before.
        resumed: bool,
    },
    /// Hand the event that was just heard to the page.
    Deliver,
    /// What the page shows cannot be continued: load a snapshot. Events after the cursor will follow.
    LoadSnapshot {
        /// Where the stream goes on.
        cursor: Option<Cursor>,
    },
}

#[cfg(test)]
mod fake;
#[cfg(test)]
mod laws;
#[cfg(test)]
mod properties;
