//! Counters and histograms of each shard; summed by who reads them, never by who counts.
//!
//! A counter is written by its own core alone, so counting is a load and a store without a lock; any core may
//! read. The text is that of Prometheus, version 0.0.4.

#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod histogram;
mod memory;
mod plain;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write as _;
use core::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use histogram::{Histogram, Seconds};
pub use memory::{Heap, Memory};
use memory::{LastHeap, MemoryBudget, write_memory};
use plain::PLAIN;

/// A number that one core writes and any core reads.
#[derive(Debug, Default)]
struct Cell(AtomicU64);

impl Cell {
    fn add(&self, more: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(more), Ordering::Relaxed);
    }

    fn sub(&self, fewer: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_sub(fewer), Ordering::Relaxed);
    }

    fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What one shard counts. Written by its core.
#[derive(Debug)]
pub struct ShardMetrics {
    names: Names,
    /// By call, then by answer.
    answers: Vec<Cell>,
    latency: Vec<Histogram>,
    stages: Vec<Histogram>,
    connections_open: Cell,
    connections_accepted: Cell,
    connections_refused: [Cell; ConnectionRefusal::ALL.len()],
    lanes_under_way: Cell,
    lanes_refused: Cell,
    writes_refused: [Cell; WriteRefusal::ALL.len()],
    requests_late: Cell,
    requests_gone: Cell,
    connections_evicted: Cell,
    connections_turned_away: Cell,
    stalls: Cell,
    groups: Cell,
    group_records: Cell,
    group_bytes: Cell,
    group_us: Cell,
    busy_us: Cell,
    parked_us: Cell,
    accounts: Cell,
    session_keys: Cell,
    tokens: Cell,
    rounds: Cell,
    history: [Cell; 4],
    lookups: Cell,
    archive_failures: Cell,
    archive_age_us: Cell,
}

/// Why a connection was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionRefusal {
    /// Its address had as many as one may have.
    Address,
    /// The listener had as many as it may have.
    Full,
    /// The table of files had no place, not even for a connection that is to end at once.
    Table,
}

impl ConnectionRefusal {
    /// Each with its name.
    const ALL: [(Self, &'static str); 3] =
        [(Self::Address, "address"), (Self::Full, "full"), (Self::Table, "table")];
}

/// Why nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteRefusal {
    /// It could not be journaled.
    Journal,
    /// Memory is short, and it would have taken more.
    Memory,
    /// As many wait for the history as may.
    History,
}

impl WriteRefusal {
    /// Each with its name.
    const ALL: [(Self, &'static str); 3] =
        [(Self::Journal, "journal"), (Self::Memory, "memory"), (Self::History, "history")];
}

/// What a shard's wallet holds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Holdings {
    /// Accounts.
    pub accounts: u64,
    /// Session keys, live and remembered.
    pub session_keys: u64,
    /// Single-use tokens outstanding.
    pub tokens: u64,
    /// Game rounds in memory.
    pub rounds: u64,
}

/// What a shard's history holds: rounds that have left memory.
#[derive(Clone, Copy, Debug, Default)]
pub struct HistorySize {
    /// Rounds, each version counted.
    pub rounds: u64,
    /// Its files.
    pub files: u64,
    /// Their bytes on the disk.
    pub bytes: u64,
    /// Bytes of memory that its filter and tables take.
    pub memory_bytes: u64,
}

/// The names of calls, answers and stages, from who knows them.
#[derive(Clone, Copy, Debug)]
pub struct Names {
    /// A call's name by its index.
    pub calls: &'static [&'static str],
    /// An answer's name by its index: an `ErrorCode`, or an HTTP status.
    pub answers: &'static [&'static str],
    /// A stage's name by its index.
    pub stages: &'static [&'static str],
}

impl ShardMetrics {
    fn new(names: Names) -> Self {
        let mut answers = Vec::new();
        answers.resize_with(names.calls.len() * names.answers.len(), Cell::default);
        let histograms = |names: &[_], scale| names.iter().map(|_| Histogram::new(scale)).collect();
        Self {
            names,
            answers,
            latency: histograms(names.calls, &histogram::LATENCY),
            stages: histograms(names.stages, &histogram::STAGE),
            connections_open: Cell::default(),
            connections_accepted: Cell::default(),
            connections_refused: core::array::from_fn(|_| Cell::default()),
            lanes_under_way: Cell::default(),
            lanes_refused: Cell::default(),
            writes_refused: core::array::from_fn(|_| Cell::default()),
            requests_late: Cell::default(),
            requests_gone: Cell::default(),
            connections_evicted: Cell::default(),
            connections_turned_away: Cell::default(),
            stalls: Cell::default(),
            groups: Cell::default(),
            group_records: Cell::default(),
            group_bytes: Cell::default(),
            group_us: Cell::default(),
            busy_us: Cell::default(),
            parked_us: Cell::default(),
            accounts: Cell::default(),
            session_keys: Cell::default(),
            tokens: Cell::default(),
            rounds: Cell::default(),
            history: Default::default(),
            lookups: Cell::default(),
            archive_failures: Cell::default(),
            archive_age_us: Cell::default(),
        }
    }

    /// A call was given an answer; both by index.
    pub fn answered(&self, call: usize, answer: usize) {
        self.answers[call * self.names.answers.len() + answer].add(1);
    }

    /// `times` requests of a call took `latency_us` from their bytes' arrival to their answer's hand-over.
    pub fn took(&self, call: usize, latency_us: u64, times: u64) {
        self.latency[call].record(latency_us, times);
    }

    /// A request that is sampled was in a stage for this long, nanoseconds.
    pub fn stage_took(&self, stage: usize, ns: u64) {
        self.stages[stage].record(ns, 1);
    }

    /// A connection was accepted.
    pub fn connected(&self) {
        self.connections_accepted.add(1);
        self.connections_open.add(1);
    }

    /// A connection was not taken.
    pub fn connection_refused(&self, why: ConnectionRefusal) {
        self.connections_refused[why as usize].add(1);
    }

    /// A connection has ended.
    pub fn disconnected(&self) {
        self.connections_open.sub(1);
    }

    /// The requests that this shard has under way at others.
    pub fn set_lanes(&self, under_way: u64) {
        self.lanes_under_way.set(under_way);
    }

    /// A request was refused, since its lane was full.
    pub fn lane_refused(&self) {
        self.lanes_refused.add(1);
    }

    /// The core worked for this long.
    pub fn busy(&self, us: u64) {
        self.busy_us.add(us);
    }

    /// The core was parked for this long.
    pub fn parked(&self, us: u64) {
        self.parked_us.add(us);
    }

    /// What the shard's wallet holds.
    pub fn set_holdings(&self, holdings: Holdings) {
        self.accounts.set(holdings.accounts);
        self.session_keys.set(holdings.session_keys);
        self.tokens.set(holdings.tokens);
        self.rounds.set(holdings.rounds);
    }

    /// What the shard's history holds.
    pub fn set_history(&self, HistorySize { rounds, files, bytes, memory_bytes }: HistorySize) {
        for (cell, value) in self.history.iter().zip([rounds, files, bytes, memory_bytes]) {
            cell.set(value);
        }
    }

    /// The history's files were asked for a request.
    pub fn looked_up(&self) {
        self.lookups.add(1);
    }

    /// A request was refused before it had changed anything.
    pub fn write_refused(&self, why: WriteRefusal) {
        self.writes_refused[why as usize].add(1);
    }

    /// A request was refused, since it could not be answered in its time.
    pub fn request_late(&self) {
        self.requests_late.add(1);
    }

    /// What a connection had asked for was dropped, since its client had gone.
    pub fn request_gone(&self) {
        self.requests_gone.add(1);
    }

    /// So many connections were turned away by the kernel before they were accepted.
    pub fn connections_turned_away(&self, count: u64) {
        self.connections_turned_away.add(count);
    }

    /// An idle connection was evicted for another.
    pub fn connection_evicted(&self) {
        self.connections_evicted.add(1);
    }

    /// The core was held for longer than it may be.
    pub fn stalled(&self) {
        self.stalls.add(1);
    }

    /// What was folded could not be archived. Counted by the thread that folds the shard, as is what follows.
    pub fn archive_failed(&self) {
        self.archive_failures.add(1);
    }

    /// What was folded has waited for this long to be archived.
    pub fn set_archive_age(&self, us: u64) {
        self.archive_age_us.set(us);
    }

    /// A group of this many records and bytes took `us` to become durable.
    pub fn group_durable(&self, records: u64, bytes: u64, us: u64) {
        self.groups.add(1);
        self.group_records.add(records);
        self.group_bytes.add(bytes);
        self.group_us.add(us);
    }
}

/// The metrics of all shards.
#[derive(Debug)]
pub struct Registry {
    names: Names,
    shards: Vec<alloc::sync::Arc<ShardMetrics>>,
    heap: LastHeap,
    budget: MemoryBudget,
    /// What the system clock was ahead of the wallet's time at the last look, nanoseconds.
    clock_offset_ns: AtomicI64,
    archive: ArchiveSize,
    folds: AtomicU64,
}

/// What is in the archive. Several threads write to it.
#[derive(Debug, Default)]
struct ArchiveSize {
    files: AtomicU64,
    bytes: AtomicU64,
}

impl Registry {
    /// Metrics for this many shards.
    pub fn new(shards: usize, names: Names) -> Self {
        let shards = (0..shards).map(|_| alloc::sync::Arc::new(ShardMetrics::new(names))).collect();
        let (heap, budget, archive) = (LastHeap::default(), MemoryBudget::default(), ArchiveSize::default());
        Self {
            names,
            shards,
            heap,
            budget,
            clock_offset_ns: AtomicI64::new(0),
            archive,
            folds: AtomicU64::new(0),
        }
    }

    /// The allocator's bytes at the last look; none before the first.
    pub fn heap(&self) -> Option<Heap> {
        self.heap.get()
    }

    /// A look at the allocator has found this; one thread looks.
    pub fn set_heap(&self, heap: Heap) {
        self.heap.set(heap);
    }

    /// The process may use so much memory, bytes, and a look has found that it uses so much; one thread looks.
    pub fn set_memory(&self, budget: u64, used: u64) {
        self.budget.used.set(used);
        self.budget.bytes.set(budget);
    }

    /// A fold begins, or has ended. Several threads say so.
    pub fn fold(&self, begins: bool) {
        if begins {
            self.folds.fetch_add(1, Ordering::Relaxed);
        } else {
            self.folds.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Folds that run now: what they take of memory is in what the process uses.
    pub fn folds(&self) -> u64 {
        self.folds.load(Ordering::Relaxed)
    }

    /// What counts towards the budget of memory, as the last look found it, bytes; 0 before the first.
    pub fn memory_used(&self) -> u64 {
        self.budget.used.get()
    }

    /// Microseconds that all shards together have worked.
    pub fn busy_us(&self) -> u64 {
        self.shards.iter().map(|shard| shard.busy_us.get()).sum()
    }

    /// A look at the system clock has found it this far ahead of the wallet's time; one thread looks.
    pub fn set_clock_offset(&self, ns: i64) {
        self.clock_offset_ns.store(ns, Ordering::Relaxed);
    }

    /// So much more is in the archive.
    pub fn archived(&self, files: u64, bytes: u64) {
        self.archive.files.fetch_add(files, Ordering::Relaxed);
        self.archive.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// So much less is in the archive.
    pub fn unarchived(&self, files: u64, bytes: u64) {
        for (held, less) in [(&self.archive.files, files), (&self.archive.bytes, bytes)] {
            // Whoever counts what is there may have come after it was removed.
            let fewer = |held: u64| Some(held.saturating_sub(less));
            let _ = held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fewer);
        }
    }

    /// The metrics that shard `index` writes.
    pub fn shard(&self, index: usize) -> alloc::sync::Arc<ShardMetrics> {
        alloc::sync::Arc::clone(&self.shards[index])
    }

    /// Appends everything as Prometheus text, with the memory of the process. `shards` label values are the shards'
    /// numbers; calls, answers and stages that never occurred are left out, and memory that nobody tells of.
    pub fn write(&self, memory: Memory, out: &mut String) {
        self.write_answers(out);
        let name = "purser_request_seconds";
        head(out, name, "histogram", "From a request's last byte to its answer's hand-over to the kernel.");
        self.write_histograms(out, name, "call", self.names.calls, |shard| &shard.latency);
        let name = "purser_stage_seconds";
        head(out, name, "histogram", "Time of a request in each of its stages; of one request in many.");
        self.write_histograms(out, name, "stage", self.names.stages, |shard| &shard.stages);
        self.write_plain(out);
        let name = "purser_journal_seconds_total";
        head(out, name, "counter", "Time from a group's hand-over to its being durable.");
        for (index, shard) in self.shards.iter().enumerate() {
            line(out, format_args!("{name}{{shard=\"{index}\"}} {}", micros(shard.group_us.get())));
        }
        let name = "purser_connections_refused_total";
        head(out, name, "counter", "Connections that were ended at once, by what there was too much of.");
        for (index, shard) in self.shards.iter().enumerate() {
            for (why, label) in ConnectionRefusal::ALL {
                let times = shard.connections_refused[why as usize].get();
                line(out, format_args!("{name}{{shard=\"{index}\",why=\"{label}\"}} {times}"));
            }
        }
        let name = "purser_writes_refused_total";
        head(
            out,
            name,
            "counter",
            "Requests refused before they changed anything, by what there was too little of.",
        );
        for (index, shard) in self.shards.iter().enumerate() {
            for (why, label) in WriteRefusal::ALL {
                let times = shard.writes_refused[why as usize].get();
                line(out, format_args!("{name}{{shard=\"{index}\",why=\"{label}\"}} {times}"));
            }
        }
        let name = "purser_core_seconds_total";
        head(out, name, "counter", "Time of the core, working and parked.");
        for (index, shard) in self.shards.iter().enumerate() {
            for (state, us) in [("busy", shard.busy_us.get()), ("parked", shard.parked_us.get())] {
                line(out, format_args!("{name}{{shard=\"{index}\",state=\"{state}\"}} {}", micros(us)));
            }
        }
        self.write_imbalance(out, "purser_connections_imbalance", "connections", |shard| {
            shard.connections_open.get()
        });
        self.write_imbalance(out, "purser_accounts_imbalance", "accounts", |shard| shard.accounts.get());
        let name = "purser_clock_offset_seconds";
        head(out, name, "gauge", "What the system clock is ahead of the wallet's time.");
        let offset = self.clock_offset_ns.load(Ordering::Relaxed) as f64 / 1e9;
        line(out, format_args!("{name} {offset:.6}"));
        self.write_archive(out);
        write_memory(out, memory);
        self.budget.write(out);
    }

    fn write_archive(&self, out: &mut String) {
        let name = "purser_archive_age_seconds";
        head(out, name, "gauge", "How long folded segments have waited to be archived.");
        for (index, shard) in self.shards.iter().enumerate() {
            line(out, format_args!("{name}{{shard=\"{index}\"}} {}", micros(shard.archive_age_us.get())));
        }
        let ArchiveSize { files, bytes } = &self.archive;
        for (name, help, value) in [
            ("purser_archive_files", "Files in the archive.", files),
            ("purser_archive_bytes", "Bytes of the files in the archive.", bytes),
        ] {
            head(out, name, "gauge", help);
            line(out, format_args!("{name} {}", value.load(Ordering::Relaxed)));
        }
    }

    /// What is one number for each shard.
    fn write_plain(&self, out: &mut String) {
        for (name, kind, help, read) in PLAIN {
            head(out, name, kind, help);
            for (index, shard) in self.shards.iter().enumerate() {
                line(out, format_args!("{name}{{shard=\"{index}\"}} {}", read(shard)));
            }
        }
    }

    fn write_answers(&self, out: &mut String) {
        let name = "purser_requests_total";
        head(out, name, "counter", "Requests answered, by call and by ErrorCode or HTTP status.");
        for (index, shard) in self.shards.iter().enumerate() {
            let cells = shard.answers.chunks(self.names.answers.len());
            for (call, row) in self.names.calls.iter().zip(cells) {
                for (answer, cell) in self.names.answers.iter().zip(row).filter(|(_, cell)| cell.get() > 0) {
                    let labels = format_args!("shard=\"{index}\",call=\"{call}\",code=\"{answer}\"");
                    line(out, format_args!("{name}{{{labels}}} {}", cell.get()));
                }
            }
        }
    }

    /// One histogram for each of `values` of `label`, of each shard.
    fn write_histograms(
        &self,
        out: &mut String,
        name: &str,
        label: &str,
        values: &[&str],
        read: fn(&ShardMetrics) -> &[Histogram],
    ) {
        for (index, shard) in self.shards.iter().enumerate() {
            for (value, histogram) in values.iter().zip(read(shard)) {
                histogram.write(out, name, &format!("shard=\"{index}\",{label}=\"{value}\""));
            }
        }
    }

    /// How far the fullest shard is over the average: 0 where all have the same.
    fn write_imbalance(&self, out: &mut String, name: &str, what: &str, read: fn(&ShardMetrics) -> u64) {
        head(out, name, "gauge", &format!("Share by which the fullest shard's {what} exceed the average."));
        let values: Vec<u64> = self.shards.iter().map(|shard| read(shard)).collect();
        let (most, sum) = (values.iter().copied().max().unwrap_or(0), values.iter().sum::<u64>());
        let average = sum as f64 / values.len() as f64;
        let over = if sum == 0 { 0.0 } else { most as f64 / average - 1.0 };
        line(out, format_args!("{name} {over:.4}"));
    }
}

/// Microseconds, shown as seconds.
const fn micros(us: u64) -> Seconds {
    Seconds(us, 6)
}

fn head(out: &mut String, name: &str, kind: &str, help: &str) {
    line(out, format_args!("# HELP {name} {help}"));
    line(out, format_args!("# TYPE {name} {kind}"));
}

fn line(out: &mut String, text: core::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a string takes any text");
    out.push('\n');
}

#[cfg(test)]
mod tests;
