//! The rounds as files of a data directory that a server has begun, and its accounts as these rounds have left them.
//!
//! No more is in memory than the accounts' hashes, one slot's accounts, and the keys of [`KEYS_AT_ONCE`] rounds for each thread: a
//! file's rounds are sorted by their keys alone, and computed again when they are written.

use std::num::NonZero;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use history::{FileEntry, FileList, Header, Row, SortKey, Summary, Writer, key_of};
use journal::Origin;
use journal::snapshot::{SnapshotHeader, SnapshotReader, SnapshotWriter};
use storage::directory::{DataDirectory, ShardDirectory};
use storage::history::HistoryName;
use storage::manifest::Manifest;
use wallet::PlatformKey;
use wallet::account::AccountHash;
use wallet::image::{AccountImage, RoundKind};

use super::layout::{self, PlannedFile};
use super::rounds::{IdOf, PLATFORM, Played, account_id, account_number, hash_of};

/// Rounds whose keys are sorted at once, 32 bytes each: 128 MiB.
const KEYS_AT_ONCE: u64 = 4 * 1024 * 1024;

/// Bytes of a round in a file, at most: it has three random ids, which no compression makes smaller.
const ROUND_BYTES_MAX: u64 = 130;

/// Room for what a shard journals while it is measured, and for segments that are made ready.
const JOURNAL_BYTES: u64 = 2 << 30;

/// Room for an account in a snapshot, of which there are two while one is written.
const ACCOUNT_BYTES: u64 = 2 * 512;

/// The bytes that the files take.
const fn bytes_needed(played: &Played, shards: u64) -> u64 {
    played.rounds * ROUND_BYTES_MAX + played.accounts * ACCOUNT_BYTES + shards * JOURNAL_BYTES
}

/// A shard of a data directory that nobody serves from.
struct Shard {
    directory: ShardDirectory,
    origin: Origin,
}

/// Gives the data directory at `data`, which a server has begun and left, a history of these rounds.
///
/// # Errors
/// A sentence: a file that can't be read or written, or too little room.
pub(crate) fn write(data: &Path, played: &Played) -> Result<(), String> {
    let (held, shards) = open(data)?;
    let (needed, free) = (bytes_needed(played, shards.len() as u64), held.space());
    let free = free.map_err(|error| error.to_string())?.free_bytes;
    if free < needed {
        let gib = |bytes: u64| bytes as f64 / f64::from(1 << 30);
        return Err(format!(
            "{}: {} rounds need {:.1} GiB of disk, and {:.1} GiB are free",
            data.display(),
            played.rounds,
            gib(needed),
            gib(free)
        ));
    }
    let files = write_files(&shards, played)?;
    shards.iter().zip(files).try_for_each(|(shard, files)| shard.leave(played, Some(files)))
}

/// Makes the accounts of the data directory at `data` what they are after these rounds, which are forgotten: what playing itself
/// leaves in an account is not the cost of remembering.
///
/// # Errors
/// A sentence: a file that can't be read or written.
pub(crate) fn write_forgotten(data: &Path, played: &Played) -> Result<(), String> {
    // It is held until the last file is written.
    let (_held, shards) = open(data)?;
    shards.iter().try_for_each(|shard| shard.leave(played, None))
}

fn open(data: &Path) -> Result<(DataDirectory, Vec<Shard>), String> {
    let held = DataDirectory::lock(data).map_err(|error| error.to_string())?;
    let manifest = Manifest::read(data).map_err(|error| error.to_string())?;
    let manifest = manifest.ok_or_else(|| format!("{}: no server has begun it", data.display()))?;
    let shard = |number| Shard {
        directory: held.shard(manifest.generation, number),
        origin: Origin { stream: manifest.stream, shard: number, shards: manifest.shards },
    };
    let shards = (0..manifest.shards).map(shard).collect();
    Ok((held, shards))
}

/// Writes all files of all shards, on as many threads as there are cores. The entries of each shard's list, in order.
fn write_files(shards: &[Shard], played: &Played) -> Result<Vec<Vec<FileEntry>>, String> {
    let hashes: Vec<AccountHash> = (0..played.accounts).map(hash_of).collect();
    let planned = layout::plan(played, shards.len() as u64);
    let work: Vec<(usize, PlannedFile)> =
        planned.iter().flat_map(|file| (0..shards.len()).map(|shard| (shard, *file))).collect();
    let (next, written) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let take = || -> Result<(), String> {
        while let Some((shard, file)) = work.get(next.fetch_add(1, Ordering::Relaxed)) {
            let summary = shards[*shard].write_file(played, &hashes, file).inspect_err(|_| {
                // The others need not go on.
                next.store(work.len(), Ordering::Relaxed);
            })?;
            if let Ok(mut written) = written.lock() {
                written.push((*shard, summary));
            }
        }
        Ok(())
    };
    let threads = thread::available_parallelism().map_or(1, NonZero::get).min(work.len());
    let done: Vec<Result<(), String>> = thread::scope(|scope| {
        let start = |_| thread::Builder::new().name("writer".to_owned()).spawn_scoped(scope, take);
        let started: Vec<_> = (0..threads).map(start).collect();
        let join = |thread: std::io::Result<thread::ScopedJoinHandle<'_, Result<(), String>>>| {
            let thread = thread.map_err(|error| format!("no thread can be started: {error}"))?;
            thread.join().map_err(|_| "a thread that writes has failed".to_owned())?
        };
        started.into_iter().map(join).collect()
    });
    done.into_iter().collect::<Result<(), String>>()?;
    let mut entries = vec![Vec::new(); shards.len()];
    for (shard, summary) in written.into_inner().map_err(|_| "a thread that writes has failed".to_owned())? {
        entries[shard].extend(summary.map(|summary| FileEntry { summary, clamp_ms: None }));
    }
    entries.iter_mut().for_each(|files| files.sort_unstable_by_key(|entry| entry.summary.header.number));
    Ok(entries)
}

impl Shard {
    /// Writes a file; `None` where the shard has no round of it.
    fn write_file(
        &self,
        played: &Played,
        hashes: &[AccountHash],
        file: &PlannedFile,
    ) -> Result<Option<Summary>, String> {
        let header = Header { origin: self.origin, number: file.number };
        let sink = self.directory.create_history(HistoryName::new(self.origin, file.number));
        let sink = sink.map_err(|error| error.to_string())?;
        let unwritten = |error| format!("{}: {error:?}", self.directory.path().display());
        let mut writer = Writer::begin(sink, header).map_err(unwritten)?;
        let platform = PlatformKey::new(PLATFORM).map(PlatformKey::bytes).unwrap_or_default();
        let slots = recovery::slots_of(self.origin);
        let (first, last) = (u64::from(slots.start().index()), u64::from(slots.end().index()));
        let rows = (file.until - file.from) / u64::from(self.origin.shards);
        let passes = rows.div_ceil(KEYS_AT_ONCE).clamp(1, last - first + 1);
        let bound = |pass: u64| first + (last - first + 1) * pass / passes;
        let mut keys: Vec<(SortKey, u64)> = Vec::new();
        for pass in 0..passes {
            let of_pass = bound(pass)..bound(pass + 1);
            keys.clear();
            keys.extend((file.from..file.until).filter_map(|round| {
                let hash = hashes[played.account_of(round) as usize];
                let key = || key_of(hash, &platform, RoundKind::Plain, &played.id(round, IdOf::Round));
                of_pass.contains(&u64::from(hash.slot().index())).then(|| (SortKey::new(hash, key()), round))
            }));
            keys.sort_unstable();
            for (_, round) in &keys {
                let row = Row { account: account_id(played.account_of(*round)), round: played.image(*round) };
                writer.push(row).map_err(unwritten)?;
            }
        }
        let (summary, sink) = writer.finish().map_err(unwritten)?;
        if summary.counts.rows == 0 {
            return Ok(None);
        }
        sink.publish().map_err(|error| error.to_string())?;
        Ok(Some(summary))
    }

    /// Writes the list of the files, where there are any, and the snapshot from which the rounds have gone.
    fn leave(&self, played: &Played, files: Option<Vec<FileEntry>>) -> Result<(), String> {
        let told = |error: storage::FileError| error.to_string();
        let covers = self.directory.snapshots().map_err(told)?.pop();
        let covers =
            covers.ok_or_else(|| format!("{}: there is no snapshot", self.directory.path().display()))?;
        let name = self.directory.snapshot(covers).display().to_string();
        let unread = |error| format!("{name}: {error:?}");
        let source = self.directory.read_snapshot(covers).map_err(told)?;
        let mut reader = SnapshotReader::open(&name, source, self.origin).map_err(unread)?;
        let header = SnapshotHeader { has_history: files.is_some(), ..reader.header() };
        if let Some(files) = files {
            let cut_ms = files.iter().map(FileEntry::newest_ms).max().unwrap_or(0);
            let list = FileList { covers, cut_ms, files };
            self.directory.write_history_list(&list.to_bytes()).map_err(told)?;
        }
        let unwritten = |error| format!("{name}: {error:?}");
        let sink = self.directory.create_snapshot(covers).map_err(told)?;
        let mut writer = SnapshotWriter::begin(sink, header, reader.settings()).map_err(unwritten)?;
        let mut next = reader.section().map_err(unread)?;
        while let Some((slot, mut accounts)) = next.take() {
            next = reader.section().map_err(unread)?;
            while let Some((_, more)) = next.take_if(|(of, _)| *of == slot) {
                accounts.extend(more);
                next = reader.section().map_err(unread)?;
            }
            for image in &mut accounts {
                age(played, image, header.now_ms)?;
            }
            writer.slot(slot, &accounts).map_err(unwritten)?;
        }
        writer.finish().map_err(unwritten)?.publish().map_err(told)?;
        Ok(())
    }
}

/// The accounts that play are the demo's players.
fn age(played: &Played, image: &mut AccountImage, now_ms: wallet::Millis) -> Result<(), String> {
    let account = account_number(&image.id).filter(|account| *account < played.accounts);
    account.map_or(Ok(()), |account| played.age(image, account, now_ms))
}
