//! The simulator as a program of its own, so that it is built without the other tools: `tools/mutants/run.sh` builds it
//! once for every planted bug. Its arguments are those of `tools simulate`.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser;

mod simulate;

#[derive(Debug, Parser)]
#[command(version)]
struct Program {
    #[command(flatten)]
    simulate: simulate::Arguments,
}

fn main() -> ExitCode {
    let Program { simulate } = Program::parse();
    simulate::run(simulate).unwrap_or_else(|sentence| {
        let _ = writeln!(std::io::stderr(), "{sentence}");
        ExitCode::from(2)
    })
}
