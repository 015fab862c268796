//! The wallet listener: paths, credentials, and the calls' members.

use super::super::Probe;
use super::*;
use wallet::account::{AccountRef, Slot};
use wallet::outcome::ErrorCode;
use wallet::token::{TOKEN_CHARS, TokenId};

const BALANCE: &str = "/v1.0/balance";
const CREATE: &str = "/v1.0/session/createtoken";
const REDEEM: &str = "/v1.0/session/redeemtoken";

const ENVELOPE: &str = r#""PlatformKey":"L100","Sequence":"1","Timestamp":"2021-06-07T11:16:16.2166519Z""#;

fn enveloped(members: &str) -> String {
    format!("{{{ENVELOPE}{members}}}")
}

const MALFORMED: Decoded<'static> = Decoded::Refused(Call::Balance, ErrorCode::NotAuthentic, None);

fn balance_of(account: &'static str, game: Option<&'static str>) -> Decoded<'static> {
    let account = AccountRef::new(account);
    taken(Call::Balance, Operation::Balance(operation::Balance { platform: first_platform(), account, game }))
}

// ── Paths, methods, credentials ──────────────────────────────────────────────────────────────────────────

const GOOD: &str = r#"{"PlatformKey":"L100","Sequence":"1","Timestamp":"2021-06-07T11:16:16Z","OperatorAccountID":"default/admin"}"#;

#[track_caller]
fn check_door(method: Method, path: &str, authorization: Option<&[u8]>, body: &str, expect: Decoded<'_>) {
    assert_eq!(platform(TokenPolicy::SingleUse, &request(method, path, authorization, body)), expect);
}

#[test]
fn paths_are_exact() {
    let missing = |path| check_door(Method::Post, path, Some(ADMIN), GOOD, http(Status::NotFound));
    missing("/");
    missing("*");
    missing("/metrics");
    missing("/readyz/");
    missing("");
    missing("/v1.0");
    missing("/v1.0/");
    missing("/v1.0/balance/");
    missing("/v1.0/Balance");
    missing("//v1.0/balance");
    missing("/v1.0/balanc%65");
    missing("/v1.1/balance");
    missing("/v1.0/session");
    missing("/v1.0/session/");
    missing("/v1.0/gameround");
    missing("/v1.0/gameround/placebets");
    missing("/v1.0/placebet");
    missing("/v1.0/credit");
    missing("/operator/v1/accounts/default/admin");
    check_door(Method::Get, "/v1.0/nothing", None, "", http(Status::NotFound));
}

#[test]
fn calls_are_posts() {
    for path in [BALANCE, CREATE, REDEEM] {
        for method in [
            Method::Get,
            Method::Put,
            Method::Delete,
            Method::Head,
            Method::Options,
            Method::Patch,
            Method::Trace,
            Method::Connect,
        ] {
            check_door(method, path, Some(ADMIN), GOOD, not_allowed("POST"));
            check_door(method, path, None, "", not_allowed("POST"));
        }
    }
}

/// What a load balancer asks, without credentials.
#[test]
fn probes_and_options_need_no_credentials() {
    for authorization in [None, Some(ADMIN), Some(b"nonsense".as_slice())] {
        for (path, probe) in [("/healthz", Probe::Healthz), ("/readyz", Probe::Readyz)] {
            check_door(Method::Get, path, authorization, "", Decoded::Probe(probe));
            check_door(Method::Head, path, authorization, "", Decoded::Probe(probe));
            check_door(Method::Post, path, authorization, "", not_allowed("GET, HEAD"));
            check_door(Method::Options, path, authorization, "", not_allowed("GET, HEAD"));
        }
        check_door(Method::Options, "/", authorization, "", Decoded::Options("OPTIONS"));
        let all = Decoded::Options("GET, HEAD, OPTIONS, POST");
        check_door(Method::Options, "*", authorization, "", all);
        check_door(Method::Options, "/nothing", authorization, "", http(Status::NotFound));
    }
}

#[test]
fn a_query_changes_nothing() {
    let asked = Request { query: Some("a=b"), ..request(Method::Post, BALANCE, Some(ADMIN), GOOD) };
    assert_eq!(platform(TokenPolicy::SingleUse, &asked), balance_of("default/admin", None));
}

#[test]
fn credentials_come_before_the_body_and_the_key_after_it() {
    check_door(Method::Post, BALANCE, Some(ADMIN), GOOD, balance_of("default/admin", None));
    check_door(Method::Post, BALANCE, None, GOOD, MALFORMED);
    check_door(Method::Post, BALANCE, None, "", MALFORMED);
    check_door(Method::Post, BALANCE, Some(b"Basic YWRtaW46YWRtaW0="), GOOD, MALFORMED);
    check_door(Method::Post, BALANCE, Some(BEARER), GOOD, MALFORMED);
    // Another platform's key, though its credentials are good.
    check_door(Method::Post, BALANCE, Some(OTHER), GOOD, MALFORMED);
    let refused = |call| Decoded::Refused(call, ErrorCode::NotAuthentic, None);
    check_door(Method::Post, CREATE, None, GOOD, refused(Call::CreateToken));
    check_door(Method::Post, REDEEM, Some(ADMIN), GOOD, refused(Call::RedeemToken));
}

#[test]
fn the_second_platform_has_its_own_key() {
    let body = GOOD.replace("L100", "M2é");
    let account = AccountRef::new("default/admin");
    let expect = taken(
        Call::Balance,
        Operation::Balance(operation::Balance { platform: second_platform(), account, game: None }),
    );
    check_door(Method::Post, BALANCE, Some(OTHER), &body, expect);
    check_door(Method::Post, BALANCE, Some(ADMIN), &body, MALFORMED);
}

#[test]
fn without_platforms_nobody_is_served() {
    let api = Api::new(Vec::new(), None);
    let asked = request(Method::Post, BALANCE, Some(ADMIN), GOOD);
    assert_eq!(api.platform(&asked, &mut || RANDOM), MALFORMED);
}

// ── balance ──────────────────────────────────────────────────────────────────────────────────────────────

#[track_caller]
fn check_balance(members: &str, expect: Decoded<'_>) {
    let body = enveloped(members);
    assert_eq!(platform(TokenPolicy::SingleUse, &request(Method::Post, BALANCE, Some(ADMIN), &body)), expect);
}

#[test]
fn balance() {
    check_balance(r#","OperatorAccountID":"default/admin""#, balance_of("default/admin", None));
    check_balance(r#","OperatorAccountID":"a","GameID":"11588""#, balance_of("a", Some("11588")));
    check_balance(r#","GameID":"11588","OperatorAccountID":"a""#, balance_of("a", Some("11588")));
    check_balance(r#","OperatorAccountID":"a","GameID":null"#, balance_of("a", None));
    check_balance(r#","OperatorAccountID":"a","ContentGameProviderID":"7""#, balance_of("a", None));
    check_balance(r#","OperatorAccountID":"a","ContentGameProviderID":null"#, balance_of("a", None));
    check_balance(r#","OperatorAccountID":"a","gameID":7,"Extra":{"a":[1]}"#, balance_of("a", None));
    check_balance(r#","OperatorAccountID":"d\u00e9f\/\"x\ud83c\udfb2""#, balance_of("déf/\"x🎲", None));
}

#[test]
fn balance_malformed() {
    check_balance("", MALFORMED);
    check_balance(r#","OperatorAccountID":null"#, MALFORMED);
    check_balance(r#","OperatorAccountID":"""#, MALFORMED);
    check_balance(r#","OperatorAccountID":7"#, MALFORMED);
    check_balance(r#","operatorAccountID":"a""#, MALFORMED);
    check_balance(r#","OperatorAccountId":"a""#, MALFORMED);
    check_balance(r#","OperatorAccountID ":"a""#, MALFORMED);
    check_balance(r#","OperatorAccountID":"a","GameID":"""#, MALFORMED);
    check_balance(r#","OperatorAccountID":"a","GameID":11588"#, MALFORMED);
    check_balance(r#","OperatorAccountID":"a","GameID":["11588"]"#, MALFORMED);
    check_balance(r#","OperatorAccountID":"a","ContentGameProviderID":"""#, MALFORMED);
    check_balance(r#","OperatorAccountID":"a","ContentGameProviderID":7"#, MALFORMED);
}

/// A body with every member at its largest, and one past it.
#[test]
fn members_have_their_lengths() {
    let long = "x".repeat(limits::ID_CHARS_MAX + 1);
    let wide = "🎲".repeat(limits::ID_CHARS_MAX + 1);
    let (most, widest) = (&long[1..], &wide["🎲".len()..]);
    let body = |name: &str, value: &str| {
        let mut members =
            [("Sequence", "1"), ("OperatorAccountID", "a"), ("GameID", "g"), ("ContentGameProviderID", "p")];
        let at = members.iter().position(|(known, _)| *known == name).unwrap();
        members[at].1 = value;
        let members = members.map(|(name, value)| format!("{name:?}:{value:?}")).join(",");
        format!(r#"{{"PlatformKey":"L100","Timestamp":"2021-06-07T11:16:16Z",{members}}}"#)
    };
    for name in ["Sequence", "OperatorAccountID", "GameID", "ContentGameProviderID"] {
        for (value, good) in [(most, true), (widest, true), (&long, false), (&wide, false), ("", false)] {
            let body = body(name, value);
            let asked = request(Method::Post, BALANCE, Some(ADMIN), &body);
            let decoded = platform(TokenPolicy::SingleUse, &asked);
            assert_eq!(matches!(decoded, Decoded::Operation(..)), good, "{name} {value}");
        }
    }
}

// ── The envelope ─────────────────────────────────────────────────────────────────────────────────────────

#[track_caller]
fn check_envelope(envelope: &str, good: bool) {
    let body = format!(r#"{{{envelope}"OperatorAccountID":"a"}}"#);
    let expect = if good { balance_of("a", None) } else { MALFORMED };
    check_door(Method::Post, BALANCE, Some(ADMIN), &body, expect);
}

#[test]
fn envelope() {
    check_envelope(r#""PlatformKey":"L100","Sequence":"1","Timestamp":"2021-06-07T11:16:16Z","#, true);
    check_envelope(r#""Timestamp":"2021-06-07T11:16:16.5Z","Sequence":" ","PlatformKey":"L100","#, true);
    check_envelope(r#""PlatformKey":"\u004c100","Sequence":"1","Timestamp":"2021-06-07T11:16:16Z","#, true);
    check_envelope(r#""PlatformKey":"M2é","Sequence":"1","Timestamp":"2021-06-07T11:16:16Z","#, false);
    check_envelope(r#""PlatformKey":"l100","Sequence":"1","Timestamp":"2021-06-07T11:16:16Z","#, false);
    check_envelope(r#""PlatformKey":"L10","Sequence":"1","Timestamp":"2021-06-07T11:16:16Z","#, false);
    check_envelope(r#""PlatformKey":"L100 ","Sequence":"1","Timestamp":"2021-06-07T11:16:16Z","#, false);
    check_envelope(r#""PlatformKey":"","Sequence":"1","Timestamp":"2021-06-07T11:16:16Z","#, false);
    check_envelope(r#""PlatformKey":100,"Sequence":"1","Timestamp":"2021-06-07T11:16:16Z","#, false);
    check_envelope(r#""PlatformKey":null,"Sequence":"1","Timestamp":"2021-06-07T11:16:16Z","#, false);
    check_envelope(r#""Sequence":"1","Timestamp":"2021-06-07T11:16:16Z","#, false);
    check_envelope(r#""PlatformKey":"L100","Timestamp":"2021-06-07T11:16:16Z","#, false);
    check_envelope(r#""PlatformKey":"L100","Sequence":1,"Timestamp":"2021-06-07T11:16:16Z","#, false);
    check_envelope(r#""PlatformKey":"L100","Sequence":null,"Timestamp":"2021-06-07T11:16:16Z","#, false);
    check_envelope(r#""PlatformKey":"L100","Sequence":"","Timestamp":"2021-06-07T11:16:16Z","#, false);
    check_envelope(r#""PlatformKey":"L100","Sequence":"1","#, false);
    check_envelope(r#""PlatformKey":"L100","Sequence":"1","Timestamp":"","#, false);
    check_envelope(r#""PlatformKey":"L100","Sequence":"1","Timestamp":1623064576,"#, false);
    check_envelope(r#""PlatformKey":"L100","Sequence":"1","Timestamp":"2021-06-07T11:16:16","#, false);
    check_envelope(r#""PlatformKey":"L100","Sequence":"1","Timestamp":"2021-06-31T11:16:16Z","#, false);
}

// ── createtoken ──────────────────────────────────────────────────────────────────────────────────────────

#[track_caller]
fn check_create(token_policy: TokenPolicy, members: &str, expect: Option<u128>) {
    let body = enveloped(members);
    let expect = match expect {
        None => Decoded::Refused(Call::CreateToken, ErrorCode::NotAuthentic, None),
        Some(entropy) => taken(
            Call::CreateToken,
            Operation::CreateToken(operation::CreateToken {
                platform: first_platform(),
                account: AccountRef::new("default/admin"),
                game: "11588",
                entropy,
            }),
        ),
    };
    assert_eq!(
        platform(token_policy, &request(Method::Post, CREATE, Some(ADMIN), &body)),
        expect,
        "{members}"
    );
}

#[test]
fn createtoken() {
    let good = r#","OperatorAccountID":"default/admin","GameID":"11588""#;
    check_create(TokenPolicy::SingleUse, good, Some(RANDOM));
    check_create(TokenPolicy::Wrapped, good, Some(0));
    check_create(
        TokenPolicy::SingleUse,
        r#","GameID":"11588","OperatorAccountID":"default/admin""#,
        Some(RANDOM),
    );
    check_create(TokenPolicy::SingleUse, r#","OperatorAccountID":"default/admin""#, None);
    check_create(TokenPolicy::SingleUse, r#","OperatorAccountID":"default/admin","GameID":null"#, None);
    check_create(TokenPolicy::SingleUse, r#","OperatorAccountID":"default/admin","GameID":"""#, None);
    check_create(TokenPolicy::SingleUse, r#","OperatorAccountID":"default/admin","GameID":11588"#, None);
    check_create(TokenPolicy::SingleUse, r#","GameID":"11588""#, None);
    check_create(TokenPolicy::SingleUse, r#","OperatorAccountID":null,"GameID":"11588""#, None);
}

#[test]
fn random_bits_are_drawn_for_a_new_token_alone() {
    let nothing = &mut || panic!("no call for random bits");
    let create = enveloped(r#","OperatorAccountID":"a","GameID":"g""#);
    api(TokenPolicy::SingleUse).platform(&request(Method::Post, BALANCE, Some(ADMIN), &create), nothing);
    api(TokenPolicy::SingleUse).platform(&request(Method::Post, CREATE, None, &create), nothing);
    api(TokenPolicy::SingleUse).platform(&request(Method::Post, CREATE, Some(OTHER), &create), nothing);
    api(TokenPolicy::SingleUse).platform(&request(Method::Post, CREATE, Some(ADMIN), "{}"), nothing);
    api(TokenPolicy::Wrapped).platform(&request(Method::Post, CREATE, Some(ADMIN), &create), nothing);
    let mut drawn = 0;
    let draw = &mut || {
        drawn += 1;
        RANDOM
    };
    api(TokenPolicy::SingleUse).platform(&request(Method::Post, CREATE, Some(ADMIN), &create), draw);
    assert_eq!(drawn, 1);
}

// ── redeemtoken ──────────────────────────────────────────────────────────────────────────────────────────

#[track_caller]
fn check_redeem(
    token_policy: TokenPolicy,
    members: &str,
    expect: Result<Operation<&'static str>, ErrorCode>,
) {
    let body = enveloped(members);
    let expect = match expect {
        Ok(operation) => taken(Call::RedeemToken, operation),
        Err(code) => Decoded::Refused(Call::RedeemToken, code, None),
    };
    assert_eq!(
        platform(token_policy, &request(Method::Post, REDEEM, Some(ADMIN), &body)),
        expect,
        "{members}"
    );
}

fn redeem_members(token: &str) -> String {
    format!(r#","SessionToken":"{token}","IPAddress":"127.0.0.1""#)
}

#[test]
fn redeemtoken_single_use() {
    let token = TokenId::new(Slot::new(4_095).unwrap(), RANDOM);
    let mut room = [0; TOKEN_CHARS];
    let text = token.write(&mut room);
    let platform = first_platform();
    let check = |token: &str, expect| check_redeem(TokenPolicy::SingleUse, &redeem_members(token), expect);
    check(text, Ok(Operation::RedeemToken(operation::RedeemToken { platform, token })));
    check(
        &text.replacen(&text[..1], &format!("\\u{:04x}", text.as_bytes()[0]), 1),
        Ok(Operation::RedeemToken(operation::RedeemToken { platform, token })),
    );
    check("x", Err(ErrorCode::SessionNotFound));
    check(&text[1..], Err(ErrorCode::SessionNotFound));
    check(&format!("{text}A"), Err(ErrorCode::SessionNotFound));
    check(&"A".repeat(TOKEN_CHARS), Err(ErrorCode::SessionNotFound));
    check("20fbd3b9-eef2-49cd-9976-50f0d34e7f7c-179e5f738d8", Err(ErrorCode::SessionNotFound));
    check(&"é".repeat(TOKEN_CHARS / 2), Err(ErrorCode::SessionNotFound));
}

#[test]
fn redeemtoken_wrapped() {
    let check = |token: &str, expect| check_redeem(TokenPolicy::Wrapped, &redeem_members(token), expect);
    let wrapped = |key, minted_ms| {
        Ok(Operation::RedeemWrapped(operation::RedeemWrapped { platform: first_platform(), key, minted_ms }))
    };
    check(
        "20fbd3b9-eef2-49cd-9976-50f0d34e7f7c-179e5f738d8",
        wrapped("20fbd3b9-eef2-49cd-9976-50f0d34e7f7c", 0x0179_e5f7_38d8),
    );
    check("k-0", wrapped("k", 0));
    check("--0", wrapped("-", 0));
    check("k\\u002dff", wrapped("k", 255));
    check("k-ffffffffffffffff", wrapped("k", u64::MAX));
    const LONGEST: &str = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
    assert_eq!(LONGEST.len(), limits::SESSION_KEY_CHARS_MAX);
    check(&format!("{LONGEST}-ffffffffffffffff"), wrapped(LONGEST, u64::MAX));
    check(&format!("x{LONGEST}-0"), Err(ErrorCode::SessionNotFound));
    check("x", Err(ErrorCode::SessionNotFound));
    check("-0", Err(ErrorCode::SessionNotFound));
    check("k-", Err(ErrorCode::SessionNotFound));
    check("k-FF", Err(ErrorCode::SessionNotFound));
    check("k-0x1", Err(ErrorCode::SessionNotFound));
    check("k-+1", Err(ErrorCode::SessionNotFound));
    check("k-10000000000000000", Err(ErrorCode::SessionNotFound));
}

#[test]
fn redeemtoken_malformed() {
    let check = |members: &str| {
        for token_policy in [TokenPolicy::SingleUse, TokenPolicy::Wrapped] {
            check_redeem(token_policy, members, Err(ErrorCode::NotAuthentic));
        }
    };
    check(r#","IPAddress":"127.0.0.1""#);
    check(r#","SessionToken":"k-0""#);
    check(r#","SessionToken":"k-0","IPAddress":null"#);
    check(r#","SessionToken":"k-0","IPAddress":"""#);
    check(r#","SessionToken":"k-0","IPAddress":7"#);
    check(r#","SessionToken":null,"IPAddress":"127.0.0.1""#);
    check(r#","SessionToken":"","IPAddress":"127.0.0.1""#);
    check(&redeem_members(&"x".repeat(limits::SESSION_TOKEN_REQUEST_CHARS_MAX + 1)));
    let address = |length: usize| format!(r#","SessionToken":"k-0","IPAddress":"{}""#, "f".repeat(length));
    check(&address(limits::IP_ADDRESS_CHARS_MAX + 1));
    let longest = address(limits::IP_ADDRESS_CHARS_MAX);
    let operation = Operation::RedeemWrapped(operation::RedeemWrapped {
        platform: first_platform(),
        key: "k",
        minted_ms: 0,
    });
    check_redeem(TokenPolicy::Wrapped, &longest, Ok(operation));
}
