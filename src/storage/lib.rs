//! The files that keep what a server was told: where each group goes while it serves, which the ring of its core then
//! writes directly; and through `std::fs` what is read before that, or written by a thread beside.
//!
//! It moves bytes: a group of the journal is what one write makes durable, and what is in it is not known here. A
//! failed write or sync is the end of a shard's writing: what of it is on the disk can't be known, and a second sync
//! that succeeds says nothing of what the first one lost. Recovery decides.

#![cfg_attr(not(test), warn(clippy::print_stdout, clippy::print_stderr))]
#![forbid(unsafe_code)]

pub mod archive;
pub mod directory;
mod file;
pub mod generations;
pub mod history;
pub mod hold;
pub mod making;
pub mod manifest;
pub mod mark;
mod preparer;
pub mod reader;
mod removal;
pub mod segments;
#[cfg(test)]
mod tests;

pub use file::{FileError, OpenFile, PendingFile, SnapshotFile, lacks_room};
