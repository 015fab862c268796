//! What goes into an archive: a snapshot or a segment, after it was checked, and only where it follows on what is there.

use std::io::Read as _;

use super::super::{Error, ShardFiles};
use super::{Archived, length};
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
    let there = is_there(shard, name, &header, |_| Ok(false))?;
    if there == Some(false) {
        return Ok(());
    }
    let replaced = there.map(|_| length(shard, name));
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
    archived.wrote(writer.publish()?, replaced);
    Ok(())
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

/// Archives a segment where it is not there, up to byte `end` where that is given, after it was checked.
pub(super) fn archive_segment(
    files: &ShardFiles,
    shard: &ArchivedShard,
    number: u32,
    end: Option<u64>,
    archived: &mut Archived,
    rest: &mut impl FnMut(),
) -> Result<(), Error> {
    let mut bytes = files.directory.read_segment(number, limits::SEGMENT_BYTES as u64, Buffer::new())?;
    if let Some(end) = end {
        bytes[end as usize..].fill(0);
    }
    let path = files.directory.segment(number).display().to_string();
    let header = segment_header(files, number, &path, &bytes, rest)?;
    let name = ArchivedName::Segment(header.before.sequence + 1);
    let there = is_there(shard, name, &header, |old| has_prefix(&bytes, old))?;
    if there == Some(false) || !is_next(shard, files, &header)? {
        return Ok(());
    }
    let replaced = there.map(|_| length(shard, name));
    let mut writer: ArchiveWriter = shard.create(name, header)?;
    for chunk in bytes[..header.bytes as usize].chunks(limits::ARCHIVE_CHUNK_BYTES) {
        writer.write(chunk)?;
        rest();
    }
    archived.wrote(writer.publish()?, replaced);
    Ok(())
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
        // A kill came after the snapshots before the one that it begins with were removed, and before their segments were.
        let begins =
            names.iter().find(|name| matches!(name, ArchivedName::Base(_))).map(|name| name.follows());
        let snapshots = files.directory.snapshots()?;
        if begins.is_some_and(|begins| begins >= header.last.sequence && snapshots.contains(&begins)) {
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

/// Whether a file is to be written: `None` where there is none, `true` where it is to be replaced. A start that was killed on its
/// way to another generation may have archived the segment that was written, which was written on since: `is_older` tells.
fn is_there(
    shard: &ArchivedShard,
    name: ArchivedName,
    header: &ArchivedHeader,
    is_older: impl FnOnce(ArchivedFile) -> Result<bool, FileError>,
) -> Result<Option<bool>, Error> {
    if !shard.file(name).exists() {
        return Ok(None);
    }
    let old = match shard.open(name) {
        // It is damaged, and what it was made of is here.
        Err(error) if error.error.kind() == std::io::ErrorKind::InvalidData => return Ok(Some(true)),
        old => old?,
    };
    let found = old.header();
    if found == *header {
        return Ok(Some(false));
    }
    if found.origin == header.origin && found.before == header.before && is_older(old)? {
        return Ok(Some(true));
    }
    Err(of_another_history(&shard.file(name), "it is there, and is not what is to be archived").into())
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
fn has_prefix(bytes: &[u8], mut old: ArchivedFile) -> Result<bool, FileError> {
    let mut at = 0;
    while let Some(chunk) = old.chunk()? {
        if bytes.get(at..at + chunk.len()) != Some(chunk) {
            return Ok(false);
        }
        at += chunk.len();
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
