//! When requests are to start in an open loop: at a constant rate, whether those before them were answered or not.
//!
//! The start of each request follows from its number, so that no error adds up and the requests that wait need no
//! queue: the ones that were taken and the time say which they are.

/// Nanoseconds in a second.
const SECOND_NS: u128 = 1_000_000_000;

/// The intended starts of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Schedule {
    /// Requests in a second.
    rate: u32,
    began_ns: u64,
    /// From here on nothing starts.
    ends_ns: u64,
    /// Requests that were taken, each at its turn.
    taken: u64,
}

impl Schedule {
    /// `rate` requests a second from `began_ns` until before `ends_ns`.
    pub(crate) const fn new(rate: u32, began_ns: u64, ends_ns: u64) -> Self {
        Self { rate, began_ns, ends_ns, taken: 0 }
    }

    /// Requests that were to start by `now_ns`.
    pub(crate) fn offered(&self, now_ns: u64) -> u64 {
        if now_ns < self.began_ns || self.ends_ns <= self.began_ns {
            return 0;
        }
        // Of all instants before the end the last counts, since nothing starts at the end.
        let passed_ns = now_ns.min(self.ends_ns - 1) - self.began_ns;
        // The request n starts at n / rate, rounded down to a nanosecond: the first that starts later is counted.
        let before = (u128::from(passed_ns) + 1) * u128::from(self.rate);
        before.div_ceil(SECOND_NS) as u64
    }

    /// Requests that were to start by `now_ns` and were not taken.
    pub(crate) fn waiting(&self, now_ns: u64) -> u64 {
        self.offered(now_ns).saturating_sub(self.taken)
    }

    /// Requests that were taken.
    pub(crate) const fn taken(&self) -> u64 {
        self.taken
    }

    /// Takes the next request, and says when it was to start.
    pub(crate) fn take(&mut self) -> u64 {
        let start_ns = self.start_ns(self.taken);
        self.taken += 1;
        start_ns
    }

    /// When the next request that was not taken is to start; the end of the run where there is none.
    pub(crate) fn next_ns(&self) -> u64 {
        self.start_ns(self.taken).min(self.ends_ns)
    }

    fn start_ns(&self, number: u64) -> u64 {
        let after_ns = u128::from(number) * SECOND_NS / u128::from(self.rate);
        self.began_ns.saturating_add(u64::try_from(after_ns).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Says of a second from 1,000 on how many were to start by each time.
    #[track_caller]
    fn check_offered(rate: u32, expect: &[(u64, u64)]) {
        let schedule = Schedule::new(rate, 1_000, 1_000_001_000);
        for (now_ns, offered) in expect {
            assert_eq!(schedule.offered(*now_ns), *offered, "at {now_ns} of {rate}/s");
        }
    }

    #[test]
    fn requests_to_start_by_a_time() {
        check_offered(1, &[(0, 0), (999, 0), (1_000, 1), (1_000_000_999, 1), (u64::MAX, 1)]);
        check_offered(2, &[(1_000, 1), (500_000_999, 1), (500_001_000, 2), (1_000_001_000, 2)]);
        check_offered(3, &[(1_000, 1), (333_334_332, 1), (333_334_333, 2), (666_667_666, 3), (u64::MAX, 3)]);
        check_offered(1_000_000_000, &[(1_000, 1), (1_001, 2), (1_000_001_000, 1_000_000_000)]);
        assert_eq!(Schedule::new(7, 1_000, 1_000).offered(u64::MAX), 0);
    }

    /// Each start is the first instant at which one more is to start, and the spaces differ by a nanosecond at most.
    #[track_caller]
    fn check_starts(rate: u32) {
        let mut schedule = Schedule::new(rate, 5_000, 2_000_005_000);
        let mut last_ns = None;
        for number in 0..2 * u64::from(rate) {
            let next_ns = schedule.next_ns();
            assert_eq!(schedule.waiting(next_ns), 1, "{number} of {rate}/s");
            assert!(number == 0 || schedule.waiting(next_ns - 1) == 0, "{number} of {rate}/s");
            assert_eq!(schedule.take(), next_ns);
            let space_ns = last_ns.map_or(1_000_000_000 / u64::from(rate), |last_ns| next_ns - last_ns);
            assert!(space_ns.abs_diff(1_000_000_000 / u64::from(rate)) <= 1, "{space_ns} ns");
            last_ns = Some(next_ns);
        }
        assert_eq!((schedule.waiting(u64::MAX), schedule.next_ns()), (0, 2_000_005_000), "{rate}/s");
        assert_eq!(schedule.taken(), 2 * u64::from(rate));
    }

    #[test]
    fn starts() {
        for rate in [1, 2, 3, 7, 999, 1_000, 4_096, 99_991] {
            check_starts(rate);
        }
    }

    #[test]
    fn requests_that_wait_keep_their_starts() {
        let mut schedule = Schedule::new(1_000, 0, 1_000_000_000);
        assert_eq!(schedule.waiting(10_000_000), 11);
        let starts: Vec<u64> = (0..3).map(|_| schedule.take()).collect();
        assert_eq!(starts, [0, 1_000_000, 2_000_000]);
        assert_eq!((schedule.waiting(10_000_000), schedule.next_ns()), (8, 3_000_000));
    }

    #[test]
    fn a_day_at_the_highest_rate() {
        let day_ns = 24 * 3_600 * 1_000_000_000;
        let schedule = Schedule::new(u32::MAX, 0, day_ns);
        assert_eq!(schedule.offered(u64::MAX), 24 * 3_600 * u64::from(u32::MAX));
    }
}
