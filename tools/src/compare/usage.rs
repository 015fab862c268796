//! What a server takes of the machine: the processor time and the memory of its process and of all below it.

use std::fs;
use std::path::Path;

use rustix::param::clock_ticks_per_second;

use crate::proc;

/// Where the kernel tells of processes.
const PROC: &str = "/proc";

/// What a process says of itself in `/proc/PID/stat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Process {
    pid: u32,
    parent: u32,
    /// User and system time, with that of its children that have ended.
    ticks: u64,
}

/// Processor time of a process and all below it, those that have ended with it, in microseconds. It moves by the
/// kernel's tick, 10 ms.
pub(crate) fn processor_us(pid: u32) -> u64 {
    let ticks: u64 = tree(&processes(), pid).iter().map(|process| process.ticks).sum();
    ticks * 1_000_000 / clock_ticks_per_second().max(1)
}

/// Memory of a process and all below it, in bytes. What several of them share counts once.
pub(crate) fn memory_bytes(pid: u32) -> u64 {
    let rollup = |process: &Process| fs::read_to_string(format!("{PROC}/{}/smaps_rollup", process.pid));
    // A process that ends meanwhile takes none.
    let texts = tree(&processes(), pid).into_iter().filter_map(|process| rollup(&process).ok());
    texts.filter_map(|text| proc::bytes(&text, "Pss")).sum()
}

fn processes() -> Vec<Process> {
    let entries = fs::read_dir(PROC).into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let stat = |pid: u32| fs::read_to_string(Path::new(PROC).join(pid.to_string()).join("stat")).ok();
    let process = |pid| {
        let stat = proc::stat(&stat(pid)?)?;
        Some(Process { pid, parent: stat.parent, ticks: stat.user + stat.system + stat.children })
    };
    pids.filter_map(process).collect()
}

/// The process and all below it.
fn tree(processes: &[Process], root: u32) -> Vec<Process> {
    let mut found: Vec<Process> = processes.iter().filter(|process| process.pid == root).copied().collect();
    let mut at = 0;
    while let Some(&Process { pid, .. }) = found.get(at) {
        at += 1;
        let new =
            |process: &&Process| process.parent == pid && !found.iter().any(|known| known.pid == process.pid);
        let below: Vec<Process> = processes.iter().filter(new).copied().collect();
        found.extend(below);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_tree(root: u32, expect: &[u32]) {
        let process = |(pid, parent)| Process { pid, parent, ticks: 0 };
        let processes = [(1, 0), (5, 2), (2, 1), (3, 2), (4, 3), (9, 1)].map(process);
        let found: Vec<u32> = tree(&processes, root).iter().map(|process| process.pid).collect();
        assert_eq!(found, expect);
    }

    #[test]
    fn trees() {
        check_tree(2, &[2, 5, 3, 4]);
        check_tree(9, &[9]);
        check_tree(8, &[]);
    }

    #[test]
    fn memory() {
        let own = std::process::id();
        assert!(memory_bytes(own) > 0);
    }
}
