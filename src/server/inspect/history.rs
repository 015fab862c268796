//! The history of the data: generation by generation, and of each shard a snapshot and the segments that follow it, out of the
//! archive and of what is served. One segment at a time is in memory.
//!
//! A server lets go of what is old meanwhile, and gives an archived snapshot another name. So archived files are opened when they
//! are listed, since an open file outlives its name.

use std::path::PathBuf;

use rustix::process::Resource;

use super::{Error, SnapshotBytes, origin, was_changed, words};
use crate::rlimit::raise;
use journal::reader::ReadError;
use journal::segment::SegmentHeader;
use journal::snapshot::{SnapshotHeader, SnapshotReader, Source};
use journal::{
    Buffer, Change, Damage, Mark, Origin, Point, Position, ReplayStart, SegmentSource, Tail, replay, time_of,
};
use recovery::{Recovered, SnapshotSource};
use storage::archive::{Archive, ArchiveBegun, ArchivedFile, ArchivedName, ArchivedShard, REMEDY, known};
use storage::reader::{Opened, OpenedSegment, OpenedShard};
use storage::{FileError, OpenFile};
use wallet::outcome::Receipt;
use wallet::{Millis, Sequence};

/// Why no further record is read.
pub(crate) enum Halt {
    /// The next one is behind what was asked for: its time, or the end that a reading before this one has found.
    Enough,
    /// What comes next can't be told.
    Failed(Error),
}

impl<E: Into<Error>> From<E> for Halt {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// A generation, and its shards in order.
pub(crate) struct GenerationHistory<'a> {
    /// Its number.
    pub(crate) number: u64,
    /// The random number of its journals.
    pub(crate) stream: u64,
    pub(crate) shards: Vec<ShardHistory<'a>>,
    /// The platforms by their places in the configuration, where records name them so.
    pub(crate) platforms: Vec<String>,
}

/// A shard of a generation.
pub(crate) struct ShardHistory<'a> {
    pub(crate) origin: Origin,
    /// What is archived of it.
    pub(crate) archived: ArchivedShard,
    names: Vec<ArchivedName>,
    /// What is served of it; `None` of a generation that another one has followed.
    pub(crate) live: Option<&'a OpenedShard>,
    /// Its last record, where that is known.
    pub(crate) end: Option<Point>,
}

/// All generations, the first one first and the one that is served last. Without an archive it is that alone.
///
/// # Errors
/// What of the archive is missing or damaged.
pub(crate) fn all<'a>(
    opened: &'a Opened,
    archive: Option<&Archive>,
) -> Result<Vec<GenerationHistory<'a>>, Error> {
    let mut tries = 1;
    loop {
        match listed(opened, archive) {
            // A server may remove or rename what was listed before it is opened.
            Err(Error::Failed(_)) if archive.is_some() && tries < limits::READER_OPEN_TRIES => tries += 1,
            found => return found,
        }
    }
}

/// Whether a server has changed what was opened, or the archive, since these were listed.
pub(crate) fn has_moved(opened: &Opened, generations: &[GenerationHistory<'_>]) -> bool {
    let is_another = |shard: &ShardHistory<'_>| {
        !shard.names.is_empty() && shard.archived.files().is_ok_and(|names| names != shard.names)
    };
    opened.shards.iter().any(was_changed) || generations.iter().flat_map(|of| &of.shards).any(is_another)
}

/// Lists the files of a shard, and opens them, as long as there is room for so many.
fn opened_names(shard: &mut ArchivedShard, room: &mut usize) -> Result<Vec<ArchivedName>, Error> {
    let names = shard.files()?;
    *room -= shard.keep(&names, *room)?;
    Ok(names)
}

fn listed<'a>(opened: &'a Opened, archive: Option<&Archive>) -> Result<Vec<GenerationHistory<'a>>, Error> {
    let manifest = opened.manifest;
    let nothing = Archive::at(PathBuf::new());
    let data = &opened.path;
    let found = archive.map(|archive| known(data, &manifest, archive)).transpose()?.flatten();
    let begun = archive.map(|_| ArchiveBegun::read(data)).transpose()?.flatten();
    let first = found.map(|found| found.first);
    if let (Some(archive), Some(first)) = (archive, first)
        && first > manifest.generation
    {
        return Err(Error::Failed(format!(
            "the archive {} begins with generation {first}, and generation {} is served: it is of another history. Name the right \
             one, or leave it out",
            archive.path().display(),
            manifest.generation
        )));
    }
    let archive = archive.filter(|_| first.is_some());
    let is_later = |generation| first.is_some_and(|first| generation > first);
    // The rest is for what is served, and for output. Files that have no room are opened when it is their turn: the newest, which
    // are let go of last.
    let mut room = raise(Resource::Nofile) / limits::ARCHIVE_OPEN_SHARE;
    let mut generations = Vec::new();
    for number in first.unwrap_or(manifest.generation)..manifest.generation {
        generations
            .extend(archive.map(|archive| ended(archive, number, is_later(number), &mut room)).transpose()?);
    }
    let shards = opened.shards.iter().enumerate().map(|(id, live)| {
        let mut shard = archive.unwrap_or(&nothing).shard(manifest.generation, id as u16);
        let names = if archive.is_some() { opened_names(&mut shard, &mut room)? } else { Vec::new() };
        let shard = ShardHistory {
            origin: origin(manifest, id),
            archived: shard,
            names,
            live: Some(live),
            end: None,
        };
        shard.check_base(is_later(manifest.generation))?;
        shard.check_lost(begun.as_ref(), manifest.generation)?;
        Ok(shard)
    });
    let shards = shards.collect::<Result<Vec<_>, Error>>()?;
    let (number, stream) = (manifest.generation, manifest.stream);
    generations.push(GenerationHistory { number, stream, shards, platforms: Vec::new() });
    Ok(generations)
}

/// A generation that another one has followed; where it `is_later` than the first one all of it is there.
fn ended(
    archive: &Archive,
    number: u64,
    is_later: bool,
    room: &mut usize,
) -> Result<GenerationHistory<'static>, Error> {
    let Some(end) = archive.end(number)? else {
        let path = archive.end_path(number);
        return Err(Error::Failed(format!("{}: it is missing: {REMEDY}", path.display())));
    };
    let count = end.last.len() as u16;
    let shards = (0..count).zip(&end.last).map(|(id, last)| {
        let mut archived = archive.shard(number, id);
        let names = opened_names(&mut archived, room)?;
        let origin = Origin { stream: end.stream, shard: id, shards: count };
        let shard = ShardHistory { origin, archived, names, live: None, end: Some(*last) };
        shard.check_base(is_later)?;
        Ok(shard)
    });
    let shards = shards.collect::<Result<Vec<_>, Error>>()?;
    Ok(GenerationHistory { number, stream: end.stream, shards, platforms: end.platforms })
}

/// A snapshot that a reading begins with.
#[derive(Clone, Copy)]
pub(crate) enum Base<'a> {
    Archived(ArchivedName),
    Live(&'a OpenFile),
    /// There is none, as before the first one.
    Nothing,
}

/// The bytes of a snapshot, wherever it is.
pub(crate) enum BaseBytes<'a> {
    Archived(Box<ArchivedFile>),
    Live(SnapshotBytes<'a>),
}

impl Source for BaseBytes<'_> {
    type Error = FileError;

    fn read(&mut self, room: &mut [u8]) -> Result<usize, FileError> {
        match self {
            Self::Archived(file) => file.read(room),
            Self::Live(bytes) => bytes.read(room),
        }
    }
}

/// A segment, wherever it is.
enum Place<'a> {
    Archived(ArchivedName),
    Live(&'a OpenedSegment),
}

/// Reads the bytes of a segment.
type BytesOf<'s, E> = Box<dyn FnOnce(Buffer) -> Result<Buffer, E> + 's>;

type Failure = recovery::Error<FileError>;

impl<'a> ShardHistory<'a> {
    /// What is archived begins with a snapshot; of a generation that `is_later` than the first one, with its first.
    fn check_base(&self, is_later: bool) -> Result<(), Error> {
        let needs_one = self.live.is_none() || !self.names.is_empty();
        let base = self.names.iter().rfind(|name| matches!(name, ArchivedName::Base(_)));
        if let Some(base) = base {
            // Only of the first generation something may be gone that was too old.
            if is_later && self.archived.open(*base)?.header().number > 1 {
                let path = self.archived.file(*base);
                return Err(Error::Failed(format!(
                    "{}: it is not the first snapshot of its generation, and what is before it is missing: {REMEDY}",
                    path.display()
                )));
            }
        } else if needs_one {
            let path = self.archived.path().display();
            return Err(Error::Failed(format!(
                "{path}: the snapshot base-….zst is missing, with which it begins: {REMEDY}"
            )));
        }
        Ok(())
    }

    /// What is served begins with its first record where nothing of it is archived, or with the first one since there is an archive.
    fn check_lost(&self, begun: Option<&ArchiveBegun>, generation: u64) -> Result<(), Error> {
        let (Some(begun), Some(oldest), true) = (begun, self.oldest(), self.names.is_empty()) else {
            return Ok(());
        };
        let (name, bytes) = self.source(Base::Live(oldest))?.expect("it is there");
        let header = SnapshotReader::header_of(&name, bytes, self.origin).map_err(Failure::from)?;
        if !begun.has_archived(self.origin, generation, header.covers.sequence, header.next_segment) {
            return Ok(());
        }
        Err(Error::Failed(format!(
            "{}: it is missing, and what is served begins after record {}: {REMEDY}",
            self.archived.path().display(),
            header.covers.sequence
        )))
    }

    /// The oldest snapshot of what is served from which a reading can go on.
    fn oldest(&self) -> Option<&'a OpenFile> {
        let live = self.live?;
        live.older.iter().find(|file| self.is_followed(file)).or(live.snapshot.as_ref())
    }

    /// Whether what follows a snapshot is still there, and not in the archive alone. One that is damaged is told of when it is read.
    fn is_followed(&self, file: &'a OpenFile) -> bool {
        let bytes = SnapshotBytes { file, at: 0, progress: None };
        let header = SnapshotReader::header_of(&file.path.display().to_string(), bytes, self.origin);
        let first = self.live.and_then(|live| live.segments.first()).map_or(0, |segment| segment.number);
        header.map_or(true, |header| header.next_segment >= first)
    }

    /// The files that are archived, from the last base on.
    pub(crate) fn names(&self) -> &[ArchivedName] {
        let base = self.names.iter().rposition(|name| matches!(name, ArchivedName::Base(_)));
        &self.names[base.unwrap_or(0)..]
    }

    /// The last snapshot that covers no record after `sequence`; the first one where `sequence` is not given.
    ///
    /// # Errors
    /// What is damaged; where there is none.
    pub(crate) fn base(&self, sequence: Option<u64>) -> Result<Base<'a>, Error> {
        let live = self.live.and_then(|shard| shard.snapshot.as_ref());
        let archived = self.names();
        let Some(sequence) = sequence else {
            return Ok(match (archived.first(), self.oldest()) {
                (Some(first), _) => Base::Archived(*first),
                (None, Some(live)) => Base::Live(live),
                (None, None) => Base::Nothing,
            });
        };
        // What was folded may not be archived yet.
        let oldest = self.oldest().filter(|_| archived.is_empty());
        for file in live.into_iter().chain(oldest) {
            let (name, bytes) = self.source(Base::Live(file))?.expect("it is there");
            let header = SnapshotReader::header_of(&name, bytes, self.origin).map_err(Failure::from)?;
            if header.covers.sequence <= sequence {
                return Ok(Base::Live(file));
            }
        }
        let is_before = |name: &&ArchivedName| name.is_snapshot() && name.follows() <= sequence;
        match archived.iter().rfind(is_before) {
            Some(name) => Ok(Base::Archived(*name)),
            None if live.is_none() && archived.is_empty() => Ok(Base::Nothing),
            None => Err(Error::Failed(format!(
                "what follows record {sequence} of shard {} is not all there any more: what is remembered begins after it",
                self.origin.shard
            ))),
        }
    }

    /// The snapshot that all begins with; `None` where there is none.
    ///
    /// # Errors
    /// Where it is damaged.
    pub(crate) fn begins(&self) -> Result<Option<SnapshotHeader>, Error> {
        self.header(self.base(None)?)
    }

    /// What a base says of itself; `None` where there is none.
    fn header(&self, base: Base<'a>) -> Result<Option<SnapshotHeader>, Error> {
        let Some((name, bytes)) = self.source(base)? else { return Ok(None) };
        Ok(Some(SnapshotReader::header_of(&name, bytes, self.origin).map_err(Failure::from)?))
    }

    /// The last snapshot from no later than `at_ms`.
    ///
    /// # Errors
    /// What is damaged; where there is none, and from when on there are some.
    pub(crate) fn base_at(&self, at_ms: Millis) -> Result<Base<'a>, Error> {
        let live = self.live.into_iter().flat_map(|live| {
            let older = live.older.iter().rev().filter(|file| self.is_followed(file));
            live.snapshot.iter().chain(older)
        });
        let archived = self.names().iter().rev().filter(|name| name.is_snapshot());
        let archived = archived.map(|name| Base::Archived(*name));
        let mut first = None;
        for base in live.map(Base::Live).chain(archived) {
            let Some(header) = self.header(base)? else { continue };
            if header.now_ms <= at_ms {
                return Ok(base);
            }
            first = Some(header);
        }
        let Some(first) = first else { return Ok(Base::Nothing) };
        let (at, begins) = (words::time(at_ms), words::time(first.now_ms));
        Err(Error::Failed(if first.covers.sequence == 0 {
            format!("{at} is before the first record: the data begin at {begins}")
        } else {
            format!(
                "what was at {at} is not known: what there is of shard {} begins at {begins}, with a snapshot of the {} records before; \
                 an archive that reaches further back is named with --archive DIR",
                self.origin.shard, first.covers.sequence
            )
        }))
    }

    /// What lies behind all that is archived: the point before the first segment that is served, or the end of the generation; `None`
    /// where nothing says it.
    ///
    /// # Errors
    /// Where that segment can't be read, or is damaged.
    pub(crate) fn next(&self) -> Result<Option<Point>, Error> {
        let Some(segment) = self.live.and_then(|live| live.segments.first()) else { return Ok(self.end) };
        let mut block = [0; limits::JOURNAL_BLOCK_BYTES];
        if segment.file.read_at(0, &mut block)? < block.len() || block.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        let header = SegmentHeader::read(&block).map_err(|fault| {
            Failure::Damage(Damage { file: segment.file.path.display().to_string(), offset: 0, fault })
        })?;
        Ok(Some(header.before))
    }

    /// The last record that is known to be there, and its time or an earlier one, milliseconds since 1970.
    ///
    /// # Errors
    /// What can't be read, or is damaged.
    pub(crate) fn reaches(&self) -> Result<(Sequence, Millis), Error> {
        let mut reached = (self.end.map_or(0, |end| end.sequence), 0);
        if let Some(last) = self.names().last() {
            let header = self.archived.open(*last)?.header();
            reached = (reached.0.max(header.last.sequence), header.last_ms);
        }
        if let Some(live) = self.live {
            let newest = live.newest(|block| time_of(block, self.origin))?;
            let marked = self.mark()?.map_or(0, |mark| mark.last.sequence);
            reached = (reached.0.max(marked), reached.1.max(newest.unwrap_or(0)));
        }
        Ok(reached)
    }

    /// The name of a base, as it is told, and its bytes.
    ///
    /// # Errors
    /// Where it can't be opened, or is damaged.
    pub(crate) fn source(&self, base: Base<'a>) -> Result<Option<SnapshotSource<BaseBytes<'a>>>, Error> {
        Ok(match base {
            Base::Nothing => None,
            Base::Archived(name) => {
                let file = self.archived.open(name)?;
                Some((file.path().display().to_string(), BaseBytes::Archived(Box::new(file))))
            }
            Base::Live(file) => {
                let bytes = SnapshotBytes { file, at: 0, progress: None };
                Some((file.path.display().to_string(), BaseBytes::Live(bytes)))
            }
        })
    }

    /// The last record that a base covers.
    ///
    /// # Errors
    /// Where it is damaged.
    pub(crate) fn covers(&self, base: Base<'a>) -> Result<Point, Error> {
        Ok(self.header(base)?.map_or(Point::START, |header| header.covers))
    }

    /// The state that a base has.
    ///
    /// # Errors
    /// What is damaged.
    pub(crate) fn recovered(&self, base: Base<'a>) -> Result<Recovered, Error> {
        let segments: [SegmentSource<BytesOf<'_, FileError>>; 0] = [];
        Ok(recovery::recover(self.origin, self.source(base)?, segments, None)?)
    }

    /// Gives each record after `from` to `each`. A segment is read when it is its turn; `read` is told of its bytes.
    ///
    /// # Errors
    /// What is missing or damaged, and what `each` returns.
    pub(crate) fn replay<E: From<FileError>>(
        &self,
        from: Point,
        mark: Option<Mark>,
        read: &dyn Fn(u64),
        each: impl FnMut(Position, Millis, Change<'_>, Receipt) -> Result<(), E>,
    ) -> Result<Tail, ReadError<E>> {
        let known = ReplayStart { from, next_segment: None, mark };
        replay(self.origin, self.segments(from, read), known, each)
    }

    /// What is known of the end of what is served.
    ///
    /// # Errors
    /// What is missing, or damaged.
    pub(crate) fn mark(&self) -> Result<Option<Mark>, Failure> {
        self.live.map_or(Ok(None), |live| Ok(super::known(live, self.origin)?.mark))
    }

    /// Checks that a reading has come to the end.
    ///
    /// # Errors
    /// Where it has not.
    pub(crate) fn check_end(&self, tail: &Tail) -> Result<(), Error> {
        let failed = |what: String| {
            Err(Error::Failed(format!("{}: {what}: {REMEDY}", self.archived.path().display())))
        };
        match self.end {
            Some(end) if tail.last != end => failed(format!(
                "it ends with record {}, and the generation ended with record {}: a file is missing or another one's",
                tail.last.sequence, end.sequence
            )),
            Some(_) if tail.torn.is_some() => failed("what is at its end is no group".to_owned()),
            _ => Ok(()),
        }
    }

    fn segments<'s, E: From<FileError> + 's>(
        &'s self,
        from: Point,
        read: &'s dyn Fn(u64),
    ) -> impl Iterator<Item = SegmentSource<BytesOf<'s, E>>> + 's {
        let archived: Vec<ArchivedName> =
            self.names().iter().filter(|name| !name.is_snapshot()).copied().collect();
        // The last one that begins no later than what follows has it in it.
        let first = archived.partition_point(|name| name.follows() <= from.sequence).saturating_sub(1);
        let archived = archived.into_iter().skip(first).map(Place::Archived);
        let live = self.live.map_or(&[][..], |shard| &shard.segments[..]);
        let first_live = live.first().map_or(u32::MAX, |segment| segment.number);
        let mut before = 0;
        archived.chain(live.iter().map(Place::Live)).filter_map(move |place| {
            let name = match &place {
                Place::Archived(name) => self.archived.file(*name).display().to_string(),
                Place::Live(segment) => segment.file.path.display().to_string(),
            };
            let opened = match &place {
                Place::Archived(name) => self.archived.open(*name).map(Some),
                Place::Live(_) => Ok(None),
            };
            before = match (&opened, &place) {
                (Ok(Some(file)), _) => file.header().number,
                (_, Place::Live(segment)) => segment.number,
                // It is told of when it is read.
                _ => before + 1,
            };
            // It was archived while the files were opened, or a start was killed before it was served from another generation.
            if matches!(place, Place::Archived(_)) && before >= first_live {
                return None;
            }
            let bytes = move |room| {
                let bytes = match (place, opened?) {
                    (Place::Live(segment), _) => segment.read(room)?,
                    (Place::Archived(_), Some(file)) => file.read_segment(room)?,
                    (Place::Archived(_), None) => unreachable!("it was opened"),
                };
                read(bytes.len() as u64);
                Ok(bytes)
            };
            Some(SegmentSource { number: before, name, read: Box::new(bytes) as Box<_> })
        })
    }

    /// Bytes that a reading from `from` on goes through, about.
    pub(crate) fn bytes(&self) -> u64 {
        let archived = self.names().iter().filter(|name| !name.is_snapshot()).count();
        archived as u64 * limits::SEGMENT_BYTES as u64 + self.live.map_or(0, OpenedShard::bytes)
    }
}
