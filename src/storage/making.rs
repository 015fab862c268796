//! A data directory that is made of another one: a backup, or one that is restored.
//!
//! A file says first that it is not whole. The manifest is written last, when all else is durable, and nobody reads a directory
//! that has that file and no manifest. So one whose making was killed is never taken for data, whatever of it is there.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::archive::Archive;
use super::directory::{self, ShardDirectory};
use super::file::{self, FileError, SteppedFile};
use super::generations::generation_in;
use super::hold::{flock, in_use};
use super::manifest::Manifest;

/// The file of a directory that is being made.
const UNFINISHED: &str = "unfinished";

/// The error of a directory that has no manifest, and whose making was not finished.
pub(super) fn unfinished(path: &Path) -> Option<FileError> {
    let what = "its making was not finished: it is no backup, and no restored data. Remove it, and make it once more";
    path.join(UNFINISHED).exists().then(|| FileError::invalid(path, what))
}

/// A data directory that is being made. Nobody else may use it meanwhile.
#[derive(Debug)]
pub struct NewDirectory {
    path: PathBuf,
    /// Locked, where its file system can.
    _held: File,
    /// It was not there before.
    is_made: bool,
}

impl NewDirectory {
    /// Begins to make a directory at `path`, which is not there or empty, for its owner alone. The names of what is made on the
    /// way are durable.
    ///
    /// # Errors
    /// Where something is in it, another process uses it, or it can't be made.
    pub fn begin(path: &Path) -> Result<Self, FileError> {
        let found = path.metadata();
        let is_made = found.is_err();
        match found {
            Ok(found) if !found.is_dir() => return Err(FileError::invalid(path, "it is not a directory")),
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(FileError::of("look at", path)(error));
            }
            Ok(_) => {}
            Err(_) => Archive::at(path.to_owned()).make()?,
        }
        let held = File::open(path).map_err(FileError::of("open", path))?;
        // A network's file systems may lock no directory. Then the file that says so keeps others away.
        if matches!(flock(&held, path), Ok(false)) {
            return Err(in_use(path));
        }
        if let Some(error) = unfinished(path).filter(|_| !Manifest::path(path).exists()) {
            return Err(error);
        }
        let entries = fs::read_dir(path).map_err(FileError::of("read", path))?;
        let is_something = |entry: &fs::DirEntry| entry.file_name() != OsStr::new("lost+found");
        if entries.flatten().any(|entry| is_something(&entry)) {
            return Err(FileError::invalid(path, "it is not empty: name a directory that is, or a new one"));
        }
        directory::close(path)?;
        // Its name is there from the first moment on; nobody reads what is in it.
        NewFile::create(path.join(UNFINISHED))?.finish()?;
        file::sync_directory(path)?;
        Ok(Self { path: path.to_owned(), _held: held, is_made })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the directory of a shard.
    ///
    /// # Errors
    /// Where it can't be made.
    pub fn make_shard(&self, generation: u64, shard: u16) -> Result<ShardDirectory, FileError> {
        file::make_directory(&generation_in(&self.path, generation))?;
        let shard = ShardDirectory::of(&self.path, generation, shard);
        file::make_directory(shard.path())?;
        Ok(shard)
    }

    /// Removes what was made in it, to begin once more.
    ///
    /// # Errors
    /// Where something can't be removed.
    pub fn clear(&self) -> Result<(), FileError> {
        for name in file::names(&self.path)? {
            let path = self.path.join(&name);
            if name.starts_with("gen-") || name == "archive" {
                fs::remove_dir_all(&path).map_err(FileError::of("remove", &path))?;
            } else if ![UNFINISHED, "lost+found"].contains(&name.as_str()) {
                file::remove(&path)?;
            }
        }
        Ok(())
    }

    /// Removes what was made, and the directory where it was not there before.
    ///
    /// # Errors
    /// Where something can't be removed.
    pub fn abandon(self) -> Result<(), FileError> {
        self.clear()?;
        file::remove(&self.path.join(UNFINISHED))?;
        if self.is_made {
            fs::remove_dir(&self.path).map_err(FileError::of("remove", &self.path))?;
        }
        Ok(())
    }

    /// It is whole, and holds this: durable.
    ///
    /// # Errors
    /// Where that can't be written.
    pub fn finish(self, manifest: &Manifest) -> Result<(), FileError> {
        manifest.write(&self.path)?;
        file::remove(&self.path.join(UNFINISHED))?;
        file::sync_directory(&self.path)
    }
}

/// How the zeros are kept that a segment has at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zeros {
    /// As a hole, which takes no room on the disk: what is kept.
    Hole,
    /// Written, as a server does it: what is served from, which would have to allocate them with its syncs.
    Written,
}

/// A file that is being written, for its owner alone.
#[derive(Debug)]
pub struct NewFile(SteppedFile);

impl NewFile {
    /// Makes a file that is not there.
    ///
    /// # Errors
    /// Where it is there, or can't be made.
    pub fn create(path: PathBuf) -> Result<Self, FileError> {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        let file = file.map_err(FileError::of("create", &path))?;
        Ok(Self(SteppedFile::of(path, file)))
    }

    /// Appends `bytes`.
    ///
    /// # Errors
    /// Where they can't be written.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), FileError> {
        self.0.write(bytes)
    }

    /// From here to this length it is zeros.
    ///
    /// # Errors
    /// Where they can't be written.
    pub fn fill(&mut self, length: u64, zeros: Zeros) -> Result<(), FileError> {
        let (file, path) = (self.0.file(), self.0.path());
        match zeros {
            Zeros::Hole => file.set_len(length).map_err(FileError::of("write", path)),
            Zeros::Written => file::fill_zeros(file, path, self.0.bytes(), length),
        }
    }

    /// Makes its contents durable; its name is when its directory is synced. Returns the bytes that were written.
    ///
    /// # Errors
    /// Where it can't be synced.
    pub fn finish(self) -> Result<u64, FileError> {
        self.0.sync()?;
        Ok(self.0.bytes())
    }
}

/// Whether `path`, which need not be there, is the directory `other`, or in it.
pub fn is_within(path: &Path, other: &Path) -> bool {
    let mut path = path;
    loop {
        if let (Ok(found), Ok(other)) = (fs::canonicalize(path), fs::canonicalize(other)) {
            return found.starts_with(other);
        }
        if path == file::parent(path) {
            return false;
        }
        path = file::parent(path);
    }
}

/// Makes the names in a directory durable.
///
/// # Errors
/// Where it can't be synced.
pub fn sync_names(path: &Path) -> Result<(), FileError> {
    file::sync_directory(path)
}

/// Removes a file that was made in a directory that is being made.
///
/// # Errors
/// Where it can't be removed.
pub fn remove_file(path: &Path) -> Result<(), FileError> {
    file::remove(path)
}

/// A file of an earlier backup, which may be what is to be copied.
#[derive(Debug)]
pub struct EarlierFile {
    path: PathBuf,
    file: File,
    /// Its length.
    pub bytes: u64,
}

impl EarlierFile {
    /// Opens the one at `path`; `None` where there is none that can be read.
    pub fn open(path: PathBuf) -> Option<Self> {
        let (file, bytes) = file::open(&path).ok()?;
        Some(Self { path, file, bytes })
    }

    /// Whether it has these bytes there.
    pub fn has(&self, bytes: &[u8], at: u64) -> bool {
        let mut room = vec![0; limits::FILE_STEP_BYTES.min(bytes.len())];
        let mut at = at;
        bytes.chunks(limits::FILE_STEP_BYTES).all(|chunk| {
            let room = &mut room[..chunk.len()];
            let is_read = self.file.read_exact_at(room, at).is_ok();
            at += chunk.len() as u64;
            is_read && room == chunk
        })
    }

    /// Gives it another name; `false` where it can't have that: on another file system, or where it has too many. Then it is to be
    /// copied, and what keeps it from that is told.
    pub fn link(&self, to: &Path) -> bool {
        if fs::hard_link(&self.path, to).is_err() {
            return false;
        }
        // The one that was compared, and not another one that was put in its place.
        let is_it = match (self.file.metadata(), to.metadata()) {
            (Ok(ours), Ok(linked)) => (ours.dev(), ours.ino()) == (linked.dev(), linked.ino()),
            _ => false,
        };
        if !is_it {
            // It is copied over that.
            let _ = fs::remove_file(to);
        }
        is_it
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn what_is_not_finished_is_told_of() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a").join("b");
        let new = NewDirectory::begin(&path).unwrap();
        let shard = new.make_shard(3, 1).unwrap();
        assert_eq!(shard.path(), path.join("gen-3/shard-1"));
        let busy = NewDirectory::begin(&path).unwrap_err().to_string();
        assert!(busy.contains("another process uses it"), "{busy}");
        drop(new);
        for error in [NewDirectory::begin(&path).map(drop), Manifest::read(&path).map(drop)] {
            let error = error.unwrap_err().to_string();
            assert!(error.contains("its making was not finished"), "{error}");
        }
        fs::remove_dir_all(&path).unwrap();
        let new = NewDirectory::begin(&path).unwrap();
        let manifest = Manifest::new(3, 7, 2, false);
        new.finish(&manifest).unwrap();
        assert_eq!(Manifest::read(&path).unwrap(), Some(manifest));
        let taken = NewDirectory::begin(&path).unwrap_err().to_string();
        assert!(taken.contains("it is not empty"), "{taken}");
        assert_eq!(fs::read_dir(&path).unwrap().count(), 1);
    }

    #[test]
    fn an_empty_directory_is_closed_to_others_and_may_have_what_mkfs_makes() {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        fs::create_dir(dir.path().join("lost+found")).unwrap();
        NewDirectory::begin(dir.path()).unwrap();
        assert_eq!(dir.path().metadata().unwrap().mode() & 0o777, 0o700);
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(NewDirectory::begin(&file).unwrap_err().to_string().contains("it is not a directory"));
    }

    #[test]
    fn files_are_written_and_linked() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        for (name, zeros) in [("hole", Zeros::Hole), ("written", Zeros::Written)] {
            let mut file = NewFile::create(path(name)).unwrap();
            file.write(b"four").unwrap();
            file.fill(1 << 20, zeros).unwrap();
            assert_eq!(file.finish().unwrap(), 4);
            let bytes = fs::read(path(name)).unwrap();
            assert!(bytes.len() == 1 << 20 && bytes.starts_with(b"four") && bytes.ends_with(&[0; 99]));
            assert_eq!(path(name).metadata().unwrap().mode() & 0o777, 0o600);
        }
        assert!(NewFile::create(path("hole")).is_err());
        let earlier = EarlierFile::open(path("hole")).unwrap();
        assert!(earlier.has(b"four", 0) && earlier.has(b"ur", 2));
        assert!(!earlier.has(b"five", 0) && !earlier.has(b"a", 1 << 20));
        assert!(earlier.link(&path("linked")) && !earlier.link(&path("linked")));
        assert_eq!(path("linked").metadata().unwrap().nlink(), 2);
        // Another one has taken its name since it was compared.
        fs::rename(path("written"), path("hole")).unwrap();
        assert!(!earlier.link(&path("again")) && !path("again").exists());
        assert!(EarlierFile::open(path("nothing")).is_none());
    }

    #[test]
    fn what_is_made_is_cleared_and_found_to_be_within() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("new");
        let new = NewDirectory::begin(&path).unwrap();
        NewFile::create(new.make_shard(1, 0).unwrap().segment(1)).unwrap().finish().unwrap();
        let archive = Archive::at(path.join("archive"));
        archive.make().and_then(|()| archive.make_shard(1, 0)).unwrap();
        fs::write(path.join("archived"), "").unwrap();
        new.clear().unwrap();
        assert_eq!(file::names(&path).unwrap(), [UNFINISHED]);
        fs::write(path.join("archived"), "").unwrap();
        new.abandon().unwrap();
        assert!(!path.exists());
        fs::create_dir(&path).unwrap();
        NewDirectory::begin(&path).unwrap().abandon().unwrap();
        assert!(file::names(&path).unwrap().is_empty());
        for (name, expect) in [("new", true), ("new/a/b", true), ("newer", false), ("newer/a", false)] {
            assert_eq!(is_within(&dir.path().join(name), &path), expect, "{name}");
        }
        assert!(!is_within(dir.path(), &path) && !is_within(Path::new("a"), &path));
    }
}
