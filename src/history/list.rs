//! Which files a shard's history has, and what they are to be read as.

use std::fmt::Write as _;
use std::str::FromStr;

use super::bytes::checksum;
use super::format::{Counts, Header, Summary};
use journal::{Damage, Fault, Origin};
use wallet::{Millis, Sequence};

/// Version of the form of a list.
const FORMAT_VERSION: u32 = 2;

/// The length of its last line: `checksum `, 128 bits in hexadecimal, and the line's end.
const CHECKSUM_LINE_BYTES: usize = 9 + 32 + 1;

/// A file of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileEntry {
    /// What the file is to be.
    pub summary: Summary,
    /// No time in it is later when it is read, milliseconds since 1970: the clock was ahead when it was written, and was
    /// brought back.
    pub clamp_ms: Option<Millis>,
}

impl FileEntry {
    /// The last transaction of all rounds in it, as it is read, milliseconds since 1970.
    pub fn newest_ms(&self) -> Millis {
        let newest_ms = self.summary.counts.newest_ms;
        self.clamp_ms.map_or(newest_ms, |clamp_ms| newest_ms.min(clamp_ms))
    }

    /// Whether all that is in it is forgotten: what was touched last at or before `forgotten_until_ms` is.
    pub fn is_over(&self, forgotten_until_ms: Millis) -> bool {
        self.newest_ms() <= forgotten_until_ms
    }
}

/// The files of a shard's history. Stored, it is lines of text, the last one a checksum.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileList {
    /// The last record of the journal that was looked at for what belongs into them.
    pub covers: Sequence,
    /// Rounds that are not open, and whose last transaction was then or before, are in them, milliseconds since 1970.
    pub cut_ms: Millis,
    /// The files, in the order in which they were written.
    pub files: Vec<FileEntry>,
}

impl FileList {
    /// The files that are to become one: the first of a size of which there are [`limits::HISTORY_MERGED_FILES`]. Sizes differ by
    /// that factor, so a round is written again a few times at most. What would span more than a part of the retention stays apart,
    /// so that it goes when it is over; but for the smallest, which take more than they hold.
    pub fn to_merge(&self, retention_ms: u64) -> Option<Vec<FileEntry>> {
        let most = limits::HISTORY_MERGED_FILES;
        let size_of = |entry: &FileEntry| {
            let units = (entry.summary.counts.rows / limits::HISTORY_SMALL_ROWS).max(1);
            units.ilog(most as u64)
        };
        let mut sizes: Vec<u32> = self.files.iter().map(size_of).collect();
        sizes.sort_unstable();
        sizes.dedup();
        sizes.into_iter().find_map(|size| {
            let of_size: Vec<FileEntry> =
                self.files.iter().filter(|entry| size_of(entry) == size).copied().collect();
            let merged = of_size.get(..most)?.to_vec();
            let first_ms = merged.iter().map(|entry| entry.summary.counts.oldest_ms).min()?;
            let last_ms = merged.iter().map(|entry| entry.summary.counts.newest_ms).max()?;
            let is_short = last_ms - first_ms <= retention_ms / limits::HISTORY_RETENTION_PARTS;
            (is_short || size == 0 && of_size.len() >= most * most).then_some(merged)
        })
    }

    /// Where there are more files than these, the smallest of them, to become one.
    pub fn too_many(&self, most: usize) -> Option<Vec<FileEntry>> {
        if self.files.len() <= most {
            return None;
        }
        let mut files = self.files.clone();
        files.sort_by_key(|entry| entry.summary.counts.rows);
        files.truncate(limits::HISTORY_MERGED_AT_ONCE);
        Some(files)
    }

    /// The number that a further file of `origin` is to have.
    pub fn next_number(&self, origin: Origin) -> u64 {
        let of_origin = self.files.iter().map(|file| file.summary.header);
        let last = of_origin.filter(|header| header.origin == origin).map(|header| header.number).max();
        last.map_or(1, |last| last + 1)
    }

    /// Its bytes, which are text.
    ///
    /// # Panics
    /// Where it has more than [`limits::HISTORY_FILES_MAX`] files.
    pub fn to_bytes(&self) -> Vec<u8> {
        assert!(self.files.len() <= limits::HISTORY_FILES_MAX, "files are merged before they are too many");
        let Self { covers, cut_ms, files } = self;
        let mut text = format!("purser-history {FORMAT_VERSION}\ncovers {covers}\ncut_ms {cut_ms}\n");
        for file in files {
            put_file(&mut text, file);
        }
        text += &checksum_line(&text);
        text.into_bytes()
    }

    /// Reads a list. `name` is for what is reported.
    ///
    /// # Errors
    /// Where it is damaged, or of a version that is not this one's.
    pub fn from_bytes(name: &str, bytes: &[u8]) -> Result<Self, Damage> {
        parse(bytes).map_err(|(offset, what)| Damage {
            file: name.into(),
            offset: offset as u64,
            fault: match what {
                What::Bytes(what) => Fault::Bytes(what.into()),
                What::Format(found) => Fault::Format { found, expected: FORMAT_VERSION },
            },
        })
    }
}

/// What is wrong with a list.
enum What {
    Bytes(&'static str),
    Format(u32),
}

fn put_file(text: &mut String, file: &FileEntry) {
    let FileEntry { summary: Summary { header, bytes, checksum, counts }, clamp_ms } = file;
    let Header { origin: Origin { stream, shard, shards }, number } = header;
    let Counts { rows, by_game, oldest_ms, newest_ms, first_slot, last_slot } = counts;
    let clamp_ms = clamp_ms.map_or_else(|| "-".to_owned(), |clamp_ms| clamp_ms.to_string());
    let line = writeln!(
        text,
        "file {stream:016x} {shard} {shards} {number} {bytes} {checksum:032x} {rows} {by_game} {oldest_ms} {newest_ms} \
         {first_slot} {last_slot} {clamp_ms}"
    );
    line.expect("a string takes what is written");
}

/// The last line of a list, of what is before it.
fn checksum_line(before: &str) -> String {
    format!("checksum {:032x}\n", checksum(before.as_bytes()))
}

/// Reads a list's text, every byte of it.
fn parse(bytes: &[u8]) -> Result<FileList, (usize, What)> {
    let wrong = |offset: usize, what: &'static str| (offset, What::Bytes(what));
    if bytes.len() > limits::HISTORY_LIST_BYTES_MAX {
        return Err(wrong(limits::HISTORY_LIST_BYTES_MAX, "it is longer than any list of files"));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| wrong(error.valid_up_to(), "it is no text"))?;
    // All versions end it in this way, so that damage is told from what a later one has written.
    let (before, sum) =
        text.split_at_checked(text.len().saturating_sub(CHECKSUM_LINE_BYTES)).unwrap_or(("", text));
    if sum != checksum_line(before) {
        return Err(wrong(before.len(), "its checksum does not hold"));
    }
    let mut lines = before.split_inclusive('\n');
    let mut at = 0;
    let mut line = || {
        let line = lines.next()?;
        let begin = at;
        at += line.len();
        Some((begin, line.strip_suffix('\n')?))
    };
    let mut number = |name: &str| {
        let (begin, line) = line()?;
        let number = line.strip_prefix(name)?.strip_prefix(' ')?.parse::<u64>().ok()?;
        Some((begin, number))
    };
    let (_, format) = number("purser-history").ok_or_else(|| wrong(0, "it names no version"))?;
    if format != u64::from(FORMAT_VERSION) {
        return Err((0, What::Format(u32::try_from(format).unwrap_or(u32::MAX))));
    }
    let no_line = || wrong(0, "it does not say what it covers");
    let (_, covers) = number("covers").ok_or_else(no_line)?;
    let (_, cut_ms) = number("cut_ms").ok_or_else(no_line)?;
    let mut files = Vec::new();
    while let Some((begin, line)) = line() {
        files.push(file_of(line).ok_or_else(|| wrong(begin, "a line is none that this version writes"))?);
    }
    if files.len() > limits::HISTORY_FILES_MAX {
        return Err(wrong(before.len(), "it has more files than a list may have"));
    }
    let list = FileList { covers, cut_ms, files };
    // What it says, written again, is what was written.
    if list.to_bytes() == bytes {
        Ok(list)
    } else {
        Err(wrong(0, "it is not in the form that purser writes"))
    }
}

fn file_of(line: &str) -> Option<FileEntry> {
    fn next<'a, T: FromStr>(words: &mut impl Iterator<Item = &'a str>) -> Option<T> {
        words.next()?.parse().ok()
    }
    let mut words = line.strip_prefix("file ")?.split(' ');
    let words = &mut words;
    let stream = u64::from_str_radix(words.next()?, 16).ok()?;
    let origin = Origin { stream, shard: next(words)?, shards: next(words)? };
    let number = next(words)?;
    let header = Header { origin, number };
    let bytes = next(words)?;
    let checksum = u128::from_str_radix(words.next()?, 16).ok()?;
    let counts = Counts {
        rows: next(words)?,
        by_game: next(words)?,
        oldest_ms: next(words)?,
        newest_ms: next(words)?,
        first_slot: next(words)?,
        last_slot: next(words)?,
    };
    let clamp_ms = match words.next()? {
        "-" => None,
        number => Some(number.parse().ok()?),
    };
    let summary = Summary { header, bytes, checksum, counts };
    words.next().is_none().then_some(FileEntry { summary, clamp_ms })
}
