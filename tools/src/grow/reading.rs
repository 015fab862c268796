//! What the kernel and the server's metrics say of a server, before a measurement and after it.

use std::fs;
use std::net::SocketAddr;

use rustix::param::clock_ticks_per_second;

use crate::child;

/// Counts that only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Reading {
    /// Processor time of the process, user and system, seconds.
    pub(crate) cpu_s: f64,
    /// Groups made durable, all shards together.
    pub(crate) groups: f64,
    /// Records in them.
    pub(crate) records: f64,
    /// Bytes of them.
    pub(crate) bytes: f64,
    /// Time that they took from their hand-over, seconds.
    pub(crate) sync_s: f64,
}

impl Reading {
    /// Reads the process and the metrics of a server.
    ///
    /// # Errors
    /// A sentence, where it has gone.
    pub(crate) fn of(pid: u32, operator: SocketAddr) -> Result<Self, String> {
        let metrics = child::http_get(operator, "/metrics")?;
        let path = format!("/proc/{pid}/stat");
        let stat = fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
        let ticks = ticks(&stat).ok_or_else(|| format!("{path}: no processor time in it"))?;
        Ok(Self {
            cpu_s: ticks as f64 / clock_ticks_per_second() as f64,
            groups: sum(&metrics, "purser_journal_groups_total"),
            records: sum(&metrics, "purser_journal_records_total"),
            bytes: sum(&metrics, "purser_journal_bytes_total"),
            sync_s: sum(&metrics, "purser_journal_seconds_total"),
        })
    }

    /// What has come since `before`.
    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            cpu_s: self.cpu_s - before.cpu_s,
            groups: self.groups - before.groups,
            records: self.records - before.records,
            bytes: self.bytes - before.bytes,
            sync_s: self.sync_s - before.sync_s,
        }
    }
}

/// The memory that a process has to itself, in bytes.
///
/// # Errors
/// A sentence, where it has gone.
pub(crate) fn memory_bytes(pid: u32) -> Result<f64, String> {
    let path = format!("/proc/{pid}/status");
    let status = fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
    anonymous_kib(&status).map(|kib| kib * 1_024.0).ok_or_else(|| format!("{path}: no RssAnon in it"))
}

fn anonymous_kib(status: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

/// `utime` and `stime`, the 14th and 15th fields. The second is the program's name, which may have anything in it.
fn ticks(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace().skip(11).map(str::parse::<u64>);
    Some(fields.next()?.ok()? + fields.next()?.ok()?)
}

/// The sum of a metric over all shards; 0 where it is not there.
fn sum(metrics: &str, name: &str) -> f64 {
    let of_metric = metrics.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix('{'));
    of_metric.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_sum(metrics: &str, expect: f64) {
        assert_eq!(sum(metrics, "purser_x_total"), expect, "{metrics}");
    }

    #[test]
    fn sums_of_shards() {
        check_sum("", 0.0);
        check_sum("purser_x_total{shard=\"0\"} 7\npurser_x_total{shard=\"1\"} 0.250000\n", 7.25);
        check_sum("# HELP purser_x_total Xs.\npurser_x_total_more{shard=\"0\"} 7\n", 0.0);
    }

    #[track_caller]
    fn check_ticks(stat: &str, expect: Option<u64>) {
        assert_eq!(ticks(stat), expect, "{stat}");
    }

    #[test]
    fn processor_time() {
        check_ticks("7 (purser) S 1 7 7 0 -1 4194304 900 0 0 0 120 34 0 0 20 0 5 0 1 2 3", Some(154));
        check_ticks("7 (a) b (c)) S 1 7 7 0 -1 4194304 900 0 0 0 1 2 0 0", Some(3));
        check_ticks("7 (purser) S 1 7", None);
        check_ticks("", None);
    }

    #[test]
    fn memory() {
        assert_eq!(
            anonymous_kib("Name:\tpurser\nRssAnon:\t  295660 kB\nRssFile:\t 10 kB\n"),
            Some(295_660.0)
        );
        assert_eq!(anonymous_kib("Name:\tpurser\n"), None);
    }
}
