//! The data directory: who holds it, what is in it, and what of it can go.
//!
//! ```text
//! purser.lock                          held while a server runs; its process id
//! manifest                             which generation holds
//! gen-3/shard-0/segment-00000017.journal
//! gen-3/shard-0/snapshot-00000000000a83f1
//! ```
//!
//! All of this blocks, and is called before serving starts, or from a thread beside the executors.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;

use super::file::{self, FileError};
use crate::journal::Buffer;
use crate::limits;

const LOCK: &str = "purser.lock";

/// A data directory that this process holds; it is let go when this is dropped.
#[derive(Debug)]
pub struct DataDirectory {
    path: PathBuf,
    _lock: File,
}

impl DataDirectory {
    /// Takes hold of a directory, which is made where it is not there.
    ///
    /// # Errors
    /// Where another process holds it, or it can't be made.
    pub fn lock(path: &Path) -> Result<Self, FileError> {
        fs::create_dir_all(path).map_err(FileError::of("create", path))?;
        let lock = path.join(LOCK);
        let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&lock);
        let mut held = options.map_err(FileError::of("open", &lock))?;
        if let Err(error) = rustix::fs::flock(&held, FlockOperation::NonBlockingLockExclusive) {
            if error != rustix::io::Errno::WOULDBLOCK {
                return Err(FileError::of_errno("lock", &lock)(error));
            }
            return Err(in_use(path, &mut held));
        }
        held.set_len(0)
            .and_then(|()| held.seek(SeekFrom::Start(0)))
            .and_then(|_| writeln!(held, "{}", std::process::id()))
            .map_err(FileError::of("write", &lock))?;
        Ok(Self { path: path.to_owned(), _lock: held })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The directory of a shard, which is made where it is not there.
    ///
    /// # Errors
    /// Where it can't be made.
    pub fn shard(&self, generation: u64, shard: u16) -> Result<ShardDirectory, FileError> {
        let directory = ShardDirectory::of(&self.path, generation, shard);
        file::make_directory(file::parent(&directory.path))?;
        file::make_directory(&directory.path)?;
        Ok(directory)
    }

    /// Removes every generation but this one: those before it, and one that was begun and never held.
    ///
    /// # Errors
    /// Where one can't be removed.
    pub fn remove_other_generations(&self, generation: u64) -> Result<(), FileError> {
        for name in names(&self.path)? {
            let other = name.strip_prefix("gen-").and_then(|number| number.parse::<u64>().ok());
            if other.is_some_and(|other| other != generation) {
                let path = self.path.join(name);
                fs::remove_dir_all(&path).map_err(FileError::of("remove", &path))?;
            }
        }
        file::sync_directory(&self.path)
    }

    /// Bytes that may still be written to its file system.
    ///
    /// # Errors
    /// Where the file system doesn't say.
    pub fn free_bytes(&self) -> Result<u64, FileError> {
        let space = rustix::fs::statvfs(&self.path).map_err(FileError::of_errno("look at", &self.path))?;
        Ok(space.f_bavail.saturating_mul(space.f_frsize))
    }
}

/// The sentence for a directory that another process holds.
fn in_use(path: &Path, lock: &mut File) -> FileError {
    let mut holder = String::new();
    let known = lock.take(32).read_to_string(&mut holder).is_ok() && !holder.trim().is_empty();
    let who = if known { format!("process {}", holder.trim()) } else { "another process".into() };
    let error = io::Error::new(ErrorKind::WouldBlock, format!("{who} uses it"));
    FileError { action: "use the data directory", path: path.to_owned(), error }
}

/// The files of one shard.
#[derive(Clone, Debug)]
pub struct ShardDirectory {
    path: PathBuf,
}

impl ShardDirectory {
    /// The directory of a shard of the data directory at `data`, which need not be there.
    pub(super) fn of(data: &Path, generation: u64, shard: u16) -> Self {
        Self { path: data.join(format!("gen-{generation}")).join(format!("shard-{shard}")) }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file of a segment.
    pub fn segment(&self, number: u32) -> PathBuf {
        self.path.join(format!("segment-{number:08}.journal"))
    }

    /// The file of a snapshot that covers the records up to `sequence`.
    pub fn snapshot(&self, sequence: u64) -> PathBuf {
        self.path.join(format!("snapshot-{sequence:016x}"))
    }

    /// The numbers of its segments, in order.
    ///
    /// # Errors
    /// Where the directory can't be read.
    pub fn segments(&self) -> Result<Vec<u32>, FileError> {
        let number = |name: &str| name.strip_prefix("segment-")?.strip_suffix(".journal")?.parse().ok();
        let mut numbers: Vec<u32> = names(&self.path)?.iter().filter_map(|name| number(name)).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// The sequences that its snapshots cover, in order.
    ///
    /// # Errors
    /// Where the directory can't be read.
    pub fn snapshots(&self) -> Result<Vec<u64>, FileError> {
        let sequence = |name: &str| u64::from_str_radix(name.strip_prefix("snapshot-")?, 16).ok();
        let mut sequences: Vec<u64> = names(&self.path)?.iter().filter_map(|name| sequence(name)).collect();
        sequences.sort_unstable();
        Ok(sequences)
    }

    /// Reads a segment whole, into `room`.
    ///
    /// # Errors
    /// Where it can't be read, or is longer than any.
    pub fn read_segment(&self, number: u32, room: Buffer) -> Result<Buffer, FileError> {
        file::read_whole(&self.segment(number), limits::SEGMENT_BYTES as u64, room)
    }

    /// Cuts a torn write off: from `offset` on the segment is zeros, durable. Until then nothing may be written, as
    /// what is behind the tear would be taken for what followed it.
    ///
    /// # Errors
    /// Where it can't be written.
    pub fn cut_segment(&self, number: u32, offset: u64) -> Result<(), FileError> {
        file::zero_from(&self.segment(number), offset)
    }

    /// Removes segments, in the order of their numbers and each for good before the next, so that those that are left
    /// have no gap whatever happens meanwhile. Those that a snapshot covers can go.
    ///
    /// # Errors
    /// Where one can't be removed; later ones are all there then.
    pub fn remove_segments(&self, numbers: &[u32]) -> Result<(), FileError> {
        assert!(numbers.is_sorted(), "the oldest goes first");
        for number in numbers {
            remove(&self.segment(*number))?;
            file::sync_directory(&self.path)?;
        }
        Ok(())
    }

    /// Opens a snapshot to be read.
    ///
    /// # Errors
    /// Where it can't be opened.
    pub fn open_snapshot(&self, sequence: u64) -> Result<File, FileError> {
        let path = self.snapshot(sequence);
        File::open(&path).map_err(FileError::of("open", &path))
    }

    /// Creates a snapshot: it gets its name, durable, when it is [`SnapshotFile::publish`]ed.
    ///
    /// # Errors
    /// Where it can't be created.
    pub fn create_snapshot(&self, sequence: u64) -> Result<SnapshotFile, FileError> {
        let path = self.snapshot(sequence);
        let temporary = file::temporary(&path);
        let file = File::create(&temporary).map_err(FileError::of("create", &temporary))?;
        Ok(SnapshotFile { file, temporary, path, unsynced_bytes: 0 })
    }

    /// Removes the snapshots before `sequence`.
    ///
    /// # Errors
    /// Where one can't be removed.
    pub fn remove_snapshots_before(&self, sequence: u64) -> Result<(), FileError> {
        for before in self.snapshots()?.into_iter().filter(|before| *before < sequence) {
            remove(&self.snapshot(before))?;
        }
        file::sync_directory(&self.path)
    }

    /// Removes what an earlier process began and did not finish.
    ///
    /// # Errors
    /// Where something can't be removed.
    pub fn remove_unfinished(&self) -> Result<(), FileError> {
        for name in names(&self.path)?.iter().filter(|name| name.ends_with(file::TEMPORARY)) {
            remove(&self.path.join(name))?;
        }
        file::sync_directory(&self.path)
    }
}

/// A snapshot that is being written. Dropped before it is published, it is no snapshot.
#[derive(Debug)]
pub struct SnapshotFile {
    file: File,
    temporary: PathBuf,
    path: PathBuf,
    unsynced_bytes: usize,
}

impl SnapshotFile {
    /// Appends `bytes`.
    ///
    /// # Errors
    /// Where they can't be written.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), FileError> {
        self.file.write_all(bytes).map_err(FileError::of("write", &self.temporary))?;
        self.unsynced_bytes += bytes.len();
        if self.unsynced_bytes >= limits::FILE_STEP_BYTES {
            self.unsynced_bytes = 0;
            // Step by step: a sync of the whole would keep the disk from the groups that are to be durable meanwhile.
            self.file.sync_data().map_err(FileError::of("sync", &self.temporary))?;
        }
        Ok(())
    }

    /// Makes it durable and gives it its name.
    ///
    /// # Errors
    /// Where it can't be synced or renamed.
    pub fn publish(self) -> Result<(), FileError> {
        self.file.sync_all().map_err(FileError::of("sync", &self.temporary))?;
        file::publish(&self.temporary, &self.path)
    }
}

fn remove(path: &Path) -> Result<(), FileError> {
    fs::remove_file(path).map_err(FileError::of("remove", path))
}

/// The names in a directory, those that are UTF-8.
fn names(path: &Path) -> Result<Vec<String>, FileError> {
    let entries = fs::read_dir(path).map_err(FileError::of("read", path))?;
    let mut names = Vec::new();
    for entry in entries {
        names.extend(entry.map_err(FileError::of("read", path))?.file_name().into_string());
    }
    Ok(names)
}
