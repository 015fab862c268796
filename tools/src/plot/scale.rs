//! Where a value is on an axis, and what is written beside it.

use super::Axis;

/// How the numbers of an axis are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// With k, M and G for thousands.
    Number,
    /// Durations in seconds, as µs, ms or s.
    Seconds,
    /// KiB, MiB, GiB.
    Bytes,
    /// Values from 0 to 100.
    Percent,
    /// Seconds since a start, as 1:30.
    Elapsed,
    /// A value `p` of the axis stands for the share `1 - 1/p`: 1, 10, 100 and 1,000 are 0, 90, 99 and 99.9 %.
    Percentile,
}

impl Unit {
    /// The value's text.
    pub(crate) fn text(self, value: f64) -> String {
        match self {
            _ if value == 0.0 => "0".to_owned(),
            Self::Number => prefixed(value, &NUMBERS),
            Self::Seconds => prefixed(value, &SECONDS),
            Self::Bytes => prefixed(value, &BYTES),
            Self::Percent => format!("{} %", digits(value)),
            Self::Percentile => {
                // As many nines as it takes to tell it from 100.
                let decimals = (value.log10().ceil() - 2.0).clamp(0.0, 12.0) as usize;
                format!("{:.decimals$} %", 100.0 - 100.0 / value)
            }
            Self::Elapsed => {
                let seconds = value.round() as u64;
                let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
                match hours {
                    0 => format!("{minutes}:{seconds:02}"),
                    _ => format!("{hours}:{minutes:02}:{seconds:02}"),
                }
            }
        }
    }

    /// The distance of round numbers that is at least `least`.
    fn step(self, least: f64) -> f64 {
        const ELAPSED: [f64; 17] = [
            1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1_800.0, 3_600.0, 7_200.0,
            10_800.0, 21_600.0, 43_200.0,
        ];
        match self {
            Self::Elapsed => ELAPSED.into_iter().find(|step| *step >= least).unwrap_or(86_400.0),
            Self::Bytes => {
                let unit = 1_024_f64.powf(least.max(1.0).log(1_024.0).floor());
                // 1, 2, 5, 10 … 500 of a unit, and then 1 of the next.
                let steps = round(least / unit);
                unit * if steps > 500.0 { 1_024.0 } else { steps }
            }
            _ => round(least),
        }
    }
}

type Prefixes = [(f64, &'static str)];

const NUMBERS: [(f64, &str); 4] = [(1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, "")];

const SECONDS: [(f64, &str); 4] = [(1.0, " s"), (1e-3, " ms"), (1e-6, " µs"), (1e-9, " ns")];

const BYTES: [(f64, &str); 4] =
    [(1_073_741_824.0, " GiB"), (1_048_576.0, " MiB"), (1_024.0, " KiB"), (1.0, " B")];

/// The value in the largest unit of which it is at least one.
fn prefixed(value: f64, prefixes: &Prefixes) -> String {
    // A sum of steps may fall short of what it stands for by its last bits.
    let fits = |(unit, _): &&(f64, &str)| value.abs() >= unit * (1.0 - 1e-9);
    let (unit, prefix) = prefixes.iter().find(fits).unwrap_or(&prefixes[prefixes.len() - 1]);
    format!("{}{prefix}", digits(value / unit))
}

/// Up to three decimals, without trailing zeros.
fn digits(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// The least of 1, 2 and 5 times a power of ten that is not below `value`, which is above 0.
fn round(value: f64) -> f64 {
    let power = 10_f64.powf(value.log10().floor());
    let factor = [1.0, 2.0, 5.0].into_iter().find(|factor| factor * power >= value * (1.0 - 1e-9));
    factor.unwrap_or(10.0) * power
}

/// The largest of them that is not above `value`.
fn round_down(value: f64) -> f64 {
    let power = 10_f64.powf((value * (1.0 + 1e-9)).log10().floor());
    let factor = [5.0, 2.0].into_iter().find(|factor| factor * power <= value * (1.0 + 1e-9));
    factor.unwrap_or(1.0) * power
}

/// An axis over the values that it has to show.
#[derive(Clone, Debug)]
pub(super) struct Scale {
    log: bool,
    from: f64,
    to: f64,
    /// Values that are named.
    pub(super) ticks: Vec<f64>,
}

impl Scale {
    /// A scale for `values` with about `ticks` round numbers. One that is `whole` ends at round numbers, and begins
    /// at 0 where it is linear; else it ends where the values do.
    pub(super) fn new(axis: &Axis, values: impl IntoIterator<Item = f64>, ticks: usize, whole: bool) -> Self {
        let shown = values.into_iter().filter(|value| shows(axis.log, *value));
        let (mut from, mut to) =
            shown.fold((f64::INFINITY, 0.0_f64), |(from, to), value| (value.min(from), value.max(to)));
        if from > to {
            (from, to) = (1.0, 1.0);
        }
        let mut scale = if axis.log {
            if whole || from == to {
                (from, to) = (round_down(from), round(to));
                to = if from == to { 10.0 * from } else { to };
            }
            Self { log: true, from, to, ticks: log_ticks(from, to, ticks) }
        } else {
            from = if whole { 0.0 } else { from };
            to = if from == to { from + 1.0 } else { to };
            let step = axis.unit.step((to - from) / ticks as f64);
            to = if whole { step * (to / step * (1.0 - 1e-9)).ceil() } else { to };
            let first = (from / step).ceil() as i64;
            let last = (to / step * (1.0 + 1e-9)).floor() as i64;
            Self { log: false, from, to, ticks: (first..=last).map(|count| count as f64 * step).collect() }
        };
        if !axis.ticks.is_empty() {
            let within = |tick: &&f64| (scale.from..=scale.to).contains(*tick);
            scale.ticks = axis.ticks.iter().filter(within).copied().collect();
        }
        scale
    }

    /// The same with a margin at either end, so that a mark on the first value stands clear of the axis.
    pub(super) fn with_margins(self) -> Self {
        const MARGIN: f64 = 0.03;
        let Self { log, from, to, ticks } = self;
        if log {
            let factor = (to / from).powf(MARGIN);
            Self { log, from: from / factor, to: to * factor, ticks }
        } else {
            let margin = MARGIN * (to - from);
            Self { log, from: from - margin, to: to + margin, ticks }
        }
    }

    /// Where the value is, from 0 to 1; `None` where the axis can't show it.
    pub(super) fn place(&self, value: f64) -> Option<f64> {
        if !shows(self.log, value) {
            return None;
        }
        let place = if self.log {
            (value / self.from).ln() / (self.to / self.from).ln()
        } else {
            (value - self.from) / (self.to - self.from)
        };
        Some(place.clamp(0.0, 1.0))
    }
}

fn shows(log: bool, value: f64) -> bool {
    value.is_finite() && (!log || value > 0.0)
}

/// Powers of ten, thinned out where there are many; over less than two of them 1, 2 and 5 times each.
fn log_ticks(from: f64, to: f64, about: usize) -> Vec<f64> {
    let (first, last) = (from.log10().floor() as i32, to.log10().ceil() as i32);
    let factors: &[f64] = if to / from > 100.5 { &[1.0] } else { &[1.0, 2.0, 5.0] };
    let every = if factors.len() > 1 { 1 } else { ((last - first) as usize).div_ceil(about.max(1)).max(1) };
    let powers = (first..=last).step_by(every).map(|power| 10_f64.powi(power));
    let all = powers.flat_map(|power| factors.iter().map(move |factor| factor * power));
    all.filter(|tick| (from * (1.0 - 1e-9)..=to * (1.0 + 1e-9)).contains(tick)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_text(unit: Unit, value: f64, expect: &str) {
        assert_eq!(unit.text(value), expect);
    }

    #[test]
    fn texts() {
        check_text(Unit::Number, 0.0, "0");
        check_text(Unit::Number, 150_000.0, "150k");
        check_text(Unit::Number, 2_500_000.0, "2.5M");
        check_text(Unit::Number, 999.999_999_999_999, "1k");
        check_text(Unit::Number, 0.5, "0.5");
        check_text(Unit::Seconds, 0.000_25, "250 µs");
        check_text(Unit::Seconds, 0.1, "100 ms");
        check_text(Unit::Seconds, 1.5, "1.5 s");
        check_text(Unit::Bytes, 67_108_864.0, "64 MiB");
        check_text(Unit::Bytes, 512.0, "512 B");
        check_text(Unit::Percent, 12.5, "12.5 %");
        check_text(Unit::Percentile, 1.0, "0 %");
        check_text(Unit::Percentile, 2.0, "50 %");
        check_text(Unit::Percentile, 1_000.0, "99.9 %");
        check_text(Unit::Percentile, 100_000.0, "99.999 %");
        check_text(Unit::Percentile, 1e7, "99.99999 %");
        check_text(Unit::Elapsed, 90.0, "1:30");
        check_text(Unit::Elapsed, 3_661.0, "1:01:01");
    }

    #[track_caller]
    fn check_ticks(axis: &Axis, values: &[f64], whole: bool, expect: &[f64]) {
        let scale = Scale::new(axis, values.iter().copied(), 4, whole);
        assert_eq!(scale.ticks.len(), expect.len(), "{:?}", scale.ticks);
        for (tick, expect) in scale.ticks.iter().zip(expect) {
            assert!((tick - expect).abs() <= expect * 1e-9, "{:?}", scale.ticks);
        }
    }

    #[test]
    fn ticks() {
        let linear = |unit| Axis::linear("", unit);
        check_ticks(&linear(Unit::Number), &[3.0, 93_000.0], true, &[0.0, 50_000.0, 100_000.0]);
        check_ticks(&linear(Unit::Number), &[0.4], true, &[0.0, 0.1, 0.2, 0.3, 0.4]);
        check_ticks(&linear(Unit::Number), &[], true, &[0.0, 0.5, 1.0]);
        check_ticks(&linear(Unit::Number), &[f64::NAN, 4.0], true, &[0.0, 1.0, 2.0, 3.0, 4.0]);
        check_ticks(&linear(Unit::Elapsed), &[1.0, 600.0], false, &[300.0, 600.0]);
        check_ticks(&linear(Unit::Elapsed), &[1.0, 10.0], false, &[5.0, 10.0]);
        let mib = 1_048_576.0;
        check_ticks(&linear(Unit::Bytes), &[150.0 * mib], true, &[0.0, 50.0 * mib, 100.0 * mib, 150.0 * mib]);
        let gib = 1_024.0 * mib;
        check_ticks(&linear(Unit::Bytes), &[2_900.0 * mib], true, &[0.0, gib, 2.0 * gib, 3.0 * gib]);
        let log = Axis::log("", Unit::Seconds);
        check_ticks(&log, &[0.000_3, 0.004], true, &[0.000_2, 0.000_5, 0.001, 0.002, 0.005]);
        check_ticks(&log, &[0.000_3, 0.4], true, &[0.001, 0.01, 0.1]);
        check_ticks(&log, &[0.0, -1.0], true, &[1.0, 2.0, 5.0, 10.0]);
        let named = Axis { ticks: vec![1.0, 2.0, 64.0, 128.0], ..Axis::log("", Unit::Number) };
        check_ticks(&named, &[1.0, 64.0], false, &[1.0, 2.0, 64.0]);
    }

    #[track_caller]
    fn check_place(axis: &Axis, value: f64, expect: Option<f64>) {
        let scale = Scale::new(axis, [1.0, 100.0], 4, true);
        let place = scale.place(value);
        assert_eq!(place.is_some(), expect.is_some());
        assert!((place.unwrap_or(0.0) - expect.unwrap_or(0.0)).abs() < 1e-9, "{place:?}");
    }

    #[test]
    fn places() {
        let (linear, log) = (Axis::linear("", Unit::Number), Axis::log("", Unit::Number));
        check_place(&linear, 0.0, Some(0.0));
        check_place(&linear, 50.0, Some(0.5));
        check_place(&linear, f64::NAN, None);
        check_place(&log, 1.0, Some(0.0));
        check_place(&log, 10.0, Some(0.5));
        check_place(&log, 0.0, None);
    }
}
