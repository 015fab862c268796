//! The memory of the process, as the allocator and the kernel tell of it.

use metrics::Heap;
use procfs::process::Process;

/// What glibc's allocator has in all its arenas. It walks the free blocks of each arena and holds the arena's lock
/// meanwhile, some 200 ns for each block: not for a shard's thread.
#[cfg(target_env = "gnu")]
pub fn heap() -> Option<Heap> {
    // SAFETY: it has no argument, returns a value, may be called by any thread, and takes the locks that it needs.
    let info = unsafe { libc::mallinfo2() };
    // Blocks from the arenas, and those that were mapped each by itself.
    Some(Heap { used: (info.uordblks + info.hblkhd) as u64, free: info.fordblks as u64 })
}

/// Has glibc's allocator give back to the system what it keeps and nobody has. It holds each arena's lock for as long as that
/// arena takes, some milliseconds for each 100 MB: for a moment in which the shards have little to do.
#[cfg(target_env = "gnu")]
pub fn give_back() {
    // SAFETY: it may be called by any thread, and takes the locks that it needs.
    let _ = unsafe { libc::malloc_trim(0) };
}

/// Another allocator gives back by its own rules.
#[cfg(not(target_env = "gnu"))]
pub const fn give_back() {}

/// Another allocator keeps no such books.
#[cfg(not(target_env = "gnu"))]
pub const fn heap() -> Option<Heap> {
    None
}

/// What is in RAM and is the process's own, bytes: without the pages of files, which the kernel can read again.
pub fn anonymous() -> Option<u64> {
    let statm = Process::myself().and_then(|process| process.statm()).ok()?;
    statm.resident.saturating_sub(statm.shared).checked_mul(procfs::page_size())
}

/// What is in RAM, bytes.
pub fn resident() -> Option<u64> {
    let pages = Process::myself().and_then(|process| process.statm()).ok()?.resident;
    pages.checked_mul(procfs::page_size())
}
