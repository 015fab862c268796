//! The data directory, and what is in it.
//!
//! ```text
//! purser.lock                          held while a server runs; its process id
//! manifest                             which generation holds
//! gen-3/unfinished                     as long as nothing was served from this generation
//! gen-3/shard-0/mark                   how far the journal is known to reach
//! gen-3/shard-0/segment-00000017.journal
//! gen-3/shard-0/snapshot-00000000000a83f1
//! ```
//!
//! All of this blocks, and is called before serving starts, or from a thread beside the executors.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{StatVfs, StatVfsMountFlags};

use super::file::{self, FileError, OpenFile, PendingFile, SnapshotFile};
use super::history;
use super::hold::Watched;
use super::manifest;
use super::removal;
use journal::Buffer;

/// The lock file.
pub(super) const LOCK: &str = "purser.lock";

/// How the names of files begin that a server makes to see whether it can.
pub const PROBE: &str = ".purser-probe-";

/// A data directory that this process holds; it is let go when this is dropped.
#[derive(Debug)]
pub struct DataDirectory {
    pub(super) path: PathBuf,
    /// Locked, so that nobody else serves from it, whatever becomes of the lock file.
    pub(super) held: File,
    /// Locked too: an older version looks at nothing else. `None` where it is not made yet, or there is no room for it.
    pub(super) lock: Option<File>,
    /// What is served from: the manifest, the shards' directories, and their marks.
    pub(super) served: Vec<Watched>,
}

/// The room on a file system.
#[derive(Clone, Copy, Debug)]
pub struct DiskSpace {
    /// Bytes that may still be written.
    pub free_bytes: u64,
    /// It takes no writes at all.
    pub is_read_only: bool,
}

impl DiskSpace {
    fn of(space: StatVfs) -> Self {
        Self {
            free_bytes: space.f_bavail.saturating_mul(space.f_frsize),
            is_read_only: space.f_flag.contains(StatVfsMountFlags::RDONLY),
        }
    }
}

impl DataDirectory {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether nothing is in it that anybody could miss.
    ///
    /// # Errors
    /// Where it can't be read.
    pub fn is_empty(&self) -> Result<bool, FileError> {
        let is_nothing = |name: &String| {
            [LOCK, "lost+found"].contains(&name.as_str())
                || *name == format!("{}{}", manifest::NAME, file::TEMPORARY)
                || name.starts_with(PROBE)
        };
        // A name that is no UTF-8 is something.
        let all = fs::read_dir(&self.path).map_err(FileError::of("read", &self.path))?.count();
        let names = file::names(&self.path)?;
        Ok(names.len() == all && names.iter().all(is_nothing))
    }

    /// Makes the directory's own name durable, in the directory that it is in.
    ///
    /// # Errors
    /// Where that can't be synced.
    pub fn sync_name(&self) -> Result<(), FileError> {
        file::sync_name(&self.path)
    }

    /// Makes the names in the directory durable; not where its file system takes no writes.
    ///
    /// # Errors
    /// Where they can't be synced.
    pub fn sync_entries(&self) -> Result<(), FileError> {
        file::ignore_lack_of_room(file::sync_directory(&self.path))
    }

    /// Takes the rights to the directory, and to what this program made in it, from all but the owner; not where its file
    /// system takes no writes.
    ///
    /// # Errors
    /// Where somebody else has rights to the directory, and they can't be taken.
    pub fn close_to_others(&self) -> Result<(), FileError> {
        file::ignore_lack_of_room(close(&self.path))?;
        // Who can't enter the directory can't come to what is in it. So this is for when it is copied.
        for name in [LOCK, manifest::NAME] {
            let _ = close(&self.path.join(name));
        }
        for generation in self.generations()? {
            let _ = close(&self.generation(generation));
            for shard in (0..limits::SHARDS_MAX).map(|shard| self.shard(generation, shard as u16)) {
                let _ = close(&shard.path);
                for name in file::names(&shard.path).unwrap_or_default() {
                    let _ = close(&shard.path.join(name));
                }
            }
        }
        Ok(())
    }

    /// The directory of a shard, which need not be there.
    pub fn shard(&self, generation: u64, shard: u16) -> ShardDirectory {
        ShardDirectory::of(&self.path, generation, shard)
    }

    /// The room on its file system.
    ///
    /// # Errors
    /// Where the file system doesn't say.
    pub fn space(&self) -> Result<DiskSpace, FileError> {
        rustix::fs::fstatvfs(&self.held)
            .map(DiskSpace::of)
            .map_err(FileError::of_errno("look at", &self.path))
    }
}

/// The rights of all but the owner, in a mode.
pub(super) const OTHERS: u32 = 0o077;

/// Takes the rights to a file or a directory from all but its owner.
pub(super) fn close(path: &Path) -> Result<(), FileError> {
    let mode = fs::metadata(path).map_err(FileError::of("look at", path))?.mode();
    if mode & OTHERS == 0 {
        return Ok(());
    }
    let closed = fs::set_permissions(path, Permissions::from_mode(mode & 0o7700));
    closed.map_err(FileError::of("take the rights of others to", path))
}

/// The files of one shard.
#[derive(Clone, Debug)]
pub struct ShardDirectory {
    path: PathBuf,
}

impl ShardDirectory {
    /// The directory of a shard of the data directory at `data`, which need not be there.
    pub fn of(data: &Path, generation: u64, shard: u16) -> Self {
        Self { path: data.join(format!("gen-{generation}")).join(format!("shard-{shard}")) }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file of a segment.
    pub fn segment(&self, number: u32) -> PathBuf {
        self.path.join(segment_name(number))
    }

    /// The file of a snapshot that covers the records up to `sequence`.
    pub fn snapshot(&self, sequence: u64) -> PathBuf {
        self.path.join(snapshot_name(sequence))
    }

    /// The numbers of its segments, in order.
    ///
    /// # Errors
    /// Where the directory can't be read.
    pub fn segments(&self) -> Result<Vec<u32>, FileError> {
        let mut numbers: Vec<u32> =
            file::names(&self.path)?.iter().filter_map(|name| segment_number(name)).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// The sequences that its snapshots cover, in order.
    ///
    /// # Errors
    /// Where the directory can't be read.
    pub fn snapshots(&self) -> Result<Vec<u64>, FileError> {
        let mut sequences: Vec<u64> =
            file::names(&self.path)?.iter().filter_map(|name| snapshot_sequence(name)).collect();
        sequences.sort_unstable();
        Ok(sequences)
    }

    /// Reads a segment of this length whole, into `room`.
    ///
    /// # Errors
    /// Where it can't be read, or has another length.
    pub fn read_segment(&self, number: u32, segment_bytes: u64, room: Buffer) -> Result<Buffer, FileError> {
        file::read_exactly(&self.segment(number), segment_bytes, room)
    }

    /// The same while groups are to become durable.
    ///
    /// # Errors
    /// As [`ShardDirectory::read_segment`].
    pub fn read_segment_beside_groups(
        &self,
        number: u32,
        segment_bytes: u64,
        room: Buffer,
    ) -> Result<Buffer, FileError> {
        file::read_exactly_beside_groups(&self.segment(number), segment_bytes, room)
    }

    /// What room there is on its disk.
    ///
    /// # Errors
    /// Where the file system doesn't say.
    pub fn space(&self) -> Result<DiskSpace, FileError> {
        rustix::fs::statvfs(&self.path).map(DiskSpace::of).map_err(FileError::of_errno("look at", &self.path))
    }

    /// Opens a segment to be read more than once.
    ///
    /// # Errors
    /// Where it can't be opened.
    pub fn open_segment(&self, number: u32) -> Result<OpenFile, FileError> {
        OpenFile::open(self.segment(number))
    }

    /// Makes a segment that nothing is in, durable.
    ///
    /// # Errors
    /// Where there is no room for it.
    pub fn create_segment(&self, number: u32, segment_bytes: u64) -> Result<(), FileError> {
        file::create_zeros(&self.segment(number), segment_bytes)
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
            self.remove(&self.segment(*number))?;
            file::sync_directory(&self.path)?;
        }
        Ok(())
    }

    /// Removes a file that is no longer needed here, and may be read by somebody.
    fn remove(&self, path: &Path) -> Result<(), FileError> {
        if removal::remove_in_steps(path)? { Ok(()) } else { file::remove(path) }
    }

    /// Makes a segment durable, and the names in the directory: who wrote it may have been killed before it was.
    ///
    /// # Errors
    /// Where it can't be synced.
    pub fn sync_segment(&self, number: u32) -> Result<(), FileError> {
        file::sync(&self.segment(number))?;
        file::sync_directory(&self.path)
    }

    /// Gives a segment a name that no server looks for, and keeps it. Returns that.
    ///
    /// # Errors
    /// Where it can't be renamed.
    pub fn set_segment_aside(&self, number: u32) -> Result<PathBuf, FileError> {
        file::set_aside(&self.segment(number), "unarchived")
    }

    /// Opens a snapshot to be read.
    ///
    /// # Errors
    /// Where it can't be opened.
    pub fn open_snapshot(&self, sequence: u64) -> Result<File, FileError> {
        Ok(file::open_to_keep(&self.snapshot(sequence))?.0)
    }

    /// Opens a snapshot to be read from its beginning to its end.
    ///
    /// # Errors
    /// Where it can't be opened.
    pub fn read_snapshot(&self, sequence: u64) -> Result<SnapshotFile, FileError> {
        SnapshotFile::open(self.snapshot(sequence))
    }

    /// Creates a snapshot: it gets its name, durable, when it is [`PendingFile::publish`]ed.
    ///
    /// # Errors
    /// Where it can't be created.
    pub fn create_snapshot(&self, sequence: u64) -> Result<PendingFile, FileError> {
        PendingFile::create(self.snapshot(sequence))
    }

    /// Removes the snapshots before `sequence`.
    ///
    /// # Errors
    /// Where one can't be removed.
    pub fn remove_snapshots_before(&self, sequence: u64) -> Result<(), FileError> {
        for before in self.snapshots()?.into_iter().filter(|before| *before < sequence) {
            self.remove(&self.snapshot(before))?;
        }
        file::sync_directory(&self.path)
    }

    /// Removes what an earlier process began and did not finish; not where there is no room even for that.
    ///
    /// # Errors
    /// Where something can't be removed.
    pub fn remove_unfinished(&self) -> Result<(), FileError> {
        let unfinished = file::names(&self.path)?.into_iter().filter(|name| is_unfinished(name));
        for path in unfinished.map(|name| self.path.join(name)).filter(|path| path.is_file()) {
            file::ignore_lack_of_room(file::remove(&path))?;
        }
        file::ignore_lack_of_room(file::sync_directory(&self.path))
    }
}

fn segment_name(number: u32) -> String {
    format!("segment-{number:08}.journal")
}

/// The number of the segment whose name this is.
pub(super) fn segment_number(name: &str) -> Option<u32> {
    let number = name.strip_prefix("segment-")?.strip_suffix(".journal")?.parse().ok()?;
    (segment_name(number) == name).then_some(number)
}

fn snapshot_name(sequence: u64) -> String {
    format!("snapshot-{sequence:016x}")
}

/// What the snapshot covers whose name this is.
pub(super) fn snapshot_sequence(name: &str) -> Option<u64> {
    let sequence = u64::from_str_radix(name.strip_prefix("snapshot-")?, 16).ok()?;
    (snapshot_name(sequence) == name).then_some(sequence)
}

/// Whether a file of a shard was begun and not finished.
pub(super) fn is_unfinished(name: &str) -> bool {
    let whole = name.strip_suffix(file::TEMPORARY);
    let begins =
        |name: &str| ["segment-", "snapshot-", "history-"].iter().any(|begin| name.starts_with(begin));
    whole.is_some_and(|name| name == "mark" || name == history::LIST || begins(name))
}
