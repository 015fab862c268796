//! How a core that has parked is woken by its ring: an eventfd, which its executor reads.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::atomic::{Ordering, fence};

use super::Ring;

impl Ring {
    /// Registers the eventfd that tells of completions while [`Ring::notify`] is on.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn register_eventfd(&self, eventfd: BorrowedFd<'_>) -> io::Result<()> {
        self.uring.submitter().register_eventfd(eventfd.as_raw_fd())
    }

    /// Turns the eventfd's signals on before the core parks, and off while it is busy. Once they are on, a completion is
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
