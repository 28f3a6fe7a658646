//! A connection's state in words for people.

use super::{Closed, Pause, Status, Trouble, View};
use crate::domain::number::counted;

/// What to say. The countdown stands apart, so that a screen reader is not told every second.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    /// The state: "Reconnecting: attempt 2".
    pub state: String,
    /// What changes by itself, to be put behind it: ", next in 3 s". Mostly empty.
    pub countdown: String,
    /// What went wrong, where something did: "the server cannot be reached".
    pub reason: String,
    /// What a person can do about it.
    pub way_out: WayOut,
}

/// How much of what was missed has arrived, in events of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// So many …
    pub done: u64,
    /// … of so many.
    pub of: u64,
}

/// What a person can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WayOut {
    /// Nothing is needed.
    None,
    /// Reconnect now instead of waiting.
    Reconnect,
    /// Sign in.
    SignIn,
}

impl Words {
    /// All of it in one line.
    #[must_use]
    pub fn line(&self) -> String {
        format!("{}{}", self.state, self.countdown)
    }
}

/// Says where a stream stands, at a moment in milliseconds since 1970; `catching_up` where what was missed is on its way.
#[must_use]
pub fn words(view: &View, now: u64, catching_up: Option<Progress>) -> Words {
    let reason = view.error.as_ref().map(ToString::to_string).unwrap_or_default();
    let mut countdown = String::new();
    let (state, way_out) = match view.status {
        Status::Idle => ("Not live".to_owned(), WayOut::None),
        Status::Connecting => ("Connecting…".to_owned(), WayOut::None),
        Status::Live => match catching_up {
            Some(Progress { done, of }) => {
                countdown = format!(" ({} of {})", counted(done), counted(of));
                ("Catching up".to_owned(), WayOut::None)
            }
            None => ("Live".to_owned(), WayOut::None),
        },
        Status::Waiting => {
            let left = view.next_retry_at.unwrap_or(now).saturating_sub(now).div_ceil(1_000);
            countdown = if left == 0 { ", now".to_owned() } else { format!(", next in {left} s") };
            let what = if view.error == Some(Trouble::ShuttingDown) { "Server restarting" } else { "Reconnecting" };
            (format!("{what}: attempt {}", view.attempt), WayOut::Reconnect)
        }
        Status::Paused(Pause::Offline) => ("Paused: this device is offline".to_owned(), WayOut::Reconnect),
        Status::Paused(Pause::Exhausted) => {
            let why = if reason.is_empty() { String::new() } else { format!(": {reason}") };
            (format!("Paused after {}{why}", attempts(view.attempt)), WayOut::Reconnect)
        }
        Status::Paused(Pause::Away) => ("Paused".to_owned(), WayOut::None),
        Status::Closed(Closed::SignedOut) => ("Stopped: signed out".to_owned(), WayOut::SignIn),
        Status::Closed(Closed::Completed) => ("Complete".to_owned(), WayOut::None),
        Status::Closed(Closed::Rejected(status)) => (format!("Stopped: refused with status {status}"), WayOut::Reconnect),
        Status::Closed(Closed::Explicit) => ("Stopped".to_owned(), WayOut::Reconnect),
    };
    Words { state, countdown, reason, way_out }
}

fn attempts(count: u32) -> String {
    if count == 1 { "1 attempt".to_owned() } else { format!("{count} attempts") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(status: Status) -> View {
        View { status, attempt: 2, next_retry_at: Some(12_500), error: None }
    }

    #[test]
    fn each_state_has_its_words() {
        for (status, line) in [
            (Status::Idle, "Not live"),
            (Status::Connecting, "Connecting…"),
            (Status::Live, "Live"),
            (Status::Waiting, "Reconnecting: attempt 2, next in 3 s"),
            (Status::Paused(Pause::Offline), "Paused: this device is offline"),
            (Status::Paused(Pause::Exhausted), "Paused after 2 attempts"),
            (Status::Closed(Closed::SignedOut), "Stopped: signed out"),
            (Status::Closed(Closed::Rejected(404)), "Stopped: refused with status 404"),
        ] {
            assert_eq!(words(&view(status), 10_000, None).line(), line);
        }
    }

    #[test]
    fn what_was_missed_is_counted_on_its_way() {
        let catching_up = Some(Progress { done: 1_200, of: 5_000 });
        assert_eq!(words(&view(Status::Live), 0, catching_up).line(), "Catching up (1,200 of 5,000)");
        let lost = words(&view(Status::Waiting), 10_000, catching_up).line();
        assert_eq!(lost, "Reconnecting: attempt 2, next in 3 s", "lost again on the way");
    }

    #[test]
    fn a_pause_says_why() {
        let view = View { error: Some(Trouble::Unreachable), attempt: 8, ..view(Status::Paused(Pause::Exhausted)) };
        assert_eq!(words(&view, 0, None).line(), "Paused after 8 attempts: the server cannot be reached");
    }

    #[test]
    fn a_server_that_says_that_it_stops_is_not_a_lost_one() {
        let view = View { error: Some(Trouble::ShuttingDown), ..view(Status::Waiting) };
        assert_eq!(words(&view, 10_000, None).line(), "Server restarting: attempt 2, next in 3 s");
    }

    #[test]
    fn only_the_countdown_changes_with_time() {
        let view = View { error: Some(Trouble::Unreachable), ..view(Status::Waiting) };
        let (early, late) = (words(&view, 10_000, None), words(&view, 99_000, None));
        assert_eq!((early.state, early.reason), (late.state, late.reason));
        assert_eq!((early.countdown.as_str(), late.countdown.as_str()), (", next in 3 s", ", now"));
    }
}
