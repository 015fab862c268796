//! The figures that the project starts from, and ours beside them.
//!
//! They are those of a k6 report of 100 virtual users and ten minutes, on a machine that is not ours, and of a heavier
//! mix that was reported with it.

use std::fmt::Write as _;

use super::ReportScenario;
use crate::facts;
use crate::load::{Outcome, RequestType, Stats};

/// A figure, as it was reported.
struct EarlierFigure {
    name: &'static str,
    reported: f64,
    unit: FigureKind,
    ours: fn(&Outcome) -> f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FigureKind {
    PerSecond,
    Milliseconds,
    Microseconds,
    Percent,
    KilobytesPerSecond,
}

const SEED: [EarlierFigure; 23] = [
    rate("requests", 1_169.16, |run| per_second(run, run.stats.requests())),
    rate("requests of each type", 389.72, |run| {
        per_second(run, run.stats.of(RequestType::Balance).requests())
    }),
    rate("iterations", 389.72, |run| per_second(run, run.stats.iterations())),
    percent("checks passed", 100.0, |run| share(run.stats.checks().passes, run.stats.checks().total())),
    percent("requests failed", 0.0, |run| share(run.stats.failed(), run.stats.requests())),
    ms("duration, average", 85.21, |run| run.stats.durations().figures().average as f64),
    ms("duration, least", 14.82, |run| run.stats.durations().figures().least as f64),
    ms("duration, median", 82.09, |run| run.stats.durations().figures().median as f64),
    ms("duration, p(90)", 102.75, |run| run.stats.durations().figures().p90 as f64),
    ms("duration, p(95)", 107.55, |run| run.stats.durations().figures().p95 as f64),
    ms("duration, most", 343.06, |run| run.stats.durations().figures().most as f64),
    ms("balance, average", 99.1, |run| of_type(&run.stats, RequestType::Balance).average as f64),
    ms("balance, p(95)", 114.15, |run| of_type(&run.stats, RequestType::Balance).p95 as f64),
    ms("createToken, average", 77.4, |run| of_type(&run.stats, RequestType::CreateToken).average as f64),
    ms("createToken, p(95)", 90.52, |run| of_type(&run.stats, RequestType::CreateToken).p95 as f64),
    ms("redeemToken, average", 79.13, |run| of_type(&run.stats, RequestType::RedeemToken).average as f64),
    ms("redeemToken, p(95)", 93.03, |run| of_type(&run.stats, RequestType::RedeemToken).p95 as f64),
    ms("waiting, p(95)", 107.45, |run| run.stats.waiting.figures().p95 as f64),
    us("sending, average", 24.83, |run| run.stats.sending.figures().average as f64),
    us("receiving, average", 62.18, |run| run.stats.receiving.figures().average as f64),
    ms("iteration, p(95)", 282.15, |run| run.stats.iteration.figures().p95 as f64),
    bytes("data received", 559.0, |run| per_second(run, run.stats.bytes_received)),
    bytes("data sent", 457.0, |run| per_second(run, run.stats.bytes_sent)),
];

const FULL: [EarlierFigure; 3] = [
    rate("requests", 612.9, |run| per_second(run, run.stats.requests())),
    ms("duration, p(95)", 204.0, |run| run.stats.durations().figures().p95 as f64),
    ms("placebet, p(95)", 197.8, |run| of_type(&run.stats, RequestType::PlaceBet).p95 as f64),
];

const fn rate(name: &'static str, reported: f64, ours: fn(&Outcome) -> f64) -> EarlierFigure {
    EarlierFigure { name, reported, unit: FigureKind::PerSecond, ours }
}

const fn percent(name: &'static str, reported: f64, ours: fn(&Outcome) -> f64) -> EarlierFigure {
    EarlierFigure { name, reported, unit: FigureKind::Percent, ours }
}

const fn ms(name: &'static str, reported: f64, ours: fn(&Outcome) -> f64) -> EarlierFigure {
    EarlierFigure { name, reported, unit: FigureKind::Milliseconds, ours }
}

const fn us(name: &'static str, reported: f64, ours: fn(&Outcome) -> f64) -> EarlierFigure {
    EarlierFigure { name, reported, unit: FigureKind::Microseconds, ours }
}

const fn bytes(name: &'static str, reported: f64, ours: fn(&Outcome) -> f64) -> EarlierFigure {
    EarlierFigure { name, reported, unit: FigureKind::KilobytesPerSecond, ours }
}

fn per_second(run: &Outcome, count: u64) -> f64 {
    count as f64 * 1e9 / run.elapsed_ns.max(1) as f64
}

fn share(part: u64, whole: u64) -> f64 {
    100.0 * part as f64 / whole.max(1) as f64
}

fn of_type(stats: &Stats, kind: RequestType) -> crate::load::Figures {
    stats.of(kind).durations().figures()
}

impl FigureKind {
    /// From what is measured, in nanoseconds or bytes, to what is shown.
    fn scaled(self, ours: f64) -> f64 {
        match self {
            Self::PerSecond | Self::Percent => ours,
            Self::Milliseconds => ours / 1e6,
            Self::Microseconds | Self::KilobytesPerSecond => ours / 1e3,
        }
    }

    fn text(self, value: f64) -> String {
        match self {
            Self::PerSecond => format!("{}/s", grouped(value)),
            Self::Percent => format!("{value:.2} %"),
            Self::Milliseconds => format!("{value:.2} ms"),
            Self::Microseconds => format!("{value:.2} µs"),
            Self::KilobytesPerSecond => format!("{} kB/s", grouped(value)),
        }
    }
}

/// The table in Markdown: reported, ours, and how many times that is.
pub(super) fn table(played: ReportScenario, outcome: &Outcome) -> String {
    let rows: &[EarlierFigure] = match played {
        ReportScenario::Seed | ReportScenario::Wrapped => &SEED,
        ReportScenario::Full => &FULL,
    };
    let mut text = String::from("| measure | reported | this run | ratio |\n|---|---|---|---|\n");
    for EarlierFigure { name, reported, unit, ours } in rows {
        let ours = unit.scaled(ours(outcome));
        let (reported_text, ours_text) = (unit.text(*reported), unit.text(ours));
        let ratio = if *unit == FigureKind::Percent { String::new() } else { ratio(ours, *reported) };
        let _ = writeln!(text, "| {name} | {reported_text} | {ours_text} | {ratio} |");
    }
    text
}

/// `111 ×`, or `1/48` of it.
fn ratio(ours: f64, reported: f64) -> String {
    let digits = |value: f64| if value < 10.0 { format!("{value:.1}") } else { format!("{value:.0}") };
    if ours <= 0.0 || reported <= 0.0 {
        String::new()
    } else if ours >= reported {
        format!("{} ×", digits(ours / reported))
    } else {
        format!("1/{}", digits(reported / ours))
    }
}

/// `115,067`; below a hundred with two decimals.
fn grouped(value: f64) -> String {
    if value < 100.0 { format!("{value:.2}") } else { facts::grouped(value.round() as u64) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_ratio(ours: f64, reported: f64, expect: &str) {
        assert_eq!(ratio(ours, reported), expect);
    }

    #[test]
    fn ratios() {
        check_ratio(130_471.0, 1_169.16, "112 ×");
        check_ratio(2.0, 1.0, "2.0 ×");
        check_ratio(2.24, 107.55, "1/48");
        check_ratio(1.0, 2.0, "1/2.0");
        check_ratio(0.0, 2.0, "");
        check_ratio(2.0, 0.0, "");
    }

    #[test]
    fn numbers_in_groups() {
        let texts =
            [(0.5, "0.50"), (99.994, "99.99"), (1_169.16, "1,169"), (999.6, "1,000"), (1e7, "10,000,000")];
        for (value, expect) in texts {
            assert_eq!(grouped(value), expect);
        }
    }
}
