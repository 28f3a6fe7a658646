//! The data folder as people and machines treat it: made on a machine that fails, copied, restored
//! from a backup, damaged, taken away. The program itself, with real folders and the tools that are
//! used on them.

#[path = "../support/program.rs"]
mod program;
#[path = "../support/server.rs"]
mod server;

mod backup;
mod copies;
mod damage;
mod first_start;
mod tools;
