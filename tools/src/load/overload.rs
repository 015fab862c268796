//! What clients with a rate or a patience have seen, beside what every run measures.
//!
//! An answer is *served* or *refused*: refused are `ErrorCode` -1 and HTTP 503, which say that the server could not answer
//! now and changed nothing. A request that was not answered in time is *given up*: its client has closed the connection. One
//! whose connection the server ended, or that was answered by what is no answer, has *failed*.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::stats::{Sample, Stats, TAIL, Trend};
use super::units;

/// Where a request that was answered counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// With all others: durations and checks.
    Counted,
    /// Here alone.
    Aside,
}

/// How clients press the server, where they do more than wait for one answer after another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pressure {
    /// Requests that start in a second, whatever became of those before; `None` in a closed loop.
    pub(crate) rate: Option<u32>,
    /// Time from a request's send after which its client closes the connection, in milliseconds.
    pub(crate) patience_ms: Option<u64>,
    /// Refusals fail the checks.
    pub(crate) refusals_fail: bool,
}

impl Pressure {
    /// Whether there is any.
    pub(crate) const fn is_any(self) -> bool {
        self.rate.is_some() || self.patience_ms.is_some()
    }
}

/// What was seen. All times of requests run from their intended starts, in nanoseconds; in a closed loop a request is
/// intended when it is sent.
#[derive(Debug, Default)]
pub(crate) struct Overload {
    pub(crate) pressure: Pressure,
    /// Times to answers that are no refusals.
    pub(crate) served: Trend,
    /// The same from the send: without what a request waited for a free connection.
    pub(crate) since_sent: Trend,
    /// Times to refusals.
    pub(crate) refused: Trend,
    /// Requests whose client closed the connection.
    pub(crate) given_up: u64,
    /// Connections that were made after the start.
    pub(crate) reconnects: u64,
    /// Intended starts by the end; 0 in a closed loop, here and below.
    pub(crate) offered: u64,
    /// Those of them that were handed to a connection.
    pub(crate) sent: u64,
    /// By how much later than both its intended start and its connection's being free a request was sent: what the
    /// generator itself adds.
    pub(crate) late: Trend,
    /// Time that the generator had nothing to do.
    pub(crate) waited_ns: u64,
    /// The longest time between two looks at what has come.
    pub(crate) longest_turn_ns: u64,
}

impl Overload {
    /// Takes a request that has ended by itself, answered or not.
    pub(crate) fn take(&mut self, sample: &Sample) -> Place {
        if sample.verdict.is_refusal {
            self.refused.record(sample.duration());
            return if self.pressure.refusals_fail { Place::Counted } else { Place::Aside };
        }
        if sample.verdict.is_answer() {
            self.served.record(sample.duration());
            self.since_sent.record(sample.since_sent());
        }
        Place::Counted
    }

    /// Requests that were to start and were not sent.
    const fn never_sent(&self) -> u64 {
        self.offered - self.sent
    }
}

/// The part of the summary for a run that lasted `elapsed_ns`.
pub(crate) fn summary(overload: &Overload, stats: &Stats, elapsed_ns: u64) -> String {
    let Overload { pressure, offered, sent, .. } = *overload;
    let rate = |count: u64| (count.to_string(), units::rate(count, elapsed_ns));
    let failed = stats.requests() - overload.served.count() - overload.refused.count() - overload.given_up;
    let mut lines = Vec::new();
    if pressure.rate.is_some() {
        let never = overload.never_sent();
        lines.push(("offered", rate(offered)));
        lines.push(("sent", rate(sent)));
        lines.push(("never_sent", (never.to_string(), units::share(never, offered))));
    }
    lines.push(("served (goodput)", rate(overload.served.count())));
    lines.push(("refused (-1, 503)", rate(overload.refused.count())));
    lines.push(("given_up", rate(overload.given_up)));
    lines.push(("failed", rate(failed)));
    lines.push(("reconnects", rate(overload.reconnects)));
    let width = lines.iter().map(|(_, (count, _))| count.len()).max().unwrap_or_default();

    let mut text = format!("\n   {}\n\n", heading(pressure));
    for (name, (count, beside)) in &lines {
        let _ = writeln!(text, "     {name:.<25}: {count:<width$} {beside}");
    }
    let mut trends = vec![("served, latency", &overload.served)];
    if pressure.rate.is_some() {
        trends.push(("served, since the send", &overload.since_sent));
    }
    trends.push(("refused, latency", &overload.refused));
    if pressure.rate.is_some() {
        trends.push(("sent late by generator", &overload.late));
    }
    write_trends(&mut text, &trends);
    let busy_ns = elapsed_ns.saturating_sub(overload.waited_ns);
    let longest = units::duration(overload.longest_turn_ns);
    let busy = units::share(busy_ns, elapsed_ns);
    let _ = writeln!(text, "     {:.<25}: {busy} longest turn {longest}", "generator busy");
    text
}

fn heading(pressure: Pressure) -> String {
    let mut parts = vec![match pressure.rate {
        Some(rate) => format!("open loop, {rate} requests/s from their intended starts"),
        None => "closed loop".to_owned(),
    }];
    parts.extend(
        pressure.patience_ms.map(|ms| format!("given up {} after the send", units::duration(ms * 1_000_000))),
    );
    parts.join(", ")
}

fn write_trends(text: &mut String, trends: &[(&str, &Trend)]) {
    let rows: Vec<_> = trends.iter().map(|(name, trend)| (name, trend.tail().map(units::duration))).collect();
    let width =
        |column: usize| rows.iter().map(|(_, row)| row[column].chars().count()).max().unwrap_or_default();
    let widths: [usize; TAIL.len()] = std::array::from_fn(width);
    for (name, row) in &rows {
        let _ = write!(text, "     {name:.<25}:");
        for (((column, _), value), width) in TAIL.iter().zip(row).zip(widths) {
            let _ = write!(text, " {column}={value:<width$}");
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
}

/// The same for programs. Names carry their units.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct OverloadResults {
    /// `None` in a closed loop, here and where it says so.
    pub(crate) rate: Option<u32>,
    pub(crate) patience_ms: Option<u64>,
    /// Open loop alone.
    pub(crate) offered: Option<u64>,
    /// Open loop alone.
    pub(crate) sent: Option<u64>,
    /// Open loop alone.
    pub(crate) never_sent: Option<u64>,
    pub(crate) served: u64,
    pub(crate) served_per_s: f64,
    pub(crate) refused: u64,
    pub(crate) given_up: u64,
    pub(crate) failed: u64,
    pub(crate) reconnects: u64,
    pub(crate) served_ms: Tail,
    pub(crate) served_since_sent_ms: Tail,
    pub(crate) refused_ms: Tail,
    pub(crate) generator_late_ms: Tail,
    /// From 0 to 1.
    pub(crate) generator_busy: f64,
    pub(crate) generator_longest_turn_ms: f64,
}

/// Percentiles in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Tail {
    pub(crate) p50: f64,
    pub(crate) p90: f64,
    pub(crate) p95: f64,
    pub(crate) p99: f64,
    #[serde(rename = "p99.9")]
    pub(crate) p999: f64,
    #[serde(rename = "p99.99")]
    pub(crate) p9999: f64,
    pub(crate) most: f64,
}

impl Tail {
    fn of(trend: &Trend) -> Self {
        let [p50, p90, p95, p99, p999, p9999, most] = trend.tail().map(|ns| ns as f64 / 1e6);
        Self { p50, p90, p95, p99, p999, p9999, most }
    }
}

impl OverloadResults {
    /// The figures of a run that lasted `elapsed_ns`.
    pub(crate) fn of(overload: &Overload, stats: &Stats, elapsed_ns: u64) -> Self {
        let Pressure { rate, patience_ms, .. } = overload.pressure;
        let open = |count: u64| rate.map(|_| count);
        let (served, refused) = (overload.served.count(), overload.refused.count());
        let share = |part: u64| if elapsed_ns == 0 { 0.0 } else { part as f64 / elapsed_ns as f64 };
        Self {
            rate,
            patience_ms,
            offered: open(overload.offered),
            sent: open(overload.sent),
            never_sent: open(overload.never_sent()),
            served,
            served_per_s: share(served) * 1e9,
            refused,
            given_up: overload.given_up,
            failed: stats.requests() - served - refused - overload.given_up,
            reconnects: overload.reconnects,
            served_ms: Tail::of(&overload.served),
            served_since_sent_ms: Tail::of(&overload.since_sent),
            refused_ms: Tail::of(&overload.refused),
            generator_late_ms: Tail::of(&overload.late),
            generator_busy: share(elapsed_ns.saturating_sub(overload.waited_ns)),
            generator_longest_turn_ms: overload.longest_turn_ns as f64 / 1e6,
        }
    }
}

#[cfg(test)]
mod tests;
