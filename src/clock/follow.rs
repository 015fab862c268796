//! How the wallet's time follows the system clock.
//!
//! A clock that NTP keeps is slewed by at most 500 ppm and never steps; so whoever follows at that rate is never far from
//! one that is right. A system clock that is far off was set by hand, by a broken source, or was wrong at the start: which
//! of the two is right is not for the server to guess. It keeps its own time and says so.

use super::Clock;

/// Follows the system clock. One for a process: each adjustment moves the clock.
#[derive(Debug)]
pub struct Follower {
    clock: Clock,
    /// The last adjustment, nanoseconds since the clock was made.
    adjusted_ns: u64,
    is_apart: bool,
}

/// What an adjustment has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Adjustment {
    /// What the system clock is ahead of the wallet's time, nanoseconds.
    pub offset_ns: i64,
    /// They are too far apart for the one to follow the other.
    pub is_apart: bool,
    /// That was otherwise at the last adjustment. At the first one they are taken to have been together.
    pub is_news: bool,
}

impl Follower {
    /// Follows the system clock with `clock` and its clones.
    pub fn new(clock: Clock) -> Self {
        let adjusted_ns = clock.mono_ns();
        Self { clock, adjusted_ns, is_apart: false }
    }

    /// Looks at the system clock and moves the wallet's time towards it. To be called once a second.
    pub fn adjust(&mut self) -> Adjustment {
        let now_ns = self.clock.mono_ns();
        let elapsed_ns = now_ns.saturating_sub(std::mem::replace(&mut self.adjusted_ns, now_ns));
        let offset_ns = self.clock.offset_ns();
        self.clock.ahead_ns.fetch_add(step(offset_ns, elapsed_ns), std::sync::atomic::Ordering::Relaxed);
        let is_apart = is_apart(offset_ns);
        let was_apart = std::mem::replace(&mut self.is_apart, is_apart);
        Adjustment { offset_ns, is_apart, is_news: is_apart != was_apart }
    }
}

const fn is_apart(offset_ns: i64) -> bool {
    offset_ns.unsigned_abs() > limits::CLOCK_OFFSET_MS_MAX * 1_000_000
}

/// How far the wallet's time is moved after `elapsed_ns`, where the system clock is `offset_ns` ahead of it.
fn step(offset_ns: i64, elapsed_ns: u64) -> i64 {
    if is_apart(offset_ns) {
        return 0;
    }
    // After a pause of the whole process the rest is made up for in the seconds that follow.
    let elapsed_ns = elapsed_ns.min(2 * limits::SWEEP_INTERVAL_MS * 1_000_000);
    let most = (elapsed_ns / 1_000_000 * limits::CLOCK_SLEW_PPM).cast_signed();
    offset_ns.clamp(-most, most)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    #[track_caller]
    fn check(offset_ns: i64, elapsed_ns: i64, expect_ns: i64) {
        assert_eq!(step(offset_ns, elapsed_ns.cast_unsigned()), expect_ns);
        assert_eq!(step(-offset_ns, elapsed_ns.cast_unsigned()), -expect_ns, "back");
    }

    #[test]
    fn the_wallets_time_is_slewed_and_never_set() {
        // Less than a second's worth is made up for at once.
        check(0, SECOND, 0);
        check(1, SECOND, 1);
        check(499_999, SECOND, 499_999);
        check(500_000, SECOND, 500_000);
        check(500_001, SECOND, 500_000);
        check(SECOND, SECOND, 500_000);
        check(SECOND, SECOND / 2, 250_000);
        check(SECOND, 0, 0);
        // However long the process was paused, a step is a millisecond.
        check(SECOND, 3_600 * SECOND, 1_000_000);
        check(SECOND, i64::MAX, 1_000_000);
        // Five seconds are followed, and what is more is not.
        check(5 * SECOND, SECOND, 500_000);
        check(5 * SECOND + 1, SECOND, 0);
        check(8 * 24 * 3_600 * SECOND, SECOND, 0);
        check(i64::MAX, SECOND, 0);
        assert_eq!(step(i64::MIN, 1_000_000_000), 0);
    }

    /// The offset that is left after an hour, where the system clock gains `drift_ppm` on the boot time.
    #[track_caller]
    fn check_hour(offset_ms: i64, drift_ppm: i64, expect_ms: i64) {
        let mut offset_ns = offset_ms * 1_000_000;
        for _ in 0..3_600 {
            offset_ns += drift_ppm * 1_000;
            offset_ns -= step(offset_ns, 1_000_000_000);
        }
        assert_eq!(offset_ns / 1_000_000, expect_ms);
    }

    #[test]
    fn an_hour_of_following() {
        check_hour(0, 0, 0);
        // 1.8 s an hour.
        check_hour(4_000, 0, 2_200);
        check_hour(-4_000, 0, -2_200);
        check_hour(1_000, 100, 0);
        check_hour(0, 500, 0);
        // A clock that gains more than that is lost sight of: half a second an hour for each 139 ppm.
        check_hour(0, 600, 360);
        check_hour(6_000, 0, 6_000);
    }

    #[test]
    fn an_adjustment_says_when_they_part_and_meet() {
        let clock = Clock::start();
        let mut follower = Follower::new(clock.clone());
        let mut check = |is_apart, is_news| {
            let adjustment = follower.adjust();
            assert_eq!((adjustment.is_apart, adjustment.is_news), (is_apart, is_news), "{adjustment:?}");
        };
        check(false, false);
        let ahead = clock.ahead_ns.fetch_add(60 * SECOND, std::sync::atomic::Ordering::Relaxed);
        check(true, true);
        check(true, false);
        clock.ahead_ns.store(ahead, std::sync::atomic::Ordering::Relaxed);
        check(false, true);
        check(false, false);
    }
}
