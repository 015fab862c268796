//! Reads a snapshot, every byte of it checked.

use alloc::string::String;
use alloc::vec::Vec;
use rkyv::rancor::Error;

use super::{
    ArchivedStoredSection, CHECKSUM_AT, END, FRAME_BYTES, FRAME_FIRST_AT, FRAME_KIND_AT, FRAME_PAYLOAD_AT,
    FRAME_PREVIOUS_AT, FRAME_SECOND_AT, FRAME_ZERO_AT, HEADER_BYTES, SECTION, SETTINGS, Section,
    SnapshotHeader, Source,
};
use crate::entry::ArchivedStoredSettings;
use crate::reader::ReadError;
use crate::record::ALIGNMENT;
use crate::{Buffer, Damage, Fault, Origin, Point, bytes, v1};
use wallet::Rules;
use wallet::account::Slot;
use wallet::image::AccountImage;
use wallet::settings::Settings;

/// Reads a snapshot. Nothing is handed out that was not checked; but [`SnapshotReader::next_section`] gives out accounts before
/// it has counted those of their section.
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
                has_history: false,
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
        let mut accounts = Vec::new();
        let slot = self.next_section(|account| accounts.push(account))?;
        Ok(slot.map(|slot| (slot, accounts)))
    }

    /// Gives each of the next accounts, all of one slot, to `each`, and says which slot it is; `None` at the end. After an error
    /// those that it was given are not to be used.
    ///
    /// # Errors
    /// As of [`SnapshotReader::section`].
    pub fn next_section(
        &mut self,
        each: impl FnMut(AccountImage),
    ) -> Result<Option<Slot>, ReadError<S::Error>> {
        if self.ended {
            return Ok(None);
        }
        self.next_frame()?;
        let (first, second) =
            (bytes::u64_at(&self.frame, FRAME_FIRST_AT), bytes::u64_at(&self.frame, FRAME_SECOND_AT));
        match bytes::u32_at(&self.frame, FRAME_KIND_AT) {
            SECTION => {
                let slot = self.accounts(first, second, each).map_err(|what| self.wrong(what))?;
                self.slot = first;
                self.sections += 1;
                self.accounts += second;
                self.pass();
                Ok(Some(slot))
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

    /// The accounts of the section that was read, and their slot.
    fn accounts(&self, slot: u64, count: u64, each: impl FnMut(AccountImage)) -> Result<Slot, &'static str> {
        let known = u16::try_from(slot).ok().and_then(Slot::new).ok_or("there is no such slot")?;
        if slot < self.slot {
            return Err("slots are not in order");
        }
        let accounts = self.read_accounts(each).map_err(|_| "accounts are not what this version stores")?;
        if accounts as u64 != count || count == 0 {
            return Err("a section has another number of accounts than it says");
        }
        Ok(known)
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

    /// Gives each account of the section to `each`; how many there are.
    fn read_accounts(&self, mut each: impl FnMut(AccountImage)) -> Result<usize, Error> {
        let payload = self.payload();
        match self.header.rules {
            Rules::V1 => {
                let section = rkyv::access::<v1::image::ArchivedSection, Error>(payload)?;
                for account in section.accounts.iter() {
                    each(rkyv::deserialize::<v1::image::Account, Error>(account)?.into());
                }
                Ok(section.accounts.len())
            }
            Rules::V2 => {
                let section = rkyv::access::<ArchivedStoredSection<'_>, Error>(payload)?;
                for account in section.accounts.iter() {
                    each(rkyv::deserialize::<AccountImage, Error>(account)?);
                }
                Ok(section.accounts.len())
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
