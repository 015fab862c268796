//! Looking at the machine. Each function tries one thing the way the server does it and judges nothing.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use rustix::process::{Resource, getrlimit};

use clock::Clock;
use storage::directory::PROBE;
use storage::hold::has_its_rights;

/// The kernel's release, such as `6.12.1-generic`.
pub(super) fn kernel_release() -> String {
    rustix::system::uname().release().to_string_lossy().into_owned()
}

/// `kernel.io_uring_disabled`; `None` where the kernel (before 6.6) has no such switch or hides it.
pub(super) fn io_uring_disabled() -> Option<u8> {
    fs::read_to_string("/proc/sys/kernel/io_uring_disabled").ok()?.trim().parse().ok()
}

/// A resource limit of this process; `None` where it is unlimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limit {
    /// What holds now.
    pub(super) soft: Option<u64>,
    /// What the process may raise it to.
    pub(super) hard: Option<u64>,
}

/// Locked memory, bytes.
pub(super) fn memlock() -> Limit {
    limit(Resource::Memlock)
}

/// Open files.
pub(super) fn open_files() -> Limit {
    limit(Resource::Nofile)
}

fn limit(resource: Resource) -> Limit {
    let found = getrlimit(resource);
    Limit { soft: found.current, hard: found.maximum }
}

/// How far a try at direct I/O came.
#[derive(Debug)]
pub(super) enum DirectIo {
    /// Written and synced, in this directory: the data directory, or the one that it would be created in.
    Works(PathBuf),
    /// The path, or what leads to it, is something else than a directory.
    NotADirectory(PathBuf),
    /// The data directory has rights that only its owner can take from others, who is not who asks.
    OfSomebodyElse(PathBuf),
    /// No file can be made in this directory.
    NoFile(PathBuf, io::Error),
    /// Files can be made in this directory, but not written around the page cache.
    Refused(PathBuf, io::Error),
}

/// The unit of direct I/O: no device has larger blocks, and memory must be aligned to it.
#[repr(align(4096))]
struct Block([u8; 4096]);

/// Tries direct I/O in the data directory, without creating that.
pub(super) fn direct_io(data: &Path) -> DirectIo {
    let dir = nearest(data);
    match dir.metadata() {
        Ok(found) if !found.is_dir() => return DirectIo::NotADirectory(dir),
        Err(e) => return DirectIo::NoFile(dir, e),
        // Those above it are nobody's concern.
        Ok(_) if dir == data && !has_its_rights(&dir) => return DirectIo::OfSomebodyElse(dir),
        Ok(_) => {}
    }
    // Where this is killed, a start takes what it has left for its own: the directory is new all the same.
    let path = dir.join(format!("{PROBE}{}", std::process::id()));
    // By a process of the same number that was killed; `create_new` below follows no link of that name.
    let _ = fs::remove_file(&path);
    if let Err(e) = OpenOptions::new().write(true).create_new(true).open(&path) {
        return DirectIo::NoFile(dir, e);
    }
    let written = write_block(&path);
    let removed = fs::remove_file(&path);
    match (written, removed) {
        (Ok(()), Ok(())) => DirectIo::Works(dir),
        (Err(e), _) => DirectIo::Refused(dir, e),
        (_, Err(e)) => DirectIo::NoFile(dir, e),
    }
}

/// `path`, or the nearest of its parents that is there: where the data directory would be created.
fn nearest(path: &Path) -> PathBuf {
    let there = |at: &&Path| !matches!(at.metadata(), Err(e) if is_absent(&e));
    match path.ancestors().find(there) {
        // The last ancestor of a relative path is the empty one, which stands for the working directory.
        Some(found) if !found.as_os_str().is_empty() => found.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// `a/b` is neither there where `a` is missing nor where it is a file; the search then comes to `a`.
fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn write_block(path: &Path) -> io::Result<()> {
    let direct = OFlags::DIRECT.bits().cast_signed();
    let mut file: File = OpenOptions::new().write(true).custom_flags(direct).open(path)?;
    let block = Block([0x70; 4096]);
    file.write_all(&block.0)?;
    file.sync_data()
}

/// The clock of the machine.
pub(super) struct ClockFound {
    /// The system clock, milliseconds since 1970.
    pub(super) now_ms: u64,
    /// What the server's reading of the time takes, nanoseconds.
    pub(super) reading_ns: u64,
    /// What the kernel reads it from, such as `tsc`; `None` where it does not say.
    pub(super) source: Option<String>,
}

/// Reads the clock, as often as it takes to see what that costs. The best of some rounds counts: others may have the core.
pub(super) fn clock() -> ClockFound {
    const ROUNDS: usize = 10;
    const READINGS: u64 = 1_000;
    let clock = Clock::start();
    let round = || {
        let before_ns = clock.mono_ns();
        let last_ns = (0..READINGS).map(|_| clock.now().mono_ns).max().unwrap_or(0);
        last_ns.saturating_sub(before_ns) / READINGS
    };
    let reading_ns = std::iter::repeat_with(round).take(ROUNDS).min().unwrap_or(0);
    let source = fs::read_to_string("/sys/devices/system/clocksource/clocksource0/current_clocksource");
    let source = source.ok().map(|name| name.trim().to_owned());
    ClockFound { now_ms: clock.now().wall_ms, reading_ns, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_directory() {
        #[track_caller]
        fn check(path: &str, expect: &str) {
            assert_eq!(nearest(Path::new(path)), Path::new(expect), "{path}");
        }
        check("/", "/");
        check("/proc/self", "/proc/self");
        check("/nowhere/at/all", "/");
        check("nowhere/at/all", ".");
        check("nowhere", ".");
        check(".", ".");
        check("/proc/version/below", "/proc/version");
    }

    #[test]
    fn direct_io_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        let outcome = direct_io(&data);
        assert!(
            matches!(&outcome, DirectIo::Works(tried) | DirectIo::Refused(tried, _) if tried == dir.path()),
            "{outcome:?}"
        );
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);

        fs::write(&data, "a file").unwrap();
        assert!(matches!(direct_io(&data), DirectIo::NotADirectory(_)));
        assert!(matches!(direct_io(&data.join("below")), DirectIo::NotADirectory(_)));
    }
}
