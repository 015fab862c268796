//! Folds of sealed segments and merges of files of the history, step by step: what is begun is worked out at once, and comes to
//! the disk in the server's order.

use std::convert::Infallible;
use std::rc::Rc;

use journal::segment::SegmentHeader;
use journal::snapshot::{SnapshotHeader, SnapshotReader};
use journal::{Buffer, Point, SegmentSource};
use limits::JOURNAL_BLOCK_BYTES;
use recovery::{ColdRound, FoldError, Folded, SealedSegment, SegmentBytes};
use testkit::workload::Chance;
use wallet::image::{AccountImage, RoundImage};
use wallet::{Sequence, Wallet};

use super::super::whole::{difference, wholes};
use super::shelf::{Change, Choice, Shelf};
use super::{Bytes, Disk, segment_name, snapshot_name};
use recovery::slots_of;

/// A step of a fold or a merge.
#[derive(Debug)]
pub(super) enum WorkStep {
    /// A file of the history is written whole.
    WriteFile(String, Rc<Vec<u8>>),
    /// The list takes the place of the one before.
    WriteList(Vec<u8>),
    /// The new snapshot gets its name.
    WriteSnapshot(Sequence, Vec<u8>),
    /// The shard is told of the files.
    Tell,
    /// Older snapshots go.
    RemoveSnapshots(Sequence),
    /// Files go that the list does not name.
    RemoveFiles,
    /// A segment goes that was folded.
    RemoveSegment(u32),
}

impl Disk {
    /// Begins to fold sealed segments into a snapshot: the first ones, at most so many. `false` where there are none, or a fold
    /// is under way.
    ///
    /// # Errors
    /// A sentence, where they can't be folded.
    pub(in crate::simulate) fn begin_fold(&mut self, most: usize) -> Result<bool, String> {
        if !self.work.is_empty() {
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
        let create = |_: &SnapshotHeader| Ok(Vec::new());
        let mut cold = Vec::new();
        let keep = |rounds: Vec<ColdRound>| {
            cold.extend(rounds);
            Ok(())
        };
        let folded = recovery::fold(self.origin, self.snapshot(), &segments, until, create, keep, || ());
        let Folded { header, cold_until_ms, sink: snapshot, .. } = folded.map_err(|error| match error {
            FoldError::Recovery(error) => format!("A fold can't read what was written: {error}."),
            FoldError::Snapshot(error) => format!("A fold can't write: {error:?}."),
        })?;
        let covers = header.covers.sequence;
        let change = self.shelf.fold(self.origin, cold, covers, cold_until_ms)?;
        if self.holds_against_replay {
            self.compare(&header, &snapshot, &sealed, &change)?;
        }
        self.change(change);
        self.work.extend([
            WorkStep::Tell,
            WorkStep::WriteSnapshot(covers, snapshot),
            WorkStep::RemoveSnapshots(covers),
            WorkStep::RemoveFiles,
        ]);
        self.work.extend(sealed.into_iter().map(WorkStep::RemoveSegment));
        Ok(true)
    }

    fn change(&mut self, Change { file, list }: Change) {
        self.work.extend(file.map(|(name, bytes)| WorkStep::WriteFile(name, bytes)));
        self.work.push_back(WorkStep::WriteList(list));
    }

    /// Begins to merge files of the history, or to let those go of which everything is forgotten. `false` where there are none,
    /// or something else is under way.
    ///
    /// # Errors
    /// A sentence, where they can't be merged.
    pub(in crate::simulate) fn begin_merge(&mut self, chance: &mut Chance) -> Result<bool, String> {
        self.begin_change(|files| Choice::any(files, chance))
    }

    /// The same, as `choose` says of so many files.
    ///
    /// # Errors
    /// A sentence, where they can't be merged.
    pub(in crate::simulate) fn begin_change(
        &mut self,
        choose: impl FnOnce(usize) -> Choice,
    ) -> Result<bool, String> {
        if !self.work.is_empty() {
            return Ok(false);
        }
        // By what is stored: settings that are not may yet be lost.
        let Some((name, source)) = self.snapshot() else { return Ok(false) };
        let reader = SnapshotReader::open(&name, source, self.origin);
        let reader = reader.map_err(|error| format!("A merge can't read the snapshot: {error:?}."))?;
        let (now_ms, settings) = (reader.header().now_ms, reader.settings().clone());
        let is_forgotten = |round: &RoundImage| round.is_forgotten(now_ms, &settings);
        let (slots, until_ms) = (slots_of(self.origin), settings.forgotten_until(now_ms));
        let change = self.shelf.merge(self.origin, &slots, choose, is_forgotten, until_ms)?;
        let Some(change) = change else { return Ok(false) };
        self.change(change);
        self.work.extend([WorkStep::Tell, WorkStep::RemoveFiles]);
        Ok(true)
    }

    /// Whether a fold's snapshot and history have what a replay makes of the same segments, with the history before.
    fn compare(
        &self,
        header: &SnapshotHeader,
        snapshot: &[u8],
        sealed: &[u32],
        change: &Change,
    ) -> Result<(), String> {
        let replayed = self.replay(self.snapshot(), sealed)?;
        let refolded = self.replay(Some((snapshot_name(header.covers.sequence), Bytes(snapshot))), &[])?;
        if refolded.settings() != replayed.settings() {
            let (is, should) = (refolded.settings(), replayed.settings());
            return Err(format!("A fold has stored {is:?}, where a replay has {should:?}."));
        }
        let of = |wallet: &Wallet, shelf: &Shelf| {
            let opened = shelf.open(&slots_of(self.origin));
            let opened = opened.map_err(|damage| format!("A fold can't open the history: {damage}."))?;
            Ok::<_, String>(wholes([(wallet, opened.as_ref())].into_iter(), header.now_ms))
        };
        let (should, is) = (of(&replayed, &self.shelf)?, of(&refolded, &change.of(&self.shelf))?);
        if let Some(difference) = difference(&should, &is) {
            return Err(format!(
                "A fold at {} has made otherwise than a replay: {difference}",
                header.now_ms
            ));
        }
        let stays = |image: &AccountImage| {
            image.rounds.iter().any(|round| round.is_cold(header.now_ms, refolded.settings()))
        };
        match is.values().find(|whole| stays(&whole.image)) {
            Some(whole) => Err(format!("A fold has left rounds in memory that are cold: {:?}.", whole.image)),
            None => Ok(()),
        }
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
    pub(in crate::simulate) fn lose_an_end(&mut self) {
        let (_, first) = self.segments.iter_mut().next().expect("there is one");
        let used = first.bytes.iter().rposition(|byte| *byte != 0).expect("something is in it");
        let from = used / JOURNAL_BLOCK_BYTES * JOURNAL_BLOCK_BYTES;
        first.bytes[from..=used].fill(0);
    }

    fn sealed(&self, number: u32) -> SealedSegment<Sealed<'_>> {
        SealedSegment { number, name: segment_name(number), bytes: Sealed(&self.segments[&number].bytes) }
    }

    /// Takes all steps that are left.
    ///
    /// # Errors
    /// A sentence, where what was written can't be read.
    pub(in crate::simulate) fn finish_work(&mut self) -> Result<(), String> {
        while !self.work.is_empty() {
            self.step_work()?;
        }
        Ok(())
    }

    /// Takes the next step of a fold or a merge. Each is done when the next one begins.
    ///
    /// # Errors
    /// A sentence, where what was written can't be read.
    pub(in crate::simulate) fn step_work(&mut self) -> Result<(), String> {
        match self.work.pop_front() {
            None => {}
            Some(WorkStep::WriteFile(name, bytes)) => drop(self.shelf.files.insert(name, bytes)),
            Some(WorkStep::WriteList(list)) => self.shelf.list = Some(list),
            Some(WorkStep::WriteSnapshot(covers, bytes)) => drop(self.snapshots.insert(covers, bytes)),
            Some(WorkStep::Tell) => {
                self.tell_again().map_err(|damage| format!("What was written can't be opened: {damage}."))?;
            }
            Some(WorkStep::RemoveSnapshots(before)) => self.snapshots = self.snapshots.split_off(&before),
            Some(WorkStep::RemoveFiles) => self.shelf.remove_leftovers(),
            Some(WorkStep::RemoveSegment(number)) => drop(self.segments.remove(&number)),
        }
        Ok(())
    }
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
