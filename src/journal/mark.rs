//! The mark of a shard: how far its journal is known to reach, kept beside the journal.
//!
//! A journal alone can't tell that its end is missing: bytes that are zeros may never have been written. So the mark
//! names a record that is durable, and its segment. While a shard is served its mark follows a second behind. A clean
//! stop leaves a mark that names the very end, and the last segment file that there is.
//!
//! Marks also tell that a shard was put back from an older copy, with its mark: each has the number of the start that wrote
//! it, and once all shards write, each says so. A mark of an earlier start than one that says so is not of its time.
//!
//! A mark has two slots of a block each, which are written in turn: where a write of one is torn, the other holds.
//!
//! | bytes of a slot | what |
//! |---|---|
//! | 0–7 | magic |
//! | 8–11 | version of the mark's form |
//! | 12–15 | kind: 1 serving, 2 clean |
//! | 16–23, 24–25, 26–27 | stream, shard, number of shards |
//! | 28–31 | the segment that the record is in; 0 where none was begun |
//! | 32–39 | sequence of the record |
//! | 40–47 | count: the slot with the higher one holds |
//! | 48–63 | hash of the record |
//! | 64–67 | of a clean mark the last segment file; zero in a serving one |
//! | 68–71 | 1 where all shards had begun to write in this start; or else 0 |
//! | 72–79 | the number of the start that has written it, from 1; 0 in what no start has |
//! | 80–4079 | zero |
//! | 4080–4095 | checksum of all before it |

use super::{Damage, Fault, Origin, Point, RecordHash, bytes};
use alloc::format;
use alloc::string::String;
use limits::JOURNAL_BLOCK_BYTES;

/// `pursMark` in ASCII.
const MAGIC: u64 = u64::from_be_bytes(*b"pursMark");

/// Version of the mark's form.
const FORMAT_VERSION: u32 = 1;

const FORMAT_AT: usize = 8;
const KIND_AT: usize = 12;
const STREAM_AT: usize = 16;
const SHARD_AT: usize = 24;
const SHARDS_AT: usize = 26;
const SEGMENT_AT: usize = 28;
const SEQUENCE_AT: usize = 32;
const COUNT_AT: usize = 40;
const HASH_AT: usize = 48;
const LAST_FILE_AT: usize = 64;
const TOGETHER_AT: usize = 68;
const START_AT: usize = 72;
const ZERO_AT: usize = 80;
const CHECKSUM_AT: usize = JOURNAL_BLOCK_BYTES - bytes::CHECKSUM_BYTES;

const SERVING: u32 = 1;
const CLEAN: u32 = 2;

/// Slots of a mark.
pub const SLOTS: usize = 2;

/// Bytes of a mark.
pub const MARK_BYTES: usize = SLOTS * JOURNAL_BLOCK_BYTES;

/// What a mark says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Whose journal it is.
    pub origin: Origin,
    /// A record that is durable; [`Point::START`] where there is none.
    pub last: Point,
    /// The number of the segment that the record is in; 0 where none was begun.
    pub segment: u32,
    /// Left by a clean stop: nothing follows the record, and this is the number of the last segment file. `None` while
    /// the shard is served.
    pub stopped: Option<u32>,
    /// The start of the server that has written it.
    pub start: Start,
}

/// A start of the server, as marks know it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Start {
    /// Its number among those of the data, from 1. A backup counts as one, whose number is its moment in milliseconds since 1970,
    /// and so do those after that.
    pub number: u64,
    /// All shards had begun to write in it: no mark is of an earlier one.
    pub together: bool,
}

/// Checks that no shard is of an earlier start than one in which all of them have written. The marks are those of all
/// shards, in order, each with its count; `name` says the file of one, for what is reported.
///
/// # Errors
/// The first shard that was left behind.
pub fn check_together(marks: &[(Mark, u64)], name: impl Fn(usize) -> String) -> Result<(), Damage> {
    let of_all = marks.iter().map(|(mark, _)| mark.start).filter(|start| start.together);
    let Some(together) = of_all.map(|start| start.number).max() else { return Ok(()) };
    let behind = marks.iter().enumerate().find(|(_, (mark, _))| mark.start.number < together);
    behind.map_or(Ok(()), |(shard, (mark, count))| {
        let offset = (slot_of(*count) * JOURNAL_BLOCK_BYTES + START_AT) as u64;
        let fault = Fault::LeftBehind { start: mark.start.number, together };
        Err(Damage { file: name(shard), offset, fault })
    })
}

/// Whether a clean stop has left this, and one of its slots is not as it was written. The other one holds, and both were
/// written at the stop: it was damaged since, or a crash has torn the first write of the next start.
pub fn has_lost_a_slot(mark: &[u8], origin: Origin) -> bool {
    let is_clean = Mark::read("", mark, origin).is_ok_and(|(mark, _)| mark.stopped.is_some());
    is_clean && !mark.chunks_exact(JOURNAL_BLOCK_BYTES).all(is_whole)
}

impl Mark {
    /// The block that says this, with its count.
    pub fn to_block(&self, count: u64) -> [u8; JOURNAL_BLOCK_BYTES] {
        let mut block = [0; JOURNAL_BLOCK_BYTES];
        let kind = if self.stopped.is_some() { CLEAN } else { SERVING };
        bytes::put(&mut block, 0, MAGIC.to_le_bytes());
        bytes::put(&mut block, FORMAT_AT, FORMAT_VERSION.to_le_bytes());
        bytes::put(&mut block, KIND_AT, kind.to_le_bytes());
        bytes::put(&mut block, STREAM_AT, self.origin.stream.to_le_bytes());
        bytes::put(&mut block, SHARD_AT, self.origin.shard.to_le_bytes());
        bytes::put(&mut block, SHARDS_AT, self.origin.shards.to_le_bytes());
        bytes::put(&mut block, SEGMENT_AT, self.segment.to_le_bytes());
        bytes::put(&mut block, SEQUENCE_AT, self.last.sequence.to_le_bytes());
        bytes::put(&mut block, COUNT_AT, count.to_le_bytes());
        bytes::put(&mut block, HASH_AT, self.last.hash.bits().to_le_bytes());
        bytes::put(&mut block, LAST_FILE_AT, self.stopped.unwrap_or(0).to_le_bytes());
        bytes::put(&mut block, TOGETHER_AT, u32::from(self.start.together).to_le_bytes());
        bytes::put(&mut block, START_AT, self.start.number.to_le_bytes());
        let checksum = bytes::checksum(&block[..CHECKSUM_AT]);
        bytes::put(&mut block, CHECKSUM_AT, checksum.to_le_bytes());
        block
    }

    /// The bytes of a mark that says this twice, with this count and the one before.
    ///
    /// # Panics
    /// Where the count is 0.
    pub fn to_bytes(&self, count: u64) -> [u8; MARK_BYTES] {
        let mut mark = [0; MARK_BYTES];
        for count in [count, count - 1] {
            bytes::put(&mut mark, slot_of(count) * JOURNAL_BLOCK_BYTES, self.to_block(count));
        }
        mark
    }

    /// Reads the bytes of a mark: what it says, and its count. `name` is the file's, for what is reported.
    ///
    /// # Errors
    /// Where no slot is whole, or the one that holds is of another journal, or of a version that is not known.
    pub fn read(name: &str, mark: &[u8], origin: Origin) -> Result<(Self, u64), Damage> {
        let damage = |offset: usize, fault| Damage { file: name.into(), offset: offset as u64, fault };
        if mark.len() != MARK_BYTES {
            let what = format!("a mark has {MARK_BYTES} bytes, and this file {}", mark.len());
            return Err(damage(mark.len().min(MARK_BYTES), Fault::Bytes(what)));
        }
        let slots = mark.chunks_exact(JOURNAL_BLOCK_BYTES).enumerate().filter(|(_, slot)| is_whole(slot));
        let Some((at, slot)) = slots.max_by_key(|(_, slot)| bytes::u64_at(slot, COUNT_AT)) else {
            return Err(damage(0, Fault::Bytes("neither half of the mark is as it was written".into())));
        };
        let read = Self::read_slot(slot).and_then(|mark| match mark.origin {
            found if found != origin => Err(Fault::Origin { found, expected: origin }),
            _ => Ok((mark, bytes::u64_at(slot, COUNT_AT))),
        });
        read.map_err(|fault| damage(at * JOURNAL_BLOCK_BYTES, fault))
    }

    fn read_slot(slot: &[u8]) -> Result<Self, Fault> {
        let format = bytes::u32_at(slot, FORMAT_AT);
        if format != FORMAT_VERSION {
            return Err(Fault::Format { found: format, expected: FORMAT_VERSION });
        }
        if !bytes::is_zero(&slot[ZERO_AT..CHECKSUM_AT]) {
            return Err(Fault::Bytes("the mark is none that this version writes".into()));
        }
        let (kind, last_file) = (bytes::u32_at(slot, KIND_AT), bytes::u32_at(slot, LAST_FILE_AT));
        let unknown = || Err(Fault::Bytes("the mark is none that this version writes".into()));
        let stopped = match (kind, last_file) {
            (SERVING, 0) => None,
            (CLEAN, last_file) => Some(last_file),
            _ => return unknown(),
        };
        let together = match bytes::u32_at(slot, TOGETHER_AT) {
            0 => false,
            1 => true,
            _ => return unknown(),
        };
        Ok(Self {
            origin: Origin {
                stream: bytes::u64_at(slot, STREAM_AT),
                shard: bytes::u16_at(slot, SHARD_AT),
                shards: bytes::u16_at(slot, SHARDS_AT),
            },
            last: Point {
                sequence: bytes::u64_at(slot, SEQUENCE_AT),
                hash: RecordHash(bytes::u128_at(slot, HASH_AT)),
            },
            segment: bytes::u32_at(slot, SEGMENT_AT),
            stopped,
            start: Start { number: bytes::u64_at(slot, START_AT), together },
        })
    }
}

/// Whether a slot is as a write has left it.
fn is_whole(slot: &[u8]) -> bool {
    bytes::u64_at(slot, 0) == MAGIC
        && bytes::checksum(&slot[..CHECKSUM_AT]) == bytes::u128_at(slot, CHECKSUM_AT)
}

/// The slot that a mark of this count goes to.
pub const fn slot_of(count: u64) -> usize {
    (count % SLOTS as u64) as usize
}

/// What is known of a journal before its segments are read.
#[derive(Clone, Copy, Debug)]
pub struct ReplayStart {
    /// Where the records that are asked for begin: what a snapshot covers, or [`Point::START`].
    pub from: Point,
    /// The first segment that is not in the snapshot; `None` where that isn't known.
    pub next_segment: Option<u32>,
    /// What the mark says; `None` where there is none: data of format version 1, and a journal in memory.
    pub mark: Option<Mark>,
}

impl From<Point> for ReplayStart {
    fn from(from: Point) -> Self {
        Self { from, next_segment: None, mark: None }
    }
}

impl ReplayStart {
    /// The first segment that is to be there and is not among these `numbers`, which are in order.
    ///
    /// Segments are made in order. So all from the one that the snapshot names up to the last file are to be there, also
    /// where the mark names none of them yet: it may be a second behind a fold.
    pub fn missing(&self, numbers: &[u32]) -> Option<u32> {
        let first = self.next_segment?;
        let begun = self.mark.map_or(0, |mark| mark.segment.max(mark.stopped.unwrap_or(0)));
        let last = numbers.last().map_or(begun, |last| begun.max(*last));
        (first..=last).find(|number| numbers.binary_search(number).is_err())
    }
}
