//! `tools profile`: where a server spends its time.
//!
//! perf samples the server's threads with their stacks, and counts when they leave their cores; what it has recorded
//! is folded and drawn here. `docs/profiling.md` says how to read it.
//!
//! Reading in order:
//! - `perf`: the process that records. `script`: what it prints of a recording.
//! - `symbols`: the functions that were inlined. `area`: whose time a stack is.
//! - `offcpu`: from switches to waits. `flame`: folded stacks, shares, flame graphs.
//! - `driven`: a server with load, where none runs.

mod area;
mod driven;
pub(crate) mod flame;
mod offcpu;
mod perf;
mod script;
mod symbols;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::load::Scenario;
use crate::say;
use driven::Driven;
use flame::Folded;
use perf::PerfEvent;

/// The longest recording, in seconds.
const SECONDS_MAX: u64 = 600;

/// The longest recording of switches, in seconds: there may be 100,000 in each, with 1 KB of stack.
const WAIT_SECONDS_MAX: u64 = 3;

/// Samples a second: more than this and what is measured is the measuring.
const FREQUENCY_MAX: i64 = 10_000;

/// Functions that are printed.
const TOP: usize = 10;

/// Arguments of `tools profile`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The server's process; by default the one that is named purser
    #[arg(long, conflicts_with = "scenario")]
    pid: Option<u32>,
    /// Starts a server in a scratch directory and plays this against it
    #[arg(long, value_enum)]
    scenario: Option<Scenario>,
    /// Virtual users of the scenario
    #[arg(long, default_value_t = 100, requires = "scenario", value_parser = clap::value_parser!(u16).range(1..=10_000))]
    vus: u16,
    /// Length of the recording
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=SECONDS_MAX))]
    seconds: u64,
    /// Samples a second of each core; a number beside the round ones keeps clear of timers
    #[arg(long, value_name = "HZ", default_value_t = 499,
        value_parser = clap::value_parser!(u32).range(1..=FREQUENCY_MAX))]
    frequency: u32,
    /// Where the recordings, the folded stacks and the flame graphs go
    #[arg(long, value_name = "DIR", default_value = "target/profile")]
    out: PathBuf,
}

/// Records a server and prints where its time goes.
///
/// # Errors
/// A sentence: perf is not there or may not record, no server runs, or the directory can't be written.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, String> {
    perf::installed()?;
    let Arguments { seconds, out, .. } = arguments;
    fs::create_dir_all(out).map_err(|error| format!("{}: {error}", out.display()))?;
    let driven = match arguments.scenario {
        None => None,
        Some(scenario) => Some(Driven::start(scenario, arguments.vus)?),
    };
    let pid = match (&driven, arguments.pid) {
        (Some(driven), _) => driven.pid(),
        (None, Some(pid)) => pid,
        (None, None) => the_one(&servers())?,
    };
    let event = PerfEvent::cpu(arguments.frequency)?;
    let (on, off) = (out.join("perf.data"), out.join("switches.data"));
    say(&format!("{} of process {pid}, {} times a second, {seconds} s\n", event.name(), arguments.frequency));
    perf::record(pid, *seconds, &event, &on)?;
    let wait_seconds = (*seconds).min(WAIT_SECONDS_MAX);
    let waits = perf::kernel_refuses()
        .map_or_else(|| perf::record(pid, wait_seconds, &PerfEvent::switches(), &off), Err);
    // What is folded takes processor time of its own: not while anything is recorded, nor a server driven.
    if let Some(driven) = driven {
        say(&driven.stop()?);
    }
    report(pid, &on, waits.map(|()| off), wait_seconds, out)?;
    Ok(ExitCode::SUCCESS)
}

/// Folds the recordings, writes the files and prints the tables.
fn report(
    pid: u32,
    on: &Path,
    waits: Result<PathBuf, String>,
    wait_seconds: u64,
    out: &Path,
) -> Result<(), String> {
    let mut written = Vec::new();
    let mut write = |name: &str, text: String| {
        let path = out.join(name);
        fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
        written.push(path.display().to_string());
        Ok::<(), String>(())
    };
    let folded = Folded::of_cpu(on, pid)?;
    write("folded.txt", folded.text())?;
    write("flamegraph.svg", folded.flame_graph("purser: time on its cores")?)?;
    say(&tables(&folded));
    if let Some(sentence) = perf::kernel_refuses().or_else(perf::kernel_nameless) {
        say(&format!("note: {sentence}\n"));
    }
    match waits.and_then(|data| Folded::of_waits(&data, pid)) {
        Ok(waits) => {
            write("offcpu-folded.txt", waits.text())?;
            write("offcpu.svg", waits.flame_graph("purser: time off its cores")?)?;
            say(&wait_table(&waits, wait_seconds));
        }
        Err(sentence) => say(&format!("note: time off the cores is left out: {sentence}\n")),
    }
    say(&format!("\nwritten: {}\n", written.join(", ")));
    Ok(())
}

/// Shares and top functions, as text.
fn tables(folded: &Folded) -> String {
    let mut text = String::from("\nwhose time it is\n");
    // Writing to a string does not fail.
    let shares = folded.shares();
    let kernel: f64 =
        shares.iter().filter(|(name, _)| name.starts_with("kernel")).map(|(_, percent)| percent).sum();
    let _ = writeln!(text, "  {kernel:6.2} %  kernel, all of it");
    for (name, percent) in shares.into_iter().filter(|(_, percent)| *percent > 0.0) {
        let _ = writeln!(text, "  {percent:6.2} %  {name}");
    }
    text.push_str("\nfunctions by their own time\n");
    for (name, percent) in folded.top(TOP) {
        let _ = writeln!(text, "  {percent:6.2} %  {name}");
    }
    let _ =
        writeln!(text, "\n{} samples; {:.2} % with a frame without a name", folded.total(), folded.unnamed());
    text
}

/// How long threads were off their cores, as text.
fn wait_table(waits: &Folded, seconds: u64) -> String {
    let mut text = format!("\nmilliseconds off a core, in {seconds} s; of them waiting for one\n");
    for (thread, all_us, preempted_us) in waits.threads() {
        let (all_ms, preempted_ms) = (all_us as f64 / 1e3, preempted_us as f64 / 1e3);
        let _ = writeln!(text, "  {all_ms:10.1} {preempted_ms:10.1}  {thread}");
    }
    text
}

/// The processes that are named purser.
fn servers() -> Vec<u32> {
    let stats = procfs::process::all_processes()
        .into_iter()
        .flatten()
        .filter_map(|process| process.ok()?.stat().ok());
    stats.filter(|stat| stat.comm == "purser").map(|stat| stat.pid.cast_unsigned()).collect()
}

/// The one server that runs.
fn the_one(servers: &[u32]) -> Result<u32, String> {
    match servers {
        [pid] => Ok(*pid),
        [] => Err("no process is named purser; --scenario starts one with load".to_owned()),
        several => {
            let pids: Vec<String> = several.iter().map(u32::to_string).collect();
            Err(format!("several processes are named purser: --pid says which, of {}", pids.join(", ")))
        }
    }
}
