//! The wallet on axum, with its accounts in PostgreSQL.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use peers::cluster::Cluster;
use peers::postgres::Postgres;
use peers::serve::Serving;

/// Connections for each core: what commits waits for the disk, and those that wait together share one sync.
const CONNECTIONS_PER_CORE: usize = 8;

/// Serves the wallet's demo from PostgreSQL, as most people would write it.
#[derive(Debug, Parser)]
#[command(name = "axum-postgres", version, max_term_width = 100)]
struct Arguments {
    #[command(flatten)]
    serving: Serving,
    /// An empty database, postgres://… [default: one of a server that is started for it, and ended with it]
    #[arg(long, value_name = "URL", conflicts_with = "scratch")]
    database: Option<String>,
    /// Where that server has its files, in a directory of its own [default: the system's for temporary files]
    #[arg(long, value_name = "DIR")]
    scratch: Option<PathBuf>,
    /// Connections to the database [default: 8 for each thread]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    connections: Option<u16>,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => {
            // Who reads this has nothing else to be told by.
            let _ = writeln!(io::stderr(), "axum-postgres: {sentence}");
            2.into()
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), String> {
    let Arguments { serving, database, scratch, connections } = arguments;
    let connections = connections.map_or(CONNECTIONS_PER_CORE * serving.threads(), usize::from) as u32;
    let cluster = match database {
        Some(_) => None,
        None => Some(Cluster::start(scratch.as_deref(), connections)?),
    };
    if let Some(cluster) = &cluster {
        let _ = writeln!(io::stderr(), "axum-postgres: {}, {connections} connections", cluster.settings());
    }
    let url = database.as_deref().or(cluster.as_ref().map(Cluster::url)).unwrap_or_default();
    serving.runtime()?.block_on(async {
        let store = Postgres::open(url, connections, serving.demo_accounts).await?;
        let sweeping = tokio::spawn(store.clone().sweep());
        let served = serving.run("axum-postgres", store.clone()).await;
        sweeping.abort();
        store.close().await;
        served
    })
}
