//! An answer to bytes.
//!
//! Nearly every answer is a 200 with JSON on a connection that persists. Its head differs from the last one in
//! nothing but the length, so it lies ready with the date in it and is copied.

use alloc::vec::Vec;

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;

use super::status::Status;

/// The head of the usual answer, up to its length. The date in it is replaced.
const USUAL_HEAD: &[u8; 102] = b"HTTP/1.1 200 OK\r\n\
    Content-Type: application/json\r\n\
    Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n\
    Content-Length: ";

/// Bytes of an IMF-fixdate (RFC 9110 §5.6.7).
const DATE_BYTES: usize = 29;

/// Where the date lies in [`USUAL_HEAD`].
const DATE_START: usize = USUAL_HEAD.len() - "\r\nContent-Length: ".len() - DATE_BYTES;

/// The last second that jiff knows, in seconds since 1970: within the last two days of the year 9999.
const SECONDS_MAX: u64 = 253_402_207_200;

/// The value of the `Date` field (RFC 9110 §6.6.1), made once a second and not once per answer.
#[derive(Clone, Debug)]
pub struct DateHeader {
    unix_seconds: u64,
    usual_head: [u8; USUAL_HEAD.len()],
}

impl DateHeader {
    /// The date of `unix_seconds` since 1970, UTC.
    pub fn new(unix_seconds: u64) -> Self {
        let mut date = Self { unix_seconds: 0, usual_head: *USUAL_HEAD };
        date.refresh(unix_seconds);
        date
    }

    /// Makes this the date of `unix_seconds` since 1970, UTC. Costs a comparison within the same second.
    pub fn refresh(&mut self, unix_seconds: u64) {
        if unix_seconds == self.unix_seconds {
            return;
        }
        self.unix_seconds = unix_seconds;
        let time = Timestamp::from_second(unix_seconds.min(SECONDS_MAX).cast_signed());
        let date = time.and_then(|time| DateTimePrinter::new().timestamp_to_rfc9110_string(&time));
        let room = &mut self.usual_head[DATE_START..DATE_START + DATE_BYTES];
        room.copy_from_slice(date.expect("a time of those that have a date").as_bytes());
    }

    /// The date as text, `Thu, 01 Jan 1970 00:00:00 GMT`.
    pub fn value(&self) -> &[u8] {
        &self.usual_head[DATE_START..DATE_START + DATE_BYTES]
    }
}

impl Default for DateHeader {
    /// The first second of 1970, until it is refreshed.
    fn default() -> Self {
        Self::new(0)
    }
}

/// What the body of an answer is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ContentType {
    /// JSON, in UTF-8 (RFC 8259 §8.1).
    #[default]
    Json,
    /// The text format of Prometheus, version 0.0.4.
    PrometheusText,
}

impl ContentType {
    const fn value(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::PrometheusText => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// What an answer says of its connection (RFC 9112 §9.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Persistence {
    /// Nothing: it persists, as connections of HTTP/1.1 do.
    #[default]
    Default,
    /// It persists, and the client speaks HTTP/1.0.
    KeepAlive,
    /// It ends with this answer.
    Close,
}

/// An answer.
#[derive(Clone, Copy, Debug)]
pub struct Response<'a> {
    /// The status.
    pub status: Status,
    /// What the body is.
    pub content_type: ContentType,
    /// The methods of the path, comma-separated; an answer of 405 must have it (RFC 9110 §15.5.6).
    pub allow: Option<&'static str>,
    /// How credentials are asked for; an answer of 401 must (RFC 9110 §15.5.2).
    pub challenge: Option<&'static str>,
    /// Whether the connection stays open.
    pub persistence: Persistence,
    /// The body.
    pub body: &'a [u8],
    /// Leaves the body out, though the length tells of it: the answer to `HEAD` (RFC 9110 §9.3.2).
    pub omit_body: bool,
}

impl<'a> Response<'a> {
    /// An answer with JSON in its body, on a connection that persists.
    pub const fn json(status: Status, body: &'a [u8]) -> Self {
        Self {
            status,
            content_type: ContentType::Json,
            allow: None,
            challenge: None,
            persistence: Persistence::Default,
            body,
            omit_body: false,
        }
    }

    fn is_usual(&self) -> bool {
        self.status == Status::Ok
            && self.content_type == ContentType::Json
            && self.persistence == Persistence::Default
            && self.allow.is_none()
            && self.challenge.is_none()
    }
}

/// Appends `response` to `out`, head and body. Allocates nothing once `out` has the room.
pub fn write_response(out: &mut Vec<u8>, date: &DateHeader, response: &Response<'_>) {
    if response.is_usual() {
        out.extend_from_slice(&date.usual_head);
    } else {
        write_head(out, date, response);
        if response.status == Status::NoContent {
            return;
        }
    }
    let mut room = [0; LENGTH_LINE_BYTES];
    out.extend_from_slice(length_line(response.body.len(), &mut room));
    if !response.omit_body {
        out.extend_from_slice(response.body);
    }
}

/// The head of any answer, up to its length.
fn write_head(out: &mut Vec<u8>, date: &DateHeader, response: &Response<'_>) {
    let code = response.status.code();
    let digits = [code / 100, code / 10 % 10, code % 10].map(|digit| b'0' + digit as u8);
    let mut put = |parts: [&[u8]; 3]| parts.iter().for_each(|part| out.extend_from_slice(part));
    put([b"HTTP/1.1 ", &digits, b" "]);
    put([response.status.reason().as_bytes(), b"\r\n", b""]);
    // An answer of 204 ends with its head, and a length in it would be a fault (RFC 9110 §8.6, §15.3.5).
    let has_content = response.status != Status::NoContent;
    if has_content {
        put([b"Content-Type: ", response.content_type.value().as_bytes(), b"\r\n"]);
    }
    put([b"Date: ", date.value(), b"\r\n"]);
    if let Some(methods) = response.allow {
        put([b"Allow: ", methods.as_bytes(), b"\r\n"]);
    }
    if let Some(challenge) = response.challenge {
        put([b"WWW-Authenticate: ", challenge.as_bytes(), b"\r\n"]);
    }
    if response.status == Status::UnsupportedMediaType {
        // The fault was the coding, and this is the one that would have done (RFC 9110 §15.5.16).
        out.extend_from_slice(b"Accept-Encoding: identity\r\n");
    }
    out.extend_from_slice(match response.persistence {
        Persistence::Default => b"",
        Persistence::KeepAlive => b"Connection: keep-alive\r\n",
        Persistence::Close => b"Connection: close\r\n",
    });
    out.extend_from_slice(if has_content { b"Content-Length: " } else { b"\r\n" });
}

/// Room for the digits of any length and the two line ends after them.
const LENGTH_LINE_BYTES: usize = 24;

/// The rest of a head after `Content-Length: `.
fn length_line(mut bytes: usize, room: &mut [u8; LENGTH_LINE_BYTES]) -> &[u8] {
    let mut at = room.len() - 4;
    room[at..].copy_from_slice(b"\r\n\r\n");
    loop {
        at -= 1;
        room[at] = b'0' + (bytes % 10) as u8;
        bytes /= 10;
        if bytes == 0 {
            return &room[at..];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(response: Response<'_>, expect: &str) {
        // 1994-11-06 08:49:37 is the example of RFC 9110 §5.6.7.
        let date = DateHeader::new(784_111_777);
        let mut out = b"before".to_vec();
        write_response(&mut out, &date, &response);
        let expect = expect.replace('\n', "\r\n").replace("<date>", "Date: Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(
            out.escape_ascii().to_string(),
            format!("before{expect}").as_bytes().escape_ascii().to_string()
        );
    }

    #[test]
    fn the_usual_answer() {
        let json = Response::json(Status::Ok, b"{}");
        let head = "HTTP/1.1 200 OK\nContent-Type: application/json\n<date>\nContent-Length: ";
        check(json, &format!("{head}2\n\n{{}}"));
        check(Response { body: b"", ..json }, &format!("{head}0\n\n"));
        let long = [b'x'; 1234];
        check(Response { body: &long, ..json }, &format!("{head}1234\n\n{}", "x".repeat(1234)));
        check(Response { omit_body: true, body: &long, ..json }, &format!("{head}1234\n\n"));
    }

    #[test]
    fn other_answers() {
        let error = Response::json(Status::BadRequest, b"{}");
        check(
            Response { persistence: Persistence::Close, ..error },
            "HTTP/1.1 400 Bad Request\nContent-Type: application/json\n<date>\nConnection: close\n\
             Content-Length: 2\n\n{}",
        );
        check(
            Response { status: Status::Ok, persistence: Persistence::KeepAlive, ..error },
            "HTTP/1.1 200 OK\nContent-Type: application/json\n<date>\nConnection: keep-alive\n\
             Content-Length: 2\n\n{}",
        );
        check(
            Response { status: Status::MethodNotAllowed, allow: Some("GET, PUT"), ..error },
            "HTTP/1.1 405 Method Not Allowed\nContent-Type: application/json\n<date>\nAllow: GET, PUT\n\
             Content-Length: 2\n\n{}",
        );
        check(
            Response { status: Status::Ok, allow: Some("OPTIONS, POST"), ..error },
            "HTTP/1.1 200 OK\nContent-Type: application/json\n<date>\nAllow: OPTIONS, POST\n\
             Content-Length: 2\n\n{}",
        );
        check(
            Response { status: Status::UnsupportedMediaType, ..error },
            "HTTP/1.1 415 Unsupported Media Type\nContent-Type: application/json\n<date>\n\
             Accept-Encoding: identity\nContent-Length: 2\n\n{}",
        );
        check(
            Response { status: Status::NoContent, allow: Some("OPTIONS"), body: b"", ..error },
            "HTTP/1.1 204 No Content\n<date>\nAllow: OPTIONS\n\n",
        );
        check(
            Response { status: Status::NoContent, persistence: Persistence::Close, omit_body: true, ..error },
            "HTTP/1.1 204 No Content\n<date>\nConnection: close\n\n",
        );
        check(
            Response { status: Status::Ok, challenge: Some("Basic realm=\"wallet\""), ..error },
            "HTTP/1.1 200 OK\nContent-Type: application/json\n<date>\n\
             WWW-Authenticate: Basic realm=\"wallet\"\nContent-Length: 2\n\n{}",
        );
        check(
            Response { status: Status::Unauthorized, challenge: Some("Bearer realm=\"operator\""), ..error },
            "HTTP/1.1 401 Unauthorized\nContent-Type: application/json\n<date>\n\
             WWW-Authenticate: Bearer realm=\"operator\"\nContent-Length: 2\n\n{}",
        );
        check(
            Response {
                status: Status::Ok,
                content_type: ContentType::PrometheusText,
                body: b"up 1",
                ..error
            },
            "HTTP/1.1 200 OK\nContent-Type: text/plain; version=0.0.4; charset=utf-8\n<date>\n\
             Content-Length: 4\n\nup 1",
        );
    }

    #[test]
    fn an_answer_allocates_nothing_where_there_is_room() {
        let date = DateHeader::new(784_111_777);
        let mut out = Vec::with_capacity(1024);
        let room = out.as_ptr();
        write_response(&mut out, &date, &Response::json(Status::Ok, b"{}"));
        write_response(&mut out, &date, &Response::json(Status::NotFound, b"{}"));
        assert_eq!((out.as_ptr(), out.capacity()), (room, 1024));
    }

    #[track_caller]
    fn check_date(unix_seconds: u64, expect: &str) {
        assert_eq!(std::str::from_utf8(DateHeader::new(unix_seconds).value()), Ok(expect));
        let mut refreshed = DateHeader::new(1_000_000_000);
        refreshed.refresh(unix_seconds);
        assert_eq!(refreshed.value(), expect.as_bytes());
    }

    #[test]
    fn dates_are_imf_fixdates() {
        check_date(0, "Thu, 01 Jan 1970 00:00:00 GMT");
        check_date(784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT");
        check_date(1_709_164_800, "Thu, 29 Feb 2024 00:00:00 GMT");
        check_date(1_767_225_599, "Wed, 31 Dec 2025 23:59:59 GMT");
        check_date(SECONDS_MAX, "Thu, 30 Dec 9999 22:00:00 GMT");
        check_date(u64::MAX, "Thu, 30 Dec 9999 22:00:00 GMT");
    }
}
