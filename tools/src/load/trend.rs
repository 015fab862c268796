//! Many times of one kind in little memory, and what is said of them.

use hdrhistogram::Histogram;

/// The longest time that is told apart, in nanoseconds: an hour. A request's time-out is a minute, but one that waits for a
/// connection of an overloaded run, and whose time runs from its intended start, can wait for nearly as long as the run.
const LONGEST_NS: u64 = 3_600_000_000_000;

/// Significant digits of a percentile.
const DIGITS: u8 = 3;

/// Points of a distribution's curve for each power of ten.
const CURVE_POINTS: f64 = 16.0;

/// Times of one kind. Average, least and most are exact; the rest has [`DIGITS`] digits.
#[derive(Debug)]
pub(crate) struct Trend {
    times: Histogram<u64>,
    /// Most times of some kinds are 0: they are counted, not recorded.
    zeros: u64,
    sum_ns: u64,
    least_ns: u64,
    most_ns: u64,
}

/// What the summary says of a [`Trend`], in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Figures {
    pub(crate) average: u64,
    pub(crate) least: u64,
    pub(crate) median: u64,
    pub(crate) most: u64,
    pub(crate) p90: u64,
    pub(crate) p95: u64,
    pub(crate) p99: u64,
    pub(crate) p999: u64,
}

/// The columns of a [`Trend::tail`]: names, and their parts of ten thousand.
pub(crate) const TAIL: [(&str, u64); 7] = [
    ("p(50)", 5_000),
    ("p(90)", 9_000),
    ("p(95)", 9_500),
    ("p(99)", 9_900),
    ("p(99.9)", 9_990),
    ("p(99.99)", 9_999),
    ("max", 10_000),
];

impl Default for Trend {
    fn default() -> Self {
        let times = Histogram::new_with_bounds(1, LONGEST_NS, DIGITS).expect("the bounds are in order");
        Self { times, zeros: 0, sum_ns: 0, least_ns: u64::MAX, most_ns: 0 }
    }
}

impl Trend {
    /// Takes a time, in nanoseconds.
    pub(crate) fn record(&mut self, ns: u64) {
        self.least_ns = self.least_ns.min(ns);
        if ns == 0 {
            self.zeros += 1;
            return;
        }
        self.sum_ns += ns;
        self.most_ns = self.most_ns.max(ns);
        self.times.saturating_record(ns);
    }

    /// Takes the times of another.
    pub(crate) fn add(&mut self, other: &Self) {
        self.times.add(&other.times).expect("all have the same bounds");
        self.zeros += other.zeros;
        self.sum_ns += other.sum_ns;
        self.least_ns = self.least_ns.min(other.least_ns);
        self.most_ns = self.most_ns.max(other.most_ns);
    }

    /// The times of this that `earlier`, a state that it was in before, has not.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        let mut times = self.times.clone();
        times.subtract(&earlier.times).expect("what was recorded stays");
        let zeros = self.zeros - earlier.zeros;
        Self {
            zeros,
            sum_ns: self.sum_ns - earlier.sum_ns,
            least_ns: if zeros > 0 { 0 } else { times.min_nz() },
            most_ns: times.max(),
            times,
        }
    }

    /// The trend of all of these.
    pub(crate) fn of<'a>(parts: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut all = Self::default();
        parts.into_iter().for_each(|part| all.add(part));
        all
    }

    /// How many times there were.
    pub(crate) fn count(&self) -> u64 {
        self.times.len() + self.zeros
    }

    /// The figures; all are 0 where there was no time.
    pub(crate) fn figures(&self) -> Figures {
        let count = self.count();
        if count == 0 {
            return Figures::default();
        }
        Figures {
            average: self.sum_ns / count,
            least: self.least_ns,
            median: self.percentile(5_000),
            most: self.most_ns,
            p90: self.percentile(9_000),
            p95: self.percentile(9_500),
            p99: self.percentile(9_900),
            p999: self.percentile(9_990),
        }
    }

    /// The percentiles to p(99.99), in the order of [`TAIL`], and the most; all are 0 where there was no time.
    pub(crate) fn tail(&self) -> [u64; TAIL.len()] {
        if self.count() == 0 {
            return [0; TAIL.len()];
        }
        let [percentiles @ .., _] = TAIL.map(|(_, per_10_000)| self.percentile(per_10_000));
        let [p50, p90, p95, p99, p999, p9999] = percentiles;
        [p50, p90, p95, p99, p999, p9999, self.most_ns]
    }

    /// The distribution: pairs of `1 / (1 - p)` and the `p` quantile, [`CURVE_POINTS`] for each power of ten, up to where
    /// a single time is left.
    pub(crate) fn curve(&self) -> Vec<(f64, u64)> {
        let count = self.count();
        let last = CURVE_POINTS * (count.max(1) as f64).log10();
        let inverse = |point: u32| 10_f64.powf(f64::from(point) / CURVE_POINTS);
        let points = (0..=last as u32).filter(|_| count > 0).map(inverse);
        points
            .map(|inverse| (inverse, self.at_rank(((1.0 - 1.0 / inverse) * count as f64) as u64 + 1)))
            .collect()
    }

    /// How many times there were that are not 0.
    #[cfg(test)]
    pub(crate) fn times_above_zero(&self) -> u64 {
        self.times.len()
    }

    fn percentile(&self, per_10_000: u64) -> u64 {
        self.at_rank((self.count() * per_10_000).div_ceil(10_000))
    }

    /// The time of this rank, from 1, among all of them.
    fn at_rank(&self, rank: u64) -> u64 {
        let rank = rank.clamp(1, self.count());
        // The zeros come first.
        if rank <= self.zeros {
            return 0;
        }
        let quantile = (rank - self.zeros) as f64 / self.times.len() as f64;
        self.times.value_at_quantile(quantile).clamp(self.least_ns, self.most_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(times: impl IntoIterator<Item = u64>, expect: Figures) {
        let mut trend = Trend::default();
        times.into_iter().for_each(|ns| trend.record(ns));
        assert_eq!(trend.figures(), expect);
    }

    #[test]
    fn figures() {
        let same = |ns| Figures {
            average: ns,
            least: ns,
            median: ns,
            most: ns,
            p90: ns,
            p95: ns,
            p99: ns,
            p999: ns,
        };
        check([], Figures::default());
        check([0], Figures::default());
        check([7], same(7));
        check([123_456_789], same(123_456_789));
        check(
            [0, 0, 0, 8],
            Figures { average: 2, most: 8, p90: 8, p95: 8, p99: 8, p999: 8, ..Figures::default() },
        );
        let hundred =
            Figures { average: 50, least: 1, median: 50, most: 100, p90: 90, p95: 95, p99: 99, p999: 100 };
        check(1..=100, hundred);
        check((1..=100).rev(), hundred);
        // Past what is told apart the most and the average stay exact.
        let far = Figures { average: 2 * LONGEST_NS, most: 2 * LONGEST_NS, least: 2 * LONGEST_NS, ..same(0) };
        let mut trend = Trend::default();
        trend.record(2 * LONGEST_NS);
        assert_eq!(Figures { median: 0, p90: 0, p95: 0, p99: 0, p999: 0, ..trend.figures() }, far);
    }

    #[track_caller]
    fn check_tail(times: impl IntoIterator<Item = u64>, expect: [u64; TAIL.len()]) {
        let mut trend = Trend::default();
        times.into_iter().for_each(|ns| trend.record(ns));
        assert_eq!(trend.tail(), expect);
    }

    #[test]
    fn tails() {
        check_tail([], [0; 7]);
        check_tail([7], [7; 7]);
        check_tail([0, 0, 0, 8], [0, 8, 8, 8, 8, 8, 8]);
        check_tail(1..=1_000, [500, 900, 950, 990, 999, 1_000, 1_000]);
        // One in ten thousand is the p(99.99), and one in more is the most alone.
        let rare = |count: u64| (0..count).map(|at| if at == 0 { 1_000_000 } else { 10 });
        check_tail(rare(9_999), [10, 10, 10, 10, 10, 1_000_000, 1_000_000]);
        check_tail(rare(10_001), [10, 10, 10, 10, 10, 10, 1_000_000]);
        // Ten minutes are told apart from five.
        let minute = 60_000_000_000_u64;
        let mut trend = Trend::default();
        [5 * minute, 10 * minute].into_iter().for_each(|ns| trend.record(ns));
        assert_eq!(trend.tail()[0] / minute, 5);
        assert_eq!(trend.tail()[5], 10 * minute);
    }

    #[test]
    fn sums_of_trends() {
        let mut parts = [Trend::default(), Trend::default(), Trend::default()];
        parts[0].record(0);
        parts[1].record(10);
        parts[1].record(20);
        let expect =
            Figures { average: 10, least: 0, median: 10, most: 20, p90: 20, p95: 20, p99: 20, p999: 20 };
        assert_eq!(Trend::of(&parts).figures(), expect);
    }

    #[test]
    fn times_since_a_state_before() {
        let mut trend = Trend::default();
        [0, 1_000].into_iter().for_each(|ns| trend.record(ns));
        let before = Trend::of([&trend]);
        assert_eq!(trend.since(&before).figures(), Figures::default());
        [0, 10, 20].into_iter().for_each(|ns| trend.record(ns));
        let expect =
            Figures { average: 10, least: 0, median: 10, most: 20, p90: 20, p95: 20, p99: 20, p999: 20 };
        assert_eq!(trend.since(&before).figures(), expect);
    }

    #[test]
    fn curves() {
        assert!(Trend::default().curve().is_empty());
        let mut trend = Trend::default();
        (1..=100).for_each(|ns| trend.record(ns));
        let curve = trend.curve();
        assert_eq!(curve.len(), 33);
        assert_eq!(
            [curve[0], curve[32]].map(|(inverse, ns)| (inverse.round(), ns)),
            [(1.0, 1), (100.0, 100)]
        );
        assert_eq!(curve[16].1, 91);
        assert!(curve.is_sorted_by_key(|(_, ns)| *ns), "{curve:?}");
    }
}
