//! What tests and tools have in common that start real processes and speak to them over real sockets.
//!
//! Nothing that ships uses it: `purser` has it among its dev-dependencies alone. It knows nothing of the server's own
//! code, so that a fault which both sides shared would be seen.
//!
//! - [`process`]: any program as a process that is killed with its handle; its standard error, its end.
//! - [`home`]: a `purser` on a data directory that outlives it.
//! - [`client`]: a connection, bytes out and answers in. [`message`]: requests as text.
//! - [`skipped`]: tests that this machine can't do.
//!
//! What tests use of it panics where something is not as it should be; what tools use returns a sentence.
//!
//! Nothing waits without a condition: for a line, for an answer, for the end of a process; and each wait has a bound.

#![forbid(unsafe_code)]

pub mod client;
pub mod home;
pub mod message;
pub mod process;
pub mod skipped;
