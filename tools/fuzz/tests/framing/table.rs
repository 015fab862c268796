//! The differences, each with its reason.

use http::Status;
use limits::EMPTY_LINES_BYTES_MAX;

use crate::parting::{Parting, Side};

/// A difference that has its reason.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// Whether it is this one.
    pub(crate) is: fn(&Parting<'_>) -> bool,
    pub(crate) why: &'static str,
}

/// The differences. Where ours is the stricter one, two recipients of one message could disagree, or its sender means
/// what this server does not do.
pub(crate) const EXPLAINED: &[Row] = &[
    Row {
        name: "method",
        is: |p| p.refused_with(Status::NotImplemented) && !METHODS.contains(&p.method()),
        why: "hyper leaves unknown methods to its service; here they are 501",
    },
    Row {
        name: "transfer coding",
        is: |p| p.refused_with(Status::NotImplemented) && p.has("transfer-encoding"),
        why: "hyper takes any codings that end in chunked, and leaves them on; this server has none of them (501)",
    },
    Row {
        name: "expectation",
        is: |p| p.refused_with(Status::ExpectationFailed) && p.has("expect"),
        why: "hyper passes over an expectation that it does not know (RFC 9110 §10.1.1 lets a server answer 417)",
    },
    Row {
        name: "content coding",
        is: |p| p.refused_with(Status::UnsupportedMediaType) && p.has("content-encoding"),
        why: "hyper leaves content codings to its service; here they are 415",
    },
    Row {
        name: "size",
        is: |p| p.refused_with(Status::ContentTooLarge),
        why: "a body has a bound here, and hyper leaves that to its service",
    },
    Row {
        name: "empty lines",
        is: |p| p.refused_with(Status::BadRequest) && p.empty > EMPTY_LINES_BYTES_MAX,
        why: "empty lines before a request line have a bound here (RFC 9112 §2.2 asks for one to be passed over)",
    },
    Row {
        name: "Host",
        is: |p| p.refused_with(Status::BadRequest) && !p.has_one_good_host(),
        why: "a request of HTTP/1.1 has one Host, and any is well formed (RFC 9112 §3.2); hyper does not look",
    },
    Row {
        name: "length beside a coding",
        is: |p| p.refused_with(Status::BadRequest) && p.has("content-length") && p.has("transfer-encoding"),
        why: "hyper goes by the coding, as RFC 9112 §6.3 allows; the two together are the classic of smuggling (§11.2)",
    },
    Row {
        name: "length twice",
        is: |p| p.refused_with(Status::BadRequest) && p.values("content-length").count() > 1,
        why: "hyper takes lengths that agree, as RFC 9110 §8.6 allows; here a field that decides stands once",
    },
    Row {
        name: "Authorization twice",
        is: |p| p.refused_with(Status::BadRequest) && p.values("authorization").count() > 1,
        why: "which of two credentials counts is a matter of opinion",
    },
    Row {
        name: "list of codings",
        is: |p| p.refused_with(Status::BadRequest) && p.has("transfer-encoding") && !p.has_one_good_coding(),
        why: "hyper looks at the last coding alone; empty, repeated and malformed ones are refused here",
    },
    Row {
        name: "form of the target",
        is: |p| p.refused_with(Status::BadRequest) && !p.has_usual_target(),
        why: "each method has its forms (RFC 9112 §3.2), and a target has no fragment; hyper takes any form with any method",
    },
    Row {
        name: "digits of a chunk's size",
        is: |p| p.refused_with(Status::BadRequest) && p.has_line(|line| sizes(line) > 16),
        why: "a size has sixteen digits at most, leading zeros included; hyper counts what they amount to",
    },
    Row {
        name: "blanks behind a chunk's size",
        is: |p| {
            let has_blank = |line: &[u8]| sizes(line) > 0 && line.ends_with(b" ") || line.ends_with(b"\t");
            p.refused_with(Status::BadRequest) && p.has_line(has_blank)
        },
        why: "blanks stand before an extension alone (RFC 9112 §7.1.1); hyper takes them without one",
    },
    Row {
        name: "trailers",
        is: |p| {
            let is_last = |line: &[u8]| {
                let size = line.split(|byte| b"; \t".contains(byte)).next().unwrap_or_default();
                !size.is_empty() && size.iter().all(|byte| *byte == b'0')
            };
            p.refused_with(Status::BadRequest) && p.has_line(is_last)
        },
        why: "a trailer is a field line (RFC 9112 §7.1.2); hyper passes over what stands there",
    },
    Row {
        name: "close beside other bytes",
        is: |p| p.ours == Side::Waits && p.before.is_some_and(|head| !head.is_ascii()),
        why: "hyper passes over a Connection field that is not ASCII; here the connection ends where it has close in it",
    },
    Row {
        name: "CONNECT",
        is: |p| {
            p.method() == "CONNECT" && matches!((&p.ours, &p.theirs), (Side::Message(_), Side::Message(_)))
        },
        why: "what CONNECT names is a path here, which nobody has, and an authority in hyper's Uri",
    },
    Row {
        name: "characters of a target",
        is: |p| p.ours != Side::Refuses && p.theirs == Side::Refuses && p.has_odd_target(),
        why: "hyper's Uri refuses some visible characters, which here are kept and find no path",
    },
];

/// Hexadecimal digits that a line begins with.
pub(crate) fn sizes(line: &[u8]) -> usize {
    line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count()
}

/// The methods that this server knows.
pub(crate) const METHODS: [&str; 9] =
    ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "TRACE", "CONNECT"];

pub(crate) fn explain(parting: &Parting<'_>) -> Option<&'static Row> {
    EXPLAINED.iter().find(|row| (row.is)(parting))
}
