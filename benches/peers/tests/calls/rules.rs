//! The rules of the calls (protocol §1 to §4), as far as the peers keep them.

use testkit::client::{Client, End};
use testkit::message::{ADMIN, post};

use crate::server::Server;

/// A player's requests to one peer.
struct Table {
    client: Client,
    number: u32,
}

/// Plays `rows` as player `number` against both peers.
fn everywhere(rows: impl Fn(&mut Table)) {
    let servers = [Some(Server::in_memory()), Server::in_postgres()];
    for server in servers.iter().flatten() {
        rows(&mut Table { client: server.connect(), number: 7 });
    }
}

impl Table {
    fn with_envelope(members: &str) -> String {
        format!(r#"{{"PlatformKey":"L100","Sequence":"1","Timestamp":"2026-11-24T08:00:00.000Z",{members}}}"#)
    }

    fn account(&self) -> String {
        format!("default/player-{:06}", self.number)
    }

    /// Members of a call in a round; `more` after them.
    fn play(&self, round: &str, more: &str) -> String {
        let (account, number) = (self.account(), self.number);
        Self::with_envelope(&format!(
            r#""GatewaySessionToken":"demo-{number:06}","OperatorAccountID":"{account}","GameRoundID":"{round}","GameID":"11588","CurrencyCode":"GBP"{more}"#
        ))
    }

    fn bet(&self, round: &str, id: &str, amount: &str, starts: bool, ends: bool) -> (&'static str, String) {
        let more = format!(
            r#","GameRoundTransactionID":"{id}","Amount":{amount},"StartRound":{starts},"EndRound":{ends}"#
        );
        ("gameround/placebet", self.play(round, &more))
    }

    fn win(&self, round: &str, id: &str, amount: &str) -> (&'static str, String) {
        ("gameround/awardwinnings", self.bet(round, id, amount, false, false).1)
    }

    fn void(&self, round: &str, id: &str, amount: &str) -> (&'static str, String) {
        ("gameround/voidbet", self.bet(round, id, amount, false, false).1)
    }

    fn rollback(&self, round: &str, id: &str, bet: &str, amount: &str) -> (&'static str, String) {
        let more = format!(
            r#","GameRoundTransactionID":"{id}","OriginalBetGameRoundTransactionID":"{bet}","Amount":{amount},"EndRound":false"#
        );
        ("gameround/rollbackbet", self.play(round, &more))
    }

    fn end(&self, round: &str) -> (&'static str, String) {
        ("gameround/end", self.play(round, ""))
    }

    fn credit(&self, id: &str, kind: &str, currency: &str, amount: &str) -> (&'static str, String) {
        let account = self.account();
        let members = format!(
            r#""OperatorAccountID":"{account}","AccountTransactionID":"{id}","AccountTransactionTypeID":"{kind}","CurrencyCode":"{currency}","Amount":{amount}"#
        );
        ("accounttransaction/credit", Self::with_envelope(&members))
    }

    fn balance(&self) -> (&'static str, String) {
        ("balance", Self::with_envelope(&format!(r#""OperatorAccountID":"{}""#, self.account())))
    }

    fn ask(&mut self, (call, body): &(&str, String)) -> String {
        let (status, answer) = self.ask_as(call, ADMIN, body);
        assert_eq!(status, 200, "{call} {body}");
        answer
    }

    /// The status and the body of the answer to a call with this field.
    fn ask_as(&mut self, call: &str, authorization: &str, body: &str) -> (u16, String) {
        let fields = format!("{authorization}Content-Type: application/json\r\n");
        let answer = self.client.ask(&post(&format!("/v1.0/{call}"), &fields, body));
        assert_eq!(answer.description, None, "peers describe nothing");
        (answer.status, answer.body)
    }

    /// The code of the answer, and the funds in it.
    #[track_caller]
    fn row(&mut self, call: &(&str, String), code: i32, cash: &str, version: u32) {
        let answer = self.ask(call);
        let balance = format!(
            r#""Balance":{{"CurrencyCode":"GBP","CashFunds":{cash},"BonusFunds":0.00,"FundsPriority":"Unknown","Version":{version}}}}}"#
        );
        assert!(
            answer.starts_with(&format!(r#"{{"ErrorCode":{code},"#)) && answer.ends_with(&balance),
            "{} {}: {answer}, not {code} and {balance}",
            call.0,
            call.1
        );
    }

    /// The answer is a code and nothing else.
    #[track_caller]
    fn denied(&mut self, call: &(&str, String), code: i32) {
        assert_eq!(self.ask(call), format!(r#"{{"ErrorCode":{code}}}"#), "{} {}", call.0, call.1);
    }
}

#[test]
fn bets() {
    everywhere(|t| {
        t.row(&t.balance(), 0, "1000000.00", 1);
        t.row(&t.bet("r", "1", "1.00", true, false), 0, "999999.00", 2);
        t.row(&t.bet("r", "1", "1.00", true, false), 0, "999999.00", 2);
        t.row(&t.bet("r", "1", "1.01", true, false), -7, "999999.00", 2);
        t.row(&t.bet("r", "2", "2.5", false, false), 0, "999996.50", 3);
        t.row(&t.bet("new", "1", "1.00", false, false), -14, "999996.50", 3);
        t.row(&t.bet("r", "3", "1e0", true, true), 0, "999995.50", 4);
        t.row(&t.bet("r", "4", "1.00", true, false), -7, "999995.50", 4);
        t.row(&t.bet("r", "4", "0.50", false, false), 0, "999995.00", 5);
        t.row(&t.bet("all", "1", "999995.01", true, false), -2, "999995.00", 5);
        t.row(&t.bet("all", "1", "999995.00", false, false), -14, "999995.00", 5);
        t.row(&t.bet("all", "1", "999995.00", true, false), 0, "0.00", 6);
        t.row(&t.bet("all", "2", "0.00", true, false), 0, "0.00", 6);
    });
}

#[test]
fn answers_byte_for_byte() {
    everywhere(|t| {
        let bet = t.ask(&t.bet("r", "1", "1.00", true, false));
        assert_eq!(
            bet,
            r#"{"ErrorCode":0,"Result":{"OperatorTransactionReference":"1","OperatorTransactionSplit":{"BonusAmount":0.00,"CashAmount":1.00}},"Balance":{"CurrencyCode":"GBP","CashFunds":999999.00,"BonusFunds":0.00,"FundsPriority":"Unknown","Version":2}}"#
        );
        let win = t.ask(&t.win("r", "2", "1.00"));
        assert_eq!(
            win,
            r#"{"ErrorCode":0,"Result":{"OperatorTransactionReference":"2"},"Balance":{"CurrencyCode":"GBP","CashFunds":1000000.00,"BonusFunds":0.00,"FundsPriority":"Unknown","Version":3}}"#
        );
    });
}

#[test]
fn sessions_of_bets_and_wins() {
    everywhere(|t| {
        let other = |(call, body): (&'static str, String)| (call, body.replace("demo-000007", "demo-000008"));
        let nobody = |(call, body): (&'static str, String)| (call, body.replace("player-000007", "nobody"));
        let elsewhere = |(call, body): (&'static str, String)| (call, body.replace("default/", "elsewhere/"));
        let bet = t.bet("r", "1", "1.00", true, false);
        t.denied(&other(bet.clone()), -3);
        t.denied(&nobody(bet.clone()), -3);
        t.denied(&elsewhere(bet), -5);
        t.denied(&other(t.win("r", "1", "1.00")), -5);
        t.denied(&nobody(t.win("r", "1", "1.00")), -5);
        let (call, body) = t.win("r", "1", "1.00");
        t.row(&(call, body.replace("demo-000007", "")), 0, "1000001.00", 2);
        t.row(&(call, body.replace("demo-000007", "unheard of")), 0, "1000001.00", 2);
        t.denied(&nobody(t.balance()), -5);
        t.denied(&nobody(t.end("r")), -5);
    });
}

#[test]
fn rollbacks() {
    everywhere(|t| {
        t.row(&t.bet("r", "b", "1.00", true, false), 0, "999999.00", 2);
        t.row(&t.rollback("r", "k", "b", "0.99"), -7, "999999.00", 2);
        t.row(&t.rollback("r", "k", "b", "1.00"), 0, "1000000.00", 3);
        t.row(&t.rollback("r", "k", "b", "1.00"), 0, "1000000.00", 3);
        t.row(&t.rollback("r", "l", "b", "1.00"), 0, "1000000.00", 3);
        t.row(&t.rollback("r", "k", "c", "1.00"), -7, "1000000.00", 3);
        t.row(&t.bet("r", "b", "1.00", true, false), -7, "1000000.00", 3);
        // The rollback comes first: its bet is cancelled.
        t.row(&t.rollback("s", "k", "b", "1.00"), -8, "1000000.00", 3);
        t.row(&t.rollback("s", "k", "b", "1.00"), -8, "1000000.00", 3);
        t.row(&t.bet("s", "b", "1.00", true, false), -7, "1000000.00", 3);
        t.row(&t.end("s"), -14, "1000000.00", 3);
        t.row(&t.bet("s", "c", "1.00", false, false), -14, "1000000.00", 3);
        t.row(&t.bet("s", "c", "1.00", true, false), 0, "999999.00", 4);
        // A win is no bet that could be taken back.
        t.row(&t.win("s", "w", "1.00"), 0, "1000000.00", 5);
        t.row(&t.rollback("s", "m", "w", "1.00"), -8, "1000000.00", 5);
    });
}

#[test]
fn voids_and_ends() {
    everywhere(|t| {
        t.row(&t.void("r", "v", "1.00"), -14, "1000000.00", 1);
        t.row(&t.end("r"), -14, "1000000.00", 1);
        t.row(&t.bet("r", "b", "3.00", true, false), 0, "999997.00", 2);
        t.row(&t.void("r", "v", "1.00"), 0, "999998.00", 3);
        t.row(&t.void("r", "v", "1.00"), 0, "999998.00", 3);
        t.row(&t.void("r", "v", "2.00"), -7, "999998.00", 3);
        t.row(&t.void("r", "u", "2.01"), -7, "999998.00", 3);
        t.row(&t.rollback("r", "k", "b", "3.00"), -7, "999998.00", 3);
        t.row(&t.end("r"), 0, "999998.00", 3);
        t.row(&t.end("r"), 0, "999998.00", 3);
        t.row(&t.bet("r", "c", "1.00", true, false), -7, "999998.00", 3);
        t.row(&t.void("r", "u", "2.00"), 0, "1000000.00", 4);
    });
}

#[test]
fn currencies_games_and_amounts() {
    everywhere(|t| {
        let (call, body) = t.bet("r", "1", "1.00", true, false);
        let with = |from: &str, to: &str| (call, body.replace(from, to));
        t.row(&with("GBP", "EUR"), -9, "1000000.00", 1);
        t.row(&with("11588", "11589"), -15, "1000000.00", 1);
        for amount in ["1.005", "-1", "\"1.00\"", "10000000000000.01", "null"] {
            t.denied(&with("1.00", amount), -6);
        }
        t.denied(&with("\"GameID\":\"11588\",", ""), -6);
        t.denied(&with("L100", "L101"), -6);
        t.denied(&with("\"Sequence\":\"1\"", "\"Sequence\":\"\""), -6);
        let (call, body) = t.balance();
        let of_game = |game: &str| (call, body.replace('}', &format!(r#","GameID":"{game}"}}"#)));
        t.row(&of_game("11588"), 0, "1000000.00", 1);
        t.row(&of_game("11589"), -15, "1000000.00", 1);
    });
}

#[test]
fn credits_and_alerts() {
    everywhere(|t| {
        t.row(&t.credit("c", "827", "GBP", "0.75"), 0, "1000000.75", 2);
        t.row(&t.credit("c", "827", "GBP", "0.75"), 0, "1000000.75", 2);
        t.row(&t.credit("c", "827", "GBP", "0.76"), -7, "1000000.75", 2);
        t.row(&t.credit("d", "827", "EUR", "0.75"), -9, "1000000.75", 2);
        t.denied(&t.credit("d", "811", "GBP", "0.75"), -6);
        let alert = |source: &str| {
            let members = format!(
                r#""GatewaySessionToken":"demo-000007","OperatorAccountID":"default/player-000007","Source":"{source}","AlertActionID":"1","OperatorAlertActionReference":"1","OperatorAlertReference":"1","GamingRegulatorCode":"UKGC","Type":"RealityCheck","Method":"Continue","Data":"60""#
            );
            ("alertwalletcallbacknotification", Table::with_envelope(&members))
        };
        t.row(&alert("Gameflex"), 0, "1000000.75", 2);
        t.denied(&alert("Somebody"), -6);
    });
}

#[test]
fn tokens() {
    everywhere(|t| {
        let create = |account: &str, game: &str| {
            let members = format!(r#""OperatorAccountID":"{account}","GameID":"{game}""#);
            ("session/createtoken", Table::with_envelope(&members))
        };
        let redeem = |token: &str| {
            let members = format!(r#""SessionToken":"{token}","IPAddress":"127.0.0.1""#);
            ("session/redeemtoken", Table::with_envelope(&members))
        };
        t.denied(&create("default/nobody", "11588"), -5);
        t.row(&create("default/player-000007", "1"), -15, "1000000.00", 1);
        for (account, session) in [
            ("default/player-000007", "demo-000007"),
            ("default/admin", "20fbd3b9-eef2-49cd-9976-50f0d34e7f7c"),
        ] {
            let answer = t.ask(&create(account, "11588"));
            let token = answer.strip_prefix(r#"{"ErrorCode":0,"Result":{"SessionToken":""#);
            let token = token.and_then(|rest| rest.strip_suffix(r#""}}"#)).expect("a token").to_owned();
            let redeemed = format!(
                r#"{{"ErrorCode":0,"Result":{{"OperatorAccountID":"{account}","CurrencyCode":"GBP","CountryCode":"GB","GatewaySessionToken":"{session}"}}}}"#
            );
            assert_eq!(t.ask(&redeem(&token)), redeemed);
            t.denied(&redeem(&token), -3);
        }
    });
}

#[test]
fn credentials() {
    everywhere(|t| {
        let (_, body) = t.balance();
        for (authorization, code) in [
            (ADMIN, 0),
            ("Authorization: basic YWRtaW46YWRtaW4=\r\n", 0),
            ("Authorization: Basic YWRtaW46YWRtaW5=\r\n", -6),
            ("Authorization: Bearer YWRtaW46YWRtaW4=\r\n", -6),
            ("Authorization: \r\n", -6),
        ] {
            let (status, answer) = t.ask_as("balance", authorization, &body);
            let is_so = answer.starts_with(&format!(r#"{{"ErrorCode":{code}"#));
            assert!(status == 200 && is_so, "{authorization}: {status} {answer}");
        }
        assert_eq!(t.ask_as("nothing", ADMIN, &body).0, 404);
    });
}

/// Bets of one account from many connections at once: none is lost, and none is taken twice.
#[test]
fn bets_at_the_same_time() {
    let servers = [Some(Server::in_memory()), Server::in_postgres()];
    for server in servers.iter().flatten() {
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let mut t = Table { client: server.connect(), number: 7 };
                    for bet in 0..25 {
                        let answer = t.ask(&t.bet("r", &bet.to_string(), "1.00", true, false));
                        assert!(answer.starts_with(r#"{"ErrorCode":0,"#), "{answer}");
                    }
                });
            }
        });
        let mut t = Table { client: server.connect(), number: 7 };
        t.row(&t.balance(), 0, "999975.00", 26);
    }
}

#[test]
fn sigterm_ends_them_and_leaves_nothing() {
    let servers = [Some(Server::in_memory()), Server::in_postgres()];
    for mut server in servers.into_iter().flatten() {
        let mut t = Table { client: server.connect(), number: 7 };
        t.row(&t.balance(), 0, "1000000.00", 1);
        assert_eq!(server.terminate(), (Some(0), String::new()), "{}", server.address);
        assert_eq!(t.client.end(), End::Closed);
        assert!(!server.scratch().exists(), "{}", server.scratch().display());
    }
}
