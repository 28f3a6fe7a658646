//! One timer of the browser: set for a moment by the clock, anew or not at all. Browser only.

use super::transport::now;
use std::cell::Cell;
use wasm_bindgen::{JsCast, closure::Closure};

/// A timer and what it does. Dropping it clears nothing: [`Timer::clear`] does.
pub(in crate::ui) struct Timer {
    callback: Closure<dyn Fn()>,
    handle: Cell<Option<i32>>,
}

impl Timer {
    /// A timer that is not set.
    pub(in crate::ui) fn new(fired: impl Fn() + 'static) -> Self {
        Timer { callback: Closure::new(fired), handle: Cell::new(None) }
    }

    /// Fires once at that moment, in milliseconds since 1970; replaces an earlier setting.
    pub(in crate::ui) fn set(&self, at: u64) {
        self.clear();
        let delay = i32::try_from(at.saturating_sub(now())).unwrap_or(i32::MAX);
        self.handle.set(web_sys::window().and_then(|window| {
            let callback = self.callback.as_ref().unchecked_ref();
            window.set_timeout_with_callback_and_timeout_and_arguments_0(callback, delay).ok()
        }));
    }

    /// No firing; without effect where it has fired or was not set.
    pub(in crate::ui) fn clear(&self) {
        if let (Some(handle), Some(window)) = (self.handle.take(), web_sys::window()) {
            window.clear_timeout_with_handle(handle);
        }
    }
}
