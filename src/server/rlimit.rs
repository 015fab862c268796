//! The limits that the kernel holds this process to, raised as far as it lets itself.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises a soft limit to its hard one, and says what it is then.
pub(crate) fn raise(resource: Resource) -> usize {
    let limit = getrlimit(resource);
    if limit.current != limit.maximum {
        let _ = setrlimit(resource, Rlimit { current: limit.maximum, maximum: limit.maximum });
    }
    getrlimit(resource).current.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX))
}
