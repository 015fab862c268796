//! The small files of an archive: lines of text, the last of which is the checksum of those before.

use std::fmt::Write as _;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::xxh3_128;

use super::REMEDY;
use crate::file::{FileError, read_whole, remove, sync_directory, write_whole};
use journal::{Buffer, Origin, Point, RecordHash};

const FIRST: &str = "purser archive 1";
const END: &str = "purser archived generation 1";
const BEGUN: &str = "purser archive of these data 1";

/// Where a generation ended, and what another one was made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GenerationEnd {
    /// The random number of its journals.
    pub stream: u64,
    /// The last record of each shard, in order.
    pub last: Vec<Point>,
    /// The platforms in the order of the configuration: records of version 0.1.0 name them by their places in it.
    pub platforms: Vec<String>,
}

impl GenerationEnd {
    pub(super) fn read(path: &Path) -> Result<Option<Self>, FileError> {
        let Some(text) = read(path, END, limits::ARCHIVE_END_BYTES_MAX)? else { return Ok(None) };
        parse(&text).map(Some).ok_or_else(|| damaged(path))
    }

    pub(super) fn write(&self, path: &Path) -> Result<(), FileError> {
        let mut text = format!("{END}\nstream {:016x}\n", self.stream);
        for Point { sequence, hash } in &self.last {
            let _ = writeln!(text, "shard {sequence} {:032x}", hash.bits());
        }
        self.platforms.iter().for_each(|platform| text += &format!("platform {platform}\n"));
        write(path, text)
    }
}

fn parse(text: &str) -> Option<GenerationEnd> {
    let mut end = GenerationEnd { stream: 0, last: Vec::new(), platforms: Vec::new() };
    for line in text.lines().skip(1) {
        match line.split_once(' ')? {
            ("stream", stream) => end.stream = u64::from_str_radix(stream, 16).ok()?,
            ("shard", shard) => {
                let (sequence, hash) = shard.split_once(' ')?;
                let hash = RecordHash::from_bits(u128::from_str_radix(hash, 16).ok()?);
                end.last.push(Point { sequence: sequence.parse().ok()?, hash });
            }
            ("platform", platform) => end.platforms.push(platform.to_owned()),
            _ => return None,
        }
    }
    (1..=limits::SHARDS_MAX).contains(&end.last.len()).then_some(end)
}

/// What an archive says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArchiveManifest {
    /// Whose it is: the random number of the journals with which it began.
    pub stream: u64,
    /// The first generation that is in it.
    pub first: u64,
}

impl ArchiveManifest {
    pub(super) fn read(path: &Path) -> Result<Option<Self>, FileError> {
        let Some(text) = read(path, FIRST, limits::MANIFEST_BYTES_MAX)? else { return Ok(None) };
        let mut lines = text.lines().skip(1);
        let mut member = |name: &str| lines.next()?.strip_prefix(name)?.strip_prefix(' ');
        let stream = member("stream").and_then(|stream| u64::from_str_radix(stream, 16).ok());
        let first = member("first").and_then(|first| first.parse().ok());
        let (Some(stream), Some(first)) = (stream, first) else { return Err(damaged(path)) };
        Ok(Some(Self { stream, first }))
    }

    pub(super) fn write(&self, path: &Path) -> Result<(), FileError> {
        write(path, format!("{FIRST}\nstream {:016x}\nfirst {}\n", self.stream, self.first))
    }
}

/// What a data directory knows of its archive: a file beside its manifest, which is there before anything that was archived is
/// removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchiveBegun {
    /// Whose the archive is, as it says itself.
    pub stream: u64,
    /// The generation that was served when it was begun.
    pub generation: u64,
    /// Of each shard of that, in order, the last record that the snapshot covers with which it begins.
    pub covers: Vec<u64>,
}

impl ArchiveBegun {
    /// Where that is said.
    pub fn path(data: &Path) -> PathBuf {
        data.join("archived")
    }

    /// What the data directory at `data` says; `None` where it has no archive.
    ///
    /// # Errors
    /// Where it can't be read, or is damaged.
    pub fn read(data: &Path) -> Result<Option<Self>, FileError> {
        let path = Self::path(data);
        let Some(text) = read(&path, BEGUN, limits::ARCHIVE_END_BYTES_MAX)? else { return Ok(None) };
        let parsed = || {
            let mut begun = Self { stream: 0, generation: 0, covers: Vec::new() };
            for line in text.lines().skip(1) {
                match line.split_once(' ')? {
                    ("stream", stream) => begun.stream = u64::from_str_radix(stream, 16).ok()?,
                    ("generation", generation) => begun.generation = generation.parse().ok()?,
                    ("shard", covers) => begun.covers.push(covers.parse().ok()?),
                    _ => return None,
                }
            }
            Some(begun)
        };
        parsed().map(Some).ok_or_else(|| {
            FileError::invalid(
                &path,
                "byte 0: it is not as it was written: restore it from a backup of the data",
            )
        })
    }

    /// Says it, durable.
    ///
    /// # Errors
    /// Where it can't be written.
    pub fn write(&self, data: &Path) -> Result<(), FileError> {
        let mut text = format!("{BEGUN}\nstream {:016x}\ngeneration {}\n", self.stream, self.generation);
        self.covers.iter().for_each(|covers| text += &format!("shard {covers}\n"));
        write(&Self::path(data), text)
    }

    /// Whether something of a shard must be in the archive: of the shards of this generation, of which the oldest snapshot that is
    /// left covers this record and names this segment to follow.
    pub fn has_archived(&self, origin: Origin, generation: u64, covers: u64, next_segment: u32) -> bool {
        if generation == self.generation {
            self.covers.get(usize::from(origin.shard)).is_none_or(|begun| covers > *begun)
        } else {
            // A generation that follows another one begins with its first segment.
            generation > self.generation && next_segment > 1
        }
    }

    /// Forgets it, durable: the data have no archive any more.
    ///
    /// # Errors
    /// Where it can't be removed.
    pub fn remove(data: &Path) -> Result<(), FileError> {
        let path = Self::path(data);
        if path.exists() {
            remove(&path)?;
            sync_directory(data)?;
        }
        Ok(())
    }
}

fn write(path: &Path, mut text: String) -> Result<(), FileError> {
    let checksum = xxh3_128(text.as_bytes());
    let _ = writeln!(text, "checksum {checksum:032x}");
    write_whole(path, text.as_bytes())
}

/// The text without its checksum; `None` where there is no such file.
fn read(path: &Path, kind: &str, bytes_max: usize) -> Result<Option<String>, FileError> {
    let bytes = match read_whole(path, bytes_max as u64, Buffer::new()) {
        Err(error) if error.error.kind() == ErrorKind::NotFound => return Ok(None),
        read => read?,
    };
    let text = std::str::from_utf8(&bytes).map_err(|_| damaged(path))?;
    let (before, checksum) = text.rsplit_once("checksum ").ok_or_else(|| damaged(path))?;
    if checksum != format!("{:032x}\n", xxh3_128(before.as_bytes())) {
        return Err(damaged(path));
    }
    if before.lines().next() != Some(kind) {
        let what = format!(
            "it is of a version that this program does not know: {:?}",
            before.lines().next().unwrap_or_default()
        );
        return Err(FileError::invalid(path, what));
    }
    Ok(Some(before.to_owned()))
}

fn damaged(path: &Path) -> FileError {
    FileError::invalid(path, format!("byte 0: it is not as it was written: {REMEDY}"))
}
