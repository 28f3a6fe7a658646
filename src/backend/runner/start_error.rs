//! Why a run's program has not been started: for want of something that comes back, which is waited
//! for, or for good. A supervisor says which in one line to the server that started it:
//!
//! | line | means |
//! |---|---|
//! | `ready`, `held`, `begun` | the run has a supervisor, or had one |
//! | `wait: WORD: REASON` | nothing was started; to be tried again |
//! | `failed: REASON` | nothing was started, and nothing will be |
//!
//! The first three end with a line feed, the others with the end of the output: a server of an
//! earlier version takes any whole line for `ready`, and what is none for a failure.

use crate::backend::space::Resource;
use std::{fmt, io};

/// Why nothing was started.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum StartError {
    /// To be tried again.
    #[error("{reason}")]
    Retryable {
        /// What it waits for.
        missing: Resource,
        /// In words for the log.
        reason: String,
    },
    /// The same would happen again.
    #[error("{0}")]
    Permanent(String),
}

impl StartError {
    /// What follows from an error of the system, told in those words.
    pub(super) fn new(error: &io::Error, words: impl fmt::Display) -> Self {
        let reason = format!("{words}: {error}");
        match Resource::of(error) {
            Some(missing) => StartError::Retryable { missing, reason },
            None => StartError::Permanent(reason),
        }
    }

    /// A supervisor has started nothing, and nobody heard why.
    pub(super) fn postponed() -> Self {
        StartError::Retryable { missing: Resource::Other, reason: "the system refused to start its program".to_owned() }
    }

    /// The line that tells it to the server. It has no line feed in it and none at its end.
    pub(super) fn to_line(&self) -> String {
        let line = match self {
            StartError::Retryable { missing, reason } => format!("wait: {}: {reason}", missing.as_str()),
            StartError::Permanent(reason) => format!("failed: {reason}"),
        };
        line.replace(['\n', '\r'], " ")
    }

    /// Reads what a supervisor has said; none where that is no line of this kind.
    pub(super) fn from_line(line: &str) -> Option<Self> {
        let line = line.trim_end_matches('\n');
        if let Some(reason) = line.strip_prefix("failed: ") {
            return Some(StartError::Permanent(reason.to_owned()));
        }
        let (word, reason) = line.strip_prefix("wait: ")?.split_once(": ")?;
        Some(StartError::Retryable { missing: Resource::from_word(word), reason: reason.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_supervisor_says_is_read_by_the_server() {
        for missing in Resource::ALL {
            let error = StartError::Retryable { missing, reason: "no: such\nthing".into() };
            let line = error.to_line();
            assert!(!line.contains('\n'));
            assert_eq!(StartError::from_line(&line), Some(StartError::Retryable { missing, reason: "no: such thing".into() }));
        }
        let failed = StartError::Permanent("there is no run".into());
        assert_eq!(StartError::from_line(&failed.to_line()), Some(failed));
        let newer = StartError::from_line("wait: gizmo: no gizmo left");
        assert_eq!(newer, Some(StartError::Retryable { missing: Resource::Other, reason: "no gizmo left".into() }));
        for other in ["", "ready", "wait", "wait: process", "postponed: x"] {
            assert_eq!(StartError::from_line(other), None, "{other:?}");
        }
    }
}
