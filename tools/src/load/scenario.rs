//! What a virtual user asks: the steps of an iteration and the bytes of its requests (protocol §1, §3).
//!
//! A request is composed once. What differs from one attempt to the next has a fixed width and a known place, so
//! that the next attempt costs three short copies into bytes that are there already. They are laid out as
//! `k6/seed.js` sends them.

use std::net::SocketAddr;
use std::ops::Range;

use clap::ValueEnum;

use super::clock::{TIMESTAMP_BYTES, Timestamp, put_digits};

/// A kind of request, and the name of its groups and tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RequestType {
    /// Asks for an account's balance.
    Balance,
    /// Hands in the session token that the last `CreateToken` returned.
    RedeemToken,
    /// Asks for a new session token.
    CreateToken,
}

impl RequestType {
    /// Kinds of request.
    pub(crate) const COUNT: usize = 3;

    /// The name in groups and tags.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Balance => "balance",
            Self::RedeemToken => "redeemToken",
            Self::CreateToken => "createToken",
        }
    }

    const fn path(self) -> &'static str {
        match self {
            Self::Balance => "/v1.0/balance",
            Self::RedeemToken => "/v1.0/session/redeemtoken",
            Self::CreateToken => "/v1.0/session/createtoken",
        }
    }
}

/// What the virtual users play.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scenario {
    /// balance, redeemToken, createToken, over and over
    Seed,
    /// balance alone
    Balance,
}

impl Scenario {
    /// The name on the command line.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Seed => "seed",
            Self::Balance => "balance",
        }
    }

    /// The requests of an iteration, in their order.
    pub(crate) const fn steps(self) -> &'static [RequestType] {
        match self {
            Self::Seed => &[RequestType::Balance, RequestType::RedeemToken, RequestType::CreateToken],
            Self::Balance => &[RequestType::Balance],
        }
    }
}

/// Whom the requests are for, the same for all virtual users.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    /// Value of the `Host` field, as the URL has it.
    pub(crate) host: String,
    /// Where that is.
    pub(crate) address: SocketAddr,
    /// Value of the `Authorization` field.
    pub(crate) authorization: String,
    /// `PlatformKey`.
    pub(crate) platform: String,
    /// `GameID`.
    pub(crate) game: String,
    /// What tells the sequences of this run from those of another.
    pub(crate) run: u64,
}

/// A virtual user as the server knows it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Player {
    /// Number of the virtual user, from 1.
    pub(crate) number: usize,
}

impl Player {
    /// The demo account of this virtual user (protocol §7).
    pub(crate) fn account(self) -> String {
        format!("default/player-{:06}", self.number)
    }
}

/// Digits of the count in a `Sequence`: a microsecond per request, for eleven days.
const COUNT_DIGITS: usize = 12;

/// The bytes of a request, ready for the next attempt.
#[derive(Debug)]
pub(crate) struct Request {
    /// Empty while the ring has them.
    bytes: Vec<u8>,
    count: Range<usize>,
    timestamp: Range<usize>,
    /// Empty where the request has none.
    token: Range<usize>,
}

impl Request {
    /// Composes a request. `token` is for `RedeemToken`, and unused elsewhere.
    pub(crate) fn compose(kind: RequestType, site: &Site, player: Player, token: &[u8]) -> Self {
        let mut body = Vec::with_capacity(256);
        put(&mut body, &["{\"PlatformKey\":\"", &site.platform, "\",\"Sequence\":\""]);
        put(&mut body, &[&format!("{:x}-{:06}-", site.run, player.number)]);
        let count = room(&mut body, COUNT_DIGITS);
        put(&mut body, &["\",\"Timestamp\":\""]);
        let timestamp = room(&mut body, TIMESTAMP_BYTES);
        let mut token_place = 0..0;
        match kind {
            RequestType::Balance | RequestType::CreateToken => {
                put(&mut body, &["\",\"OperatorAccountID\":\"", &player.account()]);
                put(&mut body, &["\",\"GameID\":\"", &site.game, "\"}"]);
            }
            RequestType::RedeemToken => {
                put(&mut body, &["\",\"SessionToken\":\""]);
                token_place = room(&mut body, token.len());
                body[token_place.clone()].copy_from_slice(token);
                put(&mut body, &["\",\"IPAddress\":\"127.0.0.1\"}"]);
            }
        }
        let mut bytes = Vec::with_capacity(512);
        put(&mut bytes, &["POST ", kind.path(), " HTTP/1.1\r\nHost: ", &site.host]);
        put(&mut bytes, &["\r\nAuthorization: ", &site.authorization, "\r\nContent-Type: application/json"]);
        put(&mut bytes, &["\r\nContent-Length: ", &body.len().to_string(), "\r\n\r\n"]);
        let head = bytes.len();
        let shifted = |place: Range<usize>| place.start + head..place.end + head;
        bytes.extend_from_slice(&body);
        Self { bytes, count: shifted(count), timestamp: shifted(timestamp), token: shifted(token_place) }
    }

    /// The bytes for the attempt with this count; they must come back by [`Request::give_back`].
    pub(crate) fn take(&mut self, attempt: u64, timestamp: &Timestamp) -> Vec<u8> {
        let mut bytes = std::mem::take(&mut self.bytes);
        put_digits(&mut bytes[self.count.clone()], attempt);
        bytes[self.timestamp.clone()].copy_from_slice(timestamp.text());
        bytes
    }

    /// Takes the bytes back once they are sent.
    pub(crate) fn give_back(&mut self, bytes: Vec<u8>) {
        debug_assert!(self.bytes.is_empty() && self.timestamp.end <= bytes.len());
        self.bytes = bytes;
    }

    /// Puts another token in, where it has the length of the last one; else the request must be composed anew.
    #[must_use]
    pub(crate) fn put_token(&mut self, token: &[u8]) -> bool {
        let fits = token.len() == self.token.len();
        if fits {
            self.bytes[self.token.clone()].copy_from_slice(token);
        }
        fits
    }
}

fn put(bytes: &mut Vec<u8>, texts: &[&str]) {
    texts.iter().for_each(|text| bytes.extend_from_slice(text.as_bytes()));
}

fn room(bytes: &mut Vec<u8>, length: usize) -> Range<usize> {
    let start = bytes.len();
    bytes.resize(start + length, b'0');
    start..bytes.len()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn site() -> Site {
        Site {
            host: "127.0.0.1:9816".to_owned(),
            address: ([127, 0, 0, 1], 9816).into(),
            authorization: "Basic YWRtaW46YWRtaW4=".to_owned(),
            platform: "L100".to_owned(),
            game: "11588".to_owned(),
            run: 0x19a_b5f6_2c00,
        }
    }

    /// Splits a request into its head and its body, which the head's length must tell.
    #[track_caller]
    fn parts(bytes: &[u8]) -> (String, serde_json::Value) {
        let text = std::str::from_utf8(bytes).expect("UTF-8");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
        let length = format!("\r\nContent-Length: {}", body.len());
        let head = head.strip_suffix(&length).expect("the length of the body");
        (head.to_owned(), serde_json::from_str(body).expect("JSON"))
    }

    #[track_caller]
    fn check(request: &mut Request, attempt: u64, path: &str, expect: &[(&str, &str)]) {
        let timestamp = Timestamp::new(1_764_000_000_123);
        let bytes = request.take(attempt, &timestamp);
        let (head, body) = parts(&bytes);
        let expect_head = format!(
            "POST {path} HTTP/1.1\r\nHost: 127.0.0.1:9816\r\nAuthorization: Basic YWRtaW46YWRtaW4=\r\n\
             Content-Type: application/json"
        );
        assert_eq!(head, expect_head);
        let members = body.as_object().expect("an object");
        let envelope = [("PlatformKey", "L100"), ("Timestamp", "2025-11-24T16:00:00.123Z")];
        for (name, value) in expect.iter().chain(&envelope) {
            assert_eq!(members[*name], *value, "{name}");
        }
        assert_eq!(members.len(), expect.len() + envelope.len());
        request.give_back(bytes);
    }

    #[test]
    fn requests() {
        let (site, player) = (site(), Player { number: 42 });
        let account = [("OperatorAccountID", "default/player-000042"), ("GameID", "11588")];
        let attempt = |count| [("Sequence", count)];
        let mut balance = Request::compose(RequestType::Balance, &site, player, b"");
        let first = attempt("19ab5f62c00-000042-000000000001");
        check(&mut balance, 1, "/v1.0/balance", &[account.as_slice(), &first].concat());
        let second = attempt("19ab5f62c00-000042-999999999999");
        check(&mut balance, 999_999_999_999, "/v1.0/balance", &[account.as_slice(), &second].concat());
        let mut create = Request::compose(RequestType::CreateToken, &site, player, b"");
        check(&mut create, 1, "/v1.0/session/createtoken", &[account.as_slice(), &first].concat());
    }

    #[test]
    fn tokens() {
        let (site, player) = (site(), Player { number: 1 });
        let path = "/v1.0/session/redeemtoken";
        let expect = |token| {
            [
                ("Sequence", "19ab5f62c00-000001-000000000007"),
                ("SessionToken", token),
                ("IPAddress", "127.0.0.1"),
            ]
        };
        let mut redeem = Request::compose(RequestType::RedeemToken, &site, player, b"abc");
        check(&mut redeem, 7, path, &expect("abc"));
        assert!(redeem.put_token(b"xyz"));
        check(&mut redeem, 7, path, &expect("xyz"));
        assert!(!redeem.put_token(b"longer"));
        check(&mut redeem, 7, path, &expect("xyz"));
        let mut empty = Request::compose(RequestType::RedeemToken, &site, player, b"");
        check(&mut empty, 7, path, &expect(""));
    }
}
