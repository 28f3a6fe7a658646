//! Hooks: browser abilities as signals, inert on the server.

pub mod action;
mod driver;
pub mod effect;
pub mod event_source;
pub mod live;
pub(super) mod timer;
pub mod transport;
pub mod use_event_stream;
pub mod use_kept_text;
pub mod use_local_time;
pub mod use_now;
pub mod use_snapshot;
