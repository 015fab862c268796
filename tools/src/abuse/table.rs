//! A scenario's rounds as a row, what it is judged by, and the table.

use std::fmt::Write as _;

use super::others::Waits;
use super::scenario::{AttackScenario, Bounds};
use super::watch::ServerHoldings;
use crate::load::median;

/// What one round of a scenario has come to.
#[derive(Clone, Debug, Default)]
pub(super) struct ScenarioRound {
    pub(super) before: Waits,
    pub(super) during: Waits,
    /// What the server held before the attack, and the most during it.
    pub(super) held_before: ServerHoldings,
    pub(super) held: ServerHoldings,
    /// Attacking connections that were open at most.
    pub(super) open: u64,
    /// New clients that were turned away.
    pub(super) kept_out: u64,
    /// Attackers whose answer did not reach them.
    pub(super) unanswered: u64,
    /// Answers to attackers that were against the protocol.
    pub(super) wrong: u64,
    /// What else is to be said, name and value.
    pub(super) notes: Vec<(&'static str, String)>,
}

/// A scenario that was measured.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) scenario: &'static AttackScenario,
    pub(super) attackers: usize,
    pub(super) rounds: Vec<ScenarioRound>,
}

impl ScenarioRound {
    /// The others' p99 during the attack in times of that before.
    fn ratio(&self) -> Option<f64> {
        (self.before.p99_ns > 0 && self.during.p99_ns > 0)
            .then(|| self.during.p99_ns as f64 / self.before.p99_ns as f64)
    }

    /// The longest wait during the attack, beyond that before.
    const fn beyond_ns(&self) -> u64 {
        self.during.most_ns.saturating_sub(self.before.most_ns)
    }

    /// The others' requests that were refused, cut off or kept out.
    const fn failed(&self) -> u64 {
        self.during.refused + self.during.broken + self.kept_out
    }

    const fn socket_growth(&self) -> u64 {
        self.held.socket_bytes.saturating_sub(self.held_before.socket_bytes)
    }

    const fn resident_growth(&self) -> u64 {
        self.held.resident_bytes.saturating_sub(self.held_before.resident_bytes)
    }

    /// Kernel and server memory of each attacking connection, in KiB.
    fn kib_per_attacker(&self) -> u64 {
        (self.socket_growth() + self.resident_growth()) / self.open.max(1) / 1_024
    }
}

impl Row {
    fn of(&self, of: impl Fn(&ScenarioRound) -> u64) -> u64 {
        median(self.rounds.iter().map(of).collect()).unwrap_or(0)
    }

    fn ratio(&self) -> Option<f64> {
        median(self.rounds.iter().filter_map(ScenarioRound::ratio).collect())
    }

    /// The bounds that the medians of the rounds don't keep, and what no round may have: a sentence each.
    pub(super) fn misses(&self) -> Vec<String> {
        let Bounds { ratio, longest_beyond, kib_per_attacker, answers_reach } = self.scenario.bounds;
        let mut misses = Vec::new();
        if let (Some(bound), Some(found)) = (ratio, self.ratio())
            && found > bound
        {
            misses.push(format!("p99 ×{found:.1}, bound ×{bound}"));
        }
        if let Some(bound) = longest_beyond {
            let found = self.of(ScenarioRound::beyond_ns);
            if found > bound.as_nanos() as u64 {
                misses.push(format!(
                    "longest wait {} beyond, bound {}",
                    time(found),
                    time(bound.as_nanos() as u64)
                ));
            }
        }
        if let Some(bound) = kib_per_attacker {
            let found = self.of(ScenarioRound::kib_per_attacker);
            if found > bound {
                misses.push(format!("{found} KiB per attacker, bound {bound}"));
            }
        }
        let failed = self.of(ScenarioRound::failed);
        if failed > 0 {
            misses.push(format!("{failed} of the others' requests failed"));
        }
        let unanswered = self.of(|round| round.unanswered);
        if answers_reach && unanswered > 0 {
            misses.push(format!("{unanswered} answers did not reach their client"));
        }
        misses
    }

    /// What is wrong whatever the machine does: answers that the protocol does not have, and none where one is due.
    pub(super) fn faults(&self, is_small: bool) -> Vec<String> {
        let mut faults = Vec::new();
        for round in &self.rounds {
            for (when, waits) in [("before", &round.before), ("during", &round.during)] {
                if let Some((text, count)) = &waits.wrong {
                    faults.push(format!("{when} the attack {count} answers were wrong, such as {text}"));
                }
                if is_small && waits.broken + waits.refused > 0 {
                    faults.push(format!(
                        "{when} the attack {} requests were cut off and {} refused",
                        waits.broken, waits.refused
                    ));
                }
            }
            if round.wrong > 0 {
                faults.push(format!("{} answers to attackers were wrong", round.wrong));
            }
            if is_small && round.kept_out > 0 {
                faults.push(format!("{} new clients were kept out", round.kept_out));
            }
        }
        faults
    }
}

/// Nanoseconds as a reader takes them.
pub(super) fn time(ns: u64) -> String {
    match ns {
        0..1_000_000 => format!("{} µs", ns / 1_000),
        1_000_000..1_000_000_000 => format!("{:.1} ms", ns as f64 / 1e6),
        _ => format!("{:.2} s", ns as f64 / 1e9),
    }
}

const HEAD: [&str; 11] = [
    "scenario",
    "attackers",
    "others' p50, before → during",
    "p99, before → during",
    "p99 ratio",
    "longest wait, before → during",
    "refused / cut off / kept out",
    "server's RSS, MiB",
    "sockets, KiB per attacker",
    "open files",
    "verdict",
];

/// The table, in Markdown.
pub(super) fn table(rows: &[Row], is_judged: bool) -> String {
    let mut text = format!("| {} |\n|{}\n", HEAD.join(" | "), "---|".repeat(HEAD.len()));
    for row in rows {
        let from_to = |of: fn(&Waits) -> u64| {
            // A server that stops has no others.
            if row.of(|round| round.during.requests) == 0 {
                return format!("{} → –", time(row.of(|round| of(&round.before))));
            }
            format!(
                "{} → {}",
                time(row.of(|round| of(&round.before))),
                time(row.of(|round| of(&round.during)))
            )
        };
        let mib = |of: fn(&ScenarioRound) -> u64| row.of(of) / 1_048_576;
        let misses = row.misses();
        let verdict = match misses.is_empty() {
            _ if !is_judged => "not judged".to_owned(),
            true => "ok".to_owned(),
            false => misses.join("; "),
        };
        let cells = [
            row.scenario.name.to_owned(),
            row.attackers.to_string(),
            from_to(|waits| waits.p50_ns),
            from_to(|waits| waits.p99_ns),
            row.ratio().map_or("–".to_owned(), |ratio| format!("×{ratio:.1}")),
            from_to(|waits| waits.most_ns),
            format!(
                "{} / {} / {}",
                row.of(|round| round.during.refused),
                row.of(|round| round.during.broken),
                row.of(|round| round.kept_out)
            ),
            format!(
                "{} → {}",
                mib(|round| round.held_before.resident_bytes),
                mib(|round| round.held.resident_bytes)
            ),
            match row.of(|round| round.open) {
                0 => "–".to_owned(),
                open => (row.of(ScenarioRound::socket_growth) / open / 1_024).to_string(),
            },
            row.of(|round| round.held.files).to_string(),
            verdict,
        ];
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    }
    text
}

/// What there is to say besides, a line for each scenario: the first round's.
pub(super) fn notes(rows: &[Row]) -> String {
    let mut text = String::new();
    for row in rows {
        let notes = row.rounds.first().map_or(&[][..], |round| &round.notes);
        let notes: Vec<String> = notes.iter().map(|(name, value)| format!("{name} {value}")).collect();
        let _ = writeln!(text, "- {}: {}. {}.", row.scenario.name, row.scenario.about, notes.join(", "));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(p99_ns: u64, most_ns: u64) -> Waits {
        Waits { requests: 100, p50_ns: p99_ns / 2, p99_ns, most_ns, ..Waits::default() }
    }

    fn row(name: &str, rounds: Vec<ScenarioRound>) -> Row {
        let scenario = AttackScenario::named(name).expect("a scenario");
        Row { scenario, attackers: scenario.attackers, rounds }
    }

    #[track_caller]
    fn check(name: &str, round: ScenarioRound, expect: &[&str]) {
        assert_eq!(row(name, vec![round]).misses(), expect, "{name}");
    }

    fn round(before: Waits, during: Waits) -> ScenarioRound {
        ScenarioRound { before, during, open: 100, ..ScenarioRound::default() }
    }

    #[test]
    fn what_misses_its_bound() {
        let ms = 1_000_000;
        check("token-flood", round(waits(ms, ms), waits(2 * ms, 90 * ms)), &[]);
        check("token-flood", round(waits(ms, ms), waits(3 * ms, 3 * ms)), &["p99 ×3.0, bound ×2"]);
        check("pipelining", round(waits(ms, ms), waits(3 * ms, 3 * ms)), &[]);
        check("idle-end", round(waits(ms, ms), waits(ms, 26 * ms)), &[]);
        check(
            "idle-end",
            round(waits(ms, ms), waits(ms, 27 * ms)),
            &["longest wait 26.0 ms beyond, bound 25.0 ms"],
        );
        let held =
            ServerHoldings { resident_bytes: 100 * 400 * 1_024, files: 9, socket_bytes: 100 * 113 * 1_024 };
        let unread = ScenarioRound { held, ..round(waits(ms, ms), waits(ms, ms)) };
        check("memory-unread", unread.clone(), &["513 KiB per attacker, bound 512"]);
        check("token-flood", unread, &[]);
        let during = Waits { refused: 1, broken: 2, ..waits(ms, ms) };
        let places = ScenarioRound { kept_out: 3, ..round(waits(ms, ms), during) };
        check("places", places, &["6 of the others' requests failed"]);
        let large = ScenarioRound { unanswered: 4, ..round(waits(ms, ms), waits(ms, ms)) };
        check("large-bodies", large, &["4 answers did not reach their client"]);
        check("stop-with-idle", round(waits(ms, ms), Waits::default()), &[]);
    }

    #[test]
    fn medians_of_rounds() {
        let ms = 1_000_000;
        let rounds = [1, 9, 2].map(|times| round(waits(ms, ms), waits(times * ms, ms)));
        assert_eq!(row("token-flood", rounds.into()).ratio(), Some(2.0));
        assert_eq!(median(vec![3, 1]), Some(3));
        assert_eq!(median(Vec::<u64>::new()), None);
    }

    #[test]
    fn faults_count_in_a_small_run() {
        let during = Waits { broken: 1, wrong: Some(("404".to_owned(), 2)), ..waits(1, 1) };
        let row = row("places", vec![ScenarioRound { kept_out: 1, wrong: 3, ..round(waits(1, 1), during) }]);
        assert_eq!(row.faults(false).len(), 2);
        assert_eq!(row.faults(true).len(), 4);
    }

    #[test]
    fn times() {
        for (ns, expect) in [(999_999, "999 µs"), (1_500_000, "1.5 ms"), (1_234_000_000, "1.23 s")] {
            assert_eq!(time(ns), expect);
        }
    }

    #[test]
    fn tables() {
        let ms = 1_000_000;
        let rows = [
            row("token-flood", vec![round(waits(ms, ms), waits(3 * ms, 4 * ms))]),
            row("stop-with-idle", vec![round(waits(ms, ms), Waits::default())]),
        ];
        let text = table(&rows, true);
        assert!(text.contains("| token-flood | 32 | 500 µs → 1.5 ms | 1.0 ms → 3.0 ms | ×3.0 |"), "{text}");
        assert!(text.contains("| stop-with-idle | 16000 | 500 µs → – |"), "{text}");
        assert!(table(&rows, false).contains("not judged"));
        assert_eq!(text.lines().count(), 4);
    }
}
