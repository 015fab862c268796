//! Framing, rule by rule: a row is a message and what becomes of it.

use super::{Framed, Framer, Status};
use limits::{BODY_BYTES_MAX, HEAD_BYTES_MAX, HEADERS_MAX, TARGET_BYTES_MAX};

/// The last word about `input`, given whole: a request as `method path?query body`, its time as `1ms`, with `close` where the
/// connection ends after it and `named` where keep-alive must be named; or what else was said.
fn summary(framed: Framed<'_>) -> String {
    match framed {
        Framed::Complete { request, .. } => {
            let query = request.query.map(|query| format!("?{query}")).unwrap_or_default();
            let body = if request.body.is_empty() {
                String::new()
            } else {
                format!(" {}", request.body.escape_ascii())
            };
            let time = request.timeout_ms.map(|ms| format!(" {ms}ms")).unwrap_or_default();
            let named = if request.keep_alive_named { " named" } else { "" };
            let close = if request.keep_alive { "" } else { " close" };
            format!("{:?} {}{query}{body}{time}{named}{close}", request.method, request.path)
        }
        Framed::Partial => "partial".into(),
        Framed::Continue => "continue".into(),
        Framed::Reject(status) => status.code().to_string(),
    }
}

/// Frames `input` whole, and byte by byte: both must come to the same.
fn frame(input: &[u8]) -> String {
    let mut framer = Framer::default();
    let whole = match framer.frame(input) {
        framed @ Framed::Complete { consumed, .. } => {
            assert_eq!(consumed, input.len(), "bytes of {} were left over", input.escape_ascii());
            summary(framed)
        }
        framed => summary(framed),
    };
    let mut framer = Framer::default();
    let mut bytewise = "partial".to_string();
    let mut continued = 0;
    for end in 1..=input.len() {
        match framer.frame(&input[..end]) {
            Framed::Partial => continue,
            Framed::Continue => continued += 1,
            framed => {
                bytewise = summary(framed);
                break;
            }
        }
    }
    if whole == "continue" {
        assert_eq!((bytewise.as_str(), continued), ("partial", 1));
    } else {
        assert!(continued <= 1);
        assert_eq!(bytewise, whole, "byte by byte {}", input.escape_ascii());
    }
    whole
}

#[track_caller]
fn check(input: &str, expect: &str) {
    assert_eq!(frame(input.as_bytes()), expect, "{input:?}");
}

/// A row about the fields of `POST /a HTTP/1.1` with a Host, and what follows the head.
#[track_caller]
fn check_fields(fields: &str, body: &str, expect: &str) {
    let fields: String = fields.split_terminator('\n').map(|field| format!("{field}\r\n")).collect();
    check(&format!("POST /a HTTP/1.1\r\nHost: h\r\n{fields}\r\n{body}"), expect);
}

/// A row about a request line, in a message that has a Host and nothing else.
#[track_caller]
fn check_line(line: &str, expect: &str) {
    check(&format!("{line}\r\nHost: h\r\n\r\n"), expect);
}

#[test]
fn methods() {
    check_line("GET / HTTP/1.1", "Get /");
    check_line("POST / HTTP/1.1", "Post /");
    check_line("PUT / HTTP/1.1", "Put /");
    check_line("DELETE / HTTP/1.1", "Delete /");
    check_line("HEAD / HTTP/1.1", "Head /");
    check_line("OPTIONS / HTTP/1.1", "Options /");
    check_line("PATCH / HTTP/1.1", "Patch /");
    check_line("TRACE / HTTP/1.1", "Trace /");
    check_line("CONNECT h:1 HTTP/1.1", "Connect h:1");
    check_line("BREW / HTTP/1.1", "501");
    check_line("post / HTTP/1.1", "501");
    check_line("POSTS / HTTP/1.1", "501");
    check_line("PO(ST / HTTP/1.1", "400");
    check_line(" / HTTP/1.1", "400");
    check_line("P\u{f6}ST / HTTP/1.1", "400");
}

#[test]
fn targets() {
    check_line("GET /v1.0/balance?a=b HTTP/1.1", "Get /v1.0/balance?a=b");
    check_line("GET http://x/a?b HTTP/1.1", "Get /a?b");
    check_line("GET HTTPS://x:1 HTTP/1.1", "Get /");
    check_line("GET http://x?b HTTP/1.1", "Get /?b");
    check_line("OPTIONS * HTTP/1.1", "Options *");
    check_line("POST * HTTP/1.1", "400");
    check_line("POST h:1 HTTP/1.1", "400");
    check_line("CONNECT /a HTTP/1.1", "400");
    check_line("GET a HTTP/1.1", "400");
    check_line("GET ftp://x/ HTTP/1.1", "400");
    check_line("GET /#a HTTP/1.1", "400");
    check_line("GET /\u{e9} HTTP/1.1", "400");
    check_line("GET  HTTP/1.1", "400");
    check_line("GET  / HTTP/1.1", "400");
    check_line("GET /a b HTTP/1.1", "400");
    check_line("GET /\t HTTP/1.1", "400");
    check_line("GET /\x7f HTTP/1.1", "400");
}

#[test]
fn versions() {
    check_line("GET / HTTP/1.0", "Get / close");
    check_line("GET / HTTP/1.2", "505");
    check_line("GET / HTTP/2.0", "505");
    check_line("GET / HTTP/0.9", "505");
    check_line("GET / HTTP/9.9", "505");
    check("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505");
    check("GET / HTTP/2.0\n", "505");
    check("GET / HTTP/2.0", "partial");
    check("GET / HTTP/2", "partial");
    check("GET / HTTP/", "partial");
    check("GET / ", "partial");
    check_line("GET / HTTP/2", "400");
    check_line("GET / HTTP/1.10", "400");
    check_line("GET / HTTP/2.00", "400");
    check_line("GET / HTTP/1,1", "400");
    check_line("GET / http/1.1", "400");
    check_line("GET / HTTP/1.1 ", "400");
    check_line("GET / ICY/1.1", "400");
    check_line("GET /", "400");
}

#[test]
fn empty_lines_before_a_request_line() {
    check("\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", "Get /");
    check("\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", "Get /");
    check("\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", "Get /");
    check("\r\n\r\nPOST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nab", "Post / ab");
    check("\r\n\r\n\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", "400");
    check("\r\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", "400");
    check("\rGET / HTTP/1.1\r\nHost: h\r\n\r\n", "400");
    check("\r\n", "partial");
    check("", "partial");
}

#[test]
fn field_lines() {
    check_fields("X: y\nEmpty:\nTab:\ty\t\nLatin: \u{e9}", "", "Post /a");
    check("GET / HTTP/1.1\nHost: h\n\n", "Get /");
    check_fields("X : y", "", "400");
    check_fields(" X: y", "", "400");
    check_fields("X: y\n folded", "", "400");
    check_fields("X: y\n\tfolded", "", "400");
    check_fields("X", "", "400");
    check_fields(": y", "", "400");
    check_fields("X(: y", "", "400");
    check_fields("X: a\0b", "", "400");
    check_fields("X\0: b", "", "400");
    check_fields("X: a\rb", "", "400");
    check_fields("X: a\r", "", "400");
    check_fields("X: a\x7f", "", "400");
    check_fields("X: a\x0b", "", "400");
    check("GET / HTTP/1.1\r\n Host: h\r\n\r\n", "400");
    check("GET / HTTP/1.1\r\nHost: h\r\n\rx\r\n", "400");
    check("GET / HTTP/1.1\r\nHost: h\r\nX: y", "partial");
}

#[test]
fn what_is_no_http_is_refused_at_once() {
    for garbage in [&b"\x16\x03\x01\x02\x00"[..], b"\0", b"{\"a\":1}", b"\x80", b" ", b"<"] {
        for end in 1..=garbage.len() {
            assert_eq!(Framer::default().frame(&garbage[..end]), Framed::Reject(Status::BadRequest));
        }
    }
}

#[test]
fn hosts() {
    check("GET / HTTP/1.1\r\n\r\n", "400");
    check("GET / HTTP/1.0\r\n\r\n", "Get / close");
    check("GET / HTTP/1.1\r\nHost:\r\n\r\n", "Get /");
    check("GET / HTTP/1.1\r\nhOST: [::1]:80\r\n\r\n", "Get /");
    check("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "400");
    check("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", "400");
    check("GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", "400");
    check("GET / HTTP/1.0\r\nHost: a@b\r\n\r\n", "400");
    check("GET / HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n", "400");
    check("GET / HTTP/1.0\r\nHost: h\r\nhost: h\r\n\r\n", "400");
    check("GET http://x/ HTTP/1.1\r\n\r\n", "400");
}

#[test]
fn lengths() {
    check_fields("Content-Length: 2", "{}", "Post /a {}");
    check_fields("cOnTeNt-LeNgTh:002", "{}", "Post /a {}");
    check_fields("Content-Length: 0", "", "Post /a");
    check_fields("Content-Length: 3", "{}", "partial");
    check_fields("Content-Length:", "", "400");
    check_fields("Content-Length: +2", "{}", "400");
    check_fields("Content-Length: -2", "{}", "400");
    check_fields("Content-Length: 2x", "{}", "400");
    check_fields("Content-Length: 0x2", "{}", "400");
    check_fields("Content-Length: 1 1", "{}", "400");
    check_fields("Content-Length: 2, 2", "{}", "400");
    check_fields("Content-Length: 2\nContent-Length: 2", "{}", "400");
    check_fields("Content-Length: 2\nContent-Length: 3", "{}", "400");
    check_fields("Content-Length: 18446744073709551616", "", "400");
    check_fields("Content-Length: 18446744073709551615", "", "413");
    let body = "x".repeat(BODY_BYTES_MAX);
    check_fields(&format!("Content-Length: {BODY_BYTES_MAX}"), &body, &format!("Post /a {body}"));
    check_fields(&format!("Content-Length: {}", BODY_BYTES_MAX + 1), "", "413");
    check("GET / HTTP/1.0\r\nContent-Length: 2\r\n\r\nab", "Get / ab close");
}

#[test]
fn transfer_codings() {
    check_fields("Transfer-Encoding: chunked", "2\r\n{}\r\n0\r\n\r\n", "Post /a {}");
    check_fields("transfer-encoding: CHUNKED", "0\r\n\r\n", "Post /a");
    check_fields("Transfer-Encoding: chunked", "2\r\n{}\r\n0\r\nA: b\r\n\r\n", "Post /a {}");
    check_fields("Transfer-Encoding: chunked", "2\r\n{}\r\n", "partial");
    check_fields("Transfer-Encoding: chunked", "2\n{}", "400");
    check_fields("Transfer-Encoding: chunked", "10001\r\n", "413");
    check_fields("Transfer-Encoding: gzip", "", "501");
    check_fields("Transfer-Encoding: gzip, chunked", "0\r\n\r\n", "501");
    check_fields("Transfer-Encoding: identity", "", "501");
    check_fields("Transfer-Encoding: chunked, gzip", "", "400");
    check_fields("Transfer-Encoding: chunked, chunked", "", "400");
    check_fields("Transfer-Encoding: chunked\nTransfer-Encoding: chunked", "", "400");
    check_fields("Transfer-Encoding:", "", "400");
    check_fields("Transfer-Encoding: \"chunked\"", "", "400");
    check_fields("Transfer-Encoding: chunked\nContent-Length: 5", "0\r\n\r\n", "400");
    check_fields("Content-Length: 5\nTransfer-Encoding: chunked", "0\r\n\r\n", "400");
    check_fields("Content-Length: 2\nTransfer-Encoding: gzip", "{}", "400");
    check_fields("Transfer-Encoding : chunked", "0\r\n\r\n", "400");
    check("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", "400");
    check("POST / HTTP/1.0\r\nTransfer-Encoding: gzip\r\n\r\n", "400");
}

#[test]
fn connections() {
    check_fields("Connection: close", "", "Post /a close");
    check_fields("Connection: Close", "", "Post /a close");
    check_fields("Connection: TE, close", "", "Post /a close");
    check_fields("Connection: TE\nConnection: ,close", "", "Post /a close");
    check_fields("Connection: close, keep-alive", "", "Post /a close");
    check_fields("Connection: keep-alive", "", "Post /a");
    check_fields("Connection: closed", "", "Post /a");
    check_fields("Connection:", "", "Post /a");
    check("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "Get / named");
    check("GET / HTTP/1.0\r\nConnection: TE, Keep-Alive\r\n\r\n", "Get / named");
    check("GET / HTTP/1.0\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n", "Get / close");
    check("GET / HTTP/1.0\r\nConnection: TE\r\n\r\n", "Get / close");
}

#[test]
fn fields_that_decide_nothing_are_passed_over() {
    check_fields("Date: x\nCookie: close\nUser-Agent: close", "", "Post /a");
    check_fields("If-None-Match: a\nIf-None-Match: b\nAccept-Charset: x", "", "Post /a");
    check_fields("Content-Language: sv\nIf-Modified-Since: gzip", "", "Post /a");
}

#[test]
fn expectations() {
    check_fields("Expect: 100-continue\nContent-Length: 2", "", "continue");
    check_fields("Expect: 100-Continue\nContent-Length: 2", "", "continue");
    check_fields("Expect: 100-continue\nTransfer-Encoding: chunked", "", "continue");
    check_fields("Expect: 100-continue, 100-continue\nContent-Length: 2", "", "continue");
    check_fields("Expect: 100-continue\nContent-Length: 2", "{", "partial");
    check_fields("Expect: 100-continue\nContent-Length: 2", "{}", "Post /a {}");
    check_fields("Expect: 100-continue\nContent-Length: 0", "", "Post /a");
    check_fields("Expect: 100-continue", "", "Post /a");
    check_fields("Expect: 100-continue\nContent-Length: 65537", "", "413");
    check_fields("Expect:\nContent-Length: 2", "{}", "Post /a {}");
    check_fields("Expect: 200-ok", "", "417");
    check_fields("Expect: 100-continue;q=1", "", "417");
    check_fields("Expect: 100-continue, other", "", "417");
    check_fields("Expect: 100-continue\nExpect: other", "", "417");
    check("POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n", "partial");
    check("POST / HTTP/1.0\r\nExpect: other\r\nContent-Length: 2\r\n\r\n{}", "Post / {} close");
}

#[test]
fn content_codings() {
    check_fields("Content-Encoding: identity\nContent-Length: 2", "{}", "Post /a {}");
    check_fields("Content-Encoding:\nContent-Encoding: Identity, identity", "", "Post /a");
    check_fields("content-encoding: gzip\nContent-Length: 2", "", "415");
    check_fields("Content-Encoding: identity, br\nTransfer-Encoding: chunked", "", "415");
    check_fields("Content-Encoding: identity\nContent-Encoding: gzip", "", "415");
    check_fields("Content-Encoding: gzip;q=1", "", "415");
    check_fields("Expect: 100-continue\nContent-Encoding: gzip\nContent-Length: 2", "", "415");
    check("POST / HTTP/1.0\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n", "415");
    // The transfer coding is another thing, and so is what the client would take.
    check_fields("Accept-Encoding: gzip", "", "Post /a");
}

#[test]
fn timeouts() {
    check_fields("Request-Timeout: 150", "", "Post /a 150ms");
    check_fields("rEQUEST-tIMEOUT:\t1 \nContent-Length: 2", "{}", "Post /a {} 1ms");
    check_fields("Request-Timeout: 86400000", "", "Post /a 86400000ms");
    check_fields("Request-Timeout: 86400001", "", "Post /a 86400000ms");
    check_fields("Request-Timeout: 99999999999999999999", "", "Post /a 86400000ms");
    check_fields("Request-Timeout:", "", "400");
    check_fields("Request-Timeout: 0", "", "400");
    check_fields("Request-Timeout: -1", "", "400");
    check_fields("Request-Timeout: +1", "", "400");
    check_fields("Request-Timeout: 1.5", "", "400");
    check_fields("Request-Timeout: 150ms", "", "400");
    check_fields("Request-Timeout: 150, 150", "", "400");
    check_fields("Request-Timeout: 150\nRequest-Timeout: 150", "", "400");
    check_fields("Request-Timeout: 150\nrequest-timeout: 200", "", "400");
    check_fields("Request-Timeout: soon\nTransfer-Encoding: gzip", "", "400");
    check_fields("Request-Timeouts: soon\nX-Request-Timeout: soon\nRequest_Timeout: soon", "", "Post /a");
    check_fields("Accept-Language: sv-SE", "", "Post /a");
    check("GET / HTTP/1.0\r\nRequest-Timeout: 5\r\n\r\n", "Get / 5ms close");
    // Nothing of it stays for the next message of the connection.
    let stream = b"GET / HTTP/1.1\r\nHost: h\r\nRequest-Timeout: 5\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n";
    let mut framer = Framer::default();
    let Framed::Complete { consumed, .. } = framer.frame(stream) else { panic!("a whole message") };
    assert_eq!(summary(framer.frame(&stream[consumed..])), "Get /");
}

#[test]
fn a_head_is_known_by_its_method() {
    use super::asks_head;
    for (input, expect) in [
        ("HEAD / HTTP/1.1\r\nHost: h\r\n", true),
        ("HEAD ", true),
        ("\r\n\r\nHEAD /\0", true),
        ("HEAD", false),
        ("HEADER / HTTP/1.1\r\n", false),
        ("head / HTTP/1.1\r\n", false),
        ("HEAD\t/ HTTP/1.1\r\n", false),
        ("\r\n\r\n\nHEAD / HTTP/1.1\r\n", false),
        ("GET /HEAD HTTP/1.1\r\nHEAD / HTTP/1.1\r\n", false),
        ("", false),
    ] {
        assert_eq!(asks_head(input.as_bytes()), expect, "{input:?}");
    }
}

#[test]
fn leave_to_send_is_given_once() {
    let message = b"POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n{}";
    let head = &message[..message.len() - 2];
    let mut framer = Framer::default();
    assert_eq!(framer.frame(&head[..20]), Framed::Partial);
    assert!(!framer.is_idle() && !framer.in_body());
    assert_eq!(framer.frame(head), Framed::Continue);
    assert!(!framer.is_idle() && framer.in_body());
    assert_eq!(framer.frame(head), Framed::Partial);
    assert_eq!(framer.frame(&message[..head.len() + 1]), Framed::Partial);
    assert_eq!(summary(framer.frame(message)), "Post / {}");
    assert!(framer.is_idle() && !framer.in_body());
}

#[test]
fn credentials() {
    let input = b"POST / HTTP/1.1\r\nHost: h\r\nAuthorization:  Basic YTpi \r\n\r\n";
    let mut framer = Framer::default();
    let Framed::Complete { request, .. } = framer.frame(input) else { panic!("a whole message") };
    assert_eq!(request.authorization, Some(&b"Basic YTpi"[..]));
    check_fields("Authorization: Basic YTpi\nauthorization: Basic YTpi", "", "400");
    check_fields("Authorization:", "", "Post /a");
}

#[test]
fn heads_are_bounded() {
    let padded = |bytes: usize| {
        let without = "POST /a HTTP/1.1\r\nHost: h\r\nX: \r\n\r\n".len();
        format!("X: {}", "x".repeat(bytes - without))
    };
    check_fields(&padded(HEAD_BYTES_MAX), "", "Post /a");
    check_fields(&padded(HEAD_BYTES_MAX + 1), "", "431");
    check_fields(&"X: y\n".repeat(HEADERS_MAX - 1), "", "Post /a");
    check_fields(&"X: y\n".repeat(HEADERS_MAX), "", "431");
    let endless = "A".repeat(HEAD_BYTES_MAX + 1);
    check(&endless, "431");
    let mut framer = Framer::default();
    assert_eq!(framer.frame(&endless.as_bytes()[..9]), Framed::Partial);
    assert_eq!(framer.frame(endless.as_bytes()), Framed::Reject(Status::HeadTooLarge), "in pieces, too");
    check(&"A".repeat(HEAD_BYTES_MAX), "431");
    check(&"A".repeat(HEAD_BYTES_MAX - 1), "partial");
    check(&format!("GET / HTTP/1.1\r\nHost: h\r\nX{}", "x".repeat(HEAD_BYTES_MAX)), "431");
    // A fault past the bound is not seen any more, and one before it goes first.
    check_fields(&format!("{}\0", padded(HEAD_BYTES_MAX + 9)), "", "431");
    check_fields(&format!("Y : y\n{}", padded(HEAD_BYTES_MAX)), "", "400");
}

#[test]
fn targets_are_bounded() {
    let target = |bytes: usize| format!("/{}", "t".repeat(bytes - 1));
    let longest = target(TARGET_BYTES_MAX);
    check_line(&format!("GET {longest} HTTP/1.1"), &format!("Get {longest}"));
    check_line(&format!("GET {}x HTTP/1.1", longest), "414");
    check_line(&format!("GET {} HTTP/1.1", target(HEAD_BYTES_MAX)), "414");
    check_line(&format!("GET http://x{longest} HTTP/1.1"), "414");
    assert_eq!(
        Framer::default().frame(format!("GET {longest}x").as_bytes()),
        Framed::Reject(Status::UriTooLong)
    );
    assert_eq!(Framer::default().frame(format!("GET {longest}").as_bytes()), Framed::Partial);
}

#[test]
fn the_first_fault_is_named() {
    let long = format!("/{}", "t".repeat(TARGET_BYTES_MAX));
    // In the order of the bytes.
    check_line(&format!("G(ET {long} HTTP/1.1"), "400");
    check_line(&format!("GET {long}\0 HTTP/1.1"), "414");
    check_line(&format!("GET  {long} HTTP/1.1"), "400");
    check_line(&format!("GET {}\x7f/ HTTP/1.1", &long[..TARGET_BYTES_MAX]), "400");
    check_line(&format!("GET {long} HTTP/2.0"), "414");
    check("GET / HTTP/2.0\r\nX : y\r\n\r\n", "505");
    check(&format!("GET {long} HTTP/1.1\r\nX : y\r\n\r\n"), "414");
    check_fields(&format!("{}X : y", "X: y\n".repeat(HEADERS_MAX)), "", "431");
    // Malformed before not implemented, before expectations, before size.
    check("BREW / HTTP/1.1\r\n\r\n", "400");
    check("BREW a HTTP/1.1\r\nHost: h\r\n\r\n", "400");
    check("BREW / HTTP/1.1\r\nHost: h\r\nExpect: x\r\n\r\n", "501");
    check_fields("Transfer-Encoding: gzip\nExpect: x", "", "501");
    check_fields("Content-Length: 65537\nExpect: x", "", "417");
    check_fields("Content-Encoding: gzip\nExpect: x", "", "417");
    check_fields("Content-Encoding: gzip\nContent-Length: 65537", "", "415");
    check_fields("Content-Encoding: gzip\nTransfer-Encoding: gzip", "", "501");
    check_fields("Content-Encoding: gzip\nContent-Length: x", "", "400");
    check_fields("Content-Length: 65537\nAuthorization: a\nAuthorization: a", "", "400");
    check("BREW / HTTP/1.1\r\nHost: h\r\nContent-Length: 65537\r\n\r\n", "501");
}

#[test]
fn nothing_is_framed_after_a_refusal() {
    let mut framer = Framer::default();
    assert_eq!(framer.frame(b"GET / HTTP/2.0\r\n"), Framed::Reject(Status::VersionNotSupported));
    assert_eq!(
        framer.frame(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"),
        Framed::Reject(Status::VersionNotSupported)
    );
    assert_eq!(framer.frame(b""), Framed::Reject(Status::VersionNotSupported));
    assert!(!framer.is_idle() && !framer.in_body());
}

#[test]
fn messages_follow_one_another() {
    let stream = b"POST /1 HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\na\
        POST /2 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nb\r\n0\r\n\r\n\r\n\
        GET /3 HTTP/1.1\r\nHost: h\r\n\r\n\
        GET /4 HT";
    let mut framer = Framer::default();
    let mut rest = &stream[..];
    let mut found = Vec::new();
    loop {
        let framed = framer.frame(rest);
        found.push(summary(framed));
        let Framed::Complete { consumed, .. } = framed else { break };
        rest = &rest[consumed..];
    }
    assert_eq!(found, ["Post /1 a", "Post /2 b", "Get /3", "partial"]);
    assert_eq!(rest, b"GET /4 HT");
}

#[test]
fn a_connection_is_idle_between_messages() {
    let mut framer = Framer::default();
    assert!(framer.is_idle());
    assert_eq!(framer.frame(b""), Framed::Partial);
    assert!(framer.is_idle());
    assert_eq!(framer.frame(b"\r\n"), Framed::Partial);
    assert!(framer.is_idle(), "an empty line is no message");
    assert_eq!(framer.frame(b"\r\nG"), Framed::Partial);
    assert!(!framer.is_idle());
    assert_eq!(summary(framer.frame(b"\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n")), "Get /");
    assert!(framer.is_idle());
}
