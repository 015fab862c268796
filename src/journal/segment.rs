//! The header of a segment file: its first block.
//!
//! | bytes | what |
//! |---|---|
//! | 0–7 | magic |
//! | 8–11 | format version |
//! | 12–15 | version of the wallet's rules |
//! | 16–23 | stream |
//! | 24–25 | shard |
//! | 26–27 | number of shards |
//! | 28–31 | the segment's number |
//! | 32–39 | sequence of its first record |
//! | 40–47 | zero |
//! | 48–63 | hash of the record before that |
//! | 64–4079 | zero |
//! | 4080–4095 | checksum of all before it |
//!
//! Magic, versions and checksum keep their places in every format, so that a version that is not known can be told
//! from damage.

use super::{Fault, Origin, Point, RecordHash, bytes, rules_of, versions_of};
use limits::JOURNAL_BLOCK_BYTES;
use wallet::Rules;

/// `purSegmt` in ASCII.
const MAGIC: u64 = u64::from_be_bytes(*b"purSegmt");

const FORMAT_AT: usize = 8;
const RULES_AT: usize = 12;
const STREAM_AT: usize = 16;
const SHARD_AT: usize = 24;
const SHARDS_AT: usize = 26;
const NUMBER_AT: usize = 28;
const FIRST_AT: usize = 32;
const ZERO_AT: usize = 40;
const PREVIOUS_AT: usize = 48;
const ZERO_AGAIN_AT: usize = 64;
const CHECKSUM_AT: usize = JOURNAL_BLOCK_BYTES - bytes::CHECKSUM_BYTES;

/// What a disk writes whole or not at all, where it is least.
const SECTOR_BYTES: usize = 512;

/// What a segment says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentHeader {
    /// Whose journal it is.
    pub origin: Origin,
    /// Its number, from 1.
    pub number: u32,
    /// What lies before its first record.
    pub before: Point,
    /// The rules that its records were applied by.
    pub rules: Rules,
}

impl SegmentHeader {
    /// The block.
    pub fn to_block(&self) -> [u8; JOURNAL_BLOCK_BYTES] {
        let mut block = [0; JOURNAL_BLOCK_BYTES];
        bytes::put(&mut block, 0, MAGIC.to_le_bytes());
        let (format, rules) = versions_of(self.rules);
        bytes::put(&mut block, FORMAT_AT, format.to_le_bytes());
        bytes::put(&mut block, RULES_AT, rules.to_le_bytes());
        bytes::put(&mut block, STREAM_AT, self.origin.stream.to_le_bytes());
        bytes::put(&mut block, SHARD_AT, self.origin.shard.to_le_bytes());
        bytes::put(&mut block, SHARDS_AT, self.origin.shards.to_le_bytes());
        bytes::put(&mut block, NUMBER_AT, self.number.to_le_bytes());
        bytes::put(&mut block, FIRST_AT, (self.before.sequence + 1).to_le_bytes());
        bytes::put(&mut block, PREVIOUS_AT, self.before.hash.bits().to_le_bytes());
        seal(&mut block);
        block
    }

    /// Reads a block that is not all zeros.
    ///
    /// # Errors
    /// Where it is no header of a segment, or one of a version that is not this one's, or damaged.
    pub fn read(block: &[u8]) -> Result<Self, Fault> {
        assert_eq!(block.len(), JOURNAL_BLOCK_BYTES);
        let magic = bytes::u64_at(block, 0);
        if magic != MAGIC {
            return Err(Fault::Magic { found: magic, expected: MAGIC });
        }
        if bytes::checksum(&block[..CHECKSUM_AT]) != bytes::u128_at(block, CHECKSUM_AT) {
            return Err(Fault::Bytes("the segment's header has a wrong checksum".into()));
        }
        let rules = rules_of(bytes::u32_at(block, FORMAT_AT), bytes::u32_at(block, RULES_AT))?;
        let first = bytes::u64_at(block, FIRST_AT);
        let unknown = [&block[ZERO_AT..PREVIOUS_AT], &block[ZERO_AGAIN_AT..CHECKSUM_AT]];
        if first == 0 || !unknown.iter().all(|bytes| bytes::is_zero(bytes)) {
            return Err(Fault::Bytes("the segment's header is none that this version writes".into()));
        }
        Ok(Self {
            origin: Origin {
                stream: bytes::u64_at(block, STREAM_AT),
                shard: bytes::u16_at(block, SHARD_AT),
                shards: bytes::u16_at(block, SHARDS_AT),
            },
            number: bytes::u32_at(block, NUMBER_AT),
            before: Point { sequence: first - 1, hash: RecordHash(bytes::u128_at(block, PREVIOUS_AT)) },
            rules,
        })
    }
}

/// Whether a header that can't be read is one whose write was torn, and not one that was damaged later: disks write
/// sectors whole, segments are zeros before, and the sectors of the magic and of the checksum are never zeros.
pub(super) fn is_torn(block: &[u8]) -> bool {
    bytes::is_zero(&block[..SECTOR_BYTES]) || bytes::is_zero(&block[JOURNAL_BLOCK_BYTES - SECTOR_BYTES..])
}

/// Writes the checksum.
pub(super) fn seal(block: &mut [u8; JOURNAL_BLOCK_BYTES]) {
    let checksum = bytes::checksum(&block[..CHECKSUM_AT]);
    bytes::put(block, CHECKSUM_AT, checksum.to_le_bytes());
}
