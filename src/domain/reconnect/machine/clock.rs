//! What time does to a connection: the one timer, and what it means when it has come, by the clock and not by which timer it was, since
//! the timers of a page in the background come late.

use super::Machine;
use crate::domain::reconnect::{Action, Status, Trouble};

impl Machine {
    /// The clock of a computer can be set back: then every remembered moment moves along, and durations stay what they were.
    pub(super) fn set_clock(&mut self, now: u64) {
        let back = self.now.saturating_sub(now);
        if back > 0 {
            self.since = self.since.saturating_sub(back);
            self.heard_at = self.heard_at.saturating_sub(back);
            self.next_retry_at = self.next_retry_at.map(|at| at.saturating_sub(back));
            self.not_before = self.not_before.map(|at| at.saturating_sub(back));
        }
        self.now = now;
    }

    pub(super) fn wait_until(&mut self, at: u64, out: &mut Vec<Action>) {
        self.next_retry_at = Some(at);
        self.set_timer(at, out);
    }

    /// A timer has come, or somebody looks after a time in which timers may have slept. The clock says what it means.
    pub(super) fn wake(&mut self, out: &mut Vec<Action>) {
        match self.status {
            Status::Waiting => self.open(out),
            Status::Connecting => {
                let until = self.since + self.options.connect_timeout_ms;
                if self.now >= until { self.lose(Trouble::NoAnswer, true, out) } else { self.set_timer(until, out) }
            }
            Status::Live => {
                if self.now >= self.heard_at + self.silence() {
                    self.lose(Trouble::Silent, true, out);
                } else {
                    self.watch(out);
                }
            }
            Status::Idle | Status::Paused(_) | Status::Closed(_) => {}
        }
    }

    /// Two and a half heartbeats.
    fn silence(&self) -> u64 {
        self.heartbeat_ms * 5 / 2
    }

    pub(super) fn watch(&mut self, out: &mut Vec<Action>) {
        let proof = self.since + self.options.healthy_after_ms;
        if self.now >= proof {
            self.prove_health();
        }
        let silence = self.heard_at + self.silence();
        self.set_timer(if self.healthy { silence } else { silence.min(proof) }, out);
    }

    pub(super) fn set_timer(&mut self, at: u64, out: &mut Vec<Action>) {
        self.timer += 1;
        self.timer_set = true;
        out.push(Action::SetTimer { timer: self.timer, at });
    }

    pub(super) fn clear_timer(&mut self, out: &mut Vec<Action>) {
        if std::mem::take(&mut self.timer_set) {
            out.push(Action::ClearTimer);
        }
    }
}
