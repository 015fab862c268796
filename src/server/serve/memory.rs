//! Looks at the allocator's books for the metrics, on a thread beside the shards: how long that takes grows with the heap. And
//! gives back to the system what a burst has left, once the shards have little to do, or memory is short.

use std::sync::Arc;
use std::time::Duration;

use rustix::process::nice;

use super::budget::Levels;
use super::{Error, background};
use clock::Clock;
use metrics::Registry;
use ring::memory;

/// Looks once, and goes on for as long as the process lives. Does nothing where the allocator keeps no books.
///
/// # Errors
/// Where the system has no thread for it.
pub(super) fn watch(registry: Arc<Registry>, levels: Levels) -> Result<(), Error> {
    let Some(heap) = memory::heap() else { return Ok(()) };
    registry.set_heap(heap);
    background::start("heap", move || {
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
                let used = registry.memory_used();
                let (is_near, most) = (levels.is_near(used), levels.surplus(used));
                if surplus.is_due((heap.free, most), registry.busy_us(), rest_us, is_near) {
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
    /// Whether it is to give something back: it keeps `most` more than it has to, and in the last `rest_us` the shards have
    /// done little, having worked for `busy_us` by now. Near the budget of memory they are not waited for.
    fn is_due(&mut self, (free, most): (u64, u64), busy_us: u64, rest_us: u64, is_near: bool) -> bool {
        let worked_us = busy_us.saturating_sub(std::mem::replace(&mut self.busy_us, busy_us));
        let is_quiet = worked_us.saturating_mul(100) <= rest_us.saturating_mul(limits::QUIET_PERCENT);
        let is_due = (is_quiet || is_near) && free >= self.kept.saturating_add(most);
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
            assert_eq!(
                surplus.is_due((free, SURPLUS), busy_us, 1_000_000, false),
                expect,
                "{free}, {worked_us}"
            );
        }
    }

    /// Before anything is refused for want of memory, what nobody has is given back, and once.
    #[test]
    fn near_the_budget_nobody_waits_for_quiet() {
        let mut surplus = Surplus { kept: 5, busy_us: 0 };
        for (free, busy_us, is_near, expect) in [
            (5 + SURPLUS, 900_000, false, false),
            (5 + SURPLUS - 1, 1_800_000, true, false),
            (5 + SURPLUS, 2_700_000, true, true),
            (5 + SURPLUS, 3_600_000, true, false),
            (5 + 2 * SURPLUS, 4_500_000, true, true),
        ] {
            assert_eq!(
                surplus.is_due((free, SURPLUS), busy_us, 1_000_000, is_near),
                expect,
                "{free}, {is_near}"
            );
        }
    }
}
