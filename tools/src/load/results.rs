//! A run's figures for programs: JSON that `--json-file` writes and `tools compare` reads.

use serde::{Deserialize, Serialize};

use super::gone::Gone;
use super::overload::OverloadResults;
use super::stats::{Stats, Trend};
use super::summary::Load;

/// The figures of a run. Names carry their units.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Results {
    pub(crate) scenario: String,
    pub(crate) vus: usize,
    pub(crate) elapsed_s: f64,
    pub(crate) requests: u64,
    pub(crate) requests_per_s: f64,
    pub(crate) requests_failed: u64,
    pub(crate) checks_passed: u64,
    pub(crate) checks_failed: u64,
    pub(crate) durations_ms: Durations,
    /// Of a run whose clients had a rate or a patience.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) overload: Option<OverloadResults>,
    /// Where the server's own count was looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) work: Option<Gone>,
}

/// Durations of all requests, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Durations {
    pub(crate) average: f64,
    pub(crate) p50: f64,
    pub(crate) p95: f64,
    pub(crate) p99: f64,
    #[serde(rename = "p99.9")]
    pub(crate) p999: f64,
    pub(crate) most: f64,
}

impl Results {
    /// The figures of a run that lasted `elapsed_ns`.
    pub(crate) fn of(load: &Load, stats: &Stats, elapsed_ns: u64) -> Self {
        let kinds = load.scenario.kinds();
        let every = kinds.iter().flat_map(|kind| [&stats.of(*kind).expected, &stats.of(*kind).failed]);
        let figures = Trend::of(every).figures();
        let ms = |ns: u64| ns as f64 / 1e6;
        let elapsed_s = elapsed_ns as f64 / 1e9;
        let checks = stats.checks();
        Self {
            scenario: load.scenario.name().to_owned(),
            vus: load.vus,
            elapsed_s,
            requests: stats.requests(),
            requests_per_s: if elapsed_ns == 0 { 0.0 } else { stats.requests() as f64 / elapsed_s },
            requests_failed: stats.failed(),
            checks_passed: checks.passes,
            checks_failed: checks.fails,
            durations_ms: Durations {
                average: ms(figures.average),
                p50: ms(figures.median),
                p95: ms(figures.p95),
                p99: ms(figures.p99),
                p999: ms(figures.p999),
                most: ms(figures.most),
            },
            overload: stats
                .overload
                .as_ref()
                .map(|overload| OverloadResults::of(overload, stats, elapsed_ns)),
            work: None,
        }
    }

    /// The text of the file.
    pub(crate) fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("numbers and names") + "\n"
    }

    /// Reads the text of a file.
    ///
    /// # Errors
    /// A sentence, where it is not of this form.
    pub(crate) fn from_json(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|error| format!("the figures of a run: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::overload::Pressure;
    use super::super::scenario::{RequestType, Scenario};
    use super::super::stats::{AnswerCheck, Sample};
    use super::*;

    #[test]
    fn figures_of_a_run() {
        let mut stats = Stats::default();
        let verdict = AnswerCheck { status: 200, is_success: true, ..AnswerCheck::default() };
        for waiting in [1_000_000, 3_000_000] {
            stats.record(RequestType::Balance, &Sample { waiting, verdict, ..Sample::default() });
        }
        stats.record(RequestType::Balance, &Sample { waiting: 5_000_000, ..Sample::default() });
        let duration = Duration::from_secs(2);
        let load = Load {
            scenario: Scenario::Balance,
            vus: 7,
            pipeline: 1,
            duration,
            tails: true,
            pressure: Pressure::default(),
        };
        let results = Results::of(&load, &stats, 2_000_000_000);
        assert_eq!((results.vus, results.requests, results.requests_failed), (7, 3, 1));
        assert_eq!((results.checks_passed, results.checks_failed), (4, 2));
        assert_eq!((results.elapsed_s, results.requests_per_s), (2.0, 1.5));
        assert_eq!((results.durations_ms.average, results.durations_ms.most), (3.0, 5.0));
        let json = results.to_json();
        assert!(json.contains("\"p99.9\""), "{json}");
        assert_eq!(Results::from_json(&json), Ok(results));
        assert!(Results::from_json("{}").is_err());
    }

    #[test]
    fn a_run_without_an_answer() {
        let load = Load {
            scenario: Scenario::Full,
            vus: 1,
            pipeline: 1,
            duration: Duration::from_secs(1),
            tails: false,
            pressure: Pressure::default(),
        };
        let results = Results::of(&load, &Stats::default(), 0);
        assert_eq!((results.requests, results.requests_per_s), (0, 0.0));
        assert_eq!(Results::from_json(&results.to_json()), Ok(results));
    }
}
