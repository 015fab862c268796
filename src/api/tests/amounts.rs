//! Money in the calls of game rounds, and what these calls only record.

use super::rounds::{CALLS, MEMBERS, Need, at, base, body, check, check_taken, decode, refused};
use super::*;
use wallet::amount::Amount;
use wallet::currency::Currency;
use wallet::operation::Play;

// ── Money ────────────────────────────────────────────────────────────────────────────────────────────────

/// `Amount` in every call that has one: minor units of `code`, or a refusal.
#[track_caller]
fn check_amount(code: &str, amount: &str, expect: Option<i64>) {
    let minor = expect.map(|minor| Amount::from_minor(minor).unwrap());
    let code_text = format!("{code:?}");
    let changed = [("CurrencyCode", code_text.as_str()), ("Amount", amount)];
    for (which, (call, _)) in CALLS.into_iter().enumerate() {
        let mut operation = base(which);
        match &mut operation {
            Operation::Play(Play { currency, amount, .. })
            | Operation::Credit(operation::Credit { currency, amount, .. }) => {
                *currency = Currency::from_code(code);
                *amount = minor.unwrap_or_default();
            }
            _ => continue,
        }
        check(which, &changed, if minor.is_some() { taken(call, operation) } else { refused(which) });
    }
    // The same rule, for what is only recorded.
    check_taken(at(Call::EndRound), &[changed[0], ("FreeBetCost", amount)], expect.is_some());
}

#[test]
fn amounts() {
    for (amount, expect) in [
        ("1", Some(100)),
        ("1.0", Some(100)),
        ("1.00", Some(100)),
        ("1.000000", Some(100)),
        ("1e2", Some(10_000)),
        ("1E+2", Some(10_000)),
        ("15e-1", Some(150)),
        ("0", Some(0)),
        ("0.00", Some(0)),
        ("0.01", Some(1)),
        // No binary fraction is any of these.
        ("0.07", Some(7)),
        ("1.1", Some(110)),
        ("1.10", Some(110)),
        ("4.35", Some(435)),
        ("8589973.61", Some(858_997_361)),
        ("9999999999999.99", Some(999_999_999_999_999)),
        ("1e13", Some(1_000_000_000_000_000)),
        ("10000000000000.00", Some(1_000_000_000_000_000)),
        ("10000000000000.01", None),
        ("1e14", None),
        ("1e15", None),
        ("1e400", None),
        ("1e-400", None),
        ("1.005", None),
        ("0.001", None),
        ("0.0100000000000000000001", None),
        ("-1", None),
        ("-0", None),
        ("-0.00", None),
        ("\"1\"", None),
        ("\"1.00\"", None),
        ("\"-1\"", None),
        ("\"1", None),
        ("01", None),
        ("00", None),
        ("1.", None),
        (".5", None),
        ("1e", None),
        ("1e+", None),
        ("1.e2", None),
        ("+1", None),
        ("-", None),
        ("0x10", None),
        ("1_000", None),
        ("1,000", None),
        ("1 2", None),
        ("NaN", None),
        ("Infinity", None),
        ("99999999999999999999999999999999999999999999", None),
    ] {
        check_amount("GBP", amount, expect);
    }
}

#[test]
fn amounts_by_the_currencys_digits() {
    check_amount("JPY", "1", Some(1));
    check_amount("JPY", "1.00", Some(1));
    check_amount("JPY", "0.5", None);
    check_amount("JPY", "1e15", Some(1_000_000_000_000_000));
    check_amount("JPY", "1000000000000001", None);
    check_amount("KWD", "1.005", Some(1_005));
    check_amount("KWD", "0.0005", None);
    check_amount("KWD", "1e12", Some(1_000_000_000_000_000));
    check_amount("KWD", "1000000000000.001", None);
    // Not a currency: the wallet refuses it, and its minor units can't be checked here.
    for code in ["XXX", "gbp", "é", "G"] {
        check_amount(code, "1.00", Some(0));
        check_amount(code, "0.00000001", Some(0));
        check_amount(code, "\"1\"", None);
        check_amount(code, "-1", None);
    }
}

/// Wherever in a body a number stands, its text is found.
#[test]
fn numbers_are_read_wherever_they_stand() {
    let which = at(Call::PlaceBet);
    let whole = body(which, &[]);
    let expect = || taken(Call::PlaceBet, base(which));
    for (from, to) in [
        (r#""Amount":1.00"#, "\"Amount\"\r\n:\t1.00 "),
        (r#""Amount":1.00"#, r#""Am\u006funt":1.00"#),
        (r#""Amount":1.00"#, r#""Note":"\"Amount\":7","Amount":1.00"#),
        (r#""Amount":1.00"#, &format!("\"Amount\":1.{}", "0".repeat(5_000))),
    ] {
        let body = whole.replace(from, to);
        assert_ne!(body, whole);
        assert_eq!(decode(which, &body), expect(), "{to}");
        // At the very end, too.
        let last = format!("{},{to}}}", body.replace(&format!(",{to}"), "").trim_end_matches('}'));
        assert_eq!(decode(which, &last), expect(), "{to}");
    }
    for end in 0..whole.len() {
        assert_eq!(decode(which, &whole[..end]), refused(which), "{end}");
    }
}

// ── What is only recorded ────────────────────────────────────────────────────────────────────────────────

#[track_caller]
fn check_details(changed: &[(&str, &str)], expect: Option<&'static str>) {
    for (which, (call, _)) in CALLS.into_iter().enumerate() {
        let mut operation = base(which);
        match &mut operation {
            Operation::Play(Play { details, .. })
            | Operation::EndRound(operation::EndRound { details, .. }) => *details = expect,
            _ => {}
        }
        check(which, changed, taken(call, operation));
    }
}

#[test]
fn extras_are_recorded() {
    check_details(&[("Unknown", "1")], None);
    check_details(&[("TableID", "null"), ("FreeBetCost", "null")], None);
    check_details(&[("TableID", r#""t\n""#)], Some(r#"{"TableID":"t\n"}"#));
    check_details(&[("FreeBetCost", "0.00")], Some(r#"{"FreeBetCost":0}"#));
    check_details(&[("JackpotContribution", "1e-10")], Some(r#"{"JackpotContribution":0.0000000001}"#));
    let all: Vec<_> = MEMBERS
        .iter()
        .filter(|(_, _, _, needs)| needs[0] == Need::May)
        .map(|(name, _, value, _)| (*name, *value))
        .rev()
        .collect();
    check_details(
        &all,
        Some(
            r#"{"ContentGameProviderID":"7","GameVersion":"1.2","TableID":"té","JackpotContribution":0.0123456789,"JackpotWinnings":10.5,"FreeBetCost":2.5,"FreeGameOfferCode":"g\"","FreeBetOfferCode":"b"}"#,
        ),
    );
}

#[test]
fn jackpots_may_have_ten_decimals() {
    for (amount, good) in [
        ("0", true),
        ("0.0000000001", true),
        ("0.00000000010", true),
        ("0.00000000001", false),
        ("12345678.0123456789", true),
        ("1234567890.1234567890", true),
        ("999999999999999.9999999999", true),
        ("1000000000000000.0000000001", false),
        ("1e15", true),
        ("1000000000000001", false),
        ("1e16", false),
        ("1e100", false),
        ("-0.1", false),
        ("\"0.1\"", false),
        ("01", false),
    ] {
        for name in ["JackpotContribution", "JackpotWinnings"] {
            for which in 0..at(Call::Alert) {
                check_taken(which, &[(name, amount)], good);
                check_taken(which, &[(name, amount), ("CurrencyCode", "\"XXX\"")], good);
            }
        }
    }
}

// ── credit, alerts ───────────────────────────────────────────────────────────────────────────────────────

#[test]
fn a_deposit_made_elsewhere_is_no_credit() {
    let which = at(Call::Credit);
    check(which, &[("AccountTransactionTypeID", r#""811""#)], refused(which));
    check(which, &[("AccountTransactionTypeID", r#""\u0038\u00311""#)], refused(which));
    for kind in ["\"8110\"", "\"0811\"", "\" 811\"", "\"81\""] {
        check_taken(which, &[("AccountTransactionTypeID", kind)], true);
    }
}

#[test]
fn sources_of_alerts() {
    let which = at(Call::Alert);
    for (source, good) in [
        ("\"Gameflex\"", true),
        ("\"OperatorWallet\"", true),
        ("\"gameflex\"", false),
        ("\"Gameflex \"", false),
        ("\"x\"", false),
    ] {
        check_taken(which, &[("Source", source)], good);
    }
    let body = body(which, &[("Source", r#""OperatorWallet""#), ("Data", r#""\"\u0000é""#)]);
    let Decoded::Operation(_, Operation::Alert(operation::Alert { details, .. }), _) = decode(which, &body)
    else {
        panic!("an alert");
    };
    assert_eq!(
        details,
        r#"{"GatewaySessionToken":"k-1","Source":"OperatorWallet","AlertActionID":"1","OperatorAlertActionReference":"2","OperatorAlertReference":"3","GamingRegulatorCode":"4","Type":"5","Method":"6","Data":"\"\u0000é"}"#
    );
}
