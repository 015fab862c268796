//! Where an answer ends, and what it says.

/// Bytes of an answer's head.
const HEAD_BYTES_MAX: usize = 16 * 1_024;

/// Bytes of an answer's body. A page of a statement is a quarter of one.
const BODY_BYTES_MAX: usize = 1024 * 1_024;

/// An answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StreamedAnswer<'a> {
    pub(crate) status: u16,
    /// The server ends the connection after it.
    pub(crate) closes: bool,
    pub(crate) body: &'a [u8],
}

impl StreamedAnswer<'_> {
    /// The wallet's `ErrorCode`.
    pub(crate) fn code(&self) -> Option<i32> {
        number_after(self.body, b"\"ErrorCode\":")
    }

    /// Whether the request was done.
    pub(crate) fn is_success(&self) -> bool {
        matches!(self.status, 200..=299) && self.code().is_none_or(|code| code == 0)
    }

    /// Whether it was refused for want of room or time, and may be asked again.
    pub(crate) fn is_refusal(&self) -> bool {
        matches!(self.status, 429 | 503) || self.code() == Some(-1)
    }
}

/// The number that follows the first `name`.
pub(crate) fn number_after(body: &[u8], name: &[u8]) -> Option<i32> {
    let at = memchr::memmem::find(body, name)? + name.len();
    let digits = body[at..].iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'-').count();
    str::from_utf8(&body[at..at + digits]).ok()?.parse().ok()
}

/// The text that follows the first `name` up to a quote.
pub(crate) fn text_after<'a>(body: &'a [u8], name: &[u8]) -> Option<&'a str> {
    let at = memchr::memmem::find(body, name)? + name.len();
    let length = memchr::memchr(b'"', &body[at..])?;
    str::from_utf8(&body[at..at + length]).ok()
}

/// The bytes of a connection, answer by answer.
#[derive(Debug, Default)]
pub(crate) struct AnswerStream {
    bytes: Vec<u8>,
    /// Bytes of answers that were taken.
    taken: usize,
}

impl AnswerStream {
    /// Where further bytes are to be added.
    pub(crate) fn room(&mut self) -> &mut Vec<u8> {
        if self.taken > 0 {
            self.bytes.drain(..self.taken);
            self.taken = 0;
        }
        &mut self.bytes
    }

    /// Forgets everything: a new connection.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.taken = 0;
    }

    /// The next answer, where all of it is there.
    ///
    /// # Errors
    /// A sentence, where the bytes are no answer of a length that is told.
    pub(crate) fn next(&mut self) -> Result<Option<StreamedAnswer<'_>>, String> {
        let bytes = &self.bytes[self.taken..];
        let Some(end) = memchr::memmem::find(bytes, b"\r\n\r\n") else {
            return if bytes.len() > HEAD_BYTES_MAX {
                Err("a head without an end".to_owned())
            } else {
                Ok(None)
            };
        };
        let head = str::from_utf8(&bytes[..end]).map_err(|_| "a head that is no text".to_owned())?;
        let mut lines = head.split("\r\n");
        let first = lines.next().unwrap_or_default();
        let status = first.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
        let status: u16 = status.ok_or_else(|| format!("an answer that begins with \"{first}\""))?;
        let (mut length, mut closes) = (None, false);
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse::<usize>().ok();
            } else if name.eq_ignore_ascii_case("connection") {
                closes = value.trim().eq_ignore_ascii_case("close");
            }
        }
        let length = match length {
            None if matches!(status, 100..=199 | 204 | 304) => 0,
            Some(length) if length <= BODY_BYTES_MAX => length,
            _ => return Err(format!("an answer without a length: \"{first}\"")),
        };
        let body = end + 4;
        if bytes.len() < body + length {
            return Ok(None);
        }
        let from = self.taken + body;
        self.taken = from + length;
        Ok(Some(StreamedAnswer { status, closes, body: &self.bytes[from..from + length] }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The answers in `text` that comes in pieces of every length: status, code, whether it closes.
    #[track_caller]
    fn check(text: &str, expect: &[(u16, Option<i32>, bool)]) {
        for piece in 1..=text.len() {
            let (mut answers, mut found) = (AnswerStream::default(), Vec::new());
            for bytes in text.as_bytes().chunks(piece) {
                answers.room().extend_from_slice(bytes);
                while let Some(answer) = answers.next().expect("answers") {
                    found.push((answer.status, answer.code(), answer.closes));
                }
            }
            assert_eq!(found, expect, "in pieces of {piece}: {text}");
        }
    }

    #[test]
    fn answers_in_pieces() {
        let done = "HTTP/1.1 200 OK\r\ncontent-length: 15\r\n\r\n{\"ErrorCode\":0}";
        let refused = "HTTP/1.1 200 OK\r\nContent-Length: 16\r\nConnection: close\r\n\r\n{\"ErrorCode\":-1}";
        check(done, &[(200, Some(0), false)]);
        check(&[done, refused].concat(), &[(200, Some(0), false), (200, Some(-1), true)]);
        check("HTTP/1.1 204 No Content\r\n\r\n", &[(204, None, false)]);
        check("HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}", &[(404, None, false)]);
        check("HTTP/1.1 200 OK\r\nContent-Le", &[]);
    }

    #[track_caller]
    fn check_wrong(text: &str, expect: &str) {
        let mut answers = AnswerStream::default();
        answers.room().extend_from_slice(text.as_bytes());
        assert_eq!(answers.next(), Err(expect.to_owned()));
    }

    #[test]
    fn what_is_no_answer() {
        check_wrong("HTTP/1.1 200 OK\r\n\r\n", "an answer without a length: \"HTTP/1.1 200 OK\"");
        check_wrong("SSH-2.0\r\n\r\n", "an answer that begins with \"SSH-2.0\"");
        check_wrong(&"x".repeat(HEAD_BYTES_MAX + 1), "a head without an end");
    }

    #[track_caller]
    fn check_kind(status: u16, body: &str, expect: (bool, bool)) {
        let answer = StreamedAnswer { status, closes: false, body: body.as_bytes() };
        assert_eq!((answer.is_success(), answer.is_refusal()), expect, "{status} {body}");
    }

    #[test]
    fn kinds_of_answers() {
        check_kind(200, "{\"ErrorCode\":0}", (true, false));
        check_kind(200, "{\"ErrorCode\":-1}", (false, true));
        check_kind(200, "{\"ErrorCode\":-2}", (false, false));
        check_kind(201, "{}", (true, false));
        check_kind(503, "{\"Error\":\"later\"}", (false, true));
        check_kind(404, "{}", (false, false));
    }

    #[test]
    fn members() {
        let body = br#"{"Balance":{"CashFunds":10.00,"Version":17},"Result":{"SessionToken":"abc"}}"#;
        assert_eq!(number_after(body, b"\"Version\":"), Some(17));
        assert_eq!(text_after(body, b"\"SessionToken\":\""), Some("abc"));
        assert_eq!(text_after(body, b"\"None\":\""), None);
    }
}
