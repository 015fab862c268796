//! Framing: any bytes, cut up in any way. What is framed goes on to both doors of the API.

use http::{Framed, Framer, Method, Request, Status};
use limits::{BODY_BYTES_MAX, HEAD_BYTES_MAX};
use xxhash_rust::xxh3::xxh3_64;

use crate::calls;
use crate::mutate::Chance;

/// What heads and chunks are made of.
pub const WORDS: [&str; 40] = [
    "GET ",
    "POST ",
    "HEAD ",
    "OPTIONS ",
    "CONNECT ",
    "PUT ",
    "DELETE ",
    "/",
    "*",
    "http://h",
    " HTTP/1.1\r\n",
    " HTTP/1.0\r\n",
    " HTTP/2.0\r\n",
    "\r\n",
    "\r\n\r\n",
    "\n",
    "\r",
    "Host: h\r\n",
    "Host:",
    "Content-Length: 5\r\n",
    "Content-Length:",
    "Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding:",
    "chunked",
    "gzip",
    "identity",
    "Connection: close\r\n",
    "Connection: keep-alive\r\n",
    "Expect: 100-continue\r\n",
    "Content-Encoding: ",
    "Authorization: Basic YWRtaW46YWRtaW4=\r\n",
    "5\r\nhello\r\n",
    "0\r\n\r\n",
    "0\r\n",
    "ffffffffffffffff",
    "; a=\"b\"",
    "Trailer: x\r\n",
    ", ",
    "[::1]:80",
    "%41",
];

/// A request as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its method.
    pub method: Method,
    /// Its path.
    pub path: String,
    /// Its query.
    pub query: Option<String>,
    /// Its credentials.
    pub authorization: Option<Vec<u8>>,
    /// Its content.
    pub body: Vec<u8>,
    /// Whether the connection goes on.
    pub keep_alive: bool,
    /// Where it ends in the stream.
    pub end: usize,
}

/// What was found in a stream, and the last word about what was left of it.
#[derive(Debug, PartialEq, Eq)]
pub struct Found {
    /// The messages.
    pub messages: Vec<Message>,
    /// What the rest was refused with.
    pub refused: Option<Status>,
    /// Bytes of the stream that no message has.
    pub left: usize,
}

/// Frames a stream that comes in `arrivals`, as a connection does: it keeps what is not consumed.
pub fn frame<'a>(arrivals: impl IntoIterator<Item = &'a [u8]>) -> Found {
    let mut framer = Framer::default();
    let mut found = Found { messages: Vec::new(), refused: None, left: 0 };
    let (mut buffer, mut start) = (Vec::new(), 0);
    let mut continued = 0;
    for arrived in arrivals {
        buffer.extend_from_slice(arrived);
        loop {
            let input = &buffer[start..];
            match framer.frame(input) {
                Framed::Complete { request, consumed } => {
                    assert!(consumed > 0 && consumed <= input.len(), "{consumed} of {}", input.len());
                    assert!(request.body.len() <= BODY_BYTES_MAX, "a body of {} bytes", request.body.len());
                    found.messages.push(message(&request, start + consumed));
                    start += consumed;
                    continued = 0;
                    assert!(framer.is_idle() && !framer.in_body(), "a message leaves nothing behind");
                }
                Framed::Partial => break,
                Framed::Continue => {
                    continued += 1;
                    assert!(framer.in_body() && continued == 1, "leave is given once");
                }
                Framed::Reject(status) => {
                    assert!(found.refused.is_none_or(|before| before == status), "a refusal is for good");
                    found.refused = Some(status);
                    break;
                }
            }
        }
    }
    found.left = buffer.len() - start;
    let room = HEAD_BYTES_MAX + BODY_BYTES_MAX + limits::CHUNK_OVERHEAD_BYTES_MAX;
    assert!(found.refused.is_some() || found.left <= room, "{} bytes wait for more", found.left);
    found
}

fn message(request: &Request<'_>, end: usize) -> Message {
    assert!(!request.path.is_empty() && request.path.is_ascii(), "{request:?}");
    Message {
        method: request.method,
        path: request.path.into(),
        query: request.query.map(Into::into),
        authorization: request.authorization.map(Into::into),
        body: request.body.into(),
        keep_alive: request.keep_alive,
        end,
    }
}

/// Cuts that follow from the bytes, so that a file of the corpus is the stream and nothing else.
fn pieces<'a>(stream: &'a [u8], chance: &mut Chance) -> Vec<&'a [u8]> {
    let (mut rest, mut found) = (stream, Vec::new());
    let most = 1 << chance.below(9);
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(rest.len().min(1 + chance.below(most)));
        found.push(piece);
        rest = after;
    }
    found
}

/// A stream of requests.
///
/// It ends in an empty line: a line that is at fault is found at the latest when it ends, so that there is one verdict.
pub fn run(data: &[u8]) {
    let stream = [data, b"\r\n"].concat();
    let whole = frame([&stream[..]]);
    let mut chance = Chance::new(xxh3_64(data));
    for _ in 0..2 {
        let split = frame(pieces(&stream, &mut chance));
        assert_eq!(split.messages, whole.messages);
        assert_eq!(split.refused, whole.refused);
    }
    if stream.len() <= 2_048 {
        let bytewise = frame(stream.chunks(1));
        assert_eq!((bytewise.messages, bytewise.refused), (whole.messages.clone(), whole.refused));
    }
    for found in &whole.messages {
        let request = Request {
            method: found.method,
            path: &found.path,
            query: found.query.as_deref(),
            authorization: found.authorization.as_deref(),
            body: &found.body,
            keep_alive: found.keep_alive,
            keep_alive_named: false,
            timeout_ms: None,
        };
        calls::both(&request);
    }
}
