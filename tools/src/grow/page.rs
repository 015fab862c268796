//! A curve's picture, its table, its values, and its section of the page.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::facts::{self, Facts};
use crate::plot::{Axis, Figure, Hue, Panel, Series, Style, Unit};

use super::curve::Curve;
use super::measure::PointValues;
use super::values::{Measure, Spread};

/// What the page begins with.
const HEAD: &str = "# How the server grows\n\n\
    Each section is a curve of `tools grow`, which varies one thing and keeps everything else fixed. Points are \
    medians of the rounds, with the minimum and the maximum. Compare figures only within a section. \
    [docs/scaling.md](../scaling.md) derives predictions from them.\n";

/// The headings of the sections, in their order.
const ORDER: [&str; 6] = [
    Curve::Connections.title(),
    BATCH_TITLE,
    Curve::Accounts.title(),
    Curve::Pipeline.title(),
    Curve::CrossShard.title(),
    Curve::Hot.title(),
];

const BATCH_TITLE: &str = "Group commit";

const BATCH_CAPTION: &str = "The bets of the section before, by the size of their groups. A group takes the \
records that arrive while the group before it is written; one write and one sync make it durable. Its time grows \
more slowly than its size, so a bet in a large group costs less disk time than a single one.";

/// Where and how a section's values were measured.
#[derive(Debug)]
pub(crate) struct Origin {
    command: String,
    date: String,
    commit: String,
    machine: String,
}

impl Origin {
    /// This machine, now; `data` is a directory on the file system that is measured.
    pub(crate) fn now(data: &Path) -> Self {
        let facts = Facts::read(data);
        let (command, date) = (facts::command(), facts::date());
        Self { command, date, machine: facts.machine(), commit: facts.commit }
    }
}

/// A section of the page, with its files.
#[derive(Debug)]
pub(crate) struct Part {
    /// The name of its files.
    name: &'static str,
    pub(crate) title: &'static str,
    caption: &'static str,
    pub(crate) table: String,
    figure: Figure,
    values: String,
}

/// The sections of a curve.
pub(crate) fn parts(curve: Curve, rows: &[PointValues]) -> Vec<Part> {
    let mut parts = vec![Part {
        name: curve.name(),
        title: curve.title(),
        caption: curve.caption(),
        table: table(curve, curve.measures(), rows),
        figure: figure(curve, rows),
        values: values(rows),
    }];
    let bets = || rows.iter().filter(|row| Spread::of(&row.rounds, Measure::Batch).median.is_finite());
    if curve == Curve::Connections && bets().next().is_some() {
        let bets: Vec<PointValues> = bets().cloned().collect();
        let measures = [Measure::Rate, Measure::Batch, Measure::GroupBytes, Measure::Sync];
        parts.push(Part {
            name: "group-commit",
            title: BATCH_TITLE,
            caption: BATCH_CAPTION,
            table: table(curve, &measures, &bets),
            figure: batch_figure(&bets),
            values: values(&bets),
        });
    }
    parts
}

impl Part {
    /// Writes the picture, the values, and the section into the page, where the other sections stay as they are.
    ///
    /// # Errors
    /// A sentence with the file's path.
    pub(crate) fn write(&self, out: &Path, origin: &Origin) -> Result<(), String> {
        self.figure.write(out, self.name)?;
        let write = |name: &str, text: &str| {
            let path = out.join(name);
            fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))
        };
        write(&format!("{}.csv", self.name), &self.values)?;
        let before = fs::read_to_string(out.join("README.md")).unwrap_or_default();
        write("README.md", &page(&before, self.title, &self.section(origin)))
    }

    fn section(&self, origin: &Origin) -> String {
        let Self { name, title, caption, table, .. } = self;
        let Origin { command, date, commit, machine } = origin;
        // Nobody should take the figures of a build without optimisation for the server's.
        let build = if cfg!(debug_assertions) { ", **development build**" } else { "" };
        format!(
            "## {title}\n\n![{title}]({name}.png)\n\n{caption}\n\n{table}\n\
             `{command}`, {date}, commit {commit}{build}. {machine}. Every round: [{name}.csv]({name}.csv).\n"
        )
    }
}

/// The page with a section put in, or in the place of the one with the same heading.
fn page(before: &str, title: &str, section: &str) -> String {
    let mut sections: Vec<(&str, &str)> = vec![(title, section)];
    let starts = before.match_indices("\n## ").map(|(at, _)| at + 1);
    let starts: Vec<usize> = starts.chain([before.len()]).collect();
    for bounds in starts.windows(2) {
        let text = &before[bounds[0]..bounds[1]];
        let heading = text.lines().next().unwrap_or_default().trim_start_matches("## ");
        if heading != title {
            sections.push((heading, text));
        }
    }
    sections.sort_by_key(|(heading, _)| ORDER.iter().position(|title| title == heading));
    let mut page = HEAD.to_owned();
    for (_, text) in sections {
        let _ = write!(page, "\n{}\n", text.trim_end());
    }
    page
}

/// A table of medians, each with its range.
fn table(curve: Curve, measures: &[Measure], rows: &[PointValues]) -> String {
    let (axis, unit) = (curve.axis(), if curve == Curve::CrossShard { " %" } else { "" });
    let heads: Vec<&str> = measures.iter().map(|measure| measure.title()).collect();
    let mut text =
        format!("| {axis} | call | {} |\n|{}\n", heads.join(" | "), "---|".repeat(heads.len() + 2));
    for row in rows {
        let cells: Vec<String> =
            measures.iter().map(|measure| Spread::of(&row.rounds, *measure).text(*measure)).collect();
        let point = super::values::thousands(row.point.into());
        let _ = writeln!(text, "| {point}{unit} | {} | {} |", row.series.name, cells.join(" | "));
    }
    text
}

/// Every round's values, a line for each.
fn values(rows: &[PointValues]) -> String {
    let columns: Vec<&str> = Measure::ALL.iter().map(|measure| measure.column()).collect();
    let mut text = format!("point,call,round,{}\n", columns.join(","));
    for row in rows {
        for (round, values) in row.rounds.iter().enumerate() {
            let cells = Measure::ALL.iter().map(|measure| values.get(*measure));
            let cells: Vec<String> = cells
                .map(|value| if value.is_finite() { value.to_string() } else { String::new() })
                .collect();
            let (point, call) = (row.point, row.series.name);
            let _ = writeln!(text, "{point},\"{call}\",{},{}", round + 1, cells.join(","));
        }
    }
    text
}

/// Sizes that are named on an axis of factors, in steps of four.
fn sizes(first: f64) -> Vec<f64> {
    (0..9).map(|step| first * 4_f64.powi(step)).collect()
}

/// The panels of a curve: rate, times, processor time, and what else it has.
fn figure(curve: Curve, rows: &[PointValues]) -> Figure {
    let mut points: Vec<f64> = rows.iter().map(|row| row.point.into()).collect();
    points.dedup();
    let linear = matches!(curve, Curve::CrossShard);
    let x = Axis {
        log: !linear,
        ticks: points,
        ..Axis::linear(curve.axis(), if linear { Unit::Percent } else { Unit::Number })
    };
    let lines = |measure| lines(curve, rows, &[(measure, "", Style::Marked)], |row| row.point.into());
    let panel = |title: &str, y, series| Panel { title: title.to_owned(), y, series, height: 130.0 };
    let times = [(Measure::Median, " p(50)", Style::Marked), (Measure::Tail, " p(99)", Style::Marked)];
    let cpu = Axis { log: !linear, ..Axis::linear("user and system", Unit::Seconds) };
    let mut panels = vec![
        panel("Rate", Axis::linear("requests/s", Unit::Number), lines(Measure::Rate)),
        panel(
            "Time of an answer",
            Axis::log("p(50), p(99)", Unit::Seconds),
            self::lines(curve, rows, &times, |row| row.point.into()),
        ),
        panel("Server CPU per request", cpu, lines(Measure::Cpu)),
    ];
    let more = [
        ("Records per group", "records", Measure::Batch),
        ("Memory after the start", "anonymous", Measure::Memory),
        ("Time of a start that makes the data", "time", Measure::Start),
        ("Time of a further start", "time", Measure::Restart),
    ];
    for (title, label, measure) in more {
        if curve.measures().contains(&measure) {
            let log = curve.is_of_server() && measure != Measure::Batch;
            let linear = Axis::linear(label, measure.unit());
            let ticks = if measure == Measure::Memory { sizes(facts::MIB) } else { Vec::new() };
            let axis = if log { Axis { log, ticks, ..linear } } else { linear };
            panels.push(panel(title, axis, lines(measure)));
        }
    }
    Figure { title: curve.title().to_owned(), x, panels }
}

/// What a group costs by what it holds.
fn batch_figure(rows: &[PointValues]) -> Figure {
    let batch = |row: &PointValues| Spread::of(&row.rounds, Measure::Batch).median;
    let curve = Curve::Connections;
    let panel = |title: &str, y: Axis, measure: Measure| Panel {
        title: title.to_owned(),
        y,
        series: lines(curve, rows, &[(measure, "", Style::Marked)], batch),
        height: 150.0,
    };
    Figure {
        title: BATCH_TITLE.to_owned(),
        x: Axis::log("records per group", Unit::Number),
        panels: vec![
            panel("Write and sync of a group", Axis::log("time", Unit::Seconds), Measure::Sync),
            panel(
                "Bytes of a group",
                Axis { ticks: sizes(4_096.0), ..Axis::log("bytes", Unit::Bytes) },
                Measure::GroupBytes,
            ),
            panel("Rate", Axis::linear("requests/s", Unit::Number), Measure::Rate),
        ],
    }
}

/// A line for each of the curve's series and these measures, in the same colour in each panel. One that was not measured
/// anywhere is left out; what is measured of the server is one line.
fn lines(
    curve: Curve,
    rows: &[PointValues],
    measures: &[(Measure, &str, Style)],
    across: impl Fn(&PointValues) -> f64,
) -> Vec<Series> {
    let mut lines: Vec<Series> = Vec::new();
    for (at, (measure, suffix, style)) in measures.iter().enumerate() {
        let of_server = matches!(measure, Measure::Memory | Measure::Start | Measure::Restart);
        let shown = if of_server { 1 } else { curve.series().len() };
        for (number, series) in curve.series().iter().enumerate().take(shown) {
            let of_series = rows.iter().filter(|row| row.series == *series);
            let measured = of_series.map(|row| (across(row), Spread::of(&row.rounds, *measure)));
            let measured: Vec<_> = measured.filter(|(_, spread)| spread.median.is_finite()).collect();
            if measured.is_empty() {
                continue;
            }
            let name = if of_server { "server" } else { series.name };
            let points = measured.iter().map(|(x, spread)| (*x, spread.median)).collect();
            let mut line =
                Series::new(&format!("{name}{suffix}"), *style, Hue::of(at * shown + number), points);
            line.ranges = measured.iter().map(|(_, spread)| (spread.least, spread.most)).collect();
            lines.push(line);
        }
    }
    lines
}

#[cfg(test)]
pub(super) mod tests;
