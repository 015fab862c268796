//! The manifest: which generation of the data holds, and what it was made for.

use std::fmt::Write;
use std::io::ErrorKind;
use std::path::Path;

use xxhash_rust::xxh3::xxh3_128;

use super::file::{FileError, read_whole, write_whole};
use crate::journal::Buffer;
use crate::limits;

/// Version of the manifest's form and of the layout of the directory.
const FORMAT_VERSION: u32 = 1;

/// The name of its file.
const NAME: &str = "manifest";

/// What a data directory holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The generation that holds; data that is dealt anew to another number of shards is the next one.
    pub generation: u64,
    /// The random number of its journals.
    pub stream: u64,
    /// The number of shards that it is dealt to.
    pub shards: u16,
    /// It began with the demo's data.
    pub demo: bool,
}

impl Manifest {
    /// Reads the manifest of a data directory; `None` where it has none, so nothing is in it yet.
    ///
    /// # Errors
    /// Where it can't be read, is damaged, or has a version that is not this one's.
    pub fn read(directory: &Path) -> Result<Option<Self>, FileError> {
        let path = directory.join(NAME);
        let bytes = match read_whole(&path, limits::MANIFEST_BYTES_MAX as u64, Buffer::new()) {
            Err(error) if error.error.kind() == ErrorKind::NotFound => return Ok(None),
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
        let Self { generation, stream, shards, demo } = self;
        let mut text = format!(
            "purser {FORMAT_VERSION}\ngeneration {generation}\nstream {stream:016x}\nshards {shards}\ndemo {demo}\n"
        );
        let checksum = xxh3_128(text.as_bytes());
        writeln!(text, "checksum {checksum:032x}").expect("text is written to memory");
        text
    }
}

/// Reads a manifest's text, every byte of it.
fn parse(bytes: &[u8]) -> Result<Manifest, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8")?;
    let format = text.strip_prefix("purser ").and_then(|rest| rest.lines().next());
    let format = format.ok_or("it is no manifest")?;
    if format != FORMAT_VERSION.to_string() {
        return Err(format!(
            "it has format version {format}, and this program reads version {FORMAT_VERSION}"
        ));
    }
    let mut lines = text.lines();
    let mut member = |name: &str| {
        let line = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.ok_or(format!("it has no {name}"))
    };
    let number = |text: &str| text.parse::<u64>().map_err(|error| error.to_string());
    let manifest = Manifest {
        generation: number(member("generation")?)?,
        stream: u64::from_str_radix(member("stream")?, 16).map_err(|error| error.to_string())?,
        shards: u16::try_from(number(member("shards")?)?).map_err(|error| error.to_string())?,
        demo: member("demo")? == "true",
    };
    // What it says, written again, is what was written: that is the checksum too.
    if manifest.to_text() != text {
        return Err("it is not as it was written: its checksum is another one".into());
    }
    Ok(manifest)
}
