//! A server that is attacked while the others are watched: a round of a scenario.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::call::{ATTACKERS, AccountRange, Call, OTHERS};
use super::others::{BystanderManner, OTHERS_FROM, Others, Waits};
use super::plan::{AttackTally, Plan, Signals, Target, Then};
use super::scenario::{AttackScenario, Course};
use super::site::{self, ServerSetup};
use super::table::{self, ScenarioRound};
use super::watch::ServerHoldings;
use super::{Arguments, Baseline, attack};
use crate::child::{self, Server};
use crate::load::Clock;
use crate::{facts, metrics};

/// Time between two looks at the server's memory.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Time for attackers to connect, and for what they wait for to happen.
const SETTLE: Duration = Duration::from_secs(60);

/// New clients that try to get in, on each listener.
const NEW_CLIENTS: u64 = 10;

/// What all scenarios are played with.
pub(super) struct Bench<'a> {
    pub(super) arguments: &'a Arguments,
    pub(super) binary: PathBuf,
    pub(super) scratch: &'a Path,
    pub(super) sections: String,
    pub(super) clock: Clock,
    pub(super) has_cores: bool,
    pub(super) interrupted: &'a AtomicBool,
}

/// A server that is attacked, and what is known of it.
struct AttackedServer<'a> {
    bench: &'a Bench<'a>,
    scenario: &'static AttackScenario,
    server: Server,
    round: ScenarioRound,
}

impl Bench<'_> {
    /// Plays a round of a scenario.
    ///
    /// # Errors
    /// A sentence: a server that does not start or end well, or a signal.
    pub(super) fn play(
        &self,
        scenario: &'static AttackScenario,
        attackers: usize,
    ) -> Result<ScenarioRound, String> {
        let home = self.scratch.join(scenario.name);
        site::empty(&home)?;
        let is_small = self.arguments.small;
        let mut sections = self.sections.clone();
        if let Some(keep_alive) = scenario.keep_alive_ms {
            let keep_alive_ms = AttackScenario::of(keep_alive, is_small);
            sections.push_str(&format!("\n[timeouts]\nkeep_alive_ms = {keep_alive_ms}\n"));
        }
        let (binary, has_cores, shards) = (self.binary.clone(), self.has_cores, scenario.shards);
        let server = ServerSetup { binary, home: home.clone(), shards, has_cores, sections }.start()?;
        for accounts in self.arguments.accounts() {
            site::make_accounts(server.operator(), accounts)?;
        }
        let mut stage = AttackedServer { bench: self, scenario, server, round: ScenarioRound::default() };
        stage.furnish(
            AttackScenario::of(scenario.lines, is_small),
            AttackScenario::of(scenario.open_rounds, is_small),
        )?;
        let manner = BystanderManner {
            connections: 8,
            rate: f64::from(self.arguments.rate),
            accounts: self.arguments.accounts()[1],
            has_cores: self.has_cores,
        };
        let others = Others::start(self.clock, stage.server.platform(), manner)?;
        let before = stage.baseline()?;
        stage.round.held_before = ServerHoldings::at(stage.server.pid());
        let (during, others) = stage.attack((scenario.plan)(attackers), others)?;
        let samples = match others {
            Some(others) => others.stop()?,
            None => Vec::new(),
        };
        if !samples.is_empty() {
            stage.round.before = Waits::of(&samples, before);
            stage.round.during = Waits::of(&samples, during);
        }
        let AttackedServer { server, round, .. } = stage;
        // One that was told to stop has ended; how is still to be seen.
        server.stop()?;
        site::empty(&home)?;
        Ok(round)
    }

    /// Waits, with a look at the server now and then, until `is_done`. Says whether it was, within `longest`.
    fn watch(
        &self,
        pid: u32,
        held: &mut ServerHoldings,
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
            *held = held.most(ServerHoldings::at(pid));
            thread::sleep(POLL_INTERVAL);
        }
        Ok(true)
    }
}

impl AttackedServer<'_> {
    fn target(&self) -> Target {
        let [accounts, _] = self.bench.arguments.accounts();
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
            let (signals, tally) = (Signals::default(), AttackTally::default());
            let plans = [Plan { requests: count, again: None, sources: 0, ..Plan::flood(1, call) }];
            let target = Target { accounts: AccountRange { first: 1, count: 1 }, ..self.target() };
            thread::scope(|scope| {
                // Numbers of attacks that follow begin at 0.
                let attack =
                    || attack::pinned(false, &plans, target, self.bench.clock, 1 << 60, &signals, &tally);
                let thread = thread::Builder::new().name("furnisher".to_owned()).spawn_scoped(scope, attack);
                thread.map_err(|error| format!("no thread can be started: {error}"))?;
                let answers = || {
                    AttackTally::read(&tally.good)
                        + AttackTally::read(&tally.refused)
                        + AttackTally::read(&tally.wrong)
                        >= count
                        || AttackTally::read(&tally.ended) > 0
                };
                let watched =
                    self.bench.watch(self.server.pid(), &mut ServerHoldings::default(), SETTLE, answers);
                signals.is_over.store(true, Ordering::Relaxed);
                watched.map(drop)
            })?;
        }
        Ok(())
    }

    /// Watches the others before the attack: the span of time.
    fn baseline(&mut self) -> Result<Range<u64>, String> {
        let (clock, duration) = (self.bench.clock, self.bench.arguments.duration());
        let polite = Plan { depth: 1, ..Plan::flood(32, Call::Balance(ATTACKERS)) };
        let plans: &[Plan] = if self.bench.arguments.baseline == Baseline::Busy { &[polite] } else { &[] };
        let (signals, tally) = (Signals::default(), AttackTally::default());
        let mut held = ServerHoldings::default();
        thread::scope(|scope| {
            self.spawn(scope, plans, &signals, &tally)?;
            // The first requests pay for what is cold.
            let mut watch = |longest| self.bench.watch(self.server.pid(), &mut held, longest, || false);
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
        tally: &'scope AttackTally,
    ) -> Result<(), String> {
        if plans.is_empty() {
            return Ok(());
        }
        let (target, clock, has_cores) = (self.target(), self.bench.clock, self.bench.has_cores);
        let attack = move || attack::pinned(has_cores, plans, target, clock, 0, signals, tally);
        let thread = thread::Builder::new().name("attackers".to_owned()).spawn_scoped(scope, attack);
        thread.map(drop).map_err(|error| format!("no thread can be started: {error}"))
    }

    /// Attacks; says when the others are to be looked at, and gives them back unless they were ended.
    fn attack(&mut self, plan: Plan, others: Others) -> Result<(Range<u64>, Option<Others>), String> {
        let (signals, tally, plans) = (Signals::default(), AttackTally::default(), [plan]);
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
        tally: &AttackTally,
        others: &mut Option<Others>,
    ) -> Result<Range<u64>, String> {
        let (bench, pid) = (self.bench, self.server.pid());
        let (clock, duration) = (bench.clock, bench.arguments.duration());
        let attackers = plan.connections as u64;
        let mut held = ServerHoldings::default();
        let began_ns = clock.now_ns();
        let read = AttackTally::read;
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
                bench.watch(pid, &mut held, POLL_INTERVAL * 10, || false)?;
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
        self.server.terminate();
        let is_over = || !Path::new(&format!("/proc/{pid}/exe")).exists();
        if !self.bench.watch(pid, &mut ServerHoldings::default(), SETTLE, is_over)? {
            return Err("the server did not end".to_owned());
        }
        self.round.notes.push(("ended after", table::time(clock.now_ns() - began_ns)));
        Ok(())
    }

    /// New clients of another address, on both listeners.
    fn try_to_get_in(&mut self) -> Result<(), String> {
        let (platform, operator) = (self.server.platform(), self.server.operator());
        let asked = |to, what: &str, write: &dyn Fn(&mut Vec<u8>)| -> Result<(), String> {
            let mut client = site::connect(to, Some(OTHERS_FROM), Duration::from_secs(2))?;
            match site::ask(&mut client, write)? {
                (200, _) => Ok(()),
                (status, body) => Err(format!("{what}: {status} {body}")),
            }
        };
        let get = |path: &'static str| {
            move |out: &mut Vec<u8>| {
                out.extend_from_slice(format!("GET {path} HTTP/1.1\r\nHost: wallet\r\n\r\n").as_bytes());
            }
        };
        let [_, accounts] = self.bench.arguments.accounts();
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

    fn note(&mut self, plan: Plan, tally: &AttackTally, applied_before: Option<f64>) {
        let read = AttackTally::read;
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
