//! The `Authorization` field, at both doors.

use api::Decoded;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{Method, Request};

use crate::calls;

/// What the field is made of.
pub const WORDS: [&str; 14] = [
    "Basic ",
    "basic",
    "Bearer ",
    "bearer",
    " ",
    "\t",
    "=",
    "==",
    "demo",
    "YWRtaW46YWRtaW4=",
    "b3RoZXI6YTpi",
    "YWRtaW46",
    "-",
    "+/",
];

/// A field's value. The API must know exactly those that a plain reading of RFC 7617 and RFC 6750 knows.
pub fn run(data: &[u8]) {
    let presented = after(data, "basic").and_then(|encoded| STANDARD.decode(encoded).ok());
    for (key, known) in [("L100", &b"admin:admin"[..]), (calls::OTHER_KEY, b"other:a:b")] {
        let body = format!(
            r#"{{"PlatformKey":"{key}","Sequence":"1","Timestamp":"2021-06-07T11:16:16Z","OperatorAccountID":"default/admin"}}"#
        );
        let decoded = calls::platform(&request(Method::Post, "/v1.0/balance", data, body.as_bytes()));
        let is_known = presented.as_deref() == Some(known);
        assert_eq!(matches!(decoded, Decoded::Operation(..)), is_known, "{key}: {}", data.escape_ascii());
    }
    let decoded = calls::operator(&request(Method::Get, "/operator/v1/accounts/default/admin", data, b""));
    let is_known = after(data, "bearer") == Some(b"demo");
    assert_eq!(matches!(decoded, Decoded::Operation(..)), is_known, "{}", data.escape_ascii());
}

fn request<'a>(method: Method, path: &'a str, authorization: &'a [u8], body: &'a [u8]) -> Request<'a> {
    let authorization = Some(authorization);
    Request {
        method,
        path,
        query: None,
        authorization,
        body,
        keep_alive: true,
        keep_alive_named: false,
        timeout_ms: None,
    }
}

/// What follows the scheme, of any case, and its spaces.
fn after<'a>(field: &'a [u8], scheme: &str) -> Option<&'a [u8]> {
    let rest = field.get(scheme.len()..)?;
    if !field[..scheme.len()].eq_ignore_ascii_case(scheme.as_bytes()) || rest.first() != Some(&b' ') {
        return None;
    }
    let mut rest = rest;
    while let Some(shorter) = rest.strip_prefix(b" ") {
        rest = shorter;
    }
    Some(rest)
}
