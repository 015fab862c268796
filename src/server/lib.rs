//! purser: a wallet server for online gaming.
//!
//! Game platforms call it over HTTP while people play. One executor per core, nothing shared: each core owns a
//! **shard** of the accounts and everything about them. `ARCHITECTURE.md` has the whole picture.
//!
//! This crate joins the others: `net` serves the connections of a core, `serve` starts and stops the cores, and the rest is what the
//! program does beside that.

#![cfg_attr(not(test), warn(clippy::print_stdout, clippy::print_stderr))]
#![forbid(unsafe_code)]

pub mod backup;
pub mod config;
pub mod data;
pub mod doctor;
pub mod inspect;
pub mod net;
mod parallel;
mod rlimit;
pub mod serve;
