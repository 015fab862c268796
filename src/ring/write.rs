//! Writes to a file, each with its sync: the two are a chain, of which the kernel begins the second where the first has
//! succeeded.

use std::alloc::{self, Layout};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::NonNull;

use io_uring::{IoUring, opcode, squeue, types};

use super::{OpKind, Ring, user_data};

/// Zeros or bytes that were written before, at an address that a direct write may begin at.
pub(super) struct Blocks {
    memory: NonNull<u8>,
    layout: Layout,
    leaked: bool,
}

/// A direct write's address is a multiple of the disk's blocks, which are no larger than a page.
const PAGE_BYTES: usize = 4_096;

impl Blocks {
    /// Room for a write of this many bytes, not 0.
    ///
    /// # Errors
    /// Where there is no memory for it.
    fn new(bytes: usize) -> io::Result<Self> {
        assert!(bytes > 0);
        let layout = Layout::from_size_align(bytes, PAGE_BYTES).expect("bounded by limits");
        // SAFETY: the layout is not empty.
        let memory =
            NonNull::new(unsafe { alloc::alloc_zeroed(layout) }).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { memory, layout, leaked: false })
    }

    /// Puts these bytes there, one part after the other. The kernel must not be reading what was there before.
    ///
    /// # Panics
    /// Where there is no room for them.
    pub(super) fn fill(&mut self, parts: [&[u8]; 2]) -> (*const u8, u32) {
        // SAFETY: it was allocated with that many bytes, initialised, and nobody else has a reference to them.
        let memory = unsafe { std::slice::from_raw_parts_mut(self.memory.as_ptr(), self.layout.size()) };
        let [first, second] = parts;
        memory[..first.len()].copy_from_slice(first);
        memory[first.len()..first.len() + second.len()].copy_from_slice(second);
        (self.memory.as_ptr(), (first.len() + second.len()) as u32)
    }

    /// Gives the memory up for good, since the kernel may still read it.
    pub(super) fn leak(&mut self) {
        self.leaked = true;
    }
}

impl Drop for Blocks {
    fn drop(&mut self) {
        if !self.leaked {
            // SAFETY: it was allocated with this layout, and nothing of the kernel's is under way (`Ring::drop`).
            unsafe { alloc::dealloc(self.memory.as_ptr(), self.layout) };
        }
    }
}

/// A write to a file, and its sync, under way.
pub(super) struct Writing {
    bytes: u32,
    /// Entries before the write in the submission queue; `None` once the kernel has both.
    pub(super) queued_behind: Option<usize>,
    /// What the write has come to.
    pub(super) written: Option<io::Result<usize>>,
}

impl Writing {
    /// What the write and its sync have come to.
    pub(super) fn durable(self, synced: io::Result<usize>) -> io::Result<()> {
        let written = self.written.expect("a sync comes after its write")?;
        if written != self.bytes as usize {
            return Err(io::Error::other(format!("{written} of {} bytes were written", self.bytes)));
        }
        synced.map(|_| ())
    }
}

/// Where the write stands in the queue, once the kernel has taken this many entries.
///
/// # Panics
/// Where the kernel has taken the write without its sync, which it does where it has no memory for it. The sync would
/// not wait for the write then, and say nothing of it.
pub(super) fn after_entering(queued_behind: Option<usize>, taken: usize) -> Option<usize> {
    let queued_behind = queued_behind?;
    assert!(taken != queued_behind + 1, "the kernel has cut a write from its sync");
    queued_behind.checked_sub(taken)
}

/// Room for a ring's writes of up to this many bytes, and its workers bound; none for a ring that writes no file.
pub(super) fn blocks(uring: &IoUring, bytes: usize) -> io::Result<Option<Blocks>> {
    if bytes == 0 {
        return Ok(None);
    }
    bind_workers(uring);
    Blocks::new(bytes).map(Some)
}

/// Has the kernel's workers of this ring stay on the cores of the calling thread, so that [`Ring::yield_to_worker`] can give them
/// the core, and they take none from others.
fn bind_workers(uring: &IoUring) {
    // SAFETY: a set of cores is bits, and all zeros is the empty one.
    let mut cores: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: the set is valid, and as long as the size that is passed.
    let known = unsafe { libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &raw mut cores) } == 0;
    if known {
        // Where it is refused the workers run anywhere, and a sync takes as long as it takes to be given a core.
        let _ = uring.submitter().register_iowq_aff(&cores);
    }
}

impl Ring {
    /// Lets the worker that syncs have the core, while a write is under way. It needs some microseconds to begin and to
    /// tell the end, and waits for its turn behind this thread otherwise: for 0.37 of the 0.6 ms that a group took on a
    /// core under load.
    pub fn yield_to_worker(&self) {
        if self.writing.is_some() {
            // SAFETY: it has no arguments.
            let _ = unsafe { libc::sched_yield() };
        }
    }

    /// Writes both parts, one behind the other, to `file` at `offset`, and makes them durable;
    /// [`Event::Written`](super::Event::Written) tells of it. Offset and length are multiples of the disk's block where the file is open for direct writes. The file stays
    /// open until then, though it may be closed by its owner: the kernel takes its own reference.
    ///
    /// # Errors
    /// What the kernel says of a submission.
    ///
    /// # Panics
    /// Where a write is under way, or this one is larger than the ring was made for.
    pub fn write(&mut self, file: BorrowedFd<'_>, offset: u64, parts: [&[u8]; 2]) -> io::Result<()> {
        assert!(self.writing.is_none(), "one write at a time");
        let (address, bytes) = self.blocks.as_mut().expect("a ring that writes").fill(parts);
        // The two are a chain only where the kernel takes them at once.
        let queued = loop {
            let submission = self.uring.submission();
            let (queued, capacity) = (submission.len(), submission.capacity());
            drop(submission);
            if queued + 2 <= capacity {
                break queued;
            }
            self.enter(queued, 0)?;
        };
        self.writing = Some(Writing { bytes, queued_behind: Some(queued), written: None });
        let file = types::Fd(file.as_raw_fd());
        let write = opcode::Write::new(file, address, bytes).offset(offset).build();
        let sync = opcode::Fsync::new(file).flags(types::FsyncFlags::DATASYNC).build();
        self.in_flight += 2;
        self.push(write.flags(squeue::Flags::IO_LINK).user_data(user_data(OpKind::Write, 0, 0)))?;
        self.push(sync.user_data(user_data(OpKind::Sync, 0, 0)))
    }
}
