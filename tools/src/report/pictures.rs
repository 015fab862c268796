//! The pictures of a report: everything over time, and latency by percentile.

use super::sampler::Second;
use crate::load::{Interval, RequestType, Stats};
use crate::plot::{Axis, Figure, Hue, Panel, Series, Style, Unit};

/// Points of a line that can be told apart at the width of a page.
const POINTS_MAX: usize = 600;

/// Cores that are shown one by one.
const CORES_MAX: usize = 8;

/// A share of time that the host took, in percent, from which it is shown.
const STOLEN_MIN: f64 = 0.5;

/// Everything over time. Sampled seconds are those from the run's beginning, `began_ns`, to its last interval's end.
pub(super) fn telemetry(title: &str, began_ns: u64, intervals: &[Interval], samples: &[Second]) -> Figure {
    let ended_ns = began_ns + intervals.last().map_or(0, |interval| interval.ended_ns);
    let within =
        |sample: &&Second| sample.at_ns > began_ns + 500_000_000 && sample.at_ns <= ended_ns + 500_000_000;
    let samples: Vec<&Second> = samples.iter().filter(within).collect();
    let sampled = RunSamples { began_ns, samples };
    let mut panels = load_panels(intervals);
    panels.extend(sampled.core_panels());
    panels.extend(sampled.server_panels());
    panels.extend(sampled.journal_panels());
    let every = intervals.len().div_ceil(POINTS_MAX);
    let label = match every {
        0 | 1 => "time since the start of the run, min:s".to_owned(),
        _ => format!("time since the start of the run, min:s; each point is the mean of {every} s"),
    };
    Figure { title: title.to_owned(), x: Axis::linear(&label, Unit::Elapsed), panels }
}

fn panel(title: &str, y: Axis, height: f64, series: impl IntoIterator<Item = Series>) -> Panel {
    Panel { title: title.to_owned(), y, series: series.into_iter().collect(), height }
}

/// The mean of each few points, so that there are at most [`POINTS_MAX`] of them. What is not a number is left out.
fn thinned(points: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    let every = points.len().div_ceil(POINTS_MAX).max(1);
    if every == 1 {
        return points;
    }
    let mean = |few: &[(f64, f64)]| {
        let known = few.iter().filter(|(_, y)| y.is_finite()).count() as f64;
        let sum: f64 = few.iter().map(|(_, y)| *y).filter(|y| y.is_finite()).sum();
        (few[few.len() - 1].0, sum / known)
    };
    points.chunks(every).map(mean).collect()
}

fn load_panels(intervals: &[Interval]) -> Vec<Panel> {
    let line = |label, number, of: fn(&Interval) -> f64| {
        let points =
            intervals.iter().map(|interval| (interval.ended_ns as f64 / 1e9, of(interval))).collect();
        Series::new(label, Style::Line, Hue::of(number), thinned(points))
    };
    let rate = [line("requests", 0, Interval::rate)];
    let latency = [
        line("p99.9", 3, |interval| interval.latency.p999 as f64 / 1e9),
        line("p99", 1, |interval| interval.latency.p99 as f64 / 1e9),
        line("p95", 2, |interval| interval.latency.p95 as f64 / 1e9),
        line("p50", 0, |interval| interval.latency.median as f64 / 1e9),
    ];
    vec![
        panel("Requests per second", Axis::linear("requests/s", Unit::Number), 90.0, rate),
        panel("Latency of the requests of each second", Axis::log("latency", Unit::Seconds), 110.0, latency),
    ]
}

/// The samples of a run.
struct RunSamples<'a> {
    began_ns: u64,
    samples: Vec<&'a Second>,
}

impl RunSamples<'_> {
    fn series(&self, label: &str, style: Style, hue: Hue, of: impl Fn(&Second) -> Option<f64>) -> Series {
        let point = |sample: &&Second| {
            let elapsed = sample.at_ns.saturating_sub(self.began_ns) as f64 / 1e9;
            (elapsed, of(sample).unwrap_or(f64::NAN))
        };
        Series::new(label, style, hue, thinned(self.samples.iter().map(point).collect()))
    }

    /// A panel for each core; one for all of them, where they are many.
    fn core_panels(&self) -> Vec<Panel> {
        let cores = self.samples.first().map_or(0, |sample| sample.cores.len());
        if cores > CORES_MAX {
            return vec![self.core_panel(&format!("Processor time, mean of {cores} cores"), 0..cores)];
        }
        (0..cores)
            .map(|core| self.core_panel(&format!("Processor time of core {core}"), core..core + 1))
            .collect()
    }

    fn core_panel(&self, title: &str, cores: std::ops::Range<usize>) -> Panel {
        let area = |label, hue, of: fn(&super::sampler::CoreShares) -> f64| {
            let cores = cores.clone();
            self.series(label, Style::Area, hue, move |sample| {
                let shares = sample.cores.get(cores.clone())?;
                Some(shares.iter().map(of).sum::<f64>() / shares.len() as f64)
            })
        };
        let mut series = vec![
            area("user", Hue::Blue, |core| core.user),
            area("system", Hue::Orange, |core| core.system),
            area("stolen by the host", Hue::Purple, |core| core.stolen),
            area("idle", Hue::Grey, |core| core.idle),
        ];
        if series[2].points.iter().all(|(_, stolen)| *stolen < STOLEN_MIN) {
            series.remove(2);
        }
        panel(title, Axis::linear("share", Unit::Percent), 66.0, series)
    }

    fn server_panels(&self) -> Vec<Panel> {
        let area = |label, hue, of: fn(&Second) -> f64| {
            self.series(label, Style::Area, hue, move |sample| Some(of(sample)))
        };
        let processor = [
            area("user", Hue::Blue, |sample| sample.server_user),
            area("system", Hue::Orange, |sample| sample.server_system),
        ];
        let memory = [
            self.series("resident", Style::Line, Hue::Blue, |sample| {
                sample.resident_bytes.map(|bytes| bytes as f64)
            }),
            self.series("heap in use", Style::Line, Hue::Vermillion, |sample| sample.heap_used_bytes),
            self.series("heap free", Style::Line, Hue::Green, |sample| sample.heap_free_bytes),
        ];
        let known = |series: &Series| series.points.iter().any(|(_, bytes)| bytes.is_finite());
        let threads = [
            area("running", Hue::Blue, |sample| sample.threads.running),
            area("runnable", Hue::Vermillion, |sample| sample.threads.runnable),
            area("network or ring wait", Hue::Sky, |sample| sample.threads.ring),
            area("disk wait", Hue::Purple, |sample| sample.threads.disk),
            area("waiting elsewhere", Hue::Grey, |sample| sample.threads.elsewhere),
        ];
        vec![
            panel("The server's processor time", Axis::linear("cores", Unit::Number), 66.0, processor),
            panel(
                "The server's memory",
                Axis::linear("memory", Unit::Bytes),
                90.0,
                memory.into_iter().filter(known),
            ),
            panel("The server's threads by state", Axis::linear("threads", Unit::Number), 100.0, threads),
        ]
    }

    fn journal_panels(&self) -> Vec<Panel> {
        let line = |label, of: fn(&Second) -> Option<f64>| [self.series(label, Style::Line, Hue::Blue, of)];
        if self.samples.iter().all(|sample| sample.groups_per_second.is_none_or(|groups| groups == 0.0)) {
            return Vec::new();
        }
        vec![
            panel(
                "Journal: groups made durable per second",
                Axis::linear("groups/s", Unit::Number),
                66.0,
                line("groups", |sample| sample.groups_per_second),
            ),
            panel(
                "Journal: records in a group",
                Axis::linear("records", Unit::Number),
                66.0,
                line("mean of a second", |sample| sample.records_per_group),
            ),
            panel(
                "Journal: time of a group's write and sync",
                Axis::linear("time", Unit::Seconds),
                66.0,
                line("mean of a second", |sample| sample.sync_seconds),
            ),
            panel(
                "Written to the disk in each second",
                Axis::linear("bytes", Unit::Bytes),
                66.0,
                [
                    self.series("by the server", Style::Line, Hue::Blue, |sample| sample.written),
                    self.series("its journal", Style::Line, Hue::Orange, |sample| sample.journal),
                ],
            ),
        ]
    }
}

/// Latency by percentile, a line for each type of request.
pub(super) fn latency(title: &str, kinds: &[RequestType], stats: &Stats) -> Figure {
    let curves = kinds.iter().enumerate().map(|(number, kind)| {
        let curve = stats.of(*kind).durations().curve();
        let points = curve.into_iter().map(|(inverse, ns)| (inverse, ns as f64 / 1e9)).collect();
        Series::new(kind.name(), Style::Line, Hue::of(number), points)
    });
    let y = Axis::log("latency", Unit::Seconds);
    let all = panel("Latency by percentile, of the whole run", y, 340.0, curves);
    // The least is at the axis's beginning; its name would touch the median's.
    let ticks = std::iter::once(2.0).chain((1..=9).map(|power| 10_f64.powi(power))).collect();
    let x = Axis { ticks, ..Axis::log("percentile, spaced by what lies beyond it", Unit::Percentile) };
    Figure { title: title.to_owned(), x, panels: vec![all] }
}

#[cfg(test)]
mod tests {
    use super::super::sampler::CoreShares;
    use super::*;
    use crate::load::{AnswerCheck, Figures, Sample, Scenario};

    fn interval(number: u64) -> Interval {
        let latency = Figures { median: 500_000, p95: 1_000_000, p99: 2_000_000, ..Figures::default() };
        Interval {
            ended_ns: number * 1_000_000_000,
            length_ns: 1_000_000_000,
            requests: 100,
            failed: 0,
            latency,
        }
    }

    #[track_caller]
    fn check_titles(samples: &[Second], expect: &[&str]) {
        let intervals: Vec<Interval> = (1..=2).map(interval).collect();
        let figure = telemetry("run", 0, &intervals, samples);
        let shown = figure.panels.iter().filter(|panel| {
            panel.series.iter().flat_map(|series| &series.points).any(|(_, y)| y.is_finite())
        });
        assert_eq!(shown.map(|panel| panel.title.as_str()).collect::<Vec<_>>(), expect);
    }

    #[test]
    fn panels_of_what_was_measured() {
        let load = ["Requests per second", "Latency of the requests of each second"];
        check_titles(&[], &load);
        let sample = |at: u64| Second {
            at_ns: at * 1_000_000_000,
            cores: vec![CoreShares::default(); 2],
            resident_bytes: Some(1),
            groups_per_second: Some(3.0),
            ..Second::default()
        };
        let more = [
            "Processor time of core 0",
            "Processor time of core 1",
            "The server's processor time",
            "The server's memory",
            "The server's threads by state",
            "Journal: groups made durable per second",
        ];
        check_titles(&[sample(1), sample(2)], &[&load[..], &more].concat());
        // Before the run and after it.
        check_titles(&[sample(0), sample(3)], &load);
    }

    #[test]
    fn long_runs_are_thinned() {
        let points = |count: u32| (1..=count).map(|x| (f64::from(x), 2.0)).collect::<Vec<_>>();
        assert_eq!(thinned(points(600)), points(600));
        let thin = thinned(points(601));
        assert_eq!((thin.len(), thin[0], thin[300]), (301, (2.0, 2.0), (601.0, 2.0)));
        let gaps = thinned(
            points(1_200).into_iter().map(|(x, _)| (x, if x > 2.0 { 4.0 } else { f64::NAN })).collect(),
        );
        assert!(gaps[0].1.is_nan() && gaps[1].1 == 4.0);
    }

    #[test]
    fn a_curve_for_each_type() {
        let mut stats = Stats::default();
        let verdict = AnswerCheck { status: 200, is_success: true, ..AnswerCheck::default() };
        for ns in 1..=1_000 {
            stats.record(RequestType::Balance, &Sample { waiting: ns * 1_000, verdict, ..Sample::default() });
        }
        let figure = latency("run", &Scenario::Seed.kinds(), &stats);
        let counts =
            figure.panels[0].series.iter().map(|series| (series.label.as_str(), series.points.len()));
        assert_eq!(counts.collect::<Vec<_>>(), [("balance", 49), ("redeemToken", 0), ("createToken", 0)]);
    }
}
