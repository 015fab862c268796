//! What can be wrong with a journal or a snapshot.

use alloc::string::String;
use core::fmt;

use super::Origin;
use wallet::Sequence;

/// Stored data that can't be what was written, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The file's name.
    pub file: String,
    /// Where in it, in bytes.
    pub offset: u64,
    /// What is wrong.
    pub fault: Fault,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The file is none of these.
    Magic {
        /// Its first eight bytes.
        found: u64,
        /// What they should be.
        expected: u64,
    },
    /// The file has a form that this version does not know.
    Format {
        /// Its version.
        found: u32,
        /// This one's.
        expected: u32,
    },
    /// The file was written under other rules of the wallet.
    Rules {
        /// Their version.
        found: u32,
        /// This one's.
        expected: u32,
    },
    /// The file belongs to another journal.
    Origin {
        /// Whose it is.
        found: Origin,
        /// Whose it should be.
        expected: Origin,
    },
    /// Bytes are not as they were written.
    Bytes(String),
    /// Bytes are not as they were written, and it is not the last write that was torn: there are later ones.
    NotTheLast {
        /// What is wrong.
        what: String,
        /// The file of a later one.
        later: String,
        /// Where in it.
        offset: u64,
    },
    /// A segment is not there.
    Missing {
        /// Its number.
        number: u32,
    },
    /// The journal begins behind the snapshot that it is to follow.
    Gap {
        /// Its first record.
        first: Sequence,
        /// The snapshot's last.
        covered: Sequence,
    },
    /// The journal ends before the snapshot that it is to follow.
    Short {
        /// Its last record.
        last: Sequence,
        /// The snapshot's last.
        covered: Sequence,
    },
    /// The journal ends before the record that its mark names, which was durable.
    Lost {
        /// Its last record.
        last: Sequence,
        /// The mark's record.
        marked: Sequence,
        /// What stands where the journal ends.
        what: String,
    },
    /// The mark, and so the journal, is of an earlier start than those of other shards.
    LeftBehind {
        /// The start that it is of.
        start: u64,
        /// The start in which all shards have written.
        together: u64,
    },
    /// The journal was left by a clean stop, and what stands at its end is no group.
    AfterStop(String),
    /// The journal goes on behind the record after which it was stopped in order.
    BehindStop {
        /// Its last record.
        last: Sequence,
        /// The mark's record.
        marked: Sequence,
    },
    /// The journal is not the one that the mark was made of.
    Unmarked {
        /// The record that both have, and that is not the same.
        at: Sequence,
    },
    /// The journal is not the one that the snapshot was made of.
    Diverged {
        /// The record that both have, and that is not the same.
        at: Sequence,
    },
    /// The file ends too early.
    CutShort,
    /// The file goes on behind its end.
    TooLong,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, byte {}: {}", self.file, self.offset, self.fault)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Magic { found, expected } => {
                write!(f, "it begins with {found:016x} and should with {expected:016x}")
            }
            Self::Format { found, expected } => {
                write!(f, "it has format version {found}, and this program reads version {expected}")
            }
            Self::Rules { found, expected } => write!(
                f,
                "it was written under version {found} of the wallet's rules, and this program has version {expected}"
            ),
            Self::Origin { found, expected } => {
                write!(f, "it belongs to {found}, and should to {expected}")
            }
            Self::Bytes(what) => f.write_str(what),
            Self::NotTheLast { what, later, offset } => {
                write!(f, "{what}, and it is not the last write: {later} has a later one at byte {offset}")
            }
            Self::Missing { number } => write!(f, "segment {number} is missing"),
            Self::Gap { first, covered } => {
                write!(f, "it begins with record {first}, and the snapshot before it ends with {covered}")
            }
            Self::Short { last, covered } => {
                write!(f, "the journal ends with record {last}, and the snapshot covers {covered}")
            }
            Self::Lost { last, marked, what } => write!(
                f,
                "the journal ends here with record {last} ({what}), and its mark says that record {marked} was durable"
            ),
            Self::LeftBehind { start, together } => write!(
                f,
                "it is of start {start} of the server, and other shards are of start {together}, in which all of them wrote: \
                 the shard is an older copy"
            ),
            Self::AfterStop(what) => {
                write!(f, "{what}, and the server was stopped in order: nothing can have been torn")
            }
            Self::BehindStop { last, marked } => write!(
                f,
                "the journal goes on to record {last}, and its mark says that the server was stopped in order after record \
                 {marked}: the mark, or what follows it, is a copy from another time"
            ),
            Self::Unmarked { at } => write!(f, "record {at} is not the one that the mark names"),
            Self::Diverged { at } => write!(f, "record {at} is not the one that the snapshot was made after"),
            Self::CutShort => f.write_str("it ends too early"),
            Self::TooLong => f.write_str("it goes on behind its end"),
        }
    }
}

impl core::error::Error for Damage {}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "stream {:016x}, shard {} of {}", self.stream, self.shard, self.shards)
    }
}
