//! `use_local_time`: a moment as the reader's own browser writes it.

use super::effect::effect;
use crate::domain::timestamp::Timestamp;
use js_sys::{Array, Date, Intl::DateTimeFormat, Object, Reflect};
use leptos::prelude::*;
use wasm_bindgen::JsValue;

/// The moment as text: first in UTC, as the server writes it, then in the reader's language and time zone.
///
/// ## On the server
/// UTC, as in the first render in the browser.
pub fn use_local_time(at: Timestamp) -> RwSignal<String> {
    let words = RwSignal::new(at.to_utc_minutes());
    effect(move || words.set(local(at)));
    words
}

/// `2 Jan 2026, 10:13`, in the browser's language and time zone. Only for what runs in the browser.
#[must_use]
pub fn local(at: Timestamp) -> String {
    let options = Object::new();
    for (name, value) in [("dateStyle", "medium"), ("timeStyle", "short")] {
        // Fails only on a frozen object.
        let _ = Reflect::set(&options, &JsValue::from_str(name), &JsValue::from_str(value));
    }
    let format = DateTimeFormat::new(&Array::new(), &options).format();
    let date = Date::new(&JsValue::from_f64(at.0 as f64));
    let text = format.call1(&JsValue::UNDEFINED, &date).ok().and_then(|text| text.as_string());
    text.unwrap_or_else(|| at.to_utc_minutes())
}
