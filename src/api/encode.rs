//! Outcomes as JSON bodies (protocol §1, §3, §6).
//!
//! Written by hand into the connection's buffer: an answer is a few constant pieces with numbers and short
//! strings between them, and the order of members is the protocol's, so that bodies can be compared byte for
//! byte. Money goes from an integer to its decimal text and never through a float.

use super::call::{Call, Caller};
use super::forms::{write_date_of_birth, write_instant, write_number};
use crate::http::Status;
use crate::wallet::account::{Date, Gender, Status as AccountStatus};
use crate::wallet::amount::{Amount, DECIMAL_BYTES_MAX};
use crate::wallet::outcome::{
    AccountView, Balance, ErrorCode, Extras, OperatorRefusal, Outcome, Redeemed, SessionView,
};
use crate::wallet::token::{TOKEN_CHARS, TokenId};

/// Appends the body of the answer to `call` and says the answer's status.
///
/// # Panics
/// On [`Outcome::Next`] and [`Outcome::Silent`], which are the shards' own and answer nobody.
pub fn encode(call: Call, outcome: &Outcome<&str>, body: &mut Vec<u8>) -> Status {
    match outcome {
        Outcome::Balance(balance) => {
            body.extend_from_slice(b"{\"ErrorCode\":0,\"Balance\":");
            write_balance(balance, body);
            body.push(b'}');
        }
        Outcome::Token(token) => write_token(*token, body),
        Outcome::WrappedToken { key, minted_ms } => write_wrapped_token(key, *minted_ms, body),
        Outcome::Redeemed(redeemed) => write_redeemed(redeemed, body),
        Outcome::Refused { code, balance: None } => encode_refusal(*code, body),
        Outcome::Refused { code, balance: Some(balance) } => {
            write_error_code(*code, body);
            body.extend_from_slice(b",\"Balance\":");
            write_balance(balance, body);
            body.push(b'}');
        }
        Outcome::AccountPut { created } => {
            body.extend_from_slice(b"{}");
            return if *created { Status::Created } else { Status::Ok };
        }
        Outcome::Account(account) => write_account(account, body),
        Outcome::StatusSet(status) => {
            body.push(b'{');
            write_status(*status, body);
            body.push(b'}');
        }
        Outcome::SessionOpened { key } => {
            body.extend_from_slice(b"{\"GatewaySessionToken\":");
            write_string(key, body);
            body.push(b'}');
            return Status::Created;
        }
        Outcome::SessionClosed => body.extend_from_slice(b"{}"),
        Outcome::OperatorRefused(refusal) => return refuse_operator(*refusal, body),
        Outcome::Unavailable => match call.caller() {
            Caller::Platform => encode_refusal(ErrorCode::Unknown, body),
            Caller::Operator => {
                encode_error(Status::Unavailable, None, body);
                return Status::Unavailable;
            }
        },
        Outcome::Next(_) | Outcome::Silent => unreachable!("a shard answers nobody with {outcome:?}"),
    }
    Status::Ok
}

/// Appends the body of a platform's refusal without funds: `{"ErrorCode":-6}`. Its status is 200.
pub fn encode_refusal(code: ErrorCode, body: &mut Vec<u8>) {
    write_error_code(code, body);
    body.push(b'}');
}

/// Appends the body of an HTTP error: `{"Error":"…"}` with `detail`, or else the status's own sentence.
pub fn encode_error(status: Status, detail: Option<&str>, body: &mut Vec<u8>) {
    body.extend_from_slice(b"{\"Error\":");
    write_string(detail.unwrap_or_else(|| status.sentence()), body);
    body.push(b'}');
}

fn refuse_operator(refusal: OperatorRefusal, body: &mut Vec<u8>) -> Status {
    let (status, sentence) = match refusal {
        OperatorRefusal::NoAccount => (Status::NotFound, "There is no such account."),
        OperatorRefusal::NoDomain => (Status::NotFound, "There is no such domain."),
        OperatorRefusal::NoSession => (Status::NotFound, "The account has no such session."),
        OperatorRefusal::KeyTaken => (Status::Conflict, "The session key belongs to another account."),
        OperatorRefusal::TooManySessions => {
            (Status::Conflict, "The account has as many live sessions as it may have.")
        }
        OperatorRefusal::ShardFull => {
            (Status::Unavailable, "The server holds as many accounts as it may have.")
        }
    };
    encode_error(status, Some(sentence), body);
    status
}

/// An open object with its `ErrorCode`.
fn write_error_code(code: ErrorCode, body: &mut Vec<u8>) {
    body.extend_from_slice(b"{\"ErrorCode\":");
    let number = code.number();
    if number < 0 {
        body.push(b'-');
    }
    write_number(u64::from(number.unsigned_abs()), body);
}

/// `Balance` (protocol §1). No part of it needs escaping.
fn write_balance(balance: &Balance, body: &mut Vec<u8>) {
    let mut room = [0; DECIMAL_BYTES_MAX];
    body.extend_from_slice(b"{\"CurrencyCode\":\"");
    body.extend_from_slice(balance.currency.code().as_bytes());
    body.extend_from_slice(b"\",\"CashFunds\":");
    body.extend_from_slice(balance.cash.decimal(balance.currency).write(&mut room).as_bytes());
    // Bonus funds are not kept by this wallet; the member is the protocol's.
    body.extend_from_slice(b",\"BonusFunds\":");
    body.extend_from_slice(Amount::ZERO.decimal(balance.currency).write(&mut room).as_bytes());
    body.extend_from_slice(b",\"FundsPriority\":\"Unknown\",\"Version\":");
    write_number(balance.version, body);
    body.push(b'}');
}

const TOKEN_RESULT: &[u8] = b"{\"ErrorCode\":0,\"Result\":{\"SessionToken\":\"";

fn write_token(token: TokenId, body: &mut Vec<u8>) {
    body.extend_from_slice(TOKEN_RESULT);
    body.extend_from_slice(token.write(&mut [0; TOKEN_CHARS]).as_bytes());
    body.extend_from_slice(b"\"}}");
}

/// A wrapped token: key, `-`, milliseconds in lower-case hexadecimal (protocol §3).
fn write_wrapped_token(key: &str, minted_ms: u64, body: &mut Vec<u8>) {
    body.extend_from_slice(TOKEN_RESULT);
    write_escaped(key, body);
    body.push(b'-');
    let mut room = [0; 16];
    let mut at = room.len();
    let mut rest = minted_ms;
    // At least one digit.
    loop {
        at -= 1;
        room[at] = b"0123456789abcdef"[(rest % 16) as usize];
        rest /= 16;
        if rest == 0 {
            break;
        }
    }
    body.extend_from_slice(&room[at..]);
    body.extend_from_slice(b"\"}}");
}

fn write_redeemed(redeemed: &Redeemed<&str>, body: &mut Vec<u8>) {
    body.extend_from_slice(b"{\"ErrorCode\":0,\"Result\":{\"OperatorAccountID\":");
    write_string(redeemed.account, body);
    body.extend_from_slice(b",\"CurrencyCode\":\"");
    body.extend_from_slice(redeemed.currency.code().as_bytes());
    body.extend_from_slice(b"\",\"CountryCode\":\"");
    body.extend_from_slice(&redeemed.country);
    body.extend_from_slice(b"\",\"GatewaySessionToken\":");
    write_string(redeemed.key, body);
    if let Some(Extras { user_name, display_name, city, born, gender }) = &redeemed.extras {
        write_optional(b",\"OperatorUserName\":", *user_name, body);
        write_optional(b",\"OperatorDisplayName\":", *display_name, body);
        write_optional(b",\"City\":", *city, body);
        write_person(*born, *gender, body);
    }
    body.extend_from_slice(b"}}");
}

/// The account as `GET` shows it. A date of birth has the form that it has in `redeemtoken`.
fn write_account(account: &AccountView, body: &mut Vec<u8>) {
    let AccountView { id, profile, status, balance, sessions } = account;
    body.extend_from_slice(b"{\"OperatorAccountID\":");
    write_string(id, body);
    body.extend_from_slice(b",\"CountryCode\":");
    write_string(profile.country_code(), body);
    write_optional(b",\"UserName\":", profile.user_name.as_deref(), body);
    write_optional(b",\"DisplayName\":", profile.display_name.as_deref(), body);
    write_optional(b",\"City\":", profile.city.as_deref(), body);
    write_person(profile.born, profile.gender, body);
    body.push(b',');
    write_status(*status, body);
    body.extend_from_slice(b",\"Balance\":");
    write_balance(balance, body);
    body.extend_from_slice(b",\"Sessions\":[");
    for (at, session) in sessions.iter().enumerate() {
        if at > 0 {
            body.push(b',');
        }
        write_session(session, body);
    }
    body.extend_from_slice(b"]}");
}

fn write_session(session: &SessionView, body: &mut Vec<u8>) {
    body.extend_from_slice(b"{\"GatewaySessionToken\":");
    write_string(&session.key, body);
    body.extend_from_slice(b",\"StartedAt\":\"");
    write_instant(session.started_ms, body);
    body.extend_from_slice(b"\",\"LastUsedAt\":\"");
    write_instant(session.used_ms, body);
    body.extend_from_slice(b"\"}");
}

fn write_status(status: AccountStatus, body: &mut Vec<u8>) {
    body.extend_from_slice(match status {
        AccountStatus::Active => b"\"Status\":\"active\"",
        AccountStatus::Frozen => b"\"Status\":\"frozen\"",
    });
}

/// `DateOfBirth` and `Gender`, each where it is known.
fn write_person(born: Option<Date>, gender: Option<Gender>, body: &mut Vec<u8>) {
    if let Some(born) = born {
        body.extend_from_slice(b",\"DateOfBirth\":\"");
        write_date_of_birth(born, body);
        body.push(b'"');
    }
    body.extend_from_slice(match gender {
        None => b"".as_slice(),
        Some(Gender::Female) => b",\"Gender\":\"F\"",
        Some(Gender::Male) => b",\"Gender\":\"M\"",
    });
}

/// A member with a string, where there is one; `opening` holds its name.
fn write_optional(opening: &[u8], value: Option<&str>, body: &mut Vec<u8>) {
    if let Some(value) = value {
        body.extend_from_slice(opening);
        write_string(value, body);
    }
}

fn write_string(text: &str, body: &mut Vec<u8>) {
    body.push(b'"');
    write_escaped(text, body);
    body.push(b'"');
}

/// The inside of a JSON string (RFC 8259 §7): quotation mark, reverse solidus and U+0000 to U+001F are
/// escaped.
fn write_escaped(text: &str, body: &mut Vec<u8>) {
    // No early end, so that the loop has vector form; nearly every text is plain.
    let escaping = text.bytes().fold(false, |any, byte| any | needs_escape(byte));
    if !escaping {
        body.extend_from_slice(text.as_bytes());
        return;
    }
    for byte in text.bytes() {
        match byte {
            b'"' => body.extend_from_slice(b"\\\""),
            b'\\' => body.extend_from_slice(b"\\\\"),
            b'\n' => body.extend_from_slice(b"\\n"),
            b'\r' => body.extend_from_slice(b"\\r"),
            b'\t' => body.extend_from_slice(b"\\t"),
            0..0x20 => {
                let low_digit = b"0123456789abcdef"[usize::from(byte & 0xf)];
                body.extend_from_slice(&[b'\\', b'u', b'0', b'0', b'0' + (byte >> 4), low_digit]);
            }
            _ => body.push(byte),
        }
    }
}

const fn needs_escape(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}
