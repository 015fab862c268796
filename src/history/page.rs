//! A page of a file: what is known of its blocks, the keys of the rows in them, and a filter of these keys, of which a look reads one
//! block.

use std::ops::Range;

use super::bytes::{Fields, checksum, checksum_at};
use super::file::{HistoryFile, ReadAt};
use super::filter::{self, Block, block_of};
use super::format::{BLOCK_BYTES, BlockEntry, FILTER_BLOCK_BYTES, KEY_BYTES, PageEntry};
use super::row::{ShortKey, SortKey};
use journal::reader::ReadError;

/// The page that was loaded last, in memory that is used again.
#[derive(Default)]
pub(super) struct Page {
    /// What is known of its blocks; none where no page is loaded.
    pub(super) blocks: Vec<BlockEntry>,
    /// Where its first block begins.
    start: u64,
    bytes: Vec<u8>,
    keys: Vec<ShortKey>,
    filter: Vec<Block>,
}

/// Reads a block of a page's filter, of bytes that begin at `at` in the file.
fn filter_block<B: ReadAt>(
    file: &HistoryFile<B>,
    bytes: &[u8; FILTER_BLOCK_BYTES],
    at: u64,
) -> Result<Block, ReadError<B::Error>> {
    let (block, sum) = bytes.split_first_chunk::<{ filter::BLOCK_BYTES }>().expect("it is longer");
    if checksum_at(block, at).to_le_bytes() != sum {
        return Err(file.damage(at, "a page's filter is not as it was written").into());
    }
    Ok(Block::read(block))
}

/// Whether a page may have rows with this key, by its filter.
pub(super) fn may_have<B: ReadAt>(
    file: &HistoryFile<B>,
    entry: &PageEntry,
    key: ShortKey,
) -> Result<bool, ReadError<B::Error>> {
    let (block, place) = block_of(key.bits(), entry.filter_blocks());
    let at = entry.filter_at() + (block * FILTER_BLOCK_BYTES) as u64;
    let mut bytes = [0; FILTER_BLOCK_BYTES];
    file.bytes.read_at(at, &mut bytes).map_err(ReadError::Caller)?;
    Ok(filter_block(file, &bytes, at)?.contains(place))
}

impl Page {
    /// None is loaded.
    pub(super) fn clear(&mut self) {
        self.blocks.clear();
    }

    /// Loads a page of the file by its place among those that are opened.
    pub(super) fn load<B: ReadAt>(
        &mut self,
        file: &HistoryFile<B>,
        number: usize,
    ) -> Result<(), ReadError<B::Error>> {
        let entry = &file.pages[number];
        let place = entry.place();
        self.blocks.clear();
        file.read_into(&mut self.bytes, place.start, usize::from(entry.blocks) * BLOCK_BYTES)?;
        if checksum(&self.bytes) != entry.checksum {
            return Err(file.damage(place.start, "a page is not as it was written").into());
        }
        let blocks = self.bytes.as_chunks::<BLOCK_BYTES>().0.iter();
        self.blocks.extend(blocks.map(|block| BlockEntry::take(&mut Fields(block))));
        self.start = entry.start;
        let rows: u64 = self.blocks.iter().map(|block| u64::from(block.rows)).sum();
        let behind = file.pages.get(number + 1).map(|page| page.first);
        let is_possible = self.blocks[0].first == entry.first
            && rows == u64::from(entry.rows)
            && self.keys_at() + rows * KEY_BYTES as u64 == entry.filter_at()
            && self.blocks.is_sorted_by_key(|block| block.first)
            && behind.is_none_or(|behind| self.blocks.iter().all(|block| block.first <= behind));
        if !is_possible {
            self.blocks.clear();
            return Err(file.damage(place.start, "a page is none that this version writes").into());
        }
        Ok(())
    }

    /// Reads all of its filter.
    pub(super) fn read_filter<B: ReadAt>(
        &mut self,
        file: &HistoryFile<B>,
        number: usize,
    ) -> Result<(), ReadError<B::Error>> {
        let entry = &file.pages[number];
        let mut at = entry.filter_at();
        file.read_into(&mut self.bytes, at, entry.filter_blocks() * FILTER_BLOCK_BYTES)?;
        self.filter.clear();
        for bytes in self.bytes.as_chunks().0 {
            self.filter.push(filter_block(file, bytes, at)?);
            at += FILTER_BLOCK_BYTES as u64;
        }
        Ok(())
    }

    /// Whether its filter, which was read, knows this key.
    pub(super) fn knows(&self, key: ShortKey) -> bool {
        let (block, place) = block_of(key.bits(), self.filter.len());
        self.filter.get(block).is_some_and(|block| block.contains(place))
    }

    /// The keys that were read last.
    pub(super) fn keys(&self) -> &[ShortKey] {
        &self.keys
    }

    /// The blocks in which rows from `from` to `until` may stand.
    pub(super) fn blocks_of(&self, from: SortKey, until: SortKey) -> Range<usize> {
        // Rows with the very place at which a block begins may stand at the end of the block before it.
        let begin = self.blocks.partition_point(|block| block.first < from).saturating_sub(1);
        begin..self.blocks.partition_point(|block| block.first <= until)
    }

    /// Where a block begins.
    pub(super) fn block_at(&self, block: usize) -> u64 {
        let before = self.blocks[..block].iter().map(|block| u64::from(block.frame));
        self.start + before.sum::<u64>()
    }

    /// Where the keys begin: behind all blocks.
    fn keys_at(&self) -> u64 {
        self.block_at(self.blocks.len())
    }

    /// Reads the keys of the rows in these blocks.
    pub(super) fn read_keys<B: ReadAt>(
        &mut self,
        file: &HistoryFile<B>,
        blocks: Range<usize>,
    ) -> Result<&[ShortKey], ReadError<B::Error>> {
        let bytes_of = |blocks: &[BlockEntry]| {
            blocks.iter().map(|block| usize::from(block.rows) * KEY_BYTES).sum::<usize>()
        };
        let at = self.keys_at() + bytes_of(&self.blocks[..blocks.start]) as u64;
        file.read_into(&mut self.bytes, at, bytes_of(&self.blocks[blocks.clone()]))?;
        let mut rest = &self.bytes[..];
        for block in &self.blocks[blocks] {
            let (of_block, behind) = rest.split_at(usize::from(block.rows) * KEY_BYTES);
            if checksum(of_block) != block.keys_checksum {
                return Err(file.damage(at, "the keys of a block are not as they were written").into());
            }
            rest = behind;
        }
        self.keys.clear();
        self.keys.extend(self.bytes.as_chunks::<KEY_BYTES>().0.iter().map(ShortKey::take));
        Ok(&self.keys)
    }
}
