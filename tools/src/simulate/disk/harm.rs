//! What may happen to files while nobody writes them: a bit turns, a file is gone, or its end is. A recovery must say so.

use std::fmt;
use std::ops::Range;
use std::rc::Rc;

use journal::Buffer;
use journal::snapshot::SnapshotReader;
use limits::JOURNAL_BLOCK_BYTES;
use testkit::workload::Chance;
use wallet::Sequence;

use super::shelf::{LIST, Shelf, file_name};
use super::{Disk, Kept, Segment, segment_name, snapshot_name};

/// Harm that was done, which a recovery must find.
pub(in crate::simulate) struct Harm {
    /// What was done.
    kind: HarmKind,
    /// The file.
    file: String,
    /// The group or header that a bit is in, where that is to be told.
    within: Option<Range<usize>>,
    undo: Undo,
}

#[derive(Clone, Copy, Debug)]
enum HarmKind {
    Turned,
    Removed,
    Truncated,
    Zeroed,
    Written,
}

/// What was there before.
enum Undo {
    Segment(u32, Segment),
    Bytes(u32, Buffer),
    Snapshot(Sequence, Vec<u8>),
    Shelf(Shelf),
}

impl fmt::Display for Harm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, file, within, .. } = self;
        write!(f, "{kind:?} {file}, {within:?}")
    }
}

impl Harm {
    /// Whether damage that a recovery has found is this.
    pub(in crate::simulate) fn is(&self, file: &str, offset: u64) -> bool {
        match &self.within {
            None => !matches!(self.undo, Undo::Shelf(_)) || file == self.file,
            Some(within) => file == self.file && within.contains(&(offset as usize)),
        }
    }
}

impl Disk {
    /// Harms what somebody was promised, as far as that can be told from a write that a crash tore: what has a used group
    /// or segment after it, and what the mark says is durable. `None` where there is no such thing, or nothing changed.
    pub(in crate::simulate) fn harm(&mut self, chance: &mut Chance) -> Option<Harm> {
        if chance.percent(30) {
            return self.harm_history(chance);
        }
        match chance.below(10) {
            0..5 => self.turn(chance),
            5..7 => self.remove(chance),
            7 => self.cut(chance, HarmKind::Truncated),
            8 if self.mark.is_some_and(|mark| mark.stopped.is_some()) => self.write_behind(),
            _ => self.cut(chance, HarmKind::Zeroed),
        }
    }

    /// Undoes it.
    pub(in crate::simulate) fn heal(&mut self, harm: Harm) {
        match harm.undo {
            Undo::Segment(number, file) => drop(self.segments.insert(number, file)),
            Undo::Bytes(number, bytes) => {
                self.segments.get_mut(&number).expect("it was harmed").bytes = bytes
            }
            Undo::Snapshot(covers, bytes) => drop(self.snapshots.insert(covers, bytes)),
            Undo::Shelf(shelf) => self.shelf = shelf,
        }
    }

    /// Harms the list of the history's files, where the snapshot says that there is one, or a file that it names.
    fn harm_history(&mut self, chance: &mut Chance) -> Option<Harm> {
        let list = self.shelf.list().ok()??;
        let undo = Undo::Shelf(self.shelf.clone());
        let (kind, file);
        if list.files.is_empty() || chance.percent(30) {
            file = LIST.to_owned();
            let bytes = self.shelf.list.as_mut()?;
            if chance.percent(50) {
                let at = chance.index(bytes.len());
                bytes[at] ^= 1 << chance.below(8);
                kind = HarmKind::Turned;
            } else {
                let (name, source) = self.snapshot()?;
                let header = SnapshotReader::header_of(&name, source, self.origin).ok()?;
                self.shelf.list = header.has_history.then_some(None)?;
                kind = HarmKind::Removed;
            }
        } else {
            file = file_name(&list.files[chance.index(list.files.len())].summary.header);
            let bytes = Rc::make_mut(self.shelf.files.get_mut(&file)?);
            match chance.below(4) {
                0 => {
                    self.shelf.files.remove(&file);
                    kind = HarmKind::Removed;
                }
                1 => {
                    bytes.truncate(chance.index(bytes.len()));
                    kind = HarmKind::Truncated;
                }
                _ => {
                    let at = chance.index(bytes.len());
                    bytes[at] ^= 1 << chance.below(8);
                    kind = HarmKind::Turned;
                }
            }
        }
        Some(Harm { kind, file, within: None, undo })
    }

    /// The last record that the snapshot has.
    fn covered(&self) -> Sequence {
        self.snapshots.last_key_value().map_or(0, |(covers, _)| *covers)
    }

    /// Whether it would be told that this group of a segment is gone, with all that is after it in the segment.
    fn is_told(&self, number: u32, group: &Kept) -> bool {
        let marked = self.mark.is_some_and(|mark| mark.last.sequence >= group.last);
        let followed = self.segments.range(number + 1..).any(|(_, later)| !later.groups.is_empty());
        group.last > self.covered() && (marked || followed)
    }

    /// Turns a bit of the snapshot, of a segment's header, or of a group.
    fn turn(&mut self, chance: &mut Chance) -> Option<Harm> {
        let mut places: Vec<(Option<u32>, Range<usize>)> = Vec::new();
        for (number, file) in self.segments.iter().filter(|(_, file)| !file.groups.is_empty()) {
            places.push((Some(*number), 0..JOURNAL_BLOCK_BYTES));
            places.extend(file.groups.iter().map(|group| (Some(*number), group.at.clone())));
        }
        let used = self.segments.iter().rfind(|(_, file)| !file.groups.is_empty());
        if used
            .is_some_and(|(number, file)| file.groups.last().is_some_and(|last| !self.is_told(*number, last)))
        {
            // It looks like a write that a crash tore.
            places.pop();
        }
        if let Some((_, bytes)) = self.snapshots.last_key_value() {
            places.push((None, 0..bytes.len()));
        }
        if places.is_empty() {
            return None;
        }
        let (place, within) = places.swap_remove(chance.index(places.len()));
        let (byte, bit) = (within.start + chance.index(within.len()), 1 << chance.below(8));
        let (file, undo) = if let Some(number) = place {
            let file = self.segments.get_mut(&number).expect("it was chosen");
            let undo = Undo::Bytes(number, Buffer::clone(&file.bytes));
            file.bytes[byte] ^= bit;
            (segment_name(number), undo)
        } else {
            let (covers, bytes) = self.snapshots.pop_last().expect("it was chosen");
            let mut harmed = bytes.clone();
            harmed[byte] ^= bit;
            self.snapshots.insert(covers, harmed);
            (snapshot_name(covers), Undo::Snapshot(covers, bytes))
        };
        Some(Harm { kind: HarmKind::Turned, file, within: Some(within), undo })
    }

    /// Removes a segment, or the one snapshot.
    fn remove(&mut self, chance: &mut Chance) -> Option<Harm> {
        let (kind, within) = (HarmKind::Removed, None);
        let covered = self.covered();
        let is_told = |number: u32, file: &Segment| {
            // What the snapshot has of it is not missed.
            let mut rest = file.groups.iter().filter(|group| group.last > covered);
            rest.next().is_some_and(|first| self.is_told(number, first))
        };
        let missed = self.segments.iter().filter(|(number, file)| is_told(**number, file));
        let numbers: Vec<u32> = missed.map(|(number, _)| *number).collect();
        if numbers.is_empty() || chance.percent(30) {
            // Without records after it, only a mark tells that there was a snapshot.
            let marked = self.mark.is_some_and(|mark| mark.last.sequence > 0);
            // From the first segment on everything is there without it.
            let from_start = self.segments.contains_key(&1);
            if self.snapshots.len() != 1 || covered == 0 || !marked || from_start {
                return None;
            }
            let (covers, bytes) = self.snapshots.pop_last().expect("there is one");
            return Some(Harm {
                kind,
                file: snapshot_name(covers),
                within,
                undo: Undo::Snapshot(covers, bytes),
            });
        }
        let number = numbers[chance.index(numbers.len())];
        let file = self.segments.remove(&number).expect("it was chosen");
        Some(Harm { kind, file: segment_name(number), within, undo: Undo::Segment(number, file) })
    }

    /// Writes something behind the end of a journal that was stopped as it should be.
    fn write_behind(&mut self) -> Option<Harm> {
        let (number, offset) = (self.next.segment, self.next.offset as usize);
        let file = self.segments.get_mut(&number).filter(|file| offset > 0 && offset < file.bytes.len())?;
        let before = Buffer::clone(&file.bytes);
        file.bytes[offset] = 1;
        let (kind, undo) = (HarmKind::Written, Undo::Bytes(number, before));
        Some(Harm { kind, file: segment_name(number), within: None, undo })
    }

    /// Cuts a segment's end off within a group, or has zeros there.
    fn cut(&mut self, chance: &mut Chance, kind: HarmKind) -> Option<Harm> {
        let groups =
            self.segments.iter().flat_map(|(number, file)| file.groups.iter().map(|at| (*number, at)));
        let missed: Vec<(u32, Range<usize>)> = groups
            .filter(|(number, group)| self.is_told(*number, group))
            .map(|(number, group)| (number, group.at.clone()))
            .collect();
        if missed.is_empty() {
            return None;
        }
        // Mostly the last: nothing of the journal comes after it.
        let at = if chance.percent(60) { missed.len() - 1 } else { chance.index(missed.len()) };
        let (number, group) = &missed[at];
        let from = group.start + chance.index(group.len());
        let file = self.segments.get_mut(number).expect("it was chosen");
        let before = Buffer::clone(&file.bytes);
        match kind {
            HarmKind::Truncated => file.bytes.resize(from, 0),
            // A group ends in zeros.
            _ if before[from..group.end].iter().all(|byte| *byte == 0) => return None,
            _ => file.bytes[from..].fill(0),
        }
        Some(Harm { kind, file: segment_name(*number), within: None, undo: Undo::Bytes(*number, before) })
    }
}
