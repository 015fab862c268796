//! Framing over any stream: how the bytes were cut up on the way changes nothing, and no bytes are a surprise.

use http::{Framed, Framer, Method, Request, Status};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// A request as it was meant, or as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Message {
    method: Method,
    path: String,
    query: Option<String>,
    authorization: Option<Vec<u8>>,
    body: Vec<u8>,
    keep_alive: bool,
}

impl From<Request<'_>> for Message {
    fn from(request: Request<'_>) -> Self {
        Self {
            method: request.method,
            path: request.path.into(),
            query: request.query.map(Into::into),
            authorization: request.authorization.map(Into::into),
            body: request.body.into(),
            keep_alive: request.keep_alive,
        }
    }
}

/// How the body of a message is written.
#[derive(Clone, Debug)]
enum Coding {
    Length,
    /// In chunks that end at these places, with an extension and a trailer.
    Chunked(Vec<Index>),
}

#[derive(Clone, Debug)]
struct Written {
    message: Message,
    bytes: Vec<u8>,
}

fn write(message: &Message, coding: &Coding, expects: bool, empty_line: bool) -> Vec<u8> {
    let method = format!("{:?}", message.method).to_uppercase();
    let query = message.query.as_ref().map(|query| format!("?{query}")).unwrap_or_default();
    let mut bytes = if empty_line { b"\r\n".to_vec() } else { Vec::new() };
    bytes.extend(
        format!("{method} {}{query} HTTP/1.1\r\nHost: wallet.example\r\n", message.path).into_bytes(),
    );
    if let Some(value) = &message.authorization {
        bytes.extend([b"authorization: ", &value[..], b"\r\n"].concat());
    }
    if expects {
        bytes.extend(b"Expect: 100-continue\r\n");
    }
    if !message.keep_alive {
        bytes.extend(b"Connection: close\r\n");
    }
    match coding {
        Coding::Length => {
            if !message.body.is_empty() {
                bytes.extend(format!("Content-Length: {}\r\n", message.body.len()).into_bytes());
            }
            bytes.extend([b"\r\n", &message.body[..]].concat());
        }
        Coding::Chunked(cuts) => {
            bytes.extend(b"Transfer-Encoding: chunked\r\n\r\n");
            for chunk in pieces(&message.body, cuts) {
                bytes.extend(format!("{:X};x=\"y\"\r\n", chunk.len()).into_bytes());
                bytes.extend([chunk, b"\r\n"].concat());
            }
            bytes.extend(b"0\r\nTrailer: x\r\n\r\n");
        }
    }
    bytes
}

/// `whole`, cut at `cuts`; no piece is empty.
fn pieces<'a>(whole: &'a [u8], cuts: &[Index]) -> Vec<&'a [u8]> {
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(whole.len() + 1)).collect();
    ends.push(whole.len());
    ends.sort_unstable();
    let mut start = 0;
    let mut found = Vec::new();
    for end in ends {
        if end > start {
            found.push(&whole[start..end]);
            start = end;
        }
    }
    found
}

fn written() -> impl Strategy<Value = Written> {
    const METHODS: &[Method] =
        &[Method::Get, Method::Post, Method::Put, Method::Delete, Method::Head, Method::Options];
    let cuts = vec(any::<Index>(), 0..5).prop_map(Coding::Chunked);
    (
        select(METHODS),
        "/[a-z0-9./%-]{0,20}",
        proptest::option::of("[a-z0-9=&?]{0,10}"),
        proptest::option::of("[!-~]([ -~]{0,20}[!-~])?"),
        vec(any::<u8>(), 0..200),
        prop_oneof![2 => Just(Coding::Length), 1 => cuts],
        any::<[bool; 3]>(),
    )
        .prop_map(
            |(method, path, query, authorization, body, coding, [keep_alive, expects, empty_line])| {
                let authorization = authorization.map(String::into_bytes);
                let message = Message { method, path, query, authorization, body, keep_alive };
                let bytes = write(&message, &coding, expects, empty_line);
                Written { message, bytes }
            },
        )
}

/// What was found in a stream, and the last word about what was left of it.
#[derive(Debug, PartialEq, Eq)]
struct Found {
    messages: Vec<Message>,
    refused: Option<Status>,
    left: usize,
}

/// Frames a stream that comes in `arrivals`, as a connection does: it keeps what is not consumed.
fn frame(arrivals: &[&[u8]]) -> Found {
    let mut framer = Framer::default();
    let mut found = Found { messages: Vec::new(), refused: None, left: 0 };
    let mut buffer = Vec::new();
    for arrived in arrivals {
        buffer.extend_from_slice(arrived);
        let mut continued = 0;
        loop {
            match framer.frame(&buffer) {
                Framed::Complete { request, consumed } => {
                    assert!(consumed <= buffer.len() && consumed > 0);
                    found.messages.push(request.into());
                    buffer.drain(..consumed);
                    assert!(framer.is_idle() && !framer.in_body());
                }
                Framed::Partial => break,
                Framed::Continue => {
                    continued += 1;
                    assert!(framer.in_body() && continued == 1);
                }
                Framed::Reject(status) => {
                    found.refused = Some(status);
                    break;
                }
            }
        }
    }
    found.left = buffer.len();
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_split_of_a_stream_gives_its_messages(
        stream in vec(written(), 1..6),
        cuts in vec(any::<Index>(), 0..40),
    ) {
        let bytes: Vec<u8> = stream.iter().flat_map(|written| written.bytes.clone()).collect();
        let messages = stream.into_iter().map(|written| written.message).collect();
        let expect = Found { messages, refused: None, left: 0 };
        prop_assert_eq!(&frame(&[&bytes]), &expect);
        prop_assert_eq!(&frame(&pieces(&bytes, &cuts)), &expect);
        prop_assert_eq!(&frame(&bytes.chunks(1).collect::<Vec<_>>()), &expect);
    }

    #[test]
    fn a_prefix_of_a_message_is_never_a_message_or_a_fault(one in written(), cut in any::<Index>()) {
        let begun = &one.bytes[..cut.index(one.bytes.len())];
        let found = frame(&[begun]);
        prop_assert_eq!(found, Found { messages: Vec::new(), refused: None, left: begun.len() });
    }

    /// A line that is at fault is found at the latest when it ends, so a stream that ends with its line has
    /// one verdict.
    #[test]
    fn a_damaged_stream_has_one_verdict(
        stream in vec(written(), 1..4),
        damage in vec((any::<Index>(), prop_oneof![any::<u8>(), select(&b"\0\r\n :;,0"[..])]), 1..4),
        cuts in vec(any::<Index>(), 0..40),
    ) {
        let mut bytes: Vec<u8> = stream.into_iter().flat_map(|written| written.bytes).collect();
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes.extend_from_slice(b"\r\n");
        let whole = frame(&[&bytes]);
        let split = frame(&pieces(&bytes, &cuts));
        prop_assert_eq!(&split.messages, &whole.messages);
        prop_assert_eq!(split.refused, whole.refused);
    }

    #[test]
    fn any_bytes_are_taken_calmly(bytes in vec(any::<u8>(), 0..300), cuts in vec(any::<Index>(), 0..10)) {
        let found = frame(&pieces(&bytes, &cuts));
        prop_assert!(found.messages.is_empty() || found.left < bytes.len());
    }

    /// Bytes that look like HTTP get deeper than bytes that do not.
    #[test]
    fn any_likely_bytes_are_taken_calmly(
        parts in vec(select(&[
            "GET ", "POST ", "/", "*", "http://", " HTTP/1.1", " HTTP/1.0", " HTTP/2.0", "\r\n", "\r\n\r\n", "\n", "\r",
            "Host: h\r\n", "Content-Length: 3\r\n", "Transfer-Encoding: chunked\r\n", "Expect: 100-continue\r\n",
            "Connection: close\r\n", "3\r\nabc\r\n", "0\r\n\r\n", "ffffffff\r\n", ";", ":", " ", "\0", "{}", "abc",
            "Host: h\r\nTransfer-Encoding: chunked\r\n\r\n", "POST / HTTP/1.1\r\n",
        ][..]), 0..16),
        cuts in vec(any::<Index>(), 0..10),
    ) {
        let bytes = parts.concat() + "\r\n";
        let whole = frame(&[bytes.as_bytes()]);
        let split = frame(&pieces(bytes.as_bytes(), &cuts));
        prop_assert_eq!(&split.messages, &whole.messages);
        prop_assert_eq!(split.refused, whole.refused);
    }
}
