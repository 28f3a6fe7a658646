//! Where a stream has come to: which events are new, which have been seen, and when only a snapshot helps.

use super::{Action, Heard};
use crate::domain::cursor::{Cursor, Epoch};

/// The place of one stream in the log, over all its connections.
#[derive(Clone, Debug, Default)]
pub(super) struct Place {
    /// Everything up to here has been delivered.
    pub(super) seen: Option<Cursor>,
    /// The log that the present connection named.
    epoch: Option<Epoch>,
    /// The present connection has already said that a snapshot is needed, up to there.
    snapshot: Option<Cursor>,
}

impl Place {
    /// A connection begins.
    pub(super) fn begin(&mut self) {
        self.epoch = None;
        self.snapshot = None;
    }

    /// What to do with an event that arrived.
    pub(super) fn take(&mut self, heard: Heard) -> Option<Action> {
        match heard {
            Heard::Hello { epoch, head, .. } => {
                let start = Cursor { epoch: epoch.clone(), seq: head };
                let known = self.seen.as_ref().map(|seen| seen.epoch == epoch);
                self.epoch = Some(epoch);
                match known {
                    Some(true) => None,
                    Some(false) => self.load_snapshot(Some(start)),
                    None => {
                        self.seen = Some(start);
                        None
                    }
                }
            }
            Heard::Reset { head } => {
                let epoch = self.epoch.clone().or_else(|| self.seen.as_ref().map(|seen| seen.epoch.clone()));
                let cursor = epoch.map(|epoch| Cursor { epoch, seq: head });
                // A hello that named another log has said it before.
                if cursor.is_some() && cursor == self.snapshot { None } else { self.load_snapshot(cursor) }
            }
            Heard::Log(cursor) => match &self.seen {
                Some(seen) if seen.epoch != cursor.epoch => self.load_snapshot(Some(cursor)),
                Some(seen) if cursor.seq <= seen.seq => None,
                _ => {
                    self.seen = Some(cursor);
                    Some(Action::Deliver)
                }
            },
            // It cannot be applied, but a snapshot has it.
            Heard::Unreadable(Some(cursor)) => match &self.seen {
                Some(seen) if seen.epoch == cursor.epoch && cursor.seq <= seen.seq => None,
                _ => self.load_snapshot(Some(cursor)),
            },
            Heard::Unreadable(None) | Heard::Retry { .. } | Heard::Ping | Heard::ForceLogout { .. } | Heard::Shutdown { .. } => None,
        }
    }

    fn load_snapshot(&mut self, cursor: Option<Cursor>) -> Option<Action> {
        self.snapshot.clone_from(&cursor);
        self.seen.clone_from(&cursor);
        Some(Action::LoadSnapshot { cursor })
    }
}
