//! Tests that can't do their work on this machine.

use std::fs::File;
use std::io::Write as _;

/// Says that the test is skipped, and why; also in the file that `PURSER_TESTS_SKIPPED` names, where it is set: nobody sees
/// what a test prints that passes.
#[track_caller]
pub fn skip(why: &str) {
    eprintln!("skipped: {why}");
    let Some(list) = std::env::var_os("PURSER_TESTS_SKIPPED") else { return };
    let thread = std::thread::current();
    let line = format!("{}: {why}\n", thread.name().unwrap_or("a test"));
    let file = File::options().create(true).append(true).open(list);
    file.and_then(|mut file| file.write_all(line.as_bytes())).expect("the file is written");
}
