//! The servers that are compared: how each is started, and what there is to say of it.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use clap::ValueEnum;
use testkit::process::Process;

use crate::child;
use crate::load::scenario::Scenario;

/// A server that is compared, in the order in which a round has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Peer {
    /// axum with sqlx on PostgreSQL
    Postgres,
    /// axum with its accounts in memory
    Memory,
    /// canned answers, nothing read
    Ceiling,
    /// purser with one shard
    #[value(name = "purser-1")]
    OneShard,
    /// purser with two
    #[value(name = "purser-2")]
    TwoShards,
}

/// A running peer. Killed when it is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    process: Process,
    pub(crate) address: SocketAddr,
    /// What it says of how it is set.
    pub(crate) settings: Option<String>,
}

impl Peer {
    /// The name in the tables.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Postgres => "axum + sqlx + PostgreSQL",
            Self::Memory => "axum in memory",
            Self::Ceiling => "the ceiling",
            Self::OneShard => "purser, 1 shard",
            Self::TwoShards => "purser, 2 shards",
        }
    }

    /// Whether what it answers survives a crash.
    pub(crate) const fn is_durable(self) -> bool {
        matches!(self, Self::Postgres | Self::OneShard | Self::TwoShards)
    }

    /// Whether it can play a scenario. The ceiling mints no token that could be redeemed, and the peers on axum know none
    /// that a platform mints itself.
    pub(crate) fn plays(self, scenario: Scenario) -> bool {
        match self {
            Self::Postgres | Self::Memory => scenario != Scenario::Wrapped,
            Self::Ceiling => !scenario.redeems(),
            Self::OneShard | Self::TwoShards => true,
        }
    }

    /// That its program is there.
    ///
    /// # Errors
    /// A sentence that says how it is built.
    pub(crate) fn is_built(self) -> Result<(), String> {
        self.command(Scenario::Balance, Path::new(""), 0).map(|_| ())
    }

    /// Starts it afresh to play `scenario`, with this many demo accounts and its files below `scratch`.
    ///
    /// # Errors
    /// A sentence: a program that was not built, or what it said last.
    pub(crate) fn start(
        self,
        scenario: Scenario,
        scratch: &Path,
        demo_accounts: u32,
    ) -> Result<Running, String> {
        let settings = RefCell::new(None);
        let (process, address) = child::start(self.command(scenario, scratch, demo_accounts)?, |line| {
            if let Some(found) = settings_in(line) {
                settings.replace(Some(found.to_owned()));
            }
            address_in(line)
        })?;
        Ok(Running { process, address, settings: settings.into_inner() })
    }

    fn command(self, scenario: Scenario, scratch: &Path, demo_accounts: u32) -> Result<Command, String> {
        let listening = ["--listen", "127.0.0.1:0"];
        let accounts = ["--demo-accounts".to_owned(), demo_accounts.to_string()];
        let mut command;
        match self {
            Self::Postgres => {
                command = Command::new(child::beside("axum-postgres")?);
                command.args(listening).args(accounts).arg("--scratch").arg(scratch);
            }
            Self::Memory => {
                command = Command::new(child::beside("axum-memory")?);
                command.args(listening).args(accounts);
            }
            Self::Ceiling => {
                command = Command::new(child::own()?);
                command.arg("ceiling").args(listening);
            }
            Self::OneShard | Self::TwoShards => {
                let binary = child::beside("purser")?;
                command = Command::new(&binary);
                command.args(
                    child::Options {
                        binary,
                        cores: Some(if self == Self::OneShard { "0" } else { "0,1" }.to_owned()),
                        demo_accounts,
                        data: scratch.join("data"),
                        extra: scenario.server_options(),
                    }
                    .arguments(),
                );
            }
        }
        Ok(command)
    }
}

impl Running {
    /// The process's id.
    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Drains it and ends it.
    ///
    /// # Errors
    /// A sentence, where it did not end well.
    pub(crate) fn stop(self) -> Result<(), String> {
        child::stop(self.process)
    }
}

/// Where platforms call, in the line that a server writes once it serves.
fn address_in(line: &str) -> Option<SocketAddr> {
    let (before, after) = line.split_once(" on http://")?;
    let serves = ["purser serves platforms", "ceiling answers", "axum-memory serves", "axum-postgres serves"];
    serves.contains(&before).then(|| after.split(' ').next()?.parse().ok())?
}

/// What the peer on PostgreSQL says of its database's settings.
fn settings_in(line: &str) -> Option<&str> {
    line.strip_prefix("axum-postgres: ")
        .filter(|rest| rest.starts_with("PostgreSQL ") && rest.contains(" with "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_address(line: &str, expect: Option<&str>) {
        assert_eq!(address_in(line), expect.map(|text| text.parse().expect("an address")), "{line}");
    }

    #[test]
    fn where_a_peer_serves() {
        let purser =
            "purser serves platforms on http://127.0.0.1:1 and the operator on http://127.0.0.1:2, 1 shard";
        check_address(purser, Some("127.0.0.1:1"));
        check_address("axum-memory serves on http://127.0.0.1:3", Some("127.0.0.1:3"));
        check_address("axum-postgres serves on http://127.0.0.1:4", Some("127.0.0.1:4"));
        check_address("ceiling answers on http://127.0.0.1:5", Some("127.0.0.1:5"));
        check_address("purser: a note on http://127.0.0.1:6", None);
        check_address("axum-memory serves on http://nowhere", None);
    }

    #[test]
    fn settings() {
        let line = "axum-postgres: PostgreSQL 15.18 with fsync=on, 16 connections";
        assert_eq!(settings_in(line), Some("PostgreSQL 15.18 with fsync=on, 16 connections"));
        assert_eq!(settings_in("axum-postgres: PostgreSQL is not installed"), None);
    }

    #[test]
    fn who_plays_what() {
        for peer in Peer::value_variants() {
            assert!(peer.plays(Scenario::Balance), "{peer:?}");
            assert_eq!(peer.plays(Scenario::Full), *peer != Peer::Ceiling, "{peer:?}");
            let knows_sessions_alone = matches!(peer, Peer::Postgres | Peer::Memory);
            assert_eq!(peer.plays(Scenario::Wrapped), !knows_sessions_alone, "{peer:?}");
        }
    }
}
