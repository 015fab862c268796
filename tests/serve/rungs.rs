//! What is checked before a call is carried out, and in which order (protocol §1, §4): the head, the envelope, the
//! members, and the rungs that lie in the wallet.

use testkit::message::{ADMIN, basic, body, post};

use crate::play::{Play, Player, Table, everywhere};

/// The calls, each as it succeeds once for a player whose round `r` has the bet `b` of 1.00.
fn calls(player: &Player) -> [Play; 7] {
    [
        player.bet("r", "b1", "1.00"),
        player.win("r", "w1", "1.00"),
        player.rollback("r", "k1", "b", "1.00"),
        player.void("r", "v1", "0.50"),
        player.end("r"),
        player.credit("c1", "1.00"),
        player.alert("x"),
    ]
}

#[track_caller]
fn check_unchanged(table: &mut Table<'_>) {
    let balance = table.player.balance();
    table.row(&balance, 0, "999999.00", 2);
    assert!(table.operate("GET", "").body.contains(r#""OpenRoundsCount":1,"Alerts":[]}"#));
}

#[test]
fn paths_and_methods() {
    everywhere(|table, player| {
        table.row(&player.bet("r", "b", "1.00"), 0, "999999.00", 2);
        for play in calls(player) {
            let (path, inside) = (play.full_path(), body("L100", &play.inside()));
            let good = post(&path, ADMIN, &inside);
            for method in ["GET", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"] {
                // Credentials are not looked at.
                for fields in [ADMIN, ""] {
                    let request = post(&path, fields, &inside).replacen("POST", method, 1);
                    let answer = table.client.ask(&request);
                    assert_eq!((answer.status, answer.field("Allow")), (405, Some("POST")), "{request}");
                    let sentence = r#"{"Error":"This path does not take this method."}"#;
                    assert!(method == "HEAD" || answer.body == sentence, "{}", answer.body);
                }
            }
            for other in [format!("{path}/"), path.replace("v1.0", "v1"), path.to_uppercase()] {
                let answer = table.client.ask(&post(&other, ADMIN, &inside));
                assert_eq!(answer.status, 404, "{other}");
                assert_eq!(answer.field("Allow"), None);
                assert_eq!(table.client.ask(&good.replace(&path, &other)).status, 404, "{other}");
            }
        }
        check_unchanged(table);
    });
}

#[test]
fn credentials_and_envelopes() {
    everywhere(|table, player| {
        table.row(&player.bet("r", "b", "1.00"), 0, "999999.00", 2);
        for play in calls(player) {
            let (path, good) = (play.full_path(), body("L100", &play.inside()));
            let mut denied = |fields: &str, body: &str| {
                let request = post(&path, fields, body);
                let answer = table.client.ask(&request);
                assert_eq!((answer.status, answer.body.as_str()), (200, r#"{"ErrorCode":-6}"#), "{request}");
            };
            denied("", &good);
            denied("Authorization: Bearer demo\r\n", &good);
            denied(&basic("admin", "wrong"), &good);
            denied(&basic("L100", "admin"), &good);
            denied(ADMIN, &good.replace("L100", "L101"));
            denied(ADMIN, &good.replace("L100", ""));
            denied(ADMIN, &good.replace("L100", "L1000"));
            // Ahead of what is to be said of the account.
            denied(ADMIN, &good.replace("L100", "L101").replace("default/", "elsewhere/"));
            denied("", &good.replace("default/", "elsewhere/"));
            for body in ["", " ", "null", "[]", "7", "{", "{}", "\"\"", "{\"PlatformKey\":\"L100\"}"] {
                denied(ADMIN, body);
            }
            denied(ADMIN, &format!("{good}x"));
            denied(ADMIN, &format!("[{good}]"));
            denied(ADMIN, &good.replace("\"Sequence\":\"4711\"", "\"Sequence\":\"\""));
            denied(ADMIN, &good.replace("\"Sequence\":\"4711\"", "\"Sequence\":4711"));
            denied(ADMIN, &good.replace("\"Sequence\":\"4711\",", ""));
            denied(ADMIN, &good.replace("4711", &"x".repeat(51)));
            denied(ADMIN, &good.replace("4711", "4711\",\"Sequence\":\"4711"));
            for time in
                ["2021-06-07 11:16:16.216Z", "2021-02-30T11:16:16.216Z", "2021-06-07T11:16:16.216", ""]
            {
                denied(ADMIN, &good.replace("2021-06-07T11:16:16.216Z", time));
            }
        }
        check_unchanged(table);
        // The same with everything in place, in another order and with members that nobody knows.
        for (play, (cash, version)) in calls(player).iter().zip([
            ("999998.00", 3),
            ("999999.00", 4),
            ("1000000.00", 5),
            ("1000000.50", 6),
            ("1000000.50", 6),
            ("1000001.50", 7),
            ("1000001.50", 7),
        ]) {
            let good = body("L100", &play.inside());
            let inside = good.trim_start_matches('{').trim_end_matches('}');
            let (envelope, members) = inside.split_at(inside.find(",\"Op").expect("an account"));
            let turned = format!(r#"{{"New":[{{}}]{members}, "new":null ,{envelope}}}"#);
            let turned = turned.replace("4711", &"\u{e9}".repeat(50)).replace(".216Z", ".2161234Z");
            let answer = table.client.ask(&post(&play.full_path(), ADMIN, &turned));
            assert_eq!(answer.body, play.answered(0, cash, version), "{turned}");
        }
    });
}

/// What a member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// A string of at most so many characters, which must be there.
    Text(usize),
    /// One that need not.
    OptionalText(usize),
    /// One that need not, and may be empty.
    Blank(usize),
    Money,
    OptionalMoney,
    Jackpot,
    Flag,
}

impl Form {
    /// Values of other forms, as JSON.
    fn wrong(self) -> Vec<String> {
        let rows = |rows: &[&str]| rows.iter().map(|&json| json.to_owned()).collect::<Vec<_>>();
        let long = |chars: usize| format!("\"{}\"", "\u{e9}".repeat(chars + 1));
        match self {
            Self::Text(chars) => {
                [rows(&["7", "true", "null", "\"\"", "[\"x\"]", "{}"]), vec![long(chars)]].concat()
            }
            Self::OptionalText(chars) => {
                [rows(&["7", "false", "\"\"", "[]", "{}"]), vec![long(chars)]].concat()
            }
            Self::Blank(chars) => [rows(&["7", "false", "[]", "{}"]), vec![long(chars)]].concat(),
            Self::Money => rows(&[
                "null",
                "\"1.00\"",
                "true",
                "[1]",
                "-1",
                "-0.01",
                "1.001",
                "1e-3",
                "10000000000000.01",
                "1e14",
                "01",
            ]),
            Self::OptionalMoney => rows(&["\"1.00\"", "true", "[1]", "-1", "1.001", "1e14"]),
            Self::Jackpot => rows(&["\"1.00\"", "true", "[1]", "-1", "0.12345678901", "1e-11"]),
            Self::Flag => rows(&["null", "1", "0", "\"true\"", "\"\"", "[]"]),
        }
    }

    const fn is_required(self) -> bool {
        matches!(self, Self::Text(_) | Self::Money | Self::Flag)
    }
}

use Form::{Blank, Flag, Jackpot, Money, OptionalMoney, OptionalText, Text};

const EXTRAS: [(&str, Form); 8] = [
    ("ContentGameProviderID", OptionalText(50)),
    ("GameVersion", OptionalText(50)),
    ("TableID", OptionalText(50)),
    ("JackpotContribution", Jackpot),
    ("JackpotWinnings", Jackpot),
    ("FreeBetCost", OptionalMoney),
    ("FreeGameOfferCode", OptionalText(50)),
    ("FreeBetOfferCode", OptionalText(50)),
];

/// The members of each of [`calls`], as the protocol's tables have them.
fn members() -> [Vec<(&'static str, Form)>; 7] {
    let account = [("OperatorAccountID", Text(50)), ("CurrencyCode", Text(3))];
    let round = [("GameRoundID", Text(50)), ("GameID", Text(50))];
    let transaction = [("GameRoundTransactionID", Text(50)), ("Amount", Money), ("EndRound", Flag)];
    let moved = [&account[..], &round, &transaction, &EXTRAS].concat();
    let with = |own: &[(&'static str, Form)]| [&moved, own].concat();
    let key = ("GatewaySessionToken", Blank(100));
    let alert = ["Source", "AlertActionID", "OperatorAlertActionReference", "OperatorAlertReference"];
    let alert =
        alert.into_iter().chain(["GamingRegulatorCode", "Type", "Method", "Data", "OperatorAccountID"]);
    [
        with(&[("GatewaySessionToken", Text(100)), ("StartRound", Flag)]),
        with(&[key, ("StartRound", Flag)]),
        with(&[key, ("OriginalBetGameRoundTransactionID", Text(50))]),
        with(&[key]),
        [&account[..], &round, &EXTRAS, &[key]].concat(),
        [
            &account[..],
            &[("AccountTransactionID", Text(50)), ("AccountTransactionTypeID", Text(50)), ("Amount", Money)],
        ]
        .concat(),
        alert.map(|name| (name, Text(50))).chain([("GatewaySessionToken", Text(100))]).collect(),
    ]
}

#[test]
fn members_that_are_not_well_formed() {
    everywhere(|table, player| {
        table.row(&player.bet("r", "b", "1.00"), 0, "999999.00", 2);
        for (play, members) in calls(player).iter().zip(members()) {
            for (name, form) in members {
                for json in form.wrong() {
                    table.denied(&play.clone().set(name, json), -6);
                }
                if form.is_required() {
                    table.denied(&play.clone().without(name), -6);
                }
                let known = play.members.iter().find(|(known, _)| *known == name);
                let value = known.map_or("null", |(_, json)| json).to_owned();
                let mut twice = play.clone().set(name, value.clone());
                twice.members.push((name, value));
                table.denied(&twice, -6);
            }
        }
        check_unchanged(table);
    });
}

/// Strings and amounts at their bounds.
#[test]
fn members_as_long_as_they_may_be() {
    everywhere(|table, player| {
        let long = "\u{e9}".repeat(50);
        let key = format!("{:\u{e9}<100}", player.account);
        table.is_done("POST /sessions", &format!(r#"{{"SessionKey":"{key}"}}"#));
        let long_key = Player { key, ..player.clone() };
        let with_extras = |mut play: Play| {
            for (name, form) in EXTRAS {
                let value = match form {
                    OptionalText(_) => format!("\"{long}\""),
                    Jackpot => "0.1234567890".into(),
                    _ => "0.010".into(),
                };
                play = play.set(name, value);
            }
            play
        };
        table.row(&with_extras(long_key.bet(&long, &long, "1.00")), 0, "999999.00", 2);
        table.row(&with_extras(long_key.win(&long, &long, "1.00")), 0, "1000000.00", 3);
        table.row(&with_extras(long_key.rollback(&long, &long, &long, "1.00")), 0, "1000001.00", 4);
        table.row(&with_extras(long_key.bet(&long, "b", "1.00")), 0, "1000000.00", 5);
        table.row(&with_extras(long_key.void(&long, &long, "1.00")), 0, "1000001.00", 6);
        table.row(&with_extras(long_key.end(&long)), 0, "1000001.00", 6);
        let credit = player.credit(&long, "1.00").text("AccountTransactionTypeID", &long);
        table.row(&credit, 0, "1000002.00", 7);
        let alert = long_key.alert(&long).text("Type", &long).text("AlertActionID", &long);
        table.row(&alert, 0, "1000002.00", 7);
        table.row(&player.bet("s", "b", "1.00").text("GameID", &long), -15, "1000002.00", 7);
        // The largest amount there is, though not in this account.
        table.row(&player.bet("s", "b", "10000000000000.00"), -2, "1000002.00", 7);
        // Escapes are resolved, and come back where JSON wants them.
        table.row(&player.bet(r"r\u0022", r#"\"\\"#, "1.00"), 0, "1000001.00", 8);
        table.row(&player.bet(r#"r\""#, r"\n", "1.00").goes_on(), 0, "1000000.00", 9);
    });
}

/// A bet with many faults: each is told when those before it are mended.
#[test]
fn the_rungs_of_a_bet() {
    everywhere(|table, player| {
        table.limit(r#"{"Stake":1,"Wager":{"Week":2},"Loss":{"Week":3}}"#);
        table.freeze();
        let mut bet = player
            .bet("r", "b", "2000000.00")
            .goes_on()
            .text("GatewaySessionToken", "unknown")
            .text("CurrencyCode", "EUR")
            .text("GameID", "1")
            .text("OperatorAccountID", "elsewhere/nobody")
            .set("EndRound", "1");
        table.denied(&bet, -6);
        bet = bet.set("EndRound", "false");
        table.denied(&bet, -5);
        bet = bet.text("OperatorAccountID", "default/nobody");
        table.denied(&bet, -3);
        bet = bet.text("OperatorAccountID", &player.account);
        table.denied(&bet, -3);
        bet = bet.text("GatewaySessionToken", &player.key);
        table.row(&bet, -4, "1000000.00", 1);
        table.thaw();
        table.row(&bet, -9, "1000000.00", 1);
        bet = bet.text("CurrencyCode", "GBP");
        table.row(&bet, -15, "1000000.00", 1);
        bet = bet.text("GameID", "11588");
        table.row(&bet, -14, "1000000.00", 1);
        bet = bet.set("StartRound", "true");
        table.row(&bet, -10, "1000000.00", 1);
        table.limit(r#"{"Wager":{"Week":2},"Loss":{"Week":3}}"#);
        table.row(&bet, -11, "1000000.00", 1);
        table.limit(r#"{"Loss":{"Week":3}}"#);
        table.row(&bet, -12, "1000000.00", 1);
        table.limit("{}");
        table.row(&bet, -2, "1000000.00", 1);
        table.row(&bet.stakes("1000000.00"), 0, "0.00", 2);
    });
}

/// The round, closed this time, comes before the limits and the funds.
#[test]
fn a_closed_round_comes_before_limits() {
    everywhere(|table, player| {
        table.row(&player.bet("r", "b1", "1.00").ends(), 0, "999999.00", 2);
        table.limit(r#"{"Stake":0}"#);
        table.row(&player.bet("r", "b2", "2000000.00"), -7, "999999.00", 2);
        table.row(&player.bet("r", "b2", "2000000.00").goes_on(), -10, "999999.00", 2);
        table.limit("{}");
        table.row(&player.bet("r", "b2", "2000000.00").goes_on(), -2, "999999.00", 2);
    });
}

/// The other calls: who, currency, round. Whether the account is frozen and whether its game is still there is not asked.
#[test]
fn the_rungs_of_the_others() {
    everywhere(|table, player| {
        table.row(&player.bet("open", "b", "1.00"), 0, "999999.00", 2);
        let others = [
            player.rollback("r", "k", "b", "1.00"),
            player.void("r", "v", "1.00"),
            player.end("r"),
            player.win("r", "w", "1.00").ends(),
        ];
        for (play, last) in others.into_iter().zip([-8, -14, -14, 0]) {
            let is_win = last == 0;
            table.freeze();
            let bad = play.clone().text("CurrencyCode", "EUR").text("GameID", "1");
            for account in ["elsewhere/nobody", "default/nobody", "default/", "default"] {
                table.denied(&bad.clone().text("OperatorAccountID", account), -5);
            }
            table.row(&bad, -9, "999999.00", 2);
            // A foreign session is told of winnings alone, before the currency.
            let foreign = bad.clone().text("GatewaySessionToken", "demo-000200");
            if is_win {
                table.denied(&foreign, -5);
            } else {
                table.row(&foreign, -9, "999999.00", 2);
            }
            let (cash, version) = if is_win { ("1000000.00", 3) } else { ("999999.00", 2) };
            table.row(&bad.text("CurrencyCode", "GBP"), last, cash, version);
            table.thaw();
            table.row(&play, last, cash, version);
        }
        // Of a frozen account a bet is taken back, stake is given back, and a round is closed.
        table.row(&player.bet("open", "c", "2.00"), 0, "999998.00", 4);
        table.freeze();
        table.row(&player.bet("open", "d", "1.00"), -4, "999998.00", 4);
        table.row(&player.rollback("open", "k", "b", "1.00"), 0, "999999.00", 5);
        table.row(&player.void("open", "v", "2.00"), 0, "1000001.00", 6);
        table.row(&player.end("open"), 0, "1000001.00", 6);
        // A rollback that finds no bet leaves its cancellation there.
        table.row(&player.rollback("open", "k2", "late", "1.00"), -8, "1000001.00", 6);
        table.thaw();
        table.row(&player.bet("open", "late", "1.00").goes_on(), -7, "1000001.00", 6);
    });
}
