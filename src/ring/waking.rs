//! How a core that has nothing to do waits: in the ring itself, which other threads wake through an eventfd that it reads.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

use io_uring::{opcode, types};

use super::{OpKind, Ring, user_data};

impl Ring {
    /// Reads `eventfd` once: [`Event::Woken`](super::Event::Woken) tells that somebody has signalled it. One read at a time.
    ///
    /// # Errors
    /// What the kernel says of a submission.
    ///
    /// # Panics
    /// Where a read is under way.
    pub fn watch(&mut self, eventfd: BorrowedFd<'_>) -> io::Result<()> {
        assert!(!std::mem::replace(&mut self.is_watching, true), "one read at a time");
        let count: *mut u64 = &raw mut *self.signals;
        let entry = opcode::Read::new(types::Fd(eventfd.as_raw_fd()), count.cast(), size_of::<u64>() as u32);
        self.in_flight += 1;
        self.push(entry.build().user_data(user_data(OpKind::Watch, 0, 0)))
    }

    /// As [`Ring::turn`], and waits for a completion where none is there, for `most` at most.
    ///
    /// # Errors
    /// What the kernel says; the ring is not usable any more.
    pub fn wait(&mut self, most: Duration) -> io::Result<()> {
        self.turn()?;
        if self.has_events() {
            return Ok(());
        }
        let most = types::Timespec::from(most);
        let arguments = types::SubmitArgs::new().timespec(&most);
        // What the last turn could not hand over is handed over now.
        let entered = self.uring.submitter().submit_with_args(1, &arguments);
        self.entered(entered).map(drop)
    }
}
