//! How much memory the process may use: of the machine's, or of what its cgroups allow it.

use std::path::Path;

use rustix::system::sysinfo;

use super::cgroup::{self, Version};

/// One mebibyte, in bytes.
pub(crate) const MIB: u64 = 1024 * 1024;

/// The memory that the process can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryFound {
    /// RAM of the machine, bytes.
    pub machine: u64,
    /// The smallest limit of the process's cgroups, bytes, where that is less.
    pub cgroup: Option<u64>,
}

impl MemoryFound {
    /// That of this process.
    pub(super) fn own() -> Self {
        let info = sysinfo();
        let unit = u64::from(info.mem_unit.max(1));
        #[expect(clippy::useless_conversion, reason = "it has the width of the machine's words")]
        let machine = u64::from(info.totalram).saturating_mul(unit);
        Self::of(machine, cgroup::own("memory"))
    }

    fn of(machine: u64, cgroups: Vec<cgroup::Directory>) -> Self {
        let limits = cgroups.iter().filter_map(|(version, directory)| limit(*version, directory));
        // Version 1 has a large number for none.
        Self { machine, cgroup: limits.min().filter(|limit| *limit < machine) }
    }

    /// The bytes that the kernel lets it have, before it ends it.
    pub(crate) fn bytes(self) -> u64 {
        self.cgroup.unwrap_or(self.machine)
    }

    /// The budget of a server that is not told another, bytes.
    pub(crate) fn budget(self) -> u64 {
        (self.bytes() as u128 * limits::MEMORY_BUDGET_PERCENT as u128 / 100) as u64
    }
}

/// The limit of one cgroup, bytes; `None` where it has none.
fn limit(version: Version, directory: &Path) -> Option<u64> {
    let name = match version {
        Version::One => "memory.limit_in_bytes",
        // A number, or `max` for none.
        Version::Two => "memory.max",
    };
    std::fs::read_to_string(directory.join(name)).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const MACHINE: u64 = 16 << 30;

    /// Cgroups with these files, in which `TOP` stands for where the trees are: the limit, and the budget in percent of what
    /// there is.
    #[track_caller]
    fn check(files: &[(&str, &str)], cgroup: &str, expect: Option<u64>) {
        const MOUNTINFO: &str = "21 1 0:5 / /proc rw - proc proc rw\n\
            30 24 0:26 / TOP/two rw,nosuid shared:4 - cgroup2 cgroup2 rw\n\
            31 24 0:27 / TOP/cpu rw - cgroup cgroup rw,cpu\n\
            32 24 0:28 / TOP/one rw - cgroup cgroup rw,memory\n";
        let top = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = top.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let mountinfo = MOUNTINFO.replace("TOP", top.path().to_str().unwrap());
        let found = MemoryFound::of(MACHINE, cgroup::directories("memory", cgroup, &mountinfo));
        assert_eq!(found, MemoryFound { machine: MACHINE, cgroup: expect }, "{files:?} {cgroup}");
        let bytes = expect.unwrap_or(MACHINE);
        assert_eq!((found.bytes(), found.budget()), (bytes, bytes / 4 * 3 + bytes % 4 * 3 / 4));
    }

    #[test]
    fn limits_of_both_versions() {
        check(&[], "0::/\n", None);
        check(&[("two/a/memory.max", "max\n")], "0::/a\n", None);
        check(&[("two/a/memory.max", "314572800\n")], "0::/a\n", Some(314_572_800));
        // The smallest of those above counts, and that of a sibling or of another tree does not.
        let nested = &[
            ("two/a/memory.max", "1000000\n"),
            ("two/a/b/memory.max", "2000000\n"),
            ("two/a/x/memory.max", "1000\n"),
            ("one/c/memory.limit_in_bytes", "500000\n"),
        ];
        check(nested, "0::/a/b\n", Some(1_000_000));
        check(nested, "3:cpu:/c\n0::/a/b\n", Some(1_000_000));
        check(nested, "4:memory:/c\n0::/a/b\n", Some(500_000));
        check(nested, "0::/\n", None);
        let none = &[("one/c/memory.limit_in_bytes", "9223372036854771712\n")];
        check(none, "4:memory:/c\n", None);
        // What is more than the machine has is none.
        check(&[("two/a/memory.max", "17179869184\n")], "0::/a\n", None);
        check(&[("two/a/memory.max", "17179869183\n")], "0::/a\n", Some(17_179_869_183));
        for text in ["", "-1", "1.5", "many"] {
            check(&[("two/a/memory.max", text)], "0::/a\n", None);
        }
    }
}
