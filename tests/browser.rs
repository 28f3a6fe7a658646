//! What only a browser can prove, run in headless Chromium by `make test-wasm`.

#![cfg(target_arch = "wasm32")]

#[path = "browser/console.rs"]
mod console;
#[path = "browser/event_stream.rs"]
mod event_stream;
#[path = "browser/fakes.rs"]
mod fakes;
#[path = "browser/fetch.rs"]
mod fetch;
#[path = "browser/live.rs"]
mod live;

use kontasks::domain::timestamp::Timestamp;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_browser);

/// Server and page write the same moment in the same way: else the page would not hydrate.
#[wasm_bindgen_test]
fn a_moment_reads_as_on_the_server() {
    let at = Timestamp::parse("2026-01-02T10:13:58.2599+01:00").expect("valid");
    assert_eq!(at.to_utc_minutes(), "2026-01-02 09:13 UTC");
}
