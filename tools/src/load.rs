//! `tools load`: the load scenario as a closed loop, or as an open one, and what k6 would print of it.
//!
//! A generator that shares a machine with the server must cost less per request than the server does, or it
//! measures itself. So this one is one thread on the server's own socket ring, its requests are bytes that lie
//! ready, and it reads just as much of an answer as its checks need. But each answer is checked.
//!
//! Reading in order:
//! - `scenario`: what a virtual user plays, step by step. `accounts`: whose accounts. `request`: the steps as bytes.
//! - `answer`: where an answer ends, and what it says.
//! - `vu`: a virtual user, step by step. `lanes`: what it has under way.
//! - `driver`: moves the virtual users on the ring.
//! - `setup`: connections and first tokens, before the clock starts. `shards`: where a connection has landed.
//! - `stats`, of `trend`s: what is measured. `summary`, with `units`: what is printed of it; `results`: the same for programs.
//! - `series`: what a run does from second to second, for a tool that draws it.
//! - `schedule`: when the requests of an open loop start. `patience`: when clients give up. `overload`: what they have seen;
//!   `gone`: what the server did for those that had gone.
//! - `parse`: values of the options. `progress`, `clock`: what is seen of a run; its time.

mod accounts;
mod answer;
pub(crate) mod clock;
mod driver;
mod gone;
mod lanes;
mod overload;
mod parse;
mod patience;
mod progress;
mod request;
pub(crate) mod results;
pub(crate) mod scenario;
mod schedule;
mod series;
mod setup;
mod shards;
mod stats;
mod summary;
mod trend;
mod units;
mod vu;

use std::fs::File;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use clap::{Args as _, FromArgMatches as _};
use partition::Partition;
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::machine;
use crate::say;
use crate::wake::Wake;
use accounts::{Accounts, Draw, Owned};
use driver::{Connected, Driver};
use gone::{Done, Gone};
use overload::Pressure;
use parse::{parse_member, parse_url, parse_user, resolve};
use results::Results;
use scenario::{Site, UserIdentity};
use shards::Lookout;
use stats::Trend;
use summary::Load;

pub(crate) use accounts::mixed;
pub(crate) use clock::{Clock, Timestamp};
pub(crate) use driver::Outcome;
pub(crate) use parse::parse_duration;
pub(crate) use scenario::{RequestType, Scenario};
pub(crate) use series::Interval;
#[cfg(test)]
pub(crate) use stats::{AnswerCheck, Sample};
pub(crate) use stats::{Figures, Stats, median};

/// Exit code of a run in which a check has failed.
pub(crate) const EXIT_CHECKS: u8 = 1;

/// Virtual users of another tool's run: a thread that serves more answers too late to measure them.
pub(crate) const VUS_MAX: i64 = 10_000;

/// Virtual users of one run: the largest ring has room for a send and a receive of each. As many wait for too long in a
/// closed loop, and are needed to show what a server does for too many.
const CONNECTIONS_MAX: i64 = 16_000;

/// Requests of one connection that the server lets wait for their answers.
const PIPELINE_MAX: i64 = limits::PIPELINE_DEPTH_MAX as i64;

/// Requests in a second that an open loop may ask for: more than any thread sends.
const RATE_MAX: i64 = 10_000_000;

/// The longest patience: past it every request has failed anyway.
const PATIENCE_MAX: Duration = Duration::from_secs(60);

/// Requests that all virtual users may have under way together: 64 at 1,000 connections, each some 500 bytes.
const UNDER_WAY_MAX: usize = 65_536;

/// Descriptors beside the virtual users' connections.
const SPARE_FILES: u64 = 64;

/// Arguments of `tools load`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Virtual users, which are connections; each has a demo account of its own
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=CONNECTIONS_MAX))]
    vus: u16,
    /// Length of the run, as k6 writes it: 30s, 10m, 1h30m
    #[arg(long, default_value = "30s", value_parser = parse_duration)]
    duration: Duration,
    /// What the virtual users play
    #[arg(long, value_enum, default_value_t = Scenario::Seed)]
    scenario: Scenario,
    /// Requests that each virtual user has under way at a time, with --rate at most (balance, bet)
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=PIPELINE_MAX))]
    pipeline: u16,
    /// Each request is for one of the first N demo accounts, at random (balance, bet) [default: a VU's own]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=accounts::ACCOUNTS_MAX))]
    accounts: Option<u32>,
    /// All requests are for the first demo account (balance, bet)
    #[arg(long, conflicts_with = "accounts")]
    hot: bool,
    /// Share of requests for accounts of another shard than the connection's (balance, bet)
    #[arg(long, value_name = "PERCENT", requires_all = ["accounts", "operator_url"],
          value_parser = clap::value_parser!(u32).range(0..=100))]
    cross_shard: Option<u32>,
    /// Requests that start each second, whether those before them were answered or not; latency counts from the intended start
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=RATE_MAX))]
    rate: Option<u32>,
    /// A client gives up a request that is not answered so long after it was sent, and closes the connection: 150ms, 2s
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    patience: Option<Duration>,
    /// Tells the server of the patience, in each request's Request-Timeout header, in milliseconds
    #[arg(long, requires = "patience")]
    request_timeout: bool,
    /// Answers that refuse (-1, HTTP 503) fail the checks with --rate and --patience, too
    #[arg(long)]
    refusals_fail: bool,
    /// The operator's listener of the server, which tells the shard of a connection, and the calls that were answered for nobody
    #[arg(long, value_name = "URL")]
    operator_url: Option<String>,
    /// The wallet listener of the server
    #[arg(long, default_value = "http://127.0.0.1:9816")]
    url: String,
    /// Writes the summary to this file, too
    #[arg(long, value_name = "FILE")]
    summary_file: Option<PathBuf>,
    /// Writes the figures to this file, as JSON
    #[arg(long, value_name = "FILE")]
    json_file: Option<PathBuf>,
    /// Adds p(99) and p(99.9) to the summary
    #[arg(long)]
    tails: bool,
    /// Runs on this core alone
    #[arg(long, value_name = "CORE")]
    pin: Option<usize>,
    /// The platform's user
    #[arg(long, default_value = "admin", value_parser = parse_user)]
    user: String,
    /// The platform's password
    #[arg(long, default_value = "admin")]
    password: String,
    /// The platform's key
    #[arg(long, value_name = "KEY", default_value = "L100", value_parser = parse_member)]
    platform: String,
    /// The game that is played
    #[arg(long, value_name = "ID", default_value = "11588", value_parser = parse_member)]
    game: String,
}

impl Arguments {
    /// A load with tails on the demo of a server, and otherwise with what is left out on the command line.
    pub(crate) fn of_demo(vus: u16, duration: Duration, scenario: Scenario, url: &str) -> Self {
        let defaults = Self::augment_args(clap::Command::new("load")).get_matches_from(["load"]);
        let defaults =
            Self::from_arg_matches(&defaults).expect("every argument has a default or is optional");
        Self { vus, duration, scenario, url: url.to_owned(), tails: true, ..defaults }
    }
}

/// Runs the load and prints the summary.
///
/// # Errors
/// A sentence: wrong arguments, no server, or a kernel that has no ring.
pub(crate) fn run(arguments: Arguments) -> Result<ExitCode, String> {
    if let Some(core) = arguments.pin {
        machine::pin(core)?;
    }
    let load = load(&arguments)?;
    let clock = Clock::start();
    let site = site(&arguments, &clock)?;
    // Before the run: a path that can't be written should not cost one.
    let mut summary_file = Output::create(arguments.summary_file.as_deref())?;
    let mut json_file = Output::create(arguments.json_file.as_deref())?;
    let header = summary::header(&load, &arguments.url);
    let connected = connect(&load, &arguments, &site, &clock)?;
    let operator = operator(&arguments)?;
    let before = operator.map(Done::look).transpose()?;
    say(&header);
    let driven = driver(&load, &site, clock, connected).and_then(Driver::run);
    let Outcome { stats, elapsed_ns, .. } = driven.map_err(|error| format!("the socket ring: {error}"))?;
    let mut summary = summary::summary(&load, &stats, elapsed_ns);
    let work = match (operator, before) {
        (Some(operator), Some(before)) => {
            Some(Done::look_at_rest(operator).map(|after| Gone::between(&before, &after, &stats)))
        }
        _ => None,
    };
    if let Some(work) = &work {
        summary += &gone::summary(work);
    }
    let work = work.and_then(Result::ok);
    say(&summary);
    summary_file.write(&(header + &summary))?;
    json_file.write(&Results { work, ..Results::of(&load, &stats, elapsed_ns) }.to_json())?;
    Ok(if stats.all_passed() { ExitCode::SUCCESS } else { EXIT_CHECKS.into() })
}

/// Runs the load for another tool, by `clock`, which keeps what was done from second to second: what would be printed
/// of it, and what it has come to.
///
/// # Errors
/// As [`run`].
pub(crate) fn play(arguments: &Arguments, clock: Clock) -> Result<(String, Outcome), String> {
    let load = load(arguments)?;
    let site = site(arguments, &clock)?;
    let connected = connect(&load, arguments, &site, &clock)?;
    let driven = driver(&load, &site, clock, connected).and_then(|driver| driver.with_series().run());
    let outcome = driven.map_err(|error| format!("the socket ring: {error}"))?;
    let summary = summary::summary(&load, &outcome.stats, outcome.elapsed_ns);
    Ok((summary::header(&load, &arguments.url) + &summary, outcome))
}

/// A file that is written where it was asked for.
struct Output<'a>(Option<(&'a Path, File)>);

impl<'a> Output<'a> {
    fn create(path: Option<&'a Path>) -> Result<Self, String> {
        let created = path.map(|path| match File::create(path) {
            Ok(file) => Ok((path, file)),
            Err(error) => Err(format!("{}: {error}", path.display())),
        });
        created.transpose().map(Self)
    }

    fn write(&mut self, text: &str) -> Result<(), String> {
        let Some((path, file)) = &mut self.0 else { return Ok(()) };
        file.write_all(text.as_bytes()).map_err(|error| format!("{}: {error}", path.display()))
    }
}

/// The load, where its options go together.
fn load(arguments: &Arguments) -> Result<Load, String> {
    let Arguments { vus, pipeline, duration, scenario, tails, .. } = *arguments;
    let (vus, pipeline) = (usize::from(vus), usize::from(pipeline));
    let asked = [
        ("--pipeline", pipeline > 1),
        ("--accounts", arguments.accounts.is_some()),
        ("--hot", arguments.hot),
    ];
    if let Some((option, _)) = asked.iter().find(|(_, is_asked)| *is_asked && !scenario.is_independent()) {
        return Err(format!(
            "{option} is for --scenario balance and bet: requests of {} depend on the answers before them",
            scenario.name()
        ));
    }
    if vus * pipeline > UNDER_WAY_MAX {
        return Err(format!(
            "--vus {vus} --pipeline {pipeline}: over {UNDER_WAY_MAX} requests under way together"
        ));
    }
    let Arguments { rate, patience, refusals_fail, .. } = *arguments;
    if patience.is_some_and(|patience| patience > PATIENCE_MAX) {
        return Err(
            "--patience: at most 60s, since a request without an answer has failed by then".to_owned()
        );
    }
    let patience_ms = patience.map(|patience| patience.as_millis() as u64);
    let pressure = Pressure { rate, patience_ms, refusals_fail };
    if refusals_fail && !pressure.is_any() {
        return Err(
            "--refusals-fail is for --rate and --patience: without them refusals fail as it is".to_owned()
        );
    }
    Ok(Load { scenario, vus, pipeline, duration, tails, pressure })
}

/// Where the operator calls, where that was said.
fn operator(arguments: &Arguments) -> Result<Option<SocketAddr>, String> {
    let address = |url: &String| resolve("--operator-url", parse_url("--operator-url", url)?);
    arguments.operator_url.as_ref().map(address).transpose()
}

fn site(arguments: &Arguments, clock: &Clock) -> Result<Site, String> {
    let Arguments { url, user, password, platform, game, .. } = arguments;
    let host = parse_url("--url", url)?;
    Ok(Site {
        host: host.to_owned(),
        address: resolve("--url", host)?,
        authorization: format!("Basic {}", BASE64.encode(format!("{user}:{password}"))),
        platform: platform.clone(),
        game: game.clone(),
        request_timeout_ms: arguments
            .patience
            .filter(|_| arguments.request_timeout)
            .map(|patience| patience.as_millis() as u64),
        run: clock.wall_ms(0),
    })
}

/// Connects all virtual users, finds where their connections have landed where that is asked for, and has their first
/// tokens minted where the scenario redeems any.
fn connect(load: &Load, arguments: &Arguments, site: &Site, clock: &Clock) -> Result<Vec<Connected>, String> {
    machine::open_files(load.vus as u64 + SPARE_FILES)?;
    let mut lookout = lookout(arguments)?;
    let accounts = accounts(arguments, lookout.as_ref())?;
    let redeems = load.scenario.redeems();
    let mut connected = Vec::with_capacity(load.vus);
    for number in 1..=load.vus {
        let (mut socket, connecting_ns) =
            setup::connect(site.address, setup::FIRST_CONNECT_TIMEOUT, clock)
                .map_err(|(error, _)| format!("no server answers at http://{}: {error}", site.host))?;
        let shard = lookout.as_mut().map_or(Ok(0), Lookout::landed)?;
        let player = match (&accounts, arguments.accounts) {
            (Accounts::Own, _) => UserIdentity::own(number),
            (_, accounts) => UserIdentity { number, account: 1, accounts: accounts.unwrap_or(1) },
        };
        if number == 1
            && let Some(last) = arguments.accounts
        {
            setup::last_account(&mut socket, site, last, clock)?;
        }
        let token = if redeems { setup::first_token(&mut socket, site, player, clock)? } else { Vec::new() };
        let draw = Draw::new(&accounts, number, shard);
        connected.push(Connected { socket, connecting_ns, player, draw, token });
    }
    Ok(connected)
}

/// A look at the server's shards, where the run is to tell them apart.
fn lookout(arguments: &Arguments) -> Result<Option<Lookout>, String> {
    let (Some(_), Some(url)) = (arguments.cross_shard, &arguments.operator_url) else { return Ok(None) };
    let host = parse_url("--operator-url", url)?;
    let lookout = Lookout::connect(resolve("--operator-url", host)?, host)?;
    if lookout.shards() == 1 {
        return Err("--cross-shard: the server has one shard, which owns all accounts".to_owned());
    }
    Ok(Some(lookout))
}

/// Whose accounts the requests are for.
fn accounts(arguments: &Arguments, lookout: Option<&Lookout>) -> Result<Accounts, String> {
    let Arguments { accounts, hot, cross_shard, .. } = *arguments;
    Ok(match (accounts, cross_shard, lookout) {
        (Some(accounts), Some(percent), Some(lookout)) => {
            let owned = Rc::new(Owned::new(accounts, Partition::new(lookout.shards()))?);
            Accounts::Across { owned, percent }
        }
        (Some(accounts), ..) => Accounts::Spread(accounts),
        _ if hot || arguments.scenario == Scenario::Wrapped => Accounts::Hot,
        _ => Accounts::Own,
    })
}

/// What a run has shown another tool, with what that has seen before the first request and after the last.
#[derive(Debug)]
pub(crate) struct PlayedRun<T> {
    /// Requests that have ended.
    pub(crate) requests: u64,
    /// Checks of their answers that have failed.
    pub(crate) failed_checks: u64,
    pub(crate) elapsed_ns: u64,
    /// Of all requests' durations.
    pub(crate) median_ns: u64,
    pub(crate) p99_ns: u64,
    pub(crate) before: T,
    pub(crate) after: T,
}

/// Plays what these options of `tools load` say, for another tool. `look` is called when all are connected and when
/// all have ended.
///
/// # Errors
/// A sentence: as [`run`], and what `look` says.
pub(crate) fn played<T>(
    options: &[String],
    look: impl Fn() -> Result<T, String>,
) -> Result<PlayedRun<T>, String> {
    let arguments = parsed(options)?;
    if let Some(core) = arguments.pin {
        machine::pin(core)?;
    }
    let load = load(&arguments)?;
    let clock = Clock::start();
    let site = site(&arguments, &clock)?;
    let connected = connect(&load, &arguments, &site, &clock)?;
    let before = look()?;
    let driven = driver(&load, &site, clock, connected).and_then(Driver::run);
    let Outcome { stats, elapsed_ns, .. } = driven.map_err(|error| format!("the socket ring: {error}"))?;
    let after = look()?;
    let durations = |kind| [&stats.of(kind).expected, &stats.of(kind).failed];
    let durations = Trend::of(load.scenario.kinds().into_iter().flat_map(durations)).figures();
    Ok(PlayedRun {
        requests: stats.requests(),
        failed_checks: stats.checks().fails,
        elapsed_ns,
        median_ns: durations.median,
        p99_ns: durations.p99,
        before,
        after,
    })
}

fn parsed(options: &[String]) -> Result<Arguments, String> {
    #[derive(Debug, clap::Parser)]
    struct Alone {
        #[command(flatten)]
        arguments: Arguments,
    }
    let words = std::iter::once("load").chain(options.iter().map(String::as_str));
    let parsed = <Alone as clap::Parser>::try_parse_from(words);
    parsed.map(|Alone { arguments }| arguments).map_err(|error| error.to_string())
}

/// Whether these are options that go together.
#[cfg(test)]
pub(crate) fn understood(options: &[String]) -> Result<(), String> {
    load(&parsed(options)?).map(drop)
}

fn driver<'a>(
    load: &Load,
    site: &'a Site,
    clock: Clock,
    connected: Vec<Connected>,
) -> io::Result<Driver<'a>> {
    let mut ring = driver::ring(load.vus)?;
    let wake = Wake::on_signals(&mut ring, &[SIGINT, SIGTERM])?;
    Driver::new(load, site, ring, wake, clock, connected)
}

#[cfg(test)]
mod tests;
