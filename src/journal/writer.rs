//! The writing end of a shard's journal: records in, groups out.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::group::{Filling, Group};
use super::record::{ChainLink, Record};
use super::{Origin, Point};
use wallet::operation::Operation;
use wallet::outcome::Receipt;
use wallet::settings::Settings;
use wallet::{Millis, Sequence};

/// The records of a shard that are not durable yet.
///
/// Records are serialized where they are written from; a buffer that [`Journal::give_back`] returns is filled again.
/// The caller has one group under way at a time: the next is written after the one before it is durable.
#[derive(Debug)]
pub struct Journal {
    origin: Origin,
    last: Point,
    filling: Filling,
    /// Groups that take no further record, oldest first.
    full: VecDeque<Group>,
    pending_bytes: usize,
    spare: Vec<Vec<u8>>,
}

impl Journal {
    /// A journal that goes on after `last`.
    pub fn new(origin: Origin, last: Point) -> Self {
        Self {
            origin,
            last,
            filling: Filling::new(Vec::new(), last),
            full: VecDeque::new(),
            pending_bytes: 0,
            spare: Vec::new(),
        }
    }

    /// Takes in an operation that changed the wallet. Returns its sequence.
    ///
    /// # Panics
    /// Where the operation is none that is journaled.
    pub fn append(&mut self, now_ms: Millis, operation: &Operation<&str>, receipt: &Receipt) -> Sequence {
        self.record(now_ms, |out, link| Record::write(out, link, operation, receipt))
    }

    /// Takes in settings that hold from here on. Returns their sequence.
    pub fn configure(&mut self, now_ms: Millis, settings: &Settings) -> Sequence {
        self.record(now_ms, |out, link| Record::write_settings(out, link, settings))
    }

    fn record(
        &mut self,
        now_ms: Millis,
        write: impl FnOnce(&mut Vec<u8>, ChainLink) -> super::RecordHash,
    ) -> Sequence {
        let sequence = self.next_sequence();
        let before = self.filling.record_bytes();
        let hash = write(&mut self.filling.bytes, ChainLink { sequence, now_ms, previous: self.last.hash });
        self.filling.added(now_ms);
        self.pending_bytes += self.filling.record_bytes() - before;
        self.last = Point { sequence, hash };
        if self.filling.record_bytes() >= limits::JOURNAL_GROUP_BYTES_MAX {
            let group = self.seal();
            self.full.push_back(group);
        }
        sequence
    }

    /// The sequence that the next record gets.
    pub const fn next_sequence(&self) -> Sequence {
        self.last.sequence + 1
    }

    /// The sequence of the last record; 0 where there is none.
    pub const fn last_sequence(&self) -> Sequence {
        self.last.sequence
    }

    /// The sequence of the last record that was taken, or was there when this was made.
    pub fn taken_sequence(&self) -> Sequence {
        self.full.front().map_or(self.filling.before().sequence, |oldest| oldest.first - 1)
    }

    /// The last record, and its hash: what a snapshot of the wallet as it is now covers.
    pub const fn last(&self) -> Point {
        self.last
    }

    /// Whose journal it is.
    pub const fn origin(&self) -> Origin {
        self.origin
    }

    /// Bytes of the records that wait to be taken.
    pub const fn pending_bytes(&self) -> usize {
        self.pending_bytes
    }

    /// Whether writes may be let in. Steps of what was let in before are taken in any case.
    pub const fn has_room(&self) -> bool {
        self.pending_bytes < limits::JOURNAL_PENDING_BYTES_MAX
    }

    /// Takes the oldest records, as the group to be written next; `None` where there are none.
    pub fn take_group(&mut self) -> Option<Group> {
        let group = match self.full.pop_front() {
            Some(group) => group,
            None if self.filling.record_bytes() == 0 => return None,
            None => self.seal(),
        };
        self.pending_bytes -= group.record_bytes();
        Some(group)
    }

    /// Takes a group's buffer back, to be filled again.
    pub fn give_back(&mut self, group: Group) {
        if self.spare.len() < limits::JOURNAL_BUFFERS {
            self.spare.push(group.bytes);
        }
    }

    fn seal(&mut self) -> Group {
        let next = Filling::new(self.spare.pop().unwrap_or_default(), self.last);
        core::mem::replace(&mut self.filling, next).seal(self.origin, self.last.hash)
    }
}
