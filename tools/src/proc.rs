//! What the kernel tells of cores, processes and threads (proc(5)). Texts in, numbers out.

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

/// The cores' times in `/proc/stat`, by the order of their numbers.
pub(crate) fn cores(stat: &str) -> Vec<CoreTicks> {
    let of_core = |line: &str| {
        let mut fields = line.strip_prefix("cpu")?.split(' ');
        fields.next()?.parse::<usize>().ok()?;
        let mut ticks = fields.map(|field| field.parse().unwrap_or(0));
        let mut next = || ticks.next().unwrap_or(0);
        let [user, nice, system, idle, waiting, interrupts, soft_interrupts, stolen] =
            std::array::from_fn(|_| next());
        Some(CoreTicks {
            user: user + nice,
            system: system + interrupts + soft_interrupts,
            idle: idle + waiting,
            stolen,
        })
    };
    stat.lines().filter_map(of_core).collect()
}

/// What the `stat` of a thread or a process says; times are in ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) state: char,
    pub(crate) parent: u32,
    pub(crate) user: u64,
    pub(crate) system: u64,
    /// User and system time of its children that have ended.
    pub(crate) children: u64,
}

/// Reads a `stat`. Its second field is a name in parentheses, which may hold anything.
pub(crate) fn stat(text: &str) -> Option<Stat> {
    let mut fields = text[text.rfind(')')? + 1..].split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    let parent = fields.next()?.parse().ok()?;
    // The parent is field 4; the times are 14 to 17.
    let mut times = fields.skip(9).map(|time| time.parse::<u64>().ok());
    let mut next = || times.next()?;
    Some(Stat { state, parent, user: next()?, system: next()?, children: next()? + next()? })
}

/// A thread's time on a core, and in the queue for one, in nanoseconds; of its `schedstat`.
pub(crate) fn schedstat(text: &str) -> Option<(u64, u64)> {
    let mut fields = text.split_ascii_whitespace();
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

/// The bytes of a line such as `VmRSS:   12 kB`, of a process's `status` or `smaps_rollup`.
pub(crate) fn bytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib * 1_024)
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
    use super::*;

    #[test]
    fn times_of_cores() {
        let stat =
            "cpu  3 3 3 3 3 3 3 3 0 0\ncpu0 100 20 30 400 50 6 7 8 0 0\ncpu12 1 0 0 2\nintr 5 6\ncpufreq 1\n";
        let first = CoreTicks { user: 120, system: 43, idle: 450, stolen: 8 };
        assert_eq!(cores(stat), [first, CoreTicks { user: 1, system: 0, idle: 2, stolen: 0 }]);
        assert_eq!(cores(""), []);
    }

    #[track_caller]
    fn check_stat(text: &str, expect: Option<(char, u32, [u64; 3])>) {
        let found = stat(text).map(|stat| (stat.state, stat.parent, [stat.user, stat.system, stat.children]));
        assert_eq!(found, expect, "{text}");
    }

    #[test]
    fn stats() {
        check_stat(
            "7 (purser) R 1 7 7 0 -1 4194560 788 0 0 0 1153 305 0 0 20 0 9 0 5",
            Some(('R', 1, [1_153, 305, 0])),
        );
        check_stat(
            "7 (a) S (b)) D 1 7 7 0 -1 4194560 788 0 0 0 1 2 0 0 20 0 9 0 5",
            Some(('D', 1, [1, 2, 0])),
        );
        check_stat(
            "7 (purser) S 1 7 7 0 -1 4194304 900 0 0 0 120 34 0 0 20 0 5",
            Some(('S', 1, [120, 34, 0])),
        );
        check_stat(
            "7 (postgres) S 3 7 7 0 -1 4 1 2 3 4 10 20 300 4000 20 0",
            Some(('S', 3, [10, 20, 4_300])),
        );
        check_stat("7 (a) b (c)) R 3 7 7 0 -1 4 1 2 3 4 1 2 3 4 20", Some(('R', 3, [1, 2, 7])));
        check_stat("7 (purser) R 1 7", None);
        check_stat("", None);
    }

    #[test]
    fn other_texts() {
        assert_eq!(schedstat("2961928 512 17\n"), Some((2_961_928, 512)));
        assert_eq!(schedstat("1\n"), None);
        for (text, name, expect) in [
            ("Name:\tpurser\nVmHWM:\t  99 kB\nVmRSS:\t   12 kB\n", "VmRSS", Some(12_288)),
            ("Name:\tpurser\nRssAnon:\t  295660 kB\nRssFile:\t 10 kB\n", "RssAnon", Some(302_755_840)),
            ("00 ---p [rollup]\nRss:  900 kB\nPss:      12 kB\n", "Pss", Some(12_288)),
            ("Pss_Dirty: 3 kB\n", "Pss", None),
            ("Name:\tkthreadd\n", "VmRSS", None),
        ] {
            assert_eq!(bytes(text, name), expect, "{name} of {text}");
        }
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
