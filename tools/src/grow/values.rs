//! What is measured at a point, its median, and how it is written.

use crate::facts::MIB;
use crate::plot::Unit;

/// A kind of value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Measure {
    /// Requests per second.
    Rate,
    /// Median time of an answer, seconds.
    Median,
    /// 99th percentile of it, seconds.
    Tail,
    /// Processor time of the server per request, seconds.
    Cpu,
    /// Records of a group that is made durable with one write and one sync.
    Batch,
    /// Bytes of a group.
    GroupBytes,
    /// Time of a group from its hand-over to its being durable, seconds.
    Sync,
    /// The server's memory, bytes.
    Memory,
    /// Time of a start that makes the data directory, seconds.
    Start,
    /// Time of a start that reads it, seconds.
    Restart,
}

impl Measure {
    /// All of them.
    pub(crate) const ALL: [Self; 10] = [
        Self::Rate,
        Self::Median,
        Self::Tail,
        Self::Cpu,
        Self::Batch,
        Self::GroupBytes,
        Self::Sync,
        Self::Memory,
        Self::Start,
        Self::Restart,
    ];

    /// The head of its column in tables.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Rate => "requests/s",
            Self::Median => "p(50)",
            Self::Tail => "p(99)",
            Self::Cpu => "server CPU per request",
            Self::Batch => "records per group",
            Self::GroupBytes => "bytes per group",
            Self::Sync => "write and sync of a group",
            Self::Memory => "memory",
            Self::Start => "first start",
            Self::Restart => "further start",
        }
    }

    /// The name of its column in the file of values.
    pub(crate) const fn column(self) -> &'static str {
        match self {
            Self::Rate => "requests_per_second",
            Self::Median => "p50_seconds",
            Self::Tail => "p99_seconds",
            Self::Cpu => "cpu_seconds_per_request",
            Self::Batch => "records_per_group",
            Self::GroupBytes => "bytes_per_group",
            Self::Sync => "seconds_per_group",
            Self::Memory => "memory_bytes",
            Self::Start => "first_start_seconds",
            Self::Restart => "further_start_seconds",
        }
    }

    /// How it is written on an axis.
    pub(crate) const fn unit(self) -> Unit {
        match self {
            Self::Rate | Self::Batch => Unit::Number,
            Self::Memory | Self::GroupBytes => Unit::Bytes,
            _ => Unit::Seconds,
        }
    }

    /// A value as tables have it, without its unit.
    pub(crate) fn number(self, value: f64) -> String {
        match self {
            _ if !value.is_finite() => "–".to_owned(),
            Self::Rate | Self::GroupBytes => thousands(value),
            Self::Batch => format!("{value:.1}"),
            Self::Memory => thousands(value / MIB),
            Self::Cpu => format!("{:.2}", value * 1e6),
            Self::Start | Self::Restart => format!("{value:.2}"),
            Self::Median | Self::Tail | Self::Sync => format!("{:.2}", value * 1e3),
        }
    }

    /// The unit of those numbers, where the head of the column does not say it.
    const fn suffix(self) -> &'static str {
        match self {
            Self::Rate | Self::GroupBytes | Self::Batch => "",
            Self::Memory => " MiB",
            Self::Cpu => " µs",
            Self::Start | Self::Restart => " s",
            Self::Median | Self::Tail | Self::Sync => " ms",
        }
    }
}

/// A whole number with commas.
pub(crate) fn thousands(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// One round's values at a point; what was not measured is not a number.
#[derive(Clone, Debug)]
pub(crate) struct Values([f64; Measure::ALL.len()]);

impl Default for Values {
    fn default() -> Self {
        Self([f64::NAN; Measure::ALL.len()])
    }
}

impl Values {
    /// Takes a value.
    pub(crate) const fn set(&mut self, measure: Measure, value: f64) {
        self.0[measure as usize] = value;
    }

    /// The value.
    pub(crate) const fn get(&self, measure: Measure) -> f64 {
        self.0[measure as usize]
    }

    /// Takes what only `other` has.
    pub(crate) fn add(&mut self, other: &Self) {
        for (mine, others) in self.0.iter_mut().zip(other.0) {
            if mine.is_nan() {
                *mine = others;
            }
        }
    }
}

/// Median, least and most of some rounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Spread {
    /// Of a value in these rounds; not numbers where it was not measured.
    pub(crate) fn of(rounds: &[Values], measure: Measure) -> Self {
        let mut values: Vec<f64> =
            rounds.iter().map(|values| values.get(measure)).filter(|value| value.is_finite()).collect();
        values.sort_by(f64::total_cmp);
        let (Some(least), Some(most)) = (values.first(), values.last()) else {
            return Self { median: f64::NAN, least: f64::NAN, most: f64::NAN };
        };
        let middle = values.len() / 2;
        let median = if values.len().is_multiple_of(2) {
            f64::midpoint(values[middle - 1], values[middle])
        } else {
            values[middle]
        };
        Self { median, least: *least, most: *most }
    }

    /// The median, with least and most where they are not the same.
    pub(crate) fn text(&self, measure: Measure) -> String {
        let [median, least, most] = [self.median, self.least, self.most].map(|value| measure.number(value));
        let unit = if self.median.is_finite() { measure.suffix() } else { "" };
        if least == most { format!("{median}{unit}") } else { format!("{median}{unit} ({least}–{most})") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_text(measure: Measure, value: f64, expect: &str) {
        let spread = Spread { median: value, least: value, most: value };
        assert_eq!(spread.text(measure), expect);
    }

    #[test]
    fn texts() {
        check_text(Measure::Rate, 82_870.4, "82,870");
        check_text(Measure::Rate, 999.0, "999");
        check_text(Measure::Rate, 1_234_567.0, "1,234,567");
        check_text(Measure::Rate, f64::NAN, "–");
        check_text(Measure::Median, 0.000_308, "0.31 ms");
        check_text(Measure::Cpu, 0.000_011_36, "11.36 µs");
        check_text(Measure::Batch, 50.04, "50.0");
        check_text(Measure::Memory, 2_644_212.0 * 1_024.0, "2,582 MiB");
        check_text(Measure::Start, 68.4, "68.40 s");
    }

    #[track_caller]
    fn check_spread(rounds: &[f64], expect: &str) {
        let rounds: Vec<Values> = rounds
            .iter()
            .map(|value| {
                let mut values = Values::default();
                values.set(Measure::Batch, *value);
                values
            })
            .collect();
        assert_eq!(Spread::of(&rounds, Measure::Batch).text(Measure::Batch), expect);
    }

    #[test]
    fn medians() {
        check_spread(&[], "–");
        check_spread(&[f64::NAN], "–");
        check_spread(&[3.0], "3.0");
        check_spread(&[9.0, 1.0, 3.0], "3.0 (1.0–9.0)");
        check_spread(&[1.0, 2.0], "1.5 (1.0–2.0)");
        check_spread(&[f64::NAN, 2.0], "2.0");
    }

    #[test]
    fn every_measure_has_a_place() {
        for (place, measure) in Measure::ALL.into_iter().enumerate() {
            assert_eq!(measure as usize, place);
        }
    }
}
