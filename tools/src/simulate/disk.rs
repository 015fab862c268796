//! A virtual disk for each shard: segments, snapshots and files of the history as bytes, and what a crash may do to them.
//!
//! A group goes where `storage` puts it. What is synced is on the platter; of a write that is under way when a crash
//! comes, any of its blocks may be there, and one of them in part: blocks tear between sectors. Folds and merges do their steps one
//! by one (`work`), and a crash comes between any two. `shelf` has the files of the history, `harm` is what happens to a disk that is not to
//! be trusted.

pub(super) mod harm;
pub(super) mod shelf;
mod work;

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::ops::Range;
use std::rc::Rc;

use journal::mark::{Mark, Start};
use journal::snapshot::Source;
use journal::{Buffer, Damage, Fault, Group, Origin, Place, Point, SegmentSource, Tail};
use limits::JOURNAL_BLOCK_BYTES;
use recovery::{Error, Recovered};
use testkit::workload::Chance;
use wallet::Sequence;

use recovery::slots_of;
use shelf::{LIST, Opened, Shelf, Told};
use work::WorkStep;

/// What a disk writes whole or not at all.
const SECTOR_BYTES: usize = 512;

/// Sectors of a block.
const SECTORS: usize = JOURNAL_BLOCK_BYTES / SECTOR_BYTES;

/// Of so many groups one leaves the mark behind.
const GROUPS_PER_LATE_MARK: u64 = 3;

/// A segment file.
#[derive(Debug)]
struct Segment {
    bytes: Buffer,
    /// Groups that are there for good.
    groups: Vec<Kept>,
}

/// A group that is there for good.
#[derive(Clone, Debug)]
struct Kept {
    /// Where it is.
    at: Range<usize>,
    /// Its last record.
    last: Sequence,
}

/// A group on its way to the platter.
#[derive(Debug)]
struct Write {
    segment: u32,
    offset: usize,
    /// The segment's header, where the group is its first, and the group.
    bytes: Vec<u8>,
    group: Group,
}

/// The disk of one shard.
#[derive(Debug)]
pub(super) struct Disk {
    origin: Origin,
    segment_bytes: usize,
    segments: BTreeMap<u32, Segment>,
    snapshots: BTreeMap<Sequence, Vec<u8>>,
    /// Where the next group goes, if it fits.
    next: Place,
    /// What is known to be durable, outside of the journal.
    mark: Option<Mark>,
    /// The last record that is durable.
    end: Point,
    write: Option<Write>,
    pub(super) shelf: Shelf,
    /// What is left of a fold or a merge.
    work: VecDeque<WorkStep>,
    told: Told,
    /// What folds make is held against what a replay makes.
    pub(super) holds_against_replay: bool,
}

impl Disk {
    /// An empty disk.
    pub(super) fn new(origin: Origin, segment_bytes: usize) -> Self {
        Self {
            origin,
            segment_bytes,
            segments: BTreeMap::new(),
            snapshots: BTreeMap::new(),
            next: Place { segment: 1, offset: 0 },
            mark: None,
            end: Point::START,
            write: None,
            shelf: Shelf::default(),
            work: VecDeque::new(),
            told: Told::default(),
            holds_against_replay: true,
        }
    }

    /// Whose journal it holds.
    pub(super) const fn origin(&self) -> Origin {
        self.origin
    }

    /// Whether a group is on its way.
    pub(super) const fn is_busy(&self) -> bool {
        self.write.is_some()
    }

    /// Takes a group, to be written where `storage` would write it.
    pub(super) fn begin(&mut self, group: Group) {
        assert!(self.write.is_none(), "one group is under way at a time");
        let header_bytes = |offset: usize| if offset == 0 { JOURNAL_BLOCK_BYTES } else { 0 };
        let mut offset = self.next.offset as usize;
        let length =
            self.segments.get(&self.next.segment).map_or(self.segment_bytes, |file| file.bytes.len());
        if offset + header_bytes(offset) + group.bytes.len() > length && offset > 0 {
            (self.next, offset) = (Place { segment: self.next.segment + 1, offset: 0 }, 0);
        }
        let mut bytes = Vec::with_capacity(header_bytes(offset) + group.bytes.len());
        if offset == 0 {
            bytes.extend_from_slice(&group.segment_header(self.next.segment));
        }
        bytes.extend_from_slice(&group.bytes);
        self.prepare(self.next.segment, offset + bytes.len());
        self.write = Some(Write { segment: self.next.segment, offset, bytes, group });
    }

    /// Whether the write under way begins a segment, which a full disk has no room for.
    pub(super) fn begins_segment(&self) -> bool {
        self.write.as_ref().is_some_and(|write| write.offset == 0)
    }

    /// Makes a segment of zeros, as it is done ahead of its use; a group that is longer than one gets a longer one.
    fn prepare(&mut self, number: u32, at_least: usize) {
        let length = self.segment_bytes.max(at_least);
        let file = self
            .segments
            .entry(number)
            .or_insert_with(|| Segment { bytes: Buffer::new(), groups: Vec::new() });
        if file.bytes.len() < length {
            assert!(file.groups.is_empty(), "a segment that is in use has room");
            file.bytes.resize(length, 0);
        }
    }

    /// Makes the segment after the current one, as the server does early.
    pub(super) fn prepare_next(&mut self) {
        self.prepare(self.next.segment, 0);
        self.prepare(self.next.segment + 1, 0);
    }

    /// The write under way is on the platter, and synced.
    ///
    /// # Panics
    /// Where there is none.
    pub(super) fn complete(&mut self) -> Group {
        let Write { segment, offset, bytes, group } = self.write.take().expect("a write is under way");
        let file = self.segments.get_mut(&segment).expect("it was made");
        let end = offset + bytes.len();
        file.bytes[offset..end].copy_from_slice(&bytes);
        file.groups.push(Kept { at: end - group.bytes.len()..end, last: group.last });
        self.next = Place { segment, offset: end as u64 };
        self.end = group.end();
        // The mark is behind now and then.
        if !group.last.is_multiple_of(GROUPS_PER_LATE_MARK) {
            self.mark = Some(Mark {
                origin: self.origin,
                last: group.end(),
                segment,
                stopped: None,
                start: Start::default(),
            });
        }
        group
    }

    /// The process ends as it should, with everything durable.
    pub(super) fn stop(&mut self) {
        assert!(self.write.is_none(), "everything is durable");
        let segment = self.mark.map_or(0, |mark| mark.segment);
        let used = self.segments.iter().rfind(|(_, file)| !file.groups.is_empty());
        let segment = used.map_or(segment, |(number, _)| *number);
        let stopped = Some(self.segments.last_key_value().map_or(0, |(number, _)| *number));
        self.mark =
            Some(Mark { origin: self.origin, last: self.end, segment, stopped, start: Start::default() });
    }

    /// The power fails: of the write under way, any blocks are there.
    pub(super) fn crash(&mut self, chance: &mut Chance) {
        self.work.clear();
        let Some(Write { segment, offset, bytes, group }) = self.write.take() else { return };
        let file = self.segments.get_mut(&segment).expect("it was made");
        let blocks = bytes.len() / JOURNAL_BLOCK_BYTES;
        let torn = chance.percent(40).then(|| chance.index(blocks));
        let percent = [0, 50, 50, 90][chance.index(4)];
        for block in 0..blocks {
            let whole = chance.percent(percent);
            let prefix = chance.percent(60).then(|| chance.index(SECTORS));
            for sector in 0..SECTORS {
                let kept = match (torn == Some(block), prefix) {
                    (false, _) => whole,
                    (true, Some(prefix)) => sector < prefix,
                    (true, None) => chance.percent(50),
                };
                if kept {
                    let from = (block * SECTORS + sector) * SECTOR_BYTES;
                    let sector = &bytes[from..from + SECTOR_BYTES];
                    file.bytes[offset + from..][..SECTOR_BYTES].copy_from_slice(sector);
                }
            }
        }
        let end = offset + bytes.len();
        if file.bytes[offset..end] == bytes[..] {
            file.groups.push(Kept { at: end - group.bytes.len()..end, last: group.last });
        }
    }

    /// Recovers the shard from what is on the platter.
    ///
    /// # Errors
    /// What is damaged, or does not come out as it did.
    pub(super) fn recover(&self) -> Result<Recovered, Error<Infallible>> {
        let segments = self.segments.iter().map(|(number, file)| SegmentSource {
            number: *number,
            name: segment_name(*number),
            read: |_| Ok(Buffer::clone(&file.bytes)),
        });
        recovery::recover(self.origin, self.snapshot(), segments, self.mark)
    }

    /// Recovers the shard, and reads all of its history.
    ///
    /// # Errors
    /// What is damaged, or does not come out as it did.
    pub(super) fn verify(&self) -> Result<Recovered, Error<Infallible>> {
        let recovered = self.recover()?;
        self.open_history(&recovered)?;
        self.shelf.verify().map_err(Error::Damage)?;
        Ok(recovered)
    }

    /// Opens the history that belongs to what was recovered; `None` where there is none.
    ///
    /// # Errors
    /// What is damaged, or missing.
    pub(super) fn open_history(&self, recovered: &Recovered) -> Result<Option<Opened>, Error<Infallible>> {
        let opened = self.shelf.open(&slots_of(self.origin)).map_err(Error::Damage)?;
        let covers = opened.as_ref().map(|opened| opened.list.covers);
        if recovered.history_covers.is_some_and(|asked| covers.is_none_or(|covers| covers < asked)) {
            let fault = format!("the snapshot covers {}, and the history {covers:?}", recovered.snapshot);
            return Err(Error::Damage(Damage { file: LIST.into(), offset: 0, fault: Fault::Bytes(fault) }));
        }
        Ok(opened)
    }

    /// What the shard is told of its history, from a start on.
    ///
    /// # Errors
    /// What is damaged.
    pub(super) fn tell(&mut self) -> Result<Told, Damage> {
        self.told = Told::default();
        self.tell_again()?;
        Ok(Rc::clone(&self.told))
    }

    fn tell_again(&self) -> Result<(), Damage> {
        let opened = self.shelf.open(&slots_of(self.origin))?;
        let (count, told) = &mut *self.told.borrow_mut();
        (*count, *told) = (*count + 1, opened);
        Ok(())
    }

    fn snapshot(&self) -> Option<(String, Bytes<'_>)> {
        let (covers, bytes) = self.snapshots.last_key_value()?;
        Some((snapshot_name(*covers), Bytes(bytes)))
    }

    /// Goes on where a recovery has found the end, without the write that was torn there.
    pub(super) fn go_on(&mut self, tail: &Tail) {
        (self.next, self.end) = (tail.next, tail.last);
        if let Some(mark) = &mut self.mark {
            mark.stopped = None;
        }
        if let Some(torn) = &tail.torn {
            let file = self.segments.get_mut(&torn.segment).expect("it was read");
            let offset = torn.offset as usize;
            assert!(
                file.groups.last().is_none_or(|group| group.at.end <= offset),
                "what was whole is not cut"
            );
            file.bytes[offset..].fill(0);
        }
    }

    /// The segment that the next group goes to.
    pub(super) const fn next_segment(&self) -> u32 {
        self.next.segment
    }

    /// Takes in a snapshot that was written whole, in place of all before it.
    pub(super) fn publish(&mut self, covers: Point, snapshot: Vec<u8>) {
        self.end = covers;
        self.snapshots.clear();
        self.snapshots.insert(covers.sequence, snapshot);
    }

    /// Bytes of the snapshot.
    pub(super) fn snapshot_bytes(&self) -> u64 {
        self.snapshots.last_key_value().map_or(0, |(_, bytes)| bytes.len() as u64)
    }
}

fn segment_name(number: u32) -> String {
    format!("segment-{number}")
}

fn snapshot_name(covers: Sequence) -> String {
    format!("snapshot-{covers}")
}

/// The bytes of a snapshot that are not read yet.
struct Bytes<'a>(&'a [u8]);

impl Source for Bytes<'_> {
    type Error = Infallible;

    fn read(&mut self, room: &mut [u8]) -> Result<usize, Infallible> {
        let length = room.len().min(self.0.len());
        let (read, rest) = self.0.split_at(length);
        room[..length].copy_from_slice(read);
        self.0 = rest;
        Ok(length)
    }
}
