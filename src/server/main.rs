//! The `purser` program: arguments → configuration → server → exit code.
//!
//! Output goes through `write`, not through `print!`, which panics when the reader has gone
//! (`purser --help | head -1`). Exit codes: 0 done, 1 the doctor found something lacking or a data directory is damaged,
//! 2 and others as [`purser::serve::Error`] and [`purser::inspect::Error`] say.

#![cfg_attr(not(test), warn(clippy::print_stdout, clippy::print_stderr))]
#![forbid(unsafe_code)]

use std::fs::File;
use std::io::{self, BufWriter, Stdout, Write as _};
use std::os::fd::AsFd as _;
use std::path::Path;
use std::process::ExitCode;

use purser::config::{self, Command, Config, Error, ExportOptions};
use purser::{backup, doctor, inspect, serve};

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
        Ok(Command::Verify(args)) => tell(|out| inspect::verify(&args, out)),
        Ok(Command::Explain(args)) => tell(|out| inspect::explain(&args, out).map(|()| true)),
        Ok(Command::Export(args)) => export(&args),
        Ok(Command::Backup(args)) => tell(|out| backup::backup(&args, out).map(|()| true)),
        Ok(Command::Restore(args)) => tell(|out| backup::restore(&args, out).map(|()| true)),
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
fn tell(look: impl FnOnce(&mut BufWriter<Stdout>) -> Result<bool, inspect::Error>) -> ExitCode {
    match look(&mut BufWriter::new(io::stdout())) {
        Ok(true) | Err(inspect::Error::ReaderGone) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            complain(&error.to_string());
            error.exit_code().into()
        }
    }
}

/// Exports, and keeps the checkpoint once all of the output was written, and is durable where it is a file: an export since a
/// checkpoint does not write again what a crash has taken.
fn export(args: &ExportOptions) -> ExitCode {
    let mut checkpoint = None;
    let code = tell(|out| {
        let exported = inspect::export(args, out);
        if let (Err(inspect::Error::ReaderGone), Some(path)) = (&exported, &args.checkpoint) {
            // Whoever goes on from the checkpoint takes success for a new one.
            let path = path.display();
            let sentence =
                format!("the output was not read to its end, and so no checkpoint is written to {path}");
            return Err(inspect::Error::Failed(sentence));
        }
        checkpoint = Some(exported?);
        Ok(true)
    });
    if checkpoint.is_some()
        && let Err(error) = sync_output()
    {
        complain(&format!("can't make the output durable, so that there is no checkpoint: {error}"));
        return ExitCode::FAILURE;
    }
    match (checkpoint, &args.checkpoint) {
        (None, _) => code,
        (Some(checkpoint), None) => {
            complain(&format!("checkpoint: {checkpoint}"));
            code
        }
        (Some(checkpoint), Some(path)) => match keep(&checkpoint, path) {
            Ok(()) => code,
            Err(error) => {
                complain(&format!("the checkpoint can't be written to {}: {error}", path.display()));
                ExitCode::FAILURE
            }
        },
    }
}

/// Makes standard output durable where it is a file. What went elsewhere is the reader's.
fn sync_output() -> io::Result<()> {
    let output = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    if output.metadata()?.is_file() { output.sync_all() } else { Ok(()) }
}

/// Writes a small file whole and durable: what has its name is the old contents or the new.
fn keep(text: &str, path: &Path) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let temporary = path.with_file_name(name);
    let mut file = File::create(&temporary)?;
    writeln!(file, "{text}")?;
    file.sync_all()?;
    std::fs::rename(&temporary, path)?;
    let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty());
    File::open(directory.unwrap_or_else(|| Path::new(".")))?.sync_all()
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
