//! HTTP/1.1 and HTTP/1.0 as bytes: a request out of what a connection has received, an answer into what it will send.
//!
//! The crate is pure. It owns no socket, no clock and no timer, so every rule of it is a row of a table in
//! its tests, and any input can be tried on it. A connection keeps one [`Framer`]; `net` hands it the bytes
//! that have come and gets a three-way result, complete, partial or refused, with the fourth word that
//! `Expect: 100-continue` needs.
//!
//! One idea decides the rest: **where a message ends must never be a matter of opinion.** If this server and
//! a proxy before it disagree about the length of a message, the rest of it becomes a request that nobody
//! sent (RFC 9112 §11.2). So whatever a lenient reader could take in two ways is refused, the connection
//! closes, and nothing further on it is served. Leniency that RFC 9112 §2.2 grants without that danger is
//! kept: empty lines before a request line, and a line of the head that ends in a line feed alone.
//!
//! httparse reads the syntax of the head, because it is fast and much tried. What the fields mean, and the
//! chunked coding, are read here: both are where the danger is, and both must stop and go on at any byte.
//!
//! # Which fault is named
//!
//! A message can be wrong in several ways, and the answer depends on the message alone, not on how its bytes
//! were cut up on the way:
//!
//! 1. In the request line and the syntax of the fields, the first in the order of the bytes: a bad method
//!    (400), a long target (414), a bad or foreign version (400, 505), a bad field line (400), one field line
//!    or one byte too many (431).
//! 2. Then in the whole head: malformed (400) before not implemented (501) before an expectation that is
//!    not known (417) before a content coding (415) before a body that is too large (413). What is malformed
//!    goes first, because nothing that such a head says can be relied on.
//! 3. Then in the chunked coding, the first in the order of the bytes.
//!
//! Reading in order:
//! - `status`: the statuses that this server uses.
//! - `request`: what a message says, and the result of framing.
//! - `frame`: the state of one connection's message.
//! - `head`: request line and fields to their meaning; with `target` and `field` for their values.
//! - `chunked`: the chunked transfer coding.
//! - `response`: an answer to bytes.

#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod chunked;
mod field;
mod frame;
mod head;
mod request;
mod response;
mod status;
mod target;

pub use frame::Framer;
pub use head::asks_head;
pub use request::{Framed, Method, Request};
pub use response::{ContentType, DateHeader, Persistence, Response, write_response};
pub use status::Status;

/// The interim answer to a client that waits for leave to send its body (RFC 9110 §10.1.1).
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

#[cfg(test)]
mod tests;
