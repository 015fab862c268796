//! Outcomes as JSON bodies (protocol §1, §3, §4, §6).
//!
//! Written by hand into the connection's buffer: an answer is a few constant pieces with numbers and short
//! strings between them, and the order of members is the protocol's, so that bodies can be compared byte for
//! byte. Money goes from an integer to its decimal text and never through a float.

mod views;

use super::call::{Call, CallerKind};
use super::forms::{write_date_of_birth, write_number};
use super::text::{write_escaped, write_string};
use alloc::vec::Vec;
use http::Status;
use wallet::account::{AccountStatus, Date, Gender};
use wallet::amount::{Amount, DECIMAL_BYTES_MAX};
use wallet::currency::Currency;
use wallet::outcome::{Balance, ErrorCode, Extras, OperatorRefusal, Outcome, Redeemed};
use wallet::token::{TOKEN_CHARS, TokenId};

/// Appends the body of the answer to `call` and says the answer's status. The outcome's strings are those that `text` has for
/// them. A platform's refusal says why where `describe` is set.
///
/// # Panics
/// On [`Outcome::Next`] and [`Outcome::Silent`], which are the shards' own and answer nobody.
pub fn encode<'a, S>(
    call: Call,
    outcome: &'a Outcome<S>,
    text: impl Fn(&'a S) -> &'a str,
    describe: bool,
    body: &mut Vec<u8>,
) -> Status {
    match outcome {
        Outcome::Balance(balance) | Outcome::Noted(balance) => {
            body.extend_from_slice(b"{\"ErrorCode\":0,\"Balance\":");
            write_balance(balance, body);
            body.push(b'}');
        }
        Outcome::Token(token) => write_token(*token, body),
        Outcome::WrappedToken { key, minted_ms } => write_wrapped_token(text(key), *minted_ms, body),
        Outcome::Redeemed(redeemed) => write_redeemed(redeemed, text, body),
        Outcome::Done { reference, staked, balance } => write_done(text(reference), *staked, balance, body),
        Outcome::Refused { code, why, balance } => {
            write_error_code(*code, body);
            write_description(describe.then_some(why.0), body);
            if let Some(balance) = balance {
                body.extend_from_slice(b",\"Balance\":");
                write_balance(balance, body);
            }
            body.push(b'}');
        }
        Outcome::AccountPut { created } => {
            body.extend_from_slice(b"{}");
            return if *created { Status::Created } else { Status::Ok };
        }
        Outcome::Account(account) => views::write_account(account, body),
        Outcome::StatusSet(status) => {
            body.push(b'{');
            write_status(*status, body);
            body.push(b'}');
        }
        Outcome::SessionOpened { key } => {
            body.extend_from_slice(b"{\"GatewaySessionToken\":");
            write_string(text(key), body);
            body.push(b'}');
            return Status::Created;
        }
        Outcome::Transferred(balance) => {
            body.extend_from_slice(b"{\"Balance\":");
            write_balance(balance, body);
            body.push(b'}');
        }
        Outcome::LimitsSet { limits, currency } => views::write_limits(limits, *currency, body),
        Outcome::Statement(statement) => views::write_statement(statement, body),
        Outcome::SessionClosed => body.extend_from_slice(b"{}"),
        Outcome::OperatorRefused(refusal) => return refuse_operator(*refusal, body),
        Outcome::Unavailable => match call.caller() {
            CallerKind::Platform => encode_refusal(ErrorCode::Unknown, describe.then_some(UNAVAILABLE), body),
            CallerKind::Operator => {
                encode_error(Status::Unavailable, Some(OPERATORS_UNAVAILABLE), body);
                return Status::Unavailable;
            }
        },
        Outcome::Next(_) | Outcome::Silent => unreachable!("a shard answers nobody with a step"),
    }
    Status::Ok
}

/// Appends the body of a platform's refusal without funds: `{"ErrorCode":-6}`, with `why` as its `ErrorDescription` where
/// that is told. Its status is 200.
pub fn encode_refusal(code: ErrorCode, why: Option<&str>, body: &mut Vec<u8>) {
    write_error_code(code, body);
    write_description(why, body);
    body.push(b'}');
}

/// `ErrorDescription`, right behind the code that it is about. A sentence alone, so without the point at its end.
fn write_description(why: Option<&str>, body: &mut Vec<u8>) {
    write_optional(b",\"ErrorDescription\":", why.map(|why| why.trim_end_matches('.')), body);
}

/// Appends the body of an HTTP error: `{"Error":"…"}` with `detail`, or else the status's own sentence.
pub fn encode_error(status: Status, detail: Option<&str>, body: &mut Vec<u8>) {
    body.extend_from_slice(b"{\"Error\":");
    write_string(detail.unwrap_or_else(|| status.sentence()), body);
    body.push(b'}');
}

const OPERATORS_UNAVAILABLE: &str =
    "The wallet can't do this now, and nothing was changed; where it is for long, /readyz says why.";
const UNAVAILABLE: &str = "The wallet can't answer now, and nothing was changed";

fn refuse_operator(refusal: OperatorRefusal, body: &mut Vec<u8>) -> Status {
    let (status, sentence) = match refusal {
        OperatorRefusal::NoAccount => (Status::NotFound, "There is no such account."),
        OperatorRefusal::NoDomain => (Status::NotFound, "There is no such domain."),
        OperatorRefusal::NoSession => (Status::NotFound, "The account has no such session."),
        OperatorRefusal::KeyTaken => (Status::Conflict, "The session key belongs to another account."),
        OperatorRefusal::TryAgain => {
            (Status::Unavailable, "The session key is on its way from one account to another: ask again.")
        }
        OperatorRefusal::Forgetting => {
            (Status::Unavailable, "The account is forgetting what is older than the retention: ask again.")
        }
        OperatorRefusal::WrongCurrency => (Status::BadRequest, "CurrencyCode is not the account's currency."),
        OperatorRefusal::TransactionConflict => {
            (Status::Conflict, "The TransactionID was used with another amount.")
        }
        OperatorRefusal::InsufficientFunds => {
            (Status::Unprocessable, "The account has less than the amount.")
        }
        OperatorRefusal::TooMuch => {
            (Status::Unprocessable, "The account would hold more than an account can.")
        }
        OperatorRefusal::NotMoney => (
            Status::BadRequest,
            "An amount is too large, or not a whole number of the currency's minor units.",
        ),
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
    if number.is_negative() {
        body.push(b'-');
    }
    write_number(u64::from(number.unsigned_abs()), body);
}

/// `Balance` (protocol §1). No part of it needs escaping.
fn write_balance(balance: &Balance, body: &mut Vec<u8>) {
    body.extend_from_slice(b"{\"CurrencyCode\":\"");
    body.extend_from_slice(balance.currency.code().as_bytes());
    body.extend_from_slice(b"\",\"CashFunds\":");
    write_amount(balance.cash, balance.currency, body);
    // Bonus funds are not kept by this wallet; the member is the protocol's.
    body.extend_from_slice(b",\"BonusFunds\":");
    write_amount(Amount::ZERO, balance.currency, body);
    body.extend_from_slice(b",\"FundsPriority\":\"Unknown\",\"Version\":");
    write_number(balance.version, body);
    body.push(b'}');
}

fn write_amount(amount: Amount, currency: Currency, body: &mut Vec<u8>) {
    body.extend_from_slice(amount.decimal(currency).write(&mut [0; DECIMAL_BYTES_MAX]).as_bytes());
}

/// A transaction's success; `staked` is a bet's (protocol §4).
fn write_done(reference: &str, staked: Option<Amount>, balance: &Balance, body: &mut Vec<u8>) {
    body.extend_from_slice(b"{\"ErrorCode\":0,\"Result\":{\"OperatorTransactionReference\":");
    write_string(reference, body);
    if let Some(staked) = staked {
        // All stakes are cash: bonus funds are not kept.
        body.extend_from_slice(b",\"OperatorTransactionSplit\":{\"BonusAmount\":");
        write_amount(Amount::ZERO, balance.currency, body);
        body.extend_from_slice(b",\"CashAmount\":");
        write_amount(staked, balance.currency, body);
        body.push(b'}');
    }
    body.extend_from_slice(b"},\"Balance\":");
    write_balance(balance, body);
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

fn write_redeemed<'a, S>(redeemed: &'a Redeemed<S>, text: impl Fn(&'a S) -> &'a str, body: &mut Vec<u8>) {
    body.extend_from_slice(b"{\"ErrorCode\":0,\"Result\":{\"OperatorAccountID\":");
    write_string(text(&redeemed.account), body);
    body.extend_from_slice(b",\"CurrencyCode\":\"");
    body.extend_from_slice(redeemed.currency.code().as_bytes());
    body.extend_from_slice(b"\",\"CountryCode\":\"");
    body.extend_from_slice(&redeemed.country);
    body.extend_from_slice(b"\",\"GatewaySessionToken\":");
    write_string(text(&redeemed.key), body);
    if let Some(Extras { user_name, display_name, city, born, gender }) = &redeemed.extras {
        write_optional(b",\"OperatorUserName\":", user_name.as_ref().map(&text), body);
        write_optional(b",\"OperatorDisplayName\":", display_name.as_ref().map(&text), body);
        write_optional(b",\"City\":", city.as_ref().map(&text), body);
        write_person(*born, *gender, body);
    }
    body.extend_from_slice(b"}}");
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
