//! The files of a shard's history: rounds that have left memory, and the list of their files.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::directory::ShardDirectory;
use super::file::{self, FileError, OpenFile, PendingFile};
use super::generations::REMEDY;
use super::removal;
use ::history::{FileEntry, FileList, HistoryFile, ReadAt, Slots};
use journal::reader::ReadError;
use journal::{Buffer, Damage, Fault, Origin};

/// The list of the files.
pub(super) const LIST: &str = "history";

/// The shard that wrote a file, and its number among that one's: a file keeps its name wherever it is handed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HistoryName {
    stream: u64,
    shard: u16,
    number: u64,
}

impl HistoryName {
    /// The name of file `number` of whoever wrote it.
    pub const fn new(origin: Origin, number: u64) -> Self {
        Self { stream: origin.stream, shard: origin.shard, number }
    }

    fn file_name(self) -> String {
        let Self { stream, shard, number } = self;
        format!("history-{stream:016x}-{shard}-{number}")
    }

    /// The name of a file of a list.
    pub const fn of_entry(entry: &FileEntry) -> Self {
        Self::new(entry.summary.header.origin, entry.summary.header.number)
    }

    /// The name that a file has; `None` where it is none of a history.
    pub(super) fn of(name: &str) -> Option<Self> {
        let mut parts = name.strip_prefix("history-")?.splitn(3, '-');
        let stream = u64::from_str_radix(parts.next()?, 16).ok()?;
        let found = Self { stream, shard: parts.next()?.parse().ok()?, number: parts.next()?.parse().ok()? };
        (found.file_name() == name).then_some(found)
    }
}

impl ShardDirectory {
    /// The file of the list.
    pub fn history_list(&self) -> PathBuf {
        self.path().join(LIST)
    }

    /// Reads the list; `None` where there is none.
    ///
    /// # Errors
    /// Where it can't be read, or is damaged.
    pub fn read_history_list(&self) -> Result<Option<FileList>, ReadError<FileError>> {
        let path = self.history_list();
        let bytes = match file::read_whole(&path, limits::HISTORY_LIST_BYTES_MAX as u64, Buffer::new()) {
            Err(error) if error.error.kind() == ErrorKind::NotFound => return Ok(None),
            read => read.map_err(ReadError::Caller)?,
        };
        let list = FileList::from_bytes(&path.display().to_string(), &bytes);
        list.map(Some).map_err(ReadError::Damage)
    }

    /// Checks that a list is there, and of the snapshot's time or later, where the snapshot says that a history belongs to it: `covers`
    /// is the last record that it has.
    ///
    /// # Errors
    /// Where it is missing, or an older copy.
    pub fn check_history_list(&self, list: Option<&FileList>, covers: Option<u64>) -> Result<(), Damage> {
        let damage = |what: String| {
            let fault = Fault::Bytes(what);
            Damage { file: self.history_list().display().to_string(), offset: 0, fault }
        };
        let Some(covers) = covers else { return Ok(()) };
        match list {
            None => Err(damage(format!("it is missing, and rounds have left the snapshot for it: {REMEDY}"))),
            Some(list) if list.covers < covers => Err(damage(format!(
                "it is of record {}, and the snapshot of record {covers}: it is an older copy. {REMEDY}",
                list.covers
            ))),
            Some(_) => Ok(()),
        }
    }

    /// Writes the list, durable: what is there is the old one or the new.
    ///
    /// # Errors
    /// Where it can't be written.
    pub fn write_history_list(&self, bytes: &[u8]) -> Result<(), FileError> {
        file::write_whole(&self.history_list(), bytes)
    }

    /// The file of this name.
    pub fn history_file(&self, name: HistoryName) -> PathBuf {
        self.path().join(name.file_name())
    }

    /// Opens a file that a list names, which any thread may read, for who owns these slots.
    ///
    /// # Errors
    /// Where it is missing, or damaged, or another one.
    pub fn open_history(
        &self,
        entry: &FileEntry,
        slots: Slots,
    ) -> Result<Arc<HistoryFile<OpenFile>>, ReadError<FileError>> {
        let path = self.history_file(HistoryName::of_entry(entry));
        let bytes = OpenFile::open(path.clone()).map_err(|error| ReadError::Caller(missing(error, &path)))?;
        HistoryFile::open_listed(&path.display().to_string(), bytes, entry, slots).map(Arc::new)
    }

    /// Creates a file: it gets its name, durable, when it is published.
    ///
    /// # Errors
    /// Where it can't be created.
    pub fn create_history(&self, name: HistoryName) -> Result<PendingFile, FileError> {
        PendingFile::create(self.history_file(name))
    }

    /// The files that are there, whether a list names them or not.
    ///
    /// # Errors
    /// Where the directory can't be read.
    pub fn history_files(&self) -> Result<Vec<HistoryName>, FileError> {
        let names = file::names(self.path())?;
        Ok(names.iter().filter_map(|name| HistoryName::of(name)).collect())
    }

    /// Removes a file that no list names; `false` where somebody reads it still.
    ///
    /// # Errors
    /// Where it can't be removed.
    pub fn remove_history(&self, name: HistoryName) -> Result<bool, FileError> {
        removal::remove_in_steps(&self.history_file(name))
    }

    /// Has a file of another shard here too, durable: the same one where the file system can, and else a copy. Who owns a part of its
    /// slots has no need of another one.
    ///
    /// # Errors
    /// Where it can't be had.
    pub fn adopt_history(&self, from: &Self, name: HistoryName) -> Result<(), FileError> {
        let (old, new) = (from.history_file(name), self.history_file(name));
        file::remove(&new)?;
        if fs::hard_link(&old, &new).is_err() {
            let temporary = file::temporary(&new);
            fs::copy(&old, &temporary).map_err(FileError::of("copy", &old))?;
            let copied = fs::File::open(&temporary).map_err(FileError::of("open", &temporary))?;
            copied.sync_all().map_err(FileError::of("sync", &temporary))?;
            return file::publish(&temporary, &new);
        }
        file::sync_directory(self.path())
    }
}

/// The error of a file of a list that can't be opened.
fn missing(error: FileError, path: &Path) -> FileError {
    if error.error.kind() != ErrorKind::NotFound {
        return error;
    }
    missing_file(path)
}

/// The error of a file of a list that is not there.
pub(super) fn missing_file(path: &Path) -> FileError {
    FileError::invalid(path, format!("it is missing, and the list of the history names it: {REMEDY}"))
}

impl ReadAt for OpenFile {
    type Error = FileError;

    fn len(&self) -> u64 {
        self.bytes
    }

    fn read_at(&self, offset: u64, room: &mut [u8]) -> Result<(), FileError> {
        self.read_exactly_at(offset, room)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_reads_back_as_it_was_written() {
        let origin = Origin { stream: 0xabc, shard: 3, shards: 8 };
        let name = HistoryName::new(origin, 17);
        assert_eq!(HistoryName::of(&name.file_name()), Some(name));
        for other in
            ["history", "history-abc-3-17", "history-0000000000000abc-3-017", "history-0000000000000abc-3"]
        {
            assert_eq!(HistoryName::of(other), None, "{other}");
        }
    }
}
