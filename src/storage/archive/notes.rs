//! The small files of an archive: lines of text, the last of which is the checksum of those before.

use std::fmt::Write as _;
use std::io::ErrorKind;
use std::path::Path;

use xxhash_rust::xxh3::xxh3_128;

use super::REMEDY;
use crate::file::{FileError, read_whole, write_whole};
use journal::{Buffer, Point, RecordHash};

const FIRST: &str = "purser archive 1";
const END: &str = "purser archived generation 1";

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

pub(super) fn read_first(path: &Path) -> Result<Option<u64>, FileError> {
    let Some(text) = read(path, FIRST, limits::MANIFEST_BYTES_MAX)? else { return Ok(None) };
    let first = text.lines().nth(1).and_then(|line| line.strip_prefix("first ")?.parse().ok());
    first.map(Some).ok_or_else(|| damaged(path))
}

pub(super) fn write_first(path: &Path, generation: u64) -> Result<(), FileError> {
    write(path, format!("{FIRST}\nfirst {generation}\n"))
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
