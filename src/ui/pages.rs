//! One file a page.

pub mod board;
pub mod dashboard;
pub mod not_done;
pub mod not_found;
pub mod run;
pub mod settings;
pub mod sign_in;
pub mod task;
