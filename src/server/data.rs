//! A data directory, opened whole: all shards recovered, written to a new generation where that is needed, and folded
//! while they are served.
//!
//! `storage` has the files, `journal` their bytes, `recovery` the wallets; what is here joins them. A start that refuses
//! for what it has found has changed nothing; later it may have taken rights of others, and removed generations that do not
//! hold. One that is killed has left what the next one can go on from.

mod archive;
mod files;
mod generation;
mod history;
mod marks;
mod progress;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use archive::{Archived, Archiver, covered, retire};
use archive::{ShardEnd, archive_generation};
pub use files::ShardFiles;
pub use generation::write_shard;
use generation::{Generation, Reason};
pub use history::{OpenHistory, ShardHistory};
pub use marks::ShardMark;
pub use progress::ReadProgress;

use crate::config::Demo;
use crate::parallel;
use calendar::Zones;
use clock::start::{self, Confirmed, Decision, StartTimes};
use journal::mark::check_together;
use journal::snapshot::{SnapshotHeader, SnapshotReader, WriteError};
use journal::{Journal, Mark, Point};
use partition::{Partition, ShardId};
use recovery::{FoldError, Folded, Recovered};
use storage::FileError;
use storage::directory::DataDirectory;
use storage::generations::{self, REMEDY, check_generation};
use storage::manifest::Manifest;
use storage::segments::JournalEnd;
use wallet::account::{AccountRef, Profile};
use wallet::amount::Amount;
use wallet::settings::Settings;
use wallet::{Catalog, Millis, PlatformKey, Wallet};

/// A shard that is ready to serve.
#[derive(Debug)]
pub struct ShardStart {
    /// Its wallet.
    pub wallet: Wallet,
    /// Its journal; it may hold a record already.
    pub journal: Journal,
    /// The last record that is durable.
    pub last: Point,
    /// Where its journal ends.
    pub end: JournalEnd,
    /// Its files.
    pub files: ShardFiles,
    /// Its mark.
    pub mark: ShardMark,
    /// Its rounds that have left memory.
    pub history: Arc<ShardHistory>,
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
    /// Where what is folded goes; `None` where it is removed.
    pub archiver: Option<Archiver>,
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
        match error {
            // The configuration is at fault, and not the data.
            recovery::Error::Currency(_) => Self::Other(error.to_string()),
            error => Self::Recovery(Box::new(error)),
        }
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
pub struct OpenParameters {
    /// How the slots are assigned from now on.
    pub partition: Partition,
    /// What is served.
    pub catalog: Arc<Catalog>,
    /// The domains' time zones.
    pub zones: Zones,
    /// The platforms in the order of the configuration: data of version 0.1.0 names them by their places in it.
    pub platforms: Vec<PlatformKey>,
    /// Made-up accounts.
    pub demo: Option<Demo>,
    /// The system clock, milliseconds since 1970.
    pub now_ms: Millis,
    /// What the operator says of it.
    pub confirmed: Confirmed,
    /// Random bits, for a new generation.
    pub stream: u64,
    /// The directory was made by this start.
    pub is_made: bool,
    /// Where it is told how much was read.
    pub progress: Arc<ReadProgress>,
    /// The archive, and for how long what is in it is kept, milliseconds; `None` where there is to be none.
    pub archive: Option<(PathBuf, Option<u64>)>,
}

impl OpenParameters {
    /// What is to be journaled of the configuration, at a time.
    fn settings(&self, now_ms: Millis) -> Settings {
        let mut settings = self.catalog.settings();
        settings.set_calendars(self.zones.at(now_ms));
        settings
    }
}

/// Opens the directory at `path` for a server: holds it, recovers what is in it, writes it to a new generation where the
/// number of shards has changed or an older version has written it, and puts demo accounts in that are missing.
///
/// # Errors
/// Where another process holds it, where something is missing or damaged, where it is not what is to be served, and where
/// the system clock can't be believed.
pub fn open(path: &Path, parameters: &OpenParameters) -> Result<Data, Error> {
    let mut directory = DataDirectory::lock(path)?;
    let (mut notes, mut left, mut replayed) = (Vec::new(), Vec::new(), 0);
    let found = find(&directory, parameters)?;
    let unfinished = match &found {
        Some(found) if found.generation > 0 => {
            check_generation(path, found)?;
            generations::unfinished_after(path, found.generation)?
        }
        _ => Vec::new(),
    };
    // It is a data directory, or a new one.
    directory.make_lock_file()?;
    let archive_of = |found: Manifest| {
        let archive = parameters.archive.clone();
        archive.map(|(archive, keep_ms)| Archiver::new(archive, path.to_owned(), found, keep_ms))
    };
    let archiver = found.and_then(archive_of);
    let mut ended = None;
    let opened = match found {
        None => {
            let was = if parameters.is_made { "was not there" } else { "was empty" };
            notes.push(format!("the data directory {} {was}: new data are begun in it", path.display()));
            Generation::first(&directory, parameters, false)?
        }
        Some(found) if found.generation == 0 => Generation::first(&directory, parameters, true)?,
        Some(found) => {
            let recovered = recover_all(&directory, found, &parameters.progress, &mut notes)?;
            replayed = recovered.iter().map(|(shard, _)| shard.replayed).sum();
            let Decision { begin_ms, rebases, note } = decide(&recovered, parameters)?;
            notes.extend(note);
            // A start that was killed may have replaced the manifest and not have made that durable.
            directory.sync_entries()?;
            directory.close_to_others()?;
            left.extend(remove(&directory, &unfinished, &mut notes));
            left.extend(supersede(&directory, found.generation, &mut notes)?);
            let reasons = Reason::all(&found, parameters.partition);
            if reasons.is_empty() && !rebases {
                Generation::unchanged(&directory, found, recovered)?
            } else {
                notes.extend(reasons.iter().map(ToString::to_string));
                let end = |(shard, _): &RecoveredShard| (shard.tail.last, shard.tail.next);
                ended = Some((found, recovered.iter().map(end).collect::<Vec<ShardEnd>>()));
                Generation::rewritten(&directory, found, recovered, parameters, rebases.then_some(begin_ms))?
            }
        }
    };
    let manifest = opened.manifest;
    let (generation, served) = (manifest.generation, manifest.shards);
    let archived = match (&archiver, ended) {
        (Some(archiver), Some((found, ends))) => {
            archive_generation(archiver, &directory, found, &ends, &parameters.platforms, &mut notes)
        }
        _ => Ok(()),
    };
    let finished = archived.and_then(|()| opened.finish(&directory, parameters));
    let shards = finished.inspect_err(|_| {
        // On a full disk it would keep the room that others need. Where it can't be removed the next start does it.
        if Manifest::read(path)
            .is_ok_and(|manifest| manifest.is_some_and(|held| held.generation < generation))
        {
            let _ = directory.remove_generation(generation);
        }
    })?;
    left.extend(supersede(&directory, generation, &mut notes)?);
    directory.serve_from(generation, served)?;
    let earlier = generations::not_superseded(path, generation)?;
    let earlier = earlier.into_iter().filter(|earlier| !left.contains(earlier));
    notes.extend(earlier.map(|earlier| generations::left(path, earlier, generation)));
    let archiver = match archiver {
        Some(archiver) => Some(archiver.of_generation(manifest)),
        None => archive_of(manifest),
    };
    Ok(Data { directory, shards, notes, replayed, archiver })
}

/// What is in the directory; `None` where nothing is, or only what has nothing to do with data.
fn find(directory: &DataDirectory, parameters: &OpenParameters) -> Result<Option<Manifest>, Error> {
    let path = directory.path();
    let Some(found) = Manifest::read(path)? else {
        if directory.is_empty()? {
            return Ok(None);
        }
        let manifest = Manifest::path(path);
        return Err(Error::Other(format!(
            "can't use {}: it is missing, and the directory is not empty: {REMEDY}. For new data give an empty directory",
            manifest.display()
        )));
    };
    if found.generation > 0 && found.demo != parameters.demo.is_some() {
        let (holds, asked) = if found.demo { ("demo data", "other") } else { ("other data", "demo") };
        let path = path.display();
        return Err(Error::Other(format!(
            "the data directory {path} holds {holds}, and {asked} data are to be served: give another --data"
        )));
    }
    Ok(Some(found))
}

/// Removes the generation that this one was made of, and lets this one be served from. Returns what is left.
///
/// It has a file `unfinished` until then, also where the start that made it was killed. Without that nothing says that an
/// earlier generation is superseded: it may be of later data, over which an older backup was copied.
fn supersede(directory: &DataDirectory, generation: u64, notes: &mut Vec<String>) -> Result<Vec<u64>, Error> {
    if !generations::is_unfinished(directory.path(), generation) {
        return Ok(Vec::new());
    }
    let superseded = generations::superseded(directory.path(), generation)?;
    let left = remove(directory, superseded.as_slice(), notes);
    directory.finish_generation(generation)?;
    Ok(left)
}

/// Removes generations that do not hold, and returns those that are left. The data are whole without that: where one
/// can't be removed, a note says so.
fn remove(directory: &DataDirectory, generations: &[u64], notes: &mut Vec<String>) -> Vec<u64> {
    let mut left = Vec::new();
    for generation in generations {
        let why = match directory.remove_generation(*generation) {
            Ok(true) => continue,
            Ok(false) => "files are in it that this program has not made".into(),
            Err(error) => error.to_string(),
        };
        notes.push(format!("generation {generation} is left in {}: {why}", directory.path().display()));
        left.push(*generation);
    }
    left
}

/// Whether the system clock can be believed beside what was recovered.
fn decide(recovered: &[RecoveredShard], parameters: &OpenParameters) -> Result<Decision, Error> {
    let times = StartTimes {
        system_ms: parameters.now_ms,
        journal_ms: recovered.iter().map(|(shard, _)| shard.now_ms).max().filter(|ms| *ms > 0),
        retention_ms: parameters.catalog.retention_ms,
        is_demo: parameters.demo.is_some(),
        confirmed: parameters.confirmed,
    };
    start::decide(&times).map_err(Error::Other)
}

/// A shard as it was, and its mark with its count; `None` in data of format version 1.
type RecoveredShard = (Recovered, Option<(Mark, u64)>);

/// Recovers all shards of a generation, each on a thread of its own.
fn recover_all(
    directory: &DataDirectory,
    manifest: Manifest,
    progress: &ReadProgress,
    notes: &mut Vec<String>,
) -> Result<Vec<RecoveredShard>, Error> {
    let files: Vec<ShardFiles> =
        (0..manifest.shards).map(|shard| ShardFiles::of(directory, manifest, shard)).collect();
    files.iter().for_each(|files| progress.expect(files.bytes()));
    let recover = |files: &ShardFiles| -> Result<RecoveredShard, Error> {
        let mark = if manifest.has_marks() { Some(files.mark()?) } else { None };
        Ok((files.recover(mark.map(|(mark, _)| mark), progress)?, mark))
    };
    let recovered = parallel::each(&files, |_, files| recover(files));
    let recovered = recovered.into_iter().collect::<Result<Vec<_>, _>>()?;
    let marks: Vec<(Mark, u64)> = recovered.iter().filter_map(|(_, mark)| *mark).collect();
    check_together(&marks, |shard| files[shard].directory.mark().display().to_string())
        .map_err(recovery::Error::Damage)?;
    for (shard, (recovered, _)) in recovered.iter().enumerate() {
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
    let funds = Amount::from_minor(DEMO_FUNDS_MINOR).expect("not negative");
    let profile = Profile::of(*b"GB");
    let mut added = false;
    let mut put = |account: &str, key: &str| {
        let account = AccountRef::new(account);
        let owner: ShardId = partition.owner(account.hash().slot());
        added |= wallets[owner.index()].put_demo_account(now_ms, &account, &profile, funds, key);
    };
    put("default/admin", "20fbd3b9-eef2-49cd-9976-50f0d34e7f7c");
    for number in 1..=demo.accounts {
        put(&format!("default/player-{number:06}"), &format!("demo-{number:06}"));
    }
    added
}

/// What waits to be folded.
#[derive(Debug)]
pub struct FoldBacklog {
    /// The segments, in their order.
    pub segments: Vec<u32>,
    /// How long the snapshot is that they are folded into.
    pub snapshot_bytes: u64,
}

/// What of a shard waits to be folded: the segments before number `current`, which has begun, but for those that its snapshot
/// covers, which wait to be archived.
///
/// # Errors
/// What the files say.
pub fn fold_backlog(files: &ShardFiles, current: u32) -> Result<FoldBacklog, Error> {
    let sealed: Vec<u32> =
        files.directory.segments()?.into_iter().filter(|number| *number < current).collect();
    let Some((name, source)) = files.snapshot()?.filter(|_| !sealed.is_empty()) else {
        return Ok(FoldBacklog { segments: sealed, snapshot_bytes: 0 });
    };
    let snapshot_bytes = source.bytes()?;
    let header = SnapshotReader::header_of(&name, source, files.origin).map_err(recovery::Error::from)?;
    let (_, waiting) = recovery::covered(Some(&header), &sealed);
    Ok(FoldBacklog { segments: waiting.to_vec(), snapshot_bytes })
}

/// Folds these segments of a shard, the first ones of those that wait, into its snapshot, and the rounds that have gone cold since
/// into its history. One segment at a time is in memory meanwhile. They and the snapshot before are left, to be [`retire`]d.
/// `rest` is called after each record and each slot.
///
/// # Errors
/// What the files say. Until the new snapshot is whole, nothing that is asked of either has changed then.
pub fn fold(
    files: &ShardFiles,
    history: &ShardHistory,
    sealed: &[u32],
    mut rest: impl FnMut(),
) -> Result<(), Error> {
    let Some(last) = sealed.last() else { return Ok(()) };
    history.make_room(&mut rest)?;
    let segments = files.sealed(sealed);
    let until = files.before(last + 1)?;
    let mut rounds = history.begin_fold();
    let create = |header: &SnapshotHeader| files.directory.create_snapshot(header.covers.sequence);
    let cold = |cold| rounds.take(cold);
    let before = files.snapshot()?.map(|(name, source)| (name, source.beside_groups()));
    let folded = recovery::fold(files.origin, before, &segments, until, create, cold, &mut rest);
    let folded = folded.map_err(|error| match error {
        FoldError::Recovery(error) => Error::from(error),
        FoldError::Snapshot(error) => Error::from(error),
    });
    let Folded { header, settings, cold_until_ms, sink } = folded?;
    rounds.finish(header.covers.sequence, cold_until_ms, &mut rest)?;
    sink.publish()?;
    history.tend(settings.forgotten_until(header.now_ms), settings.retention_ms, rest)
}
