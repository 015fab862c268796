//! How much of a data directory a start has read, for whoever waits for it.

use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes of snapshots and segments that were read and applied, of all that there are. Written by the threads that recover,
/// read by any.
#[derive(Debug, Default)]
pub struct ReadProgress {
    /// 0 as long as nothing was looked at.
    total: AtomicU64,
    done: AtomicU64,
}

impl ReadProgress {
    /// There are so many more bytes.
    pub(super) fn expect(&self, bytes: u64) {
        self.total.fetch_add(bytes, Ordering::Relaxed);
    }

    /// So many more bytes are done with.
    pub(super) fn add(&self, bytes: u64) {
        self.done.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Bytes that were read, and all of them; the first is never more than the second.
    pub fn get(&self) -> (u64, u64) {
        let total = self.total.load(Ordering::Relaxed);
        (self.done.load(Ordering::Relaxed).min(total), total)
    }
}
