//! What goes into an archive: a snapshot or a segment, after it was checked, and only where it follows on what is there.

use std::io::Read as _;

use super::super::{Error, ShardFiles};
use super::{Archived, base_of, length};
use journal::reader::{End, ReadError, Segment};
use journal::segment::SegmentHeader;
use journal::snapshot::SnapshotReader;
use journal::{Buffer, Damage, Fault};
use storage::FileError;
use storage::archive::{
    ArchiveWriter, ArchivedFile, ArchivedHeader, ArchivedKind, ArchivedName, ArchivedShard, REMEDY,
};

/// Archives a snapshot where it is not there.
pub(super) fn archive_snapshot(
    files: &ShardFiles,
    shard: &ArchivedShard,
    name: ArchivedName,
    archived: &mut Archived,
    rest: &mut impl FnMut(),
) -> Result<(), Error> {
    let covers = name.follows();
    let header = snapshot_header(files, covers)?;
    let there = find(shard, name, &header, |old| {
        read_through(old, rest)?;
        Ok(true)
    })?;
    if there == There::Whole {
        return Ok(());
    }
    let mut file = files.directory.open_snapshot(covers)?;
    let mut writer = shard.create(name, header)?;
    let mut chunk = vec![0; limits::ARCHIVE_CHUNK_BYTES];
    let mut left = header.bytes;
    while left > 0 {
        let room = &mut chunk[..(limits::ARCHIVE_CHUNK_BYTES as u64).min(left) as usize];
        let read = file.read_exact(room);
        read.map_err(|error| FileError { action: "read", path: files.directory.snapshot(covers), error })?;
        writer.write(room)?;
        left -= room.len() as u64;
        rest();
    }
    publish(shard, name, writer, there, archived, rest)
}

pub(super) fn snapshot_header(files: &ShardFiles, covers: u64) -> Result<ArchivedHeader, Error> {
    let (name, source) = files.snapshot_of(covers)?;
    let bytes = source.bytes()?;
    let header = SnapshotReader::header_of(&name, source, files.origin).map_err(recovery::Error::from)?;
    Ok(ArchivedHeader {
        kind: ArchivedKind::Snapshot,
        origin: header.origin,
        number: header.next_segment,
        before: header.covers,
        last: header.covers,
        last_ms: header.now_ms,
        bytes,
    })
}

/// Gives a written file its name, and reads it back: what it was made of is removed then. A damaged one is kept aside.
fn publish(
    shard: &ArchivedShard,
    name: ArchivedName,
    writer: ArchiveWriter,
    there: There,
    archived: &mut Archived,
    rest: &mut impl FnMut(),
) -> Result<(), Error> {
    let replaced = (there != There::Nothing).then(|| length(shard, name));
    if there == There::Damaged {
        let aside = shard.set_aside(name)?;
        archived.notes.push(format!(
            "the archived file {} was damaged, and is written again from what it was made of; the damaged one is kept as {}",
            shard.file(name).display(),
            aside.display()
        ));
    }
    archived.wrote(writer.publish()?, replaced);
    Ok(read_through(shard.open(name)?, rest)?)
}

/// Reads a file to its end: its length, and all checksums.
fn read_through(mut file: ArchivedFile, rest: &mut impl FnMut()) -> Result<(), FileError> {
    while file.chunk()?.is_some() {
        rest();
    }
    Ok(())
}

/// Archives a segment where it is not there, up to byte `end` where that is given, after it was checked. Returns `false` where
/// the archive begins after it.
pub(super) fn archive_segment(
    files: &ShardFiles,
    shard: &ArchivedShard,
    number: u32,
    end: Option<u64>,
    archived: &mut Archived,
    rest: &mut impl FnMut(),
) -> Result<bool, Error> {
    let mut bytes = files.directory.read_segment(number, limits::SEGMENT_BYTES as u64, Buffer::new())?;
    if let Some(end) = end {
        bytes[end as usize..].fill(0);
    }
    let path = files.directory.segment(number).display().to_string();
    let header = segment_header(files, number, &path, &bytes, rest)?;
    let name = ArchivedName::Segment(header.before.sequence + 1);
    let there = find(shard, name, &header, |old| has_prefix(&bytes, old, rest))?;
    if there == There::Whole {
        return Ok(true);
    }
    if !is_next(shard, files, &header)? {
        return Ok(false);
    }
    let mut writer: ArchiveWriter = shard.create(name, header)?;
    for chunk in bytes[..header.bytes as usize].chunks(limits::ARCHIVE_CHUNK_BYTES) {
        writer.write(chunk)?;
        rest();
    }
    publish(shard, name, writer, there, archived, rest)?;
    Ok(true)
}

/// Whether a segment goes on where what is archived ends; `false` where it is not wanted, since the archive begins after it.
///
/// # Errors
/// Where what is between is missing: what is archived behind a gap could not be read.
fn is_next(shard: &ArchivedShard, files: &ShardFiles, header: &ArchivedHeader) -> Result<bool, Error> {
    let names = shard.files()?;
    let is_before = |name: &&ArchivedName| {
        !matches!(name, ArchivedName::Snapshot(_)) && name.follows() <= header.before.sequence
    };
    let other = |name: &&ArchivedName| **name != ArchivedName::Segment(header.before.sequence + 1);
    let Some(last) = names.iter().filter(other).rfind(is_before) else {
        // The base is a snapshot that is here, which has this segment in it: see `leave_out`.
        if let Some(base) = base_of(shard)?.filter(|base| base.follows() >= header.last.sequence)
            && files.directory.snapshots()?.contains(&base.follows())
            && snapshot_header(files, base.follows())?.last == shard.open(base)?.header().last
        {
            return Ok(false);
        }
        return Err(gap(shard, 0, header));
    };
    let end = shard.open(*last)?.header().last;
    if end == header.before { Ok(true) } else { Err(gap(shard, end.sequence, header)) }
}

fn gap(shard: &ArchivedShard, end: u64, header: &ArchivedHeader) -> Error {
    let what = format!(
        "it ends with record {end}, and what follows on record {} is to go there: a file is missing, or it is an older copy, or of \
         another history: {REMEDY}",
        header.before.sequence
    );
    FileError { action: "use", path: shard.path().to_owned(), error: std::io::Error::other(what) }.into()
}

/// What there is of a file that is to be archived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum There {
    Nothing,
    /// All of it, and it is whole.
    Whole,
    /// An earlier part of it: a start that was killed on its way to another generation may have archived the segment that was written,
    /// which was written on since.
    Older,
    /// It can't be read, and what it was made of is here.
    Damaged,
}

/// Finds what there is. `is_part_of` reads all of a file, and says whether what is to be archived begins with it.
fn find(
    shard: &ArchivedShard,
    name: ArchivedName,
    header: &ArchivedHeader,
    is_part_of: impl FnOnce(ArchivedFile) -> Result<bool, FileError>,
) -> Result<There, Error> {
    if !shard.file(name).exists() {
        return Ok(There::Nothing);
    }
    let read = shard.open(name).and_then(|old| {
        let found = old.header();
        let is_kin = found.origin == header.origin && found.before == header.before;
        let is_grown = header.kind == ArchivedKind::Segment && found.bytes < header.bytes;
        let is_part = is_kin && (found == *header || is_grown) && is_part_of(old)?;
        Ok(is_part.then_some(if found == *header { There::Whole } else { There::Older }))
    });
    match read {
        Err(error) if error.error.kind() == std::io::ErrorKind::InvalidData => Ok(There::Damaged),
        read => read?.ok_or_else(|| {
            of_another_history(&shard.file(name), "it is there, and is not what is to be archived").into()
        }),
    }
}

pub(super) fn of_another_history(path: &std::path::Path, what: &str) -> FileError {
    let what = format!(
        "{what}: the archive is of another history of the data, as after a backup was restored without it. Name the right one; or \
         move it away, and the file `archived` in the data directory too: another one is begun then"
    );
    FileError {
        action: "use",
        path: path.to_owned(),
        error: std::io::Error::new(std::io::ErrorKind::AlreadyExists, what),
    }
}

/// Whether these bytes go on where `old` ends.
fn has_prefix(bytes: &[u8], mut old: ArchivedFile, rest: &mut impl FnMut()) -> Result<bool, FileError> {
    let mut at = 0;
    while let Some(chunk) = old.chunk()? {
        if bytes.get(at..at + chunk.len()) != Some(chunk) {
            return Ok(false);
        }
        at += chunk.len();
        rest();
    }
    Ok(true)
}

/// Checks a segment, and says what its file in the archive does.
fn segment_header(
    files: &ShardFiles,
    number: u32,
    path: &str,
    bytes: &[u8],
    rest: &mut impl FnMut(),
) -> Result<ArchivedHeader, Error> {
    let segment = Segment { name: path, bytes, origin: files.origin };
    let damaged = |damage: Damage| Error::from(recovery::Error::<FileError>::Damage(damage));
    let header = SegmentHeader::read(&bytes[..limits::JOURNAL_BLOCK_BYTES]);
    let header = header.map_err(|fault| damaged(segment.damage(0, fault)))?;
    let mut last_ms = 0;
    let read = segment.read(header.rules, header.before, |_, record| {
        last_ms = record.link().now_ms;
        rest();
        Ok::<_, FileError>(())
    });
    let (last, end, how) = read.map_err(|error| match error {
        ReadError::Damage(damage) => damaged(damage),
        ReadError::Caller(error) => error.into(),
    })?;
    if let End::Torn(what) = how {
        return Err(damaged(segment.damage(end, Fault::Bytes(what))));
    }
    Ok(ArchivedHeader {
        kind: ArchivedKind::Segment,
        origin: files.origin,
        number,
        before: header.before,
        last,
        last_ms,
        bytes: end,
    })
}
