//! `purser verify`: reads everything, applies every record again, and computes again what follows from what.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write;

use super::archived;
use super::audit::{Audit, Held, shared};
use super::past::PastFiles;
use super::progress::Progress;
use super::{Error, open, origin, reading, recover, words};
use crate::config::VerifyOptions;
use crate::parallel;
use journal::mark::has_lost_a_slot;
use journal::{Origin, Place};
use recovery::Recovered;
use storage::FileError;
use storage::archive::Archive;
use storage::generations::left;
use storage::reader::{Opened, OpenedShard};
use wallet::account::AccountHash;
use wallet::{Currency, Millis};

/// What was found in a shard that could be read to its end.
struct Found {
    snapshot: u64,
    replayed: u64,
    accounts: usize,
    rounds: u64,
    now_ms: Millis,
    next: Place,
    /// What is wrong with the last write, and where.
    torn: Option<String>,
    /// By domain: its currency, and the house account.
    houses: BTreeMap<String, (Currency, i128)>,
    audit: Audit,
}

type Read = Result<Found, recovery::Error<FileError>>;

/// What reading all shards has found.
pub(crate) struct Findings {
    /// A line for each shard, what is wrong, and what the books say.
    pub(crate) text: String,
    shards: usize,
    damaged: usize,
    are_books_even: bool,
}

impl Findings {
    /// Whether nothing is damaged.
    pub(crate) const fn is_whole(&self) -> bool {
        self.damaged == 0 && self.are_books_even
    }

    /// All of it in a line; what was found of the archive, too.
    fn verdict(&self, is_archive_whole: bool) -> String {
        match (self.damaged, self.shards) {
            (0, _) if !is_archive_whole => "DAMAGED: the archive; what is served does not need it".into(),
            (0, _) if !self.are_books_even => "DAMAGED: the books are not even".into(),
            (0, 1) => "ok: 1 shard, and nothing is damaged".into(),
            (0, shards) => format!("ok: {shards} shards, and nothing is damaged"),
            (damaged, shards) => format!("DAMAGED: {damaged} of {shards} shards"),
        }
    }
}

/// Verifies a data directory, and its archive where that is asked for, and writes a line for each shard, what the books say, and
/// a verdict to `out`. `false` where something is damaged.
///
/// # Errors
/// Where there are no data, or the files can't be opened.
pub fn verify(args: &VerifyOptions, out: &mut impl Write) -> Result<bool, Error> {
    let opened = open(&args.data)?;
    let mut found = look(&opened);
    let archive = args
        .archive
        .clone()
        .map(|path| archived::verify(&args.data, &opened, &Archive::at(path)))
        .transpose()?;
    let is_archive_whole = archive.is_none_or(|(lines, is_whole)| {
        found.text += &lines;
        is_whole
    });
    let (text, verdict) = (&found.text, found.verdict(is_archive_whole));
    let written = writeln!(out, "{text}{verdict}").and_then(|()| out.flush());
    match written.map_err(Error::from) {
        // The exit code tells the verdict too.
        Ok(()) | Err(Error::ReaderGone) => Ok(found.is_whole() && is_archive_whole),
        Err(error) => Err(error),
    }
}

/// Reads all shards of what was opened.
pub(crate) fn look(opened: &Opened) -> Findings {
    let progress = Progress::of(opened.shards.iter().map(OpenedShard::bytes).sum(), true);
    let mut read: Vec<Read> = parallel::each(&opened.shards, |id, shard| {
        reading(shard, |shard| examine(shard, origin(opened.manifest, id), &progress))
    });
    drop(progress);
    for (shard, sentence) in shared_keys(&opened.shards, &read) {
        if let Ok(found) = &mut read[shard] {
            found.audit.fault(sentence);
        }
    }
    let (books, are_books_even) = books(&read);
    let is_whole = |read: &Read| read.as_ref().is_ok_and(|found| found.audit.faults_count == 0);
    let damaged = read.iter().filter(|read| !is_whole(read)).count();
    let mut text = table(&opened.shards, &read);
    text += &faults(&read);
    text += &books;
    for (id, shard) in opened.shards.iter().enumerate() {
        // Read anew: a server may have been about to write it.
        let mark = shard.directory.read_mark();
        if mark.is_ok_and(|mark| has_lost_a_slot(&mark, origin(opened.manifest, id))) {
            let mark = shard.directory.mark();
            let _ = writeln!(
                text,
                "{}: half of it is not as it was written, and the other half holds: a start writes it anew",
                mark.display()
            );
        }
    }
    for earlier in &opened.left {
        let _ = writeln!(text, "{}", left(&opened.path, *earlier, opened.manifest.generation));
    }
    Findings { text, shards: read.len(), damaged, are_books_even }
}

/// Recovers a shard and looks at each of its accounts, with what of it has left memory.
fn examine(shard: &OpenedShard, origin: Origin, progress: &Progress) -> Read {
    let Recovered { mut wallet, tail, now_ms, snapshot, replayed, .. } = recover(shard, origin, progress)?;
    // What is counted is what is remembered, as the images have it.
    wallet.forget_all(now_ms);
    let mut audit = Audit::new(wallet.settings(), now_ms);
    let files = PastFiles::of_shard(shard, origin, Some(progress))?;
    let mut past = files.rounds()?;
    for (_, places) in wallet.by_slot() {
        let images = wallet.images(now_ms, &places);
        let mut images: Vec<_> = images.map(|image| (AccountHash::of(&image.id), image)).collect();
        images.sort_unstable_by_key(|(hash, _)| hash.bits());
        for accounts in images.chunk_by_mut(|(hash, _), (next, _)| hash == next) {
            audit.past(&files, &mut past, accounts)?;
            accounts.iter().for_each(|(_, image)| audit.account(image));
        }
    }
    audit.past(&files, &mut past, &mut [])?;
    let houses = wallet.totals().map(|(domain, currency, held)| (domain.to_owned(), (currency, -held)));
    let torn = tail.torn.as_ref();
    Ok(Found {
        snapshot,
        replayed,
        accounts: wallet.accounts(),
        rounds: audit.rounds,
        now_ms,
        next: tail.next,
        torn: torn.map(|torn| format!("{}, byte {}: {}", torn.name, torn.offset, torn.what)),
        houses: houses.collect(),
        audit,
    })
}

/// Session keys that two accounts hold, each with the shard that it is told of.
///
/// Shards are read one beside the other. A key that one gave up after it was read, and another took before, was not
/// held by both: where a journal has grown since, that can't be told, and nothing is said.
fn shared_keys(shards: &[OpenedShard], read: &[Read]) -> Vec<(usize, String)> {
    let now_ms = read.iter().flatten().map(|found| found.now_ms).max().unwrap_or(0);
    let mut holders: Vec<(usize, &Held)> = Vec::new();
    for (shard, found) in read.iter().enumerate() {
        let sessions = found.iter().flat_map(|found| &found.audit.sessions);
        let alive = sessions.filter(|held| held.until_ms.is_none_or(|until_ms| now_ms < until_ms));
        holders.extend(alive.map(|held| (shard, held)));
    }
    let is_told = |shard: &usize, other: &usize| {
        shard == other || ![*shard, *other].iter().any(|shard| has_grown(*shard, shards, read))
    };
    let shared = shared(holders).into_iter().filter(|[(shard, _), (other, _)]| is_told(shard, other));
    let sentence =
        |held: &Held, also: &Held| format!("{} and {} hold one session key", held.account, also.account);
    shared.map(|[(shard, held), (_, also)]| (shard, sentence(held, also))).collect()
}

/// Whether a shard's journal has grown since it was read; one that can't be looked at may have.
fn has_grown(shard: usize, shards: &[OpenedShard], read: &[Read]) -> bool {
    let next = read[shard].as_ref().ok().map(|found| found.next);
    next.is_none_or(|next| shards[shard].has_grown(next).unwrap_or(true))
}

/// The sums by domain over all shards that were read, and whether they are even.
fn books(read: &[Read]) -> (String, bool) {
    let mut domains: BTreeMap<&str, (Currency, i128, i128)> = BTreeMap::new();
    for found in read.iter().flatten() {
        for (domain, (currency, house)) in &found.houses {
            let held = found.audit.held.get(domain).copied().unwrap_or(0);
            let book = domains.entry(domain).or_insert((*currency, 0, 0));
            (book.1, book.2) = (book.1 + held, book.2 + house);
        }
    }
    let all_read = read.iter().all(Result::is_ok);
    let (mut text, mut even) = (String::new(), true);
    for (domain, (currency, held, house)) in domains {
        let is_even = held + house == 0;
        even &= is_even;
        let (held, house) = (words::money(held, currency), words::money(house, currency));
        let _ = write!(text, "domain {domain}: accounts hold {held}, the house account {house}: ");
        text += if is_even { "even" } else { "NOT EVEN" };
        text += if all_read { "\n" } else { ", in the shards that could be read\n" };
    }
    (text, even)
}

const HEADINGS: [&str; 9] = [
    "SHARD",
    "SNAPSHOT",
    "REPLAYED",
    "SEGMENTS",
    "ACCOUNTS",
    "ROUNDS",
    "TRANSACTIONS",
    "LAST CHANGE",
    "VERDICT",
];

/// A line for each shard.
fn table(shards: &[OpenedShard], read: &[Read]) -> String {
    let mut rows = vec![HEADINGS.map(String::from)];
    for ((id, shard), read) in (0..).zip(shards).zip(read) {
        rows.push(row(id, shard, read));
    }
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let widths: [usize; HEADINGS.len()] = std::array::from_fn(width);
    let mut text = String::new();
    for row in &rows {
        for (cell, width) in row.iter().zip(widths).take(HEADINGS.len() - 1) {
            let _ = write!(text, "{cell:width$}  ");
        }
        text += &row[HEADINGS.len() - 1];
        text.push('\n');
    }
    text
}

fn row(id: usize, shard: &OpenedShard, read: &Read) -> [String; HEADINGS.len()] {
    let segments = shard.segments.len().to_string();
    let unknown = || "-".to_owned();
    match read {
        Ok(found) => [
            id.to_string(),
            found.snapshot.to_string(),
            found.replayed.to_string(),
            segments,
            found.accounts.to_string(),
            found.rounds.to_string(),
            found.audit.transactions.to_string(),
            words::time(found.now_ms),
            match (found.audit.faults_count, &found.torn) {
                (0, None) => "ok".into(),
                (0, Some(torn)) => {
                    format!("ok; the last write is being written, or was torn by a crash: {torn}")
                }
                (1, _) => "DAMAGED: 1 fault".into(),
                (faults, _) => format!("DAMAGED: {faults} faults"),
            },
        ],
        Err(error) => [
            id.to_string(),
            unknown(),
            unknown(),
            segments,
            unknown(),
            unknown(),
            unknown(),
            unknown(),
            format!("DAMAGED: {}", words::plain(&error.to_string())),
        ],
    }
}

/// What was found wrong in what could be read.
fn faults(read: &[Read]) -> String {
    let mut text = String::new();
    for (shard, found) in read.iter().enumerate() {
        let Ok(Found { audit, .. }) = found else { continue };
        for fault in &audit.faults {
            let _ = writeln!(text, "shard {shard}: {}", words::plain(fault));
        }
        let more = audit.faults_count - audit.faults.len() as u64;
        if more > 0 {
            let _ = writeln!(text, "shard {shard}: and {more} more");
        }
    }
    text
}
