//! Copies the shards of a data directory, file by file; what an earlier backup has is given another name instead.

use std::cell::Cell;
use std::path::{Path, PathBuf};

use super::{Failure, ShardPoint, seconds, written};
use crate::inspect::{self, origin, progress::Progress};
use ::history::FileList;
use clock::Clock;
use journal::mark::Start;
use journal::snapshot::{SnapshotHeader, SnapshotReader};
use journal::{Mark, Origin, ReplayStart, SegmentSource, Tail, first_after, replay, time_of};
use storage::directory::ShardDirectory;
use storage::making::{EarlierFile, NewDirectory, NewFile, Zeros, remove_file, sync_names};
use storage::reader::{Opened, OpenedSegment, OpenedShard, ShardFile};
use storage::{FileError, OpenFile};
use wallet::{Millis, Sequence};

/// A data directory that is copied to another one.
pub(super) struct Copying<'a> {
    pub(super) to: &'a NewDirectory,
    zeros: Zeros,
    /// Where what has not changed since may be taken from.
    pub(super) earlier: Option<Opened>,
    /// The copy is verified.
    pub(super) is_verified: bool,
    sums: Cell<Sums>,
    verify_us: Cell<u64>,
}

/// What was copied, and what was there already.
#[derive(Clone, Copy, Default)]
struct Sums {
    copied: Sum,
    linked: Sum,
}

#[derive(Clone, Copy, Default)]
struct Sum {
    files: u64,
    bytes: u64,
}

impl Sum {
    const fn add(&mut self, bytes: u64) {
        self.files += 1;
        self.bytes += bytes;
    }

    fn words(self) -> String {
        let (files, plural) = (self.files, if self.files == 1 { "" } else { "s" });
        format!("{files} file{plural} ({} MiB)", self.bytes.div_ceil(1024 * 1024))
    }
}

impl<'a> Copying<'a> {
    pub(super) fn new(
        to: &'a NewDirectory,
        zeros: Zeros,
        earlier: Option<Opened>,
        is_verified: bool,
    ) -> Self {
        let (sums, verify_us) = (Cell::default(), Cell::default());
        Self { to, zeros, earlier, is_verified, sums, verify_us }
    }

    /// Removes what was copied, to copy it once more.
    pub(super) fn begin_again(&self) -> Result<(), FileError> {
        self.sums.set(Sums::default());
        self.to.clear()
    }

    /// Runs what verifies the copy, and counts how long it takes.
    pub(super) fn verifying<T>(&self, verify: impl FnOnce() -> T) -> T {
        let clock = Clock::start();
        let verified = verify();
        self.verify_us.set(self.verify_us.get() + clock.mono_us());
        verified
    }

    /// What was copied, and how long that took, `clock` since its start.
    pub(super) fn words(&self, clock: &Clock) -> String {
        let Sums { copied, linked } = self.sums.get();
        let linked = if self.earlier.is_some() {
            format!("; {} linked, which the earlier one has", linked.words())
        } else {
            String::new()
        };
        let (all_us, verify_us) = (clock.mono_us(), self.verify_us.get());
        let verified = if self.is_verified {
            format!("{} to verify it: nothing in it is damaged", seconds(verify_us))
        } else {
            "it was not verified".to_owned()
        };
        let copy = seconds(all_us.saturating_sub(verify_us));
        format!("{} copied{linked}; it took {copy}, and {verified}", copied.words())
    }

    pub(super) fn count_copied(&self, bytes: u64) {
        let mut sums = self.sums.get();
        sums.copied.add(bytes);
        self.sums.set(sums);
    }

    pub(super) fn count_linked(&self, bytes: u64) {
        let mut sums = self.sums.get();
        sums.linked.add(bytes);
        self.sums.set(sums);
    }

    /// Copies all shards as they were at one moment. Without an archive it is what the newest snapshot needs.
    pub(super) fn shards(&self, opened: &Opened, with_archive: bool) -> Result<Vec<ShardPoint>, Failure> {
        let marks = opened.shards.iter().enumerate();
        let marks = marks.map(|(id, shard)| inspect::mark(shard, origin(opened.manifest, id)));
        let marks: Vec<Mark> = marks.filter_map(Result::transpose).collect::<Result<_, _>>()?;
        let moment_ms = moment(opened)?;
        // As if a start of its own had made all of it, with a number that no start has and each later moment has a higher one of: a
        // shard that is put in from another backup, or from the data, is known by that.
        let number = marks.iter().map(|mark| mark.start.number + 1).max().unwrap_or(1).max(moment_ms);
        let start = Start { number, together: true };
        let progress = Progress::of(opened.shards.iter().map(OpenedShard::bytes).sum(), true);
        let mut points = Vec::new();
        for (id, shard) in opened.shards.iter().enumerate() {
            let origin = origin(opened.manifest, id);
            let to = self.to.make_shard(opened.manifest.generation, id as u16).map_err(written)?;
            let earlier = self.earlier.as_ref().and_then(|earlier| EarlierShard::of(earlier, id));
            let copy =
                ShardCopy { copying: self, shard, origin, to, earlier, moment_ms, progress: &progress };
            points.push(copy.run(start, with_archive)?);
        }
        Ok(points)
    }

    /// Copies a file that never changes to the path `to`, or links it.
    pub(super) fn immutable(
        &self,
        file: &OpenFile,
        to: PathBuf,
        earlier: Option<PathBuf>,
        progress: &Progress,
    ) -> Result<(), Failure> {
        let earlier = earlier.and_then(EarlierFile::open).filter(|earlier| earlier.bytes == file.bytes);
        if let Some(earlier) = earlier
            && has_all(&earlier, file)?
            && earlier.link(&to)
        {
            progress.add(file.bytes);
            self.count_linked(file.bytes);
            return Ok(());
        }
        let mut new = NewFile::create(to).map_err(written)?;
        file.parts(|bytes, _| {
            progress.add(bytes.len() as u64);
            new.write(bytes).map_err(written)
        })?;
        self.count_copied(new.finish().map_err(written)?);
        Ok(())
    }
}

/// Whether a file of an earlier backup is this one, byte by byte.
fn has_all(earlier: &EarlierFile, file: &OpenFile) -> Result<bool, FileError> {
    let mut is_same = true;
    file.parts::<FileError>(|bytes, at| {
        is_same = is_same && earlier.has(bytes, at);
        Ok(())
    })?;
    Ok(is_same)
}

/// The time of the newest group of all that are there: whatever is durable later, and depends on what is not there yet, is of a later
/// time. 0 where there is none.
fn moment(opened: &Opened) -> Result<Millis, FileError> {
    let mut moment_ms = 0;
    for (id, shard) in opened.shards.iter().enumerate() {
        let origin = origin(opened.manifest, id);
        let newest = shard.newest(|block| time_of(block, origin))?;
        moment_ms = moment_ms.max(newest.unwrap_or(0));
    }
    Ok(moment_ms)
}

/// A shard of an earlier backup.
struct EarlierShard {
    path: PathBuf,
    /// The last segment that has a record: whoever serves from the earlier backup would write on in it.
    last_segment: u32,
}

impl EarlierShard {
    fn of(earlier: &Opened, id: usize) -> Option<Self> {
        let shard = earlier.shards.get(id)?;
        let mark = inspect::mark(shard, origin(earlier.manifest, id)).ok()??;
        Some(Self { path: shard.directory.path().to_owned(), last_segment: mark.segment })
    }
}

/// A shard that is copied.
struct ShardCopy<'a> {
    copying: &'a Copying<'a>,
    shard: &'a OpenedShard,
    origin: Origin,
    to: ShardDirectory,
    earlier: Option<EarlierShard>,
    /// Groups after it are left out, milliseconds since 1970.
    moment_ms: Millis,
    progress: &'a Progress,
}

impl ShardCopy<'_> {
    fn run(&self, start: Start, with_archive: bool) -> Result<ShardPoint, Failure> {
        let known = inspect::known(self.shard, self.origin)?;
        let header = self.header()?;
        let list = self.history(header.as_ref())?;
        // What was folded and waits to be archived is part of the history, and of nothing else.
        let first_needed = if with_archive { None } else { known.next_segment };
        for file in self.shard.files(first_needed) {
            let ShardFile::Immutable(file) = file else { continue };
            let name = file.path.file_name().unwrap_or_default();
            let earlier = self.earlier.as_ref().map(|earlier| earlier.path.join(name));
            self.copying.immutable(file, self.to.path().join(name), earlier, self.progress)?;
        }
        let tail = self.segments(first_needed, known, list.map_or(0, |list| list.covers))?;
        self.cut(&tail)?;
        if let Some(list) = list {
            self.to.write_history_list(&list.to_bytes()).map_err(written)?;
        }
        self.write_mark(&tail, start).map_err(written)?;
        let now_ms = tail.now_ms.max(header.map_or(0, |header| header.now_ms));
        Ok(ShardPoint { last: tail.last.sequence, now_ms })
    }

    fn header(&self) -> Result<Option<SnapshotHeader>, Failure> {
        let Some((name, source)) = inspect::snapshot(self.shard, None) else { return Ok(None) };
        let header = SnapshotReader::header_of(&name, source, self.origin);
        Ok(Some(header.map_err(recovery::Error::<FileError>::from)?))
    }

    /// The list of the rounds that have left memory, whose files are all there; `None` where there is none. It was opened after the
    /// snapshot and before the segments: it may be of a later record than the snapshot, as after a crash, and of none that the
    /// segments do not have.
    fn history(&self, header: Option<&SnapshotHeader>) -> Result<Option<&FileList>, Failure> {
        let damaged = recovery::Error::<FileError>::Damage;
        let past = self.shard.past.as_ref();
        let list = past.map(|past| past.list()).transpose().map_err(damaged)?;
        let covers = header.and_then(SnapshotHeader::history_covers);
        self.shard.directory.check_history_list(list, covers).map_err(damaged)?;
        for file in past.into_iter().flat_map(|past| past.files()) {
            file?;
        }
        Ok(list)
    }

    /// Copies what is used of the segments up to the moment, and reads all records on the way. Returns where they end. What the
    /// history has covered is durable.
    fn segments(
        &self,
        first_needed: Option<u32>,
        known: ReplayStart,
        covered: Sequence,
    ) -> Result<Tail, Failure> {
        let durable = known.from.sequence.max(known.mark.map_or(0, |mark| mark.last.sequence)).max(covered);
        let is_over = &Cell::new(false);
        let segments = self.shard.files(first_needed).filter_map(|file| match file {
            ShardFile::Segment(segment) => Some(segment),
            ShardFile::Immutable(_) => None,
        });
        let sources = segments.map(|segment| SegmentSource {
            number: segment.number,
            name: segment.file.path.display().to_string(),
            read: move |room| {
                let mut bytes = segment.read(room)?;
                let cut = if is_over.get() {
                    Some(0)
                } else {
                    first_after(&bytes, self.origin, durable, self.moment_ms)
                };
                if let Some(at) = cut {
                    is_over.set(true);
                    bytes[at..].fill(0);
                }
                self.segment(segment, &bytes, segment.is_sealed() && cut.is_none())?;
                self.progress.add(segment.file.bytes);
                Ok(bytes)
            },
        });
        let read = replay::<_, Failure>(self.origin, sources, known, |_, _, _, _| Ok(()));
        read.map_err(|error| match error {
            journal::reader::ReadError::Damage(damage) => recovery::Error::<FileError>::Damage(damage).into(),
            journal::reader::ReadError::Caller(failure) => failure,
        })
    }

    /// Writes a segment, or links it; nothing where nothing of it is used. One that `is_whole` takes no more groups.
    fn segment(&self, segment: &OpenedSegment, bytes: &[u8], is_whole: bool) -> Result<(), Failure> {
        let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        let used = used.next_multiple_of(limits::JOURNAL_BLOCK_BYTES).min(bytes.len());
        if used == 0 {
            return Ok(());
        }
        let to = self.to.segment(segment.number);
        if is_whole && self.links(segment, bytes, &to) {
            self.copying.count_linked(used as u64);
            return Ok(());
        }
        let mut new = NewFile::create(to).map_err(written)?;
        new.write(&bytes[..used]).map_err(written)?;
        new.fill(bytes.len() as u64, self.copying.zeros).map_err(written)?;
        self.copying.count_copied(new.finish().map_err(written)?);
        Ok(())
    }

    /// Links a segment that takes no more groups, here and in the earlier backup, and has the same bytes in both.
    fn links(&self, segment: &OpenedSegment, bytes: &[u8], to: &Path) -> bool {
        let earlier = self.earlier.as_ref().filter(|earlier| segment.number < earlier.last_segment);
        let path = earlier.zip(segment.file.path.file_name()).map(|(earlier, name)| earlier.path.join(name));
        let file = path.and_then(EarlierFile::open);
        file.is_some_and(|file| file.bytes == bytes.len() as u64 && file.has(bytes, 0) && file.link(to))
    }

    /// Takes what is no whole group off the end.
    fn cut(&self, tail: &Tail) -> Result<(), Failure> {
        let Some(torn) = &tail.torn else { return Ok(()) };
        if torn.offset > 0 {
            return self.to.cut_segment(torn.segment, torn.offset).map_err(written);
        }
        remove_file(&self.to.segment(torn.segment)).map_err(written)
    }

    /// Says that the journal ends here, and makes the names of all files durable.
    fn write_mark(&self, tail: &Tail, start: Start) -> Result<(), FileError> {
        let begun = (tail.next.offset > 0).then_some(tail.next.segment);
        let segment = begun.or_else(|| tail.closed.last().map(|closed| closed.number)).unwrap_or(0);
        let (origin, last) = (self.origin, tail.last);
        let mark = Mark { origin, last, segment, stopped: Some(segment), start };
        self.to.create_mark(&mark.to_bytes(1))?;
        sync_names(self.to.path())
    }
}
