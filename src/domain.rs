//! What Kontasks is about, as plain values and pure functions: no clock, no I/O, no framework. Server and browser share it, so that
//! both read the same events in the same way.

pub mod board;
pub mod cursor;
pub mod digest;
pub mod event;
pub mod event_stream_parser;
pub mod filter;
pub mod filtered_tasks;
pub mod held;
pub mod id;
pub mod integrity;
pub mod limits;
pub mod members;
pub mod number;
pub mod reconnect;
pub mod run;
pub mod sharing;
pub mod snapshot;
pub mod sort_key;
pub mod task;
pub mod terminal;
pub mod terminal_size;
pub mod theme;
pub mod timestamp;
pub mod user_agent;
pub mod visible_text;
