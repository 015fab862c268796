//! A data directory as somebody sees it who does not hold it: opened to be read, while a server may write to it.
//!
//! A server folds segments meanwhile: it gives the new snapshot its name, and removes what that makes superfluous. So
//! all files of a shard are opened before any is read, since an open file outlives its name; and what moved between
//! the listing and the opening is listed again.
//!
//! A segment that is written is read from its end to its beginning. A group is not begun before the one before it is
//! durable, so whatever is seen of a group, those before it are whole when they are read after it; and what is torn is
//! the last.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::directory::ShardDirectory;
use super::file::{self, FileError, OpenFile};
use super::generations;
use super::history::{self, HistoryName};
use super::manifest::Manifest;
use ::history::{FileEntry, FileList};
use journal::reader::ReadError;
use journal::{Buffer, Damage, Place};

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
    pub snapshot: Option<OpenFile>,
    /// The rounds that have left memory, where it has a list of them.
    pub past: Option<OpenedPast>,
    /// The snapshots before it, in order: what was folded since they were made waits to be archived.
    pub older: Vec<OpenFile>,
    /// The segments, in the order of their numbers.
    pub segments: Vec<OpenedSegment>,
}

/// Rounds of a shard that have left memory: what their list said, and the files that it names, opened. What is in them was not
/// looked at.
#[derive(Debug)]
pub struct OpenedPast {
    list: Result<FileList, Damage>,
    /// In the order of the list.
    files: Vec<PastFile>,
}

/// A file that the list names.
#[derive(Debug)]
struct PastFile {
    path: PathBuf,
    /// `None` where there is none.
    file: Option<OpenFile>,
}

/// A segment that is open to be read.
#[derive(Debug)]
pub struct OpenedSegment {
    /// Its number.
    pub number: u32,
    /// Its file.
    pub file: OpenFile,
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

/// The same with this manifest, of a directory that is being made and has none yet.
///
/// # Errors
/// As [`open`].
pub fn open_as(path: &Path, manifest: &Manifest) -> Result<Opened, FileError> {
    open_all(path, manifest)
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

/// A file of those that make up a shard.
#[derive(Clone, Copy, Debug)]
pub enum ShardFile<'a> {
    /// Whoever has written it was done with it when it got its name.
    Immutable(&'a OpenFile),
    /// It takes groups, or did.
    Segment(&'a OpenedSegment),
}

impl OpenedShard {
    /// The files that make up the shard, beside its mark and the list of its history, in the order in which they were opened: what is known to be durable comes
    /// before what says so. All of them; or those that the newest snapshot needs, which this segment follows.
    pub fn files(&self, first_needed: Option<u32>) -> impl Iterator<Item = ShardFile<'_>> {
        let older = self.older.iter().filter(move |_| first_needed.is_none());
        let past = self.past.iter().flat_map(|past| &past.files).filter_map(|file| file.file.as_ref());
        let immutable = older.chain(&self.snapshot).chain(past).map(ShardFile::Immutable);
        let is_needed =
            move |segment: &&OpenedSegment| first_needed.is_none_or(|first| segment.number >= first);
        immutable.chain(self.segments.iter().filter(is_needed).map(ShardFile::Segment))
    }

    /// The time in the newest group that is there, whole or not, as `begins` reads it where a block is a group's first; `None` where
    /// there is none.
    ///
    /// # Errors
    /// Where a segment can't be read.
    pub fn newest(&self, begins: impl Fn(&[u8]) -> Option<u64>) -> Result<Option<u64>, FileError> {
        for segment in self.segments.iter().rev() {
            if let Some(found) = segment.newest(&begins)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    fn open(directory: ShardDirectory, has_mark: bool) -> Result<Self, FileError> {
        // It comes first: what it says is durable is in the files that are opened after it.
        let mark = if has_mark { Some(directory.read_mark()?) } else { None };
        let mut snapshots = directory.snapshots()?;
        let newest = snapshots.pop();
        let older = snapshots.into_iter().map(|sequence| OpenFile::open(directory.snapshot(sequence)));
        let older = older.collect::<Result<Vec<_>, FileError>>()?;
        let snapshot = newest.map(|sequence| OpenFile::open(directory.snapshot(sequence))).transpose()?;
        // After the snapshot, so that what has left that is in the files. Before the segments, so that all is in those that the
        // files have of a later time.
        let past = OpenedPast::open(&directory)?;
        let numbers = directory.segments()?;
        let open = |number: u32| {
            let file = OpenFile::open(directory.segment(number))?;
            Ok(OpenedSegment { number, file, stage: SegmentStage::Sealed })
        };
        let mut segments = numbers.into_iter().map(open).collect::<Result<Vec<_>, FileError>>()?;
        // Segments go after the snapshot that covers them has its name: while that is the same, all that it does not cover are
        // there.
        if directory.snapshots()?.pop() != newest {
            return Err(moving(&directory));
        }
        // The last comes first: one before a segment that has begun takes no more.
        for segment in segments.iter_mut().rev() {
            if segment.has_begun()? {
                segment.stage = SegmentStage::Last;
                break;
            }
            segment.stage = SegmentStage::Unused;
        }
        Ok(Self { directory, mark, snapshot, older, past, segments })
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
        let past = self.past.iter().flat_map(|past| &past.files).filter_map(|file| file.file.as_ref());
        self.snapshot.iter().chain(past).map(|file| file.bytes).chain(segments).sum()
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

fn moving(directory: &ShardDirectory) -> FileError {
    let error = io::Error::new(ErrorKind::NotFound, "its files move while they are opened");
    FileError::of("read", directory.path())(error)
}

impl OpenedPast {
    /// Opens what the list names; `None` where there is no list. Before a server removes a file another list is there.
    fn open(directory: &ShardDirectory) -> Result<Option<Self>, FileError> {
        let read = || match directory.read_history_list() {
            Err(ReadError::Damage(damage)) => Ok(Some(Err(damage))),
            Err(ReadError::Caller(error)) => Err(error),
            Ok(list) => Ok(list.map(Ok)),
        };
        let mut found = read()?;
        for _ in 0..limits::READER_OPEN_TRIES {
            let Some(list) = found else { return Ok(None) };
            let entries = list.as_ref().map_or(&[][..], |list| &list.files);
            let files = entries.iter().map(|entry| PastFile::open(directory, entry));
            let files = files.collect::<Result<Vec<_>, _>>()?;
            if files.iter().all(|file| file.file.is_some()) {
                return Ok(Some(Self { list, files }));
            }
            found = read()?;
            if found.as_ref() == Some(&list) {
                return Ok(Some(Self { list, files }));
            }
        }
        Err(moving(directory))
    }

    /// What the list says.
    ///
    /// # Errors
    /// Where it is damaged.
    pub fn list(&self) -> Result<&FileList, Damage> {
        self.list.as_ref().map_err(Damage::clone)
    }

    /// The files that it names, in its order.
    ///
    /// # Errors
    /// Of each, where it is missing.
    pub fn files(&self) -> impl Iterator<Item = Result<(&FileEntry, &OpenFile), FileError>> {
        let entries = self.list.iter().flat_map(|list| &list.files);
        entries.zip(&self.files).map(|(entry, PastFile { path, file })| match file {
            Some(file) => Ok((entry, file)),
            None => Err(history::missing_file(path)),
        })
    }
}

impl PastFile {
    fn open(directory: &ShardDirectory, entry: &FileEntry) -> Result<Self, FileError> {
        let path = directory.history_file(HistoryName::of_entry(entry));
        let file = match OpenFile::open(path.clone()) {
            Err(error) if error.error.kind() == ErrorKind::NotFound => None,
            opened => Some(opened?),
        };
        Ok(Self { path, file })
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

    /// Whether a later one had begun when it was opened: it is what it will always be.
    pub fn is_sealed(&self) -> bool {
        self.stage == SegmentStage::Sealed
    }

    /// As [`OpenedShard::newest`]. What is used of a segment is at its beginning.
    fn newest(&self, begins: &impl Fn(&[u8]) -> Option<u64>) -> Result<Option<u64>, FileError> {
        const BLOCK: u64 = limits::JOURNAL_BLOCK_BYTES as u64;
        let (mut used, mut unused) = (0, self.file.bytes / BLOCK);
        while unused - used > 1 {
            let between = used.midpoint(unused);
            if self.file.has_something_at(between * BLOCK)? { used = between } else { unused = between }
        }
        let mut block = [0; BLOCK as usize];
        // The first has the segment's header.
        for at in (1..=used).rev() {
            self.file.fill(&mut block, (at * BLOCK) as usize)?;
            if let Some(found) = begins(&block) {
                return Ok(Some(found));
            }
        }
        Ok(None)
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

impl OpenFile {
    fn fill(&self, room: &mut [u8], at: usize) -> Result<(), FileError> {
        self.read_exactly_at(at as u64, room)
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
mod tests;
