//! `tools load`: the load scenario as a closed loop, and what k6 would print of it.
//!
//! A generator that shares a machine with the server must cost less per request than the server does, or it
//! measures itself. So this one is one thread on the server's own socket ring, its requests are bytes that lie
//! ready, and it reads just as much of an answer as its checks need. But each answer is checked.
//!
//! Reading in order:
//! - `scenario`: what a virtual user plays, step by step. `request`: the steps as bytes.
//! - `answer`: where an answer ends, and what it says.
//! - `vu`: a virtual user, step by step.
//! - `driver`: moves the virtual users on the ring.
//! - `setup`: connections and first tokens, before the clock starts.
//! - `stats`: what is measured. `summary`, with `units`: what is printed of it.
//! - `progress`, `clock`: what is seen of a run; its time.

mod answer;
mod clock;
mod driver;
mod progress;
mod request;
mod scenario;
mod setup;
mod stats;
mod summary;
mod units;
mod vu;

use std::fs::File;
use std::io::{self, Write as _};
use std::net::ToSocketAddrs as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::machine;
use crate::say;
use crate::wake::Wake;
use clock::Clock;
use driver::{Connected, Driver, Outcome};
use scenario::{Player, Scenario, Site};
use summary::Load;

/// Exit code of a run in which a check has failed.
const EXIT_CHECKS: u8 = 1;

/// Virtual users of one run: a thread that serves more answers too late to measure them.
const VUS_MAX: i64 = 10_000;

/// The longest run, in seconds.
const DURATION_SECONDS_MAX: u64 = 24 * 3_600;

/// Descriptors beside the virtual users' connections.
const SPARE_FILES: u64 = 64;

/// Arguments of `tools load`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Virtual users; each has a connection and a demo account of its own
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=VUS_MAX))]
    vus: u16,
    /// Length of the run, as k6 writes it: 30s, 10m, 1h30m
    #[arg(long, default_value = "30s", value_parser = parse_duration)]
    duration: Duration,
    /// What the virtual users play
    #[arg(long, value_enum, default_value_t = Scenario::Seed)]
    scenario: Scenario,
    /// The wallet listener of the server
    #[arg(long, default_value = "http://127.0.0.1:9816")]
    url: String,
    /// Writes the summary to this file, too
    #[arg(long, value_name = "FILE")]
    summary_file: Option<PathBuf>,
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

/// Runs the load and prints the summary.
///
/// # Errors
/// A sentence: wrong arguments, no server, or a kernel that has no ring.
pub(crate) fn run(arguments: Arguments) -> Result<ExitCode, String> {
    if let Some(core) = arguments.pin {
        machine::pin(core)?;
    }
    let Arguments { vus, duration, scenario, .. } = arguments;
    let load = Load { scenario, vus: vus.into(), duration, tails: arguments.tails };
    let clock = Clock::start();
    let site = site(&arguments, &clock)?;
    // Before the run: a path that can't be written should not cost one.
    let mut file = match &arguments.summary_file {
        None => None,
        Some(path) => Some(File::create(path).map_err(|error| format!("{}: {error}", path.display()))?),
    };
    let header = summary::header(&load, &arguments.url);
    let connected = connect(&load, &site, &clock)?;
    say(&header);
    let Outcome { stats, elapsed_ns } =
        drive(&load, &site, clock, connected).map_err(|error| format!("the socket ring: {error}"))?;
    let summary = summary::summary(&load, &stats, elapsed_ns);
    say(&summary);
    if let (Some(file), Some(path)) = (&mut file, &arguments.summary_file) {
        file.write_all((header + &summary).as_bytes())
            .map_err(|error| format!("{}: {error}", path.display()))?;
    }
    let checks = stats.checks();
    // A run without a check has shown nothing.
    Ok(if checks.fails == 0 && checks.passes > 0 { ExitCode::SUCCESS } else { EXIT_CHECKS.into() })
}

fn site(arguments: &Arguments, clock: &Clock) -> Result<Site, String> {
    let Arguments { url, user, password, platform, game, .. } = arguments;
    let host = parse_url(url)?;
    let mut addresses = with_port(host).to_socket_addrs().map_err(|error| format!("--url {url}: {error}"))?;
    Ok(Site {
        host: host.to_owned(),
        address: addresses.next().ok_or_else(|| format!("--url {url}: the host has no address"))?,
        authorization: format!("Basic {}", BASE64.encode(format!("{user}:{password}"))),
        platform: platform.clone(),
        game: game.clone(),
        run: clock.wall_ms(0),
    })
}

/// Connects all virtual users and has their first tokens minted, where the scenario redeems any.
fn connect(load: &Load, site: &Site, clock: &Clock) -> Result<Vec<Connected>, String> {
    machine::open_files(load.vus as u64 + SPARE_FILES)?;
    let redeems = load.scenario.redeems();
    (1..=load.vus)
        .map(|number| {
            let (mut socket, connecting_ns) = setup::connect(site.address, clock)
                .map_err(|(error, _)| format!("no server answers at http://{}: {error}", site.host))?;
            let player = Player { number };
            let token =
                if redeems { setup::first_token(&mut socket, site, player, clock)? } else { Vec::new() };
            Ok(Connected { socket, connecting_ns, token })
        })
        .collect()
}

fn drive(load: &Load, site: &Site, clock: Clock, connected: Vec<Connected>) -> io::Result<Outcome> {
    let mut ring = driver::ring(load.vus)?;
    let wake = Wake::on_signals(&mut ring, &[SIGINT, SIGTERM])?;
    Driver::new(load, site, ring, wake, clock, connected)?.run()
}

/// The host, with its port where it has one.
fn parse_url(url: &str) -> Result<&str, String> {
    let host = url.strip_prefix("http://").map(|rest| rest.strip_suffix('/').unwrap_or(rest));
    let plain = |host: &&str| {
        !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_graphic() && !b"/?#@".contains(&byte))
    };
    host.filter(plain)
        .ok_or_else(|| format!("--url must be the address of a server, http://HOST:PORT, not \"{url}\""))
}

fn with_port(host: &str) -> String {
    let after_address = host.rsplit(']').next().unwrap_or(host);
    if after_address.contains(':') { host.to_owned() } else { format!("{host}:80") }
}

/// `1h30m`, `10m`, `30s`, `500ms`: whole numbers with their units, added up.
fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || "a duration is written as 30s, 10m, 1h30m or 500ms".to_owned();
    let mut rest = text;
    let mut sum_ms = 0_u64;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number: u64 = rest[..digits].parse().map_err(|_| wrong())?;
        rest = &rest[digits..];
        let letters = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
        let unit_ms = match &rest[..letters] {
            "h" => 3_600_000,
            "m" => 60_000,
            "s" => 1_000,
            "ms" => 1,
            _ => return Err(wrong()),
        };
        rest = &rest[letters..];
        sum_ms = number.checked_mul(unit_ms).and_then(|part| sum_ms.checked_add(part)).ok_or_else(wrong)?;
    }
    match sum_ms {
        0 => Err(wrong()),
        _ if sum_ms > DURATION_SECONDS_MAX * 1_000 => Err("the longest run is 24h".to_owned()),
        _ => Ok(Duration::from_millis(sum_ms)),
    }
}

/// The name in Basic credentials ends at the first colon (RFC 7617 §2).
fn parse_user(text: &str) -> Result<String, String> {
    if text.contains(':') { Err("a user has no colon".to_owned()) } else { Ok(text.to_owned()) }
}

/// A text that stands in JSON as it is.
fn parse_member(text: &str) -> Result<String, String> {
    let plain = (1..=50).contains(&text.len())
        && text.bytes().all(|byte| (b' '..=b'~').contains(&byte) && !b"\"\\".contains(&byte));
    if plain {
        Ok(text.to_owned())
    } else {
        Err("1 to 50 printable characters, no quote or backslash".to_owned())
    }
}

#[cfg(test)]
mod tests;
