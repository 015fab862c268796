//! `purser verify --archive`: every file of the archive, and the chain of records through it into what is served.

use std::fmt::Write as _;
use std::path::Path;

use super::history::{self, Base, GenerationHistory, ShardHistory};
use super::progress::Progress;
use super::words;
use super::{Error, open, was_changed};
use journal::Point;
use journal::reader::ReadError;
use journal::snapshot::SnapshotReader;
use storage::FileError;
use storage::archive::{Archive, ArchivedName};
use storage::reader::Opened;
use wallet::Sequence;

/// Checks the archive of what was opened at `data`. Returns a line for each shard of each generation, and whether all is whole.
///
/// As in `recover`, what a server writes and removes meanwhile is no damage: the files are opened once more then.
///
/// # Errors
/// Where there is no archive; where the data can't be opened.
pub(super) fn verify(data: &Path, opened: &Opened, archive: &Archive) -> Result<(String, bool), Error> {
    let found = verify_once(opened, archive)?;
    if found.is_whole || !found.has_moved {
        return Ok((found.text, found.is_whole));
    }
    let again = verify_once(&open(data)?, archive)?;
    Ok((again.text, again.is_whole))
}

struct Found {
    text: String,
    is_whole: bool,
    /// A server has written since the files were opened.
    has_moved: bool,
}

fn verify_once(opened: &Opened, archive: &Archive) -> Result<Found, Error> {
    if archive.first()?.is_none() {
        return Err(Error::Failed(format!(
            "there is no archive in {}: nothing was archived yet, or it is lost or elsewhere (--archive=DIR)",
            archive.path().display()
        )));
    }
    let generations = match history::all(opened, Some(archive)) {
        Ok(generations) => generations,
        Err(error @ Error::Failed(_)) => {
            return Ok(Found {
                text: format!("archive: DAMAGED: {error}\n"),
                is_whole: false,
                has_moved: opened.shards.iter().any(was_changed),
            });
        }
        Err(error) => return Err(error),
    };
    let bytes = generations.iter().flat_map(|of| &of.shards).map(ShardHistory::bytes).sum();
    let progress = Progress::of(bytes, true);
    let (mut text, mut is_whole) = (String::new(), true);
    for generation in &generations {
        for shard in &generation.shards {
            let verdict = match examine(shard, &progress) {
                Ok((from, to)) => format!(
                    "records {} to {}, {} files: ok",
                    from.sequence + 1,
                    to.sequence,
                    shard.names().len()
                ),
                Err(error) => {
                    is_whole = false;
                    format!("DAMAGED: {}", words::plain(&error.to_string()))
                }
            };
            let GenerationHistory { number, .. } = generation;
            let _ = writeln!(text, "archive, generation {number}, shard {}: {verdict}", shard.origin.shard);
        }
    }
    let has_moved = !is_whole && history::has_moved(opened, &generations);
    Ok(Found { text, is_whole, has_moved })
}

/// Reads all of a shard. Returns the point where it begins, and the one where it ends.
fn examine(shard: &ShardHistory<'_>, progress: &Progress) -> Result<(Point, Point), Error> {
    let base = shard.base(None)?;
    let from = shard.covers(base)?;
    for (at, name) in shard.names().iter().enumerate().filter(|(_, name)| name.is_snapshot()) {
        check_snapshot(shard, Base::Archived(*name))?;
        follows(shard, *name, shard.names().get(at + 1))?;
    }
    let read = |bytes| progress.add(bytes);
    let tail = shard.replay::<FileError>(from, shard.mark()?, &read, |_, _, _, _| Ok(()));
    let tail = tail.map_err(|error| match error {
        ReadError::Damage(damage) => Error::from(recovery::Error::<FileError>::Damage(damage)),
        ReadError::Caller(error) => error.into(),
    })?;
    shard.check_end(&tail)?;
    Ok((from, tail.last))
}

/// Reads a snapshot to its end.
pub(crate) fn check_snapshot(shard: &ShardHistory<'_>, base: Base<'_>) -> Result<(), Error> {
    let Some((name, bytes)) = shard.source(base)? else { return Ok(()) };
    let damaged = |error: ReadError<FileError>| Error::from(recovery::Error::from(error));
    let mut reader = SnapshotReader::open(&name, bytes, shard.origin).map_err(damaged)?;
    while reader.section().map_err(damaged)?.is_some() {}
    Ok(())
}

/// A segment that begins where a snapshot ends goes on after the same record.
fn follows(shard: &ShardHistory<'_>, name: ArchivedName, next: Option<&ArchivedName>) -> Result<(), Error> {
    let Some(next) = next.filter(|next| !next.is_snapshot() && next.follows() == name.follows()) else {
        return Ok(());
    };
    let (before, after) =
        (shard.archived.open(name)?.header().last, shard.archived.open(*next)?.header().before);
    if before == after {
        return Ok(());
    }
    let path = shard.archived.file(*next);
    Err(Error::Failed(format!(
        "{}, byte 0: its first record does not follow on the snapshot {name}: restore it from a copy of the archive",
        path.display()
    )))
}

/// Looks at the headers of a shard's files alone: whether each segment follows on the one before it, and what is served on the last, or
/// the end of the generation.
///
/// # Errors
/// The file that does not, or that is another one's.
pub(crate) fn check_joints(shard: &ShardHistory<'_>) -> Result<(), Error> {
    let mut before = None;
    for name in shard.names() {
        let header = shard.archived.open(*name)?.header();
        let follows = match before {
            _ if header.origin != shard.origin => false,
            Some(Joint::Snapshot(covers)) if !name.is_snapshot() => header.before.sequence <= covers,
            Some(Joint::Segment(last)) if !name.is_snapshot() => header.before == last,
            _ => true,
        };
        if !follows {
            let path = shard.archived.file(*name);
            return Err(Error::Failed(format!(
                "{}, byte 0: it does not follow on the file before it",
                path.display()
            )));
        }
        match before {
            _ if !name.is_snapshot() => before = Some(Joint::Segment(header.last)),
            None => before = Some(Joint::Snapshot(header.last.sequence)),
            Some(_) => {}
        }
    }
    let (Some(before), Some(next)) = (before, shard.next()?) else { return Ok(()) };
    let follows = match before {
        Joint::Snapshot(covers) => next.sequence <= covers,
        Joint::Segment(last) => next == last,
    };
    if follows {
        return Ok(());
    }
    let path = shard.archived.path();
    Err(Error::Failed(format!(
        "{}: what comes after record {} is not there",
        path.display(),
        before.sequence()
    )))
}

/// What a segment follows on.
#[derive(Clone, Copy)]
enum Joint {
    /// A snapshot, which may cover records of the segment.
    Snapshot(Sequence),
    Segment(Point),
}

impl Joint {
    const fn sequence(self) -> Sequence {
        match self {
            Self::Snapshot(covers) => covers,
            Self::Segment(last) => last.sequence,
        }
    }
}
