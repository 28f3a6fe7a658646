//! Chaos: real servers, programs and readers, and faults of all kinds at moments that a seed draws; after each round every copy of every
//! byte is compared with what the program wrote. `make chaos SEED=n ROUNDS=n` runs as many rounds as one likes, each of which can be
//! repeated by its own seed; without being asked it is a short fixed set.

mod check;
mod client;
mod copies;
mod copy;
mod disk;
mod http;
mod limits;
mod plan;
mod processes;
mod program;
mod proxy;
mod round;
mod server;
mod storm;
mod tally;

use rand::{Rng, SeedableRng, rngs::StdRng};
use std::{env, process::ExitCode, str::FromStr, thread, time::Instant};
use tally::Tally;
use tokio::{runtime::Runtime, task::JoinSet};

/// What `cargo test` runs: a seed whose rounds bring every kind of fault, runner and reader.
const FIXED: (u64, usize) = (27, 6);

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == program::PRINT) {
        return program::print(&arguments[1..]);
    }
    // As `cargo test` has it: a list of tests, or a part of the names of those to run.
    let filter = arguments.iter().find(|argument| !argument.starts_with('-'));
    if arguments.iter().any(|argument| argument == "--list") {
        return ExitCode::SUCCESS;
    }
    if let Some(filter) = filter.filter(|filter| !"chaos".contains(filter.as_str())) {
        eprintln!("chaos: left out, as {filter:?} is asked for");
        return ExitCode::SUCCESS;
    }
    if !cfg!(target_os = "linux") {
        eprintln!("chaos: not here, as it looks at processes in /proc");
        return ExitCode::SUCCESS;
    }
    // A round mostly waits.
    let at_once = 2 * thread::available_parallelism().map_or(2, usize::from);
    let chosen = (number("CHAOS_SEED", FIXED.0), number("CHAOS_ROUNDS", FIXED.1), number("CHAOS_JOBS", at_once));
    let (Some(seed), Some(rounds), Some(at_once)) = chosen else { return ExitCode::FAILURE };
    eprintln!("chaos: SEED={seed} ROUNDS={rounds}, {at_once} at once");
    Runtime::new().expect("a runtime").block_on(all(seed, rounds, at_once.max(1)))
}

/// From the environment; none, and a word about it, where it is no number.
fn number<T: FromStr>(name: &str, usual: T) -> Option<T> {
    let text = env::var(name).unwrap_or_default();
    if text.is_empty() {
        return Some(usual);
    }
    let number = text.parse().ok();
    if number.is_none() {
        eprintln!("chaos: {name} is {text:?}: a number is expected");
    }
    number
}

/// The seeds of the rounds, the first of which is the one that was asked for: so each of them can be repeated alone.
fn seeds(seed: u64) -> impl Iterator<Item = u64> {
    let mut random = StdRng::seed_from_u64(seed);
    std::iter::once(seed).chain(std::iter::from_fn(move || Some(random.random_range(0..1 << 32))))
}

async fn all(seed: u64, rounds: usize, at_once: usize) -> ExitCode {
    let (begin, tally) = (Instant::now(), Tally::default());
    let mut seeds = seeds(seed).take(rounds).enumerate();
    let mut held = JoinSet::new();
    let mut failure = None;
    loop {
        // After a failure no other round begins; those that are under way clean up after themselves.
        while failure.is_none()
            && held.len() < at_once
            && let Some((number, seed)) = seeds.next()
        {
            let tally = tally.clone();
            held.spawn(async move {
                let begin = Instant::now();
                (number + 1, seed, round::hold(seed, &tally).await, begin.elapsed().as_secs_f32())
            });
        }
        let Some(done) = held.join_next().await else { break };
        match done {
            Ok((number, seed, Ok(words), took)) => eprintln!("round {number} (seed {seed}): {words}, {took:.1} s"),
            Ok((number, seed, Err(error), took)) => {
                let again = format!("make chaos SEED={seed} ROUNDS=1");
                eprintln!("round {number} FAILED after {took:.1} s; again by: {again}\n{error}");
                failure.get_or_insert(again);
            }
            Err(error) => {
                failure.get_or_insert(format!("make chaos SEED={seed} ROUNDS={rounds}, in which a round broke down: {error}"));
            }
        }
    }
    eprintln!("chaos: {tally}");
    match failure {
        None => {
            eprintln!("test result: ok. chaos: {rounds} rounds passed in {:.0} s", begin.elapsed().as_secs_f32());
            ExitCode::SUCCESS
        }
        Some(again) => {
            eprintln!("test result: FAILED. chaos: again by: {again}");
            ExitCode::FAILURE
        }
    }
}
