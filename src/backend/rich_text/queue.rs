//! Sanitises away from the runtime's threads, a few texts at once: whoever posts more waits, and everybody else does not notice.

use super::{Sanitized, sanitize};
use std::{num::NonZeroUsize, sync::Arc, thread};
use tokio::{sync::Semaphore, task::spawn_blocking};

/// The places for texts that are being sanitised; a cheap clone.
#[derive(Clone, Debug)]
pub struct Sanitizers(Arc<Semaphore>);

impl Default for Sanitizers {
    /// As many places as half of the processors, and at least one.
    fn default() -> Self {
        let processors = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Sanitizers(Arc::new(Semaphore::new((processors / 2).max(1))))
    }
}

impl Sanitizers {
    /// Sanitises the text when its turn comes.
    pub async fn sanitize(&self, html: String) -> Sanitized {
        let refused = || Sanitized::Refused("could not be read".to_owned());
        let Ok(place) = Arc::clone(&self.0).acquire_owned().await else { return refused() };
        // The place is taken until the work is done, also where nobody waits for it any more.
        let work = spawn_blocking(move || {
            let _place = place;
            sanitize(&html)
        });
        work.await.unwrap_or_else(|_| refused())
    }
}
