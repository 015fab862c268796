//! `tools simulate`: the machine under a virtual clock, watched by somebody who knows the protocol and not the
//! machine.
//!
//! Who asks and who judges the answers is in `testkit`: `world`, `workload` and `auditor`. Reading in order, here:
//! - `disk`: a shard's disk, and what a crash may do to it. `past`: a shard's history, whose answers come later. `cluster`: the
//!   shards, and how they start. `whole`: accounts with all that is remembered, wherever it is.
//! - `flights`: requests under way between those who ask, the machine and the auditor.
//! - `year`: a year of players who come every day, and what is kept of them.
//! - `run`: who does what next. `time`: how time passes. `fill`: a round that is filled to its bounds. `crash`: the crash, and what is looked at
//!   after it.
//!
//! A seed and a number of steps are the whole of a run: the same ones give the same run, on any machine.

mod cluster;
mod crash;
mod disk;
mod fill;
mod flights;
mod past;
mod run;
mod time;
mod whole;
mod year;

use std::cell::Cell;
use std::io::{self, IsTerminal as _, Write as _};
use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;

use clock::Clock;
use coverage::{self, Branch};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use flights::Answers;
use run::{Counts, Run};

/// Exit code of a run in which a seed has failed.
const EXIT_FAILED: u8 = 1;

/// Steps between two looks at the progress.
const STEPS_PER_LOOK: u64 = 1_000;

/// Arguments of `tools simulate`.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many seeds are played, one after the other.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    /// Steps of each seed.
    #[arg(long, default_value_t = 5_000)]
    steps: u64,
    /// Shards at every start; without it each start may have another number.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=cluster::SHARDS_MAX as u64))]
    shards: Option<u64>,
    /// Say how often each branch that matters was taken, and fail where one never was
    #[arg(long)]
    coverage: bool,
    /// Play a year of 1,000 players instead, and say what is kept after each month; fail where it grows past the retention
    #[arg(long, conflicts_with_all = ["seeds", "steps", "shards", "coverage"])]
    year: bool,
}

thread_local! {
    /// The seed and the step that is played, for what is said of a panic.
    static PLAYED: Cell<(u64, u64)> = const { Cell::new((0, 0)) };
}

/// Plays the seeds; says of each what happened, and of one that failed how to see it again.
///
/// # Errors
/// None.
pub(crate) fn run(arguments: Arguments) -> Result<ExitCode, String> {
    if arguments.year {
        let say = |line: &str| drop(writeln!(io::stdout(), "{line}"));
        return Ok(year::run(arguments.seed, &say).unwrap_or_else(|sentence| {
            say(&sentence);
            EXIT_FAILED.into()
        }));
    }
    let last = arguments.seed.saturating_add(arguments.seeds);
    say_of_panics(arguments);
    let bar = bar(arguments);
    let clock = Clock::start();
    let (mut total, mut failed) = (Counts::default(), 0_u64);
    for seed in arguments.seed..last {
        // What a panic leaves behind is thrown away with the run.
        let played = panic::catch_unwind(AssertUnwindSafe(|| play(seed, arguments, &bar)));
        match played {
            Ok(Ok(counts)) => {
                say(&bar, &format!("seed {seed}: {}", line(&counts)));
                add(&mut total, &counts);
            }
            Ok(Err((step, sentence))) => {
                failed += 1;
                say(
                    &bar,
                    &format!("seed {seed} FAILED at step {step}:\n{sentence}\n{}", again(seed, arguments)),
                );
            }
            Err(_) => {
                failed += 1;
                say(&bar, &format!("seed {seed} FAILED: the machine panicked\n{}", again(seed, arguments)));
            }
        }
    }
    bar.finish_and_clear();
    let seconds = clock.mono_us() as f64 / 1e6;
    let rate = total.steps as f64 / seconds.max(f64::MIN_POSITIVE);
    let seeds = arguments.seeds;
    say(&bar, &format!("total of {} seeds: {}", seeds - failed, line(&total)));
    say(&bar, &format!("{failed} of {seeds} seeds failed; {seconds:.1} s, {rate:.0} steps/s"));
    let missed = if arguments.coverage { say_coverage(&bar) } else { 0 };
    Ok(if failed == 0 && missed == 0 { ExitCode::SUCCESS } else { EXIT_FAILED.into() })
}

/// Says how often each branch was taken, and returns how many never were.
fn say_coverage(bar: &ProgressBar) -> usize {
    let mut missed = 0;
    for branch in Branch::ALL {
        let name = branch.name();
        match (coverage::hits(branch), branch.test()) {
            (0, None) => {
                missed += 1;
                say(bar, &format!("{name}: NEVER"));
            }
            (0, Some(test)) => say(bar, &format!("{name}: not here, but in {test}")),
            (hits, _) => say(bar, &format!("{name}: {hits}")),
        }
    }
    say(bar, &format!("{missed} of {} branches were never reached", Branch::ALL.len()));
    missed
}

fn play(seed: u64, arguments: Arguments, bar: &ProgressBar) -> Result<Counts, (u64, String)> {
    PLAYED.set((seed, 0));
    let shards = arguments.shards.map(|shards| shards as usize);
    let mut run = Run::new(seed, shards).map_err(|sentence| (0, sentence))?;
    for step in 1..=arguments.steps {
        PLAYED.set((seed, step));
        run.step().map_err(|sentence| (step, sentence))?;
        if step.is_multiple_of(STEPS_PER_LOOK) {
            bar.inc(STEPS_PER_LOOK);
        }
    }
    run.finish().map_err(|sentence| (arguments.steps, sentence))
}

/// The command that plays a seed again.
fn again(seed: u64, arguments: Arguments) -> String {
    let Arguments { steps, shards, .. } = arguments;
    let shards = shards.map(|shards| format!(" --shards {shards}")).unwrap_or_default();
    format!("again: tools simulate --seed {seed} --steps {steps}{shards}")
}

/// A broken invariant ends the seed, and in a release build the program; what was played is said in any case.
fn say_of_panics(arguments: Arguments) {
    panic::set_hook(Box::new(move |what| {
        let (seed, step) = PLAYED.get();
        let _ = writeln!(io::stderr(), "seed {seed}, step {step}: {what}\n{}", again(seed, arguments));
    }));
}

fn bar(arguments: Arguments) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let steps = arguments.seeds.saturating_mul(arguments.steps);
    let bar = ProgressBar::with_draw_target(Some(steps), ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} steps, {per_sec}, {eta} left");
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// Who reads this has nothing else to be told by.
fn say(bar: &ProgressBar, line: &str) {
    bar.suspend(|| drop(writeln!(io::stdout(), "{line}")));
}

fn line(counts: &Counts) -> String {
    let Counts {
        steps,
        requests,
        answers,
        crashes,
        torn,
        recoveries,
        reshards,
        folds,
        merges,
        lookups,
        unread,
        harms,
        changes,
        days,
    } = counts;
    let Answers { done, refused, unavailable } = answers;
    format!(
        "{steps} steps, {requests} requests, {done} done, {refused} refused, {unavailable} unavailable, \
         {crashes} crashes, {torn} torn writes, {recoveries} recoveries, {reshards} reshards, {folds} folds, {merges} merges, {lookups} answers of histories, {unread} unreadable, {harms} harms, {changes} changes of the \
         configuration, {days} days"
    )
}

fn add(total: &mut Counts, counts: &Counts) {
    total.steps += counts.steps;
    total.requests += counts.requests;
    total.answers.done += counts.answers.done;
    total.answers.refused += counts.answers.refused;
    total.answers.unavailable += counts.answers.unavailable;
    total.crashes += counts.crashes;
    total.torn += counts.torn;
    total.recoveries += counts.recoveries;
    total.reshards += counts.reshards;
    total.folds += counts.folds;
    total.merges += counts.merges;
    total.lookups += counts.lookups;
    total.unread += counts.unread;
    total.harms += counts.harms;
    total.changes += counts.changes;
    total.days += counts.days;
}

#[cfg(test)]
mod tests;
