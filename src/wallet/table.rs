//! A hash table that grows a part at a time.
//!
//! A table in one piece moves all that it holds when it is full: seconds, at millions of accounts, for which everybody
//! waits. This one is linear hashing over small tables (Litwin, "Linear hashing: a new tool for file and table addressing",
//! 1980): when the parts hold [`PART`] values each on average, the next one in turn is split in two, and when they hold less
//! than half of that, the last one goes back into the part that it came from. So an insertion or a removal moves the values of
//! a part, some thousands at most, however many there are in all.

use alloc::vec::Vec;
use hashbrown::HashTable;

use coverage::Branch;

/// Values of a part on average, before one more is made. A table of 2,048 buckets takes 1,792, so that chance seldom makes a
/// part larger than that. Before it is split, a part holds twice as many.
const PART: usize = if cfg!(test) { 7 } else { 1_536 };

/// The bits that decide about a part begin here. A part takes its buckets from those below, slots are in those from 32 on,
/// and tags in the highest; so 2^20 parts can be told apart, which is more than the memory of a machine holds.
const PART_BITS_FROM: u32 = 12;

/// An odd number without a pattern in its bits: 2^64 divided by the golden ratio.
pub(super) const MIX: u64 = 0x9e37_79b9_7f4a_7c15;

/// Where a value lies, in a table of values that lie elsewhere; with its tag, the table looks at no other value, and at none to
/// grow: each look is a wait for memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    /// What tells it from nearly all others: random bits of a hash.
    pub(super) tag: u32,
    pub(super) at: u32,
}

impl Entry {
    /// What entries of this tag are found by. A table takes its buckets and parts from the lowest bits, which follow from the tag's
    /// lowest, and its own tags from the highest, which follow from all of it.
    pub(super) const fn hash_of(tag: u32) -> u64 {
        (tag as u64).wrapping_mul(MIX)
    }

    pub(super) const fn hash(&self) -> u64 {
        Self::hash_of(self.tag)
    }
}

/// Values that are found by a hash.
#[derive(Debug)]
pub(super) struct Table<T> {
    /// All that most tables have: no further look at memory leads to it.
    first: HashTable<T>,
    /// Part 1 and those after it.
    more: Vec<HashTable<T>>,
    len: usize,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { first: HashTable::new(), more: Vec::new(), len: 0 }
    }
}

impl<T> Table<T> {
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    pub(super) fn find(&self, hash: u64, is: impl FnMut(&T) -> bool) -> Option<&T> {
        self.part(self.part_of(hash)).find(hash, is)
    }

    pub(super) fn find_mut(&mut self, hash: u64, is: impl FnMut(&T) -> bool) -> Option<&mut T> {
        self.part_mut(self.part_of(hash)).find_mut(hash, is)
    }

    /// Takes in a value of this hash that is not there. `hash_of` is the hash of those that are.
    pub(super) fn insert_unique(&mut self, hash: u64, value: T, hash_of: impl Fn(&T) -> u64) {
        if self.len >= PART * self.parts() {
            self.split(&hash_of);
        }
        self.part_mut(self.part_of(hash)).insert_unique(hash, value, hash_of);
        self.len += 1;
    }

    /// Takes out the value of this hash that `is` holds for.
    pub(super) fn remove(
        &mut self,
        hash: u64,
        is: impl FnMut(&T) -> bool,
        hash_of: impl Fn(&T) -> u64,
    ) -> Option<T> {
        let at = self.part_of(hash);
        let (value, _) = self.part_mut(at).find_entry(hash, is).ok()?.remove();
        self.len -= 1;
        if self.len < self.more.len() * (PART / 2) {
            self.merge(&hash_of);
        }
        Some(value)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.first.iter().chain(self.more.iter().flatten())
    }

    const fn parts(&self) -> usize {
        self.more.len() + 1
    }

    /// The part where values of this hash are: its lowest bits name it, one bit more for parts that were split in this round.
    const fn part_of(&self, hash: u64) -> usize {
        let mask = self.parts().next_power_of_two() - 1;
        let at = (hash >> PART_BITS_FROM) as usize & mask;
        if at < self.parts() { at } else { at & (mask >> 1) }
    }

    fn part(&self, at: usize) -> &HashTable<T> {
        if at == 0 { &self.first } else { &self.more[at - 1] }
    }

    fn part_mut(&mut self, at: usize) -> &mut HashTable<T> {
        if at == 0 { &mut self.first } else { &mut self.more[at - 1] }
    }

    /// The part that the last one was split off.
    const fn origin(&self) -> usize {
        let last = self.more.len();
        last & !(1 << last.ilog2())
    }

    /// One part more, out of the one whose turn it is.
    fn split(&mut self, hash_of: &impl Fn(&T) -> u64) {
        coverage::hit(Branch::TableSplit);
        self.more.push(HashTable::with_capacity(PART));
        let (last, origin) = (self.more.len(), self.origin());
        let mut split = core::mem::replace(self.part_mut(origin), HashTable::with_capacity(PART));
        for value in split.drain() {
            let hash = hash_of(&value);
            let at = self.part_of(hash);
            debug_assert!(at == last || at == origin, "a split concerns two parts");
            self.part_mut(at).insert_unique(hash, value, hash_of);
        }
    }

    /// One part less, into the one that it came from.
    fn merge(&mut self, hash_of: &impl Fn(&T) -> u64) {
        coverage::hit(Branch::TableMerged);
        let origin = self.origin();
        let mut last = self.more.pop().expect("more than one part was counted");
        for value in last.drain() {
            self.part_mut(origin).insert_unique(hash_of(&value), value, hash_of);
        }
        if self.more.len() * 4 <= self.more.capacity() {
            self.more.shrink_to(2 * self.more.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A hash whose bits are spread as those of XXH3 are.
    fn hash(value: &u32) -> u64 {
        xxhash_rust::xxh3::xxh3_64(&value.to_le_bytes())
    }

    fn has(table: &Table<u32>, value: u32) -> bool {
        table.find(hash(&value), |other| *other == value).is_some()
    }

    fn check(table: &Table<u32>, expect: impl Iterator<Item = u32> + Clone) {
        let mut all: Vec<u32> = table.iter().copied().collect();
        all.sort_unstable();
        assert_eq!(all, expect.clone().collect::<Vec<_>>());
        assert_eq!(table.len(), all.len());
        assert!(expect.clone().all(|value| has(table, value)));
        let in_part = |at: usize| table.part(at).iter().all(|value| table.part_of(hash(value)) == at);
        assert!((0..table.parts()).all(in_part), "each value is in its part");
        assert!(all.len() <= PART * table.parts(), "{} values in {} parts", all.len(), table.parts());
        assert!(
            all.len() >= table.more.len() * (PART / 2),
            "{} values in {} parts",
            all.len(),
            table.parts()
        );
    }

    #[test]
    fn values_are_found_while_it_grows_and_shrinks() {
        let mut table = Table::default();
        let most = 300;
        for value in 0..most {
            assert!(!has(&table, value));
            table.insert_unique(hash(&value), value, hash);
            check(&table, 0..value + 1);
        }
        assert!(table.parts() > 32, "{}", table.parts());
        let values_max = (0..table.parts()).map(|at| table.part(at).len()).max();
        assert!(values_max < Some(6 * PART), "{values_max:?} in a part");
        *table.find_mut(hash(&77), |value| *value == 77).expect("it is there") = 77;
        for value in 0..most {
            let removed = table.remove(hash(&value), |other| *other == value, hash);
            assert_eq!(removed, Some(value));
            assert_eq!(table.remove(hash(&value), |other| *other == value, hash), None);
            check(&table, value + 1..most);
        }
        assert_eq!((table.parts(), table.more.capacity()), (1, 0));
    }
}
