//! Game rounds, credits and alerts: the rules of each call, byte for byte (protocol §4).

use crate::play::{Player, Table, everywhere};

#[test]
fn bets() {
    everywhere(|table, player| {
        table.row(&player.bet("r", "b1", "1.00"), 0, "999999.00", 2);
        table.row(&player.bet("r", "b1", "1.00"), 0, "999999.00", 2);
        // A further bet of an open round, whatever it says of the round.
        table.row(&player.bet("r", "b2", "2.50"), 0, "999996.50", 3);
        table.row(&player.bet("r", "b3", "0.50").goes_on(), 0, "999996.00", 4);
        table.row(&player.bet("new", "b1", "1.00").goes_on(), -14, "999996.00", 4);
        table.row(&player.bet("r", "b4", "1.00").ends(), 0, "999995.00", 5);
        // The round is closed: no bet starts it, a late one is taken and does not open it.
        table.row(&player.bet("r", "b5", "1.00"), -7, "999995.00", 5);
        table.row(&player.bet("r", "b5", "1.00").goes_on(), 0, "999994.00", 6);
        table.row(&player.bet("r", "b6", "1.00"), -7, "999994.00", 6);
        table.row(&player.bet("r", "b7", "0.00").goes_on(), 0, "999994.00", 6);
        // More than there is; the refusal has opened no round and is not remembered.
        table.row(&player.bet("all", "b1", "999994.01"), -2, "999994.00", 6);
        table.row(&player.bet("all", "b1", "999994.00").goes_on(), -14, "999994.00", 6);
        table.row(&player.bet("all", "b1", "999994.00"), 0, "0.00", 7);
        table.row(&player.bet("all", "b2", "0.01"), -2, "0.00", 7);
        table.row(&player.bet("all", "b3", "0.00"), 0, "0.00", 7);
        table.row(&player.balance(), 0, "0.00", 7);
    });
}

#[test]
fn a_bets_session() {
    everywhere(|table, player| {
        let with = |key: &str| player.bet("r", "b1", "1.00").text("GatewaySessionToken", key);
        table.denied(&with("unknown"), -3);
        for other in table.others.clone() {
            table.denied(&with(&other.key), -3);
        }
        table.denied(&with(&player.key).text("OperatorAccountID", "default/nobody"), -3);
        table.denied(&with(&player.key).text("OperatorAccountID", "elsewhere/admin"), -5);
        table.denied(&with(&player.key).text("OperatorAccountID", "nowhere"), -5);
        table.row(&with(&player.key), 0, "999999.00", 2);
        // A second session is as good as the first, which goes on.
        table.is_done("POST /sessions", &format!(r#"{{"SessionKey":"new {}"}}"#, player.account));
        let second = Player { key: format!("new {}", player.account), ..player.clone() };
        table.row(&second.bet("r", "b2", "1.00"), 0, "999998.00", 3);
        table.row(&player.bet("r", "b3", "1.00"), 0, "999997.00", 4);
        table.log_out();
        table.denied(&player.bet("r", "b4", "1.00"), -3);
        table.row(&second.bet("r", "b4", "1.00"), 0, "999996.00", 5);
    });
}

#[test]
fn wins() {
    everywhere(|table, player| {
        table.row(&player.bet("r", "1", "1.00"), 0, "999999.00", 2);
        table.row(&player.win("r", "1", "5.00"), 0, "1000004.00", 3);
        table.row(&player.win("r", "1", "5.00"), 0, "1000004.00", 3);
        // Zero is a win, and no change.
        table.row(&player.win("r", "2", "0.00"), 0, "1000004.00", 3);
        table.row(&player.win("r", "2", "0.00"), 0, "1000004.00", 3);
        table.row(&player.win("r", "3", "1.00").set("StartRound", "true"), 0, "1000005.00", 4);
        table.row(&player.win("r", "4", "1.00").ends(), 0, "1000006.00", 5);
        table.row(&player.bet("r", "2", "1.00"), -7, "1000006.00", 5);
        table.row(&player.win("r", "5", "1.00"), 0, "1000007.00", 6);
        // A round that nobody knows is opened by its winnings.
        table.row(&player.win("orphan", "1", "1.00"), 0, "1000008.00", 7);
        table.row(&player.bet("orphan", "2", "1.00").goes_on(), 0, "1000007.00", 8);
        table.row(&player.win("started", "1", "1.00").set("StartRound", "true").ends(), 0, "1000008.00", 9);
        table.row(&player.bet("started", "2", "1.00"), -7, "1000008.00", 9);
        let view = table.operate("GET", "").body;
        for (round, is_orphan) in [("r", None), ("orphan", Some(true)), ("started", None)] {
            let shown = view.split_once(&format!(r#"{{"GameRoundID":"{round}","#));
            let shown = shown.map(|(_, rest)| rest.split_once('}').expect("its end").0);
            assert_eq!(shown.map(|shown| shown.contains(r#""Orphan":true"#)), is_orphan, "{round}: {view}");
        }
    });
}

/// A platform repeats winnings for days; by then the session is over, or the account is frozen.
#[test]
fn wins_need_no_session() {
    everywhere(|table, player| {
        table.row(&player.bet("r", "b", "1.00"), 0, "999999.00", 2);
        let win = |id: &str| player.win("r", id, "1.00");
        table.row(&win("1").without("GatewaySessionToken"), 0, "1000000.00", 3);
        table.row(&win("2").set("GatewaySessionToken", "\"\""), 0, "1000001.00", 4);
        table.row(&win("3").set("GatewaySessionToken", "null"), 0, "1000002.00", 5);
        table.row(&win("4").text("GatewaySessionToken", "unknown"), 0, "1000003.00", 6);
        table.row(&win("5"), 0, "1000004.00", 7);
        table.log_out();
        table.row(&win("6"), 0, "1000005.00", 8);
        table.freeze();
        table.row(&win("7"), 0, "1000006.00", 9);
        table.row(&win("7"), 0, "1000006.00", 9);
        table.row(&player.win("orphan", "1", "1.00"), 0, "1000007.00", 10);
    });
}

/// A key that is live, and another account's: wherever among the shards the account, the other one and the key are.
#[test]
fn wins_with_a_foreign_key() {
    everywhere(|table, player| {
        table.row(&player.bet("r", "b", "1.00"), 0, "999999.00", 2);
        for (at, other) in table.others.clone().into_iter().enumerate() {
            let win = player.win("r", &format!("w{at}"), "1.00").text("GatewaySessionToken", &other.key);
            table.denied(&win, -5);
            table.denied(&win, -5);
            table.row(&player.balance(), 0, &format!("{}.00", 999_999 + at), 2 + at as u64);
            // The foreign one is not live any more, and the win is taken.
            let path = format!("/operator/v1/accounts/{}/sessions/{}", other.account, other.key);
            let closed = table.operator.ask(&testkit::message::operator("DELETE", &path, table.token, ""));
            assert_eq!(closed.status, 200);
            table.row(&win, 0, &format!("{}.00", 1_000_000 + at), 3 + at as u64);
        }
        // What is known is said again, whoever's key comes with it.
        let win = player.win("r", "w", "1.00");
        table.row(&win, 0, "1000004.00", 7);
        table.row(
            &win.text("GatewaySessionToken", "20fbd3b9-eef2-49cd-9976-50f0d34e7f7c"),
            0,
            "1000004.00",
            7,
        );
    });
}

#[test]
fn rollbacks() {
    everywhere(|table, player| {
        let rollback = |id: &str, bet: &str, amount: &str| player.rollback("r", id, bet, amount);
        table.row(&player.bet("r", "b1", "1.00"), 0, "999999.00", 2);
        table.row(&player.bet("r", "b2", "2.00"), 0, "999997.00", 3);
        table.row(&player.bet("r", "b3", "3.00").ends(), 0, "999994.00", 4);
        // In full, or not at all.
        table.row(&rollback("k1", "b1", "0.99"), -7, "999994.00", 4);
        table.row(&rollback("k1", "b1", "1.01"), -7, "999994.00", 4);
        table.row(&rollback("k1", "b1", "1.00"), 0, "999995.00", 5);
        // Once, whatever the number of rollbacks and whatever their ids.
        table.row(&rollback("k1", "b1", "1.00"), 0, "999995.00", 5);
        table.row(&rollback("k2", "b1", "1.00"), 0, "999995.00", 5);
        table.row(&rollback("k2", "b1", "1.00"), 0, "999995.00", 5);
        table.row(&rollback("k3", "b1", "2.00"), -7, "999995.00", 5);
        table.row(&player.bet("r", "b1", "1.00"), -7, "999995.00", 5);
        table.row(&player.bet("r", "b1", "1.00").goes_on(), -7, "999995.00", 5);
        // The same id for another bet is other contents.
        table.row(&rollback("k1", "b2", "2.00"), -7, "999995.00", 5);
        table.row(&rollback("k1", "b2", "1.00"), -7, "999995.00", 5);
        // No session is asked for, and its own id may be a bet's.
        let without = rollback("b2", "b2", "2.00").without("GatewaySessionToken");
        table.row(&without, 0, "999997.00", 6);
        table.log_out();
        table.row(&rollback("k4", "b3", "3.00"), 0, "1000000.00", 7);
        table.row(&rollback("k5", "b3", "3.00").set("GatewaySessionToken", "null"), 0, "1000000.00", 7);
    });
}

/// The names that the bet's id comes under.
#[test]
fn names_of_the_original_bet() {
    const NAME: &str = "OriginalBetGameRoundTransactionID";
    everywhere(|table, player| {
        for (at, name) in [NAME, "OrginalBetGameRoundTransactionID", "OriginalPlaceBetGameRoundTransactionID"]
            .into_iter()
            .enumerate()
        {
            let (bet, version) = (format!("b{at}"), 2 * at as u64);
            table.row(&player.bet("r", &bet, "1.00"), 0, "999999.00", version + 2);
            let rollback = player.rollback("r", &format!("k{at}"), &bet, "1.00");
            table.denied(&rollback.clone().without(NAME), -6);
            table.row(&rollback.without(NAME).text(name, &bet), 0, "1000000.00", version + 3);
        }
        let twice = player.rollback("r", "k", "b0", "1.00").text("OrginalBetGameRoundTransactionID", "b0");
        table.denied(&twice, -6);
    });
}

/// The rollback overtakes its bet.
#[test]
fn crossings() {
    everywhere(|table, player| {
        let rollback = player.rollback("r", "k1", "b1", "1.00");
        table.row(&rollback, -8, "1000000.00", 1);
        table.row(&rollback, -8, "1000000.00", 1);
        table.row(&player.bet("r", "b1", "1.00"), -7, "1000000.00", 1);
        table.row(&player.bet("r", "b1", "1.00").goes_on(), -7, "1000000.00", 1);
        table.row(&player.bet("r", "b1", "7.00"), -7, "1000000.00", 1);
        // To all but the cancelled bet the round is unknown.
        table.row(&player.bet("r", "b2", "1.00").goes_on(), -14, "1000000.00", 1);
        table.row(&player.void("r", "v1", "1.00"), -14, "1000000.00", 1);
        table.row(&player.end("r"), -14, "1000000.00", 1);
        // Another round may use the id.
        table.row(&player.bet("s", "b1", "1.00"), 0, "999999.00", 2);
        table.row(&player.bet("r", "b2", "1.00"), 0, "999998.00", 3);
        // In a round that is there it is the same.
        table.row(&player.rollback("r", "k2", "b3", "1.00"), -8, "999998.00", 3);
        table.row(&player.bet("r", "b3", "1.00"), -7, "999998.00", 3);
        table.row(&player.rollback("r", "k3", "b2", "1.00").ends(), 0, "999999.00", 4);
        table.row(&player.bet("r", "b4", "1.00"), -7, "999999.00", 4);
        // Winnings are no bet that could be rolled back.
        table.row(&player.win("r", "w1", "1.00"), 0, "1000000.00", 5);
        table.row(&player.rollback("r", "k4", "w1", "1.00"), -8, "1000000.00", 5);
        table.row(&player.win("r", "w1", "1.00"), 0, "1000000.00", 5);
    });
}

#[test]
fn voids() {
    everywhere(|table, player| {
        table.row(&player.void("r", "v1", "1.00"), -14, "1000000.00", 1);
        table.row(&player.bet("r", "b1", "3.00"), 0, "999997.00", 2);
        table.row(&player.bet("r", "b2", "2.00"), 0, "999995.00", 3);
        table.row(&player.void("r", "v1", "1.00"), 0, "999996.00", 4);
        table.row(&player.void("r", "v1", "1.00"), 0, "999996.00", 4);
        table.row(&player.void("r", "v1", "1.01"), -7, "999996.00", 4);
        // Five were staked, one was given back: no more than four are left.
        table.row(&player.void("r", "v2", "4.01"), -7, "999996.00", 4);
        table.row(&player.rollback("r", "k1", "b1", "3.00"), 0, "999999.00", 5);
        table.row(&player.rollback("r", "k2", "b2", "2.00"), -7, "999999.00", 5);
        table.row(&player.void("r", "v2", "1.01"), -7, "999999.00", 5);
        table.row(&player.void("r", "v2", "1.00").without("GatewaySessionToken").ends(), 0, "1000000.00", 6);
        table.row(&player.void("r", "v3", "0.01"), -7, "1000000.00", 6);
        table.row(&player.void("r", "v3", "0.00"), 0, "1000000.00", 6);
        table.row(&player.bet("r", "b3", "1.00"), -7, "1000000.00", 6);
        // Winnings raise nothing that could be given back; a late bet does.
        table.row(&player.win("r", "w1", "5.00"), 0, "1000005.00", 7);
        table.row(&player.void("r", "v4", "0.01"), -7, "1000005.00", 7);
        table.row(&player.bet("r", "b3", "1.00").goes_on(), 0, "1000004.00", 8);
        table.log_out();
        table.row(&player.void("r", "v4", "0.01"), 0, "1000004.01", 9);
    });
}

#[test]
fn ends() {
    everywhere(|table, player| {
        table.row(&player.end("r"), -14, "1000000.00", 1);
        table.row(&player.bet("r", "b1", "1.00"), 0, "999999.00", 2);
        table.row(&player.end("r"), 0, "999999.00", 2);
        table.row(&player.end("r"), 0, "999999.00", 2);
        table.row(&player.bet("r", "b2", "1.00"), -7, "999999.00", 2);
        table.row(&player.bet("s", "b1", "1.00").ends(), 0, "999998.00", 3);
        table.row(&player.end("s").without("GatewaySessionToken"), 0, "999998.00", 3);
        // A round is an account's own.
        let other = Player { currency: "GBP", ..table.others[0].clone() };
        table.row(&other.end("r"), -14, "1000000.00", 1);
        table.row(&other.bet("r", "b1", "2.00"), 0, "999998.00", 2);
        table.log_out();
        table.row(&player.end("r").set("GatewaySessionToken", "\"\""), 0, "999998.00", 3);
    });
}

#[test]
fn credits() {
    everywhere(|table, player| {
        table.row(&player.credit("c1", "5.00"), 0, "1000005.00", 2);
        table.row(&player.credit("c1", "5.00"), 0, "1000005.00", 2);
        table.row(&player.credit("c1", "5.01"), -7, "1000005.00", 2);
        table.row(&player.credit("c2", "0.00"), 0, "1000005.00", 2);
        table.denied(&player.credit("c3", "1.00").text("AccountTransactionTypeID", "811"), -6);
        table.row(&player.credit("c3", "1.00").text("CurrencyCode", "EUR"), -9, "1000005.00", 2);
        table.row(&player.credit("c3", "1.00"), 0, "1000006.00", 3);
        // Known by its own id, apart from the rounds'.
        table.row(&player.bet("c3", "c3", "1.00"), 0, "1000005.00", 4);
        table.freeze();
        table.log_out();
        table.row(&player.credit("c4", "1.00"), 0, "1000006.00", 5);
        table.row(&player.credit("c1", "5.00"), 0, "1000006.00", 5);
        for account in ["default/nobody", "elsewhere/admin"] {
            table.denied(&player.credit("c5", "1.00").text("OperatorAccountID", account), -5);
        }
    });
}

#[test]
fn alerts() {
    everywhere(|table, player| {
        let alert = player.alert("\u{e9}");
        table.row(&alert, 0, "1000000.00", 1);
        table.row(&alert.clone().text("Source", "OperatorWallet"), 0, "1000000.00", 1);
        table.denied(&alert.clone().text("Source", "Elsewhere"), -6);
        for account in ["default/nobody", "elsewhere/admin"] {
            table.denied(&alert.clone().text("OperatorAccountID", account), -5);
        }
        let view = table.operate("GET", "").body;
        assert_eq!(view.matches(r#""Type":"RealityCheck","Method":"Popup","Data":"é""#).count(), 2, "{view}");
    });
}

/// Repeats are answered as the first was, with the balance of today.
#[test]
fn repeats() {
    everywhere(|table, player| {
        let done = [
            player.bet("r", "1", "5.00"),
            player.win("r", "1", "2.00"),
            player.rollback("s", "1", "b", "1.00"),
            player.void("r", "1", "3.00").ends(),
            player.credit("1", "4.00"),
        ];
        table.row(&player.bet("s", "b", "1.00"), 0, "999999.00", 2);
        for (play, (cash, version)) in done.iter().zip([
            ("999994.00", 3),
            ("999996.00", 4),
            ("999997.00", 5),
            ("1000000.00", 6),
            ("1000004.00", 7),
        ]) {
            table.row(play, 0, cash, version);
        }
        let check_all = |table: &mut Table<'_>| {
            for play in &done {
                table.row(play, 0, "1000004.00", 7);
                // What is no part of a transaction's contents may differ.
                table.row(&play.clone().text("GameID", "unknown"), 0, "1000004.00", 7);
                table.row(
                    &play.clone().set("EndRound", "false").set("StartRound", "false"),
                    0,
                    "1000004.00",
                    7,
                );
                table.row(
                    &play.clone().text("TableID", "7").set("JackpotWinnings", "0.1234567890"),
                    0,
                    "1000004.00",
                    7,
                );
                // And what is one may not.
                table.row(&play.clone().set("Amount", "1.01"), -7, "1000004.00", 7);
                table.row(&play.clone().text("CurrencyCode", "EUR"), -7, "1000004.00", 7);
                table.row(&play.clone().text("CurrencyCode", "???"), -7, "1000004.00", 7);
            }
        };
        check_all(table);
        table.limit(r#"{"Stake":0.01,"Wager":{"Day":0},"Loss":{"Month":0}}"#);
        check_all(table);
        table.freeze();
        check_all(table);
        table.log_out();
        check_all(table);
        table.thaw();
        check_all(table);
    });
}

/// Ids are told apart by account, round and call.
#[test]
fn the_same_id_elsewhere() {
    everywhere(|table, player| {
        table.row(&player.bet("r", "1", "1.00"), 0, "999999.00", 2);
        table.row(&player.win("r", "1", "1.00"), 0, "1000000.00", 3);
        table.row(&player.bet("s", "1", "1.00"), 0, "999999.00", 4);
        table.row(&player.win("s", "1", "1.00"), 0, "1000000.00", 5);
        table.row(&player.void("s", "1", "1.00"), 0, "1000001.00", 6);
        table.row(&player.rollback("r", "1", "1", "1.00"), 0, "1000002.00", 7);
        table.row(&player.credit("1", "1.00"), 0, "1000003.00", 8);
        for other in table.others.clone() {
            table.row(&other.bet("r", "1", "1.00"), 0, "999999.00", 2);
            table.row(&other.credit("1", "1.00"), 0, "1000000.00", 3);
        }
    });
}
