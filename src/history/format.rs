//! The parts of a file whose length is known: header, entries of tables and pages, footer.

use std::ops::Range;

use super::bytes::{CHECKSUM_BYTES, Fields, checksum};
use super::filter;
use super::row::{Row, SortKey};
use journal::{Fault, Origin};
use wallet::Millis;

/// `purHisto` in ASCII.
const MAGIC: u64 = u64::from_be_bytes(*b"purHisto");

/// `purHiEnd` in ASCII.
const END_MAGIC: u64 = u64::from_be_bytes(*b"purHiEnd");

/// Version of the form of a file. A change of the stored types raises it.
const FORMAT_VERSION: u32 = 2;

pub(super) const HEADER_BYTES: usize = 64;
pub(super) const FOOTER_BYTES: usize = 128;
pub(super) const PAGE_BYTES: usize = 56;
pub(super) const BLOCK_BYTES: usize = 60;
pub(super) const KEY_BYTES: usize = 6;
pub(super) const FILTER_BLOCK_BYTES: usize = filter::BLOCK_BYTES + CHECKSUM_BYTES;

/// What a file says of itself at its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Whose journal the rounds were in when the file was written.
    pub origin: Origin,
    /// The file's number among those of its origin; a later file has a larger one.
    pub number: u64,
}

impl Header {
    pub(super) fn to_bytes(self) -> [u8; HEADER_BYTES] {
        let mut bytes = Vec::with_capacity(HEADER_BYTES);
        bytes.extend(MAGIC.to_le_bytes());
        bytes.extend(FORMAT_VERSION.to_le_bytes());
        bytes.extend([0; 4]);
        bytes.extend(self.origin.stream.to_le_bytes());
        bytes.extend(self.origin.shard.to_le_bytes());
        bytes.extend(self.origin.shards.to_le_bytes());
        bytes.extend([0; 4]);
        bytes.extend(self.number.to_le_bytes());
        seal(bytes)
    }

    pub(super) fn read(bytes: &[u8; HEADER_BYTES]) -> Result<Self, Fault> {
        let mut fields = Fields(bytes);
        let magic = fields.u64();
        if magic != MAGIC {
            return Err(Fault::Magic { found: magic, expected: MAGIC });
        }
        let fault = || Fault::Bytes("its header is not as it was written".into());
        if !is_sealed(bytes) {
            return Err(fault());
        }
        let format = fields.u32();
        if format != FORMAT_VERSION {
            return Err(Fault::Format { found: format, expected: FORMAT_VERSION });
        }
        fields.u32();
        let origin = Origin { stream: fields.u64(), shard: fields.u16(), shards: fields.u16() };
        fields.u32();
        let header = Self { origin, number: fields.u64() };
        // What it says, written again, is what was written.
        if header.to_bytes() == *bytes { Ok(header) } else { Err(fault()) }
    }
}

/// Fills up with zeros, and puts the checksum of all before it at the end.
fn seal<const N: usize>(mut bytes: Vec<u8>) -> [u8; N] {
    bytes.resize(N - CHECKSUM_BYTES, 0);
    bytes.extend(checksum(&bytes).to_le_bytes());
    bytes.try_into().expect("as long as it was made")
}

fn is_sealed(bytes: &[u8]) -> bool {
    let (before, sum) = bytes.split_at(bytes.len() - CHECKSUM_BYTES);
    checksum(before).to_le_bytes() == sum
}

/// What is in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Rows.
    pub rows: u64,
    /// Those of rounds that are known by their game too.
    pub by_game: u64,
    /// The least [`RoundImage::last_ms`](wallet::image::RoundImage::last_ms), milliseconds since 1970; 0 where there is no row.
    pub oldest_ms: Millis,
    /// The largest one.
    pub newest_ms: Millis,
    /// Number of the first slot; 0 where there is no row.
    pub first_slot: u16,
    /// Number of the last slot.
    pub last_slot: u16,
}

impl Counts {
    /// Counts a row, which comes behind those before it.
    pub(super) fn add(&mut self, at: SortKey, row: &Row) {
        let last_ms = row.round.last_ms;
        if self.rows == 0 {
            (self.oldest_ms, self.first_slot) = (last_ms, at.slot);
        }
        self.rows += 1;
        self.by_game += u64::from(row.round.is_by_game());
        self.oldest_ms = self.oldest_ms.min(last_ms);
        self.newest_ms = self.newest_ms.max(last_ms);
        self.last_slot = at.slot;
    }
}

/// What was written, or is to be read: all that is known of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// What it says of itself.
    pub header: Header,
    /// Its length, bytes.
    pub bytes: u64,
    /// The checksum of its footer, which stands for all of it.
    pub checksum: u128,
    /// What is in it.
    pub counts: Counts,
}

/// The end of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Footer {
    /// Where the tables begin, behind everything else.
    pub(super) tables_at: u64,
    /// How many entries they have.
    pub(super) pages: u32,
    pub(super) counts: Counts,
    /// The checksum of the header.
    pub(super) header: u128,
    /// The checksum of the tables.
    pub(super) tables: u128,
}

impl Footer {
    pub(super) fn to_bytes(self) -> [u8; FOOTER_BYTES] {
        let Counts { rows, by_game, oldest_ms, newest_ms, first_slot, last_slot } = self.counts;
        let mut bytes = Vec::with_capacity(FOOTER_BYTES);
        bytes.extend(END_MAGIC.to_le_bytes());
        bytes.extend(self.tables_at.to_le_bytes());
        bytes.extend(self.pages.to_le_bytes());
        bytes.extend([0; 4]);
        for number in [rows, by_game, oldest_ms, newest_ms] {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend(first_slot.to_le_bytes());
        bytes.extend(last_slot.to_le_bytes());
        bytes.extend([0; 4]);
        bytes.extend(self.header.to_le_bytes());
        bytes.extend(self.tables.to_le_bytes());
        seal(bytes)
    }

    pub(super) fn read(bytes: &[u8; FOOTER_BYTES]) -> Result<Self, Fault> {
        let mut fields = Fields(bytes);
        if fields.u64() != END_MAGIC {
            return Err(Fault::Bytes("its end is not here: it was cut, or something was added".into()));
        }
        let (tables_at, pages) = (fields.u64(), fields.u32());
        fields.u32();
        let counts = Counts {
            rows: fields.u64(),
            by_game: fields.u64(),
            oldest_ms: fields.u64(),
            newest_ms: fields.u64(),
            first_slot: fields.u16(),
            last_slot: fields.u16(),
        };
        fields.u32();
        let footer = Self { tables_at, pages, counts, header: fields.u128(), tables: fields.u128() };
        if footer.to_bytes() == *bytes {
            Ok(footer)
        } else {
            Err(Fault::Bytes("its footer is not as it was written".into()))
        }
    }

    /// The checksum at the end of these bytes.
    pub(super) fn checksum_of(bytes: &[u8; FOOTER_BYTES]) -> u128 {
        Fields(&bytes[FOOTER_BYTES - CHECKSUM_BYTES..]).u128()
    }

    /// Bytes of the tables.
    pub(super) fn tables_bytes(&self) -> u64 {
        u64::from(self.pages) * PAGE_BYTES as u64
    }
}

fn put_key(into: &mut Vec<u8>, at: SortKey) {
    into.extend(at.slot.to_le_bytes());
    into.extend(at.account.to_le_bytes());
    into.extend(at.key.to_le_bytes());
}

fn take_key(fields: &mut Fields<'_>) -> SortKey {
    SortKey { slot: fields.u16(), account: fields.u64(), key: fields.u64() }
}

/// A page, and the blocks before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PageEntry {
    pub(super) first: SortKey,
    pub(super) blocks: u16,
    pub(super) rows: u32,
    /// Where its first block begins.
    pub(super) start: u64,
    /// Where it stands itself, behind its last block.
    pub(super) at: u64,
    pub(super) checksum: u128,
}

impl PageEntry {
    pub(super) fn put(&self, into: &mut Vec<u8>) {
        put_key(into, self.first);
        into.extend(self.blocks.to_le_bytes());
        into.extend(self.rows.to_le_bytes());
        into.extend(self.start.to_le_bytes());
        into.extend(self.at.to_le_bytes());
        into.extend(self.checksum.to_le_bytes());
    }

    pub(super) fn take(fields: &mut Fields<'_>) -> Self {
        Self {
            first: take_key(fields),
            blocks: fields.u16(),
            rows: fields.u32(),
            start: fields.u64(),
            at: fields.u64(),
            checksum: fields.u128(),
        }
    }

    /// How many blocks its filter has.
    pub(super) const fn filter_blocks(&self) -> usize {
        filter::blocks_for(self.rows as usize)
    }

    /// Bytes of the keys and of the filter.
    pub(super) const fn beside_blocks(&self) -> u64 {
        (self.rows as usize * KEY_BYTES + self.filter_blocks() * FILTER_BLOCK_BYTES) as u64
    }

    /// Where its filter stands.
    pub(super) const fn filter_at(&self) -> u64 {
        self.at.saturating_sub((self.filter_blocks() * FILTER_BLOCK_BYTES) as u64)
    }

    /// Where it stands.
    pub(super) fn place(&self) -> Range<u64> {
        self.at..self.at.saturating_add(u64::from(self.blocks) * BLOCK_BYTES as u64)
    }
}

/// A block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BlockEntry {
    pub(super) first: SortKey,
    pub(super) rows: u16,
    /// Its length before it was compressed, bytes.
    pub(super) raw: u32,
    /// Its length in the file, bytes.
    pub(super) frame: u32,
    pub(super) checksum: u128,
    /// The checksum of the keys of its rows.
    pub(super) keys_checksum: u128,
}

impl BlockEntry {
    pub(super) fn put(&self, into: &mut Vec<u8>) {
        put_key(into, self.first);
        into.extend(self.rows.to_le_bytes());
        into.extend(self.raw.to_le_bytes());
        into.extend(self.frame.to_le_bytes());
        into.extend(self.checksum.to_le_bytes());
        into.extend(self.keys_checksum.to_le_bytes());
    }

    pub(super) fn take(fields: &mut Fields<'_>) -> Self {
        Self {
            first: take_key(fields),
            rows: fields.u16(),
            raw: fields.u32(),
            frame: fields.u32(),
            checksum: fields.u128(),
            keys_checksum: fields.u128(),
        }
    }
}
