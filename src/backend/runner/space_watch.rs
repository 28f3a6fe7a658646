//! Watches over the room that there is, and over what starts a program: what is short is known to whoever asks, and when it is over
//! the queue goes on.

use super::{RETRY, Runners};
use crate::backend::{
    space::{self, Shortage},
    store::{Store, StoreError},
};
use std::io;
use tokio::{sync::watch, task::spawn_blocking, time::sleep};

impl Runners {
    /// Looks after the room that there is, now and until the server ends. While there is too little, no run is accepted or started; where the data
    /// folder has `max_data` bytes in it, that is too little too. To be called once.
    pub async fn watch_space(&self, max_data: Option<u64>) {
        self.look_at_space(max_data).await;
        let runners = self.clone();
        self.0.followers.spawn(async move {
            let mut waits = runners.0.waits.subscribe();
            loop {
                tokio::select! {
                    () = sleep(RETRY) => runners.look_at_space(max_data).await,
                    () = waits.next() => {
                        let measured = runners.0.shortage.borrow().filter(|shortage| shortage.refuses());
                        runners.note(measured);
                    }
                    () = runners.0.shutdown.cancelled() => return,
                }
            }
        });
    }

    async fn look_at_space(&self, max_data: Option<u64>) {
        match self.measure(max_data).await {
            Ok(shortage) => {
                self.note(shortage);
                if shortage.is_none() {
                    // Where there was no room to keep any.
                    let _ = self.0.reserve.ensure();
                }
            }
            Err(error) => tracing::warn!("how much room there is cannot be told: {error}"),
        }
    }

    /// What is short, now and whenever that changes.
    #[must_use]
    pub fn shortage(&self) -> watch::Receiver<Option<Shortage>> {
        self.0.shortage.subscribe()
    }

    async fn measure(&self, max_data: Option<u64>) -> io::Result<Option<Shortage>> {
        if Store::has_met_damage() {
            return Ok(Some(Shortage::Damaged));
        }
        if !self.is_in_place() {
            return Ok(Some(Shortage::Gone));
        }
        let data = self.0.data.clone();
        let mut measured = spawn_blocking(move || space::measure(&data, max_data.is_some())).await??;
        if max_data.is_some() {
            measured.used += self.0.store.size().await.map_err(io::Error::other)?;
        }
        // Nobody else may try again: what was refused was told so, and waits for nothing.
        let refused = self.0.store.is_full() && matches!(self.0.store.try_room().await, Err(StoreError::Full));
        Ok(space::judge(*self.0.shortage.borrow(), measured, max_data, refused))
    }

    fn note(&self, shortage: Option<Shortage>) {
        let refused = self.0.shortage.borrow().is_some_and(Shortage::refuses);
        let shortage = shortage.or_else(|| self.0.waits.missing().map(Shortage::Start));
        let changed = self.0.shortage.send_if_modified(|known| std::mem::replace(known, shortage) != shortage);
        match shortage {
            Some(shortage) if changed => tracing::warn!("{}", shortage.notice()),
            None if changed && !refused => tracing::info!("no run waits to be started for want of anything any more"),
            None if changed => tracing::info!("runs are accepted and started again"),
            _ => {}
        }
        if refused && !shortage.is_some_and(Shortage::refuses) {
            self.start_next();
        }
    }
}
