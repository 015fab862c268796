//! `tools soak`: a server under load, abuse and kills for a long time, with an auditor for each account.
//!
//! Players play all ten calls at a steady share of what the server can do, one connection in twenty is hostile, and the
//! server is killed and started again every few minutes. At the end nothing that was acknowledged may be lost, nothing
//! may have been applied twice, the books must be even, and memory and open files must be flat.
//!
//! Reading in order: `operation`, the calls; `player`, what a client plays and knows; `record`, what is kept of each second; `page`, the picture
//! and the page.

mod operation;
mod page;
mod player;
mod record;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use crate::abuse::call::AccountRange;
use crate::abuse::paced::{self, Pacing};
use crate::abuse::plan::{AttackTally, Plan, Signals, Target};
use crate::abuse::site::{self, CLIENT_CORE, FUNDS, ServerSetup};
use crate::abuse::watch::ServerHoldings;
use crate::abuse::{attack, mixture};
use crate::child::{self, Server};
use crate::facts::{self, Facts};
use crate::load::{self, Clock};
use crate::{machine, say, wake};
use page::SoakPage;
use player::{AuditCounts, Audited};
use record::{Peak, SoakRecord};

/// Exit code where something was lost, applied twice, wrong, or grew.
const EXIT_FAILED: u8 = 1;

/// How long the server remembers a closed round. Shorter than a life of the server, so that what it holds is flat.
const RETENTION_MS: u64 = 60_000;

/// The share of the capacity that is asked for.
const SHARE: f64 = 0.7;

/// One connection in so many is hostile.
const HOSTILE_ONE_IN: u32 = 20;

/// Accounts of the hostile, which no player shares.
const HOSTILE_ACCOUNTS: u32 = 8;

/// A run that is shorter says nothing of growth.
const JUDGED_FROM: Duration = Duration::from_secs(600);

/// Findings of players that are told.
const FINDINGS_MAX: usize = 20;

/// How long players look at their accounts after the last start.
const LAST_CHECK: Duration = Duration::from_secs(2);

/// Time between two looks at whether something is to be done.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Arguments of `tools soak`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Length of the run, in minutes
    #[arg(long, default_value_t = 30.0, value_parser = minutes)]
    minutes: f64,
    /// Time from one kill to the next
    #[arg(long, default_value = "5m", value_parser = load::parse_duration)]
    kill_every: Duration,
    /// Requests per second of all players [default: 70 % of what they get when they don't pause, measured first]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    rate: Option<u32>,
    /// Connections, of which one in 20 is hostile
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(2..=10_000))]
    connections: u32,
    /// The server's shards, a core each from core 0 on
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    shards: u16,
    /// Where README.md and the picture go
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Where the server's data are while it runs [default: the system's temporary directory]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The server's program [default: purser beside this one]
    #[arg(long, value_name = "FILE")]
    purser: Option<PathBuf>,
}

/// The longest run: a day.
const MINUTES_MAX: f64 = 24.0 * 60.0;

fn minutes(text: &str) -> Result<f64, String> {
    let minutes = text.parse::<f64>().ok().filter(|minutes| *minutes > 0.0 && *minutes <= MINUTES_MAX);
    minutes.ok_or_else(|| format!("minutes are a number above 0, up to {MINUTES_MAX}"))
}

/// Soaks a server and writes the page.
///
/// # Errors
/// A sentence: wrong arguments, a server that does not start, or a signal.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, String> {
    let below = arguments.data.clone().unwrap_or_else(std::env::temp_dir);
    let scratch = tempfile::Builder::new().prefix("purser-soak-").tempdir_in(&below);
    let scratch = scratch.map_err(|error| format!("{}: {error}", below.display()))?;
    fs::create_dir_all(&arguments.out).map_err(|error| format!("{}: {error}", arguments.out.display()))?;
    machine::open_files(u64::from(arguments.connections) + 256)?;
    let has_cores = thread::available_parallelism().is_ok_and(|cores| cores.get() > CLIENT_CORE);
    let sections = format!(
        "[timeouts]\nsession_idle_ms = 86400000\n\n[rounds]\nretention_ms = {RETENTION_MS}\n\n[storage]\nreserve_mib = 0\n"
    );
    let binary = arguments.purser.clone().map_or_else(|| child::beside("purser"), Ok)?;
    let hostile = (arguments.connections / HOSTILE_ONE_IN).max(1);
    let (clock, counts) = (Clock::start(), AuditCounts::default());
    let site = ServerSetup {
        binary,
        home: scratch.path().to_owned(),
        shards: arguments.shards,
        has_cores,
        sections,
    };
    let mut soak = Soak {
        counts: &counts,
        site,
        clock,
        players: arguments.connections - hostile,
        plans: mixture(hostile as usize),
        record: SoakRecord::default(),
        peaks: Vec::new(),
        restarts_ns: Vec::new(),
        lives: 0,
        tally: AttackTally::default(),
        interrupted: wake::noted_signals()?,
    };
    let players = (1..=soak.players).map(|number| Audited::new(number, (FUNDS * 100) as i64, clock, &counts));
    let (played, capacity, rate) = soak.play(arguments, players.collect())?;
    let findings = soak.findings(arguments, &played);
    let facts = Facts::read(scratch.path());
    let hostile_notes = soak.hostile_notes();
    let page = SoakPage {
        facts: &facts,
        players: soak.players,
        hostile: hostile as usize,
        capacity,
        rate,
        counts: &counts,
        record: &soak.record,
        kills: soak.restarts_ns.len() as u64,
        restarts_ns: &soak.restarts_ns,
        peaks: &soak.peaks,
        hostile_notes: &hostile_notes,
        findings: &findings,
    };
    page.write(&arguments.out)?;
    say(&page.text());
    Ok(if findings.is_empty() { ExitCode::SUCCESS } else { EXIT_FAILED.into() })
}

/// A run.
struct Soak<'a> {
    counts: &'a AuditCounts,
    site: ServerSetup,
    clock: Clock,
    players: u32,
    plans: Vec<Plan>,
    record: SoakRecord,
    peaks: Vec<Peak>,
    restarts_ns: Vec<u64>,
    /// Spans of play so far, so that hostile ids are new in each.
    lives: u64,
    tally: AttackTally,
    interrupted: Arc<AtomicBool>,
}

/// How a span of play goes.
#[derive(Clone, Copy, Debug)]
struct Span {
    /// `None` for as fast as they are answered.
    rate: Option<f64>,
    length: Duration,
    is_attacked: bool,
    /// The server is killed at its end.
    is_killed: bool,
    /// It ends early, once nobody waits any more to look at an account.
    until_checked: bool,
}

impl<'a> Soak<'a> {
    /// All of the run: the players, the capacity where it was measured, and the rate.
    fn play(
        &mut self,
        arguments: &Arguments,
        mut players: Vec<Audited<'a>>,
    ) -> Result<(Vec<Audited<'a>>, Option<f64>, f64), String> {
        let mut server = self.site.start()?;
        let count = self.players + HOSTILE_ACCOUNTS;
        site::make_accounts(server.operator(), AccountRange { first: 1, count })?;
        let total = Duration::from_secs_f64(arguments.minutes * 60.0);
        let mut capacity = None;
        if arguments.rate.is_none() {
            let length = (total / 20).clamp(Duration::from_secs(1), Duration::from_secs(10));
            let span =
                Span { rate: None, length, is_attacked: false, is_killed: false, until_checked: false };
            let began_ns = self.clock.now_ns();
            (server, players) = self.span(span, server, players)?;
            let elapsed = (self.clock.now_ns() - began_ns) as f64 / 1e9;
            capacity = Some(self.record.answered as f64 / elapsed);
            // That was not part of the run.
            self.record.seconds.clear();
        }
        let measured = || capacity.map_or(1.0, |capacity| capacity * SHARE);
        let rate = arguments.rate.map_or_else(measured, f64::from).max(1.0);
        let ends_ns = self.clock.now_ns() + total.as_nanos() as u64;
        loop {
            let left = Duration::from_nanos(ends_ns.saturating_sub(self.clock.now_ns()));
            if left.is_zero() {
                break;
            }
            let length = left.min(arguments.kill_every);
            let span =
                Span { rate: Some(rate), length, is_attacked: true, is_killed: true, until_checked: false };
            (server, players) = self.span(span, server, players)?;
        }
        // After the last kill everybody looks once more.
        let span = Span {
            rate: None,
            length: LAST_CHECK * 10,
            is_attacked: false,
            is_killed: false,
            until_checked: true,
        };
        let (server, players) = self.span(span, server, players)?;
        server.stop()?;
        Ok((players, capacity, rate))
    }

    /// Plays for a span, and starts the server again where it was killed.
    #[expect(clippy::too_many_lines, reason = "one span, from the first of its threads to the last")]
    fn span(
        &mut self,
        span: Span,
        server: Server,
        players: Vec<Audited<'a>>,
    ) -> Result<(Server, Vec<Audited<'a>>), String> {
        let (clock, has_cores) = (self.clock, self.site.has_cores);
        let (is_over, is_cut, signals) = (AtomicBool::new(false), AtomicBool::new(false), Signals::default());
        let unchecked = players.iter().filter(|player| !player.has_checked()).count() as u64;
        let all_checked = self.counts.checked.load(Ordering::Relaxed) + unchecked;
        let target = Target {
            platform: server.platform(),
            operator: server.operator(),
            accounts: AccountRange { first: self.players + 1, count: HOSTILE_ACCOUNTS },
        };
        let pace = Pacing {
            clock,
            to: server.platform(),
            from: None,
            rate: span.rate,
            is_over: &is_over,
            is_cut: &is_cut,
        };
        self.lives += 1;
        let first = self.lives << 50;
        let (plans, tally, counts, record) = (&self.plans[..], &self.tally, self.counts, &mut self.record);
        let killed_ns = AtomicU64::new(0);
        let (mut players, samples, server) = thread::scope(|scope| {
            let play = || {
                if has_cores {
                    machine::pin(CLIENT_CORE)?;
                }
                let played = paced::drive(pace, players, |sample| {
                    let killed_ns = killed_ns.load(Ordering::Relaxed);
                    record.take(&sample, (killed_ns > 0).then_some(killed_ns));
                });
                played.map_err(|error| format!("the players: {error}"))
            };
            let attack = || attack::pinned(has_cores, plans, target, clock, first, &signals, tally);
            let no_thread = |error: std::io::Error| format!("no thread can be started: {error}");
            let players = thread::Builder::new()
                .name("players".to_owned())
                .spawn_scoped(scope, play)
                .map_err(no_thread)?;
            if span.is_attacked {
                let hostile = thread::Builder::new().name("hostile".to_owned()).spawn_scoped(scope, attack);
                if let Err(error) = hostile {
                    is_over.store(true, Ordering::Relaxed);
                    return Err(no_thread(error));
                }
            }
            let mut server = Some(server);
            let samples = self::watch(clock, span, server.as_ref(), &self.interrupted, || {
                players.is_finished()
                    || span.until_checked && counts.checked.load(Ordering::Relaxed) >= all_checked
            });
            if span.is_killed {
                killed_ns.store(clock.now_ns(), Ordering::Relaxed);
                // A server that is dropped is killed.
                server = None;
                is_cut.store(true, Ordering::Relaxed);
            }
            is_over.store(true, Ordering::Relaxed);
            signals.is_over.store(true, Ordering::Relaxed);
            let played = players.join().expect("players without a fault")?;
            Ok::<_, String>((played, samples?, server))
        })?;
        self.record.flush();
        self.record.add_samples(&samples);
        if let Some(server) = server {
            return Ok((server, players));
        }
        let most = samples.iter().fold(ServerHoldings::default(), |most, (_, held)| most.most(*held));
        self.peaks.push(Peak { held: most });
        let server = self.site.start()?;
        self.restarts_ns.push(clock.now_ns() - killed_ns.load(Ordering::Relaxed));
        players.iter_mut().for_each(Audited::restarted);
        Ok((server, players))
    }

    /// What is wrong with the run: a sentence each.
    fn findings(&self, arguments: &Arguments, players: &[Audited<'_>]) -> Vec<String> {
        let mut findings: Vec<String> =
            players.iter().flat_map(|player| player.findings().to_vec()).collect();
        if findings.len() > FINDINGS_MAX {
            let more = findings.len() - FINDINGS_MAX;
            findings.truncate(FINDINGS_MAX);
            findings.push(format!("and {more} more of this kind"));
        }
        let unchecked = players.iter().filter(|player| !player.has_checked()).count();
        if unchecked > 0 {
            findings.push(format!("{unchecked} accounts could not be looked at after the last start"));
        }
        for (count, what) in [
            (&self.counts.lost, "acknowledged changes are lost"),
            (&self.counts.twice, "changes were applied twice"),
        ] {
            let count = count.load(Ordering::Relaxed);
            if count > 0 {
                findings.push(format!("{count} {what}"));
            }
        }
        for (count, what) in [
            (self.record.wrong, "answers were against the protocol"),
            (self.record.broken, "requests were cut off while the server lived"),
        ] {
            if count > 0 {
                findings.push(format!("{count} {what}"));
            }
        }
        if let Err(sentence) = verify(&self.site.binary, &self.site.data()) {
            findings.push(sentence);
        }
        if arguments.minutes * 60.0 >= JUDGED_FROM.as_secs_f64() {
            findings.extend(record::growth(&self.peaks));
        }
        findings
    }

    fn hostile_notes(&self) -> String {
        let AttackTally { connected, sent, good, refused, wrong, ended, given_up, .. } = &self.tally;
        let counts = [
            ("connected", connected),
            ("sent", sent),
            ("answered", good),
            ("refused", refused),
            ("otherwise answered", wrong),
            ("ended by the server", ended),
            ("given up", given_up),
        ];
        let of = |(name, count): (&str, &AtomicU64)| {
            format!("{name} {}", facts::grouped(AttackTally::read(count)))
        };
        counts.map(of).join(", ")
    }
}

/// Looks at the server once a second, until the span's length is over or `is_done`.
fn watch(
    clock: Clock,
    span: Span,
    server: Option<&Server>,
    interrupted: &AtomicBool,
    is_done: impl Fn() -> bool,
) -> Result<Vec<(u64, ServerHoldings)>, String> {
    let until_ns = clock.now_ns() + span.length.as_nanos() as u64;
    let mut samples: Vec<(u64, ServerHoldings)> = Vec::new();
    while clock.now_ns() < until_ns && !is_done() {
        if interrupted.load(Ordering::Relaxed) {
            return Err("interrupted".to_owned());
        }
        let second = clock.now_ns() / 1_000_000_000;
        if let Some(server) = server
            && samples.last().is_none_or(|(last, _)| *last != second)
        {
            samples.push((second, ServerHoldings::at(server.pid())));
        }
        thread::sleep(POLL_INTERVAL);
    }
    Ok(samples)
}

/// Has the data judged by `purser verify`: chains, images, and whether the books are even.
fn verify(binary: &Path, data: &Path) -> Result<(), String> {
    let output = Command::new(binary).arg("verify").arg("--data").arg(data).output();
    let output = output.map_err(|error| format!("{}: {error}", binary.display()))?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    Err(format!("verify: {}: {}", output.status, String::from_utf8_lossy(&said).trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_runs() {
        assert_eq!(minutes("0.3"), Ok(0.3));
        for wrong in ["0", "-1", "NaN", "inf", "5m", "1441"] {
            assert_eq!(minutes(wrong), Err("minutes are a number above 0, up to 1440".to_owned()), "{wrong}");
        }
    }
}
