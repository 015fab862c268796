//! A data directory as somebody sees it who does not hold it: opened to be read, while a server may write to it.
//!
//! A server folds segments meanwhile: it gives the new snapshot its name, and removes what that makes superfluous. So
//! all files of a shard are opened before any is read, since an open file outlives its name; and what moved between
//! the listing and the opening is listed again.
//!
//! A segment that is written is read from its end to its beginning. A group is not begun before the one before it is
//! durable, so whatever is seen of a group, those before it are whole when they are read after it; and what is torn is
//! the last.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use super::directory::ShardDirectory;
use super::file::{self, FileError};
use super::generations;
use super::manifest::Manifest;
use journal::{Buffer, Place};

/// A data directory, opened to be read.
#[derive(Debug)]
pub struct Opened {
    /// Where it is.
    pub path: PathBuf,
    /// What it holds.
    pub manifest: Manifest,
    /// Its shards, in order.
    pub shards: Vec<OpenedShard>,
    /// Earlier generations that are not known to be superseded.
    pub left: Vec<u64>,
}

/// The files of a shard, opened.
#[derive(Debug)]
pub struct OpenedShard {
    /// Where they are.
    pub directory: ShardDirectory,
    /// The mark as it was before the other files were opened; `None` in data of format version 1.
    pub mark: Option<Buffer>,
    /// The newest snapshot, where there is one.
    pub snapshot: Option<OpenedFile>,
    /// The snapshots before it, in order: what was folded since they were made waits to be archived.
    pub older: Vec<OpenedFile>,
    /// The segments, in the order of their numbers.
    pub segments: Vec<OpenedSegment>,
}

/// A file that is open to be read.
#[derive(Debug)]
pub struct OpenedFile {
    /// Where it was.
    pub path: PathBuf,
    /// Its length when it was opened.
    pub bytes: u64,
    file: File,
}

/// A segment that is open to be read.
#[derive(Debug)]
pub struct OpenedSegment {
    /// Its number.
    pub number: u32,
    /// Its file.
    pub file: OpenedFile,
    stage: SegmentStage,
}

/// How far a segment had come when it was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SegmentStage {
    /// A later one has begun: it takes no more.
    Sealed,
    /// It takes the next group.
    Last,
    /// It has no header.
    Unused,
}

/// Opens the data directory at `path` without taking hold of it or changing anything; `None` where it has no manifest, or
/// nothing was served from it yet.
///
/// # Errors
/// Where something is missing, or can't be opened; where the manifest is damaged, or files move faster than they are
/// opened.
pub fn open(path: &Path) -> Result<Option<Opened>, FileError> {
    let mut tries = 1;
    loop {
        let Some(manifest) = Manifest::read(path)?.filter(|manifest| manifest.generation > 0) else {
            return Ok(None);
        };
        match open_all(path, &manifest) {
            Ok(opened) => return Ok(Some(opened)),
            // A server may remove what it has folded, or a generation that it has left, between the looks at them.
            Err(error) if tries == limits::READER_OPEN_TRIES => return Err(error),
            Err(_) => tries += 1,
        }
    }
}

fn open_all(path: &Path, manifest: &Manifest) -> Result<Opened, FileError> {
    generations::check_generation(path, manifest)?;
    // A server may have made it since the manifest was read: that names it then, and is read again.
    generations::unfinished_after(path, manifest.generation)?;
    let left = generations::not_superseded(path, manifest.generation)?;
    let shards = (0..manifest.shards).map(|shard| {
        let directory = ShardDirectory::of(path, manifest.generation, shard);
        OpenedShard::open(directory, manifest.has_marks())
    });
    Ok(Opened { path: path.to_owned(), manifest: *manifest, shards: shards.collect::<Result<_, _>>()?, left })
}

impl OpenedShard {
    fn open(directory: ShardDirectory, has_mark: bool) -> Result<Self, FileError> {
        // It comes first: what it says is durable is in the files that are opened after it.
        let mark = if has_mark { Some(directory.read_mark()?) } else { None };
        let mut snapshots = directory.snapshots()?;
        let newest = snapshots.pop();
        let older = snapshots.into_iter().map(|sequence| OpenedFile::open(directory.snapshot(sequence)));
        let older = older.collect::<Result<Vec<_>, FileError>>()?;
        let snapshot = newest.map(|sequence| OpenedFile::open(directory.snapshot(sequence))).transpose()?;
        let numbers = directory.segments()?;
        let open = |number: u32| {
            let file = OpenedFile::open(directory.segment(number))?;
            Ok(OpenedSegment { number, file, stage: SegmentStage::Sealed })
        };
        let mut segments = numbers.into_iter().map(open).collect::<Result<Vec<_>, FileError>>()?;
        // Segments go after the snapshot that covers them has its name: while that is the same, all that it does not cover are
        // there.
        if directory.snapshots()?.pop() != newest {
            let error = io::Error::new(ErrorKind::NotFound, "its files move while they are opened");
            return Err(FileError::of("read", directory.path())(error));
        }
        // The last comes first: one before a segment that has begun takes no more.
        for segment in segments.iter_mut().rev() {
            if segment.has_begun()? {
                segment.stage = SegmentStage::Last;
                break;
            }
            segment.stage = SegmentStage::Unused;
        }
        Ok(Self { directory, mark, snapshot, older, segments })
    }

    /// Opens the shard's files once more: a server has changed what was read of them.
    ///
    /// # Errors
    /// Where one can't be opened.
    pub fn reopen(&self) -> Result<Self, FileError> {
        Self::open(self.directory.clone(), self.mark.is_some())
    }

    /// The numbers of its segments, in order.
    pub fn numbers(&self) -> Vec<u32> {
        self.segments.iter().map(|segment| segment.number).collect()
    }

    /// The length of all its files.
    pub fn bytes(&self) -> u64 {
        let segments = self.segments.iter().map(|segment| segment.file.bytes);
        self.snapshot.iter().map(|file| file.bytes).chain(segments).sum()
    }

    /// Whether something stands at `next`, where its journal ended when it was read: it was written since.
    ///
    /// # Errors
    /// Where it can't be read.
    pub fn has_grown(&self, next: Place) -> Result<bool, FileError> {
        match self.segments.iter().find(|segment| segment.number == next.segment) {
            Some(segment) => segment.file.has_something_at(next.offset),
            None => Ok(self.directory.segment(next.segment).exists()),
        }
    }
}

impl OpenedSegment {
    /// Reads it whole, into `room`. What began after it was opened is not in it.
    ///
    /// # Errors
    /// Where it can't be read, or has not the length of a segment.
    pub fn read(&self, room: Buffer) -> Result<Buffer, FileError> {
        file::check_length(&self.file.path, self.file.bytes, limits::SEGMENT_BYTES as u64)?;
        let mut bytes = room;
        bytes.resize(self.file.bytes as usize, 0);
        match self.stage {
            SegmentStage::Sealed => self.file.fill(&mut bytes, 0)?,
            SegmentStage::Last => self.fill_backwards(&mut bytes)?,
            SegmentStage::Unused => {
                self.fill_backwards(&mut bytes)?;
                let header = bytes.len().min(limits::JOURNAL_BLOCK_BYTES);
                if bytes[..header].iter().any(|byte| *byte != 0) {
                    // It was begun since. Where the segment before it ended by then is not known.
                    bytes.fill(0);
                }
            }
        }
        Ok(bytes)
    }

    fn has_begun(&self) -> Result<bool, FileError> {
        self.file.has_something_at(0)
    }

    /// Reads the blocks from the last to the first. Steps of zeros, which most of a segment is, are read at once.
    fn fill_backwards(&self, bytes: &mut [u8]) -> Result<(), FileError> {
        let zeros = vec![0; limits::FILE_STEP_BYTES];
        let mut end = bytes.len();
        while end > 0 {
            let start = (end - 1) / limits::FILE_STEP_BYTES * limits::FILE_STEP_BYTES;
            let step = &mut bytes[start..end];
            self.file.fill(step, start)?;
            if *step != zeros[..step.len()] {
                let blocks = step.chunks_mut(limits::JOURNAL_BLOCK_BYTES).enumerate();
                for (at, block) in blocks.rev() {
                    self.file.fill(block, start + at * limits::JOURNAL_BLOCK_BYTES)?;
                }
            }
            end = start;
        }
        Ok(())
    }
}

impl OpenedFile {
    fn open(path: PathBuf) -> Result<Self, FileError> {
        let (file, bytes) = file::open(&path)?;
        Ok(Self { path, bytes, file })
    }

    /// Reads some bytes at this offset, and says how many; 0 at the end alone.
    ///
    /// # Errors
    /// Where it can't be read.
    pub fn read_at(&self, room: &mut [u8], at: u64) -> Result<usize, FileError> {
        loop {
            match self.file.read_at(room, at) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                read => return read.map_err(FileError::of("read", &self.path)),
            }
        }
    }

    fn fill(&self, room: &mut [u8], at: usize) -> Result<(), FileError> {
        self.file.read_exact_at(room, at as u64).map_err(FileError::of("read", &self.path))
    }

    /// Whether the block at `offset` is something else than zeros.
    fn has_something_at(&self, offset: u64) -> Result<bool, FileError> {
        let length = self.bytes.saturating_sub(offset).min(limits::JOURNAL_BLOCK_BYTES as u64);
        let mut block = vec![0; length as usize];
        self.fill(&mut block, offset as usize)?;
        Ok(block.iter().any(|byte| *byte != 0))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::directory::DataDirectory;

    const BYTES: u64 = limits::SEGMENT_BYTES as u64;

    /// A data directory of one shard with these segments: the first byte of each, and the last.
    fn directory(segments: &[(u8, u8)]) -> (tempfile::TempDir, ShardDirectory) {
        let dir = tempfile::tempdir().unwrap();
        Manifest::new(1, 7, 1, false).write(dir.path()).unwrap();
        let data = DataDirectory::lock(dir.path()).unwrap();
        data.begin_generation(1).unwrap();
        let shard = data.make_shard(1, 0).unwrap();
        shard.create_mark(b"mark").unwrap();
        shard.create_snapshot(0).unwrap().publish().unwrap();
        for (number, (first, last)) in (1..).zip(segments) {
            write(&shard, number, *first, *last);
        }
        (dir, shard)
    }

    fn write(shard: &ShardDirectory, number: u32, first: u8, last: u8) {
        let options = File::options().write(true).create(true).truncate(false).open(shard.segment(number));
        let file = options.unwrap();
        file.set_len(BYTES).unwrap();
        file.write_all_at(&[first], 0).unwrap();
        file.write_all_at(&[last], BYTES - 1).unwrap();
    }

    /// The first and the last byte of each segment, as they are read.
    fn read(shard: &OpenedShard) -> Vec<(u8, u8)> {
        let read = shard.segments.iter().map(|segment| segment.read(Buffer::new()).unwrap());
        read.map(|bytes| (bytes[0], bytes[BYTES as usize - 1])).collect()
    }

    fn opened(dir: &Path) -> OpenedShard {
        open(dir).unwrap().unwrap().shards.pop().unwrap()
    }

    #[test]
    fn what_began_after_the_opening_is_not_read() {
        let (dir, files) = directory(&[(1, 1), (2, 0), (0, 0), (0, 9)]);
        let shard = opened(dir.path());
        assert_eq!(read(&shard), [(1, 1), (2, 0), (0, 0), (0, 9)], "a torn beginning is told of");
        write(&files, 2, 2, 2);
        write(&files, 3, 3, 3);
        assert_eq!(read(&shard), [(1, 1), (2, 2), (0, 0), (0, 9)]);
        let place = |segment, offset| Place { segment, offset };
        assert!(shard.has_grown(place(3, 0)).unwrap());
        assert!(!shard.has_grown(place(2, limits::JOURNAL_BLOCK_BYTES as u64)).unwrap());
        assert!(!shard.has_grown(place(5, 0)).unwrap());
        write(&files, 5, 5, 5);
        assert!(shard.has_grown(place(5, 0)).unwrap());
    }

    #[test]
    fn what_was_opened_outlives_its_removal() {
        let (dir, files) = directory(&[(1, 1), (2, 2)]);
        let mut first = files.create_snapshot(3).unwrap();
        first.write(b"first").unwrap();
        first.publish().unwrap();
        let shard = opened(dir.path());
        files.create_snapshot(9).unwrap().publish().unwrap();
        files.remove_snapshots_before(9).unwrap();
        files.remove_segments(&[1, 2]).unwrap();
        assert_eq!(read(&shard), [(1, 1), (2, 2)]);
        let mut room = [0; 8];
        assert_eq!(shard.snapshot.unwrap().read_at(&mut room, 0).unwrap(), 5);
        assert_eq!(opened(dir.path()).segments.len(), 0);
    }

    #[test]
    fn what_is_not_there_is_not_made() {
        let dir = tempfile::tempdir().unwrap();
        assert!(open(dir.path()).unwrap().is_none());
        Manifest::new(0, 7, 2, false).write(dir.path()).unwrap();
        assert!(open(dir.path()).unwrap().is_none());
        Manifest::new(4, 7, 2, false).write(dir.path()).unwrap();
        let error = open(dir.path()).unwrap_err().to_string();
        assert!(error.contains("gen-4: it is missing, and the manifest names it"), "{error}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        Manifest::new(4, 7, 0, false).write(dir.path()).unwrap();
        assert!(open(dir.path()).unwrap_err().to_string().contains("it says 0 shards"));
    }

    #[test]
    fn a_segment_that_is_cut_is_not_read() {
        let (dir, files) = directory(&[(1, 1)]);
        File::options().write(true).open(files.segment(1)).unwrap().set_len(BYTES - 1).unwrap();
        let error = opened(dir.path()).segments[0].read(Buffer::new()).unwrap_err().to_string();
        assert!(error.contains("it ends at byte 67108863, and a segment has 67108864 bytes"), "{error}");
    }
}
