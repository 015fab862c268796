//! The head of a message: request line and fields, to what they mean.
//!
//! The result holds positions and not references, so that a head is read once, and its body may come in later
//! turns, when the bytes have moved to another buffer.

use core::mem::MaybeUninit;
use core::num::NonZeroU32;

use super::field::{self, Codings};
use super::request::{Method, Request};
use super::status::Status;
use super::target::Target;
use limits::{BODY_BYTES_MAX, EMPTY_LINES_BYTES_MAX, HEAD_BYTES_MAX, HEADERS_MAX, TARGET_BYTES_MAX};

const _: () = {
    assert!(HEAD_BYTES_MAX <= u16::MAX as usize, "a span counts in 16 bits");
    assert!(BODY_BYTES_MAX <= u32::MAX as usize, "a body's length has 32 bits");
};

/// A part of the head, as positions in the input.
#[derive(Clone, Copy, Debug)]
struct Span {
    start: u16,
    len: u16,
}

impl Span {
    /// Where `part` lies in `whole`, of which it is a part.
    fn of(part: &[u8], whole: &[u8]) -> Self {
        let start = part.as_ptr().addr() - whole.as_ptr().addr();
        debug_assert!(start + part.len() <= whole.len() && whole.len() <= HEAD_BYTES_MAX);
        Self { start: start as u16, len: part.len() as u16 }
    }

    fn text(self, input: &[u8]) -> &str {
        core::str::from_utf8(self.bytes(input))
            .expect("a target is ASCII, and the input is the same as before")
    }

    fn bytes(self, input: &[u8]) -> &[u8] {
        let start = usize::from(self.start);
        &input[start..start + usize::from(self.len)]
    }
}

/// How the body of a message is framed (RFC 9112 §6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyFraming {
    /// So many bytes follow the head; none where the message has neither length nor coding.
    Length(u32),
    /// In chunks, the last of which is empty.
    Chunked,
}

/// A complete and well-formed head.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    path: Span,
    query: Option<Span>,
    authorization: Option<Span>,
    /// Bytes from the start of the input to the body.
    pub(super) bytes: u16,
    pub(super) body: BodyFraming,
    timeout_ms: Option<NonZeroU32>,
    method: Method,
    keep_alive: bool,
    keep_alive_named: bool,
    /// Whether the client waits for leave to send the body, should there be one.
    pub(super) waits_for_continue: bool,
}

impl Head {
    /// The request of this head, which lies in `input`, with `body`.
    pub(super) fn request<'a>(&self, input: &'a [u8], body: &'a [u8]) -> Request<'a> {
        let path = self.path.text(input);
        Request {
            method: self.method,
            path: if path.is_empty() { "/" } else { path },
            query: self.query.map(|query| query.text(input)),
            authorization: self.authorization.map(|value| value.bytes(input)),
            body,
            timeout_ms: self.timeout_ms.map(NonZeroU32::get),
            keep_alive: self.keep_alive,
            keep_alive_named: self.keep_alive_named,
        }
    }
}

/// Bytes of empty lines at the start of `input`.
pub(super) fn empty_lines(input: &[u8]) -> usize {
    input.iter().take_while(|&&byte| byte == b'\r' || byte == b'\n').count()
}

/// Whether the message that begins `input` is known to ask with `HEAD`, whatever is wrong with the rest of it. No answer to
/// it has a body (RFC 9110 §9.3.2): a client would take that for the next answer.
pub fn asks_head(input: &[u8]) -> bool {
    let window = &input[..input.len().min(HEAD_BYTES_MAX)];
    let begun = empty_lines(window);
    begun <= EMPTY_LINES_BYTES_MAX && window[begun..].starts_with(b"HEAD ")
}

/// Reads the head at the start of `input`; `None` where it is not complete. Looks at no more than
/// [`HEAD_BYTES_MAX`] bytes.
///
/// # Errors
/// The status that the message is refused with; the module essay says which fault goes first.
pub(super) fn read(input: &[u8]) -> Result<Option<Head>, Status> {
    let window = &input[..input.len().min(HEAD_BYTES_MAX)];
    if empty_lines(window) > EMPTY_LINES_BYTES_MAX {
        return Err(Status::BadRequest);
    }
    let mut room = [const { MaybeUninit::uninit() }; HEADERS_MAX];
    let mut parsed = httparse::Request::new(&mut []);
    let result = parsed.parse_with_uninit_headers(window, &mut room);
    if target_bytes(&parsed, window) > TARGET_BYTES_MAX {
        return Err(Status::UriTooLong);
    }
    match result {
        Ok(httparse::Status::Complete(bytes)) => judge(&parsed, window, bytes).map(Some),
        Ok(httparse::Status::Partial) => incomplete(window),
        Err(httparse::Error::TooManyHeaders) => Err(Status::HeadTooLarge),
        Err(httparse::Error::Version) => foreign_version(&parsed, window),
        Err(_) => Err(Status::BadRequest),
    }
}

/// Nothing is wrong with the head so far; it may still have used up its room.
fn incomplete(window: &[u8]) -> Result<Option<Head>, Status> {
    if window.len() < HEAD_BYTES_MAX { Ok(None) } else { Err(Status::HeadTooLarge) }
}

/// Length of the request target, as far as it is there: httparse names it once it is complete, and a target
/// that has no end must not wait for the end of the head to be refused.
fn target_bytes(parsed: &httparse::Request<'_, '_>, window: &[u8]) -> usize {
    match (parsed.path, parsed.method) {
        (Some(target), _) => target.len(),
        (None, Some(method)) => {
            let begun = &window[end_of(method, window) + 1..];
            begun.iter().take_while(|&&byte| byte > b' ' && byte != 0x7f).count()
        }
        (None, None) => 0,
    }
}

/// Position after `part` in `whole`, of which it is a part.
fn end_of(part: &str, whole: &[u8]) -> usize {
    let span = Span::of(part.as_bytes(), whole);
    usize::from(span.start) + usize::from(span.len)
}

/// What stands in the place of the version is not `HTTP/1.1` or `HTTP/1.0`. A version of another number is
/// 505 (RFC 9110 §15.6.6), anything else malformed; httparse says the same of both, and says it before the
/// version is whole.
fn foreign_version(parsed: &httparse::Request<'_, '_>, window: &[u8]) -> Result<Option<Head>, Status> {
    let Some(target) = parsed.path else { return Err(Status::BadRequest) };
    let version = &window[end_of(target, window) + 1..];
    let fits = |(expect, byte): (&u8, &u8)| match expect {
        b'0' => byte.is_ascii_digit(),
        b'\r' => matches!(byte, b'\r' | b'\n'),
        _ => byte == expect,
    };
    let pattern = b"HTTP/0.0\r";
    if !pattern.iter().zip(version).all(fits) {
        return Err(Status::BadRequest);
    }
    if version.len() < pattern.len() { incomplete(window) } else { Err(Status::VersionNotSupported) }
}

/// The fields that decide about a message. All others are ignored.
#[derive(Default)]
struct Fields<'a> {
    host: Option<&'a [u8]>,
    content_length: Option<&'a [u8]>,
    authorization: Option<&'a [u8]>,
    timeout: Option<&'a [u8]>,
    codings: Codings,
    /// A field that may stand once stands again.
    repeated: bool,
    close: bool,
    keep_alive: bool,
    expects_continue: bool,
    expects_else: bool,
    /// The content is in a coding other than `identity`.
    encoded: bool,
}

impl<'a> Fields<'a> {
    /// Takes notice of one field. The length of its name tells most fields apart at once.
    fn take(&mut self, name: &str, value: &'a [u8]) {
        match name.len() {
            4 if name.eq_ignore_ascii_case("host") => self.repeated |= self.host.replace(value).is_some(),
            6 if name.eq_ignore_ascii_case("expect") => {
                for expectation in field::members(value) {
                    let known = expectation.eq_ignore_ascii_case(b"100-continue");
                    self.expects_continue |= known;
                    self.expects_else |= !known;
                }
            }
            10 if name.eq_ignore_ascii_case("connection") => {
                for option in field::members(value) {
                    self.close |= option.eq_ignore_ascii_case(b"close");
                    self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
                }
            }
            13 if name.eq_ignore_ascii_case("authorization") => {
                self.repeated |= self.authorization.replace(value).is_some();
            }
            14 if name.eq_ignore_ascii_case("content-length") => {
                self.repeated |= self.content_length.replace(value).is_some();
            }
            15 if name.eq_ignore_ascii_case("request-timeout") => {
                self.repeated |= self.timeout.replace(value).is_some();
            }
            16 if name.eq_ignore_ascii_case("content-encoding") => {
                self.encoded |= field::members(value).any(|coding| !coding.eq_ignore_ascii_case(b"identity"));
            }
            17 if name.eq_ignore_ascii_case("transfer-encoding") => self.codings = self.codings.and(value),
            _ => {}
        }
    }

    /// What frames the body (RFC 9112 §6.3).
    ///
    /// # Errors
    /// 400 where there is more than one opinion about it.
    fn framing(&self, is_1_1: bool) -> Result<Framing, Status> {
        match (self.codings, self.content_length) {
            (Codings::None, None) => Ok(Framing::Length(0)),
            (Codings::None, Some(value)) => {
                field::content_length(value).map(Framing::Length).ok_or(Status::BadRequest)
            }
            // Both together are the classic of request smuggling (RFC 9112 §6.1, §11.2).
            (_, Some(_)) => Err(Status::BadRequest),
            // HTTP/1.0 has no transfer codings, so the framing is faulty (RFC 9112 §6.1).
            (_, None) if !is_1_1 => Err(Status::BadRequest),
            (Codings::Malformed, None) => Err(Status::BadRequest),
            (Codings::Chunked, None) => Ok(Framing::Chunked),
            (Codings::Unknown | Codings::UnknownThenChunked, None) => Ok(Framing::UnknownCoding),
        }
    }
}

/// How a body is framed, before it is known whether the server takes it.
enum Framing {
    /// In bytes, any number of them.
    Length(u64),
    Chunked,
    UnknownCoding,
}

/// Decides about a head whose syntax is right.
fn judge(parsed: &httparse::Request<'_, '_>, window: &[u8], bytes: usize) -> Result<Head, Status> {
    let (Some(token), Some(target), Some(minor)) = (parsed.method, parsed.path, parsed.version) else {
        return Err(Status::BadRequest);
    };
    let is_1_1 = minor == 1;
    let mut fields = Fields::default();
    for header in parsed.headers.iter() {
        fields.take(header.name, header.value);
    }

    // Malformed: 400. A request of HTTP/1.1 has a Host (RFC 9112 §3.2); any Host must be one.
    if fields.repeated || !fields.host.map_or(!is_1_1, field::is_host) {
        return Err(Status::BadRequest);
    }
    // A client that names a time relies on it. If the server passed over a value that it can't read, the client would only
    // find out under load: by a bet that was applied after its client had gone.
    let timeout_ms = match fields.timeout {
        Some(value) => Some(field::timeout_ms(value).ok_or(Status::BadRequest)?),
        None => None,
    };
    let framing = fields.framing(is_1_1)?;
    let method = Method::from_token(token);
    let target = Target::read(method, target).ok_or(Status::BadRequest)?;

    let (Some(method), Framing::Length(_) | Framing::Chunked) = (method, &framing) else {
        return Err(Status::NotImplemented);
    };
    // In HTTP/1.0 there are no expectations (RFC 9110 §10.1.1).
    if is_1_1 && fields.expects_else {
        return Err(Status::ExpectationFailed);
    }
    if fields.encoded {
        return Err(Status::UnsupportedMediaType);
    }
    let body = match framing {
        Framing::Length(length) if length > BODY_BYTES_MAX as u64 => return Err(Status::ContentTooLarge),
        Framing::Length(length) => BodyFraming::Length(length as u32),
        Framing::Chunked | Framing::UnknownCoding => BodyFraming::Chunked,
    };

    let keep_alive_named = !is_1_1 && fields.keep_alive && !fields.close;
    Ok(Head {
        method,
        path: Span::of(target.path.as_bytes(), window),
        query: target.query.map(|query| Span::of(query.as_bytes(), window)),
        authorization: fields.authorization.map(|value| Span::of(value, window)),
        bytes: bytes as u16,
        body,
        timeout_ms,
        // RFC 9112 §9.3: close wins; then HTTP/1.1 persists, and HTTP/1.0 where it asks.
        keep_alive: !fields.close && (is_1_1 || fields.keep_alive),
        keep_alive_named,
        waits_for_continue: is_1_1 && fields.expects_continue,
    })
}
