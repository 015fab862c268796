//! What is printed of a run.

use std::fmt::Write as _;

use super::measure::{Bets, Measured, Told};
use super::rounds::Played;
use super::samples::Asked;
use crate::facts::MIB;

/// What was found.
pub(crate) struct Findings<'a> {
    pub(crate) played: Played,
    pub(crate) written_s: f64,
    pub(crate) told: Told,
    pub(crate) asked: Asked,
    pub(crate) after_samples: u64,
    pub(crate) base: &'a Measured,
    pub(crate) full: &'a Measured,
}

impl Findings<'_> {
    /// A table, sentences, and whether every answer was right.
    ///
    /// # Errors
    /// A sentence, where a server has gone.
    pub(crate) fn told(&self) -> Result<(String, bool), String> {
        let Self { played, told, asked, base, full, .. } = self;
        let rounds = played.rounds as f64;
        let (base_told, full_told) = (base.told()?, full.told()?);
        let mib = |bytes: u64| format!("{:.1}", bytes as f64 / MIB);
        let difference = full.private_after_start as f64 - base.private_after_start as f64;
        let bits = |bytes: f64| format!("{:.2}", bytes * 8.0 / rounds);
        let (base_cpu, full_cpu) = (base.median(|bets| bets.cpu_s), full.median(|bets| bets.cpu_s));
        let each = |measured: &Measured, of: &dyn Fn(&Bets) -> f64, scale: f64| {
            let values: Vec<String> =
                measured.bets.iter().map(|bets| format!("{:.2}", of(bets) * scale)).collect();
            format!("{:.2} ({})", measured.median(of) * scale, values.join(", "))
        };
        let both = |of: &dyn Fn(&Bets) -> f64, scale| [each(base, of, scale), each(full, of, scale)];
        let share = |bets: &Bets| bets.lookups / bets.requests as f64;
        let [cpu, reading, rate, p99, read] = [
            both(&|bets| bets.cpu_s, 1e6),
            both(&|bets| bets.reading_s, 1e6),
            both(&|bets| bets.rate, 1e-3),
            both(&|bets| bets.p99_ns as f64, 1e-6),
            both(&share, 100.0),
        ];
        let seconds = |seconds: f64| format!("{seconds:.2}");
        let count = |value: f64| format!("{value:.0}");
        let nothing = || "–".to_owned();
        let rows = [
            ("", ["forgotten".to_owned(), format!("{} rounds", played.rounds)]),
            ("start, s", [seconds(base.start_s), seconds(full.start_s)]),
            (
                "private memory after the start, MiB",
                [mib(base.private_after_start), mib(full.private_after_start)],
            ),
            ("of that, remembering, MiB", [nothing(), format!("{:.1}", difference / MIB)]),
            ("of that, each round, bits", [nothing(), bits(difference)]),
            ("after the repeats, MiB", [nothing(), mib(self.after_samples)]),
            ("after the bets, MiB", [mib(base.private_bytes()?), mib(full.private_bytes()?)]),
            ("purser_history_rounds", [count(base_told.rounds), count(told.rounds)]),
            ("purser_history_files", [count(base_told.files), count(told.files)]),
            ("filter by the metrics, each round, bits", [nothing(), bits(told.filter_bytes)]),
            ("on disk, each round, bytes", [nothing(), format!("{:.1}", told.file_bytes / rounds)]),
            ("CPU of a bet whose round is new, µs", cpu),
            ("of that, reading files, µs", reading),
            ("bets/s, thousands", rate),
            ("latency of a bet, p99, ms", p99),
            ("bets for which files were read, %", read),
            ("turns over 25 ms", [count(base_told.stalls), count(full_told.stalls)]),
        ];
        let width = |cell: fn(&(&str, [String; 2])) -> usize| rows.iter().map(cell).max().unwrap_or(0);
        let (name, first) = (width(|row| row.0.chars().count()), width(|row| row.1[0].chars().count()));
        let mut text = format!("written in {:.1} s\n\n", self.written_s);
        for (row, [base, full]) in &rows {
            let _ = writeln!(text, "{row:name$}  {base:>first$}  {full}");
        }
        let _ =
            writeln!(text, "\na bet with these rounds costs {:.3} times one without", full_cpu / base_cpu);
        let _ = writeln!(
            text,
            "{} repeats ({:.0} µs each, p99 {:.0} µs), {} rollbacks, {} statements: {} wrong answers",
            asked.repeats,
            asked.median_ns as f64 / 1e3,
            asked.p99_ns as f64 / 1e3,
            asked.rollbacks,
            asked.statements,
            asked.wrong
        );
        asked.shown.iter().for_each(|wrong| text += &format!("wrong: {wrong}\n"));
        let failed: u64 = base.bets.iter().chain(&full.bets).map(|bets| bets.failed).sum();
        if failed > 0 {
            let _ = writeln!(text, "wrong: {failed} checks of the bets' answers have failed");
        }
        Ok((text, asked.wrong == 0 && failed == 0))
    }
}
