//! The wallet on axum, with its accounts in memory.

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Parser;
use peers::memory::Memory;
use peers::serve::Serving;

/// Serves the wallet's demo from memory, as most people would write it.
#[derive(Debug, Parser)]
#[command(name = "axum-memory", version, max_term_width = 100)]
struct Arguments {
    #[command(flatten)]
    serving: Serving,
}

fn main() -> ExitCode {
    let Arguments { serving } = Arguments::parse();
    let served = serving.runtime().and_then(|runtime| {
        runtime.block_on(serving.run("axum-memory", Memory::with_players(serving.demo_accounts)))
    });
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => {
            // Who reads this has nothing else to be told by.
            let _ = writeln!(io::stderr(), "axum-memory: {sentence}");
            2.into()
        }
    }
}
