//! The writing half: where the groups go in the segment files.
//!
//! A group is one direct write, and one `fdatasync` that makes it durable; the ring of the shard's core carries both
//! out. A segment's first write has the segment's header before the group. Segments are zeros to their end before they
//! are used, so that a sync has no metadata to write, and a reader knows the end from a tear.

use std::fs::{File, OpenOptions};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::directory::ShardDirectory;
use super::file::{self, FileError};
pub use super::preparer::Trouble;
use super::preparer::{Begin, Preparer};
use journal::{Group, Place};

/// Where a journal was found to end.
#[derive(Clone, Copy, Debug)]
pub struct JournalEnd {
    /// Where the next group goes.
    pub next: Place,
    /// The segment before that one's, where there is one.
    pub before: Option<u32>,
    /// A write was torn at `next`, and is to be cut.
    pub is_torn: bool,
}

/// The segments of a shard, open at their end. Lives on the shard's core.
#[derive(Debug)]
pub struct Segments {
    directory: ShardDirectory,
    /// The file that is written, and its length in bytes; `None` before the first write.
    file: Option<(File, u64)>,
    number: u32,
    /// The segment that the start went on in.
    first: u32,
    /// Where the next group goes.
    offset: u64,
    /// Bytes of the files that are made.
    segment_bytes: u64,
    preparer: Preparer,
    /// A write was begun and is not known to be durable.
    unsure: bool,
}

/// A write that is to be carried out, and synced.
#[derive(Debug)]
pub struct SegmentWrite<'a> {
    /// The file, open for direct writes.
    pub file: BorrowedFd<'a>,
    /// Where in it, bytes from its beginning.
    pub offset: u64,
    /// What goes before the group's bytes: the segment's header, where this is its first write.
    pub header: Option<Box<[u8; limits::JOURNAL_BLOCK_BYTES]>>,
}

impl Segments {
    /// Goes on where a replay has found the `end`. Before the first write, on a thread beside, a torn write is cut; what
    /// the replay read is made durable, since it may have been written by a process that ended before it was; the segment
    /// is made where it is not there; and `begin` is called. While the disk takes no writes that is tried again, and
    /// [`Segments::trouble`] says why. For the start: it waits until that was done or has failed.
    ///
    /// `segment_bytes` is the length of the segments that are made, usually [`limits::SEGMENT_BYTES`]. `ready` is called
    /// on another thread when a segment is.
    ///
    /// # Errors
    /// Where what was read can't be synced, so that it is not known to be there.
    pub fn open(
        directory: ShardDirectory,
        end: JournalEnd,
        segment_bytes: u64,
        begin: impl FnMut() -> Result<(), FileError> + Send + 'static,
        ready: impl Fn() + Send + 'static,
    ) -> Result<Self, FileError> {
        assert!(
            segment_bytes.is_multiple_of(limits::JOURNAL_BLOCK_BYTES as u64),
            "a segment is whole blocks"
        );
        let preparer = Preparer::start(directory.clone(), segment_bytes, ready)?;
        let Place { segment: number, offset } = end.next;
        preparer.begin(make_ready(directory.clone(), end, segment_bytes, begin));
        let is_ready = preparer.wait()?;
        let mut segments = Self {
            directory,
            file: None,
            number,
            first: number,
            offset,
            segment_bytes,
            preparer,
            unsure: false,
        };
        if is_ready {
            segments.go_to(number)?;
        }
        Ok(segments)
    }

    /// The write that makes `group` durable. `None` where it does not fit in the segment, and the next is not ready yet:
    /// it is to be asked again; [`Segments::trouble`] says why it takes long. [`Segments::written`] must follow before
    /// the next.
    ///
    /// # Errors
    /// Where the next segment can't be opened.
    ///
    /// # Panics
    /// Where the write before is not known to be durable: nothing may follow it.
    pub fn write(&mut self, group: &Group) -> Result<Option<SegmentWrite<'_>>, FileError> {
        assert!(!self.unsure, "one write is under way, and it is the last");
        if self.file.is_none() {
            if !self.preparer.is_done()? {
                return Ok(None);
            }
            self.go_to(self.number)?;
        }
        if self.offset + self.room_for(group) > self.length() {
            let room = self.segment_bytes - limits::JOURNAL_BLOCK_BYTES as u64;
            assert!(group.bytes.len() as u64 <= room, "a group fits in a segment");
            if !self.go_on_to_next()? {
                return Ok(None);
            }
        }
        self.unsure = true;
        let header = (self.offset == 0).then(|| Box::new(group.segment_header(self.number)));
        let (file, _) = self.file.as_ref().expect("it was opened");
        Ok(Some(SegmentWrite { file: file.as_fd(), offset: self.offset, header }))
    }

    /// The write of `group` is durable.
    pub fn written(&mut self, group: &Group) {
        assert!(std::mem::take(&mut self.unsure), "it was begun");
        self.offset += self.room_for(group);
    }

    /// What keeps the next segment from being made ready; to be looked at from anywhere.
    pub fn trouble(&self) -> Trouble {
        self.preparer.trouble().clone()
    }

    /// Where the next group goes, if it fits.
    pub const fn place(&self) -> Place {
        Place { segment: self.number, offset: self.offset }
    }

    /// The file that is written.
    pub fn path(&self) -> PathBuf {
        self.directory.segment(self.number)
    }

    /// Bytes that a group takes where it would be written now.
    const fn room_for(&self, group: &Group) -> u64 {
        let header = if self.offset == 0 { limits::JOURNAL_BLOCK_BYTES } else { 0 };
        (header + group.bytes.len()) as u64
    }

    /// Bytes of the file that is written.
    fn length(&self) -> u64 {
        self.file.as_ref().map_or(0, |(_, length)| *length)
    }

    /// `false` where it is not ready.
    fn go_on_to_next(&mut self) -> Result<bool, FileError> {
        if !self.preparer.is_done()? {
            return Ok(false);
        }
        self.go_to(self.number + 1)?;
        self.offset = 0;
        Ok(true)
    }

    /// Opens a segment that is ready, and begins to make ready the one after it.
    fn go_to(&mut self, number: u32) -> Result<(), FileError> {
        self.file = Some(open(&self.directory.segment(number))?);
        self.number = number;
        // The replay read it, if it was made ready before.
        self.preparer.want(number + 1, number == self.first);
        Ok(())
    }
}

/// What is done before the first write after a start.
fn make_ready(
    directory: ShardDirectory,
    end: JournalEnd,
    segment_bytes: u64,
    mut begin: impl FnMut() -> Result<(), FileError> + Send + 'static,
) -> Begin {
    Box::new(move || {
        let JournalEnd { next: Place { segment, offset }, before, is_torn } = end;
        let path = directory.segment(segment);
        if is_torn {
            directory.cut_segment(segment, offset)?;
        } else if offset == 0 && file::length_of(&path)? != Some(segment_bytes) {
            // There is nothing in it: a new one takes its place. One of this length was read, and is zeros.
            directory.create_segment(segment, segment_bytes)?;
        }
        // Of the segments before it, that one alone can have a write that was not synced.
        if offset == 0
            && let Some(before) = before
        {
            file::sync(&directory.segment(before))?;
        }
        file::sync(&path)?;
        file::sync_directory(directory.path())?;
        begin()
    })
}

/// Opens a segment to be written directly. Returns its length, in whole blocks.
fn open(path: &Path) -> Result<(File, u64), FileError> {
    let mut options = OpenOptions::new();
    options.write(true).custom_flags(OFlags::DIRECT.bits() as i32);
    let file = options.open(path).map_err(FileError::of("open", path))?;
    let length = file.metadata().map_err(FileError::of("look at", path))?.len();
    Ok((file, length / limits::JOURNAL_BLOCK_BYTES as u64 * limits::JOURNAL_BLOCK_BYTES as u64))
}
