//! k6's end-of-test summary, as its releases before 1.0 print it (and 1.0 with `--summary-mode=legacy`): names,
//! units, order and columns.
//!
//! The marks before metrics are those of the thresholds that the scripts in `k6/` set: all checks pass, no request has
//! failed, and one for each type of request that calls its sub-metrics forth.

use std::fmt::Write as _;
use std::time::Duration;

use super::overload::{self, Pressure};
use super::scenario::{RequestType, Scenario};
use super::stats::{CHECKS, Figures, Stats, Tally, Trend};
use super::units;

/// Time that iterations have to end after the run's duration, as k6 gives them.
pub(crate) const GRACE: Duration = Duration::from_secs(30);

const PASSED: char = '✓';
const FAILED: char = '✗';

/// The load of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    /// What is played.
    pub(crate) scenario: Scenario,
    /// By how many.
    pub(crate) vus: usize,
    /// Requests that each has under way at a time.
    pub(crate) pipeline: usize,
    /// For how long.
    pub(crate) duration: Duration,
    /// Trends have the columns p(99) and p(99.9), as k6 shows them with `--summary-trend-stats`.
    pub(crate) tails: bool,
    /// A rate of its own, or a patience, where the virtual users have any.
    pub(crate) pressure: Pressure,
}

/// What stands above the summary: the scenario, virtual users and duration.
pub(crate) fn header(load: &Load, url: &str) -> String {
    let Load { scenario, vus, duration, pressure, .. } = *load;
    let manner = match pressure.rate {
        Some(rate) => format!("{rate}.00 requests/s on {vus} connections for"),
        None => format!("{vus} looping VUs for"),
    };
    format!(
        "  execution: local\n     script: {}\n     target: {url}\n     output: -\n\n  \
         scenarios: (100.00%) 1 scenario, {vus} max VUs, {} max duration (incl. graceful stop):\n           \
         * default: {manner} {} (gracefulStop: {})\n\n",
        scenario.name(),
        units::length(duration + GRACE),
        units::length(duration),
        units::length(GRACE),
    )
}

/// The summary of a run that lasted `elapsed_ns`.
pub(crate) fn summary(load: &Load, stats: &Stats, elapsed_ns: u64) -> String {
    let Load { scenario, vus, duration, .. } = *load;
    let whole = if elapsed_ns >= duration.as_nanos() as u64 { PASSED } else { FAILED };
    let mut text = format!(
        "running ({}), 000/{vus:03} VUs, {} complete and {} interrupted iterations\ndefault {whole} {vus} VUs  {}\n\n",
        units::elapsed(elapsed_ns),
        stats.iterations(),
        stats.interrupted,
        units::length(duration),
    );
    for kind in scenario.kinds() {
        write_groups(&mut text, kind.name(), &stats.of(kind).checks);
    }
    let columns = if load.tails { COLUMNS.len() } else { COLUMNS.len() - TAILS };
    write_lines(&mut text, &lines(load, stats, elapsed_ns), columns);
    if let Some(overload) = &stats.overload {
        text += &overload::summary(overload, stats, elapsed_ns);
    }
    text
}

/// A group within a group of the same name, with the checks in the inner one.
fn write_groups(text: &mut String, name: &str, checks: &[Tally; CHECKS.len()]) {
    let _ = write!(text, "     █ {name}\n\n       █ {name}\n\n");
    for (check, tally) in CHECKS.iter().zip(checks) {
        let Tally { passes, fails } = *tally;
        if fails == 0 {
            let _ = writeln!(text, "         {PASSED} {check}");
        } else {
            let percent = 100 * passes / tally.total();
            let _ = writeln!(
                text,
                "         {FAILED} {check}\n          ↳  {percent}% — {PASSED} {passes} / {FAILED} {fails}"
            );
        }
    }
    text.push('\n');
}

/// A line of a metric.
struct MetricLine {
    /// `None` where k6 has no threshold.
    holds: Option<bool>,
    /// With the indentation of a sub-metric.
    name: String,
    value: Value,
}

enum Value {
    Trend(Figures),
    /// A value and up to two columns beside it.
    Plain(String, Vec<String>),
}

impl MetricLine {
    fn trend(name: &str, figures: Figures) -> Self {
        Self { holds: None, name: name.to_owned(), value: Value::Trend(figures) }
    }

    fn plain(name: &str, value: String, beside: impl IntoIterator<Item = String>) -> Self {
        let value = Value::Plain(value, beside.into_iter().collect());
        Self { holds: None, name: name.to_owned(), value }
    }

    fn counter(name: &str, count: u64, elapsed_ns: u64) -> Self {
        Self::plain(name, count.to_string(), [units::rate(count, elapsed_ns)])
    }

    fn rate(name: &str, tally: Tally) -> Self {
        let Tally { passes, fails } = tally;
        let beside = [format!("{PASSED} {passes}"), format!("{FAILED} {fails}")];
        Self::plain(name, units::share(passes, tally.total()), beside)
    }

    fn gauge(name: &str, value: usize) -> Self {
        Self::plain(name, value.to_string(), [format!("min={value}"), format!("max={value}")])
    }

    fn holding(self, holds: bool) -> Self {
        Self { holds: Some(holds), ..self }
    }
}

/// A sub-metric's name, indented under its metric.
fn of_type(kind: RequestType) -> String {
    format!("  {{ requestType:{} }}", kind.name())
}

/// The metrics in k6's order: by name, sub-metrics under theirs.
fn lines(load: &Load, stats: &Stats, elapsed_ns: u64) -> Vec<MetricLine> {
    let mut kinds = load.scenario.kinds();
    kinds.sort_by_key(|kind| kind.name());
    let every = |kind: RequestType| [&stats.of(kind).expected, &stats.of(kind).failed];
    let expected = Trend::of(kinds.iter().map(|kind| &stats.of(*kind).expected));
    let durations = Trend::of(kinds.iter().flat_map(|kind| every(*kind)));
    let failed = Tally { passes: stats.failed(), fails: stats.requests() - stats.failed() };
    let checks = stats.checks();
    // In a closed loop there is nothing to wait for but a connection.
    let blocked = if load.pressure.rate.is_some() { &stats.blocked } else { &stats.connecting };
    let data =
        |name, count| MetricLine::plain(name, units::bytes(count), [units::byte_rate(count, elapsed_ns)]);

    let mut lines = vec![
        MetricLine::rate("checks", checks).holding(checks.fails == 0 && checks.passes > 0),
        data("data_received", stats.bytes_received),
        data("data_sent", stats.bytes_sent),
        MetricLine::trend("group_duration", stats.group.figures()),
        MetricLine::trend("http_req_blocked", blocked.figures()),
        MetricLine::trend("http_req_connecting", stats.connecting.figures()),
        MetricLine::trend("http_req_duration", durations.figures()),
        MetricLine::trend("  { expected_response:true }", expected.figures()),
    ];
    lines.extend(
        kinds
            .iter()
            .map(|kind| MetricLine::trend(&of_type(*kind), Trend::of(every(*kind)).figures()).holding(true)),
    );
    lines.extend([
        MetricLine::rate("http_req_failed", failed).holding(stats.failed() == 0),
        MetricLine::trend("http_req_receiving", stats.receiving.figures()),
        MetricLine::trend("http_req_sending", stats.sending.figures()),
        MetricLine::trend("http_req_tls_handshaking", Figures::default()),
        MetricLine::trend("http_req_waiting", stats.waiting.figures()),
        MetricLine::counter("http_reqs", stats.requests(), elapsed_ns),
    ]);
    lines.extend(kinds.iter().map(|kind| {
        MetricLine::counter(&of_type(*kind), stats.of(*kind).requests(), elapsed_ns).holding(true)
    }));
    lines.extend([
        MetricLine::trend("iteration_duration", stats.iteration.figures()),
        MetricLine::counter("iterations", stats.iterations(), elapsed_ns),
        MetricLine::gauge("vus", load.vus),
        MetricLine::gauge("vus_max", load.vus),
    ]);
    lines
}

/// The columns of a trend.
fn columns(figures: &Figures) -> [String; COLUMNS.len()] {
    let Figures { average, least, median, most, p90, p95, p99, p999 } = *figures;
    [average, least, median, most, p90, p95, p99, p999].map(units::duration)
}

const COLUMNS: [&str; 8] = ["avg", "min", "med", "max", "p(90)", "p(95)", "p(99)", "p(99.9)"];

/// Columns at the end that are shown where they are asked for.
const TAILS: usize = 2;

/// How wide the columns are. k6 aligns the trends with one another, and all others with one another.
#[derive(Default)]
struct Widths {
    name: usize,
    trend: [usize; COLUMNS.len()],
    plain: usize,
    beside: [usize; 2],
}

impl Widths {
    fn of(lines: &[MetricLine]) -> Self {
        let mut widths = Self::default();
        for MetricLine { name, value, .. } in lines {
            widths.name = widths.name.max(name.chars().count());
            match value {
                Value::Trend(figures) => widen(&mut widths.trend, &columns(figures)),
                Value::Plain(value, beside) => {
                    widths.plain = widths.plain.max(value.chars().count());
                    widen(&mut widths.beside, beside);
                }
            }
        }
        widths
    }
}

fn widen(widths: &mut [usize], texts: &[String]) {
    for (width, text) in widths.iter_mut().zip(texts) {
        *width = (*width).max(text.chars().count());
    }
}

fn write_lines(text: &mut String, lines: &[MetricLine], columns_shown: usize) {
    let widths = Widths::of(lines);
    for MetricLine { holds, name, value } in lines {
        let (indent, name) = name.split_at(name.len() - name.trim_start().len());
        let mark = holds.map_or(' ', |holds| if holds { PASSED } else { FAILED });
        let dots = ".".repeat(widths.name + 3 - indent.len() - name.chars().count());
        let _ = write!(text, "   {indent}{mark} {name}{dots}:");
        match value {
            Value::Trend(figures) => {
                let columns = COLUMNS.iter().zip(columns(figures)).zip(widths.trend);
                for ((column, value), width) in columns.take(columns_shown) {
                    let _ = write!(text, " {column}={value:<width$}");
                }
            }
            Value::Plain(value, beside) => {
                let _ = write!(text, " {value:<width$}", width = widths.plain);
                write_beside(text, beside, &widths.beside);
            }
        }
        text.push('\n');
    }
}

/// A single column beside a value is not padded, as k6 has it.
fn write_beside(text: &mut String, beside: &[String], widths: &[usize]) {
    if let [only] = beside {
        let _ = write!(text, " {only}");
        return;
    }
    for (value, width) in beside.iter().zip(widths) {
        let _ = write!(text, " {value:<width$}");
    }
}

#[cfg(test)]
mod tests;
