//! The file of a shard's mark: slots that are overwritten in their places, which takes no room on the disk.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;

use super::directory::ShardDirectory;
use super::file::{self, FileError};
use journal::Buffer;
use limits::{JOURNAL_BLOCK_BYTES, MARK_BYTES_MAX};

/// A mark's file. It is opened to be written when that is needed.
#[derive(Debug)]
pub struct MarkFile {
    path: PathBuf,
    file: Option<File>,
}

impl MarkFile {
    /// The mark of the shard in `directory`.
    pub fn of(directory: &ShardDirectory) -> Self {
        Self { path: directory.mark(), file: None }
    }

    /// Writes the slot at this place, durable.
    ///
    /// # Errors
    /// Where it can't be written or synced.
    pub fn write(&mut self, slot: usize, block: &[u8; JOURNAL_BLOCK_BYTES]) -> Result<(), FileError> {
        let file = match &mut self.file {
            Some(file) => file,
            none => {
                let file = OpenOptions::new().write(true).open(&self.path);
                none.insert(file.map_err(FileError::of("open", &self.path))?)
            }
        };
        let at = (slot * JOURNAL_BLOCK_BYTES) as u64;
        file.write_all_at(block, at).map_err(FileError::of("write", &self.path))?;
        file.sync_data().map_err(FileError::of("sync", &self.path))
    }
}

impl ShardDirectory {
    /// The file of its mark.
    pub fn mark(&self) -> PathBuf {
        self.path().join("mark")
    }

    /// Reads its mark.
    ///
    /// # Errors
    /// Where it can't be read, or is longer than any.
    pub fn read_mark(&self) -> Result<Buffer, FileError> {
        file::read_whole(&self.mark(), MARK_BYTES_MAX as u64, Buffer::new())
    }

    /// Makes its mark, durable.
    ///
    /// # Errors
    /// Where it can't be written.
    pub fn create_mark(&self, bytes: &[u8]) -> Result<(), FileError> {
        file::write_whole(&self.mark(), bytes)
    }
}
