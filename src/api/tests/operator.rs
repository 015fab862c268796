//! The operator listener: paths, token, and the bodies' members.

use compact_str::CompactString;

use super::super::Probe;
use super::super::call::CallerKind;
use super::*;
use wallet::account::{AccountRef, AccountStatus, Date, Gender, Profile};

const ACCOUNT: &str = "/operator/v1/accounts/default/admin";

#[track_caller]
fn check(method: Method, path: &str, body: &str, expect: Decoded<'_>) {
    assert_eq!(operator(&request(method, path, Some(BEARER), body)), expect, "{method:?} {path} {body}");
}

fn bad(detail: &'static str) -> Decoded<'static> {
    Decoded::Http { status: Status::BadRequest, allow: None, detail: Some(detail.into()) }
}

fn get(account: &'static str) -> Decoded<'static> {
    taken(
        Call::GetAccount,
        Operation::GetAccount(operation::GetAccount { account: AccountRef::new(account) }),
    )
}

/// Each operator's call is found at its path, and a method that its path lacks is told of those that it has.
#[test]
fn each_call_is_at_its_path() {
    for call in Call::ALL.into_iter().filter(|call| call.caller() == CallerKind::Operator) {
        let (method, tail) = call.at();
        let path = format!("{ACCOUNT}/{}", tail.replace("{key}", "k"));
        let path = path.trim_end_matches('/');
        let found = match operator(&request(method, path, Some(BEARER), "")) {
            Decoded::Operation(found, ..) => found == call,
            Decoded::Http { status, .. } => status == Status::BadRequest,
            _ => false,
        };
        assert!(found, "{call:?}");
        let refused = operator(&request(Method::Patch, path, Some(BEARER), ""));
        let Decoded::Http { status: Status::MethodNotAllowed, allow: Some(allow), .. } = refused else {
            panic!("{call:?}: {refused:?}");
        };
        let name = format!("{method:?}").to_uppercase();
        assert!(allow.split(", ").any(|allowed| allowed == name), "{call:?}: {allow}");
    }
}

// ── Probes, paths, token ─────────────────────────────────────────────────────────────────────────────────

#[test]
fn probes_need_no_token() {
    for (path, probe) in
        [("/healthz", Probe::Healthz), ("/readyz", Probe::Readyz), ("/metrics", Probe::Metrics)]
    {
        for authorization in [None, Some(BEARER), Some(b"nonsense".as_slice())] {
            for (method, expect) in [
                (Method::Get, Decoded::Probe(probe)),
                (Method::Head, Decoded::Probe(probe)),
                (Method::Post, not_allowed("GET, HEAD")),
                (Method::Options, not_allowed("GET, HEAD")),
            ] {
                assert_eq!(operator(&request(method, path, authorization, "")), expect);
            }
        }
    }
}

#[test]
fn options_of_the_server() {
    for authorization in [None, Some(BEARER)] {
        for (path, methods) in [("/", "OPTIONS"), ("*", "DELETE, GET, HEAD, OPTIONS, POST, PUT")] {
            let decoded = operator(&request(Method::Options, path, authorization, ""));
            assert_eq!(decoded, Decoded::Options(methods), "{path}");
        }
    }
}

#[test]
fn unknown_paths() {
    let missing = |path| check(Method::Get, path, "", http(Status::NotFound));
    missing("/");
    missing("*");
    missing("/healthz/");
    missing("/v1.0/balance");
    missing("/operator/v1/accounts");
    missing("/operator/v1/accounts/");
    missing("/operator/v1/accounts/default");
    missing("/operator/v1/accounts/default/admin/");
    missing("/operator/v1/accounts/default/admin/Status");
    missing("/operator/v1/accounts/default/admin/statu%73");
    missing("/operator/v1/accounts/default/admin/status/");
    missing("/operator/v1/accounts/default/admin/status/x");
    missing("/operator/v1/accounts/default/admin/sessions/k/x");
    missing("/operator/v1/accounts/default/admin/deposits/1");
    missing("/operator/v1/accounts/default/admin/deposit");
    missing("/operator/v2/accounts/default/admin");
    missing("/operator/v1/accounts%2Fdefault/admin");
}

#[test]
fn methods() {
    check(Method::Post, ACCOUNT, "", not_allowed("GET, HEAD, PUT"));
    check(Method::Delete, ACCOUNT, "", not_allowed("GET, HEAD, PUT"));
    check(Method::Head, ACCOUNT, "", get("default/admin"));
    check(Method::Get, &format!("{ACCOUNT}/status"), "", not_allowed("PUT"));
    check(Method::Head, &format!("{ACCOUNT}/status"), "", not_allowed("PUT"));
    check(Method::Get, &format!("{ACCOUNT}/sessions"), "", not_allowed("POST"));
    check(Method::Delete, &format!("{ACCOUNT}/sessions"), "", not_allowed("POST"));
    check(Method::Post, &format!("{ACCOUNT}/sessions/k"), "", not_allowed("DELETE"));
    check(Method::Get, &format!("{ACCOUNT}/deposits"), "", not_allowed("POST"));
    check(Method::Put, &format!("{ACCOUNT}/withdrawals"), "", not_allowed("POST"));
    check(Method::Get, &format!("{ACCOUNT}/limits"), "", not_allowed("PUT"));
    check(Method::Delete, &format!("{ACCOUNT}/limits"), "", not_allowed("PUT"));
    check(Method::Post, &format!("{ACCOUNT}/transactions"), "", not_allowed("GET, HEAD"));
}

#[track_caller]
fn check_token(path: &str, method: Method, authorization: Option<&[u8]>, expect: Decoded<'_>) {
    assert_eq!(operator(&request(method, path, authorization, "")), expect);
}

#[test]
fn account_calls_need_the_token() {
    check_token(ACCOUNT, Method::Get, Some(BEARER), get("default/admin"));
    check_token(ACCOUNT, Method::Get, None, http(Status::Unauthorized));
    check_token(ACCOUNT, Method::Get, Some(b"Bearer Demo"), http(Status::Unauthorized));
    check_token(ACCOUNT, Method::Get, Some(ADMIN), http(Status::Unauthorized));
    // What is there and what it takes is no secret; what the path names is looked at after the token.
    check_token(ACCOUNT, Method::Post, None, not_allowed("GET, HEAD, PUT"));
    check_token("/operator/v1/nothing", Method::Get, None, http(Status::NotFound));
    check_token("/operator/v1/accounts//", Method::Get, None, http(Status::Unauthorized));
    check_token("/operator/v1/accounts/%/x", Method::Get, None, http(Status::Unauthorized));
}

#[test]
fn without_a_token_configured_account_calls_are_closed() {
    let api = Api::new(Vec::new(), None);
    let ask =
        |path, authorization| api.operator(&request(Method::Get, path, authorization, ""), &mut || RANDOM);
    let closed = Decoded::Http {
        status: Status::Unauthorized,
        allow: None,
        detail: Some("No operator token is configured.".into()),
    };
    assert_eq!(ask(ACCOUNT, Some(BEARER)), closed);
    assert_eq!(ask(ACCOUNT, Some(b"Bearer ")), closed);
    assert_eq!(ask(ACCOUNT, None), closed);
    assert_eq!(ask("/healthz", None), Decoded::Probe(Probe::Healthz));
}

#[test]
fn path_parameters() {
    let check = |domain_and_player: &str, expect| {
        check(Method::Get, &format!("/operator/v1/accounts/{domain_and_player}"), "", expect);
    };
    check("d/p", get("d/p"));
    check("default/player%2d1", get("default/player-1"));
    check("d%C3%A9/p%20%c3%a9", get("dé/p é"));
    check("d/%F0%9F%8E%B2", get("d/🎲"));
    check("d/...", get("d/..."));
    for dots in ["d/.", "d/..", "d/%2e", "d/.%2E", "d/%2e%2e", "./p", "../p", "%2e%2e/.."] {
        check(dots, bad("The domain or the player in the path is . or .., which no path can name."));
    }
    check("d/a+b", get("d/a+b"));
    check("d/%25", get("d/%"));
    check("d/", bad("The domain or the player in the path is empty."));
    check("/p", bad("The domain or the player in the path is empty."));
    check("/", bad("The domain or the player in the path is empty."));
    check("d/%", bad("The path has a percent sign without two hexadecimal digits."));
    check("d/%4", bad("The path has a percent sign without two hexadecimal digits."));
    check("d/%4g", bad("The path has a percent sign without two hexadecimal digits."));
    check("d/%+1", bad("The path has a percent sign without two hexadecimal digits."));
    check("%zz/p", bad("The path has a percent sign without two hexadecimal digits."));
    check("d/%ff", bad("The path is not UTF-8 once its percent signs are resolved."));
    check("d/%c3", bad("The path is not UTF-8 once its percent signs are resolved."));
    check("d/%00", bad("The path has a control character in it."));
    check("d/a%0ab", bad("The path has a control character in it."));
    check("d/%7F", bad("The path has a control character in it."));
    check("d/%C2%80", bad("The path has a control character in it."));
    check("d/a%2Fb", bad("The domain or the player in the path has a slash in it."));
    check("a%2fb/p", bad("The domain or the player in the path has a slash in it."));
    let longest = "p".repeat(limits::ID_CHARS_MAX - 2);
    let expect = Operation::GetAccount(operation::GetAccount {
        account: AccountRef::new(Cow::Owned(format!("d/{longest}"))),
    });
    let terms = Terms { describe: false, budget_ms: None };
    check(&format!("d/{longest}"), Decoded::Operation(Call::GetAccount, expect, terms));
    check(&format!("d/{longest}p"), bad("The account's id, domain/player, is too long."));
    check(
        &format!("d/{}", "%C3%A9".repeat(limits::ID_CHARS_MAX - 1)),
        bad("The account's id, domain/player, is too long."),
    );
}

// ── PUT …/{player} ───────────────────────────────────────────────────────────────────────────────────────

fn profile(country: &[u8; 2]) -> Profile {
    Profile::of(*country)
}

#[track_caller]
fn check_put(body: &str, expect: Result<Profile, &'static str>) {
    let expect = match expect {
        Ok(profile) => {
            let account = AccountRef::new("default/admin");
            taken(
                Call::PutAccount,
                Operation::PutAccount(operation::PutAccount { account, profile: Box::new(profile) }),
            )
        }
        Err(detail) => bad(detail),
    };
    check(Method::Put, ACCOUNT, body, expect);
}

#[test]
fn put_account() {
    check_put(r#"{"CountryCode":"GB"}"#, Ok(profile(b"GB")));
    check_put(
        r#"{"Gender":"F","DateOfBirth":"1965-05-16","City":"Łódź","DisplayName":"D","UserName":"u\n","CountryCode":"PL"}"#,
        Ok(Profile {
            country: *b"PL",
            gender: Some(Gender::Female),
            born: Date::new(1965, 5, 16),
            user_name: Some(CompactString::from("u\n")),
            display_name: Some(CompactString::from("D")),
            city: Some(CompactString::from("Łódź")),
        }),
    );
    let male = Profile { gender: Some(Gender::Male), ..profile(b"GB") };
    check_put(r#"{"CountryCode":"GB","Gender":"M","City":null,"DateOfBirth":null}"#, Ok(male));
    let born = Profile { born: Date::new(2000, 2, 29), ..profile(b"GB") };
    check_put(r#"{"CountryCode":"GB","DateOfBirth":"2000-02-29T00:00:00"}"#, Ok(born));
}

#[test]
fn put_account_malformed() {
    const NO_OBJECT: &str = "The body is not a well-formed JSON object.";
    check_put("", Err(NO_OBJECT));
    check_put("[]", Err(NO_OBJECT));
    check_put(r#"{"CountryCode":"GB""#, Err(NO_OBJECT));
    check_put(r#"{"CountryCode":"GB"}x"#, Err(NO_OBJECT));
    check_put(r#"{"CountryCode":"GB","City":01}"#, Err("City must be a string, neither empty nor too long."));
    check_put("{}", Err("CountryCode is missing."));
    check_put(r#"{"CountryCode":"GB","CountryCode":"GB"}"#, Err("CountryCode is given twice."));

    const COUNTRY: &str = "CountryCode must be two capital letters (ISO 3166).";
    const COUNTRY_TEXT: &str = "CountryCode must be a string, neither empty nor too long.";
    check_put(r#"{"CountryCode":"gb"}"#, Err(COUNTRY));
    check_put(r#"{"CountryCode":"G"}"#, Err(COUNTRY));
    check_put(r#"{"CountryCode":"G1"}"#, Err(COUNTRY));
    check_put(r#"{"CountryCode":"éé"}"#, Err(COUNTRY));
    check_put(r#"{"CountryCode":"é"}"#, Err(COUNTRY));
    check_put(r#"{"CountryCode":"GBR"}"#, Err(COUNTRY_TEXT));
    check_put(r#"{"CountryCode":""}"#, Err(COUNTRY_TEXT));
    check_put(r#"{"CountryCode":null}"#, Err(COUNTRY_TEXT));
    check_put(r#"{"CountryCode":44}"#, Err(COUNTRY_TEXT));

    const BORN: &str = "DateOfBirth must be a day of the calendar, YYYY-MM-DD.";
    check_put(r#"{"CountryCode":"GB","DateOfBirth":"1965-02-29"}"#, Err(BORN));
    check_put(r#"{"CountryCode":"GB","DateOfBirth":"16.05.1965"}"#, Err(BORN));
    check_put(r#"{"CountryCode":"GB","DateOfBirth":"1965-05-16T12:00:00"}"#, Err(BORN));
    check_put(r#"{"CountryCode":"GB","Gender":"X"}"#, Err("Gender must be M or F."));
    check_put(r#"{"CountryCode":"GB","Gender":"m"}"#, Err("Gender must be M or F."));
    check_put(
        r#"{"CountryCode":"GB","Gender":["M"]}"#,
        Err("Gender must be a string, neither empty nor too long."),
    );
    check_put(r#"{"CountryCode":"GB","City":""}"#, Err("City must be a string, neither empty nor too long."));
    for name in ["UserName", "DisplayName", "City"] {
        let body = |length| format!(r#"{{"CountryCode":"GB","{name}":"{}"}}"#, "é".repeat(length));
        let expect = |body: &str| {
            operator(&request(Method::Put, ACCOUNT, Some(BEARER), body))
                == bad(match name {
                    "UserName" => "UserName must be a string, neither empty nor too long.",
                    "DisplayName" => "DisplayName must be a string, neither empty nor too long.",
                    _ => "City must be a string, neither empty nor too long.",
                })
        };
        assert!(!expect(&body(limits::PROFILE_CHARS_MAX)), "{name}");
        assert!(expect(&body(limits::PROFILE_CHARS_MAX + 1)), "{name}");
    }
}

// ── PUT …/{player}/status ────────────────────────────────────────────────────────────────────────────────

#[track_caller]
fn check_status(body: &str, expect: Result<AccountStatus, &'static str>) {
    let account = AccountRef::new("default/admin");
    let expect = match expect {
        Ok(status) => taken(Call::SetStatus, Operation::SetStatus(operation::SetStatus { account, status })),
        Err(detail) => bad(detail),
    };
    check(Method::Put, &format!("{ACCOUNT}/status"), body, expect);
}

#[test]
fn set_status() {
    check_status(r#"{"Status":"active"}"#, Ok(AccountStatus::Active));
    check_status(r#"{"Status":"frozen"}"#, Ok(AccountStatus::Frozen));
    check_status(r#"{"Status":"Frozen"}"#, Err("Status must be active or frozen."));
    check_status(r#"{"Status":"f"}"#, Err("Status must be active or frozen."));
    check_status(r#"{"Status":"suspended"}"#, Err("Status must be a string, neither empty nor too long."));
    check_status(r#"{"Status":true}"#, Err("Status must be a string, neither empty nor too long."));
    check_status("{}", Err("Status is missing."));
    check_status("", Err("The body is not a well-formed JSON object."));
}

// ── …/{player}/sessions ──────────────────────────────────────────────────────────────────────────────────

#[track_caller]
fn check_open(body: &str, expect: Result<&'static str, &'static str>) {
    let account = AccountRef::new("default/admin");
    let expect = match expect {
        Ok(key) => taken(Call::OpenSession, Operation::OpenSession(operation::OpenSession { account, key })),
        Err(detail) => bad(detail),
    };
    check(Method::Post, &format!("{ACCOUNT}/sessions"), body, expect);
}

#[test]
fn open_session() {
    const DRAWN: &str = "01234567-89ab-4def-8123-456789abcdef";
    check_open("", Ok(DRAWN));
    check_open("{}", Ok(DRAWN));
    check_open(r#"{"SessionKey":null}"#, Ok(DRAWN));
    check_open("\u{feff}{}", Ok(DRAWN));
    check_open(r#"{"SessionKey":"..."}"#, Ok("..."));
    for dots in [r#"{"SessionKey":"."}"#, r#"{"SessionKey":".."}"#, r#"{"SessionKey":"\u002e."}"#] {
        check_open(dots, Err("SessionKey is . or .., which no path can name."));
    }
    check_open(r#"{"SessionKey":"my/own key-é"}"#, Ok("my/own key-é"));
    check_open(r#"{"SessionKey":""}"#, Err("SessionKey must be a string, neither empty nor too long."));
    check_open(r#"{"SessionKey":7}"#, Err("SessionKey must be a string, neither empty nor too long."));
    check_open(r#"{"SessionKey":"a\u0000"}"#, Err("SessionKey has a control character in it."));
    check_open(r#"{"SessionKey":"a\u0085"}"#, Err("SessionKey has a control character in it."));
    check_open(" ", Err("The body is not a well-formed JSON object."));
    check_open("null", Err("The body is not a well-formed JSON object."));
    let long = format!(r#"{{"SessionKey":"{}"}}"#, "k".repeat(limits::SESSION_KEY_CHARS_MAX + 1));
    check_open(&long, Err("SessionKey must be a string, neither empty nor too long."));
}

#[test]
fn drawn_keys_are_uuids_of_version_4() {
    for (random, expect) in
        [(0, "00000000-0000-4000-8000-000000000000"), (u128::MAX, "ffffffff-ffff-4fff-bfff-ffffffffffff")]
    {
        let path = format!("{ACCOUNT}/sessions");
        let asked = request(Method::Post, &path, Some(BEARER), "");
        let expect = Operation::OpenSession(operation::OpenSession {
            account: AccountRef::new("default/admin"),
            key: expect,
        });
        let decoded = api(TokenPolicy::SingleUse).operator(&asked, &mut || random);
        assert_eq!(decoded, taken(Call::OpenSession, expect));
    }
}

#[track_caller]
fn check_close(key: &str, expect: Result<&'static str, &'static str>) {
    let account = AccountRef::new("default/admin");
    let expect = match expect {
        Ok(key) => {
            taken(Call::CloseSession, Operation::CloseSession(operation::CloseSession { account, key }))
        }
        Err(detail) => bad(detail),
    };
    check(Method::Delete, &format!("{ACCOUNT}/sessions/{key}"), "", expect);
}

#[test]
fn close_session() {
    check_close("demo-000001", Ok("demo-000001"));
    check_close("...", Ok("..."));
    for dots in [".", "..", "%2e", "%2E.", "%2e%2e"] {
        check_close(dots, Err("The session key in the path is . or .., which no path can name."));
    }
    check_close("my%2Fown%20key-%C3%A9", Ok("my/own key-é"));
    check_close("", Err("The session key in the path is empty or too long."));
    check_close(
        &"k".repeat(limits::SESSION_KEY_CHARS_MAX + 1),
        Err("The session key in the path is empty or too long."),
    );
    check_close("%", Err("The path has a percent sign without two hexadecimal digits."));
    check_close("%0A", Err("The path has a control character in it."));
    check_close("%e9", Err("The path is not UTF-8 once its percent signs are resolved."));
}
