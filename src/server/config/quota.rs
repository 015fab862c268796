//! The CPU quota of the process's cgroups. The scheduler lets a container run on all cores of the machine and then stops
//! it for the rest of each period once its time is used up, so that the cores which it may run on say nothing of what it
//! may use.

use std::fmt;
use std::path::Path;

use super::cgroup::{self, Version};

/// Time that a cgroup may use of all cores together, in each period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Thousandths of a core, rounded down; at least 1.
    milli: u64,
}

impl Quota {
    /// So much time in each period of this length, in one unit; `None` where there is no such period.
    pub(crate) fn of(quota: u64, period: u64) -> Option<Self> {
        let milli = u128::from(quota) * 1_000 / u128::from(std::num::NonZero::new(period)?.get());
        Some(Self { milli: u64::try_from(milli).unwrap_or(u64::MAX).max(1) })
    }

    /// The shards that it has the time for: whole cores, rounded down, and one at least. Shards that are all busy would use
    /// up a quota of less than a core for each before the period ends, and all of them stop then, for up to a tenth of a
    /// second; what is left over is for the threads beside the shards.
    pub(crate) fn shards(self) -> usize {
        usize::try_from(self.milli / 1_000).unwrap_or(usize::MAX).max(1)
    }

    /// Whether so many busy shards are stopped by it.
    pub(crate) fn stops(self, shards: usize) -> bool {
        self.milli < (shards as u64).saturating_mul(1_000)
    }
}

/// In cores, with as many decimals as it takes.
impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{}.{:03}", self.milli / 1_000, self.milli % 1_000);
        f.write_str(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

/// The quota of this process; `None` where it has none, or the system does not say.
pub(super) fn own() -> Option<Quota> {
    least(cgroup::own("cpu"))
}

/// The smallest quota of the cgroups that a process is in.
fn least(cgroups: Vec<cgroup::Directory>) -> Option<Quota> {
    let quotas = cgroups.iter().filter_map(|(version, directory)| read(*version, directory));
    quotas.min_by_key(|quota| quota.milli)
}

/// The quota of one cgroup; `None` where it has none.
fn read(version: Version, directory: &Path) -> Option<Quota> {
    let read = |name: &str| std::fs::read_to_string(directory.join(name)).ok();
    match version {
        // A number, or -1 for none.
        Version::One => {
            let number = |name: &str| read(name)?.trim().parse().ok();
            Quota::of(number("cpu.cfs_quota_us")?, number("cpu.cfs_period_us")?)
        }
        // Two numbers, or `max` in the first one's place for none.
        Version::Two => {
            let text = read("cpu.max")?;
            let (quota, period) = text.trim().split_once(' ')?;
            Quota::of(quota.parse().ok()?, period.parse().ok()?)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// Cgroups with these files, in which `TOP` stands for where the tree is: the quota in thousandths of a core.
    #[track_caller]
    fn check(files: &[(&str, &str)], cgroup: &str, mountinfo: &str, expect: Option<u64>) {
        let top = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = top.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let mountinfo = mountinfo.replace("TOP", top.path().to_str().unwrap());
        assert_eq!(
            least(cgroup::directories("cpu", cgroup, &mountinfo)).map(|quota| quota.milli),
            expect,
            "{files:?} {cgroup} {mountinfo}"
        );
    }

    const TWO: &str =
        "21 1 0:5 / /proc rw - proc proc rw\n30 24 0:26 / TOP rw,nosuid shared:4 - cgroup2 cgroup2 rw\n";

    #[test]
    fn version_2() {
        check(&[("cpu.max", "150000 100000\n")], "0::/\n", TWO, Some(1_500));
        check(&[("cpu.max", "max 100000\n")], "0::/\n", TWO, None);
        check(&[], "0::/\n", TWO, None);
        check(&[("a/cpu.max", "50000 100000\n")], "0::/a\n", TWO, Some(500));
        // The smallest of those above counts, wherever it is; that of a sibling and of one below does not.
        let nested = &[
            ("a/cpu.max", "300000 100000\n"),
            ("a/b/cpu.max", "max 100000\n"),
            ("a/b/c/cpu.max", "400000 100000\n"),
            ("a/b/c/d/cpu.max", "1000 100000\n"),
            ("a/x/cpu.max", "1000 100000\n"),
        ];
        check(nested, "0::/a/b/c\n", TWO, Some(3_000));
        check(nested, "0::/a/b\n", TWO, Some(3_000));
        check(nested, "0::/a/x\n", TWO, Some(10));
        check(nested, "0::/\n", TWO, None);
        check(&[("cpu.max", "100000 30000\n")], "0::/\n", TWO, Some(3_333));
        check(&[("cpu.max", "1 1000000\n")], "0::/\n", TWO, Some(1));
    }

    #[test]
    fn what_is_no_quota() {
        for text in ["", "100000", "100000 0", "-1 100000", "100000 max", "max", "a b", "1 2 3", "1.5 1"] {
            check(&[("cpu.max", text)], "0::/\n", TWO, None);
        }
        check(&[("cpu.max", "18446744073709551615 1\n")], "0::/\n", TWO, Some(u64::MAX));
        let files = &[("cpu.max", "100000 100000\n")];
        for (cgroup, mountinfo) in
            [("", TWO), ("0::/", ""), ("0", TWO), ("0:/", TWO), ("0::/", "no mount"), ("3:pids:/", TWO)]
        {
            check(files, cgroup, mountinfo, None);
        }
    }

    #[test]
    fn version_1() {
        const ONE: &str = "33 31 0:29 / TOP/memory rw - cgroup cgroup rw,memory\n\
                           32 31 0:30 / TOP/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct\n";
        let files = &[
            ("cpu,cpuacct/cpu.cfs_quota_us", "-1\n"),
            ("cpu,cpuacct/cpu.cfs_period_us", "100000\n"),
            ("cpu,cpuacct/s/cpu.cfs_quota_us", "250000\n"),
            ("cpu,cpuacct/s/cpu.cfs_period_us", "100000\n"),
            ("memory/s/cpu.cfs_quota_us", "1\n"),
            ("memory/s/cpu.cfs_period_us", "100000\n"),
        ];
        check(files, "5:memory:/s\n4:cpu,cpuacct:/s\n", ONE, Some(2_500));
        check(files, "4:cpuacct,cpu:/s/t\n", ONE, Some(2_500));
        check(files, "4:cpu,cpuacct:/\n", ONE, None);
        check(files, "5:memory:/s\n2:cpuset:/s\n3:cpuacct:/s\n", ONE, None);
        // Both versions beside each other: whichever has the controller.
        let hybrid = format!("{ONE}40 31 0:33 / TOP/unified rw - cgroup2 cgroup2 rw\n");
        check(files, "4:cpu,cpuacct:/s\n0::/s\n", &hybrid, Some(2_500));
    }

    #[test]
    fn what_a_container_sees() {
        let files = &[("cpu.max", "200000 100000\n"), ("in/cpu.max", "100000 100000\n")];
        let seen = |root: &str| format!("30 24 0:26 {root} TOP ro - cgroup2 cgroup ro\n");
        // Its own cgroup is mounted, and its path is the machine's, or is not below what is mounted.
        check(files, "0::/docker/1f\n", &seen("/docker/1f"), Some(2_000));
        check(files, "0::/docker/1f/in\n", &seen("/docker/1f"), Some(1_000));
        check(files, "0::/docker/2e\n", &seen("/docker/1f"), Some(2_000));
        check(files, "0::/../in\n", &seen("/"), Some(2_000));
        check(files, "0::/in\n", &seen("/.."), Some(2_000));
        let blank = &[("a b/cpu.max", "100000 100000\n")];
        check(blank, "0::/\n", "30 24 0:26 / TOP/a\\040b rw - cgroup2 cgroup2 rw\n", Some(1_000));
        check(blank, "0::/a b\n", TWO, Some(1_000));
    }

    #[test]
    fn shards_of_a_quota() {
        #[track_caller]
        fn check(quota: u64, period: u64, shards: usize, stops: [bool; 3], text: &str) {
            let quota = Quota::of(quota, period).unwrap();
            assert_eq!((quota.shards(), quota.to_string().as_str()), (shards, text));
            assert_eq!([1, 2, 3].map(|shards| quota.stops(shards)), stops, "{text}");
        }
        check(50_000, 100_000, 1, [true, true, true], "0.5");
        check(1, 1_000_000, 1, [true, true, true], "0.001");
        check(99_999, 100_000, 1, [true, true, true], "0.999");
        check(100_000, 100_000, 1, [false, true, true], "1");
        check(199_000, 100_000, 1, [false, true, true], "1.99");
        check(200_000, 100_000, 2, [false, false, true], "2");
        check(2_550_000, 1_000_000, 2, [false, false, true], "2.55");
        check(1_000_000, 1, 1_000_000, [false, false, false], "1000000");
    }
}
