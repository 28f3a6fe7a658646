//! `use_now`: a clock that ticks only while somebody needs it.

use super::effect::effect;
use crate::domain::timestamp::Timestamp;
use leptos::{leptos_dom::helpers::set_interval_with_handle, prelude::*};
use std::time::Duration;

/// The present moment, renewed every `every` while `active` is true, and once when it becomes so. The interval is freed when `active`
/// becomes false and when the owner is cleaned up. Reading it in an Effect or a view runs that again at every tick.
///
/// ## On the server
/// Always none, as in the first render in the browser.
pub fn use_now(every: Duration, active: Memo<bool>) -> impl Fn() -> Option<Timestamp> + Copy + Send + Sync {
    let now = RwSignal::new(None);
    effect(move || {
        if !active.get() {
            return;
        }
        now.set(Some(present()));
        let tick = move || {
            now.try_set(Some(present()));
        };
        if let Ok(interval) = set_interval_with_handle(tick, every) {
            on_cleanup(move || interval.clear());
        }
    });
    move || now.get()
}

/// The browser's clock. Only for Effects and event handlers.
#[must_use]
pub fn present() -> Timestamp {
    Timestamp(js_sys::Date::now() as i64)
}
