//! A virtual disk for each shard: segments and snapshots as bytes, and what a crash may do to them.
//!
//! A group goes where `storage` puts it. What is synced is on the platter; of a write that is under way when a crash
//! comes, any of its blocks may be there, and one of them in part: blocks tear between sectors. `harm` is what happens to
//! a disk that is not to be trusted.

pub(super) mod harm;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::ops::Range;

use journal::mark::{Mark, Start};
use journal::segment::SegmentHeader;
use journal::snapshot::{Sink, SnapshotHeader, SnapshotReader, Source};
use journal::{Buffer, Group, Origin, Place, Point, SegmentSource, Tail};
use limits::JOURNAL_BLOCK_BYTES;
use recovery::{Error, FoldError, Recovered, SealedSegment, SegmentBytes};
use testkit::workload::Chance;
use wallet::{Sequence, Wallet};

use super::cluster::images;

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

/// A fold of sealed segments, step by step.
#[derive(Debug)]
struct Fold {
    covers: Sequence,
    /// The new snapshot, until it has its name.
    unfinished: Option<Vec<u8>>,
    /// Older snapshots are still there.
    superseded: bool,
    /// Segments that are to be removed, the last of them first.
    covered: Vec<u32>,
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
    fold: Option<Fold>,
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
            fold: None,
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
        self.fold = None;
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

    /// Begins to fold sealed segments into a snapshot: the first ones, at most so many. `false` where there are none, or a fold
    /// is under way.
    ///
    /// # Errors
    /// A sentence, where they can't be folded.
    pub(super) fn begin_fold(&mut self, most: usize) -> Result<bool, String> {
        if self.fold.is_some() {
            return Ok(false);
        }
        // One that has not begun does not say where the one before it ends.
        let current = if self.next.offset == 0 { self.next.segment - 1 } else { self.next.segment };
        let sealed: Vec<u32> = self.segments.range(..current).map(|(number, _)| *number).collect();
        let header =
            self.snapshot().map(|(name, source)| SnapshotReader::header_of(&name, source, self.origin));
        let header =
            header.transpose().map_err(|error| format!("A fold can't read the snapshot: {error:?}."))?;
        let (covered, waiting) = recovery::covered(header.as_ref(), &sealed);
        covered.iter().for_each(|number| drop(self.segments.remove(number)));
        let sealed: Vec<u32> = waiting.iter().take(most).copied().collect();
        if sealed.is_empty() {
            return Ok(false);
        }
        let segments: Vec<SealedSegment<Sealed<'_>>> =
            sealed.iter().map(|number| self.sealed(*number)).collect();
        let until = self.before(sealed.last().copied().unwrap_or_default() + 1)?;
        let create = |_: &SnapshotHeader| Ok(Written(Vec::new()));
        let folded = recovery::fold(self.origin, self.snapshot(), &segments, until, create, || ());
        let (header, Written(snapshot)) = folded.map_err(|error| match error {
            FoldError::Recovery(error) => format!("A fold can't read what was written: {error}."),
            FoldError::Snapshot(error) => format!("A fold can't write: {error:?}."),
        })?;
        let replayed = self.replay(self.snapshot(), &sealed)?;
        let refolded = self.replay(Some((snapshot_name(header.covers.sequence), Bytes(&snapshot))), &[])?;
        let of = |wallet: &Wallet| images([wallet].into_iter(), header.now_ms);
        let (is, should) = (of(&refolded), of(&replayed));
        if refolded.settings() != replayed.settings() || is != should {
            let id = should.iter().find(|(id, image)| is.get(*id) != Some(image)).map(|(id, _)| id.clone());
            let id = id.unwrap_or_default();
            return Err(format!(
                "A fold has made of\n  {:?}\n  (replayed)\n  {:?}\n  at {}, with {:?} of {:?}.",
                should.get(&id),
                is.get(&id),
                header.now_ms,
                refolded.settings(),
                replayed.settings()
            ));
        }
        let covered = sealed.into_iter().rev().collect();
        let covers = header.covers.sequence;
        self.fold = Some(Fold { covers, unfinished: Some(snapshot), superseded: true, covered });
        Ok(true)
    }

    /// The wallet of a snapshot and these segments after it.
    fn replay(&self, snapshot: Option<(String, Bytes<'_>)>, segments: &[u32]) -> Result<Wallet, String> {
        let segments = segments.iter().map(|number| SegmentSource {
            number: *number,
            name: segment_name(*number),
            read: |_| Ok(Buffer::clone(&self.segments[number].bytes)),
        });
        let recovered = recovery::recover(self.origin, snapshot, segments, None);
        recovered.map(|recovered| recovered.wallet).map_err(|error| format!("A fold can't be read: {error}."))
    }

    /// What lies before the first record of a segment that has begun.
    fn before(&self, number: u32) -> Result<Point, String> {
        let header = SegmentHeader::read(&self.segments[&number].bytes[..JOURNAL_BLOCK_BYTES]);
        header.map(|header| header.before).map_err(|fault| format!("A fold can't read a header: {fault:?}."))
    }

    /// Zeros the last block that is in use of the first sealed segment.
    #[cfg(test)]
    pub(super) fn lose_an_end(&mut self) {
        let (_, first) = self.segments.iter_mut().next().expect("there is one");
        let used = first.bytes.iter().rposition(|byte| *byte != 0).expect("something is in it");
        let from = used / JOURNAL_BLOCK_BYTES * JOURNAL_BLOCK_BYTES;
        first.bytes[from..=used].fill(0);
    }

    fn sealed(&self, number: u32) -> SealedSegment<Sealed<'_>> {
        SealedSegment { number, name: segment_name(number), bytes: Sealed(&self.segments[&number].bytes) }
    }

    /// Takes the next step of a fold: the snapshot gets its name, older ones go, covered segments go one by one.
    pub(super) fn step_fold(&mut self) {
        let Some(fold) = &mut self.fold else { return };
        if let Some(snapshot) = fold.unfinished.take() {
            self.snapshots.insert(fold.covers, snapshot);
        } else if std::mem::take(&mut fold.superseded) {
            self.snapshots = self.snapshots.split_off(&fold.covers);
        } else if let Some(number) = fold.covered.pop() {
            self.segments.remove(&number);
        } else {
            self.fold = None;
        }
    }
}

fn segment_name(number: u32) -> String {
    format!("segment-{number}")
}

fn snapshot_name(covers: Sequence) -> String {
    format!("snapshot-{covers}")
}

/// The bytes of a segment that is folded.
struct Sealed<'a>(&'a Buffer);

impl SegmentBytes for Sealed<'_> {
    type Error = Infallible;

    fn all(&self, _: Buffer) -> Result<Buffer, Infallible> {
        Ok(self.0.clone())
    }

    fn part(&self, offset: u64, room: &mut [u8]) -> Result<usize, Infallible> {
        let rest = &self.0[offset as usize..];
        let read = rest.len().min(room.len());
        room[..read].copy_from_slice(&rest[..read]);
        Ok(read)
    }
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

/// The bytes of a snapshot as it is written.
pub(super) struct Written(pub(super) Vec<u8>);

impl Sink for Written {
    type Error = Infallible;

    fn write(&mut self, bytes: &[u8]) -> Result<(), Infallible> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}
