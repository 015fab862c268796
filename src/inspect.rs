//! Looks into a data directory and changes nothing: whether it is whole, how a balance came to be, what it holds.
//!
//! Nothing is taken hold of, so that a server may serve from the directory meanwhile. What it writes after the files
//! were opened need not be in what is told.

mod audit;
mod explain;
mod export;
mod progress;
#[cfg(test)]
mod tests;
mod verify;
mod words;

use std::fmt;
use std::io::{self, ErrorKind};
use std::path::Path;

pub use explain::explain;
pub use export::export;
pub use verify::verify;

use progress::Progress;

use crate::journal::snapshot::Source;
use crate::journal::{Buffer, Origin, SegmentSource};
use crate::recovery::{self, Recovered, SnapshotSource};
use crate::storage::FileError;
use crate::storage::look::{Opened, OpenedFile, OpenedSegment, OpenedShard, look};
use crate::storage::manifest::Manifest;

/// Why there is nothing, or nothing more, to tell.
#[derive(Debug)]
pub enum Error {
    /// There are no data where they were looked for.
    NoData(String),
    /// Damage, or something that is not there.
    Failed(String),
    /// Whoever reads the output has gone, and wants no more of it.
    ReaderGone,
}

impl Error {
    /// The process's exit code: as docs/operations.md says.
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::ReaderGone => 0,
            Self::Failed(_) => 1,
            Self::NoData(_) => 2,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoData(sentence) | Self::Failed(sentence) => f.write_str(sentence),
            Self::ReaderGone => f.write_str("the output is not read"),
        }
    }
}

impl std::error::Error for Error {}

impl From<FileError> for Error {
    fn from(error: FileError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<recovery::Error<FileError>> for Error {
    fn from(error: recovery::Error<FileError>) -> Self {
        Self::Failed(error.to_string())
    }
}

/// What writing the output came to.
impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::BrokenPipe => Self::ReaderGone,
            _ => Self::Failed(format!("can't write the output: {error}")),
        }
    }
}

/// Opens the data directory at `path`.
fn open(path: &Path) -> Result<Opened, Error> {
    let opened = match look(path) {
        Err(error) if error.error.kind() == ErrorKind::NotADirectory => None,
        opened => opened?,
    };
    let path = path.display();
    opened.ok_or_else(|| Error::NoData(format!("there are no data in {path}: no server has served from it")))
}

fn origin(manifest: Manifest, shard: usize) -> Origin {
    Origin { stream: manifest.stream, shard: shard as u16, shards: manifest.shards }
}

/// A snapshot as the journal reads it.
struct SnapshotBytes<'a> {
    file: &'a OpenedFile,
    progress: &'a Progress,
}

impl Source for SnapshotBytes<'_> {
    type Error = FileError;

    fn read(&mut self, room: &mut [u8]) -> Result<usize, FileError> {
        let read = self.file.read(room)?;
        self.progress.add(read as u64);
        Ok(read)
    }
}

fn snapshot<'a>(shard: &'a OpenedShard, progress: &'a Progress) -> Option<SnapshotSource<SnapshotBytes<'a>>> {
    let file = shard.snapshot.as_ref()?;
    Some((file.path.display().to_string(), SnapshotBytes { file, progress }))
}

/// The segments of a shard; one is read when it is asked for.
fn segments<'a>(
    shard: &'a OpenedShard,
    progress: &'a Progress,
) -> impl Iterator<Item = SegmentSource<impl FnOnce(Buffer) -> Result<Buffer, FileError> + 'a>> + 'a {
    let source = move |segment: &'a OpenedSegment| SegmentSource {
        number: segment.number,
        name: segment.file.path.display().to_string(),
        read: move |room| {
            let bytes = segment.read(room)?;
            progress.add(bytes.len() as u64);
            Ok(bytes)
        },
    };
    shard.segments.iter().map(source)
}

/// Recovers a shard as a server does.
fn recover(
    shard: &OpenedShard,
    origin: Origin,
    progress: &Progress,
) -> Result<Recovered, recovery::Error<FileError>> {
    recovery::recover(origin, snapshot(shard, progress), segments(shard, progress))
}
