//! What a page of measurements says of where they come from: the machine, the day, the command, and the state of the
//! sources.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;

use procfs::process::{MountInfos, Process};
use procfs::{CpuInfo, Current as _, Meminfo};

use crate::load::{Clock, Timestamp};

/// Bytes of a mebibyte.
pub(crate) const MIB: f64 = 1_048_576.0;

/// The machine and the sources.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    processor: String,
    cores: usize,
    memory: String,
    kernel: String,
    system: String,
    file_system: String,
    /// The commit of the sources in the working directory.
    pub(crate) commit: String,
}

const UNKNOWN: &str = "unknown";

impl Facts {
    /// Reads them; `data` is a directory on the file system that is measured. What can't be found out is unknown.
    pub(crate) fn read(data: &Path) -> Self {
        let text = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let or_unknown = |found: Option<String>| found.unwrap_or_else(|| UNKNOWN.to_owned());
        let data = data.canonicalize().unwrap_or_else(|_| data.to_owned());
        let mounts = Process::myself().and_then(|process| process.mountinfo());
        Self {
            processor: or_unknown(
                CpuInfo::current().ok().and_then(|cores| cores.model_name(0).map(str::to_owned)),
            ),
            cores: thread::available_parallelism().map_or(1, usize::from),
            memory: or_unknown(Meminfo::current().ok().map(|memory| gib(memory.mem_total))),
            kernel: text("/proc/sys/kernel/osrelease").trim().to_owned(),
            system: or_unknown(field(&text("/etc/os-release"), "PRETTY_NAME")),
            file_system: or_unknown(mounts.ok().and_then(|mounts| file_system(mounts, &data))),
            commit: commit(),
        }
    }

    /// The machine in one line.
    pub(crate) fn machine(&self) -> String {
        let Self { processor, cores, memory, kernel, system, file_system, .. } = self;
        let plural = if *cores == 1 { "" } else { "s" };
        format!("{processor}, {cores} core{plural}, {memory}, {system}, Linux {kernel}, {file_system}")
    }

    /// A list in Markdown.
    pub(crate) fn list(&self) -> String {
        let Self { processor, cores, memory, kernel, system, file_system, commit } = self;
        format!(
            "- processor: {processor}, {cores} cores that the process may run on\n- memory: {memory}\n\
             - system: {system}, Linux {kernel}\n- file system of the data: {file_system}\n- commit: {commit}\n"
        )
    }
}

/// The day of today in UTC, `2026-11-24`.
pub(crate) fn date() -> String {
    let text = *Timestamp::new(Clock::start().wall_ms(0)).text();
    String::from_utf8_lossy(&text[..10]).into_owned()
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

/// `1,234,567`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The value of the first line with this name.
fn field(text: &str, name: &str) -> Option<String> {
    let of_line = |line: &str| {
        let (found, value) = line.split_once('=')?;
        (found.trim() == name).then(|| value.trim().trim_matches('"').to_owned())
    };
    text.lines().find_map(of_line)
}

fn gib(bytes: u64) -> String {
    format!("{:.1} GiB", bytes as f64 / 1_073_741_824.0)
}

/// The type and source of the innermost mount that `path` is on.
fn file_system(mounts: MountInfos, path: &Path) -> Option<String> {
    let above = mounts.into_iter().filter(|mount| path.starts_with(&mount.mount_point));
    // Of mounts on one place the last one is seen.
    let mount = above.max_by_key(|mount| mount.mount_point.components().count())?;
    Some(format!("{} on {}", mount.fs_type, mount.mount_source.as_deref().unwrap_or("none")))
}

/// The commit of the working directory, and whether its files are those of the commit.
fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let Some(commit) = git(&["rev-parse", "--short=12", "HEAD"]) else { return UNKNOWN.to_owned() };
    match git(&["status", "--porcelain", "--untracked-files=no"]) {
        Some(changes) if changes.is_empty() => commit,
        _ => format!("{commit}, with local changes"),
    }
}

#[cfg(test)]
mod tests {
    use procfs::FromBufRead as _;

    use super::*;

    #[test]
    fn words() {
        for (word, expect) in [("--rounds", "--rounds"), ("a b", "'a b'"), ("it's", "'it'\\''s'"), ("", "''")]
        {
            assert_eq!(quoted(OsStr::new(word)), expect);
        }
    }

    #[test]
    fn days() {
        let date = date();
        assert!(date.len() == 10 && date.as_bytes()[4] == b'-' && date.as_bytes()[7] == b'-', "{date}");
    }

    #[test]
    fn fields() {
        let text = "NAME=\"Debian\"\nPRETTY_NAME=\"Debian 13\"\nPRETTY_NAME=other\n";
        assert_eq!(field(text, "PRETTY_NAME").as_deref(), Some("Debian 13"));
        assert_eq!(field(text, "VERSION"), None);
        assert_eq!(gib(25_769_803_776), "24.0 GiB");
    }

    #[track_caller]
    fn check_file_system(path: &str, expect: Option<&str>) {
        let mounts = "1 0 254:0 / / rw - ext4 /dev/vda rw\n2 1 0:30 / /data rw,noatime shared:1 - xfs /dev/vdb rw\n\
                      3 1 0:31 / /data/fast rw - tmpfs tmpfs rw\n";
        let mounts = MountInfos::from_buf_read(mounts.as_bytes()).expect("it is whole");
        assert_eq!(file_system(mounts, Path::new(path)).as_deref(), expect, "{path}");
    }

    #[test]
    fn file_systems() {
        check_file_system("/home", Some("ext4 on /dev/vda"));
        check_file_system("/data/purser", Some("xfs on /dev/vdb"));
        check_file_system("/data/fast/a", Some("tmpfs on tmpfs"));
        check_file_system("/database", Some("ext4 on /dev/vda"));
        check_file_system("relative", None);
    }
}
