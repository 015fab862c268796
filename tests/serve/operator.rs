//! The operator's calls (protocol §6), and what the process tells of itself.

use testkit::client::{Answer, Client, sum};
use testkit::message::{
    DEMO_BALANCE, DEMO_TOKEN, balance, call, create_token, get, operator, post, redeem_token, redeemed,
};

use crate::demo;

const ACCOUNTS: &str = "/operator/v1/accounts";

/// A call of the operator's, `METHOD path below the accounts`, is answered with this status and body.
#[track_caller]
fn check(client: &mut Client, asked: &str, body: &str, status: u16, expect: &str) -> Answer {
    let (method, path) = asked.split_once(' ').expect("a method and a path");
    let answer = client.ask(&operator(method, &format!("{ACCOUNTS}/{path}"), DEMO_TOKEN, body));
    assert_eq!((answer.status, answer.body.as_str()), (status, expect), "{asked} {body}");
    assert_eq!(answer.field("Content-Type"), Some("application/json"));
    answer
}

/// A platform's call is answered with this body.
#[track_caller]
fn check_platform(client: &mut Client, request: &str, expect: &str) {
    assert_eq!(client.ask(request).body, expect, "{request}");
}

/// Takes the times out of an account's view: they have the form of times, and are not known before.
#[track_caller]
fn without_times(body: &str) -> String {
    let mut rest = body;
    let mut text = String::new();
    for mark in ["StartedAt\":\"", "LastUsedAt\":\""].iter().cycle() {
        let Some((before, after)) = rest.split_once(mark) else { break };
        let (time, after) = after.split_at("2021-06-07T11:16:16.216Z".len());
        let form = time.bytes().map(|byte| if byte.is_ascii_digit() { '0' } else { char::from(byte) });
        assert_eq!(form.collect::<String>(), "0000-00-00T00:00:00.000Z");
        text += &format!("{before}{mark}…");
        rest = after;
    }
    text + rest
}

#[track_caller]
fn check_view(client: &mut Client, account: &str, expect: &str) {
    let answer = client.ask(&operator("GET", &format!("{ACCOUNTS}/{account}"), DEMO_TOKEN, ""));
    assert_eq!((answer.status, without_times(&answer.body).as_str()), (200, expect));
}

/// An account's life, at every shard: made, changed, frozen, logged in and out.
#[test]
fn the_life_of_an_account() {
    for shards in [1, 2] {
        let server = demo().start(shards);
        let client = &mut server.operator();
        let platform = &mut server.client();
        for number in 1..=8 {
            live(client, platform, &format!("default/new-{number}"), &format!("key-{number}"));
        }
    }
}

fn live(client: &mut Client, platform: &mut Client, account: &str, key: &str) {
    let sessions = format!("{account}/sessions");
    let at_account = |method: &str| format!("{method} {account}");
    let no_account = r#"{"Error":"There is no such account."}"#;
    let funds = r#""Balance":{"CurrencyCode":"GBP","CashFunds":0.00,"BonusFunds":0.00,"FundsPriority":"Unknown","Version":0}"#;
    let view = |profile: &str, status: &str, sessions: &str| {
        format!(
            r#"{{"OperatorAccountID":"{account}",{profile},"Status":"{status}",{funds},"Limits":{{}},"Sessions":[{sessions}],"OpenRounds":[],"OpenRoundsCount":0,"Alerts":[]}}"#
        )
    };
    let session =
        |key: &str| format!(r#"{{"GatewaySessionToken":"{key}","StartedAt":"…","LastUsedAt":"…"}}"#);

    check(client, &at_account("GET"), "", 404, no_account);
    check(client, &format!("PUT {account}/status"), r#"{"Status":"frozen"}"#, 404, no_account);
    check(client, &format!("POST {sessions}"), &format!(r#"{{"SessionKey":"{key}"}}"#), 404, no_account);
    check_platform(platform, &balance(account), r#"{"ErrorCode":-5}"#);

    check(client, &at_account("PUT"), r#"{"CountryCode":"SE"}"#, 201, "{}");
    check_view(client, account, &view(r#""CountryCode":"SE""#, "active", ""));
    let zero = format!(r#"{{"ErrorCode":0,{funds}}}"#);
    check_platform(platform, &balance(account), &zero);
    check_platform(platform, &create_token(account), r#"{"ErrorCode":-5}"#);

    let profile = r#"{"CountryCode":"GB","UserName":"ann","DisplayName":"Ann \"A\" Ångström","City":"Kings Langley","DateOfBirth":"1965-05-16","Gender":"F"}"#;
    check(client, &at_account("PUT"), profile, 200, "{}");
    let shown = r#""CountryCode":"GB","UserName":"ann","DisplayName":"Ann \"A\" Ångström","City":"Kings Langley","DateOfBirth":"1965-05-16T00:00:00","Gender":"F""#;

    let token = format!(r#"{{"GatewaySessionToken":"{key}"}}"#);
    check(client, &format!("POST {sessions}"), &format!(r#"{{"SessionKey":"{key}"}}"#), 201, &token);
    check_view(client, account, &view(shown, "active", &session(key)));
    // The key failed to open a session before the account was there, and was given back.
    check(client, &format!("POST {sessions}"), &format!(r#"{{"SessionKey":"{key}"}}"#), 201, &token);
    check_view(client, account, &view(shown, "active", &session(key)));

    let first = mint(platform, account);
    let result = format!(
        r#"{{"ErrorCode":0,"Result":{{"OperatorAccountID":"{account}","CurrencyCode":"GBP","CountryCode":"GB","GatewaySessionToken":"{key}","OperatorUserName":"ann","OperatorDisplayName":"Ann \"A\" Ångström","City":"Kings Langley","DateOfBirth":"1965-05-16T00:00:00","Gender":"F"}}}}"#
    );
    let second = mint(platform, account);
    check_platform(platform, &redeem_token(&first), &result);

    check(client, &format!("PUT {account}/status"), r#"{"Status":"frozen"}"#, 200, r#"{"Status":"frozen"}"#);
    check_view(client, account, &view(shown, "frozen", &session(key)));
    let frozen = format!(r#"{{"ErrorCode":-4,{funds}}}"#);
    check_platform(platform, &redeem_token(&second), &frozen);
    check_platform(platform, &create_token(account), &frozen);
    check_platform(platform, &balance(account), &zero);
    check(client, &format!("PUT {account}/status"), r#"{"Status":"active"}"#, 200, r#"{"Status":"active"}"#);
    // The refusal has not used the token up.
    check_platform(platform, &redeem_token(&second), &result);

    let third = mint(platform, account);
    let taken = r#"{"Error":"The session key belongs to another account."}"#;
    check(client, "POST default/admin/sessions", &format!(r#"{{"SessionKey":"{key}"}}"#), 409, taken);
    check(client, &format!("DELETE {sessions}/{key}"), "", 200, "{}");
    let no_session = r#"{"Error":"The account has no such session."}"#;
    check(client, &format!("DELETE {sessions}/{key}"), "", 404, no_session);
    check_platform(platform, &redeem_token(&third), r#"{"ErrorCode":-3}"#);
    check_platform(platform, &create_token(account), r#"{"ErrorCode":-5}"#);
    check_view(client, account, &view(shown, "active", ""));

    // The key is free again, for anybody.
    check(client, "POST default/admin/sessions", &format!(r#"{{"SessionKey":"{key}"}}"#), 201, &token);
    check(client, &format!("DELETE default/admin/sessions/{key}"), "", 200, "{}");
}

/// A token of the account's newest session.
#[track_caller]
fn mint(platform: &mut Client, account: &str) -> String {
    let made = platform.ask(&create_token(account)).body;
    made.split('"').rev().nth(1).filter(|token| token.len() == 24).unwrap_or_else(|| panic!("{made}")).into()
}

#[test]
fn keys_are_drawn_where_none_is_given() {
    for shards in [1, 2] {
        let server = demo().start(shards);
        let client = &mut server.operator();
        let platform = &mut server.client();
        let mut keys = Vec::new();
        for (number, body) in (1..=16).zip(["", "{}"].iter().cycle()) {
            let account = format!("default/player-{number:06}");
            let path = format!("{ACCOUNTS}/{account}/sessions");
            let answer = client.ask(&operator("POST", &path, DEMO_TOKEN, body));
            assert_eq!(answer.status, 201);
            let key = answer.body.split('"').nth(3).expect("a key").to_owned();
            assert_eq!(answer.body, format!(r#"{{"GatewaySessionToken":"{key}"}}"#));
            assert!(key.len() == 36 && !keys.contains(&key), "{key}");
            // It is the newest session now.
            let token = mint(platform, &account);
            check_platform(platform, &redeem_token(&token), &redeemed(&account, &key));
            keys.push(key);
        }
    }
}

#[test]
fn sessions_of_an_account_are_bounded() {
    for shards in [1, 2] {
        let server = demo().start(shards);
        let client = &mut server.operator();
        let path = "default/admin/sessions";
        // The demo's own session is one of them.
        for number in 1..limits::SESSIONS_PER_ACCOUNT_MAX {
            let token = format!(r#"{{"GatewaySessionToken":"key-{number}"}}"#);
            check(
                client,
                &format!("POST {path}"),
                &format!(r#"{{"SessionKey":"key-{number}"}}"#),
                201,
                &token,
            );
        }
        let platform = &mut server.client();
        // The session that was used least recently is evicted: first the demo's own, then the others as they came.
        let gone: Vec<String> = std::iter::once("20fbd3b9-eef2-49cd-9976-50f0d34e7f7c".to_owned())
            .chain((1..5).map(|number| format!("key-{number}")))
            .collect();
        for (number, gone) in (20..).zip(&gone) {
            let body = format!(r#"{{"SessionKey":"key-{number}"}}"#);
            let token = format!(r#"{{"GatewaySessionToken":"key-{number}"}}"#);
            check(client, &format!("POST {path}"), &body, 201, &token);
            let no_session = r#"{"Error":"The account has no such session."}"#;
            check(client, &format!("DELETE {path}/{gone}"), "", 404, no_session);
        }
        let view = client.ask(&operator("GET", &format!("{ACCOUNTS}/default/admin"), DEMO_TOKEN, "")).body;
        assert_eq!(view.matches("StartedAt").count(), limits::SESSIONS_PER_ACCOUNT_MAX, "{view}");
        let token = mint(platform, "default/admin");
        check_platform(platform, &redeem_token(&token), &redeemed("default/admin", "key-24"));
        // The keys of evicted sessions are free: another account may have them.
        for key in &gone {
            let token = format!(r#"{{"GatewaySessionToken":"{key}"}}"#);
            let body = format!(r#"{{"SessionKey":"{key}"}}"#);
            let path = format!("{ACCOUNTS}/default/player-000001/sessions");
            let request = operator("POST", &path, DEMO_TOKEN, &body);
            // It may still be on its way: then it is to be asked for again.
            let answer = std::iter::repeat_with(|| client.ask(&request)).find(|answer| answer.status != 503);
            assert_eq!(answer.map(|answer| (answer.status, answer.body)), Some((201, token)));
        }
        check(client, &format!("DELETE {path}/key-24"), "", 200, "{}");
        check(
            client,
            &format!("POST {path}"),
            r#"{"SessionKey":"/ %"}"#,
            201,
            r#"{"GatewaySessionToken":"/ %"}"#,
        );
        check(client, &format!("DELETE {path}/%2F%20%25"), "", 200, "{}");
    }
}

#[test]
fn faults_of_the_operator() {
    let server = demo().start(2);
    let client = &mut server.operator();
    let mut row = |asked: &str, body: &str, status: u16, sentence: &str| {
        check(client, asked, body, status, &format!(r#"{{"Error":"{sentence}"}}"#));
    };
    row("PUT elsewhere/p", r#"{"CountryCode":"GB"}"#, 404, "There is no such domain.");
    row(
        "PUT default/p",
        r#"{"CountryCode":"gb"}"#,
        400,
        "CountryCode must be two capital letters (ISO 3166).",
    );
    row(
        "PUT default/p%2Fq",
        r#"{"CountryCode":"GB"}"#,
        400,
        "The domain or the player in the path has a slash in it.",
    );
    row("PUT default/admin/status", r#"{"Status":"asleep"}"#, 400, "Status must be active or frozen.");
    row("GET default/nobody", "", 404, "There is no such account.");
    row("DELETE default/nobody/sessions/x", "", 404, "There is no such account.");
    row("GET default/", "", 400, "The domain or the player in the path is empty.");
    // None of it has made an account.
    row("GET default/p", "", 404, "There is no such account.");
}

#[test]
fn the_operators_token() {
    let server = demo().start(1);
    let client = &mut server.operator();
    let mut row = |fields: &str, status: u16| {
        let request = format!("GET {ACCOUNTS}/default/admin HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        let answer = client.ask(&request);
        assert_eq!(answer.status, status, "{fields}");
        let asks = (status == 401).then_some(r#"Bearer realm="operator""#);
        assert_eq!(answer.field("WWW-Authenticate"), asks);
        if status == 401 {
            assert_eq!(answer.body, r#"{"Error":"The credentials are missing or wrong."}"#);
        }
    };
    row("Authorization: Bearer demo\r\n", 200);
    row("Authorization: bearer   demo\r\n", 200);
    row("", 401);
    row("Authorization: Bearer Demo\r\n", 401);
    row("Authorization: Bearer demo2\r\n", 401);
    row("Authorization: Bearer \r\n", 401);
    row("Authorization: Basic YWRtaW46YWRtaW4=\r\n", 401);
    // Who may not call changes nothing.
    let frozen = operator("PUT", &format!("{ACCOUNTS}/default/admin/status"), "x", r#"{"Status":"frozen"}"#);
    assert_eq!(client.ask(&frozen).status, 401);
    assert!(
        client
            .ask(&operator("GET", &format!("{ACCOUNTS}/default/admin"), DEMO_TOKEN, ""))
            .body
            .contains("active")
    );
}

#[test]
fn probes_need_no_token() {
    let server = demo().start(2);
    let client = &mut server.operator();
    for path in ["/healthz", "/readyz", "/healthz?verbose"] {
        let answer = client.ask(&get(path));
        assert_eq!((answer.status, answer.body.as_str()), (200, r#"{"Status":"ok"}"#), "{path}");
    }
    let metrics = client.ask(&get("/metrics"));
    assert_eq!(metrics.status, 200);
    assert_eq!(metrics.field("Content-Type"), Some("text/plain; version=0.0.4; charset=utf-8"));
}

#[test]
fn metrics_count_by_call_and_answer() {
    for shards in [1, 2] {
        let server = demo().start(shards);
        let mut operators = server.operator();
        let mut clients = server.clients();
        for client in &mut clients {
            for number in 1..=20 {
                let account = format!("default/player-{number:06}");
                check_platform(client, &balance(&account), DEMO_BALANCE);
                let token = mint(client, &account);
                let result = redeemed(&account, &format!("demo-{number:06}"));
                check_platform(client, &redeem_token(&token), &result);
                check_platform(client, &redeem_token(&token), r#"{"ErrorCode":-3}"#);
                mint(client, &account);
            }
            check_platform(client, &balance("default/nobody"), r#"{"ErrorCode":-5}"#);
            check_platform(client, &call("balance", ""), r#"{"ErrorCode":-6}"#);
            assert_eq!(client.ask(&post("/nothing", "", "")).status, 404);
        }
        check(&mut operators, "PUT default/new", r#"{"CountryCode":"GB"}"#, 201, "{}");
        check(&mut operators, "PUT default/new", r#"{"CountryCode":"GB"}"#, 200, "{}");
        check(&mut operators, "GET default/nobody", "", 404, r#"{"Error":"There is no such account."}"#);

        let metrics = operators.metrics();
        // Each connection is a shard's, and so are the requests on it.
        for shard in 0..shards {
            let count = |call, code| {
                let labels = format!("shard=\"{shard}\",call=\"{call}\",code=\"{code}\"");
                sum(&metrics, "purser_requests_total", &labels)
            };
            let latencies = |call| {
                let labels = format!("shard=\"{shard}\",call=\"{call}\"");
                sum(&metrics, "purser_request_seconds_count", &labels)
            };
            assert_eq!(
                (count("balance", "0"), count("balance", "-5"), count("balance", "-6")),
                (20.0, 1.0, 1.0)
            );
            assert_eq!((count("createtoken", "0"), count("redeemtoken", "0")), (40.0, 20.0));
            assert_eq!(count("redeemtoken", "-3"), 20.0);
            assert_eq!((latencies("balance"), latencies("createtoken")), (22.0, 40.0));
            assert_eq!(latencies("redeemtoken"), 40.0);
            assert!(count("http", "404") >= 1.0);
            let parked = format!("shard=\"{shard}\",state=\"parked\"");
            assert!(sum(&metrics, "purser_core_seconds_total", &parked) > 0.0);
        }
        let total = |name, labels| sum(&metrics, name, labels);
        assert_eq!(total("purser_requests_total", "call=\"put_account\",code=\"201\""), 1.0);
        assert_eq!(total("purser_requests_total", "call=\"put_account\",code=\"200\""), 1.0);
        assert_eq!(total("purser_requests_total", "call=\"get_account\",code=\"404\""), 1.0);
        assert_eq!(total("purser_lane_refused_total", ""), 0.0);
        assert_eq!(total("purser_connections_refused_total", ""), 0.0);
        assert!(total("purser_connections", "") >= (shards + 1) as f64);
        assert!(metrics.contains_key("purser_accounts_imbalance"));
        assert!(metrics.contains_key("purser_connections_imbalance"));
    }
}

/// What the shards hold is looked at by their housekeeping, once a second.
#[test]
fn metrics_come_to_tell_what_the_shards_hold() {
    for shards in [1, 2] {
        let server = demo().start(shards);
        let mut operators = server.operator();
        mint(&mut server.client(), "default/admin");
        check(&mut operators, "PUT default/new", r#"{"CountryCode":"GB"}"#, 201, "{}");
        let expect = [202.0, 201.0, 1.0];
        let mut seen = [0.0; 3];
        for _ in 0..100_000 {
            let metrics = operators.metrics();
            seen = ["purser_accounts", "purser_session_keys", "purser_session_tokens"]
                .map(|name| sum(&metrics, name, ""));
            if seen == expect {
                break;
            }
        }
        assert_eq!(seen, expect);
    }
}

/// Calls of one connection are carried out in its order, also those that take steps at several shards: none of
/// them is safe (RFC 9112 §9.3.2).
#[test]
fn pipelined_calls_keep_their_order() {
    for shards in [1, 2] {
        let server = demo().start(shards);
        let sessions = "/operator/v1/accounts/default/player-000001/sessions";
        let log_in = |key: usize| {
            operator("POST", sessions, "demo", &format!("{{\"SessionKey\":\"in-order-{key}\"}}"))
        };
        let log_out = |key: usize| operator("DELETE", &format!("{sessions}/in-order-{key}"), "demo", "");
        // More logins than an account may have sessions, so that each needs the logout before it.
        let calls: String = (0..40).map(|key| log_in(key) + &log_out(key)).collect();
        let mut client = server.operator();
        client.send(calls);
        for key in 0..40 {
            assert_eq!(client.answer().status, 201, "login {key}");
            assert_eq!(client.answer().status, 200, "logout {key}");
        }
    }
}
