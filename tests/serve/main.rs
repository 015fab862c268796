//! The server from outside: the real program, real sockets, a process for each test, or one after another.
//!
//! A unit test knows a module; what is here knows the contract. So the rows of the protocol are asked once more,
//! byte for byte, through everything that lies between a client's socket and the wallet, and with them what no
//! unit test can see: several shards, connections that misbehave, bounds, signals.
//!
//! Nothing here sleeps and nothing measures time. A test waits for the thing that it expects, and a time-out on
//! the socket tells it that the server hangs.

mod bounds;
mod connections;
mod currencies;
mod dialects;
mod faults;
mod gone;
mod money;
mod operator;
mod pipelining;
mod play;
mod protocol;
mod restrictions;
mod rounds;
mod rungs;
mod stages;
mod stopping;
mod timeouts;
mod withdrawn;
mod wrapped;

use testkit::home::Home;

/// The program.
const PURSER: &str = env!("CARGO_BIN_EXE_purser");

/// Accounts of a demo, beside `default/admin`.
const DEMO_ACCOUNTS: u32 = 200;

/// A server of its own with the demo data.
fn demo() -> Home {
    Home::demo(PURSER, DEMO_ACCOUNTS)
}

/// Like the demo, without its accounts, and with these rows under `[timeouts]`.
fn timed(times: &str) -> Home {
    let mut home = Home::new(PURSER);
    home.configure(&[("default", "GBP")], &format!("\n[timeouts]\n{times}\n"));
    home
}
