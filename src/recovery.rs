//! Wallets out of what was stored: a snapshot, and the records after it.
//!
//! Every record's operation is applied again, and must come out as it did: the receipt in the record says how. So a
//! recovery proves that the state that is served is the one that was promised, and a program whose wallet answers
//! otherwise than the one that wrote the journal does not start.
//!
//! Pure: bytes come from the caller, so that the server, the inspection and the simulator recover in one way.

mod deal;
mod words;

use std::fmt;

pub use deal::{claim_keys, deal};

use crate::journal::reader::ReadError;
use crate::journal::record::Record;
use crate::journal::snapshot::{Sink, SnapshotHeader, SnapshotReader, SnapshotWriter, Source, WriteError};
use crate::journal::{
    Buffer, Change, Damage, Fault, Known, Mark, Origin, Point, Position, SegmentSource, Tail, replay,
};

use crate::wallet::account::Slot;
use crate::wallet::image::AccountImage;
use crate::wallet::outcome::Receipt;
use crate::wallet::replay::BadImage;
use crate::wallet::settings::{CurrencyChanged, Settings};
use crate::wallet::{Millis, Rules, Sequence, Stamp, Wallet};

/// A shard as it was.
#[derive(Debug)]
pub struct Recovered {
    /// Its wallet, which was not opened yet.
    pub wallet: Wallet,
    /// Where its journal ends.
    pub tail: Tail,
    /// The time of its last change, milliseconds since 1970.
    pub now_ms: Millis,
    /// The last change that the snapshot had; 0 where there was none.
    pub snapshot: Sequence,
    /// Records that were applied again.
    pub replayed: u64,
}

/// Why a wallet can't be recovered.
#[derive(Debug)]
pub enum Error<E> {
    /// What is stored is damaged, or was written by a version that is not understood.
    Damage(Damage),
    /// A record came out otherwise than it did.
    Mismatch(Box<Mismatch>),
    /// A snapshot's account can't be one.
    Image {
        /// Its id.
        account: String,
        /// Why.
        fault: BadImage,
    },
    /// A domain has another currency than the one that its accounts were opened in.
    Currency(CurrencyChanged),
    /// What the caller says of its files.
    Caller(E),
}

/// A record that came out otherwise than it did.
#[derive(Debug)]
pub struct Mismatch {
    /// Where it was read.
    pub position: Position,
    /// What it holds.
    pub change: String,
    /// How it came out first.
    pub was: Receipt,
    /// How it came out now; `None` where it changed nothing.
    pub is: Option<Receipt>,
}

impl<E> From<ReadError<E>> for Error<E> {
    fn from(error: ReadError<E>) -> Self {
        match error {
            ReadError::Damage(damage) => Self::Damage(damage),
            ReadError::Caller(error) => Self::Caller(error),
        }
    }
}

impl<E> From<CurrencyChanged> for Error<E> {
    fn from(changed: CurrencyChanged) -> Self {
        Self::Currency(changed)
    }
}

impl<E: fmt::Display> fmt::Display for Error<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damage(damage) => damage.fmt(f),
            Self::Mismatch(mismatch) => mismatch.fmt(f),
            Self::Image { account, fault } => write!(f, "the snapshot's account {account:?}: {}", fault.0),
            Self::Currency(CurrencyChanged { domain, was, is }) => write!(
                f,
                "the configuration gives the domain {domain:?} the currency {}, and the data have it with {was}: a domain \
                 keeps its currency. Give it {was} again, or begin a domain of another name",
                is.code(),
                was = was.code()
            ),
            Self::Caller(error) => error.fmt(f),
        }
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { position: Position { segment, offset, sequence, .. }, change, was, is } = self;
        write!(f, "record {sequence} (segment {segment}, byte {offset}) does not come out as it did: ")?;
        write!(f, "code {}, cash {}, version {} then, ", was.code, was.cash.minor(), was.version)?;
        match is {
            None => f.write_str("no change now")?,
            Some(is) => write!(f, "code {}, cash {}, version {} now", is.code, is.cash.minor(), is.version)?,
        }
        write!(f, "; {change}")
    }
}

/// A snapshot that is to be read: the name of its file, and its bytes.
pub type SnapshotSource<S> = (String, S);

/// Recovers a shard: the snapshot, where there is one, and every record after it. `mark` is what the shard's mark says,
/// where it has one.
///
/// # Errors
/// What is damaged or does not come out as it did.
pub fn recover<S, R, E>(
    origin: Origin,
    snapshot: Option<SnapshotSource<S>>,
    segments: impl IntoIterator<Item = SegmentSource<R>>,
    mark: Option<Mark>,
) -> Result<Recovered, Error<E>>
where
    S: Source<Error = E>,
    R: FnOnce(Buffer) -> Result<Buffer, E>,
{
    let mut wallet = Wallet::to_replay();
    let (mut known, mut snapshot_ms) = (Known { mark, ..Point::START.into() }, 0);
    if let Some((name, source)) = snapshot {
        let header = restore(&mut wallet, &name, source, origin)?;
        (known, snapshot_ms) = (header.known(mark), header.now_ms);
        if mark.is_some() && known.next_segment.is_none() {
            let fault = Fault::Bytes("the snapshot does not say which segment follows it".into());
            return Err(Error::Damage(Damage { file: name, offset: 0, fault }));
        }
    }
    let mut replayed = 0;
    let segments = segments.into_iter().map(|SegmentSource { number, name, read }| SegmentSource {
        number,
        name,
        read: |room| read(room).map_err(Error::Caller),
    });
    let tail = replay(origin, segments, known, |position, now_ms, change, receipt| {
        replayed += 1;
        again(&mut wallet, position, now_ms, &change, &receipt)
    });
    let tail = tail.map_err(flatten)?;
    let now_ms = tail.now_ms.max(snapshot_ms);
    Ok(Recovered { wallet, tail, now_ms, snapshot: known.from.sequence, replayed })
}

/// An error of the replay, whose callback has errors of this module.
fn flatten<E>(error: ReadError<Error<E>>) -> Error<E> {
    match error {
        ReadError::Damage(damage) => Error::Damage(damage),
        ReadError::Caller(error) => error,
    }
}

/// Applies a record again to a wallet that has the accounts it concerns.
///
/// # Errors
/// Where it does not come out as it did, or settings can't hold.
pub fn again<E>(
    wallet: &mut Wallet,
    position: Position,
    now_ms: Millis,
    change: &Change<'_>,
    receipt: &Receipt,
) -> Result<(), Error<E>> {
    match change {
        Change::Configure(settings) => drop(wallet.configure_by(position.rules, now_ms, settings)?),
        Change::Operation(operation) => {
            let stamp = Stamp { now_ms, sequence: position.sequence };
            wallet.replay(position.rules, stamp, operation, receipt).map_err(|mismatch| {
                let (change, was, is) = (words::of(operation), *receipt, mismatch.is);
                Error::Mismatch(Box::new(Mismatch { position, change, was, is }))
            })?;
        }
    }
    Ok(())
}

/// Fills an empty wallet from a snapshot.
fn restore<S: Source>(
    wallet: &mut Wallet,
    name: &str,
    source: S,
    origin: Origin,
) -> Result<SnapshotHeader, Error<S::Error>> {
    let mut reader = SnapshotReader::open(name, source, origin)?;
    wallet.configure(reader.header().now_ms, reader.settings())?;
    while let Some((_, accounts)) = reader.section()? {
        restore_accounts(wallet, &accounts)?;
    }
    Ok(reader.header())
}

fn restore_accounts<E>(wallet: &mut Wallet, accounts: &[AccountImage]) -> Result<(), Error<E>> {
    for image in accounts {
        wallet.restore(image).map_err(|fault| Error::Image { account: image.id.clone(), fault })?;
    }
    Ok(())
}

/// Writes a snapshot of a whole wallet, as it is at the header's time.
///
/// # Errors
/// Where the sink takes no more.
pub fn write_snapshot<W: Sink>(
    sink: W,
    header: SnapshotHeader,
    wallet: &Wallet,
) -> Result<W, WriteError<W::Error>> {
    let mut writer = SnapshotWriter::begin(sink, header, wallet.settings())?;
    for (slot, places) in wallet.by_slot() {
        let accounts: Vec<AccountImage> = wallet.images(header.now_ms, &places).collect();
        writer.slot(slot, &accounts)?;
    }
    writer.finish()
}

/// Of a shard's sealed segments, in their order, those that its snapshot covers, and those that wait to be folded. A fold that
/// was cut short has left some of the former; nothing is read of them any more.
pub fn covered<'a>(snapshot: Option<&SnapshotHeader>, sealed: &'a [u32]) -> (&'a [u32], &'a [u32]) {
    let next_segment = snapshot.map_or(0, |header| header.next_segment);
    sealed.split_at(sealed.partition_point(|number| *number < next_segment))
}

/// Folds the records of `segments` into the snapshot before them, slot by slot: no more than one slot's accounts are in
/// memory at a time, beside the segments. The segments take no further record, and are the first that the snapshot does not cover. `create`
/// makes what the new snapshot is written to.
///
/// # Errors
/// What is damaged or does not come out as it did; and what the sink says.
pub fn fold<S, W, E>(
    origin: Origin,
    snapshot: Option<SnapshotSource<S>>,
    segments: &[SealedSegment],
    create: impl FnOnce(&SnapshotHeader) -> Result<W, W::Error>,
) -> Result<(SnapshotHeader, W), FoldError<E, W::Error>>
where
    S: Source<Error = E>,
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
    let index = Index::of(origin, segments, from)?;
    let before = old.as_ref().map_or(0, |reader| reader.header().now_ms);
    let next_segment = match (segments.last(), &old) {
        (Some(segment), _) => segment.number + 1,
        (None, Some(reader)) => reader.header().next_segment,
        (None, None) => 1,
    };
    let now_ms = index.now_ms.max(before);
    let header = SnapshotHeader { origin, covers: index.last, now_ms, rules: Rules::V2, next_segment };
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
            accounts =
                index.apply(&start, &accounts, segments, of_slot, now_ms).map_err(FoldError::Recovery)?;
        }
        writer.slot(slot, &accounts).map_err(FoldError::Snapshot)?;
    }
    Ok((header, writer.finish().map_err(FoldError::Snapshot)?))
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
pub struct SealedSegment {
    /// Its number.
    pub number: u32,
    /// Its file's name.
    pub name: String,
    /// All of it.
    pub bytes: Buffer,
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
    places: Vec<Place>,
    /// In their order.
    settings: Vec<Later>,
    last: Point,
    now_ms: Millis,
}

/// Settings that hold from a record on.
struct Later {
    sequence: Sequence,
    at_ms: Millis,
    settings: Settings,
}

/// A record's place.
struct Place {
    slot: Slot,
    sequence: Sequence,
    /// Among the segments that are folded.
    segment: u32,
    offset: u32,
    rules: Rules,
}

impl Index {
    fn of<E, W>(origin: Origin, segments: &[SealedSegment], from: Point) -> Result<Self, FoldError<E, W>> {
        let (mut places, mut settings) = (Vec::new(), Vec::new());
        let first = segments.first().map_or(0, |segment| segment.number);
        let sources = segments.iter().map(|segment| SegmentSource {
            number: segment.number,
            name: segment.name.clone(),
            read: |mut room: Buffer| {
                room.clear();
                room.extend_from_slice(&segment.bytes);
                Ok::<_, Error<E>>(room)
            },
        });
        let tail = replay(origin, sources, from, |position, at_ms, change, _| {
            match (change.slot(), change) {
                (Some(slot), _) => places.push(Place {
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
            Ok(())
        });
        let tail = tail.map_err(|error| FoldError::Recovery(flatten(error)))?;
        places.sort_unstable_by_key(|place| (place.slot, place.sequence));
        Ok(Self { places, settings, last: tail.last, now_ms: tail.now_ms })
    }

    /// The accounts of a slot, after the records of these places, as they are at `now_ms`.
    fn apply<E>(
        &self,
        start: &Settings,
        accounts: &[AccountImage],
        segments: &[SealedSegment],
        places: &[Place],
        now_ms: Millis,
    ) -> Result<Vec<AccountImage>, Error<E>> {
        let mut wallet = Wallet::to_replay();
        wallet.configure(0, start)?;
        restore_accounts(&mut wallet, accounts)?;
        let mut settings = self.settings.iter().peekable();
        for place in places {
            while let Some(later) = settings.next_if(|later| later.sequence < place.sequence) {
                wallet.configure(later.at_ms, &later.settings)?;
            }
            let segment = &segments[place.segment as usize];
            let record = Record::read(place.rules, &segment.bytes[place.offset as usize..]);
            let record = record.expect("it was read before");
            let (change, receipt) = (record.change(), record.receipt());
            let (change, receipt) =
                (change.expect("it was read before"), receipt.expect("it was read before"));
            let (segment, offset) = (segment.number, u64::from(place.offset));
            let position = Position { segment, offset, sequence: place.sequence, rules: place.rules };
            again(&mut wallet, position, record.link().now_ms, &change, &receipt)?;
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
