//! `tools report`: a load test from its start to a page that can be read, repeated and doubted.
//!
//! A server with demo data is started in a scratch directory and driven by the same generator as `tools load`; beside
//! them a thread samples the server and the machine, and in the middle of the run perf records the server for some
//! seconds. What comes of it is a directory: the page, k6's summary, pictures, a flame graph, and every sample.
//!
//! Reading in order:
//! - `sampler`: what is looked at.
//! - `samples`: every second as a row. `pictures`: the same to be seen.
//! - `page`, with `before` and `parts`: what is said of it, beside the figures that the project starts from, and of the rest of
//!   a long run beside its beginning.

mod before;
mod page;
mod parts;
mod pictures;
mod sampler;
mod samples;

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread::{self, ScopedJoinHandle};
use std::time::Duration;

use procfs::FromRead as _;
use procfs::process::Schedstat;

use crate::child::{self, Options, Server};
use crate::facts::{self, Facts};
use crate::load::{self, Clock, Outcome, Scenario};
use crate::proc;
use crate::profile::flame::{Folded, Recording};
use crate::say;
use crate::wake;
use page::Page;
use sampler::{Sampled, Sampler};

/// Demo accounts of the server: as many as virtual users can be asked for.
const ACCOUNTS: u32 = load::VUS_MAX as u32;

/// The longest time that the server is recorded for, in seconds.
const FLAME_SECONDS_MAX: u64 = 10;

/// Samples a second of each core: enough for a flame graph of some seconds, too few to be felt.
const FLAME_HZ: u32 = 199;

/// The file that is there where perf could record.
const FLAME_GRAPH: &str = "flamegraph.svg";

/// How often the server is asked for its metrics to find out what one answer costs it.
const METRICS_ASKED: u32 = 200;

/// Arguments of `tools report`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Virtual users; each has a connection of its own
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=load::VUS_MAX))]
    vus: u16,
    /// Length of the run, as k6 writes it: 30s, 10m, 1h30m
    #[arg(long, default_value = "10m", value_parser = load::parse_duration)]
    duration: Duration,
    /// What the virtual users play
    #[arg(long, value_enum, default_value_t = ReportScenario::Seed)]
    scenario: ReportScenario,
    /// Where the report goes [default: docs/reports/DATE-SCENARIO]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Writes over a report that is there
    #[arg(long)]
    force: bool,
    /// Leaves the samples out, to see what a run without them comes to
    #[arg(long)]
    no_sampling: bool,
    /// Leaves the flame graph out
    #[arg(long)]
    no_flame_graph: bool,
    /// The server's program [default: purser, beside this one]
    #[arg(long, value_name = "FILE")]
    server: Option<PathBuf>,
    /// The server's --cores [default: all]
    #[arg(long, value_name = "LIST")]
    cores: Option<String>,
    /// Where the server's data goes while it runs; it is on this file system that changes are made durable [default:
    /// the directory for temporary files]
    #[arg(long, value_name = "DIR")]
    scratch: Option<PathBuf>,
}

/// A scenario that there are figures to compare with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ReportScenario {
    /// balance, redeemToken, createToken, over and over; each virtual user has an account of its own
    Seed,
    /// all ten calls, in a session with three rounds
    Full,
    /// the seed's calls on one account for all, with tokens that its platform mints
    Wrapped,
}

impl ReportScenario {
    const fn scenario(self) -> Scenario {
        match self {
            Self::Seed => Scenario::Seed,
            Self::Full => Scenario::Full,
            Self::Wrapped => Scenario::Wrapped,
        }
    }

    const fn name(self) -> &'static str {
        self.scenario().name()
    }
}

/// What a run has brought.
struct ReportRun {
    /// The report in k6's layout.
    text: String,
    outcome: Outcome,
    sampled: Sampled,
    /// Or why there is none.
    recording: Result<Recording, String>,
    costs: Costs,
}

/// Processor time that was taken, in nanoseconds.
#[derive(Clone, Copy, Debug, Default)]
struct Costs {
    /// By the server in the run.
    server_ns: u64,
    /// By the generator in the run.
    generator_ns: u64,
    /// By the server for one answer to who asks for its metrics; 0 where nobody did.
    metrics_ns: u64,
}

/// Runs the load test and writes the report.
///
/// # Errors
/// A sentence: a directory that is there, no server, or a run that a signal has ended.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, String> {
    let clock = Clock::start();
    let date = facts::date();
    let name = arguments.scenario.name();
    let out = arguments.out.clone().unwrap_or_else(|| PathBuf::from(format!("docs/reports/{date}-{name}")));
    let binary = match &arguments.server {
        Some(path) => path.clone(),
        None => child::beside("purser")?,
    };
    make_room(&out, arguments.force)?;
    let stopped = wake::noted_signals()?;
    let mut scratch = tempfile::Builder::new();
    let scratch = scratch.prefix("purser-report-");
    let scratch = match &arguments.scratch {
        Some(directory) => scratch.tempdir_in(directory),
        None => scratch.tempdir(),
    };
    let scratch = scratch.map_err(|error| format!("no scratch directory: {error}"))?;
    let facts = Facts::read(scratch.path());
    let options = server_options(arguments, binary, scratch.path());
    let server = Server::start(&options)?;
    let run = measure(arguments, clock, &server);
    if stopped.load(Ordering::Relaxed) {
        // A signal to all of the terminal's processes has reached the server, too; its data goes with the scratch.
        drop(server);
        return Err("the run was ended by a signal; there is no report of it".to_owned());
    }
    // Before what went wrong in the run: a server that has failed says more of it.
    server.stop()?;
    let run = run?;
    let flame = run.recording.as_ref().map_err(Clone::clone).and_then(Recording::folded);
    drop(scratch);
    let page = Page { arguments, date: &date, facts: &facts, options: &options, run: &run, flame: &flame };
    write(&out, &page, &flame)?;
    say(&run.text);
    say(&format!("\nthe report: {}\n", out.join("README.md").display()));
    Ok(if run.outcome.stats.all_passed() { ExitCode::SUCCESS } else { load::EXIT_CHECKS.into() })
}

/// Makes the directory of a report, before the run: one that can't be written should not cost it.
fn make_room(out: &Path, force: bool) -> Result<(), String> {
    let wrong = |error: std::io::Error| format!("{}: {error}", out.display());
    fs::create_dir_all(out).map_err(wrong)?;
    let is_empty = fs::read_dir(out).map_err(wrong)?.next().is_none();
    if !is_empty && !force {
        return Err(format!("{} is there already; --force writes over it", out.display()));
    }
    for name in [FLAME_GRAPH, "README.md"] {
        match fs::remove_file(out.join(name)) {
            // Of an earlier run, and not to stand beside this one.
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(wrong(error)),
            _ => {}
        }
    }
    Ok(())
}

fn server_options(arguments: &Arguments, binary: PathBuf, scratch: &Path) -> Options {
    let extra = arguments.scenario.scenario().server_options();
    let cores = arguments.cores.clone();
    Options { binary, cores, demo_accounts: ACCOUNTS, data: scratch.join("data"), extra }
}

/// Drives the server on this thread, and looks at it from two others.
fn measure(arguments: &Arguments, clock: Clock, server: &Server) -> Result<ReportRun, String> {
    let (pid, operator) = (server.pid(), server.operator());
    let load = load::Arguments::of_demo(
        arguments.vus,
        arguments.duration,
        arguments.scenario.scenario(),
        &format!("http://{}", server.platform()),
    );
    thread::scope(|scope| {
        // Each thread ends when its sender is dropped, which is when the load has ended, well or not.
        let (sampling, sampled_until) = mpsc::channel();
        let (recording, recorded_until) = mpsc::channel();
        let sampler = (!arguments.no_sampling).then(|| {
            let sampler = Sampler::new(clock, pid, operator);
            thread::Builder::new()
                .name("sampler".to_owned())
                .spawn_scoped(scope, move || sampler.run(&sampled_until))
        });
        let sampler = sampler.transpose().map_err(no_thread)?;
        let recorder = (!arguments.no_flame_graph).then(|| {
            let duration = arguments.duration;
            let record = move || record(pid, duration, &recorded_until);
            thread::Builder::new().name("recorder".to_owned()).spawn_scoped(scope, record)
        });
        let recorder = recorder.transpose().map_err(no_thread)?;
        let (server_ns, generator_ns) = (server_run_ns(pid), own_cpu_ns());
        let played = load::play(&load, clock);
        let mut costs = Costs {
            server_ns: server_run_ns(pid).saturating_sub(server_ns),
            generator_ns: own_cpu_ns() - generator_ns,
            metrics_ns: 0,
        };
        drop((sampling, recording));
        let joined =
            |handle: ScopedJoinHandle<'_, Sampled>| handle.join().expect("a sampler without a fault");
        let sampled = sampler.map(joined).unwrap_or_default();
        let recording = match recorder {
            Some(recorder) => recorder.join().expect("a recorder without a fault"),
            None => Err("it was not asked for".to_owned()),
        };
        let (text, outcome) = played?;
        if !arguments.no_sampling {
            costs.metrics_ns = metrics_cost(pid, operator)?;
        }
        Ok(ReportRun { text, outcome, sampled, recording, costs })
    })
}

fn no_thread(error: std::io::Error) -> String {
    format!("no thread can be started: {error}")
}

/// Records the server for some seconds in the middle of a run of this length.
fn record(pid: u32, duration: Duration, until: &Receiver<()>) -> Result<Recording, String> {
    let seconds = flame_seconds(duration);
    let begins = duration.saturating_sub(Duration::from_secs(seconds)) / 2;
    match until.recv_timeout(begins) {
        Err(RecvTimeoutError::Timeout) => Recording::make(pid, seconds, FLAME_HZ),
        _ => Err("the run ended before it was recorded".to_owned()),
    }
}

/// A third of the run, and not more than is needed.
fn flame_seconds(duration: Duration) -> u64 {
    (duration.as_secs() / 3).clamp(1, FLAME_SECONDS_MAX)
}

/// The processor time that the server takes for an answer to who asks for its metrics, with all that the asking costs
/// it; of a server that has nothing else to do.
fn metrics_cost(pid: u32, operator: SocketAddr) -> Result<u64, String> {
    let before = server_threads_ns(pid);
    for _ in 0..METRICS_ASKED {
        child::http_get(operator, "/metrics")?;
    }
    // A thread may end meanwhile.
    Ok(server_threads_ns(pid).saturating_sub(before) / u64::from(METRICS_ASKED))
}

/// The processor time of a process so far, in nanoseconds, of threads that have ended, too; 0 where it has gone. It is counted in
/// ticks, some milliseconds each.
fn server_run_ns(pid: u32) -> u64 {
    let stat = proc::process(pid).and_then(|process| process.stat());
    stat.map_or(0, |stat| (stat.utime + stat.stime) * 1_000_000_000 / procfs::ticks_per_second())
}

/// The processor time of a process's threads so far, in nanoseconds, but for those that have ended.
fn server_threads_ns(pid: u32) -> u64 {
    let process = proc::process(pid);
    let threads = process.iter().flat_map(proc::threads);
    threads.filter_map(|thread| thread.schedstat().ok()).map(|times| times.sum_exec_runtime).sum()
}

/// The processor time of the calling thread so far, in nanoseconds.
fn own_cpu_ns() -> u64 {
    Schedstat::from_file("/proc/thread-self/schedstat").map_or(0, |times| times.sum_exec_runtime)
}

/// Writes all files of a report.
fn write(out: &Path, page: &Page<'_>, flame: &Result<Folded, String>) -> Result<(), String> {
    let Page { arguments, date, run, .. } = page;
    let Outcome { began_ns, intervals, stats, .. } = &run.outcome;
    let write = |name: &str, text: &str| {
        let path = out.join(name);
        fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))
    };
    let title = |what: &str| format!("{what}: {}, {} VUs, {date}", arguments.scenario.name(), arguments.vus);
    pictures::telemetry(&title("Telemetry"), *began_ns, intervals, &run.sampled.samples)
        .write(out, "telemetry")?;
    let kinds = arguments.scenario.scenario().kinds();
    pictures::latency(&title("Latency"), &kinds, stats).write(out, "latency")?;
    write("k6_run_report.txt", &run.text)?;
    write("samples.csv", &samples::csv(*began_ns, intervals, &run.sampled.samples))?;
    if let Ok(flame) = flame {
        write(FLAME_GRAPH, &flame.flame_graph(&title("purser: time on its cores"))?)?;
    }
    write("README.md", &page.text())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_that_is_there_is_kept() {
        let directory = tempfile::tempdir().expect("a directory");
        let out = directory.path().join("reports/one");
        assert_eq!(make_room(&out, false), Ok(()));
        assert_eq!(make_room(&out, false), Ok(()), "an empty one is none");
        for name in [FLAME_GRAPH, "README.md", "samples.csv"] {
            fs::write(out.join(name), "").expect("it is written");
        }
        let kept = format!("{} is there already; --force writes over it", out.display());
        assert_eq!(make_room(&out, false), Err(kept));
        assert_eq!(make_room(&out, true), Ok(()));
        let left: Vec<_> =
            fs::read_dir(&out).expect("it is there").flatten().map(|entry| entry.file_name()).collect();
        assert_eq!(left, ["samples.csv"]);
    }

    #[track_caller]
    fn check_flame_seconds(duration_seconds: u64, expect: u64) {
        assert_eq!(flame_seconds(Duration::from_secs(duration_seconds)), expect);
    }

    #[test]
    fn recordings_fit_in_their_runs() {
        check_flame_seconds(1, 1);
        check_flame_seconds(12, 4);
        check_flame_seconds(600, 10);
    }

    #[test]
    fn the_time_of_threads_that_have_ended_counts() {
        let pid = std::process::id();
        let enough = server_run_ns(pid) + 50_000_000;
        let works = thread::Builder::new().spawn(move || while server_run_ns(pid) < enough {});
        works.expect("a thread").join().expect("a thread without a fault");
        assert!(server_run_ns(pid) >= enough);
    }

    #[test]
    fn a_run_that_ends_early_is_not_recorded() {
        let (sender, until) = mpsc::channel();
        drop::<mpsc::Sender<()>>(sender);
        let sentence = record(1, Duration::from_secs(600), &until).expect_err("nobody waits");
        assert_eq!(sentence, "the run ended before it was recorded");
    }
}
