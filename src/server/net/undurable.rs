//! Answers that wait for the disk: each shows a change, and nobody may read it before that is durable.

use super::Waiter;
use api::Call;
use shard::waiting::Waiting;
use wallet::Sequence;

/// An answer that waits for a change to be durable.
pub(super) struct Answer {
    pub(super) waiter: Waiter,
    pub(super) call: Call,
    /// When its request came, microseconds of the clock.
    pub(super) arrived_us: u64,
    /// When it began to wait.
    pub(super) applied_us: u64,
}

/// The answers of a core that wait for the disk.
#[derive(Default)]
pub(super) struct Undurable {
    answers: Waiting<Answer>,
    /// How many have come since the last turn let some go.
    added: usize,
}

impl Undurable {
    /// Has `answer` wait for the change of sequence `after`.
    pub(super) fn push(&mut self, after: Sequence, answer: Answer) {
        self.answers.push(after, answer);
        self.added += 1;
    }

    /// The next answer that waits for nothing any more, where all up to `durable` is durable; with what it has waited for.
    pub(super) fn pop(&mut self, durable: Sequence) -> Option<(Sequence, Answer)> {
        self.answers.pop(durable)
    }

    /// How many a turn lets go: twice as many as have come since the last one did, so that they don't pile up where the disk
    /// keeps up, and some in any case.
    pub(super) fn share(&mut self) -> usize {
        limits::DURABLE_PER_TURN.max(2 * std::mem::take(&mut self.added))
    }

    /// When the one began to wait that waits for the oldest change.
    pub(super) fn oldest_us(&self) -> Option<u64> {
        self.answers.first().map(|answer| answer.applied_us)
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.answers.len()
    }
}
