//! A group: the records that one write makes durable.
//!
//! | bytes | what |
//! |---|---|
//! | 0–15 | checksum of all that follows, records and padding included |
//! | 16–23 | magic |
//! | 24–31 | stream |
//! | 32–39 | first sequence |
//! | 40–47 | time of its last record, milliseconds since 1970 |
//! | 48–51 | number of records |
//! | 52–55 | bytes of the records |
//! | 56–57 | shard |
//! | 58–63 | zero |
//! | 64– | records, and zeros up to a multiple of the block |

use super::record::{ALIGNMENT, Record};
use super::segment::SegmentHeader;
use super::{Origin, Point, RecordHash, bytes};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use wallet::{Millis, Rules, Sequence};

/// Bytes before the records.
pub(super) const HEAD_BYTES: usize = 64;

/// `pursGrup` in ASCII.
const MAGIC: u64 = u64::from_be_bytes(*b"pursGrup");

const MAGIC_AT: usize = 16;
const STREAM_AT: usize = 24;
const FIRST_AT: usize = 32;
const NOW_AT: usize = 40;
const RECORDS_AT: usize = 48;
const BYTES_AT: usize = 52;
const SHARD_AT: usize = 56;
const ZERO_AT: usize = 58;

/// A group that is ready to be written.
#[derive(Debug)]
pub struct Group {
    /// What is written: whole blocks.
    pub bytes: Vec<u8>,
    /// The sequence of its first record.
    pub first: Sequence,
    /// The sequence of its last record.
    pub last: Sequence,
    /// The hash of the record before the first.
    pub previous: RecordHash,
    /// The hash of the last record.
    pub hash: RecordHash,
    origin: Origin,
}

impl Group {
    /// Bytes of its records.
    pub(super) fn record_bytes(&self) -> usize {
        bytes::u32_at(&self.bytes, BYTES_AT) as usize
    }

    /// What lies before the group after this one.
    pub const fn end(&self) -> Point {
        Point { sequence: self.last, hash: self.hash }
    }

    /// The block that a segment begins with whose first group this is: its header.
    pub fn segment_header(&self, number: u32) -> [u8; limits::JOURNAL_BLOCK_BYTES] {
        let before = Point { sequence: self.first - 1, hash: self.previous };
        SegmentHeader { origin: self.origin, number, before, rules: Rules::V2 }.to_block()
    }
}

/// A group that takes records.
#[derive(Debug)]
pub(super) struct Filling {
    /// Room for the head, and the records.
    pub(super) bytes: Vec<u8>,
    records: u32,
    before: Point,
    now_ms: Millis,
}

impl Filling {
    /// A group after `before`, in a buffer that was used before, or a new one.
    pub(super) fn new(mut buffer: Vec<u8>, before: Point) -> Self {
        buffer.clear();
        buffer.resize(HEAD_BYTES, 0);
        Self { bytes: buffer, records: 0, before, now_ms: 0 }
    }

    /// Bytes of its records.
    pub(super) fn record_bytes(&self) -> usize {
        self.bytes.len() - HEAD_BYTES
    }

    /// What its first record follows.
    pub(super) const fn before(&self) -> Point {
        self.before
    }

    /// Notes that a record of this time was appended to the bytes.
    pub(super) fn added(&mut self, now_ms: Millis) {
        self.records += 1;
        self.now_ms = now_ms;
    }

    /// The group of these records; `hash` is the last one's.
    ///
    /// # Panics
    /// Where there are none.
    pub(super) fn seal(mut self, origin: Origin, hash: RecordHash) -> Group {
        assert!(self.records > 0, "a group has a record");
        let record_bytes = self.record_bytes();
        let group = &mut self.bytes;
        group.resize(group.len().next_multiple_of(limits::JOURNAL_BLOCK_BYTES), 0);
        let first = self.before.sequence + 1;
        bytes::put(group, MAGIC_AT, MAGIC.to_le_bytes());
        bytes::put(group, STREAM_AT, origin.stream.to_le_bytes());
        bytes::put(group, FIRST_AT, first.to_le_bytes());
        bytes::put(group, NOW_AT, self.now_ms.to_le_bytes());
        bytes::put(group, RECORDS_AT, self.records.to_le_bytes());
        bytes::put(group, BYTES_AT, (record_bytes as u32).to_le_bytes());
        bytes::put(group, SHARD_AT, origin.shard.to_le_bytes());
        let checksum = bytes::checksum(&group[bytes::CHECKSUM_BYTES..]);
        bytes::put(group, 0, checksum.to_le_bytes());
        Group {
            bytes: self.bytes,
            first,
            last: self.before.sequence + u64::from(self.records),
            previous: self.before.hash,
            hash,
            origin,
        }
    }
}

/// Whether `block` is the first of a group of this journal, whole or not.
pub(super) fn begins_in(block: &[u8], origin: Origin) -> bool {
    bytes::u64_at(block, MAGIC_AT) == MAGIC && bytes::u64_at(block, STREAM_AT) == origin.stream
}

/// The time of the last record of the group that begins in `block`, milliseconds since 1970, whether all of the group is there or
/// not; `None` where no group of this journal begins in it.
pub fn time_of(block: &[u8], origin: Origin) -> Option<Millis> {
    begins_in(block, origin).then(|| bytes::u64_at(block, NOW_AT))
}

/// Where in a segment the first group begins whose last record is after `moment_ms`, milliseconds since 1970, and all of whose
/// records are after `known`; `None` where there is none, or what comes before it is not whole.
pub fn first_after(segment: &[u8], origin: Origin, known: Sequence, moment_ms: Millis) -> Option<usize> {
    let mut at = limits::JOURNAL_BLOCK_BYTES;
    while let Some(block) = segment.get(at..at + limits::JOURNAL_BLOCK_BYTES) {
        let now_ms = time_of(block, origin)?;
        if now_ms > moment_ms && bytes::u64_at(block, FIRST_AT) > known {
            return Some(at);
        }
        at += (HEAD_BYTES + bytes::u32_at(block, BYTES_AT) as usize)
            .next_multiple_of(limits::JOURNAL_BLOCK_BYTES);
    }
    None
}

/// A group as it was read: whole and unchanged, by its checksum.
#[derive(Clone, Copy)]
pub(super) struct ReadGroup<'a> {
    bytes: &'a [u8],
    record_bytes: usize,
    records: u32,
    first: Sequence,
}

impl<'a> ReadGroup<'a> {
    /// Reads the group that `bytes` begin with. The error says why there is none.
    ///
    /// # Errors
    /// Where there is no whole group of this journal.
    pub(super) fn read(bytes: &'a [u8], origin: Origin) -> Result<Self, &'static str> {
        if bytes.len() < limits::JOURNAL_BLOCK_BYTES || bytes::u64_at(bytes, MAGIC_AT) != MAGIC {
            return Err("there is no group");
        }
        if bytes::u64_at(bytes, STREAM_AT) != origin.stream || bytes::u16_at(bytes, SHARD_AT) != origin.shard
        {
            return Err("there is a group of another journal");
        }
        let record_bytes = bytes::u32_at(bytes, BYTES_AT) as usize;
        let length = (HEAD_BYTES + record_bytes).next_multiple_of(limits::JOURNAL_BLOCK_BYTES);
        if length > bytes.len() {
            return Err("a group is longer than the rest of the segment");
        }
        let bytes = &bytes[..length];
        if bytes::checksum(&bytes[bytes::CHECKSUM_BYTES..]) != bytes::u128_at(bytes, 0) {
            return Err("a group's checksum is wrong");
        }
        if !bytes::is_zero(&bytes[ZERO_AT..HEAD_BYTES])
            || !bytes::is_zero(&bytes[HEAD_BYTES + record_bytes..])
        {
            return Err("a group has more in it than this version knows");
        }
        Ok(Self {
            bytes,
            record_bytes,
            records: bytes::u32_at(bytes, RECORDS_AT),
            first: bytes::u64_at(bytes, FIRST_AT),
        })
    }

    /// Its length with head and padding, in bytes.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The sequence of its first record.
    pub(super) const fn first(&self) -> Sequence {
        self.first
    }

    /// Its records, each with its offset in the group, as they follow `before`. After an error there are no more.
    pub(super) fn records(&self, rules: Rules, before: Point) -> Records<'a> {
        Records { group: *self, rules, at: HEAD_BYTES, left: self.records, before }
    }
}

/// The records of a group.
pub(super) struct Records<'a> {
    group: ReadGroup<'a>,
    rules: Rules,
    at: usize,
    left: u32,
    before: Point,
}

impl<'a> Records<'a> {
    fn read(&mut self) -> Result<(usize, Record<'a>), String> {
        let (at, end) = (self.at, HEAD_BYTES + self.group.record_bytes);
        debug_assert!(at.is_multiple_of(ALIGNMENT));
        let record = Record::read(self.rules, &self.group.bytes[at..end])?;
        let link = record.link();
        let expected = self.before.sequence + 1;
        if link.sequence != expected {
            return Err(format!("record {} stands where record {expected} should", link.sequence));
        }
        if link.previous != self.before.hash {
            return Err(format!("record {expected} does not follow on the record before it"));
        }
        self.before = Point { sequence: expected, hash: record.hash() };
        self.at += record.bytes();
        Ok((at, record))
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<(usize, Record<'a>), String>;

    fn next(&mut self) -> Option<Self::Item> {
        let end = HEAD_BYTES + self.group.record_bytes;
        if self.left == 0 {
            let rest = end - self.at;
            self.at = end;
            return (rest > 0).then(|| Err(format!("a group has {rest} bytes behind its records")));
        }
        self.left -= 1;
        let record = self.read();
        if record.is_err() {
            (self.left, self.at) = (0, end);
        }
        Some(record)
    }
}
