//! The operator's limits, and what time does to sessions and rounds (protocol §3, §4).

use testkit::home::TOKEN;

use crate::play::{Player, Table, everywhere};

#[test]
fn stakes() {
    everywhere(|table, player| {
        table.limit(r#"{"Stake":5}"#);
        table.row(&player.bet("r", "b1", "5.01"), -10, "1000000.00", 1);
        table.row(&player.bet("r", "b1", "5.00"), 0, "999995.00", 2);
        table.row(&player.bet("r", "b2", "5.00"), 0, "999990.00", 3);
        table.row(&player.bet("r", "b3", "5.01"), -10, "999990.00", 3);
        // Limits are replaced as a whole.
        table.limit(r#"{"Wager":{"Month":1000}}"#);
        table.row(&player.bet("r", "b3", "5.01"), 0, "999984.99", 4);
        table.limit(r#"{"Stake":0}"#);
        table.row(&player.bet("r", "b4", "0.01"), -10, "999984.99", 4);
        table.row(&player.bet("r", "b4", "0.00"), 0, "999984.99", 4);
        table.limit("{}");
        table.row(&player.bet("r", "b5", "6.00"), 0, "999978.99", 5);
    });
}

/// The sum of bets. Its period is the operator's choice; the day is in the week, or a test runs over midnight.
#[test]
fn wagers() {
    everywhere(|table, player| {
        // Before there was a limit, and counted.
        table.row(&player.bet("r", "b1", "4.00"), 0, "999996.00", 2);
        for period in ["Day", "Week", "Month"] {
            table.limit(&format!(r#"{{"Wager":{{"{period}":10}}}}"#));
            table.row(&player.bet("r", "b2", "6.01"), -11, "999996.00", 2);
        }
        table.row(&player.bet("r", "b2", "6.00"), 0, "999990.00", 3);
        table.row(&player.bet("r", "b3", "0.01"), -11, "999990.00", 3);
        table.row(&player.bet("r", "b3", "0.00"), 0, "999990.00", 3);
        // Winnings change nothing, rollbacks and voids take their stakes out.
        table.row(&player.win("r", "w1", "50.00"), 0, "1000040.00", 4);
        table.row(&player.bet("r", "b4", "0.01"), -11, "1000040.00", 4);
        table.row(&player.rollback("r", "k1", "b1", "4.00"), 0, "1000044.00", 5);
        table.row(&player.rollback("r", "k2", "b1", "4.00"), 0, "1000044.00", 5);
        table.row(&player.bet("r", "b4", "4.01"), -11, "1000044.00", 5);
        table.row(&player.bet("r", "b4", "4.00"), 0, "1000040.00", 6);
        table.row(&player.void("r", "v1", "1.00"), 0, "1000041.00", 7);
        table.row(&player.bet("r", "b5", "1.01"), -11, "1000041.00", 7);
        table.row(&player.bet("r", "b5", "1.00"), 0, "1000040.00", 8);
        // The narrowest of several.
        table.limit(r#"{"Wager":{"Day":1000,"Week":1000,"Month":11}}"#);
        table.row(&player.bet("r", "b6", "1.01"), -11, "1000040.00", 8);
        table.row(&player.bet("r", "b6", "1.00"), 0, "1000039.00", 9);
    });
}

/// Bets less wins.
#[test]
fn losses() {
    everywhere(|table, player| {
        table.row(&player.bet("r", "b1", "4.00"), 0, "999996.00", 2);
        for period in ["Day", "Week", "Month"] {
            table.limit(&format!(r#"{{"Loss":{{"{period}":10}}}}"#));
            table.row(&player.bet("r", "b2", "6.01"), -12, "999996.00", 2);
        }
        table.row(&player.bet("r", "b2", "6.00"), 0, "999990.00", 3);
        table.row(&player.bet("r", "b3", "0.01"), -12, "999990.00", 3);
        table.row(&player.win("r", "w1", "3.00"), 0, "999993.00", 4);
        table.row(&player.bet("r", "b3", "3.01"), -12, "999993.00", 4);
        table.row(&player.bet("r", "b3", "3.00"), 0, "999990.00", 5);
        table.row(&player.rollback("r", "k1", "b3", "3.00"), 0, "999993.00", 6);
        table.row(&player.void("r", "v1", "1.00"), 0, "999994.00", 7);
        table.row(&player.bet("r", "b4", "4.01"), -12, "999994.00", 7);
        table.row(&player.bet("r", "b4", "4.00"), 0, "999990.00", 8);
        // A credit is no winnings; winnings may be more than the bets.
        table.row(&player.credit("c1", "9.00"), 0, "999999.00", 9);
        table.row(&player.bet("r", "b5", "0.01"), -12, "999999.00", 9);
        table.row(&player.win("r", "w2", "100.00"), 0, "1000099.00", 10);
        table.row(&player.bet("r", "b5", "100.01"), -12, "1000099.00", 10);
        table.row(&player.bet("r", "b5", "100.00"), 0, "999999.00", 11);
        // Both kinds: the wager's refusal comes first.
        table.limit(r#"{"Wager":{"Month":0},"Loss":{"Month":0}}"#);
        table.row(&player.bet("r", "b6", "0.01"), -11, "999999.00", 11);
        table.limit(r#"{"Wager":{"Month":1000},"Loss":{"Month":0}}"#);
        table.row(&player.bet("r", "b6", "0.01"), -12, "999999.00", 11);
    });
}

/// A session within its length is not refused; the shortest length is a minute, which no test here waits for.
#[test]
fn a_session_within_its_length() {
    everywhere(|table, player| {
        table.limit(r#"{"SessionMinutes":1}"#);
        table.log_out();
        table.is_done("POST /sessions", &format!(r#"{{"SessionKey":"{}"}}"#, player.key));
        table.row(&player.bet("r", "b1", "1.00"), 0, "999999.00", 2);
    });
}

/// Plays with 1 shard and with 2, from a connection at each, with these times; players of several shards with one
/// session and 1,000,000.00 each.
#[track_caller]
fn timed(times: &str, play: impl Fn(&mut Table<'_>, &Player)) {
    for shards in [1, 2] {
        let server = crate::timed(times).start(shards);
        let operator = &mut server.operator();
        for (shard, client) in server.clients().iter_mut().enumerate() {
            for number in 0..2 {
                let player =
                    Player::new(&format!("default/p{shard}{number}"), &format!("k{shard}{number}"), "GBP");
                let others = Vec::new();
                let mut table = Table { client, operator, token: TOKEN, player: player.clone(), others };
                table.is_done("PUT", r#"{"CountryCode":"GB"}"#);
                table.is_done("POST /deposits", r#"{"TransactionID":"0","Amount":1000000}"#);
                table.is_done("POST /sessions", &format!(r#"{{"SessionKey":"{}"}}"#, player.key));
                play(&mut table, &player);
            }
        }
    }
}

/// Asks again and again until what is asked for is so.
#[track_caller]
fn until(mut is_so: impl FnMut() -> bool) {
    assert!((0..1_000_000).any(|_| is_so()), "it does not come to be so");
}

#[test]
fn an_expired_session() {
    timed("session_idle_ms = 1_000", |table, player| {
        table.row(&player.bet("r", "b1", "1.00"), 0, "999999.00", 2);
        // To look at the account does not renew its session.
        until(|| table.operate("GET", "").body.contains(r#""Sessions":[],"#));
        // The account is told of: it was its session.
        table.row(&player.bet("r", "b2", "1.00"), -3, "999999.00", 2);
        table.row(&player.bet("r", "b1", "1.00"), 0, "999999.00", 2);
        table.row(&player.win("r", "w1", "1.00"), 0, "1000000.00", 3);
        table.row(&player.rollback("r", "k1", "b1", "1.00"), 0, "1000001.00", 4);
        table.row(&player.bet("r", "b1", "1.00"), -7, "1000001.00", 4);
        table.freeze();
        table.row(&player.bet("r", "b2", "1.00"), -3, "1000001.00", 4);
        table.thaw();
        table.is_done("POST /sessions", &format!(r#"{{"SessionKey":"{}"}}"#, player.key));
        table.row(&player.bet("r", "b2", "1.00"), 0, "1000000.00", 5);
    });
}

/// A key whose session has expired is nobody's: the winnings are taken.
#[test]
fn wins_with_an_expired_foreign_key() {
    timed("session_idle_ms = 1_000", |table, player| {
        let other = format!("default/other-{}", player.key);
        let asks = |tail: &str, method: &str, body: &str| {
            testkit::message::operator(method, &format!("/operator/v1/accounts/{other}{tail}"), TOKEN, body)
        };
        assert_eq!(table.operator.ask(&asks("", "PUT", r#"{"CountryCode":"GB"}"#)).status, 201);
        let key = format!("other's {}", player.key);
        let opened = asks("/sessions", "POST", &format!(r#"{{"SessionKey":"{key}"}}"#));
        assert_eq!(table.operator.ask(&opened).status, 201);
        until(|| table.operator.ask(&asks("", "GET", "")).body.contains(r#""Sessions":[],"#));
        let win = player.win("r", "w1", "1.00").text("GatewaySessionToken", &key);
        table.row(&win, 0, "1000001.00", 2);
    });
}

/// Bets keep a session alive, however many times its idle time passes.
#[test]
fn bets_renew_their_session() {
    timed("session_idle_ms = 2_000", |table, player| {
        // Another session that nobody renews tells how the time passes.
        table.is_done("POST /sessions", &format!(r#"{{"SessionKey":"idle {}"}}"#, player.key));
        let idle = format!("idle {}", player.key);
        let mut version = 1;
        until(|| {
            version += 1;
            let cents = 100_000_001 - version;
            let cash = format!("{}.{:02}", cents / 100, cents % 100);
            table.row(&player.bet(&format!("r{version}"), "b", "0.01").ends(), 0, &cash, version);
            !table.operate("GET", "").body.contains(&idle)
        });
        let view = table.operate("GET", "").body;
        assert!(view.contains(&format!(r#""GatewaySessionToken":"{}""#, player.key)), "{view}");
    });
}

/// A closed round is forgotten when its time is over, an open one is not.
#[test]
fn retention() {
    timed("[rounds]\nretention_ms = 200", |table, player| {
        let kept = player.bet("open", "b", "1.00");
        let closed = player.bet("closed", "b", "2.00").ends();
        table.row(&kept, 0, "999999.00", 2);
        table.row(&player.rollback("cancelled", "k", "b", "3.00"), -8, "999999.00", 2);
        table.row(&closed, 0, "999997.00", 3);
        let repeated = closed.answered(0, "999997.00", 3);
        let anew = closed.answered(0, "999995.00", 4);
        until(|| {
            let answer = table.client.ask(&closed.request()).body;
            assert!([&repeated, &anew].contains(&&answer), "{answer}");
            answer == anew
        });
        table.row(&kept, 0, "999995.00", 4);
        // What was cancelled before the other was closed is forgotten by now.
        table.row(&player.bet("cancelled", "b", "3.00"), 0, "999992.00", 5);
        table.row(&player.win("open", "w", "1.00").ends(), 0, "999993.00", 6);
        let unknown = player.end("open").answered(-14, "999993.00", 6);
        until(|| table.client.ask(&player.end("open").request()).body == unknown);
        // The one that goes on is there; its bet is known.
        table.row(&player.bet("cancelled", "b", "3.00"), 0, "999993.00", 6);
    });
}
