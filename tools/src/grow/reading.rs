//! What the kernel and the server's metrics say of a server, before a measurement and after it.

use std::net::SocketAddr;

use crate::{child, metrics, proc};

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
        let text = child::http_get(operator, "/metrics")?;
        let stat = proc::process(pid).and_then(|process| process.stat());
        let stat = stat.map_err(|error| format!("process {pid}: {error}"))?;
        let sum = |name| metrics::sum(&text, name, &[]).unwrap_or(0.0);
        Ok(Self {
            cpu_s: (stat.utime + stat.stime) as f64 / procfs::ticks_per_second() as f64,
            groups: sum("purser_journal_groups_total"),
            records: sum("purser_journal_records_total"),
            bytes: sum("purser_journal_bytes_total"),
            sync_s: sum("purser_journal_seconds_total"),
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
