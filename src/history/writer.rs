//! Writes a file, row by row, in the order in which it is read.

use rkyv::rancor::Error;
use zstd::bulk::Compressor;

use super::bytes::{checksum, checksum_at};
use super::filter::{self, Block};
use super::format::{
    BLOCK_BYTES, BlockEntry, Counts, FILTER_BLOCK_BYTES, FOOTER_BYTES, Footer, HEADER_BYTES, Header,
    KEY_BYTES, PAGE_BYTES, PageEntry, Summary,
};
use super::row::{Placed, Row, ShortKey, SortKey};
use journal::Buffer;
use journal::snapshot::Sink;

/// Why a file could not be written.
#[derive(Debug)]
pub enum WriteError<E> {
    /// A row is over [`limits::HISTORY_ROW_BYTES_MAX`].
    RowTooLarge(
        /// Whose it is.
        String,
    ),
    /// A row does not stand behind the one before it.
    OutOfOrder(
        /// Whose it is.
        String,
    ),
    /// The library that compresses has no memory.
    Compress(std::io::Error),
    /// The sink's own error.
    Sink(E),
}

/// The bounds of a file's parts: those of `limits`, and less in tests.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) block_bytes: usize,
    pub(super) page_blocks: usize,
}

impl Bounds {
    const SHIPPED: Self =
        Self { block_bytes: limits::HISTORY_BLOCK_BYTES, page_blocks: limits::HISTORY_PAGE_BLOCKS };
}

/// Writes a file.
///
/// It holds one block, the keys of one page, and 56 bytes for each page that it has written.
pub struct Writer<W> {
    sink: W,
    header: Header,
    bounds: Bounds,
    compressor: Compressor<'static>,
    /// Bytes that the sink has.
    written: u64,
    counts: Counts,
    /// The rows of the block that fills, and about how many bytes they are.
    block: Vec<Row>,
    block_first: SortKey,
    block_bytes: usize,
    /// The row before those of the block, and the place of the last of all.
    last: Option<Row>,
    last_at: SortKey,
    raw: Buffer,
    frame: Vec<u8>,
    /// The page that fills, the keys of its rows, and those of them that are of the block that fills.
    page: Vec<BlockEntry>,
    page_start: u64,
    keys: Vec<u8>,
    block_keys: Vec<u8>,
    room: filter::Room,
    pages: Vec<PageEntry>,
}

impl<W: Sink> Writer<W> {
    /// Begins a file.
    ///
    /// # Errors
    /// Where the sink takes nothing.
    pub fn begin(sink: W, header: Header) -> Result<Self, WriteError<W::Error>> {
        Self::within(Bounds::SHIPPED, sink, header)
    }

    pub(super) fn within(bounds: Bounds, sink: W, header: Header) -> Result<Self, WriteError<W::Error>> {
        let compressor = Compressor::new(limits::HISTORY_LEVEL).map_err(WriteError::Compress)?;
        let mut writer = Self {
            sink,
            header,
            bounds,
            compressor,
            written: 0,
            counts: Counts::default(),
            block: Vec::new(),
            block_first: SortKey::FIRST,
            block_bytes: 0,
            last: None,
            last_at: SortKey::FIRST,
            raw: Buffer::new(),
            frame: Vec::new(),
            page: Vec::new(),
            page_start: HEADER_BYTES as u64,
            keys: Vec::new(),
            block_keys: Vec::new(),
            room: filter::Room::default(),
            pages: Vec::new(),
        };
        writer.put(&header.to_bytes())?;
        Ok(writer)
    }

    /// Appends a row, which is behind the one before it: in the order of [`SortKey`], and for one key in that of platform,
    /// whether its game names it, account, id, game and [`RoundVersion`](wallet::image::RoundVersion).
    ///
    /// # Errors
    /// Where the sink takes no more, or the row is too large, or out of order.
    pub fn push(&mut self, row: Row) -> Result<(), WriteError<W::Error>> {
        self.push_placed(Placed::new(row))
    }

    pub(super) fn push_placed(&mut self, placed: Placed) -> Result<(), WriteError<W::Error>> {
        let Placed { at, row } = placed;
        let bytes = row.stored_bytes();
        if bytes > limits::HISTORY_ROW_BYTES_MAX {
            return Err(WriteError::RowTooLarge(row.account));
        }
        let before = self.block.last().or(self.last.as_ref());
        let is_behind =
            |before: &Row| self.last_at.cmp(&at).then_with(|| before.cmp_at_one_key(&row)).is_lt();
        if !before.is_none_or(is_behind) {
            return Err(WriteError::OutOfOrder(row.account));
        }
        let is_full = self.block_bytes + bytes > self.bounds.block_bytes
            || self.block.len() >= limits::HISTORY_BLOCK_ROWS_MAX;
        if is_full && !self.block.is_empty() {
            self.end_block()?;
        }
        if self.block.is_empty() {
            self.block_first = at;
        }
        at.short().put(&mut self.block_keys);
        self.counts.add(at, &row);
        self.block_bytes += bytes;
        self.block.push(row);
        self.last_at = at;
        Ok(())
    }

    /// Writes the end, and returns the sink, and what is to be known of the file.
    ///
    /// # Errors
    /// Where the sink takes no more.
    pub fn finish(mut self) -> Result<(Summary, W), WriteError<W::Error>> {
        self.end_block()?;
        self.end_page()?;
        let tables_at = self.written;
        let mut tables = Vec::with_capacity(self.pages.len() * PAGE_BYTES);
        self.pages.iter().for_each(|page| page.put(&mut tables));
        let footer = Footer {
            tables_at,
            pages: self.pages.len() as u32,
            counts: self.counts,
            header: checksum(&self.header.to_bytes()),
            tables: checksum(&tables),
        };
        let bytes = footer.to_bytes();
        self.put(&tables)?;
        self.put(&bytes)?;
        let summary = Summary {
            header: self.header,
            bytes: self.written,
            checksum: Footer::checksum_of(&bytes),
            counts: self.counts,
        };
        debug_assert_eq!(self.written, tables_at + (tables.len() + FOOTER_BYTES) as u64);
        Ok((summary, self.sink))
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), WriteError<W::Error>> {
        self.written += bytes.len() as u64;
        self.sink.write(bytes).map_err(WriteError::Sink)
    }

    /// Writes the rows of the block.
    fn end_block(&mut self) -> Result<(), WriteError<W::Error>> {
        if self.block.is_empty() {
            return Ok(());
        }
        self.raw.clear();
        rkyv::api::high::to_bytes_in::<_, Error>(&self.block, &mut self.raw)
            .expect("rows are written to memory, and are bounded");
        let mut frame = std::mem::take(&mut self.frame);
        frame.resize(zstd::zstd_safe::compress_bound(self.raw.len()), 0);
        let compressed = self.compressor.compress_to_buffer(&self.raw, &mut frame[..]);
        frame.truncate(compressed.map_err(WriteError::Compress)?);
        self.page.push(BlockEntry {
            first: self.block_first,
            rows: self.block.len() as u16,
            raw: self.raw.len() as u32,
            frame: frame.len() as u32,
            checksum: checksum(&frame),
            keys_checksum: checksum(&self.block_keys),
        });
        self.keys.append(&mut self.block_keys);
        self.put(&frame)?;
        self.frame = frame;
        self.last = self.block.pop();
        self.block.clear();
        self.block_bytes = 0;
        if self.page.len() >= self.bounds.page_blocks { self.end_page() } else { Ok(()) }
    }

    /// Writes the filter of these keys.
    fn put_filter(&mut self, keys: &[u8]) -> Result<(), WriteError<W::Error>> {
        let keys = keys.as_chunks::<KEY_BYTES>().0.iter().map(|key| ShortKey::take(key).bits());
        let keys: Vec<u32> = keys.collect();
        let mut bytes = Vec::with_capacity(filter::blocks_for(keys.len()) * FILTER_BLOCK_BYTES);
        let begin = self.written;
        self.room.by_block(&keys, filter::blocks_for(keys.len()), |places| {
            let at = bytes.len();
            Block::of(places).put_into(&mut bytes);
            let sum = checksum_at(&bytes[at..], begin + at as u64);
            bytes.extend(sum.to_le_bytes());
        });
        self.put(&bytes)
    }

    /// Writes the keys of the rows since the last page, their filter, and what is to be known of their blocks.
    fn end_page(&mut self) -> Result<(), WriteError<W::Error>> {
        let Some(first) = self.page.first() else { return Ok(()) };
        let first = first.first;
        let keys = std::mem::take(&mut self.keys);
        self.put(&keys)?;
        self.put_filter(&keys)?;
        let mut bytes = Vec::with_capacity(self.page.len() * BLOCK_BYTES);
        self.page.iter().for_each(|block| block.put(&mut bytes));
        self.pages.push(PageEntry {
            first,
            blocks: self.page.len() as u16,
            rows: (keys.len() / KEY_BYTES) as u32,
            start: self.page_start,
            at: self.written,
            checksum: checksum(&bytes),
        });
        self.put(&bytes)?;
        self.keys = keys;
        self.keys.clear();
        self.page.clear();
        self.page_start = self.written;
        Ok(())
    }
}
