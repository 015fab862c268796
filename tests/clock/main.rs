//! Wrong clocks: the real program, on real files, whose time of day a preloaded shim shifts while it runs.
//!
//! A player must not pay twice, be logged out, or get round a limit because somebody set the clock of the machine; and a
//! server that finds its journal and its clock apart says so before it serves.
//!
//! Nothing sleeps: what takes time is asked for until it is so.

#[path = "../crash/fill.rs"]
mod fill;
mod lengths;
mod machine;
mod player;
mod rebasing;
mod serving;
mod starting;
mod upgrade;
mod zones;

/// The program.
const PURSER: &str = env!("CARGO_BIN_EXE_purser");

/// Accounts of a demo, beside `default/admin`.
const DEMO_ACCOUNTS: u32 = 10;
