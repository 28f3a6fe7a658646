//! What the pages and the API work with, in one piece: a cheap clone.

use super::{clock::Clock, drafts::Drafts, runner::Runners, store::Store};

/// The server's parts.
#[derive(Clone)]
pub struct Backend {
    /// Tasks, runs and the log.
    pub store: Store,
    /// What starts and cancels runs.
    pub runners: Runners,
    /// What time it is.
    pub clock: Clock,
    /// What was typed and could not be taken.
    pub drafts: Drafts,
}
