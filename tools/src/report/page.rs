//! The page of a report, in Markdown.

use std::fmt::Write as _;

use super::{Arguments, FLAME_HZ, ReportRun, ReportScenario, before, flame_seconds, parts};
use crate::child::Options;
use crate::facts::{self, Facts};
use crate::load::{Outcome, Stats};
use crate::profile::flame::Folded;

/// Functions that are listed.
const TOP: usize = 10;

/// The share of the server's processor time that sampling may take, in percent.
const SAMPLING_MAX: f64 = 1.0;

/// What a page is made of.
pub(super) struct Page<'a> {
    pub(super) arguments: &'a Arguments,
    pub(super) date: &'a str,
    pub(super) facts: &'a Facts,
    pub(super) options: &'a Options,
    pub(super) run: &'a ReportRun,
    /// Or why there is no flame graph.
    pub(super) flame: &'a Result<Folded, String>,
}

impl Page<'_> {
    /// The page.
    pub(super) fn text(&self) -> String {
        let Outcome { stats, .. } = &self.run.outcome;
        let mut text = format!("# Load test report: {}, {}\n\n", self.arguments.scenario.name(), self.date);
        if !stats.all_passed() {
            text.push_str(&failed(stats));
        }
        text.push_str(&self.scenario());
        let _ = write!(text, "## Machine\n\n{}\n", self.facts.list());
        text.push_str(&self.commands());
        let _ = write!(
            text,
            "## Load test statistics\n\nk6's end-of-test summary, also in \
             [k6_run_report.txt](k6_run_report.txt):\n\n```\n{}\n```\n\n![latency by percentile](latency.png)\n\nOne \
             line for each type of request. Each step to the right leaves a tenth of the requests beyond it, so \
             the picture shows the slowest requests as well as the typical ones. ([SVG](latency.svg))\n\n",
            self.run.text.trim_end()
        );
        text.push_str(&self.before());
        let Outcome { began_ns, intervals, .. } = &self.run.outcome;
        text.push_str(&parts::section(*began_ns, intervals, &self.run.sampled.samples));
        text.push_str(&self.profiling());
        text.push_str(&self.sampling());
        text.push_str(
            "## Files\n\n- [k6_run_report.txt](k6_run_report.txt): the full report in k6's layout\n\
             - [samples.csv](samples.csv): a row for each second, units in the columns' names\n\
             - telemetry and latency, as PNG and as SVG",
        );
        text.push_str(if self.flame.is_ok() { "; flamegraph.svg\n" } else { "\n" });
        text
    }

    fn scenario(&self) -> String {
        let Arguments { vus, scenario, .. } = self.arguments;
        let steps = scenario.scenario().steps();
        let kinds = scenario.scenario().kinds();
        let groups: Vec<String> = kinds
            .iter()
            .map(|kind| match steps.iter().filter(|step| step.kind() == *kind).count() {
                1 => kind.name().to_owned(),
                count => format!("{} ({count} times)", kind.name()),
            })
            .collect();
        let whose = match scenario {
            ReportScenario::Seed => {
                "Each virtual user has its own demo account, and redeems the token that it received last."
            }
            ReportScenario::Full => {
                "A session has three rounds: one is won, one has a bet that is taken back, one gets a part of \
                 its stake back. Each virtual user has its own demo account."
            }
            ReportScenario::Wrapped => {
                "All virtual users play one demo account, and redeem session tokens that the platform itself \
                 builds from the session key and the time."
            }
        };
        format!(
            "## Scenario\n\n{vus} virtual users for {}, in a closed loop: each sends its next request when it has the \
             answer to the last. An iteration has {} requests, each in a group of its own: {}. {whose} Every \
             answer has two checks: \"is status 200\" and \"is body errorCode 0\". Every change is on stable \
             storage before it is answered.\n\n",
            self.duration(),
            steps.len(),
            groups.join(", ")
        )
    }

    fn duration(&self) -> String {
        let ms = self.arguments.duration.as_millis();
        if ms.is_multiple_of(60_000) {
            format!("{}m", ms / 60_000)
        } else if ms.is_multiple_of(1_000) {
            format!("{}s", ms / 1_000)
        } else {
            format!("{ms}ms")
        }
    }

    fn commands(&self) -> String {
        let Arguments { vus, scenario, cores, no_sampling, no_flame_graph, .. } = self.arguments;
        let (duration, scenario) = (self.duration(), scenario.name());
        let mut own = format!(
            "cargo run --release -p tools -- report --scenario {scenario} --vus {vus} --duration {duration}"
        );
        if let Some(cores) = cores {
            let _ = write!(own, " --cores {cores}");
        }
        own.push_str(if *no_sampling { " --no-sampling" } else { "" });
        own.push_str(if *no_flame_graph { " --no-flame-graph" } else { "" });
        let mut server = self.options.clone();
        server.data = "SCRATCH/data".into();
        format!(
            "## Commands\n\n```\ncargo build --release --workspace\n{own}\n```\n\nIt starts the server in a \
             scratch directory, on free ports, and plays the same load as `tools load`:\n\n```\npurser {}\ntools load \
             --scenario {scenario} --vus {vus} --duration {duration} --tails --url http://127.0.0.1:PORT\n```\n\n",
            server.arguments().join(" ")
        )
    }

    fn before(&self) -> String {
        let ReportRun { outcome, costs, .. } = self.run;
        let cores = |ns: u64| ns as f64 / outcome.elapsed_ns.max(1) as f64;
        format!(
            "## Compared with the report that the project starts from\n\n{}\nThat report covers 100 virtual \
             users and ten minutes on another machine, and does not say where its load came from. Here server and \
             generator share the cores: the server took {:.2} of them, the generator {:.2}. The time of sending \
             ends with the generator's turn that saw the request sent, so it includes that turn's length. An \
             answer that arrived in one piece took no time to receive.\n\n",
            before::table(self.arguments.scenario, outcome),
            cores(costs.server_ns),
            cores(costs.generator_ns)
        )
    }

    fn profiling(&self) -> String {
        let mut text = String::from("## Profiling statistics\n\n![telemetry](telemetry.png)\n\n");
        text.push_str(if self.arguments.no_sampling { SERIES_LEGEND } else { LEGEND });
        text.push_str("\n([SVG](telemetry.svg))\n\n");
        match self.flame {
            Err(sentence) => {
                let _ = write!(text, "There is no flame graph: {sentence}.\n\n");
            }
            Ok(flame) => {
                let seconds = flame_seconds(self.arguments.duration);
                let _ = write!(
                    text,
                    "![flame graph](flamegraph.svg)\n\nThe server's processor time in {seconds} s in the middle \
                     of the run. A box is a function, as wide as its share of the time, and stands on the \
                     function that called it. Open the file to zoom by clicking. In these seconds the profiler \
                     interrupted each core {FLAME_HZ} times a second.\n\n| area | share |\n|---|---|\n"
                );
                for (area, percent) in flame.shares().into_iter().filter(|(_, percent)| *percent > 0.0) {
                    let _ = writeln!(text, "| {area} | {percent:.1} % |");
                }
                text.push_str("\n| function | its own time |\n|---|---|\n");
                for (function, percent) in flame.top(TOP) {
                    let _ = writeln!(text, "| `{function}` | {percent:.1} % |");
                }
                text.push('\n');
            }
        }
        text
    }

    fn sampling(&self) -> String {
        let ReportRun { sampled, costs, .. } = self.run;
        if self.arguments.no_sampling {
            return "## The cost of sampling\n\nNothing was sampled.\n\n".to_owned();
        }
        let of_server = |ns: f64| 100.0 * ns / costs.server_ns.max(1) as f64;
        let asked = of_server((costs.metrics_ns * sampled.asked) as f64);
        let own = of_server(sampled.cpu_ns as f64);
        let verdict = if asked + own < SAMPLING_MAX { "below" } else { "**NOT below**" };
        format!(
            "## The cost of sampling\n\nThe sampler asked the server for its metrics {} times, once a second. After \
             the run, 200 further requests to the otherwise idle server took it {:.0} µs of processor time each, \
             including all work for the connection; in the run that is {asked:.3} % of the {:.1} s that it took. A thread \
             of the generator's process reads everything else from the kernel, and took as much as {own:.3} % of the \
             server's time. If all of it had been taken from the server, it would be {:.3} % together, {verdict} \
             {SAMPLING_MAX:.0} %. `--no-sampling` measures without either.\n\n",
            sampled.asked,
            costs.metrics_ns as f64 / 1e3,
            costs.server_ns as f64 / 1e9,
            asked + own
        )
    }
}

fn failed(stats: &Stats) -> String {
    let checks = stats.checks();
    format!(
        "> **THIS RUN HAS FAILED.** {} of {} checks did not pass, so its figures include wrong or missing \
         answers. Use them to look for the cause, and do not quote them.\n\n",
        facts::grouped(checks.fails),
        facts::grouped(checks.total())
    )
}

const SERIES_LEGEND: &str =
    "All panels have one time axis. *Requests per second* and *latency*: measured by the
generator, for the requests that ended in each second.
";

const LEGEND: &str = "All panels have one time axis, from the start of the run:

- *Requests per second* and *latency*: measured by the generator, for the requests that ended in each second.
- *Processor time of a core*: user, system (with interrupts) and idle time of everything that ran on the core: server,
  generator and other processes; and the time that the host gave to others, where it did.
- *The server's processor time*: only the server's, in cores.
- *The server's memory*: resident is the memory that the kernel has given it, including the buffers of its rings; heap in
  use is what it has allocated; heap free is what its allocator keeps for the next allocation.
- *The server's threads by state*, the mean of each second. Running and runnable (waiting for a core) are exact: the
  scheduler counts the time on a core and in the queue for one. The rest is waiting, and ten samples per second divide it:
  in the ring, an eventfd or a socket (*network or ring wait*), for the disk, or elsewhere, such as idle threads.
- *Journal*: groups made durable in each second, the number of records per group, and the time of its write and sync;
  omitted if nothing had to be journaled, since balances and new tokens change no money.
- *Written to the disk*: all that the kernel has written for the server, and the journal's part of it; omitted likewise.
";

#[cfg(test)]
mod tests;
