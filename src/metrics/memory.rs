//! The memory of the process: what the allocator and the kernel tell of it, and its budget.

use alloc::string::String;

use super::{Cell, head, line};

/// Memory of the process, bytes, as far as the system says it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Memory {
    /// What the allocator has given out, and what it keeps to be given out again.
    pub heap: Option<Heap>,
    /// What is in RAM.
    pub resident: Option<u64>,
}

/// The allocator's bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Heap {
    /// Given out, with what the allocator adds to each block.
    pub used: u64,
    /// Kept to be given out again.
    pub free: u64,
}

/// The allocator's bytes as they were last looked at. Written by whoever looks.
#[derive(Debug, Default)]
pub(super) struct LastHeap {
    looks: Cell,
    used: Cell,
    free: Cell,
}

impl LastHeap {
    pub(super) fn get(&self) -> Option<Heap> {
        (self.looks.get() > 0).then(|| Heap { used: self.used.get(), free: self.free.get() })
    }

    pub(super) fn set(&self, heap: Heap) {
        self.used.set(heap.used);
        self.free.set(heap.free);
        self.looks.add(1);
    }
}

/// What of its budget of memory the process uses, bytes; a budget of 0 is none. Written by whoever looks.
#[derive(Debug, Default)]
pub(super) struct MemoryBudget {
    pub(super) bytes: Cell,
    pub(super) used: Cell,
}

impl MemoryBudget {
    pub(super) fn write(&self, out: &mut String) {
        let (bytes, used) = (self.bytes.get(), self.used.get());
        let budget = ("purser_memory_budget_bytes", "Memory that the process may use (budget_mib).", bytes);
        let used =
            ("purser_memory_used_bytes", "Memory of the process that counts towards its budget.", used);
        for (name, help, bytes) in [budget, used].into_iter().filter(|_| bytes > 0) {
            head(out, name, "gauge", help);
            line(out, format_args!("{name} {bytes}"));
        }
    }
}

/// What is the process's, and no shard's.
pub(super) fn write_memory(out: &mut String, memory: Memory) {
    if let Some(Heap { used, free }) = memory.heap {
        let name = "purser_heap_bytes";
        head(out, name, "gauge", "Bytes that the allocator has given out, and keeps to be given out again.");
        for (state, bytes) in [("used", used), ("free", free)] {
            line(out, format_args!("{name}{{state=\"{state}\"}} {bytes}"));
        }
    }
    if let Some(bytes) = memory.resident {
        let name = "purser_resident_bytes";
        head(out, name, "gauge", "Memory of the process that is in RAM.");
        line(out, format_args!("{name} {bytes}"));
    }
}
