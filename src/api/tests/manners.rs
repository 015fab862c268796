//! How refusals are told where a platform has its own ways: in words, or by a status.

use super::super::encode_refusal;
use super::*;
use crate::credentials::tests::basic;
use wallet::outcome::ErrorCode;

const PLAIN: Manners = Manners { describe_errors: false, unauthorized_401: false };
const DESCRIBED: Manners = Manners { describe_errors: true, ..PLAIN };
const BY_STATUS: Manners = Manners { unauthorized_401: true, ..PLAIN };

/// Platforms `P0`, `P1` and so on, of the users `user0`, `user1` with the password `secret`.
fn api_of(platforms: &[Manners]) -> Api {
    api_with(platforms.iter().map(|manners| (*manners, Dialect::default())))
}

fn api_with(platforms: impl Iterator<Item = (Manners, Dialect)>) -> Api {
    let platform = |(at, (manners, dialect))| Platform {
        key: PlatformKey::new(&format!("P{at}")).expect("a key"),
        user: format!("user{at}"),
        password: "secret".into(),
        dialect,
        manners,
        budget_ms: 100 * (at as u32 + 1),
    };
    Api::new(platforms.enumerate().map(platform).collect(), None)
}

/// What the answer to wrong credentials is, in one word: a status, or the body of a refusal.
#[track_caller]
fn check_wrong(platforms: &[Manners], authorization: Option<&[u8]>, expect: &str) {
    let asked = request(Method::Post, "/v1.0/balance", authorization, "{}");
    let told = match api_of(platforms).platform(&asked, &mut || RANDOM) {
        Decoded::Http { status, allow: None, detail: None } => status.code().to_string(),
        Decoded::Refused(Call::Balance, ErrorCode::NotAuthentic, fault) => {
            told(ErrorCode::NotAuthentic, fault)
        }
        decoded => panic!("{decoded:?}"),
    };
    assert_eq!(told, expect, "{platforms:?} {authorization:?}");
}

fn told(code: ErrorCode, fault: Option<crate::BodyFault>) -> String {
    let mut body = Vec::new();
    encode_refusal(code, fault.as_ref().map(|fault| fault.sentence()).as_deref(), &mut body);
    String::from_utf8(body).unwrap()
}

#[test]
fn wrong_credentials() {
    const REFUSED: &str = r#"{"ErrorCode":-6}"#;
    const WORDS: &str = r#"{"ErrorCode":-6,"ErrorDescription":"The credentials are missing or wrong"}"#;
    let (user0, user1) = (basic("user0:wrong"), basic("user1:"));
    let nobody = [None, Some(b"Bearer x".as_slice()), Some(b"Basic x")];
    for (platforms, of_user0, of_user1, of_nobody) in [
        ([PLAIN, PLAIN], REFUSED, REFUSED, REFUSED),
        ([BY_STATUS, PLAIN], "401", REFUSED, REFUSED),
        ([PLAIN, BY_STATUS], REFUSED, "401", REFUSED),
        ([BY_STATUS, BY_STATUS], "401", "401", "401"),
        ([DESCRIBED, PLAIN], REFUSED, REFUSED, REFUSED),
        ([DESCRIBED, DESCRIBED], WORDS, WORDS, WORDS),
    ] {
        check_wrong(&platforms, Some(&user0), of_user0);
        check_wrong(&platforms, Some(&user1), of_user1);
        check_wrong(&platforms, Some(&basic("user2:secret")), of_nobody);
        nobody.iter().for_each(|field| check_wrong(&platforms, *field, of_nobody));
    }
    check_wrong(&[], Some(&user0), REFUSED);
}

const ENVELOPE: &str = r#""PlatformKey":"P0","Sequence":"1","Timestamp":"2021-06-07T11:16:16Z""#;

/// A call of a platform that is told why, and what it is told; one that is not is told the code alone.
#[track_caller]
fn check(path: &str, body: &str, code: ErrorCode, expect: &str) {
    let authorization = basic("user0:secret");
    let asked = request(Method::Post, path, Some(&authorization), body);
    for (manners, expect) in [
        (DESCRIBED, format!(r#"{{"ErrorCode":{},"ErrorDescription":"{expect}"}}"#, code.number())),
        (PLAIN, format!(r#"{{"ErrorCode":{}}}"#, code.number())),
    ] {
        match api_of(&[manners]).platform(&asked, &mut || RANDOM) {
            Decoded::Refused(_, told_code, fault) => {
                assert_eq!((told_code, told(code, fault)), (code, expect), "{body}");
            }
            decoded => panic!("{decoded:?}"),
        }
    }
}

#[test]
fn a_call_has_the_budget_of_its_platform_unless_it_says_another() {
    #[track_caller]
    fn check(user: &str, timeout_ms: Option<u32>, expect: u32) {
        let authorization = basic(format!("{user}:secret"));
        let key = user.replace("user", "P");
        let body = format!("{{{},\"OperatorAccountID\":\"d/p\"}}", ENVELOPE.replace("P0", &key));
        let asked = request(Method::Post, "/v1.0/balance", Some(&authorization), &body);
        match api_of(&[DESCRIBED, PLAIN]).platform(&Request { timeout_ms, ..asked }, &mut || RANDOM) {
            Decoded::Operation(Call::Balance, _, terms) => {
                assert_eq!(terms, Terms { describe: user == "user0", budget_ms: Some(expect) });
            }
            decoded => panic!("{decoded:?}"),
        }
    }
    check("user0", None, 100);
    check("user1", None, 200);
    check("user0", Some(1), 1);
    check("user0", Some(86_400_000), 86_400_000);
    check("user1", Some(150), 150);
}

#[test]
fn an_operators_call_has_the_budget_that_it_says() {
    for timeout_ms in [None, Some(1), Some(86_400_000)] {
        let asked = request(Method::Get, "/operator/v1/accounts/d/p", Some(BEARER), "");
        match operator(&Request { timeout_ms, ..asked }) {
            Decoded::Operation(Call::GetAccount, _, terms) => {
                assert_eq!(terms, Terms { describe: false, budget_ms: timeout_ms });
            }
            decoded => panic!("{decoded:?}"),
        }
    }
}

#[test]
fn refusals_name_the_member_and_the_rule() {
    let check = |path: &str, members: &str, expect: &str| {
        let body = format!("{{{ENVELOPE},{members}}}");
        check(&format!("/v1.0/{path}"), &body, ErrorCode::NotAuthentic, expect);
    };
    let text = "must be a string, neither empty nor too long";
    check("balance", r#""Extra":1"#, "OperatorAccountID is missing");
    check("balance", r#""OperatorAccountID":7"#, &format!("OperatorAccountID {text}"));
    check("balance", r#""OperatorAccountID":"a","Sequence":"2""#, "Sequence is given twice");
    check("balance", r#""OperatorAccountID":"a","x":01"#, "The body is not a well-formed JSON object");
    check("session/createtoken", r#""OperatorAccountID":"a""#, "GameID is missing");

    let play = r#""OperatorAccountID":"a","GameRoundID":"r","GameRoundTransactionID":"t","GameID":"g","EndRound":true"#;
    let void = |members: &str| format!("{play},{members}");
    let check_void = |members: &str, expect: &str| check("gameround/voidbet", &void(members), expect);
    check_void(r#""CurrencyCode":"GBP","Amount":1.001"#, "Amount has more decimals than GBP");
    check_void(r#""CurrencyCode":"JPY","Amount":0.5"#, "Amount has more decimals than JPY");
    check_void(r#""CurrencyCode":"GBP","Amount":1e14"#, "Amount is more GBP than an amount may be");
    check_void(
        r#""CurrencyCode":"GBP","Amount":-1"#,
        "Amount must be a number, neither negative nor too long",
    );
    check_void(
        r#""CurrencyCode":"GBP","Amount":1,"FreeBetCost":0.001"#,
        "FreeBetCost has more decimals than GBP",
    );
    check_void(
        r#""CurrencyCode":"GBP","Amount":1,"JackpotWinnings":0.00000000001"#,
        "JackpotWinnings has more than ten decimals, or is too large",
    );
    check(
        "accounttransaction/credit",
        r#""OperatorAccountID":"a","AccountTransactionID":"t","AccountTransactionTypeID":"811","CurrencyCode":"GBP","Amount":1"#,
        "AccountTransactionTypeID 811, a deposit made elsewhere, is not supported",
    );
}

#[test]
fn the_envelope_is_named_too() {
    let code = ErrorCode::NotAuthentic;
    let account = r#""OperatorAccountID":"a""#;
    check(
        "/v1.0/balance",
        &format!("{{{},{account}}}", ENVELOPE.replace("P0", "P1")),
        code,
        "PlatformKey is not the calling platform's",
    );
    check(
        "/v1.0/balance",
        &format!("{{{},{account}}}", ENVELOPE.replace('Z', "")),
        code,
        "Timestamp must be a date-time of RFC 3339, with Z or an offset",
    );
    let redeem = format!(r#"{{{ENVELOPE},"SessionToken":"x","IPAddress":"192.0.2.1"}}"#);
    check(
        "/v1.0/session/redeemtoken",
        &redeem,
        ErrorCode::SessionNotFound,
        "SessionToken is not a known token",
    );
}

/// Each platform's tokens are of its own policy.
#[test]
fn tokens_are_of_the_platforms_policy() {
    let own = |token_policy| (PLAIN, Dialect { token_policy, ..Dialect::default() });
    let api = api_with([own(TokenPolicy::SingleUse), own(TokenPolicy::Wrapped)].into_iter());
    for (at, is_wrapped) in [(0, false), (1, true)] {
        let authorization = basic(format!("user{at}:secret"));
        let envelope = ENVELOPE.replace("P0", &format!("P{at}"));
        let redeem = format!(r#"{{{envelope},"SessionToken":"key-1f","IPAddress":"192.0.2.1"}}"#);
        let asked = request(Method::Post, "/v1.0/session/redeemtoken", Some(&authorization), &redeem);
        match api.platform(&asked, &mut || RANDOM) {
            Decoded::Operation(
                _,
                Operation::RedeemWrapped(operation::RedeemWrapped { key, minted_ms, .. }),
                _,
            ) => {
                assert_eq!((is_wrapped, &*key, minted_ms), (true, "key", 0x1f));
            }
            Decoded::Refused(_, ErrorCode::SessionNotFound, None) => assert!(!is_wrapped),
            decoded => panic!("{decoded:?}"),
        }
        let create = format!(r#"{{{envelope},"OperatorAccountID":"a","GameID":"g"}}"#);
        let asked = request(Method::Post, "/v1.0/session/createtoken", Some(&authorization), &create);
        let mut draws = 0;
        let _ = api.platform(&asked, &mut || {
            draws += 1;
            RANDOM
        });
        assert_eq!(draws, usize::from(!is_wrapped), "random bits are drawn for tokens that need them");
    }
}

/// What makes a round is the platform's own matter, and goes with each of its calls.
#[test]
fn rounds_are_of_the_platforms_scope() {
    let scopes = [RoundScope::Platform, RoundScope::Game];
    let api = api_with(
        scopes.map(|round_scope| (PLAIN, Dialect { round_scope, ..Dialect::default() })).into_iter(),
    );
    let round = r#""OperatorAccountID":"a","GameRoundID":"r","GameID":"g","CurrencyCode":"GBP""#;
    let play = r#""GameRoundTransactionID":"t","Amount":1,"EndRound":false"#;
    for (at, scope) in scopes.into_iter().enumerate() {
        for (path, members) in [
            ("placebet", format!(r#"{play},"StartRound":true,"GatewaySessionToken":"k""#)),
            ("awardwinnings", format!(r#"{play},"StartRound":true"#)),
            ("rollbackbet", format!(r#"{play},"OriginalBetGameRoundTransactionID":"o""#)),
            ("voidbet", play.to_owned()),
            ("end", r#""Extra":1"#.to_owned()),
        ] {
            let body = format!("{{{},{round},{members}}}", ENVELOPE.replace("P0", &format!("P{at}")));
            let path = format!("/v1.0/gameround/{path}");
            let authorization = basic(format!("user{at}:secret"));
            let asked = request(Method::Post, &path, Some(&authorization), &body);
            let decoded = api.platform(&asked, &mut || RANDOM);
            let told = match &decoded {
                Decoded::Operation(_, Operation::Play(play), _) => play.scope,
                Decoded::Operation(_, Operation::EndRound(operation::EndRound { scope, .. }), _) => *scope,
                _ => panic!("{decoded:?}"),
            };
            assert_eq!(told, scope, "{path}");
        }
    }
}
