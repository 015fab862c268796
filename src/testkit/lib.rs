//! What tests and tools have in common: real processes, connections to them, and the protocol a second time.
//!
//! Nothing that ships uses it: `purser` has it among its dev-dependencies alone. Of the server's own code it uses only the
//! types of requests and answers, so that a fault in that code is not repeated here.
//!
//! - [`process`]: any program as a process that is killed with its handle; its standard error, its end.
//! - [`home`]: a `purser` on a data directory that outlives it.
//! - [`client`]: a connection, bytes out and answers in. [`message`]: requests as text.
//! - [`auditor`]: a second implementation of the protocol, which judges every answer, and the state after a crash.
//! - [`world`]: domains, games, players and session keys. [`workload`]: the requests, drawn from a seed.
//! - [`skipped`]: tests that this machine can't do.
//!
//! A harness for tests panics where something is not as it should be. What starts, waits and asks for tools returns a sentence.
//!
//! Nothing waits without a condition: for a line, for an answer, for the end of a process; and each wait has a bound.

#![forbid(unsafe_code)]

pub mod auditor;
pub mod client;
pub mod home;
pub mod message;
pub mod process;
pub mod skipped;
pub mod workload;
pub mod world;
