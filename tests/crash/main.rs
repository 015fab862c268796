//! Crashes and restarts: the real program on real files, killed for real.
//!
//! What a client was told must be so after a restart, once, whatever the moment of the kill (protocol §5). So the auditor
//! judges every answer, and clients ask again for what they got no answer to, and for all there is, when the server is back.
//! Beside that: what a start refuses, and what the server does where the disk is full, fails, or returns other bytes.
//!
//! Nothing sleeps and nothing measures time. The moment of a kill comes from what the clients were told so far, or from
//! what is seen in the data directory; where exactly it falls then is up to the scheduler.

mod archive;
mod backup;
mod damage;
mod disk;
mod files;
mod fill;
mod generations;
mod held;
mod history;
mod kills;
mod memory;
mod missing;
mod restored;
mod sessions;
mod starting;
mod startup;
mod unread;
mod worker;

/// The program.
const PURSER: &str = env!("CARGO_BIN_EXE_purser");

/// Accounts of a demo, beside `default/admin`.
const DEMO_ACCOUNTS: u32 = 10;
