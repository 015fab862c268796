//! The data directory, before a server may promise anything of it.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use super::{Error, reason};
use storage::directory::PROBE;
use storage::lacks_room;

/// Makes the data directory ready: creates it where it is missing, for its owner alone, and proves that files
/// can be written in it. A server that finds this out with its first write has promised too much by then. One that was
/// there may be on a disk that is full or takes no writes: balances can be told of it. Returns whether it was created.
///
/// # Errors
/// A sentence that names the directory and the reason.
pub fn prepare_data_dir(path: &Path) -> Result<bool, Error> {
    let refused = |what: &str, e: &io::Error| {
        Error::refused(format!("the data directory {} {what}: {}", path.display(), reason(e)))
    };
    let found = path.metadata();
    if found.as_ref().is_ok_and(|found| !found.is_dir()) {
        return Err(Error::refused(format!("the data directory {} is not a directory", path.display())));
    }
    if let Err(e) = &found {
        if e.kind() == io::ErrorKind::PermissionDenied {
            return Err(refused("can't be looked at", e));
        }
        create(path).map_err(|e| refused("can't be created", &e))?;
    }
    match probe(path) {
        Err(e) if found.is_err() || !lacks_room(&e) => Err(refused("can't be written to", &e)),
        _ => Ok(found.is_err()),
    }
}

/// Creates a directory and those above it, each durable.
fn create(path: &Path) -> io::Result<()> {
    let above = path.parent().map(|above| if above.as_os_str().is_empty() { Path::new(".") } else { above });
    if let Some(above) = above.filter(|above| !above.exists()) {
        create(above)?;
    }
    match DirBuilder::new().mode(0o700).create(path) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(e),
        _ => {}
    }
    match above.map_or(Ok(()), |above| fs::File::open(above)?.sync_all()) {
        // Who may not read it can't sync it so; `storage` finds another way.
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        synced => synced,
    }
}

/// Writes a small file and removes it again.
fn probe(dir: &Path) -> io::Result<()> {
    let path = dir.join(format!("{PROBE}{}", std::process::id()));
    // A file of this name can only be what a killed process of the same number has left. It is removed, never
    // opened, so that a link of that name leads nowhere.
    match fs::remove_file(&path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&path)
        .and_then(|mut file| file.write_all(b"purser was here\n"));
    match written {
        Ok(()) => fs::remove_file(&path),
        Err(e) => {
            // A full disk leaves an empty file behind. The first fault is the one to tell.
            let _ = fs::remove_file(&path);
            Err(e)
        }
    }
}
