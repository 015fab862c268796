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
use super::file::FileError;
use super::preparer::Preparer;
pub use super::preparer::Trouble;
use crate::journal::{Group, Place};
use crate::limits;

/// The segments of a shard, open at their end. Lives on the shard's core.
#[derive(Debug)]
pub struct Segments {
    directory: ShardDirectory,
    file: File,
    number: u32,
    /// Where the next group goes.
    offset: u64,
    /// Bytes of the file.
    length: u64,
    /// Bytes of the files that are made.
    segment_bytes: u64,
    preparer: Preparer,
    /// A write was begun and is not known to be durable.
    unsure: bool,
}

/// A write that is to be carried out, and synced.
#[derive(Debug)]
pub struct Write<'a> {
    /// The file, open for direct writes.
    pub file: BorrowedFd<'a>,
    /// Where in it, bytes from its beginning.
    pub offset: u64,
    /// What goes before the group's bytes: the segment's header, where this is its first write.
    pub header: Option<Box<[u8; limits::JOURNAL_BLOCK_BYTES]>>,
}

impl Segments {
    /// Opens the segment that the next group goes to, and begins to make ready the one after it. `next` is what a replay
    /// found, and `before` the segment before it, where there is one; a torn write was cut by
    /// [`ShardDirectory::cut_segment`]. What the replay read is durable when this returns: it may have been written by a
    /// process that ended before it was. For the start: it waits for the disk.
    ///
    /// `segment_bytes` is the length of the segments that are made, usually [`limits::SEGMENT_BYTES`]. `ready` is called
    /// on another thread when a segment is.
    ///
    /// # Errors
    /// Where the segment can't be opened, made or synced.
    pub fn open(
        directory: ShardDirectory,
        next: Place,
        before: Option<u32>,
        segment_bytes: u64,
        ready: impl Fn() + Send + 'static,
    ) -> Result<Self, FileError> {
        assert!(
            segment_bytes.is_multiple_of(limits::JOURNAL_BLOCK_BYTES as u64),
            "a segment is whole blocks"
        );
        let preparer = Preparer::start(directory.clone(), segment_bytes, ready)?;
        if next.offset == 0 {
            // There is nothing in it: a new one takes its place, of the length that is wanted now.
            preparer.want(next.segment);
            preparer.wait(next.segment).map_err(|trouble| FileError::invalid(directory.path(), trouble))?;
        }
        // Of the segments before it, that one alone can have a write that was not synced.
        if next.offset == 0
            && let Some(before) = before
        {
            let path = directory.segment(before);
            sync(&open(&path)?.0, &path)?;
        }
        let path = directory.segment(next.segment);
        let (file, length) = open(&path)?;
        sync(&file, &path)?;
        preparer.want(next.segment + 1);
        Ok(Self {
            directory,
            file,
            number: next.segment,
            offset: next.offset,
            length,
            segment_bytes,
            preparer,
            unsure: false,
        })
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
    pub fn write(&mut self, group: &Group) -> Result<Option<Write<'_>>, FileError> {
        assert!(!self.unsure, "one write is under way, and it is the last");
        if self.offset + self.room_for(group) > self.length {
            let room = self.segment_bytes - limits::JOURNAL_BLOCK_BYTES as u64;
            assert!(group.bytes.len() as u64 <= room, "a group fits in a segment");
            if !self.go_on_to_next()? {
                return Ok(None);
            }
        }
        self.unsure = true;
        let header = (self.offset == 0).then(|| Box::new(group.segment_header(self.number)));
        Ok(Some(Write { file: self.file.as_fd(), offset: self.offset, header }))
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

    /// `false` where it is not ready.
    fn go_on_to_next(&mut self) -> Result<bool, FileError> {
        let next = self.number + 1;
        if !self.preparer.is_ready(next) {
            return Ok(false);
        }
        let (file, length) = open(&self.directory.segment(next))?;
        (self.file, self.number, self.offset, self.length) = (file, next, 0, length);
        self.preparer.want(next + 1);
        Ok(true)
    }
}

/// Opens a segment to be written directly. Returns its length, in whole blocks.
fn open(path: &Path) -> Result<(File, u64), FileError> {
    let mut options = OpenOptions::new();
    options.write(true).custom_flags(OFlags::DIRECT.bits() as i32);
    let file = options.open(path).map_err(FileError::of("open", path))?;
    let length = file.metadata().map_err(FileError::of("look at", path))?.len();
    Ok((file, length / limits::JOURNAL_BLOCK_BYTES as u64 * limits::JOURNAL_BLOCK_BYTES as u64))
}

fn sync(file: &File, path: &Path) -> Result<(), FileError> {
    file.sync_data().map_err(FileError::of("sync", path))
}
