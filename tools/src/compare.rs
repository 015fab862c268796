//! `tools compare`: the server and its peers, measured side by side in one run.
//!
//! Each peer starts afresh, is warmed up, is driven by `tools load`, which checks every answer, and is ended; then the
//! next one's turn comes, and so on for some rounds, so that a slow minute of the machine falls on all of them. What
//! is compared is the rate, the latencies, and above all what a request takes of the processor, which does not depend
//! on how a server and the generator share the cores.
//!
//! Reading in order:
//! - `peer`: how each is started. `generator`: the load as a process of its own.
//! - `usage`: processor time and memory of a process and all below it.
//! - `table`: medians.

mod generator;
mod peer;
mod table;
mod usage;

use std::env;
use std::fmt::Write as _;
use std::fs::{self, File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::ValueEnum as _;

use crate::facts::{self, Facts};
use crate::load::scenario::Scenario;
use crate::load::{VUS_MAX, parse_duration};
use crate::say;
use generator::Generator;
use peer::{Peer, Running};
use table::{PeerRun, Runs, table};

/// Exit code of a comparison in which a check has failed, or that a peer has not gone through.
const EXIT_INCOMPLETE: u8 = 1;

/// Rounds of one comparison.
const ROUNDS_MAX: i64 = 100;

/// How long a peer is driven before it is measured.
const WARM_UP: Duration = Duration::from_secs(2);

/// Demo accounts of every peer, unless there are more virtual users.
const DEMO_ACCOUNTS: u32 = 10_000;

/// Arguments of `tools compare`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// What is played; may be given more than once [default: balance and full]
    #[arg(long, value_enum, value_name = "SCENARIO")]
    scenario: Vec<Scenario>,
    /// How often each peer has its turn
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=ROUNDS_MAX))]
    rounds: u32,
    /// Length of each run, after a warm-up of 2s
    #[arg(long, default_value = "15s", value_parser = parse_duration)]
    duration: Duration,
    /// Virtual users, each with a connection and an account of its own
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=VUS_MAX))]
    vus: u16,
    /// Leaves a peer out; may be given more than once
    #[arg(long, value_enum, value_name = "PEER")]
    without: Vec<Peer>,
    /// Writes the page to this file, too
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Where the peers have their files, in a directory that is removed [default: the system's for temporary files]
    #[arg(long, value_name = "DIR")]
    scratch: Option<PathBuf>,
}

/// Compares, and prints the page.
///
/// # Errors
/// A sentence: wrong arguments, a program that was not built, or an interruption.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, String> {
    let mut comparison = Comparison::new(arguments)?;
    // Before the runs: a path that can't be written should not cost them.
    let mut file = match &arguments.out {
        None => None,
        Some(path) => Some(File::create(path).map_err(|error| format!("{}: {error}", path.display()))?),
    };
    let scenarios = if arguments.scenario.is_empty() {
        vec![Scenario::Balance, Scenario::Full]
    } else {
        arguments.scenario.clone()
    };
    let mut all = Vec::new();
    for scenario in scenarios {
        all.push((scenario, comparison.play(scenario)?));
    }
    let page = comparison.page(&all);
    say(&page);
    if let (Some(file), Some(path)) = (&mut file, &arguments.out) {
        file.write_all(page.as_bytes()).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    let stands = all.iter().flat_map(|(_, rows)| rows).all(|(_, runs)| runs.stand());
    Ok(if stands { ExitCode::SUCCESS } else { EXIT_INCOMPLETE.into() })
}

/// The peers of one scenario with what came of them.
type PeerRows = Vec<(Peer, Runs)>;

struct Comparison<'a> {
    arguments: &'a Arguments,
    peers: Vec<Peer>,
    generator: Generator,
    scratch: tempfile::TempDir,
    /// How the database is set.
    settings: Option<String>,
}

impl<'a> Comparison<'a> {
    fn new(arguments: &'a Arguments) -> Result<Self, String> {
        let peers = Peer::value_variants().iter().filter(|peer| !arguments.without.contains(peer));
        let peers: Vec<Peer> = peers.copied().collect();
        if peers.is_empty() {
            return Err("--without leaves nobody to compare".to_owned());
        }
        peers.iter().try_for_each(|peer| peer.is_built())?;
        let below = arguments.scratch.clone().unwrap_or_else(env::temp_dir);
        let failed = |error: io::Error| format!("{}: {error}", below.display());
        // The database's server runs as another user, who has to come by to its own directory.
        let mode = Permissions::from_mode(0o711);
        let scratch = tempfile::Builder::new().prefix("compare-").permissions(mode).tempdir_in(&below);
        let generator = Generator::new(arguments.vus)?;
        Ok(Self { arguments, peers, generator, scratch: scratch.map_err(failed)?, settings: None })
    }

    /// Plays a scenario in all rounds. A peer that fails has no further turn in it.
    fn play(&mut self, scenario: Scenario) -> Result<PeerRows, String> {
        let able = self.peers.iter().filter(|peer| peer.plays(scenario));
        let mut rows: PeerRows = able.map(|peer| (*peer, Runs::default())).collect();
        for round in 1..=self.arguments.rounds {
            for (peer, runs) in rows.iter_mut().filter(|(_, runs)| runs.failure.is_none()) {
                let heading = format!(
                    "round {round} of {}, {}, {}: ",
                    self.arguments.rounds,
                    scenario.name(),
                    peer.title()
                );
                let measured = self.measure(*peer, scenario);
                if self.generator.is_interrupted() {
                    return Err("interrupted".to_owned());
                }
                match measured {
                    Ok(sample) => {
                        let rate = facts::grouped(sample.requests_per_s.round() as u64);
                        tell(&format!("{heading}{rate} requests/s\n"));
                        runs.samples.push(sample);
                    }
                    Err(failure) => {
                        tell(&format!("{heading}{failure}\n"));
                        runs.failure = Some(failure);
                    }
                }
            }
        }
        Ok(rows)
    }

    /// One turn of one peer, from its start to its end.
    fn measure(&mut self, peer: Peer, scenario: Scenario) -> Result<PeerRun, String> {
        let turn = Turn::new(self.scratch.path())?;
        let accounts = DEMO_ACCOUNTS.max(self.arguments.vus.into());
        let running = peer.start(scenario, &turn.0, accounts)?;
        let sample = self.drive(&running, scenario, &turn.0);
        if let Some(settings) = &running.settings {
            self.settings = Some(settings.clone());
        }
        let stopped = running.stop();
        let sample = sample?;
        stopped.map(|()| sample)
    }

    fn drive(&self, running: &Running, scenario: Scenario, scratch: &Path) -> Result<PeerRun, String> {
        self.generator.play(running.address, scenario, WARM_UP, scratch)?;
        let before_us = usage::processor_us(running.pid());
        let results = self.generator.play(running.address, scenario, self.arguments.duration, scratch)?;
        let after_us = usage::processor_us(running.pid());
        let memory_bytes = usage::memory_bytes(running.pid());
        Ok(PeerRun::new(&results, after_us.saturating_sub(before_us), memory_bytes))
    }

    /// The page: what was compared where and how, and a table for each scenario.
    fn page(&self, all: &[(Scenario, PeerRows)]) -> String {
        let Arguments { rounds, duration, vus, .. } = self.arguments;
        let facts = Facts::read(self.scratch.path());
        let mut text = format!("# Compared on {}\n\n", facts::date());
        let _ = writeln!(text, "- Machine: {}.", facts.machine());
        let _ = writeln!(text, "- Commit: {}.", facts.commit);
        let _ = writeln!(text, "- Command: `{}`.", facts::command());
        let plural = if *rounds == 1 { "" } else { "s" };
        let _ = writeln!(
            text,
            "- {rounds} round{plural}, in each of which every server starts afresh and is driven for {} s by {vus} \
             virtual users, after a warm-up of {} s. Medians (least–most). Every answer is checked.",
            duration.as_secs_f64(),
            WARM_UP.as_secs()
        );
        text.push_str(
            "- Servers and generator share all cores; purser with one shard runs on core 0 alone, the ceiling on one \
             thread. CPU per request is user and system time of the server's process and all below it, with all of \
             PostgreSQL's. Memory is their proportional set size at the end of the run, shared buffers included.\n",
        );
        if let Some(settings) = &self.settings {
            let _ = writeln!(text, "- {settings}.");
        }
        for (scenario, rows) in all {
            let _ = write!(text, "\n## `{}`\n\n{}", scenario.name(), table(rows));
        }
        text
    }
}

/// The directory of one turn; removed when it is dropped.
struct Turn(PathBuf);

impl Turn {
    fn new(scratch: &Path) -> Result<Self, String> {
        let path = scratch.join("turn");
        let made =
            fs::create_dir(&path).and_then(|()| fs::set_permissions(&path, Permissions::from_mode(0o711)));
        made.map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        // What is left goes with the directory above it.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Writes to standard error; who does not read it has nothing else to be told by.
fn tell(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}
