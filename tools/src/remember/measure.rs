//! Two servers with the same accounts, one of which remembers: what they take, and what a bet costs both.

use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use crate::child::{self, Options, Server};
use crate::grow::reading::Reading;
use crate::load::{self, Clock};
use crate::{metrics, proc};

/// A server counts its history every second; one that has not done so by then has lost rounds.
const COUNTED_WITHIN: Duration = Duration::from_secs(20);

/// Connections that bet, without a pause.
const CONNECTIONS: u32 = 100;

/// What a server says of its history, and of what it cost.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Told {
    pub(crate) rounds: f64,
    pub(crate) files: f64,
    pub(crate) file_bytes: f64,
    pub(crate) filter_bytes: f64,
    pub(crate) lookups: f64,
    pub(crate) stalls: f64,
}

impl Told {
    fn of(server: &Server) -> Result<Self, String> {
        let text = child::http_get(server.operator(), "/metrics")?;
        let sum = |name| metrics::sum(&text, name, &[]).unwrap_or(0.0);
        Ok(Self {
            rounds: sum("purser_history_rounds"),
            files: sum("purser_history_files"),
            file_bytes: sum("purser_history_bytes"),
            filter_bytes: sum("purser_history_memory_bytes"),
            lookups: sum("purser_history_lookups_total"),
            stalls: sum("purser_stalls_total"),
        })
    }
}

/// One measurement of bets whose rounds are new.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bets {
    pub(crate) requests: u64,
    /// Processor time of the server for each, seconds.
    pub(crate) cpu_s: f64,
    /// Of that, the threads that read the history.
    pub(crate) reading_s: f64,
    pub(crate) rate: f64,
    pub(crate) p99_ns: u64,
    /// Of them, those for which files were read.
    pub(crate) lookups: f64,
    /// Checks of their answers that have failed.
    pub(crate) failed: u64,
}

/// A server on a data directory.
pub(crate) struct Measured {
    pub(crate) server: Server,
    pub(crate) start_s: f64,
    pub(crate) private_after_start: u64,
    pub(crate) bets: Vec<Bets>,
}

/// Where a server's data are, and how many shards it has.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) binary: PathBuf,
    pub(crate) data: PathBuf,
    pub(crate) accounts: u32,
    pub(crate) shards: u16,
}

impl Place {
    fn options(&self) -> Options {
        // With one shard the generator has a core of its own, where there is one.
        let cores = (self.shards == 1).then(|| "0".to_owned());
        let extra =
            if cores.is_some() { Vec::new() } else { vec!["--shards".into(), self.shards.to_string()] };
        Options {
            binary: self.binary.clone(),
            cores,
            demo_accounts: self.accounts,
            data: self.data.clone(),
            extra,
        }
    }

    /// Has a server make the data directory, with its accounts.
    ///
    /// # Errors
    /// A sentence, where it does not start or end well.
    pub(crate) fn begin(&self) -> Result<(), String> {
        Server::start(&self.options())?.stop()
    }

    /// Starts a server and waits until it serves.
    ///
    /// # Errors
    /// A sentence, with what the server said.
    pub(crate) fn serve(&self) -> Result<Measured, String> {
        let clock = Clock::start();
        let server = Server::start(&self.options())?;
        let start_s = clock.now_ns() as f64 / 1e9;
        let private_after_start = proc::private_bytes(server.pid())?;
        Ok(Measured { server, start_s, private_after_start, bets: Vec::new() })
    }

    /// Has 100 connections bet on all accounts for so long.
    ///
    /// # Errors
    /// A sentence, where that can't be measured.
    pub(crate) fn bet(&self, measured: &mut Measured, duration: Duration) -> Result<(), String> {
        let server = &measured.server;
        let mut words: Vec<String> = ["--scenario", "bet", "--vus"].map(str::to_owned).into();
        words.extend([CONNECTIONS.to_string(), "--accounts".to_owned(), self.accounts.to_string()]);
        words.extend(["--duration".to_owned(), format!("{}ms", duration.as_millis())]);
        words.extend(["--url".to_owned(), format!("http://{}", server.platform())]);
        if self.shards == 1 && thread::available_parallelism().is_ok_and(|cores| cores.get() > 1) {
            words.extend(["--pin".to_owned(), "1".to_owned()]);
        }
        let (before, reading_before_s) = (Told::of(server)?, reading_s(server.pid()));
        let (pid, operator) = (server.pid(), server.operator());
        // On a thread of its own, which it may pin.
        let thread = thread::Builder::new().name("generator".to_owned());
        let generator = thread.spawn(move || load::played(&words, || Reading::of(pid, operator)));
        let generator = generator.map_err(|error| format!("no thread can be started: {error}"))?;
        let played = generator.join().map_err(|_| "the generator has failed".to_owned())??;
        if played.requests == 0 {
            return Err("no bet was answered".to_owned());
        }
        let requests = played.requests as f64;
        measured.bets.push(Bets {
            requests: played.requests,
            cpu_s: played.after.since(played.before).cpu_s / requests,
            reading_s: (reading_s(pid) - reading_before_s) / requests,
            rate: requests * 1e9 / played.elapsed_ns as f64,
            p99_ns: played.p99_ns,
            lookups: measured.told()?.lookups - before.lookups,
            failed: played.failed_checks,
        });
        Ok(())
    }
}

/// Processor time of the threads of a server that read its history, seconds.
fn reading_s(pid: u32) -> f64 {
    let stats = proc::process(pid).into_iter().flat_map(|process| {
        let threads: Vec<_> = proc::threads(&process).filter_map(|thread| thread.stat().ok()).collect();
        threads
    });
    let ticks: u64 = stats.filter(|stat| stat.comm == "history").map(|stat| stat.utime + stat.stime).sum();
    ticks as f64 / procfs::ticks_per_second() as f64
}

impl Measured {
    /// What it says by now.
    ///
    /// # Errors
    /// A sentence, where it has gone.
    pub(crate) fn told(&self) -> Result<Told, String> {
        Told::of(&self.server)
    }

    /// What it says once it has counted its history, which it does every second.
    ///
    /// # Errors
    /// A sentence, where it has gone.
    pub(crate) fn told_of(&self, rounds: u64) -> Result<Told, String> {
        let clock = Clock::start();
        let mut told = self.told()?;
        while told.rounds < rounds as f64 {
            if clock.now_ns() > COUNTED_WITHIN.as_nanos() as u64 {
                return Err(format!("of {rounds} rounds the server knows {} in its history", told.rounds));
            }
            told = self.told()?;
        }
        Ok(told)
    }

    /// The memory that it has to itself.
    ///
    /// # Errors
    /// A sentence, where it has gone.
    pub(crate) fn private_bytes(&self) -> Result<u64, String> {
        proc::private_bytes(self.server.pid())
    }

    /// The middle one of what its measurements have come to.
    pub(crate) fn median(&self, of: impl Fn(&Bets) -> f64) -> f64 {
        load::median(self.bets.iter().map(of).collect()).unwrap_or(0.0)
    }
}
