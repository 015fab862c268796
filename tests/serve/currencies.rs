//! Amounts in currencies with other minor units, and domains that are served to some platforms (protocol §1, §2).

use testkit::client::Client;
use testkit::home::Home;
use testkit::message::{basic, operator};

use crate::PURSER;
use crate::play::{Play, Player, Table};
use crate::protocol::{FILE, TOKEN};

/// Who of the file's platforms calls.
#[derive(Clone, Copy)]
enum Caller {
    /// Of the domains `gb` and `jp`.
    One,
    /// Of `kw` and `jp`.
    Two,
}

use Caller::{One, Two};

impl Caller {
    fn calls(self, play: Play) -> Play {
        match self {
            One => play.by("L100", &basic("one", "first")),
            Two => play.by("M2", &basic("two", "second:with a colon")),
        }
    }
}

/// A new account with one session, and this much in it.
fn put_player(operator_client: &mut Client, account: &str, currency: &'static str, cash: &str) -> Player {
    let player = Player::new(account, &format!("key of {account}"), currency);
    for (method, tail, body) in [
        ("PUT", "", r#"{"CountryCode":"GB"}"#.to_owned()),
        ("POST", "/sessions", format!(r#"{{"SessionKey":"{}"}}"#, player.key)),
        ("POST", "/deposits", format!(r#"{{"TransactionID":"1","Amount":{cash}}}"#)),
    ] {
        let path = format!("/operator/v1/accounts/{account}{tail}");
        let answer = operator_client.ask(&operator(method, &path, TOKEN, &body));
        assert!(matches!(answer.status, 200 | 201), "{method} {path}: {answer:?}");
    }
    player
}

/// Plays with 1 shard and with 2, from a connection at each, for accounts of every shard. They are in the domains
/// `gb`, `jp` and `kw`, and hold 10.00, 1000 and 10.000.
#[track_caller]
fn everywhere(play: impl Fn(&mut Table<'_>, [&Player; 3])) {
    for shards in [1, 2] {
        let server = Home::new(PURSER).configure_by(FILE).start(shards);
        let client_of_operator = &mut server.operator();
        for (shard, client) in server.clients().iter_mut().enumerate() {
            for number in 0..6 {
                let mut put = |domain: &str, currency, cash| {
                    put_player(client_of_operator, &format!("{domain}/p{shard}{number}"), currency, cash)
                };
                let players =
                    [put("gb", "GBP", "10.00"), put("jp", "JPY", "1000"), put("kw", "KWD", "10.000")];
                let operator = &mut *client_of_operator;
                let player = players[0].clone();
                let mut table = Table { client, operator, token: TOKEN, player, others: Vec::new() };
                play(&mut table, players.each_ref());
            }
        }
    }
}

/// The ways to write an amount: a whole number of minor units, exactly.
#[test]
fn amounts() {
    everywhere(|table, [gb, jp, kw]| {
        // Each is one pound, so each repeats the first.
        for written in ["1.00", "1", "1.0", "1.000000000000", "1e0", "1E+0", "10e-1", "0.01e2", "100e-2"] {
            table.row(&One.calls(gb.bet("r", "b", "1.00").set("Amount", written)), 0, "9.00", 2);
        }
        for written in ["1.01", "0.99", "2", "1e1", "0"] {
            table.row(&One.calls(gb.bet("r", "b", "1.00").set("Amount", written)), -7, "9.00", 2);
        }
        for written in ["1.001", "1.0000000001", "1e-3", "0.005", "\"1\"", "-1", "1e14", "0.1e-2"] {
            table.denied(&One.calls(gb.bet("r", "b2", "1.00").set("Amount", written)), -6);
        }
        table.row(&One.calls(gb.bet("r", "b2", "0.05").set("Amount", "5e-2")), 0, "8.95", 3);
        table.row(&One.calls(gb.win("r", "w", "100.00").set("Amount", "1e2")), 0, "108.95", 4);

        for written in ["100", "100.0", "100.000", "1e2", "1000e-1"] {
            table.row(&One.calls(jp.bet("r", "b", "100").set("Amount", written)), 0, "900", 2);
        }
        for written in ["0.5", "100.5", "1.01", "1e-1"] {
            table.denied(&One.calls(jp.bet("r", "b2", "1").set("Amount", written)), -6);
        }
        table.row(&One.calls(jp.rollback("r", "k", "b", "1e2")), 0, "1000", 3);

        for written in ["1.234", "1.2340", "1234e-3", "0.001234e3"] {
            table.row(&Two.calls(kw.bet("r", "b", "1.234").set("Amount", written)), 0, "8.766", 2);
        }
        for written in ["1.2345", "0.0001", "1e-4"] {
            table.denied(&Two.calls(kw.bet("r", "b2", "1.000").set("Amount", written)), -6);
        }
        table.row(&Two.calls(kw.win("r", "w", "0.004")), 0, "8.770", 3);
        table.row(&Two.calls(kw.void("r", "v", "1.230")), 0, "10.000", 4);
        table.row(&Two.calls(kw.credit("c", "0.001")), 0, "10.001", 5);
    });
}

/// A bet of the round that [`calls_of`] is about.
fn first_bet(player: &Player) -> Play {
    let one = match player.currency {
        "JPY" => "1",
        "KWD" => "1.000",
        _ => "1.00",
    };
    player.bet("r", "b", one)
}

/// Calls of a player that has the bet `b` of 1 in the round `r`.
fn calls_of(player: &Player) -> [Play; 6] {
    [
        player.bet("r", "b1", "1").goes_on(),
        player.win("r", "w1", "1"),
        player.rollback("r", "k1", "b", "1"),
        player.void("r", "v1", "1"),
        player.end("r"),
        player.credit("c1", "1"),
    ]
}

/// -9, and where it stands: behind the form of the amount, which is the named currency's.
#[test]
fn other_currencies() {
    everywhere(|table, [gb, jp, _]| {
        table.row(&One.calls(first_bet(gb)), 0, "9.00", 2);
        table.row(&One.calls(first_bet(jp)), 0, "999", 2);
        for (player, cash, own) in [(gb, "9.00", "GBP"), (jp, "999", "JPY")] {
            for play in calls_of(player) {
                let play = One.calls(play);
                let has_amount = play.path != "gameround/end";
                for code in ["GBP", "JPY", "KWD", "EUR", "XXX", "gbp", "GB", "P"] {
                    if code != own {
                        table.row(&play.clone().text("CurrencyCode", code), -9, cash, 2);
                    }
                }
                table.denied(&play.clone().text("CurrencyCode", "GBPX"), -6);
                table.denied(&play.clone().text("CurrencyCode", ""), -6);
                if has_amount {
                    table.denied(&play.clone().text("CurrencyCode", "JPY").set("Amount", "1.5"), -6);
                    table.row(&play.clone().text("CurrencyCode", "KWD").set("Amount", "1.005"), -9, cash, 2);
                    table.denied(&play.clone().text("CurrencyCode", "EUR").set("Amount", "1.005"), -6);
                }
            }
        }
    });
}

/// A platform sees the accounts of its domains alone, whatever it knows of the others.
#[test]
fn domains_that_are_not_served() {
    everywhere(|table, [gb, jp, kw]| {
        table.row(&One.calls(first_bet(gb)), 0, "9.00", 2);
        table.row(&Two.calls(first_bet(kw)), 0, "9.000", 2);
        for (caller, player) in [(Two, gb), (One, kw)] {
            let calls =
                [&calls_of(player)[..], &[first_bet(player), player.alert("x"), player.balance()]].concat();
            for play in calls {
                table.denied(&caller.calls(play.clone()), -5);
                table.denied(&caller.calls(play.clone()).text("OperatorAccountID", "us/p"), -5);
                table.denied(&caller.calls(play).text("OperatorAccountID", "gbp"), -5);
            }
        }
        // Known and served, but the account is not there: a bet's session is what is missing.
        for (at, play) in calls_of(jp).into_iter().enumerate() {
            let play = Two.calls(play).text("OperatorAccountID", "jp/nobody");
            table.denied(&play, if at == 0 { -3 } else { -5 });
        }
        table.row(&One.calls(gb.balance()), 0, "9.00", 2);
        table.row(&Two.calls(kw.balance()), 0, "9.000", 2);
    });
}

/// Both platforms are served `jp`: the account is one, and each platform's rounds and ids are its own.
#[test]
fn one_account_two_platforms() {
    everywhere(|table, [gb, jp, _]| {
        table.row(&One.calls(jp.bet("r", "b", "100")), 0, "900", 2);
        table.row(&Two.calls(jp.bet("r", "b", "100")), 0, "800", 3);
        table.row(&One.calls(jp.bet("r", "b", "100")), 0, "800", 3);
        table.row(&Two.calls(jp.rollback("r", "k", "b", "100")), 0, "900", 4);
        table.row(&Two.calls(jp.bet("r", "b", "100")), -7, "900", 4);
        table.row(&One.calls(jp.bet("r", "b", "100")), 0, "900", 4);
        table.row(&One.calls(jp.rollback("r", "k", "b", "100")), 0, "1000", 5);
        // A live key of a domain that the platform is not served is a foreign one too.
        let foreign = jp.win("r", "w", "1").text("GatewaySessionToken", &gb.key);
        table.denied(&Two.calls(foreign), -5);
        table.row(&Two.calls(jp.win("r", "w", "1").text("GatewaySessionToken", "nobody's")), 0, "1001", 6);
    });
}

#[test]
fn games_that_are_not_there() {
    everywhere(|table, [_, jp, _]| {
        table.row(&One.calls(first_bet(jp)), 0, "999", 2);
        for game in ["1", "115880", "g", "G\u{e9}"] {
            table.row(&One.calls(jp.bet("r", "b1", "1").goes_on()).text("GameID", game), -15, "999", 2);
            table.row(&One.calls(jp.balance()).text("GameID", game), -15, "999", 2);
        }
        table.row(&One.calls(jp.bet("r", "b2", "1")).text("GameID", "g\u{e9}"), 0, "998", 3);
        // What settles is taken of a game that is no longer there.
        table.row(&One.calls(jp.win("r", "w", "1")).text("GameID", r"g\u00e9"), 0, "999", 4);
        table.row(&One.calls(jp.win("r", "w1", "1")).text("GameID", "gone"), 0, "1000", 5);
        table.row(&One.calls(jp.void("r", "v1", "1")).text("GameID", "gone"), 0, "1001", 6);
        table.row(&One.calls(jp.rollback("r", "k", "b2", "1")).text("GameID", "gone"), 0, "1002", 7);
        table.row(&One.calls(jp.end("r")).text("GameID", "gone"), 0, "1002", 7);
    });
}
