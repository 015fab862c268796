//! Tells standard error of cores that were held for too long. They only note it: writing takes time.

use std::sync::Arc;
use std::time::Duration;

use super::say::say;
use super::{Error, background};
use crate::net::stalls::StallLog;

/// Looks once in [`limits::SWEEP_INTERVAL_MS`], for as long as the process lives. `logs` are those of the shards, in their
/// order.
///
/// # Errors
/// Where the system has no thread for it.
pub(super) fn watch(logs: Vec<Arc<StallLog>>) -> Result<(), Error> {
    background::start("stalls", move || {
        loop {
            std::thread::sleep(Duration::from_millis(limits::SWEEP_INTERVAL_MS));
            for (shard, stall) in logs.iter().enumerate().filter_map(|(at, log)| Some((at, log.take()?))) {
                say(&format!("shard {shard} {stall}"));
            }
        }
    })
}
