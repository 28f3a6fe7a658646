//! What a person typed and could not be taken, kept for the next page, which shows it again. It lives in memory only, within bounds:
//! the oldest goes first.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};
use uuid::Uuid;

/// How many bytes all drafts may have together.
const MAX_BYTES: usize = 16 * 1024 * 1024;
/// How many drafts there may be.
const MAX_COUNT: usize = 64;

/// A text by its name.
type Draft = (String, Arc<str>);

/// A cheap clone of one memory.
#[derive(Clone, Debug, Default)]
pub struct Drafts(Arc<Mutex<VecDeque<Draft>>>);

impl Drafts {
    /// Keeps a text and names it. A text beyond all bounds is not kept; its name then leads nowhere.
    #[must_use]
    pub fn keep(&self, text: String) -> String {
        let name = Uuid::now_v7().simple().to_string();
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.push_back((name.clone(), text.into()));
        while all.len() > MAX_COUNT || all.iter().map(|(_, text)| text.len()).sum::<usize>() > MAX_BYTES {
            all.pop_front();
        }
        name
    }

    /// The text of that name, if it is still there. It stays, so that the page can be reloaded.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<Arc<str>> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().find(|(known, _)| known == name).map(|(_, text)| Arc::clone(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_goes_first() {
        let drafts = Drafts::default();
        let names: Vec<String> = (0..=MAX_COUNT).map(|n| drafts.keep(n.to_string())).collect();
        assert_eq!(drafts.find(&names[0]), None);
        assert_eq!(drafts.find(&names[1]).as_deref(), Some("1"));
        let _ = drafts.keep("x".repeat(MAX_BYTES - 10));
        assert_eq!(drafts.find(&names[1]), None);
        assert_eq!(drafts.find(&names[MAX_COUNT]).as_deref(), Some("64"));
        let huge = drafts.keep("x".repeat(MAX_BYTES + 1));
        assert_eq!(drafts.find(&huge), None);
    }
}
