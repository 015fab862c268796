//! A file that is open: its filters and its tables in memory, and the rest where it lies.

use std::convert::Infallible;
use std::ops::{Range, RangeInclusive};

use super::bytes::{Fields, checksum};
use super::cursor::{Room, Rows};
use super::filter::Filter;
use super::format::{
    Counts, FOOTER_BYTES, Footer, HEADER_BYTES, Header, PAGE_BYTES, PageEntry, RUN_BYTES, RunEntry, Summary,
};
use super::list::FileEntry;
use super::row::SortKey;
use journal::reader::ReadError;
use journal::{Damage, Fault};
use wallet::Millis;
use wallet::account::{AccountHash, Slot};

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

/// A file of which the runs that overlap the slots asked for are loaded.
///
/// It takes its filters' fingerprints and some 64 bytes for each page of memory.
#[derive(Debug)]
pub struct HistoryFile<B> {
    pub(super) name: String,
    pub(super) bytes: B,
    summary: Summary,
    slots: RangeInclusive<Slot>,
    clamp_ms: Option<Millis>,
    /// Where each run begins that is loaded, and its filter.
    starts: Vec<SortKey>,
    filters: Vec<Filter>,
    pub(super) pages: Vec<PageEntry>,
    /// Every run is loaded.
    pub(super) is_whole: bool,
}

/// The tables of a file, checked.
struct Tables {
    runs: Vec<RunEntry>,
    pages: Vec<PageEntry>,
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
        let tables = opening.tables(&footer)?;
        let mut file = Self {
            name: name.into(),
            summary,
            slots,
            clamp_ms: None,
            starts: Vec::new(),
            filters: Vec::new(),
            pages: Vec::new(),
            is_whole: true,
            bytes,
        };
        file.load(&tables)?;
        Ok(file)
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
            let what = format!(
                "it is file {}, and should be file {}, or its filters are of another kind",
                found.header.number, expected.header.number
            );
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

    /// The slots that it was opened for.
    pub const fn slots(&self) -> &RangeInclusive<Slot> {
        &self.slots
    }

    /// No time in it is later when it is read, milliseconds since 1970.
    pub const fn clamp_ms(&self) -> Option<Millis> {
        self.clamp_ms
    }

    /// Whether it may have rounds of an account with this [`key_of`](super::key_of). Of slots that it was not opened for
    /// it says nothing that is of use.
    pub fn may_have(&self, account: AccountHash, key: u64) -> bool {
        self.is_known(SortKey::new(account, key))
    }

    /// All rows of the slots that it was opened for, in order, each checked. Where it was opened for all slots, the end
    /// also checks that they are as many as the file says.
    pub fn rows(&self) -> Rows<'_, B> {
        Rows::new(self, Room::default())
    }

    /// Bytes of memory that it takes.
    pub fn memory_bytes(&self) -> u64 {
        let filters: u64 = self.filters.iter().map(Filter::memory_bytes).sum();
        let run_bytes = size_of::<Filter>() + size_of::<SortKey>();
        let tables = self.filters.len() * run_bytes + self.pages.len() * size_of::<PageEntry>();
        filters + (tables + size_of::<Self>() + self.name.len()) as u64
    }

    /// Whether the filter of the run in which rows with this place would be says that there may be one.
    pub(super) fn is_known(&self, at: SortKey) -> bool {
        let behind = self.starts.partition_point(|start| *start <= at);
        let filter = behind.checked_sub(1).and_then(|run| self.filters.get(run));
        filter.is_some_and(|filter| filter.contains(at.key))
    }

    /// The loaded pages on which rows from `at` on may stand.
    pub(super) fn pages_from(&self, at: SortKey) -> Range<usize> {
        // Rows with the very place at which a page begins may stand at the end of the page before it.
        let behind = self.pages.partition_point(|page| page.first < at);
        behind.saturating_sub(1)..self.pages.len()
    }

    /// Reads the filters of the runs that have a slot that is asked for, and keeps their pages.
    fn load(&mut self, tables: &Tables) -> Result<(), ReadError<B::Error>> {
        let slots = self.slots.start().index()..=self.slots.end().index();
        let mut pages = tables.pages.iter();
        let mut at = HEADER_BYTES as u64;
        for run in &tables.runs {
            let of_run = pages.by_ref().take(run.pages as usize);
            let is_ours = run.first.slot <= *slots.end() && run.last_slot >= *slots.start();
            for page in of_run {
                at = page.place().end;
                if is_ours {
                    self.pages.push(*page);
                }
            }
            let length = run.filter.bytes().expect("the tables are checked");
            if is_ours {
                let mut fingerprints = vec![0; length];
                self.bytes.read_at(at, &mut fingerprints).map_err(ReadError::Caller)?;
                if checksum(&fingerprints) != run.checksum {
                    return Err(self.damage(at, "a filter is not as it was written").into());
                }
                self.starts.push(run.first);
                self.filters.push(Filter::of(&run.filter, fingerprints));
            }
            self.is_whole &= is_ours;
            at += length as u64;
        }
        Ok(())
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
    fn tables(&self, footer: &Footer) -> Result<Tables, ReadError<B::Error>> {
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
        let (of_runs, of_pages) = bytes.split_at(footer.runs as usize * RUN_BYTES);
        let runs = of_runs.as_chunks::<RUN_BYTES>().0.iter().map(|run| RunEntry::take(&mut Fields(run)));
        let pages =
            of_pages.as_chunks::<PAGE_BYTES>().0.iter().map(|page| PageEntry::take(&mut Fields(page)));
        let tables = runs.collect::<Option<_>>().map(|runs| Tables { runs, pages: pages.collect() });
        match tables.filter(|tables| tables.hold_together(footer)) {
            Some(tables) => Ok(tables),
            None => Err(self.wrong(at, "its tables are none that this version writes")),
        }
    }
}

impl Tables {
    /// Whether the parts lie side by side from the header on to the tables, in order, and are as many as is said.
    fn hold_together(&self, footer: &Footer) -> bool {
        let mut pages = self.pages.iter();
        let (mut at, mut rows) = (HEADER_BYTES as u64, 0_u64);
        let (mut before, mut last_slot) = (None, 0);
        for run in &self.runs {
            let (mut of_run, mut count, mut is_first) = (0_u64, 0, true);
            for page in pages.by_ref().take(run.pages as usize) {
                let is_behind = match before {
                    // A key may go on over several pages of a run, and is in one run alone.
                    Some(first) if is_first => first < page.first,
                    Some(first) => first <= page.first,
                    None => true,
                };
                let begins = !is_first || page.first == run.first;
                let holds = (1..=limits::HISTORY_PAGE_BLOCKS).contains(&usize::from(page.blocks))
                    && page.start == at
                    && page.at >= at;
                if !(is_behind && begins && holds) {
                    return false;
                }
                at = page.place().end;
                of_run += u64::from(page.rows);
                count += 1;
                before = Some(page.first);
                is_first = false;
            }
            let Some(length) = run.filter.bytes() else { return false };
            let in_order = run.first.slot >= last_slot
                && run.last_slot >= before.map_or(0, |before| before.slot)
                && usize::from(run.last_slot) < limits::SLOTS;
            if is_first || count != run.pages || of_run != run.rows || !in_order {
                return false;
            }
            (at, rows, last_slot) =
                (at.saturating_add(length as u64), rows.saturating_add(of_run), run.last_slot);
        }
        pages.next().is_none() && at == footer.tables_at && rows == footer.counts.rows
    }
}
