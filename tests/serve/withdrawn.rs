//! A game that is withdrawn: what was begun in it is settled, and nothing more is begun (protocol §4).

use testkit::home::{Home, TOKEN};
use testkit::message::{ADMIN, basic};

use crate::PURSER;
use crate::play::{Play, Player, Table};

/// Offers these games. To the second platform a round belongs to its game.
fn file(games: &str) -> String {
    format!(
        r#"
operator_token = "{TOKEN}"
games = [{games}]

[[platform]]
key = "L100"
user = "admin"
password = "admin"
domains = ["gb"]

[[platform]]
key = "L200"
user = "second"
password = "p:w"
domains = ["gb"]
round_scope = "game"

[[domain]]
name = "gb"
currency = "GBP"
"#
    )
}

/// Plays with each account, by the platform that is its own.
#[track_caller]
fn with_all(home: &Home, shards: usize, play: impl Fn(&mut Table<'_>, &Player, &dyn Fn(Play) -> Play)) {
    let process = home.start(shards);
    let (client, operator) = (&mut process.client(), &mut process.operator());
    for (key, credentials) in [("L100", ADMIN.to_owned()), ("L200", basic("second", "p:w"))] {
        // Of every shard.
        for number in 0..4 {
            let player = Player::new(&format!("gb/{key}-{number}"), &format!("{key}-{number}"), "GBP");
            let mut table =
                Table { client, operator, token: TOKEN, player: player.clone(), others: Vec::new() };
            play(&mut table, &player, &|play| play.by(key, &credentials));
        }
    }
    assert_eq!(process.stop(), "");
}

#[test]
fn a_withdrawn_game_is_settled() {
    for shards in [1, 2] {
        let mut home = Home::new(PURSER);
        home.configure_by(file(r#""11588", "g2""#));
        with_all(&home, shards, |table, ann, by| {
            table.is_done("PUT ", r#"{"CountryCode":"GB"}"#);
            table.is_done("POST /sessions", &format!(r#"{{"SessionKey":"{}"}}"#, ann.key));
            table.is_done("POST /deposits", r#"{"TransactionID":"1","Amount":100.00}"#);
            let in_g2 = |play: Play| by(play.text("GameID", "g2"));
            table.row(&in_g2(ann.bet("r", "a", "1.00")), 0, "99.00", 2);
            table.row(&in_g2(ann.bet("r", "b", "1.00")), 0, "98.00", 3);
            table.row(&in_g2(ann.bet("r", "c", "1.00")), 0, "97.00", 4);
        });
        home.configure_by(file(r#""11588""#));
        with_all(&home, shards, |table, ann, by| {
            let in_g2 = |play: Play| by(play.text("GameID", "g2"));
            table.row(&in_g2(ann.balance()), -15, "97.00", 4);
            table.row(&in_g2(ann.bet("r", "d", "1.00").goes_on()), -15, "97.00", 4);
            table.row(&in_g2(ann.bet("new", "d", "1.00")), -15, "97.00", 4);
            // A bet that is known is known.
            table.row(&in_g2(ann.bet("r", "a", "1.00")), 0, "97.00", 4);
            table.row(&in_g2(ann.win("r", "w", "1.00")), 0, "98.00", 5);
            table.row(&in_g2(ann.rollback("r", "k", "a", "1.00")), 0, "99.00", 6);
            table.row(&in_g2(ann.void("r", "v", "1.00")), 0, "100.00", 7);
            table.row(&in_g2(ann.rollback("r", "l", "late", "1.00")), -8, "100.00", 7);
            table.row(&in_g2(ann.bet("r", "late", "1.00").goes_on()), -7, "100.00", 7);
            table.row(&in_g2(ann.end("r")), 0, "100.00", 7);
            // Winnings of a round whose bets are not there open one, as ever.
            table.row(&in_g2(ann.win("lost", "w", "1.00")), 0, "101.00", 8);
            table.row(&in_g2(ann.bet("lost", "d", "1.00").goes_on()), -15, "101.00", 8);
            table.row(&by(ann.bet("another", "d", "1.00")), 0, "100.00", 9);
        });
        // Offered again, its rounds are where they were.
        home.configure_by(file(r#""11588", "g2""#));
        with_all(&home, shards, |table, ann, by| {
            let in_g2 = |play: Play| by(play.text("GameID", "g2"));
            table.row(&in_g2(ann.bet("r", "d", "1.00")), -7, "100.00", 9);
            table.row(&in_g2(ann.bet("lost", "d", "1.00").goes_on()), 0, "99.00", 10);
        });
    }
}
