//! The composition root: everything that speaks HTTP, put together from the layers below, and the command line that starts it.

mod assets;
pub mod command_line;
mod cross_origin;
mod document;
mod form_token;
mod guard;
mod health;
pub mod launch;
mod pages;
mod problem;
mod rest;
mod router;
mod security;
mod serve;
mod settings;
mod sign_in;
mod state;
mod streams;
mod theme;

pub use cross_origin::Origins;
pub use problem::Problem;
pub use router::router;
pub use serve::serve;
pub use state::AppState;
pub use streams::{StreamOptions, Streams};
