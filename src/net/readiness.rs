//! Whether the process serves, as all its cores and `/readyz` see it.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

const STARTING: u8 = 0;
const SERVING: u8 = 1;
const STOPPING: u8 = 2;

/// The state of the process. Written by `server`, read by every core.
#[derive(Debug, Default)]
pub struct Readiness {
    state: AtomicU8,
    read_only: AtomicBool,
    /// The system clock is too far from the wallet's time.
    is_apart: AtomicBool,
}

impl Readiness {
    /// Every core serves.
    pub fn serve(&self) {
        // A stop that came first stays.
        let _ = self.state.compare_exchange(STARTING, SERVING, Ordering::SeqCst, Ordering::SeqCst);
    }

    /// The process takes no more connections, finishes what is in hand, and ends.
    pub fn stop(&self) {
        self.state.store(STOPPING, Ordering::SeqCst);
    }

    /// Whether it is stopping.
    pub fn is_stopping(&self) -> bool {
        self.state.load(Ordering::Relaxed) == STOPPING
    }

    /// Lets nothing be changed any more, since the disk is nearly full; or lets it be changed again.
    pub fn set_read_only(&self, read_only: bool) {
        self.read_only.store(read_only, Ordering::Relaxed);
    }

    /// Whether nothing may be changed.
    pub fn is_read_only(&self) -> bool {
        self.read_only.load(Ordering::Relaxed)
    }

    /// The system clock is too far from the wallet's time to be followed; or it no longer is.
    pub fn set_apart(&self, is_apart: bool) {
        self.is_apart.store(is_apart, Ordering::Relaxed);
    }

    /// Whether it is.
    pub fn is_apart(&self) -> bool {
        self.is_apart.load(Ordering::Relaxed)
    }

    /// Why it is not ready; `None` where it is.
    pub fn reason(&self) -> Option<&'static str> {
        match self.state.load(Ordering::Relaxed) {
            SERVING if self.is_read_only() => {
                Some("The disk is nearly full: balances are told, and nothing is changed.")
            }
            SERVING => None,
            STARTING => Some("The server is starting."),
            _ => Some("The server is stopping."),
        }
    }
}
