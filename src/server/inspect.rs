//! Looks into a data directory and changes nothing: whether it is whole, how a balance came to be, what it holds.
//!
//! Nothing is taken hold of, so that a server may serve from the directory meanwhile. What it writes after the files
//! were opened need not be in what is told.

pub(crate) mod archived;
mod audit;
mod explain;
mod export;
pub(crate) mod history;
pub(crate) mod past;
pub(crate) mod progress;
#[cfg(test)]
mod tests;
mod verify;
pub(crate) mod words;

use std::fmt;
use std::io::{self, ErrorKind};
use std::path::Path;

pub use explain::explain;
pub use export::export;
pub(crate) use verify::look;
pub use verify::verify;

use progress::Progress;

use rustix::process::Resource;

use crate::config::reason;
use crate::rlimit::raise;
use journal::mark::check_together;
use journal::snapshot::{SnapshotReader, Source};
use journal::{Buffer, Mark, Origin, Point, ReplayStart, SegmentSource};
use recovery::{Recovered, SnapshotSource};
use storage::generations::missing_segment;
use storage::manifest::Manifest;
use storage::reader::{self, Opened, OpenedSegment, OpenedShard};
use storage::{FileError, OpenFile};

/// Why there is nothing, or nothing more, to tell.
#[derive(Debug)]
pub enum Error {
    /// There are no data where they were looked for.
    NoData(String),
    /// What was asked for can't be understood.
    Usage(String),
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
            Self::NoData(_) | Self::Usage(_) => 2,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoData(sentence) | Self::Usage(sentence) | Self::Failed(sentence) => f.write_str(sentence),
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
pub(crate) fn open(path: &Path) -> Result<Opened, Error> {
    let shown = path.display();
    match path.metadata() {
        Ok(found) if found.is_dir() => {}
        Ok(_) => return Err(Error::NoData(format!("there are no data in {shown}: it is not a directory"))),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Err(Error::NoData(format!("there are no data in {shown}: no server has served from it")));
        }
        Err(error) => return Err(Error::Failed(format!("can't look into {shown}: {}", reason(&error)))),
    }
    // All files of a shard are opened at once, and segments that can't be archived may have been waiting for weeks.
    raise(Resource::Nofile);
    if let Some(opened) = reader::open(path)? {
        check_marks(&opened)?;
        return Ok(opened);
    }
    Err(Error::Failed(match Manifest::read(path)? {
        Some(_) => format!("there are no data in {shown}: a server was started there, and has not served"),
        None => {
            format!("{}: it is missing, so that there are no data in {shown}", Manifest::path(path).display())
        }
    }))
}

/// All shards are of one time. A mark that can't be read is told of when its shard is.
fn check_marks(opened: &Opened) -> Result<(), Error> {
    let mut together = Ok(());
    for _ in 0..limits::MARK_TRIES {
        let read = opened.shards.iter().enumerate().map(|(id, shard)| {
            let bytes = shard.directory.read_mark().ok()?;
            Mark::read("", &bytes, origin(opened.manifest, id)).ok()
        });
        let Some(marks) = read.collect::<Option<Vec<(Mark, u64)>>>() else { return Ok(()) };
        together =
            check_together(&marks, |shard| opened.shards[shard].directory.mark().display().to_string());
        if together.is_ok() {
            break;
        }
        // A server may begin at this moment, and has written some of the marks that were read.
    }
    together.map_err(|damage| recovery::Error::Damage(damage).into())
}

pub(crate) fn origin(manifest: Manifest, shard: usize) -> Origin {
    Origin { stream: manifest.stream, shard: shard as u16, shards: manifest.shards }
}

/// A snapshot as the journal reads it.
pub(crate) struct SnapshotBytes<'a> {
    file: &'a OpenFile,
    at: u64,
    progress: Option<&'a Progress>,
}

impl Source for SnapshotBytes<'_> {
    type Error = FileError;

    fn read(&mut self, room: &mut [u8]) -> Result<usize, FileError> {
        let read = self.file.read_at(self.at, room)? as u64;
        self.at += read;
        if let Some(progress) = self.progress {
            progress.add(read);
        }
        Ok(read as usize)
    }
}

pub(crate) fn snapshot<'a>(
    shard: &'a OpenedShard,
    progress: Option<&'a Progress>,
) -> Option<SnapshotSource<SnapshotBytes<'a>>> {
    let file = shard.snapshot.as_ref()?;
    Some((file.path.display().to_string(), SnapshotBytes { file, at: 0, progress }))
}

/// What the shard's mark said before its files were opened; `None` in data of format version 1.
pub(crate) fn mark(shard: &OpenedShard, origin: Origin) -> Result<Option<Mark>, recovery::Error<FileError>> {
    let Some(bytes) = &shard.mark else { return Ok(None) };
    let name = shard.directory.mark().display().to_string();
    let mut mark = Mark::read(&name, bytes, origin);
    for _ in 1..limits::MARK_TRIES {
        if mark.is_ok() {
            break;
        }
        // A server writes one half at a time, and may have written both while they were read.
        let again = shard.directory.read_mark().map_err(recovery::Error::Caller)?;
        mark = Mark::read(&name, &again, origin);
    }
    mark.map(|(mark, _)| Some(mark)).map_err(recovery::Error::Damage)
}

/// What is known of a shard's journal, where its segments are there.
pub(crate) fn known(shard: &OpenedShard, origin: Origin) -> Result<ReplayStart, recovery::Error<FileError>> {
    let mark = mark(shard, origin)?;
    let Some((name, source)) = snapshot(shard, None) else {
        return Ok(ReplayStart { mark, ..Point::START.into() });
    };
    let known = SnapshotReader::header_of(&name, source, origin)?.known(mark);
    match known.missing(&shard.numbers()) {
        None => Ok(known),
        Some(number) => Err(recovery::Error::Caller(missing_segment(&shard.directory, number))),
    }
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

/// Reads a shard.
///
/// Where a server has begun to write after the mark of a clean stop was read, what it writes is no damage: the files are
/// opened once more then, with what the mark says now.
fn reading<T>(
    shard: &OpenedShard,
    read: impl Fn(&OpenedShard) -> Result<T, recovery::Error<FileError>>,
) -> Result<T, recovery::Error<FileError>> {
    let found = read(shard);
    if found.is_ok() || !was_changed(shard) {
        return found;
    }
    read(&shard.reopen().map_err(recovery::Error::Caller)?)
}

/// Whether a server has written a shard's mark since its files were opened.
pub(crate) fn was_changed(shard: &OpenedShard) -> bool {
    let now = shard.directory.read_mark();
    shard.mark.as_ref().is_some_and(|before| now.is_ok_and(|now| now[..] != before[..]))
}

/// Recovers a shard as a server does.
fn recover(
    shard: &OpenedShard,
    origin: Origin,
    progress: &Progress,
) -> Result<Recovered, recovery::Error<FileError>> {
    let known = known(shard, origin)?;
    recovery::recover(origin, snapshot(shard, Some(progress)), segments(shard, progress), known.mark)
}
