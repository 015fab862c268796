//! The chunked transfer coding (RFC 9112 §7.1), taken off as the bytes come.
//!
//! The decoder goes through sizes, extensions and trailers byte by byte, and through data in whole pieces. So
//! it can stop and go on anywhere, no byte is looked at twice, and how the bytes were cut up can't change what
//! it finds. Every line ends in CR LF: a line feed alone, which some recipients take and others do not, is how
//! two of them come to disagree about a chunk.

use super::field::{is_token_byte, is_value_byte};
use super::status::Status;
use alloc::vec::Vec;
use limits::{BODY_BYTES_MAX, CHUNK_OVERHEAD_BYTES_MAX, HEADERS_MAX};

/// Hexadecimal digits of a chunk's size, leading zeros included: what fits 64 bits.
const SIZE_DIGITS_MAX: u8 = 16;

/// What the next byte belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ChunkedState {
    /// The size of a chunk, of which so many digits were there.
    Size {
        digits: u8,
    },
    /// Blanks between a size and the semicolon of its extension.
    BeforeExtension,
    /// A chunk's extension, which is skipped.
    Extension,
    /// The end of a size line.
    SizeLineFeed,
    /// Data of a chunk.
    Data {
        left: usize,
    },
    /// The line end after the data.
    DataReturn,
    DataLineFeed,
    /// The first byte of a trailer line, or of the empty line that ends the message.
    TrailerStart,
    TrailerName,
    TrailerValue,
    TrailerLineFeed,
    LastLineFeed,
    /// The message has ended.
    Done,
}

/// A chunked body in progress.
#[derive(Debug)]
pub(super) struct Chunked {
    state: ChunkedState,
    /// Position in the input of the next byte to look at.
    at: usize,
    /// Size of the present chunk in bytes, as its line says.
    size: u64,
    /// Bytes so far that are not content.
    overhead: usize,
    trailers: usize,
    content: Vec<u8>,
}

impl Chunked {
    /// A body that begins at position `at` of the input.
    pub(super) const fn new(at: usize) -> Self {
        let state = ChunkedState::Size { digits: 0 };
        Self { state, at, size: 0, overhead: 0, trailers: 0, content: Vec::new() }
    }

    /// The content so far.
    pub(super) fn content(&self) -> &[u8] {
        &self.content
    }

    /// Goes on with `input`, the message from its beginning. When the body is complete, the position after it.
    ///
    /// # Errors
    /// 400 malformed, 413 too much content or too much around it, 431 too many trailers.
    pub(super) fn decode(&mut self, input: &[u8]) -> Result<Option<usize>, Status> {
        while self.state != ChunkedState::Done && self.at < input.len() {
            if let ChunkedState::Data { left } = self.state {
                let piece = &input[self.at..];
                let piece = &piece[..piece.len().min(left)];
                self.content.extend_from_slice(piece);
                self.at += piece.len();
                let left = left - piece.len();
                self.state = if left > 0 { ChunkedState::Data { left } } else { ChunkedState::DataReturn };
                continue;
            }
            let byte = input[self.at];
            self.at += 1;
            self.overhead += 1;
            if self.overhead > CHUNK_OVERHEAD_BYTES_MAX {
                return Err(Status::ContentTooLarge);
            }
            self.state = self.next_state(byte)?;
        }
        debug_assert!(self.content.len() <= BODY_BYTES_MAX);
        Ok((self.state == ChunkedState::Done).then_some(self.at))
    }

    /// The state after `byte`, which is not data.
    fn next_state(&mut self, byte: u8) -> Result<ChunkedState, Status> {
        Ok(match (self.state, byte) {
            (ChunkedState::Size { digits }, byte) if byte.is_ascii_hexdigit() => {
                self.size_digit(digits, byte)?
            }
            (ChunkedState::Size { digits: 0 }, _) => return Err(Status::BadRequest),
            (ChunkedState::Size { .. } | ChunkedState::BeforeExtension, b' ' | b'\t') => {
                ChunkedState::BeforeExtension
            }
            (ChunkedState::Size { .. } | ChunkedState::BeforeExtension, b';') => ChunkedState::Extension,
            (ChunkedState::Size { .. } | ChunkedState::Extension, b'\r') => ChunkedState::SizeLineFeed,
            (ChunkedState::Extension, byte) if is_value_byte(byte) => ChunkedState::Extension,
            (ChunkedState::SizeLineFeed, b'\n') => self.begin_data()?,
            (ChunkedState::DataReturn, b'\r') => ChunkedState::DataLineFeed,
            (ChunkedState::DataLineFeed, b'\n') => ChunkedState::Size { digits: 0 },
            (ChunkedState::TrailerStart, b'\r') => ChunkedState::LastLineFeed,
            (ChunkedState::TrailerStart, byte) if is_token_byte(byte) => self.begin_trailer()?,
            (ChunkedState::TrailerName, byte) if is_token_byte(byte) => ChunkedState::TrailerName,
            (ChunkedState::TrailerName, b':') => ChunkedState::TrailerValue,
            (ChunkedState::TrailerValue, byte) if is_value_byte(byte) => ChunkedState::TrailerValue,
            (ChunkedState::TrailerValue, b'\r') => ChunkedState::TrailerLineFeed,
            (ChunkedState::TrailerLineFeed, b'\n') => ChunkedState::TrailerStart,
            (ChunkedState::LastLineFeed, b'\n') => ChunkedState::Done,
            _ => return Err(Status::BadRequest),
        })
    }

    fn size_digit(&mut self, digits: u8, byte: u8) -> Result<ChunkedState, Status> {
        if digits == SIZE_DIGITS_MAX {
            return Err(Status::BadRequest);
        }
        let value = match byte {
            b'0'..=b'9' => byte - b'0',
            _ => (byte | 0x20) - b'a' + 10,
        };
        let before = if digits == 0 { 0 } else { self.size };
        self.size = before * 16 + u64::from(value);
        Ok(ChunkedState::Size { digits: digits + 1 })
    }

    /// A size line is complete: its data follow, or the trailers where it was the last one.
    fn begin_data(&self) -> Result<ChunkedState, Status> {
        if self.size == 0 {
            return Ok(ChunkedState::TrailerStart);
        }
        let room = BODY_BYTES_MAX - self.content.len();
        match usize::try_from(self.size) {
            Ok(left) if left <= room => Ok(ChunkedState::Data { left }),
            _ => Err(Status::ContentTooLarge),
        }
    }

    /// A trailer begins. Trailers are discarded: none may change what the head has said (RFC 9110 §6.5.1).
    fn begin_trailer(&mut self) -> Result<ChunkedState, Status> {
        self.trailers += 1;
        if self.trailers > HEADERS_MAX { Err(Status::HeadTooLarge) } else { Ok(ChunkedState::TrailerName) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Decodes `input` whole, and byte by byte, which must not differ.
    fn decode(input: &[u8]) -> Result<Option<(Vec<u8>, usize)>, Status> {
        let mut whole = Chunked::new(0);
        let result = whole.decode(input).map(|end| end.map(|end| (whole.content.clone(), end)));
        let mut bytewise = Chunked::new(0);
        let stepped =
            (1..=input.len()).map(|end| bytewise.decode(&input[..end])).find(|step| *step != Ok(None));
        assert_eq!(stepped.unwrap_or(Ok(None)), result.clone().map(|done| done.map(|(_, end)| end)));
        assert!(result.is_err() || bytewise.content == whole.content);
        result
    }

    #[track_caller]
    fn check(input: &str, expect: &str) {
        let result = decode(input.as_bytes());
        assert_eq!(result, Ok(Some((expect.into(), input.len()))), "{input:?}");
    }

    #[track_caller]
    fn check_refused(input: &str, expect: Status) {
        assert_eq!(decode(input.as_bytes()), Err(expect), "{input:?}");
    }

    #[test]
    fn chunks_are_joined() {
        check("0\r\n\r\n", "");
        check("5\r\nhello\r\n0\r\n\r\n", "hello");
        check("1\r\n{\r\n1\r\n}\r\n0\r\n\r\n", "{}");
        check("A\r\n0123456789\r\na\r\n0123456789\r\n000\r\n\r\n", "01234567890123456789");
        check("0000000000000002\r\nab\r\n0\r\n\r\n", "ab");
        check("4\r\n\r\n\r\n\r\n0\r\n\r\n", "\r\n\r\n");
    }

    #[test]
    fn extensions_and_trailers_are_skipped() {
        check("2;a=b\r\nab\r\n0;last\r\n\r\n", "ab");
        check("2 \t; a = \"b;c\"\r\nab\r\n0\r\n\r\n", "ab");
        check("2;\r\nab\r\n0\r\n\r\n", "ab");
        check("2;\u{e9}\r\nab\r\n0\r\n\r\n", "ab");
        check("0\r\nDigest: abc\r\nEmpty:\r\n\r\n", "");
        check("0\r\nContent-Length: 7\r\nTransfer-Encoding: gzip\r\n\r\n", "");
    }

    #[test]
    fn what_follows_is_left_alone() {
        assert_eq!(decode(b"1\r\nx\r\n0\r\n\r\nGET / HTTP/1.1"), Ok(Some((b"x".to_vec(), 11))));
    }

    #[test]
    fn an_unfinished_body_waits() {
        for whole in ["5\r\nhello\r\n0\r\n\r\n", "1;x\r\nx\r\n0\r\nA: b\r\n\r\n"] {
            for end in 0..whole.len() {
                assert_eq!(decode(&whole.as_bytes()[..end]), Ok(None), "{:?}", &whole[..end]);
            }
        }
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_malformed() {
        let bad = |input| check_refused(input, Status::BadRequest);
        bad("\r\n");
        bad(";a\r\n");
        bad(" 1\r\n");
        bad("-1\r\n");
        bad("+1\r\n");
        bad("0x1\r\n");
        bad("g\r\n");
        bad("1 \r\n");
        bad("1 1\r\n");
        bad("1\nx");
        bad("1\rx");
        bad("1;a\nx");
        bad("1;a\rb");
        bad("1;\0\r\n");
        bad("00000000000000001\r\n");
        bad("1\r\nxy\r\n");
        bad("1\r\nx\n");
        bad("1\r\nx\rx");
        bad("0\r\n\n");
        bad("0\r\n\rx");
        bad("0\r\n folded\r\n");
        bad("0\r\nname\r\n");
        bad("0\r\nname : x\r\n");
        bad("0\r\n: x\r\n");
        bad("0\r\nname: \0\r\n");
        bad("0\r\nname: x\n");
        bad("0\r\nname: x\r\r");
        bad("0\r\nname: x\r\n more\r\n");
    }

    #[test]
    fn content_is_bounded() {
        let full = format!("{BODY_BYTES_MAX:x}\r\n{}\r\n", "x".repeat(BODY_BYTES_MAX));
        check(&format!("{full}0\r\n\r\n"), &"x".repeat(BODY_BYTES_MAX));
        check_refused(&format!("{full}1\r\n"), Status::ContentTooLarge);
        check_refused(&format!("{:x}\r\n", BODY_BYTES_MAX + 1), Status::ContentTooLarge);
        check_refused("ffffffffffffffff\r\n", Status::ContentTooLarge);
        check_refused("1\r\nx\r\nffffffffffffffff\r\n", Status::ContentTooLarge);
    }

    #[test]
    fn what_is_around_the_content_is_bounded() {
        let extended = |bytes: usize| format!("1;{}\r\nx\r\n0\r\n\r\n", "e".repeat(bytes));
        let around = extended(0).len() - 1;
        check(&extended(CHUNK_OVERHEAD_BYTES_MAX - around), "x");
        check_refused(&extended(CHUNK_OVERHEAD_BYTES_MAX - around + 1), Status::ContentTooLarge);
        check_refused(
            &format!("0\r\nname: {}", "v".repeat(CHUNK_OVERHEAD_BYTES_MAX)),
            Status::ContentTooLarge,
        );
        check_refused(&"1\r\nx\r\n".repeat(BODY_BYTES_MAX), Status::ContentTooLarge);
        check(&format!("0\r\n{}\r\n", "a:b\r\n".repeat(HEADERS_MAX)), "");
        check_refused(&format!("0\r\n{}\r\n", "a:b\r\n".repeat(HEADERS_MAX + 1)), Status::HeadTooLarge);
    }
}
