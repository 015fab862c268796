//! Folding: the records of sealed segments, applied to the snapshot before them, make the next snapshot.

use super::{Error, SnapshotSource, again, flatten, restore_accounts};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use journal::record::Record;
use journal::snapshot::{Sink, SnapshotHeader, SnapshotReader, SnapshotWriter, Source, WriteError};
use journal::{Buffer, Change, Damage, Fault, Origin, Point, Position, SegmentSource, replay};
use wallet::account::Slot;
use wallet::image::{AccountImage, RoundImage};
use wallet::settings::Settings;
use wallet::{Millis, Rules, Sequence, Wallet};

/// Of a shard's sealed segments, in their order, those that its snapshot covers, and those that wait to be folded. A fold that
/// was cut short has left some of the former; nothing is read of them any more.
pub fn covered<'a>(snapshot: Option<&SnapshotHeader>, sealed: &'a [u32]) -> (&'a [u32], &'a [u32]) {
    let next_segment = snapshot.map_or(0, |header| header.next_segment);
    sealed.split_at(sealed.partition_point(|number| *number < next_segment))
}

/// Folds the records of `segments` into the snapshot before them, slot by slot: no more than one segment, or one slot's
/// accounts, are in memory at a time, beside where each record is. The segments take no further record, and are the first
/// that the snapshot does not cover; `until` is where the last of them ends, by the header of the one that follows. `create` makes
/// what the new snapshot is written to; `cold` takes the rounds of each slot that belong to the history by then, and are not in
/// the snapshot. `rest` is called after each record that is read or applied, and after each slot.
///
/// # Errors
/// What is damaged, does not come out as it did, or ends elsewhere; and what the sink says, or `cold`.
pub fn fold<S, B, W, E>(
    origin: Origin,
    snapshot: Option<SnapshotSource<S>>,
    segments: &[SealedSegment<B>],
    until: Point,
    create: impl FnOnce(&SnapshotHeader) -> Result<W, W::Error>,
    mut cold: impl FnMut(Vec<ColdRound>) -> Result<(), W::Error>,
    mut rest: impl FnMut(),
) -> Result<Folded<W>, FoldError<E, W::Error>>
where
    S: Source<Error = E>,
    B: SegmentBytes<Error = E>,
    W: Sink,
{
    let mut old = match snapshot {
        None => None,
        Some((name, source)) => {
            let reader = SnapshotReader::open(&name, source, origin);
            Some(reader.map_err(|error| FoldError::Recovery(error.into()))?)
        }
    };
    let from = old.as_ref().map_or(Point::START, |reader| reader.header().covers);
    let index = Index::of(origin, segments, from, &mut rest)?;
    index.check_end(segments, until).map_err(|damage| FoldError::Recovery(Error::Damage(damage)))?;
    let before = old.as_ref().map_or(0, |reader| reader.header().now_ms);
    let next_segment = match (segments.last(), &old) {
        (Some(segment), _) => segment.number + 1,
        (None, Some(reader)) => reader.header().next_segment,
        (None, None) => 1,
    };
    let now_ms = index.now_ms.max(before);
    let header = SnapshotHeader {
        origin,
        covers: index.last,
        now_ms,
        rules: Rules::V2,
        next_segment,
        has_history: true,
    };
    let start = old.as_ref().map_or_else(Settings::default, |reader| reader.settings().clone());
    let mut settings = Wallet::to_replay();
    settings.configure(before, &start).map_err(|changed| FoldError::Recovery(Error::from(changed)))?;
    for later in &index.settings {
        let changed = settings.configure(later.at_ms, &later.settings);
        changed.map_err(|changed| FoldError::Recovery(Error::from(changed)))?;
    }
    let sink = create(&header).map_err(|error| FoldError::Snapshot(WriteError::Sink(error)))?;
    let mut writer = SnapshotWriter::begin(sink, header, settings.settings()).map_err(FoldError::Snapshot)?;
    let mut section = next_slot(old.as_mut())?;
    let mut places = &index.places[..];
    loop {
        let next_place = places.first().map(|place| place.slot);
        let next_section = section.as_ref().map(|(slot, _)| *slot);
        let Some(slot) = next_place.into_iter().chain(next_section).min() else { break };
        let mut accounts = Vec::new();
        if next_section == Some(slot) {
            (_, accounts) = section.take().unwrap_or((slot, Vec::new()));
            section = next_slot(old.as_mut())?;
            while section.as_ref().is_some_and(|(next, _)| *next == slot) {
                accounts.extend(section.take().into_iter().flat_map(|(_, more)| more));
                section = next_slot(old.as_mut())?;
            }
        }
        let count = places.iter().take_while(|place| place.slot == slot).count();
        let (of_slot, others) = places.split_at(count);
        places = others;
        if of_slot.is_empty() {
            index.forget(&start, &mut accounts, now_ms);
        } else {
            accounts = index
                .apply(&start, &accounts, segments, of_slot, now_ms, &mut rest)
                .map_err(FoldError::Recovery)?;
        }
        rest();
        let left = cool(&mut accounts, now_ms, settings.settings());
        cold(left).map_err(|error| FoldError::Snapshot(WriteError::Sink(error)))?;
        writer.slot(slot, &accounts).map_err(FoldError::Snapshot)?;
    }
    // A later record of the same moment may touch a round once more.
    let cold_until_ms = settings.settings().cold_until(now_ms).min(now_ms.saturating_sub(1));
    let sink = writer.finish().map_err(FoldError::Snapshot)?;
    Ok(Folded { header, settings: settings.settings().clone(), cold_until_ms, sink })
}

/// What a fold has made.
#[derive(Debug)]
pub struct Folded<W> {
    /// What the new snapshot says of itself.
    pub header: SnapshotHeader,
    /// What held at its end.
    pub settings: Settings,
    /// Rounds that belong to the history and were touched last at or before this are not in it, and no later record says that
    /// they were touched then: milliseconds since 1970. It is before the last record.
    pub cold_until_ms: Millis,
    /// What the new snapshot was written to.
    pub sink: W,
}

/// A round that belongs to the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColdRound {
    /// Whose it is.
    pub account: String,
    /// The round.
    pub round: RoundImage,
}

/// Takes the rounds out of accounts that belong to the history.
pub(super) fn cool(accounts: &mut [AccountImage], now_ms: Millis, settings: &Settings) -> Vec<ColdRound> {
    let of_account = |account: &mut AccountImage| {
        let rounds = account.cool(now_ms, settings);
        let of = |round| ColdRound { account: account.id.clone(), round };
        rounds.into_iter().map(of).collect::<Vec<_>>()
    };
    accounts.iter_mut().flat_map(of_account).collect()
}

/// Why a fold came to nothing.
#[derive(Debug)]
pub enum FoldError<E, W> {
    /// What is to be folded can't be read.
    Recovery(Error<E>),
    /// The new snapshot can't be written.
    Snapshot(WriteError<W>),
}

/// A segment that takes no further record.
pub struct SealedSegment<B> {
    /// Its number.
    pub number: u32,
    /// Its file's name.
    pub name: String,
    /// All of it.
    pub bytes: B,
}

/// The bytes of a segment, which can be read more than once.
pub trait SegmentBytes {
    /// What can go wrong.
    type Error;

    /// Reads all of them, into `room`.
    ///
    /// # Errors
    /// Where they can't be read.
    fn all(&self, room: Buffer) -> Result<Buffer, Self::Error>;

    /// Reads those from `offset` on until `room` is full, or to the end. Returns how many.
    ///
    /// # Errors
    /// Where they can't be read.
    fn part(&self, offset: u64, room: &mut [u8]) -> Result<usize, Self::Error>;
}

type Section = (Slot, Vec<AccountImage>);

fn next_slot<S: Source, W>(
    reader: Option<&mut SnapshotReader<S>>,
) -> Result<Option<Section>, FoldError<S::Error, W>> {
    match reader {
        None => Ok(None),
        Some(reader) => reader.section().map_err(|error| FoldError::Recovery(error.into())),
    }
}

/// Where the records of sealed segments are, slot by slot.
struct Index {
    places: Vec<RecordPlace>,
    /// In their order.
    settings: Vec<Later>,
    last: Point,
    /// Where the last segment ends, in bytes.
    ends_at: u64,
    now_ms: Millis,
}

/// Settings that hold from a record on.
struct Later {
    sequence: Sequence,
    at_ms: Millis,
    settings: Settings,
}

/// A record's place.
struct RecordPlace {
    slot: Slot,
    sequence: Sequence,
    /// Among the segments that are folded.
    segment: u32,
    offset: u32,
    rules: Rules,
}

impl RecordPlace {
    /// Reads the record once more; by its checksum and its sequence it is the same.
    fn read<'a, B: SegmentBytes>(
        &self,
        segment: &SealedSegment<B>,
        room: &'a mut Buffer,
    ) -> Result<Record<'a>, Error<B::Error>> {
        let offset = u64::from(self.offset);
        room.resize(limits::RECORD_READ_BYTES, 0);
        let mut read = segment.bytes.part(offset, room).map_err(Error::Caller)?;
        if let Some(length) = Record::length(&room[..read])
            && (read + 1..=limits::RECORD_BYTES_MAX).contains(&length)
        {
            room.resize(length, 0);
            read = segment.bytes.part(offset, room).map_err(Error::Caller)?;
        }
        let record = Record::read(self.rules, &room[..read]);
        let record = record.and_then(|record| match record.link().sequence {
            sequence if sequence == self.sequence => Ok(record),
            sequence => Err(format!("record {sequence}, where record {} was read before", self.sequence)),
        });
        record.map_err(|fault| {
            Error::Damage(Damage { file: segment.name.clone(), offset, fault: Fault::Bytes(fault) })
        })
    }
}

impl Index {
    fn of<B: SegmentBytes, W>(
        origin: Origin,
        segments: &[SealedSegment<B>],
        from: Point,
        rest: &mut impl FnMut(),
    ) -> Result<Self, FoldError<B::Error, W>> {
        let (mut places, mut settings) = (Vec::new(), Vec::new());
        let first = segments.first().map_or(0, |segment| segment.number);
        let sources = segments.iter().map(|segment| SegmentSource {
            number: segment.number,
            name: segment.name.clone(),
            read: |room| segment.bytes.all(room).map_err(Error::Caller),
        });
        let tail = replay(origin, sources, from, |position, at_ms, change, _| {
            match (change.slot(), change) {
                (Some(slot), _) => places.push(RecordPlace {
                    slot,
                    sequence: position.sequence,
                    segment: position.segment - first,
                    offset: position.offset as u32,
                    rules: position.rules,
                }),
                (None, Change::Configure(later)) => {
                    settings.push(Later { sequence: position.sequence, at_ms, settings: later });
                }
                (None, Change::Operation(_)) => unreachable!("an operation is of a slot"),
            }
            rest();
            Ok(())
        });
        let tail = tail.map_err(|error| FoldError::Recovery(flatten(error)))?;
        places.sort_unstable_by_key(|place| (place.slot, place.sequence));
        Ok(Self { places, settings, last: tail.last, ends_at: tail.next.offset, now_ms: tail.now_ms })
    }

    /// What is torn, or zeros, at the end of a journal is nobody's; at the end of a segment that others follow it is lost.
    fn check_end<B>(&self, segments: &[SealedSegment<B>], until: Point) -> Result<(), Damage> {
        if self.last == until {
            return Ok(());
        }
        let (last, follows) = (self.last.sequence, until.sequence + 1);
        let fault =
            format!("the segment ends with record {last}, and the next one begins with record {follows}");
        let file = segments.last().map(|segment| segment.name.clone()).unwrap_or_default();
        Err(Damage { file, offset: self.ends_at, fault: Fault::Bytes(fault) })
    }

    /// The accounts of a slot, after the records of these places, as they are at `now_ms`.
    fn apply<B: SegmentBytes>(
        &self,
        start: &Settings,
        accounts: &[AccountImage],
        segments: &[SealedSegment<B>],
        places: &[RecordPlace],
        now_ms: Millis,
        rest: &mut impl FnMut(),
    ) -> Result<Vec<AccountImage>, Error<B::Error>> {
        let mut wallet = Wallet::to_replay();
        wallet.configure(0, start)?;
        restore_accounts(&mut wallet, accounts)?;
        let mut settings = self.settings.iter().peekable();
        let mut room = Buffer::new();
        for place in places {
            while let Some(later) = settings.next_if(|later| later.sequence < place.sequence) {
                wallet.configure(later.at_ms, &later.settings)?;
            }
            let segment = &segments[place.segment as usize];
            let record = place.read(segment, &mut room)?;
            let (change, receipt) = (record.change(), record.receipt());
            let (change, receipt) =
                (change.expect("it was read before"), receipt.expect("it was read before"));
            let (segment, offset) = (segment.number, u64::from(place.offset));
            let position = Position { segment, offset, sequence: place.sequence, rules: place.rules };
            again(&mut wallet, position, record.link().now_ms, &change, &receipt)?;
            rest();
        }
        for later in settings {
            wallet.configure(later.at_ms, &later.settings)?;
        }
        let places: Vec<u32> = wallet.by_slot().into_iter().flat_map(|(_, places)| places).collect();
        Ok(wallet.images(now_ms, &places).collect())
    }

    /// Forgets of accounts that no record concerns what is past its horizon by `now_ms`: by the settings of each time.
    fn forget(&self, start: &Settings, accounts: &mut [AccountImage], now_ms: Millis) {
        let mut settings = start;
        for later in &self.settings {
            for account in accounts.iter_mut() {
                account.forget(later.at_ms, settings);
                if settings.session_idle_ms != later.settings.session_idle_ms {
                    account.end_expired(later.at_ms, settings);
                }
            }
            settings = &later.settings;
        }
        accounts.iter_mut().for_each(|account| account.forget(now_ms, settings));
    }
}
