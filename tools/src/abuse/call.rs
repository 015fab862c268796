//! Requests as bytes: those of the well-behaved and those of attackers.

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

/// The operator's token of the servers that are started here.
pub(crate) const OPERATOR_TOKEN: &str = "tools-operator";

/// The game of the requests.
pub(crate) const GAME: &str = "11588";

/// A platform of the servers that are started here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Platform {
    pub(crate) key: &'static str,
    pub(crate) user: &'static str,
    pub(crate) password: &'static str,
}

/// Whom the others call for.
pub(crate) const OTHERS: Platform = Platform { key: "L100", user: "admin", password: "admin" };

/// A platform that only attackers call for.
pub(crate) const ATTACKERS: Platform = Platform { key: "L200", user: "attacker", password: "attacker" };

/// Whose accounts requests are for: so many from this number on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AccountRange {
    pub(crate) first: u32,
    pub(crate) count: u32,
}

impl AccountRange {
    /// The account of a request, one after another.
    const fn of(self, number: u64) -> u32 {
        let count = if self.count == 0 { 1 } else { self.count };
        self.first + (number % count as u64) as u32
    }
}

/// An account, by its number from 1.
pub(crate) fn account(number: u32) -> String {
    format!("default/p{number:06}")
}

/// The key of its session.
pub(crate) fn session(number: u32) -> String {
    format!("key-{number:06}")
}

impl Platform {
    /// A call: the envelope, and `members` behind it.
    pub(crate) fn write(self, path: &str, members: std::fmt::Arguments<'_>, out: &mut Vec<u8>) {
        let Self { key, user, password } = self;
        let authorization = BASE64.encode(format!("{user}:{password}"));
        let body = format!(
            r#"{{"PlatformKey":"{key}","Sequence":"1","Timestamp":"2026-11-24T08:00:00.000Z",{members}}}"#
        );
        // A vector takes everything.
        let _ = write!(
            out,
            "POST /v1.0/{path} HTTP/1.1\r\nHost: wallet\r\nAuthorization: Basic {authorization}\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
    }
}

/// An operator's call.
pub(crate) fn write_operators(method: &str, path: &str, body: &str, out: &mut Vec<u8>) {
    let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    let _ = write!(
        out,
        "{method} /operator/v1/accounts/{path} HTTP/1.1\r\nHost: operator\r\n\
         Authorization: Bearer {OPERATOR_TOKEN}\r\n{length}\r\n{body}"
    );
}

/// Which listener a call goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Listener {
    Platform,
    Operator,
}

/// What is asked for, over and over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// Nothing: a connection.
    Nothing,
    /// A path that is not there, without credentials.
    Unknown,
    /// The balance of one account after another.
    Balance(Platform),
    /// A session token of one account after another.
    CreateToken(Platform),
    /// A bet in a round of its own, which it ends unless `stays_open`, for one account after another.
    Bet { platform: Platform, stays_open: bool },
    /// A balance whose body has so many bytes, which are spaces for the most part.
    Large { bytes: usize },
    /// A page of 1,000 lines of the first account's statement.
    Statement,
    /// The first account.
    Account,
}

impl Call {
    /// Whom it is sent to.
    pub(crate) const fn listener(self) -> Listener {
        match self {
            Self::Statement | Self::Account => Listener::Operator,
            _ => Listener::Platform,
        }
    }

    /// The status that its answer has.
    pub(crate) const fn status(self) -> u16 {
        match self {
            Self::Unknown => 404,
            Self::Large { .. } => 413,
            _ => 200,
        }
    }

    /// Whether all of it is sent before an answer is looked for, as many clients do.
    pub(crate) const fn is_sent_first(self) -> bool {
        matches!(self, Self::Large { .. })
    }

    /// Adds the request of this number, for one of these accounts. A number is used once on a server.
    pub(crate) fn write(self, number: u64, accounts: AccountRange, out: &mut Vec<u8>) {
        let of = accounts.of(number);
        match self {
            Self::Nothing => {}
            Self::Unknown => out.extend_from_slice(b"GET /x HTTP/1.1\r\nHost: wallet\r\n\r\n"),
            Self::Balance(platform) => {
                platform.write("balance", format_args!(r#""OperatorAccountID":"{}""#, account(of)), out);
            }
            Self::CreateToken(platform) => platform.write(
                "session/createtoken",
                format_args!(r#""OperatorAccountID":"{}","GameID":"{GAME}""#, account(of)),
                out,
            ),
            Self::Bet { platform, stays_open } => platform.write(
                "gameround/placebet",
                format_args!(
                    r#""GatewaySessionToken":"{}","OperatorAccountID":"{}","GameRoundID":"a{number}","GameRoundTransactionID":"a{number}","GameID":"{GAME}","CurrencyCode":"GBP","Amount":0.01,"StartRound":true,"EndRound":{}"#,
                    session(of),
                    account(of),
                    !stays_open
                ),
                out,
            ),
            Self::Large { bytes } => {
                let _ = write!(out, "POST /v1.0/balance HTTP/1.1\r\nHost: wallet\r\nContent-Length: {bytes}\r\n\r\n");
                out.resize(out.len() + bytes, b' ');
            }
            Self::Statement => {
                write_operators("GET", &format!("{}/transactions?limit=1000", account(accounts.first)), "", out);
            }
            Self::Account => write_operators("GET", &account(accounts.first), "", out),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(call: Call, number: u64, begins: &str, ends: &str) {
        let mut bytes = Vec::new();
        call.write(number, AccountRange { first: 1, count: 10 }, &mut bytes);
        let text = String::from_utf8(bytes).expect("text");
        assert!(text.starts_with(begins) && text.ends_with(ends), "{text}");
        if let Some((head, body)) = text.split_once("\r\n\r\n")
            && let Some((_, length)) = head.split_once("Content-Length: ")
        {
            assert_eq!(length.split("\r\n").next(), Some(body.len().to_string().as_str()), "{text}");
        }
    }

    #[test]
    fn requests() {
        check(Call::Nothing, 1, "", "");
        check(Call::Unknown, 1, "GET /x HTTP/1.1\r\n", "\r\n\r\n");
        check(Call::Balance(OTHERS), 10, "POST /v1.0/balance ", r#""OperatorAccountID":"default/p000001"}"#);
        check(
            Call::Balance(ATTACKERS),
            9,
            "POST /v1.0/balance ",
            r#""OperatorAccountID":"default/p000010"}"#,
        );
        check(Call::CreateToken(OTHERS), 0, "POST /v1.0/session/createtoken ", r#""GameID":"11588"}"#);
        check(
            Call::Bet { platform: OTHERS, stays_open: true },
            7,
            "POST /v1.0/gameround/placebet ",
            "false}",
        );
        check(Call::Large { bytes: 100 }, 0, "POST /v1.0/balance ", "   ");
        check(Call::Account, 5, "GET /operator/v1/accounts/default/p000001 HTTP", "\r\n\r\n");
        check(
            Call::Statement,
            5,
            "GET /operator/v1/accounts/default/p000001/transactions?limit=1000 ",
            "\r\n\r\n",
        );
    }
}
