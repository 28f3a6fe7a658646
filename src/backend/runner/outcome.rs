//! How a run ended, in the log's words, by what its supervisor wrote down.

use super::folder::{Ended, How, Stopped};
use crate::{
    backend::store::RunEnd,
    domain::{integrity::Damage, number::counted, run::RunStatus, timestamp::Timestamp},
};

/// Why a run ends here that another folder's supervisor holds, or held.
pub(super) const COPIED: &str = "this is a copy or a restored backup: its program belongs to the original and was left alone";

/// What a supervisor has written down of the end.
pub(super) fn outcome(ended: Ended, runner: &str, cancelled_by: Option<String>) -> RunEnd {
    let (exit_code, signal, reason) = match ended.how {
        How::Exited(code) => (Some(code), None, None),
        How::Signalled(name) => (None, Some(name), None),
        How::NotStarted(reason) => (None, None, Some(reason)),
    };
    let limit = ended.limit.map(|limit| limit.reason(runner));
    let (status, reason) = match ended.stopped {
        Some(Stopped::Cancelled) => {
            // It may have come to a limit while it was being stopped.
            let words: Vec<String> = [cancelled_by, limit].into_iter().flatten().collect();
            (RunStatus::Cancelled, (!words.is_empty()).then(|| words.join("; ")))
        }
        Some(Stopped::Terminated) => (RunStatus::Interrupted, Some("the process that held it was told to end (SIGTERM)".to_owned())),
        None if limit.is_some() => (RunStatus::Failed, limit),
        None if exit_code == Some(0) => (RunStatus::Succeeded, reason),
        None => (RunStatus::Failed, reason),
    };
    RunEnd { status, exit_code, signal, reason, at: ended.at }
}

/// The end of a run whose output is not what its program wrote, be it that so many of so many bytes are `lost`: it must not look like one
/// that is whole, however its program ended.
pub(super) fn damaged(end: RunEnd, damage: Damage, lost: u64, bytes: u64) -> RunEnd {
    let what = match lost {
        0 => "its output differs from what the program wrote".to_owned(),
        lost => format!("{} of its {} bytes of output are lost", counted(lost), counted(bytes)),
    };
    let what = format!("{what}, {}", damage.place());
    let reason = match (end.status, &end.reason, end.exit_code, &end.signal) {
        (RunStatus::Interrupted, Some(reason), ..) => format!("{reason}; {what}"),
        (RunStatus::Cancelled, Some(by), ..) => format!("{what}; it was cancelled {by}"),
        (RunStatus::Cancelled, None, ..) => format!("{what}; it was cancelled"),
        (_, Some(reason), ..) => format!("{what}; {reason}"),
        (.., Some(code), _) => format!("{what}; its program exited with code {code}"),
        (.., Some(signal)) => format!("{what}; its program was ended by {signal}"),
        _ => what,
    };
    RunEnd { status: RunStatus::Interrupted, reason: Some(reason), ..end }
}

pub(super) fn interrupted(reason: String, at: Timestamp) -> RunEnd {
    RunEnd { status: RunStatus::Interrupted, exit_code: None, signal: None, reason: Some(reason), at }
}
