use std::path::PathBuf;

use super::*;
use crate::doctor::CheckStatus::{self, Lacking, Ok as Fine, Warn};

/// A finding's status, and what its found and its remedy contain.
#[track_caller]
fn check(finding: &Finding, status: CheckStatus, found: &str, remedy: &str) {
    assert_eq!(finding.status, status, "{finding:?}");
    assert!(finding.found.contains(found), "{finding:?}");
    assert!(finding.remedy.contains(remedy), "{finding:?}");
    assert_eq!(finding.remedy.is_empty(), status == Fine, "a fault has a remedy: {finding:?}");
}

fn os(errno: Errno) -> io::Error {
    errno.into()
}

#[test]
fn kernels() {
    check(&kernel("6.1.0", true), Fine, "Linux 6.1.0", "");
    check(&kernel("6.18.44-generic", false), Fine, "6.18.44", "");
    check(&kernel("10.0-rc1", true), Fine, "10.0", "");
    check(&kernel("6.0.19", false), Lacking, "6.0.19", "6.1");
    check(&kernel("5.14.0-611.el9.x86_64", true), Warn, "newer features", "6.1");
    check(&kernel("5.14.0-611.el9.x86_64", false), Lacking, "5.14", "6.1");
    check(&kernel("", false), Lacking, "Linux", "6.1");
    check(&kernel("unknown", true), Warn, "unknown", "6.1");
    check(&kernel("99999999999.1", false), Lacking, "9", "6.1");
}

#[test]
fn io_uring_allowed() {
    check(&io_uring(&Ok(()), Some(0)), Fine, "io_uring_disabled is 0", "");
    check(&io_uring(&Ok(()), None), Fine, "no kernel.io_uring_disabled", "");
    check(
        &io_uring(&Err(os(Errno::PERM)), Some(2)),
        Lacking,
        "Operation not permitted",
        "io_uring_disabled=0",
    );
    check(&io_uring(&Err(os(Errno::PERM)), Some(1)), Lacking, "is 1", "io_uring_group");
    check(&io_uring(&Err(os(Errno::PERM)), Some(0)), Lacking, "not permitted", "seccomp");
    check(&io_uring(&Err(os(Errno::PERM)), None), Lacking, "not permitted", "seccomp");
    check(&io_uring(&Err(os(Errno::NOSYS)), None), Lacking, "Function not implemented", "CONFIG_IO_URING");
    check(&io_uring(&Err(os(Errno::NOMEM)), Some(0)), Lacking, "Cannot allocate memory", "memlock");
    check(&io_uring(&Err(os(Errno::MFILE)), Some(0)), Lacking, "Too many open files", "open files");
    check(&io_uring(&Err(os(Errno::IO)), Some(0)), Lacking, "error", "io_uring_setup(2)");
}

#[test]
fn ring_features() {
    check(&ring(&Ok(())), Fine, "DEFER_TASKRUN", "");
    check(&ring(&Err(TrialFault::Setup(os(Errno::INVAL)))), Lacking, "is unknown", "6.1");
    check(&ring(&Err(TrialFault::Setup(os(Errno::PERM)))), Lacking, "not permitted", "see io_uring");
    check(&ring(&Err(TrialFault::Probe(os(Errno::INVAL)))), Lacking, "can't be asked for", "6.1");
    check(&ring(&Err(TrialFault::Missing(vec!["send", "recv"]))), Lacking, "operations: send, recv", "6.1");
    check(&ring(&Err(TrialFault::Tables(os(Errno::INVAL)))), Lacking, "no table of files", "6.1");
}

#[test]
fn locked_memory() {
    const KIB: u64 = 1024;
    let limit = |soft, hard| Limit { soft, hard };
    let full = || Err(os(Errno::NOMEM));
    let eight_mib = Some(8192 * KIB);
    check(&memlock(limit(None, None), &Ok(()), 64), Fine, "unlimited for 64 shards", "");
    check(&memlock(limit(eight_mib, eight_mib), &Ok(()), 2), Fine, "8192 KiB for 2 shards", "");
    check(&memlock(limit(Some(512 * KIB), None), &Ok(()), 1), Fine, "512 KiB for 1 shard", "");
    check(
        &memlock(limit(Some(512 * KIB - 1), None), &Ok(()), 1),
        Lacking,
        "512 KiB at least",
        "ulimit -S -l 512",
    );
    check(&memlock(limit(Some(0), Some(64 * KIB)), &Ok(()), 1), Lacking, "0 KiB", "LimitMEMLOCK=524288");
    check(&memlock(limit(eight_mib, eight_mib), &full(), 32), Lacking, "for 32 shards", "memlock=16777216");
    check(&memlock(limit(eight_mib, None), &full(), 32), Lacking, "too little", "ulimit -S -l 16384");
    // Another fault is told where it belongs.
    check(&memlock(limit(eight_mib, None), &Err(os(Errno::PERM)), 2), Fine, "8192 KiB", "");
}

#[test]
fn files() {
    let hard = |hard| Limit { soft: Some(64), hard };
    check(&open_files(hard(None), 1), Fine, "unlimited", "");
    check(&open_files(hard(Some(16_384)), 64), Fine, "16384 connections per shard", "");
    check(&open_files(hard(Some(16_383)), 1), Warn, "16383, and so as many", "LimitNOFILE=16384");
    check(&open_files(hard(Some(64)), 1), Warn, "64, and", "LimitNOFILE=16384");
    check(&open_files(hard(Some(63)), 1), Lacking, "63 at most; 64 needed", "LimitNOFILE=16384");
    check(&open_files(hard(Some(1_024)), 64), Lacking, "2080 needed", "LimitNOFILE=16384");
}

#[test]
fn data_directories() {
    let (data, root) = (Path::new("/srv/data"), PathBuf::from("/srv"));
    check(&direct_io(data, &DirectIo::Works(data.into())), Fine, "works in /srv/data", "");
    check(&direct_io(data, &DirectIo::Works(root.clone())), Fine, "in /srv (/srv/data is not there yet)", "");
    check(&direct_io(data, &DirectIo::NotADirectory(root.clone())), Lacking, "/srv is not a", "--data");
    let given = DirectIo::OfSomebodyElse(data.into());
    check(&direct_io(data, &given), Lacking, "belongs to another user", "chown");
    let denied = DirectIo::NoFile(root.clone(), os(Errno::ACCESS));
    check(&direct_io(data, &denied), Lacking, "Permission denied", "--data");
    let refused = |errno| DirectIo::Refused(root.clone(), os(errno));
    check(&direct_io(data, &refused(Errno::INVAL)), Lacking, "refused in /srv", "ext4");
    check(&direct_io(data, &refused(Errno::IO)), Lacking, "Input/output error", "ext4");
    for full in [Errno::NOSPC, Errno::DQUOT] {
        check(&direct_io(data, &refused(full)), Warn, "can't be tried in /srv", "make room");
    }
}

#[test]
fn shards_and_cores() {
    check(&cores(&[0], None), Fine, "0 for 1 shard", "");
    check(&cores(&[0, 1, 4], None), Fine, "0-1,4 for 3 shards", "");
    check(&cores(&[0, 0], None), Warn, "0 for 2 shards", "--shards 1");
    check(&cores(&[2, 0, 2], None), Warn, "0,2 for 3 shards", "--shards 2");
    let quota = |percent| Quota::of(percent, 100);
    check(&cores(&[0, 1], quota(250)), Fine, "0-1 for 2 shards; a CPU quota of 2.5", "");
    check(
        &cores(&[0], quota(50)),
        Warn,
        "0 for 1 shard; a CPU quota of 0.5, at which",
        "a quota of 1 or more",
    );
    check(&cores(&[0, 1], quota(50)), Warn, "a CPU quota of 0.5", "--shards 1, or a quota of 2 or more");
    check(&cores(&[0, 1, 2], quota(250)), Warn, "a CPU quota of 2.5", "--shards 2, or a quota of 3 or more");
    check(&cores(&[0, 0], quota(50)), Warn, "0 for 2 shards; a CPU quota of 0.5", "--shards 1");
}

#[test]
fn memories() {
    let found = |machine_mib: u64, cgroup_mib: Option<u64>| MemoryFound {
        machine: machine_mib * MIB,
        cgroup: cgroup_mib.map(|mib| mib * MIB),
    };
    check(&memory(found(16_384, None), 1), Fine, "the machine has 16384 MiB; a budget of 12288", "");
    check(
        &memory(found(16_384, Some(300)), 2),
        Fine,
        "16384 MiB, the cgroup 300; a budget of 225, at 168 of which",
        "",
    );
    check(&memory(found(16_384, Some(200)), 2), Warn, "the cgroup 200; a budget of 150", "memory.max");
    check(&memory(found(64, None), 1), Warn, "the machine has 64 MiB; a budget of 48", "more memory");
}

#[test]
fn clocks() {
    let now_ms = 1_795_608_000_000;
    let found =
        |now_ms, reading_ns, source: &str| ClockFound { now_ms, reading_ns, source: Some(source.into()) };
    check(&clock(&found(now_ms, 28, "tsc")), Fine, "a reading takes 28 ns (tsc)", "");
    check(&clock(&found(now_ms, 150, "kvm-clock")), Fine, "150 ns (kvm-clock)", "");
    check(&clock(&found(now_ms, 151, "hpet")), Warn, "151 ns (hpet)", "clocksource=tsc");
    check(
        &clock(&ClockFound { source: None, ..found(now_ms, 1_000, "") }),
        Warn,
        "of unknown source",
        "kvm-clock",
    );
    check(&clock(&found(86_400_000, 28, "tsc")), Warn, "it says 86400 s after 1970", "NTP");
}
