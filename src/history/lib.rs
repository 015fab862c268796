//! Rounds that have left memory: immutable files, and a filter that says whether one may be there.
//!
//! A round that is not open and was not touched for a while is written to a file of its shard as a [`Row`]. The rows of a
//! file are in the order of their [`SortKey`], by slots first, so a file can be handed to whoever owns some of its slots,
//! as it is. A round that was changed later has a further row in a later file; of several rows of a round the one with the
//! largest [`RoundVersion`](wallet::image::RoundVersion) holds. [`merge()`] makes one file of several, with the newest version of each round.
//!
//! What is asked for each new round is [`History::may_have`], which looks at a [`Filter`] in memory. Only where it says *maybe*,
//! [`History::find`] goes to the disk, where 80 bytes of a file mostly tell that it has no such row. Everything read back is checked:
//! what is damaged is an error that names the byte.
//!
//! Bytes come from [`ReadAt`] and go into a [`Sink`](journal::snapshot::Sink); files are `storage`'s.
//!
//! The bytes of a file, all numbers little-endian:
//!
//! | part | what |
//! |---|---|
//! | header | magic, versions, whose it is, its number, a checksum |
//! | pages, each: | |
//! | – blocks | up to [`limits::HISTORY_PAGE_BLOCKS`] compressed blocks of rows |
//! | – keys | of each row in them its slot, and 32 bits of its key |
//! | – filter | of these keys, in blocks that each have their checksum |
//! | – page | of each block its length, its first key, and its checksum and that of its keys |
//! | table | each page with its first key, place and checksum |
//! | footer | counts, the checksums of header and table, and one of itself, which so stands for the whole file |

#![forbid(unsafe_code)]

mod bytes;
mod cursor;
mod file;
mod filter;
mod format;
mod history;
mod list;
mod merge;
mod page;
mod row;
#[cfg(test)]
mod tests;
mod writer;

pub use cursor::{Room, Rows};
pub use file::{HistoryFile, ReadAt, Slots, all_slots};
pub use filter::Filter;
pub use format::{Counts, Header, Summary};
pub use history::History;
pub use list::{FileEntry, FileList};
pub use merge::{MergeError, merge};
pub use row::{Row, SortKey, key_of};
pub use writer::{WriteError, Writer};
