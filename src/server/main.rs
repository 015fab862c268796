//! The `purser` program: arguments → configuration → server → exit code.
//!
//! Output goes through `write`, not through `print!`, which panics when the reader has gone
//! (`purser --help | head -1`). Exit codes: 0 done, 1 the doctor found something lacking or a data directory is damaged,
//! 2 and others as [`purser::serve::Error`] and [`purser::inspect::Error`] say.

#![cfg_attr(not(test), warn(clippy::print_stdout, clippy::print_stderr))]
#![forbid(unsafe_code)]

use std::io::{self, BufWriter, StdoutLock, Write as _};
use std::process::ExitCode;

use purser::config::{self, Command, Config, Error};
use purser::{doctor, inspect, serve};

/// Exit code of a start that the caller got wrong.
const EXIT_USAGE: u8 = 2;

fn main() -> ExitCode {
    match config::parse() {
        Ok(Command::Serve(config)) => run(*config),
        Ok(Command::Doctor(args)) => {
            let report = doctor::examine(&args);
            say(&report.to_string());
            report.exit_code().into()
        }
        Ok(Command::Verify(data)) => tell(|out| inspect::verify(&data, out)),
        Ok(Command::Explain(args)) => tell(|out| inspect::explain(&args, out).map(|()| true)),
        Ok(Command::Export(args)) => tell(|out| inspect::export(&args, out).map(|()| true)),
        Ok(Command::Print(text)) => {
            say(&text);
            ExitCode::SUCCESS
        }
        Err(Error::NoCommand(help)) => {
            // Who reads this has nothing else to be told by.
            let _ = io::stderr().write_all(help.as_bytes());
            EXIT_USAGE.into()
        }
        Err(Error::Refused(sentence)) => {
            serve::say(&sentence);
            EXIT_USAGE.into()
        }
    }
}

fn run(config: Config) -> ExitCode {
    for note in config.notes() {
        serve::say(&format!("note: {note}"));
    }
    match serve::run(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            serve::say(&failure.to_string());
            failure.exit_code().into()
        }
    }
}

/// Looks into a data directory; `false` where it is damaged.
fn tell(look: impl FnOnce(&mut BufWriter<StdoutLock<'_>>) -> Result<bool, inspect::Error>) -> ExitCode {
    match look(&mut BufWriter::new(io::stdout().lock())) {
        Ok(true) | Err(inspect::Error::ReaderGone) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            complain(&error.to_string());
            error.exit_code().into()
        }
    }
}

/// Writes to standard output; a reader that has gone wants no more of it.
fn say(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Writes one line to standard error.
fn complain(sentence: &str) {
    let _ = writeln!(io::stderr(), "purser: {sentence}");
}
