//! What was folded, and generations that others have followed, on their way into the archive. Each file is there, durable and read
//! back, before what it was made of is removed; what a kill cuts short is begun anew, and a file that is there already is kept.
//!
//! Segments go first, in their order, and the snapshots after them: so what is left always begins with a snapshot that its first
//! segment follows, and an archive that is begun anew can have all that is left. A snapshot is archived after the segments that it
//! covers, and so an archive that begins with one later has nothing to wait for before it.

mod expiry;
mod files;

use std::fs::File;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Error, ShardFiles};
use files::{archive_segment, archive_snapshot, of_another_history, snapshot_header};
use journal::snapshot::SnapshotReader;
use journal::{Origin, Place, Point};
use storage::FileError;
use storage::archive::{
    Archive, ArchiveBegun, ArchiveManifest, ArchivedName, ArchivedShard, GenerationEnd, REMEDY, known,
};
use storage::directory::{DataDirectory, ShardDirectory};
use storage::manifest::Manifest;
use wallet::PlatformKey;

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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Archived {
    /// Files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// What the operator should know of it: sentences.
    pub notes: Vec<String>,
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
    fn begin(&self) -> Result<ArchiveBegun, Error> {
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
        let covers = (0..shards).map(|shard| {
            let directory = ShardDirectory::of(&self.data, generation, shard);
            let files = ShardFiles { directory, origin: Origin { stream, shard, shards } };
            Ok::<_, Error>(files.beginning()?.unwrap_or(0))
        });
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
        let Some(oldest) = files.beginning()? else { return Ok(shard) };
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
        Ok(Archived { files, bytes, notes: Vec::new() })
    }

    /// Whether what is archived of a shard does not begin any more as it did: what was before was too old, and archived once.
    fn has_expired(&self, files: &ShardFiles, shard: &ArchivedShard) -> Result<bool, Error> {
        let (Some(begun), Some(base)) = (ArchiveBegun::read(&self.data)?, base_of(shard)?) else {
            return Ok(false);
        };
        let number = shard.open(base)?.header().number;
        Ok(begun.has_archived(files.origin, self.served.generation, base.follows(), number))
    }
}

/// The snapshot with which a shard's archive begins.
fn base_of(shard: &ArchivedShard) -> Result<Option<ArchivedName>, FileError> {
    Ok(shard.files()?.into_iter().rfind(|name| matches!(name, ArchivedName::Base(_))))
}

fn length(shard: &ArchivedShard, name: ArchivedName) -> u64 {
    shard.file(name).metadata().map_or(0, |found| found.len())
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
        files.directory.remove_segments(&covered)?;
        return Ok(files.directory.remove_snapshots_before(*newest)?);
    };
    let shard = archiver.shard(files, archived, rest)?;
    let mut older = older.iter().copied().peekable();
    for number in covered {
        let before = files.before(number)?.sequence;
        while let Some(covers) = older.next_if(|covers| *covers <= before) {
            archive_older(archiver, files, &shard, covers, archived, rest)?;
        }
        if archive_segment(files, &shard, number, None, archived, rest)? {
            files.directory.remove_segments(&[number])?;
        } else {
            leave_out(archiver, files, &shard, number, archived)?;
        }
    }
    for covers in older {
        archive_older(archiver, files, &shard, covers, archived, rest)?;
    }
    // The name of the newest is durable with that, whoever gave it.
    Ok(files.directory.remove_snapshots_before(*newest)?)
}

/// Archives a snapshot before the newest one, where it is wanted there or is damaged there, after the segments that it covers.
fn archive_older(
    archiver: &Archiver,
    files: &ShardFiles,
    shard: &ArchivedShard,
    covers: u64,
    archived: &mut Archived,
    rest: &mut impl FnMut(),
) -> Result<(), Error> {
    let names = shard.files()?;
    let there = [ArchivedName::Base(covers), ArchivedName::Snapshot(covers)];
    if let Some(name) = there.into_iter().find(|name| names.contains(name)) {
        return archive_snapshot(files, shard, name, archived, rest);
    }
    // A reading can do without it.
    let bytes = files.directory.snapshot(covers).metadata().map_or(0, |found| found.len());
    if is_due(shard, covers, files, archiver.keep_ms)? && bytes <= archiver.room(files)? {
        archive_snapshot(files, shard, ArchivedName::Snapshot(covers), archived, rest)?;
    }
    Ok(())
}

/// What becomes of a segment after which the archive begins. It was archived, and was too old there since; or it never was, as it was
/// left by a kill while there was no archive, or the archive was begun anew amid all this: then it is kept aside.
fn leave_out(
    archiver: &Archiver,
    files: &ShardFiles,
    shard: &ArchivedShard,
    number: u32,
    archived: &mut Archived,
) -> Result<(), Error> {
    if archiver.has_expired(files, shard)? {
        return Ok(files.directory.remove_segments(&[number])?);
    }
    let aside = files.directory.set_segment_aside(number)?;
    archived.notes.push(format!(
        "the archive begins after a folded segment, and can't have it: it is kept as {}. Remove it where nothing in it is missed",
        aside.display()
    ));
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
    notes: &mut Vec<String>,
) -> Result<(), Error> {
    // One after the other: all wallets are in memory, and each shard needs a segment's bytes beside them.
    for (shard, end) in (0..).zip(ends) {
        let mut archived = Archived::default();
        let done = archive_shard(archiver, &ShardFiles::of(directory, found, shard), *end, &mut archived);
        notes.append(&mut archived.notes);
        done?;
    }
    let platforms = if found.has_marks() { &[] } else { platforms };
    let end = GenerationEnd {
        stream: found.stream,
        last: ends.iter().map(|(last, _)| *last).collect(),
        platforms: platforms.iter().map(ToString::to_string).collect(),
    };
    Ok(archiver.archive.write_end(archiver.served.generation, &end)?)
}

fn archive_shard(
    archiver: &Archiver,
    files: &ShardFiles,
    (_, next): ShardEnd,
    archived: &mut Archived,
) -> Result<(), Error> {
    let rest = &mut || ();
    let shard = archiver.shard(files, archived, rest)?;
    let mut numbers = files.directory.segments()?;
    numbers.retain(|number| *number < next.segment || (*number == next.segment && next.offset > 0));
    // A server that was killed may have written to the last one and not made that durable: what is archived must not be more than
    // what is in the journal after the power fails.
    if let Some(last) = numbers.last() {
        files.directory.sync_segment(*last)?;
    }
    for number in numbers {
        // What was torn behind it was nobody's.
        let end = (number == next.segment).then_some(next.offset);
        if !archive_segment(files, &shard, number, end, archived, rest)? {
            leave_out(archiver, files, &shard, number, archived)?;
        }
    }
    Ok(())
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
}
