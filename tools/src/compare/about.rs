//! Where, when and of what something was measured.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;

use crate::load::clock::{Clock, Timestamp};

/// The day of today in UTC, `2026-11-24`.
pub(crate) fn date() -> String {
    let text = *Timestamp::new(Clock::start().wall_ms(0)).text();
    String::from_utf8_lossy(&text[..10]).into_owned()
}

/// The commit that the current directory is at, with what was changed since.
pub(crate) fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output =
            Command::new("git").args(arguments).output().ok().filter(|output| output.status.success())?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let Some(commit) = git(&["rev-parse", "--short=12", "HEAD"]) else { return "unknown".to_owned() };
    let is_clean = git(&["status", "--porcelain"]).is_some_and(|changes| changes.is_empty());
    if is_clean { commit } else { commit + ", with local changes" }
}

/// This program's command line, by the program's name alone.
pub(crate) fn command() -> String {
    let mut arguments = env::args_os();
    let program = arguments.next().unwrap_or_default();
    let name = Path::new(&program).file_name().unwrap_or(&program).to_owned();
    let words = std::iter::once(name).chain(arguments);
    words.map(|word| quoted(&word)).collect::<Vec<_>>().join(" ")
}

/// A word as a shell takes it.
fn quoted(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    let is_plain = |char: char| char.is_ascii_alphanumeric() || "-_./:=,+@".contains(char);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.into_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// Processor, cores, memory, kernel, and the file system at `scratch`.
pub(crate) fn machine(scratch: &Path) -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let model = value(&cpuinfo, "model name").unwrap_or("an unknown processor");
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let meminfo = read("/proc/meminfo");
    let kib =
        value(&meminfo, "MemTotal").and_then(|total| total.trim_end_matches("kB").trim().parse::<u64>().ok());
    let gib =
        kib.map_or_else(|| "unknown".to_owned(), |kib| format!("{:.0} GiB of", kib as f64 / 1_048_576.0));
    let release = read("/proc/sys/kernel/osrelease");
    let mounts = read("/proc/self/mounts");
    let scratch = scratch.canonicalize().unwrap_or_else(|_| scratch.to_path_buf());
    let file_system = file_system(&mounts, &scratch).unwrap_or("an unknown file system");
    let plural = if cores == 1 { "" } else { "s" };
    format!("{model}, {cores} core{plural}, {gib} memory, Linux {}, {file_system}", release.trim())
}

/// The first value of a name in a text of `name: value` lines.
fn value<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let mut pairs = text.lines().filter_map(|line| line.split_once(':'));
    pairs.find(|(found, _)| found.trim() == name).map(|(_, value)| value.trim())
}

/// The type of the file system that a path is on, by the text of `/proc/self/mounts`.
fn file_system<'a>(mounts: &'a str, path: &Path) -> Option<&'a str> {
    let fields = mounts.lines().map(|line| line.split(' '));
    let mounted = fields.filter_map(|mut fields| Some((fields.nth(1)?, fields.next()?)));
    // Of two at the same place, the later one covers the other.
    mounted
        .filter(|(place, _)| path.starts_with(place))
        .max_by_key(|(place, _)| place.len())
        .map(|(_, kind)| kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words() {
        for (word, expect) in [("--rounds", "--rounds"), ("a b", "'a b'"), ("it's", "'it'\\''s'"), ("", "''")]
        {
            assert_eq!(quoted(OsStr::new(word)), expect);
        }
    }

    #[test]
    fn values() {
        let text = "processor\t: 0\nmodel name\t: AMD EPYC: 7\nmodel name\t: other\n";
        assert_eq!(value(text, "model name"), Some("AMD EPYC: 7"));
        assert_eq!(value(text, "model"), None);
    }

    #[test]
    fn file_systems() {
        let mounts = "/dev/a / ext4 rw 0 0\ntmpfs /tmp tmpfs rw 0 0\n/dev/b /tmpdir xfs rw 0 0\n";
        for (path, expect) in [("/home/x", "ext4"), ("/tmp/x", "tmpfs"), ("/tmpdir", "xfs")] {
            assert_eq!(file_system(mounts, Path::new(path)), Some(expect), "{path}");
        }
        assert_eq!(file_system("", Path::new("/")), None);
    }

    #[test]
    fn days() {
        let date = date();
        assert!(date.len() == 10 && date.as_bytes()[4] == b'-' && date.as_bytes()[7] == b'-', "{date}");
    }
}
