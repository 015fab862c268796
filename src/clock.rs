//! The only reader of time. It is read once a turn, and what the wallet knows of time is passed to it.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// One reading of the clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Time of day, milliseconds since 1970, UTC. It may be set back by an administrator.
    pub wall_ms: u64,
    /// Microseconds since the clock was made; never goes back.
    pub mono_us: u64,
}

impl Now {
    /// Milliseconds since the clock was made; for deadlines.
    pub const fn mono_ms(self) -> u64 {
        self.mono_us / 1_000
    }
}

/// The clocks of the machine.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
}

#[expect(clippy::disallowed_methods, reason = "this is where time enters")]
impl Clock {
    /// Clocks that count from now.
    pub fn start() -> Self {
        Self { start: Instant::now() }
    }

    /// What time it is. A machine whose time of day lies before 1970 reads as 1970.
    pub fn now(&self) -> Now {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now { wall_ms: wall.as_millis() as u64, mono_us: self.mono_us() }
    }

    /// Microseconds since the start; for how long something took.
    pub fn mono_us(&self) -> u64 {
        self.start.elapsed().as_micros() as u64
    }
}
