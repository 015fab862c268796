//! What was measured, as Markdown.

use std::fmt::Write as _;

use super::peer::Peer;
use crate::facts::{MIB, grouped};
use crate::load::results::Results;

/// One run of one peer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct PeerRun {
    pub(crate) requests_per_s: f64,
    /// p50, p95, p99, p99.9.
    pub(crate) durations_ms: [f64; 4],
    /// User and system time of the server for a request.
    pub(crate) processor_us: f64,
    pub(crate) memory_bytes: u64,
    pub(crate) checks_passed: u64,
    pub(crate) checks_failed: u64,
}

impl PeerRun {
    /// A run, and what the server took for it.
    pub(crate) fn new(results: &Results, processor_us: u64, memory_bytes: u64) -> Self {
        let times = results.durations_ms;
        Self {
            requests_per_s: results.requests_per_s,
            durations_ms: [times.p50, times.p95, times.p99, times.p999],
            processor_us: processor_us as f64 / results.requests.max(1) as f64,
            memory_bytes,
            checks_passed: results.checks_passed,
            checks_failed: results.checks_failed,
        }
    }

    /// Whether there were checks and all have passed.
    pub(crate) const fn stands(&self) -> bool {
        self.checks_failed == 0 && self.checks_passed > 0
    }
}

/// What came of the rounds of one peer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Runs {
    pub(crate) samples: Vec<PeerRun>,
    /// Why there are no more of them.
    pub(crate) failure: Option<String>,
}

impl Runs {
    /// Whether every round was played and every check has passed.
    pub(crate) fn stand(&self) -> bool {
        self.failure.is_none() && self.samples.iter().all(PeerRun::stands)
    }
}

/// The one that the others are held against.
const REFERENCE: Peer = Peer::OneShard;

const HEAD: &str = "| | durable | requests/s | to purser, 1 shard | p50, ms | p95, ms | p99, ms | p99.9, ms \
                    | CPU per request, µs | to purser, 1 shard | memory, MiB | checks |\n\
                    |---|---|---|---|---|---|---|---|---|---|---|---|\n";

/// The table of a scenario: medians, with the least and the most where there was more than one round.
pub(crate) fn table(rows: &[(Peer, Runs)]) -> String {
    let reference = rows.iter().find(|(peer, _)| *peer == REFERENCE).map(|(_, runs)| &runs.samples[..]);
    let median_of =
        |samples: &[PeerRun], figure: fn(&PeerRun) -> f64| Spread::of(samples, figure).map(|all| all.median);
    let ratio = |samples: &[PeerRun], figure: fn(&PeerRun) -> f64| {
        let ours = median_of(reference?, figure).filter(|ours| *ours > 0.0)?;
        Some(format!("{} ×", significant(median_of(samples, figure)? / ours)))
    };
    let has_samples = rows.iter().any(|(_, runs)| !runs.samples.is_empty());
    let mut text = if has_samples { HEAD } else { "" }.to_owned();
    let mut failures = String::new();
    for (peer, Runs { samples, failure }) in rows {
        if let Some(failure) = failure {
            let _ = writeln!(failures, "\n{}: {failure}.", peer.title());
        }
        if samples.is_empty() {
            continue;
        }
        let cell = |figure: fn(&PeerRun) -> f64, digits| {
            Spread::of(samples, figure).map_or_else(String::new, |all| all.text(digits))
        };
        let cells = [
            peer.title().to_owned(),
            if peer.is_durable() { "yes" } else { "no" }.to_owned(),
            cell(|sample| sample.requests_per_s, 0),
            ratio(samples, |sample| sample.requests_per_s).unwrap_or_else(|| "–".to_owned()),
            cell(|sample| sample.durations_ms[0], 2),
            cell(|sample| sample.durations_ms[1], 2),
            cell(|sample| sample.durations_ms[2], 2),
            cell(|sample| sample.durations_ms[3], 2),
            cell(|sample| sample.processor_us, 1),
            ratio(samples, |sample| sample.processor_us).unwrap_or_else(|| "–".to_owned()),
            cell(|sample| sample.memory_bytes as f64 / MIB, 0),
            checks(samples),
        ];
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    }
    text + &failures
}

/// The share of checks that have passed, cut off and not rounded; loud where it is not all of them.
fn checks(samples: &[PeerRun]) -> String {
    let sum = |figure: fn(&PeerRun) -> u64| samples.iter().map(figure).sum::<u64>();
    let (passed, failed) = (sum(|sample| sample.checks_passed), sum(|sample| sample.checks_failed));
    let basis_points = (u128::from(passed) * 10_000).checked_div(u128::from(passed + failed)).unwrap_or(0);
    let share = format!("{}.{:02} %", basis_points / 100, basis_points % 100);
    if samples.iter().all(PeerRun::stands) {
        format!("{share} of {}", grouped(passed))
    } else {
        format!("**FAILED**: {share}, {} of {} failed", grouped(failed), grouped(passed + failed))
    }
}

/// A figure over the rounds.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Spread {
    median: f64,
    least: f64,
    most: f64,
    rounds: usize,
}

impl Spread {
    fn of(samples: &[PeerRun], figure: impl Fn(&PeerRun) -> f64) -> Option<Self> {
        let mut all: Vec<f64> = samples.iter().map(figure).collect();
        all.sort_by(f64::total_cmp);
        let (least, most) = (*all.first()?, *all.last()?);
        let (low, high) = (all[(all.len() - 1) / 2], all[all.len() / 2]);
        Some(Self { median: f64::midpoint(low, high), least, most, rounds: all.len() })
    }

    fn text(&self, digits: usize) -> String {
        let median = decimal(self.median, digits);
        if self.rounds == 1 {
            return median;
        }
        format!("{median} ({}–{})", decimal(self.least, digits), decimal(self.most, digits))
    }
}

/// A number with this many decimals, its thousands grouped.
fn decimal(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    whole.parse().map_or_else(|_| text.clone(), |whole| grouped(whole) + rest)
}

/// Two digits that say something: `0.012`, `0.51`, `1.2`, `34`.
fn significant(value: f64) -> String {
    let digits = if value > 0.0 { (1.0 - value.log10().floor()).clamp(0.0, 6.0) as usize } else { 0 };
    decimal(value, digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(requests_per_s: f64, processor_us: f64, checks_failed: u64) -> PeerRun {
        PeerRun {
            requests_per_s,
            durations_ms: [1.0, 2.0, 3.0, 4.125],
            processor_us,
            memory_bytes: 3 << 20,
            checks_passed: 2_000,
            checks_failed,
        }
    }

    fn runs(samples: &[PeerRun]) -> Runs {
        Runs { samples: samples.to_vec(), failure: None }
    }

    #[track_caller]
    fn check_table(rows: &[(Peer, Runs)], expect: &[&str]) {
        let text = table(rows);
        let found: Vec<&str> = text.strip_prefix(HEAD).expect("the head").lines().collect();
        assert_eq!(found, expect);
    }

    #[test]
    fn tables() {
        let ours = (Peer::OneShard, runs(&[sample(100_000.0, 5.0, 0)]));
        let ours_row = "| purser, 1 shard | yes | 100,000 | 1.0 × | 1.00 | 2.00 | 3.00 | 4.12 | 5.0 | 1.0 × | 3 | 100.00 % of 2,000 |";
        check_table(std::slice::from_ref(&ours), &[ours_row]);
        let slow = runs(&[sample(1_000.0, 90.0, 0), sample(3_000.0, 110.0, 0), sample(1_200.0, 95.0, 0)]);
        check_table(
            &[(Peer::Postgres, slow.clone()), ours.clone()],
            &[
                "| axum + sqlx + PostgreSQL | yes | 1,200 (1,000–3,000) | 0.012 × | 1.00 (1.00–1.00) | 2.00 (2.00–2.00) \
                 | 3.00 (3.00–3.00) | 4.12 (4.12–4.12) | 95.0 (90.0–110.0) | 19 × | 3 (3–3) | 100.00 % of 6,000 |",
                ours_row,
            ],
        );
        // Without what it is held against there is no ratio.
        let alone = table(&[(Peer::Memory, runs(&[sample(1.0, 1.0, 0)]))]);
        assert_eq!(alone.matches("| – |").count(), 2, "{alone}");
    }

    #[test]
    fn what_does_not_stand_says_so() {
        let failed = runs(&[sample(1.0, 1.0, 0), sample(1.0, 1.0, 1)]);
        assert!(!failed.stand());
        let text = table(&[(Peer::Memory, failed)]);
        assert!(text.contains("| **FAILED**: 99.97 %, 1 of 4,001 failed |"), "{text}");
        let missing = Runs { samples: Vec::new(), failure: Some("PostgreSQL is not installed".to_owned()) };
        assert!(!missing.stand());
        assert_eq!(
            table(&[(Peer::Postgres, missing)]),
            "\naxum + sqlx + PostgreSQL: PostgreSQL is not installed.\n"
        );
    }

    #[test]
    fn medians() {
        let spread = |rates: &[f64]| {
            let samples: Vec<PeerRun> = rates.iter().map(|rate| sample(*rate, 1.0, 0)).collect();
            Spread::of(&samples, |sample| sample.requests_per_s).map(|all| (all.median, all.least, all.most))
        };
        assert_eq!(spread(&[3.0, 1.0, 2.0]), Some((2.0, 1.0, 3.0)));
        assert_eq!(spread(&[4.0, 1.0]), Some((2.5, 1.0, 4.0)));
        assert_eq!(spread(&[]), None);
    }

    #[test]
    fn numbers() {
        for (number, expect) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), expect);
        }
        for (value, expect) in
            [(0.0, "0"), (0.0123, "0.012"), (0.51, "0.51"), (1.0, "1.0"), (34.4, "34"), (4_321.0, "4,321")]
        {
            assert_eq!(significant(value), expect, "{value}");
        }
        assert_eq!(decimal(1_234.56, 1), "1,234.6");
    }
}
