//! Rounds that have left memory: immutable files, and the filters that say where one may be.
//!
//! A round that is not open and was not touched for a while is written to a file of its shard as a [`Row`]. The rows of a
//! file are in the order of their [`SortKey`], by slots first, so a file can be handed to whoever owns some of its slots,
//! as it is. A round that was changed later has a further row in a later file; of several rows of a round the one with the
//! largest [`RoundVersion`](wallet::image::RoundVersion) holds. [`merge()`] makes one file of several, with the newest version of each round.
//!
//! What is asked for each new round is [`History::may_have`], which looks at filters in memory. Only where it says *maybe*,
//! [`History::find`] goes to the disk. Everything read back is checked: what is damaged is an error that names the byte.
//!
//! Bytes come from [`ReadAt`] and go into a [`Sink`](journal::snapshot::Sink); files are `storage`'s.
//!
//! The bytes of a file, all numbers little-endian:
//!
//! | part | what |
//! |---|---|
//! | header | magic, versions, whose it is, its number, a checksum |
//! | runs of slots, each: | |
//! | – blocks and pages | up to [`limits::HISTORY_PAGE_BLOCKS`] compressed blocks of rows, and behind them a page that has their lengths, first keys and checksums |
//! | – filter | fingerprints of the keys of the run |
//! | tables | each run with its filter's checksum; each page with its first key, place and checksum |
//! | footer | counts, the checksums of header and tables, and one of itself, which so stands for the whole file |

#![forbid(unsafe_code)]

mod bytes;
mod cursor;
mod file;
mod filter;
mod format;
mod history;
mod list;
mod merge;
mod row;
#[cfg(test)]
mod tests;
mod writer;

pub use cursor::{Room, Rows};
pub use file::{HistoryFile, ReadAt, Slots, all_slots};
pub use format::{Counts, Fingerprint, Header, Summary};
pub use history::History;
pub use list::{FileEntry, FileList};
pub use merge::{MergeError, merge};
pub use row::{Row, SortKey, key_of};
pub use writer::{WriteError, Writer};
