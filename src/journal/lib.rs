//! What a shard makes durable, as bytes: records in groups in segments, and snapshots. Pure; files are `storage`'s.
//!
//! Each change of a shard is a [record]: the operation, its time, and the [`Receipt`] that must come out when
//! it is applied again. A record's checksum is over the checksum of the record before it, so the records are a chain,
//! and one hash stands for everything up to it. What one write makes durable is a [group](Group) of records; groups
//! begin at the disk's blocks, one after the other in a segment file, and the rest of a segment is zeros.
//!
//! [`replay`] reads them back and checks everything. Only one write is under way at a time, and it is the last; so
//! what is damaged at the very end is a write that a crash tore, and nobody was told of it: it is reported and cut.
//! What is damaged with anything behind it was promised to somebody, and is an error.
//!
//! A [mark] beside the journal names a record that is durable, so that an end that is missing is told from one that was
//! never written. A [snapshot] is the state at one record, so that replay starts there and older segments can go.

#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod bytes;
mod damage;
mod entry;
mod group;
pub mod mark;
pub mod reader;
pub mod record;
mod replay;
pub mod segment;
pub mod snapshot;
#[cfg(test)]
mod tests;
mod v1;
mod writer;

pub use damage::{Damage, Fault};
pub use entry::Change;
pub use group::{Group, first_after, time_of};
pub use mark::{Mark, ReplayStart};
pub use replay::{
    Place, Position, ReplayRecord, SegmentRange, SegmentSource, Tail, TornTail, replay, replay_together,
};
pub use writer::Journal;

#[cfg(doc)]
use wallet::outcome::Receipt;
use wallet::{Rules, Sequence};

/// Version of the wallet's rules, written into every segment and snapshot. It is raised by a change after which the
/// wallet answers, or leaves the account, otherwise than before for any operation that a journal may hold: a replay
/// would come to another state than the one that was promised. Records of rules that are known are applied by them
/// ([`Rules`]); a journal of others is refused.
pub const RULES_VERSION: u32 = 2;

/// Version of the form of segments and snapshots. A change of the stored types raises it. Version 1 is read, and never
/// written.
pub const FORMAT_VERSION: u32 = 2;

/// The format and rules versions that a file says, as the rules that its records are applied by.
///
/// # Errors
/// Where they are not known.
const fn rules_of(format: u32, rules: u32) -> Result<Rules, Fault> {
    match (format, rules) {
        (1, 1) => Ok(Rules::V1),
        (FORMAT_VERSION, RULES_VERSION) => Ok(Rules::V2),
        (1 | FORMAT_VERSION, found) => Err(Fault::Rules { found, expected: RULES_VERSION }),
        (found, _) => Err(Fault::Format { found, expected: FORMAT_VERSION }),
    }
}

/// The format and rules versions of a file whose records are applied by these rules.
const fn versions_of(rules: Rules) -> (u32, u32) {
    match rules {
        Rules::V1 => (1, 1),
        Rules::V2 => (FORMAT_VERSION, RULES_VERSION),
    }
}

/// Bytes as they are read back. Their alignment is that of the stored values, which are read where they lie.
pub type Buffer = rkyv::util::AlignedVec<16>;

/// Whose journal it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// A random number of this generation of the data. Blocks of a disk that held another journal don't have it.
    pub stream: u64,
    /// The shard.
    pub shard: u16,
    /// The number of shards that the slots are assigned to.
    pub shards: u16,
}

/// The 128-bit XXH3 of a record, which is over that of the record before it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RecordHash(u128);

impl RecordHash {
    /// What the first record of a journal has before it.
    pub const START: Self = Self(0);

    /// The hash with these [`RecordHash::bits`].
    pub const fn from_bits(bits: u128) -> Self {
        Self(bits)
    }

    /// The 128 bits.
    pub const fn bits(self) -> u128 {
        self.0
    }
}

impl core::fmt::Debug for RecordHash {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// A point between two records: everything up to `sequence` lies before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    /// The last record before it; 0 where there is none.
    pub sequence: Sequence,
    /// That record's hash.
    pub hash: RecordHash,
}

impl Point {
    /// Before the first record.
    pub const START: Self = Self { sequence: 0, hash: RecordHash::START };
}
