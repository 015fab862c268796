//! The cgroups that the process is in: its own and all above it, as far as they are mounted. What bounds any of them bounds
//! the process.

use std::fs;
use std::path::{Path, PathBuf};

/// Which of the kernel's two kinds of cgroups; their files have other names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    One,
    Two,
}

/// Where the files of a cgroup are.
pub(super) type Directory = (Version, PathBuf);

/// The cgroups of this process in which `controller` (`cpu`, `memory`) may be; none where the system does not say.
pub(super) fn own(controller: &str) -> Vec<Directory> {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    directories(controller, &read("/proc/self/cgroup"), &read("/proc/self/mountinfo"))
}

/// The cgroups that a process is in; `cgroup` and `mountinfo` are the texts of its files below `/proc`.
pub(super) fn directories(controller: &str, cgroup: &str, mountinfo: &str) -> Vec<Directory> {
    let mounts: Vec<Mount> = mountinfo.lines().filter_map(|line| Mount::read(controller, line)).collect();
    let found = cgroup.lines().filter_map(|line| {
        // `0::/path` of version 2, `4:cpu,cpuacct:/path` of version 1.
        let (_, rest) = line.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        let version = match controllers {
            "" => Version::Two,
            _ if controllers.split(',').any(|known| known == controller) => Version::One,
            _ => return None,
        };
        let mount = mounts.iter().find(|mount| mount.version == version)?;
        Some(mount.directories(path).into_iter().map(move |directory| (version, directory)))
    });
    found.flatten().collect()
}

/// A tree of cgroups that is mounted.
struct Mount {
    version: Version,
    /// The cgroup at the top of it.
    root: PathBuf,
    at: PathBuf,
}

impl Mount {
    /// Reads a line of `mountinfo` (proc_pid_mountinfo(5)); `None` where it is not of version 2, and not of version 1 with
    /// this controller.
    fn read(controller: &str, line: &str) -> Option<Self> {
        let (mount, system) = line.split_once(" - ")?;
        let mut fields = mount.split(' ').skip(3);
        let (root, at) = (path(fields.next()?), path(fields.next()?));
        let mut system = system.split(' ');
        let version = match (system.next()?, system.nth(1)?) {
            ("cgroup2", _) => Version::Two,
            ("cgroup", options) if options.split(',').any(|option| option == controller) => Version::One,
            _ => return None,
        };
        Some(Self { version, root, at })
    }

    /// The directories of the cgroup at `path` and of all above it. A container may see its own cgroup as the top of the
    /// tree while its path is still the machine's, or one that is not below the top: then the top is its own.
    fn directories(&self, path: &str) -> Vec<PathBuf> {
        let below = Path::new(path).strip_prefix(&self.root).unwrap_or(Path::new(""));
        let is_plain =
            below.components().all(|component| matches!(component, std::path::Component::Normal(_)));
        let below = if is_plain { below } else { Path::new("") };
        below.ancestors().map(|above| self.at.join(above)).collect()
    }
}

/// A path in which blanks and the like are written as `\` and three octal digits.
fn path(text: &str) -> PathBuf {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        plain.push_str(before);
        let code = after.get(..3).and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match code {
            Some(code) => {
                plain.push(char::from(code));
                rest = &after[3..];
            }
            None => {
                plain.push('\\');
                rest = after;
            }
        }
    }
    plain.push_str(rest);
    plain.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_of_a_path() {
        assert_eq!(path("a\\134b\\0\\c\\"), Path::new("a\\b\\0\\c\\"));
    }
}
