//! What a run has measured.
//!
//! k6's metrics, with nothing recorded twice: what is a sum or the same of another metric is made from it when the
//! summary is written, since each record is on the path of a request.
//!
//! The phases of a request, as they can be told apart by who reads the clock once a turn:
//! - *blocked* and *connecting*: the time it took to connect, for the first request of a connection; 0 for all
//!   others. A virtual user has its connection to itself, so there is no other reason to wait.
//! - *sending*: from handing the request to the ring to the turn that saw it sent. Where the same turn saw the
//!   answer, too, the two can't be told apart: sending is 0 and the time counts as waiting.
//! - *waiting*: from there to the turn that saw the answer's first byte.
//! - *receiving*: from there to the turn that saw its last; 0 for an answer that came in one piece, as nearly all do.
//! - *TLS handshaking*: 0, there is none.
//!
//! The sum of sending, waiting and receiving is the request's duration, exactly. In an open loop (`--rate`) a request has an
//! intended start, which its duration runs from: what it waited for a connection is *blocked*, and is part of the sum.
//!
//! Where clients have a rate or a patience, a refusal (-1, or HTTP 503) and a request that was given up are put aside:
//! `overload` has them, and neither checks nor durations here.

use hdrhistogram::Histogram;

use super::overload::{Overload, Place, Pressure};
use super::scenario::RequestType;

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

/// What an answer was found to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// The HTTP status; 0 where there was no answer.
    pub(crate) status: u16,
    /// The body's `ErrorCode` is 0.
    pub(crate) is_success: bool,
    /// The server could not answer now, and may be asked again: `ErrorCode` -1, or HTTP 503.
    pub(crate) is_refusal: bool,
}

impl Verdict {
    /// What k6 takes for a request that has not failed.
    const fn is_expected(self) -> bool {
        matches!(self.status, 200..=399)
    }

    /// Whether the server has answered.
    pub(crate) const fn is_answer(self) -> bool {
        self.status != 0
    }

    /// The results of the checks, in the order of [`CHECKS`].
    const fn checks(self) -> [bool; CHECKS.len()] {
        [self.status == 200, self.is_success]
    }
}

/// The checks of every answer, under the names that the k6 script gives them.
pub(crate) const CHECKS: [&str; 2] = ["is status 200", "is body errorCode 0"];

/// A request that has ended, times in nanoseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sample {
    /// From the end of the step before to the end of this one.
    pub(crate) group: u64,
    /// Part of it that was needed to connect.
    pub(crate) connecting: u64,
    /// From its intended start to when it was handed to the ring; 0 in a closed loop.
    pub(crate) blocked: u64,
    pub(crate) sending: u64,
    pub(crate) waiting: u64,
    pub(crate) receiving: u64,
    pub(crate) verdict: Verdict,
}

impl Sample {
    /// From when it was handed to the ring to its end.
    pub(crate) const fn since_sent(&self) -> u64 {
        self.sending + self.waiting + self.receiving
    }

    /// From its intended start to its end.
    pub(crate) const fn duration(&self) -> u64 {
        self.blocked + self.since_sent()
    }
}

/// How often something was so, and how often not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passes: u64,
    pub(crate) fails: u64,
}

impl Tally {
    fn count(&mut self, passed: bool) {
        *(if passed { &mut self.passes } else { &mut self.fails }) += 1;
    }

    /// How often it was looked at.
    pub(crate) const fn total(self) -> u64 {
        self.passes + self.fails
    }
}

/// What was measured of one type of request.
#[derive(Debug, Default)]
pub(crate) struct TypeStats {
    /// Durations of requests that have not failed.
    pub(crate) expected: Trend,
    /// Durations of those that have.
    pub(crate) failed: Trend,
    /// In the order of [`CHECKS`].
    pub(crate) checks: [Tally; CHECKS.len()],
    /// Refused or given up, where that is put aside.
    aside: u64,
}

impl TypeStats {
    /// Requests that have ended.
    pub(crate) fn requests(&self) -> u64 {
        self.expected.count() + self.failed.count() + self.aside
    }

    /// Those whose `ErrorCode` was 0.
    pub(crate) const fn successes(&self) -> u64 {
        self.checks[1].passes
    }

    /// Durations of all of them.
    pub(crate) fn durations(&self) -> Trend {
        Trend::of([&self.expected, &self.failed])
    }
}

/// What was measured of a run.
#[derive(Debug, Default)]
pub(crate) struct Stats {
    types: [TypeStats; RequestType::COUNT],
    pub(crate) group: Trend,
    pub(crate) connecting: Trend,
    pub(crate) blocked: Trend,
    pub(crate) sending: Trend,
    pub(crate) waiting: Trend,
    pub(crate) receiving: Trend,
    pub(crate) iteration: Trend,
    pub(crate) interrupted: u64,
    pub(crate) bytes_sent: u64,
    pub(crate) bytes_received: u64,
    /// What clients with a rate or a patience have seen; `None` where they have neither.
    pub(crate) overload: Option<Box<Overload>>,
    requests: u64,
    failed: u64,
    checked: u64,
    failed_checks: u64,
}

impl Stats {
    /// Nothing yet, of clients that press the server in this way.
    pub(crate) fn of_clients(pressure: Pressure) -> Self {
        let overload = pressure.is_any().then(|| Box::new(Overload { pressure, ..Overload::default() }));
        Self { overload, ..Self::default() }
    }

    /// Takes a request that has ended.
    pub(crate) fn record(&mut self, kind: RequestType, sample: &Sample) {
        let duration = sample.duration();
        let of_type = &mut self.types[kind as usize];
        self.requests += 1;
        self.connecting.record(sample.connecting);
        if let Some(overload) = &mut self.overload
            && overload.take(sample) == Place::Aside
        {
            of_type.aside += 1;
            return;
        }
        if sample.verdict.is_expected() {
            of_type.expected.record(duration);
        } else {
            of_type.failed.record(duration);
            self.failed += 1;
        }
        for (tally, passed) in of_type.checks.iter_mut().zip(sample.verdict.checks()) {
            tally.count(passed);
            self.checked += 1;
            self.failed_checks += u64::from(!passed);
        }
        self.group.record(sample.group);
        self.blocked.record(sample.blocked);
        self.sending.record(sample.sending);
        self.waiting.record(sample.waiting);
        self.receiving.record(sample.receiving);
    }

    /// Takes a request that its client has given up.
    pub(crate) fn give_up(&mut self, kind: RequestType, sample: &Sample) {
        self.requests += 1;
        self.types[kind as usize].aside += 1;
        self.connecting.record(sample.connecting);
        if let Some(overload) = &mut self.overload {
            overload.given_up += 1;
        }
    }

    /// What was measured of a type of request.
    pub(crate) const fn of(&self, kind: RequestType) -> &TypeStats {
        &self.types[kind as usize]
    }

    /// Requests that have ended.
    pub(crate) const fn requests(&self) -> u64 {
        self.requests
    }

    /// Those of them without an answer that k6 would expect.
    pub(crate) const fn failed(&self) -> u64 {
        self.failed
    }

    /// Durations of all requests.
    pub(crate) fn durations(&self) -> Trend {
        Trend::of(self.types.iter().flat_map(|of_type| [&of_type.expected, &of_type.failed]))
    }

    /// All checks of all answers.
    pub(crate) const fn checks(&self) -> Tally {
        Tally { passes: self.checked - self.failed_checks, fails: self.failed_checks }
    }

    /// Whether every check has passed. A run without one has shown nothing.
    pub(crate) const fn all_passed(&self) -> bool {
        let checks = self.checks();
        checks.fails == 0 && checks.passes > 0
    }

    /// Iterations that came to their end.
    pub(crate) fn iterations(&self) -> u64 {
        self.iteration.count()
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

    #[track_caller]
    fn check_sample(status: u16, is_success: bool, failed: u64, expect: [Tally; 2]) {
        let mut stats = Stats::default();
        let verdict = Verdict { status, is_success, ..Verdict::default() };
        let sample = Sample { sending: 1, waiting: 20, receiving: 300, verdict, ..Sample::default() };
        stats.record(RequestType::RedeemToken, &sample);
        let of_type = stats.of(RequestType::RedeemToken);
        assert_eq!((stats.requests(), stats.failed(), of_type.requests()), (1, failed, 1));
        assert_eq!(of_type.checks, expect);
        let duration = if failed == 0 { &of_type.expected } else { &of_type.failed };
        assert_eq!(duration.figures().average, 321);
        assert_eq!(stats.checks().fails, expect[0].fails + expect[1].fails);
        assert_eq!(stats.checks().total(), 2);
    }

    #[test]
    fn samples() {
        let (yes, no) = (Tally { passes: 1, fails: 0 }, Tally { passes: 0, fails: 1 });
        check_sample(200, true, 0, [yes, yes]);
        check_sample(200, false, 0, [yes, no]);
        check_sample(204, true, 0, [no, yes]);
        check_sample(503, false, 1, [no, no]);
        check_sample(0, false, 1, [no, no]);
    }
}
