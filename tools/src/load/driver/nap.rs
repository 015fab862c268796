//! Waits for the ring, and no longer than until an instant.

use std::io;
use std::num::NonZeroU64;
use std::time::Duration;

use ring::Ring;
use rustix::thread::set_current_timer_slack;

use super::super::clock::Clock;

/// What the kernel may add to a wait so that it wakes for several at once, in nanoseconds. Its own choice, 50 µs, would make
/// each request so late.
const TIMER_SLACK_NS: NonZeroU64 = NonZeroU64::MIN;

/// Has the calling thread wake exactly when a [`nap`] is over.
///
/// # Errors
/// What the kernel says.
pub(super) fn prepare() -> io::Result<()> {
    Ok(set_current_timer_slack(Some(TIMER_SLACK_NS))?)
}

/// Hands over what was submitted, and waits until something has come or the clock is at `until_ns`. Says for how long
/// it slept, in nanoseconds.
///
/// # Errors
/// What the kernel says of the ring.
pub(super) fn nap(ring: &mut Ring, clock: &Clock, until_ns: u64) -> io::Result<u64> {
    ring.turn()?;
    // The kernel has sent all that was submitted, which takes a while.
    let before_ns = clock.now_ns();
    let timeout = Duration::from_nanos(until_ns.saturating_sub(before_ns));
    if timeout.is_zero() || ring.has_events() {
        return Ok(0);
    }
    ring.wait(timeout)?;
    Ok(clock.now_ns() - before_ns)
}
