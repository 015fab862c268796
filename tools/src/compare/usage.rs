//! What a server takes of the machine: the processor time and the memory of its process and of all below it.

use procfs::process::Stat;

use crate::proc;

/// What counts of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ProcessStat {
    pid: u32,
    parent: u32,
    /// User and system time, with that of its children that have ended.
    ticks: u64,
}

/// Processor time of a process and all below it, those that have ended with it, in microseconds. It moves by the
/// kernel's tick, 10 ms.
pub(crate) fn processor_us(pid: u32) -> u64 {
    let ticks: u64 = tree(&processes(), pid).iter().map(|process| process.ticks).sum();
    ticks * 1_000_000 / procfs::ticks_per_second().max(1)
}

/// Memory of a process and all below it, in bytes. What several of them share counts once.
pub(crate) fn memory_bytes(pid: u32) -> u64 {
    // A process that ends meanwhile takes none.
    let rollup = |process: ProcessStat| proc::process(process.pid).ok()?.smaps_rollup().ok();
    let rollups = tree(&processes(), pid).into_iter().filter_map(rollup);
    rollups
        .flat_map(|rollup| rollup.memory_map_rollup)
        .filter_map(|map| map.extension.map.get("Pss").copied())
        .sum()
}

fn processes() -> Vec<ProcessStat> {
    let stats = procfs::process::all_processes()
        .into_iter()
        .flatten()
        .filter_map(|process| process.ok()?.stat().ok());
    let process = |stat: Stat| ProcessStat {
        pid: stat.pid.cast_unsigned(),
        parent: stat.ppid.cast_unsigned(),
        ticks: stat.utime + stat.stime + (stat.cutime + stat.cstime).cast_unsigned(),
    };
    stats.map(process).collect()
}

/// The process and all below it.
fn tree(processes: &[ProcessStat], root: u32) -> Vec<ProcessStat> {
    let mut found: Vec<ProcessStat> =
        processes.iter().filter(|process| process.pid == root).copied().collect();
    let mut at = 0;
    while let Some(&ProcessStat { pid, .. }) = found.get(at) {
        at += 1;
        let new = |process: &&ProcessStat| {
            process.parent == pid && !found.iter().any(|known| known.pid == process.pid)
        };
        let below: Vec<ProcessStat> = processes.iter().filter(new).copied().collect();
        found.extend(below);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_tree(root: u32, expect: &[u32]) {
        let process = |(pid, parent)| ProcessStat { pid, parent, ticks: 0 };
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
