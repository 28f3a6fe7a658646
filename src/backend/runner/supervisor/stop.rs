//! How a program is stopped: asked (SIGINT), told (SIGTERM), ended (SIGKILL), five seconds apart, it and its whole group.

use super::program::Running;
use crate::backend::runner::folder::Stopped;
use rustix::process::Signal;
use std::time::{Duration, Instant};

const STEPS: [Signal; 3] = [Signal::INT, Signal::TERM, Signal::KILL];
const APART: Duration = Duration::from_secs(5);

/// A stop that has been asked for.
#[derive(Debug)]
pub(super) struct Stop {
    /// Who asked.
    pub(super) why: Stopped,
    /// The next step, and when it is due.
    step: usize,
    due: Instant,
    /// Whether those whom the program left behind have been told that it is gone.
    hung_up: bool,
}

impl Stop {
    pub(super) fn new(why: Stopped, now: Instant) -> Self {
        Stop { why, step: 0, due: now, hung_up: false }
    }

    /// When there is something to do next.
    pub(super) fn next(&self, now: Instant) -> Option<Instant> {
        (self.step < STEPS.len() || now < self.due).then_some(self.due)
    }

    /// Whether all has been done and there was time for it to take effect.
    pub(super) fn is_spent(&self, now: Instant) -> bool {
        self.next(now).is_none()
    }

    /// Does what is due.
    pub(super) fn advance(&mut self, now: Instant, running: &Running, exited: bool) {
        if exited && !self.hung_up {
            // A terminal does the same for its group when the first process of the session ends.
            self.hung_up = true;
            running.signal(Signal::HUP);
        }
        if let Some(signal) = STEPS.get(self.step)
            && now >= self.due
        {
            running.signal(*signal);
            self.step += 1;
            self.due = now + if self.step < STEPS.len() { APART } else { Duration::from_millis(500) };
        }
    }
}
