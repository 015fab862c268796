//! How a core that has nothing to do waits: in the ring itself, which other threads wake through an eventfd that it reads. And
//! how a ring tells somebody else's loop of its completions: through an eventfd, too.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::atomic::{Ordering, fence};
use std::time::Duration;

use io_uring::{opcode, types};

use super::{Kind, Ring, user_data, write};

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
        self.push(entry.build().user_data(user_data(Kind::Watch, 0, 0)))
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
        match self.uring.submitter().submit_with_args(1, &arguments) {
            Ok(taken) => {
                // What the last turn could not hand over is handed over now.
                if let Some(queued_behind) = self.writing.as_mut().map(|writing| &mut writing.queued_behind) {
                    *queued_behind = write::after_entering(*queued_behind, taken);
                }
                Ok(())
            }
            Err(error)
                if matches!(
                    error.raw_os_error(),
                    Some(libc::ETIME | libc::EINTR | libc::EBUSY | libc::EAGAIN)
                ) =>
            {
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Registers the eventfd that tells of completions while [`Ring::notify`] is on.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn register_eventfd(&self, eventfd: BorrowedFd<'_>) -> io::Result<()> {
        self.uring.submitter().register_eventfd(eventfd.as_raw_fd())
    }

    /// Turns the eventfd's signals on before its reader sleeps, and off while it is busy. Once they are on, a completion is
    /// told, or a look at the queue finds it.
    pub fn notify(&mut self, on: bool) {
        let completion = self.uring.completion();
        if !on {
            return completion.disable_eventfd();
        }
        completion.enable_eventfd();
        // The flag is a plain store, and the look that follows begins with loads: without a fence the core may have read
        // the queue's end before the kernel sees the flag. The kernel puts a completion there and then reads the flag;
        // so each could miss the other's word, and the core would park beside a completion that nobody tells of.
        fence(Ordering::SeqCst);
    }
}
