//! An answer's bytes: where it ends, and what it says.
//!
//! Every answer of a run is looked at, so this is on the path of each request. The head is read line by line for
//! the few fields that frame the message; the body is walked member by member, just far enough. Nothing of the
//! server's own code is used: a fault that both sides shared would not be seen.

use memchr::{memchr, memchr2};

/// Bytes of an answer. Past it the answer counts as one that can't be framed.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Characters of a session token (protocol §3), with room for what a server should not send: it will see it again.
const TOKEN_BYTES_MAX: usize = 128;

/// A whole answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answer<'a> {
    /// The HTTP status.
    pub(crate) status: u16,
    /// The server ends the connection after this answer.
    pub(crate) closes: bool,
    /// The body.
    pub(crate) body: &'a [u8],
    /// Bytes of all of it, head and body.
    length: usize,
}

impl<'a> Answer<'a> {
    /// Whether the body is an object whose `ErrorCode` is the number 0, written `0`.
    pub(crate) fn is_success(&self) -> bool {
        member(self.body, b"ErrorCode") == Some(b"0")
    }

    /// Whether the server says that it could not answer, and that nothing was changed or it can't be known: `ErrorCode` -1,
    /// or HTTP 503 (protocol §1).
    pub(crate) fn is_refusal(&self) -> bool {
        self.status == 503 || member(self.body, b"ErrorCode") == Some(b"-1")
    }

    /// `Result.SessionToken`, where there is one that can be sent back as it stands.
    pub(crate) fn session_token(&self) -> Option<&'a [u8]> {
        let value = member(member(self.body, b"Result")?, b"SessionToken")?;
        let token = value.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
        let plain = !token.is_empty() && token.len() <= TOKEN_BYTES_MAX && !token.contains(&b'\\');
        plain.then_some(token)
    }
}

/// What the bytes of an answer are so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framed<'a> {
    /// The beginning of an answer.
    Partial,
    /// One answer, which may have others after it.
    Whole(Answer<'a>),
    /// Nothing that can be told to be an answer; the connection is of no use any more.
    Unframeable,
}

/// One connection's answers as they come, one after another. An answer that comes in one piece is not copied.
#[derive(Debug, Default)]
pub(crate) struct Assembly {
    begun: Vec<u8>,
}

impl Assembly {
    /// Takes the next bytes of the answer off `bytes`. What follows a whole answer is left there, for the next one.
    pub(crate) fn feed<'a, 'b: 'a>(&'a mut self, bytes: &mut &'b [u8]) -> Framed<'a> {
        let taken = std::mem::take(bytes);
        if self.begun.is_empty() {
            let framed = frame(taken);
            match framed {
                Framed::Partial => self.begun.extend_from_slice(taken),
                Framed::Whole(answer) => *bytes = &taken[answer.length..],
                Framed::Unframeable => {}
            }
            return framed;
        }
        if self.begun.len() + taken.len() > ANSWER_BYTES_MAX {
            return Framed::Unframeable;
        }
        let before = self.begun.len();
        self.begun.extend_from_slice(taken);
        let framed = frame(&self.begun);
        if let Framed::Whole(answer) = framed {
            // What was there before was no whole answer, so that this one ends in what has come.
            *bytes = &taken[answer.length - before..];
        }
        framed
    }

    /// Makes room for the next answer.
    pub(crate) fn clear(&mut self) {
        self.begun.clear();
    }
}

/// Frames an answer by its `Content-Length` (RFC 9112 §6.3). Other ways are not the server's.
pub(crate) fn frame(bytes: &[u8]) -> Framed<'_> {
    let mut head = Head::default();
    let mut rest = bytes;
    let mut lines = 0;
    while let Some(end) = memchr(b'\n', rest) {
        let Some(line) = rest[..end].strip_suffix(b"\r") else { return Framed::Unframeable };
        rest = &rest[end + 1..];
        if line.is_empty() {
            return whole(&head, bytes.len() - rest.len(), rest);
        }
        let read = if lines == 0 { head.read_status_line(line) } else { head.read_field(line) };
        if read.is_none() {
            return Framed::Unframeable;
        }
        lines += 1;
    }
    if bytes.len() < ANSWER_BYTES_MAX { Framed::Partial } else { Framed::Unframeable }
}

fn whole<'a>(head: &Head, head_bytes: usize, rest: &'a [u8]) -> Framed<'a> {
    let Head { status: 200.., length: Some(length), .. } = *head else { return Framed::Unframeable };
    if length > ANSWER_BYTES_MAX {
        return Framed::Unframeable;
    }
    match rest.get(..length) {
        None => Framed::Partial,
        Some(body) => Framed::Whole(Answer {
            status: head.status,
            closes: head.closes,
            body,
            length: head_bytes + length,
        }),
    }
}

/// What a head says of its message.
#[derive(Clone, Copy, Debug, Default)]
struct Head {
    status: u16,
    length: Option<usize>,
    closes: bool,
}

impl Head {
    /// `None` where the line is none, here and below.
    fn read_status_line(&mut self, line: &[u8]) -> Option<()> {
        let rest = line.strip_prefix(b"HTTP/1.")?;
        let [minor @ b'0'..=b'1', b' ', status @ ..] = rest else { return None };
        let (digits, reason) = status.split_at_checked(3)?;
        if !matches!(reason, [] | [b' ', ..]) {
            return None;
        }
        // What HTTP/1.0 says of a connection that persists is not looked for: it is taken to end.
        self.closes = *minor == b'0';
        self.status = number(digits)? as u16;
        Some(())
    }

    fn read_field(&mut self, line: &[u8]) -> Option<()> {
        // The length of a name tells most lines apart before any byte is compared.
        match line.iter().position(|byte| *byte == b':')? {
            10 if is_named(line, b"connection:") => {
                self.closes |= line[11..].trim_ascii().eq_ignore_ascii_case(b"close");
            }
            14 if is_named(line, b"content-length:") => {
                let length = number(line[15..].trim_ascii())?;
                if self.length.replace(length).is_some() {
                    return None;
                }
            }
            17 if is_named(line, b"transfer-encoding:") => return None,
            _ => {}
        }
        Some(())
    }
}

fn is_named(line: &[u8], name: &[u8]) -> bool {
    line[..name.len()].eq_ignore_ascii_case(name)
}

/// A number of digits alone; none of the numbers here has more than nine.
fn number(digits: &[u8]) -> Option<usize> {
    if digits.is_empty() || digits.len() > 9 {
        return None;
    }
    digits
        .iter()
        .try_fold(0, |number, digit| digit.is_ascii_digit().then(|| number * 10 + usize::from(digit - b'0')))
}

/// The value of a member of a JSON object, as it is written. It must be a member of the object itself: one of an
/// object within it, or the same text within a string, is not.
fn member<'a>(object: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let mut walk = Walk { bytes: object, at: 0 };
    walk.skip_space();
    walk.take(b'{')?;
    loop {
        walk.skip_space();
        let key = walk.string()?;
        walk.skip_space();
        walk.take(b':')?;
        walk.skip_space();
        let value = walk.value()?;
        walk.skip_space();
        // What follows shows that the value has ended where it seems to.
        let follows = walk.peek()?;
        if !matches!(follows, b',' | b'}') {
            return None;
        }
        if key[1..key.len() - 1] == *name {
            return Some(value);
        }
        walk.take(b',')?;
    }
}

/// A walk over JSON text, from one token to the next.
struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Walk<'a> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\r' | b'\n') = self.peek() {
            self.at += 1;
        }
    }

    /// A string with its quotes.
    fn string(&mut self) -> Option<&'a [u8]> {
        let start = self.at;
        self.take(b'"')?;
        loop {
            self.at += memchr2(b'"', b'\\', &self.bytes[self.at..])?;
            if self.bytes[self.at] == b'"' {
                self.at += 1;
                return Some(&self.bytes[start..self.at]);
            }
            self.at += 2;
            if self.at > self.bytes.len() {
                return None;
            }
        }
    }

    fn value(&mut self) -> Option<&'a [u8]> {
        let start = self.at;
        match self.peek()? {
            b'"' => return self.string(),
            b'{' | b'[' => self.skip_nested()?,
            _ => {
                while let Some(byte) = self.peek() {
                    if matches!(byte, b',' | b'}' | b']' | b'{' | b'[' | b'"' | b':')
                        || byte.is_ascii_whitespace()
                    {
                        break;
                    }
                    self.at += 1;
                }
            }
        }
        Some(&self.bytes[start..self.at])
    }

    /// To the end of the object or array that begins here.
    fn skip_nested(&mut self) -> Option<()> {
        let mut depth = 0_usize;
        loop {
            match self.peek()? {
                b'"' => {
                    self.string()?;
                    continue;
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth -= 1,
                _ => {}
            }
            self.at += 1;
            if depth == 0 {
                return Some(());
            }
        }
    }
}

#[cfg(test)]
mod tests;
