//! What a run was at its beginning and at its end: whether a server that has played for long does as well as a new one.

use std::fmt::Write as _;

use super::sampler::Second;
use crate::facts::{self, MIB};
use crate::load::{Interval, median};

/// Seconds of each column.
const COLUMN_S: u64 = 60;

/// A run is this long at least, in columns, for the first and the last to be compared.
const COLUMNS_MIN: u64 = 3;

const NS: u64 = 1_000_000_000;

/// A minute of the run.
struct Minute {
    name: &'static str,
    rate: Option<f64>,
    /// The median, and the most, of its seconds.
    p999_ms: [Option<f64>; 2],
    resident_mib: Option<f64>,
    heap_used_mib: Option<f64>,
}

impl Minute {
    /// The minute that ends so many nanoseconds after the run began.
    fn of(
        name: &'static str,
        began_ns: u64,
        ends_ns: u64,
        intervals: &[Interval],
        samples: &[Second],
    ) -> Self {
        let within = |at_ns: u64| at_ns + COLUMN_S * NS > ends_ns && at_ns <= ends_ns;
        let of_intervals = |of: fn(&Interval) -> f64| -> Vec<f64> {
            intervals.iter().filter(|interval| within(interval.ended_ns)).map(of).collect()
        };
        let last = |of: fn(&Second) -> Option<f64>| {
            let mut sampled = samples.iter().filter(|sample| within(sample.at_ns.saturating_sub(began_ns)));
            sampled.rfind(|sample| of(sample).is_some()).and_then(of).map(|bytes| bytes / MIB)
        };
        let p999: Vec<f64> = of_intervals(|interval| interval.latency.p999 as f64 / 1e6);
        Self {
            name,
            rate: median(of_intervals(Interval::rate)),
            p999_ms: [median(p999.clone()), p999.into_iter().reduce(f64::max)],
            resident_mib: last(|sample| sample.resident_bytes.map(|bytes| bytes as f64)),
            heap_used_mib: last(|sample| sample.heap_used_bytes),
        }
    }
}

/// The first two minutes and the last one as a table, and what was written; empty of a run that is too short for that.
pub(super) fn section(began_ns: u64, intervals: &[Interval], samples: &[Second]) -> String {
    let ended_ns = intervals.last().map_or(0, |interval| interval.ended_ns);
    if ended_ns < COLUMNS_MIN * COLUMN_S * NS {
        return String::new();
    }
    let minute = |name, ends_ns| Minute::of(name, began_ns, ends_ns, intervals, samples);
    let minutes = [
        minute("first minute", COLUMN_S * NS),
        minute("second minute", 2 * COLUMN_S * NS),
        minute("last minute", ended_ns),
    ];
    let mut text = String::from("## The first minutes and the last\n\n| |");
    for minute in &minutes {
        let _ = write!(text, " {} |", minute.name);
    }
    text.push_str("\n|---|---|---|---|\n");
    let mut row = |name: &str, of: &dyn Fn(&Minute) -> Option<f64>, decimals: usize| {
        let _ = write!(text, "| {name} |");
        for minute in &minutes {
            let cell = of(minute).map_or_else(|| "–".to_owned(), |value| format!("{value:.decimals$}"));
            let _ = write!(text, " {cell} |");
        }
        text.push('\n');
    };
    row("requests per second, median of its seconds", &|minute| minute.rate, 0);
    row("p(99.9) of a second in ms, median", &|minute| minute.p999_ms[0], 2);
    row("p(99.9) of a second in ms, largest", &|minute| minute.p999_ms[1], 2);
    row("resident memory at its end in MiB", &|minute| minute.resident_mib, 0);
    row("heap in use at its end in MiB", &|minute| minute.heap_used_mib, 0);
    // A second of which one of them is not known counts for neither.
    let both = samples.iter().filter_map(|second| Some((second.written?, second.journal?)));
    let (written, journal) = both.fold((0.0, 0.0), |sums, more| (sums.0 + more.0, sums.1 + more.1));
    if journal > 0.0 {
        let mib = |bytes: f64| facts::grouped((bytes / MIB) as u64);
        let _ = write!(
            text,
            "\nThe server wrote {} MiB to the disk in all: {:.2} times the {} MiB of its journal. The rest is segments \
             that are filled with zeros before their use, folds, and the archive.\n",
            mib(written),
            written / journal,
            mib(journal)
        );
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::Figures;

    #[test]
    fn a_long_run_is_compared_with_its_beginning() {
        let interval = |second: u64| Interval {
            ended_ns: second * NS,
            length_ns: NS,
            requests: second,
            failed: 0,
            latency: Figures { p999: second * 1_000_000, ..Figures::default() },
        };
        let sample = |second: u64| Second {
            at_ns: (7 + second) * NS,
            resident_bytes: Some(second << 20),
            written: Some(3_000_000.0),
            // Its metrics were not answered twice.
            journal: (!second.is_multiple_of(100)).then_some(2_000_000.0),
            ..Second::default()
        };
        let run = |seconds: u64| {
            let (intervals, samples): (Vec<_>, Vec<_>) =
                (1..=seconds).map(|second| (interval(second), sample(second))).unzip();
            section(7 * NS, &intervals, &samples)
        };
        assert_eq!(run(179), "");
        let text = run(200);
        for row in [
            "| | first minute | second minute | last minute |\n",
            "| requests per second, median of its seconds | 31 | 91 | 171 |\n",
            "| p(99.9) of a second in ms, median | 31.00 | 91.00 | 171.00 |\n",
            "| p(99.9) of a second in ms, largest | 60.00 | 120.00 | 200.00 |\n",
            "| resident memory at its end in MiB | 60 | 120 | 200 |\n",
            "| heap in use at its end in MiB | – | – | – |\n",
            "wrote 566 MiB to the disk in all: 1.50 times the 377 MiB of its journal.",
        ] {
            assert!(text.contains(row), "{row}{text}");
        }
    }
}
