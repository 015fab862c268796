//! Pages of made-up runs.

use std::time::Duration;

use super::super::Costs;
use super::super::sampler::{Sampled, Second};
use super::*;
use crate::load::{AnswerCheck, RequestType, Sample};

/// What differs from one page to the next.
struct Made {
    played: ReportScenario,
    /// Of the answers.
    status: u16,
    no_sampling: bool,
    /// Processor time of an answer with metrics.
    metrics_ns: u64,
}

const GOOD: Made =
    Made { played: ReportScenario::Seed, status: 200, no_sampling: false, metrics_ns: 100_000 };

/// A run of 10 s with 20,000 answers of 2 ms.
fn run(made: &Made) -> ReportRun {
    let mut stats = Stats::default();
    let verdict =
        AnswerCheck { status: made.status, is_success: made.status == 200, ..AnswerCheck::default() };
    for _ in 0..20_000 {
        stats.record(RequestType::Balance, &Sample { waiting: 2_000_000, verdict, ..Sample::default() });
    }
    let outcome = Outcome { stats, began_ns: 0, elapsed_ns: 10_000_000_000, intervals: Vec::new() };
    let sampled = Sampled { samples: vec![Second::default()], cpu_ns: 20_000_000, asked: 11 };
    let costs = Costs { server_ns: 5_000_000_000, generator_ns: 2_500_000_000, metrics_ns: made.metrics_ns };
    let recording = Err("perf is not installed".to_owned());
    ReportRun { text: "     checks: all\n".to_owned(), outcome, sampled, recording, costs }
}

fn text(made: &Made) -> String {
    let arguments = Arguments {
        vus: 100,
        duration: Duration::from_secs(90),
        scenario: made.played,
        out: None,
        force: false,
        no_sampling: made.no_sampling,
        no_flame_graph: false,
        server: None,
        cores: Some("0".to_owned()),
        scratch: None,
    };
    let options = Options {
        binary: "target/release/purser".into(),
        cores: Some("0".to_owned()),
        demo_accounts: 10_000,
        data: "/somewhere/data".into(),
        extra: Vec::new(),
    };
    let run = run(made);
    let flame = run.recording.as_ref().map(|_| Folded::default()).map_err(Clone::clone);
    let facts = Facts::read(std::path::Path::new("/"));
    let page = Page {
        arguments: &arguments,
        date: "2026-11-24",
        facts: &facts,
        options: &options,
        run: &run,
        flame: &flame,
    };
    page.text()
}

/// Checks that the page has each of these parts, or has it not.
#[track_caller]
fn check(made: &Made, has: &[&str], has_not: &[&str]) {
    let text = text(made);
    for part in has {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
    for part in has_not {
        assert!(!text.contains(part), "{part:?} in\n{text}");
    }
}

#[test]
fn a_good_run() {
    let has = [
        "# Load test report: seed, 2026-11-24\n",
        "100 virtual users for 90s, in a closed loop",
        "An iteration has 3 requests, each in a group of its own: balance, redeemToken, createToken.",
        "report --scenario seed --vus 100 --duration 90s --cores 0\n",
        "purser serve --demo --demo-accounts 10000 --listen 127.0.0.1:0 --operator-listen 127.0.0.1:0 \
         --data SCRATCH/data --cores 0\n",
        "     checks: all\n```\n",
        "| requests | 1,169/s | 2,000/s | 1.7 × |\n",
        "| duration, average | 85.21 ms | 2.00 ms | 1/43 |\n",
        "| checks passed | 100.00 % | 100.00 % |  |\n",
        "the server took 0.50 of them, the generator 0.25.",
        "There is no flame graph: perf is not installed.\n",
        "it would be 0.422 % together, below 1 %.",
        "![telemetry](telemetry.png)",
        "![latency by percentile](latency.png)",
    ];
    check(&GOOD, &has, &["HAS FAILED", "/somewhere", "flamegraph.svg"]);
}

#[test]
fn the_full_mix_is_held_against_its_own_figures() {
    let has =
        ["| requests | 613/s | 2,000/s | 3.3 × |\n", "placebet (5 times)", "| duration, p(95) | 204.00 ms |"];
    check(&Made { played: ReportScenario::Full, ..GOOD }, &has, &["1,169/s"]);
}

#[test]
fn a_run_with_failed_checks_says_so_first() {
    let made = Made { status: 503, ..GOOD };
    check(&made, &["> **THIS RUN HAS FAILED.** 40,000 of 40,000 checks did not pass"], &[]);
    let text = text(&made);
    assert!(text.find("HAS FAILED") < text.find("## Scenario"), "{text}");
}

#[test]
fn sampling_that_costs_too_much_is_owned_up_to() {
    check(&Made { metrics_ns: 10_000_000, ..GOOD }, &["together, **NOT below** 1 %."], &[]);
    check(&Made { no_sampling: true, ..GOOD }, &["Nothing was sampled.", " --no-sampling\n"], &["together"]);
}
