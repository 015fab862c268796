//! `purser explain`: how an account's balance came to be, request by request.
//!
//! The account alone is put into a wallet, from the snapshot, and its records are applied again: a record concerns one
//! account, so that nothing else is needed.

use std::collections::HashSet;
use std::io::{self, IsTerminal as _, Write};
use std::path::Path;

use super::history::{self, GenerationHistory, Halt, ShardHistory};
use super::past::{PastFiles, PastRound};
use super::progress::Progress;
use super::{Error, open, was_changed, words};
use crate::config::ExplainOptions;
use journal::reader::ReadError;
use journal::snapshot::{SnapshotHeader, SnapshotReader};
use journal::{Change, Origin, Point, Position};
use partition::Partition;
use recovery::again;
use storage::FileError;
use storage::archive::Archive;
use storage::reader::{Opened, OpenedShard};
use wallet::account::AccountRef;
use wallet::image::{AccountImage, RoundImage, TransactionImage};
use wallet::operation::{Operation, PlayKind};
use wallet::outcome::Receipt;
use wallet::{Currency, Millis, Wallet};

/// Tells of an account to `out`.
///
/// # Errors
/// Where there are no data, or no such account or transaction; where what is told of is damaged; and where nobody
/// reads the output.
pub fn explain(args: &ExplainOptions, out: &mut impl Write) -> Result<(), Error> {
    tell(args, &open(&args.data)?, out)
}

/// Tells of an account of what was opened.
///
/// As in `recover`, what a server writes that has begun to is no damage: the files are opened once more then.
pub(super) fn tell(args: &ExplainOptions, opened: &Opened, out: &mut impl Write) -> Result<(), Error> {
    let archive = args.archive.clone().map(Archive::at);
    let mut out = Once { out, written: 0, skip: 0 };
    let (sentence, first) = match history::all(opened, archive.as_ref()) {
        Ok(generations) => match tell_once(args, &generations, &mut out) {
            Err(Error::Failed(sentence)) if history::has_moved(opened, &generations) => {
                (sentence, begins_with(args, &generations).unwrap_or(None))
            }
            told => return told,
        },
        Err(Error::Failed(sentence)) if opened.shards.iter().any(was_changed) => (sentence, None),
        Err(error) => return Err(error),
    };
    let opened = open(&args.data)?;
    let generations = history::all(&opened, archive.as_ref())?;
    if out.written > 0 && begins_with(args, &generations)? != first {
        // It would begin otherwise than it did.
        return Err(Error::Failed(format!(
            "{sentence}; a server has written a new snapshot meanwhile: ask once more"
        )));
    }
    out.skip = out.written;
    tell_once(args, &generations, &mut out)
}

/// The shard of a generation that has the account.
fn owner<'h, 'a>(args: &ExplainOptions, generation: &'h GenerationHistory<'a>) -> &'h ShardHistory<'a> {
    let slot = AccountRef::new(args.account.as_str()).hash().slot();
    &generation.shards[Partition::new(generation.shards.len()).owner(slot).index()]
}

/// The file that a story begins with.
fn begins_with(
    args: &ExplainOptions,
    generations: &[GenerationHistory<'_>],
) -> Result<Option<String>, Error> {
    let Some(first) = generations.first() else { return Ok(None) };
    let shard = owner(args, first);
    Ok(shard.source(shard.base(None)?)?.map(|(name, _)| name))
}

fn tell_once(
    args: &ExplainOptions,
    generations: &[GenerationHistory<'_>],
    out: &mut impl Write,
) -> Result<(), Error> {
    let account = AccountRef::new(args.account.as_str());
    let shards: Vec<&ShardHistory<'_>> =
        generations.iter().map(|generation| owner(args, generation)).collect();
    let bytes = shards.iter().map(|shard| shard.bytes()).sum();
    let progress = Progress::of(bytes, !std::io::stdout().is_terminal());
    let wallet = Wallet::to_replay();
    let last = last_begun(args, &shards)?;
    let served = shards.last().and_then(|shard| Some((shard.live?, shard.origin)));
    let files = PastFiles::default();
    let mut story = Story {
        args,
        account,
        out,
        wallet,
        served,
        files,
        past: Vec::new(),
        now_ms: 0,
        until_ms: None,
        balance: None,
        is_told: false,
    };
    for (at, shard) in shards.into_iter().enumerate().take(last + 1) {
        story.until_ms = args.until_ms.filter(|_| at == last);
        let from = story.begin(shard, at == 0)?;
        story.records(shard, from, &progress)?;
    }
    drop(progress);
    story.end()?;
    Ok(out.flush()?)
}

/// The last generation that had begun by the time that was asked for; the first one where none had. All of those before it came
/// before that time, though a clock that was ahead said otherwise.
fn last_begun(args: &ExplainOptions, shards: &[&ShardHistory<'_>]) -> Result<usize, Error> {
    for (at, shard) in shards.iter().enumerate().skip(1).rev() {
        let (Some(until_ms), Some((name, source))) = (args.until_ms, shard.source(shard.base(None)?)?) else {
            return Ok(at);
        };
        let header = SnapshotReader::header_of(&name, source, shard.origin)
            .map_err(recovery::Error::<FileError>::from)?;
        if header.now_ms <= until_ms {
            return Ok(at);
        }
    }
    Ok(0)
}

/// An output that leaves out what it has written, where the same is told again from the beginning.
struct Once<'a, W> {
    out: &'a mut W,
    written: u64,
    /// Bytes that are still to be left out.
    skip: u64,
}

impl<W: Write> Write for Once<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let skipped = bytes.len().min(usize::try_from(self.skip).unwrap_or(usize::MAX));
        if skipped > 0 {
            self.skip -= skipped as u64;
            return Ok(skipped);
        }
        let written = self.out.write(bytes)?;
        self.written += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

struct Story<'a, W> {
    args: &'a ExplainOptions,
    account: AccountRef<&'a str>,
    out: &'a mut W,
    /// It has this account alone.
    wallet: Wallet,
    /// The shard that is served and has the account.
    served: Option<(&'a OpenedShard, Origin)>,
    /// The files of what has left memory, of this account's slot.
    files: PastFiles<'a>,
    /// The rounds that have left memory, as they are now; none where all of them are in the snapshot and the records.
    past: Vec<PastRound>,
    /// The time that was come to.
    now_ms: Millis,
    /// Nothing after this is told of the generation.
    until_ms: Option<Millis>,
    /// Cash and version that were come to, where the account is there.
    balance: Option<(i64, u64)>,
    /// Something was told.
    is_told: bool,
}

impl<W: Write> Story<'_, W> {
    /// Tells of the account as the snapshot has it that a shard of a generation begins with, and returns where the records go on.
    fn begin(&mut self, shard: &ShardHistory<'_>, is_first: bool) -> Result<Point, Error> {
        let account = words::plain(self.account.id());
        self.wallet = Wallet::to_replay();
        self.past = Vec::new();
        let found = self.in_snapshot(shard)?;
        let Some((name, header, image)) = found else {
            if self.args.transaction.is_none() {
                writeln!(self.out, "{account} in {}\nno snapshot", path_of(shard))?;
            }
            return Ok(Point::START);
        };
        if header.has_history {
            let slot = self.account.hash().slot();
            self.files = PastFiles::of_slots(self.served, &(slot..=slot), None)?;
            self.past = self.files.of_account(&self.account)?;
        }
        let until_ms = self.until_ms.filter(|until_ms| *until_ms < header.now_ms);
        self.now_ms = header.now_ms;
        let (file, time) = (name_of_path(Some(Path::new(&name))), words::time(header.now_ms));
        if self.args.transaction.is_none() {
            writeln!(self.out, "{account} in {}", path_of(shard))?;
        }
        match (&self.args.transaction, &image) {
            (Some(id), Some(image)) if is_first => self.remembered(&file, image, id)?,
            (Some(_), _) => {}
            (None, None) => writeln!(self.out, "{time}  {file}: not there yet")?,
            (None, Some(_)) => {
                let state = self.state().unwrap_or_default();
                writeln!(self.out, "{time}  {file}: {state}")?;
                if let Some(until_ms) = until_ms {
                    let until = words::time(until_ms);
                    return Err(Error::Failed(format!(
                        "what {account} was at {until} is not known: the records up to {time} are folded into the snapshot"
                    )));
                }
            }
        }
        Ok(header.covers)
    }

    /// Puts the account into the wallet as the snapshot has it.
    fn in_snapshot(
        &mut self,
        shard: &ShardHistory<'_>,
    ) -> Result<Option<(String, SnapshotHeader, Option<AccountImage>)>, Error> {
        let damaged = |error: ReadError<FileError>| recovery::Error::from(error);
        let Some((name, source)) = shard.source(shard.base(None)?)? else { return Ok(None) };
        let mut reader = SnapshotReader::open(&name, source, shard.origin).map_err(damaged)?;
        self.wallet
            .configure(reader.header().now_ms, reader.settings())
            .map_err(recovery::Error::<FileError>::from)?;
        let ours = self.account.hash().slot();
        while let Some((slot, accounts)) = reader.section().map_err(damaged)? {
            if let Some(image) = accounts.into_iter().find(|image| image.id == self.account.id()) {
                let restored = self.wallet.restore(&image);
                let account = image.id.clone();
                restored.map_err(|fault| recovery::Error::<FileError>::Image { account, fault })?;
                self.balance = Some((image.cash, image.version));
                return Ok(Some((name, reader.header(), Some(image))));
            }
            if slot > ours {
                break;
            }
        }
        Ok(Some((name, reader.header(), None)))
    }

    /// Tells of what the snapshot remembers of a transaction, and what had left memory by then.
    fn remembered(&mut self, file: &str, image: &AccountImage, id: &str) -> Result<(), Error> {
        let currency = self.currency();
        let in_memory = image.rounds.iter().map(|round| (file.to_owned(), round));
        let known: HashSet<_> = image.rounds.iter().map(RoundImage::name).collect();
        let left = self.past.iter().filter(|found| !known.contains(&found.round.name()));
        let left = left.map(|found| (name_of_path(Some(&self.files.file_of(found).path)), &found.round));
        let of_rounds = in_memory.chain(left).flat_map(|(file, round)| {
            round.transactions.iter().map(move |known| (file.clone(), round, known))
        });
        let original = |round: &RoundImage, known: &TransactionImage| {
            let original = round.transactions.get(known.original? as usize)?;
            Some(original.clone())
        };
        let id_of = |round: &'_ RoundImage| (!round.is_outside()).then(|| round.id.clone());
        let mut found: Vec<_> = of_rounds
            // What came later has a record.
            .filter(|(_, _, known)| known.number <= image.number && known.at_ms <= self.now_ms)
            .map(|(file, round, known)| (file, id_of(round), original(round, known), known))
            .filter(|(_, _, original, known)| {
                known.id == id || original.as_ref().is_some_and(|bet| bet.id == id)
            })
            .collect();
        found.sort_by_key(|(_, _, _, known)| (known.at_ms, known.number));
        for (file, round, original, known) in found {
            let line = remembered_words(round.as_deref(), original.as_ref(), known, currency);
            writeln!(self.out, "{}  {file}: {line}", words::time(known.at_ms))?;
            self.is_told = true;
        }
        Ok(())
    }

    /// Tells of each record of the account, up to the time that was asked for.
    fn records(&mut self, shard: &ShardHistory<'_>, from: Point, progress: &Progress) -> Result<(), Error> {
        let read = |bytes| progress.add(bytes);
        if !self.is_within(self.now_ms) {
            return Ok(());
        }
        let told = shard.replay(from, shard.mark()?, &read, |position, now_ms, change, receipt| {
            if !self.is_within(now_ms) {
                return Err(Halt::Enough);
            }
            self.now_ms = now_ms;
            let of_account = match &change {
                Change::Configure(_) => true,
                Change::Operation(operation) => operation.account_id() == Some(self.account.id()),
            };
            if of_account { self.record(position, now_ms, &change, &receipt) } else { Ok(()) }
        });
        match told {
            Ok(tail) => shard.check_end(&tail),
            Err(ReadError::Caller(Halt::Enough)) => Ok(()),
            Err(ReadError::Caller(Halt::Failed(error))) => Err(error),
            Err(ReadError::Damage(damage)) => Err(Error::Failed(damage.to_string())),
        }
    }

    /// Applies a record again and tells of it.
    fn record(
        &mut self,
        position: Position,
        now_ms: Millis,
        change: &Change<'_>,
        receipt: &Receipt,
    ) -> Result<(), Halt> {
        let before = self.balance;
        let round = |story: &Self, operation: &Operation<&str>| {
            story.wallet.round_is_open(now_ms, &story.account, operation)
        };
        let operation = match change {
            Change::Configure(_) => None,
            Change::Operation(operation) => Some(operation),
        };
        let was_open = operation.and_then(|operation| round(self, operation));
        again::<FileError>(&mut self.wallet, position, now_ms, change, receipt)?;
        let Some(operation) = operation else { return Ok(()) };
        let is_open = round(self, operation);
        self.balance = Some((receipt.cash.minor(), receipt.version));
        if self.args.transaction.as_deref().is_some_and(|id| !words::concerns(operation, id)) {
            return Ok(());
        }
        let currency = self.currency();
        let Position { segment, offset, sequence, .. } = position;
        let place = format!("segment-{segment:08}.journal byte {offset} record {sequence}");
        let (time, request) = (words::time(now_ms), words::request(operation, currency));
        let decision = decision(operation, receipt, before, was_open, is_open);
        let balance = balance(before, receipt, currency);
        writeln!(self.out, "{time}  {place}: {request}: {decision}; {balance}")?;
        if let Some(details) = words::details_of(operation) {
            writeln!(self.out, "    {}", words::plain(details))?;
        }
        self.is_told = true;
        Ok(())
    }

    /// Tells of the state at the end.
    fn end(&mut self) -> Result<(), Error> {
        let account = words::plain(self.account.id());
        if let Some(id) = &self.args.transaction {
            let id = words::plain(id);
            let sentence = format!("{account} has no transaction {id} that is remembered or recorded");
            return if self.is_told { Ok(()) } else { Err(Error::Failed(sentence)) };
        }
        let until = self.args.until_ms.filter(|until_ms| *until_ms > self.now_ms);
        self.now_ms = until.unwrap_or(self.now_ms);
        let time = words::time(self.now_ms);
        let Some(state) = self.state() else {
            let by_then = self.args.until_ms.map(|until_ms| format!(" by {}", words::time(until_ms)));
            let by_then = by_then.unwrap_or_default();
            let form = if account.contains('/') { "" } else { "; an account is named domain/player" };
            return Err(Error::Failed(format!("there is no account {account}{by_then}{form}")));
        };
        Ok(writeln!(self.out, "{time}  at the end: {state}")?)
    }

    fn is_within(&self, now_ms: Millis) -> bool {
        self.until_ms.is_none_or(|until_ms| now_ms <= until_ms)
    }

    fn image(&self) -> Option<AccountImage> {
        let places = self.wallet.by_slot().pop()?.1;
        self.wallet.images(self.now_ms, &places).next()
    }

    fn state(&self) -> Option<String> {
        let image = self.image()?;
        let past = self.remembered_past(&image);
        Some(words::state(&image, past, self.currency(), self.wallet.settings(), self.now_ms))
    }

    /// How many transactions are remembered that have left memory. Of another time than now it is counted from what there is now.
    fn remembered_past(&self, image: &AccountImage) -> usize {
        let of_rounds = image.rounds.iter().flat_map(|round| &round.transactions);
        let in_memory: HashSet<u64> = of_rounds.map(|known| known.number).collect();
        let forgotten_until_ms = self.wallet.settings().forgotten_until(self.now_ms);
        let left = self.past.iter().map(|found| {
            let then = |known: &&TransactionImage| (1..=image.number).contains(&known.number);
            let then: Vec<_> = found.round.transactions.iter().filter(then).collect();
            let is_remembered = then.iter().any(|known| known.at_ms > forgotten_until_ms);
            then.iter().filter(|known| is_remembered && !in_memory.contains(&known.number)).count()
        });
        left.sum()
    }

    /// The currency of the account's domain, which has one where the account is there.
    fn currency(&self) -> Currency {
        let domain = self.account.id().split_once('/').map_or("", |(domain, _)| domain);
        let found = self.wallet.settings().domain(domain);
        found.expect("an account that is there has a domain").currency
    }
}

/// Where the files of a shard are.
fn path_of(shard: &ShardHistory<'_>) -> String {
    let path = shard.live.map_or_else(|| shard.archived.path(), |live| live.directory.path());
    path.display().to_string()
}

/// The name of a file without its directory.
fn name_of_path(path: Option<&Path>) -> String {
    path.and_then(Path::file_name).unwrap_or_default().to_string_lossy().into_owned()
}

/// What came of a request.
fn decision(
    operation: &Operation<&str>,
    receipt: &Receipt,
    before: Option<(i64, u64)>,
    was_open: Option<bool>,
    is_open: Option<bool>,
) -> String {
    if receipt.code != 0 {
        return format!(
            "refused with {}: the bet is not there, and is remembered as cancelled",
            receipt.code
        );
    }
    let mut text = match operation {
        Operation::PutAccount(_) if before.is_none() => "created".to_owned(),
        Operation::Play(play)
            if play.kind == PlayKind::Rollback
                && before.is_some_and(|(_, version)| version == receipt.version) =>
        {
            "done, moved nothing: the bet was taken back before, or is not there".to_owned()
        }
        _ => "done".to_owned(),
    };
    if was_open.is_none() && is_open.is_some() {
        text += ", opened the round";
    }
    if was_open != Some(false) && is_open == Some(false) {
        text += ", closed the round";
    }
    text
}

/// The balance before and after.
fn balance(before: Option<(i64, u64)>, receipt: &Receipt, currency: Currency) -> String {
    let after = words::money(receipt.cash.minor().into(), currency);
    match before {
        Some((cash, version)) if (cash, version) != (receipt.cash.minor(), receipt.version) => {
            let before = words::decimal(cash.into(), currency);
            format!("{before} -> {after}, version {version} -> {}", receipt.version)
        }
        Some(_) | None => format!("{after}, version {}", receipt.version),
    }
}

fn remembered_words(
    round: Option<&str>,
    original: Option<&TransactionImage>,
    known: &TransactionImage,
    currency: Currency,
) -> String {
    let round = round.map_or_else(String::new, |round| format!(" round {}", words::plain(round)));
    let id = words::plain(&known.id);
    let Some(kind) = known.line_kind() else {
        return format!("cancelled bet{round} transaction {id}: a rollback of it came, and it had not");
    };
    let of_bet = original.map_or_else(String::new, |bet| format!(", of bet {}", words::plain(&bet.id)));
    let fate = match (known.rolled_back(), known.moved_nothing()) {
        (true, _) => "done, taken back later",
        (_, true) if original.is_some_and(TransactionImage::is_cancelled) => {
            "done, moved nothing: the bet is not there"
        }
        (_, true) => "done, moved nothing: the bet was taken back before",
        (false, false) => "done",
    };
    format!(
        "{}{round} transaction {id} {}{of_bet}: {fate}; {} after it, number {}",
        words::type_of(kind),
        words::money(known.amount.into(), currency),
        words::money(known.balance_after.into(), currency),
        known.number
    )
}
