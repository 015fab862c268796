//! Where the archive is, and the checkpoint that an export begins after.

use std::io;
use std::path::{Path, PathBuf};

use super::args::ArchiveArgs;
use super::{DATA, Error, reason};

/// The archive unless told otherwise, below the data directory.
pub(crate) const ARCHIVE: &str = "archive";

/// What every checkpoint begins with, whatever its version.
const CHECKPOINT: &str = "purser-export-";

/// The archive of a data directory: below it, unless told otherwise.
pub(super) fn archive_dir(path: Option<PathBuf>, data: &Path) -> Result<PathBuf, Error> {
    match path {
        Some(path) if path.as_os_str().is_empty() => Err(Error::refused("the archive has an empty name")),
        path => Ok(path.unwrap_or_else(|| data.join(ARCHIVE))),
    }
}

/// The archive that a command reads too.
pub(super) fn archive_of(args: ArchiveArgs, data: Option<&PathBuf>) -> Result<Option<PathBuf>, Error> {
    let data = data.map_or_else(|| DATA.as_ref(), PathBuf::as_path);
    if args.no_archive { Ok(None) } else { archive_dir(args.archive, data).map(Some) }
}

/// A checkpoint as it was given, or out of the file that was named. The path of a file may have spaces too.
pub(super) fn checkpoint(given: String) -> Result<String, Error> {
    if given.trim_start().starts_with(CHECKPOINT) {
        return Ok(given);
    }
    let unreadable =
        |e: &io::Error| Error::refused(format!("the checkpoint {given} can't be read: {}", reason(e)));
    let file = std::fs::File::open(&given).map_err(|e| unreadable(&e))?;
    let mut text = String::new();
    let read = io::Read::read_to_string(&mut io::Read::take(file, limits::CHECKPOINT_BYTES_MAX), &mut text);
    read.map_err(|e| unreadable(&e))?;
    Ok(text)
}
