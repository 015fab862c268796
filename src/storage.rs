//! The files that keep what a server was told: on direct I/O where they are written while it serves, and through
//! `std::fs` where it reads them before that, or from a thread beside.
//!
//! It moves bytes: a group of the journal is what one write makes durable, and what is in it is not known here. A
//! failed write or sync is the end of a shard's writing: what of it is on the disk can't be known, and a second sync
//! that succeeds says nothing of what the first one lost. Recovery decides.

pub mod directory;
mod file;
pub mod look;
pub mod manifest;
mod preparer;
pub mod segments;
#[cfg(test)]
mod tests;

pub use file::FileError;
