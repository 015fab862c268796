//! The only reader of time. It is read once a turn, and what the wallet knows of time is passed to it. The stages of
//! a request are timed by further readings, of one request in many, which no outcome knows of.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// One reading of the clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Time of day, milliseconds since 1970, UTC. It may be set back by an administrator.
    pub wall_ms: u64,
    /// Nanoseconds since the clock was made; never goes back.
    pub mono_ns: u64,
}

impl Now {
    /// Microseconds since the clock was made; for how long something took.
    pub const fn mono_us(self) -> u64 {
        self.mono_ns / 1_000
    }

    /// Milliseconds since the clock was made; for deadlines.
    pub const fn mono_ms(self) -> u64 {
        self.mono_ns / 1_000_000
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
        Now { wall_ms: wall.as_millis() as u64, mono_ns: self.mono_ns() }
    }

    /// Microseconds since the start; for how long something took.
    pub fn mono_us(&self) -> u64 {
        self.mono_ns() / 1_000
    }

    /// Nanoseconds since the start, of which there is room for 584 years; for the stages of a request.
    pub fn mono_ns(&self) -> u64 {
        self.start.elapsed().as_nanos() as u64
    }
}
