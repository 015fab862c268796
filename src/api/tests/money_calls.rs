//! The operator's money calls: deposits, withdrawals, limits, the statement.

use super::*;
use wallet::account::AccountRef;
use wallet::amount::Money;
use wallet::currency::Currency;
use wallet::operation::Direction;
use wallet::restriction::{ByPeriod, Restrictions};

const ACCOUNT: &str = "/operator/v1/accounts/default/admin";
const NO_OBJECT: &str = "The body is not a well-formed JSON object.";

fn money(text: &str) -> Money {
    Money::parse(text).expect("money")
}

fn bad(detail: &'static str) -> Decoded<'static> {
    Decoded::Http { status: Status::BadRequest, allow: None, detail: Some(detail.into()) }
}

#[track_caller]
fn check(method: Method, tail: &str, query: Option<&str>, body: &str, expect: Decoded<'_>) {
    let path = format!("{ACCOUNT}/{tail}");
    let asked = Request { query, ..request(method, &path, Some(BEARER), body) };
    assert_eq!(operator(&asked), expect, "{method:?} {tail} {query:?} {body}");
}

// ── Deposits and withdrawals ─────────────────────────────────────────────────────────────────────────────

#[track_caller]
fn check_transfer(body: &str, expect: Result<(&'static str, &str), &'static str>) {
    check_transfer_in(body, None, expect);
}

#[track_caller]
fn check_transfer_in(body: &str, currency: Option<&str>, expect: Result<(&'static str, &str), &'static str>) {
    let currency = currency.map(|code| Currency::from_code(code).expect("a listed currency"));
    for (tail, call, direction) in
        [("deposits", Call::Deposit, Direction::In), ("withdrawals", Call::Withdraw, Direction::Out)]
    {
        let expect = match expect {
            Ok((transaction, amount)) => {
                let account = AccountRef::new("default/admin");
                let amount = money(amount);
                taken(
                    call,
                    Operation::Transfer(operation::Transfer {
                        account,
                        direction,
                        transaction,
                        amount,
                        currency,
                    }),
                )
            }
            Err(detail) => bad(detail),
        };
        check(Method::Post, tail, None, body, expect);
    }
}

#[test]
fn transfers() {
    check_transfer(r#"{"TransactionID":"t","Amount":10.00}"#, Ok(("t", "10")));
    check_transfer(r#"{ "Amount" : 1e2 , "TransactionID":"\u00e9" }"#, Ok(("é", "100")));
    check_transfer(r#"{"TransactionID":"t","Amount":1,"CurrencyCode":null}"#, Ok(("t", "1")));
    // Whether it is the account's is for the wallet to say.
    for code in ["GBP", "EUR", "KWD"] {
        let body = format!(r#"{{"TransactionID":"t","Amount":1,"CurrencyCode":"{code}"}}"#);
        check_transfer_in(&body, Some(code), Ok(("t", "1")));
    }
    for code in ["GBX", "gbp", "GB", "£"] {
        let body = format!(r#"{{"TransactionID":"t","Amount":1,"CurrencyCode":"{code}"}}"#);
        check_transfer(&body, Err("CurrencyCode is not a currency of ISO 4217."));
    }
    const CODE: &str = "CurrencyCode must be a string, neither empty nor too long.";
    for code in ["\"\"", "\"GBPX\"", "826", "{}"] {
        let body = format!(r#"{{"TransactionID":"t","Amount":1,"CurrencyCode":{code}}}"#);
        check_transfer(&body, Err(CODE));
    }
    // What it is worth is a matter of the account's currency.
    check_transfer(r#"{"TransactionID":"t","Amount":0.0000001}"#, Ok(("t", "0.0000001")));
    check_transfer("", Err(NO_OBJECT));
    check_transfer("{}", Err("TransactionID is missing."));
    check_transfer(r#"{"Amount":1}"#, Err("TransactionID is missing."));
    check_transfer(r#"{"TransactionID":"t"}"#, Err("Amount is missing."));
    check_transfer(r#"{"TransactionID":"t","Amount":1,"Amount":1}"#, Err("Amount is given twice."));
    const ID: &str = "TransactionID must be a string, neither empty nor too long.";
    for id in ["7", "null", "\"\"", "true", "[]", &format!("{:?}", "x".repeat(limits::ID_CHARS_MAX + 1))] {
        check_transfer(&format!(r#"{{"TransactionID":{id},"Amount":1}}"#), Err(ID));
    }
    const AMOUNT: &str = "Amount must be a number, neither negative nor too long.";
    let bomb = "[".repeat(limits::BODY_BYTES_MAX - 64);
    for amount in [
        "\"1.00\"",
        "null",
        "true",
        "[]",
        "[1]",
        "{}",
        "-1",
        "-0",
        "-0.5",
        "01",
        "1.",
        "1e",
        "-",
        "NaN",
        "+1",
        ".5",
        "\"\"",
        "\"-",
        "1234567890123456789",
        &bomb,
    ] {
        check_transfer(&format!(r#"{{"TransactionID":"t","Amount":{amount}}}"#), Err(AMOUNT));
    }
    check_transfer(r#"{"TransactionID":"t","Amount":1x}"#, Err(NO_OBJECT));
    check_transfer(r#"{"TransactionID":"t","Amount":1.2.3}"#, Err(NO_OBJECT));
}

// ── PUT …/{player}/limits ────────────────────────────────────────────────────────────────────────────────

#[track_caller]
fn check_limits(body: &str, expect: Result<Restrictions<Money>, &'static str>) {
    let expect = match expect {
        Ok(limits) => {
            let account = AccountRef::new("default/admin");
            taken(
                Call::SetLimits,
                Operation::SetLimits(operation::SetLimits { account, limits: Box::new(limits) }),
            )
        }
        Err(detail) => bad(detail),
    };
    check(Method::Put, "limits", None, body, expect);
}

#[test]
fn set_limits() {
    let none = Restrictions::none();
    check_limits("{}", Ok(none));
    check_limits(r#"{"Stake":null,"Wager":null,"Loss":null,"SessionMinutes":null}"#, Ok(none));
    check_limits(r#"{"Wager":{},"Loss":{"Day":null,"Week":null,"Month":null}}"#, Ok(none));
    check_limits(r#"{"Stake":0}"#, Ok(Restrictions { stake: Some(money("0")), ..none }));
    let week = ByPeriod { week: Some(money("1.5")), ..ByPeriod::none() };
    check_limits(r#"{"Wager":{"Week":1.50}}"#, Ok(Restrictions { wager: week, ..none }));
    check_limits(r#"{"Loss":{"Week":15e-1}}"#, Ok(Restrictions { loss: week, ..none }));
    let all = ByPeriod { day: Some(money("1")), week: Some(money("2")), month: Some(money("3")) };
    check_limits(
        r#"{"SessionMinutes":60,"Loss":{"Month":3,"Week":2,"Day":1},"Wager":{"Day":1,"Week":2,"Month":3},"Stake":5}"#,
        Ok(Restrictions { stake: Some(money("5")), wager: all, loss: all, session_minutes: Some(60) }),
    );
}

#[test]
fn set_limits_malformed() {
    check_limits("", Err(NO_OBJECT));
    check_limits("null", Err(NO_OBJECT));
    check_limits(r#"{"Stake":1"#, Err(NO_OBJECT));
    check_limits(r#"{"Stake":"1"}"#, Err("Stake must be a number, neither negative nor too long."));
    check_limits(r#"{"Stake":-1}"#, Err("Stake must be a number, neither negative nor too long."));
    check_limits(r#"{"Stake":1,"Stake":1}"#, Err("Stake is given twice."));
    check_limits(r#"{"Wager":7}"#, Err("Wager must be a JSON object."));
    check_limits(r#"{"Wager":[]}"#, Err("Wager must be a JSON object."));
    check_limits(r#"{"Loss":"x"}"#, Err("Loss must be a JSON object."));
    check_limits(r#"{"Loss":{"Day":1"#, Err(NO_OBJECT));
    check_limits(r#"{"Loss":{},"Loss":{}}"#, Err("Loss is given twice."));
    check_limits(r#"{"Loss":{"Day":1,"Day":1}}"#, Err("Day is given twice."));
    check_limits(r#"{"Loss":{"Month":"1"}}"#, Err("Month must be a number, neither negative nor too long."));
    let bomb = "{\"Loss\":".repeat(8_000);
    check(
        Method::Put,
        "limits",
        None,
        &bomb,
        Decoded::Http {
            status: Status::BadRequest,
            allow: None,
            detail: Some("\"Loss\" is not a member that this call knows.".into()),
        },
    );
}

/// A slip of spelling must not take away what it would have set: the member is named, whatever its name is.
#[test]
fn members_that_are_not_known_are_named() {
    for (tail, body, named) in [
        ("limits", r#"{"Losses":{"Day":10}}"#, r#""Losses""#),
        ("limits", r#"{"Stake":1,"stake":1}"#, r#""stake""#),
        ("limits", r#"{"Loss":{"Dya":1}}"#, r#""Dya""#),
        ("limits", r#"{"Wager":{"Day":1,"Year":7}}"#, r#""Year""#),
        ("limits", r#"{"":1}"#, r#""""#),
        ("limits", r#"{"a\"\\\n":[1e999"#, r#""a\"\\\n""#),
        ("limits", "{\"\u{feff}Stake\":1}", r#""\u{feff}Stake""#),
        ("status", r#"{"Status":"active","Until":1}"#, r#""Until""#),
        ("", r#"{"CountryCode":"GB","Username":"u"}"#, r#""Username""#),
        ("", r#"{"countryCode":"GB"}"#, r#""countryCode""#),
    ] {
        let detail = format!("{named} is not a member that this call knows.");
        let expect = Decoded::Http { status: Status::BadRequest, allow: None, detail: Some(detail.into()) };
        let path = if tail.is_empty() { ACCOUNT.to_owned() } else { format!("{ACCOUNT}/{tail}") };
        assert_eq!(operator(&request(Method::Put, &path, Some(BEARER), body)), expect, "{body}");
    }
    for tail in ["deposits", "withdrawals", "sessions"] {
        let path = format!("{ACCOUNT}/{tail}");
        let name = "é".repeat(10_000);
        let body = format!(r#"{{"{name}":1}}"#);
        let asked = request(Method::Post, &path, Some(BEARER), &body);
        let Decoded::Http { status: Status::BadRequest, detail: Some(detail), .. } = operator(&asked) else {
            panic!("{tail} takes it");
        };
        assert_eq!(detail, format!("\"{}…\" is not a member that this call knows.", "é".repeat(50)));
    }
}

#[test]
fn session_minutes() {
    let check = |minutes: &str, expect: Option<u32>| {
        let expect = match expect {
            Some(minutes) => Ok(Restrictions { session_minutes: Some(minutes), ..Restrictions::none() }),
            None => Err("SessionMinutes must be a whole number of minutes, from one to a year's."),
        };
        check_limits(&format!(r#"{{"SessionMinutes":{minutes}}}"#), expect);
    };
    check("1", Some(1));
    check("30.0", Some(30));
    check("6e1", Some(60));
    check(&limits::SESSION_MINUTES_MAX.to_string(), Some(limits::SESSION_MINUTES_MAX));
    check(&(limits::SESSION_MINUTES_MAX + 1).to_string(), None);
    check("0", None);
    check("1.5", None);
    check("1e9", None);
    check("1e99", None);
    check("999999999999999999", None);
    const NUMBER: &str = "SessionMinutes must be a number, neither negative nor too long.";
    check_limits(r#"{"SessionMinutes":"60"}"#, Err(NUMBER));
    check_limits(r#"{"SessionMinutes":-1}"#, Err(NUMBER));
}

// ── GET …/{player}/transactions ──────────────────────────────────────────────────────────────────────────

#[track_caller]
fn check_statement(query: Option<&str>, expect: Result<(u64, u16), &'static str>) {
    for method in [Method::Get, Method::Head] {
        let expect = match expect {
            Ok((after, limit)) => {
                let account = AccountRef::new("default/admin");
                taken(
                    Call::GetStatement,
                    Operation::GetStatement(operation::GetStatement { account, after, limit }),
                )
            }
            Err(detail) => bad(detail),
        };
        check(method, "transactions", query, "", expect);
    }
}

#[test]
fn get_statement() {
    const LINES: u16 = limits::STATEMENT_LINES as u16;
    check_statement(None, Ok((0, LINES)));
    check_statement(Some(""), Ok((0, LINES)));
    check_statement(Some("after=7"), Ok((7, LINES)));
    check_statement(Some("limit=7"), Ok((0, 7)));
    check_statement(Some("limit=1000&after=18446744073709551615"), Ok((u64::MAX, 1_000)));
    check_statement(Some("after=007&&x=1&x=1&y&=&%zz=1&%61"), Ok((7, LINES)));
    check_statement(Some("%61fter=%37&Limit=0"), Ok((7, LINES)));

    const AFTER: &str = "The query's after must be a whole number, from 0 to 18446744073709551615.";
    let after_bad = [
        "",
        "-1",
        "+1",
        "x",
        "1x",
        "1.0",
        "1e2",
        "18446744073709551616",
        "99999999999999999999",
        "%",
        "%20",
        "7 ",
    ];
    for value in after_bad {
        check_statement(Some(&format!("after={value}&limit=7")), Err(AFTER));
    }
    check_statement(Some("after"), Err(AFTER));
    check_statement(Some("after=1=1"), Err(AFTER));
    const LIMIT: &str = "The query's limit must be a whole number, from 1 to 1000.";
    for value in ["", "0", "1001", "-1", "x", "4294967297", "65537", "%"] {
        check_statement(Some(&format!("after=7&limit={value}")), Err(LIMIT));
    }
    assert!(LIMIT.ends_with(&format!(" to {}.", limits::STATEMENT_LINES_MAX)));
    check_statement(Some("after=1&after=1"), Err("The query has after twice."));
    check_statement(Some("limit=1&limit=2"), Err("The query has limit twice."));
}
