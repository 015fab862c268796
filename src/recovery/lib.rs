//! Wallets out of what was stored: a snapshot, and the records after it.
//!
//! Every record's operation is applied again, and must come out as it did: the receipt in the record says how. So a
//! recovery proves that the state that is served is the one that was promised, and a program whose wallet answers
//! otherwise than the one that wrote the journal does not start.
//!
//! Pure: bytes come from the caller, so that the server, the inspection and the simulator recover in one way.

#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod fold;
mod reshard;
#[cfg(test)]
mod tests;
mod words;

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

pub use fold::{ColdRound, FoldError, Folded, SealedSegment, SegmentBytes, covered, fold};
pub use reshard::{claim_keys, reshard, slots_of};

use journal::reader::ReadError;
use journal::snapshot::{Sink, SnapshotHeader, SnapshotReader, SnapshotWriter, Source, WriteError};
use journal::{
    Buffer, Change, Damage, Fault, Mark, Origin, Point, Position, ReplayRecord, ReplayStart, SegmentSource,
    Tail, replay_together,
};

use wallet::account::AccountHash;
use wallet::image::AccountImage;
use wallet::outcome::Receipt;
use wallet::replay::BadImage;
use wallet::settings::CurrencyChanged;
use wallet::{Millis, Sequence, Stamp, Wallet};

/// What is taken in together, so that the processor waits for the memory of all of it at a time.
const PREFETCHED: usize = 8;

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
    /// The record that a history must cover at least, where one belongs to the snapshot.
    pub history_covers: Option<Sequence>,
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
    let (mut known, mut snapshot_ms) = (ReplayStart { mark, ..Point::START.into() }, 0);
    let mut history_covers = None;
    if let Some((name, source)) = snapshot {
        let header = restore(&mut wallet, &name, source, origin)?;
        (known, snapshot_ms) = (header.known(mark), header.now_ms);
        history_covers = header.history_covers();
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
    let tail = replay_together(origin, segments, known, PREFETCHED, |mut records| {
        wallet.prefetch(records.as_slice().iter().filter_map(|record| match &record.change {
            Change::Operation(operation) => Some(operation),
            Change::Configure(_) => None,
        }));
        records.try_for_each(|ReplayRecord { position, now_ms, change, receipt }| {
            replayed += 1;
            again(&mut wallet, position, now_ms, &change, &receipt)
        })
    });
    let tail = tail.map_err(flatten)?;
    let now_ms = tail.now_ms.max(snapshot_ms);
    Ok(Recovered { wallet, tail, now_ms, snapshot: known.from.sequence, replayed, history_covers })
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
        Change::Configure(settings) => drop(wallet.replay_settings(position.rules, now_ms, settings)?),
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
    // A few at a time, so that the memory of those before is used again.
    let mut together = Vec::with_capacity(PREFETCHED);
    loop {
        let mut restored = Ok(());
        let slot = reader.next_section(|image| {
            if restored.is_ok() {
                together.push(image);
                if together.len() == PREFETCHED {
                    restored = restore_accounts(wallet, &together);
                    together.clear();
                }
            }
        })?;
        restored?;
        restore_accounts(wallet, &together)?;
        together.clear();
        if slot.is_none() {
            return Ok(reader.header());
        }
    }
}

fn restore_accounts<E>(wallet: &mut Wallet, accounts: &[AccountImage]) -> Result<(), Error<E>> {
    for together in accounts.chunks(PREFETCHED) {
        wallet.prefetch_accounts(together.iter().map(|image| AccountHash::of(&image.id)));
        for image in together {
            wallet.restore(image).map_err(|fault| Error::Image { account: image.id.clone(), fault })?;
        }
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
