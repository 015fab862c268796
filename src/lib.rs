//! purser: a wallet server for online gaming.
//!
//! Game platforms call it over HTTP while people play. One executor per core, nothing shared: each core owns a
//! **shard** of the accounts and everything about them. `ARCHITECTURE.md` has the whole picture.
//!
//! The modules in reading order, each with what it may import of the others:
//!
//! | module | is | imports |
//! |---|---|---|
//! | [`limits`] | every bound, with its reason | nothing |
//! | [`marks`] | branches that matter, counted | nothing |
//! | [`wallet`] | the pure state machine: operation and time in, outcome out | `limits`, `marks` |
//! | [`http`] | bytes to requests, answers to bytes; pure | `limits` |
//! | [`api`] | requests to operations, outcomes to JSON; pure | `http`, `wallet`, `limits` |
//! | [`journal`] | changes to bytes and back; pure | `wallet`, `limits`, `marks` |
//! | [`storage`] | the data directory; bytes to segment files | `journal`, `limits` |
//! | [`shard`] | who owns what, the lanes between cores, the way to the disk | `wallet`, `journal`, `storage`, `clock`, `metrics`, `limits`, `marks` |
//! | [`net`] | the ring driver and its connections | `http`, `api`, `shard`, `wallet`, `clock`, `metrics`, `limits` |
//! | [`clock`] | the only reader of time | `limits` |
//! | [`metrics`] | counters | nothing |
//! | [`recovery`] | wallets out of what was stored; pure | `journal`, `wallet`, `shard`, `limits` |
//! | [`calendar`] | when days, weeks and months begin in a time zone | `wallet` |
//! | [`config`] | arguments and file to one `Config` | `api`, `wallet`, `storage`, `net`, `calendar`, `clock`, `limits` |
//! | [`data`] | a data directory, opened whole | `recovery`, `storage`, `journal`, `wallet`, `shard`, `config`, `calendar`, `clock`, `limits` |
//! | [`doctor`] | what the machine offers and lacks | `config`, `net`, `clock`, `storage`, `limits` |
//! | [`inspect`] | `verify`, `explain`, `export` | `storage`, `recovery`, `journal`, `shard`, `wallet`, `config`, `clock`, `limits` |
//! | [`server`] | pins the cores, joins them, drains them | all |
//!
//! `tests/tidy.rs` reads the `use` lines and holds the table.

pub mod api;
pub mod calendar;
pub mod clock;
pub mod config;
pub mod data;
pub mod doctor;
pub mod http;
pub mod inspect;
pub mod journal;
pub mod limits;
pub mod marks;
pub mod metrics;
pub mod net;
pub mod recovery;
pub mod server;
pub mod shard;
pub mod storage;
pub mod wallet;
