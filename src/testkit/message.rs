//! Requests as text.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clock::Clock;

/// `admin:admin`, of the demo's platform.
pub const ADMIN: &str = "Authorization: Basic YWRtaW46YWRtaW4=\r\n";

/// The demo's operator token.
pub const DEMO_TOKEN: &str = "demo";

/// The field that names a platform.
pub fn basic(user: &str, password: &str) -> String {
    format!("Authorization: Basic {}\r\n", STANDARD.encode(format!("{user}:{password}")))
}

/// A `POST` with `fields`, each with its line's end, and a body.
pub fn post(path: &str, fields: &str, body: &str) -> String {
    let length = body.len();
    format!("POST {path} HTTP/1.1\r\nHost: wallet.example\r\n{fields}Content-Length: {length}\r\n\r\n{body}")
}

/// A `GET` without a token.
pub fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: wallet.example\r\n\r\n")
}

/// A call of the operator's; one without a body has no length.
pub fn operator(method: &str, path: &str, token: &str, body: &str) -> String {
    let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    format!(
        "{method} {path} HTTP/1.1\r\nHost: operator.example\r\nAuthorization: Bearer {token}\r\n{length}\r\n{body}"
    )
}

/// The body of a platform's call: the envelope, and `members` behind it.
pub fn body(platform_key: &str, members: &str) -> String {
    let comma = if members.is_empty() { "" } else { "," };
    format!(
        r#"{{"PlatformKey":"{platform_key}","Sequence":"4711","Timestamp":"2021-06-07T11:16:16.216Z"{comma}{members}}}"#
    )
}

/// A call of the demo's platform.
pub fn call(path: &str, members: &str) -> String {
    post(&format!("/v1.0/{path}"), ADMIN, &body("L100", members))
}

/// A call of the demo's platform about a round; `more` are its further members.
pub fn play(name: &str, account: &str, round: &str, more: &str) -> String {
    let round = format!(r#""GameRoundID":"{round}","GameID":"11588","CurrencyCode":"GBP""#);
    call(&format!("gameround/{name}"), &format!(r#""OperatorAccountID":"{account}",{round}{more}"#))
}

/// The further members of one that moves funds.
pub fn transaction(id: &str, amount: &str, starts: bool, ends: bool) -> String {
    format!(r#","GameRoundTransactionID":"{id}","Amount":{amount},"StartRound":{starts},"EndRound":{ends}"#)
}

/// A bet of the demo's platform, whose id is "bet", in a round that begins with it.
pub fn bet(account: &str, key: &str, round: &str, amount: &str, ends: bool) -> String {
    let transaction = transaction("bet", amount, true, ends);
    play("placebet", account, round, &format!(r#","GatewaySessionToken":"{key}"{transaction}"#))
}

/// `credit` of the demo's platform.
pub fn credit(account: &str, id: &str, amount: &str) -> String {
    let named = format!(r#""OperatorAccountID":"{account}","AccountTransactionID":"{id}""#);
    let paid = format!(r#""AccountTransactionTypeID":"1","CurrencyCode":"GBP","Amount":{amount}"#);
    call("accounttransaction/credit", &format!("{named},{paid}"))
}

/// `balance` of the demo's platform.
pub fn balance(account: &str) -> String {
    call("balance", &format!(r#""OperatorAccountID":"{account}""#))
}

/// `createtoken` of the demo's platform.
pub fn create_token(account: &str) -> String {
    call("session/createtoken", &format!(r#""OperatorAccountID":"{account}","GameID":"11588""#))
}

/// `redeemtoken` of the demo's platform.
pub fn redeem_token(token: &str) -> String {
    call("session/redeemtoken", &format!(r#""SessionToken":"{token}","IPAddress":"192.0.2.1""#))
}

/// The time, milliseconds since 1970.
pub fn now_ms() -> u64 {
    Clock::start().now().wall_ms
}

/// A token of the wrapped policy, made `ahead_ms` from now.
pub fn wrapped(key: &str, ahead_ms: i64) -> String {
    format!("{key}-{:x}", now_ms().saturating_add_signed(ahead_ms))
}

/// The same `POST`, its body in chunks of at most `chunk_bytes`.
pub fn chunked(post: &str, chunk_bytes: usize) -> String {
    let (head, body) = post.split_once("\r\n\r\n").expect("a head and a body");
    let length = format!("Content-Length: {}", body.len());
    assert!(head.contains(&length) && body.is_ascii());
    let mut text = head.replace(&length, "Transfer-Encoding: chunked") + "\r\n\r\n";
    for chunk in body.as_bytes().chunks(chunk_bytes) {
        text += &format!("{:x}\r\n{}\r\n", chunk.len(), str::from_utf8(chunk).expect("ASCII"));
    }
    text + "0\r\n\r\n"
}

/// What `balance` answers for an account of the demo.
pub const DEMO_BALANCE: &str = r#"{"ErrorCode":0,"Balance":{"CurrencyCode":"GBP","CashFunds":1000000.00,"BonusFunds":0.00,"FundsPriority":"Unknown","Version":1}}"#;

/// What `redeemtoken` answers for a token of a demo session.
pub fn redeemed(account: &str, key: &str) -> String {
    format!(
        r#"{{"ErrorCode":0,"Result":{{"OperatorAccountID":"{account}","CurrencyCode":"GBP","CountryCode":"GB","GatewaySessionToken":"{key}"}}}}"#
    )
}
