//! Answers, byte for byte, and read back as JSON.

use sonic_rs::{JsonValueTrait as _, Value};

use super::super::{encode, encode_error, encode_refusal};
use super::*;
use wallet::account::{AccountStatus, Date, Gender, Slot};
use wallet::amount::Amount;
use wallet::currency::Currency;
use wallet::outcome::{Balance, ErrorCode, Extras, OperatorRefusal, Outcome, Redeemed, Why};
use wallet::token::TokenId;

pub(super) fn balance(code: &str, minor_units: i64, version: u64) -> Balance {
    let currency = Currency::from_code(code).unwrap();
    Balance { currency, cash: Amount::from_minor(minor_units).unwrap(), version }
}

#[track_caller]
pub(super) fn check(call: Call, outcome: Outcome<&str>, status: Status, expect: &str) {
    // The buffer has the answers before it in it already.
    let mut body = b"before".to_vec();
    assert_eq!(encode(call, &outcome, |text| text, false, &mut body), status);
    let body = str::from_utf8(&body).expect("UTF-8").strip_prefix("before").expect("appended");
    assert_eq!(body, expect);
    let value: Value = sonic_rs::from_str(body).expect("JSON");
    assert!(value.is_object());
}

#[test]
fn balances() {
    let check = |balance, expect: &str| check(Call::Balance, Outcome::Balance(balance), Status::Ok, expect);
    check(
        balance("GBP", 1_000, 17),
        r#"{"ErrorCode":0,"Balance":{"CurrencyCode":"GBP","CashFunds":10.00,"BonusFunds":0.00,"FundsPriority":"Unknown","Version":17}}"#,
    );
    check(
        balance("JPY", 0, 0),
        r#"{"ErrorCode":0,"Balance":{"CurrencyCode":"JPY","CashFunds":0,"BonusFunds":0,"FundsPriority":"Unknown","Version":0}}"#,
    );
    check(
        balance("KWD", i64::MAX, u64::MAX),
        r#"{"ErrorCode":0,"Balance":{"CurrencyCode":"KWD","CashFunds":9223372036854775.807,"BonusFunds":0.000,"FundsPriority":"Unknown","Version":18446744073709551615}}"#,
    );
}

#[test]
fn tokens() {
    let token = TokenId::new(Slot::new(5).unwrap(), RANDOM);
    check(
        Call::CreateToken,
        Outcome::Token(token),
        Status::Ok,
        r#"{"ErrorCode":0,"Result":{"SessionToken":"EAUBI0VniavN7wEjRWeJq83v"}}"#,
    );
    let check = |key, minted_ms, expect: &str| {
        check(Call::CreateToken, Outcome::WrappedToken { key, minted_ms }, Status::Ok, expect);
    };
    check(
        "20fbd3b9-eef2-49cd-9976-50f0d34e7f7c",
        0x0179_e5f7_38d8,
        r#"{"ErrorCode":0,"Result":{"SessionToken":"20fbd3b9-eef2-49cd-9976-50f0d34e7f7c-179e5f738d8"}}"#,
    );
    check("k", 0, r#"{"ErrorCode":0,"Result":{"SessionToken":"k-0"}}"#);
    check("\"k\"", u64::MAX, r#"{"ErrorCode":0,"Result":{"SessionToken":"\"k\"-ffffffffffffffff"}}"#);
}

/// What one call mints, the other takes.
#[test]
fn minted_tokens_are_read_back() {
    let token = TokenId::new(Slot::new(77).unwrap(), RANDOM);
    let platform = first_platform();
    for (token_policy, minted, expect) in [
        (
            TokenPolicy::SingleUse,
            Outcome::Token(token),
            Operation::RedeemToken(operation::RedeemToken { platform, token }),
        ),
        (
            TokenPolicy::Wrapped,
            Outcome::WrappedToken { key: "a-\"é\\", minted_ms: 1_623_064_576_216 },
            Operation::RedeemWrapped(operation::RedeemWrapped {
                platform,
                key: "a-\"é\\",
                minted_ms: 1_623_064_576_216,
            }),
        ),
    ] {
        let mut body = Vec::new();
        encode(Call::CreateToken, &minted, |text| text, false, &mut body);
        let answer = str::from_utf8(&body).unwrap();
        let text = answer.split_once(r#""SessionToken":"#).unwrap().1.strip_suffix("}}").unwrap();
        let redeem = format!(
            r#"{{"PlatformKey":"L100","Sequence":"1","Timestamp":"2021-06-07T11:16:16Z","IPAddress":"::1","SessionToken":{text}}}"#
        );
        let asked = request(Method::Post, "/v1.0/session/redeemtoken", Some(ADMIN), &redeem);
        assert_eq!(super::platform(token_policy, &asked), taken(Call::RedeemToken, expect));
    }
}

#[test]
fn redeemed_sessions() {
    let redeemed = |extras| {
        Outcome::Redeemed(Redeemed {
            account: "default/admin",
            key: "20fbd3b9-eef2-49cd-9976-50f0d34e7f7c",
            currency: Currency::from_code("GBP").unwrap(),
            country: *b"GB",
            extras,
        })
    };
    let check = |extras, expect: &str| check(Call::RedeemToken, redeemed(extras), Status::Ok, expect);
    let nothing = Extras { user_name: None, display_name: None, city: None, born: None, gender: None };
    let plain = r#"{"ErrorCode":0,"Result":{"OperatorAccountID":"default/admin","CurrencyCode":"GBP","CountryCode":"GB","GatewaySessionToken":"20fbd3b9-eef2-49cd-9976-50f0d34e7f7c"}}"#;
    check(None, plain);
    check(Some(nothing.clone()), plain);
    check(
        Some(Extras { gender: Some(Gender::Female), city: Some("Łódź"), ..nothing }),
        r#"{"ErrorCode":0,"Result":{"OperatorAccountID":"default/admin","CurrencyCode":"GBP","CountryCode":"GB","GatewaySessionToken":"20fbd3b9-eef2-49cd-9976-50f0d34e7f7c","City":"Łódź","Gender":"F"}}"#,
    );
    check(
        Some(Extras {
            user_name: Some("a\"b\\c/d"),
            display_name: Some("\u{0}\u{8}\t\n\u{c}\r\u{1f}\u{7f}"),
            city: Some(""),
            born: Date::new(1965, 5, 16),
            gender: Some(Gender::Male),
        }),
        "{\"ErrorCode\":0,\"Result\":{\"OperatorAccountID\":\"default/admin\",\"CurrencyCode\":\"GBP\",\"CountryCode\":\"GB\",\
         \"GatewaySessionToken\":\"20fbd3b9-eef2-49cd-9976-50f0d34e7f7c\",\"OperatorUserName\":\"a\\\"b\\\\c/d\",\
         \"OperatorDisplayName\":\"\\u0000\\u0008\\t\\n\\u000c\\r\\u001f\u{7f}\",\"City\":\"\",\
         \"DateOfBirth\":\"1965-05-16T00:00:00\",\"Gender\":\"M\"}}",
    );
}

#[test]
fn transactions() {
    let done = |reference, staked: Option<i64>, balance| Outcome::Done {
        reference,
        staked: staked.map(|minor_units| Amount::from_minor(minor_units).unwrap()),
        balance,
    };
    check(
        Call::PlaceBet,
        done("t-1", Some(100), balance("GBP", 900, 18)),
        Status::Ok,
        r#"{"ErrorCode":0,"Result":{"OperatorTransactionReference":"t-1","OperatorTransactionSplit":{"BonusAmount":0.00,"CashAmount":1.00}},"Balance":{"CurrencyCode":"GBP","CashFunds":9.00,"BonusFunds":0.00,"FundsPriority":"Unknown","Version":18}}"#,
    );
    check(
        Call::PlaceBet,
        done("\"é\n", Some(0), balance("KWD", 1, 0)),
        Status::Ok,
        r#"{"ErrorCode":0,"Result":{"OperatorTransactionReference":"\"é\n","OperatorTransactionSplit":{"BonusAmount":0.000,"CashAmount":0.000}},"Balance":{"CurrencyCode":"KWD","CashFunds":0.001,"BonusFunds":0.000,"FundsPriority":"Unknown","Version":0}}"#,
    );
    for call in [Call::AwardWinnings, Call::RollbackBet, Call::VoidBet, Call::Credit] {
        check(
            call,
            done("t-2", None, balance("JPY", 7, 3)),
            Status::Ok,
            r#"{"ErrorCode":0,"Result":{"OperatorTransactionReference":"t-2"},"Balance":{"CurrencyCode":"JPY","CashFunds":7,"BonusFunds":0,"FundsPriority":"Unknown","Version":3}}"#,
        );
    }
    for call in [Call::EndRound, Call::Alert] {
        check(
            call,
            Outcome::Noted(balance("GBP", 5, 1)),
            Status::Ok,
            r#"{"ErrorCode":0,"Balance":{"CurrencyCode":"GBP","CashFunds":0.05,"BonusFunds":0.00,"FundsPriority":"Unknown","Version":1}}"#,
        );
    }
}

#[test]
fn refusals() {
    for (code, balance, expect) in [
        (ErrorCode::Unknown, None, r#"{"ErrorCode":-1}"#),
        (ErrorCode::SessionNotFound, None, r#"{"ErrorCode":-3}"#),
        (
            ErrorCode::AccountFrozen,
            Some(balance("GBP", 5, 1)),
            r#"{"ErrorCode":-4,"Balance":{"CurrencyCode":"GBP","CashFunds":0.05,"BonusFunds":0.00,"FundsPriority":"Unknown","Version":1}}"#,
        ),
        (
            ErrorCode::InsufficientFunds,
            Some(balance("GBP", 5, 1)),
            r#"{"ErrorCode":-2,"Balance":{"CurrencyCode":"GBP","CashFunds":0.05,"BonusFunds":0.00,"FundsPriority":"Unknown","Version":1}}"#,
        ),
        (
            ErrorCode::SessionLengthLimit,
            Some(balance("GBP", 5, 1)),
            r#"{"ErrorCode":-13,"Balance":{"CurrencyCode":"GBP","CashFunds":0.05,"BonusFunds":0.00,"FundsPriority":"Unknown","Version":1}}"#,
        ),
        (ErrorCode::AccountNotFound, None, r#"{"ErrorCode":-5}"#),
        (ErrorCode::NotAuthentic, None, r#"{"ErrorCode":-6}"#),
        (
            ErrorCode::GameNotFound,
            Some(balance("JPY", 100, 2)),
            r#"{"ErrorCode":-15,"Balance":{"CurrencyCode":"JPY","CashFunds":100,"BonusFunds":0,"FundsPriority":"Unknown","Version":2}}"#,
        ),
    ] {
        let refused = Outcome::<&str>::Refused { code, why: Why("The reason is \"this\"."), balance };
        let mut described = Vec::new();
        assert_eq!(encode(Call::RedeemToken, &refused, |text| text, true, &mut described), Status::Ok);
        let number = format!(r#"{{"ErrorCode":{}"#, code.number());
        let why = format!(r#"{number},"ErrorDescription":"The reason is \"this\"""#);
        assert_eq!(str::from_utf8(&described).unwrap(), expect.replacen(&number, &why, 1));
        check(Call::RedeemToken, refused, Status::Ok, expect);
        if balance.is_none() {
            let mut body = Vec::new();
            encode_refusal(code, None, &mut body);
            assert_eq!(str::from_utf8(&body).unwrap(), expect);
        }
    }
}

#[test]
fn an_unavailable_shard_is_told_in_the_callers_manner() {
    let operators = [
        Call::PutAccount,
        Call::GetAccount,
        Call::SetStatus,
        Call::Deposit,
        Call::Withdraw,
        Call::SetLimits,
        Call::GetStatement,
        Call::OpenSession,
        Call::CloseSession,
    ];
    for call in Call::ALL.into_iter().filter(|call| !operators.contains(call)) {
        check(call, Outcome::Unavailable, Status::Ok, r#"{"ErrorCode":-1}"#);
        let mut body = Vec::new();
        assert_eq!(encode(call, &Outcome::<&str>::Unavailable, |text| text, true, &mut body), Status::Ok);
        let why = "The wallet can't answer now, and nothing was changed";
        let expect = format!(r#"{{"ErrorCode":-1,"ErrorDescription":"{why}"}}"#);
        assert_eq!(str::from_utf8(&body).unwrap(), expect);
    }
    let why =
        "The wallet can't do this now, and nothing was changed; where it is for long, /readyz says why.";
    let expect = format!(r#"{{"Error":"{why}"}}"#);
    for call in operators {
        check(call, Outcome::Unavailable, Status::Unavailable, &expect);
    }
}

#[test]
fn operators_answers() {
    check(Call::PutAccount, Outcome::AccountPut { created: true }, Status::Created, "{}");
    check(Call::PutAccount, Outcome::AccountPut { created: false }, Status::Ok, "{}");
    check(Call::SetStatus, Outcome::StatusSet(AccountStatus::Active), Status::Ok, r#"{"Status":"active"}"#);
    check(Call::SetStatus, Outcome::StatusSet(AccountStatus::Frozen), Status::Ok, r#"{"Status":"frozen"}"#);
    let opened = Outcome::SessionOpened { key: "a\\b" };
    check(Call::OpenSession, opened, Status::Created, r#"{"GatewaySessionToken":"a\\b"}"#);
    check(Call::CloseSession, Outcome::SessionClosed, Status::Ok, "{}");
}

#[test]
fn operators_refusals() {
    for (refusal, status, sentence) in [
        (OperatorRefusal::NoAccount, Status::NotFound, "There is no such account."),
        (OperatorRefusal::NoDomain, Status::NotFound, "There is no such domain."),
        (OperatorRefusal::NoSession, Status::NotFound, "The account has no such session."),
        (OperatorRefusal::KeyTaken, Status::Conflict, "The session key belongs to another account."),
        (
            OperatorRefusal::TryAgain,
            Status::Unavailable,
            "The session key is on its way from one account to another: ask again.",
        ),
        (
            OperatorRefusal::Forgetting,
            Status::Unavailable,
            "The account is forgetting what is older than the retention: ask again.",
        ),
        (OperatorRefusal::WrongCurrency, Status::BadRequest, "CurrencyCode is not the account's currency."),
        (
            OperatorRefusal::ShardFull,
            Status::Unavailable,
            "The server holds as many accounts as it may have.",
        ),
        (
            OperatorRefusal::TransactionConflict,
            Status::Conflict,
            "The TransactionID was used with another amount.",
        ),
        (OperatorRefusal::InsufficientFunds, Status::Unprocessable, "The account has less than the amount."),
        (OperatorRefusal::TooMuch, Status::Unprocessable, "The account would hold more than an account can."),
        (
            OperatorRefusal::NotMoney,
            Status::BadRequest,
            "An amount is too large, or not a whole number of the currency's minor units.",
        ),
    ] {
        let expect = format!(r#"{{"Error":"{sentence}"}}"#);
        check(Call::OpenSession, Outcome::OperatorRefused(refusal), status, &expect);
    }
}

#[track_caller]
fn check_error(status: Status, detail: Option<&str>, expect: &str) {
    let mut body = Vec::new();
    encode_error(status, detail, &mut body);
    assert_eq!(str::from_utf8(&body).unwrap(), format!(r#"{{"Error":"{expect}"}}"#));
}

#[test]
fn errors() {
    check_error(Status::NotFound, None, Status::NotFound.sentence());
    check_error(Status::BadRequest, None, Status::BadRequest.sentence());
    check_error(Status::BadRequest, Some("City is given twice."), "City is given twice.");
    check_error(Status::BadRequest, Some("\"\\\n"), "\\\"\\\\\\n");
}

/// Every text survives the way out and back in.
#[test]
fn strings_are_read_back() {
    let mut texts: Vec<String> = (0..=0x20u8).map(|byte| format!("a{}b", char::from(byte))).collect();
    texts.extend(
        ["", "\"", "\\", "/", "\u{7f}", "\u{2028}", "é", "🎲", "\\u0041", "\u{feff}"].map(String::from),
    );
    texts.push("x".repeat(100));
    for text in &texts {
        let mut body = Vec::new();
        encode(Call::OpenSession, &Outcome::SessionOpened { key: text }, |text| text, false, &mut body);
        let value: Value = sonic_rs::from_slice(&body).expect("JSON");
        assert_eq!(
            value.get("GatewaySessionToken").and_then(|key| key.as_str().map(String::from)).as_ref(),
            Some(text)
        );
    }
}

#[test]
#[should_panic(expected = "a shard answers nobody")]
fn nobody_is_told_of_a_step_between_shards() {
    encode(Call::Balance, &Outcome::<&str>::Silent, |text| text, false, &mut Vec::new());
}
