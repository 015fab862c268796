//! Reads the bytes of one segment, and tells its end from a write that was torn, and that from damage.
//!
//! A write is torn only where it is the last: the one after it is not begun before it is durable. So whatever is no
//! group, with the beginning of a later group of this journal behind it, is damage. The beginning is enough, whole or
//! not: nobody else writes this journal's number at the start of a block.

use alloc::format;
use alloc::string::String;

use super::group::{self, ReadGroup};
use super::record::Record;
use super::segment::{self, SegmentHeader};
use super::{Damage, Fault, Origin, Point, bytes};
use limits::{JOURNAL_BLOCK_BYTES, JOURNAL_WRITE_BYTES_MAX};
use wallet::Rules;

/// A segment's bytes.
#[derive(Clone, Copy)]
pub struct Segment<'a> {
    /// The file's name, for what is reported.
    pub name: &'a str,
    /// All of the file, aligned as a [`Buffer`](super::Buffer) is.
    pub bytes: &'a [u8],
    /// Whose journal it is to be of.
    pub origin: Origin,
}

/// How a segment begins.
#[derive(Debug)]
pub enum Opening {
    /// It is all zeros.
    Unused,
    /// Its header is not there, and something else is: its first write was torn.
    Torn,
    /// This is its header.
    Header(SegmentHeader),
}

/// How a segment ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// With zeros up to the end of the file, or with the file.
    Zeros,
    /// With a write that was torn, and nothing of this journal behind it; what is wrong with it.
    Torn(String),
}

/// Why reading stopped.
#[derive(Debug)]
pub enum ReadError<E> {
    /// The bytes are damaged.
    Damage(Damage),
    /// The caller wants no more.
    Caller(E),
}

impl<E> From<Damage> for ReadError<E> {
    fn from(damage: Damage) -> Self {
        Self::Damage(damage)
    }
}

impl<'a> Segment<'a> {
    /// Looks at the header.
    ///
    /// # Errors
    /// Where there is one and it can't be used, or where it is not there and there are groups behind the first write.
    pub fn open(&self) -> Result<Opening, Damage> {
        let Some(block) = self.bytes.get(..JOURNAL_BLOCK_BYTES) else {
            let unused = bytes::is_zero(self.bytes);
            return if unused { Ok(Opening::Unused) } else { Err(self.damage(0, Fault::CutShort)) };
        };
        if !segment::is_torn(block) {
            let header = SegmentHeader::read(block).map_err(|fault| self.damage(0, fault))?;
            let (found, expected) = (header.origin, self.origin);
            if found != expected {
                return Err(self.damage(0, Fault::Origin { found, expected }));
            }
            return Ok(Opening::Header(header));
        }
        if bytes::is_zero(self.bytes) {
            return Ok(Opening::Unused);
        }
        // The first write is the header and the group behind it; parts of it may be there without the others.
        match self.sign_from(2 * JOURNAL_BLOCK_BYTES) {
            None => self.check_tear(0).map(|()| Opening::Torn),
            Some(offset) => {
                let what = "the segment's header is not there".into();
                Err(self.not_the_last(0, what, self.name, offset))
            }
        }
    }

    /// Reads the groups, whose records are of `rules` and begin with the one after `before`, and gives each record with its offset to `each`.
    /// Returns what was read up to, the offset of what comes next, and how it ends.
    ///
    /// # Errors
    /// Where there is damage, and what `each` returns.
    pub fn read<E>(
        &self,
        rules: Rules,
        before: Point,
        mut each: impl FnMut(u64, &Record<'a>) -> Result<(), E>,
    ) -> Result<(Point, u64, End), ReadError<E>> {
        let (mut last, mut at) = (before, JOURNAL_BLOCK_BYTES);
        loop {
            let group = match ReadGroup::read(self.rest(at), self.origin) {
                Ok(group) => group,
                Err(what) => return Ok((last, at as u64, self.end(at, what)?)),
            };
            if group.first() != last.sequence + 1 {
                let what = format!(
                    "a group begins with record {}, and record {} is to follow",
                    group.first(),
                    last.sequence + 1
                );
                return Err(self.damage(at as u64, Fault::Bytes(what)).into());
            }
            for record in group.records(rules, last) {
                // Its group is as it was written: what is wrong here was wrong then.
                let (offset, record) = record.map_err(|what| self.damage(at as u64, Fault::Bytes(what)))?;
                last = Point { sequence: record.link().sequence, hash: record.hash() };
                each((at + offset) as u64, &record).map_err(ReadError::Caller)?;
            }
            at += group.bytes();
        }
    }

    /// The damage of this segment at `offset`.
    pub fn damage(&self, offset: u64, fault: Fault) -> Damage {
        Damage { file: self.name.into(), offset, fault }
    }

    /// The damage at `offset`, behind which `later` goes on.
    pub fn not_the_last(&self, offset: u64, what: String, later: &str, later_offset: u64) -> Damage {
        self.damage(offset, Fault::NotTheLast { what, later: later.into(), offset: later_offset })
    }

    /// What it is that there is no group at `at`.
    fn end(&self, at: usize, what: &str) -> Result<End, Damage> {
        if bytes::is_zero(self.rest(at)) {
            return Ok(End::Zeros);
        }
        match self.sign_from(at + JOURNAL_BLOCK_BYTES) {
            None => self.check_tear(at).map(|()| End::Torn(what.into())),
            Some(offset) => Err(self.not_the_last(at as u64, what.into(), self.name, offset)),
        }
    }

    /// Checks that what stands at `at` is no longer than one write.
    fn check_tear(&self, at: usize) -> Result<(), Damage> {
        let behind = at + JOURNAL_WRITE_BYTES_MAX;
        match self.rest(behind).iter().position(|byte| *byte != 0) {
            None => Ok(()),
            Some(offset) => {
                let what = format!(
                    "this is no group, it goes on from byte {at}, and is longer than one write, so that no crash has left it"
                );
                Err(self.damage((behind + offset) as u64, Fault::Bytes(what)))
            }
        }
    }

    /// The offset of the first byte that is not zero.
    pub fn first_used(&self) -> Option<u64> {
        if bytes::is_zero(self.bytes) {
            return None;
        }
        self.bytes.iter().position(|byte| *byte != 0).map(|at| at as u64)
    }

    /// The offset of the first block from `at` on in which a group of this journal begins.
    fn sign_from(&self, at: usize) -> Option<u64> {
        let mut blocks = self.rest(at).chunks_exact(JOURNAL_BLOCK_BYTES);
        let found = blocks.position(|block| group::begins_in(block, self.origin))?;
        Some((at + found * JOURNAL_BLOCK_BYTES) as u64)
    }

    fn rest(&self, at: usize) -> &'a [u8] {
        self.bytes.get(at..).unwrap_or_default()
    }
}
