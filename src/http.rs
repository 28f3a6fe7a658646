//! The composition root: everything that speaks HTTP, put together from the layers below, and the command line that starts it.

mod assets;
pub mod command_line;
mod connection;
mod cookies;
mod cross_origin;
mod document;
mod form_token;
mod forwarded;
mod guard;
mod health;
pub mod launch;
mod limits;
mod nonce;
mod output_readers;
mod pages;
mod problem;
mod rest;
mod router;
mod security;
mod serve;
mod settings;
mod sign_in;
mod standing;
mod state;
mod streams;
mod theme;

pub use connection::Connections;
pub use cross_origin::Origins;
pub use limits::Limits;
pub use problem::Problem;
pub use router::router;
pub use serve::serve;
pub use state::AppState;
pub use streams::{StreamOptions, Streams};
