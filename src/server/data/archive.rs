//! What was folded, and generations that others have followed, on their way into the archive. Each file is there, durable,
//! before what it was made of is removed; what a kill cuts short is begun anew, and a file that is there already is kept.

use std::io::Read as _;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use super::{Error, ShardFiles};
use journal::reader::{End, ReadError, Segment};
use journal::segment::SegmentHeader;
use journal::snapshot::SnapshotReader;
use journal::{Buffer, Damage, Fault, Place, Point};
use storage::FileError;
use storage::archive::{
    Archive, ArchiveWriter, ArchivedHeader, ArchivedKind, ArchivedName, ArchivedShard, GenerationEnd,
};
use storage::directory::DataDirectory;
use storage::manifest::Manifest;
use wallet::{Millis, PlatformKey};

/// Where what was folded goes. Its clones are the same.
#[derive(Clone, Debug)]
pub struct Archiver {
    archive: Archive,
    /// The generation that is served.
    generation: u64,
    /// How long it is kept, milliseconds; `None` for ever.
    keep_ms: Option<u64>,
    /// Nobody else writes to it; not before something is.
    held: Arc<OnceLock<std::fs::File>>,
}

/// What went into an archive, or out of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Archived {
    /// Files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Archived {
    fn add(&mut self, bytes: Option<u64>) {
        self.files += u64::from(bytes.is_some());
        self.bytes += bytes.unwrap_or(0);
    }
}

/// Where a shard of a generation ended: its last record, and where the next one would have gone.
pub(super) type ShardEnd = (Point, Place);

impl Archiver {
    /// The archive at `path`, for what is served of this generation; what is in it is kept for `keep_ms`.
    ///
    /// # Errors
    /// Where another process uses it.
    pub fn new(path: PathBuf, generation: u64, keep_ms: Option<u64>) -> Result<Self, FileError> {
        let archiver = Self { archive: Archive::at(path), generation, keep_ms, held: Arc::default() };
        if archiver.archive.first()?.is_some() {
            archiver.hold()?;
        }
        Ok(archiver)
    }

    /// The same for a later generation.
    pub(super) fn of_generation(self, generation: u64) -> Self {
        Self { generation, ..self }
    }

    fn hold(&self) -> Result<(), FileError> {
        if self.held.get().is_none() {
            // Another thread may have come before; both hold the same then.
            if let Ok(held) = self.archive.hold() {
                let _ = self.held.set(held);
            } else if self.held.get().is_none() {
                let _ = self.held.set(self.archive.hold()?);
            }
        }
        Ok(())
    }

    /// Makes it ready to be written to.
    fn begin(&self) -> Result<(), FileError> {
        self.archive.begin(self.generation)?;
        self.hold()?;
        match self.archive.first()? {
            Some(first) if first > self.generation => Err(of_another_history(
                &self.archive.path().join("manifest"),
                &format!(
                    "it begins with generation {first}, and generation {} is to go there",
                    self.generation
                ),
            )),
            _ => Ok(()),
        }
    }

    /// Files and bytes that are in it.
    ///
    /// # Errors
    /// Where it can't be read.
    pub fn size(&self) -> Result<Archived, FileError> {
        let (bytes, files) = self.archive.size()?;
        Ok(Archived { files, bytes })
    }

    /// Removes what is older than it is to be kept at `now_ms`: whole files, and so that what is left begins with a snapshot.
    ///
    /// # Errors
    /// What the files say.
    pub fn expire(&self, now_ms: Millis) -> Result<Archived, Error> {
        let mut removed = Archived::default();
        let Some(before_ms) = self.keep_ms.and_then(|keep_ms| now_ms.checked_sub(keep_ms)) else {
            return Ok(removed);
        };
        for generation in self.archive.generations()? {
            let is_ended = generation < self.generation;
            let mut is_over = is_ended;
            for shard in self.archive.shards(generation)? {
                let shard = self.archive.shard(generation, shard);
                is_over &= expire_shard(&shard, before_ms, &mut removed)?;
            }
            if !is_over {
                break;
            }
            for shard in self.archive.shards(generation)? {
                let shard = self.archive.shard(generation, shard);
                for name in shard.files()? {
                    removed.add(Some(length(&shard, name)));
                }
            }
            self.archive.set_first(generation + 1)?;
            self.archive.remove_generation(generation)?;
        }
        Ok(removed)
    }
}

fn length(shard: &ArchivedShard, name: ArchivedName) -> u64 {
    shard.file(name).metadata().map_or(0, |found| found.len())
}

/// Removes what of a shard comes before the last snapshot whose records are all too old. Returns whether all of it is.
fn expire_shard(shard: &ArchivedShard, before_ms: Millis, removed: &mut Archived) -> Result<bool, Error> {
    let names = shard.files()?;
    let mut base = None;
    let mut is_over = true;
    for (at, name) in names.iter().enumerate() {
        if shard.open(*name)?.header().last_ms >= before_ms {
            is_over = false;
            break;
        }
        if name.is_snapshot() {
            base = Some((at, *name));
        }
    }
    if let (Some((at, name)), false) = (base, is_over) {
        if let ArchivedName::Snapshot(covers) = name {
            shard.rebase(covers)?;
        }
        for old in &names[..at] {
            removed.add(Some(length(shard, *old)));
            shard.remove(*old)?;
        }
    }
    Ok(is_over)
}

/// Archives what of a shard its snapshot covers, and removes it: of the segments before number `current`, and of the snapshots.
/// Without an archive it is removed. `rest` is called after each record that is checked, and each chunk.
///
/// # Errors
/// What the files say; what is not archived is still there.
pub fn retire(
    files: &ShardFiles,
    archiver: Option<&Archiver>,
    current: u32,
    rest: &mut impl FnMut(),
) -> Result<Archived, Error> {
    let mut archived = Archived::default();
    let Some(covered) = covered(files, current)? else { return Ok(archived) };
    let snapshots = files.directory.snapshots()?;
    let (newest, older) = snapshots.split_last().expect("one of them covers the segments");
    if let Some(archiver) = archiver {
        archiver.begin()?;
        let shard = archiver.archive.shard(archiver.generation, files.origin.shard);
        shard.remove_unfinished()?;
        let names = shard.files()?;
        if !names.iter().any(|name| matches!(name, ArchivedName::Base(_))) {
            let name = ArchivedName::Base(*older.first().unwrap_or(newest));
            archived.add(archive_snapshot(files, &shard, name, rest)?);
        }
        for covers in older {
            if is_due(&shard, *covers, files, archiver.keep_ms)? {
                archived.add(archive_snapshot(files, &shard, ArchivedName::Snapshot(*covers), rest)?);
            }
        }
        // The name of the newest is durable with that, whoever gave it.
        files.directory.remove_snapshots_before(*newest)?;
        for number in covered {
            archived.add(archive_segment(files, &shard, number, None, rest)?);
            files.directory.remove_segments(&[number])?;
        }
    } else {
        files.directory.remove_snapshots_before(*newest)?;
        files.directory.remove_segments(&covered)?;
    }
    Ok(archived)
}

/// The segments that the snapshot covers; `None` where there is nothing to be archived or removed.
///
/// # Errors
/// What the files say.
pub fn covered(files: &ShardFiles, current: u32) -> Result<Option<Vec<u32>>, Error> {
    let mut sealed = files.directory.segments()?;
    sealed.retain(|number| *number < current);
    let Some((name, source)) = files.snapshot()? else { return Ok(None) };
    let header = SnapshotReader::header_of(&name, source, files.origin).map_err(recovery::Error::from)?;
    let covered = recovery::covered(Some(&header), &sealed).0.to_vec();
    Ok((!covered.is_empty() || files.directory.snapshots()?.len() > 1).then_some(covered))
}

/// Whether a further snapshot is to be kept amid the segments, so that a reading need not begin with the first record.
fn is_due(
    shard: &ArchivedShard,
    covers: u64,
    files: &ShardFiles,
    keep_ms: Option<u64>,
) -> Result<bool, Error> {
    let names = shard.files()?;
    let Some(last) = names.iter().rfind(|name| name.is_snapshot()) else { return Ok(false) };
    let since = last.follows();
    if covers <= since {
        return Ok(false);
    }
    let is_between = |name: &&ArchivedName| !name.is_snapshot() && (since..covers).contains(&name.follows());
    let segments = names.iter().filter(is_between).count() as u64;
    let bytes = files.directory.snapshot(covers).metadata().map_or(0, |found| found.len());
    if is_worth_it(segments, bytes) {
        return Ok(true);
    }
    // What is older than it may be can't go before another snapshot is there to begin with.
    let Some(keep_ms) = keep_ms else { return Ok(false) };
    let header = snapshot_header(files, covers)?;
    Ok(header.last_ms >= shard.open(*last)?.header().last_ms.saturating_add(keep_ms / limits::ARCHIVE_STEPS))
}

/// Whether a snapshot of so many bytes is kept after so many segments.
const fn is_worth_it(segments: u64, snapshot_bytes: u64) -> bool {
    segments >= limits::ARCHIVE_SNAPSHOT_SEGMENTS
        && segments * limits::SEGMENT_BYTES as u64
            >= snapshot_bytes.saturating_mul(limits::ARCHIVE_SNAPSHOT_SHARE)
}

/// Archives all of a generation that another one is to follow, and where it ended. It is left as it is.
///
/// # Errors
/// What the files say. The generation holds as before then.
pub(super) fn archive_generation(
    archiver: &Archiver,
    directory: &DataDirectory,
    found: Manifest,
    ends: &[ShardEnd],
    platforms: &[PlatformKey],
) -> Result<(), Error> {
    archiver.begin()?;
    let archive_one = |(shard, end): (u16, &ShardEnd)| {
        archive_shard(archiver, &ShardFiles::of(directory, found, shard), *end)
    };
    let archived: Vec<Result<(), Error>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..).zip(ends).map(|shard| scope.spawn(move || archive_one(shard))).collect();
        threads.into_iter().map(|thread| thread.join().expect("archiving does not panic")).collect()
    });
    archived.into_iter().collect::<Result<(), _>>()?;
    let platforms = if found.has_marks() { &[] } else { platforms };
    let end = GenerationEnd {
        stream: found.stream,
        last: ends.iter().map(|(last, _)| *last).collect(),
        platforms: platforms.iter().map(ToString::to_string).collect(),
    };
    Ok(archiver.archive.write_end(archiver.generation, &end)?)
}

fn archive_shard(archiver: &Archiver, files: &ShardFiles, (_, next): ShardEnd) -> Result<(), Error> {
    let rest = &mut || ();
    let shard = archiver.archive.shard(archiver.generation, files.origin.shard);
    shard.remove_unfinished()?;
    if !shard.files()?.iter().any(|name| matches!(name, ArchivedName::Base(_)))
        && let Some(oldest) = files.directory.snapshots()?.first()
    {
        archive_snapshot(files, &shard, ArchivedName::Base(*oldest), rest)?;
    }
    for number in files.directory.segments()? {
        let place = Place { segment: number, offset: 0 };
        if number < next.segment {
            archive_segment(files, &shard, number, None, rest)?;
        } else if number == next.segment && next != place {
            // What was torn behind it was nobody's.
            archive_segment(files, &shard, number, Some(next.offset), rest)?;
        }
    }
    Ok(())
}

/// Archives a snapshot. Returns the bytes of the file; `None` where it was there.
fn archive_snapshot(
    files: &ShardFiles,
    shard: &ArchivedShard,
    name: ArchivedName,
    rest: &mut impl FnMut(),
) -> Result<Option<u64>, Error> {
    let covers = name.follows();
    let header = snapshot_header(files, covers)?;
    if let Some(false) = is_there(shard, name, &header, |_| Ok(false))? {
        return Ok(None);
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
    Ok(Some(writer.publish()?))
}

fn snapshot_header(files: &ShardFiles, covers: u64) -> Result<ArchivedHeader, Error> {
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

/// Archives a segment, up to byte `end` where that is given, after it was checked. Returns the bytes of the file; `None` where it
/// was there.
fn archive_segment(
    files: &ShardFiles,
    shard: &ArchivedShard,
    number: u32,
    end: Option<u64>,
    rest: &mut impl FnMut(),
) -> Result<Option<u64>, Error> {
    let mut bytes = files.directory.read_segment(number, limits::SEGMENT_BYTES as u64, Buffer::new())?;
    if let Some(end) = end {
        bytes[end as usize..].fill(0);
    }
    let path = files.directory.segment(number).display().to_string();
    let header = segment_header(files, number, &path, &bytes, rest)?;
    let name = ArchivedName::Segment(header.before.sequence + 1);
    if let Some(false) = is_there(shard, name, &header, |old| has_prefix(&bytes, old))? {
        return Ok(None);
    }
    let mut writer: ArchiveWriter = shard.create(name, header)?;
    for chunk in bytes[..header.bytes as usize].chunks(limits::ARCHIVE_CHUNK_BYTES) {
        writer.write(chunk)?;
        rest();
    }
    Ok(Some(writer.publish()?))
}

/// Whether a file is to be written: `None` where there is none, `true` where it is to be replaced. A start that was killed on its
/// way to another generation may have archived the segment that was written, which was written on since: `is_older` tells.
fn is_there(
    shard: &ArchivedShard,
    name: ArchivedName,
    header: &ArchivedHeader,
    is_older: impl FnOnce(storage::archive::ArchivedFile) -> Result<bool, FileError>,
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

fn of_another_history(path: &std::path::Path, what: &str) -> FileError {
    let what = format!(
        "{what}: the archive is of another history of the data, as after a backup was restored without it. Move the archive \
         away; another one is begun"
    );
    FileError {
        action: "use",
        path: path.to_owned(),
        error: std::io::Error::new(std::io::ErrorKind::AlreadyExists, what),
    }
}

/// Whether these bytes go on where `old` ends.
fn has_prefix(bytes: &[u8], mut old: storage::archive::ArchivedFile) -> Result<bool, FileError> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snapshots_are_a_small_part_of_an_archive() {
        let (least, bytes) = (limits::ARCHIVE_SNAPSHOT_SEGMENTS, limits::SEGMENT_BYTES as u64);
        for (segments, snapshot_bytes, expect) in [
            (least - 1, 0, false),
            (least, 0, true),
            (least, least * bytes / 4, true),
            (least, least * bytes / 4 + 1, false),
            (4 * least, least * bytes, true),
        ] {
            assert_eq!(is_worth_it(segments, snapshot_bytes), expect, "{segments}, {snapshot_bytes}");
        }
    }

    /// What is in a shard's archive, after its file of each name was written with the time of its last record.
    fn write(shard: &ArchivedShard, files: &[(ArchivedName, Millis)]) {
        for (name, last_ms) in files {
            let kind = if name.is_snapshot() { ArchivedKind::Snapshot } else { ArchivedKind::Segment };
            let header = ArchivedHeader {
                kind,
                origin: journal::Origin { stream: 1, shard: 0, shards: 1 },
                number: 1,
                before: Point::START,
                last: Point::START,
                last_ms: *last_ms,
                bytes: 0,
            };
            shard.create(*name, header).expect("there is room").publish().expect("there is room");
        }
    }

    #[test]
    fn what_is_too_old_goes_and_what_is_left_begins_with_a_snapshot() {
        use ArchivedName::{Base, Segment, Snapshot};
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("archive");
        let archiver = Archiver::new(path.clone(), 2, Some(100)).expect("nobody uses it");
        archiver.archive.begin(1).expect("there is room");
        let [first, second] = [1, 2].map(|generation| archiver.archive.shard(generation, 0));
        write(&first, &[(Base(0), 10), (Segment(1), 20)]);
        write(&second, &[(Base(9), 30), (Segment(10), 40), (Snapshot(19), 40), (Segment(20), 50)]);
        let check =
            |now_ms: Millis, files: u64, first_left: &[ArchivedName], second_left: &[ArchivedName]| {
                assert_eq!(archiver.expire(now_ms).expect("it is there").files, files, "{now_ms}");
                assert_eq!(first.files().expect("it can be read"), first_left, "{now_ms}");
                assert_eq!(second.files().expect("it can be read"), second_left, "{now_ms}");
            };
        let (all_of_first, all_of_second) =
            ([Base(0), Segment(1)], [Base(9), Segment(10), Snapshot(19), Segment(20)]);
        check(50, 0, &all_of_first, &all_of_second);
        check(115, 0, &all_of_first, &all_of_second);
        check(121, 2, &[], &all_of_second);
        assert_eq!(archiver.archive.first().expect("it is there"), Some(2));
        check(140, 0, &[], &all_of_second);
        check(141, 2, &[], &[Base(19), Segment(20)]);
        check(1_000, 0, &[], &[Base(19), Segment(20)]);
        let for_ever = Archiver { keep_ms: None, ..archiver.clone() };
        assert_eq!(for_ever.expire(Millis::MAX).expect("it is there"), Archived::default());
    }
}
