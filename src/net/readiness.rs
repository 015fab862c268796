//! Whether the process serves, as all its cores and `/readyz` see it.

use std::sync::atomic::{AtomicU8, Ordering};

const STARTING: u8 = 0;
const SERVING: u8 = 1;
const STOPPING: u8 = 2;

/// The state of the process. Written by `server`, read by every core.
#[derive(Debug, Default)]
pub struct Readiness(AtomicU8);

impl Readiness {
    /// Every core serves.
    pub fn serve(&self) {
        // A stop that came first stays.
        let _ = self.0.compare_exchange(STARTING, SERVING, Ordering::SeqCst, Ordering::SeqCst);
    }

    /// The process takes no more connections, finishes what is in hand, and ends.
    pub fn stop(&self) {
        self.0.store(STOPPING, Ordering::SeqCst);
    }

    /// Whether it is stopping.
    pub fn is_stopping(&self) -> bool {
        self.0.load(Ordering::Relaxed) == STOPPING
    }

    /// Why it is not ready; `None` where it is.
    pub fn reason(&self) -> Option<&'static str> {
        match self.0.load(Ordering::Relaxed) {
            SERVING => None,
            STARTING => Some("The server is starting."),
            _ => Some("The server is stopping."),
        }
    }
}
