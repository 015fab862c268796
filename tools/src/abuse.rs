//! `tools abuse`: what slow, greedy, broken and far too many clients cost the others.
//!
//! Each scenario has a server of its own. Others who do nothing wrong ask at a steady pace, alone at first and then
//! beside the attackers, and the table holds the two against each other.
//!
//! Reading in order:
//! - `scenario`: the attacks, and what each may cost. `table`: what they cost, judged.
//! - `attack`: attackers by their plan. `others`, by `paced`: those who do nothing wrong, as an open loop.
//! - `site`: a server, its accounts. `watch`: what it holds.
//! - `call`, `answer`: requests and answers as bytes. `socket`: sockets that never block.

pub(crate) mod answer;
pub(crate) mod attack;
pub(crate) mod call;
mod others;
pub(crate) mod paced;
mod scenario;
pub(crate) mod site;
pub(crate) mod socket;
mod table;
pub(crate) mod watch;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::child::{self, Server};
use crate::facts::{self, Facts};
use crate::load::{self, Clock};
use crate::{machine, metrics, say, wake};
use attack::{Plan, Signals, Tally, Target, Then};
use call::{ATTACKERS, Accounts, Call, OTHERS};
use others::{Manner, OTHERS_FROM, Others, Waits};
pub(crate) use scenario::mixture;
use scenario::{Course, Scenario};
use site::{CLIENT_CORE, Client, Site};
use table::{Round, Row};
use watch::Look;

/// Exit code where a bound was missed or something was wrong.
const EXIT_MISSED: u8 = 1;

/// Accounts of a server, of which a small run has fewer.
const ACCOUNTS: u32 = 64;
const ACCOUNTS_SMALL: u32 = 8;

/// Descriptors beside the attackers' connections.
const SPARE_FILES: u64 = 256;

/// Time between two looks at the server's memory.
const LOOK: Duration = Duration::from_millis(50);

/// Time for attackers to connect, and for what they wait for to happen.
const SETTLE: Duration = Duration::from_secs(60);

/// New clients that try to get in, on each listener.
const NEW_CLIENTS: u64 = 10;

/// What is added to the nice value of attackers, so that the others, who share their core, don't wait for them.
const ATTACKERS_NICE: i32 = 10;

/// Arguments of `tools abuse`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The scenarios to play [default: all]
    #[arg(value_name = "SCENARIO", value_parser = known)]
    scenarios: Vec<&'static Scenario>,
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
    /// What the others are compared with: themselves alone, or beside 32 well-behaved clients at full speed
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
    /// The server's program [default: purser beside this one]
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

fn known(name: &str) -> Result<&'static Scenario, String> {
    Scenario::named(name).ok_or_else(|| {
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
        for Scenario { name, attackers, about, .. } in &scenario::ALL {
            say(&format!("{name:20} {attackers:6}  {about}\n"));
        }
        return Ok(ExitCode::SUCCESS);
    }
    let scenarios: Vec<&'static Scenario> = match arguments.scenarios.is_empty() {
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
    let row = |scenario: &&'static Scenario| {
        let attackers = arguments.attackers_of(scenario);
        Row { scenario, attackers, rounds: Vec::new() }
    };
    let mut rows: Vec<Row> = scenarios.iter().map(row).collect();
    for _ in 0..arguments.rounds {
        for row in &mut rows {
            let round = bench.play(row.scenario, row.attackers);
            row.rounds.push(round.map_err(|sentence| format!("{}: {sentence}", row.scenario.name))?);
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
    fn attackers_of(&self, scenario: &Scenario) -> usize {
        let own = if self.small { scenario.small } else { scenario.attackers };
        self.attackers.map_or(own, |attackers| attackers as usize)
    }

    fn duration(&self) -> Duration {
        self.duration.unwrap_or(if self.small { Duration::from_millis(300) } else { Duration::from_secs(10) })
    }

    const fn accounts(&self) -> Accounts {
        Accounts { first: 1, count: if self.small { ACCOUNTS_SMALL } else { ACCOUNTS } }
    }
}

/// What all scenarios are played with.
struct Bench<'a> {
    arguments: &'a Arguments,
    binary: PathBuf,
    scratch: &'a Path,
    sections: String,
    clock: Clock,
    has_cores: bool,
    interrupted: &'a AtomicBool,
}

/// A server that is attacked, and what is known of it.
struct Stage<'a> {
    bench: &'a Bench<'a>,
    scenario: &'static Scenario,
    server: Server,
    round: Round,
}

impl Bench<'_> {
    fn play(&self, scenario: &'static Scenario, attackers: usize) -> Result<Round, String> {
        let home = self.scratch.join(scenario.name);
        site::empty(&home)?;
        let is_small = self.arguments.small;
        let mut sections = self.sections.clone();
        if let Some(keep_alive) = scenario.keep_alive_ms {
            let keep_alive_ms = Scenario::of(keep_alive, is_small);
            sections.push_str(&format!("\n[timeouts]\nkeep_alive_ms = {keep_alive_ms}\n"));
        }
        let (binary, has_cores, shards) = (self.binary.clone(), self.has_cores, scenario.shards);
        let server = Site { binary, home: home.clone(), shards, has_cores, sections }.start()?;
        site::make_accounts(server.operator(), self.arguments.accounts())?;
        let mut stage = Stage { bench: self, scenario, server, round: Round::default() };
        stage
            .furnish(Scenario::of(scenario.lines, is_small), Scenario::of(scenario.open_rounds, is_small))?;
        let manner = Manner {
            connections: 8,
            rate: f64::from(self.arguments.rate),
            accounts: self.arguments.accounts(),
            has_cores: self.has_cores,
        };
        let others = Others::start(self.clock, stage.server.platform(), manner)?;
        let before = stage.baseline()?;
        stage.round.held_before = Look::at(stage.server.pid());
        let (during, others) = stage.attack((scenario.plan)(attackers), others)?;
        let samples = match others {
            Some(others) => others.stop()?,
            None => Vec::new(),
        };
        if !samples.is_empty() {
            stage.round.before = Waits::of(&samples, before);
            stage.round.during = Waits::of(&samples, during);
        }
        let Stage { server, round, .. } = stage;
        // One that was told to stop has ended; how is still to be seen.
        server.stop()?;
        site::empty(&home)?;
        Ok(round)
    }

    /// Waits, with a look at the server now and then, until `is_done`. Says whether it was, within `longest`.
    fn watch(
        &self,
        pid: u32,
        held: &mut Look,
        longest: Duration,
        is_done: impl Fn() -> bool,
    ) -> Result<bool, String> {
        let until_ns = self.clock.now_ns() + longest.as_nanos() as u64;
        while !is_done() {
            if self.interrupted.load(Ordering::Relaxed) {
                return Err("interrupted".to_owned());
            }
            if self.clock.now_ns() >= until_ns {
                return Ok(false);
            }
            *held = held.most(Look::at(pid));
            thread::sleep(LOOK);
        }
        Ok(true)
    }
}

impl Stage<'_> {
    fn target(&self) -> Target {
        let accounts = self.bench.arguments.accounts();
        Target { platform: self.server.platform(), operator: self.server.operator(), accounts }
    }

    /// Gives the first account a long statement and open rounds.
    fn furnish(&self, lines: u64, open_rounds: u64) -> Result<(), String> {
        let bet = Call::Bet { platform: OTHERS, stays_open: true };
        for (call, count) in [(Call::Bet { platform: OTHERS, stays_open: false }, lines), (bet, open_rounds)]
        {
            if count == 0 {
                continue;
            }
            let (signals, tally) = (Signals::default(), Tally::default());
            let plan = Plan { requests: count, again: None, sources: 0, ..Plan::flood(1, call) };
            let target = Target { accounts: Accounts { first: 1, count: 1 }, ..self.target() };
            thread::scope(|scope| {
                let attack = || {
                    // Those of attacks that follow begin at 0.
                    attack::attack(&[plan], target, self.bench.clock, 1 << 60, &signals, &tally)
                };
                let thread = thread::Builder::new().name("furnisher".to_owned()).spawn_scoped(scope, attack);
                thread.map_err(|error| format!("no thread can be started: {error}"))?;
                let answers = || {
                    Tally::read(&tally.good) + Tally::read(&tally.refused) + Tally::read(&tally.wrong)
                        >= count
                        || Tally::read(&tally.ended) > 0
                };
                let watched = self.bench.watch(self.server.pid(), &mut Look::default(), SETTLE, answers);
                signals.is_over.store(true, Ordering::Relaxed);
                watched.map(drop)
            })?;
        }
        Ok(())
    }

    /// Watches the others before the attack: the span of time.
    fn baseline(&mut self) -> Result<std::ops::Range<u64>, String> {
        let (clock, duration) = (self.bench.clock, self.bench.arguments.duration());
        let polite = Plan { depth: 1, ..Plan::flood(32, Call::Balance(ATTACKERS)) };
        let plans: &[Plan] = if self.bench.arguments.baseline == Baseline::Busy { &[polite] } else { &[] };
        let (signals, tally) = (Signals::default(), Tally::default());
        let mut looked = Look::default();
        thread::scope(|scope| {
            self.spawn(scope, plans, &signals, &tally)?;
            // The first requests pay for what is cold.
            let mut watch = |longest| self.bench.watch(self.server.pid(), &mut looked, longest, || false);
            let watched = watch(duration / 5).and_then(|_| {
                let began_ns = clock.now_ns();
                watch(duration).map(|_| began_ns..clock.now_ns())
            });
            signals.is_over.store(true, Ordering::Relaxed);
            watched
        })
    }

    /// Starts attackers of these plans.
    fn spawn<'scope>(
        &self,
        scope: &'scope thread::Scope<'scope, '_>,
        plans: &'scope [Plan],
        signals: &'scope Signals,
        tally: &'scope Tally,
    ) -> Result<(), String> {
        if plans.is_empty() {
            return Ok(());
        }
        let (target, clock, has_cores) = (self.target(), self.bench.clock, self.bench.has_cores);
        let attack = move || {
            if has_cores && machine::pin(CLIENT_CORE).is_err() {
                return;
            }
            // They take what the others leave; where that is not allowed, they don't.
            let _ = rustix::process::nice(ATTACKERS_NICE);
            if let Err(error) = attack::attack(plans, target, clock, 0, signals, tally) {
                say(&format!("attackers: {error}\n"));
            }
        };
        let thread = thread::Builder::new().name("attackers".to_owned()).spawn_scoped(scope, attack);
        thread.map(drop).map_err(|error| format!("no thread can be started: {error}"))
    }

    /// Attacks; says when the others are to be looked at, and gives them back unless they were ended.
    fn attack(
        &mut self,
        plan: Plan,
        others: Others,
    ) -> Result<(std::ops::Range<u64>, Option<Others>), String> {
        let (signals, tally, plans) = (Signals::default(), Tally::default(), [plan]);
        let applied = self.applied();
        let mut others = Some(others);
        let during = thread::scope(|scope| {
            let spawned = self.spawn(scope, &plans, &signals, &tally);
            let span = spawned.and_then(|()| self.course(plan, &signals, &tally, &mut others));
            signals.is_over.store(true, Ordering::Relaxed);
            span
        })?;
        self.note(plan, &tally, applied);
        Ok((during, others))
    }

    /// The course of the attack while the others are looked at.
    fn course(
        &mut self,
        plan: Plan,
        signals: &Signals,
        tally: &Tally,
        others: &mut Option<Others>,
    ) -> Result<std::ops::Range<u64>, String> {
        let (bench, pid) = (self.bench, self.server.pid());
        let (clock, duration) = (bench.clock, bench.arguments.duration());
        let attackers = plan.connections as u64;
        let mut held = Look::default();
        let began_ns = clock.now_ns();
        let read = Tally::read;
        match self.scenario.course {
            Course::Steady => {
                let mut open = 0;
                for _ in 0..10 {
                    bench.watch(pid, &mut held, duration / 10, || false)?;
                    open = open.max(read(&tally.open));
                }
                // Those that come and go are seldom seen together.
                self.round.open = if plan.then == Then::Holds { open } else { attackers };
            }
            Course::IdleEnd => {
                bench.watch(pid, &mut held, SETTLE, || read(&tally.open) == attackers)?;
                self.round.open = read(&tally.open);
                signals.go.store(true, Ordering::Relaxed);
                let answered = || read(&tally.good) + read(&tally.ended) >= attackers;
                bench.watch(pid, &mut held, SETTLE, answered)?;
                let began_ns = clock.now_ns();
                let is_over = bench.watch(pid, &mut held, SETTLE, || read(&tally.open) == 0)?;
                if !is_over {
                    return Err(format!("{} idle connections did not end", read(&tally.open)));
                }
                bench.watch(pid, &mut held, LOOK * 10, || false)?;
                self.round.held = held;
                return Ok(began_ns..clock.now_ns());
            }
            Course::Stop => {
                let answered =
                    || read(&tally.good) + read(&tally.ended) + read(&tally.turned_away) >= attackers;
                bench.watch(pid, &mut held, SETTLE, answered)?;
                self.round.open = read(&tally.open);
                // They would be refused by a server that has stopped.
                if let Some(samples) = others.take().map(Others::stop).transpose()? {
                    self.round.before = Waits::of(&samples, 0..began_ns);
                }
                self.stop()?;
            }
            Course::Places => {
                let placed =
                    || read(&tally.good) + read(&tally.ended) + read(&tally.turned_away) >= attackers;
                bench.watch(pid, &mut held, SETTLE, placed)?;
                self.round.open = read(&tally.open);
                self.try_to_get_in()?;
                bench.watch(pid, &mut held, duration, || false)?;
            }
        }
        self.round.held = held;
        Ok(began_ns..clock.now_ns())
    }

    /// Has the server end while its clients are idle, and takes the time.
    fn stop(&mut self) -> Result<(), String> {
        let clock = self.bench.clock;
        let pid = self.server.pid();
        let began_ns = clock.now_ns();
        child::terminate(pid)?;
        let is_over = || !Path::new(&format!("/proc/{pid}/exe")).exists();
        if !self.bench.watch(pid, &mut Look::default(), SETTLE, is_over)? {
            return Err("the server did not end".to_owned());
        }
        self.round.notes.push(("ended after", table::time(clock.now_ns() - began_ns)));
        Ok(())
    }

    /// New clients of another address, on both listeners.
    fn try_to_get_in(&mut self) -> Result<(), String> {
        let (platform, operator) = (self.server.platform(), self.server.operator());
        let asked = |to, what: &str, write: &dyn Fn(&mut Vec<u8>)| -> Result<(), String> {
            let mut client = Client::connect(to, Some(OTHERS_FROM))?;
            client.patience(Duration::from_secs(2))?;
            match client.ask(write)? {
                (200, _) => Ok(()),
                (status, body) => Err(format!("{what}: {status} {body}")),
            }
        };
        let get = |path: &'static str| {
            move |out: &mut Vec<u8>| {
                out.extend_from_slice(format!("GET {path} HTTP/1.1\r\nHost: wallet\r\n\r\n").as_bytes());
            }
        };
        let accounts = self.bench.arguments.accounts();
        let mut first = None;
        for number in 0..NEW_CLIENTS {
            for result in [
                asked(platform, "balance", &|out| Call::Balance(OTHERS).write(number, accounts, out)),
                asked(platform, "/readyz", &get("/readyz")),
                asked(operator, "/readyz", &get("/readyz")),
                asked(operator, "/metrics", &get("/metrics")),
                asked(operator, "an account", &|out| Call::Account.write(number, accounts, out)),
            ] {
                if let Err(sentence) = result {
                    self.round.kept_out += 1;
                    first.get_or_insert(sentence);
                }
            }
        }
        let tried = NEW_CLIENTS * 5;
        self.round.notes.push(("kept out", format!("{} of {tried} new clients", self.round.kept_out)));
        if let Some(sentence) = first {
            self.round.notes.push(("first", sentence));
        }
        Ok(())
    }

    /// Records that the server has journaled, where it says so.
    fn applied(&self) -> Option<f64> {
        let text = child::http_get(self.server.operator(), "/metrics").ok()?;
        metrics::sum(&text, "purser_journal_records_total", &[])
    }

    fn note(&mut self, plan: Plan, tally: &Tally, applied_before: Option<f64>) {
        let read = Tally::read;
        self.round.wrong = read(&tally.wrong);
        self.round.unanswered = read(&tally.cut);
        let counts = [
            ("connected", &tally.connected),
            ("turned away", &tally.turned_away),
            ("sent", &tally.sent),
            ("answered", &tally.good),
            ("refused", &tally.refused),
            ("ended by the server", &tally.ended),
            ("of them while an answer was due", &tally.cut),
            ("given up", &tally.given_up),
        ];
        let some = counts.into_iter().filter(|(_, count)| read(count) > 0);
        self.round.notes.extend(some.map(|(name, count)| (name, facts::grouped(read(count)))));
        if let (Call::Bet { .. }, Some(before), Some(after)) = (plan.call, applied_before, self.applied()) {
            let applied = after - before;
            let in_vain = (applied - read(&tally.good) as f64).max(0.0) / applied.max(1.0);
            self.round.notes.push(("applied", facts::grouped(applied as u64)));
            self.round.notes.push(("of them for clients that had gone", format!("{:.1} %", in_vain * 100.0)));
        }
    }
}
