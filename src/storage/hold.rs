//! The hold on a data directory: one server at a time, and what it serves from stays where it is.
//!
//! The directory itself is locked first, so that a start which refuses for what it finds there has made nothing; then the
//! lock file, which is all that version 0.1.0 looks at. While it is served the paths are looked at once a second: what is
//! written to a file that is not at its path any more is lost to the next start.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;

use super::directory::{DataDirectory, LOCK, OTHERS};
use super::file::{self, FileError};
use super::manifest::Manifest;

/// What became of a directory that was held.
#[derive(Debug)]
pub enum Hold {
    /// It is held.
    Held,
    /// The lock file was not there, or another one, and was put back.
    PutBack,
    /// Something else is at this path, or nothing: of the directory itself, so that another server may serve from there, or
    /// of what is served from.
    Lost(PathBuf),
    /// Another process holds the lock file at its path.
    Taken,
}

/// A file or a directory that is to stay what it is.
#[derive(Debug)]
pub struct Watched {
    file: File,
    path: PathBuf,
}

impl Watched {
    /// What is at `path` now.
    ///
    /// # Errors
    /// Where it can't be opened.
    pub fn open(path: PathBuf) -> Result<Self, FileError> {
        let file = File::open(&path).map_err(FileError::of("open", &path))?;
        Ok(Self { file, path })
    }

    /// Whether it is still there.
    ///
    /// # Errors
    /// Where that can't be told.
    pub fn is_in_place(&self) -> Result<bool, FileError> {
        is_at(&self.file, &self.path)
    }
}

impl DataDirectory {
    /// Takes hold of a directory, and makes nothing in it: the directory itself is locked, and the lock file where it is
    /// there. [`DataDirectory::make_lock_file`] has to follow before anything is recovered.
    ///
    /// # Errors
    /// Where another process holds it, it is not there, or its rights are not this user's to take.
    pub fn lock(path: &Path) -> Result<Self, FileError> {
        let held = File::open(path).map_err(FileError::of("open", path))?;
        if !flock(&held, path)? {
            return Err(in_use(path));
        }
        let mut directory = Self { path: path.to_owned(), held, lock: None, served: Vec::new() };
        check_rights(&directory.held, path)?;
        if file::length_of(&path.join(LOCK))?.is_some() {
            directory.make_lock_file()?;
        }
        Ok(directory)
    }

    /// Makes the lock file where it is not there, and locks it; not where there is no room for it.
    ///
    /// # Errors
    /// Where another process has locked it, or it can't be made.
    pub fn make_lock_file(&mut self) -> Result<(), FileError> {
        if self.lock.is_some() {
            return Ok(());
        }
        match Self::lock_file(&self.path) {
            Ok(lock) => self.lock = Some(lock.ok_or_else(|| in_use(&self.path))?),
            Err(error) if error.lacks_room() => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Locks the lock file, which is made where it is not there; `None` where another process has.
    fn lock_file(directory: &Path) -> Result<Option<File>, FileError> {
        let path = directory.join(LOCK);
        let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let mut lock = match options {
            // A file that can't be written can be locked all the same.
            Err(error) if error.kind() == ErrorKind::ReadOnlyFilesystem => File::open(&path).or(Err(error)),
            opened => opened,
        }
        .map_err(FileError::of("open", &path))?;
        if !flock(&lock, &path)? {
            return Ok(None);
        }
        let told = lock
            .set_len(0)
            .and_then(|()| lock.seek(SeekFrom::Start(0)))
            .and_then(|_| writeln!(lock, "{}", std::process::id()));
        // Whoever is refused is told less then.
        drop(told);
        Ok(Some(lock))
    }

    /// Has [`DataDirectory::check_hold`] look at the manifest and at the shards' directories and marks of a generation too.
    ///
    /// # Errors
    /// Where one can't be opened.
    pub fn serve_from(&mut self, generation: u64, shards: u16) -> Result<(), FileError> {
        self.served.push(Watched::open(Manifest::path(&self.path))?);
        for shard in 0..shards {
            let shard = self.shard(generation, shard);
            self.served.push(Watched::open(shard.path().to_owned())?);
            self.served.push(Watched::open(shard.mark())?);
        }
        Ok(())
    }

    /// Looks whether the directory, what is served from it, and its lock file are still what is at their paths, and puts
    /// the lock file back.
    ///
    /// # Errors
    /// Where that can't be told, or the lock file can't be put back.
    pub fn check_hold(&mut self) -> Result<Hold, FileError> {
        if !is_at(&self.held, &self.path)? {
            return Ok(Hold::Lost(self.path.clone()));
        }
        // What is put in place of them is not what is written to, and without one of them no start comes to the rest.
        for served in &self.served {
            if !served.is_in_place()? {
                return Ok(Hold::Lost(served.path.clone()));
            }
        }
        if let Some(lock) = &self.lock
            && is_at(lock, &self.path.join(LOCK))?
        {
            return Ok(Hold::Held);
        }
        match Self::lock_file(&self.path)? {
            None => Ok(Hold::Taken),
            Some(lock) => {
                self.lock = Some(lock);
                Ok(Hold::PutBack)
            }
        }
    }
}

/// `false` where another process has locked it.
pub(super) fn flock(file: &File, path: &Path) -> Result<bool, FileError> {
    match rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(false),
        Err(error) => Err(FileError::of_errno("lock", path)(error)),
    }
}

/// Keeps servers from the directory at `path` for as long as what is returned is kept; others may read it too. Nothing is changed
/// in it.
///
/// # Errors
/// Where a server holds it, or it can't be opened.
pub fn hold_to_read(path: &Path) -> Result<Vec<File>, FileError> {
    let mut held = Vec::new();
    for path in [path.to_owned(), path.join(LOCK)] {
        let file = match File::open(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound && !held.is_empty() => continue,
            opened => opened.map_err(FileError::of("open", &path))?,
        };
        // What is on a file system that can't lock, or can't be written, is no server's.
        if rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared)
            == Err(rustix::io::Errno::WOULDBLOCK)
        {
            return Err(in_use(path.parent().filter(|_| !held.is_empty()).unwrap_or(&path)));
        }
        held.push(file);
    }
    Ok(held)
}

/// Whether a server could use the directory at `path` as far as its owner goes; one that can't be opened tells nothing.
pub fn has_its_rights(path: &Path) -> bool {
    File::open(path).map_or(true, |held| check_rights(&held, path).is_ok())
}

/// Checks that the rights that others have to the directory can be taken from them; nothing is changed yet. Who only may
/// write to it would learn that after the recovery.
///
/// # Errors
/// Where it belongs to somebody else, and what to do about it.
fn check_rights(held: &File, path: &Path) -> Result<(), FileError> {
    let found = held.metadata().map_err(FileError::of("look at", path))?;
    if found.mode() & OTHERS == 0 || found.uid() == rustix::process::geteuid().as_raw() {
        return Ok(());
    }
    // Who is privileged may: the same mode once more tells.
    match held.set_permissions(found.permissions()) {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {}
        tried => {
            return file::ignore_lack_of_room(
                tried.map_err(FileError::of("take the rights of others to", path)),
            );
        }
    }
    Err(FileError::invalid(
        path,
        format!(
            "it belongs to user {}, and others have rights to it, which only its owner can take: chown it to the server's \
             user, or name a directory below it, which the server makes; nothing was changed",
            found.uid()
        ),
    ))
}

/// Whether the file at `path` is this one.
fn is_at(file: &File, path: &Path) -> Result<bool, FileError> {
    let ours = file.metadata().map_err(FileError::of("look at", path))?;
    match fs::metadata(path) {
        Ok(found) => Ok((found.dev(), found.ino()) == (ours.dev(), ours.ino())),
        Err(error) if [ErrorKind::NotFound, ErrorKind::NotADirectory].contains(&error.kind()) => Ok(false),
        Err(error) => Err(FileError::of("look at", path)(error)),
    }
}

/// The sentence for a directory that another process holds.
pub(super) fn in_use(path: &Path) -> FileError {
    let mut holder = String::new();
    let read = File::open(path.join(LOCK)).and_then(|lock| lock.take(32).read_to_string(&mut holder));
    let known = read.is_ok() && !holder.trim().is_empty();
    let who = if known { format!("process {}", holder.trim()) } else { "another process".into() };
    let error = io::Error::new(ErrorKind::WouldBlock, format!("{who} uses it"));
    FileError { action: "use the data directory", path: path.to_owned(), error }
}
