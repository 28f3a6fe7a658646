//! The server functions: one file per resource; each takes the context, calls the backend and maps the error. In the browser the same
//! names are requests to the server.

pub mod codec;
pub mod error;
pub mod form_token;
pub mod packed;
pub mod pages;
pub mod runs;
pub mod tasks;
