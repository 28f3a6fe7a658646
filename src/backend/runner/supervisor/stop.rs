//! How a program and all that it has started are ended: asked (SIGINT), told (SIGTERM), killed (SIGKILL), five seconds apart; or, where
//! the program has ended by itself, what it left behind: told, and killed two seconds later.

use super::program::Running;
use crate::backend::runner::folder::Stopped;
use rustix::process::Signal;
use std::time::{Duration, Instant};

/// What is sent, step by step, and how long it is waited between two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Course {
    /// A program is stopped.
    Stop,
    /// What a program left behind is ended. A shell that waits for commands ignores TERM, and what was started with `nohup` HUP.
    Clear,
}

impl Course {
    fn steps(self) -> &'static [&'static [Signal]] {
        match self {
            Course::Stop => &[&[Signal::INT], &[Signal::TERM], &[Signal::KILL]],
            Course::Clear => &[&[Signal::HUP, Signal::TERM], &[Signal::KILL]],
        }
    }

    fn apart(self) -> Duration {
        match self {
            Course::Stop => Duration::from_secs(5),
            Course::Clear => Duration::from_secs(2),
        }
    }
}

/// How often the last step is repeated: what is started while others are being killed is found the next time …
const AGAIN: Duration = Duration::from_millis(50);
/// … and for how long: another user's process cannot be killed, and one that hangs in the kernel does not end.
const PATIENCE: Duration = Duration::from_secs(5);

/// An end that is being made.
#[derive(Debug)]
pub(super) struct Stop {
    /// Who asked; none where it was a limit, or the program has ended by itself.
    pub(super) why: Option<Stopped>,
    course: Course,
    /// The next step, and when it is due; after the last one that is repeated.
    step: usize,
    due: Instant,
    /// How many steps are to be taken before they are due.
    hurried: usize,
    /// When there was nothing more to do than to repeat it.
    killing: Option<Instant>,
    /// Whether those whom the program left behind have been told that it is gone.
    hung_up: bool,
    /// Whoever was there at the last look.
    left: Vec<i32>,
}

impl Stop {
    /// Stops the program.
    pub(super) fn new(why: Option<Stopped>, now: Instant) -> Self {
        Stop { why, course: Course::Stop, step: 0, due: now, hurried: 0, killing: None, hung_up: false, left: Vec::new() }
    }

    /// Ends what the program has left behind.
    pub(super) fn clear(now: Instant) -> Self {
        Stop { course: Course::Clear, hung_up: true, ..Stop::new(None, now) }
    }

    /// Whether the program is being stopped, and did not end by itself.
    pub(super) fn is_of_program(&self) -> bool {
        self.course == Course::Stop
    }

    /// Takes so many of the steps that are left at once.
    pub(super) fn hurry(&mut self, steps: usize) {
        self.hurried = self.hurried.saturating_add(steps);
    }

    /// When there is something to do next.
    pub(super) fn next(&self, now: Instant) -> Option<Instant> {
        (!self.is_given_up(now)).then_some(self.due)
    }

    /// Whether all has been done, and for long enough: nothing more will help.
    pub(super) fn is_given_up(&self, now: Instant) -> bool {
        self.killing.is_some_and(|since| now >= since + PATIENCE)
    }

    /// Who could not be ended.
    pub(super) fn left(self) -> Vec<i32> {
        self.left
    }

    /// Does what is due; says what was sent where that is a step.
    pub(super) fn advance(&mut self, now: Instant, running: &Running, exited: bool) -> Option<Signal> {
        if exited && !self.hung_up {
            self.hung_up = true;
            running.hang_up();
        }
        let mut reached = None;
        while self.step < self.course.steps().len() && (now >= self.due || self.hurried > 0) {
            if now < self.due {
                self.hurried -= 1;
            }
            reached = self.take_step(now, running);
        }
        if self.killing.is_some() && now >= self.due && !self.is_given_up(now) {
            self.left = running.signal(Signal::KILL);
            self.due = now + AGAIN;
        }
        reached
    }

    fn take_step(&mut self, now: Instant, running: &Running) -> Option<Signal> {
        let signals = *self.course.steps().get(self.step)?;
        for signal in signals {
            self.left = running.signal(*signal);
        }
        self.step += 1;
        if self.step < self.course.steps().len() {
            self.due = now + self.course.apart();
        } else {
            self.due = now + AGAIN;
            self.killing = Some(now);
        }
        signals.last().copied()
    }
}
