//! The receive buffers of a ring, and the queue through which the kernel takes them (provided buffer rings, Linux
//! 5.19).

use std::alloc::{self, Layout};
use std::io;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::types;

/// Received bytes, in a buffer that must go back by [`Ring::release`](super::Ring::release).
#[derive(Debug)]
#[must_use = "a buffer that is not released is lost to the ring"]
pub struct Lease {
    buffer: u16,
    length: usize,
    is_followed: bool,
}

impl Lease {
    /// Whether there was more to receive behind the bytes, or the peer's end.
    pub const fn is_followed(&self) -> bool {
        self.is_followed
    }

    /// As the kernel says of them.
    pub(super) const fn followed(self, is_followed: bool) -> Self {
        Self { is_followed, ..self }
    }
}

/// The receive buffers and the queue through which the kernel takes them.
pub(super) struct Buffers {
    /// The queue's entries, `count` of them, page-aligned; the tail lies in the first one.
    entries: NonNull<types::BufRingEntry>,
    /// `count` buffers of `bytes_each`, one after another.
    memory: NonNull<u8>,
    count: u16,
    bytes_each: usize,
    /// Where the next buffer goes; the kernel sees it once it is published.
    tail: u16,
    published: u16,
    leaked: bool,
}

const PAGE_BYTES: usize = 4_096;

impl Buffers {
    /// `count` buffers, a power of two, all of them the kernel's.
    ///
    /// # Errors
    /// Where there is no memory for them.
    pub(super) fn new(count: u16, bytes_each: usize) -> io::Result<Self> {
        assert!(count.is_power_of_two() && bytes_each > 0 && bytes_each <= u32::MAX as usize);
        let (entries_layout, memory_layout) = Self::layouts(count, bytes_each);
        // SAFETY: neither layout is empty.
        let (entries, memory) =
            unsafe { (alloc::alloc_zeroed(entries_layout), alloc::alloc_zeroed(memory_layout)) };
        let (Some(entries), Some(memory)) = (NonNull::new(entries), NonNull::new(memory)) else {
            return Err(io::ErrorKind::OutOfMemory.into());
        };
        let mut buffers =
            Self { entries: entries.cast(), memory, count, bytes_each, tail: 0, published: 0, leaked: false };
        for buffer in 0..count {
            buffers.enqueue(buffer);
        }
        buffers.publish();
        Ok(buffers)
    }

    fn layouts(count: u16, bytes_each: usize) -> (Layout, Layout) {
        let entries = size_of::<types::BufRingEntry>() * usize::from(count);
        let layout = |bytes| Layout::from_size_align(bytes, PAGE_BYTES).expect("bounded by limits");
        (layout(entries), layout(bytes_each * usize::from(count)))
    }

    /// The first `length` bytes of the buffer with this number, as a completion says; `None` where there is no such buffer,
    /// or it is shorter.
    pub(super) fn lease(&self, buffer: u16, length: usize) -> Option<Lease> {
        (buffer < self.count && length <= self.bytes_each).then_some(Lease {
            buffer,
            length,
            is_followed: false,
        })
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        usize::from(self.count)
    }

    /// Counts the buffers that were put into the queue, round and round.
    #[cfg(test)]
    pub(super) const fn queued(&self) -> u16 {
        self.tail
    }

    /// What was received.
    pub(super) fn bytes(&self, lease: &Lease) -> &[u8] {
        assert!(lease.buffer < self.count && lease.length <= self.bytes_each);
        // SAFETY: in bounds by the assertion and initialised; the kernel does not write to a buffer between
        // handing it out, which made the lease, and getting it back, which takes the lease.
        unsafe {
            let start = self.memory.add(usize::from(lease.buffer) * self.bytes_each);
            std::slice::from_raw_parts(start.as_ptr(), lease.length)
        }
    }

    /// Where the queue lies, for the kernel.
    pub(super) fn queue_address(&self) -> u64 {
        self.entries.as_ptr() as u64
    }

    /// Takes a buffer back; the kernel may have it once it is published.
    pub(super) fn release(&mut self, lease: Lease) {
        self.enqueue(lease.buffer);
    }

    fn enqueue(&mut self, buffer: u16) {
        let index = usize::from(self.tail & (self.count - 1));
        // SAFETY: `index` is below `count`. The kernel does not read an entry past the published tail. The tail's
        // own field, in the first entry, is not written by these setters.
        unsafe {
            let address = self.memory.add(usize::from(buffer) * self.bytes_each);
            let entry = self.entries.add(index).as_mut();
            entry.set_addr(address.as_ptr() as u64);
            entry.set_len(self.bytes_each as u32);
            entry.set_bid(buffer);
        }
        self.tail = self.tail.wrapping_add(1);
    }

    /// Lets the kernel have what was released.
    pub(super) fn publish(&mut self) {
        if self.tail == self.published {
            return;
        }
        // SAFETY: the first entry is valid and page-aligned; its tail is 16 bits, aligned, shared with the kernel
        // alone, and only ever stored to here.
        let shared =
            unsafe { AtomicU16::from_ptr(types::BufRingEntry::tail(self.entries.as_ptr()).cast_mut()) };
        shared.store(self.tail, Ordering::Release);
        self.published = self.tail;
    }

    /// Gives the memory up for good, since the kernel may still write to it.
    pub(super) fn leak(&mut self) {
        self.leaked = true;
    }
}

impl Drop for Buffers {
    fn drop(&mut self) {
        if self.leaked {
            return;
        }
        let (entries_layout, memory_layout) = Self::layouts(self.count, self.bytes_each);
        // SAFETY: both were allocated with these layouts, and nothing of the kernel's is under way (`Ring::drop`).
        unsafe {
            alloc::dealloc(self.entries.as_ptr().cast(), entries_layout);
            alloc::dealloc(self.memory.as_ptr(), memory_layout);
        }
    }
}
