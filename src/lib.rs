//! Kontasks: a self-hosted task board with a live console.
//!
//! The modules stand in reading order; each may name those above it and none below (ARCHITECTURE.md says why, `tests/tidy.rs`
//! checks it). This file and `main.rs` hold the only `cfg(feature = …)` lines of the crate: `ssr` is the server,
//! `hydrate` the browser, and `fetch-transport` adds a carrier of event streams that our own pages do without.

// A page's view is one type, as deep as its elements are nested.
#![recursion_limit = "512"]

pub mod domain;

#[cfg(feature = "ssr")]
pub mod backend;

pub mod api;
#[cfg(feature = "ssr")]
#[path = "api/context.rs"]
mod api_context;
#[cfg(feature = "fetch-transport")]
#[path = "ui/hooks/fetch_transport.rs"]
pub mod fetch_transport;
pub mod ui;

pub mod app;

#[cfg(feature = "ssr")]
pub mod http;

/// Makes the server-rendered page live: called by the page's own script once the wasm is loaded.
#[cfg(feature = "hydrate")]
#[wasm_bindgen::prelude::wasm_bindgen]
pub fn hydrate() {
    console_error_panic_hook::set_once();
    leptos::mount::hydrate_lazy(app::App);
}
