//! Generations: each is the whole of the data, of one number of shards. The manifest names the one that holds.
//!
//! Nothing that may hold a used file is removed, but for a generation that another one has superseded, and one that
//! nothing was ever served from: that one has a file `unfinished`, which is made first and removed last, once the
//! manifest names it and those that it has superseded are gone. So a start that is killed between the two leaves what the
//! next one knows them by.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::directory::{self, DataDirectory, ShardDirectory};
use super::file::{self, FileError};
use super::history::{self, HistoryName};
use super::manifest::Manifest;

/// The file of a generation from which nothing was served.
const UNFINISHED: &str = "unfinished";

/// What is to be done where files are not there.
pub const REMEDY: &str = "restore the whole data directory from a backup; nothing was changed";

impl DataDirectory {
    /// The directory of a generation.
    pub(super) fn generation(&self, generation: u64) -> PathBuf {
        generation_in(self.path(), generation)
    }

    /// The generations that are there, in order.
    ///
    /// # Errors
    /// Where the directory can't be read.
    pub fn generations(&self) -> Result<Vec<u64>, FileError> {
        generations_in(self.path())
    }

    /// Begins a generation, durable; nothing is in it.
    ///
    /// # Errors
    /// Where it can't be made, or is there.
    pub fn begin_generation(&self, generation: u64) -> Result<(), FileError> {
        let path = self.generation(generation);
        // A file that was left there would be taken for one of it.
        match fs::create_dir(&path) {
            // What this program has made in one that was not finished was removed before.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                let what = "files are in it that this program has not made, or can't remove, and a new generation needs its \
                            name: move it away";
                return Err(FileError::invalid(&path, what));
            }
            made => made.map_err(FileError::of("create", &path))?,
        }
        file::sync_directory(self.path())?;
        file::write_whole(&path.join(UNFINISHED), b"Nothing was served from this generation yet.\n")
    }

    /// Makes the directory of a shard.
    ///
    /// # Errors
    /// Where it can't be made.
    pub fn make_shard(&self, generation: u64, shard: u16) -> Result<ShardDirectory, FileError> {
        let directory = self.shard(generation, shard);
        file::make_directory(directory.path())?;
        Ok(directory)
    }

    /// Says, durable, that a generation may be served from: the manifest names it, and what it has superseded is gone. Not
    /// where there is no room even for that.
    ///
    /// # Errors
    /// Where it can't be removed.
    pub fn finish_generation(&self, generation: u64) -> Result<(), FileError> {
        let path = self.generation(generation);
        if !path.join(UNFINISHED).exists() {
            return Ok(());
        }
        let removed = file::remove(&path.join(UNFINISHED)).and_then(|()| file::sync_directory(&path));
        file::ignore_lack_of_room(removed)
    }

    /// Removes what this program has made in a generation, and its directories where nothing else is in them; `false`
    /// where something is.
    ///
    /// # Errors
    /// Where something can't be removed.
    pub fn remove_generation(&self, generation: u64) -> Result<bool, FileError> {
        let mut is_gone = true;
        for shard in 0..limits::SHARDS_MAX as u16 {
            is_gone &= remove_shard(&self.shard(generation, shard))?;
        }
        let path = self.generation(generation);
        // As long as something is left it is not to be taken for one that was served from.
        if is_gone && file::names(&path)?.iter().all(|name| name.starts_with(UNFINISHED)) {
            file::remove(&file::temporary(&path.join(UNFINISHED)))?;
            file::remove(&path.join(UNFINISHED))?;
            is_gone = remove_directory(&path)?;
        } else {
            is_gone = false;
        }
        file::sync_directory(self.path())?;
        Ok(is_gone)
    }
}

/// Checks that no generation is later than the one that holds but those that nothing was served from, and returns those.
///
/// # Errors
/// Where there is another one, or it can't be looked at.
pub fn unfinished_after(data: &Path, generation: u64) -> Result<Vec<u64>, FileError> {
    let later: Vec<u64> = generations_in(data)?.into_iter().filter(|other| *other > generation).collect();
    for later in &later {
        let path = generation_in(data, *later);
        let names = file::names(&path)?;
        let is_begun = names.iter().all(|name| name.starts_with(UNFINISHED));
        if !is_begun && !names.iter().any(|name| name == UNFINISHED) {
            return Err(FileError::invalid(
                &path,
                format!(
                    "it is later than generation {generation}, which the manifest names: was a backup copied over later \
                     data? Move one of the two away; nothing was changed"
                ),
            ));
        }
    }
    Ok(later)
}

/// The generation that an unfinished one was made of, where it is still there.
///
/// # Errors
/// Where the directory can't be read.
pub fn superseded(data: &Path, unfinished: u64) -> Result<Option<u64>, FileError> {
    Ok(generations_in(data)?.into_iter().find(|other| other.checked_add(1) == Some(unfinished)))
}

/// The generations before the one that holds, but for one that a start is still to remove.
///
/// # Errors
/// Where the directory can't be read.
pub fn not_superseded(data: &Path, generation: u64) -> Result<Vec<u64>, FileError> {
    let superseded = if is_unfinished(data, generation) { superseded(data, generation)? } else { None };
    let earlier = generations_in(data)?.into_iter().filter(|other| *other < generation);
    Ok(earlier.filter(|earlier| Some(*earlier) != superseded).collect())
}

/// The sentence for an earlier generation that is not known to be superseded.
pub fn left(data: &Path, earlier: u64, generation: u64) -> String {
    format!(
        "generation {earlier} is left in {}: the manifest names generation {generation}, which may be of an older backup. \
         Move it away, or remove it where nothing in it is missed",
        data.display()
    )
}

/// Whether nothing was served from a generation yet.
pub fn is_unfinished(data: &Path, generation: u64) -> bool {
    generation_in(data, generation).join(UNFINISHED).exists()
}

fn generations_in(data: &Path) -> Result<Vec<u64>, FileError> {
    let number = |name: &String| {
        let number = name.strip_prefix("gen-")?.parse().ok()?;
        (*name == format!("gen-{number}")).then_some(number)
    };
    let mut numbers: Vec<u64> = file::names(data)?.iter().filter_map(number).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

pub(super) fn generation_in(data: &Path, generation: u64) -> PathBuf {
    data.join(format!("gen-{generation}"))
}

fn remove_shard(shard: &ShardDirectory) -> Result<bool, FileError> {
    let names = match file::names(shard.path()) {
        Err(error) if error.error.kind() == ErrorKind::NotFound => return Ok(true),
        names => names?,
    };
    let is_ours = |name: &String| {
        name == "mark"
            || directory::is_unfinished(name)
            || directory::segment_number(name).is_some()
            || directory::snapshot_sequence(name).is_some()
            || name == history::LIST
            || HistoryName::of(name).is_some()
    };
    for name in names.iter().filter(|name| is_ours(name)) {
        file::remove(&shard.path().join(name))?;
    }
    remove_directory(shard.path())
}

/// `false` where something is in it.
fn remove_directory(path: &Path) -> Result<bool, FileError> {
    match fs::remove_dir(path) {
        Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => Ok(false),
        removed => removed.map(|()| true).map_err(FileError::of("remove", path)),
    }
}

/// Checks that the generation that a manifest names is there, with each of its shards, and a snapshot in each.
///
/// # Errors
/// What is missing or empty, and what to do about it.
pub fn check_generation(data: &Path, manifest: &Manifest) -> Result<(), FileError> {
    let generation = generation_in(data, manifest.generation);
    check_there(&generation, "the manifest names it")?;
    for shard in 0..manifest.shards {
        let shard = ShardDirectory::of(data, manifest.generation, shard);
        let plural = if manifest.shards == 1 { "" } else { "s" };
        check_there(shard.path(), &format!("the manifest names {} shard{plural}", manifest.shards))?;
        if shard.snapshots()?.is_empty() {
            let what = format!("it has no snapshot, and each shard has one: {REMEDY}");
            return Err(FileError::invalid(shard.path(), what));
        }
        if manifest.has_marks() && !shard.mark().exists() {
            return Err(missing(&shard.mark(), "each shard has one"));
        }
    }
    Ok(())
}

/// The error of a shard's segment that is not there.
pub fn missing_segment(shard: &ShardDirectory, number: u32) -> FileError {
    // Who reads it adds what became of the rest.
    let what = "it is missing, and records that are in no snapshot are in it: restore the whole data directory from a backup";
    FileError::invalid(&shard.segment(number), what)
}

/// The error of a file that has to be there.
fn missing(path: &Path, why: &str) -> FileError {
    FileError::invalid(path, format!("it is missing, and {why}: {REMEDY}"))
}

fn check_there(path: &Path, why: &str) -> Result<(), FileError> {
    match file::names(path) {
        Ok(names) if names.is_empty() => {
            Err(FileError::invalid(path, format!("it is empty, and {why}: {REMEDY}")))
        }
        Ok(_) => Ok(()),
        Err(error) if error.error.kind() == ErrorKind::NotFound => Err(missing(path, why)),
        Err(error) => Err(error),
    }
}
