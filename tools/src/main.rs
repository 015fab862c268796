//! The programs beside the server.
//!
//! - `load` plays the load scenario against a server and prints what k6 would print of it.
//! - `report` starts a server, plays a load on it, samples both, and writes a page with pictures.
//! - `grow` starts servers and measures how they grow, with a picture, a table and the values of each curve.
//! - `ceiling` answers as the server would, without reading what was asked: the most that one core can do with
//!   this kernel and this ring, so the figure that a server's figure is held against.
//! - `compare` measures the server and its peers side by side, each driven by `load` in turn.
//! - `abuse` attacks servers and says what it costs their other clients.
//! - `soak` plays, attacks and kills a server for long, and audits every account.
//! - `simulate` plays the machine under a virtual clock, with crashes, and judges every answer.
//! - `profile` says where a server spends its time, with a flame graph.
//! - `footprint` fills a wallet and says what a remembered transaction takes of memory.
//! - `remember` makes a data directory with many closed rounds, serves it, and measures what remembering them costs.
//!
//! Exit codes: 0 done and well, 1 done and some checks failed, 2 not started: wrong arguments, no server.

mod abuse;
mod ceiling;
mod child;
mod compare;
mod facts;
mod footprint;
mod grow;
mod load;
mod machine;
mod metrics;
mod plot;
mod proc;
mod profile;
mod remember;
mod report;
mod simulate;
mod soak;
mod wake;

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Exit code of a start that the caller got wrong.
const EXIT_USAGE: u8 = 2;

/// Programs beside the purser server.
#[derive(Debug, Parser)]
#[command(name = "tools", version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    tool: Tool,
}

#[derive(Debug, Subcommand)]
enum Tool {
    /// Plays a load scenario against a server and prints k6's end-of-test summary.
    Load(load::Arguments),
    /// Starts a server, plays a load scenario on it, samples it, and writes a report with pictures.
    Report(report::Arguments),
    /// Records where a server spends its time: flame graph, shares, top functions
    Profile(profile::Arguments),
    /// Measures the server beside its peers, in turn and by the same load, and prints a table of each scenario.
    Compare(compare::Arguments),
    /// Plays the wallet's shards under a virtual clock, with failing disks and crashes, and judges every answer.
    Simulate(simulate::Arguments),
    /// Fills a wallet with transactions and says how much memory each takes.
    Footprint(footprint::Arguments),
    /// Makes a data directory whose history has many closed rounds, serves it, and measures what remembering them costs.
    Remember(remember::Arguments),
    /// Measures how the server grows: with connections, accounts, pipelines, shards; with pictures and tables.
    Grow(grow::Arguments),
    /// Attacks servers in many ways, and measures what the others have to wait meanwhile.
    Abuse(abuse::Arguments),
    /// Plays, attacks and kills a server for a long time, and audits all that it was told.
    Soak(soak::Arguments),
    /// Answers every received packet with the same bytes: the ceiling to measure a server against.
    Ceiling(ceiling::Arguments),
}

fn main() -> ExitCode {
    let done = match Arguments::parse().tool {
        Tool::Load(arguments) => load::run(arguments),
        Tool::Report(arguments) => report::run(&arguments),
        Tool::Profile(arguments) => profile::run(&arguments),
        Tool::Grow(arguments) => grow::run(&arguments),
        Tool::Abuse(arguments) => abuse::run(&arguments),
        Tool::Soak(arguments) => soak::run(&arguments),
        Tool::Compare(arguments) => compare::run(&arguments),
        Tool::Ceiling(arguments) => ceiling::run(&arguments),
        Tool::Simulate(arguments) => simulate::run(arguments),
        Tool::Footprint(arguments) => footprint::run(&arguments),
        Tool::Remember(arguments) => remember::run(&arguments),
    };
    done.unwrap_or_else(|sentence| {
        // Who reads this has nothing else to be told by.
        let _ = writeln!(io::stderr(), "tools: {sentence}");
        EXIT_USAGE.into()
    })
}

/// Writes to standard output; a reader that has gone wants no more of it.
fn say(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
