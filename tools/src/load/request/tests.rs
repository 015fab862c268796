use std::collections::HashSet;

use super::super::scenario::tests::site;
use super::super::scenario::{RequestType, Scenario};
use super::*;

fn iteration(count: u64) -> [u8; ITERATION_DIGITS] {
    let mut text = [b'0'; ITERATION_DIGITS];
    put_digits(&mut text, count);
    text
}

fn take(request: &mut Request, attempt: u64, iterations: u64) -> String {
    let bytes = request.take(attempt, &iteration(iterations), &Timestamp::new(1_764_000_000_123));
    let text = String::from_utf8(bytes.clone()).expect("UTF-8");
    request.give_back(bytes);
    text
}

/// The whole request, its head and the body that follows the envelope, byte for byte.
#[track_caller]
fn check_taken(request: &mut Request, attempt: u64, iterations: u64, path: &str, members: &str) {
    let count = format!("{attempt:012}");
    let body = format!(
        r#"{{"PlatformKey":"L100","Sequence":"19ab5f62c00-000042-{count}","Timestamp":"2025-11-24T16:00:00.123Z",{members}}}"#
    );
    let expect = format!(
        "POST {path} HTTP/1.1\r\nHost: 127.0.0.1:9816\r\nAuthorization: Basic YWRtaW46YWRtaW4=\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    assert_eq!(take(request, attempt, iterations), expect);
    let json: serde_json::Value = serde_json::from_str(&body).expect("JSON");
    let texts = json.as_object().expect("an object").values().filter_map(serde_json::Value::as_str);
    assert!(texts.map(str::len).all(|length| (1..=50).contains(&length)), "{body}");
}

/// A request of player 42 in its seventh iteration, and then in its last.
#[track_caller]
fn check(step: Step, path: &str, members: &str) {
    let mut request = Request::compose(step, &site(), UserIdentity::own(42), b"abc");
    check_taken(&mut request, 1, 7, path, &members.replace('#', "19ab5f62c00-000042-000000000007"));
    let last = 999_999_999_999;
    check_taken(&mut request, last, last, path, &members.replace('#', "19ab5f62c00-000042-999999999999"));
}

const ACCOUNT: &str = r#""OperatorAccountID":"default/player-000042""#;
const SESSION: &str = r#""GatewaySessionToken":"demo-000042""#;
const GAME: &str = r#""GameID":"11588""#;

fn members(parts: &[&str]) -> String {
    parts.join(",")
}

#[test]
fn accounts_and_sessions() {
    check(Step::Balance, "/v1.0/balance", &members(&[ACCOUNT, GAME]));
    check(Step::CreateToken, "/v1.0/session/createtoken", &members(&[ACCOUNT, GAME]));
    let redeem = r#""SessionToken":"abc","IPAddress":"127.0.0.1""#;
    check(Step::RedeemToken, "/v1.0/session/redeemtoken", redeem);
    // The time of the token is that of the request.
    let minted = r#""SessionToken":"demo-000042-19ab697e87b","IPAddress":"127.0.0.1""#;
    check(Step::RedeemMinted, "/v1.0/session/redeemtoken", minted);
}

#[test]
fn rounds() {
    let round = members(&[SESSION, ACCOUNT, r##""GameRoundID":"#-a""##, GAME]);
    let play = Play { round: "a", transaction: "a3", amount_minor: 250 };
    let transaction = r##""GameRoundTransactionID":"#-a3","CurrencyCode":"GBP","Amount":2.50"##;
    let row = |step, call: &str, last: &str| {
        check(step, &format!("/v1.0/gameround/{call}"), &members(&[&round, transaction, last]));
    };
    let bet = |starts, ends| Step::PlaceBet { play, starts, ends };
    row(bet(true, false), "placebet", r#""StartRound":true,"EndRound":false"#);
    row(bet(false, true), "placebet", r#""StartRound":false,"EndRound":true"#);
    row(Step::AwardWinnings(play), "awardwinnings", r#""StartRound":false,"EndRound":false"#);
    let original = r##""OriginalBetGameRoundTransactionID":"#-a1","EndRound":false"##;
    row(Step::RollbackBet { play, bet: "a1" }, "rollbackbet", original);
    row(Step::VoidBet(play), "voidbet", r#""EndRound":false"#);
    let end = members(&[&round, r#""CurrencyCode":"GBP""#]);
    check(Step::End { round: "a" }, "/v1.0/gameround/end", &end);
}

#[test]
fn beside_rounds() {
    let credit = r##""AccountTransactionID":"#-d1","AccountTransactionTypeID":"827","CurrencyCode":"GBP","Amount":0.05"##;
    let step = Step::Credit { transaction: "d1", amount_minor: 5 };
    check(step, "/v1.0/accounttransaction/credit", &members(&[ACCOUNT, credit]));
    let alert = members(&[
        SESSION,
        ACCOUNT,
        r##""Source":"Gameflex","AlertActionID":"#-d2""##,
        r#""OperatorAlertActionReference":"1","OperatorAlertReference":"1","GamingRegulatorCode":"UKGC""#,
        r#""Type":"RealityCheck","Method":"Continue","Data":"60""#,
    ]);
    check(Step::Alert { action: "d2" }, "/v1.0/alertwalletcallbacknotification", &alert);
}

#[test]
fn tokens() {
    let mut redeem = Request::compose(Step::RedeemToken, &site(), UserIdentity::own(42), b"abc");
    let check = |request: &mut Request, token: &str| {
        let members = format!(r#""SessionToken":"{token}","IPAddress":"127.0.0.1""#);
        let body = take(request, 7, 0);
        assert!(body.ends_with(&format!(",{members}}}")), "{body}");
    };
    check(&mut redeem, "abc");
    assert!(redeem.put_token(b"xyz"));
    check(&mut redeem, "xyz");
    assert!(!redeem.put_token(b"longer"));
    check(&mut redeem, "xyz");
    let mut empty = Request::compose(Step::RedeemToken, &site(), UserIdentity::own(42), b"");
    check(&mut empty, "");
}

/// A bet for the account with this number, by a player that plays up to `accounts` of them.
#[track_caller]
fn check_account(accounts: u32, number: u32, expect: [&str; 2]) {
    let player = UserIdentity { number: 7, account: 1, accounts };
    for step in Scenario::Bet.steps().iter().chain(Scenario::Balance.steps()) {
        let mut request = Request::compose(*step, &site(), player, b"");
        let first = take(&mut request, 1, 0);
        request.put_account(number);
        let text = take(&mut request, 1, 0);
        assert_eq!(text.len(), first.len(), "Content-Length holds");
        let (head, body) = text.split_once("\r\n\r\n").expect("a body");
        assert!(head.ends_with(&format!("Content-Length: {}", body.len())), "{head}");
        let json: serde_json::Value = serde_json::from_str(body).expect("JSON");
        assert_eq!(json["OperatorAccountID"], expect[0]);
        if step.kind() == RequestType::PlaceBet {
            assert_eq!(json["GatewaySessionToken"], expect[1]);
            assert!(json["GameRoundID"].as_str().is_some_and(|id| id.contains("-000007-")), "{json}");
        }
    }
}

#[test]
fn accounts_that_are_drawn() {
    check_account(7, 7, ["default/player-000007", "demo-000007"]);
    check_account(999_999, 999_999, ["default/player-999999", "demo-999999"]);
    check_account(10_000_000, 1, ["default/player-000001", "demo-000001"]);
    check_account(10_000_000, 1_234_567, ["default/player-1234567", "demo-1234567"]);
    check_account(10_000_000, 10_000_000, ["default/player-10000000", "demo-10000000"]);
}

/// The names of the members that make a transaction known to the server, and of a round where it is opened.
const UNIQUE: [&str; 3] = ["GameRoundTransactionID", "AccountTransactionID", "AlertActionID"];

/// Plays a scenario with two users, in two runs, for some iterations: no id may come twice.
#[track_caller]
fn check_ids(scenario: Scenario, ids_of_an_iteration: usize) {
    let (runs, vus, iterations) = (2, 3, 4);
    let mut ids = HashSet::new();
    for run in 0..runs {
        let site = Site { run: site().run + run, ..site() };
        for number in 1..=vus {
            for step in scenario.steps() {
                let mut request = Request::compose(*step, &site, UserIdentity::own(number), b"");
                for iteration in 0..iterations {
                    let text = take(&mut request, 1, iteration);
                    let (_, body) = text.split_once("\r\n\r\n").expect("a body");
                    let body: serde_json::Value = serde_json::from_str(body).expect("JSON");
                    let mut unique: Vec<_> = UNIQUE.iter().filter_map(|name| body.get(name)).collect();
                    if step.kind() == RequestType::PlaceBet && body["StartRound"] == true {
                        unique.push(&body["GameRoundID"]);
                    }
                    for id in unique {
                        assert!(ids.insert(id.to_string()), "{id} comes twice");
                    }
                }
            }
        }
    }
    assert_eq!(ids.len(), ids_of_an_iteration * (runs as usize) * vus * iterations as usize);
}

#[test]
fn ids_are_unique() {
    check_ids(Scenario::Full, 13);
    check_ids(Scenario::Bet, 2);
}

#[test]
fn a_request_tells_of_its_patience() {
    let site = Site { request_timeout_ms: Some(150), ..site() };
    let mut request = Request::compose(Step::Balance, &site, UserIdentity::own(42), b"");
    let text = take(&mut request, 1, 7);
    let (head, body) = text.split_once("\r\n\r\n").expect("a body");
    assert!(head.lines().any(|line| line == "Request-Timeout: 150"), "{head}");
    assert!(head.lines().any(|line| line == format!("Content-Length: {}", body.len())), "{head}");
    // What changes from one attempt to the next still stands where it belongs.
    assert!(body.contains("\"Sequence\":\"19ab5f62c00-000042-000000000001\""), "{body}");
}
