//! A record: one change, its time, and what came of it.
//!
//! | bytes | what |
//! |---|---|
//! | 0–15 | checksum of all that follows, padding included; it is the record's hash |
//! | 16–31 | hash of the record before it |
//! | 32–39 | sequence |
//! | 40–47 | time, milliseconds since 1970 |
//! | 48–51 | bytes of the payload |
//! | 52–63 | zero |
//! | 64– | payload, and zeros up to a multiple of 16 |

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use rkyv::rancor::Error;
use rkyv::ser::Serializer;
use rkyv::ser::allocator::SubAllocator;
use rkyv::ser::sharing::Unshare;

use super::entry::{ArchivedStored, Change, Stored};
use super::{RecordHash, bytes, v1};
use wallet::operation::Operation;
use wallet::outcome::Receipt;
use wallet::settings::Settings;
use wallet::{Millis, Rules, Sequence};

/// Bytes before the payload.
pub(super) const HEAD_BYTES: usize = 64;

/// Records begin at multiples of it, which the payload's numbers need.
pub(super) const ALIGNMENT: usize = 16;

const PREVIOUS_AT: usize = 16;
const SEQUENCE_AT: usize = 32;
const NOW_AT: usize = 40;
pub(super) const PAYLOAD_BYTES_AT: usize = 48;
const ZERO_AT: usize = 52;

/// Where in the chain a record stands.
#[derive(Clone, Copy, Debug)]
pub struct ChainLink {
    /// Its sequence.
    pub sequence: Sequence,
    /// Its time, milliseconds since 1970.
    pub now_ms: Millis,
    /// The hash of the record before it.
    pub previous: RecordHash,
}

/// A record as it was read: whole and unchanged, by its checksum.
#[derive(Clone, Copy)]
pub struct Record<'a> {
    link: ChainLink,
    hash: RecordHash,
    bytes: usize,
    stored: Payload<'a>,
}

/// A payload, in the form of its file's format.
#[derive(Clone, Copy)]
enum Payload<'a> {
    V1(&'a v1::ArchivedStored<'a>),
    V2(&'a ArchivedStored<'a>),
}

impl<'a> Record<'a> {
    /// Appends the record of an operation to `out`, whose length is a multiple of 16. Returns its hash.
    ///
    /// # Panics
    /// Where the operation is none that is journaled, or its record is over [`limits::RECORD_BYTES_MAX`], which the
    /// bounds on requests don't allow.
    pub fn write(
        out: &mut Vec<u8>,
        link: ChainLink,
        operation: &Operation<&str>,
        receipt: &Receipt,
    ) -> RecordHash {
        write(out, link, |payload| {
            let stored = Stored::operation(operation, receipt);
            if matches!(operation, Operation::RecallRound(_)) {
                return rkyv::api::high::to_bytes_in::<_, Error>(&stored, payload).map(drop);
            }
            // No other operation has a list in it, which alone would need room to be serialized.
            let mut serializer = Serializer::new(payload, SubAllocator::new(&mut []), Unshare);
            rkyv::api::serialize_using::<_, Error>(&stored, &mut serializer).map(drop)
        })
    }

    /// Appends the record of settings, as [`Record::write`] does.
    pub fn write_settings(out: &mut Vec<u8>, link: ChainLink, settings: &Settings) -> RecordHash {
        write(out, link, |payload| {
            rkyv::api::high::to_bytes_in::<_, Error>(&Stored::settings(settings), payload).map(drop)
        })
    }

    /// Reads the record of these rules that `bytes` begin with; they are aligned to 16. The error says what is wrong.
    ///
    /// # Errors
    /// Where the bytes are no whole record, or not as they were written.
    pub fn read(rules: Rules, bytes: &'a [u8]) -> Result<Self, String> {
        if bytes.len() < HEAD_BYTES {
            return Err("a record's head is cut short".into());
        }
        assert!((bytes.as_ptr() as usize).is_multiple_of(ALIGNMENT), "a buffer is aligned");
        let payload_bytes = bytes::u32_at(bytes, PAYLOAD_BYTES_AT) as usize;
        let length = whole_length(payload_bytes);
        if length > bytes.len() || length > limits::RECORD_BYTES_MAX {
            return Err(format!("a record of {length} bytes, where {} are left", bytes.len()));
        }
        let hash = bytes::checksum(&bytes[PREVIOUS_AT..length]);
        if bytes::u128_at(bytes, 0) != hash {
            return Err("a record's checksum is wrong".into());
        }
        if !bytes::is_zero(&bytes[ZERO_AT..HEAD_BYTES]) {
            return Err("a record has more in its head than this version knows".into());
        }
        let payload = &bytes[HEAD_BYTES..HEAD_BYTES + payload_bytes];
        let stored = match rules {
            Rules::V1 => rkyv::access::<v1::ArchivedStored<'_>, Error>(payload).map(Payload::V1),
            Rules::V2 => rkyv::access::<ArchivedStored<'_>, Error>(payload).map(Payload::V2),
        };
        // What the check of the bytes says is of this program's types, and helps nobody.
        let stored = stored.map_err(|_| "a record's payload is not what this version stores")?;
        let link = ChainLink {
            sequence: bytes::u64_at(bytes, SEQUENCE_AT),
            now_ms: bytes::u64_at(bytes, NOW_AT),
            previous: RecordHash(bytes::u128_at(bytes, PREVIOUS_AT)),
        };
        Ok(Self { link, hash: RecordHash(hash), bytes: length, stored })
    }

    /// The length with head and padding that the record has which `bytes` begin with, as its head says; `None` where that is
    /// cut short.
    pub fn length(bytes: &[u8]) -> Option<usize> {
        (bytes.len() >= HEAD_BYTES).then(|| whole_length(bytes::u32_at(bytes, PAYLOAD_BYTES_AT) as usize))
    }

    /// Where in the chain it stands.
    pub const fn link(&self) -> ChainLink {
        self.link
    }

    /// Its hash.
    pub const fn hash(&self) -> RecordHash {
        self.hash
    }

    /// Its length with head and padding, in bytes.
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// What must come out when it is applied again.
    ///
    /// # Errors
    /// Where a value is none that a wallet has; what it should have been.
    pub fn receipt(&self) -> Result<Receipt, &'static str> {
        match self.stored {
            Payload::V1(stored) => stored.receipt(),
            Payload::V2(stored) => stored.receipt(),
        }
    }

    /// What was changed.
    ///
    /// # Errors
    /// Where a value is none that a wallet has; what it should have been.
    pub fn change(&self) -> Result<Change<'a>, &'static str> {
        match self.stored {
            Payload::V1(stored) => stored.change(),
            Payload::V2(stored) => stored.change(),
        }
    }
}

const fn whole_length(payload_bytes: usize) -> usize {
    (HEAD_BYTES + payload_bytes).next_multiple_of(ALIGNMENT)
}

/// Appends a record whose payload `serialize` writes.
fn write(
    out: &mut Vec<u8>,
    link: ChainLink,
    serialize: impl FnOnce(&mut Vec<u8>) -> Result<(), Error>,
) -> RecordHash {
    let start = out.len();
    assert!(start.is_multiple_of(ALIGNMENT), "a record begins where its payload is aligned");
    out.extend_from_slice(&[0; HEAD_BYTES]);
    // Places in a payload are counted from the buffer's start, which is as aligned as the payload's.
    serialize(out).expect("a record is written to memory, and has no values that can't be stored");
    let payload_bytes = out.len() - start - HEAD_BYTES;
    out.resize(out.len().next_multiple_of(ALIGNMENT), 0);
    let record = &mut out[start..];
    assert!(record.len() <= limits::RECORD_BYTES_MAX, "the bounds on requests bound a record");
    bytes::put(record, PREVIOUS_AT, link.previous.0.to_le_bytes());
    bytes::put(record, SEQUENCE_AT, link.sequence.to_le_bytes());
    bytes::put(record, NOW_AT, link.now_ms.to_le_bytes());
    bytes::put(record, PAYLOAD_BYTES_AT, (payload_bytes as u32).to_le_bytes());
    let hash = bytes::checksum(&record[PREVIOUS_AT..]);
    bytes::put(record, 0, hash.to_le_bytes());
    RecordHash(hash)
}
