//! Reads a journal back, segment by segment, and finds where it ends.

use super::entry::Change;
use super::reader::{End, Opening, ReadError, Segment};
use super::record::Record;
use super::segment::SegmentHeader;
use super::{Buffer, Damage, Fault, Origin, Point, ReplayStart};
use alloc::format;
use alloc::string::String;
use alloc::vec::{Drain, Vec};
use limits::JOURNAL_BLOCK_BYTES;
use wallet::outcome::Receipt;
use wallet::{Millis, Rules, Sequence};

/// A segment to be read.
pub struct SegmentSource<R> {
    /// Its number.
    pub number: u32,
    /// The file's name, for what is reported.
    pub name: String,
    /// Reads all of the file, into the buffer that it is given: one that was read before, so that its memory is there.
    pub read: R,
}

/// Where a record was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The segment's number.
    pub segment: u32,
    /// Where in it, in bytes.
    pub offset: u64,
    /// The record's sequence.
    pub sequence: Sequence,
    /// The rules that it was applied by.
    pub rules: Rules,
}

/// A record, as it is replayed.
#[derive(Debug)]
pub struct ReplayRecord<'a> {
    /// Where it was read.
    pub position: Position,
    /// Its time, milliseconds since 1970.
    pub now_ms: Millis,
    /// What was changed.
    pub change: Change<'a>,
    /// What must come out when it is applied again.
    pub receipt: Receipt,
}

/// Where a group goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The segment's number. The segment need not be there.
    pub segment: u32,
    /// Where in it, in bytes; 0 where it has no header yet.
    pub offset: u64,
}

/// The records of a segment that takes no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentRange {
    /// The segment's number.
    pub number: u32,
    /// Its last record.
    pub last: Sequence,
}

/// A write that a crash tore. Nobody was told of what was in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TornTail {
    /// The segment's number.
    pub segment: u32,
    /// The file's name.
    pub name: String,
    /// Where it begins, in bytes: from here to its end the segment is to be zeros before anything is written.
    pub offset: u64,
    /// What is wrong with it.
    pub what: String,
}

/// The end of a journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tail {
    /// The last record.
    pub last: Point,
    /// Its time, milliseconds since 1970; 0 where no record was read.
    pub now_ms: Millis,
    /// Where the next group goes.
    pub next: Place,
    /// The segments before that one, oldest first.
    pub closed: Vec<SegmentRange>,
    /// The torn write that was found at `next`, and is to be cut.
    pub torn: Option<TornTail>,
}

/// Reads `segments`, all that there are, in the order of their numbers, and gives each record after `from` to `each`.
///
/// `known` is where a snapshot was made, or [`Point::START`]; and what else is known. Records up to the snapshot are read
/// and checked where they are still there, and not given to `each`.
///
/// # Errors
/// Where anything but the very last write is not as it was written, or what is torn is longer than one write; where the
/// journal is not the one that goes on after the snapshot; where it ends before its mark, or is torn after a clean stop;
/// and the first error of `each` or of a segment's `read`.
///
/// # Panics
/// Where the segments are not in order.
pub fn replay<R, E>(
    origin: Origin,
    segments: impl IntoIterator<Item = SegmentSource<R>>,
    known: impl Into<ReplayStart>,
    mut each: impl FnMut(Position, Millis, Change<'_>, Receipt) -> Result<(), E>,
) -> Result<Tail, ReadError<E>>
where
    R: FnOnce(Buffer) -> Result<Buffer, E>,
{
    replay_together(origin, segments, known, 1, |mut records| {
        records.try_for_each(|ReplayRecord { position, now_ms, change, receipt }| {
            each(position, now_ms, change, receipt)
        })
    })
}

/// The same, with up to so many records at a time: what comes next is known, and can be prepared.
///
/// # Errors
/// As [`replay`].
///
/// # Panics
/// As [`replay`].
pub fn replay_together<R, E>(
    origin: Origin,
    segments: impl IntoIterator<Item = SegmentSource<R>>,
    known: impl Into<ReplayStart>,
    together: usize,
    mut each: impl FnMut(Drain<'_, ReplayRecord<'_>>) -> Result<(), E>,
) -> Result<Tail, ReadError<E>>
where
    R: FnOnce(Buffer) -> Result<Buffer, E>,
{
    let mut replay = Replay::new(known.into());
    let mut spare = Buffer::new();
    for source in segments {
        let bytes = (source.read)(spare).map_err(ReadError::Caller)?;
        let segment = Segment { name: &source.name, bytes: &bytes, origin };
        replay.segment(source.number, &segment, together, &mut each)?;
        spare = bytes;
    }
    Ok(replay.finish(origin)?)
}

/// Where a journal ended.
struct Over {
    file: String,
    offset: u64,
    what: String,
}

struct Replay {
    known: ReplayStart,
    /// `None` before the first record, or the first header.
    last: Option<Point>,
    now_ms: Millis,
    /// The number of the segment before, and its file.
    before: Option<(u32, String)>,
    next: Option<Place>,
    closed: Vec<SegmentRange>,
    /// Where the journal ended, and what is there. Nothing of it may come after that.
    over: Option<Over>,
    torn: Option<TornTail>,
    /// Where the last segment that was read ends, and its file.
    end: (String, u64),
}

impl Replay {
    const fn new(known: ReplayStart) -> Self {
        Self {
            known,
            last: None,
            now_ms: 0,
            before: None,
            next: None,
            closed: Vec::new(),
            over: None,
            torn: None,
            end: (String::new(), 0),
        }
    }

    fn segment<E>(
        &mut self,
        number: u32,
        segment: &Segment<'_>,
        together: usize,
        each: &mut impl FnMut(Drain<'_, ReplayRecord<'_>>) -> Result<(), E>,
    ) -> Result<(), ReadError<E>> {
        let before = self.before.replace((number, segment.name.into()));
        if let Some((before, _)) = before {
            assert!(number > before, "segments are read in order");
            if number > before + 1 {
                return Err(segment.damage(0, Fault::Missing { number: before + 1 }).into());
            }
        }
        if let Some(over) = &self.over {
            return match segment.first_used() {
                None => Ok(()),
                Some(offset) => {
                    let later = segment.name.into();
                    let fault = Fault::NotTheLast { what: over.what.clone(), later, offset };
                    Err(Damage { file: over.file.clone(), offset: over.offset, fault }.into())
                }
            };
        }
        match segment.open()? {
            Opening::Unused => {
                self.next.get_or_insert(Place { segment: number, offset: 0 });
                self.end(segment, 0, "the segment is not used");
                Ok(())
            }
            Opening::Torn => {
                coverage::hit(coverage::Branch::TornHeader);
                self.tear(number, segment, 0, "the segment's header is not there".into());
                Ok(())
            }
            Opening::Header(header) if header.number != number => {
                let what = format!("it says that it is segment {}", header.number);
                Err(segment.damage(0, Fault::Bytes(what)).into())
            }
            Opening::Header(header) => {
                self.follow(segment, header.before)?;
                self.records(number, segment, &header, together, each)
            }
        }
    }

    /// Checks that a segment whose first record comes after `start` is the one that is to follow.
    fn follow(&mut self, segment: &Segment<'_>, start: Point) -> Result<(), Damage> {
        let from = self.known.from;
        let fault = match self.last {
            None if start.sequence > from.sequence => {
                Fault::Gap { first: start.sequence + 1, covered: from.sequence }
            }
            None if start.sequence == from.sequence && start != from => {
                Fault::Diverged { at: start.sequence }
            }
            Some(last) if last != start => Fault::Bytes(format!(
                "its first record is {}, and does not follow on record {}, the last before it",
                start.sequence + 1,
                last.sequence
            )),
            None | Some(_) => {
                self.last = Some(start);
                return Ok(());
            }
        };
        Err(segment.damage(0, fault))
    }

    fn records<E>(
        &mut self,
        number: u32,
        segment: &Segment<'_>,
        header: &SegmentHeader,
        together: usize,
        each: &mut impl FnMut(Drain<'_, ReplayRecord<'_>>) -> Result<(), E>,
    ) -> Result<(), ReadError<E>> {
        let (from, rules) = (self.known.from, header.rules);
        let mark = self.known.mark.map(|mark| mark.last);
        let mut now_ms = self.now_ms;
        let mut records = Vec::with_capacity(together);
        let read = segment.read(rules, header.before, |offset, record| {
            let link = record.link();
            now_ms = link.now_ms;
            if link.sequence == from.sequence && record.hash() != from.hash {
                return Err(segment.damage(offset, Fault::Diverged { at: from.sequence }).into());
            }
            if mark.is_some_and(|mark| mark.sequence == link.sequence && mark.hash != record.hash()) {
                return Err(segment.damage(offset, Fault::Unmarked { at: link.sequence }).into());
            }
            if link.sequence <= from.sequence {
                return Ok(());
            }
            let position = Position { segment: number, offset, sequence: link.sequence, rules };
            let (change, receipt) = values(record).map_err(|what| {
                let what = format!("record {} has a value that no wallet has: {what}", link.sequence);
                segment.damage(offset, Fault::Bytes(what))
            })?;
            records.push(ReplayRecord { position, now_ms, change, receipt });
            if records.len() < together { Ok(()) } else { each(records.drain(..)).map_err(ReadError::Caller) }
        });
        // What comes before damage comes first, also what is wrong with it.
        if !records.is_empty() {
            each(records.drain(..)).map_err(ReadError::Caller)?;
        }
        let (last, offset, end) = read.map_err(flatten)?;
        (self.last, self.now_ms) = (Some(last), now_ms);
        self.closed.push(SegmentRange { number, last: last.sequence });
        self.end = (segment.name.into(), offset);
        match end {
            End::Torn(what) => {
                coverage::hit(coverage::Branch::TornTail);
                self.tear(number, segment, offset, what);
            }
            End::Zeros if offset as usize + JOURNAL_BLOCK_BYTES > segment.bytes.len() => self.next = None,
            End::Zeros => self.next = Some(Place { segment: number, offset }),
        }
        Ok(())
    }

    fn tear(&mut self, number: u32, segment: &Segment<'_>, offset: u64, what: String) {
        self.end(segment, offset, &what);
        self.next = Some(Place { segment: number, offset });
        self.torn = Some(TornTail { segment: number, name: segment.name.into(), offset, what });
    }

    fn end(&mut self, segment: &Segment<'_>, offset: u64, what: &str) {
        self.over = Some(Over { file: segment.name.into(), offset, what: what.into() });
    }

    fn finish(mut self, origin: Origin) -> Result<Tail, Damage> {
        let ReplayStart { from, next_segment, .. } = self.known;
        let last = self.last.unwrap_or(from);
        self.check_mark(last, origin)?;
        let (number, file) = self.before.unwrap_or_default();
        let number = next_segment.unwrap_or(0).max(number + 1);
        let next = self.next.unwrap_or(Place { segment: number, offset: 0 });
        if last.sequence < from.sequence {
            let fault = Fault::Short { last: last.sequence, covered: from.sequence };
            return Err(Damage { file, offset: next.offset, fault });
        }
        self.closed.retain(|closed| closed.number != next.segment);
        Ok(Tail { last, now_ms: self.now_ms, next, closed: self.closed, torn: self.torn })
    }

    /// Checks that the journal reaches its mark, and that nothing is torn and nothing follows where there was a clean stop.
    fn check_mark(&mut self, last: Point, origin: Origin) -> Result<(), Damage> {
        let Some(mark) = self.known.mark else { return Ok(()) };
        let (file, offset, what) = match (self.over.take(), self.end.0.is_empty()) {
            (Some(over), _) if self.torn.is_some() => (over.file, over.offset, over.what),
            // What a segment that is not used says is no more than that.
            (_, false) => (core::mem::take(&mut self.end.0), self.end.1, "zeros follow".into()),
            (Some(over), true) => (over.file, over.offset, over.what),
            (None, true) => (format!("the journal of shard {}", origin.shard), 0, "it has no segment".into()),
        };
        let from = self.known.from;
        let fault = if mark.last.sequence == from.sequence && mark.last.hash != from.hash {
            Fault::Unmarked { at: from.sequence }
        } else if mark.last.sequence > last.sequence {
            coverage::hit(coverage::Branch::EndMissing);
            Fault::Lost { last: last.sequence, marked: mark.last.sequence, what }
        } else if mark.stopped.is_some() && mark.last.sequence < last.sequence {
            coverage::hit(coverage::Branch::RecordsAfterStop);
            Fault::BehindStop { last: last.sequence, marked: mark.last.sequence }
        } else if let (Some(torn), Some(_)) = (&self.torn, mark.stopped) {
            coverage::hit(coverage::Branch::TornAfterStop);
            Fault::AfterStop(torn.what.clone())
        } else {
            return Ok(());
        };
        Err(Damage { file, offset, fault })
    }
}

/// What a record holds.
fn values<'a>(record: &Record<'a>) -> Result<(Change<'a>, Receipt), &'static str> {
    Ok((record.change()?, record.receipt()?))
}

fn flatten<E>(error: ReadError<ReadError<E>>) -> ReadError<E> {
    match error {
        ReadError::Damage(damage) => ReadError::Damage(damage),
        ReadError::Caller(error) => error,
    }
}
