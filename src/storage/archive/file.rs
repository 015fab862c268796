//! A file of the archive: a segment or a snapshot, compressed in chunks.
//!
//! It is a file of zstd (RFC 8878): frames, and before each a skippable frame with what is ours. So `zstd -dc` gives what was
//! archived. All numbers are little-endian.
//!
//! | bytes of the header | what |
//! |---|---|
//! | 0–7 | skippable frame of 120 bytes |
//! | 8–23 | checksum of all that follows in the header |
//! | 24–31 | magic |
//! | 32–35, 36–39 | version, kind |
//! | 40–47, 48–49, 50–51 | stream, shard, number of shards |
//! | 52–55 | number of the segment; of a snapshot, of the one that follows it |
//! | 56–63, 64–79 | the record before its first one, and that record's hash |
//! | 80–87, 88–103 | its last record, and that record's hash |
//! | 104–111 | time of its last record, milliseconds since 1970 |
//! | 112–119 | bytes of what was archived; of a segment without the zeros at its end |
//! | 120–127 | zero |
//!
//! | bytes before each frame | what |
//! |---|---|
//! | 0–7 | skippable frame of 40 bytes |
//! | 8–23 | checksum of all that follows, the frame included |
//! | 24–39 | checksum of the chunk, or the header, before it |
//! | 40–43, 44–47 | bytes of the chunk, and of its frame |

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use xxhash_rust::xxh3::{Xxh3, xxh3_128};
use zstd::bulk::{Compressor, Decompressor};

use super::REMEDY;
use crate::file::{self, FileError, PendingFile};
use journal::snapshot::Sink as _;
use journal::{Buffer, Origin, Point, RecordHash};

/// Magic of a skippable frame, one of sixteen.
const SKIPPABLE: u32 = 0x184D_2A5A;

/// `purArchv` in ASCII.
const MAGIC: u64 = u64::from_be_bytes(*b"purArchv");

const VERSION: u32 = 1;

const HEADER_BYTES: usize = 128;
const CHUNK_HEAD_BYTES: usize = 48;

/// What an archived file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArchivedKind {
    /// A segment of the journal.
    Segment,
    /// A snapshot.
    Snapshot,
}

/// What an archived file says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArchivedHeader {
    /// What it is.
    pub kind: ArchivedKind,
    /// Whose it is.
    pub origin: Origin,
    /// The segment's number; of a snapshot that of the segment which follows it.
    pub number: u32,
    /// What lies before its first record; of a snapshot what it covers.
    pub before: Point,
    /// Its last record; of a snapshot what it covers.
    pub last: Point,
    /// The time of its last record, milliseconds since 1970.
    pub last_ms: u64,
    /// Bytes that were archived.
    pub bytes: u64,
}

impl ArchivedHeader {
    fn to_bytes(self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
        put(0, &SKIPPABLE.to_le_bytes());
        put(4, &(HEADER_BYTES as u32 - 8).to_le_bytes());
        put(24, &MAGIC.to_le_bytes());
        put(32, &VERSION.to_le_bytes());
        put(36, &u32::from(self.kind == ArchivedKind::Snapshot).to_le_bytes());
        put(40, &self.origin.stream.to_le_bytes());
        put(48, &self.origin.shard.to_le_bytes());
        put(50, &self.origin.shards.to_le_bytes());
        put(52, &self.number.to_le_bytes());
        put(56, &self.before.sequence.to_le_bytes());
        put(64, &self.before.hash.bits().to_le_bytes());
        put(80, &self.last.sequence.to_le_bytes());
        put(88, &self.last.hash.bits().to_le_bytes());
        put(104, &self.last_ms.to_le_bytes());
        put(112, &self.bytes.to_le_bytes());
        let checksum = xxh3_128(&bytes[24..]).to_le_bytes();
        bytes[8..24].copy_from_slice(&checksum);
        bytes
    }

    fn read(bytes: &[u8; HEADER_BYTES]) -> Result<Self, String> {
        if u64_at(bytes, 24) != MAGIC {
            return Err("it is no file of an archive".into());
        }
        let version = u32_at(bytes, 32);
        if version != VERSION {
            return Err(format!("it has version {version}, and this program reads version {VERSION}"));
        }
        let point =
            |at| Point { sequence: u64_at(bytes, at), hash: RecordHash::from_bits(u128_at(bytes, at + 8)) };
        let header = Self {
            kind: if u32_at(bytes, 36) == 0 { ArchivedKind::Segment } else { ArchivedKind::Snapshot },
            origin: Origin { stream: u64_at(bytes, 40), shard: u16_at(bytes, 48), shards: u16_at(bytes, 50) },
            number: u32_at(bytes, 52),
            before: point(56),
            last: point(80),
            last_ms: u64_at(bytes, 104),
            bytes: u64_at(bytes, 112),
        };
        // What it says, written again, is what was written: that is the checksum too.
        if header.to_bytes() == *bytes {
            Ok(header)
        } else {
            Err("its header is not as it was written".into())
        }
    }
}

fn take<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes[at..at + N].try_into().expect("the range is as long as the array")
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(take(bytes, at))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(take(bytes, at))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(take(bytes, at))
}

fn u128_at(bytes: &[u8], at: usize) -> u128 {
    u128::from_le_bytes(take(bytes, at))
}

/// The head of a chunk, with the checksum of it and its frame.
fn chunk_head(previous: u128, chunk_bytes: usize, frame: &[u8]) -> [u8; CHUNK_HEAD_BYTES] {
    let mut head = [0; CHUNK_HEAD_BYTES];
    let mut put = |at: usize, value: &[u8]| head[at..at + value.len()].copy_from_slice(value);
    put(0, &SKIPPABLE.to_le_bytes());
    put(4, &(CHUNK_HEAD_BYTES as u32 - 8).to_le_bytes());
    put(24, &previous.to_le_bytes());
    put(40, &(chunk_bytes as u32).to_le_bytes());
    put(44, &(frame.len() as u32).to_le_bytes());
    let mut hash = Xxh3::new();
    hash.update(&head[24..]);
    hash.update(frame);
    head[8..24].copy_from_slice(&hash.digest128().to_le_bytes());
    head
}

/// An archived file that is being written. Dropped before it is published, it is gone.
pub struct ArchiveWriter {
    file: PendingFile,
    compressor: Compressor<'static>,
    frame: Vec<u8>,
    previous: u128,
    /// Bytes that are still to come.
    left: u64,
}

impl ArchiveWriter {
    pub(super) fn create(path: PathBuf, header: ArchivedHeader) -> Result<Self, FileError> {
        let file = PendingFile::create(path)?;
        let made = Compressor::new(limits::ARCHIVE_LEVEL);
        let compressor = made.map_err(FileError::of("compress", file.temporary()))?;
        let bytes = header.to_bytes();
        let mut writer =
            Self { file, compressor, frame: Vec::new(), previous: u128_at(&bytes, 8), left: header.bytes };
        writer.file.write(&bytes)?;
        Ok(writer)
    }

    /// Compresses a chunk of at most [`limits::ARCHIVE_CHUNK_BYTES`], and appends it.
    ///
    /// # Errors
    /// Where it can't be written.
    ///
    /// # Panics
    /// Where it is longer than that, or more than the header says.
    pub fn write(&mut self, chunk: &[u8]) -> Result<(), FileError> {
        assert!(chunk.len() <= limits::ARCHIVE_CHUNK_BYTES && chunk.len() as u64 <= self.left, "it was said");
        self.left -= chunk.len() as u64;
        let mut frame = std::mem::take(&mut self.frame);
        frame.resize(zstd::zstd_safe::compress_bound(chunk.len()), 0);
        let compressed = self.compressor.compress_to_buffer(chunk, &mut frame[..]);
        let length = compressed.map_err(FileError::of("compress", self.file.temporary()))?;
        let head = chunk_head(self.previous, chunk.len(), &frame[..length]);
        self.previous = u128_at(&head, 8);
        self.file.write(&head)?;
        self.file.write(&frame[..length])?;
        self.frame = frame;
        Ok(())
    }

    /// Makes it durable and gives it its name. Returns its length in bytes.
    ///
    /// # Errors
    /// Where it can't be synced or renamed.
    ///
    /// # Panics
    /// Where it is not whole.
    pub fn publish(self) -> Result<u64, FileError> {
        assert_eq!(self.left, 0, "it is whole");
        self.file.publish()
    }
}

/// An archived file that is read, chunk by chunk, each checked.
pub struct ArchivedFile {
    path: PathBuf,
    header: ArchivedHeader,
    /// Others may read it too.
    file: Arc<File>,
    decompressor: Decompressor<'static>,
    previous: u128,
    /// Where the next chunk begins in the file.
    at: u64,
    /// Bytes that are still to come.
    left: u64,
    frame: Vec<u8>,
    chunk: Vec<u8>,
    /// How much of the chunk was handed out.
    taken: usize,
}

impl ArchivedFile {
    /// Opens what [`ArchivedFile::of`] reads.
    pub(super) fn open(path: &Path) -> Result<Arc<File>, FileError> {
        match file::open_regular(path, REMEDY) {
            Ok((file, _)) => Ok(Arc::new(file)),
            Err(error) if error.error.kind() == ErrorKind::NotFound => {
                Err(FileError::invalid(path, format!("it is missing: {REMEDY}")))
            }
            Err(error) => Err(error),
        }
    }

    /// Reads an opened file from its beginning on.
    pub(super) fn of(path: PathBuf, file: Arc<File>) -> Result<Self, FileError> {
        let mut bytes = [0; HEADER_BYTES];
        read_exactly(&file, &path, &mut bytes, 0, 0)?;
        let header = ArchivedHeader::read(&bytes).map_err(|what| damage(&path, 0, &what))?;
        let decompressor = Decompressor::new().map_err(FileError::of("decompress", &path))?;
        Ok(Self {
            header,
            file,
            decompressor,
            previous: u128_at(&bytes, 8),
            at: HEADER_BYTES as u64,
            left: header.bytes,
            frame: Vec::new(),
            chunk: Vec::new(),
            taken: 0,
            path,
        })
    }

    /// What it says of itself.
    pub const fn header(&self) -> ArchivedHeader {
        self.header
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its next chunk; `None` at the end, which is the file's.
    ///
    /// # Errors
    /// Where it can't be read, or is damaged: the sentence has the byte and what to do.
    pub fn chunk(&mut self) -> Result<Option<&[u8]>, FileError> {
        if self.left == 0 {
            let mut more = [0];
            return match self.file.read_at(&mut more, self.at).map_err(FileError::of("read", &self.path))? {
                0 => Ok(None),
                _ => Err(damage(&self.path, self.at, "it goes on behind its end")),
            };
        }
        let (path, at) = (&self.path, self.at);
        let mut head = [0; CHUNK_HEAD_BYTES];
        read_exactly(&self.file, path, &mut head, at, at)?;
        let (chunk_bytes, frame_bytes) = (u32_at(&head, 40) as usize, u32_at(&head, 44) as usize);
        let is_possible = (1..=limits::ARCHIVE_CHUNK_BYTES).contains(&chunk_bytes)
            && chunk_bytes as u64 <= self.left
            && frame_bytes <= zstd::zstd_safe::compress_bound(limits::ARCHIVE_CHUNK_BYTES);
        if !is_possible {
            return Err(damage(path, at, "a chunk's lengths can't be so"));
        }
        self.frame.resize(frame_bytes, 0);
        read_exactly(&self.file, path, &mut self.frame, at + CHUNK_HEAD_BYTES as u64, at)?;
        if chunk_head(u128_at(&head, 24), chunk_bytes, &self.frame) != head {
            return Err(damage(path, at, "a chunk's checksum is wrong"));
        }
        if u128_at(&head, 24) != self.previous {
            return Err(damage(path, at, "a chunk does not follow on the one before it"));
        }
        self.chunk.resize(chunk_bytes, 0);
        let read = self.decompressor.decompress_to_buffer(&self.frame, &mut self.chunk[..]);
        if !read.is_ok_and(|read| read == chunk_bytes) {
            return Err(damage(path, at, "a chunk can't be decompressed"));
        }
        self.previous = u128_at(&head, 8);
        self.at += (CHUNK_HEAD_BYTES + frame_bytes) as u64;
        self.left -= chunk_bytes as u64;
        self.taken = 0;
        Ok(Some(&self.chunk))
    }

    /// Reads some bytes into `room` and says how many; 0 at the end alone.
    ///
    /// # Errors
    /// As [`ArchivedFile::chunk`].
    pub fn read(&mut self, room: &mut [u8]) -> Result<usize, FileError> {
        if self.taken == self.chunk.len() && self.chunk()?.is_none() {
            return Ok(0);
        }
        let rest = &self.chunk[self.taken..];
        let count = rest.len().min(room.len());
        room[..count].copy_from_slice(&rest[..count]);
        self.taken += count;
        Ok(count)
    }

    /// Reads a segment whole, with the zeros at its end, into `room`.
    ///
    /// # Errors
    /// As [`ArchivedFile::chunk`]; and where it is none.
    pub fn read_segment(mut self, room: Buffer) -> Result<Buffer, FileError> {
        let length = limits::SEGMENT_BYTES;
        if self.header.kind != ArchivedKind::Segment || self.header.bytes > length as u64 {
            return Err(damage(&self.path, 0, "it is no segment"));
        }
        let mut bytes = room;
        bytes.clear();
        bytes.reserve(length);
        while let Some(chunk) = self.chunk()? {
            bytes.extend_from_slice(chunk);
        }
        bytes.resize(length, 0);
        Ok(bytes)
    }
}

/// Fills the room from `offset` on, which is of what begins at `part`.
fn read_exactly(file: &File, path: &Path, room: &mut [u8], offset: u64, part: u64) -> Result<(), FileError> {
    file.read_exact_at(room, offset).map_err(|error| match error.kind() {
        ErrorKind::UnexpectedEof => damage(path, part, "it ends too early"),
        _ => FileError::of("read", path)(error),
    })
}

fn damage(path: &Path, at: u64, what: &str) -> FileError {
    FileError::invalid(path, format!("byte {at}: {what}: {REMEDY}"))
}
