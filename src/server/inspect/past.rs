//! Rounds that have left memory: what the files of the shards that are served have of them, account by account.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use ::history::{FileEntry, History, HistoryFile, ReadAt, Row, Rows, Slots, SortKey, all_slots};

use super::progress::Progress;
use super::snapshot;
use journal::reader::ReadError;
use journal::snapshot::SnapshotReader;
use journal::{Damage, Fault, Origin};
use recovery::slots_of;
use storage::generations::REMEDY;
use storage::reader::OpenedShard;
use storage::{FileError, OpenFile};
use wallet::account::{AccountHash, AccountRef};
use wallet::image::{RoundImage, RoundVersion};

type Failure = recovery::Error<FileError>;

/// The bytes of a file, where it was opened.
struct PastBytes<'a> {
    file: &'a OpenFile,
    progress: Option<&'a Progress>,
}

impl ReadAt for PastBytes<'_> {
    type Error = FileError;

    fn len(&self) -> u64 {
        self.file.bytes
    }

    fn read_at(&self, offset: u64, room: &mut [u8]) -> Result<(), FileError> {
        self.file.read_exactly_at(offset, room)?;
        if let Some(progress) = self.progress {
            progress.add(room.len() as u64);
        }
        Ok(())
    }
}

/// Files, each after those that were written before it.
#[derive(Default)]
pub(crate) struct PastFiles<'a> {
    files: Vec<PastFile<'a>>,
}

struct PastFile<'a> {
    opened: &'a OpenFile,
    rows: Arc<HistoryFile<PastBytes<'a>>>,
    /// Whose slots alone it may have, where one shard has written it and keeps it.
    owned: Option<Slots>,
}

/// A version of a round.
pub(crate) struct PastRound {
    /// Whose it is.
    pub(crate) account: String,
    pub(crate) round: RoundImage,
    /// No other version of it is newer.
    pub(crate) is_newest: bool,
    /// The file that it is in, by its place among them.
    file: usize,
}

/// The rounds of one account, or of accounts of one hash: all versions, in no order.
pub(crate) struct PastAccount {
    pub(crate) hash: AccountHash,
    pub(crate) rounds: Vec<PastRound>,
}

/// Damage of what has left memory, with what is to be done.
fn told(error: ReadError<FileError>) -> Failure {
    let told = match error {
        ReadError::Damage(Damage { file, offset, fault }) if !fault.to_string().contains(REMEDY) => {
            ReadError::Damage(Damage { file, offset, fault: Fault::Bytes(format!("{fault}: {REMEDY}")) })
        }
        error => error,
    };
    told.into()
}

impl<'a> PastFiles<'a> {
    /// The files of a shard. What is not its own alone is read for its slots.
    ///
    /// # Errors
    /// What is missing, or damaged.
    pub(crate) fn of_shard(
        shard: &'a OpenedShard,
        origin: Origin,
        progress: Option<&'a Progress>,
    ) -> Result<Self, Failure> {
        let slots = slots_of(origin);
        let mut files = Self::default();
        files.add(shard, origin, progress, |entry| {
            let counts = entry.summary.counts;
            let is_within =
                slots.start().index() <= counts.first_slot && counts.last_slot <= slots.end().index();
            let is_own = entry.summary.header.origin == origin;
            let read = if is_own || is_within { all_slots() } else { slots.clone() };
            Some((read, is_own.then(|| slots.clone())))
        })?;
        Ok(files)
    }

    /// What the shards have of some slots.
    ///
    /// # Errors
    /// What is missing, or damaged.
    pub(crate) fn of_slots(
        shards: impl IntoIterator<Item = (&'a OpenedShard, Origin)>,
        slots: &Slots,
        progress: Option<&'a Progress>,
    ) -> Result<Self, Failure> {
        let mut files = Self::default();
        for (shard, origin) in shards {
            let owned = slots_of(origin);
            let read = *owned.start().max(slots.start())..=*owned.end().min(slots.end());
            if read.is_empty() {
                continue;
            }
            files.add(shard, origin, progress, |entry| {
                let counts = entry.summary.counts;
                let is_read =
                    counts.first_slot <= read.end().index() && read.start().index() <= counts.last_slot;
                is_read.then(|| (read.clone(), None))
            })?;
        }
        Ok(files)
    }

    fn add(
        &mut self,
        shard: &'a OpenedShard,
        origin: Origin,
        progress: Option<&'a Progress>,
        read: impl Fn(&FileEntry) -> Option<(Slots, Option<Slots>)>,
    ) -> Result<(), Failure> {
        let past = shard.past.as_ref();
        let list = past.map(|past| past.list()).transpose();
        let list = list.map_err(|damage| told(damage.into()))?;
        let header =
            snapshot(shard, None).map(|(name, source)| SnapshotReader::header_of(&name, source, origin));
        let covers = header.transpose()?.and_then(|header| header.history_covers());
        shard.directory.check_history_list(list, covers).map_err(Failure::Damage)?;
        for file in past.into_iter().flat_map(|past| past.files()) {
            let (entry, opened) = file.map_err(Failure::Caller)?;
            let Some((slots, owned)) = read(entry) else { continue };
            let bytes = PastBytes { file: opened, progress };
            let rows = HistoryFile::open_listed(&opened.path.display().to_string(), bytes, entry, slots);
            self.files.push(PastFile { opened, rows: Arc::new(rows.map_err(told)?), owned });
        }
        Ok(())
    }

    /// All rounds, by slot and account.
    ///
    /// # Errors
    /// What is damaged.
    pub(crate) fn rounds(&self) -> Result<PastRounds<'_, 'a>, Failure> {
        let sources: Vec<Rows<'_, PastBytes<'a>>> = self.files.iter().map(|file| file.rows.rows()).collect();
        let mut rounds =
            PastRounds { rows: sources.iter().map(|_| None).collect(), sources, next: BinaryHeap::new() };
        for file in 0..rounds.sources.len() {
            rounds.read(file)?;
        }
        Ok(rounds)
    }

    /// The newest version of each round of an account.
    ///
    /// # Errors
    /// What is damaged.
    pub(crate) fn of_account(&self, account: &AccountRef<&str>) -> Result<Vec<PastRound>, Failure> {
        let mut found = Vec::new();
        for (file, PastFile { rows, .. }) in self.files.iter().enumerate() {
            let shown = History::new(vec![Arc::clone(rows)]).rounds_of(account, |round| {
                found.push(PastRound { account: account.id().into(), round, is_newest: false, file });
            });
            shown.map_err(told)?;
        }
        find_newest(&mut found);
        found.retain(|round| round.is_newest);
        Ok(found)
    }

    /// The file that a round is in.
    pub(crate) fn file_of(&self, round: &PastRound) -> &'a OpenFile {
        self.files[round.file].opened
    }

    /// Whether the file that a round is in may have it by its account.
    pub(crate) fn may_have(&self, round: &PastRound) -> bool {
        let slot = AccountHash::of(&round.account).slot();
        self.files[round.file].owned.as_ref().is_none_or(|owned| owned.contains(&slot))
    }
}

/// Rounds of files, account by account, in the order of slots and hashes. One block of each file is in memory, and what one
/// account has.
pub(crate) struct PastRounds<'f, 'a> {
    sources: Vec<Rows<'f, PastBytes<'a>>>,
    /// The next row of each file.
    rows: Vec<Option<Row>>,
    next: BinaryHeap<Reverse<(SortKey, usize)>>,
}

impl PastRounds<'_, '_> {
    fn read(&mut self, file: usize) -> Result<(), Failure> {
        let row = self.sources[file].next().transpose().map_err(told)?;
        self.next.extend(row.as_ref().map(|row| Reverse((row.sort_key(), file))));
        self.rows[file] = row;
        Ok(())
    }

    /// The hash of the next account; `None` at the end.
    pub(crate) fn peek(&self) -> Option<AccountHash> {
        let Reverse((_, file)) = self.next.peek()?;
        self.rows[*file].as_ref().map(|row| AccountHash::of(&row.account))
    }

    /// The rounds of the next account; `None` at the end.
    ///
    /// # Errors
    /// What is damaged.
    pub(crate) fn next(&mut self) -> Result<Option<PastAccount>, Failure> {
        let Some(hash) = self.peek() else { return Ok(None) };
        let mut rounds = Vec::new();
        while self.peek() == Some(hash)
            && let Some(Reverse((_, file))) = self.next.pop()
        {
            let row = self.rows[file].take();
            rounds.extend(row.map(|Row { account, round }| PastRound {
                account,
                round,
                is_newest: false,
                file,
            }));
            self.read(file)?;
        }
        find_newest(&mut rounds);
        Ok(Some(PastAccount { hash, rounds }))
    }
}

/// Finds the newest version of each round. Of equal ones it is the last file's.
fn find_newest(rounds: &mut [PastRound]) {
    rounds.sort_by(|one, other| {
        one.account
            .cmp(&other.account)
            .then_with(|| one.round.name().cmp(&other.round.name()))
            .then_with(|| RoundVersion::of(&one.round).cmp(&RoundVersion::of(&other.round)))
            .then(one.file.cmp(&other.file))
    });
    for at in 0..rounds.len() {
        let is_older = rounds.get(at + 1).is_some_and(|next| {
            next.account == rounds[at].account && next.round.name() == rounds[at].round.name()
        });
        rounds[at].is_newest = !is_older;
    }
}
