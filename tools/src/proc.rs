//! What the kernel tells of cores, processes and threads: what `procfs` reads, as the tools ask for it.

use procfs::process::{Process, Task};
use procfs::{CpuTime, CurrentSI as _, KernelStats, ProcResult};

/// A core's time since the machine was started, in ticks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CoreTicks {
    pub(crate) user: u64,
    /// With the time that interrupts took.
    pub(crate) system: u64,
    /// With the time that nothing could be done because the disk was waited for.
    pub(crate) idle: u64,
    /// In which the host ran something else.
    pub(crate) stolen: u64,
}

impl From<&CpuTime> for CoreTicks {
    fn from(times: &CpuTime) -> Self {
        let some = |ticks: Option<u64>| ticks.unwrap_or(0);
        Self {
            user: times.user + times.nice,
            system: times.system + some(times.irq) + some(times.softirq),
            idle: times.idle + some(times.iowait),
            stolen: some(times.steal),
        }
    }
}

/// The cores' times, by the order of their numbers; none where the kernel does not tell.
pub(crate) fn cores() -> Vec<CoreTicks> {
    let stats = KernelStats::current();
    stats.map(|stats| stats.cpu_time.iter().map(CoreTicks::from).collect()).unwrap_or_default()
}

/// A process by its id.
///
/// # Errors
/// It has gone.
pub(crate) fn process(pid: u32) -> ProcResult<Process> {
    Process::new(pid.cast_signed())
}

/// The threads of a process that are there.
pub(crate) fn threads(process: &Process) -> impl Iterator<Item = Task> {
    process.tasks().into_iter().flatten().flatten()
}

/// The memory that a process has to itself and in RAM, in bytes.
///
/// # Errors
/// A sentence, where it has gone.
pub(crate) fn private_bytes(pid: u32) -> Result<u64, String> {
    let status = process(pid).and_then(|process| process.status());
    let kib = status.map_err(|error| format!("process {pid}: {error}"))?.rssanon;
    kib.map(|kib| kib * 1_024).ok_or_else(|| format!("process {pid}: the kernel says nothing of RssAnon"))
}

/// What a thread does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doing {
    /// It is on a core or in the queue for one, which the time in its `schedstat` tells apart.
    Runs,
    /// It waits for its ring, for an eventfd, or for a socket.
    WaitsForRing,
    WaitsForDisk,
    WaitsElsewhere,
}

/// What a thread does, by its state and the kernel's function that it waits in (`wchan`).
pub(crate) fn doing(state: char, waits_in: &str) -> Doing {
    const RING: [&str; 8] =
        ["io_cqring", "io_uring", "eventfd", "ep_poll", "poll_", "sock_", "inet_", "tcp_"];
    const DISK: [&str; 10] =
        ["io_schedule", "blk_", "bio_", "folio_", "jbd2", "ext4", "xfs", "btrfs", "submit_bio", "wait_on_"];
    let is_one_of = |names: &[&str]| names.iter().any(|name| waits_in.contains(name));
    match state {
        'R' => Doing::Runs,
        _ if is_one_of(&DISK) => Doing::WaitsForDisk,
        _ if is_one_of(&RING) => Doing::WaitsForRing,
        // What can't be interrupted waits for a device.
        'D' => Doing::WaitsForDisk,
        _ => Doing::WaitsElsewhere,
    }
}

#[cfg(test)]
mod tests {
    use procfs::FromReadSI as _;

    use super::*;

    #[test]
    fn times_of_cores() {
        let stat = "cpu  3 3 3 3 3 3 3 3 0 0\ncpu0 100 20 30 400 50 6 7 8 0 0\ncpu1 1 0 0 2\nintr 5 6\nctxt 1\nbtime 1\n\
                    processes 1\nprocs_running 1\nprocs_blocked 0\n";
        let stats =
            KernelStats::from_read(stat.as_bytes(), procfs::current_system_info()).expect("it is whole");
        let found: Vec<CoreTicks> = stats.cpu_time.iter().map(CoreTicks::from).collect();
        let first = CoreTicks { user: 120, system: 43, idle: 450, stolen: 8 };
        assert_eq!(found, [first, CoreTicks { user: 1, system: 0, idle: 2, stolen: 0 }]);
    }

    #[test]
    fn this_process() {
        let pid = std::process::id();
        assert!(!cores().is_empty() && private_bytes(pid).expect("it is there") > 0);
        assert!(threads(&process(pid).expect("it is there")).count() > 0);
    }

    #[track_caller]
    fn check_doing(state: char, waits_in: &str, expect: Doing) {
        assert_eq!(doing(state, waits_in), expect, "{state} {waits_in}");
    }

    #[test]
    fn what_threads_do() {
        check_doing('R', "0", Doing::Runs);
        check_doing('S', "io_cqring_wait", Doing::WaitsForRing);
        check_doing('S', "eventfd_read", Doing::WaitsForRing);
        check_doing('S', "ep_poll", Doing::WaitsForRing);
        check_doing('D', "io_schedule", Doing::WaitsForDisk);
        check_doing('S', "jbd2_log_wait_commit", Doing::WaitsForDisk);
        check_doing('D', "0", Doing::WaitsForDisk);
        check_doing('S', "futex_wait_queue", Doing::WaitsElsewhere);
        check_doing('S', "io_wq_worker", Doing::WaitsElsewhere);
        check_doing('S', "0", Doing::WaitsElsewhere);
    }
}
