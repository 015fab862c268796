//! Judging what was found, and saying what to do.

use std::io;
use std::path::Path;

use rustix::io::Errno;

use super::Finding;
use super::probe::{ClockFound, DirectIo, Limit};
use crate::config::cores::ranges;
use crate::config::reason;
use crate::config::{MIB, MemoryFound, Quota};
use ring::trial::TrialFault;
use storage::lacks_room;

/// The oldest kernel whose rings have all that `net` uses: SINGLE_ISSUER and multishot receives came with
/// 6.0, DEFER_TASKRUN with 6.1 (`io_uring_setup(2)`).
const KERNEL_MIN: (u32, u32) = (6, 1);

/// Locked memory of an executor, bytes: under this glommio refuses to start one.
const MEMLOCK_BYTES: u64 = 512 * 1024;

/// The kernel. An older one that has the ring's features all the same, as enterprise kernels do, will serve.
pub(super) fn kernel(release: &str, ring_works: bool) -> Finding {
    const CHECK: &str = "kernel";
    let (major, minor) = KERNEL_MIN;
    let needed = format!("run Linux {major}.{minor} or newer");
    match version(release) {
        Some(found) if found >= KERNEL_MIN => Finding::ok(CHECK, format!("Linux {release}")),
        _ if ring_works => {
            Finding::warn(CHECK, format!("Linux {release}, whose rings have the newer features"), needed)
        }
        _ => Finding::lacking(CHECK, format!("Linux {release}"), needed),
    }
}

/// The first two numbers of a release.
fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// Whether io_uring may be used; `disabled` is the sysctl.
pub(super) fn io_uring(ring: &io::Result<()>, disabled: Option<u8>) -> Finding {
    const CHECK: &str = "io_uring";
    let switch = match disabled {
        Some(value) => format!("kernel.io_uring_disabled is {value}"),
        None => "no kernel.io_uring_disabled".to_owned(),
    };
    let Err(error) = ring else { return Finding::ok(CHECK, format!("allowed; {switch}")) };
    let remedy = match (Errno::from_io_error(error), disabled) {
        (Some(Errno::PERM), Some(1)) => {
            "sysctl -w kernel.io_uring_disabled=0, or run in the group of kernel.io_uring_group"
        }
        (Some(Errno::PERM), Some(2..)) => "sysctl -w kernel.io_uring_disabled=0",
        (Some(Errno::PERM), _) => {
            "let the seccomp profile of the container or service pass io_uring_setup, io_uring_enter and \
             io_uring_register"
        }
        (Some(Errno::NOSYS), _) => {
            "run a kernel that is built with CONFIG_IO_URING, outside of a sandbox without it"
        }
        (Some(Errno::NOMEM), _) => "raise the limit of locked memory (memlock)",
        (Some(Errno::MFILE | Errno::NFILE), _) => "raise the limit of open files",
        _ => "see io_uring_setup(2) for this error",
    };
    Finding::lacking(CHECK, format!("refused: {}; {switch}", reason(error)), remedy)
}

/// What a ring of the server's kind has.
pub(super) fn ring(ring: &Result<(), TrialFault>) -> Finding {
    const CHECK: &str = "ring features";
    let (major, minor) = KERNEL_MIN;
    let newer = format!("run Linux {major}.{minor} or newer");
    match ring {
        Ok(()) => Finding::ok(CHECK, "SINGLE_ISSUER, DEFER_TASKRUN, COOP_TASKRUN, operations, tables"),
        Err(TrialFault::Setup(e)) if Errno::from_io_error(e) == Some(Errno::INVAL) => {
            Finding::lacking(CHECK, "SINGLE_ISSUER, DEFER_TASKRUN or COOP_TASKRUN is unknown", newer)
        }
        Err(TrialFault::Setup(e)) => {
            Finding::lacking(CHECK, format!("no ring to look at: {}", reason(e)), "see io_uring and memlock")
        }
        Err(TrialFault::Probe(e)) => {
            Finding::lacking(CHECK, format!("operations can't be asked for: {}", reason(e)), newer)
        }
        Err(TrialFault::Missing(names)) => {
            Finding::lacking(CHECK, format!("unknown operations: {}", names.join(", ")), newer)
        }
        Err(TrialFault::Tables(e)) => {
            Finding::lacking(CHECK, format!("no table of files or receive buffers: {}", reason(e)), newer)
        }
    }
}

/// Locked memory. An executor wants a fixed minimum of the limit as it stands, whatever it uses; `rings` is
/// what came of setting all of them up.
pub(super) fn memlock(limit: Limit, rings: &io::Result<()>, shards: usize) -> Finding {
    const CHECK: &str = "memlock";
    let wanted = MEMLOCK_BYTES * shards as u64;
    let remedy = || {
        if limit.hard.is_none_or(|hard| hard >= wanted) {
            format!("ulimit -S -l {}", wanted / 1024)
        } else {
            format!(
                "LimitMEMLOCK={wanted} in the service's unit, or --ulimit memlock={wanted} of the container"
            )
        }
    };
    let found = limit.soft.map_or_else(|| "unlimited".to_owned(), |soft| format!("{} KiB", soft / 1024));
    let full = rings.as_ref().is_err_and(|e| Errno::from_io_error(e) == Some(Errno::NOMEM));
    if limit.soft.is_some_and(|soft| soft < MEMLOCK_BYTES) {
        Finding::lacking(CHECK, format!("{found}; {} KiB at least", MEMLOCK_BYTES / 1024), remedy())
    } else if full {
        let found = format!("{found}: too little for {} beside what this user has", shard_count(shards));
        Finding::lacking(CHECK, found, remedy())
    } else {
        Finding::ok(CHECK, format!("{found} for {}", shard_count(shards)))
    }
}

fn shard_count(shards: usize) -> String {
    if shards == 1 { "1 shard".to_owned() } else { format!("{shards} shards") }
}

/// Descriptors of a shard and of the process beside its shards, generously: two listeners, four rings, the
/// files and signals of an executor.
const DESCRIPTORS: (u64, u64) = (32, 32);

/// Open files. Connections live in the table of each shard's ring and not among the process's descriptors,
/// but the kernel allows a table no more places than the process may have files. The server raises the soft
/// limit to the hard one by itself, and makes its tables smaller where that is not enough.
pub(super) fn open_files(limit: Limit, shards: usize) -> Finding {
    const CHECK: &str = "open files";
    let wanted = limits::CONNECTIONS_MAX as u64;
    let (shard, rest) = DESCRIPTORS;
    let needed = shard * shards as u64 + rest;
    let remedy = || {
        let enough = wanted.max(needed);
        format!("LimitNOFILE={enough} in the service's unit, or --ulimit nofile={enough} of the container")
    };
    match limit.hard {
        None => Finding::ok(CHECK, "unlimited"),
        Some(hard) if hard < needed => {
            Finding::lacking(CHECK, format!("{hard} at most; {needed} needed"), remedy())
        }
        Some(hard) if hard < wanted => Finding::warn(
            CHECK,
            format!("{hard}, and so as many connections per shard, not {wanted}"),
            remedy(),
        ),
        Some(hard) => Finding::ok(CHECK, format!("{hard}; {wanted} connections per shard")),
    }
}

/// Direct I/O in the data directory. Segments are opened for it, so that no shard starts where the file system takes none.
/// A full disk tells nothing of that, and data that are there are served from it.
pub(super) fn direct_io(data: &Path, outcome: &DirectIo) -> Finding {
    const CHECK: &str = "direct I/O";
    let at = |dir: &Path| {
        if dir == data {
            dir.display().to_string()
        } else {
            format!("{} ({} is not there yet)", dir.display(), data.display())
        }
    };
    match outcome {
        DirectIo::Works(dir) => Finding::ok(CHECK, format!("works in {}", at(dir))),
        DirectIo::NotADirectory(dir) => Finding::lacking(
            CHECK,
            format!("{} is not a directory", dir.display()),
            "name a directory with --data, or a path where one can be created",
        ),
        DirectIo::OfSomebodyElse(dir) => Finding::lacking(
            CHECK,
            format!("others have rights to {}, and it belongs to another user", dir.display()),
            "chown it to the server's user, or name a directory below it with --data",
        ),
        DirectIo::NoFile(dir, e) => Finding::lacking(
            CHECK,
            format!("no file can be made in {}: {}", at(dir), reason(e)),
            "let the server's user write there, or name another directory with --data",
        ),
        DirectIo::Refused(dir, e) if lacks_room(e) => Finding::warn(
            CHECK,
            format!("can't be tried in {}: {}", at(dir), reason(e)),
            "make room on its disk, and look again",
        ),
        DirectIo::Refused(dir, e) => Finding::lacking(
            CHECK,
            format!("refused in {}: {}", at(dir), reason(e)),
            "put the data directory on a file system that has it, such as ext4 or XFS",
        ),
    }
}

/// The cores of the shards, and what the cgroups let the process use of them.
pub(super) fn cores(cores: &[usize], quota: Option<Quota>) -> Finding {
    const CHECK: &str = "cores";
    let mut distinct = cores.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    let (shards, cores) = (cores.len(), distinct.len());
    let mut found =
        format!("{} for {shards} {}", ranges(&distinct), if shards == 1 { "shard" } else { "shards" });
    if let Some(quota) = quota {
        found.push_str(&format!("; a CPU quota of {quota}"));
    }
    if let Some(quota) = quota.filter(|quota| quota.stops(shards)) {
        let fewer = if shards == 1 { String::new() } else { format!("--shards {}, or ", quota.shards()) };
        Finding::warn(
            CHECK,
            format!("{found}, at which busy shards are all stopped for the rest of each period"),
            format!("{fewer}a quota of {shards} or more: cpu.max, the container's limit"),
        )
    } else if cores < shards {
        Finding::warn(
            CHECK,
            found,
            format!("--shards {cores}, or more cores: taskset, cpuset, container limit"),
        )
    } else {
        Finding::ok(CHECK, found)
    }
}

/// A budget under which a server has room for less than some 200,000 rounds or accounts beside its shards, MiB.
const BUDGET_MIB_SMALL: u64 = 192;

/// The memory, and what of it the server uses unless `budget_mib` says otherwise.
pub(super) fn memory(found: MemoryFound, shards: usize) -> Finding {
    const CHECK: &str = "memory";
    let budget = found.budget();
    let full_mib = limits::memory_full_bytes(budget, shards) / MIB;
    let (budget_mib, machine_mib) = (budget / MIB, found.machine / MIB);
    let cgroup = found.cgroup.map(|limit| format!(", the cgroup {}", limit / MIB)).unwrap_or_default();
    let found = format!(
        "the machine has {machine_mib} MiB{cgroup}; a budget of {budget_mib}, at {full_mib} of which nothing new is begun"
    );
    if budget_mib < BUDGET_MIB_SMALL {
        let remedy = "more memory (memory.max, the container's limit); it holds few accounts and rounds";
        return Finding::warn(CHECK, found, remedy);
    }
    Finding::ok(CHECK, found)
}

/// A reading of the clock that is a system call takes longer than this, nanoseconds; one of the vDSO takes 25 to 60.
const READING_NS_MAX: u64 = 150;

/// 2026-01-01, milliseconds since 1970: this program is younger, and so is the time.
const PROGRAM_MS: u64 = 1_767_225_600_000;

/// The clock. Whether it is right nobody can tell but NTP, which there is no one way to ask.
pub(super) fn clock(found: &ClockFound) -> Finding {
    const CHECK: &str = "clock";
    let ClockFound { now_ms, reading_ns, source } = found;
    let source = source.as_deref().unwrap_or("of unknown source");
    if *now_ms < PROGRAM_MS {
        let found = format!("it says {} s after 1970", now_ms / 1_000);
        return Finding::warn(CHECK, found, "set it, and have NTP keep it: chrony, systemd-timesyncd");
    }
    let found = format!("a reading takes {reading_ns} ns ({source})");
    if *reading_ns > READING_NS_MAX {
        let remedy = "let the kernel read it without a system call: clocksource=tsc, or kvm-clock in a guest";
        return Finding::warn(CHECK, found, remedy);
    }
    Finding::ok(CHECK, found)
}

#[cfg(test)]
mod tests;
