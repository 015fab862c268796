//! What a run does from second to second.
//!
//! It is the difference of what was measured so far at two looks. So a request costs nothing more for it; a look costs
//! what it takes to subtract two histograms, some tens of microseconds once a second.

use super::stats::{Figures, Stats, Trend};

/// A part at the end of a run that is shorter than this says little of a rate, and is left out.
const SHORTEST_NS: u64 = 500_000_000;

/// What was done between two looks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Interval {
    /// From the start of the run to the end of the interval.
    pub(crate) ended_ns: u64,
    pub(crate) length_ns: u64,
    /// Requests that have ended in it.
    pub(crate) requests: u64,
    /// Those of them that have failed.
    pub(crate) failed: u64,
    /// Their durations.
    pub(crate) latency: Figures,
}

impl Interval {
    /// Requests in a second.
    pub(crate) fn rate(&self) -> f64 {
        self.requests as f64 * 1e9 / self.length_ns.max(1) as f64
    }
}

/// The intervals of a run, and what was measured when the last of them ended.
#[derive(Debug, Default)]
pub(crate) struct Intervals {
    intervals: Vec<Interval>,
    durations: Trend,
    elapsed_ns: u64,
    requests: u64,
    failed: u64,
}

impl Intervals {
    /// Takes a look, `elapsed_ns` after the start of the run.
    pub(crate) fn look(&mut self, elapsed_ns: u64, stats: &Stats) {
        let durations = stats.durations();
        self.intervals.push(Interval {
            ended_ns: elapsed_ns,
            length_ns: elapsed_ns - self.elapsed_ns,
            requests: stats.requests() - self.requests,
            failed: stats.failed() - self.failed,
            latency: durations.since(&self.durations).figures(),
        });
        self.durations = durations;
        self.elapsed_ns = elapsed_ns;
        self.requests = stats.requests();
        self.failed = stats.failed();
    }

    /// Takes the last look, and gives all intervals out.
    pub(crate) fn finish(mut self, elapsed_ns: u64, stats: &Stats) -> Vec<Interval> {
        if elapsed_ns - self.elapsed_ns >= SHORTEST_NS {
            self.look(elapsed_ns, stats);
        }
        self.intervals
    }
}

#[cfg(test)]
mod tests {
    use super::super::scenario::RequestType;
    use super::super::stats::{AnswerCheck, Sample};
    use super::*;

    fn record(stats: &mut Stats, status: u16, ns: u64) {
        let verdict = AnswerCheck { status, is_success: status == 200, ..AnswerCheck::default() };
        stats.record(RequestType::Balance, &Sample { waiting: ns, verdict, ..Sample::default() });
    }

    #[test]
    fn intervals() {
        let (mut series, mut stats) = (Intervals::default(), Stats::default());
        record(&mut stats, 200, 30);
        series.look(1_000_000_000, &stats);
        series.look(2_000_000_000, &stats);
        record(&mut stats, 200, 10);
        record(&mut stats, 503, 20);
        let found = series.finish(2_500_000_000, &stats);
        let counts = found.iter().map(|one| (one.ended_ns, one.requests, one.failed, one.latency.most));
        let expect = [(1_000_000_000, 1, 0, 30), (2_000_000_000, 0, 0, 0), (2_500_000_000, 2, 1, 20)];
        assert_eq!(counts.collect::<Vec<_>>(), expect);
        assert_eq!(found[2].rate(), 4.0);
        assert_eq!(found[2].latency.average, 15);
    }

    #[test]
    fn a_short_end_is_left_out() {
        let mut series = Intervals::default();
        series.look(1_000_000_000, &Stats::default());
        assert_eq!(series.finish(1_400_000_000, &Stats::default()).len(), 1);
    }
}
