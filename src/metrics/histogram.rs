//! A histogram of times, and its text.

use super::{Cell, line};
use alloc::boxed::Box;
use alloc::string::String;

/// Upper bounds of a histogram's buckets, and what its numbers are.
#[derive(Debug)]
pub(super) struct Scale {
    /// In the scale's unit, rising.
    pub(super) bounds: &'static [u64],
    /// The unit's digits behind the point of a second: 6 of a microsecond, 9 of a nanosecond.
    pub(super) digits: usize,
}

/// Latencies. Under load a turn takes some hundred microseconds; the seed's service took 100,000.
pub(super) const LATENCY: Scale = Scale {
    bounds: &[
        25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
        1_000_000, 10_000_000,
    ],
    digits: 6,
};

/// Stages of a request: from a request head that is looked at, to a disk that is slow.
pub(super) const STAGE: Scale = Scale {
    bounds: &[
        100,
        250,
        500,
        1_000,
        2_500,
        5_000,
        10_000,
        25_000,
        50_000,
        100_000,
        250_000,
        500_000,
        1_000_000,
        2_500_000,
        5_000_000,
        10_000_000,
        25_000_000,
        50_000_000,
        100_000_000,
    ],
    digits: 9,
};

/// Times of one kind.
#[derive(Debug)]
pub(super) struct Histogram {
    scale: &'static Scale,
    /// One more than there are bounds: what is over the last.
    buckets: Box<[Cell]>,
    sum: Cell,
}

impl Histogram {
    /// One that has counted nothing.
    pub(super) fn new(scale: &'static Scale) -> Self {
        let buckets = (0..=scale.bounds.len()).map(|_| Cell::default()).collect();
        Self { scale, buckets, sum: Cell::default() }
    }

    /// Counts `time`, in the scale's unit, `times` times.
    pub(super) fn record(&self, time: u64, times: u64) {
        let at = self.scale.bounds.partition_point(|bound| *bound < time);
        self.buckets[at].add(times);
        self.sum.add(time.saturating_mul(times));
    }

    /// Appends its lines, each with `labels`; nothing where nothing was counted.
    pub(super) fn write(&self, out: &mut String, name: &str, labels: &str) {
        let count: u64 = self.buckets.iter().map(Cell::get).sum();
        if count == 0 {
            return;
        }
        let Scale { bounds, digits } = *self.scale;
        let mut below = 0;
        for (bound, bucket) in bounds.iter().zip(&self.buckets) {
            below += bucket.get();
            let bound = Seconds(*bound, digits);
            line(out, format_args!("{name}_bucket{{{labels},le=\"{bound}\"}} {below}"));
        }
        line(out, format_args!("{name}_bucket{{{labels},le=\"+Inf\"}} {count}"));
        line(out, format_args!("{name}_sum{{{labels}}} {}", Seconds(self.sum.get(), digits)));
        line(out, format_args!("{name}_count{{{labels}}} {count}"));
    }
}

/// A time whose unit has this many digits behind the point of a second, shown as seconds.
pub(super) struct Seconds(pub(super) u64, pub(super) usize);

impl core::fmt::Display for Seconds {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self(time, digits) = *self;
        let second = 10_u64.pow(digits as u32);
        write!(f, "{}.{:0digits$}", time / second, time % second)
    }
}
