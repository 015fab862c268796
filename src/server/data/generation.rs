//! The shards of a directory on their way to serve: as they were, or in a new generation.

use std::fmt;
use std::sync::Arc;

use super::marks::Starting;
use super::{
    Demo, Error, OpenParameters, RecoveredShard, ShardFiles, ShardHistory, ShardMark, ShardStart, history,
    put_demo,
};
use crate::parallel;
use journal::snapshot::SnapshotHeader;
use journal::{Journal, Origin, Place, Point, RecordHash};
use partition::Partition;
use recovery::Recovered;
use storage::FileError;
use storage::directory::{DataDirectory, ShardDirectory};
use storage::generations::unfinished_after;
use storage::manifest::Manifest;
use storage::segments::JournalEnd;
use wallet::account::AccountHash;
use wallet::image::AccountImage;
use wallet::settings::Settings;
use wallet::{Millis, Rules, Sequence, Wallet};

/// The segment that a new generation begins with.
const FIRST_SEGMENT: u32 = 1;

/// Why what was found is written to a new generation.
#[derive(Clone, Copy, Debug)]
pub(super) enum Reason {
    /// It was written by an older version.
    Format(u32),
    /// It is of another number of shards.
    Shards(u16, usize),
}

impl Reason {
    /// All that hold for what the manifest says.
    pub(super) fn all(found: &Manifest, partition: Partition) -> Vec<Self> {
        let (before, now) = (found.shards, partition.shards());
        let format = (!found.has_marks()).then_some(Self::Format(found.format));
        let shards = (usize::from(before) != now).then_some(Self::Shards(before, now));
        format.into_iter().chain(shards).collect()
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Format(format) => {
                write!(f, "the data of format version {format} are written anew, in this version's")
            }
            Self::Shards(before, now) => {
                let plural = if *before == 1 { "" } else { "s" };
                write!(f, "the accounts of {before} shard{plural} are re-sharded to {now}")
            }
        }
    }
}

/// The number of this start: the one after all that have written a mark.
fn next_start(found: &[RecoveredShard]) -> u64 {
    let before = found.iter().filter_map(|(_, mark)| *mark).map(|(mark, _)| mark.start.number).max();
    before.unwrap_or(0) + 1
}

/// A shard on its way to serve, without its wallet.
pub(super) struct PreparedShard {
    journal: Journal,
    last: Point,
    end: JournalEnd,
    files: ShardFiles,
    /// `None` in a generation that is not whole yet.
    mark: Option<ShardMark>,
    /// Its rounds that have left memory.
    history: Option<ShardHistory>,
    now_ms: Millis,
}

/// A generation on its way to serve, with all its shards.
pub(super) struct Generation {
    pub(super) manifest: Manifest,
    /// The manifest does not name this generation yet.
    is_new: bool,
    starting: Starting,
    wallets: Vec<Wallet>,
    shards: Vec<PreparedShard>,
}

impl Generation {
    /// The shards of a directory that nothing was served from; where that `is_begun`, the manifest says so.
    pub(super) fn first(
        directory: &DataDirectory,
        parameters: &OpenParameters,
        is_begun: bool,
    ) -> Result<Self, Error> {
        directory.close_to_others()?;
        if !is_begun {
            let (shards, demo) = (parameters.partition.shards() as u16, parameters.demo.is_some());
            Manifest::new(0, parameters.stream, shards, demo).write(directory.path())?;
        }
        directory.sync_name()?;
        for unfinished in unfinished_after(directory.path(), 0)? {
            directory.remove_generation(unfinished)?;
        }
        Self::blank(directory, parameters, 1, 1)
    }

    /// Shards that hold nothing, of a new generation, which start number `start` makes.
    fn blank(
        directory: &DataDirectory,
        parameters: &OpenParameters,
        generation: u64,
        start: u64,
    ) -> Result<Self, Error> {
        let shards = parameters.partition.shards();
        let manifest = Manifest::new(generation, parameters.stream, shards as u16, parameters.demo.is_some());
        directory.begin_generation(generation)?;
        let prepared = (0..manifest.shards).map(|shard| {
            directory.make_shard(generation, shard)?;
            let files = ShardFiles::of(directory, manifest, shard);
            Ok(PreparedShard {
                journal: Journal::new(files.origin, Point::START),
                last: Point::START,
                end: JournalEnd {
                    next: Place { segment: FIRST_SEGMENT, offset: 0 },
                    before: None,
                    is_torn: false,
                },
                files,
                mark: None,
                history: None,
                now_ms: 0,
            })
        });
        let prepared = prepared.collect::<Result<Vec<_>, FileError>>()?;
        let wallets = (0..shards).map(|_| Wallet::to_replay()).collect();
        let starting = Starting::new(start, shards);
        Ok(Self { manifest, is_new: true, starting, wallets, shards: prepared })
    }

    /// The shards as they were.
    pub(super) fn unchanged(
        directory: &DataDirectory,
        manifest: Manifest,
        recovered: Vec<RecoveredShard>,
    ) -> Result<Self, Error> {
        let starting = Starting::new(next_start(&recovered), recovered.len());
        let mut generation =
            Self { manifest, is_new: false, starting, wallets: Vec::new(), shards: Vec::new() };
        let files_of = |shard| ShardFiles::of(directory, manifest, shard);
        let covers: Vec<_> = recovered.iter().map(|(recovered, _)| recovered.history_covers).collect();
        let open = |shard: usize, covers: &Option<Sequence>| {
            let files = files_of(shard as u16);
            files.directory.remove_unfinished()?;
            ShardHistory::serve(files, *covers)
        };
        let histories: Vec<Result<ShardHistory, Error>> = parallel::each(&covers, open);
        for ((shard, (recovered, mark)), history) in (0..).zip(recovered).zip(histories) {
            let Recovered { wallet, tail, now_ms, .. } = recovered;
            let (files, history) = (files_of(shard), history?);
            let mark = mark
                .map(|(said, count)| ShardMark::found(&files.directory, said, count, &generation.starting));
            let before = tail.closed.last().map(|segment| segment.number);
            generation.wallets.push(wallet);
            generation.shards.push(PreparedShard {
                journal: Journal::new(files.origin, tail.last),
                last: tail.last,
                end: JournalEnd { next: tail.next, before, is_torn: tail.torn.is_some() },
                files,
                mark,
                history: Some(history),
                now_ms,
            });
        }
        Ok(generation)
    }

    /// What was recovered, in a new generation: re-sharded to those that are asked for, and brought back to `rebased_ms`
    /// where that is given: no time in it is later. What was found is left as it is until the manifest names the new one.
    pub(super) fn rewritten(
        directory: &DataDirectory,
        found: Manifest,
        recovered: Vec<RecoveredShard>,
        parameters: &OpenParameters,
        rebased_ms: Option<Millis>,
    ) -> Result<Self, Error> {
        let start = next_start(&recovered);
        let recovered: Vec<Recovered> = recovered.into_iter().map(|(shard, _)| shard).collect();
        let before: Vec<ShardFiles> =
            (0..found.shards).map(|shard| ShardFiles::of(directory, found, shard)).collect();
        let lists = before
            .iter()
            .zip(&recovered)
            .map(|(files, shard)| history::read_list(files, shard.history_covers));
        let lists = lists.collect::<Result<Vec<_>, _>>()?;
        let histories = before
            .iter()
            .zip(&recovered)
            .filter(|_| rebased_ms.is_some())
            .map(|(files, shard)| ShardHistory::open(files.clone(), shard.history_covers));
        let histories = histories.collect::<Result<Vec<_>, _>>()?;
        // Sequences go on, so that the order of what happened can be told across the change.
        let sequence = recovered.iter().map(|shard| shard.tail.last.sequence).max().unwrap_or(0);
        let latest_ms = recovered.iter().map(|shard| shard.now_ms).max().unwrap_or(0);
        // What was over before this start is over by the settings that held until then.
        let now_ms = rebased_ms.unwrap_or_else(|| latest_ms.max(parameters.now_ms));
        let mut settings = parameters.settings(now_ms);
        // What the history has of a later time reads as of that moment, and belongs to it still.
        settings.cold_until_ms = rebased_ms.unwrap_or(0);
        let mut wallets: Vec<Wallet> = recovered.into_iter().map(|shard| shard.wallet).collect();
        if rebased_ms.is_some() {
            // Of two sessions with one key, the first of which was over by the clock that was ahead, the later login's is
            // the one; brought back, both would seem to begin now.
            recovery::claim_keys(&mut wallets, Partition::new(usize::from(found.shards)), now_ms);
        }
        let (mut unnamed, mut unread) = (None, None);
        let change = |account: &mut AccountImage| {
            if let Some(rebased_ms) = rebased_ms {
                let of = Partition::new(usize::from(found.shards)).owner(AccountHash::of(&account.id).slot());
                let in_memory = account.rounds.len();
                // What was staked in a period counts, also where its round has left memory.
                if let Err(error) = histories[of.index()].add_rounds(account, rebased_ms) {
                    unread.get_or_insert(error);
                }
                account.rebase(rebased_ms, &settings);
                account.rounds.truncate(in_memory);
            }
            if let Err(number) = account.name_platforms(&parameters.platforms) {
                unnamed = unnamed.max(Some(number));
            }
        };
        // By a time that was never so nothing is forgotten: what is brought back is judged at the right one.
        let wallets = recovery::reshard(wallets, parameters.partition, now_ms, &settings, change)?;
        if let Some(error) = unread {
            return Err(error);
        }
        if let Some(number) = unnamed {
            return Err(Error::Other(format!(
                "the data names platforms by their places in the configuration, as version 0.1.0 did, and has rounds or \
                 credits of platform {number}: the configuration has {}. Give all of them, in the order that they had",
                parameters.platforms.len()
            )));
        }
        let mut generation = Self::blank(directory, parameters, found.generation + 1, start)?;
        for shard in &mut generation.shards {
            shard.last = Point { sequence, hash: RecordHash::START };
            shard.journal = Journal::new(shard.files.origin, shard.last);
            shard.now_ms = now_ms;
            history::hand_on(&before, &lists, &shard.files, sequence, rebased_ms)?;
        }
        generation.wallets = wallets;
        Ok(generation)
    }

    /// Sets what is to hold from now on, writes what is in no journal, and makes the manifest name it. A new generation
    /// keeps its file `unfinished`.
    pub(super) fn finish(
        mut self,
        directory: &DataDirectory,
        parameters: &OpenParameters,
    ) -> Result<Vec<ShardStart>, Error> {
        let now_ms = self.shards.iter().map(|shard| shard.now_ms).fold(parameters.now_ms, Millis::max);
        // What the demo changes is in no journal; a snapshot of it follows.
        let journaled = !self.is_new && parameters.demo.is_none();
        let changed = self.configure(&parameters.settings(now_ms), now_ms, journaled)?;
        if let Some(demo) = parameters.demo {
            let added = self.put_demo(parameters.partition, demo, now_ms);
            if !self.is_new && (changed || added) {
                self.write_snapshots(now_ms)?;
            }
        }
        if self.is_new {
            self.write_snapshots(now_ms)?;
            self.write_beginnings()?;
            self.manifest.write(directory.path())?;
        }
        recovery::claim_keys(&mut self.wallets, parameters.partition, now_ms);
        let shards = self.shards.into_iter().zip(self.wallets);
        let shards = shards.map(|(shard, mut wallet)| {
            wallet.open(Arc::clone(&parameters.catalog));
            let PreparedShard { journal, last, end, files, mark, history, now_ms } = shard;
            let mark = mark.expect("each shard has one, or has got one");
            let history = Arc::new(history.expect("each shard has one, or has got one"));
            ShardStart { wallet, journal, last, end, files, mark, history, now_ms }
        });
        Ok(shards.collect())
    }

    fn put_demo(&mut self, partition: Partition, demo: Demo, now_ms: Millis) -> bool {
        put_demo(&mut self.wallets, partition, demo, now_ms)
    }

    /// Sets what is to hold from now on, and says whether that was a change. Where it is `journaled`, a change of it is;
    /// or else a snapshot follows.
    fn configure(&mut self, settings: &Settings, now_ms: Millis, journaled: bool) -> Result<bool, Error> {
        let mut any = false;
        if let Some(wallet) = self.wallets.first() {
            let ever = &wallet.settings().domains;
            let new =
                settings.domains.iter().filter(|domain| !ever.iter().any(|known| known.name == domain.name));
            let count = ever.len() + new.count();
            if count > limits::DOMAINS_MAX {
                return Err(Error::Other(format!(
                    "with those of the configuration the data would have had {count} domains, and at most {} are \
                     remembered",
                    limits::DOMAINS_MAX
                )));
            }
        }
        for (shard, wallet) in self.shards.iter_mut().zip(&mut self.wallets) {
            let changed = wallet.configure(now_ms, settings).map_err(recovery::Error::Currency)?;
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
        let open = |_, shard: &PreparedShard| {
            let is_missing = shard.history.is_none();
            is_missing.then(|| ShardHistory::serve(shard.files.clone(), None)).transpose()
        };
        let opened = parallel::each(&self.shards, open);
        for (shard, history) in self.shards.iter_mut().zip(opened) {
            shard.history = history?.or(shard.history.take());
        }
        for (shard, wallet) in self.shards.iter_mut().zip(&self.wallets) {
            shard.now_ms = now_ms;
            let (covers, next_segment) = (shard.journal.last(), shard.end.next.segment);
            let history = shard.history.as_ref().filter(|history| history.is_listed());
            let has_history = history.is_some();
            history.map_or(Ok(()), |history| history.cover(covers.sequence))?;
            let header = SnapshotHeader {
                origin: shard.files.origin,
                covers,
                now_ms,
                rules: Rules::V2,
                next_segment,
                has_history,
            };
            write_snapshot(&shard.files.directory, header, wallet)?;
            shard.files.directory.remove_snapshots_before(covers.sequence)?;
        }
        Ok(())
    }

    /// Makes the first segment and the mark of every shard.
    fn write_beginnings(&mut self) -> Result<(), Error> {
        for PreparedShard { files, mark, last, .. } in &mut self.shards {
            *mark = Some(write_beginning(&files.directory, files.origin, *last, &self.starting)?);
        }
        Ok(())
    }
}

/// Makes the files of a shard with which a generation begins: it holds what the wallet has at `now_ms`, after this record of another
/// generation. The snapshot's name is durable with it, and the others' with their directory.
///
/// # Errors
/// Where a file can't be written.
pub fn write_shard(
    directory: &ShardDirectory,
    origin: Origin,
    wallet: &Wallet,
    last: Sequence,
    now_ms: Millis,
    has_history: bool,
) -> Result<(), Error> {
    let last = Point { sequence: last, hash: RecordHash::START };
    let header = SnapshotHeader {
        origin,
        covers: last,
        now_ms,
        rules: Rules::V2,
        next_segment: FIRST_SEGMENT,
        has_history,
    };
    write_snapshot(directory, header, wallet)?;
    write_beginning(directory, origin, last, &Starting::new(1, usize::from(origin.shards)))?;
    Ok(())
}

fn write_snapshot(directory: &ShardDirectory, header: SnapshotHeader, wallet: &Wallet) -> Result<(), Error> {
    let sink = directory.create_snapshot(header.covers.sequence)?;
    recovery::write_snapshot(sink, header, wallet)?.publish()?;
    Ok(())
}

/// Makes the first segment and the mark of a shard.
fn write_beginning(
    directory: &ShardDirectory,
    origin: Origin,
    last: Point,
    starting: &Starting,
) -> Result<ShardMark, FileError> {
    directory.create_segment(FIRST_SEGMENT, limits::SEGMENT_BYTES as u64)?;
    ShardMark::create(directory, origin, last, FIRST_SEGMENT, starting)
}
