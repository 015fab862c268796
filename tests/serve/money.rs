//! The operator's money calls: deposits, withdrawals, limits, the statement, and what the account's view shows of
//! play (protocol §6).

use testkit::message::{get, operator};

use crate::play::{Player, Table, everywhere, funds};

/// A call about the player's account, `METHOD` and what follows its path, is answered with this status and body.
#[track_caller]
fn check(table: &mut Table<'_>, asked: &str, body: &str, status: u16, expect: &str) {
    let answer = table.operate(asked, body);
    assert_eq!((answer.status, answer.body.as_str()), (status, expect), "{asked} {body}");
    assert_eq!(answer.field("Content-Type"), Some("application/json"));
}

#[track_caller]
fn check_error(table: &mut Table<'_>, asked: &str, body: &str, status: u16, sentence: &str) {
    check(table, asked, body, status, &format!(r#"{{"Error":"{sentence}"}}"#));
}

/// A deposit or a withdrawal succeeds.
#[track_caller]
fn check_transfer(table: &mut Table<'_>, asked: &str, id: &str, amount: &str, cash: &str, version: u64) {
    let body = transfer(id, amount);
    check(table, asked, &body, 200, &format!("{{{}}}", funds("GBP", cash, version)));
}

fn transfer(id: &str, amount: &str) -> String {
    format!(r#"{{"TransactionID":"{id}","Amount":{amount}}}"#)
}

const DEPOSIT: &str = "POST /deposits";
const WITHDRAWAL: &str = "POST /withdrawals";

#[test]
fn deposits_and_withdrawals() {
    const CONFLICT: &str = "The TransactionID was used with another amount.";
    const LESS: &str = "The account has less than the amount.";
    everywhere(|table, player| {
        check_transfer(table, DEPOSIT, "1", "10.00", "1000010.00", 2);
        for amount in ["10.00", "10", "1e1", "10.000"] {
            check_transfer(table, DEPOSIT, "1", amount, "1000010.00", 2);
        }
        check_error(table, DEPOSIT, &transfer("1", "10.01"), 409, CONFLICT);
        // A withdrawal may have a deposit's id.
        check_transfer(table, WITHDRAWAL, "1", "0.50", "1000009.50", 3);
        check_transfer(table, WITHDRAWAL, "1", "0.50", "1000009.50", 3);
        check_error(table, WITHDRAWAL, &transfer("1", "10.00"), 409, CONFLICT);
        check_transfer(table, DEPOSIT, "0", "0", "1000009.50", 3);
        // A refusal is not remembered.
        check_error(table, WITHDRAWAL, &transfer("2", "1000009.51"), 422, LESS);
        check_transfer(table, WITHDRAWAL, "2", "1000009.50", "0.00", 4);
        check_error(table, WITHDRAWAL, &transfer("3", "0.01"), 422, LESS);
        // The repeat succeeds though there would be no funds; it tells today's balance.
        check_transfer(table, WITHDRAWAL, "2", "1000009.50", "0.00", 4);
        check_transfer(table, DEPOSIT, "1", "10.00", "0.00", 4);
        check_error(table, WITHDRAWAL, &transfer("2", "0.01"), 409, CONFLICT);
        check_transfer(table, DEPOSIT, "2", "3.00", "3.00", 5);
        table.row(&player.balance(), 0, "3.00", 5);
        table.row(&player.bet("r", "b", "3.00"), 0, "0.00", 6);
        table.row(&player.bet("r", "c", "0.01"), -2, "0.00", 6);
        // The platforms' ids are others.
        table.row(&player.credit("1", "1.00"), 0, "1.00", 7);
        let other = table.others[0].account.clone();
        let path = format!("/operator/v1/accounts/{other}/deposits");
        let answer = table.operator.ask(&operator("POST", &path, table.token, &transfer("1", "1.00")));
        assert_eq!(answer.body, format!("{{{}}}", funds("GBP", "1000001.00", 2)));
    });
}

#[test]
fn transfers_that_are_not_well_formed() {
    const OBJECT: &str = "The body is not a well-formed JSON object.";
    const MONEY: &str = "An amount is too large, or not a whole number of the currency's minor units.";
    const NUMBER: &str = "Amount must be a number, neither negative nor too long.";
    const ID: &str = "TransactionID must be a string, neither empty nor too long.";
    everywhere(|table, player| {
        for asked in [DEPOSIT, WITHDRAWAL] {
            for body in ["", "[]", "{", "null", r#"{"TransactionID":"1","Amount":1}x"#] {
                check_error(table, asked, body, 400, OBJECT);
            }
            check_error(table, asked, "{}", 400, "TransactionID is missing.");
            check_error(table, asked, r#"{"TransactionID":"1"}"#, 400, "Amount is missing.");
            check_error(table, asked, r#"{"TransactionID":1,"Amount":1}"#, 400, ID);
            check_error(table, asked, &transfer("", "1"), 400, ID);
            check_error(table, asked, &transfer(&"x".repeat(51), "1"), 400, ID);
            for amount in ["\"1\"", "null", "-1", "true"] {
                check_error(table, asked, &transfer("1", amount), 400, NUMBER);
            }
            for amount in ["0.001", "1.005", "1e14", "10000000000000.01"] {
                check_error(table, asked, &transfer("1", amount), 400, MONEY);
            }
            check_error(
                table,
                asked,
                r#"{"TransactionID":"1","Amount":1,"Amount":1}"#,
                400,
                "Amount is given twice.",
            );
        }
        table.row(&player.balance(), 0, "1000000.00", 1);
        check(table, "GET /transactions", "", 200, r#"{"Transactions":[],"More":false,"CompleteFrom":1}"#);
    });
}

/// Who may call, about whom, and how: for each of the paths.
#[test]
fn paths_methods_and_tokens() {
    everywhere(|table, player| {
        for (tail, method, allow, body) in [
            ("deposits", "POST", "POST", transfer("1", "1.00")),
            ("withdrawals", "POST", "POST", transfer("1", "1.00")),
            ("limits", "PUT", "PUT", r#"{"Stake":0}"#.to_owned()),
            ("transactions", "GET", "GET, HEAD", String::new()),
        ] {
            let path = |account: &str| format!("/operator/v1/accounts/{account}/{tail}");
            let mut row = |method: &str, path: &str, token: &str, status: u16| {
                let answer = table.operator.ask(&operator(method, path, token, &body));
                assert_eq!(answer.status, status, "{method} {path}: {answer:?}");
                answer
            };
            for other in ["GET", "PUT", "POST", "DELETE"].into_iter().filter(|other| *other != method) {
                let answer = row(other, &path(&player.account), "wrong", 405);
                assert_eq!(answer.field("Allow"), Some(allow));
            }
            row(method, &path(&player.account), "wrong", 401);
            row(method, &format!("{}/x", path(&player.account)), "demo", 404);
            let nobody = row(method, &path("default/nobody"), "demo", 404);
            assert_eq!(nobody.body, r#"{"Error":"There is no such account."}"#);
            row(method, &path("elsewhere/admin"), "demo", 404);
            row(method, &path("default/"), "demo", 400);
            // The platforms' listener has none of it.
            let answer = table.client.ask(&operator(method, &path(&player.account), "demo", &body));
            assert_eq!(answer.status, 404);
        }
        assert_eq!(table.client.ask(&get("/operator/v1/accounts/default/admin")).status, 404);
        // Nothing of it has changed the account.
        table.row(&player.bet("r", "b", "1.00"), 0, "999999.00", 2);
    });
}

/// Limits are answered with what they are now, and the account shows the same.
#[test]
fn limits() {
    #[track_caller]
    fn row(table: &mut Table<'_>, asked: &str, expect: &str) {
        check(table, "PUT /limits", asked, 200, expect);
        check(table, "PUT /limits", asked, 200, expect);
        shows(table, expect);
    }
    #[track_caller]
    fn shows(table: &mut Table<'_>, expect: &str) {
        let view = table.operate("GET", "").body;
        assert!(view.contains(&format!(r#""Limits":{expect},"Sessions":["#)), "{view}");
    }
    const MONEY: &str = "An amount is too large, or not a whole number of the currency's minor units.";
    const MINUTES: &str = "SessionMinutes must be a whole number of minutes, from one to a year's.";
    everywhere(|table, _| {
        shows(table, "{}");
        row(table, r#"{"Stake":5}"#, r#"{"Stake":5.00}"#);
        row(table, r#"{"Wager":{"Week":1e2}}"#, r#"{"Wager":{"Week":100.00}}"#);
        let all = r#"{"SessionMinutes":60,"Loss":{"Month":6,"Week":5,"Day":4},"Wager":{"Day":1,"Week":2,"Month":3},"Stake":0.5}"#;
        let shown = r#"{"Stake":0.50,"Wager":{"Day":1.00,"Week":2.00,"Month":3.00},"Loss":{"Day":4.00,"Week":5.00,"Month":6.00},"SessionMinutes":60}"#;
        row(table, all, shown);
        // What can't be taken changes nothing.
        for (body, sentence) in [
            ("", "The body is not a well-formed JSON object."),
            (r#"{"Stake":"5"}"#, "Stake must be a number, neither negative nor too long."),
            (r#"{"Stake":-5}"#, "Stake must be a number, neither negative nor too long."),
            (r#"{"Stake":0.001}"#, MONEY),
            (r#"{"Wager":{"Day":1e14}}"#, MONEY),
            (r#"{"Loss":{"Month":0.001}}"#, MONEY),
            (r#"{"Wager":5}"#, "Wager must be a JSON object."),
            (r#"{"SessionMinutes":0}"#, MINUTES),
            (r#"{"SessionMinutes":1.5}"#, MINUTES),
            (r#"{"SessionMinutes":527041}"#, MINUTES),
            (r#"{"Stake":1,"Stake":2}"#, "Stake is given twice."),
        ] {
            check_error(table, "PUT /limits", body, 400, sentence);
        }
        shows(table, shown);
        row(table, r#"{"Wager":{},"Loss":{"Day":null},"Stake":null}"#, "{}");
        row(table, "{}", "{}");
    });
}

/// Takes the times out: they have the form of times, and are not known before.
#[track_caller]
fn without_times(body: &str) -> String {
    const FORM: &str = "0000-00-00T00:00:00.000Z";
    let mut parts = body.split("At\":\"");
    let mut text = parts.next().expect("the beginning").to_owned();
    for part in parts {
        let (time, rest) = part.split_at(FORM.len());
        let form = time.chars().map(|c| if c.is_ascii_digit() { '0' } else { c });
        assert_eq!(form.collect::<String>(), FORM);
        text += &format!("At\":\"…{rest}");
    }
    text
}

/// A page of the statement has these lines.
#[track_caller]
fn check_statement(table: &mut Table<'_>, query: &str, lines: &[&str], more: bool) {
    let answer = table.operate(&format!("GET /transactions{query}"), "");
    let expect = format!(r#"{{"Transactions":[{}],"More":{more},"CompleteFrom":1}}"#, lines.join(","));
    assert_eq!((answer.status, without_times(&answer.body)), (200, expect), "{query}");
}

#[test]
fn statements() {
    everywhere(|table, player| {
        check_statement(table, "", &[], false);
        play_all_kinds(table, player);
        let lines = [
            r#"{"Number":1,"Type":"deposit","TransactionID":"1","Amount":10.00,"CurrencyCode":"GBP","BalanceAfter":1000010.00,"At":"…"}"#,
            r#"{"Number":2,"Type":"placebet","PlatformKey":"L100","GameRoundID":"r","GameID":"11588","TransactionID":"1","Amount":5.00,"CurrencyCode":"GBP","BalanceAfter":1000005.00,"At":"…","RolledBack":true}"#,
            r#"{"Number":3,"Type":"placebet","PlatformKey":"L100","GameRoundID":"s","GameID":"11588","TransactionID":"1","Amount":4.00,"CurrencyCode":"GBP","BalanceAfter":1000001.00,"At":"…"}"#,
            r#"{"Number":4,"Type":"awardwinnings","PlatformKey":"L100","GameRoundID":"r","GameID":"11588","TransactionID":"1","Amount":0.00,"CurrencyCode":"GBP","BalanceAfter":1000001.00,"At":"…"}"#,
            r#"{"Number":5,"Type":"rollbackbet","PlatformKey":"L100","GameRoundID":"r","GameID":"11588","TransactionID":"1","OriginalBetGameRoundTransactionID":"1","Amount":5.00,"CurrencyCode":"GBP","BalanceAfter":1000006.00,"At":"…"}"#,
            r#"{"Number":6,"Type":"rollbackbet","PlatformKey":"L100","GameRoundID":"r","GameID":"11588","TransactionID":"2","OriginalBetGameRoundTransactionID":"1","Amount":5.00,"CurrencyCode":"GBP","BalanceAfter":1000006.00,"At":"…","MovedNothing":true}"#,
            r#"{"Number":7,"Type":"voidbet","PlatformKey":"L100","GameRoundID":"s","GameID":"11588","TransactionID":"1","Amount":0.50,"CurrencyCode":"GBP","BalanceAfter":1000006.50,"At":"…"}"#,
            r#"{"Number":8,"Type":"credit","PlatformKey":"L100","TransactionID":"1","Amount":2.00,"CurrencyCode":"GBP","BalanceAfter":1000008.50,"At":"…"}"#,
            r#"{"Number":9,"Type":"withdrawal","TransactionID":"1","Amount":8.50,"CurrencyCode":"GBP","BalanceAfter":1000000.00,"At":"…"}"#,
        ];
        check_statement(table, "", &lines, false);
        check_statement(table, "?limit=9", &lines, false);
        check_statement(table, "?limit=8", &lines[..8], true);
        check_statement(table, "?limit=1", &lines[..1], true);
        check_statement(table, "?after=0&limit=1000", &lines, false);
        check_statement(table, "?after=8", &lines[8..], false);
        check_statement(table, "?after=9", &[], false);
        check_statement(table, "?after=18446744073709551615&limit=1", &[], false);
        check_statement(table, "?limit=2&after=3&unknown=x", &lines[3..5], true);
        // Page by page, each from where the one before it ended.
        for (at, page) in lines.chunks(2).enumerate() {
            check_statement(table, &format!("?limit=2&after={}", 2 * at), page, at < 4);
        }
        const AFTER: &str = "The query's after must be a whole number, from 0 to 18446744073709551615.";
        const LIMIT: &str = "The query's limit must be a whole number, from 1 to 1000.";
        for (query, sentence) in [
            ("after=x", AFTER),
            ("after=-1", AFTER),
            ("after=18446744073709551616", AFTER),
            ("after=", AFTER),
            ("limit=0", LIMIT),
            ("limit=1001", LIMIT),
            ("limit=1.0", LIMIT),
            ("limit=1&limit=1", "The query has limit twice."),
        ] {
            check_error(table, &format!("GET /transactions?{query}"), "", 400, sentence);
        }
    });
}

/// One line of each kind, and what makes no line: refusals, repeats, a cancelled bet, the end of a round.
fn play_all_kinds(table: &mut Table<'_>, player: &Player) {
    check_transfer(table, DEPOSIT, "1", "10.00", "1000010.00", 2);
    table.row(&player.bet("r", "1", "5.00"), 0, "1000005.00", 3);
    table.row(&player.bet("r", "1", "5.00"), 0, "1000005.00", 3);
    table.row(&player.bet("r", "2", "9000000.00"), -2, "1000005.00", 3);
    table.row(&player.bet("s", "1", "4.00"), 0, "1000001.00", 4);
    table.row(&player.win("r", "1", "0.00"), 0, "1000001.00", 4);
    table.row(&player.rollback("r", "1", "1", "5.00"), 0, "1000006.00", 5);
    table.row(&player.rollback("r", "2", "1", "5.00"), 0, "1000006.00", 5);
    table.row(&player.rollback("r", "3", "unknown", "5.00"), -8, "1000006.00", 5);
    table.row(&player.void("s", "1", "0.50"), 0, "1000006.50", 6);
    table.row(&player.credit("1", "2.00"), 0, "1000008.50", 7);
    check_transfer(table, WITHDRAWAL, "1", "8.50", "1000000.00", 8);
    check_transfer(table, DEPOSIT, "1", "10.00", "1000000.00", 8);
    table.row(&player.end("r"), 0, "1000000.00", 8);
}

/// More transactions than a page has, unless it is asked to.
#[test]
fn a_long_statement() {
    everywhere(|table, player| {
        let bets: String = (0..250).map(|at| player.bet("r", &format!("b{at}"), "0.01").request()).collect();
        table.client.send(bets);
        for _ in 0..250 {
            assert!(table.client.answer().body.starts_with(r#"{"ErrorCode":0,"#));
        }
        let mut row = |query: &str, lines: usize, more: bool| {
            let body = table.operate(&format!("GET /transactions{query}"), "").body;
            let ends = format!(r#"],"More":{more},"CompleteFrom":1}}"#);
            assert_eq!(
                (body.matches("\"Number\":").count(), body.ends_with(&ends)),
                (lines, true),
                "{query}"
            );
        };
        row("", 100, true);
        row("?after=100", 100, true);
        row("?after=150", 100, false);
        row("?after=200", 50, false);
        // A page ends before its lines would be too long, and says that there are more.
        row("?limit=1000", 166, true);
        row("?limit=166", 166, true);
        row("?limit=165", 165, true);
        row("?after=166&limit=1000", 84, false);
    });
}

/// What the account's view shows of play.
#[test]
fn the_account_while_it_plays() {
    everywhere(|table, player| {
        let alert = |data: &str| {
            format!(
                r#"{{"At":"…","Alert":{{"GatewaySessionToken":"{}","Source":"Gameflex","AlertActionID":"1","OperatorAlertActionReference":"2","OperatorAlertReference":"3","GamingRegulatorCode":"UKGC","Type":"RealityCheck","Method":"Popup","Data":"{data}"}}}}"#,
                player.key
            )
        };
        let view = |cash: &str, version: u64, status: &str, rounds: &[&str], alerts: &[String]| {
            let (Player { account, key, .. }, funds) = (player, funds("GBP", cash, version));
            let (open, count, alerts) = (rounds.join(","), rounds.len(), alerts.join(","));
            format!(
                r#"{{"OperatorAccountID":"{account}","CountryCode":"GB","Status":"{status}",{funds},"Limits":{{"Stake":9.00}},"Sessions":[{{"GatewaySessionToken":"{key}","StartedAt":"…","LastUsedAt":"…"}}],"OpenRounds":[{open}],"OpenRoundsCount":{count},"Alerts":[{alerts}]}}"#
            )
        };
        let shows = |table: &mut Table<'_>, expect: String| {
            assert_eq!(without_times(&table.operate("GET", "").body), expect);
        };
        table.limit(r#"{"Stake":9}"#);
        shows(table, view("1000000.00", 1, "active", &[], &[]));
        table.row(&player.bet("r\\u00e9", "b1", "5.00"), 0, "999995.00", 2);
        table.row(&player.win("w", "w1", "1.00"), 0, "999996.00", 3);
        table.row(&player.rollback("cancelled", "k", "b", "1.00"), -8, "999996.00", 3);
        let orphan = r#"{"GameRoundID":"w","PlatformKey":"L100","GameID":"11588","Staked":0.00,"Returned":0.00,"Orphan":true,"LastAt":"…"}"#;
        let round = |returned: &str| {
            format!(
                r#"{{"GameRoundID":"ré","PlatformKey":"L100","GameID":"11588","Staked":5.00,"Returned":{returned},"Orphan":false,"LastAt":"…"}}"#
            )
        };
        shows(table, view("999996.00", 3, "active", &[&round("0.00"), orphan], &[]));
        table.row(&player.void("r\u{e9}", "v", "1.50"), 0, "999997.50", 4);
        table.row(&player.alert("first"), 0, "999997.50", 4);
        shows(table, view("999997.50", 4, "active", &[&round("1.50"), orphan], &[alert("first")]));
        table.row(&player.end("r\u{e9}"), 0, "999997.50", 4);
        for at in 0..9 {
            table.row(&player.alert(&at.to_string()), 0, "999997.50", 4);
        }
        table.freeze();
        // The latest alerts, eight of them.
        let alerts: Vec<String> = (1..9).map(|at| alert(&at.to_string())).collect();
        shows(table, view("999997.50", 4, "frozen", &[orphan], &alerts));
    });
}

/// No operation takes a balance past 2^63-1 minor units (protocol §2).
#[test]
fn the_most_that_an_account_holds() {
    const MOST: &str = "92233720368547758.07";
    everywhere(|table, player| {
        table.row(&player.bet("r", "b1", "0.02"), 0, "999999.98", 2);
        // Of 10^15 minor units each: in one write, some rounds of them.
        let credits: String = (0..9_223).map(|at| player.credit(&at.to_string(), "1e13").request()).collect();
        let mut writer = table.client.writer();
        std::thread::scope(|threads| {
            threads
                .spawn(move || std::io::Write::write_all(&mut writer, credits.as_bytes()).expect("it reads"));
            for _ in 0..9_223 {
                let body = table.client.answer().body;
                assert!(body.starts_with(r#"{"ErrorCode":0,"#), "{body}");
            }
        });
        table.row(&player.credit("last", "3720367547758.10"), -7, "92230000000999999.98", 9_225);
        table.row(&player.credit("last", "3720367547758.09"), 0, MOST, 9_226);
        table.row(&player.credit("more", "0.01"), -7, MOST, 9_226);
        table.row(&player.win("r", "w", "0.01"), -7, MOST, 9_226);
        table.row(&player.rollback("r", "k", "b1", "0.02"), -7, MOST, 9_226);
        table.row(&player.void("r", "v", "0.01"), -7, MOST, 9_226);
        let sentence = "The account would hold more than an account can.";
        check_error(table, DEPOSIT, &transfer("more", "0.01"), 422, sentence);
        table.row(&player.win("r", "w", "0.00"), 0, MOST, 9_226);
        // None of the refusals is remembered.
        check_transfer(table, WITHDRAWAL, "1", "0.02", "92233720368547758.05", 9_227);
        table.row(&player.rollback("r", "k", "b1", "0.02"), 0, MOST, 9_228);
        table.row(&player.bet("r", "b2", "10000000000000.00"), 0, "92223720368547758.07", 9_229);
    });
}
