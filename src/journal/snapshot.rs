//! A snapshot: the wallet of a shard as it was after one record, from which a replay goes on.
//!
//! It begins with a header, and goes on in frames: the settings, the accounts in sections in the order of their
//! slots, and an end that counts them. Each frame's checksum is over that of the frame before it, so that none can be
//! missing. One section is in memory at a time, in both directions.
//!
//! | bytes of the header | what |
//! |---|---|
//! | 0–7 | magic |
//! | 8–11, 12–15 | format version, version of the wallet's rules |
//! | 16–23, 24–25, 26–27 | stream, shard, number of shards |
//! | 28–31 | the first segment that is not in it; zero in data of version 0.1.0, which do not say |
//! | 32–39, 40–47 | sequence that it covers, and the time, milliseconds since 1970 |
//! | 48–63 | hash of that record |
//! | 64 | 1 where a history belongs to it: rounds that have left it |
//! | 65–111 | zero |
//! | 112–127 | checksum of all before it |
//!
//! | bytes of a frame | what |
//! |---|---|
//! | 0–15 | checksum of all that follows, padding included |
//! | 16–31 | checksum of the frame, or the header, before it |
//! | 32–35, 36–39 | kind, and bytes of the payload |
//! | 40–47, 48–55 | slot and number of accounts; of the end, the sections and all their accounts |
//! | 56–63 | zero |
//! | 64– | payload, and zeros up to a multiple of 16 |

mod reader;

use alloc::string::String;
use alloc::vec::Vec;
use core::convert::Infallible;

pub use self::reader::SnapshotReader;

use rkyv::rancor::Error;
use rkyv::with::InlineAsBox;
use rkyv::{Archive, Serialize};

use super::entry::StoredSettings;
use super::record::ALIGNMENT;
use super::{Buffer, Fault, Mark, Origin, Point, RecordHash, ReplayStart, bytes, rules_of, versions_of};
use wallet::account::Slot;
use wallet::image::AccountImage;
use wallet::settings::Settings;
use wallet::{Millis, Rules, Sequence};

/// `purSnaps` in ASCII.
const MAGIC: u64 = u64::from_be_bytes(*b"purSnaps");

const HEADER_BYTES: usize = 128;
const FORMAT_AT: usize = 8;
const RULES_AT: usize = 12;
const STREAM_AT: usize = 16;
const SHARD_AT: usize = 24;
const SHARDS_AT: usize = 26;
const NEXT_SEGMENT_AT: usize = 28;
const SEQUENCE_AT: usize = 32;
const TIME_AT: usize = 40;
const HASH_AT: usize = 48;
const HISTORY_AT: usize = 64;
const ZERO_AT: usize = 65;
const CHECKSUM_AT: usize = HEADER_BYTES - bytes::CHECKSUM_BYTES;

pub(super) const FRAME_BYTES: usize = 64;
const FRAME_PREVIOUS_AT: usize = 16;
const FRAME_KIND_AT: usize = 32;
pub(super) const FRAME_PAYLOAD_AT: usize = 36;
pub(super) const FRAME_FIRST_AT: usize = 40;
pub(super) const FRAME_SECOND_AT: usize = 48;
const FRAME_ZERO_AT: usize = 56;

/// The kinds of frames.
const SETTINGS: u32 = 1;
const SECTION: u32 = 2;
const END: u32 = 3;

/// Takes the bytes of a snapshot.
pub trait Sink {
    /// Why it takes no more.
    type Error;

    /// Takes all of `bytes`.
    ///
    /// # Errors
    /// Where it can't.
    fn write(&mut self, bytes: &[u8]) -> Result<(), Self::Error>;
}

/// Memory takes all.
impl Sink for Vec<u8> {
    type Error = Infallible;

    fn write(&mut self, bytes: &[u8]) -> Result<(), Infallible> {
        self.extend_from_slice(bytes);
        Ok(())
    }
}

/// Gives the bytes of a snapshot.
pub trait Source {
    /// Why it gives no more.
    type Error;

    /// Reads some bytes into `room` and says how many; 0 at the end alone.
    ///
    /// # Errors
    /// Where it can't.
    fn read(&mut self, room: &mut [u8]) -> Result<usize, Self::Error>;
}

/// What a snapshot says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotHeader {
    /// Whose journal it belongs to.
    pub origin: Origin,
    /// The last record that is in it.
    pub covers: Point,
    /// That record's time, milliseconds since 1970.
    pub now_ms: Millis,
    /// The rules that the records before it were applied by.
    pub rules: Rules,
    /// The first segment with records that are not in it, or to come; 0 where that is not said.
    pub next_segment: u32,
    /// Rounds have left it for the shard's history, which must be there, and cover this snapshot at least.
    pub has_history: bool,
}

impl SnapshotHeader {
    fn to_bytes(self) -> [u8; HEADER_BYTES] {
        let mut header = [0; HEADER_BYTES];
        bytes::put(&mut header, 0, MAGIC.to_le_bytes());
        let (format, rules) = versions_of(self.rules);
        bytes::put(&mut header, FORMAT_AT, format.to_le_bytes());
        bytes::put(&mut header, RULES_AT, rules.to_le_bytes());
        bytes::put(&mut header, STREAM_AT, self.origin.stream.to_le_bytes());
        bytes::put(&mut header, SHARD_AT, self.origin.shard.to_le_bytes());
        bytes::put(&mut header, SHARDS_AT, self.origin.shards.to_le_bytes());
        bytes::put(&mut header, NEXT_SEGMENT_AT, self.next_segment.to_le_bytes());
        bytes::put(&mut header, SEQUENCE_AT, self.covers.sequence.to_le_bytes());
        bytes::put(&mut header, TIME_AT, self.now_ms.to_le_bytes());
        bytes::put(&mut header, HASH_AT, self.covers.hash.bits().to_le_bytes());
        header[HISTORY_AT] = u8::from(self.has_history);
        let checksum = bytes::checksum(&header[..CHECKSUM_AT]);
        bytes::put(&mut header, CHECKSUM_AT, checksum.to_le_bytes());
        header
    }

    fn read(header: &[u8]) -> Result<Self, Fault> {
        let magic = bytes::u64_at(header, 0);
        if magic != MAGIC {
            return Err(Fault::Magic { found: magic, expected: MAGIC });
        }
        if bytes::checksum(&header[..CHECKSUM_AT]) != bytes::u128_at(header, CHECKSUM_AT) {
            return Err(Fault::Bytes("the snapshot's header has a wrong checksum".into()));
        }
        let rules = rules_of(bytes::u32_at(header, FORMAT_AT), bytes::u32_at(header, RULES_AT))?;
        if header[HISTORY_AT] > 1 || !bytes::is_zero(&header[ZERO_AT..CHECKSUM_AT]) {
            return Err(Fault::Bytes("the snapshot's header is none that this version writes".into()));
        }
        Ok(Self {
            origin: Origin {
                stream: bytes::u64_at(header, STREAM_AT),
                shard: bytes::u16_at(header, SHARD_AT),
                shards: bytes::u16_at(header, SHARDS_AT),
            },
            covers: Point {
                sequence: bytes::u64_at(header, SEQUENCE_AT),
                hash: RecordHash(bytes::u128_at(header, HASH_AT)),
            },
            now_ms: bytes::u64_at(header, TIME_AT),
            rules,
            next_segment: bytes::u32_at(header, NEXT_SEGMENT_AT),
            has_history: header[HISTORY_AT] == 1,
        })
    }
}

impl SnapshotHeader {
    /// The record that a history must cover at least, where one belongs to the snapshot.
    pub fn history_covers(&self) -> Option<Sequence> {
        self.has_history.then_some(self.covers.sequence)
    }

    /// What is known of the journal that follows it, with what its `mark` says.
    pub fn known(&self, mark: Option<Mark>) -> ReplayStart {
        let next_segment = (self.next_segment > 0).then_some(self.next_segment);
        ReplayStart { from: self.covers, next_segment, mark }
    }
}

/// Accounts of one slot.
pub type Section = (Slot, Vec<AccountImage>);

/// The payload of a section.
#[derive(Archive, Serialize)]
struct StoredSection<'a> {
    #[rkyv(with = InlineAsBox)]
    accounts: &'a [AccountImage],
}

// ── Writing ──────────────────────────────────────────────────────────────────────────────────────────────

/// Why a snapshot could not be written.
#[derive(Debug)]
pub enum WriteError<E> {
    /// One account alone is over [`limits::SNAPSHOT_SECTION_BYTES_MAX`].
    AccountTooLarge(
        /// Its id.
        String,
    ),
    /// The sink's own error.
    Sink(E),
}

/// Writes a snapshot.
pub struct SnapshotWriter<W> {
    sink: W,
    previous: u128,
    slot: Option<Slot>,
    sections: u64,
    accounts: u64,
    /// [`limits::SNAPSHOT_SECTION_BYTES_MAX`], and less in tests.
    pub(super) section_bytes_max: usize,
    frame: Buffer,
}

impl<W: Sink> SnapshotWriter<W> {
    /// Begins a snapshot: header and settings.
    ///
    /// # Errors
    /// Where the sink takes no more.
    pub fn begin(
        mut sink: W,
        header: SnapshotHeader,
        settings: &Settings,
    ) -> Result<Self, WriteError<W::Error>> {
        let bytes = header.to_bytes();
        sink.write(&bytes).map_err(WriteError::Sink)?;
        let mut writer = Self {
            sink,
            previous: bytes::u128_at(&bytes, CHECKSUM_AT),
            slot: None,
            sections: 0,
            accounts: 0,
            section_bytes_max: limits::SNAPSHOT_SECTION_BYTES_MAX,
            frame: Buffer::new(),
        };
        writer.clear();
        rkyv::api::high::to_bytes_in::<_, Error>(&StoredSettings::new(settings), &mut writer.frame)
            .expect("settings are written to memory, and are bounded");
        writer.frame(SETTINGS, 0, 0)?;
        Ok(writer)
    }

    /// Writes the accounts of a slot, all of them at once; nothing where there are none.
    ///
    /// # Errors
    /// Where the sink takes no more, or an account is too large.
    ///
    /// # Panics
    /// Where the slot is not after the one before.
    pub fn slot(&mut self, slot: Slot, accounts: &[AccountImage]) -> Result<(), WriteError<W::Error>> {
        assert!(self.slot.is_none_or(|before| before < slot), "slots are written in order");
        self.slot = Some(slot);
        if accounts.is_empty() { Ok(()) } else { self.section(slot, accounts) }
    }

    /// Writes accounts in one section, or in several where one would be too large.
    fn section(&mut self, slot: Slot, accounts: &[AccountImage]) -> Result<(), WriteError<W::Error>> {
        self.clear();
        let written =
            rkyv::api::high::to_bytes_in::<_, Error>(&StoredSection { accounts }, &mut self.frame).is_ok();
        if written && self.frame.len() - FRAME_BYTES <= self.section_bytes_max {
            self.sections += 1;
            self.accounts += accounts.len() as u64;
            return self.frame(SECTION, u64::from(slot.index()), accounts.len() as u64);
        }
        match accounts {
            [alone] => Err(WriteError::AccountTooLarge(alone.id.clone())),
            several => {
                let (some, others) = several.split_at(several.len() / 2);
                self.section(slot, some)?;
                self.section(slot, others)
            }
        }
    }

    /// Writes the end, and returns the sink.
    ///
    /// # Errors
    /// Where the sink takes no more.
    pub fn finish(mut self) -> Result<W, WriteError<W::Error>> {
        self.clear();
        self.frame(END, self.sections, self.accounts)?;
        Ok(self.sink)
    }

    fn clear(&mut self) {
        self.frame.clear();
        self.frame.extend_from_slice(&[0; FRAME_BYTES]);
    }

    fn frame(&mut self, kind: u32, first: u64, second: u64) -> Result<(), WriteError<W::Error>> {
        let payload_bytes = self.frame.len() - FRAME_BYTES;
        self.frame.resize(self.frame.len().next_multiple_of(ALIGNMENT), 0);
        let frame = self.frame.as_mut_slice();
        bytes::put(frame, FRAME_PREVIOUS_AT, self.previous.to_le_bytes());
        bytes::put(frame, FRAME_KIND_AT, kind.to_le_bytes());
        bytes::put(frame, FRAME_PAYLOAD_AT, (payload_bytes as u32).to_le_bytes());
        bytes::put(frame, FRAME_FIRST_AT, first.to_le_bytes());
        bytes::put(frame, FRAME_SECOND_AT, second.to_le_bytes());
        self.previous = bytes::checksum(&frame[FRAME_PREVIOUS_AT..]);
        bytes::put(frame, 0, self.previous.to_le_bytes());
        self.sink.write(frame).map_err(WriteError::Sink)
    }
}

// ── Reading ──────────────────────────────────────────────────────────────────────────────────────────────
