//! Waits for the ring, and no longer than until an instant: the ring alone has no wait that ends by itself.
//!
//! The ring tells an eventfd of what has come, and the thread waits for that with a time-out.

use std::io;
use std::num::NonZeroU64;
use std::os::fd::{AsFd as _, OwnedFd};
use std::time::Duration;

use purser::net::ring::Ring;
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::thread::set_current_timer_slack;

use super::super::clock::Clock;

/// What the kernel may add to a wait so that it wakes for several at once, in nanoseconds. Its own choice, 50 µs, would make
/// each request so late.
const TIMER_SLACK_NS: NonZeroU64 = NonZeroU64::MIN;

/// What a thread sleeps on beside its ring.
#[derive(Debug)]
pub(super) struct Nap {
    eventfd: OwnedFd,
}

impl Nap {
    /// For the ring of the calling thread.
    ///
    /// # Errors
    /// What the kernel says.
    pub(super) fn new(ring: &Ring) -> io::Result<Self> {
        let eventfd = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        ring.register_eventfd(eventfd.as_fd())?;
        set_current_timer_slack(Some(TIMER_SLACK_NS))?;
        Ok(Self { eventfd })
    }

    /// Hands over what was submitted, and waits until something has come or the clock is at `until_ns`. Says for how long
    /// it slept, in nanoseconds.
    ///
    /// # Errors
    /// What the kernel says of the ring or the wait.
    pub(super) fn wait(&self, ring: &mut Ring, clock: &Clock, until_ns: u64) -> io::Result<u64> {
        ring.turn()?;
        // The kernel has sent all that was submitted, which takes a while.
        let before_ns = clock.now_ns();
        let timeout = Duration::from_nanos(until_ns.saturating_sub(before_ns));
        if timeout.is_zero() || ring.has_events() {
            return Ok(0);
        }
        // The eventfd tells of what comes from here on, and the look after it finds what came before.
        ring.notify(true);
        ring.turn()?;
        let sleeps = !ring.has_events();
        let slept = if sleeps { self.sleep(timeout) } else { Ok(()) };
        ring.notify(false);
        slept?;
        if !sleeps {
            return Ok(0);
        }
        let slept_ns = clock.now_ns() - before_ns;
        self.empty()?;
        ring.turn()?;
        Ok(slept_ns)
    }

    fn sleep(&self, timeout: Duration) -> io::Result<()> {
        let timeout = Timespec { tv_sec: timeout.as_secs() as i64, tv_nsec: timeout.subsec_nanos().into() };
        match poll(&mut [PollFd::new(&self.eventfd, PollFlags::IN)], Some(&timeout)) {
            // A signal is told by the ring, too.
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn empty(&self) -> io::Result<()> {
        match rustix::io::read(&self.eventfd, &mut [0; 8]) {
            Ok(_) | Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
