//! What a long run was at its beginning, and in each part of the rest: whether a server that has played for long does as well as
//! a new one.

use std::fmt::Write as _;
use std::ops::Range;

use super::sampler::Second;
use crate::facts::{MIB, grouped};
use crate::load::{Interval, median};
use crate::plot::Unit;

/// Seconds of the beginning.
const FIRST_S: u64 = 60;

/// Equal parts of the rest.
const PARTS: u64 = 6;

/// A run is this long at least for its parts to be told, in seconds: each is as long as the beginning.
const RUN_S: u64 = FIRST_S * (PARTS + 1);

const NS: u64 = 1_000_000_000;

/// The table of the parts; empty of a run that is too short for that.
pub(super) fn section(began_ns: u64, intervals: &[Interval], samples: &[Second]) -> String {
    let ended_ns = intervals.last().map_or(0, |interval| interval.ended_ns);
    if ended_ns < RUN_S * NS {
        return String::new();
    }
    let part_ns = (ended_ns - FIRST_S * NS) / PARTS;
    let mut text = String::from(
        "## The first minute and the rest\n\nThe rest is in six equal parts. Rate and p(99.9) are those of each second.\n\n\
         | from | to | requests/s, median | p(99.9), median | p(99.9), largest | resident memory at its end | heap in use at its \
         end | written to the disk, times the journal |\n|---|---|---|---|---|---|---|---|\n",
    );
    let mut from_ns = 0;
    for part in 0..=PARTS {
        let to_ns = FIRST_S * NS + part * part_ns;
        row(&mut text, began_ns, from_ns + 1..to_ns + 1, intervals, samples);
        from_ns = to_ns;
    }
    let mib = |sum: f64| grouped((sum / MIB) as u64);
    let (written, journal) = written(samples.iter());
    let _ = write!(
        text,
        "\nIn all the server has written {} MiB to the disk, and {} MiB of that are its journal, which is written into \
         segments that were filled with zeros before. The rest is those zeros, snapshots, the history's files, and the archive.\n\n",
        mib(written),
        mib(journal)
    );
    text
}

/// The row of what ended in this range, in nanoseconds since the run began.
fn row(text: &mut String, began_ns: u64, ended: Range<u64>, intervals: &[Interval], samples: &[Second]) {
    let intervals = || intervals.iter().filter(|interval| ended.contains(&interval.ended_ns));
    let samples = || samples.iter().filter(|sample| ended.contains(&sample.at_ns.saturating_sub(began_ns)));
    // A second in which nothing has ended has no latency.
    let p999 = || {
        let known = intervals().filter(|interval| interval.requests > 0);
        known.map(|interval| interval.latency.p999 as f64 / 1e9)
    };
    let (written, journal) = written(samples());
    let bytes = |of: fn(&Second) -> Option<f64>| (samples().filter_map(of).next_back(), Unit::Bytes);
    let elapsed = |ns: u64| Unit::Elapsed.text(ns as f64 / 1e9);
    let _ = write!(text, "| {} | {} |", elapsed(ended.start), elapsed(ended.end));
    let rate = median(intervals().map(Interval::rate).collect());
    let _ = write!(text, " {} |", rate.map_or_else(|| "–".to_owned(), |rate| grouped(rate as u64)));
    for (value, unit) in [
        (median(p999().collect()), Unit::Seconds),
        (p999().reduce(f64::max), Unit::Seconds),
        bytes(|sample| sample.resident_bytes.map(|bytes| bytes as f64)),
        bytes(|sample| sample.heap_used_bytes),
    ] {
        let _ = write!(text, " {} |", value.map_or_else(|| "–".to_owned(), |value| unit.text(value)));
    }
    let ratio = if journal > 0.0 { format!("{:.2}", written / journal) } else { "–".to_owned() };
    let _ = writeln!(text, " {ratio} |");
}

/// Bytes that were written to the disk in these seconds, and those of the journal.
fn written<'a>(samples: impl Iterator<Item = &'a Second>) -> (f64, f64) {
    let add = |(written, journal): (f64, f64), second: &Second| {
        (written + second.written.unwrap_or(0.0), journal + second.journal.unwrap_or(0.0))
    };
    samples.fold((0.0, 0.0), add)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::Figures;

    fn interval(second: u64) -> Interval {
        // Nothing ends in one of the seconds.
        let requests = if second == 30 { 0 } else { 1_000 + second };
        let p999 = if requests == 0 { 0 } else { second * 1_000_000 };
        let latency = Figures { p999, ..Figures::default() };
        Interval { ended_ns: second * NS, length_ns: NS, requests, failed: 0, latency }
    }

    /// A run that began at seven seconds of the clock.
    fn told(seconds: u64) -> String {
        let sample = |second: u64| Second {
            at_ns: (7 + second) * NS,
            resident_bytes: Some(second << 20),
            heap_used_bytes: (second < 61).then_some(1_073_741_824.0),
            written: Some(3_000_000.0),
            journal: Some(if second > 60 { 1_000_000.0 } else { 2_000_000.0 }),
            ..Second::default()
        };
        let (intervals, samples): (Vec<_>, Vec<_>) =
            (1..=seconds).map(|second| (interval(second), sample(second))).unzip();
        section(7 * NS, &intervals, &samples)
    }

    #[test]
    fn a_long_run_is_told_in_parts() {
        assert_eq!(told(419), "");
        let text = told(660);
        let rows: Vec<&str> =
            text.lines().filter(|line| line.starts_with("| 0:") || line.starts_with("| 9:")).collect();
        assert_eq!(
            rows,
            [
                "| 0:00 | 1:00 | 1,031 | 31 ms | 60 ms | 60 MiB | 1 GiB | 1.50 |",
                "| 9:20 | 11:00 | 1,611 | 611 ms | 660 ms | 660 MiB | – | 3.00 |",
            ],
            "{text}"
        );
        assert_eq!(
            text.lines().filter(|line| line.ends_with(".00 |") || line.ends_with(".50 |")).count(),
            7,
            "{text}"
        );
        let all = "In all the server has written 1,888 MiB to the disk, and 686 MiB of that are its journal,";
        assert!(text.contains(all), "{text}");
    }

    #[test]
    fn a_run_of_which_nothing_was_sampled() {
        let intervals: Vec<Interval> = (1..=420).map(interval).collect();
        let text = section(0, &intervals, &[]);
        assert!(text.contains("| 0:00 | 1:00 | 1,031 | 31 ms | 60 ms | – | – | – |"), "{text}");
    }
}
