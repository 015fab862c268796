//! The server from outside: the real program, real sockets, a process for each test, or one after another.
//!
//! A unit test knows a module; what is here knows the contract. So the rows of the protocol are asked once more,
//! byte for byte, through everything that lies between a client's socket and the wallet, and with them what no
//! unit test can see: several shards, connections that misbehave, bounds, signals.
//!
//! Nothing here sleeps and nothing measures time. A test waits for the thing that it expects, and a time-out on
//! the socket tells it that the server hangs.

mod bounds;
mod client;
mod connections;
mod currencies;
mod dialects;
mod faults;
mod gone;
mod message;
mod money;
mod operator;
mod pipelining;
mod play;
#[path = "../crash/process.rs"]
#[allow(dead_code, reason = "the tests of crashes use the rest")]
mod process;
mod protocol;
mod restrictions;
mod rounds;
mod rungs;
mod server;
mod stages;
mod stopping;
mod timeouts;
mod withdrawn;
mod wrapped;
