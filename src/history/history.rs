//! All files of a shard together.

use std::sync::Arc;

use super::cursor::{Cursor, Room};
use super::file::{HistoryFile, ReadAt};
use super::filter::Filter;
use super::merge::Newest;
use super::row::{SortKey, key_of};
use journal::reader::ReadError;
use journal::{Damage, Fault};
use wallet::account::{AccountHash, AccountRef};
use wallet::history::RoundName;
use wallet::image::RoundImage;

/// The files of a shard. It never changes; whoever has others has another history.
#[derive(Debug)]
pub struct History<B> {
    /// Shared with the histories before and after it.
    files: Vec<Arc<HistoryFile<B>>>,
    filter: Option<Filter>,
    has_by_game: bool,
}

impl<B: ReadAt> History<B> {
    /// Of files in the order in which they were written: of rows of a round with one version, the last file's holds. Without a
    /// filter, any key may be there.
    pub fn new(files: Vec<Arc<HistoryFile<B>>>) -> Self {
        let has_by_game = files.iter().any(|file| file.counts().by_game > 0);
        Self { files, filter: None, has_by_game }
    }

    /// With a filter that has the keys of all its files, where there is one.
    pub fn filtered(files: Vec<Arc<HistoryFile<B>>>, filter: Option<Filter>) -> Self {
        Self { filter, ..Self::new(files) }
    }

    /// Its filter, where it has one.
    pub const fn filter(&self) -> Option<&Filter> {
        self.filter.as_ref()
    }

    /// Its files.
    pub fn files(&self) -> &[Arc<HistoryFile<B>>] {
        &self.files
    }

    /// Whether there may be rounds of an account with this [`key_of`](super::key_of): asked for each round that is new, so
    /// it looks at memory alone. It never says *no* where there is one.
    pub fn may_have(&self, account: AccountHash, key: u64) -> bool {
        self.may_have_after(account, key, || ())
    }

    fn may_have_after(&self, account: AccountHash, key: u64, meanwhile: impl FnOnce()) -> bool {
        self.filter.as_ref().is_none_or(|filter| filter.contains(SortKey::new(account, key), meanwhile))
    }

    /// Whether any round is known by its game too.
    pub const fn has_by_game(&self) -> bool {
        self.has_by_game
    }

    /// The rounds of an account with this [`key_of`](super::key_of) that `is_wanted`: of each the newest version, with its
    /// times clamped. Keys of other ids may be the same: `is_wanted` compares platform, id and what else it is to be.
    ///
    /// # Errors
    /// Where a file is damaged, or can't be read.
    pub fn find<S: AsRef<str>>(
        &self,
        room: &mut Room,
        account: &AccountRef<S>,
        key: u64,
        is_wanted: impl Fn(&RoundImage) -> bool,
    ) -> Result<Vec<RoundImage>, ReadError<B::Error>> {
        let at = SortKey::new(account.hash(), key);
        let mut found = Vec::new();
        for file in &self.files {
            let mut cursor = Cursor::new(file, &mut *room, at, at);
            while let Some(placed) = cursor.next()? {
                if placed.row.account == account.id() {
                    found.push(placed);
                }
            }
        }
        // It is stable: of what is equal, the last file's is last.
        found.sort_by(|one, other| one.cmp_row(other));
        let is_older = |pair: &[super::row::Placed]| pair[0].cmp_round(&pair[1]).is_eq();
        let older: Vec<bool> = found.windows(2).map(is_older).chain([false]).collect();
        let rounds = found.into_iter().zip(older).filter(|(_, is_older)| !is_older);
        Ok(rounds.map(|(placed, _)| placed.row.round).filter(is_wanted).collect())
    }

    /// Whether there may be the round of this name, as [`History::may_have`] says. It waits for one line of memory; what is done
    /// `meanwhile` waits for its own at the same time.
    pub fn may_have_named<S: AsRef<str>>(&self, name: &RoundName<S>, meanwhile: impl FnOnce()) -> bool {
        self.may_have_after(name.account.hash(), key_of_name(name), meanwhile)
    }

    /// The rounds of this name, as [`History::find`] finds them.
    ///
    /// # Errors
    /// As [`History::find`].
    pub fn find_named<S: AsRef<str>>(
        &self,
        room: &mut Room,
        name: &RoundName<S>,
    ) -> Result<Vec<RoundImage>, ReadError<B::Error>> {
        self.find(room, &name.account, key_of_name(name), |round| name.is_of(round))
    }

    /// Shows all rounds of an account, the newest version of each, with its times clamped, in the order of their keys. One
    /// block of each file is in memory.
    ///
    /// # Errors
    /// Where a file is damaged, or can't be read.
    pub fn rounds_of<S: AsRef<str>>(
        &self,
        account: &AccountRef<S>,
        mut show: impl FnMut(RoundImage),
    ) -> Result<(), ReadError<B::Error>> {
        self.rounds_while(account, |round| {
            show(round);
            true
        })
    }

    /// Shows rounds of an account as [`History::rounds_of`] does, as long as whoever is shown them goes on.
    ///
    /// # Errors
    /// Where a file is damaged, or can't be read.
    pub fn rounds_while<S: AsRef<str>>(
        &self,
        account: &AccountRef<S>,
        mut goes_on: impl FnMut(RoundImage) -> bool,
    ) -> Result<(), ReadError<B::Error>> {
        let (from, until) = (SortKey::new(account.hash(), 0), SortKey::new(account.hash(), u64::MAX));
        let cursors = self.files.iter().map(|file| Cursor::new(file, Room::default(), from, until));
        let mut newest = Newest::of(cursors.collect())?;
        while let Some(placed) = newest.next()? {
            if self.filter.as_ref().is_some_and(|filter| !filter.contains(placed.at, || ())) {
                let file = "the filter of a history".into();
                let what = "it lacks a round that a file has".into();
                return Err(Damage { file, offset: 0, fault: Fault::Bytes(what) }.into());
            }
            if placed.row.account == account.id() && !goes_on(placed.row.round) {
                break;
            }
        }
        Ok(())
    }

    /// Rows of its files, of all slots and versions.
    pub fn rows(&self) -> u64 {
        self.files.iter().map(|file| file.counts().rows).sum()
    }

    /// Bytes of its files.
    pub fn bytes_on_disk(&self) -> u64 {
        self.files.iter().map(|file| file.summary().bytes).sum()
    }

    /// Bytes of memory that it takes.
    pub fn memory_bytes(&self) -> u64 {
        let filter = self.filter.as_ref().map_or(0, Filter::memory_bytes);
        filter + self.files.iter().map(|file| file.memory_bytes()).sum::<u64>()
    }
}

fn key_of_name<S: AsRef<str>>(name: &RoundName<S>) -> u64 {
    key_of(name.account.hash(), &name.platform.bytes(), name.kind, name.round.as_ref())
}
