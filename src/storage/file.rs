//! Files by their paths: every error names its own.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{FileExt, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{Advice, FallocateFlags, FlockOperation, OFlags};

use journal::Buffer;
use journal::snapshot::{Sink, Source};

/// What could not be done with a file.
#[derive(Debug)]
pub struct FileError {
    /// What was tried: "write", "create".
    pub action: &'static str,
    /// With what.
    pub path: PathBuf,
    /// Why it failed.
    pub error: io::Error,
}

impl FileError {
    /// Makes the error of `action` on `path`, for `map_err`.
    pub(super) fn of(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |error| Self { action, path: path.to_owned(), error }
    }

    /// The same for what `rustix` returns.
    pub(super) fn of_errno(action: &'static str, path: &Path) -> impl FnOnce(rustix::io::Errno) -> Self {
        move |error| Self { action, path: path.to_owned(), error: error.into() }
    }

    /// The error of a file whose contents are `what`.
    pub(super) fn invalid(path: &Path, what: impl Into<String>) -> Self {
        let error = io::Error::new(ErrorKind::InvalidData, what.into());
        Self { action: "use", path: path.to_owned(), error }
    }
}

impl FileError {
    /// The error of a file, or files, whose contents can't be used for this reason.
    pub fn of_contents(path: impl AsRef<Path>, what: impl Into<String>) -> Self {
        Self::invalid(path.as_ref(), what)
    }

    /// Whether it lacked room, or the file system takes no writes: it may succeed later, and nothing is broken.
    pub fn lacks_room(&self) -> bool {
        lacks_room(&self.error)
    }
}

/// A snapshot that is read from its beginning to its end.
#[derive(Debug)]
pub struct SnapshotFile {
    file: File,
    path: PathBuf,
    /// Bytes that are read at once, at most.
    step: usize,
}

impl SnapshotFile {
    pub(super) fn open(path: PathBuf) -> Result<Self, FileError> {
        let file = File::open(&path).map_err(FileError::of("open", &path))?;
        keep(&file, &path)?;
        Ok(Self { file, path, step: usize::MAX })
    }

    /// The same, to be read while groups are to become durable.
    #[must_use]
    pub fn beside_groups(self) -> Self {
        read_beside_groups(&self.file);
        Self { step: limits::READ_STEP_BYTES, ..self }
    }
}

impl SnapshotFile {
    /// How long it is.
    ///
    /// # Errors
    /// Where that can't be told.
    pub fn bytes(&self) -> Result<u64, FileError> {
        Ok(self.file.metadata().map_err(FileError::of("look at", &self.path))?.len())
    }
}

impl Source for SnapshotFile {
    type Error = FileError;

    fn read(&mut self, room: &mut [u8]) -> Result<usize, FileError> {
        loop {
            let most = self.step.min(room.len());
            match self.file.read(&mut room[..most]) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                read => return read.map_err(FileError::of("read", &self.path)),
            }
        }
    }
}

/// The same for what the system says.
pub fn lacks_room(error: &io::Error) -> bool {
    use ErrorKind::{QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | ReadOnlyFilesystem)
}

/// What came of something that a server can do without as long as there is no room for it.
///
/// # Errors
/// Where it failed for another reason.
pub(super) fn ignore_lack_of_room(done: Result<(), FileError>) -> Result<(), FileError> {
    match done {
        Err(error) if error.lacks_room() => Ok(()),
        done => done,
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "can't {} {}: {}", self.action, self.path.display(), self.error)
    }
}

impl std::error::Error for FileError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

/// Makes what is in a file durable, whoever wrote it.
pub(super) fn sync(path: &Path) -> Result<(), FileError> {
    let file = File::open(path).map_err(FileError::of("open", path))?;
    file.sync_data().map_err(FileError::of("sync", path))
}

/// Makes the names in a directory durable.
pub(super) fn sync_directory(path: &Path) -> Result<(), FileError> {
    let directory = File::open(path).map_err(FileError::of("open", path))?;
    directory.sync_all().map_err(FileError::of("sync", path))
}

/// Makes a directory, and its name durable; it may be there already.
pub(super) fn make_directory(path: &Path) -> Result<(), FileError> {
    match fs::create_dir(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        made => made.map_err(FileError::of("create", path))?,
    }
    sync_name(path)
}

/// Makes the name of a directory durable, in the directory that it is in.
pub(super) fn sync_name(path: &Path) -> Result<(), FileError> {
    let found = fs::canonicalize(path).map_err(FileError::of("find", path))?;
    match sync_directory(parent(&found)) {
        // Who may not read that directory can make all of its file system durable.
        Err(error) if error.error.kind() == ErrorKind::PermissionDenied => {
            let directory = File::open(path).map_err(FileError::of("open", path))?;
            rustix::fs::syncfs(&directory).map_err(FileError::of_errno("sync", path))
        }
        synced => synced,
    }
}

/// The directory that a file is in.
pub(super) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    }
}

/// The name that a file has until it is whole.
pub(super) fn temporary(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(TEMPORARY);
    path.with_file_name(name)
}

/// How the name of a file ends that is not whole.
pub(super) const TEMPORARY: &str = ".new";

/// Gives a whole, synced file its name.
pub(super) fn publish(from: &Path, to: &Path) -> Result<(), FileError> {
    fs::rename(from, to).map_err(FileError::of("rename", from))?;
    sync_directory(parent(to))
}

/// Gives a file, which is to be kept and no longer used, another name, which ends like this and is nobody's: durable.
pub(super) fn set_aside(path: &Path, ending: &str) -> Result<PathBuf, FileError> {
    let mut aside = path.as_os_str().to_owned();
    aside.push(format!(".{ending}"));
    let mut number = 1;
    while Path::new(&aside).exists() {
        number += 1;
        aside = path.as_os_str().to_owned();
        aside.push(format!(".{ending}-{number}"));
    }
    let aside = PathBuf::from(aside);
    publish(path, &aside)?;
    Ok(aside)
}

/// Writes a small file whole: what has its name is the old contents or the new.
pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let temporary = temporary(path);
    let mut file = File::create(&temporary).map_err(FileError::of("create", &temporary))?;
    file.write_all(bytes).map_err(FileError::of("write", &temporary))?;
    file.sync_all().map_err(FileError::of("sync", &temporary))?;
    publish(&temporary, path)
}

/// Reads a file whole, into `room`, which is aligned as a journal's values are. Memory that was read into before is
/// there; new memory costs as much as the reading.
///
/// # Errors
/// Where it can't be read, or has more than `bytes_max`.
pub(super) fn read_whole(path: &Path, bytes_max: u64, room: Buffer) -> Result<Buffer, FileError> {
    let (file, length) = open(path)?;
    if length > bytes_max {
        return Err(FileError::invalid(path, format!("it has {length} bytes, and {bytes_max} at most")));
    }
    read(file, path, length, room, usize::MAX)
}

/// The same for a file that has `length` bytes.
///
/// # Errors
/// Where it can't be read, or has another length.
pub(super) fn read_exactly(path: &Path, length: u64, room: Buffer) -> Result<Buffer, FileError> {
    let (file, found) = open_to_keep(path)?;
    check_length(path, found, length)?;
    read(file, path, length, room, usize::MAX)
}

/// The same while groups are to become durable.
///
/// # Errors
/// Where it can't be read, or has another length.
pub(super) fn read_exactly_beside_groups(
    path: &Path,
    length: u64,
    room: Buffer,
) -> Result<Buffer, FileError> {
    let (file, found) = open_to_keep(path)?;
    check_length(path, found, length)?;
    read_beside_groups(&file);
    read(file, path, length, room, limits::READ_STEP_BYTES)
}

/// Has a file read in steps of what is asked for: a group would wait on the disk behind all that the system reads ahead.
fn read_beside_groups(file: &File) {
    // That it fails only costs time.
    let _ = rustix::fs::fadvise(file, 0, None, Advice::Random);
}

/// # Errors
/// Where a segment has another length than it was made with: no crash does that.
pub(super) fn check_length(path: &Path, found: u64, length: u64) -> Result<(), FileError> {
    if found == length {
        return Ok(());
    }
    Err(FileError::invalid(path, format!("it ends at byte {found}, and a segment has {length} bytes")))
}

/// The length of a file; `None` where there is none.
pub(super) fn length_of(path: &Path) -> Result<Option<u64>, FileError> {
    match path.metadata() {
        Ok(found) => Ok(Some(found.len())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(FileError::of("look at", path)(error)),
    }
}

/// Opens a file of the data to be read; its length, too.
///
/// # Errors
/// Where it can't be opened, or is something else than a file: a named pipe would be waited for without end.
pub(super) fn open(path: &Path) -> Result<(File, u64), FileError> {
    open_regular(path, "restore the whole data directory from a backup")
}

/// The same for a file that may be removed while it is read: it is not cut before it is closed ([`removal`](super::removal)). One
/// that is being removed is not there.
///
/// # Errors
/// As [`open`].
pub(super) fn open_to_keep(path: &Path) -> Result<(File, u64), FileError> {
    let (file, _) = open(path)?;
    let length = keep(&file, path)?;
    Ok((file, length))
}

/// Has a file that is open kept as it is until it is closed; its length.
///
/// # Errors
/// Where it is being removed, as if it were not there.
fn keep(file: &File, path: &Path) -> Result<u64, FileError> {
    let gone = || FileError::of("open", path)(ErrorKind::NotFound.into());
    // Where there are no locks nothing is cut.
    if rustix::fs::flock(file, FlockOperation::NonBlockingLockShared) == Err(rustix::io::Errno::WOULDBLOCK) {
        return Err(gone());
    }
    // It may have gone between the two.
    let found = file.metadata().map_err(FileError::of("look at", path))?;
    if found.is_file() && found.nlink() == 0 { Err(gone()) } else { Ok(found.len()) }
}

/// The same as [`open`] for a file about which something else is to be done, where it is none.
///
/// # Errors
/// As [`open`].
pub(super) fn open_regular(path: &Path, remedy: &str) -> Result<(File, u64), FileError> {
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(OFlags::NONBLOCK.bits() as i32);
    let file = options.open(path).map_err(FileError::of("open", path))?;
    let found = file.metadata().map_err(FileError::of("look at", path))?;
    if !found.is_file() {
        return Err(FileError::invalid(path, format!("it is no regular file: {remedy}")));
    }
    Ok((file, found.len()))
}

fn read(
    mut file: File,
    path: &Path,
    length: u64,
    room: Buffer,
    step_bytes: usize,
) -> Result<Buffer, FileError> {
    let mut bytes = room;
    bytes.resize(length as usize, 0);
    for step in bytes.chunks_mut(step_bytes) {
        file.read_exact(step).map_err(FileError::of("read", path))?;
    }
    Ok(bytes)
}

/// A file that is open, and read where it is needed; by any thread.
#[derive(Debug)]
pub struct OpenFile {
    /// Its path, when it was opened.
    pub path: PathBuf,
    /// Its length, when it was opened.
    pub bytes: u64,
    file: File,
}

impl OpenFile {
    /// Opens the file at `path`.
    ///
    /// # Errors
    /// Where it can't be opened, or is no file.
    pub fn open(path: PathBuf) -> Result<Self, FileError> {
        let (file, bytes) = open_to_keep(&path)?;
        Ok(Self { path, bytes, file })
    }

    /// One that is open already.
    pub(super) fn of(path: PathBuf, file: &File) -> Result<Self, FileError> {
        let file = file.try_clone().map_err(FileError::of("open", &path))?;
        let bytes = file.metadata().map_err(FileError::of("look at", &path))?.len();
        Ok(Self { path, bytes, file })
    }

    /// Reads from `offset` on until `room` is full, or to the end. Returns how many bytes.
    ///
    /// # Errors
    /// Where it can't be read.
    pub fn read_at(&self, offset: u64, room: &mut [u8]) -> Result<usize, FileError> {
        let mut read = 0;
        while read < room.len() {
            match self.file.read_at(&mut room[read..], offset + read as u64) {
                Ok(0) => break,
                Ok(more) => read += more,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(FileError::of("read", &self.path)(error)),
            }
        }
        Ok(read)
    }

    /// Fills `room` from `offset` on.
    ///
    /// # Errors
    /// Where it can't be read, or ends before.
    pub fn read_exactly_at(&self, offset: u64, room: &mut [u8]) -> Result<(), FileError> {
        let wanted = room.len();
        match self.read_at(offset, room)? {
            read if read == wanted => Ok(()),
            read => Err(FileError::invalid(&self.path, format!("it ends at byte {}", offset + read as u64))),
        }
    }

    /// Gives all of its bytes to `each`, in order, with the place of each part.
    ///
    /// # Errors
    /// Where it can't be read, or has become shorter since; and what `each` returns.
    pub fn parts<E: From<FileError>>(
        &self,
        mut each: impl FnMut(&[u8], u64) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut room = vec![0; limits::FILE_STEP_BYTES];
        let mut at = 0;
        while at < self.bytes {
            let most = room.len().min(usize::try_from(self.bytes - at).unwrap_or(usize::MAX));
            self.read_exactly_at(at, &mut room[..most])?;
            each(&room[..most], at)?;
            at += most as u64;
        }
        Ok(())
    }
}

/// A file that is being written, a step at a time: a sync of the whole would keep the disk from the groups that are to be durable
/// meanwhile.
#[derive(Debug)]
pub(super) struct SteppedFile {
    path: PathBuf,
    file: File,
    bytes: u64,
    unsynced: usize,
}

impl SteppedFile {
    /// A file that is empty.
    pub(super) const fn of(path: PathBuf, file: File) -> Self {
        Self { path, file, bytes: 0, unsynced: 0 }
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The file itself.
    pub(super) const fn file(&self) -> &File {
        &self.file
    }

    /// Bytes that were written.
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Appends `bytes`.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), FileError> {
        self.file.write_all(bytes).map_err(FileError::of("write", &self.path))?;
        self.bytes += bytes.len() as u64;
        self.unsynced += bytes.len();
        if self.unsynced >= limits::FILE_STEP_BYTES {
            self.unsynced = 0;
            self.file.sync_data().map_err(FileError::of("sync", &self.path))?;
        }
        Ok(())
    }

    /// Makes all of it durable.
    pub(super) fn sync(&self) -> Result<(), FileError> {
        self.file.sync_all().map_err(FileError::of("sync", &self.path))
    }
}

/// A file that gets its name when it is whole. Dropped before that, it is gone.
#[derive(Debug)]
pub struct PendingFile {
    is_published: bool,
    /// Under the name of what is not whole.
    file: SteppedFile,
    path: PathBuf,
}

impl PendingFile {
    pub(super) fn create(path: PathBuf) -> Result<Self, FileError> {
        let temporary = temporary(&path);
        let file = File::create(&temporary).map_err(FileError::of("create", &temporary))?;
        Ok(Self { is_published: false, file: SteppedFile::of(temporary, file), path })
    }

    /// Where it is until then.
    pub(super) fn temporary(&self) -> &Path {
        self.file.path()
    }

    /// Makes it durable and gives it its name. Returns its length in bytes.
    ///
    /// # Errors
    /// Where it can't be synced or renamed.
    pub fn publish(mut self) -> Result<u64, FileError> {
        self.file.sync()?;
        publish(self.file.path(), &self.path)?;
        self.is_published = true;
        Ok(self.file.bytes())
    }
}

impl Sink for PendingFile {
    type Error = FileError;

    fn write(&mut self, bytes: &[u8]) -> Result<(), FileError> {
        self.file.write(bytes)
    }
}

impl Drop for PendingFile {
    fn drop(&mut self) {
        if !self.is_published {
            // A start removes it too.
            let _ = fs::remove_file(self.file.path());
        }
    }
}

/// Removes a file; that it is not there is as good.
pub(super) fn remove(path: &Path) -> Result<(), FileError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed.map_err(FileError::of("remove", path)),
    }
}

/// The names in a directory, those that are UTF-8.
pub(super) fn names(path: &Path) -> Result<Vec<String>, FileError> {
    let entries = fs::read_dir(path).map_err(FileError::of("read", path))?;
    let mut names = Vec::new();
    for entry in entries {
        names.extend(entry.map_err(FileError::of("read", path))?.file_name().into_string());
    }
    Ok(names)
}

/// Creates a file of `length` zeros under its final name, durable. They are written: an extent that the file system
/// only knows to be zeros costs every sync half as much again.
pub(super) fn create_zeros(path: &Path, length: u64) -> Result<(), FileError> {
    let temporary = temporary(path);
    let made = write_zeros(&temporary, length).and_then(|()| publish(&temporary, path));
    if made.is_err() {
        // What there was room for would keep the room from others.
        let _ = fs::remove_file(&temporary);
    }
    made
}

fn write_zeros(path: &Path, length: u64) -> Result<(), FileError> {
    let file = File::create(path).map_err(FileError::of("create", path))?;
    match rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, length) {
        // There are file systems that can't. The zeros take the same room.
        Ok(()) | Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => {}
        Err(error) => return Err(FileError::of_errno("allocate", path)(error)),
    }
    fill_zeros(&file, path, 0, length)
}

/// Overwrites a file with zeros from `offset` to its end, durable.
pub(super) fn zero_from(path: &Path, offset: u64) -> Result<(), FileError> {
    let file = OpenOptions::new().write(true).open(path).map_err(FileError::of("open", path))?;
    let length = file.metadata().map_err(FileError::of("look at", path))?.len();
    fill_zeros(&file, path, offset, length)
}

pub(super) fn fill_zeros(file: &File, path: &Path, offset: u64, end: u64) -> Result<(), FileError> {
    let zeros = vec![0; limits::FILE_STEP_BYTES];
    let mut at = offset;
    while at < end {
        let step = (end - at).min(zeros.len() as u64);
        file.write_all_at(&zeros[..step as usize], at).map_err(FileError::of("write", path))?;
        // Step by step: a sync of the whole would keep the disk from the groups that are to be durable meanwhile.
        file.sync_data().map_err(FileError::of("sync", path))?;
        at += step;
    }
    file.sync_all().map_err(FileError::of("sync", path))?;
    // Direct writes would have to push these pages out. That it fails only costs time.
    let _ = rustix::fs::fadvise(file, 0, None, Advice::DontNeed);
    Ok(())
}
