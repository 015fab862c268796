//! The command line as it is written: names, forms and help texts. What the values mean together is decided
//! in [`super`].

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use clap::{Parser, Subcommand, value_parser};

use super::cores::{self, CoreList};
use super::{address, token_policy};
use wallet::TokenPolicy;

/// A wallet server for online gaming.
#[derive(Debug, Parser)]
#[command(name = "purser", version, subcommand_required = true, arg_required_else_help = true)]
pub(super) struct Args {
    #[command(subcommand)]
    pub(super) command: Task,
}

#[derive(Debug, Subcommand)]
pub(super) enum Task {
    /// Serve the wallet until SIGTERM or SIGINT
    Serve(ServeArgs),
    /// Show what this machine offers the server and what it lacks, each with a remedy
    Doctor(DoctorArgs),
    /// Check a data directory: checksums, hash chain, every record applied again, balances against double entry
    Verify(VerifyArgs),
    /// Tell how an account's balance came to be, step by step
    Explain(ExplainArgs),
    /// Write the transactions that a data directory and its archive have, from the first one on
    Export(ExportArgs),
    /// Back up a data directory, also while a server serves from it
    Backup(BackupArgs),
    /// Restore a data directory from a backup, as it was then or at an earlier moment
    Restore(RestoreArgs),
    /// Print completions of these commands for a shell
    Completions(CompletionsArgs),
    /// Print the man page of purser, or of one of its commands
    Man(ManArgs),
}

#[derive(Debug, clap::Args)]
pub(super) struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub(super) shell: clap_complete::Shell,
}

#[derive(Debug, clap::Args)]
pub(super) struct ManArgs {
    /// The command; all of purser where none is named
    #[arg(value_name = "COMMAND")]
    pub(super) command: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(super) struct DataArgs {
    /// Data directory to read [default: ./purser-data]
    #[arg(long, value_name = "DIR")]
    pub(super) data: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(super) struct ExplainArgs {
    #[command(flatten)]
    pub(super) data: DataArgs,

    #[command(flatten)]
    pub(super) archive: ArchiveArgs,

    /// The account, domain/player
    #[arg(long, value_name = "ACCOUNT")]
    pub(super) account: String,

    /// Stop after this time, such as 2026-11-24T16:00:00Z
    #[arg(long, value_name = "TIME", value_parser = time, conflicts_with = "transaction")]
    pub(super) at: Option<jiff::Timestamp>,

    /// Tell of this transaction alone
    #[arg(long, value_name = "ID")]
    pub(super) transaction: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(super) struct ExportArgs {
    #[command(flatten)]
    pub(super) data: DataArgs,

    #[command(flatten)]
    pub(super) archive: ArchiveArgs,

    /// The form of a line
    #[arg(long, value_enum, default_value_t = ExportFormat::Jsonl)]
    pub(super) format: ExportFormat,

    /// Only what is new since an earlier export: its checkpoint, or a file with it
    #[arg(long, value_name = "CHECKPOINT")]
    pub(super) since: Option<String>,

    /// Write the checkpoint of this export to a file, in place of standard error
    #[arg(long, value_name = "FILE")]
    pub(super) checkpoint: Option<PathBuf>,
}

/// Where the archive is that is read too.
#[derive(Debug, clap::Args)]
pub(super) struct ArchiveArgs {
    /// Archive to read [default: archive, below the data directory]
    #[arg(long, value_name = "DIR")]
    pub(super) archive: Option<PathBuf>,

    /// Leave the archive out
    #[arg(long, conflicts_with = "archive")]
    pub(super) no_archive: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct VerifyArgs {
    #[command(flatten)]
    pub(super) data: DataArgs,

    /// Check the archive too [default DIR: archive, below the data directory]
    #[arg(long, value_name = "DIR", num_args = 0..=1, require_equals = true)]
    pub(super) archive: Option<Option<PathBuf>>,
}

#[derive(Debug, clap::Args)]
pub(super) struct BackupArgs {
    #[command(flatten)]
    pub(super) data: DataArgs,

    #[command(flatten)]
    pub(super) archive: ArchiveArgs,

    /// Where the backup goes: a new directory, or an empty one
    #[arg(long, value_name = "DIR")]
    pub(super) to: PathBuf,

    /// Link what an earlier backup has and has not changed, and copy only what is new
    #[arg(long, value_name = "BACKUP")]
    pub(super) since: Option<PathBuf>,

    /// Don't verify what was written
    #[arg(long)]
    pub(super) no_verify: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct RestoreArgs {
    /// The backup, or a data directory that no server serves from
    #[arg(long, value_name = "BACKUP")]
    pub(super) from: PathBuf,

    /// Where the data directory goes: a new directory, or an empty one
    #[arg(long, value_name = "DIR")]
    pub(super) to: PathBuf,

    /// Leave out what came after this time, such as 2026-11-24T16:00:00Z
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(super) at: Option<jiff::Timestamp>,

    #[command(flatten)]
    pub(super) archive: ArchiveArgs,

    /// Don't verify what was written
    #[arg(long)]
    pub(super) no_verify: bool,
}

fn time(text: &str) -> Result<jiff::Timestamp, String> {
    text.parse().map_err(|_| {
        "it is not a date-time of RFC 3339 up to the year 9999, with Z or an offset, such as 2026-11-24T16:00:00Z".into()
    })
}

/// The form of an exported line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum ExportFormat {
    /// JSON Lines: one object per line
    Jsonl,
    /// CSV (RFC 4180) with a header
    Csv,
    /// Parquet, amounts in minor units
    Parquet,
}

#[derive(Debug, clap::Args)]
pub(super) struct ServeArgs {
    /// Where platforms call the wallet [default: 127.0.0.1:9816]
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    pub(super) listen: Option<SocketAddr>,

    /// Where the operator calls: accounts, sessions, health, metrics [default: 127.0.0.1:9817]
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    pub(super) operator_listen: Option<SocketAddr>,

    /// Data directory; created where it is missing [default: ./purser-data]
    #[arg(long, value_name = "DIR")]
    pub(super) data: Option<PathBuf>,

    /// Archive of what was folded; created when it is needed [default: archive, below the data directory]
    #[arg(long, value_name = "DIR")]
    pub(super) archive: Option<PathBuf>,

    /// Configuration file (TOML): platforms, domains, games, timeouts
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,

    #[command(flatten)]
    pub(super) placement: PlacementArgs,

    /// How session tokens are made [default: single-use]
    #[arg(long, value_name = "POLICY", value_parser = policy_parser())]
    pub(super) session_token: Option<TokenPolicy>,

    /// Memory that the process may use, MiB; near it nothing new is begun [default: three quarters of the machine's, or of the
    /// cgroup's limit]
    #[arg(long, value_name = "MIB", value_parser = value_parser!(u64).range(MEMORY_BUDGET_MIB))]
    pub(super) memory_budget_mib: Option<u64>,

    /// Serve made-up accounts under well-known credentials, on loopback addresses alone
    #[arg(long)]
    pub(super) demo: bool,

    /// Accounts of the demo [default: 10000]
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(..=i64::from(limits::DEMO_ACCOUNTS_MAX)))]
    pub(super) demo_accounts: Option<u32>,

    /// Start although the clock is far ahead of the journal's last record: nothing was written for that long
    #[arg(long, conflicts_with = "rebase_clock")]
    pub(super) after_pause: bool,

    /// Start although the clock is behind the journal, which was written under one that was ahead: bring its times back
    #[arg(long)]
    pub(super) rebase_clock: bool,
}

/// Which cores, and how many shards on them; the same for every command that concerns shards.
#[derive(Debug, clap::Args)]
pub(super) struct PlacementArgs {
    /// Shards [default: one per core that the process may run on and its CPU quota has the time for]
    #[arg(long, value_name = "N", value_parser = value_parser!(u16).range(1..=limits::SHARDS_MAX as i64))]
    pub(super) shards: Option<u16>,

    /// Cores to run on, one shard each, such as 0,2-3
    #[arg(long, value_name = "LIST", value_parser = cores::parse_list)]
    pub(super) cores: Option<CoreList>,
}

#[derive(Debug, clap::Args)]
pub(super) struct DoctorArgs {
    /// Data directory to look at [default: ./purser-data]
    #[arg(long, value_name = "DIR")]
    pub(super) data: Option<PathBuf>,

    #[command(flatten)]
    pub(super) placement: PlacementArgs,
}

/// What a budget of memory may be, MiB.
const MEMORY_BUDGET_MIB: RangeInclusive<u64> = limits::MEMORY_BUDGET_MIB_MIN..=limits::MEMORY_BUDGET_MIB_MAX;

fn policy_parser() -> impl clap::builder::TypedValueParser<Value = TokenPolicy> {
    PossibleValuesParser::new(super::TOKEN_POLICIES.map(|(name, _)| name))
        .try_map(|name| token_policy(&name).ok_or("no such policy"))
}
