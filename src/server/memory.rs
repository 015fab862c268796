//! Looks at the allocator's books for the metrics, on a thread beside the shards: how long that takes grows with the heap.

use std::sync::Arc;
use std::time::Duration;

use rustix::process::setpriority_process;
use rustix::thread::gettid;

use crate::clock::Clock;
use crate::limits;
use crate::metrics::Registry;
use crate::net::memory;

/// Looks once, and goes on for as long as the process lives. Does nothing where the allocator keeps no books.
#[expect(clippy::disallowed_methods, reason = "the server alone starts threads")]
pub(super) fn watch(registry: Arc<Registry>) {
    let Some(heap) = memory::heap() else { return };
    registry.set_heap(heap);
    std::thread::spawn(move || {
        // Nice values are each thread's own. That it can't be set only costs the shards some time.
        let _ = setpriority_process(Some(gettid()), limits::HOUSEKEEPER_NICE);
        let interval_us = limits::SWEEP_INTERVAL_MS * 1_000;
        let mut rest_us = interval_us;
        loop {
            std::thread::sleep(Duration::from_micros(rest_us));
            let clock = Clock::start();
            memory::heap().into_iter().for_each(|heap| registry.set_heap(heap));
            rest_us = interval_us.max(clock.mono_us().saturating_mul(limits::HEAP_LOOK_REST));
        }
    });
}
