//! Tells standard error of cores that were held for too long. They only note it: writing takes time.

use std::sync::Arc;
use std::time::Duration;

use super::say::say;
use crate::net::stalls::StallLog;

/// Looks once in [`limits::SWEEP_INTERVAL_MS`], for as long as the process lives. `logs` are those of the shards, in their
/// order.
#[expect(clippy::disallowed_methods, reason = "the server alone starts threads")]
pub(super) fn watch(logs: Vec<Arc<StallLog>>) {
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(Duration::from_millis(limits::SWEEP_INTERVAL_MS));
            for (shard, stall) in logs.iter().enumerate().filter_map(|(at, log)| Some((at, log.take()?))) {
                say(&format!("shard {shard} {stall}"));
            }
        }
    });
}
