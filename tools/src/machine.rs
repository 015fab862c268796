//! What the tools ask of the machine before they start.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_setaffinity};

/// Keeps the calling thread on one core, so that a measurement knows whose time it measures.
///
/// # Errors
/// A sentence, where there is no such core or the process may not run on it.
pub(crate) fn pin(core: usize) -> Result<(), String> {
    if core >= CpuSet::MAX_CPU {
        return Err(format!("--pin {core}: cores are numbered from 0 to {}", CpuSet::MAX_CPU - 1));
    }
    let mut cores = CpuSet::new();
    cores.set(core);
    sched_setaffinity(None, &cores)
        .map_err(|error| format!("--pin {core}: {error}; `nproc` tells how many cores there are"))
}

/// Lets the process open as many files as it may, which also bounds the ring's file table.
///
/// # Errors
/// A sentence, where that is fewer than `files`.
pub(crate) fn open_files(files: u64) -> Result<(), String> {
    let limit = getrlimit(Resource::Nofile);
    let enough = |soft: Option<u64>| soft.is_none_or(|soft| soft >= files);
    if enough(limit.current) {
        return Ok(());
    }
    if !enough(limit.maximum) {
        return Err(format!("needs {files} open files, and the limit is lower; raise it with `ulimit -n`"));
    }
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })
        .map_err(|error| format!("the limit of open files can't be raised: {error}"))
}
