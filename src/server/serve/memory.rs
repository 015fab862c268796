//! Looks at the allocator's books for the metrics, on a thread beside the shards: how long that takes grows with the heap. And
//! gives back to the system what a burst has left, once the shards have little to do.

use std::sync::Arc;
use std::time::Duration;

use rustix::process::nice;

use super::{Error, background};
use clock::Clock;
use metrics::Registry;
use ring::memory;

/// Looks once, and goes on for as long as the process lives. Does nothing where the allocator keeps no books.
///
/// # Errors
/// Where the system has no thread for it.
pub(super) fn watch(registry: Arc<Registry>) -> Result<(), Error> {
    let Some(heap) = memory::heap() else { return Ok(()) };
    registry.set_heap(heap);
    background::start("memory", move || {
        // Nice values are each thread's own. That it can't be set only costs the shards some time.
        let _ = nice(limits::HOUSEKEEPER_NICE);
        let interval_us = limits::SWEEP_INTERVAL_MS * 1_000;
        let mut rest_us = interval_us;
        // What the start has used and left is a surplus, too.
        let mut surplus = Surplus { kept: 0, busy_us: registry.busy_us() };
        loop {
            std::thread::sleep(Duration::from_micros(rest_us));
            let clock = Clock::start();
            if let Some(heap) = memory::heap() {
                registry.set_heap(heap);
                if surplus.is_due(heap.free, registry.busy_us(), rest_us) {
                    memory::give_back();
                }
            }
            rest_us = interval_us.max(clock.mono_us().saturating_mul(limits::HEAP_LOOK_REST));
        }
    })
}

/// What the allocator keeps beyond what is of use.
struct Surplus {
    /// What it kept at the least since it last gave something back. It counts what it has given back as kept, until that is
    /// used again.
    kept: u64,
    /// What all shards together had worked at the last look.
    busy_us: u64,
}

impl Surplus {
    /// Whether it is to give something back: it keeps so much more than it has to, and in the last `rest_us` the shards have
    /// done little, having worked for `busy_us` by now.
    fn is_due(&mut self, free: u64, busy_us: u64, rest_us: u64) -> bool {
        let worked_us = busy_us.saturating_sub(std::mem::replace(&mut self.busy_us, busy_us));
        let is_quiet = worked_us.saturating_mul(100) <= rest_us.saturating_mul(limits::QUIET_PERCENT);
        let is_due = is_quiet && free >= self.kept.saturating_add(limits::HEAP_SURPLUS_BYTES);
        self.kept = if is_due { free } else { self.kept.min(free) };
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SURPLUS: u64 = limits::HEAP_SURPLUS_BYTES;

    #[test]
    fn what_a_burst_has_left_is_given_back_once() {
        let mut surplus = Surplus { kept: 5, busy_us: 0 };
        let mut busy_us = 0;
        for (free, worked_us, expect) in [
            (5, 0, false),
            (5 + SURPLUS - 1, 0, false),
            // Not while the shards work.
            (5 + SURPLUS, 500_000, false),
            (5 + SURPLUS, 50_000, true),
            // It is given back, and counted as before.
            (5 + SURPLUS, 0, false),
            // It was used, and is free again.
            (9, 0, false),
            (8 + SURPLUS, 0, false),
            (9 + SURPLUS, 0, true),
            (9 + 2 * SURPLUS, 0, true),
        ] {
            busy_us += worked_us;
            assert_eq!(surplus.is_due(free, busy_us, 1_000_000), expect, "{free}, {worked_us}");
        }
    }
}
