//! Tells cargo what else the crate is made of: a release server has the built page inside it, and is to be built again when that
//! changes, also when files come that were not there before.

use std::env;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let embeds = env::var_os("CARGO_FEATURE_SSR").is_some() && env::var("PROFILE").is_ok_and(|profile| profile == "release");
    if embeds {
        println!("cargo:rerun-if-changed=target/site");
    }
}
