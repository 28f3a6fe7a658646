//! The server behind the pages: store and log, runners and their supervisors, sign-in, configuration. It knows nothing of HTTP.

pub mod auth;
pub mod clock;
pub mod config;
mod context;
pub mod data_dir;
pub mod database_files;
pub mod drafts;
pub mod environment;
pub mod identity;
pub mod open_files;
pub mod private_files;
pub mod raw_json;
pub mod rich_text;
pub mod runner;
pub mod space;
pub mod store;
pub mod umask;

pub use context::Backend;
