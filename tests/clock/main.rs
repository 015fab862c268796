//! Wrong clocks: the real program, on real files, whose time of day a preloaded shim shifts while it runs.
//!
//! A player must not pay twice, be logged out, or get round a limit because somebody set the clock of the machine; and a
//! server that finds its journal and its clock apart says so before it serves.
//!
//! Nothing sleeps: what takes time is asked for until it is so.

#[path = "../serve/client.rs"]
#[allow(dead_code, reason = "the tests of serving use the rest")]
mod client;
mod lengths;
mod machine;
#[path = "../serve/message.rs"]
#[allow(dead_code, reason = "the tests of serving use the rest")]
mod message;
mod player;
#[path = "../crash/process.rs"]
#[allow(dead_code, reason = "the tests of crashes use the rest")]
mod process;
mod rebasing;
mod serving;
mod starting;
mod upgrade;
mod zones;
