//! Streams out of a grammar.

use fuzz::mutate::Chance;

/// Streams of the grammar: requests that are mostly right, one after the other.
pub(crate) fn drawn(chance: &mut Chance) -> Vec<u8> {
    let mut stream = Vec::new();
    for _ in 0..=chance.below(3) {
        let methods = ["GET", "POST", "PUT", "HEAD", "OPTIONS", "DELETE", "BREW", "CONNECT"];
        let targets = [
            "/",
            "/v1.0/balance?a=b",
            "*",
            "http://h/a",
            "http://h?b",
            "h:1",
            "/a|b",
            "/#",
            "/a<b",
            "/%zz",
            "//h",
        ];
        let versions = ["HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "http/1.1"];
        let line = format!(
            "{} {} {}\r\n",
            pick(&methods, 2, chance),
            pick(&targets, 2, chance),
            pick(&versions, 3, chance)
        );
        stream.extend_from_slice(line.as_bytes());
        if chance.below(12) > 0 {
            stream.extend_from_slice(b"Host: h\r\n");
        }
        for _ in 0..chance.below(3) {
            stream.extend_from_slice(chance.one_of(&FIELDS).as_bytes());
            stream.extend_from_slice(b"\r\n");
        }
        match chance.below(4) {
            0 => stream.extend_from_slice(b"Content-Length: 5\r\n\r\nhello"),
            1 => {
                stream.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
                for _ in 0..chance.below(3) {
                    stream.extend_from_slice(chance.one_of(&CHUNKS).as_bytes());
                }
                stream.extend_from_slice(b"0\r\n\r\n");
            }
            _ => stream.extend_from_slice(b"\r\n"),
        }
    }
    stream
}

/// One of these; mostly of the first ones.
pub(crate) fn pick<'a>(all: &[&'a str], usual: usize, chance: &mut Chance) -> &'a str {
    let usual = if chance.below(4) > 0 { &all[..usual] } else { all };
    chance.one_of::<&str>(usual)
}

pub(crate) const FIELDS: [&str; 41] = [
    "Host: h",
    "Host: a b",
    "Host:",
    "Content-Length: 0",
    "Content-Length: 5",
    "Content-Length: +5",
    "Content-Length: 5, 5",
    "Content-Length: 99999999999999999999",
    "Content-Length: 70000",
    "Content-Length:",
    "Content-Length: 5x",
    "Transfer-Encoding: chunked",
    "Transfer-Encoding: gzip",
    "Transfer-Encoding: gzip, chunked",
    "Transfer-Encoding: chunked, gzip",
    "Transfer-Encoding: , chunked",
    "Transfer-Encoding:",
    "Transfer-Encoding: chunked;q=1",
    "Transfer-Encoding: identity",
    "Transfer-Encoding: \"chunked\"",
    "Transfer-Encoding: xchunked",
    "Transfer-Encoding : chunked",
    "Connection: close",
    "Connection: keep-alive",
    "Connection: x, close",
    "Connection: closed",
    "Expect: 100-continue",
    "Expect: other",
    "Content-Encoding: gzip",
    "Content-Encoding: identity",
    "Authorization: Basic YTpi",
    "authorization: x",
    "X: y",
    "X : y",
    " folded",
    "X: a\0b",
    "X(: y",
    ": y",
    "X: \u{e9}",
    "Upgrade: h2c",
    "Connection: \u{e9}, close",
];

pub(crate) const CHUNKS: [&str; 25] = [
    "5\r\nhello\r\n",
    "1\r\na\r\n",
    "0001\r\na\r\n",
    "A\r\n0123456789\r\n",
    "1;x\r\na\r\n",
    "1 ;x=\"y;\"\r\na\r\n",
    "1\t\r\na\r\n",
    "1 \r\na\r\n",
    "1\na\n",
    "1\r\na\n",
    "1\r\nab\r\n",
    "\r\n",
    "+1\r\na\r\n",
    "0x1\r\na\r\n",
    "1;\n\r\na\r\n",
    "1;\u{e9}\r\na\r\n",
    "00000000000000001\r\na\r\n",
    "ffffffffffffffff\r\n",
    "10000000000000000\r\n",
    "1000000\r\n",
    "0\r\nT: x\r\n\r\n",
    "0\r\nT : x\r\n\r\n",
    "0\r\nT\r\n\r\n",
    "0\r\n T: x\r\n\r\n",
    "0\r\n\u{1}\r\n\r\n",
];
