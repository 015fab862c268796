//! What was folded, and generations that others have followed, on their way into the archive. Each file is there, durable,
//! before what it was made of is removed; what a kill cuts short is begun anew, and a file that is there already is kept.

mod files;

use std::fs::File;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Error, ShardFiles};
use files::{archive_segment, archive_snapshot, of_another_history, snapshot_header};
use journal::snapshot::SnapshotReader;
use journal::{Place, Point};
use storage::FileError;
use storage::archive::{
    Archive, ArchiveBegun, ArchiveManifest, ArchivedName, ArchivedShard, GenerationEnd, REMEDY, known,
    oldest_snapshot,
};
use storage::directory::DataDirectory;
use storage::manifest::Manifest;
use wallet::{Millis, PlatformKey};

/// Where what was folded goes. Its clones are the same.
#[derive(Clone, Debug)]
pub struct Archiver {
    archive: Archive,
    /// The data directory whose it is.
    data: PathBuf,
    /// What is served.
    served: Manifest,
    /// How long it is kept, milliseconds; `None` for ever.
    keep_ms: Option<u64>,
    /// What a snapshot that goes there leaves free on the disk of the data, bytes, where it is on that.
    reserve_bytes: u64,
    /// Nobody else writes to it; not before something is. Who begins it has this.
    held: Arc<Mutex<Option<File>>>,
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
    const fn add(&mut self, bytes: u64) {
        self.files += 1;
        self.bytes += bytes;
    }

    /// A file was written, in the place of one of so many bytes where that is given.
    const fn wrote(&mut self, bytes: u64, replaced: Option<u64>) {
        match replaced {
            Some(old) => self.bytes += bytes.saturating_sub(old),
            None => self.add(bytes),
        }
    }
}

/// Where a shard of a generation ended: its last record, and where the next one would have gone.
pub(super) type ShardEnd = (Point, Place);

impl Archiver {
    /// The archive at `path` of the data directory at `data`, for what is served of it; what is in it is kept for `keep_ms`.
    pub fn new(path: PathBuf, data: PathBuf, served: Manifest, keep_ms: Option<u64>) -> Self {
        Self { archive: Archive::at(path), data, served, keep_ms, reserve_bytes: 0, held: Arc::default() }
    }

    /// The same for a later generation.
    pub(super) fn of_generation(self, served: Manifest) -> Self {
        Self { served, ..self }
    }

    /// The same, with so many bytes left free on the disk of the data.
    #[must_use]
    pub fn with_reserve(self, reserve_bytes: u64) -> Self {
        Self { reserve_bytes, ..self }
    }

    /// The bytes that a snapshot may take on the disk of the data, beyond the reserve. Segments make room, and need none.
    fn room(&self, files: &ShardFiles) -> Result<u64, Error> {
        if self.reserve_bytes == 0 || !self.archive.is_on_disk_of(&self.data)? {
            return Ok(u64::MAX);
        }
        Ok(files.directory.space()?.free_bytes.saturating_sub(self.reserve_bytes))
    }

    /// Whether it can be used; where there is none yet it can.
    ///
    /// # Errors
    /// Where it is missing, damaged, another one's, or another process uses it.
    pub fn check(&self) -> Result<(), FileError> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if self.known()?.is_some() {
            self.hold(&mut held)?;
        }
        Ok(())
    }

    fn hold(&self, held: &mut Option<File>) -> Result<(), FileError> {
        if held.is_none() {
            *held = Some(self.archive.hold()?);
        }
        Ok(())
    }

    /// What it says of itself, if that is what the data say of it.
    fn known(&self) -> Result<Option<ArchiveManifest>, FileError> {
        let found = known(&self.data, &self.served, &self.archive)?;
        if let Some(found) = found.filter(|found| found.first > self.served.generation) {
            let (first, generation) = (found.first, self.served.generation);
            return Err(of_another_history(
                self.archive.path(),
                &format!("it begins with generation {first}, and generation {generation} is to go there"),
            ));
        }
        Ok(found)
    }

    /// Makes it ready to be written to. Returns what the data say of it.
    fn begin(&self) -> Result<ArchiveBegun, FileError> {
        // One thread begins it, and the others wait for that.
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let Manifest { generation, stream, shards, .. } = self.served;
        if self.known()?.is_none() {
            self.archive.make()?;
            self.hold(&mut held)?;
            // Another process may have begun it before it let go of it.
            if self.known()?.is_none() {
                self.archive.write_manifest(ArchiveManifest { stream, first: generation })?;
            }
        }
        self.hold(&mut held)?;
        if let Some(begun) = ArchiveBegun::read(&self.data)? {
            return Ok(begun);
        }
        let covers = (0..shards).map(|shard| oldest_snapshot(&self.data, generation, shard));
        let begun = ArchiveBegun { stream, generation, covers: covers.collect::<Result<_, _>>()? };
        begun.write(&self.data)?;
        Ok(begun)
    }

    /// The archive of a shard, ready to be written to, and with the snapshot with which it begins.
    fn shard(
        &self,
        files: &ShardFiles,
        archived: &mut Archived,
        rest: &mut impl FnMut(),
    ) -> Result<ArchivedShard, Error> {
        let begun = self.begin()?;
        let shard = self.archive.shard(self.served.generation, files.origin.shard);
        shard.remove_unfinished()?;
        let names = shard.files()?;
        if names.iter().any(|name| matches!(name, ArchivedName::Base(_))) {
            return Ok(shard);
        }
        let Some(oldest) = files.directory.snapshots()?.first().copied() else { return Ok(shard) };
        let header = snapshot_header(files, oldest)?;
        if !names.is_empty()
            || begun.has_archived(files.origin, self.served.generation, oldest, header.number)
        {
            let what = format!("the snapshot base-….zst is missing, with which it begins: {REMEDY}");
            return Err(FileError {
                action: "use",
                path: shard.path().to_owned(),
                error: std::io::Error::other(what),
            }
            .into());
        }
        if header.bytes > self.room(files)? {
            return Err(Error::Snapshot(format!(
                "the disk has less than the {} MiB free that the snapshot may take with which the archive begins, beyond the reserve",
                header.bytes.div_ceil(1024 * 1024)
            )));
        }
        archive_snapshot(files, &shard, ArchivedName::Base(oldest), archived, rest)?;
        Ok(shard)
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
        // Nothing is removed from what is not these data's.
        self.check()?;
        let first = self.archive.first()?.unwrap_or(0);
        for generation in self.archive.generations()? {
            let is_ended = generation < self.served.generation;
            // What comes before the first one was to be removed when a kill came.
            let mut is_over =
                is_ended && (generation < first || self.has_begun_before(generation + 1, before_ms)?);
            if !is_over {
                is_over = is_ended;
                for shard in self.archive.shards(generation)? {
                    let shard = self.archive.shard(generation, shard);
                    is_over &= expire_shard(&shard, is_ended, before_ms, &mut removed)?;
                }
            }
            if !is_over {
                break;
            }
            for shard in self.archive.shards(generation)? {
                let shard = self.archive.shard(generation, shard);
                for name in shard.files()? {
                    removed.add(length(&shard, name));
                }
            }
            self.archive.set_first(generation + 1)?;
            self.archive.remove_generation(generation)?;
        }
        Ok(removed)
    }

    /// Whether a generation began before this time, as far as its archive tells: so all of the one before it is older, even where the
    /// clock was ahead then and was set back.
    fn has_begun_before(&self, generation: u64, before_ms: Millis) -> Result<bool, Error> {
        let shard = self.archive.shard(generation, 0);
        match shard.files()?.first() {
            Some(base @ ArchivedName::Base(_)) => Ok(shard.open(*base)?.header().last_ms < before_ms),
            _ => Ok(false),
        }
    }
}

fn length(shard: &ArchivedShard, name: ArchivedName) -> u64 {
    shard.file(name).metadata().map_or(0, |found| found.len())
}

/// Removes what of a shard comes before the last snapshot whose records are all too old. Returns whether all of it is; of a
/// generation that is ended all goes at once then.
fn expire_shard(
    shard: &ArchivedShard,
    is_ended: bool,
    before_ms: Millis,
    removed: &mut Archived,
) -> Result<bool, Error> {
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
    if let (Some((at, name)), false) = (base, is_over && is_ended) {
        if let ArchivedName::Snapshot(covers) = name {
            shard.rebase(covers)?;
        }
        for old in &names[..at] {
            removed.add(length(shard, *old));
            shard.remove(*old)?;
        }
    }
    Ok(is_over)
}

/// Archives what of a shard its snapshot covers, and removes it: of the segments before number `current`, and of the snapshots.
/// Without an archive it is removed. `archived` is told of each file, and `rest` is called after each record that is checked, and
/// each chunk.
///
/// # Errors
/// What the files say; what is not archived is still there.
pub fn retire(
    files: &ShardFiles,
    archiver: Option<&Archiver>,
    current: u32,
    archived: &mut Archived,
    rest: &mut impl FnMut(),
) -> Result<(), Error> {
    let Some(covered) = covered(files, current)? else { return Ok(()) };
    let snapshots = files.directory.snapshots()?;
    let (newest, older) = snapshots.split_last().expect("one of them covers the segments");
    let Some(archiver) = archiver else {
        files.directory.remove_snapshots_before(*newest)?;
        return Ok(files.directory.remove_segments(&covered)?);
    };
    let shard = archiver.shard(files, archived, rest)?;
    for covers in older {
        // A reading can do without it.
        let bytes = files.directory.snapshot(*covers).metadata().map_or(0, |found| found.len());
        if is_due(&shard, *covers, files, archiver.keep_ms)? && bytes <= archiver.room(files)? {
            archive_snapshot(files, &shard, ArchivedName::Snapshot(*covers), archived, rest)?;
        }
    }
    // The name of the newest is durable with that, whoever gave it.
    files.directory.remove_snapshots_before(*newest)?;
    for number in covered {
        archive_segment(files, &shard, number, None, archived, rest)?;
        files.directory.remove_segments(&[number])?;
    }
    Ok(())
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
    let last_ms = match shard.open(*last) {
        // Another one to begin with is wanted all the more.
        Err(error) if error.error.kind() == std::io::ErrorKind::InvalidData => return Ok(true),
        last => last?.header().last_ms,
    };
    Ok(header.last_ms >= last_ms.saturating_add(keep_ms / limits::ARCHIVE_STEPS))
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
    // One after the other: all wallets are in memory, and each shard needs a segment's bytes beside them.
    for (shard, end) in (0..).zip(ends) {
        archive_shard(archiver, &ShardFiles::of(directory, found, shard), *end)?;
    }
    let platforms = if found.has_marks() { &[] } else { platforms };
    let end = GenerationEnd {
        stream: found.stream,
        last: ends.iter().map(|(last, _)| *last).collect(),
        platforms: platforms.iter().map(ToString::to_string).collect(),
    };
    Ok(archiver.archive.write_end(archiver.served.generation, &end)?)
}

fn archive_shard(archiver: &Archiver, files: &ShardFiles, (_, next): ShardEnd) -> Result<(), Error> {
    let (archived, rest) = (&mut Archived::default(), &mut || ());
    let shard = archiver.shard(files, archived, rest)?;
    for number in files.directory.segments()? {
        let place = Place { segment: number, offset: 0 };
        if number < next.segment {
            archive_segment(files, &shard, number, None, archived, rest)?;
        } else if number == next.segment && next != place {
            // What was torn behind it was nobody's.
            archive_segment(files, &shard, number, Some(next.offset), archived, rest)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use storage::archive::{ArchivedHeader, ArchivedKind};

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
        let served = Manifest::new(2, 1, 1, false);
        let archiver = Archiver::new(path.clone(), dir.path().to_owned(), served, Some(100));
        archiver.archive.make().expect("there is room");
        let manifest = ArchiveManifest { stream: 1, first: 1 };
        archiver.archive.write_manifest(manifest).expect("there is room");
        let begun = ArchiveBegun { stream: 1, generation: 1, covers: vec![0] };
        begun.write(dir.path()).expect("there is room");
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
        // What is served is old too, and begins with a snapshot all the same.
        write(&second, &[(Snapshot(29), 60)]);
        check(1_000, 2, &[], &[Base(29)]);
        check(2_000, 0, &[], &[Base(29)]);
        // A generation that was written while the clock was years ahead does not keep what followed it.
        write(&first, &[(Base(0), 1_000_000), (Segment(1), 1_000_000)]);
        archiver.archive.write_manifest(manifest).expect("there is room");
        assert_eq!(archiver.expire(159).expect("it is there").files, 0);
        assert_eq!(archiver.expire(161).expect("it is there").files, 2);
        assert_eq!(first.files().expect("it can be read"), []);
        let for_ever = Archiver { keep_ms: None, ..archiver.clone() };
        assert_eq!(for_ever.expire(Millis::MAX).expect("it is there"), Archived::default());
    }
}
