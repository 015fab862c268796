//! A disk's files of the history, and the list that names them. Files that it does not name are left over from a crash.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use history::{
    FileEntry, FileList, Filter, Header, History, HistoryFile, MergeError, ReadAt, Row, Slots, Writer,
};
use journal::reader::ReadError;
use journal::{Damage, Fault, Origin};
use recovery::ColdRound;
use testkit::workload::Chance;
use wallet::account::AccountRef;
use wallet::image::RoundImage;
use wallet::{Millis, Sequence};

/// The name of the list.
pub(in crate::simulate) const LIST: &str = "history";

/// Files that are merged together, at most...
const MERGED_MAX: usize = 5;

/// ... unless there are more than so many.
const FILES_MAX: usize = 20;

/// What goes wrong with a read of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::simulate) enum Trouble {
    /// Nothing.
    None,
    /// It fails.
    Fails,
    /// It gives other bytes than were written.
    Turns,
}

/// A read has failed.
#[derive(Debug)]
pub(in crate::simulate) struct Unreadable;

/// A file's bytes.
#[derive(Clone, Debug)]
pub(in crate::simulate) struct Stored {
    bytes: Rc<Vec<u8>>,
    /// Of all files of the shard: what goes wrong with the next read.
    trouble: Rc<Cell<Trouble>>,
}

impl ReadAt for Stored {
    type Error = Unreadable;

    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read_at(&self, offset: u64, room: &mut [u8]) -> Result<(), Unreadable> {
        room.copy_from_slice(&self.bytes[offset as usize..][..room.len()]);
        match self.trouble.replace(Trouble::None) {
            Trouble::None => Ok(()),
            Trouble::Fails => Err(Unreadable),
            Trouble::Turns => {
                let at = room.len() / 2;
                room[at] ^= 0x10;
                Ok(())
            }
        }
    }
}

/// The files that a list names, open.
#[derive(Clone, Debug)]
pub(in crate::simulate) struct Opened {
    pub(in crate::simulate) list: FileList,
    pub(in crate::simulate) history: Rc<History<Stored>>,
    pub(in crate::simulate) trouble: Rc<Cell<Trouble>>,
}

impl Opened {
    /// All rounds of an account, the newest version of each.
    pub(in crate::simulate) fn rounds_of(&self, account: &str) -> Vec<RoundImage> {
        let mut rounds = Vec::new();
        let read = self.history.rounds_of(&AccountRef::new(account), |round| rounds.push(round));
        read.expect("what was written can be read");
        rounds
    }
}

/// What the folding thread has told the shard: how often, and what it has now.
pub(in crate::simulate) type Told = Rc<RefCell<(u64, Option<Opened>)>>;

/// What is done with files of the history.
pub(in crate::simulate) enum Choice {
    /// Those go of which all is forgotten.
    Drop,
    /// These become one.
    Merge(Range<usize>),
}

impl Choice {
    /// Any, for so many files.
    pub(super) fn any(files: usize, chance: &mut Chance) -> Self {
        match chance.percent(40) {
            true => Self::Drop,
            false if files > FILES_MAX => Self::Merge(0..files),
            false => {
                let from = chance.index(files);
                Self::Merge(from..files.min(from + 1 + chance.index(MERGED_MAX)))
            }
        }
    }
}

/// The files and their list.
#[derive(Clone, Debug, Default)]
pub(in crate::simulate) struct Shelf {
    pub(super) files: BTreeMap<String, Rc<Vec<u8>>>,
    pub(super) list: Option<Vec<u8>>,
}

impl Shelf {
    /// Whether there is a list.
    pub(in crate::simulate) const fn has_list(&self) -> bool {
        self.list.is_some()
    }

    /// The list; `None` where there is none yet.
    pub(in crate::simulate) fn list(&self) -> Result<Option<FileList>, Damage> {
        self.list.as_ref().map(|bytes| FileList::from_bytes(LIST, bytes)).transpose()
    }

    /// Opens the files for the owner of these slots; `None` where there is no list.
    ///
    /// # Errors
    /// What is damaged.
    pub(in crate::simulate) fn open(&self, slots: &Slots) -> Result<Option<Opened>, Damage> {
        self.list()?.map(|list| self.open_listed(list, slots)).transpose()
    }

    fn open_listed(&self, list: FileList, slots: &Slots) -> Result<Opened, Damage> {
        let trouble = Rc::new(Cell::new(Trouble::None));
        let open = |entry: &FileEntry| {
            let name = file_name(&entry.summary.header);
            let bytes = self.files.get(&name).ok_or_else(|| Damage {
                file: name.clone(),
                offset: 0,
                fault: Fault::Bytes("it is not there".into()),
            })?;
            let stored = Stored { bytes: Rc::clone(bytes), trouble: Rc::clone(&trouble) };
            HistoryFile::open_listed(&name, stored, entry, slots.clone()).map(Arc::new).map_err(damage)
        };
        let files = list.files.iter().map(open).collect::<Result<Vec<_>, _>>()?;
        let history = History::filtered(files.clone(), Some(filter(&files, slots).map_err(damage)?));
        Ok(Opened { list, history: Rc::new(history), trouble })
    }

    /// Reads all that the list names.
    ///
    /// # Errors
    /// What is damaged.
    pub(super) fn verify(&self) -> Result<(), Damage> {
        let Some(opened) = self.open(&history::all_slots())? else { return Ok(()) };
        for file in opened.history.files() {
            file.rows().try_for_each(|row| row.map(drop)).map_err(damage)?;
        }
        Ok(())
    }

    /// Removes what the list does not name.
    pub(super) fn remove_leftovers(&mut self) {
        let Ok(Some(list)) = self.list() else { return };
        let named: Vec<String> = list.files.iter().map(|entry| file_name(&entry.summary.header)).collect();
        self.files.retain(|name, _| named.contains(name));
    }

    /// The list as it is after a fold has found these rounds, and the file that they are in.
    pub(super) fn fold(
        &self,
        origin: Origin,
        cold: Vec<ColdRound>,
        covers: Sequence,
        cut_ms: Millis,
    ) -> Result<Change, String> {
        let mut list = self.list().map_err(|damage| format!("A fold can't read the list: {damage}."))?;
        let list = list.get_or_insert_default();
        let mut rows: Vec<Row> =
            cold.into_iter().map(|ColdRound { account, round }| Row { account, round }).collect();
        Row::sort(&mut rows);
        let mut file = None;
        if !rows.is_empty() {
            let header = Header { origin, number: list.next_number(origin) };
            let mut writer = Writer::begin(Vec::new(), header).map_err(|error| format!("{error:?}"))?;
            for row in rows {
                writer.push(row).map_err(|error| format!("A fold can't write the history: {error:?}."))?;
            }
            let (summary, bytes) = writer.finish().map_err(|error| format!("{error:?}"))?;
            list.files.push(FileEntry { summary, clamp_ms: None });
            file = Some((file_name(&header), Rc::new(bytes)));
        }
        // A fold that was cut short after its list may have covered more.
        (list.covers, list.cut_ms) = (list.covers.max(covers), list.cut_ms.max(cut_ms));
        Ok(Change { file, list: list.to_bytes() })
    }

    /// What is chosen of so many files; what is forgotten is left out. `None` where there is nothing to do.
    pub(super) fn merge(
        &self,
        origin: Origin,
        slots: &Slots,
        choose: impl FnOnce(usize) -> Choice,
        is_forgotten: impl Fn(&RoundImage) -> bool,
        forgotten_until_ms: Millis,
    ) -> Result<Option<Change>, String> {
        let opened = self.open(slots).map_err(|damage| format!("A merge can't read the files: {damage}."))?;
        let Some(Opened { mut list, history, .. }) = opened else { return Ok(None) };
        if list.files.is_empty() {
            return Ok(None);
        }
        let range = match choose(list.files.len()) {
            Choice::Merge(range) => range,
            Choice::Drop => {
                let before = list.files.len();
                list.files.retain(|entry| !entry.is_over(forgotten_until_ms));
                let changed = list.files.len() < before;
                return Ok(changed.then(|| Change { file: None, list: list.to_bytes() }));
            }
        };
        let merged: Vec<_> = history.files()[range.clone()].iter().map(|file| &**file).collect();
        let header = Header { origin, number: list.next_number(origin) };
        let writer = Writer::begin(Vec::new(), header).map_err(|error| format!("{error:?}"))?;
        let made = history::merge(&merged, writer, |row| !is_forgotten(&row.round), || ());
        let (summary, bytes) = made.map_err(|error| match error {
            MergeError::Read(error) => format!("A merge can't read: {error:?}."),
            MergeError::Write(error) => format!("A merge can't write: {error:?}."),
        })?;
        let entry = (summary.counts.rows > 0).then_some(FileEntry { summary, clamp_ms: None });
        list.files.splice(range, entry);
        let file = entry.map(|_| (file_name(&header), Rc::new(bytes)));
        Ok(Some(Change { file, list: list.to_bytes() }))
    }

    /// What the owner of these slots takes over from the disks that there were, each with the slots that were its own.
    pub(in crate::simulate) fn hand_on<'a>(
        from: impl Iterator<Item = (&'a Self, Slots)>,
        slots: &Slots,
        covers: Sequence,
    ) -> Result<Self, String> {
        let overlap = |one: &Slots| {
            one.start().index() <= slots.end().index() && slots.start().index() <= one.end().index()
        };
        let mut shelf = Self::default();
        let mut list = FileList { covers, cut_ms: Millis::MAX, files: Vec::new() };
        for (old, _) in from.filter(|(_, slots)| overlap(slots)) {
            let old_list = old.list().map_err(|damage| format!("A list can't be read: {damage}."))?;
            let old_list = old_list.unwrap_or_default();
            list.cut_ms = list.cut_ms.min(old_list.cut_ms);
            for entry in old_list.files {
                let counts = &entry.summary.counts;
                let is_ours =
                    counts.first_slot <= slots.end().index() && slots.start().index() <= counts.last_slot;
                if is_ours && !list.files.contains(&entry) {
                    let name = file_name(&entry.summary.header);
                    shelf.files.insert(name.clone(), Rc::clone(&old.files[&name]));
                    list.files.push(entry);
                }
            }
        }
        shelf.list = Some(list.to_bytes());
        Ok(shelf)
    }
}

/// A list, and the file that it names beside those that are there.
pub(super) struct Change {
    pub(super) file: Option<(String, Rc<Vec<u8>>)>,
    pub(super) list: Vec<u8>,
}

impl Change {
    /// The files as they are after it.
    pub(super) fn of(&self, shelf: &Shelf) -> Shelf {
        let mut shelf = shelf.clone();
        shelf.files.extend(self.file.clone());
        shelf.list = Some(self.list.clone());
        shelf
    }
}

pub(super) fn file_name(Header { origin, number, .. }: &Header) -> String {
    format!("history-{:x}-{}-{number}", origin.stream, origin.shard)
}

/// The filter of files, to which they were added one after the other; its parts are made anew as often as a server does.
fn filter(files: &[Arc<HistoryFile<Stored>>], slots: &Slots) -> Result<Filter, ReadError<Unreadable>> {
    let mut filter = Filter::of_small_blocks(slots);
    for (number, file) in files.iter().enumerate() {
        for part in 0..filter.parts() {
            filter.add(part, file, || ())?;
            if filter.is_overfull(part) {
                filter.make(part, &files[..=number], || ())?;
            }
        }
    }
    Ok(filter)
}

fn damage(error: ReadError<Unreadable>) -> Damage {
    match error {
        ReadError::Damage(damage) => damage,
        ReadError::Caller(Unreadable) => unreachable!("nothing fails while files are opened"),
    }
}
