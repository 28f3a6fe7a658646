//! What a round is: everything that is drawn from its seed, before anything happens. How long each thing then takes is the machine's affair.

use crate::{program::Program, server::Log};
use rand::{
    Rng, SeedableRng,
    rngs::StdRng,
    seq::{IndexedRandom, SliceRandom},
};
use std::time::Duration;

/// The names of the runners in a round's `kontasks.toml`.
pub const RUNNERS: [&str; 4] = ["pipe", "terminal", "stubborn-pipe", "stubborn-terminal"];

/// One round.
#[derive(Clone, Debug)]
pub struct Plan {
    pub seed: u64,
    pub runs: Vec<RunPlan>,
    /// Those who read all runs over one stream.
    pub boards: Vec<ClientPlan>,
    /// What happens, one after the other.
    pub storm: Vec<(When, Fault)>,
    /// What decides the fate of each connection through the proxy.
    pub network: u64,
}

#[derive(Clone, Debug)]
pub struct RunPlan {
    pub program: Program,
    pub runner: &'static str,
    /// When it is submitted, after the one before it.
    pub after: Duration,
    /// When somebody asks for its end, after its submission.
    pub cancel: Option<Duration>,
    pub clients: Vec<ClientPlan>,
}

/// One page, without a browser.
#[derive(Clone, Debug)]
pub struct ClientPlan {
    pub seed: u64,
    /// The stream of the board with the runs named, and not that of a run alone.
    pub board: bool,
    pub begin: Begin,
    pub through_proxy: bool,
    /// How much faster its clock goes.
    pub speed: u32,
    /// Its clock is set, after so long, by so many milliseconds.
    pub jumps: Vec<(Duration, i64)>,
    /// The page is loaded anew after so long.
    pub reload: Option<Duration>,
}

/// What a page has when it first connects.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Begin {
    /// Nothing, and the log's beginning as its cursor.
    Nothing,
    /// A snapshot.
    Snapshot,
    /// The cursor of another log.
    ForeignCursor,
    /// A cursor that the log has yet to reach.
    FutureCursor,
}

/// When a fault comes.
#[derive(Clone, Copy, Debug)]
pub enum When {
    /// So long after the one before it is over.
    After(Duration),
    /// So long after the server has begun with a run, where it does so soon: a start has more steps than anything else.
    AtStart(Duration),
}

#[derive(Clone, Debug)]
pub enum Fault {
    /// The server is killed, and started after a while. Each further time it is killed so long after its start, which may be before
    /// it listens.
    KillServer { down: Duration, again: Vec<Duration> },
    /// The server is told to end, and started after a while.
    EndServer { down: Duration },
    /// The server does nothing for a while.
    FreezeServer { pause: Duration },
    /// A supervisor does nothing for a while.
    FreezeSupervisor { pause: Duration },
    /// A supervisor is killed, also while there is no server for so long.
    KillSupervisor { down: Option<Duration> },
    /// Nothing can be written to the disk for a while; the server may be killed meanwhile.
    FillDisk { pause: Duration, kill: bool },
    /// The server cannot open another file or socket for a while: it has what it has, and so many more.
    NoDescriptors { pause: Duration, spare: u64 },
    /// The server can start neither a process nor a thread for a while.
    NoProcesses { pause: Duration },
    /// The server is killed, and started with a log that cannot be written.
    UnwritableLog { log: Log, down: Duration },
    /// A copy of the data folder is made, and a second server opened on it for a while.
    CopyFolder { pause: Duration },
    /// The data folder is somewhere else for a while.
    MoveFolder { pause: Duration },
    /// A backup is made while the server is down; it is looked at when all is over.
    BackUp { down: Duration },
}

impl Plan {
    pub fn of(seed: u64) -> Plan {
        let mut random = StdRng::seed_from_u64(seed);
        let random = &mut random;
        let count = random.random_range(1..=3);
        let runs = (0..count).map(|_| RunPlan::draw(random)).collect();
        let boards = (0..random.random_range(1..=2)).map(|_| ClientPlan { board: true, ..ClientPlan::draw(random) }).collect();
        // Each kind at most once a round, so that the seeds of a few rounds bring all.
        let mut kinds = [0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];
        kinds.shuffle(random);
        let storm = kinds[..random.random_range(1..=5)].iter().map(|kind| (When::draw(random), Fault::draw(random, *kind))).collect();
        Plan { seed, runs, boards, storm, network: random.random() }
    }

    pub fn fills_disk(&self) -> bool {
        self.storm.iter().any(|(_, fault)| matches!(fault, Fault::FillDisk { .. }))
    }
}

impl RunPlan {
    fn draw(random: &mut StdRng) -> Self {
        RunPlan {
            program: Program::of(random.random_range(0..1 << 32)),
            runner: RUNNERS.choose(random).copied().unwrap_or("pipe"),
            after: millis(random, 0..1_500),
            cancel: random.random_bool(0.15).then(|| millis(random, 0..3_000)),
            clients: (0..random.random_range(1..=3)).map(|_| ClientPlan::draw(random)).collect(),
        }
    }
}

impl ClientPlan {
    fn draw(random: &mut StdRng) -> Self {
        let begins = [Begin::Nothing, Begin::Nothing, Begin::Snapshot, Begin::Snapshot, Begin::ForeignCursor, Begin::FutureCursor];
        let jump = |random: &mut StdRng| (millis(random, 0..4_000), random.random_range(-7_200_000..=7_200_000));
        ClientPlan {
            seed: random.random(),
            board: random.random_bool(0.3),
            begin: begins.choose(random).copied().unwrap_or(Begin::Nothing),
            through_proxy: random.random_bool(0.6),
            speed: random.random_range(6..=12),
            jumps: (0..random.random_range(0..3)).map(|_| jump(random)).collect(),
            reload: random.random_bool(0.2).then(|| millis(random, 0..4_000)),
        }
    }
}

impl When {
    fn draw(random: &mut StdRng) -> Self {
        if random.random_bool(0.3) { When::AtStart(millis(random, 0..80)) } else { When::After(millis(random, 0..900)) }
    }
}

impl Fault {
    fn draw(random: &mut StdRng, kind: u32) -> Self {
        let down = millis(random, 0..1_200);
        match kind {
            0 => Fault::KillServer { down, again: (0..random.random_range(0..=3)).map(|_| millis(random, 0..500)).collect() },
            1 => Fault::EndServer { down },
            2 => Fault::FreezeServer { pause: millis(random, 100..3_000) },
            3 => Fault::FreezeSupervisor { pause: millis(random, 100..3_000) },
            4 => Fault::KillSupervisor { down: random.random_bool(0.4).then_some(down) },
            5 => Fault::FillDisk { pause: millis(random, 300..2_500), kill: random.random_bool(0.3) },
            6 => Fault::NoDescriptors { pause: millis(random, 300..2_500), spare: random.random_range(0..6) },
            7 => Fault::NoProcesses { pause: millis(random, 300..2_500) },
            8 => {
                let logs = [Log::FullDevice, Log::FullPipe, Log::ClosedPipe];
                Fault::UnwritableLog { log: logs.choose(random).copied().unwrap_or(Log::FullDevice), down }
            }
            9 => Fault::CopyFolder { pause: millis(random, 300..2_000) },
            10 => Fault::MoveFolder { pause: millis(random, 300..2_500) },
            _ => Fault::BackUp { down },
        }
    }
}

fn millis(random: &mut StdRng, range: std::ops::Range<u64>) -> Duration {
    Duration::from_millis(random.random_range(range))
}
