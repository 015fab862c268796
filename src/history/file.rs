//! A file that is open: where its pages are, in memory, and the rest where it lies.

use std::convert::Infallible;
use std::ops::{Range, RangeInclusive};

use super::bytes::{Fields, checksum};
use super::cursor::{Room, Rows};
use super::format::{Counts, FOOTER_BYTES, Footer, HEADER_BYTES, Header, PAGE_BYTES, PageEntry, Summary};
use super::list::FileEntry;
use super::page::Page;
use super::row::{ShortKey, SortKey};
use journal::reader::ReadError;
use journal::{Damage, Fault};
use wallet::Millis;
use wallet::account::Slot;

/// Bytes of a known length, read where they lie.
pub trait ReadAt {
    /// Why they can't be read.
    type Error;

    /// Their number.
    fn len(&self) -> u64;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Fills `room` with those from `offset` on, which are there by [`ReadAt::len`].
    ///
    /// # Errors
    /// Where it can't.
    fn read_at(&self, offset: u64, room: &mut [u8]) -> Result<(), Self::Error>;
}

/// Bytes in memory, of which nobody may ask for what is not there.
impl ReadAt for Vec<u8> {
    type Error = Infallible;

    fn len(&self) -> u64 {
        self.as_slice().len() as u64
    }

    /// # Panics
    /// Where there are fewer.
    fn read_at(&self, offset: u64, room: &mut [u8]) -> Result<(), Infallible> {
        room.copy_from_slice(&self[offset as usize..][..room.len()]);
        Ok(())
    }
}

/// Slots that somebody owns: a run of them.
pub type Slots = RangeInclusive<Slot>;

/// Every slot, for who owns a whole file or checks one.
pub fn all_slots() -> Slots {
    let slot = |index: usize| Slot::new(index as u16).expect("a number below that of the slots");
    slot(0)..=slot(limits::SLOTS - 1)
}

/// A file of which the pages are known that overlap the slots asked for: 56 bytes of memory each.
#[derive(Debug)]
pub struct HistoryFile<B> {
    pub(super) name: String,
    pub(super) bytes: B,
    summary: Summary,
    slots: RangeInclusive<Slot>,
    clamp_ms: Option<Millis>,
    pub(super) pages: Vec<PageEntry>,
    /// Every page is known.
    pub(super) is_whole: bool,
}

/// What is read of a file, with what names it.
struct Opening<'a, B> {
    name: &'a str,
    bytes: &'a B,
}

impl<B: ReadAt> HistoryFile<B> {
    /// Opens a file for who owns `slots`. `name` is for what is reported.
    ///
    /// # Errors
    /// Where it is no such file, or of a version that is not this one's, or damaged, or can't be read.
    pub fn open(name: &str, bytes: B, slots: RangeInclusive<Slot>) -> Result<Self, ReadError<B::Error>> {
        let opening = Opening { name, bytes: &bytes };
        let (summary, footer) = opening.ends()?;
        let all = opening.pages(&footer)?;
        let (first, last) = (slots.start().index(), slots.end().index());
        let last_slots = all.iter().skip(1).map(|next| next.first.slot).chain([summary.counts.last_slot]);
        let is_ours = |page: &PageEntry, last_slot| page.first.slot <= last && last_slot >= first;
        let ours = all.iter().zip(last_slots).filter(|(page, last_slot)| is_ours(page, *last_slot));
        let pages: Vec<PageEntry> = ours.map(|(page, _)| *page).collect();
        let is_whole = pages.len() == all.len();
        Ok(Self { name: name.into(), summary, slots, clamp_ms: None, pages, is_whole, bytes })
    }

    /// Opens the file that a list names.
    ///
    /// # Errors
    /// As [`HistoryFile::open`], and where it is another one.
    pub fn open_listed(
        name: &str,
        bytes: B,
        entry: &FileEntry,
        slots: RangeInclusive<Slot>,
    ) -> Result<Self, ReadError<B::Error>> {
        let damage = |offset, fault| ReadError::Damage(Damage { file: name.into(), offset, fault });
        let expected = entry.summary;
        let length = bytes.len();
        if length < expected.bytes {
            return Err(damage(length, Fault::CutShort));
        }
        if length > expected.bytes {
            return Err(damage(expected.bytes, Fault::TooLong));
        }
        let mut file = Self::open(name, bytes, slots)?;
        let found = file.summary;
        if found.header.origin != expected.header.origin {
            let fault = Fault::Origin { found: found.header.origin, expected: expected.header.origin };
            return Err(damage(0, fault));
        }
        if found.header != expected.header {
            let what =
                format!("it is file {}, and should be file {}", found.header.number, expected.header.number);
            return Err(damage(0, Fault::Bytes(what)));
        }
        if found != expected {
            let what = "it is not the file that the list of files names: its footer is another one".into();
            return Err(damage(length - FOOTER_BYTES as u64, Fault::Bytes(what)));
        }
        file.clamp_ms = entry.clamp_ms;
        Ok(file)
    }

    /// All that is known of it.
    pub const fn summary(&self) -> &Summary {
        &self.summary
    }

    /// What is in it, of all slots.
    pub const fn counts(&self) -> &Counts {
        &self.summary.counts
    }

    /// No fewer rows than it has of the slots that it was opened for.
    pub fn owned_rows(&self) -> u64 {
        self.pages.iter().map(|page| u64::from(page.rows)).sum()
    }

    /// The slots that it was opened for.
    pub const fn slots(&self) -> &RangeInclusive<Slot> {
        &self.slots
    }

    /// No time in it is later when it is read, milliseconds since 1970.
    pub const fn clamp_ms(&self) -> Option<Millis> {
        self.clamp_ms
    }

    /// All rows of the slots that it was opened for, in order, each checked. Where it was opened for all slots, the end
    /// also checks that they are as many as the file says.
    pub fn rows(&self) -> Rows<'_, B> {
        Rows::new(self, Room::default())
    }

    /// Bytes of memory that it takes.
    pub fn memory_bytes(&self) -> u64 {
        (self.pages.len() * size_of::<PageEntry>() + size_of::<Self>() + self.name.len()) as u64
    }

    /// Shows the keys of the rows of these slots, of those that it was opened for. `rest` is called after each page.
    pub(super) fn keys(
        &self,
        page: &mut Page,
        slots: RangeInclusive<u16>,
        mut show: impl FnMut(ShortKey),
        rest: &mut impl FnMut(),
    ) -> Result<(), ReadError<B::Error>> {
        let (first, last) = (self.slots.start().index(), self.slots.end().index());
        let slots = *slots.start().max(&first)..=*slots.end().min(&last);
        if slots.is_empty() {
            return Ok(());
        }
        let (from, until) = (SortKey::first_of(*slots.start()), SortKey::last_of(*slots.end()));
        for number in self.pages_from(from) {
            if self.pages[number].first > until {
                break;
            }
            page.load(self, number)?;
            let blocks = page.blocks_of(from, until);
            let keys = page.read_keys(self, blocks)?.iter();
            keys.filter(|key| slots.contains(&key.slot())).copied().for_each(&mut show);
            rest();
        }
        Ok(())
    }

    /// No more rows than these are of the slots, of those that it was opened for.
    pub(super) fn rows_at_most(&self, slots: &RangeInclusive<u16>) -> u64 {
        let from = self.pages_from(SortKey::first_of(*slots.start()));
        let until = SortKey::last_of(*slots.end());
        let pages = self.pages[from].iter().take_while(|page| page.first <= until);
        pages.map(|page| u64::from(page.rows)).sum()
    }

    /// The loaded pages on which rows from `at` on may stand.
    pub(super) fn pages_from(&self, at: SortKey) -> Range<usize> {
        if at.slot > self.summary.counts.last_slot {
            return self.pages.len()..self.pages.len();
        }
        // Rows with the very place at which a page begins may stand at the end of the page before it.
        let behind = self.pages.partition_point(|page| page.first < at);
        behind.saturating_sub(1)..self.pages.len()
    }

    /// Fills `room` with so many bytes from `at` on.
    pub(super) fn read_into(
        &self,
        room: &mut Vec<u8>,
        at: u64,
        length: usize,
    ) -> Result<(), ReadError<B::Error>> {
        room.clear();
        room.resize(length, 0);
        self.bytes.read_at(at, room).map_err(ReadError::Caller)
    }

    pub(super) fn damage(&self, offset: u64, what: &str) -> Damage {
        Damage { file: self.name.clone(), offset, fault: Fault::Bytes(what.into()) }
    }
}

impl<B: ReadAt> Opening<'_, B> {
    fn damage(&self, offset: u64, fault: Fault) -> ReadError<B::Error> {
        ReadError::Damage(Damage { file: self.name.into(), offset, fault })
    }

    fn wrong(&self, offset: u64, what: &str) -> ReadError<B::Error> {
        self.damage(offset, Fault::Bytes(what.into()))
    }

    /// Reads header and footer.
    fn ends(&self) -> Result<(Summary, Footer), ReadError<B::Error>> {
        let length = self.bytes.len();
        if length < (HEADER_BYTES + FOOTER_BYTES) as u64 {
            return Err(self.damage(length, Fault::CutShort));
        }
        let mut header_bytes = [0; HEADER_BYTES];
        self.bytes.read_at(0, &mut header_bytes).map_err(ReadError::Caller)?;
        let header = Header::read(&header_bytes).map_err(|fault| self.damage(0, fault))?;
        let end = length - FOOTER_BYTES as u64;
        let mut footer_bytes = [0; FOOTER_BYTES];
        self.bytes.read_at(end, &mut footer_bytes).map_err(ReadError::Caller)?;
        let footer = Footer::read(&footer_bytes).map_err(|fault| self.damage(end, fault))?;
        if footer.header != checksum(&header_bytes) {
            return Err(self.wrong(0, "its header is not the one that its footer belongs to"));
        }
        let checksum = Footer::checksum_of(&footer_bytes);
        Ok((Summary { header, bytes: length, checksum, counts: footer.counts }, footer))
    }

    /// Reads the tables, which have no more bytes than the file.
    fn pages(&self, footer: &Footer) -> Result<Vec<PageEntry>, ReadError<B::Error>> {
        let end = self.bytes.len() - FOOTER_BYTES as u64;
        let at = footer.tables_at;
        let length = footer.tables_bytes();
        if at < HEADER_BYTES as u64 || at.checked_add(length) != Some(end) {
            return Err(self.wrong(end, "its footer says other lengths than the file has"));
        }
        let mut bytes = vec![0; length as usize];
        self.bytes.read_at(at, &mut bytes).map_err(ReadError::Caller)?;
        if checksum(&bytes) != footer.tables {
            return Err(self.wrong(at, "its tables are not as they were written"));
        }
        let entries = bytes.as_chunks::<PAGE_BYTES>().0.iter();
        let pages: Vec<PageEntry> = entries.map(|page| PageEntry::take(&mut Fields(page))).collect();
        if hold_together(&pages, footer) {
            Ok(pages)
        } else {
            Err(self.wrong(at, "its tables are none that this version writes"))
        }
    }
}

/// Whether pages lie side by side from the header on to the tables, in order, and have as many rows as is said.
fn hold_together(pages: &[PageEntry], footer: &Footer) -> bool {
    let counts = &footer.counts;
    let (mut at, mut rows) = (HEADER_BYTES as u64, 0_u64);
    for page in pages {
        let holds = (1..=limits::HISTORY_PAGE_BLOCKS).contains(&usize::from(page.blocks))
            && page.rows as usize <= usize::from(page.blocks) * limits::HISTORY_BLOCK_ROWS_MAX
            && page.start == at
            && page.at >= at.saturating_add(page.beside_blocks())
            && page.first.slot <= counts.last_slot;
        if !holds {
            return false;
        }
        at = page.place().end;
        rows = rows.saturating_add(u64::from(page.rows));
    }
    let first_slot = pages.first().map_or(0, |page| page.first.slot);
    pages.is_sorted_by_key(|page| page.first)
        && (first_slot, rows, at) == (counts.first_slot, counts.rows, footer.tables_at)
        && usize::from(counts.last_slot) < limits::SLOTS
}
