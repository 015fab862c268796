//! `purser export`: every transaction that is remembered or archived, one line each, from the first record on.
//!
//! The records are read twice, out of the same open files. The first time finds damage, where everything ends, and which bets
//! are taken back later; the second applies them, so that each transaction has its number, and writes a line for each. One shard
//! is in memory at a time, and of it what a server would remember.

mod checkpoint;
mod parquet;
mod writer;

use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::io::{IsTerminal as _, Write};

use xxhash_rust::xxh3::Xxh3;

use self::checkpoint::Checkpoint;
use self::writer::{ExportWriter, Row};
use super::archived::check_snapshot;
use super::history::{self, GenerationHistory, Halt, ShardHistory};
use super::past::{PastFiles, PastRound, PastRounds};
use super::progress::Progress;
use super::{Error, open, was_changed, words};
use crate::config::ExportOptions;
use journal::reader::ReadError;
use journal::snapshot::SnapshotReader;
use journal::{Change, Point, Tail};
use recovery::again;
use storage::FileError;
use storage::archive::Archive;
use storage::reader::Opened;
use wallet::account::{AccountRef, Slot};
use wallet::history::statement_line;
use wallet::image::AccountImage;
use wallet::operation::{Operation, PlayKind};
use wallet::outcome::{LineKind, StatementLine};
use wallet::platform::RoundScope;
use wallet::{Millis, PlatformKey, Rules, Wallet};

/// Writes transactions to `out`: generation by generation, shard by shard, in the order in which they were applied; those that
/// only the first snapshot remembers come first, by slot, account and number. Returns the checkpoint that a further export goes on from.
///
/// # Errors
/// Where there are no data, or they are damaged; where what follows a checkpoint is not all there; and where nobody reads the
/// output.
pub fn export(args: &ExportOptions, out: &mut (impl Write + Send)) -> Result<String, Error> {
    let since = args.since.as_deref().map(Checkpoint::parse).transpose()?;
    let archive = args.archive.clone().map(Archive::at);
    let opened = open(&args.data)?;
    let again;
    let export = match Export::scan(&opened, archive.as_ref(), since.as_ref()) {
        Ok(export) => export,
        Err(failure) if failure.has_moved => {
            // A server has begun to write after the mark of a clean stop was read, or has let go of what is old: that is no damage.
            again = open(&args.data)?;
            Export::scan(&again, archive.as_ref(), since.as_ref()).map_err(|failure| failure.error)?
        }
        Err(failure) => return Err(failure.error),
    };
    let mut writer = ExportWriter::begin(args.format, out)?;
    let checkpoint = export.write(&mut writer)?;
    writer.finish()?;
    Ok(checkpoint.to_string())
}

/// What the first reading has found.
struct Ends {
    /// The last record of each shard of each generation; `None` of what a checkpoint covers.
    last: Vec<Vec<Option<Point>>>,
    /// Bets that were taken back, by a hash of what they are known by. A rollback takes 16 bytes here; what an id named before it was
    /// forgotten and used again is not told apart.
    taken_back: HashSet<u128>,
}

/// Why the first reading has come to nothing.
struct Failure {
    error: Error,
    /// A server has written since the files were opened.
    has_moved: bool,
}

struct Export<'a> {
    generations: Vec<GenerationHistory<'a>>,
    since: Option<&'a Checkpoint>,
    ends: Ends,
}

fn failed(error: ReadError<Halt>) -> Result<(), Error> {
    match error {
        ReadError::Caller(Halt::Enough) => Ok(()),
        ReadError::Caller(Halt::Failed(error)) => Err(error),
        ReadError::Damage(damage) => Err(recovery::Error::<FileError>::Damage(damage).into()),
    }
}

impl<'a> Export<'a> {
    fn scan(
        opened: &'a Opened,
        archive: Option<&Archive>,
        since: Option<&'a Checkpoint>,
    ) -> Result<Self, Failure> {
        let generations = history::all(opened, archive)
            .map_err(|error| Failure { error, has_moved: opened.shards.iter().any(was_changed) })?;
        let ends = Ends { last: Vec::new(), taken_back: HashSet::new() };
        let mut export = Self { generations, since, ends };
        match export.find_ends() {
            Ok(ends) => export.ends = ends,
            Err(error) => {
                let has_moved = history::has_moved(opened, &export.generations);
                return Err(Failure { error, has_moved });
            }
        }
        Ok(export)
    }

    fn find_ends(&self) -> Result<Ends, Error> {
        if let Some(since) = self.since {
            since.check(&self.generations)?;
        }
        let bytes = self.generations.iter().flat_map(|of| &of.shards).map(ShardHistory::bytes).sum();
        let progress = Progress::of(bytes, !std::io::stdout().is_terminal());
        let mut ends = Ends { last: Vec::new(), taken_back: HashSet::new() };
        for generation in &self.generations {
            let mut last = Vec::new();
            for (id, shard) in generation.shards.iter().enumerate() {
                let end = if self.is_covered(generation) {
                    None
                } else {
                    let after = self.after(generation, id);
                    let tail = scan_shard(generation, shard, after, &progress, &mut ends.taken_back)?;
                    if self.is_first(generation) {
                        scan_past(&self.past_of(shard)?)?;
                    }
                    Some(tail.last)
                };
                last.push(end);
            }
            ends.last.push(last);
        }
        Ok(ends)
    }

    /// Whether an earlier export has written all of a generation.
    fn is_covered(&self, generation: &GenerationHistory<'_>) -> bool {
        self.since.is_some_and(|since| generation.number < since.generation)
    }

    /// Whether nothing is known of what was before a generation: what its snapshots remember is written too.
    fn is_first(&self, generation: &GenerationHistory<'_>) -> bool {
        self.since.is_none()
            && self.generations.first().is_some_and(|first| first.number == generation.number)
    }

    /// What had left the memory of a shard by its first snapshot; nothing where that is the very first.
    fn past_of(&self, shard: &ShardHistory<'a>) -> Result<PastFiles<'a>, Error> {
        let Some((name, source)) = shard.source(shard.base(None)?)? else { return Ok(PastFiles::default()) };
        let header = SnapshotReader::header_of(&name, source, shard.origin);
        if !header.map_err(recovery::Error::<FileError>::from)?.has_history {
            return Ok(PastFiles::default());
        }
        let served = self.generations.iter().flat_map(|generation| &generation.shards);
        let served = served.filter_map(|shard| Some((shard.live?, shard.origin)));
        Ok(PastFiles::of_slots(served, &recovery::slots_of(shard.origin), None)?)
    }

    /// The last record of a shard that an earlier export has read.
    fn after(&self, generation: &GenerationHistory<'_>, shard: usize) -> Option<Point> {
        let since = self.since.filter(|since| since.generation == generation.number)?;
        since.last.get(shard).copied()
    }

    fn write(&self, writer: &mut ExportWriter<'_, impl Write + Send>) -> Result<Checkpoint, Error> {
        let bytes = self.generations.iter().flat_map(|of| &of.shards).map(ShardHistory::bytes).sum();
        let progress = Progress::of(bytes, !std::io::stdout().is_terminal());
        let mut checkpoint = Checkpoint { generation: 0, stream: 0, last: Vec::new() };
        for (generation, ends) in self.generations.iter().zip(&self.ends.last) {
            (checkpoint.generation, checkpoint.stream) = (generation.number, generation.stream);
            checkpoint.last.clear();
            for (id, (shard, end)) in generation.shards.iter().zip(ends).enumerate() {
                let Some(end) = end else { continue };
                let part = Part {
                    shard,
                    platforms: &generation.platforms,
                    past: self.is_first(generation).then(|| self.past_of(shard)).transpose()?,
                    after: self.after(generation, id),
                    end: *end,
                    taken_back: &self.ends.taken_back,
                };
                part.write(&progress, writer)?;
                checkpoint.last.push(*end);
            }
        }
        Ok(checkpoint)
    }
}

/// Reads a shard to its end, and finds the bets that were taken back.
fn scan_shard(
    generation: &GenerationHistory<'_>,
    shard: &ShardHistory<'_>,
    after: Option<Point>,
    progress: &Progress,
    taken_back: &mut HashSet<u128>,
) -> Result<Tail, Error> {
    let from = match after {
        Some(point) => {
            // What is not there any more is told of as that, and not as damage.
            shard.base(Some(point.sequence))?;
            // A record that is another one than the checkpoint's is told of.
            point
        }
        None => shard.covers(shard.base(None)?)?,
    };
    let read = |bytes| progress.add(bytes);
    let tail = shard.replay::<Halt>(from, shard.mark()?, &read, |_, _, change, receipt| {
        if let Change::Operation(Operation::Play(play)) = &change
            && let (PlayKind::Rollback, 0, Some(original)) = (play.kind, receipt.code, play.original)
        {
            let platform = platform_name(play.platform, &generation.platforms);
            let game = (play.scope == RoundScope::Game).then_some(play.game);
            // A round of version 0.1.0 may have no platform.
            for platform in [platform.as_str(), ""] {
                taken_back.insert(key_of(play.account.id(), platform, game, play.round, original));
            }
        }
        Ok(())
    });
    let tail = match tail {
        Ok(tail) => tail,
        Err(error) => {
            failed(error)?;
            unreachable!("the first reading goes to the end")
        }
    };
    shard.check_end(&tail)?;
    if after.is_none_or(|after| after.sequence < tail.last.sequence) {
        scan_base(shard, after, &read)?;
    }
    Ok(tail)
}

/// Reads what the second reading begins with: a snapshot, and the records from there to the checkpoint.
fn scan_base(shard: &ShardHistory<'_>, after: Option<Point>, read: &dyn Fn(u64)) -> Result<(), Error> {
    let base = shard.base(after.map(|after| after.sequence))?;
    check_snapshot(shard, base)?;
    let Some(after) = after else { return Ok(()) };
    let read = shard.replay::<Halt>(shard.covers(base)?, None, read, |position, _, _, _| {
        if position.sequence > after.sequence { Err(Halt::Enough) } else { Ok(()) }
    });
    read.map(drop).or_else(failed)
}

/// Reads what had left memory to its end.
fn scan_past(past: &PastFiles<'_>) -> Result<(), Error> {
    let mut rounds = past.rounds()?;
    while rounds.next()?.is_some() {}
    Ok(())
}

/// The lines of the accounts of a slot that had left memory, but for what was forgotten.
fn left_of(
    past: &PastFiles<'_>,
    rounds: &mut PastRounds<'_, '_>,
    slot: Slot,
    forgotten_until_ms: Millis,
) -> Result<HashMap<String, Vec<StatementLine>>, Error> {
    let mut left: HashMap<String, Vec<StatementLine>> = HashMap::new();
    while rounds.peek().is_some_and(|next| next.slot() <= slot)
        && let Some(account) = rounds.next()?
    {
        let is_left = |found: &&PastRound| found.is_newest && found.round.last_ms > forgotten_until_ms;
        for found in account.rounds.iter().filter(is_left) {
            let transactions = found.round.transactions.iter().filter(|known| known.number > 0);
            let lines = transactions.map(|known| statement_line(&found.round, known));
            let lines = lines.collect::<Result<Vec<_>, _>>().map_err(|fault| {
                let path = past.file_of(found).path.display();
                Error::Failed(format!("{path}: {}: {}", words::plain(&found.account), fault.0))
            })?;
            left.entry(found.account.clone()).or_default().extend(lines);
        }
    }
    Ok(left)
}

/// What a bet is known by.
fn key_of(account: &str, platform: &str, game: Option<&str>, round: &str, transaction: &str) -> u128 {
    let mut hash = Xxh3::new();
    for text in [account, platform, game.unwrap_or_default(), round, transaction] {
        hash.update(&(text.len() as u64).to_le_bytes());
        hash.update(text.as_bytes());
    }
    hash.digest128()
}

/// A platform's key; of a place in the configuration of version 0.1.0 the key that stood there, where that is known.
fn platform_name(platform: PlatformKey, names: &[String]) -> String {
    let named = platform.place().and_then(|place| names.get(usize::from(place)).cloned());
    named.unwrap_or_else(|| platform.to_string())
}

/// A shard of a generation, of which lines are written.
struct Part<'a> {
    shard: &'a ShardHistory<'a>,
    platforms: &'a [String],
    /// Where nothing is known of what was before it: what its snapshot remembers is written too, and what had left memory by then.
    past: Option<PastFiles<'a>>,
    after: Option<Point>,
    end: Point,
    taken_back: &'a HashSet<u128>,
}

impl Part<'_> {
    fn write(
        &self,
        progress: &Progress,
        writer: &mut ExportWriter<'_, impl Write + Send>,
    ) -> Result<(), Error> {
        if self.after.is_some_and(|after| after.sequence >= self.end.sequence) {
            return Ok(());
        }
        let base = self.shard.base(self.after.map(|after| after.sequence))?;
        let recovered = self.shard.recovered(base)?;
        let (mut wallet, from) = (recovered.wallet, recovered.tail.last);
        if let Some(past) = &self.past {
            self.remembered(&wallet, recovered.now_ms, past, writer)?;
        }
        let after = self.after.map_or(0, |after| after.sequence);
        let (read, segment) = (|bytes| progress.add(bytes), Cell::new(0));
        let mut reached = from.sequence;
        let written = self.shard.replay::<Halt>(from, None, &read, |position, now_ms, change, receipt| {
            if position.sequence > self.end.sequence {
                return Err(Halt::Enough);
            }
            reached = position.sequence;
            if segment.replace(position.segment) != position.segment {
                // What is over leaves memory, so that what is in it is what a server would remember.
                wallet.forget_all(now_ms);
                if position.rules == Rules::V2 {
                    // Before a change of a round that has cooled there is a record that brings it back.
                    wallet.set_in_history(wallet.settings().cold_until(now_ms));
                    wallet.tidy(now_ms, usize::MAX);
                }
            }
            let account = match &change {
                Change::Operation(operation) => operation.account_id().map(AccountRef::new),
                Change::Configure(_) => None,
            };
            let before = account.as_ref().map_or(0, |account| wallet.last_number(account));
            again::<FileError>(&mut wallet, position, now_ms, &change, &receipt)?;
            if let (Some(account), Change::Operation(operation)) = (&account, &change)
                && position.sequence > after
            {
                for line in wallet.lines_after(account, before) {
                    self.line(&wallet, account.id(), &line, Some((operation, receipt.code)), writer)?;
                }
            }
            Ok(())
        });
        let ends_otherwise = written.as_ref().is_ok_and(|tail| tail.last != self.end);
        written.map(drop).or_else(failed)?;
        if ends_otherwise || reached != self.end.sequence {
            return Err(Error::Failed(format!(
                "shard {} ended with record {} when it was read first, and now with record {reached}: what was written is not all. \
                 Export once more",
                self.shard.origin.shard, self.end.sequence
            )));
        }
        Ok(())
    }

    /// Writes what the snapshot remembers, and what had left memory by then. What came later has a record.
    fn remembered(
        &self,
        wallet: &Wallet,
        now_ms: Millis,
        past: &PastFiles<'_>,
        writer: &mut ExportWriter<'_, impl Write + Send>,
    ) -> Result<(), Error> {
        let mut rounds = past.rounds()?;
        for (slot, places) in wallet.by_slot() {
            let mut left = left_of(past, &mut rounds, slot, wallet.settings().forgotten_until(now_ms))?;
            let mut accounts: Vec<String> =
                wallet.images(now_ms, &places).map(|AccountImage { id, .. }| id).collect();
            accounts.sort_unstable();
            for id in &accounts {
                let account = AccountRef::new(id.as_str());
                let last = wallet.last_number(&account);
                let mut lines = wallet.lines_after(&account, 0);
                // They come after those that are in memory: of equal numbers the first one stays.
                lines.extend(left.remove(id).into_iter().flatten().filter(|line| line.number <= last));
                lines.sort_by_key(|line| line.number);
                lines.dedup_by_key(|line| line.number);
                for line in &lines {
                    self.line(wallet, id, line, None, writer)?;
                }
            }
        }
        Ok(())
    }

    /// Writes a line: what the wallet has of a transaction, and what its record has, where it is known.
    fn line(
        &self,
        wallet: &Wallet,
        account: &str,
        line: &StatementLine,
        record: Option<(&Operation<&str>, i8)>,
        writer: &mut ExportWriter<'_, impl Write + Send>,
    ) -> Result<(), Error> {
        let domain = account.split_once('/').map_or("", |(domain, _)| domain);
        let known = wallet.settings().domain(domain).expect("an account has a domain");
        let platform = platform_name(line.platform, self.platforms);
        let is_bet = line.kind == LineKind::Play(PlayKind::Bet);
        let rolled_back = line.rolled_back || (is_bet && self.is_taken_back(account, &platform, line));
        let details = record.and_then(|(operation, _)| words::details_of(operation));
        writer.write(&Row {
            account,
            line,
            currency: known.currency,
            platform: &platform,
            rolled_back,
            offers: details.map_or([None, None], writer::offers),
            decision: record.map(|(_, code)| code),
        })
    }

    fn is_taken_back(&self, account: &str, platform: &str, line: &StatementLine) -> bool {
        let round = line.round.as_deref().unwrap_or_default();
        // Whether its round is known by its game too is not told here.
        [None, line.game.as_deref()]
            .into_iter()
            .any(|game| self.taken_back.contains(&key_of(account, platform, game, round, &line.transaction)))
    }
}
