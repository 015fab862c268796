//! Whether the process serves, as all its cores and `/readyz` see it.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};

const STARTING: u8 = 0;
const SERVING: u8 = 1;
const LEAVING: u8 = 2;
const STOPPING: u8 = 3;

/// Why nothing may be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ReadOnly {
    /// There is less room on the disk than is to be kept.
    NearlyFull = 1,
    /// The file system takes no writes.
    FileSystem = 2,
    /// A file that the journal needs can't be made or written.
    Files = 3,
}

impl ReadOnly {
    const ALL: [Self; 3] = [Self::NearlyFull, Self::FileSystem, Self::Files];

    const fn reason(self) -> &'static str {
        match self {
            Self::NearlyFull => "The disk is nearly full: balances are told, and nothing is changed.",
            Self::FileSystem => "The file system is read-only: balances are told, and nothing is changed.",
            Self::Files => {
                "A file can't be written, and standard error says which: balances are told, and nothing is changed."
            }
        }
    }
}

const SHORT_OF_MEMORY: &str = "The server's memory is nearly full: open rounds are settled, balances are told, and nothing new is begun.";

/// The state of the process. Written by `serve`, read by every core.
#[derive(Debug, Default)]
pub struct Readiness {
    state: AtomicU8,
    /// A [`ReadOnly`], or 0.
    read_only: AtomicU8,
    /// Memory is nearly full.
    is_short_of_memory: AtomicBool,
    /// The system clock is too far from the wallet's time.
    is_apart: AtomicBool,
    /// A bit for each shard of which something that was folded can't be archived.
    unarchived: AtomicU64,
}

const _: () = assert!(limits::SHARDS_MAX <= u64::BITS as usize, "a shard has a bit");

impl Readiness {
    /// Every core serves.
    pub fn serve(&self) {
        // A stop that came first stays.
        let _ = self.state.compare_exchange(STARTING, SERVING, Ordering::SeqCst, Ordering::SeqCst);
    }

    /// The process is about to stop: it says that it is not ready, so that a load balancer sends no more to it, and serves
    /// all that comes until then.
    pub fn leave(&self) {
        let _ = self.state.compare_exchange(SERVING, LEAVING, Ordering::SeqCst, Ordering::SeqCst);
    }

    /// The process takes no more connections, finishes what is in hand, and ends.
    pub fn stop(&self) {
        self.state.store(STOPPING, Ordering::SeqCst);
    }

    /// Whether it does not serve yet.
    pub fn is_starting(&self) -> bool {
        self.state.load(Ordering::Relaxed) == STARTING
    }

    /// Whether it is stopping; not while it is only about to.
    pub fn is_stopping(&self) -> bool {
        self.state.load(Ordering::Relaxed) == STOPPING
    }

    /// Lets nothing be changed any more; or lets it be changed again.
    pub fn set_read_only(&self, why: Option<ReadOnly>) {
        self.read_only.store(why.map_or(0, |why| why as u8), Ordering::Relaxed);
    }

    /// Whether nothing may be changed.
    pub fn is_read_only(&self) -> bool {
        self.read_only.load(Ordering::Relaxed) != 0
    }

    /// Nothing is begun any more that takes memory; or it is again.
    pub fn set_short_of_memory(&self, is_short: bool) {
        self.is_short_of_memory.store(is_short, Ordering::Relaxed);
    }

    /// Whether nothing is begun that takes memory.
    pub fn is_short_of_memory(&self) -> bool {
        self.is_short_of_memory.load(Ordering::Relaxed)
    }

    /// The system clock is too far from the wallet's time to be followed; or it no longer is.
    pub fn set_apart(&self, is_apart: bool) {
        self.is_apart.store(is_apart, Ordering::Relaxed);
    }

    /// Whether it is.
    pub fn is_apart(&self) -> bool {
        self.is_apart.load(Ordering::Relaxed)
    }

    /// What was folded of a shard can't be archived; or it no longer is so.
    pub fn set_unarchived(&self, shard: usize, is_so: bool) {
        let bit = 1 << shard;
        if is_so {
            self.unarchived.fetch_or(bit, Ordering::Relaxed);
        } else {
            self.unarchived.fetch_and(!bit, Ordering::Relaxed);
        }
    }

    /// Whether it is so of any.
    pub fn is_unarchived(&self) -> bool {
        self.unarchived.load(Ordering::Relaxed) != 0
    }

    /// Why it is not ready; `None` where it is.
    pub fn reason(&self) -> Option<&'static str> {
        match self.state.load(Ordering::Relaxed) {
            SERVING => {
                let why = self.read_only.load(Ordering::Relaxed);
                let read_only = ReadOnly::ALL.into_iter().find(|known| *known as u8 == why);
                read_only.map(ReadOnly::reason).or(self.is_short_of_memory().then_some(SHORT_OF_MEMORY))
            }
            STARTING => Some("The server is starting."),
            _ => Some("The server is stopping."),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_not_be_archived_is_known_until_no_shard_has_any() {
        let readiness = Readiness::default();
        for (shard, is_so, expect) in
            [(0, false, false), (0, true, true), (63, true, true), (0, false, true), (63, false, false)]
        {
            readiness.set_unarchived(shard, is_so);
            assert_eq!(readiness.is_unarchived(), expect, "{shard}, {is_so}");
        }
    }

    #[test]
    fn states_follow_one_another() {
        let readiness = Readiness::default();
        let check = |reason: Option<&str>, is_starting: bool, is_stopping: bool| {
            assert_eq!(readiness.reason(), reason);
            assert_eq!((readiness.is_starting(), readiness.is_stopping()), (is_starting, is_stopping));
        };
        let (starting, stopping) = (Some("The server is starting."), Some("The server is stopping."));
        check(starting, true, false);
        readiness.leave();
        check(starting, true, false);
        readiness.serve();
        check(None, false, false);
        readiness.set_short_of_memory(true);
        check(Some(SHORT_OF_MEMORY), false, false);
        readiness.set_read_only(Some(ReadOnly::Files));
        check(Some(ReadOnly::Files.reason()), false, false);
        readiness.set_short_of_memory(false);
        check(Some(ReadOnly::Files.reason()), false, false);
        readiness.leave();
        check(stopping, false, false);
        readiness.serve();
        check(stopping, false, false);
        readiness.stop();
        check(stopping, false, true);
        readiness.leave();
        readiness.serve();
        check(stopping, false, true);
    }
}
