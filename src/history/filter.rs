//! Whether a shard's history may have a key. One filter has the keys of all its files, so a look is at one line of memory, however
//! many files there are.
//!
//! A slot has blocks of 512 bits, each for an equal part of all keys, and a key is known by where it is in its block's part: by as
//! many of the highest bits of that as there is room for. The more keys a block has, the fewer bits they get; so a block
//! takes in further keys without those that it was made of, and only says *maybe* more often. If a slot has too many for its
//! blocks, they are made anew from the keys that the files have.
//!
//! In a block the keys are in order, and their bits are as those of a quotient filter (Bender et al., "Don't thrash: how to cache your
//! hash on flash", VLDB 2012): the highest 6 bits name a bucket and are not stored, and the others follow one another.
//!
//! | bits | what |
//! |---|---|
//! | 0–63 | for each bucket: whether it has keys |
//! | 64 and on | for each key: whether it is the last of its bucket |
//! | then | for each key: its remainder, of as many bits as there is room for, the first ones with one more |
//! | 504–511 | how many keys there are |

use std::hint::black_box;
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::bytes::Fields;
use super::file::{HistoryFile, ReadAt, Slots};
use super::page::Page;
use super::row::{ShortKey, SortKey};
use coverage::Branch;
use journal::reader::ReadError;

/// Slots of a part of a filter. A part is made anew as a whole.
const PART_SLOTS: usize = limits::HISTORY_FILTER_PART_SLOTS;

/// Bytes of a block.
pub(super) const BLOCK_BYTES: usize = size_of::<Block>();

const BUCKET_BITS: u32 = 6;
const BUCKETS: u32 = 1 << BUCKET_BITS;
const PLACE_BITS: u32 = u32::BITS;

/// Where the number of keys is.
const LEN_AT: u32 = 504;

/// The number of keys of a block that takes each key for one that may be there.
const FULL: u32 = u8::MAX as u32;

/// How the remainders of so many keys share the room: the first ones have a bit more.
#[derive(Clone, Copy)]
struct Remainders {
    /// Where they begin.
    at: u32,
    bits: u32,
    /// How many have one more than these bits.
    longer: u32,
}

impl Remainders {
    const BITS_MAX: u32 = PLACE_BITS - BUCKET_BITS;

    const fn of(keys: u32) -> Self {
        let at = BUCKETS + keys;
        let room = LEN_AT - at;
        if room >= keys * Self::BITS_MAX {
            return Self { at, bits: Self::BITS_MAX, longer: 0 };
        }
        Self { at, bits: room / keys, longer: room % keys }
    }

    /// Where the remainder with this number begins, and its bits.
    ///
    /// The more keys there are, and the more of them are before a key, the fewer they are: a block that takes in more never needs
    /// bits that it has dropped.
    const fn place(self, number: u32) -> (u32, u32) {
        if number < self.longer {
            (self.at + number * (self.bits + 1), self.bits + 1)
        } else {
            (self.at + number * self.bits + self.longer, self.bits)
        }
    }
}

/// Keys of the same part of a slot's keys, each known by its place in that part.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub(super) struct Block([u64; 8]);

impl Block {
    pub(super) const EMPTY: Self = Self([0; 8]);

    /// Of places in order.
    pub(super) fn of(places: &[u32]) -> Self {
        let mut block = Self::EMPTY;
        let len = places.len() as u32;
        if len >= FULL {
            block.put(LEN_AT, 8, u64::from(FULL));
            return block;
        }
        block.put(LEN_AT, 8, u64::from(len));
        let remainders = Remainders::of(len);
        let bucket_of = |place: u32| place >> (PLACE_BITS - BUCKET_BITS);
        for (number, place) in (0..).zip(places) {
            block.0[0] |= 1 << bucket_of(*place);
            let next = places.get(number as usize + 1);
            let is_last = next.is_none_or(|next| bucket_of(*next) != bucket_of(*place));
            block.put(BUCKETS + number, 1, is_last.into());
            let (at, bits) = remainders.place(number);
            block.put(at, bits, remainder(*place, bits));
        }
        block
    }

    /// The number of its keys.
    const fn len(&self) -> u32 {
        (self.0[7] >> (LEN_AT % 64)) as u32
    }

    pub(super) fn contains(&self, place: u32) -> bool {
        let len = self.len();
        if len == FULL {
            return true;
        }
        let bucket = place >> (PLACE_BITS - BUCKET_BITS);
        if self.0[0] >> bucket & 1 == 0 {
            return false;
        }
        let before = (self.0[0] & ((1 << bucket) - 1)).count_ones();
        let remainders = Remainders::of(len);
        for number in self.first_of(before)..len {
            let (at, bits) = remainders.place(number);
            if self.get(at, bits) == remainder(place, bits) {
                return true;
            }
            if self.get(BUCKETS + number, 1) == 1 {
                return false;
            }
        }
        // No block that was made ends so.
        true
    }

    /// The number of the first key behind those of so many buckets.
    fn first_of(&self, mut buckets: u32) -> u32 {
        if buckets == 0 {
            return 0;
        }
        let mut number = 0;
        for word in &self.0[1..] {
            let ones = word.count_ones();
            if buckets <= ones {
                return number + select(*word, buckets - 1) + 1;
            }
            buckets -= ones;
            number += u64::BITS;
        }
        // In no block that was made.
        number
    }

    /// Reads what [`Block::put_into`] has written.
    pub(super) fn read(bytes: &[u8; BLOCK_BYTES]) -> Self {
        let mut fields = Fields(bytes);
        Self(core::array::from_fn(|_| fields.u64()))
    }

    pub(super) fn put_into(&self, into: &mut Vec<u8>) {
        self.0.iter().for_each(|word| into.extend(word.to_le_bytes()));
    }

    /// Adds places, each once, and says how many it did not have. `room` is used for it.
    pub(super) fn add(&mut self, places: &[u32], room: &mut Vec<u32>) -> u32 {
        if places.is_empty() || self.len() == FULL {
            return 0;
        }
        room.clear();
        self.places(room);
        let before = room.len();
        // What it has already, as far as it can tell, has its bits.
        room.extend(places.iter().filter(|place| !self.contains(**place)));
        let added = (room.len() - before) as u32;
        room.sort_unstable();
        *self = Self::of(room);
        added
    }

    /// Appends the places of its keys, as far as their bits are there.
    fn places(&self, into: &mut Vec<u32>) {
        let len = self.len();
        let remainders = Remainders::of(len);
        let mut buckets = self.0[0];
        for number in 0..len {
            let (at, bits) = remainders.place(number);
            let place = u64::from(buckets.trailing_zeros()) << bits | self.get(at, bits);
            into.push((place << (PLACE_BITS - BUCKET_BITS - bits)) as u32);
            if self.get(BUCKETS + number, 1) == 1 {
                buckets &= buckets - 1;
            }
        }
    }

    /// So many bits from `at` on, 26 at most.
    const fn get(&self, at: u32, bits: u32) -> u64 {
        let (word, shift) = ((at / 64) as usize, at % 64);
        let mut found = self.0[word] >> shift;
        if shift + bits > 64 {
            found |= self.0[word + 1] << (64 - shift);
        }
        found & ((1 << bits) - 1)
    }

    /// Sets bits that are zero.
    const fn put(&mut self, at: u32, bits: u32, value: u64) {
        let (word, shift) = ((at / 64) as usize, at % 64);
        self.0[word] |= value << shift;
        if shift + bits > 64 {
            self.0[word + 1] |= value >> (64 - shift);
        }
    }
}

/// The bits of a place behind those of its bucket.
const fn remainder(place: u32, bits: u32) -> u64 {
    (place as u64) << BUCKET_BITS >> (PLACE_BITS - bits) & ((1 << bits) - 1)
}

/// The place of the bit with this number among those that are set.
const fn select(word: u64, number: u32) -> u32 {
    const LOW: u64 = u64::MAX / 0xff;
    const HIGH: u64 = LOW << 7;
    let pairs = word - (word >> 1 & (LOW * 0x55));
    let nibbles = (pairs & (LOW * 0x33)) + (pairs >> 2 & (LOW * 0x33));
    // In each byte, how many are set in it and those below.
    let sums = ((nibbles + (nibbles >> 4)) & (LOW * 0x0f)).wrapping_mul(LOW);
    // Bytes up to whose end there are `number` of them at most.
    let at = 8 * ((((LOW * number as u64) | HIGH) - sums) & HIGH).count_ones();
    let before = if at == 0 { 0 } else { sums >> (at - 8) & 0xff };
    let mut byte = word >> at & 0xff;
    let mut rest = number - before as u32;
    while rest > 0 {
        byte &= byte - 1;
        rest -= 1;
    }
    at + byte.trailing_zeros()
}

/// The block of so many in which keys with these bits are, and their place in its part.
pub(super) const fn block_of(bits: u32, blocks: usize) -> (usize, u32) {
    let at = bits as u64 * blocks as u64;
    ((at >> u32::BITS) as usize, at as u32)
}

/// Some slots of a shard.
#[derive(Debug)]
struct Part {
    /// Where the blocks of each slot begin, and behind those of the last one.
    starts: [u32; PART_SLOTS + 1],
    blocks: Vec<Block>,
    keys: u64,
    /// A slot has too many keys for the blocks that it has.
    is_overfull: bool,
}

/// Rests as often as for so many keys: a few dozen take as long as a record of the journal.
fn rests(keys: usize, rest: &mut impl FnMut()) {
    (0..=keys / limits::HISTORY_FILTER_BLOCK_KEYS).for_each(|_| rest());
}

/// How many keys a block has when it is made, and above how many, on average, a slot's blocks are made anew.
#[derive(Clone, Copy, Debug)]
struct Fill {
    made: usize,
    most: usize,
}

impl Fill {
    const SHIPPED: Self =
        Self { made: limits::HISTORY_FILTER_BLOCK_KEYS, most: limits::HISTORY_FILTER_BLOCK_KEYS_MAX };
}

/// A part that is made, slot by slot.
struct Making {
    fill: Fill,
    part: Part,
    slots: usize,
    room: Room,
    /// Of a block that takes in more.
    places: Vec<u32>,
}

/// Memory that bringing keys to their blocks takes.
#[derive(Default)]
pub(super) struct Room {
    /// The places of keys, those of each block together, and where those of each block end.
    places: Vec<u32>,
    ends: Vec<usize>,
    /// The places of one of them.
    of_block: Vec<u32>,
}

/// How many blocks the keys of so many rows of a page have.
pub(super) const fn blocks_for(keys: usize) -> usize {
    keys.div_ceil(limits::HISTORY_FILTER_BLOCK_KEYS)
}

impl Room {
    /// Shows for each of so many blocks the places of the keys with these bits, in order, each once.
    pub(super) fn by_block(&mut self, keys: &[u32], blocks: usize, mut show: impl FnMut(&[u32])) {
        // They are brought to their blocks first: so few are sorted faster than all of them are.
        self.ends.clear();
        self.ends.resize(blocks, 0);
        keys.iter().for_each(|bits| self.ends[block_of(*bits, blocks).0] += 1);
        let mut before = 0;
        for end in &mut self.ends {
            before += core::mem::replace(end, before);
        }
        self.places.clear();
        self.places.resize(keys.len(), 0);
        for bits in keys {
            let (block, place) = block_of(*bits, blocks);
            self.places[self.ends[block]] = place;
            self.ends[block] += 1;
        }
        let mut begin = 0;
        for end in &self.ends {
            self.of_block.clear();
            self.of_block.extend(&self.places[begin..*end]);
            self.of_block.sort_unstable();
            self.of_block.dedup();
            show(&self.of_block);
            begin = *end;
        }
    }
}

impl Part {
    const EMPTY: Self = Self { starts: [0; PART_SLOTS + 1], blocks: Vec::new(), keys: 0, is_overfull: false };

    fn blocks_of(&self, slot: usize) -> &[Block] {
        &self.blocks[self.starts[slot] as usize..self.starts[slot + 1] as usize]
    }

    fn contains(&self, slot: usize, bits: u32, meanwhile: impl FnOnce()) -> bool {
        let blocks = self.blocks_of(slot);
        let (block, place) = block_of(bits, blocks.len());
        let Some(block) = blocks.get(block) else { return false };
        black_box(block.len());
        meanwhile();
        block.contains(place)
    }

    /// With the keys that files have of its slots beside its own.
    fn with<B: ReadAt>(
        &self,
        fill: Fill,
        files: &[Arc<HistoryFile<B>>],
        slots: RangeInclusive<u16>,
        rest: &mut impl FnMut(),
    ) -> Result<Self, ReadError<B::Error>> {
        let rows: u64 = files.iter().map(|file| file.rows_at_most(&slots)).sum();
        let together = limits::HISTORY_FILTER_KEYS_AT_ONCE * PART_SLOTS as u64 / (rows + 1);
        let together = together.clamp(1, PART_SLOTS as u64) as u16;
        let mut making = Making::begin(fill, self, rows);
        let mut page = Page::default();
        let mut by_slot = vec![Vec::new(); together.into()];
        for first in slots.clone().step_by(together.into()) {
            let last = (first + (together - 1)).min(*slots.end());
            for file in files {
                let keep = |key: ShortKey| by_slot[usize::from(key.slot() - first)].push(key.bits());
                file.keys(&mut page, first..=last, keep, rest)?;
            }
            for (slot, bits) in (first..=last).zip(&mut by_slot) {
                making.put(self.blocks_of(usize::from(slot) % PART_SLOTS), bits);
                rests(bits.len(), rest);
                bits.clear();
            }
        }
        Ok(making.end())
    }
}

impl Making {
    /// Begins with what a part has, which gets so many keys more at most.
    fn begin(fill: Fill, before: &Part, more: u64) -> Self {
        let blocks = before.blocks.len() + more as usize / fill.made + PART_SLOTS;
        let Part { keys, is_overfull, .. } = *before;
        let part = Part { blocks: Vec::with_capacity(blocks), keys, is_overfull, ..Part::EMPTY };
        Self { fill, part, slots: 0, room: Room::default(), places: Vec::new() }
    }

    /// Puts the next slot: the blocks that it has, or as many as it needs, with the keys with these bits.
    fn put(&mut self, before: &[Block], keys: &[u32]) {
        let count = if before.is_empty() { keys.len().div_ceil(self.fill.made) } else { before.len() };
        let Self { fill, part, slots, room, places } = self;
        let begin = part.blocks.len();
        let mut known = before.iter();
        room.by_block(keys, count, |of_block| {
            let mut block = known.next().copied().unwrap_or(Block::EMPTY);
            part.keys += u64::from(block.add(of_block, places));
            part.blocks.push(block);
        });
        let taken: usize = part.blocks[begin..].iter().map(|block| block.len() as usize).sum();
        part.is_overfull |= !before.is_empty() && taken > count * fill.most;
        *slots += 1;
        part.starts[*slots] = part.blocks.len() as u32;
    }

    fn end(mut self) -> Part {
        self.part.blocks.shrink_to_fit();
        self.part
    }
}

/// The keys of all rounds that a shard's history has. It never changes; whoever has others has another filter, which shares with
/// it what is the same.
#[derive(Clone, Debug)]
pub struct Filter {
    /// The number of the first part.
    first: usize,
    parts: Vec<Arc<Part>>,
    fill: Fill,
}

impl Filter {
    /// Of no file, for who owns these slots.
    pub fn new(slots: &Slots) -> Self {
        let [first, last] = [slots.start(), slots.end()].map(|slot| usize::from(slot.index()) / PART_SLOTS);
        let empty = Arc::new(Part::EMPTY);
        Self { first, parts: vec![empty; (last + 1).saturating_sub(first)], fill: Fill::SHIPPED }
    }

    /// The same with so few keys for each block that blocks are made anew often, for simulations.
    pub fn of_small_blocks(slots: &Slots) -> Self {
        Self { fill: Fill { made: 2, most: 3 }, ..Self::new(slots) }
    }

    /// Of the keys of these files. `rest` is called after each page that is read, and amid the keys of each slot.
    ///
    /// # Errors
    /// Where a file is damaged, or can't be read.
    pub fn of<B: ReadAt>(
        slots: &Slots,
        files: &[Arc<HistoryFile<B>>],
        mut rest: impl FnMut(),
    ) -> Result<Self, ReadError<B::Error>> {
        let mut filter = Self::new(slots);
        for part in 0..filter.parts() {
            filter.make(part, files, &mut rest)?;
        }
        Ok(filter)
    }

    /// The number of its parts, each of which can be made or added to alone, so that memory holds one of them twice.
    pub const fn parts(&self) -> usize {
        self.parts.len()
    }

    /// Makes a part anew, of the keys that these files have. `rest` as [`Filter::of`] has it.
    ///
    /// # Errors
    /// Where a file is damaged, or can't be read.
    pub fn make<B: ReadAt>(
        &mut self,
        part: usize,
        files: &[Arc<HistoryFile<B>>],
        mut rest: impl FnMut(),
    ) -> Result<(), ReadError<B::Error>> {
        if self.is_overfull(part) {
            coverage::hit(Branch::FilterMadeAnew);
        }
        self.parts[part] = Arc::new(Part::EMPTY.with(self.fill, files, self.slots(part), &mut rest)?);
        Ok(())
    }

    /// Adds the keys of a file to a part, which may be overfull then. `rest` as [`Filter::of`] has it.
    ///
    /// # Errors
    /// Where the file is damaged, or can't be read.
    pub fn add<B: ReadAt>(
        &mut self,
        part: usize,
        file: &Arc<HistoryFile<B>>,
        mut rest: impl FnMut(),
    ) -> Result<(), ReadError<B::Error>> {
        let (file, slots) = (std::slice::from_ref(file), self.slots(part));
        let with = self.parts[part].with(self.fill, file, slots, &mut rest)?;
        if with.keys > self.parts[part].keys {
            self.parts[part] = Arc::new(with);
        }
        Ok(())
    }

    /// Whether a slot of a part has too many keys for the blocks that it has, and is to be made anew: it takes more of the keys that it
    /// does not have for one of its own.
    pub fn is_overfull(&self, part: usize) -> bool {
        self.parts[part].is_overfull
    }

    /// Whether the key of rows with this place may be one of its own. Of slots that it is not for it says nothing that is of use. What
    /// is done `meanwhile` does not wait for the memory that it looks at.
    pub(super) fn contains(&self, at: SortKey, meanwhile: impl FnOnce()) -> bool {
        let slot = usize::from(at.slot);
        let part = (slot / PART_SLOTS).checked_sub(self.first).and_then(|part| self.parts.get(part));
        part.is_some_and(|part| part.contains(slot % PART_SLOTS, at.short().bits(), meanwhile))
    }

    /// How many keys it has; of two that it can't tell apart it may count one.
    pub fn keys(&self) -> u64 {
        self.parts.iter().map(|part| part.keys).sum()
    }

    /// Bytes of memory that it takes.
    pub fn memory_bytes(&self) -> u64 {
        let blocks: usize = self.parts.iter().map(|part| part.blocks.len()).sum();
        (size_of::<Self>() + self.parts.len() * size_of::<Part>() + blocks * size_of::<Block>()) as u64
    }

    const fn slots(&self, part: usize) -> RangeInclusive<u16> {
        let first = (self.first + part) * PART_SLOTS;
        first as u16..=(first + PART_SLOTS - 1) as u16
    }
}
