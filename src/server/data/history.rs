//! A shard's history while it serves: its list, the files that the list names, and how a fold adds to them. Files that are small
//! beside each other become one, and those whose rounds are all forgotten go.
//!
//! The order is what makes it hold: a file is durable before the list names it, the list before the snapshot that leaves its
//! rounds out, and the list that no longer names a file before that is removed. Whatever lies there that the list does not name
//! is nobody's.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::{Error, ShardFiles};
use history::{
    FileEntry, FileList, Filter, Header, History, HistoryFile, MergeError, Row, WriteError, Writer, merge,
};
use journal::reader::ReadError;
use recovery::{ColdRound, slots_of};
use storage::history::HistoryName;
use storage::{FileError, OpenFile, PendingFile};
use wallet::account::AccountRef;
use wallet::image::{AccountImage, RoundImage};
use wallet::{Millis, Sequence};

/// What a list says, with its files open. It never changes; what comes after it is another.
#[derive(Debug)]
pub struct OpenHistory {
    /// How many lists there were before its own.
    pub version: u64,
    /// How many there were before it, with the same list or another one.
    pub number: u64,
    /// What the list says.
    pub list: FileList,
    /// Its files, and the filter of what is in them.
    pub files: History<OpenFile>,
}

/// The history of a shard. One thread adds to it, and any may read it.
#[derive(Debug)]
pub struct ShardHistory {
    files: ShardFiles,
    /// The list is on the disk.
    is_listed: bool,
    current: Mutex<Arc<OpenHistory>>,
    /// What was shown before, and may be looked at still. If a shard were the last to look at one, it would give back the memory of
    /// the filter and close the files, and everybody on its core would wait for that.
    replaced: Mutex<Vec<Arc<OpenHistory>>>,
    /// Nothing of what was replaced is left.
    is_settled: AtomicBool,
    /// The number of the current one.
    number: AtomicU64,
}

impl From<ReadError<FileError>> for Error {
    fn from(error: ReadError<FileError>) -> Self {
        recovery::Error::from(error).into()
    }
}

/// The error of a file of the history that can't be written.
fn unwritten(error: WriteError<FileError>) -> FileError {
    match error {
        WriteError::Sink(error) => error,
        error => FileError::of_contents("a file of the history", format!("it can't be written: {error:?}")),
    }
}

impl From<MergeError<FileError, FileError>> for Error {
    fn from(error: MergeError<FileError, FileError>) -> Self {
        match error {
            MergeError::Read(error) => error.into(),
            MergeError::Write(error) => unwritten(error).into(),
        }
    }
}

/// What a shard's list says; `None` where it has none. `covers` is the last record of its snapshot, where a history belongs to that.
///
/// # Errors
/// Where it can't be read or is damaged, or is not of the snapshot's time.
pub(super) fn read_list(files: &ShardFiles, covers: Option<Sequence>) -> Result<Option<FileList>, Error> {
    let list = files.directory.read_history_list()?;
    files.directory.check_history_list(list.as_ref(), covers).map_err(recovery::Error::Damage)?;
    Ok(list)
}

impl ShardHistory {
    /// Opens the history of a shard, to serve from it; an empty one where it has none. `covers` as [`read_list`] has it.
    ///
    /// # Errors
    /// As [`read_list`], and where a file is missing or damaged.
    pub(super) fn serve(files: ShardFiles, covers: Option<Sequence>) -> Result<Self, Error> {
        let opened = Self::open(files, covers)?;
        let OpenHistory { list, files, .. } = &*opened.current();
        let files = files.files().to_vec();
        let filter = Filter::of(&slots_of(opened.files.origin), &files, || ())?;
        opened.show(0, list.clone(), files, Some(filter));
        Ok(opened)
    }

    /// Opens it to read its files or to add one, without a filter.
    ///
    /// # Errors
    /// As [`ShardHistory::serve`].
    pub(crate) fn open(files: ShardFiles, covers: Option<Sequence>) -> Result<Self, Error> {
        let list = read_list(&files, covers)?;
        let is_listed = list.is_some();
        let list = list.unwrap_or_default();
        let slots = slots_of(files.origin);
        let opened = list.files.iter().map(|entry| files.directory.open_history(entry, slots.clone()));
        let opened = History::new(opened.collect::<Result<Vec<_>, _>>()?);
        let current = Mutex::new(Arc::new(OpenHistory { version: 0, number: 0, list, files: opened }));
        let is_settled = AtomicBool::new(false);
        Ok(Self {
            files,
            is_listed,
            current,
            replaced: Mutex::default(),
            is_settled,
            number: AtomicU64::new(0),
        })
    }

    /// What there is now.
    pub fn current(&self) -> Arc<OpenHistory> {
        Arc::clone(&self.current.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// How often it has changed; who has looked at this one needs no other.
    pub fn number(&self) -> u64 {
        self.number.load(Ordering::Acquire)
    }

    /// Adds an account's rounds that are not in memory to its image, where it has sums of a period that begins after `now_ms`: the
    /// clock had run ahead.
    ///
    /// # Errors
    /// Where a file can't be read.
    pub(super) fn add_rounds(&self, account: &mut AccountImage, now_ms: Millis) -> Result<(), Error> {
        if account.sums.is_none_or(|sums| sums.iter().all(|sum| sum.from_ms <= now_ms)) {
            return Ok(());
        }
        let in_memory = account.rounds.clone();
        let known: HashSet<_> = in_memory.iter().map(RoundImage::name).collect();
        let owner = AccountRef::new(account.id.clone());
        let add = |round: RoundImage| {
            if !known.contains(&round.name()) {
                account.rounds.push(round);
            }
        };
        Ok(self.current().files.rounds_of(&owner, add)?)
    }

    /// Whether a snapshot must say that a history belongs to it.
    pub(super) fn is_listed(&self) -> bool {
        self.is_listed || self.current().version > 0
    }

    /// Says in the list, durable, that it covers a snapshot of record `covers`, in which all is that it does not have.
    pub(super) fn cover(&self, covers: Sequence) -> Result<(), Error> {
        let mut list = self.current().list.clone();
        if covers <= list.covers {
            return Ok(());
        }
        list.covers = covers;
        self.publish(list, None)
    }

    /// Writes a list, durable, and shows it to the readers with the files that it names: rounds that it has may leave memory. The
    /// filter has the keys of all of them. `new` is one that is open already.
    fn publish(&self, list: FileList, new: Option<Arc<HistoryFile<OpenFile>>>) -> Result<(), Error> {
        let before = self.current();
        let is_of = |entry: &FileEntry, file: &HistoryFile<OpenFile>| {
            (*file.summary(), file.clamp_ms()) == (entry.summary, entry.clamp_ms)
        };
        let known = |entry: &FileEntry| {
            let mut files = before.files.files().iter().chain(&new);
            files.find(|file| is_of(entry, file)).map(Arc::clone)
        };
        let files = list.files.iter().map(|entry| known(entry).map_or_else(|| self.open_file(entry), Ok));
        let files = files.collect::<Result<Vec<_>, _>>()?;
        self.files.directory.write_history_list(&list.to_bytes())?;
        self.show(before.version + 1, list, files, before.files.filter().cloned());
        Ok(())
    }

    fn open_file(&self, entry: &FileEntry) -> Result<Arc<HistoryFile<OpenFile>>, ReadError<FileError>> {
        self.files.directory.open_history(entry, slots_of(self.files.origin))
    }

    /// Shows the readers another one.
    fn show(
        &self,
        version: u64,
        list: FileList,
        files: Vec<Arc<HistoryFile<OpenFile>>>,
        filter: Option<Filter>,
    ) {
        let before = self.current();
        let number = before.number + 1;
        let next = Arc::new(OpenHistory { version, number, list, files: History::filtered(files, filter) });
        self.is_settled.store(false, Ordering::Relaxed);
        self.replaced.lock().unwrap_or_else(PoisonError::into_inner).push(before);
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = next;
        self.number.store(number, Ordering::Release);
    }

    /// Changes the filter, where there is one, a few parts at a time: what they were goes before the next ones are made. Readers see a
    /// filter that has too much, and none that lacks a key.
    fn change_filter(
        &self,
        mut change: impl FnMut(&mut Filter, usize) -> Result<(), ReadError<FileError>>,
    ) -> Result<(), Error> {
        let parts = self.current().files.filter().map_or(0, Filter::parts);
        let together = parts.div_ceil(limits::HISTORY_FILTER_STEPS).max(1);
        for first in (0..parts).step_by(together) {
            let before = self.current();
            let Some(mut filter) = before.files.filter().cloned() else { return Ok(()) };
            (first..parts.min(first + together)).try_for_each(|part| change(&mut filter, part))?;
            self.show(before.version, before.list.clone(), before.files.files().to_vec(), Some(filter));
            drop(before);
            self.let_go(limits::HISTORY_SETTLE_TRIES);
        }
        Ok(())
    }

    /// Makes those parts of the filter anew that have too many keys for their blocks, or all where no file has some of its keys any more.
    fn renew_filter(&self, mut rest: impl FnMut()) -> Result<(), Error> {
        let files = self.current().files.files().to_vec();
        let rows: u64 = files.iter().map(|file| file.owned_rows()).sum();
        let is_stale = |filter: &Filter| filter.keys() > rows + rows / limits::HISTORY_FILTER_STALE_PART;
        let all = self.current().files.filter().is_some_and(is_stale);
        let is_due = |filter: &Filter, part| all || filter.is_overfull(part);
        let is_any_due = |filter: &Filter| (0..filter.parts()).any(|part| is_due(filter, part));
        if !self.current().files.filter().is_some_and(is_any_due) {
            return Ok(());
        }
        self.change_filter(
            |filter, part| {
                if is_due(filter, part) { filter.make(part, &files, &mut rest) } else { Ok(()) }
            },
        )
    }

    /// Lets go at once what an earlier fold has replaced and somebody had looked at, and what a start has found.
    ///
    /// # Errors
    /// Where a file can't be removed.
    pub fn settle(&self) -> Result<(), Error> {
        if self.is_settled.load(Ordering::Relaxed) { Ok(()) } else { self.settle_within(1) }
    }

    /// Lets go what was shown before, and removes the files that the list does not name, once nobody looks at them. What somebody
    /// still looks at, asked so many times, is left to the next time.
    fn settle_within(&self, tries: usize) -> Result<(), Error> {
        self.is_settled.store(false, Ordering::Relaxed);
        let is_gone = self.let_go(tries);
        let is_removed = self.remove_unlisted()?;
        self.is_settled.store(is_removed && is_gone, Ordering::Relaxed);
        Ok(())
    }

    /// Lets go what was shown before; `false` where somebody still looks at some of it, asked so many times.
    fn let_go(&self, tries: usize) -> bool {
        for number in 0..tries {
            if number > 0 {
                thread::sleep(Duration::from_millis(1));
            }
            let mut replaced = self.replaced.lock().unwrap_or_else(PoisonError::into_inner);
            replaced.retain(|old| Arc::strong_count(old) > 1);
            if replaced.is_empty() {
                return true;
            }
        }
        false
    }

    /// A file that is begun now.
    fn begin(&self) -> Result<Writer<PendingFile>, FileError> {
        let (origin, number) = (self.files.origin, self.current().list.next_number(self.files.origin));
        let header = Header { origin, number };
        let file = self.files.directory.create_history(HistoryName::new(origin, number))?;
        Writer::begin(file, header).map_err(unwritten)
    }

    /// A fold's part of the history is begun.
    pub(crate) const fn begin_fold(&self) -> FoldedRounds<'_> {
        FoldedRounds { history: self, writer: None }
    }

    /// Makes one file of several where there are many of a size, and lets those go whose rounds are all forgotten: what was touched
    /// last at or before `forgotten_until_ms`. `retention_ms` bounds what becomes one file: it goes as a whole. `rest` is called
    /// after each block.
    ///
    /// # Errors
    /// What the files say. What there was is there, then.
    pub(super) fn tend(
        &self,
        forgotten_until_ms: Millis,
        retention_ms: u64,
        mut rest: impl FnMut(),
    ) -> Result<(), Error> {
        loop {
            let is_more = self.tend_once(forgotten_until_ms, retention_ms, &mut rest);
            // What a merge has no room for may be what is to go.
            self.settle_within(limits::HISTORY_SETTLE_TRIES)?;
            if !is_more? {
                return self.renew_filter(&mut rest);
            }
        }
    }

    /// The first of that; `true` where there may be more.
    fn tend_once(
        &self,
        forgotten_until_ms: Millis,
        retention_ms: u64,
        rest: &mut impl FnMut(),
    ) -> Result<bool, Error> {
        let before = self.current();
        let is_over = |entry: &FileEntry| entry.is_over(forgotten_until_ms);
        if before.list.files.iter().any(is_over) {
            let files = before.list.files.iter().filter(|entry| !is_over(entry)).copied().collect();
            self.publish(FileList { files, ..before.list.clone() }, None)?;
            return Ok(true);
        }
        let Some(merged) = before.list.to_merge(retention_ms) else { return Ok(false) };
        self.merge(&merged, forgotten_until_ms, rest)?;
        Ok(true)
    }

    /// Makes room in the list for a further file, where it is half full: shards that became fewer have left one all of theirs.
    ///
    /// # Errors
    /// What the files say. What there was is there, then.
    pub(super) fn make_room(&self, mut rest: impl FnMut()) -> Result<(), Error> {
        while let Some(merged) = self.current().list.too_many(limits::HISTORY_FILES_MAX / 2) {
            self.merge(&merged, 0, &mut rest)?;
        }
        Ok(())
    }

    /// Makes one file of several, without what is forgotten.
    fn merge(
        &self,
        merged: &[FileEntry],
        forgotten_until_ms: Millis,
        rest: &mut impl FnMut(),
    ) -> Result<(), Error> {
        let before = self.current();
        let is_merged = |entry: &FileEntry| merged.contains(entry);
        let writer = self.begin()?;
        let opened = before.list.files.iter().zip(before.files.files());
        let sources: Vec<_> = opened.filter(|(entry, _)| is_merged(entry)).map(|(_, file)| &**file).collect();
        let keep = |row: &Row| row.round.last_ms > forgotten_until_ms;
        let (summary, file) = merge(&sources, writer, keep, rest)?;
        let mut files: Vec<FileEntry> =
            before.list.files.iter().filter(|entry| !is_merged(entry)).copied().collect();
        if summary.counts.rows > 0 {
            // The filter has its keys, which are those of the others.
            file.publish()?;
            files.push(FileEntry { summary, clamp_ms: None });
        }
        self.publish(FileList { files, ..before.list.clone() }, None)
    }

    /// Removes the files that the list does not name: those that became one with others, and what a start has found of a fold that
    /// was cut short. Those that somebody reads still are left to the next time: `false` then.
    fn remove_unlisted(&self) -> Result<bool, Error> {
        let mut is_removed = true;
        let listed: Vec<HistoryName> = self.current().list.files.iter().map(HistoryName::of_entry).collect();
        for name in self.files.directory.history_files()? {
            if !listed.contains(&name) {
                is_removed &= self.files.directory.remove_history(name)?;
            }
        }
        Ok(is_removed)
    }
}

/// The rounds that a fold takes out of a snapshot, on their way to a file.
pub(crate) struct FoldedRounds<'a> {
    history: &'a ShardHistory,
    writer: Option<Writer<PendingFile>>,
}

impl FoldedRounds<'_> {
    /// Takes the rounds of a slot.
    ///
    /// # Errors
    /// Where they can't be written.
    pub(crate) fn take(&mut self, rounds: Vec<ColdRound>) -> Result<(), FileError> {
        if rounds.is_empty() {
            return Ok(());
        }
        let writer = match &mut self.writer {
            Some(writer) => writer,
            none => none.insert(self.history.begin()?),
        };
        let mut rows: Vec<Row> =
            rounds.into_iter().map(|ColdRound { account, round }| Row { account, round }).collect();
        Row::sort(&mut rows);
        rows.into_iter().try_for_each(|row| writer.push(row)).map_err(unwritten)
    }

    /// All are there: the file and then the list are durable, and the readers see them. What comes next adds to them, whatever
    /// becomes of the snapshot that leaves these rounds out. The list covers the records up to `covers`, and rounds that were
    /// touched last at or before `cut_ms`. `rest` is called after each page of it that is read again.
    pub(crate) fn finish(
        self,
        covers: Sequence,
        cut_ms: Millis,
        mut rest: impl FnMut(),
    ) -> Result<(), Error> {
        let mut list = self.history.current().list.clone();
        let mut new = None;
        if let Some(writer) = self.writer {
            let (summary, file) = writer.finish().map_err(unwritten)?;
            file.publish()?;
            let entry = FileEntry { summary, clamp_ms: None };
            let file = self.history.open_file(&entry)?;
            self.history.change_filter(|filter, part| filter.add(part, &file, &mut rest))?;
            new = Some(file);
            list.files.push(entry);
        }
        if list.files.len() > limits::HISTORY_FILES_MAX {
            return Err(Error::Snapshot("the history has as many files as it may have".into()));
        }
        // A fold of fewer segments may come after one whose snapshot a crash has taken.
        (list.covers, list.cut_ms) = (list.covers.max(covers), list.cut_ms.max(cut_ms));
        self.history.publish(list, new)
    }
}

/// Hands the histories of the shards of a generation on to those of the next one: each file, as it is, to all shards that own some
/// of its slots. `rebased_ms` is the time that a clock was brought back to. They cover the records up to `covers`.
pub(super) fn hand_on(
    before: &[ShardFiles],
    lists: &[Option<FileList>],
    after: &ShardFiles,
    covers: Sequence,
    rebased_ms: Option<Millis>,
) -> Result<(), Error> {
    if lists.iter().all(Option::is_none) {
        return Ok(());
    }
    let slots = slots_of(after.origin);
    let (first, last) = (slots.start().index(), slots.end().index());
    let mut handed = FileList { covers, cut_ms: Millis::MAX, files: Vec::new() };
    for (files, list) in before.iter().zip(lists) {
        let owned = slots_of(files.origin);
        if owned.end().index() < first || owned.start().index() > last {
            continue;
        }
        handed.cut_ms = handed.cut_ms.min(list.as_ref().map_or(0, |list| list.cut_ms));
        for entry in list.iter().flat_map(|list| &list.files) {
            let counts = entry.summary.counts;
            let is_ours = counts.last_slot >= first && counts.first_slot <= last;
            let is_new =
                handed.files.iter().all(|known| HistoryName::of_entry(known) != HistoryName::of_entry(entry));
            if is_ours && is_new {
                after.directory.adopt_history(&files.directory, HistoryName::of_entry(entry))?;
                let clamp_ms = entry.clamp_ms.into_iter().chain(rebased_ms).min();
                handed.files.push(FileEntry { clamp_ms, ..*entry });
            }
        }
    }
    if let Some(rebased_ms) = rebased_ms {
        // What is in memory and was to come is of that moment now, and is not in the files.
        handed.cut_ms = handed.cut_ms.min(rebased_ms.saturating_sub(1));
    }
    if handed.files.len() > limits::HISTORY_FILES_MAX {
        let message =
            "the history has too many files for one shard: serve with as many shards as before for a while";
        return Err(Error::Other(message.into()));
    }
    after.directory.write_history_list(&handed.to_bytes())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use storage::directory::DataDirectory;
    use storage::manifest::Manifest;
    use wallet::PlatformKey;
    use wallet::history::RoundName;
    use wallet::image::RoundKind;

    /// A history of a shard in a new directory, with a round of each of these times in a file of its own.
    fn folded(dir: &std::path::Path, times_ms: impl Iterator<Item = Millis>) -> ShardHistory {
        let directory = DataDirectory::lock(dir).expect("a new directory");
        let manifest = Manifest::new(1, 7, 1, false);
        directory.begin_generation(1).and_then(|()| directory.make_shard(1, 0)).expect("there is room");
        let served =
            ShardHistory::serve(ShardFiles::of(&directory, manifest, 0), None).expect("there is none");
        times_ms.for_each(|last_ms| fold(&served, last_ms));
        served
    }

    /// A shard that goes on to the next list has none of the former's memory to give back.
    #[test]
    fn what_was_replaced_is_let_go_once_nobody_looks_at_it() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let served = folded(dir.path(), 1..=2);
        let (looked_at, number) = (served.current(), served.number());
        let former = Arc::downgrade(&looked_at);
        served.tend_once(1, 1_000, &mut || ()).expect("it is whole");
        served.settle().expect("it can be removed");
        assert!(served.number() > number && former.upgrade().is_some());
        drop(looked_at);
        assert!(former.upgrade().is_some(), "who looks at it last does not let it go");
        served.settle().expect("it can be removed");
        assert!(former.upgrade().is_none());
    }

    /// Folds a round of this time.
    fn fold(served: &ShardHistory, last_ms: Millis) {
        let round = RoundImage { id: last_ms.to_string(), last_ms, ..RoundImage::default() };
        let mut fold = served.begin_fold();
        fold.take(vec![ColdRound { account: "default/anna".into(), round }]).expect("there is room");
        fold.finish(last_ms, last_ms, || ()).expect("it needs no other file");
    }

    fn keys(served: &ShardHistory) -> u64 {
        served.current().files.filter().map_or(0, Filter::keys)
    }

    fn has_overfull(served: &ShardHistory) -> bool {
        let is_any = |filter: &Filter| (0..filter.parts()).any(|part| filter.is_overfull(part));
        served.current().files.filter().is_some_and(is_any)
    }

    fn may_have(served: &ShardHistory, last_ms: Millis) -> bool {
        let (round, platform) = (last_ms.to_string(), PlatformKey::NONE);
        let account = AccountRef::new("default/anna");
        let name = RoundName { account, platform, round: &*round, kind: RoundKind::Plain, game: "" };
        served.current().files.may_have_named(&name, || ())
    }

    /// What folds have added, what was merged, and what a start has found.
    #[test]
    fn the_filter_has_all_that_the_files_have() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        // More than its first block is made for.
        let files = limits::HISTORY_FILTER_BLOCK_KEYS_MAX as u64 + 12;
        let served = folded(dir.path(), 1..=files);
        assert!((1..=files).all(|last_ms| may_have(&served, last_ms)) && has_overfull(&served));
        served.tend(0, u64::MAX, || ()).expect("it is whole");
        assert!(!has_overfull(&served));
        let started = ShardHistory::serve(served.files.clone(), Some(files)).expect("it is whole");
        for served in [&served, &started] {
            assert!((1..=files).all(|last_ms| may_have(served, last_ms)));
            assert_eq!(keys(served), files);
        }
    }

    /// A bad sector under what was folded long ago does not keep rounds in memory.
    #[test]
    fn a_fold_needs_no_file_but_its_own() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let (before, all) = (10, limits::HISTORY_FILTER_BLOCK_KEYS_MAX as u64 + 12);
        let served = folded(dir.path(), 1..=before);
        let path = served.files.directory.history_file(HistoryName::new(served.files.origin, 1));
        let mut bytes = std::fs::read(&path).expect("it is there");
        // The key of its row is before the filter and the entry of its page, the table, and the footer.
        let key_at = bytes.len() - 128 - 56 - 60 - 80 - 1;
        bytes[key_at] ^= 1;
        std::fs::write(&path, bytes).expect("there is room");
        (before + 1..=all).for_each(|last_ms| fold(&served, last_ms));
        assert!((1..=all).all(|last_ms| may_have(&served, last_ms)) && has_overfull(&served));
        let error = served.renew_filter(|| ()).expect_err("it can't be read").to_string();
        assert!(error.contains("the keys of a block are not as they were written"), "{error}");
        assert_eq!(served.current().list.files.len() as u64, all);
    }

    /// It would take memory for years, and have each new round looked for that is like one of them.
    #[test]
    fn the_filter_forgets_what_the_files_have_let_go() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let served = folded(dir.path(), 1..=40);
        served.tend(30, 1, || ()).expect("it is whole");
        assert_eq!(keys(&served), 10);
        assert!((31..=40).all(|last_ms| may_have(&served, last_ms)));
        assert!((1..=30).filter(|last_ms| may_have(&served, *last_ms)).count() < 5);
    }

    /// The room may be what a merge lacks.
    #[test]
    fn what_is_over_goes_where_a_merge_fails() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let files = limits::HISTORY_MERGED_FILES as u64;
        let served = folded(dir.path(), 1..=files + 1);
        let directory = &served.files.directory;
        let next = directory.history_file(HistoryName::new(served.files.origin, files + 2));
        let in_the_way = next.with_extension("new");
        std::fs::create_dir(&in_the_way).expect("there is room");
        served.tend(1, 1_000_000, || ()).expect_err("nothing can be written under that name");
        assert_eq!(directory.history_files().expect("it is there").len() as u64, files);
        std::fs::remove_dir(&in_the_way).expect("it is empty");
        served.tend(1, 1_000_000, || ()).expect("it can be written");
        assert_eq!(directory.history_files().expect("it is there").len(), 1);
    }

    /// Whatever became of the snapshot of the one before.
    #[test]
    fn a_fold_adds_to_what_the_one_before_has_stored() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let served = folded(dir.path(), 1..=2);
        let files = served.files.clone();
        for history in [&served, &ShardHistory::open(files, Some(2)).expect("it is whole")] {
            let mut found = Vec::new();
            let rounds = history.current();
            rounds
                .files
                .rounds_of(&AccountRef::new("default/anna"), |round| found.push(round.id))
                .expect("they are read");
            found.sort();
            assert_eq!(found, ["1", "2"]);
        }
    }
}
