//! `tools abuse`: what slow, greedy, broken and far too many clients cost the others.
//!
//! Each scenario has a server of its own. Others who do nothing wrong ask at a steady pace, alone at first and then
//! beside the attackers, and the table holds the two against each other.
//!
//! Reading in order:
//! - `scenario`: the attacks, and what each may cost. `table`: what they cost, judged.
//! - `stage`: a server, attacked and watched.
//! - `plan`, `attack`: how attackers behave, and how they do so. `others`, by `paced`: those who do nothing wrong, as an open loop.
//! - `site`: a server, its accounts. `watch`: what it holds.
//! - `call`, `answer`: requests and answers as bytes. `socket`: sockets that never block.

pub(crate) mod answer;
pub(crate) mod attack;
pub(crate) mod call;
mod others;
pub(crate) mod paced;
pub(crate) mod plan;
mod scenario;
pub(crate) mod site;
pub(crate) mod socket;
mod stage;
mod table;
pub(crate) mod watch;

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use crate::child;
use crate::facts::{self, Facts};
use crate::load::{self, Clock};
use crate::{machine, say, wake};
use call::AccountRange;
use scenario::AttackScenario;
pub(crate) use scenario::mixture;
use site::CLIENT_CORE;
use stage::Bench;
use table::Row;

/// Exit code where a bound was missed or something was wrong.
const EXIT_MISSED: u8 = 1;

/// Accounts of the attackers, and of the others, of which a small run has fewer.
const ACCOUNTS: u32 = 64;
const ACCOUNTS_SMALL: u32 = 8;

/// Descriptors beside the attackers' connections.
const SPARE_FILES: u64 = 256;

/// Arguments of `tools abuse`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The scenarios to play [default: all]
    #[arg(value_name = "SCENARIO", value_parser = known)]
    scenarios: Vec<&'static AttackScenario>,
    /// Lists the scenarios and ends
    #[arg(long)]
    list: bool,
    /// A few connections each, for seconds in all; judges that all answers are right and that servers end well
    #[arg(long)]
    small: bool,
    /// How often each scenario is played; the table has the medians
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=99))]
    rounds: u16,
    /// How long the others are watched before an attack, and during it [default: 10s; small: 0.3s]
    #[arg(long, value_parser = load::parse_duration)]
    duration: Option<Duration>,
    /// Attacking connections, in place of the scenario's own number
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=60_000))]
    attackers: Option<u32>,
    /// What the others are compared with: themselves alone, or next to 32 well-behaved clients at full speed
    #[arg(long, value_enum, default_value_t = Baseline::Alone)]
    baseline: Baseline,
    /// The others' requests per second
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rate: u32,
    /// Tells what was measured and judges nothing
    #[arg(long)]
    no_judge: bool,
    /// A file that is added to the server's configuration
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where README.md with the table goes
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Where the servers' data are while they run [default: the system's temporary directory]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The server's program [default: purser next to this one]
    #[arg(long, value_name = "FILE")]
    purser: Option<PathBuf>,
}

/// What the others are compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Baseline {
    /// The server has nothing else to do
    Alone,
    /// The server's core is busy with well-behaved clients
    Busy,
}

fn known(name: &str) -> Result<&'static AttackScenario, String> {
    AttackScenario::named(name).ok_or_else(|| {
        let names: Vec<&str> = scenario::ALL.iter().map(|scenario| scenario.name).collect();
        format!("there is {}", names.join(", "))
    })
}

/// Plays the scenarios and prints the table.
///
/// # Errors
/// A sentence: no server, too few open files, or a signal.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, String> {
    if arguments.list {
        for AttackScenario { name, attackers, about, .. } in &scenario::ALL {
            say(&format!("{name:20} {attackers:6}  {about}\n"));
        }
        return Ok(ExitCode::SUCCESS);
    }
    let scenarios: Vec<&'static AttackScenario> = match arguments.scenarios.is_empty() {
        true => scenario::ALL.iter().collect(),
        false => arguments.scenarios.clone(),
    };
    let most = scenarios.iter().map(|scenario| arguments.attackers_of(scenario)).max().unwrap_or(0);
    machine::open_files(most as u64 + SPARE_FILES)?;
    let sections = match &arguments.config {
        Some(path) => fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?,
        None => String::new(),
    };
    let below = arguments.data.clone().unwrap_or_else(std::env::temp_dir);
    let scratch = tempfile::Builder::new().prefix("purser-abuse-").tempdir_in(&below);
    let scratch = scratch.map_err(|error| format!("{}: {error}", below.display()))?;
    let bench = Bench {
        arguments,
        binary: arguments.purser.clone().map_or_else(|| child::beside("purser"), Ok)?,
        scratch: scratch.path(),
        sections,
        clock: Clock::start(),
        has_cores: thread::available_parallelism().is_ok_and(|cores| cores.get() > CLIENT_CORE),
        interrupted: &*wake::noted_signals()?,
    };
    let row = |scenario: &&'static AttackScenario| {
        let attackers = arguments.attackers_of(scenario);
        Row { scenario, attackers, rounds: Vec::new() }
    };
    let mut rows: Vec<Row> = scenarios.iter().map(row).collect();
    for _ in 0..arguments.rounds {
        for row in &mut rows {
            let round = bench.play(row.scenario, row.attackers);
            let round = round.map_err(|sentence| format!("{}: {sentence}", row.scenario.name))?;
            let (before, during) = (table::time(round.before.p99_ns), table::time(round.during.p99_ns));
            // The table comes last, and this is a sign of life.
            let _ = writeln!(io::stderr(), "{}: others' p99 {before}, then {during}", row.scenario.name);
            row.rounds.push(round);
        }
    }
    report(arguments, &rows, scratch.path())
}

/// Prints the table and writes it; says what is to be thought of it.
fn report(arguments: &Arguments, rows: &[Row], scratch: &Path) -> Result<ExitCode, String> {
    let is_judged = !arguments.no_judge && !arguments.small;
    let text = format!("{}\n{}", table::table(rows, is_judged), table::notes(rows));
    say(&text);
    if let Some(out) = &arguments.out {
        let path = out.join("README.md");
        let page = format!(
            "# Abuse\n\n{}, medians of {} rounds, baseline {:?}.\n\n```\n{}\n```\n\n{}\n{text}",
            facts::date(),
            arguments.rounds,
            arguments.baseline,
            facts::command(),
            Facts::read(scratch).list()
        );
        fs::create_dir_all(out)
            .and_then(|()| fs::write(&path, page))
            .map_err(|error| format!("{}: {error}", path.display()))?;
    }
    let mut is_well = true;
    for row in rows {
        for fault in row.faults(arguments.small) {
            is_well = false;
            say(&format!("{}: {fault}\n", row.scenario.name));
        }
        is_well &= !is_judged || row.misses().is_empty();
    }
    Ok(if is_well { ExitCode::SUCCESS } else { EXIT_MISSED.into() })
}

impl Arguments {
    fn attackers_of(&self, scenario: &AttackScenario) -> usize {
        let own = if self.small { scenario.small } else { scenario.attackers };
        self.attackers.map_or(own, |attackers| attackers as usize)
    }

    fn duration(&self) -> Duration {
        self.duration.unwrap_or(if self.small { Duration::from_millis(300) } else { Duration::from_secs(10) })
    }

    /// The attackers' accounts, and those of the others: what an account has on its way to the disk, whoever asks for its
    /// balance waits for.
    const fn accounts(&self) -> [AccountRange; 2] {
        let count = if self.small { ACCOUNTS_SMALL } else { ACCOUNTS };
        [AccountRange { first: 1, count }, AccountRange { first: 1 + count, count }]
    }
}
