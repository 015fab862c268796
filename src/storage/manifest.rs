//! The manifest: which generation of the data holds, and what it was made for.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::xxh3_128;

use super::file::{FileError, read_whole, write_whole};
use super::generations::REMEDY;
use super::making;
use journal::Buffer;

/// Version of the manifest's form and of the layout of the directory.
const FORMAT_VERSION: u32 = 2;

/// The version of 0.1.0, whose shards have no marks, and whose snapshots do not name the segment that follows.
const FORMAT_VERSION_WITHOUT_MARKS: u32 = 1;

/// The length of its last line: `checksum `, 128 bits in hexadecimal, and the line's end.
const CHECKSUM_LINE_BYTES: usize = 9 + 32 + 1;

/// The name of its file.
pub(super) const NAME: &str = "manifest";

/// What a data directory holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// Version of the layout of the directory: 2, or 1 where version 0.1.0 has written it.
    pub format: u32,
    /// The generation that holds; data that is re-sharded is the next one. 0 where the first
    /// was begun, and nothing was served.
    pub generation: u64,
    /// The random number of its journals.
    pub stream: u64,
    /// The number of its shards.
    pub shards: u16,
    /// It began with the demo's data.
    pub demo: bool,
}

impl Manifest {
    /// A manifest of this version's format.
    pub const fn new(generation: u64, stream: u64, shards: u16, demo: bool) -> Self {
        Self { format: FORMAT_VERSION, generation, stream, shards, demo }
    }

    /// Whether each shard has a mark, and each snapshot names the segment that follows it.
    pub const fn has_marks(&self) -> bool {
        self.format > FORMAT_VERSION_WITHOUT_MARKS
    }

    /// Where the manifest of a data directory is.
    pub fn path(directory: &Path) -> PathBuf {
        directory.join(NAME)
    }

    /// Reads the manifest of a data directory; `None` where it has none, so nothing is in it yet.
    ///
    /// # Errors
    /// Where it can't be read, is damaged, or has a version that is not this one's; where there is none, and the directory was to be
    /// a backup or restored, and is not whole.
    pub fn read(directory: &Path) -> Result<Option<Self>, FileError> {
        let path = directory.join(NAME);
        let bytes = match read_whole(&path, limits::MANIFEST_BYTES_MAX as u64, Buffer::new()) {
            Err(error) if error.error.kind() == ErrorKind::NotFound => {
                return making::unfinished(directory).map_or(Ok(None), Err);
            }
            read => read?,
        };
        parse(&bytes).map(Some).map_err(|what| FileError::invalid(&path, what))
    }

    /// Writes the manifest, durable. From then on its generation holds.
    ///
    /// # Errors
    /// Where it can't be written; the one before it holds then.
    pub fn write(&self, directory: &Path) -> Result<(), FileError> {
        write_whole(&directory.join(NAME), self.to_text().as_bytes())
    }

    fn to_text(self) -> String {
        let Self { format, generation, stream, shards, demo } = self;
        let mut text = format!(
            "purser {format}\ngeneration {generation}\nstream {stream:016x}\nshards {shards}\ndemo {demo}\n"
        );
        text += &checksum_line(&text);
        text
    }
}

/// The last line of a manifest, of what is before it.
fn checksum_line(before: &str) -> String {
    format!("checksum {:032x}\n", xxh3_128(before.as_bytes()))
}

/// Reads a manifest's text, every byte of it.
fn parse(bytes: &[u8]) -> Result<Manifest, String> {
    let damaged = |what: &str| format!("it is not as it was written ({what}): {REMEDY}");
    let text = std::str::from_utf8(bytes).map_err(|_| damaged("it is no text"))?;
    // All versions end it in this way, so that damage is told from what a later one has written.
    let (before, checksum) =
        text.split_at_checked(text.len().saturating_sub(CHECKSUM_LINE_BYTES)).unwrap_or(("", text));
    if checksum != checksum_line(before) {
        return Err(damaged("its checksum does not hold"));
    }
    let format = before.strip_prefix("purser ").and_then(|rest| rest.lines().next());
    let format =
        format.and_then(|format| format.parse::<u32>().ok()).ok_or_else(|| damaged("it names no version"))?;
    if ![FORMAT_VERSION_WITHOUT_MARKS, FORMAT_VERSION].contains(&format) {
        return Err(format!(
            "it has format version {format}, and this program reads versions up to {FORMAT_VERSION}: a later version of \
             purser wrote it, and that one reads it"
        ));
    }
    let mut lines = text.lines();
    let mut member = |name: &str| {
        let line = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.ok_or_else(|| damaged(&format!("it has no {name}")))
    };
    let no_number = || damaged("a number in it is none");
    let number = |text: &str| text.parse::<u64>().map_err(|_| no_number());
    let manifest = Manifest {
        format,
        generation: number(member("generation")?)?,
        stream: u64::from_str_radix(member("stream")?, 16).map_err(|_| no_number())?,
        shards: u16::try_from(number(member("shards")?)?).map_err(|_| no_number())?,
        demo: member("demo")? == "true",
    };
    if !(1..=limits::SHARDS_MAX).contains(&usize::from(manifest.shards)) {
        return Err(damaged(&format!("it says {} shards", manifest.shards)));
    }
    // What it says, written again, is what was written.
    if manifest.to_text() != text {
        return Err(damaged("it is not in the form that purser writes"));
    }
    Ok(manifest)
}
