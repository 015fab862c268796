//! The archive: what was folded, kept for as long as somebody may ask for it.
//!
//! ```text
//! archive/manifest                                        whose it is, and the first generation that is in it
//! archive/lock                                            held while a server writes to it
//! archive/generation-3/end                                where each shard ended, once another generation has followed
//! archive/generation-3/shard-0/base-00000000000a83f1.zst  the snapshot that the first segment follows
//! archive/generation-3/shard-0/segment-00000000000a83f2.zst
//! archive/generation-3/shard-0/snapshot-0000000000f1e2d3.zst
//! ```
//!
//! A segment is named by its first record, and a snapshot by the last that it covers. A shard has a base from its first file
//! on: what is older was let go of, and what is missing behind it is damage. Files are written whole under another name first.

mod file;
mod notes;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use file::{ArchiveWriter, ArchivedFile, ArchivedHeader, ArchivedKind};
pub use notes::{ArchiveBegun, ArchiveManifest, GenerationEnd};

use super::file::{self as files, FileError, OpenFile};
use crate::hold::flock;
use crate::manifest::Manifest;

/// What is to be done about an archived file that is damaged or missing.
pub const REMEDY: &str = "restore it from a copy of the archive; what is served does not need it";

/// The directory of an archive, which need not be there.
#[derive(Clone, Debug)]
pub struct Archive {
    path: PathBuf,
}

/// The archive of one shard of a generation, which need not be there.
#[derive(Clone, Debug)]
pub struct ArchivedShard {
    path: PathBuf,
    /// Files that are open to be read.
    kept: HashMap<ArchivedName, Arc<File>>,
}

/// A file of a shard's archive, by its name. They are in the order of what is in them, a snapshot before the segment that
/// follows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ArchivedName {
    /// The snapshot that all begins with; it covers the records up to this one.
    Base(u64),
    /// A snapshot amid the segments; it covers the records up to this one.
    Snapshot(u64),
    /// A segment that begins with this record.
    Segment(u64),
}

impl ArchivedName {
    fn of(name: &str) -> Option<Self> {
        let (kind, number) = name.strip_suffix(".zst")?.split_once('-')?;
        let number = u64::from_str_radix(number, 16).ok()?;
        let found = match kind {
            "base" => Self::Base(number),
            "snapshot" => Self::Snapshot(number),
            "segment" if number > 0 => Self::Segment(number),
            _ => return None,
        };
        (found.to_string() == name).then_some(found)
    }

    /// The record that the file follows, or comes after: where it stands among the others.
    pub const fn follows(self) -> u64 {
        match self {
            Self::Base(covers) | Self::Snapshot(covers) => covers,
            Self::Segment(first) => first - 1,
        }
    }

    /// Whether it is a snapshot.
    pub const fn is_snapshot(self) -> bool {
        matches!(self, Self::Base(_) | Self::Snapshot(_))
    }
}

impl std::fmt::Display for ArchivedName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Base(covers) => write!(f, "base-{covers:016x}.zst"),
            Self::Snapshot(covers) => write!(f, "snapshot-{covers:016x}.zst"),
            Self::Segment(first) => write!(f, "segment-{first:016x}.zst"),
        }
    }
}

impl Archive {
    /// The archive at this path.
    pub const fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes its directory where it is not there, durable.
    ///
    /// # Errors
    /// Where it can't be made.
    pub fn make(&self) -> Result<(), FileError> {
        make_all(&self.path)
    }

    /// Whether it is on the file system of this directory, or will be.
    ///
    /// # Errors
    /// Where that can't be told.
    pub fn is_on_disk_of(&self, directory: &Path) -> Result<bool, FileError> {
        let ours = directory.metadata().map_err(FileError::of("look at", directory))?;
        let mut path = &*self.path;
        while !path.exists() && path != files::parent(path) {
            path = files::parent(path);
        }
        let found = path.metadata().map_err(FileError::of("look at", path))?;
        Ok(found.dev() == ours.dev())
    }

    /// Takes hold of it, for as long as what is returned is kept: two servers must not write to one. It is a file that is locked,
    /// since a network's file systems lock nothing else, and no directory.
    ///
    /// # Errors
    /// Where another process holds it.
    pub fn hold(&self) -> Result<File, FileError> {
        let path = self.path.join("lock");
        let held = OpenOptions::new().write(true).create(true).truncate(false).open(&path);
        let held = held.map_err(FileError::of("open", &path))?;
        if flock(&held, &path)? {
            return Ok(held);
        }
        Err(FileError::invalid(
            &self.path,
            "another process uses it: each data directory has an archive of its own",
        ))
    }

    /// What it says of itself; `None` where there is no archive.
    ///
    /// # Errors
    /// Where it can't be read, or is damaged.
    pub fn manifest(&self) -> Result<Option<ArchiveManifest>, FileError> {
        ArchiveManifest::read(&self.path.join("manifest"))
    }

    /// Says what it is, durable.
    ///
    /// # Errors
    /// Where that can't be written.
    pub fn write_manifest(&self, manifest: ArchiveManifest) -> Result<(), FileError> {
        manifest.write(&self.path.join("manifest"))
    }

    /// The first generation that is in it; `None` where there is no archive.
    ///
    /// # Errors
    /// Where it is damaged.
    pub fn first(&self) -> Result<Option<u64>, FileError> {
        Ok(self.manifest()?.map(|manifest| manifest.first))
    }

    /// Says, durable, that nothing of generations before this one is in it any more.
    ///
    /// # Errors
    /// Where that can't be written, or there is no archive.
    pub fn set_first(&self, generation: u64) -> Result<(), FileError> {
        let path = self.path.join("manifest");
        let found =
            self.manifest()?.ok_or_else(|| FileError::invalid(&path, format!("it is missing: {REMEDY}")))?;
        if generation > found.first {
            self.write_manifest(ArchiveManifest { first: generation, ..found })?;
        }
        Ok(())
    }

    /// The generations of which something is in it, in order.
    ///
    /// # Errors
    /// Where it can't be read.
    pub fn generations(&self) -> Result<Vec<u64>, FileError> {
        let names = match files::names(&self.path) {
            Err(error) if error.error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            names => names?,
        };
        let number = |name: &String| {
            let number = name.strip_prefix("generation-")?.parse().ok()?;
            (*name == format!("generation-{number}")).then_some(number)
        };
        let mut numbers: Vec<u64> = names.iter().filter_map(number).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// The archive of a shard.
    pub fn shard(&self, generation: u64, shard: u16) -> ArchivedShard {
        let path = self.generation(generation).join(format!("shard-{shard}"));
        ArchivedShard { path, kept: HashMap::new() }
    }

    /// Makes the directory of a shard, durable.
    ///
    /// # Errors
    /// Where it can't be made.
    pub fn make_shard(&self, generation: u64, shard: u16) -> Result<ArchivedShard, FileError> {
        let shard = self.shard(generation, shard);
        files::make_directory(&self.generation(generation))?;
        files::make_directory(&shard.path)?;
        Ok(shard)
    }

    /// The shards of a generation that have a directory, in order; none where it is not there.
    ///
    /// # Errors
    /// Where it can't be read.
    pub fn shards(&self, generation: u64) -> Result<Vec<u16>, FileError> {
        let names = match files::names(&self.generation(generation)) {
            Err(error) if error.error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            names => names?,
        };
        let mut shards: Vec<u16> =
            names.iter().filter_map(|name| name.strip_prefix("shard-")?.parse().ok()).collect();
        shards.sort_unstable();
        Ok(shards)
    }

    /// Where the file of a generation's end is.
    pub fn end_path(&self, generation: u64) -> PathBuf {
        self.generation(generation).join("end")
    }

    /// Where a generation ended; `None` where that is not said.
    ///
    /// # Errors
    /// Where it can't be read, or is damaged.
    pub fn end(&self, generation: u64) -> Result<Option<GenerationEnd>, FileError> {
        GenerationEnd::read(&self.end_path(generation))
    }

    /// Says, durable, where a generation ended.
    ///
    /// # Errors
    /// Where that can't be written.
    pub fn write_end(&self, generation: u64, end: &GenerationEnd) -> Result<(), FileError> {
        files::make_directory(&self.generation(generation))?;
        end.write(&self.end_path(generation))
    }

    /// Removes what is left of a generation, of which nothing is to be kept.
    ///
    /// # Errors
    /// Where something can't be removed.
    pub fn remove_generation(&self, generation: u64) -> Result<(), FileError> {
        for shard in self.shards(generation)? {
            let shard = self.shard(generation, shard);
            for name in shard.files()? {
                shard.remove(name)?;
            }
            shard.remove_unfinished()?;
            remove_directory(&shard.path)?;
        }
        let path = self.generation(generation);
        files::remove(&self.end_path(generation))?;
        remove_directory(&path)?;
        files::sync_directory(&self.path)
    }

    /// Bytes and number of all files of segments and snapshots.
    ///
    /// # Errors
    /// Where it can't be read.
    pub fn size(&self) -> Result<(u64, u64), FileError> {
        let (mut bytes, mut count) = (0, 0);
        for generation in self.generations()? {
            for shard in self.shards(generation)? {
                let shard = self.shard(generation, shard);
                for name in shard.files()? {
                    bytes += files::length_of(&shard.file(name))?.unwrap_or(0);
                    count += 1;
                }
            }
        }
        Ok((bytes, count))
    }

    fn generation(&self, generation: u64) -> PathBuf {
        self.path.join(format!("generation-{generation}"))
    }
}

/// Makes a directory and those that it is in, each with its name durable.
fn make_all(path: &Path) -> Result<(), FileError> {
    let above = files::parent(path);
    if !above.exists() {
        make_all(above)?;
    }
    files::make_directory(path)
}

/// What the archive of the data directory at `data`, which serves this, says of itself; `None` where there is none, and none was
/// begun.
///
/// # Errors
/// Where it is missing, damaged, or another directory's.
pub fn known(
    data: &Path,
    served: &Manifest,
    archive: &Archive,
) -> Result<Option<ArchiveManifest>, FileError> {
    let failed = |what: String| {
        Err(FileError { action: "use", path: archive.path.clone(), error: std::io::Error::other(what) })
    };
    let note = ArchiveBegun::path(data);
    match (ArchiveBegun::read(data)?, archive.manifest()?) {
        (None, None) => Ok(None),
        (Some(begun), Some(found)) if begun.stream == found.stream => Ok(Some(found)),
        // A kill came between the two, and nothing is in it yet.
        (None, Some(found)) if (found.stream, found.first) == (served.stream, served.generation) => {
            Ok(Some(found))
        }
        (Some(_), None) => failed(format!(
            "the archive is missing, and there is one, says {}: it is lost, not mounted, or elsewhere. Name the right path, or \
             {REMEDY}; to begin another one, remove that file",
            note.display()
        )),
        (_, Some(_)) => failed(format!(
            "it is the archive of other data than those in {}: each data directory has an archive of its own. Name the right one; to \
             begin another one, remove {} where it is there",
            data.display(),
            note.display()
        )),
    }
}

/// Removes a directory where nothing is in it.
fn remove_directory(path: &Path) -> Result<(), FileError> {
    match fs::remove_dir(path) {
        Err(error) if [ErrorKind::DirectoryNotEmpty, ErrorKind::NotFound].contains(&error.kind()) => Ok(()),
        removed => removed.map_err(FileError::of("remove", path)),
    }
}

impl ArchivedShard {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path of a file.
    pub fn file(&self, name: ArchivedName) -> PathBuf {
        self.path.join(name.to_string())
    }

    /// Its files in order; none where it is not there.
    ///
    /// # Errors
    /// Where it can't be read.
    pub fn files(&self) -> Result<Vec<ArchivedName>, FileError> {
        let names = match files::names(&self.path) {
            Err(error) if error.error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            names => names?,
        };
        let mut found: Vec<ArchivedName> = names.iter().filter_map(|name| ArchivedName::of(name)).collect();
        found.sort_unstable_by_key(|name| (name.follows(), !name.is_snapshot()));
        Ok(found)
    }

    /// Begins a file; it gets its name, durable, when it is [`ArchiveWriter::publish`]ed. One of that name is replaced then.
    ///
    /// # Errors
    /// Where it can't be made.
    pub fn create(&self, name: ArchivedName, header: ArchivedHeader) -> Result<ArchiveWriter, FileError> {
        // They are synced although they may be there: whoever made them may have been killed before.
        if self.files()?.is_empty() {
            files::make_directory(files::parent(&self.path))?;
            files::make_directory(&self.path)?;
        }
        ArchiveWriter::create(self.file(name), header)
    }

    /// Opens a file to be read.
    ///
    /// # Errors
    /// Where it is not there, or its header is damaged.
    pub fn open(&self, name: ArchivedName) -> Result<ArchivedFile, FileError> {
        let path = self.file(name);
        let file = match self.kept.get(&name) {
            Some(file) => Arc::clone(file),
            None => ArchivedFile::open(&path)?,
        };
        ArchivedFile::of(path, file)
    }

    /// Opens a file to be copied as it is.
    ///
    /// # Errors
    /// Where it is not there, or can't be opened.
    pub fn opened(&self, name: ArchivedName) -> Result<OpenFile, FileError> {
        let path = self.file(name);
        match self.kept.get(&name) {
            Some(file) => OpenFile::of(path, file),
            None => OpenFile::open(path),
        }
    }

    /// Opens the first `most` of these files: [`ArchivedShard::open`] reads them from now on, though they are renamed or removed
    /// meanwhile. Returns how many they are.
    ///
    /// # Errors
    /// Where one is not there, or can't be opened.
    pub fn keep(&mut self, names: &[ArchivedName], most: usize) -> Result<usize, FileError> {
        for name in names.iter().take(most) {
            let file = ArchivedFile::open(&self.file(*name))?;
            self.kept.insert(*name, file);
        }
        Ok(names.len().min(most))
    }

    /// From now on the shard's archive begins with this snapshot: durable. What was before is to be removed.
    ///
    /// # Errors
    /// Where it can't be renamed.
    pub fn rebase(&self, snapshot: u64) -> Result<(), FileError> {
        files::publish(&self.file(ArchivedName::Snapshot(snapshot)), &self.file(ArchivedName::Base(snapshot)))
    }

    /// Takes a damaged file out of the way, durable, and keeps it under another name. Returns that.
    ///
    /// # Errors
    /// Where it can't be renamed.
    pub fn set_aside(&self, name: ArchivedName) -> Result<PathBuf, FileError> {
        files::set_aside(&self.file(name), "damaged")
    }

    /// Removes a file, for good.
    ///
    /// # Errors
    /// Where it can't be removed.
    pub fn remove(&self, name: ArchivedName) -> Result<(), FileError> {
        files::remove(&self.file(name))?;
        files::sync_directory(&self.path)
    }

    /// Removes what an earlier process began and did not finish.
    ///
    /// # Errors
    /// Where something can't be removed.
    pub fn remove_unfinished(&self) -> Result<(), FileError> {
        let names = match files::names(&self.path) {
            Err(error) if error.error.kind() == ErrorKind::NotFound => return Ok(()),
            names => names?,
        };
        let is_ours = |name: &&String| {
            name.strip_suffix(files::TEMPORARY).is_some_and(|name| ArchivedName::of(name).is_some())
        };
        for name in names.iter().filter(is_ours) {
            files::remove(&self.path.join(name))?;
        }
        Ok(())
    }
}
