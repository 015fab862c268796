//! The files of one shard, as the bytes that recovery asks for.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use super::ReadProgress;
use journal::segment::SegmentHeader;
use journal::snapshot::{SnapshotReader, Source};
use journal::{Buffer, Damage, Mark, Origin, Point, SegmentSource};
use recovery::{Recovered, SealedSegment, SegmentBytes, SnapshotSource};
use storage::directory::{DataDirectory, ShardDirectory};
use storage::generations::missing_segment;
use storage::manifest::Manifest;
use storage::{FileError, OpenFile, SnapshotFile};

/// A shard's files, and whose they are.
#[derive(Clone, Debug)]
pub struct ShardFiles {
    /// Where they are.
    pub directory: ShardDirectory,
    /// Whose they are.
    pub origin: Origin,
}

impl ShardFiles {
    /// The files of a shard of the generation that the manifest names.
    pub fn of(directory: &DataDirectory, manifest: Manifest, shard: u16) -> Self {
        let origin = Origin { stream: manifest.stream, shard, shards: manifest.shards };
        Self { directory: directory.shard(manifest.generation, shard), origin }
    }

    /// The newest snapshot, opened; `None` where there is none.
    ///
    /// # Errors
    /// What the file system says.
    pub fn snapshot(&self) -> Result<Option<SnapshotSource<SnapshotFile>>, FileError> {
        let Some(sequence) = self.directory.snapshots()?.pop() else { return Ok(None) };
        self.snapshot_of(sequence).map(Some)
    }

    /// The snapshot that covers the records up to `sequence`, opened.
    pub(super) fn snapshot_of(&self, sequence: u64) -> Result<SnapshotSource<SnapshotFile>, FileError> {
        let file = self.directory.read_snapshot(sequence)?;
        Ok((self.directory.snapshot(sequence).display().to_string(), file))
    }

    /// What the oldest snapshot covers whose next segment is still there, so that a reading can begin with it; the newest one's where
    /// none before it is so. `None` where there is no snapshot.
    ///
    /// # Errors
    /// What the files say.
    pub(super) fn beginning(&self) -> Result<Option<u64>, recovery::Error<FileError>> {
        let mut snapshots = self.directory.snapshots().map_err(recovery::Error::Caller)?;
        let Some(newest) = snapshots.pop() else { return Ok(None) };
        let first = self.directory.segments().map_err(recovery::Error::Caller)?.first().copied();
        for covers in snapshots {
            let (name, source) = self.snapshot_of(covers).map_err(recovery::Error::Caller)?;
            let header = SnapshotReader::header_of(&name, source, self.origin)?;
            if first.is_some_and(|first| header.next_segment >= first) {
                return Ok(Some(covers));
            }
        }
        Ok(Some(newest))
    }

    /// What the shard's mark says, and its count.
    ///
    /// # Errors
    /// Where it can't be read, or is damaged.
    pub fn mark(&self) -> Result<(Mark, u64), recovery::Error<FileError>> {
        let bytes = self.directory.read_mark().map_err(recovery::Error::Caller)?;
        let name = self.directory.mark().display().to_string();
        Mark::read(&name, &bytes, self.origin).map_err(recovery::Error::Damage)
    }

    /// Bytes of its newest snapshot and of its segments, as far as they can be told.
    pub(super) fn bytes(&self) -> u64 {
        let snapshot = self.directory.snapshots().ok().and_then(|mut sequences| sequences.pop());
        let snapshot = snapshot.map(|sequence| self.directory.snapshot(sequence));
        let segments = self.directory.segments().unwrap_or_default().len() as u64;
        let bytes = snapshot.and_then(|path| path.metadata().ok()).map_or(0, |found| found.len());
        bytes + segments * limits::SEGMENT_BYTES as u64
    }

    /// Recovers the shard, whose mark says this; `None` in data of format version 1, which have no marks. `progress` is told
    /// how much of it was read and applied. Segments that the snapshot covers wait for the archive alone, and are not read.
    ///
    /// # Errors
    /// What is missing, or damaged, or does not come out as it did.
    pub fn recover(
        &self,
        mark: Option<Mark>,
        progress: &ReadProgress,
    ) -> Result<Recovered, recovery::Error<FileError>> {
        let caller = recovery::Error::Caller;
        let mut numbers = self.directory.segments().map_err(caller)?;
        if let Some((name, source)) = self.snapshot().map_err(caller)? {
            let header = SnapshotReader::header_of(&name, source, self.origin)?;
            if let Some(number) = header.known(mark).missing(&numbers) {
                return Err(caller(missing_segment(&self.directory, number)));
            }
            let (covered, others) = recovery::covered(Some(&header), &numbers);
            // Nothing of them is to be read.
            progress.add(covered.len() as u64 * limits::SEGMENT_BYTES as u64);
            numbers = others.to_vec();
        }
        let snapshot = self.snapshot().map_err(caller)?;
        let snapshot = snapshot.map(|(name, source)| (name, Counted { source, progress }));
        let length = limits::SEGMENT_BYTES as u64;
        let segments = numbers.into_iter().enumerate().map(|(before, number)| SegmentSource {
            number,
            name: self.directory.segment(number).display().to_string(),
            read: move |room| {
                // The one before it is applied by now.
                progress.add(if before == 0 { 0 } else { length });
                self.directory.read_segment(number, length, room)
            },
        });
        let last = if segments.len() == 0 { 0 } else { length };
        let recovered = recovery::recover(self.origin, snapshot, segments, mark)?;
        progress.add(last);
        Ok(recovered)
    }

    /// These segments, to be folded.
    pub(super) fn sealed(&self, numbers: &[u32]) -> Vec<SealedSegment<SegmentFile>> {
        let open = Rc::new(OpenSegments { directory: self.directory.clone(), files: RefCell::default() });
        let segment = |number: &u32| SealedSegment {
            number: *number,
            name: self.directory.segment(*number).display().to_string(),
            bytes: SegmentFile { number: *number, open: Rc::clone(&open) },
        };
        numbers.iter().map(segment).collect()
    }

    /// What lies before the first record of a segment that has begun, as its header says.
    pub(super) fn before(&self, number: u32) -> Result<Point, recovery::Error<FileError>> {
        let mut block = [0; limits::JOURNAL_BLOCK_BYTES];
        let file = self.directory.open_segment(number).map_err(recovery::Error::Caller)?;
        file.read_at(0, &mut block).map_err(recovery::Error::Caller)?;
        let header = SegmentHeader::read(&block).map_err(|fault| {
            let file = self.directory.segment(number).display().to_string();
            recovery::Error::Damage(Damage { file, offset: 0, fault })
        })?;
        Ok(header.before)
    }
}

/// A segment that is folded.
#[derive(Debug)]
pub(super) struct SegmentFile {
    number: u32,
    open: Rc<OpenSegments>,
}

/// The segments of a fold, a few of which are open.
#[derive(Debug)]
struct OpenSegments {
    directory: ShardDirectory,
    files: RefCell<VecDeque<(u32, OpenFile)>>,
}

impl OpenSegments {
    fn with<T>(
        &self,
        number: u32,
        read: impl FnOnce(&OpenFile) -> Result<T, FileError>,
    ) -> Result<T, FileError> {
        let mut files = self.files.borrow_mut();
        let at = match files.iter().position(|(open, _)| *open == number) {
            Some(at) => at,
            None => {
                files.truncate(limits::FOLD_OPEN_SEGMENTS - 1);
                files.push_front((number, self.directory.open_segment(number)?));
                0
            }
        };
        read(&files[at].1)
    }
}

impl SegmentBytes for SegmentFile {
    type Error = FileError;

    fn all(&self, room: Buffer) -> Result<Buffer, FileError> {
        self.open.directory.read_segment_beside_groups(self.number, limits::SEGMENT_BYTES as u64, room)
    }

    fn part(&self, offset: u64, room: &mut [u8]) -> Result<usize, FileError> {
        self.open.with(self.number, |file| file.read_at(offset, room))
    }
}

/// A snapshot that is read, with its bytes counted.
struct Counted<'a> {
    source: SnapshotFile,
    progress: &'a ReadProgress,
}

impl Source for Counted<'_> {
    type Error = FileError;

    fn read(&mut self, room: &mut [u8]) -> Result<usize, FileError> {
        let read = self.source.read(room)?;
        self.progress.add(read as u64);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each record of a slot may be in another segment than the one before it.
    #[test]
    fn a_fold_has_few_segments_open_and_reads_them_all() {
        let place = tempfile::tempdir().expect("a temporary directory");
        let directory = DataDirectory::lock(place.path()).expect("nobody holds it").shard(1, 0);
        std::fs::create_dir_all(directory.segment(1).parent().expect("it has one")).expect("there is room");
        let numbers: Vec<u32> = (1..=3 * limits::FOLD_OPEN_SEGMENTS as u32).collect();
        for number in &numbers {
            std::fs::write(directory.segment(*number), number.to_le_bytes()).expect("there is room");
        }
        let files = ShardFiles { directory, origin: Origin { stream: 1, shard: 0, shards: 1 } };
        let segments = files.sealed(&numbers);
        for segment in segments.iter().chain(segments.iter().rev()) {
            let mut room = [0; 8];
            assert_eq!(segment.bytes.part(0, &mut room).expect("it is there"), 4);
            assert_eq!(room[..4], segment.number.to_le_bytes());
            assert!(segment.bytes.open.files.borrow().len() <= limits::FOLD_OPEN_SEGMENTS);
        }
    }
}
