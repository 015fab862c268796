//! Crashes and restarts: the real program on real files, killed for real.
//!
//! What a client was told must be so after a restart, once, whatever the moment of the kill (protocol §5). So clients
//! here keep what they were told and what they got no answer to, and ask for all of it again when the server is back.
//! Beside that: what a start refuses, and what the server does where the disk is full, fails, or returns other bytes.
//!
//! Nothing sleeps and nothing measures time. The moment of a kill comes from what the clients were told so far, or from
//! what is seen in the data directory; where exactly it falls then is up to the scheduler.

mod account;
mod audit;
#[path = "../serve/client.rs"]
#[allow(dead_code, reason = "the tests of serving use the rest")]
mod client;
mod damage;
mod disk;
mod files;
mod fill;
mod generations;
mod held;
mod kills;
#[path = "../serve/message.rs"]
#[allow(dead_code, reason = "the tests of serving use the rest")]
mod message;
mod missing;
mod operation;
#[allow(dead_code, reason = "the tests of wrong clocks use the rest")]
mod process;
mod random;
mod sessions;
mod skipped;
mod starting;
mod startup;
mod unread;
mod worker;
