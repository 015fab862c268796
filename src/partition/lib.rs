//! Which shard owns a slot.

#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

use core::ops::RangeInclusive;

use wallet::account::Slot;

/// A shard's number, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ShardId(u8);

impl ShardId {
    /// Its number.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// The slots assigned to the shards of this process: each shard has a run of them, and runs differ by one
/// slot in length at most.
///
/// Accounts are hashed to slots, never to shards, so that another number of shards moves whole slots.
#[derive(Clone, Copy, Debug)]
pub struct Partition {
    shards: u8,
}

impl Partition {
    /// The partition among `shards` shards.
    ///
    /// # Panics
    /// Where `shards` is 0 or over [`limits::SHARDS_MAX`]; `config` refuses both.
    pub const fn new(shards: usize) -> Self {
        assert!(shards > 0 && shards <= limits::SHARDS_MAX);
        Self { shards: shards as u8 }
    }

    /// The number of shards.
    pub const fn shards(self) -> usize {
        self.shards as usize
    }

    /// The shard with this number.
    ///
    /// # Panics
    /// Where there is none.
    pub const fn shard(self, index: usize) -> ShardId {
        assert!(index < self.shards());
        ShardId(index as u8)
    }

    /// The slots that a shard owns.
    ///
    /// # Panics
    /// Where there are more shards than slots: there are not.
    pub fn slots(self, shard: ShardId) -> RangeInclusive<Slot> {
        let slots = (0..limits::SLOTS as u16).filter_map(Slot::new);
        let mut owned = slots.filter(|slot| self.owner(*slot) == shard);
        let first = owned.next().expect("a shard owns some slots");
        first..=owned.next_back().unwrap_or(first)
    }

    /// The shard that owns `slot`.
    pub const fn owner(self, slot: Slot) -> ShardId {
        ShardId((slot.index() as usize * self.shards() / limits::SLOTS) as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(shards: usize) {
        let partition = Partition::new(shards);
        let mut slots = vec![0; shards];
        let mut last = 0;
        for index in 0..limits::SLOTS as u16 {
            let owner = partition.owner(Slot::new(index).unwrap()).index();
            assert!(owner == last || owner == last + 1, "runs of slots");
            last = owner;
            slots[owner] += 1;
        }
        let (least, most) = (slots.iter().min().unwrap(), slots.iter().max().unwrap());
        assert!(most - least <= 1, "{shards} shards: {slots:?}");
    }

    #[test]
    fn every_slot_has_an_owner_and_shards_have_equal_shares() {
        for shards in 1..=limits::SHARDS_MAX {
            check(shards);
        }
    }
}
