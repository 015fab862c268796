//! The writing half: groups into segment files, on the executor of their shard.
//!
//! A group is one direct write, and one `fdatasync` that makes it durable. A segment's first write has the segment's
//! header before the group. Segments are zeros to their end before they are used, so that a sync has no metadata to
//! write, and a reader knows the end from a tear.
//!
//! Buffers come from the executor's registered memory and go back there with each write.

use std::path::Path;
use std::time::Duration;

use glommio::io::{DmaFile, OpenOptions};

use super::directory::ShardDirectory;
use super::file::FileError;
use super::preparer::Preparer;
pub use super::preparer::Trouble;
use crate::journal::{Group, Place, SegmentRange};
use crate::limits;

/// The segments of a shard, open at their end.
#[derive(Debug)]
pub struct Segments {
    directory: ShardDirectory,
    file: DmaFile,
    number: u32,
    /// Where the next group goes.
    offset: u64,
    /// Bytes of the file.
    length: u64,
    /// Bytes of the files that are made.
    segment_bytes: u64,
    /// The last record that was written.
    last: u64,
    /// Segments before it, oldest first.
    closed: Vec<SegmentRange>,
    preparer: Preparer,
    next_is_ready: bool,
    /// A write was begun and is not known to be durable.
    broken: bool,
}

impl Segments {
    /// Opens the segment that the next group goes to, and begins to make ready the one after it. `next`, the `last`
    /// record and the segments that are `closed` are what a replay found; a torn write was cut by
    /// [`ShardDirectory::cut_segment`]. What the replay read is durable when this returns: it may have been written
    /// by a process that ended before it was.
    ///
    /// `segment_bytes` is the length of the segments that are made, usually [`limits::SEGMENT_BYTES`].
    ///
    /// # Errors
    /// Where the segment can't be opened, made or synced.
    pub async fn open(
        directory: ShardDirectory,
        next: Place,
        last: u64,
        closed: Vec<SegmentRange>,
        segment_bytes: u64,
    ) -> Result<Self, FileError> {
        assert!(
            segment_bytes.is_multiple_of(limits::JOURNAL_BLOCK_BYTES as u64),
            "a segment is whole blocks"
        );
        let preparer = Preparer::start(directory.clone(), segment_bytes)?;
        if next.offset == 0 {
            // There is nothing in it: a new one takes its place, of the length that is wanted now.
            preparer.want(next.segment);
            while !preparer.is_ready(next.segment) {
                if let Some(trouble) = preparer.trouble().get() {
                    return Err(FileError::invalid(directory.path(), trouble));
                }
                pause().await;
            }
        }
        // Of the segments before it, that one alone can have a write that was not synced.
        if next.offset == 0
            && let Some(before) = closed.last()
        {
            let (file, _) = open(&directory, before.number).await?;
            let path = directory.segment(before.number);
            sync(&file, &path).await?;
            file.close().await.map_err(|error| FileError::of("close", &path)(error.into()))?;
        }
        let (file, length) = open(&directory, next.segment).await?;
        sync(&file, &directory.segment(next.segment)).await?;
        preparer.want(next.segment + 1);
        Ok(Self {
            directory,
            file,
            number: next.segment,
            offset: next.offset,
            length,
            segment_bytes,
            last,
            closed,
            preparer,
            next_is_ready: false,
            broken: false,
        })
    }

    /// Writes a group and makes it durable. Where it does not fit in the segment it begins the next, and waits until
    /// that is ready; [`Segments::trouble`] says why it takes long.
    ///
    /// # Errors
    /// Where the write or the sync failed. What is on the disk is not known then, and nothing more is written.
    pub async fn write(&mut self, group: &Group) -> Result<(), FileError> {
        let path = self.directory.segment(self.number);
        if self.broken {
            return Err(FileError::invalid(&path, "a write to it failed before"));
        }
        if self.offset + self.room_for(group) > self.length {
            let room = self.segment_bytes - limits::JOURNAL_BLOCK_BYTES as u64;
            assert!(group.bytes.len() as u64 <= room, "a group fits in a segment");
            self.go_on_to_next().await?;
        }
        let path = self.directory.segment(self.number);
        let bytes = self.room_for(group);
        let mut buffer = self.file.alloc_dma_buffer(bytes as usize);
        let (header, rest) = buffer.as_bytes_mut().split_at_mut(bytes as usize - group.bytes.len());
        if !header.is_empty() {
            header.copy_from_slice(&group.segment_header(self.number));
        }
        rest.copy_from_slice(&group.bytes);
        // Also where this future is dropped while it waits.
        self.broken = true;
        let written = self.file.write_at(buffer, self.offset).await;
        let written = written.map_err(|error| FileError::of("write", &path)(error.into()))?;
        if written as u64 != bytes {
            return Err(FileError::invalid(&path, format!("{written} of {bytes} bytes were written")));
        }
        sync(&self.file, &path).await?;
        self.broken = false;
        self.offset += bytes;
        self.last = group.last;
        Ok(())
    }

    /// What keeps the next segment from being made ready; to be looked at from anywhere.
    pub fn trouble(&self) -> Trouble {
        self.preparer.trouble().clone()
    }

    /// Where the next group goes, if it fits.
    pub const fn place(&self) -> Place {
        Place { segment: self.number, offset: self.offset }
    }

    /// The segments whose records a snapshot up to `sequence` has all of, oldest first, never the one that is being
    /// written. They are not named again: they are to be removed.
    pub fn covered(&mut self, sequence: u64) -> Vec<u32> {
        let count = self.closed.iter().take_while(|closed| closed.last <= sequence).count();
        self.closed.drain(..count).map(|closed| closed.number).collect()
    }

    /// Closes the file. What was written is durable already.
    ///
    /// # Errors
    /// Where it can't be closed.
    pub async fn close(self) -> Result<(), FileError> {
        let path = self.directory.segment(self.number);
        self.file.close().await.map_err(|error| FileError::of("close", &path)(error.into()))
    }

    /// Bytes that a group takes where it would be written now.
    const fn room_for(&self, group: &Group) -> u64 {
        let header = if self.offset == 0 { limits::JOURNAL_BLOCK_BYTES } else { 0 };
        (header + group.bytes.len()) as u64
    }

    async fn go_on_to_next(&mut self) -> Result<(), FileError> {
        let next = self.number + 1;
        while !self.next_is_ready {
            self.next_is_ready = self.preparer.is_ready(next);
            if !self.next_is_ready {
                pause().await;
            }
        }
        let (file, length) = open(&self.directory, next).await?;
        let before = std::mem::replace(&mut self.file, file);
        let path = self.directory.segment(self.number);
        self.closed.push(SegmentRange { number: self.number, last: self.last });
        (self.number, self.offset, self.length) = (next, 0, length);
        self.next_is_ready = false;
        self.preparer.want(next + 1);
        before.close().await.map_err(|error| FileError::of("close", &path)(error.into()))
    }
}

/// Opens a segment to be written directly. Returns its length, in whole blocks.
async fn open(directory: &ShardDirectory, number: u32) -> Result<(DmaFile, u64), FileError> {
    let path = directory.segment(number);
    let file = OpenOptions::new().read(true).write(true).dma_open(&path).await;
    let file = file.map_err(|error| FileError::of("open", &path)(error.into()))?;
    let length = file.file_size().await.map_err(|error| FileError::of("look at", &path)(error.into()))?;
    Ok((file, length / limits::JOURNAL_BLOCK_BYTES as u64 * limits::JOURNAL_BLOCK_BYTES as u64))
}

async fn sync(file: &DmaFile, path: &Path) -> Result<(), FileError> {
    file.fdatasync().await.map_err(|error| FileError::of("sync", path)(error.into()))
}

async fn pause() {
    glommio::timer::sleep(Duration::from_millis(limits::SEGMENT_POLL_MS)).await;
}
