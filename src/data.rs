//! A data directory, opened whole: all shards recovered, dealt anew where their number has changed, and folded while
//! they are served.
//!
//! `storage` has the files, `journal` their bytes, `recovery` the wallets; what is here joins them.

mod files;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

pub use files::ShardFiles;
use files::SnapshotSink;

use crate::config::Demo;
use crate::journal::snapshot::{SnapshotHeader, WriteError};
use crate::journal::{Journal, Origin, Place, Point, RecordHash};
use crate::recovery::{self, FoldError, Recovered};
use crate::shard::partition::{Partition, ShardId};
use crate::storage::FileError;
use crate::storage::directory::DataDirectory;
use crate::storage::manifest::Manifest;
use crate::wallet::account::{AccountRef, Profile};
use crate::wallet::amount::Amount;
use crate::wallet::{Catalog, Millis, Rules, Wallet};

/// A shard that is ready to serve.
#[derive(Debug)]
pub struct ShardStart {
    /// Its wallet.
    pub wallet: Wallet,
    /// Its journal; it may hold a record already.
    pub journal: Journal,
    /// Where the next group goes.
    pub next: Place,
    /// The segment before that one's, where there is one.
    pub before: Option<u32>,
    /// Its files.
    pub files: ShardFiles,
    /// The time that its journal has come to, milliseconds since 1970.
    pub now_ms: Millis,
}

/// A data directory that is ready to serve, and held.
#[derive(Debug)]
pub struct Data {
    /// Its files; it is held for as long as this is kept.
    pub directory: DataDirectory,
    /// Every shard, in order.
    pub shards: Vec<ShardStart>,
    /// What whoever starts the server should know.
    pub notes: Vec<String>,
    /// Records that were applied again.
    pub replayed: u64,
}

/// Why a data directory can't be opened.
#[derive(Debug)]
pub enum Error {
    /// A file, or what the system says of it.
    Files(FileError),
    /// What is in the files.
    Recovery(Box<recovery::Error<FileError>>),
    /// A snapshot can't be written.
    Snapshot(String),
    /// The directory is of another kind than what is to be served.
    Other(String),
}

impl From<FileError> for Error {
    fn from(error: FileError) -> Self {
        Self::Files(error)
    }
}

impl From<recovery::Error<FileError>> for Error {
    fn from(error: recovery::Error<FileError>) -> Self {
        Self::Recovery(Box::new(error))
    }
}

impl From<WriteError<FileError>> for Error {
    fn from(error: WriteError<FileError>) -> Self {
        match error {
            WriteError::Sink(error) => Self::Files(error),
            WriteError::AccountTooLarge(account) => {
                Self::Snapshot(format!("the account {account} is too large for a snapshot"))
            }
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Files(error) => error.fmt(f),
            Self::Recovery(error) => write!(
                f,
                "can't recover: {error}. Nothing was changed; `purser verify` reads all of it, docs/operations.md says what \
                 to do"
            ),
            Self::Snapshot(sentence) | Self::Other(sentence) => f.write_str(sentence),
        }
    }
}

impl std::error::Error for Error {}

/// What a start needs to know.
#[derive(Debug)]
pub struct Opening {
    /// How the slots are dealt from now on.
    pub partition: Partition,
    /// What is served.
    pub catalog: Arc<Catalog>,
    /// Made-up accounts.
    pub demo: Option<Demo>,
    /// The time of day, milliseconds since 1970.
    pub now_ms: Millis,
    /// Random bits, for a new generation.
    pub stream: u64,
}

/// Opens the directory at `path` for a server: holds it, recovers what is in it, deals it anew where the number of
/// shards has changed, and puts demo accounts in that are missing.
///
/// # Errors
/// Where another process holds it, where it is damaged, and where it is not what is to be served.
pub fn open(path: &Path, opening: &Opening) -> Result<Data, Error> {
    let directory = DataDirectory::lock(path)?;
    let found = Manifest::read(path)?;
    if let Some(found) = found.filter(|found| found.demo != opening.demo.is_some()) {
        let (holds, asked) = if found.demo { ("demo data", "other") } else { ("other data", "demo") };
        let path = path.display();
        return Err(Error::Other(format!(
            "the data directory {path} holds {holds}, and {asked} data are to be served: give another --data"
        )));
    }
    let (mut notes, mut replayed) = (Vec::new(), 0);
    let partition = opening.partition;
    let mut state = match found {
        None => State::blank(&directory, opening, 1)?,
        Some(found) => {
            let recovered = recover_all(&directory, found, &mut notes)?;
            replayed = recovered.iter().map(|shard| shard.replayed).sum();
            if usize::from(found.shards) == partition.shards() {
                State::known(&directory, found, recovered)?
            } else {
                let (before, now) = (found.shards, partition.shards());
                notes.push(format!("the accounts of {before} shards are dealt anew, to {now}"));
                State::dealt(&directory, found, recovered, opening)?
            }
        }
    };
    let now_ms = state.shards.iter().map(|shard| shard.now_ms).fold(opening.now_ms, Millis::max);
    // What the demo changes is in no journal; a snapshot of it follows.
    let journaled = !state.anew && opening.demo.is_none();
    let changed = state.configure(&opening.catalog, now_ms, journaled)?;
    if let Some(demo) = opening.demo {
        state.anew |= changed | put_demo(&mut state.wallets, partition, demo, now_ms);
    }
    if state.anew {
        state.write_snapshots(now_ms)?;
    }
    if found != Some(state.manifest) {
        state.manifest.write(path)?;
    }
    directory.remove_other_generations(state.manifest.generation)?;
    recovery::claim_keys(&mut state.wallets, partition, now_ms);
    let shards = state.shards.into_iter().zip(state.wallets);
    let shards = shards.map(|(shard, mut wallet)| {
        wallet.open(Arc::clone(&opening.catalog));
        let Prepared { journal, next, before, files, now_ms } = shard;
        ShardStart { wallet, journal, next, before, files, now_ms }
    });
    Ok(Data { directory, shards: shards.collect(), notes, replayed })
}

/// A shard on its way to serve, without its wallet.
struct Prepared {
    journal: Journal,
    next: Place,
    before: Option<u32>,
    files: ShardFiles,
    now_ms: Millis,
}

/// All shards on their way.
struct State {
    manifest: Manifest,
    wallets: Vec<Wallet>,
    shards: Vec<Prepared>,
    /// The wallets hold what no journal has: they are to be snapshots before anything is served.
    anew: bool,
}

impl State {
    /// Shards that hold nothing, of a new generation.
    fn blank(directory: &DataDirectory, opening: &Opening, generation: u64) -> Result<Self, Error> {
        let shards = opening.partition.shards();
        let demo = opening.demo.is_some();
        let manifest = Manifest { generation, stream: opening.stream, shards: shards as u16, demo };
        // A generation that was begun and never used may have files in it.
        directory.remove_other_generations(generation - 1)?;
        let prepared = (0..manifest.shards).map(|shard| {
            let files = ShardFiles::new(directory.shard(generation, shard)?, origin(manifest, shard));
            Ok(Prepared {
                journal: Journal::new(files.origin, Point::START),
                next: Place { segment: 1, offset: 0 },
                before: None,
                files,
                now_ms: 0,
            })
        });
        let prepared = prepared.collect::<Result<Vec<_>, FileError>>()?;
        let wallets = (0..shards).map(|_| Wallet::to_replay()).collect();
        Ok(Self { manifest, wallets, shards: prepared, anew: true })
    }

    /// The shards as they were.
    fn known(
        directory: &DataDirectory,
        manifest: Manifest,
        recovered: Vec<Recovered>,
    ) -> Result<Self, Error> {
        let mut state = Self { manifest, wallets: Vec::new(), shards: Vec::new(), anew: false };
        for (shard, recovered) in (0..).zip(recovered) {
            let Recovered { wallet, tail, now_ms, .. } = recovered;
            let files =
                ShardFiles::new(directory.shard(manifest.generation, shard)?, origin(manifest, shard));
            files.directory.remove_unfinished()?;
            if let Some(torn) = &tail.torn {
                files.directory.cut_segment(torn.segment, torn.offset)?;
            }
            state.wallets.push(wallet);
            let journal = Journal::new(files.origin, tail.last);
            let before = tail.closed.last().map(|segment| segment.number);
            state.shards.push(Prepared { journal, next: tail.next, before, files, now_ms });
        }
        Ok(state)
    }

    /// The accounts of other shards, dealt to new ones of a generation of their own.
    fn dealt(
        directory: &DataDirectory,
        found: Manifest,
        recovered: Vec<Recovered>,
        opening: &Opening,
    ) -> Result<Self, Error> {
        let mut state = Self::blank(directory, opening, found.generation + 1)?;
        // Sequences go on, so that the order of what happened can be told across the change.
        let sequence = recovered.iter().map(|shard| shard.tail.last.sequence).max().unwrap_or(0);
        let now_ms = recovered.iter().map(|shard| shard.now_ms).max().unwrap_or(0);
        for shard in &mut state.shards {
            shard.journal = Journal::new(shard.files.origin, Point { sequence, hash: RecordHash::START });
            shard.now_ms = now_ms;
        }
        let wallets = recovered.into_iter().map(|shard| shard.wallet).collect();
        state.wallets = recovery::deal(wallets, opening.partition, now_ms)?;
        Ok(state)
    }

    /// Sets what is to hold from now on, and says whether that was a change. Where it is `journaled`, a change of it is;
    /// or else a snapshot follows.
    fn configure(&mut self, catalog: &Catalog, now_ms: Millis, journaled: bool) -> Result<bool, Error> {
        let settings = catalog.settings();
        let mut any = false;
        for (shard, wallet) in self.shards.iter_mut().zip(&mut self.wallets) {
            let changed = wallet.configure(now_ms, &settings).map_err(recovery::Error::Currency)?;
            any |= changed;
            if changed && journaled {
                shard.journal.configure(now_ms, wallet.settings());
                shard.now_ms = now_ms;
            }
        }
        Ok(any)
    }

    /// Writes a snapshot of every shard, and removes what it has made superfluous.
    fn write_snapshots(&mut self, now_ms: Millis) -> Result<(), Error> {
        for (shard, wallet) in self.shards.iter_mut().zip(&self.wallets) {
            shard.now_ms = now_ms;
            let header = SnapshotHeader {
                origin: shard.files.origin,
                covers: shard.journal.last(),
                now_ms,
                rules: Rules::V2,
            };
            let sink = SnapshotSink(shard.files.directory.create_snapshot(header.covers.sequence)?);
            recovery::write_snapshot(sink, header, wallet)?.0.publish()?;
            shard.files.directory.remove_snapshots_before(header.covers.sequence)?;
        }
        Ok(())
    }
}

fn origin(manifest: Manifest, shard: u16) -> Origin {
    Origin { stream: manifest.stream, shard, shards: manifest.shards }
}

/// Recovers all shards of a generation, each on a thread of its own.
fn recover_all(
    directory: &DataDirectory,
    manifest: Manifest,
    notes: &mut Vec<String>,
) -> Result<Vec<Recovered>, Error> {
    let files = (0..manifest.shards).map(|shard| {
        Ok(ShardFiles::new(directory.shard(manifest.generation, shard)?, origin(manifest, shard)))
    });
    let files = files.collect::<Result<Vec<_>, FileError>>()?;
    let recovered: Vec<Result<Recovered, Error>> = std::thread::scope(|scope| {
        let threads: Vec<_> = files.iter().map(|files| scope.spawn(|| Ok(files.recover()?))).collect();
        let joined = threads.into_iter().map(|thread| thread.join().expect("a recovery does not panic"));
        joined.collect()
    });
    let recovered = recovered.into_iter().collect::<Result<Vec<_>, _>>()?;
    for (shard, recovered) in recovered.iter().enumerate() {
        if let Some(torn) = &recovered.tail.torn {
            notes.push(format!(
                "shard {shard}: the last write, which nobody was told of, was torn by a crash and is cut: {}, byte {}: {}",
                torn.name, torn.offset, torn.what
            ));
        }
    }
    Ok(recovered)
}

/// 1,000,000.00 GBP (protocol §7).
const DEMO_FUNDS_MINOR: i64 = 100_000_000;

/// Puts the demo accounts in that are missing (protocol §7); `true` where there were any.
fn put_demo(wallets: &mut [Wallet], partition: Partition, demo: Demo, now_ms: Millis) -> bool {
    let opening = Amount::from_minor(DEMO_FUNDS_MINOR).expect("not negative");
    let profile = Profile::of(*b"GB");
    let mut added = false;
    for wallet in wallets.iter_mut().filter(|wallet| wallet.accounts() == 0) {
        wallet.reserve((demo.accounts as usize + 1).div_ceil(partition.shards()));
    }
    let mut put = |account: &str, key: &str| {
        let account = AccountRef::new(account);
        let owner: ShardId = partition.owner(account.hash().slot());
        added |= wallets[owner.index()].put_demo_account(now_ms, &account, &profile, opening, key);
    };
    put("default/admin", "20fbd3b9-eef2-49cd-9976-50f0d34e7f7c");
    for number in 1..=demo.accounts {
        put(&format!("default/player-{number:06}"), &format!("demo-{number:06}"));
    }
    added
}

/// Folds the sealed segments of a shard, those before number `current`, into its snapshot, where there are `at_least`
/// so many. `false` where there are not.
///
/// # Errors
/// What the files say; nothing has changed then.
pub fn fold(files: &ShardFiles, current: u32, at_least: u32) -> Result<bool, Error> {
    let sealed: Vec<u32> =
        files.directory.segments()?.into_iter().filter(|number| *number < current).collect();
    if sealed.len() < at_least as usize {
        return Ok(false);
    }
    let segments = files.sealed(&sealed)?;
    let create =
        |header: &SnapshotHeader| files.directory.create_snapshot(header.covers.sequence).map(SnapshotSink);
    let folded = recovery::fold(files.origin, files.snapshot()?, &segments, create);
    let (header, sink) = folded.map_err(|error| match error {
        FoldError::Recovery(error) => Error::from(error),
        FoldError::Snapshot(error) => Error::from(error),
    })?;
    sink.0.publish()?;
    files.directory.remove_snapshots_before(header.covers.sequence)?;
    files.directory.remove_segments(&sealed)?;
    Ok(true)
}
