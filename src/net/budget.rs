//! The time of a turn: how much of it is left for requests, and whose.

use crate::clock::Clock;
use crate::limits;

/// Connections between two readings of the clock: 28 ns for 4 that take a microsecond each and more.
const LOOK_EVERY: u32 = 4;

/// How much of a turn is left.
#[derive(Debug)]
pub(super) struct Budget {
    clock: Clock,
    began_us: u64,
    elapsed_us: u64,
    asked: u32,
}

impl Budget {
    pub(super) const fn new(clock: Clock) -> Self {
        Self { clock, began_us: 0, elapsed_us: 0, asked: 0 }
    }

    /// A turn has begun.
    pub(super) const fn begin(&mut self, now_us: u64) {
        (self.began_us, self.elapsed_us, self.asked) = (now_us, 0, 0);
    }

    /// Microseconds since the turn began.
    pub(super) fn elapsed_us(&mut self) -> u64 {
        self.elapsed_us = self.clock.mono_us().saturating_sub(self.began_us);
        self.elapsed_us
    }

    /// How many requests a connection may have served that is looked at now, for the first time since its bytes came. All
    /// have one before any has many, unless there are few of them.
    pub(super) fn share(&mut self) -> usize {
        self.asked += 1;
        if self.asked.is_multiple_of(LOOK_EVERY) {
            self.elapsed_us();
        }
        match self.elapsed_us {
            ..limits::TURN_YOUNG_US => limits::REQUESTS_PER_TURN,
            limits::TURN_YOUNG_US..limits::TURN_US => 1,
            _ => 0,
        }
    }
}
