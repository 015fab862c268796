//! Writes a file, row by row, in the order in which it is read.

use rkyv::rancor::Error;
use zstd::bulk::Compressor;

use super::bytes::checksum;
use super::filter::Filter;
use super::format::{
    BLOCK_BYTES, BlockEntry, Counts, FOOTER_BYTES, Footer, HEADER_BYTES, Header, PAGE_BYTES, PageEntry,
    RUN_BYTES, RunEntry, Summary,
};
use super::row::{Placed, Row, SortKey};
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
    pub(super) run_keys_min: usize,
    pub(super) run_keys_max: usize,
}

impl Bounds {
    const SHIPPED: Self = Self {
        block_bytes: limits::HISTORY_BLOCK_BYTES,
        page_blocks: limits::HISTORY_PAGE_BLOCKS,
        run_keys_min: limits::HISTORY_RUN_KEYS_MIN,
        run_keys_max: limits::HISTORY_RUN_KEYS_MAX,
    };
}

/// Writes a file.
///
/// It holds one block, the keys of one run, and 56 bytes for each page that it has written.
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
    /// The page that fills.
    page: Vec<BlockEntry>,
    page_start: u64,
    /// The run that fills: its first page among `pages`, rows, and keys.
    run_pages: usize,
    run_rows: u64,
    keys: Vec<u64>,
    run_first: SortKey,
    pages: Vec<PageEntry>,
    runs: Vec<RunEntry>,
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
            run_pages: 0,
            run_rows: 0,
            keys: Vec::new(),
            run_first: SortKey::FIRST,
            pages: Vec::new(),
            runs: Vec::new(),
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
        let is_new_key = before.is_none() || self.last_at != at;
        let is_new_slot = before.is_none() || self.last_at.slot != at.slot;
        if (is_new_slot && self.keys.len() >= self.bounds.run_keys_min)
            || (is_new_key && self.keys.len() >= self.bounds.run_keys_max)
        {
            self.end_run()?;
        }
        let is_full = self.block_bytes + bytes > self.bounds.block_bytes
            || self.block.len() >= limits::HISTORY_BLOCK_ROWS_MAX;
        if is_full && !self.block.is_empty() {
            self.end_block()?;
        }
        if self.block.is_empty() {
            self.block_first = at;
        }
        if self.keys.is_empty() {
            self.run_first = at;
        }
        if is_new_key {
            self.keys.push(at.key);
        }
        self.counts.add(at, &row);
        self.run_rows += 1;
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
        self.end_run()?;
        let tables_at = self.written;
        let mut tables = Vec::with_capacity(self.runs.len() * RUN_BYTES + self.pages.len() * PAGE_BYTES);
        self.runs.iter().for_each(|run| run.put(&mut tables));
        self.pages.iter().for_each(|page| page.put(&mut tables));
        let footer = Footer {
            tables_at,
            runs: self.runs.len() as u32,
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
        });
        self.put(&frame)?;
        self.frame = frame;
        self.last = self.block.pop();
        self.block.clear();
        self.block_bytes = 0;
        if self.page.len() >= self.bounds.page_blocks { self.end_page() } else { Ok(()) }
    }

    /// Writes what is to be known of the blocks since the last page.
    fn end_page(&mut self) -> Result<(), WriteError<W::Error>> {
        let Some(first) = self.page.first() else { return Ok(()) };
        let first = first.first;
        let mut bytes = Vec::with_capacity(self.page.len() * BLOCK_BYTES);
        self.page.iter().for_each(|block| block.put(&mut bytes));
        self.pages.push(PageEntry {
            first,
            blocks: self.page.len() as u16,
            rows: self.page.iter().map(|block| u32::from(block.rows)).sum(),
            start: self.page_start,
            at: self.written,
            checksum: checksum(&bytes),
        });
        self.put(&bytes)?;
        self.page.clear();
        self.page_start = self.written;
        Ok(())
    }

    /// Writes the filter of the keys of the run.
    fn end_run(&mut self) -> Result<(), WriteError<W::Error>> {
        self.end_block()?;
        self.end_page()?;
        if self.keys.is_empty() {
            return Ok(());
        }
        let filter = Filter::build(&mut self.keys, self.header.fingerprint);
        let fingerprints = filter.bytes();
        self.runs.push(RunEntry {
            first: self.run_first,
            last_slot: self.last_at.slot,
            pages: (self.pages.len() - self.run_pages) as u32,
            rows: self.run_rows,
            filter: filter.entry(),
            checksum: checksum(&fingerprints),
        });
        self.put(&fingerprints)?;
        self.page_start = self.written;
        self.run_pages = self.pages.len();
        self.run_rows = 0;
        self.keys.clear();
        Ok(())
    }
}
