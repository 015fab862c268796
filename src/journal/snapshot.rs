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
//! | 64–111 | zero |
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

use std::fmt;

use rkyv::rancor::Error;
use rkyv::with::InlineAsBox;
use rkyv::{Archive, Serialize};

use super::entry::{ArchivedStoredSettings, StoredSettings};
use super::reader::ReadError;
use super::record::ALIGNMENT;
use super::{
    Buffer, Damage, Fault, Known, Mark, Origin, Point, RecordHash, bytes, rules_of, v1, versions_of,
};
use crate::limits;
use crate::wallet::account::Slot;
use crate::wallet::image::AccountImage;
use crate::wallet::settings::Settings;
use crate::wallet::{Millis, Rules};

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
const ZERO_AT: usize = 64;
const CHECKSUM_AT: usize = HEADER_BYTES - bytes::CHECKSUM_BYTES;

const FRAME_BYTES: usize = 64;
const FRAME_PREVIOUS_AT: usize = 16;
const FRAME_KIND_AT: usize = 32;
const FRAME_PAYLOAD_AT: usize = 36;
const FRAME_FIRST_AT: usize = 40;
const FRAME_SECOND_AT: usize = 48;
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
        if !bytes::is_zero(&header[ZERO_AT..CHECKSUM_AT]) {
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
        })
    }
}

impl SnapshotHeader {
    /// What is known of the journal that follows it, with what its `mark` says.
    pub fn known(&self, mark: Option<Mark>) -> Known {
        let next_segment = (self.next_segment > 0).then_some(self.next_segment);
        Known { from: self.covers, next_segment, mark }
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

impl<E: fmt::Display> fmt::Display for WriteError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AccountTooLarge(id) => write!(f, "account {id} is too large for a snapshot"),
            Self::Sink(error) => error.fmt(f),
        }
    }
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

/// Reads a snapshot. Nothing is handed out that was not checked.
pub struct SnapshotReader<S> {
    source: S,
    name: String,
    /// Where the next frame begins.
    offset: u64,
    previous: u128,
    header: SnapshotHeader,
    settings: Settings,
    slot: u64,
    sections: u64,
    accounts: u64,
    ended: bool,
    frame: Buffer,
}

impl<S: Source> SnapshotReader<S> {
    /// Reads the header alone. `name` is the file's, for what is reported.
    ///
    /// # Errors
    /// As of [`SnapshotReader::open`].
    pub fn header_of(name: &str, source: S, origin: Origin) -> Result<SnapshotHeader, ReadError<S::Error>> {
        Ok(Self::begin(name, source, origin)?.header)
    }

    fn begin(name: &str, source: S, origin: Origin) -> Result<Self, ReadError<S::Error>> {
        let mut reader = Self {
            source,
            name: name.into(),
            offset: 0,
            previous: 0,
            header: SnapshotHeader {
                origin,
                covers: Point::START,
                now_ms: 0,
                rules: Rules::V2,
                next_segment: 0,
            },
            settings: Settings::default(),
            slot: 0,
            sections: 0,
            accounts: 0,
            ended: false,
            frame: Buffer::new(),
        };
        reader.fill(HEADER_BYTES)?;
        reader.header = SnapshotHeader::read(&reader.frame).map_err(|fault| reader.damage(fault))?;
        let found = reader.header.origin;
        if found != origin {
            return Err(reader.damage(Fault::Origin { found, expected: origin }).into());
        }
        reader.previous = bytes::u128_at(&reader.frame, CHECKSUM_AT);
        reader.offset = HEADER_BYTES as u64;
        reader.frame.clear();
        Ok(reader)
    }

    /// Reads header and settings. `name` is the file's, for what is reported.
    ///
    /// # Errors
    /// Where it is no snapshot of this journal, or of a version that is not this one's, or damaged, or can't be read.
    pub fn open(name: &str, source: S, origin: Origin) -> Result<Self, ReadError<S::Error>> {
        let mut reader = Self::begin(name, source, origin)?;
        reader.next_frame()?;
        if bytes::u32_at(&reader.frame, FRAME_KIND_AT) != SETTINGS {
            return Err(reader.wrong("the snapshot's settings are not there").into());
        }
        reader.settings = reader.read_settings().map_err(|what| reader.wrong(what))?;
        reader.pass();
        Ok(reader)
    }

    /// What the snapshot says of itself.
    pub const fn header(&self) -> SnapshotHeader {
        self.header
    }

    /// The settings that the wallet had.
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The next accounts, all of one slot, which may come several times in a row; `None` at the end.
    ///
    /// # Errors
    /// Where the snapshot is damaged or cut short, or can't be read.
    pub fn section(&mut self) -> Result<Option<Section>, ReadError<S::Error>> {
        if self.ended {
            return Ok(None);
        }
        self.next_frame()?;
        let (first, second) =
            (bytes::u64_at(&self.frame, FRAME_FIRST_AT), bytes::u64_at(&self.frame, FRAME_SECOND_AT));
        match bytes::u32_at(&self.frame, FRAME_KIND_AT) {
            SECTION => {
                let section = self.accounts(first, second).map_err(|what| self.wrong(what))?;
                self.slot = first;
                self.sections += 1;
                self.accounts += second;
                self.pass();
                Ok(Some(section))
            }
            END if (first, second) == (self.sections, self.accounts) && self.payload().is_empty() => {
                self.pass();
                self.ended = true;
                if self.source.read(&mut [0]).map_err(ReadError::Caller)? > 0 {
                    return Err(self.damage(Fault::TooLong).into());
                }
                Ok(None)
            }
            _ => Err(self.wrong("a frame is none that stands here").into()),
        }
    }

    /// The accounts of the section that was read.
    fn accounts(&self, slot: u64, count: u64) -> Result<Section, &'static str> {
        let known = u16::try_from(slot).ok().and_then(Slot::new).ok_or("there is no such slot")?;
        if slot < self.slot {
            return Err("slots are not in order");
        }
        let accounts = self.read_accounts().map_err(|_| "accounts are not what this version stores")?;
        if accounts.len() as u64 != count || count == 0 {
            return Err("a section has another number of accounts than it says");
        }
        Ok((known, accounts))
    }

    fn read_settings(&self) -> Result<Settings, &'static str> {
        let payload = self.payload();
        let settings = match self.header.rules {
            Rules::V1 => rkyv::access::<v1::ArchivedStoredSettings<'_>, Error>(payload)
                .map(v1::ArchivedStoredSettings::read),
            Rules::V2 => {
                rkyv::access::<ArchivedStoredSettings<'_>, Error>(payload).map(ArchivedStoredSettings::read)
            }
        };
        settings.unwrap_or(Err("settings are not what this version stores"))
    }

    fn read_accounts(&self) -> Result<Vec<AccountImage>, Error> {
        let payload = self.payload();
        match self.header.rules {
            Rules::V1 => {
                let section = rkyv::access::<v1::image::ArchivedSection, Error>(payload)?;
                let accounts = section.accounts.iter().map(rkyv::deserialize::<v1::image::Account, Error>);
                accounts.map(|account| account.map(AccountImage::from)).collect()
            }
            Rules::V2 => {
                let section = rkyv::access::<ArchivedStoredSection<'_>, Error>(payload)?;
                section.accounts.iter().map(rkyv::deserialize::<AccountImage, Error>).collect()
            }
        }
    }

    /// Reads the next frame and checks it.
    fn next_frame(&mut self) -> Result<(), ReadError<S::Error>> {
        self.fill(FRAME_BYTES)?;
        let payload_bytes = bytes::u32_at(&self.frame, FRAME_PAYLOAD_AT) as usize;
        if payload_bytes > limits::SNAPSHOT_SECTION_BYTES_MAX {
            return Err(self.wrong("a frame is larger than any").into());
        }
        self.fill((FRAME_BYTES + payload_bytes).next_multiple_of(ALIGNMENT))?;
        let checksum = bytes::checksum(&self.frame[FRAME_PREVIOUS_AT..]);
        if checksum != bytes::u128_at(&self.frame, 0) {
            return Err(self.wrong("a frame's checksum is wrong").into());
        }
        if bytes::u128_at(&self.frame, FRAME_PREVIOUS_AT) != self.previous {
            return Err(self.wrong("a frame does not follow on the frame before it").into());
        }
        if !bytes::is_zero(&self.frame[FRAME_ZERO_AT..FRAME_BYTES]) {
            return Err(self.wrong("a frame has more in it than this version knows").into());
        }
        Ok(())
    }

    /// Reads on until the frame has `length` bytes, step by step: a length that is damaged takes no more memory than
    /// the file has.
    fn fill(&mut self, length: usize) -> Result<(), ReadError<S::Error>> {
        while self.frame.len() < length {
            let at = self.frame.len();
            self.frame.resize(length.min(at + limits::FILE_STEP_BYTES), 0);
            let read = self.source.read(&mut self.frame[at..]).map_err(ReadError::Caller)?;
            if read == 0 {
                return Err(self.damage(Fault::CutShort).into());
            }
            self.frame.resize(at + read, 0);
        }
        Ok(())
    }

    /// Goes on behind the frame.
    fn pass(&mut self) {
        self.previous = bytes::u128_at(&self.frame, 0);
        self.offset += self.frame.len() as u64;
        self.frame.clear();
    }

    fn payload(&self) -> &[u8] {
        let payload_bytes = bytes::u32_at(&self.frame, FRAME_PAYLOAD_AT) as usize;
        &self.frame[FRAME_BYTES..FRAME_BYTES + payload_bytes]
    }

    fn wrong(&self, what: &str) -> Damage {
        self.damage(Fault::Bytes(what.into()))
    }

    fn damage(&self, fault: Fault) -> Damage {
        Damage { file: self.name.clone(), offset: self.offset, fault }
    }
}
