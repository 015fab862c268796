//! A soak's picture and its page.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use super::player::AuditCounts;
use super::record::{Peak, SoakRecord, SoakSecond};
use crate::facts::{self, Facts};
use crate::plot::{Axis, Figure, Hue, Panel, Series, Style, Unit};

/// Points of a line that can be told apart at the width of a page.
const POINTS_MAX: usize = 900;

/// What a soak has come to.
pub(super) struct SoakPage<'a> {
    pub(super) facts: &'a Facts,
    pub(super) players: u32,
    pub(super) hostile: usize,
    /// Requests per second that the players could be given by themselves, where that was measured.
    pub(super) capacity: Option<f64>,
    pub(super) rate: f64,
    pub(super) counts: &'a AuditCounts,
    pub(super) record: &'a SoakRecord,
    pub(super) kills: u64,
    /// From a kill until the server served again, in nanoseconds.
    pub(super) restarts_ns: &'a [u64],
    pub(super) peaks: &'a [Peak],
    pub(super) hostile_notes: &'a str,
    /// What was wrong; empty for a good run.
    pub(super) findings: &'a [String],
}

impl SoakPage<'_> {
    /// Writes the page and its picture.
    ///
    /// # Errors
    /// A sentence with the path.
    pub(super) fn write(&self, out: &Path) -> Result<(), String> {
        let path = out.join("README.md");
        let failed = |error: std::io::Error| format!("{}: {error}", path.display());
        fs::create_dir_all(out).map_err(failed)?;
        figure(&self.record.seconds).write(out, "soak")?;
        fs::write(&path, self.text()).map_err(failed)
    }

    /// The page.
    pub(super) fn text(&self) -> String {
        let read = |count: &AtomicU64| facts::grouped(count.load(Ordering::Relaxed));
        let Self { counts, record, .. } = self;
        let seconds = |ns: u64| format!("{:.2} s", ns as f64 / 1e9);
        let longest = self.restarts_ns.iter().copied().max().map_or("–".to_owned(), seconds);
        let capacity = self.capacity.map_or("–".to_owned(), |capacity| facts::grouped(capacity as u64));
        let verdict = if self.findings.is_empty() { "passed" } else { "**FAILED**" };
        let rows = [
            ("players, each with a connection and an account", self.players.to_string()),
            ("hostile connections", self.hostile.to_string()),
            ("requests per second that the players reached without pauses", capacity),
            ("requests per second that they asked for", facts::grouped(self.rate as u64)),
            ("requests answered", facts::grouped(record.answered)),
            ("changes of balance acknowledged", read(&counts.acknowledged)),
            ("kills and starts", self.kills.to_string()),
            ("longest time from a kill to serving", longest),
            ("accounts checked after a start", read(&counts.checked)),
            ("requests without an answer, repeated", read(&counts.in_doubt)),
            ("of those already done", read(&counts.were_done)),
            ("acknowledged requests repeated after a start", read(&counts.repeated)),
            ("**acknowledged and lost**", read(&counts.lost)),
            ("**applied twice**", read(&counts.twice)),
            ("answers against the protocol", facts::grouped(record.wrong)),
            ("requests refused", facts::grouped(record.refused)),
            ("requests cut off while the server lived", facts::grouped(record.broken)),
        ];
        let mut text = format!(
            "# Soak: {verdict}\n\n{}\n\n```\n{}\n```\n\n{}\n| | |\n|---|---|\n",
            facts::date(),
            facts::command(),
            self.facts.list()
        );
        for (name, value) in rows {
            let _ = writeln!(text, "| {name} | {value} |");
        }
        text.push_str("\n| life of the server | maximum memory, MiB | maximum open files |\n|---|---|---|\n");
        for (number, Peak { held }) in self.peaks.iter().enumerate() {
            let _ = writeln!(text, "| {} | {} | {} |", number + 1, held.resident_bytes >> 20, held.files);
        }
        let _ = write!(
            text,
            "\nHostile: {}.\n\n![over time](soak.png)\n\n([SVG](soak.svg))\n",
            self.hostile_notes
        );
        for finding in self.findings {
            let _ = writeln!(text, "\n- {finding}");
        }
        text
    }
}

/// Rate, latency, memory and files over time. A second in which the server was down leaves a gap.
fn figure(seconds: &[SoakSecond]) -> Figure {
    let began = seconds.first().map_or(0, |second| second.at);
    let every = seconds.len().div_ceil(POINTS_MAX).max(1);
    let line = |label, hue, of: &dyn Fn(&SoakSecond) -> f64| {
        let mut points = Vec::new();
        let mut last = began;
        for few in seconds.chunks(every) {
            let at = few[0].at;
            if at > last + every as u64 {
                points.push(((last + 1 - began) as f64, f64::NAN));
            }
            last = few[few.len() - 1].at;
            // The worst of some seconds: what is looked for is seen.
            let worst = few.iter().map(of).fold(f64::NAN, f64::max);
            points.push(((at - began) as f64, worst));
        }
        Series::new(label, Style::Line, hue, points)
    };
    let held = |of: fn(&crate::abuse::watch::ServerHoldings) -> u64| {
        move |second: &SoakSecond| second.held.as_ref().map_or(f64::NAN, |held| of(held) as f64)
    };
    let panel = |title: &str, y: Axis, series: Vec<Series>| Panel {
        title: title.to_owned(),
        y,
        series,
        height: 90.0,
    };
    let panels = vec![
        panel(
            "Requests answered per second",
            Axis::linear("requests/s", Unit::Number),
            vec![line("answered", Hue::of(0), &|second| second.answered as f64)],
        ),
        panel(
            "Latency from when a request was due, p99 of each second",
            Axis::log("latency", Unit::Seconds),
            vec![line("p99", Hue::of(1), &|second| second.p99_ns as f64 / 1e9)],
        ),
        panel(
            "Memory: the server's, and that of all sockets",
            Axis::linear("bytes", Unit::Bytes),
            vec![
                line("resident", Hue::of(0), &held(|held| held.resident_bytes)),
                line("sockets", Hue::of(2), &held(|held| held.socket_bytes)),
            ],
        ),
        panel(
            "The server's open files",
            Axis::linear("files", Unit::Number),
            vec![line("files", Hue::of(0), &held(|held| held.files))],
        ),
    ];
    let x = Axis::linear("time since the start of the run, min:s", Unit::Elapsed);
    Figure { title: "Soak".to_owned(), x, panels }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abuse::watch::ServerHoldings;

    #[test]
    fn a_kill_leaves_a_gap() {
        let second = |at| SoakSecond {
            at,
            answered: 7,
            p99_ns: 1_000,
            refused: 0,
            held: Some(ServerHoldings::default()),
        };
        let figure = figure(&[second(10), second(11), second(15), second(16)]);
        let points = &figure.panels[0].series[0].points;
        assert_eq!(points.len(), 5);
        assert!(points[2].1.is_nan() && points[2].0 == 2.0, "{points:?}");
        assert_eq!((points[0], points[4]), ((0.0, 7.0), (6.0, 7.0)));
    }

    #[test]
    fn pages_and_pictures() {
        let directory = tempfile::tempdir().expect("a directory");
        let (counts, facts) = (AuditCounts::default(), Facts::read(directory.path()));
        counts.lost.store(3, Ordering::Relaxed);
        let mut record = SoakRecord::default();
        record.seconds =
            (0..3).map(|at| SoakSecond { at, answered: 1, p99_ns: 1, ..SoakSecond::default() }).collect();
        let page = SoakPage {
            facts: &facts,
            players: 19,
            hostile: 1,
            capacity: Some(1_000.0),
            rate: 700.0,
            counts: &counts,
            record: &record,
            kills: 1,
            restarts_ns: &[2_500_000_000],
            peaks: &[Peak { held: ServerHoldings { resident_bytes: 64 << 20, files: 20, socket_bytes: 0 } }],
            hostile_notes: "nothing",
            findings: &["3 were lost".to_owned()],
        };
        page.write(directory.path()).expect("it is written");
        let text = fs::read_to_string(directory.path().join("README.md")).expect("a page");
        for part in [
            "# Soak: **FAILED**",
            "| **acknowledged and lost** | 3 |",
            "| 1 | 64 | 20 |",
            "- 3 were lost",
            "2.50 s",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(directory.path().join("soak.png").is_file() && directory.path().join("soak.svg").is_file());
    }
}
