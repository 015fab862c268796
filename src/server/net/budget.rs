//! The time of a turn: how much of it is left for requests, and whose.

use clock::Clock;

/// Connections between two readings of the clock: 28 ns for 4 that take a microsecond each and more.
const LOOK_EVERY: u32 = 4;

/// How much of a turn is left.
#[derive(Debug)]
pub(super) struct Budget {
    clock: Clock,
    began_us: u64,
    elapsed_us: u64,
    asked: u32,
    queues_until_us: u64,
}

impl Budget {
    pub(super) const fn new(clock: Clock) -> Self {
        Self { clock, began_us: 0, elapsed_us: 0, asked: 0, queues_until_us: 0 }
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

    /// How many requests a connection may have served whose bytes have come in this turn. With 0 it waits in its queue.
    pub(super) fn share_at_once(&mut self) -> usize {
        self.share(limits::TURN_AT_ONCE_US)
    }

    /// The queues begin to be served: they have their time, however long it took to take in what has come.
    pub(super) fn begin_queues(&mut self) {
        self.queues_until_us = self.elapsed_us() + limits::TURN_QUEUES_US;
    }

    /// How many requests a connection may have served that has waited in its queue.
    pub(super) fn share_of_queued(&mut self) -> usize {
        self.share(self.queues_until_us)
    }

    /// All have one before any has many, unless there are few of them.
    fn share(&mut self, until_us: u64) -> usize {
        self.asked += 1;
        if self.asked.is_multiple_of(LOOK_EVERY) {
            self.elapsed_us();
        }
        match self.elapsed_us {
            ..limits::TURN_YOUNG_US => limits::REQUESTS_PER_TURN,
            elapsed_us if elapsed_us < until_us => 1,
            _ => 0,
        }
    }
}
