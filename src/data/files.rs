//! The files of one shard, as the bytes that recovery asks for.

use std::fs::File;
use std::io::{self, Read as _};

use crate::journal::snapshot::{Sink, Source};
use crate::journal::{Buffer, Origin, SegmentSource};
use crate::recovery::{self, Recovered, SealedSegment, SnapshotSource};
use crate::storage::FileError;
use crate::storage::directory::{ShardDirectory, SnapshotFile};

/// A shard's files, and whose they are.
#[derive(Clone, Debug)]
pub struct ShardFiles {
    /// Where they are.
    pub directory: ShardDirectory,
    /// Whose they are.
    pub origin: Origin,
}

impl ShardFiles {
    /// The files in `directory`, of `origin`.
    pub const fn new(directory: ShardDirectory, origin: Origin) -> Self {
        Self { directory, origin }
    }

    /// The newest snapshot, opened; `None` where there is none.
    ///
    /// # Errors
    /// What the file system says.
    pub fn snapshot(&self) -> Result<Option<SnapshotSource<SnapshotFileSource>>, FileError> {
        let Some(sequence) = self.directory.snapshots()?.pop() else { return Ok(None) };
        let file = self.directory.open_snapshot(sequence)?;
        let name = self.directory.snapshot(sequence).display().to_string();
        Ok(Some((name.clone(), SnapshotFileSource { file, name })))
    }

    /// Recovers the shard.
    ///
    /// # Errors
    /// What is damaged, or does not come out as it did.
    pub fn recover(&self) -> Result<Recovered, recovery::Error<FileError>> {
        let snapshot = self.snapshot().map_err(recovery::Error::Caller)?;
        let numbers = self.directory.segments().map_err(recovery::Error::Caller)?;
        let segments = numbers.into_iter().map(|number| SegmentSource {
            number,
            name: self.directory.segment(number).display().to_string(),
            read: move |room| self.directory.read_segment(number, room),
        });
        recovery::recover(self.origin, snapshot, segments)
    }

    /// These segments, read.
    ///
    /// # Errors
    /// What the file system says.
    pub fn sealed(&self, numbers: &[u32]) -> Result<Vec<SealedSegment>, FileError> {
        let segment = |number: &u32| {
            Ok(SealedSegment {
                number: *number,
                name: self.directory.segment(*number).display().to_string(),
                bytes: self.directory.read_segment(*number, Buffer::new())?,
            })
        };
        numbers.iter().map(segment).collect()
    }
}

/// A snapshot that is read.
#[derive(Debug)]
pub struct SnapshotFileSource {
    file: File,
    name: String,
}

impl Source for SnapshotFileSource {
    type Error = FileError;

    fn read(&mut self, room: &mut [u8]) -> Result<usize, FileError> {
        loop {
            match self.file.read(room) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    return Err(FileError { action: "read", path: self.name.clone().into(), error });
                }
                Ok(read) => return Ok(read),
            }
        }
    }
}

/// A snapshot that is written.
#[derive(Debug)]
pub(super) struct SnapshotSink(pub(super) SnapshotFile);

impl Sink for SnapshotSink {
    type Error = FileError;

    fn write(&mut self, bytes: &[u8]) -> Result<(), FileError> {
        self.0.write(bytes)
    }
}
