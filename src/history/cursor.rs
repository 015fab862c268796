//! Reads the rows of a file in order, a block at a time.

use std::borrow::BorrowMut;
use std::collections::VecDeque;
use std::iter::FusedIterator;

use rkyv::rancor::Error;
use rkyv::vec::ArchivedVec;
use zstd::bulk::Decompressor;

use super::bytes::checksum;
use super::file::{HistoryFile, ReadAt};
use super::format::{BlockEntry, Counts};
use super::page::{self, Page};
use super::row::{ArchivedRow, Placed, Row, ShortKey, SortKey};
use journal::Buffer;
use journal::reader::ReadError;

/// Memory that reading takes: a page, a block, and what decompressing needs. Kept from one reading to the next, but
/// for what the largest rows took.
#[derive(Default)]
pub struct Room {
    /// Made when it is needed first.
    decompressor: Option<Decompressor<'static>>,
    page: Page,
    frame: Vec<u8>,
    raw: Buffer,
}

/// Rows of a file from a place on, up to another one.
pub(super) struct Cursor<'a, B, R> {
    file: &'a HistoryFile<B>,
    room: R,
    from: SortKey,
    until: SortKey,
    /// The next page, and the next block of the one that is loaded.
    page: usize,
    block: usize,
    /// Rows of the block that was read.
    rows: VecDeque<Placed>,
    /// The last row of all blocks before it.
    last: Option<Placed>,
    /// Rows of the pages before, and whether the next one is to be loaded.
    counts: Counts,
    /// Blocks that were read.
    pub(super) blocks: u64,
    /// Whether the filters of pages are looked through, too.
    checks_filters: bool,
}

impl<'a, B: ReadAt, R: BorrowMut<Room>> Cursor<'a, B, R> {
    /// Rows from `from` to `until`, both included.
    pub(super) fn new(file: &'a HistoryFile<B>, mut room: R, from: SortKey, until: SortKey) -> Self {
        room.borrow_mut().page.clear();
        Self {
            file,
            room,
            from,
            until,
            page: file.pages_from(from).start,
            block: 0,
            rows: VecDeque::new(),
            last: None,
            counts: Counts::default(),
            blocks: 0,
            checks_filters: false,
        }
    }

    /// All rows of the slots that the file was opened for.
    pub(super) fn of_slots(file: &'a HistoryFile<B>, room: R) -> Self {
        let slots = file.slots();
        let cursor = Self::new(
            file,
            room,
            SortKey::first_of(slots.start().index()),
            SortKey::last_of(slots.end().index()),
        );
        Self { checks_filters: true, ..cursor }
    }

    /// The next row; `None` at the end.
    ///
    /// # Errors
    /// Where the file is damaged, or can't be read.
    pub(super) fn next(&mut self) -> Result<Option<Placed>, ReadError<B::Error>> {
        loop {
            if let Some(mut placed) = self.rows.pop_front() {
                if self.rows.is_empty() {
                    self.last = Some(placed.clone());
                }
                self.counts.add(placed.at, &placed.row);
                if let Some(clamp_ms) = self.file.clamp_ms() {
                    placed.row.clamp(clamp_ms);
                }
                return Ok(Some(placed));
            }
            if self.block == self.room.borrow_mut().page.blocks.len() && !self.next_page()? {
                return Ok(None);
            }
            let entry = self.room.borrow_mut().page.blocks[self.block];
            if entry.first > self.until {
                return Ok(None);
            }
            self.read_block(&entry)?;
            self.block += 1;
        }
    }

    /// Whether it looks for the rows of one key.
    fn is_for_one(&self) -> bool {
        self.from == self.until
    }

    /// Loads the next page; not where there is none, or all of it is behind what is asked for.
    fn next_page(&mut self) -> Result<bool, ReadError<B::Error>> {
        loop {
            let Some(entry) = self.file.pages.get(self.page).filter(|page| page.first <= self.until) else {
                return Ok(false);
            };
            if !self.is_for_one() || page::may_have(self.file, entry, self.from.short())? {
                break;
            }
            self.page += 1;
        }
        let page = &mut self.room.borrow_mut().page;
        page.load(self.file, self.page)?;
        if self.checks_filters {
            page.read_filter(self.file, self.page)?;
        }
        self.block = page.blocks_of(self.from, self.until).start;
        self.page += 1;
        Ok(true)
    }

    /// Reads a block, and keeps its rows that are asked for.
    fn read_block(&mut self, entry: &BlockEntry) -> Result<(), ReadError<B::Error>> {
        let (file, is_for_one) = (self.file, self.is_for_one());
        let Room { decompressor, page, frame, raw } = self.room.borrow_mut();
        let at = page.block_at(self.block);
        let keys = page.read_keys(file, self.block..self.block + 1)?;
        if is_for_one && !keys.contains(&self.from.short()) {
            return Ok(());
        }
        if self.checks_filters && !page.keys().iter().all(|key| page.knows(*key)) {
            return Err(file.damage(at, "a row is one that its page's filter does not know").into());
        }
        let raw_bytes = entry.raw as usize;
        let frame_bytes = entry.frame as usize;
        let is_possible = raw_bytes <= limits::HISTORY_BLOCK_BYTES_MAX
            && frame_bytes <= zstd::zstd_safe::compress_bound(limits::HISTORY_BLOCK_BYTES_MAX);
        if !is_possible {
            return Err(file.damage(at, "a block's lengths can't be so").into());
        }
        if frame.capacity() > limits::FILE_STEP_BYTES {
            *frame = Vec::new();
        }
        file.read_into(frame, at, frame_bytes)?;
        if checksum(frame) != entry.checksum {
            return Err(file.damage(at, "a block is not as it was written").into());
        }
        self.blocks += 1;
        let rows = decompress(decompressor, raw, frame, raw_bytes);
        let rows = rows.ok_or_else(|| file.damage(at, "a block can't be decompressed"))?;
        let what = keep(rows, entry, page.keys(), self.from..=self.until, &mut self.rows).err();
        let what = what.or_else(|| self.fault());
        what.map_or(Ok(()), |what| {
            self.rows.clear();
            Err(self.file.damage(at, what).into())
        })
    }

    /// What is wrong with the rows that were read last.
    fn fault(&self) -> Option<&'static str> {
        let before = self.last.iter().chain(&self.rows);
        let mut pairs = before.zip(self.rows.iter().skip(usize::from(self.last.is_none())));
        pairs.any(|(before, row)| before.cmp_row(row).is_ge()).then_some("rows are not in order")
    }
}

/// Decompresses a frame to so many bytes, and finds the rows in them.
fn decompress<'a>(
    decompressor: &mut Option<Decompressor<'static>>,
    raw: &'a mut Buffer,
    frame: &[u8],
    raw_bytes: usize,
) -> Option<&'a ArchivedVec<ArchivedRow>> {
    if decompressor.is_none() {
        *decompressor = Decompressor::new().ok();
    }
    if raw.capacity() > limits::FILE_STEP_BYTES {
        // What the largest rows took is not kept.
        *raw = Buffer::new();
    }
    raw.clear();
    raw.resize(raw_bytes, 0);
    let read = decompressor.as_mut()?.decompress_to_buffer(frame, &mut raw[..]).ok()?;
    if read != raw_bytes {
        return None;
    }
    rkyv::access::<ArchivedVec<ArchivedRow>, Error>(raw).ok()
}

/// Keeps the rows of a block that are asked for.
fn keep(
    rows: &ArchivedVec<ArchivedRow>,
    entry: &BlockEntry,
    keys: &[ShortKey],
    wanted: std::ops::RangeInclusive<SortKey>,
    into: &mut VecDeque<Placed>,
) -> Result<(), &'static str> {
    if rows.len() != usize::from(entry.rows) || rows.is_empty() {
        return Err("a block has another number of rows than its page says");
    }
    for ((number, row), key) in rows.iter().enumerate().zip(keys) {
        let at = row.sort_key();
        if at.short() != *key {
            return Err("a row has another key than its block says");
        }
        if number == 0 && at != entry.first {
            return Err("a block begins with another row than its page says");
        }
        if at > *wanted.end() {
            break;
        }
        if at >= *wanted.start() {
            let row: Row =
                rkyv::deserialize::<Row, Error>(row).map_err(|_| "a row is none that this version writes")?;
            into.push_back(Placed { at, row });
        }
    }
    Ok(())
}

/// All rows of a file in order, as [`HistoryFile::rows`] gives them. It ends with the first error.
pub struct Rows<'a, B> {
    cursor: Cursor<'a, B, Room>,
    has_ended: bool,
}

impl<'a, B: ReadAt> Rows<'a, B> {
    pub(super) fn new(file: &'a HistoryFile<B>, room: Room) -> Self {
        Self { cursor: Cursor::of_slots(file, room), has_ended: false }
    }

    fn next_row(&mut self) -> Result<Option<Row>, ReadError<B::Error>> {
        if let Some(placed) = self.cursor.next()? {
            return Ok(Some(placed.row));
        }
        let file = self.cursor.file;
        let is_all = file.is_whole && *file.slots() == super::all_slots();
        if is_all && self.cursor.counts != *file.counts() {
            let footer = file.summary().bytes - super::format::FOOTER_BYTES as u64;
            return Err(file.damage(footer, "it has other rows than its footer counts").into());
        }
        Ok(None)
    }
}

impl<B: ReadAt> Iterator for Rows<'_, B> {
    type Item = Result<Row, ReadError<B::Error>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.has_ended {
            return None;
        }
        let next = self.next_row();
        self.has_ended = !matches!(next, Ok(Some(_)));
        next.transpose()
    }
}

impl<B: ReadAt> FusedIterator for Rows<'_, B> {}
