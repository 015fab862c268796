//! Looks at the server and at the machine while a run lasts, on a thread of its own.
//!
//! Once a second it takes the difference of everything that the kernel and the server count. A thread's state is not
//! counted, but its time on a core and in the queue for one is; so how many threads ran and how many were runnable is
//! exact. What the others waited for is looked at ten times a second, and the time that is left is split as those looks
//! were.

use std::collections::HashMap;
use std::fs;
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use super::own_cpu_ns;
use procfs::process::Process;

use crate::load::Clock;
use crate::proc::{self, CoreTicks, Doing};
use crate::{child, metrics};

/// Time between two looks at what threads wait for.
const LOOK: Duration = Duration::from_millis(100);

/// Looks to a sample.
const LOOKS: u32 = 10;

/// Ticks of a second in the kernel's files, whatever its own are (`USER_HZ`).
const TICKS_PER_SECOND: f64 = 100.0;

/// A core's second, in percent.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct CoreShares {
    pub(super) user: f64,
    pub(super) system: f64,
    pub(super) idle: f64,
    pub(super) stolen: f64,
}

/// Threads in each state, on the average of a second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Threads {
    pub(super) running: f64,
    pub(super) runnable: f64,
    pub(super) ring: f64,
    pub(super) disk: f64,
    pub(super) elsewhere: f64,
}

/// What the server tells of itself. `None` for what it does not tell.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct ServerMetrics {
    pub(super) heap_used_bytes: Option<f64>,
    pub(super) heap_free_bytes: Option<f64>,
    /// These four count up.
    pub(super) groups: Option<f64>,
    pub(super) records: Option<f64>,
    pub(super) journal_seconds: Option<f64>,
    pub(super) journal_bytes: Option<f64>,
}

impl ServerMetrics {
    fn read(text: &str) -> Self {
        let of = |name, labels: &[(&str, &str)]| metrics::sum(text, name, labels);
        Self {
            heap_used_bytes: of("purser_heap_bytes", &[("state", "used")]),
            heap_free_bytes: of("purser_heap_bytes", &[("state", "free")]),
            groups: of("purser_journal_groups_total", &[]),
            records: of("purser_journal_records_total", &[]),
            journal_seconds: of("purser_journal_seconds_total", &[]),
            journal_bytes: of("purser_journal_bytes_total", &[]),
        }
    }
}

/// A second of the server and the machine.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Second {
    /// The end of it, in nanoseconds of the run's clock.
    pub(super) at_ns: u64,
    pub(super) cores: Vec<CoreShares>,
    /// The server's own time, in cores.
    pub(super) server_user: f64,
    pub(super) server_system: f64,
    pub(super) resident_bytes: Option<u64>,
    pub(super) threads: Threads,
    pub(super) heap_used_bytes: Option<f64>,
    pub(super) heap_free_bytes: Option<f64>,
    pub(super) groups_per_second: Option<f64>,
    pub(super) records_per_group: Option<f64>,
    /// From a group's hand-over to its being durable, mean.
    pub(super) sync_seconds: Option<f64>,
    /// Bytes that were written to the disk for the server since the sample before, and those of its journal.
    pub(super) written: Option<f64>,
    pub(super) journal: Option<f64>,
}

/// What sampling has brought, and what it took.
#[derive(Debug, Default)]
pub(super) struct Sampled {
    pub(super) samples: Vec<Second>,
    /// Of the thread that sampled.
    pub(super) cpu_ns: u64,
    /// How often the server was asked for its metrics.
    pub(super) asked: u64,
}

/// Everything that counts, at one time.
#[derive(Debug, Default)]
struct Counters {
    at_ns: u64,
    cores: Vec<CoreTicks>,
    user: u64,
    system: u64,
    /// On a core and in the queue, by thread.
    threads: HashMap<i32, (u64, u64)>,
    /// Bytes written to the disk.
    written: Option<f64>,
    metrics: ServerMetrics,
}

/// What was seen of the threads that did not run, and of how many there were, since the last sample.
#[derive(Debug, Default)]
struct Looks {
    taken: f64,
    threads: f64,
    ring: f64,
    disk: f64,
    elsewhere: f64,
}

/// Looks at a process.
#[derive(Debug)]
pub(super) struct Sampler {
    clock: Clock,
    /// None where it was not there.
    process: Option<Process>,
    operator: SocketAddr,
    last: Counters,
    looks: Looks,
    done: Sampled,
}

impl Sampler {
    /// A sampler of the server with this id, whose operator's listener has this address.
    pub(super) fn new(clock: Clock, pid: u32, operator: SocketAddr) -> Self {
        let process = proc::process(pid).ok();
        let (last, looks) = (Counters::default(), Looks::default());
        Self { clock, process, operator, last, looks, done: Sampled::default() }
    }

    /// Samples until the other end of `until` is dropped.
    pub(super) fn run(mut self, until: &Receiver<()>) -> Sampled {
        let cpu_ns = own_cpu_ns();
        self.last = self.count();
        let mut looks = 0;
        let mut next_ns = self.last.at_ns;
        loop {
            // By the clock and not from the end of the last look, so that a sample is a second.
            next_ns = (next_ns + LOOK.as_nanos() as u64).max(self.clock.now_ns());
            let wait = Duration::from_nanos(next_ns.saturating_sub(self.clock.now_ns()));
            if until.recv_timeout(wait) != Err(RecvTimeoutError::Timeout) {
                break;
            }
            self.look();
            looks += 1;
            if looks % LOOKS == 0 {
                let now = self.count();
                let sample = self.sample(&now);
                self.done.samples.push(sample);
                self.last = now;
                self.looks = Looks::default();
            }
        }
        self.done.cpu_ns = own_cpu_ns() - cpu_ns;
        self.done
    }

    fn look(&mut self) {
        let looks = &mut self.looks;
        looks.taken += 1.0;
        for thread in self.process.iter().flat_map(proc::threads) {
            let Ok(stat) = thread.stat() else { continue };
            looks.threads += 1.0;
            if stat.state == 'R' {
                continue;
            }
            // `procfs` has no `wchan` of a thread.
            let waits_in = fs::read_to_string(format!("/proc/{}/task/{}/wchan", thread.pid, thread.tid));
            match proc::doing(stat.state, &waits_in.unwrap_or_default()) {
                Doing::Runs => {}
                Doing::WaitsForRing => looks.ring += 1.0,
                Doing::WaitsForDisk => looks.disk += 1.0,
                Doing::WaitsElsewhere => looks.elsewhere += 1.0,
            }
        }
    }

    fn count(&mut self) -> Counters {
        let stat = self.process.as_ref().and_then(|process| process.stat().ok());
        let threads = self.process.iter().flat_map(proc::threads).filter_map(|thread| {
            let times = thread.schedstat().ok()?;
            Some((thread.tid, (times.sum_exec_runtime, times.run_delay)))
        });
        let threads = threads.collect();
        self.done.asked += 1;
        // A look that gets no answer leaves a gap.
        let mut metrics = child::http_get(self.operator, "/metrics")
            .map(|text| ServerMetrics::read(&text))
            .unwrap_or_default();
        // But the bytes are summed up: those of a gap belong to the sample behind it.
        metrics.journal_bytes = metrics.journal_bytes.or(self.last.metrics.journal_bytes);
        Counters {
            at_ns: self.clock.now_ns(),
            cores: proc::cores(),
            user: stat.as_ref().map_or(0, |stat| stat.utime),
            system: stat.map_or(0, |stat| stat.stime),
            threads,
            written: self
                .process
                .as_ref()
                .and_then(|process| process.io().ok())
                .map(|io| io.write_bytes as f64),
            metrics,
        }
    }

    fn sample(&self, now: &Counters) -> Second {
        let seconds = (now.at_ns - self.last.at_ns).max(1) as f64 / 1e9;
        let cores = |now: u64, before: u64| now.saturating_sub(before) as f64 / TICKS_PER_SECOND / seconds;
        let (groups, records, journal_seconds) = (
            more(now.metrics.groups, self.last.metrics.groups),
            more(now.metrics.records, self.last.metrics.records),
            more(now.metrics.journal_seconds, self.last.metrics.journal_seconds),
        );
        let kib = self.process.as_ref().and_then(|process| process.status().ok()?.vmrss);
        let of_group = |sum: Option<f64>| Some(sum? / groups.filter(|groups| *groups > 0.0)?);
        Second {
            at_ns: now.at_ns,
            cores: now.cores.iter().zip(&self.last.cores).map(|(now, before)| shares(now, before)).collect(),
            server_user: cores(now.user, self.last.user),
            server_system: cores(now.system, self.last.system),
            resident_bytes: kib.map(|kib| kib * 1_024),
            threads: threads(&self.looks, &self.last.threads, &now.threads, seconds),
            heap_used_bytes: now.metrics.heap_used_bytes,
            heap_free_bytes: now.metrics.heap_free_bytes,
            groups_per_second: groups.map(|groups| groups / seconds),
            records_per_group: of_group(records),
            sync_seconds: of_group(journal_seconds),
            written: more(now.written, self.last.written),
            journal: more(now.metrics.journal_bytes, self.last.metrics.journal_bytes),
        }
    }
}

fn more(now: Option<f64>, before: Option<f64>) -> Option<f64> {
    Some((now? - before?).max(0.0))
}

fn shares(now: &CoreTicks, before: &CoreTicks) -> CoreShares {
    let more = |of: fn(&CoreTicks) -> u64| of(now).saturating_sub(of(before)) as f64;
    let [user, system] = [more(|ticks| ticks.user), more(|ticks| ticks.system)];
    let [idle, stolen] = [more(|ticks| ticks.idle), more(|ticks| ticks.stolen)];
    let percent = 100.0 / (user + system + idle + stolen).max(1.0);
    CoreShares {
        user: user * percent,
        system: system * percent,
        idle: idle * percent,
        stolen: stolen * percent,
    }
}

/// A thread that was not there before began with no time; one that is not there any more has run too little to count.
fn threads(
    looks: &Looks,
    before: &HashMap<i32, (u64, u64)>,
    now: &HashMap<i32, (u64, u64)>,
    seconds: f64,
) -> Threads {
    let (mut running, mut runnable) = (0.0, 0.0);
    for (thread, (ran, queued)) in now {
        let (ran_before, queued_before) = before.get(thread).copied().unwrap_or_default();
        running += ran.saturating_sub(ran_before) as f64 / 1e9 / seconds;
        runnable += queued.saturating_sub(queued_before) as f64 / 1e9 / seconds;
    }
    let waiting = (looks.threads / looks.taken.max(1.0) - running - runnable).max(0.0);
    let seen = looks.ring + looks.disk + looks.elsewhere;
    let part = |looks: f64| if seen > 0.0 { waiting * looks / seen } else { 0.0 };
    Threads {
        running,
        runnable,
        ring: part(looks.ring),
        disk: part(looks.disk),
        elsewhere: part(looks.elsewhere),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_shares(more: [u64; 4], expect: [f64; 4]) {
        let before = CoreTicks { user: 10, system: 20, idle: 30, stolen: 40 };
        let [user, system, idle, stolen] = more;
        let now = CoreTicks { user: 10 + user, system: 20 + system, idle: 30 + idle, stolen: 40 + stolen };
        let [user, system, idle, stolen] = expect;
        assert_eq!(shares(&now, &before), CoreShares { user, system, idle, stolen });
    }

    #[test]
    fn shares_of_a_core() {
        check_shares([25, 25, 50, 0], [25.0, 25.0, 50.0, 0.0]);
        check_shares([1, 1, 1, 1], [25.0; 4]);
        check_shares([0; 4], [0.0; 4]);
    }

    #[test]
    fn threads_by_state() {
        let times = |list: &[(i32, u64, u64)]| {
            list.iter().map(|(thread, ran, queued)| (*thread, (*ran, *queued))).collect()
        };
        let second = 1_000_000_000;
        let before = times(&[(1, 5 * second, 0), (2, 0, 0), (3, second, 0)]);
        let now = times(&[(1, 6 * second, second / 2), (2, 0, 0), (4, second / 2, 0)]);
        let looks = Looks { taken: 20.0, threads: 100.0, ring: 30.0, disk: 10.0, elsewhere: 20.0 };
        let found = threads(&looks, &before, &now, 2.0);
        // Five threads: 0.75 ran, 0.25 were runnable, and four waited.
        let expect =
            Threads { running: 0.75, runnable: 0.25, ring: 2.0, disk: 4.0 / 6.0, elsewhere: 4.0 / 3.0 };
        assert_eq!(found, expect);
        assert_eq!(threads(&Looks::default(), &before, &before, 1.0), Threads::default());
    }

    #[test]
    fn what_is_told() {
        let text = "purser_heap_bytes{state=\"used\"} 7\npurser_journal_groups_total{shard=\"0\"} 3\n";
        let expect =
            ServerMetrics { heap_used_bytes: Some(7.0), groups: Some(3.0), ..ServerMetrics::default() };
        assert_eq!(ServerMetrics::read(text), expect);
    }
}
