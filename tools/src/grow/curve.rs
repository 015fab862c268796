//! What each curve changes, and what it holds.

use std::ops::RangeInclusive;

use clap::ValueEnum;

use crate::load::Scenario;

use super::values::Measure;

/// Demo accounts where they are not what is changed: one for each of 10,000 connections.
const ACCOUNTS: u32 = 10_000;

/// Connections where they are not what is changed.
const CONNECTIONS: u32 = 100;

/// Connections of the pipelines: few, so that a pipeline is what keeps the server from waiting.
const PIPELINES: u32 = 10;

/// A curve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Curve {
    /// connections that all ask without a pause; balance and bet
    Connections,
    /// accounts that requests are spread over; memory and time of a start
    Accounts,
    /// requests that each connection has under way; balance
    Pipeline,
    /// share of requests for accounts of the other shard; balance and bet
    CrossShard,
    /// one account for all against one for each connection; bet
    Hot,
}

/// A line of a curve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CurveLine {
    /// Its name in tables and legends.
    pub(crate) name: &'static str,
    /// What is played.
    pub(crate) scenario: Scenario,
    /// All play one account.
    pub(crate) hot: bool,
}

const BALANCE: CurveLine = CurveLine { name: "balance", scenario: Scenario::Balance, hot: false };
const BET: CurveLine = CurveLine { name: "bet", scenario: Scenario::Bet, hot: false };

impl Curve {
    /// The name on the command line and of the files.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::Accounts => "accounts",
            Self::Pipeline => "pipeline",
            Self::CrossShard => "cross-shard",
            Self::Hot => "hot",
        }
    }

    /// The heading of its section.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Connections => "Connections",
            Self::Accounts => "Accounts",
            Self::Pipeline => "Pipelining",
            Self::CrossShard => "Requests across shards",
            Self::Hot => "One hot account",
        }
    }

    /// What is changed, with its unit.
    pub(crate) const fn axis(self) -> &'static str {
        match self {
            Self::Connections | Self::Hot => "connections",
            Self::Accounts => "accounts",
            Self::Pipeline => "requests under way per connection",
            Self::CrossShard => "requests across shards",
        }
    }

    /// How the picture and the table are to be read.
    pub(crate) const fn caption(self) -> &'static str {
        match self {
            Self::Connections => {
                "Server with one shard on core 0, generator on core 1. Each connection has one request under way \
                 and sends the next one as soon as it has the answer. So with one connection the latency \
                 determines the rate. With many, the server's core does: the rate levels off, and further \
                 requests wait. The server answers a bet once it is on stable storage; the more connections wait, \
                 the more bets share a write and a sync."
            }
            Self::Accounts => {
                "Server with one shard on core 0, generator on core 1, 100 connections. Each request is for an \
                 account drawn at random from all, so the more accounts there are, the fewer of the requested \
                 ones are in the processor's caches. Memory is that of the process after its start and before any \
                 request. The first start creates the accounts and writes them to a snapshot; a further start \
                 reads them from it."
            }
            Self::Pipeline => {
                "Server with one shard on core 0, generator on core 1, 10 connections. With more requests under \
                 way on a connection, one receive and one send serve several of them, so each costs less kernel \
                 time. Answers arrive in the order of the requests; the latency of each counts from when it was \
                 sent."
            }
            Self::CrossShard => {
                "Server with two shards on cores 0 and 1, generator on the same cores, 100 connections. Each \
                 request is for an account of the connection's own shard or of the other one, drawn at random \
                 with the share shown. The rise of the CPU time per request from 0 to 100 % is the cost of \
                 passing an operation to another core and its outcome back."
            }
            Self::Hot => {
                "Server with one shard on core 0, generator on core 1. All connections bet from one account, \
                 compared with an account for each connection. An account needs no lock: its shard applies one \
                 operation after another, for all its accounts."
            }
        }
    }

    /// Where it is measured.
    pub(crate) const fn points(self) -> &'static [u32] {
        match self {
            Self::Connections => &[1, 10, 100, 1_000, 10_000],
            Self::Accounts => &[1_000, 10_000, 100_000, 1_000_000, 10_000_000],
            Self::Pipeline => &[1, 2, 4, 8, 16, 32, 64],
            Self::CrossShard => &[0, 25, 50, 75, 100],
            Self::Hot => &[1, 10, 100, 1_000],
        }
    }

    /// Where it can be measured.
    pub(crate) const fn bounds(self) -> RangeInclusive<u32> {
        match self {
            Self::Connections | Self::Hot => 1..=ACCOUNTS,
            Self::Accounts => 1..=limits::DEMO_ACCOUNTS_MAX,
            Self::Pipeline => 1..=limits::PIPELINE_DEPTH_MAX as u32,
            Self::CrossShard => 0..=100,
        }
    }

    /// Its lines.
    pub(crate) const fn series(self) -> &'static [CurveLine] {
        match self {
            Self::Connections | Self::Accounts | Self::CrossShard => &[BALANCE, BET],
            Self::Pipeline => &[BALANCE],
            Self::Hot => &[
                CurveLine { name: "bet, one account", hot: true, ..BET },
                CurveLine { name: "bet, an account each", ..BET },
            ],
        }
    }

    /// The columns of its table.
    pub(crate) const fn measures(self) -> &'static [Measure] {
        use Measure as M;
        match self {
            Self::Connections | Self::CrossShard | Self::Hot => {
                &[M::Rate, M::Median, M::Tail, M::Cpu, M::Batch, M::Sync]
            }
            Self::Accounts => {
                &[M::Rate, M::Median, M::Tail, M::Cpu, M::Batch, M::Sync, M::Memory, M::Start, M::Restart]
            }
            Self::Pipeline => &[M::Rate, M::Median, M::Tail, M::Cpu],
        }
    }

    /// Whether a point needs a server of its own, which is looked at when it has started.
    pub(crate) const fn is_of_server(self) -> bool {
        matches!(self, Self::Accounts)
    }

    /// The cores of the server.
    pub(crate) const fn cores(self) -> &'static str {
        if matches!(self, Self::CrossShard) { "0,1" } else { "0" }
    }

    /// Demo accounts of the server of a point.
    pub(crate) const fn demo_accounts(self, point: u32) -> u32 {
        if matches!(self, Self::Accounts) { point } else { ACCOUNTS }
    }

    /// The options of `tools load` at a point, but for the server's addresses and the duration.
    pub(crate) fn load(self, series: CurveLine, point: u32) -> Vec<String> {
        let mut words = vec!["--scenario".to_owned(), series.scenario.name().to_owned()];
        let mut put = |option: &str, value: u32| words.extend([option.to_owned(), value.to_string()]);
        match self {
            Self::Connections | Self::Hot => put("--vus", point),
            Self::Accounts => {
                put("--vus", CONNECTIONS);
                put("--accounts", point);
            }
            Self::Pipeline => {
                put("--vus", PIPELINES);
                put("--pipeline", point);
            }
            Self::CrossShard => {
                put("--vus", CONNECTIONS);
                put("--accounts", ACCOUNTS);
                put("--cross-shard", point);
            }
        }
        // Where the server has the other core, too, the generator goes where there is room.
        if self.cores() == "0" {
            put("--pin", 1);
        }
        if series.hot {
            words.push("--hot".to_owned());
        }
        words
    }
}
