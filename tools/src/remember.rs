//! `tools remember`: what remembering many closed rounds costs.
//!
//! A server makes two data directories with the same accounts. One of them gets rounds of many days through the writers of the
//! server's own files, laid out as the server's folds and merges would have left them; the accounts of the other one are as if they
//! had played these rounds, and they were forgotten. Then both are served, and measured in turn.
//!
//! Reading in order: `rounds`, what was played; `layout`, which files it lies in; `write`, the files; `samples`, what is asked for
//! once more; `measure`, what both servers take and what bets cost them; `table`, what is printed.

mod layout;
mod measure;
mod rounds;
mod samples;
mod table;
mod write;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use crate::load::{self, Clock};
use crate::{child, say};
use measure::Place;
use rounds::Played;
use table::Findings;

/// Rounds, each of which takes some 115 bytes of disk.
const ROUNDS_MAX: u64 = 1_000_000_000;

/// Random rounds that are asked for, one after the other.
const SAMPLES_MAX: u64 = 1_000_000;

/// Days of the default retention, less one: nothing is forgotten while it is measured.
const DAYS_MAX: u64 = limits::RETENTION_MS / rounds::DAY_MS - 1;

/// Arguments of `tools remember`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Accounts
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1..=i64::from(limits::DEMO_ACCOUNTS_MAX)))]
    accounts: u32,
    /// Closed rounds, each with a bet and a win
    #[arg(long, default_value_t = 100_000_000, value_parser = clap::value_parser!(u64).range(1..=ROUNDS_MAX))]
    rounds: u64,
    /// How many days ago the first round was; the last one was yesterday
    #[arg(long, default_value_t = DAYS_MAX, value_parser = clap::value_parser!(u64).range(2..=DAYS_MAX))]
    days: u64,
    /// Shards of the servers
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=limits::SHARDS_MAX as i64))]
    shards: u16,
    /// What the ids follow from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Rounds, drawn at random, whose bet and win are sent again
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(1..=SAMPLES_MAX))]
    samples: u64,
    /// How often the cost of a bet is measured on each of the two servers, in turn
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=99))]
    rounds_of: u16,
    /// Length of each of these measurements
    // All of them together journal less than a fold begins with, whose work would be counted with the bets'.
    #[arg(long, default_value = "4s", value_parser = load::parse_duration)]
    duration: Duration,
    /// Makes the data directory with the rounds here, and leaves it there [default: a temporary directory]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The server's program [default: purser next to this one]
    #[arg(long, value_name = "FILE")]
    purser: Option<PathBuf>,
}

/// Makes the data directories, serves both, measures and prints.
///
/// # Errors
/// A sentence: a directory that is not empty, too little disk, a server that does not start or end well.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, String> {
    let binary = arguments.purser.clone().map_or_else(|| child::beside("purser"), Ok)?;
    let below = match &arguments.data {
        Some(data) => parent_of_new(data)?,
        None => std::env::temp_dir(),
    };
    let scratch = tempfile::Builder::new().prefix("purser-remember-").tempdir_in(&below);
    let scratch = scratch.map_err(|error| format!("{}: {error}", below.display()))?;
    let Arguments { accounts, shards, rounds, .. } = *arguments;
    let place = |data: PathBuf| Place { binary: binary.clone(), data, accounts, shards };
    let without = place(scratch.path().join("without"));
    let with = place(arguments.data.clone().unwrap_or_else(|| scratch.path().join("with")));
    without.begin()?;
    with.begin()?;
    let clock = Clock::start();
    let played = Played::before(clock.wall_ms(0), arguments.days, arguments.seed, accounts.into(), rounds);
    say(&format!(
        "writing {rounds} rounds of {accounts} accounts, from {} to {}\n",
        samples::day(played.from_ms),
        samples::day(played.until_ms)
    ));
    write::write(&with.data, &played)?;
    write::write_forgotten(&without.data, &played)?;
    let written_s = clock.now_ns() as f64 / 1e9;

    let mut base = without.serve()?;
    let mut full = with.serve()?;
    let told = full.told_of(rounds)?;
    let asked = samples::ask(&full.server, &played, arguments.samples);
    let after_samples = full.private_bytes()?;
    for number in 0..arguments.rounds_of {
        // Neither is always the first.
        if number % 2 == 0 {
            without.bet(&mut base, arguments.duration)?;
            with.bet(&mut full, arguments.duration)?;
        } else {
            with.bet(&mut full, arguments.duration)?;
            without.bet(&mut base, arguments.duration)?;
        }
    }
    let findings = Findings { played, written_s, told, asked, after_samples, base: &base, full: &full };
    let (text, is_right) = findings.told()?;
    say(&text);
    base.server.stop()?;
    full.server.stop()?;
    Ok(if is_right { ExitCode::SUCCESS } else { load::EXIT_CHECKS.into() })
}

/// The directory that a new data directory is to be made in, which is made where it is missing.
fn parent_of_new(data: &Path) -> Result<PathBuf, String> {
    let failed = |error: std::io::Error| format!("{}: {error}", data.display());
    let data = std::path::absolute(data).map_err(failed)?;
    if fs::read_dir(&data).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(format!("--data {}: it is not empty, and a new one is to be made", data.display()));
    }
    let parent = data.parent().ok_or_else(|| format!("--data {}: it is no directory", data.display()))?;
    fs::create_dir_all(parent).map_err(failed)?;
    Ok(parent.to_owned())
}
