//! The socket ring of one core: an io_uring with direct descriptors and provided receive buffers, behind an
//! interface that owns whatever the kernel may write to or read from.
//!
//! This crate is the only one with `unsafe`. Their callers can't break memory: a buffer that is
//! being sent belongs to the ring until its completion has come, a received one is lent by [`Lease`], and what is written
//! to a file is copied.
//!
//! What the ring is set up with, and why:
//! - `SINGLE_ISSUER | DEFER_TASKRUN | COOP_TASKRUN`: completions are worked off when this core asks for them, in
//!   one batch, and never by interrupting it.
//! - Direct descriptors: the file table belongs to the ring, so an operation takes no reference on a shared
//!   table; accepting fills it without a descriptor of the process.
//! - Some accepts under way for each listener, and not one multishot: only a single one tells the peer's address, and so
//!   many connections a turn are as many as the others can wait for.
//! - Provided buffers: memory for received bytes is chosen when they come, so an idle connection holds none.
//! - One receive, one buffer. A multishot receive saves a submission per request and measures the same
//!   (docs/benchmarks.md), but it can't be stopped short: a peer that floods is delivered by the megabyte before
//!   the cancellation takes effect. A connection that is not armed is not read, and its peer's window fills.
//! - `POLL_FIRST`: a receive is armed right after an answer was sent, when nothing can be there yet; so the kernel
//!   waits for bytes before it looks for them.
//! - A file's write and its sync are a chain of two: the kernel begins the sync when the write has succeeded. It syncs on
//!   a worker thread, which is bound to this core; the core gives way to it once a turn.

#![cfg_attr(not(test), warn(clippy::print_stdout, clippy::print_stderr))]
#![expect(
    unsafe_code,
    reason = "memory and descriptors that the kernel works on, and the books of the allocator"
)]

mod accept;
mod buffers;
mod event;
pub mod memory;
mod receive;
pub mod trial;
mod waking;
mod write;

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use io_uring::types::Fixed;
use io_uring::{IoUring, cqueue, opcode, squeue};

use accept::Accept;
pub use accept::Queue;
use buffers::Buffers;
pub use buffers::Lease;
pub use event::{Accepted, Event, Received, is_table_full, lacks_memory};
use event::{received, result};
use receive::Receive;
use write::{Blocks, Writing};

/// A connection: its place in the ring's file table, and which of the connections that had this place it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConnectionId {
    slot: u32,
    generation: u32,
}

impl ConnectionId {
    /// The place in the file table, below [`Ring::capacity`].
    pub const fn slot(self) -> usize {
        self.slot as usize
    }

    /// The connection of this generation at a place. It need not be one of a ring: what stands in for a ring, as a script
    /// does in tests, names its connections in the same way.
    pub const fn new(slot: u32, generation: u32) -> Self {
        Self { slot, generation }
    }

    /// A number that no other connection of the ring has, until a place was taken 2^24 times.
    pub const fn number(self) -> u64 {
        (self.generation as u64) << 32 | self.slot as u64
    }
}

/// How large a ring is.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Entries of the submission queue.
    pub submissions: u32,
    /// Entries of the completion queue.
    pub completions: u32,
    /// Receive buffers, a power of two.
    pub buffers: u16,
    /// Bytes of one receive buffer.
    pub buffer_bytes: usize,
    /// Connections.
    pub connections: u32,
    /// Bytes of the largest write to a file; 0 for a ring that writes none.
    pub write_bytes: usize,
}

impl Sizes {
    /// The server's sizes (see `limits`), for at most `connections` connections.
    pub const fn server(connections: u32) -> Self {
        Self {
            submissions: limits::RING_SUBMISSIONS,
            completions: limits::RING_COMPLETIONS,
            buffers: limits::RECEIVE_BUFFERS,
            buffer_bytes: limits::RECEIVE_BUFFER_BYTES,
            connections,
            write_bytes: limits::JOURNAL_WRITE_BYTES_MAX,
        }
    }
}

/// What the ring knows of one place of its file table.
#[derive(Debug, Default)]
struct FileSlot {
    /// Counts the connections that had this place, in [`GENERATION_BITS`] bits.
    generation: u32,
    open: bool,
    receiving: Option<Receive>,
    sending: Option<Vec<u8>>,
    shutting_down: bool,
    /// The close was submitted; the place is free once it is carried out.
    closing: bool,
}

impl FileSlot {
    const fn is_quiet(&self) -> bool {
        self.receiving.is_none() && self.sending.is_none() && !self.shutting_down
    }
}

const GENERATION_BITS: u32 = 24;

/// The kinds of operation, in the highest bits of a completion's user data.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum OpKind {
    Accept = 1,
    Receive = 2,
    Send = 3,
    Shutdown = 4,
    Close = 5,
    /// The outcome shows in the operation that it acts on.
    Cancel = 6,
    Write = 7,
    Sync = 8,
    Watch = 9,
}

const fn user_data(kind: OpKind, generation: u32, slot: u32) -> u64 {
    (kind as u64) << 56 | (generation as u64) << 32 | slot as u64
}

/// The socket ring of one core.
pub struct Ring {
    uring: IoUring,
    files: Vec<FileSlot>,
    buffers: Buffers,
    accepts: Vec<Accept>,
    blocks: Option<Blocks>,
    writing: Option<Writing>,
    /// Where the kernel writes how often the eventfd was signalled; it stays where it is.
    signals: Box<u64>,
    /// The eventfd is being read.
    is_watching: bool,
    /// The place behind the last one that [`Ring::adopt`] took.
    adopted: usize,
    /// Operations that the kernel may still touch memory for.
    in_flight: usize,
}

/// The group id of the ring's one group of receive buffers.
const GROUP: u16 = 0;

impl Ring {
    /// Sets up a ring for the calling thread, the only one that may use it.
    ///
    /// # Errors
    /// What the kernel says: `EPERM` where io_uring is forbidden, `EINVAL` where it lacks a feature (Linux 6.1
    /// has all), `ENOMEM` past the locked-memory limit, `EMFILE` where `connections` is over the limit of open
    /// files.
    pub fn new(sizes: Sizes) -> io::Result<Self> {
        let uring = IoUring::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_coop_taskrun()
            .setup_taskrun_flag()
            .setup_submit_all()
            .setup_cqsize(sizes.completions)
            .build(sizes.submissions)?;
        uring.submitter().register_files_sparse(sizes.connections)?;
        // Spares each enter the look-up of the ring's descriptor; without it all works the same.
        let _ = uring.submitter().register_ring_fd();
        let buffers = Buffers::new(sizes.buffers, sizes.buffer_bytes)?;
        // SAFETY: the address is that of `buffers`' queue, page-aligned and `sizes.buffers` long, and it stays
        // valid until the ring is gone: `Drop` closes the ring first, or leaks the buffers.
        unsafe {
            uring.submitter().register_buf_ring_with_flags(
                buffers.queue_address(),
                sizes.buffers,
                GROUP,
                0,
            )?;
        }
        let mut files = Vec::new();
        files.resize_with(sizes.connections as usize, FileSlot::default);
        let blocks = write::blocks(&uring, sizes.write_bytes)?;
        Ok(Self {
            uring,
            files,
            buffers,
            accepts: Vec::new(),
            blocks,
            writing: None,
            signals: Box::default(),
            is_watching: false,
            adopted: 0,
            in_flight: 0,
        })
    }

    /// Places of the file table: connections that can be open at a time.
    pub fn capacity(&self) -> usize {
        self.files.len()
    }

    /// Takes a connected socket into the file table, for a client.
    ///
    /// # Errors
    /// `ENFILE` where the table is full; else what the kernel says.
    pub fn adopt(&mut self, socket: OwnedFd) -> io::Result<ConnectionId> {
        // From behind the last one on: a client that takes thousands looks at each place once.
        let places = self.files.len();
        let slot = (0..places)
            .map(|step| (self.adopted + step) % places)
            .find(|slot| !self.files[*slot].open)
            .ok_or_else(|| io::Error::from_raw_os_error(libc::ENFILE))?;
        self.adopted = slot + 1;
        self.uring.submitter().register_files_update(slot as u32, &[socket.as_raw_fd()])?;
        Ok(self.opened(slot as u32))
    }

    fn opened(&mut self, slot: u32) -> ConnectionId {
        let file = &mut self.files[slot as usize];
        // An accept may tell of a place before the close that freed it has told.
        assert!(file.is_quiet() && (!file.open || file.closing), "place {slot} was taken");
        (file.open, file.closing) = (true, false);
        file.generation = (file.generation + 1) % (1 << GENERATION_BITS);
        ConnectionId::new(slot, file.generation)
    }

    /// Sends `buffer`, all of it. The ring owns it until [`Event::Sent`] gives it back.
    ///
    /// # Errors
    /// What the kernel says of a submission.
    pub fn send(&mut self, connection: ConnectionId, buffer: Vec<u8>) -> io::Result<()> {
        let file = self.file(connection);
        assert!(file.sending.is_none(), "one send at a time, so that bytes stay in order");
        assert!(!buffer.is_empty() && buffer.len() <= u32::MAX as usize);
        let bytes = file.sending.insert(buffer);
        // MSG_WAITALL: the kernel goes on after a short send, so that a completion means sent or broken.
        let entry = opcode::Send::new(Fixed(connection.slot), bytes.as_ptr(), bytes.len() as u32)
            .flags(libc::MSG_NOSIGNAL | libc::MSG_WAITALL)
            .build()
            .user_data(user_data(OpKind::Send, connection.generation, connection.slot));
        self.in_flight += 1;
        self.push(entry)
    }

    /// Ends this side of the connection; the peer reads an end after what was sent.
    ///
    /// # Errors
    /// What the kernel says of a submission.
    pub fn shutdown(&mut self, connection: ConnectionId) -> io::Result<()> {
        let file = self.file(connection);
        assert!(!file.shutting_down, "a connection ends once");
        // The kernel hands this one to a worker, which looks the place up when it gets to it. Were the place
        // closed and taken again by then, it would end another connection: so the place is kept until it is done.
        file.shutting_down = true;
        let entry = opcode::Shutdown::new(Fixed(connection.slot), libc::SHUT_WR)
            .build()
            .user_data(user_data(OpKind::Shutdown, connection.generation, connection.slot));
        self.in_flight += 1;
        self.push(entry)
    }

    /// Cancels the receive and the send that are under way on the connection; each still gives its last event.
    ///
    /// # Errors
    /// What the kernel says of a submission.
    pub fn abort(&mut self, connection: ConnectionId) -> io::Result<()> {
        let file = self.file(connection);
        let (receives, sends) = (file.receiving.is_some(), file.sending.is_some());
        let ConnectionId { slot, generation } = connection;
        // Each by its user data, which the kernel has a hash table of. A cancellation of all that a descriptor has walks
        // what is under way on every connection: thousands that end together would hold the core for seconds.
        for kind in [receives.then_some(OpKind::Receive), sends.then_some(OpKind::Send)].into_iter().flatten()
        {
            self.cancel(user_data(kind, generation, slot))?;
        }
        Ok(())
    }

    /// Cancels the operation with this user data, whose last event tells what became of it.
    fn cancel(&mut self, operation: u64) -> io::Result<()> {
        let entry = opcode::AsyncCancel::new(operation).build();
        self.push(entry.user_data(user_data(OpKind::Cancel, 0, 0)))
    }

    /// Whether nothing is under way on the connection, so that it may be closed.
    pub fn is_quiet(&self, connection: ConnectionId) -> bool {
        let file = &self.files[connection.slot()];
        file.generation == connection.generation && file.is_quiet()
    }

    /// Closes a quiet connection. Its id is void from here on; its place is free once the kernel has carried it out.
    ///
    /// # Errors
    /// What the kernel says of a submission.
    pub fn close(&mut self, connection: ConnectionId) -> io::Result<()> {
        assert!(self.is_quiet(connection), "the kernel still works for this connection");
        self.file(connection).closing = true;
        let entry = opcode::Close::new(Fixed(connection.slot)).build().user_data(user_data(
            OpKind::Close,
            connection.generation,
            connection.slot,
        ));
        self.push(entry)
    }

    fn file(&mut self, connection: ConnectionId) -> &mut FileSlot {
        let file = &mut self.files[connection.slot()];
        let held = file.open && !file.closing && file.generation == connection.generation;
        assert!(held, "a connection that was closed");
        file
    }

    fn push(&mut self, entry: squeue::Entry) -> io::Result<()> {
        // SAFETY: what the entry points to, if anything, is a buffer in `files` or `blocks`, an address in `accepts`, or
        // `signals`, and stays where it is until its completion was reaped; descriptors are direct ones, or a listener's, a
        // file's or an eventfd's, which the kernel takes a reference of when the entry is handed over.
        while unsafe { self.uring.submission().push(&entry) }.is_err() {
            let submissions = self.uring.submission().len();
            self.enter(submissions, 0)?;
        }
        Ok(())
    }

    /// Hands over what was submitted and takes in what has completed, without waiting: all of it, up to as many
    /// completions as there are receive buffers, since more could bring no bytes. Spares the system call where there is
    /// nothing of either.
    ///
    /// # Errors
    /// What the kernel says; the ring is not usable any more.
    pub fn turn(&mut self) -> io::Result<()> {
        self.buffers.publish();
        loop {
            let submission = self.uring.submission();
            let submissions = submission.len();
            let is_behind = submission.taskrun() || submission.cq_overflow();
            drop(submission);
            let taken_in = self.uring.completion().len();
            if submissions == 0 && !(is_behind && taken_in < self.buffers.count()) {
                return Ok(());
            }
            let is_open = self.enter(submissions, 0)?;
            // One call works off 20 completions (`IO_LOCAL_TW_DEFAULT_MAX`), and says whether there are more. What it says
            // may be stale: a completion that came on another core may have been worked off before that core says so, and
            // nothing takes its word back. So a call that brought nothing is the last.
            if !is_open || self.uring.completion().len() == taken_in {
                return Ok(());
            }
        }
    }

    /// As [`Ring::turn`], but waits for at least one completion. For a thread that has nothing else to do.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn turn_and_wait(&mut self) -> io::Result<()> {
        self.buffers.publish();
        let submissions = self.uring.submission().len();
        self.enter(submissions, 1).map(drop)
    }

    /// `false` where the kernel has asked to be left alone until the next turn.
    fn enter(&mut self, submissions: usize, wait_for: u32) -> io::Result<bool> {
        // GETEVENTS even without waiting: under DEFER_TASKRUN it is what runs the completions' work, and with the
        // submissions it costs no second call.
        const GETEVENTS: u32 = 1;
        // SAFETY: no argument is passed, and the count is that of the entries in the queue.
        let entered = unsafe {
            self.uring.submitter().enter::<libc::sigset_t>(submissions as u32, wait_for, GETEVENTS, None)
        };
        self.entered(entered)
    }

    /// What became of a call that has entered the kernel; as [`Ring::enter`].
    fn entered(&mut self, entered: io::Result<usize>) -> io::Result<bool> {
        // A signal, a wait whose time is over, or completions to be taken first: the entries stay queued for the next turn.
        const FOR_LATER: [i32; 4] = [libc::EINTR, libc::ETIME, libc::EBUSY, libc::EAGAIN];
        match entered {
            Ok(taken) => {
                if let Some(queued_behind) = self.writing.as_mut().map(|writing| &mut writing.queued_behind) {
                    *queued_behind = write::after_entering(*queued_behind, taken);
                }
                Ok(true)
            }
            Err(error) if error.raw_os_error().is_some_and(|code| FOR_LATER.contains(&code)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether completions were taken in that [`Ring::next_event`] has not given yet.
    pub fn has_events(&mut self) -> bool {
        !self.uring.completion().is_empty()
    }

    /// The next completion of those that were taken in.
    pub fn next_event(&mut self) -> Option<Event> {
        loop {
            let entry = self.uring.completion().next()?;
            if let Some(event) = self.event(&entry) {
                return Some(event);
            }
        }
    }

    fn event(&mut self, entry: &cqueue::Entry) -> Option<Event> {
        let data = entry.user_data();
        let slot = data as u32;
        let connection = ConnectionId::new(slot, (data >> 32) as u32 & ((1 << GENERATION_BITS) - 1));
        let kind = (data >> 56) as u8;
        if kind == OpKind::Cancel as u8 {
            return None;
        }
        if kind == OpKind::Close as u8 {
            let file = &mut self.files[connection.slot()];
            if file.closing && file.generation == connection.generation {
                (file.open, file.closing) = (false, false);
            }
            return None;
        }
        self.in_flight -= 1;
        if kind == OpKind::Watch as u8 {
            // Whatever came of it, somebody is to look.
            self.is_watching = false;
            return Some(Event::Woken);
        }
        if kind == OpKind::Accept as u8 {
            return Some(self.accepted(slot, result(entry)));
        }
        if kind == OpKind::Write as u8 {
            self.writing.as_mut().expect("one is under way").written = Some(result(entry));
            return None;
        }
        if kind == OpKind::Sync as u8 {
            let writing = self.writing.take().expect("one is under way");
            return Some(Event::Written { result: writing.durable(result(entry)) });
        }
        let file = &mut self.files[connection.slot()];
        assert!(file.generation == connection.generation, "a completion of a connection that was closed");
        if kind == OpKind::Receive as u8 {
            let what = file.receiving.take().expect("a receive completes once");
            let buffer = cqueue::buffer_select(entry.flags());
            let is_followed = cqueue::sock_nonempty(entry.flags());
            let received = received(what, result(entry), buffer, is_followed, &mut self.buffers);
            return Some(Event::Received { connection, received });
        }
        if kind == OpKind::Shutdown as u8 {
            file.shutting_down = false;
            return Some(Event::ShutDown { connection });
        }
        assert!(kind == OpKind::Send as u8, "an operation that this ring did not submit");
        let buffer = file.sending.take().expect("a send completes once");
        Some(Event::Sent { connection, buffer, result: result(entry) })
    }

    /// The bytes that were received.
    pub fn bytes(&self, lease: &Lease) -> &[u8] {
        self.buffers.bytes(lease)
    }

    /// Gives a buffer back.
    pub fn release(&mut self, lease: Lease) {
        self.buffers.release(lease);
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // The kernel ends a closed ring's operations in its own time; it must not find their memory reused.
        if self.in_flight > 0 {
            std::mem::forget(std::mem::take(&mut self.files));
            std::mem::forget(std::mem::take(&mut self.accepts));
            std::mem::forget(std::mem::take(&mut self.signals));
            self.buffers.leak();
            self.blocks.iter_mut().for_each(Blocks::leak);
        }
    }
}

#[cfg(test)]
mod tests;
