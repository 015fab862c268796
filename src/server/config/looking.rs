//! What is asked of the commands that look into data.

use std::path::PathBuf;

use super::archive::{archive_dir, archive_of, checkpoint};
use super::args::{ExplainArgs, ExportArgs, ExportFormat, VerifyArgs};
use super::{Error, data_of};

/// What `purser explain` is asked for.
#[derive(Clone, Debug)]
pub struct ExplainOptions {
    /// The data directory.
    pub data: PathBuf,
    /// `domain/player`.
    pub account: String,
    /// Nothing after this is told, milliseconds since 1970.
    pub until_ms: Option<u64>,
    /// No other transaction is told of.
    pub transaction: Option<String>,
    /// The archive; `None` where it is left out.
    pub archive: Option<PathBuf>,
}

/// What `purser verify` is asked for.
#[derive(Clone, Debug)]
pub struct VerifyOptions {
    /// The data directory.
    pub data: PathBuf,
    /// The archive, where it is checked too.
    pub archive: Option<PathBuf>,
}

/// What `purser export` is asked for.
#[derive(Clone, Debug)]
pub struct ExportOptions {
    /// The data directory.
    pub data: PathBuf,
    /// The form of a line.
    pub format: ExportFormat,
    /// The archive; `None` where it is left out.
    pub archive: Option<PathBuf>,
    /// The checkpoint after which it begins.
    pub since: Option<String>,
    /// Where the checkpoint goes; `None` for standard error.
    pub checkpoint: Option<PathBuf>,
}

pub(super) fn verify(args: VerifyArgs) -> Result<VerifyOptions, Error> {
    let data = data_of(args.data)?;
    let archive = args.archive.map(|path| archive_dir(path, &data)).transpose()?;
    Ok(VerifyOptions { data, archive })
}

pub(super) fn explain(args: ExplainArgs) -> Result<ExplainOptions, Error> {
    Ok(ExplainOptions {
        archive: archive_of(args.archive, args.data.data.as_ref())?,
        data: data_of(args.data)?,
        account: args.account,
        until_ms: args.at.map(|at| u64::try_from(at.as_millisecond()).unwrap_or(0)),
        transaction: args.transaction,
    })
}

pub(super) fn export(args: ExportArgs) -> Result<ExportOptions, Error> {
    Ok(ExportOptions {
        archive: archive_of(args.archive, args.data.data.as_ref())?,
        data: data_of(args.data)?,
        format: args.format,
        since: args.since.map(checkpoint).transpose()?,
        checkpoint: args.checkpoint,
    })
}
