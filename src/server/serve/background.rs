//! Threads next to those of the shards. The system may have none left, and that is no reason to panic.

use super::Error;
use crate::config;

/// Starts a thread that goes on for as long as the process lives.
///
/// # Errors
/// Where the system has no thread for it.
pub(super) fn start(name: &str, run: impl FnOnce() + Send + 'static) -> Result<(), Error> {
    let started = std::thread::Builder::new().name(name.into()).spawn(run);
    started.map(drop).map_err(|error| {
        let reason = config::reason(&error);
        Error::start(format!(
            "a thread can't be started: {reason}. Raise the limit of processes and threads, or that of memory"
        ))
    })
}
