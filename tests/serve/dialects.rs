//! Two platforms on one domain (protocol §4, Identity, Dialects): what the one sends is nothing to the other, and each is
//! read and answered in its own dialect.

use testkit::client::Client;
use testkit::home::{Home, TOKEN};
use testkit::message::{ADMIN, basic, body, operator, post};

use crate::PURSER;
use crate::play::{Play, Player, Table, funds};

/// Both platforms are served the domain `gb`. `first` and `second` are further keys of theirs.
fn file(first: &str, second: &str) -> String {
    format!(
        r#"
operator_token = "{TOKEN}"
games = ["11588", "g2"]

[[platform]]
key = "L100"
user = "admin"
password = "admin"
domains = ["gb"]
{first}

[[platform]]
key = "L200"
user = "second"
password = "p:w"
domains = ["gb"]
{second}

[[domain]]
name = "gb"
currency = "GBP"
"#
    )
}

/// The same call, of the second platform.
fn second(play: Play) -> Play {
    play.by("L200", &basic("second", "p:w"))
}

/// Plays with 1 shard and with 2, from a connection at each, for accounts of every shard. Each holds 100.00.
#[track_caller]
fn everywhere(keys: [&str; 2], play: impl Fn(&mut Table<'_>, &Player)) {
    for shards in [1, 2] {
        let server = Home::new(PURSER).configure_by(file(keys[0], keys[1])).start(shards);
        let operator_client = &mut server.operator();
        for (shard, client) in server.clients().iter_mut().enumerate() {
            for number in 0..4 {
                let account = format!("gb/ann{shard}{number}");
                let player = Player::new(&account, &account.replace('/', "-"), "GBP");
                let operator = &mut *operator_client;
                let (player_of, others) = (player.clone(), Vec::new());
                let mut table = Table { client, operator, token: TOKEN, player: player_of, others };
                table.is_done("PUT ", r#"{"CountryCode":"GB"}"#);
                table.is_done("POST /sessions", &format!(r#"{{"SessionKey":"{}"}}"#, player.key));
                table.is_done("POST /deposits", r#"{"TransactionID":"1","Amount":100.00}"#);
                play(&mut table, &player);
            }
        }
    }
}

// ── Identity ─────────────────────────────────────────────────────────────────────────────────────────────

#[test]
fn ids_belong_to_a_platform() {
    everywhere(["", ""], |table, ann| {
        table.row(&ann.bet("1001", "1", "1.00"), 0, "99.00", 2);
        table.row(&second(ann.bet("1001", "1", "1.00")), 0, "98.00", 3);
        table.row(&second(ann.rollback("1001", "2", "1", "1.00")), 0, "99.00", 4);
        // The first platform's bet is as it was, and is repeated.
        table.row(&ann.bet("1001", "1", "1.00"), 0, "99.00", 4);
        table.row(&second(ann.bet("1001", "1", "1.00")), -7, "99.00", 4);
        table.row(&second(ann.end("1001")), 0, "99.00", 4);
        table.row(&ann.bet("1001", "3", "1.00").goes_on(), 0, "98.00", 5);
        table.row(&second(ann.bet("1001", "3", "1.00")), -7, "98.00", 5);
        table.row(&ann.win("1001", "w", "2.00"), 0, "100.00", 6);
        table.row(&second(ann.win("1001", "w", "3.00")), 0, "103.00", 7);
        table.row(&ann.credit("c", "1.00"), 0, "104.00", 8);
        table.row(&second(ann.credit("c", "1.00")), 0, "105.00", 9);
        // What only the other one has is not there: neither a round nor a bet.
        table.row(&ann.bet("theirs", "b", "1.00"), 0, "104.00", 10);
        table.row(&second(ann.end("theirs")), -14, "104.00", 10);
        table.row(&second(ann.void("theirs", "v", "1.00")), -14, "104.00", 10);
        table.row(&second(ann.rollback("theirs", "k", "b", "1.00")), -8, "104.00", 10);
        // A cancellation is the platform's own too.
        table.row(&ann.rollback("late", "k", "x", "1.00"), -8, "104.00", 10);
        table.row(&second(ann.bet("late", "x", "1.00")), 0, "103.00", 11);
        table.row(&ann.bet("late", "x", "1.00"), -7, "103.00", 11);
    });
}

#[test]
fn a_round_may_belong_to_its_game() {
    everywhere(["", r#"round_scope = "game""#], |table, ann| {
        let in_g2 = |play: Play| play.text("GameID", "g2");
        table.row(&second(ann.bet("5", "1", "1.00")), 0, "99.00", 2);
        table.row(&second(in_g2(ann.bet("5", "1", "2.00"))), 0, "97.00", 3);
        table.row(&second(ann.end("5")), 0, "97.00", 3);
        table.row(&second(in_g2(ann.bet("5", "2", "1.00"))), 0, "96.00", 4);
        table.row(&second(ann.bet("5", "2", "1.00")), -7, "96.00", 4);
        table.row(&second(in_g2(ann.rollback("5", "k", "1", "2.00"))), 0, "98.00", 5);
        table.row(&second(ann.rollback("5", "k", "1", "1.00")), 0, "99.00", 6);
        table.row(&second(in_g2(ann.end("6"))), -14, "99.00", 6);
        // To the first platform the round is one, whatever the game.
        table.row(&ann.bet("5", "1", "1.00"), 0, "98.00", 7);
        table.row(&in_g2(ann.bet("5", "1", "1.00")), 0, "98.00", 7);
        table.row(&in_g2(ann.end("5")), 0, "98.00", 7);
        table.row(&ann.bet("5", "2", "1.00"), -7, "98.00", 7);
    });
}

/// The `createtoken` and `redeemtoken` of a platform, answered with this code; a token, where one was made.
#[track_caller]
fn create(client: &mut Client, key: &str, fields: &str, account: &str) -> String {
    let members = format!(r#""OperatorAccountID":"{account}","GameID":"11588""#);
    let made = client.ask(&post("/v1.0/session/createtoken", fields, &body(key, &members))).body;
    let token = made.strip_prefix(r#"{"ErrorCode":0,"Result":{"SessionToken":""#);
    let token = token.and_then(|rest| rest.strip_suffix(r#""}}"#));
    token.unwrap_or_else(|| panic!("{made}")).into()
}

#[track_caller]
fn check_redeem(client: &mut Client, key: &str, fields: &str, token: &str, code: i32) {
    let members = format!(r#""SessionToken":"{token}","IPAddress":"192.0.2.1""#);
    let told = client.ask(&post("/v1.0/session/redeemtoken", fields, &body(key, &members))).body;
    let expect = format!(r#"{{"ErrorCode":{code}"#);
    assert!(told.starts_with(&(expect.clone() + ",")) || told == expect + "}", "{token}: {told}");
}

#[test]
fn a_token_belongs_to_the_platform_that_asked_for_it() {
    everywhere(["", ""], |table, ann| {
        let (client, theirs) = (&mut *table.client, basic("second", "p:w"));
        for _ in 0..2 {
            let token = create(client, "L100", ADMIN, &ann.account);
            check_redeem(client, "L200", &theirs, &token, -3);
            check_redeem(client, "L100", ADMIN, &token, 0);
            check_redeem(client, "L100", ADMIN, &token, -3);
            check_redeem(client, "L200", &theirs, &token, -3);
        }
        // The oldest of more than sixteen is evicted, and nobody else's.
        let token = create(client, "L200", &theirs, &ann.account);
        let mut tokens: Vec<String> = (0..17).map(|_| create(client, "L100", ADMIN, &ann.account)).collect();
        check_redeem(client, "L100", ADMIN, &tokens.remove(0), -3);
        check_redeem(client, "L200", &theirs, &token, 0);
        tokens.iter().for_each(|token| check_redeem(client, "L100", ADMIN, token, 0));
    });
}

// ── Settlement ───────────────────────────────────────────────────────────────────────────────────────────

/// What happened to the player or the game since the bet refuses no settlement, and a rollback without its bet leaves its
/// cancellation; also under a game that was never offered. `withdrawn` has one that was.
#[test]
fn settlement_is_never_refused() {
    everywhere(["", ""], |table, ann| {
        for (number, game) in [(0, "11588"), (1, "never offered")] {
            let round = |name: &str| format!("{name}{number}");
            let play = |play: Play| play.text("GameID", game);
            let bets = ["a", "b", "c"].map(|id| ann.bet(&round("r"), id, "1.00"));
            let cash = |minor: i32| format!("{}.00", 100 + minor);
            let version = |changes: u64| 2 + 6 * number + changes;
            for (at, bet) in (1..).zip(&bets) {
                table.row(bet, 0, &cash(-at), version(at as u64) - 1);
            }
            table.freeze();
            table.row(&play(ann.win(&round("r"), "w", "1.00")), 0, &cash(-2), version(3));
            table.row(&play(ann.rollback(&round("r"), "k", "a", "1.00")), 0, &cash(-1), version(4));
            table.row(&play(ann.void(&round("r"), "v", "1.00")), 0, &cash(0), version(5));
            table.row(&play(ann.rollback(&round("r"), "l", "late", "1.00")), -8, &cash(0), version(5));
            table.row(&play(ann.end(&round("r"))), 0, &cash(0), version(5));
            table.thaw();
            table.row(&ann.bet(&round("r"), "late", "1.00").goes_on(), -7, &cash(0), version(5));
            table.log_out();
            table.is_done("POST /sessions", &format!(r#"{{"SessionKey":"{}"}}"#, ann.key));
        }
    });
}

/// A full round takes its win, a rollback, a void and its end.
#[test]
fn a_full_round_refuses_bets_only() {
    const BETS: usize = limits::ROUND_BETS_MAX;
    let server = Home::new(PURSER).configure_by(file("", "")).start(1);
    let player = Player::new("gb/ann", "key", "GBP");
    let (client, operator) = (&mut server.client(), &mut server.operator());
    let mut table = Table { client, operator, token: TOKEN, player: player.clone(), others: Vec::new() };
    table.is_done("PUT ", r#"{"CountryCode":"GB"}"#);
    table.is_done("POST /sessions", r#"{"SessionKey":"key"}"#);
    table.is_done("POST /deposits", r#"{"TransactionID":"1","Amount":1000.00}"#);
    for from in (0..BETS).step_by(250) {
        let bets = (from..from + 250).map(|at| player.bet("r", &format!("b{at}"), "0.01").request());
        table.client.send(bets.collect::<String>());
        for _ in 0..250 {
            assert!(table.client.answer().body.starts_with(r#"{"ErrorCode":0,"#));
        }
    }
    let version = 1 + BETS as u64;
    table.row(&player.bet("r", "further", "0.01"), -7, "900.00", version);
    table.row(&player.win("r", "w", "500.00"), 0, "1400.00", version + 1);
    table.row(&player.rollback("r", "k", "b0", "0.01"), 0, "1400.01", version + 2);
    table.row(&player.void("r", "v", "0.01"), 0, "1400.02", version + 3);
    table.row(&player.end("r"), 0, "1400.02", version + 3);
}

// ── Dialects ─────────────────────────────────────────────────────────────────────────────────────────────

#[test]
fn a_rollback_without_its_bet_may_succeed() {
    everywhere(["unknown_rollback = -8", "unknown_rollback = 0"], |table, ann| {
        table.row(&ann.rollback("r", "k", "b", "1.00"), -8, "100.00", 1);
        table.row(&second(ann.rollback("r", "k", "b", "1.00")), 0, "100.00", 1);
        table.row(&second(ann.rollback("r", "k", "b", "1.00")), 0, "100.00", 1);
        // The cancellation is left either way.
        table.row(&ann.bet("r", "b", "1.00"), -7, "100.00", 1);
        table.row(&second(ann.bet("r", "b", "1.00")), -7, "100.00", 1);
    });
}

#[test]
fn rounds_may_be_strict() {
    everywhere(["strict_rounds = false", "strict_rounds = true"], |table, ann| {
        table.row(&second(ann.bet("won", "b", "1.00")), 0, "99.00", 2);
        table.row(&second(ann.bet("won", "b2", "1.00")), 0, "98.00", 3);
        // Winnings of zero are none.
        table.row(&second(ann.win("won", "zero", "0.00")), 0, "98.00", 3);
        table.row(&second(ann.rollback("won", "k2", "b2", "1.00")), 0, "99.00", 4);
        table.row(&second(ann.win("won", "w", "1.00")), 0, "100.00", 5);
        table.row(&second(ann.rollback("won", "k", "b", "1.00")), -7, "100.00", 5);
        table.row(&second(ann.bet("back", "b", "1.00")), 0, "99.00", 6);
        table.row(&second(ann.rollback("back", "k", "b", "1.00")), 0, "100.00", 7);
        table.row(&second(ann.win("back", "w", "1.00")), -7, "100.00", 7);
        table.row(&second(ann.win("back", "zero", "0.00")), 0, "100.00", 7);
        // A round without bets takes winnings.
        table.row(&second(ann.win("free", "w", "1.00")), 0, "101.00", 8);
        // The first platform's rounds take it all.
        table.row(&ann.bet("won", "b", "1.00"), 0, "100.00", 9);
        table.row(&ann.win("won", "w", "1.00"), 0, "101.00", 10);
        table.row(&ann.rollback("won", "k", "b", "1.00"), 0, "102.00", 11);
        table.row(&ann.win("won", "w2", "1.00"), 0, "103.00", 12);
    });
}

#[test]
fn refusals_may_be_remembered() {
    everywhere(["", "remember_refusals_ms = 86400000"], |table, ann| {
        let large = ann.bet("r", "1", "150.00");
        for by in [|play| play, second as fn(Play) -> Play] {
            table.row(&by(large.clone()), -2, "100.00", 1);
        }
        table.limit(r#"{"Stake":1}"#);
        table.row(&second(ann.bet("r", "2", "2.00")), -10, "100.00", 1);
        table.limit("{}");
        table.is_done("POST /deposits", r#"{"TransactionID":"2","Amount":300.00}"#);
        // A delayed copy can't debit: the reason is gone, and its id stays refused.
        table.row(&second(large.clone()), -2, "400.00", 2);
        table.row(&second(ann.bet("r", "2", "2.00")), -10, "400.00", 2);
        table.row(&large, 0, "250.00", 3);
        // Another id is another bet.
        table.row(&second(ann.bet("r", "3", "150.00")), 0, "100.00", 4);
    });
}

#[test]
fn tokens_are_of_the_platforms_policy() {
    everywhere([r#"session_token = "single-use""#, r#"session_token = "wrapped""#], |table, ann| {
        let (client, theirs) = (&mut *table.client, basic("second", "p:w"));
        let single = create(client, "L100", ADMIN, &ann.account);
        let wrapped = create(client, "L200", &theirs, &ann.account);
        assert_eq!(single.len(), 24);
        assert!(wrapped.starts_with(&format!("{}-", ann.key)), "{wrapped}");
        check_redeem(client, "L200", &theirs, &wrapped, 0);
        check_redeem(client, "L200", &theirs, &wrapped, 0);
        check_redeem(client, "L200", &theirs, &single, -3);
        check_redeem(client, "L100", ADMIN, &wrapped, -3);
        check_redeem(client, "L100", ADMIN, &single, 0);
        check_redeem(client, "L100", ADMIN, &single, -3);
    });
}

/// Wrong credentials are answered as the platform wants it whose user name they have; another's with what all want.
#[test]
fn wrong_credentials_may_be_a_status() {
    const REFUSED: &str = r#"{"ErrorCode":-6}"#;
    const ERROR: &str = r#"{"Error":"The credentials are missing or wrong."}"#;
    for (keys, of_first, of_second, of_nobody) in [
        (["", ""], 200, 200, 200),
        (["", "unauthorized_status = 401"], 200, 401, 200),
        (["unauthorized_status = 401", "unauthorized_status = 200"], 401, 200, 200),
        (["unauthorized_status = 401", "unauthorized_status = 401"], 401, 401, 401),
    ] {
        let server = Home::new(PURSER).configure_by(file(keys[0], keys[1])).start(1);
        let mut client = server.client();
        for (fields, status) in [
            (basic("admin", "wrong"), of_first),
            (basic("second", "p:W"), of_second),
            (basic("third", "p:w"), of_nobody),
            ("Authorization: Bearer x\r\n".into(), of_nobody),
            (String::new(), of_nobody),
        ] {
            let body = body("L100", r#""OperatorAccountID":"gb/ann""#);
            let answer = client.ask(&post("/v1.0/balance", &fields, &body));
            let expect = if status == 401 { ERROR } else { REFUSED };
            assert_eq!((answer.status, answer.body.as_str()), (status, expect), "{keys:?} {fields}");
            let challenge = (status == 401).then_some(r#"Basic realm="wallet""#);
            assert_eq!(answer.field("WWW-Authenticate"), challenge);
            assert_eq!((answer.field("Connection"), answer.description.as_deref()), (None, None));
        }
        // Good ones with another's key are a fault of the body, whatever the dialect.
        let other = body("L200", r#""OperatorAccountID":"gb/ann""#);
        let answer = client.ask(&post("/v1.0/balance", ADMIN, &other));
        assert_eq!((answer.status, answer.body.as_str()), (200, REFUSED));
        let answer = server.operator().ask(&operator("GET", "/operator/v1/accounts/gb/ann", "wrong", ""));
        assert_eq!(answer.field("WWW-Authenticate"), Some(r#"Bearer realm="operator""#));
    }
}

/// A refusal, with its description where the platform is told one; byte for byte without it where it is not.
#[track_caller]
fn check_described(table: &mut Table<'_>, play: &Play, code: i32, balance: Option<(&str, u64)>, has: &str) {
    let expect = match balance {
        None => format!(r#"{{"ErrorCode":{code}}}"#),
        Some((cash, version)) => format!(r#"{{"ErrorCode":{code},{}}}"#, funds("GBP", cash, version)),
    };
    let plain = table.client.ask(&play.request());
    assert_eq!((plain.body.as_str(), plain.description), (expect.as_str(), None), "{play:?}");
    let told = table.client.ask(&second(play.clone()).request());
    assert_eq!(told.body, expect, "{play:?}");
    let description = told.description.unwrap_or_else(|| panic!("{play:?} is not described"));
    assert!(description.contains(has), "{play:?}: {description}");
    assert!(!description.ends_with('.') && description.len() <= 120, "one short sentence: {description}");
    assert!(!description.contains(&table.player.key), "a session key: {description}");
}

/// The refusal for a session's length takes a minute, and stands with the tests of clocks.
#[test]
fn refusals_may_be_described() {
    everywhere(["describe_errors = false", "describe_errors = true"], |table, ann| {
        let bet = || ann.bet("r", "1", "1.00");
        check_described(table, &bet().without("GameID"), -6, None, "GameID is missing");
        check_described(table, &bet().set("Amount", "1.001"), -6, None, "Amount has more decimals than GBP");
        check_described(table, &bet().set("Amount", "\"1\""), -6, None, "Amount must be a number");
        check_described(table, &bet().set("Amount", "1,"), -6, None, "JSON");
        let nobody = ann.balance().text("OperatorAccountID", "gb/nobody");
        check_described(table, &nobody, -5, None, "OperatorAccountID");
        check_described(table, &bet().text("GatewaySessionToken", "none"), -3, None, "GatewaySessionToken");
        let theirs = basic("second", "p:w");
        let token = create(table.client, "L200", &theirs, &ann.account);
        check_redeem(table.client, "L200", &theirs, &token, 0);
        for (token, has) in [("none", "SessionToken is not a known token"), (&token, "was redeemed before")] {
            let mut redeem = ann.balance().text("SessionToken", token).text("IPAddress", "192.0.2.1");
            redeem.path = "session/redeemtoken";
            check_described(table, &redeem, -3, None, has);
        }
        let now = Some(("100.00", 1));
        check_described(table, &bet().text("CurrencyCode", "EUR"), -9, now, "CurrencyCode");
        check_described(table, &bet().text("GameID", "none"), -15, now, "GameID");
        check_described(table, &bet().goes_on(), -14, now, "GameRoundID");
        check_described(table, &bet().set("Amount", "100.01"), -2, now, "less than Amount");
        let unknown = "OriginalBetGameRoundTransactionID names no bet";
        check_described(table, &ann.rollback("r", "k", "b", "1.00"), -8, now, unknown);
        check_described(table, &ann.bet("r", "b", "1.00"), -7, now, "rolled back before it came");
        check_described(table, &ann.void("r", "v", "1.00"), -14, now, "GameRoundID");
        table.freeze();
        check_described(table, &ann.bet("r", "2", "1.00"), -4, now, "frozen");
        table.thaw();
        for (limits, code, has) in [
            (r#"{"Stake":0.50}"#, -10, "Amount is over the player's limit for one bet"),
            (r#"{"Wager":{"Week":0.50}}"#, -11, "bets of a day, a week or a month are over"),
            (r#"{"Loss":{"Month":0.50}}"#, -12, "lose more than the limit"),
        ] {
            table.limit(limits);
            check_described(table, &ann.bet("r", "2", "1.00"), code, now, has);
        }
        table.limit("{}");
        // A success says nothing of the kind.
        let answer = table.client.ask(&second(ann.bet("r", "2", "1.00")).request());
        assert_eq!((answer.body.as_str(), answer.description), (&*bet_done(), None));
    });
}

fn bet_done() -> String {
    format!(
        r#"{{"ErrorCode":0,"Result":{{"OperatorTransactionReference":"2","OperatorTransactionSplit":{{"BonusAmount":0.00,"CashAmount":1.00}}}},{}}}"#,
        funds("GBP", "99.00", 2)
    )
}

/// Whose credentials were wrong is not known: they are described where every platform would be told.
#[test]
fn wrong_credentials_are_described_where_all_would_be_told() {
    const DESCRIBED: &str = "describe_errors = true";
    for (keys, expect) in
        [(["", DESCRIBED], None), ([DESCRIBED; 2], Some("The credentials are missing or wrong"))]
    {
        let server = Home::new(PURSER).configure_by(file(keys[0], keys[1])).start(1);
        for fields in [basic("second", "wrong"), basic("third", "p:w"), String::new()] {
            let request = post("/v1.0/balance", &fields, &body("L200", r#""OperatorAccountID":"gb/ann""#));
            let answer = server.client().ask(&request);
            assert_eq!((answer.status, answer.body.as_str()), (200, r#"{"ErrorCode":-6}"#));
            assert_eq!(answer.description.as_deref(), expect);
        }
    }
}

// ── The operator ─────────────────────────────────────────────────────────────────────────────────────────

/// What a slip of the operator's must not do.
#[test]
fn operators_slips_are_named() {
    everywhere(["", ""], |table, ann| {
        table.limit(r#"{"Loss":{"Day":10}}"#);
        let unknown =
            |name: &str| format!(r#"{{"Error":"\"{name}\" is not a member that this call knows."}}"#);
        for (asked, body, expect) in [
            ("PUT /limits", r#"{"Losses":{"Day":10}}"#, unknown("Losses")),
            ("PUT /limits", r#"{"Loss":{"Dya":1}}"#, unknown("Dya")),
            ("PUT ", r#"{"CountryCode":"GB","Username":"ann"}"#, unknown("Username")),
            ("PUT /status", r#"{"Status":"frozen","x\n":1}"#, unknown(r"x\\n")),
            ("POST /sessions", r#"{"Sessionkey":"a"}"#, unknown("Sessionkey")),
            (
                "POST /deposits",
                r#"{"TransactionID":"2","Amount":1,"CurrencyCode":"EUR"}"#,
                r#"{"Error":"CurrencyCode is not the account's currency."}"#.into(),
            ),
            (
                "POST /withdrawals",
                r#"{"TransactionID":"2","Amount":1,"CurrencyCode":"GBX"}"#,
                r#"{"Error":"CurrencyCode is not a currency of ISO 4217."}"#.into(),
            ),
            (
                "POST /sessions",
                r#"{"SessionKey":".."}"#,
                r#"{"Error":"SessionKey is . or .., which no path can name."}"#.into(),
            ),
            (
                "DELETE /sessions/%2e%2e",
                "",
                r#"{"Error":"The session key in the path is . or .., which no path can name."}"#.into(),
            ),
        ] {
            let answer = table.operate(asked, body);
            assert_eq!((answer.status, answer.body), (400, expect), "{asked} {body}");
        }
        for dots in [".", "..", "%2e", "%2E%2e"] {
            let path = format!("/operator/v1/accounts/gb/{dots}");
            let answer = table.operator.ask(&operator("PUT", &path, TOKEN, r#"{"CountryCode":"GB"}"#));
            assert_eq!(answer.status, 400, "{dots}");
        }
        // Nothing of it was done.
        let view = table.operate("GET ", "").body;
        assert!(view.contains(r#""Limits":{"Loss":{"Day":10.00}}"#) && view.contains(r#""Status":"active""#));
        assert!(!view.contains("UserName"), "{view}");
        table.row(&ann.balance(), 0, "100.00", 1);
        table.is_done("POST /deposits", r#"{"TransactionID":"2","Amount":1,"CurrencyCode":"GBP"}"#);
        table.row(&ann.balance(), 0, "101.00", 2);
    });
}

/// What is beside a call's own members is taken as it comes.
#[test]
fn bodies_of_platforms_are_read_tolerantly() {
    everywhere(["", ""], |table, ann| {
        for more in [
            r#""Unknown":1e999999999"#,
            r#""Unknown":{"a":[-1E+99999,0.1e-99999,{"b":9999999999999999999999999}]}"#,
            r#""Unknown":"\ud83c\udfb2""#,
        ] {
            let play = format!("{},{more}", ann.balance().inside());
            let answer = table.client.ask(&post("/v1.0/balance", ADMIN, &body("L100", &play)));
            assert_eq!(answer.body, ann.balance().answered(0, "100.00", 1), "{more}");
        }
        for time in ["11:16:16.123456789Z", "11:16:16+02:00", "11:16:16.5-11:30"] {
            let text = body("L100", &ann.balance().inside()).replace("11:16:16.216Z", time);
            for mark in ["", "\u{feff}"] {
                let answer = table.client.ask(&post("/v1.0/balance", ADMIN, &format!("{mark}{text}")));
                assert_eq!(answer.body, ann.balance().answered(0, "100.00", 1), "{time}");
            }
        }
    });
}
