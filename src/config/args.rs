//! The command line as it is written: names, forms and help texts. What the values mean together is decided
//! in [`super`].

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use clap::{Parser, Subcommand, value_parser};

use super::cores::{self, CoreList};
use super::{address, token_policy};
use crate::limits;
use crate::wallet::TokenPolicy;

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

    /// Configuration file (TOML): platforms, domains, games, timeouts
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,

    #[command(flatten)]
    pub(super) placement: PlacementArgs,

    /// How session tokens are made [default: single-use]
    #[arg(long, value_name = "POLICY", value_parser = policy_parser())]
    pub(super) session_token: Option<TokenPolicy>,

    /// Serve made-up accounts under well-known credentials, on loopback addresses alone
    #[arg(long)]
    pub(super) demo: bool,

    /// Accounts of the demo [default: 10000]
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(..=i64::from(limits::DEMO_ACCOUNTS_MAX)))]
    pub(super) demo_accounts: Option<u32>,
}

/// Which cores, and how many shards on them; the same for every command that concerns shards.
#[derive(Debug, clap::Args)]
pub(super) struct PlacementArgs {
    /// Shards [default: one per core that the process may run on]
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

fn policy_parser() -> impl clap::builder::TypedValueParser<Value = TokenPolicy> {
    PossibleValuesParser::new(super::TOKEN_POLICIES.map(|(name, _)| name))
        .try_map(|name| token_policy(&name).ok_or("no such policy"))
}
