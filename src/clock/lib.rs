//! The only reader of time. It is read once a turn, and what the wallet knows of time is passed to it. The stages of
//! a request are timed by further readings, of one request in many, which no outcome knows of.
//!
//! The wallet's time is not the system clock's: that one may be set by anybody who may, and an hour's mistake would
//! pay twice or end every session. It is the time of the start plus the time that has passed since
//! (`CLOCK_BOOTTIME`, which nobody sets and which counts a suspended machine's sleep). [`follow`] brings it towards
//! the system clock, a little at a time; [`start`] decides whether the system clock can be believed at a start.

#![cfg_attr(not(test), warn(clippy::print_stdout, clippy::print_stderr))]
#![forbid(unsafe_code)]

pub mod follow;
pub mod start;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};

/// One reading of the clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// The wallet's time, milliseconds since 1970, UTC. While it is slewed back a reading may be a millisecond before
    /// the last one; who needs more than that takes the later of the two, as a shard does.
    pub wall_ms: u64,
    /// Nanoseconds since the clock was made; never goes back.
    pub mono_ns: u64,
}

impl Now {
    /// Microseconds since the clock was made; for how long something took.
    pub const fn mono_us(self) -> u64 {
        self.mono_ns / 1_000
    }

    /// Milliseconds since the clock was made; for deadlines.
    pub const fn mono_ms(self) -> u64 {
        self.mono_ns / 1_000_000
    }
}

/// The clock of a process: its clones tell the same time. A reading is one call of the vDSO.
#[derive(Clone, Debug)]
pub struct Clock {
    /// When it was made, nanoseconds of the boot time.
    start_ns: i64,
    /// What the wallet's time is ahead of the boot time, nanoseconds.
    ahead_ns: Arc<AtomicI64>,
}

impl Clock {
    /// A clock that begins now, at the time of the system clock.
    pub fn start() -> Self {
        let clock = Self { start_ns: boot_ns(), ahead_ns: Arc::default() };
        clock.ahead_ns.store(clock.system_ahead_ns(), Ordering::Relaxed);
        clock
    }

    /// What time it is. A time before 1970 reads as 1970.
    pub fn now(&self) -> Now {
        let boot_ns = boot_ns();
        let wall_ns = boot_ns.saturating_add(self.ahead_ns.load(Ordering::Relaxed)).max(0);
        Now { wall_ms: wall_ns as u64 / NS_PER_MS, mono_ns: self.since_start(boot_ns) }
    }

    /// Microseconds since the start; for how long something took.
    pub fn mono_us(&self) -> u64 {
        self.mono_ns() / 1_000
    }

    /// Nanoseconds since the start, of which there is room for 292 years; for the stages of a request.
    pub fn mono_ns(&self) -> u64 {
        self.since_start(boot_ns())
    }

    fn since_start(&self, boot_ns: i64) -> u64 {
        boot_ns.saturating_sub(self.start_ns).max(0).cast_unsigned()
    }

    /// Has the wallet's time begin no earlier than at `at_ms`, to which the journal has come. Before anything is
    /// served: it is a jump.
    pub fn begin_at(&self, at_ms: u64) {
        let at_ns = i64::try_from(at_ms.saturating_mul(NS_PER_MS)).unwrap_or(i64::MAX);
        self.ahead_ns.fetch_max(at_ns.saturating_sub(boot_ns()), Ordering::Relaxed);
    }

    /// What the system clock is ahead of the wallet's time, nanoseconds.
    fn offset_ns(&self) -> i64 {
        self.system_ahead_ns().saturating_sub(self.ahead_ns.load(Ordering::Relaxed))
    }

    /// What the system clock is ahead of the boot time, nanoseconds: the best of a few tries, since the thread may be
    /// put aside between the two readings.
    #[expect(clippy::disallowed_methods, reason = "this is where time enters")]
    fn system_ahead_ns(&self) -> i64 {
        let try_once = || {
            let before = boot_ns();
            let system = match SystemTime::now().duration_since(UNIX_EPOCH) {
                Ok(since) => i64::try_from(since.as_nanos()).unwrap_or(i64::MAX),
                Err(before) => i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, |ns| -ns),
            };
            let took = boot_ns().saturating_sub(before);
            (took, system.saturating_sub(before))
        };
        let tries = std::iter::repeat_with(try_once).take(3);
        tries.min_by_key(|(took, _)| *took).map_or(0, |(_, ahead)| ahead)
    }
}

const NS_PER_MS: u64 = 1_000_000;

/// The time since the machine was started, nanoseconds.
#[expect(clippy::disallowed_methods, reason = "this is where time enters")]
fn boot_ns() -> i64 {
    let time = clock_gettime(ClockId::Boottime);
    time.tv_sec.saturating_mul(1_000_000_000).saturating_add(time.tv_nsec)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_tell_one_time_and_a_journal_moves_it_on_alone() {
        let clock = Clock::start();
        let of_a_core = clock.clone();
        let ahead_ms = clock.now().wall_ms + 3_600_000;
        clock.begin_at(ahead_ms);
        let now = of_a_core.now();
        assert!((ahead_ms..ahead_ms + 60_000).contains(&now.wall_ms), "{now:?}");
        clock.begin_at(0);
        assert!(of_a_core.now().wall_ms >= now.wall_ms, "a journal of the past moves nothing");
        assert!(clock.offset_ns() < -3_500 * 1_000_000_000, "{}", clock.offset_ns());
        clock.begin_at(u64::MAX);
        assert!(of_a_core.now().wall_ms >= now.wall_ms, "no overflow");
    }
}
