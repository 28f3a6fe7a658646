//! The parts that pages are made of.

pub mod answer_form;
pub mod board_filter;
pub mod connection_status;
pub mod details;
pub mod elapsed;
pub mod examples;
pub mod failure;
pub mod fixed;
pub mod form_token;
pub mod header;
pub mod held_runs;
pub mod labels;
pub mod list;
pub mod loaded;
pub mod prompt_form;
pub mod run_again;
pub mod run_card;
pub mod server_notice;
pub mod task_card;
pub mod time;
