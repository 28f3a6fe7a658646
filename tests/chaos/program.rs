//! The program that a round's runs start: this test's own binary, which writes a stream that its seed decides to the last byte. So what a
//! run must hold is known without asking anybody who took part.

use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use rustix::io::write;
use std::{fmt::Write, process::ExitCode, thread, time::Duration};

/// The first argument that makes this binary the program.
pub const PRINT: &str = "print";
/// The argument of a program that goes on when nobody reads it any more, as some do.
pub const STAY: &str = "stay";
/// For so long, should nobody end it: nothing stays for ever, even where a round has failed.
const LONGEST_STAY: Duration = Duration::from_secs(120);

/// What one seed makes of the program.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    seed: u64,
}

/// One step of it.
enum Step {
    Write(Vec<u8>),
    Pause(Duration),
}

impl Program {
    pub fn of(seed: u64) -> Self {
        Program { seed }
    }

    /// What a runner is given as its prompt.
    pub fn prompt(self) -> String {
        self.seed.to_string()
    }

    /// All that it writes.
    pub fn bytes(self) -> Vec<u8> {
        let written = self.steps().into_iter().map(|step| match step {
            Step::Write(bytes) => bytes,
            Step::Pause(_) => Vec::new(),
        });
        written.collect::<Vec<_>>().concat()
    }

    /// What it ends with.
    pub fn exit_code(self) -> i32 {
        if self.seed.is_multiple_of(4) { 3 } else { 0 }
    }

    fn steps(self) -> Vec<Step> {
        let mut random = StdRng::seed_from_u64(self.seed);
        let passages = random.random_range(0..30);
        // In all: most programs write for as long as the faults come, some are over at once.
        let pauses = [0, 2_000, 4_000, 6_000].choose(&mut random).copied().unwrap_or_default();
        let mut steps = Vec::new();
        for number in 0..passages {
            passage(&mut random, number, &mut steps);
            steps.push(Step::Pause(Duration::from_millis(pauses / passages)));
        }
        steps
    }
}

fn passage(random: &mut StdRng, number: u64, steps: &mut Vec<Step>) {
    match random.random_range(0..7) {
        0 => {
            let mut text = String::new();
            for line in 0..random.random_range(1..60) {
                let _ = writeln!(text, "passage {number}, line {line}");
            }
            steps.push(Step::Write(text.into_bytes()));
        }
        1 => steps.push(Step::Write(text(random, 400).into_bytes())),
        // Characters that come a byte at a time.
        2 => {
            for byte in text(random, 6).bytes() {
                steps.push(Step::Write(vec![byte]));
                steps.push(Step::Pause(Duration::from_millis(random.random_range(0..8))));
            }
        }
        3 => steps.push(Step::Write((0..random.random_range(1..5_000)).map(|_| random.random()).collect())),
        4 => {
            let length = random.random_range(1..300_000);
            let mut line: Vec<u8> = (0..length).map(|at: u32| b'a' + (at % 26) as u8).collect();
            line.extend_from_slice(b"\r\n");
            steps.push(Step::Write(line));
        }
        // Many writes at once.
        5 => steps.extend((0..random.random_range(1..400)).map(|at| Step::Write(format!("\x1b[3{}m{at}\x1b[0m ", at % 8).into_bytes()))),
        _ => {
            for at in 0..random.random_range(1..20) {
                steps.push(Step::Write(format!("{at} of {number}\n").into_bytes()));
                steps.push(Step::Pause(Duration::from_millis(random.random_range(0..30))));
            }
        }
    }
}

/// Characters of all widths in UTF-8.
fn text(random: &mut StdRng, most: usize) -> String {
    let width = |random: &mut StdRng| match random.random_range(0..4) {
        0 => random.random_range('\0'..='\u{7f}'),
        1 => random.random_range('\u{80}'..='\u{7ff}'),
        2 => random.random_range('\u{800}'..='\u{ffff}'),
        _ => random.random_range('\u{10000}'..='\u{10ffff}'),
    };
    (0..random.random_range(0..=most)).map(|_| width(random)).collect()
}

/// Is the program of the seed in the arguments.
pub fn print(arguments: &[String]) -> ExitCode {
    let Some(Ok(seed)) = arguments.first().map(|seed| seed.parse()) else { return ExitCode::from(90) };
    let program = Program::of(seed);
    for step in program.steps() {
        match step {
            Step::Pause(pause) => thread::sleep(pause),
            Step::Write(bytes) if !write_all(&bytes) => {
                if arguments.iter().any(|argument| argument == STAY) {
                    thread::sleep(LONGEST_STAY);
                }
                return ExitCode::from(91);
            }
            Step::Write(_) => {}
        }
    }
    ExitCode::from(program.exit_code().unsigned_abs() as u8)
}

/// As the system takes it, without a buffer in between.
fn write_all(mut bytes: &[u8]) -> bool {
    while !bytes.is_empty() {
        match write(rustix::stdio::stdout(), bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return false,
        }
    }
    true
}
