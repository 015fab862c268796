//! What is asked of a backup, and of what is made of one.

use std::path::PathBuf;

use super::archive::archive_of;
use super::args::{BackupArgs, RestoreArgs};
use super::{Error, data_of};

/// What `purser backup` is asked for.
#[derive(Clone, Debug)]
pub struct BackupOptions {
    /// The data directory.
    pub data: PathBuf,
    /// Its archive; `None` where it is left out.
    pub archive: Option<PathBuf>,
    /// Where the backup goes: not there yet, or empty.
    pub to: PathBuf,
    /// An earlier backup, of which is taken what has not changed.
    pub since: Option<PathBuf>,
    /// What was written is verified.
    pub verify: bool,
}

/// What `purser restore` is asked for.
#[derive(Clone, Debug)]
pub struct RestoreOptions {
    /// A backup, or a data directory.
    pub from: PathBuf,
    /// Its archive; `None` where it is left out.
    pub archive: Option<PathBuf>,
    /// Where the data directory goes: not there yet, or empty.
    pub to: PathBuf,
    /// What came later is left out, milliseconds since 1970; `None` for all.
    pub at_ms: Option<u64>,
    /// What was written is verified.
    pub verify: bool,
}

pub(super) fn backup(args: BackupArgs) -> Result<BackupOptions, Error> {
    Ok(BackupOptions {
        archive: archive_of(args.archive, args.data.data.as_ref())?,
        data: data_of(args.data)?,
        to: named(args.to, "the directory of the backup")?,
        since: args.since.map(|path| named(path, "the earlier backup")).transpose()?,
        verify: !args.no_verify,
    })
}

pub(super) fn restore(args: RestoreArgs) -> Result<RestoreOptions, Error> {
    Ok(RestoreOptions {
        archive: archive_of(args.archive, Some(&args.from))?,
        from: named(args.from, "what is to be restored")?,
        to: named(args.to, "the directory of what is restored")?,
        at_ms: args.at.map(|at| u64::try_from(at.as_millisecond()).unwrap_or(0)),
        verify: !args.no_verify,
    })
}

fn named(path: PathBuf, what: &str) -> Result<PathBuf, Error> {
    if path.as_os_str().is_empty() {
        return Err(Error::refused(format!("{what} has an empty name")));
    }
    Ok(path)
}
