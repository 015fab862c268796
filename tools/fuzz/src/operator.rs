//! The operator's paths, queries and bodies.

use api::Decoded;
use http::{Method, Request, Status};
use wallet::operation::{self, Operation};

use crate::calls;

/// What its requests are made of.
pub const WORDS: [&str; 48] = [
    "GET ",
    "PUT ",
    "POST ",
    "DELETE ",
    "HEAD ",
    "OPTIONS ",
    "/operator/v1/accounts/",
    "default/",
    "/status",
    "/deposits",
    "/withdrawals",
    "/limits",
    "/transactions",
    "/sessions",
    "/sessions/k",
    "?after=1",
    "&limit=",
    "?limit=1000",
    "%",
    "%2F",
    "%2e",
    "%00",
    "%C3%A9",
    "%ff",
    ".",
    "..",
    "/",
    "+",
    "=",
    "&",
    "\n",
    "{\"CountryCode\":\"GB\"}",
    "\"Status\":\"frozen\"",
    "\"TransactionID\"",
    "\"Amount\":10.00",
    "\"CurrencyCode\":\"GBP\"",
    "\"Stake\":",
    "\"Wager\":{\"Day\":1}",
    "\"Loss\":{\"Month\":0.5}",
    "\"SessionMinutes\":60",
    "\"SessionKey\":\"k\"",
    "\"DateOfBirth\":\"1965-05-16\"",
    "\"Gender\":\"F\"",
    "\"UserName\"",
    "\"DisplayName\"",
    "\"City\"",
    "null",
    "18446744073709551615",
];

/// A method and a target on the first line, the body behind it.
pub fn run(data: &[u8]) {
    let (line, body) = match data.iter().position(|byte| *byte == b'\n') {
        Some(end) => (&data[..end], &data[end + 1..]),
        None => (data, &[][..]),
    };
    // Framing lets ASCII alone through; the rest of this is for the door to refuse.
    let Ok(line) = str::from_utf8(line) else { return };
    let (method, target) = line.split_once(' ').unwrap_or(("GET", line));
    let method = match method {
        "PUT" => Method::Put,
        "POST" => Method::Post,
        "DELETE" => Method::Delete,
        "HEAD" => Method::Head,
        "OPTIONS" => Method::Options,
        _ => Method::Get,
    };
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    };
    let request = |method, path, query, body| Request {
        method,
        path,
        query,
        authorization: Some(calls::BEARER),
        body,
        keep_alive: true,
        keep_alive_named: false,
        timeout_ms: None,
    };
    match calls::operator(&request(method, path, query, body)) {
        Decoded::Operation(_, operation, _) => {
            let id = operation.account_id().expect("an operator's call names its account");
            let path = path_of(id);
            let again = calls::operator(&request(Method::Get, &path, None, b""));
            let Decoded::Operation(_, Operation::GetAccount(operation::GetAccount { account }), _) = again
            else {
                panic!("{id:?} can't be named in a path: {again:?}")
            };
            assert_eq!(account.id(), id);
        }
        Decoded::Http { status, detail, .. } => {
            assert!(detail.is_none_or(|detail| !detail.is_empty() && !detail.contains(char::is_control)));
            assert_ne!(status, Status::Unauthorized, "the token is good");
        }
        Decoded::Refused(..) => panic!("a platform's refusal at the operator's door"),
        Decoded::Options(_) | Decoded::Probe(_) => {}
    }
}

/// The path of an account, all of its id in escapes.
fn path_of(id: &str) -> String {
    let (domain, player) = id.split_once('/').expect("a domain and a player");
    let escaped = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
    format!("/operator/v1/accounts/{}/{}", escaped(domain), escaped(player))
}
