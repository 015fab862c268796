//! `balance`, `createtoken` and `redeemtoken` (protocol §1 to §3, §7).

use partition::Partition;
use testkit::client::Client;
use testkit::home::{Home, Server};
use testkit::message::{
    self, ADMIN, DEMO_BALANCE, balance, basic, body, call, create_token, post, redeem_token, redeemed,
};
use wallet::account::{AccountRef, KeyHash};

use crate::{PURSER, demo};

/// A platform's call is answered with HTTP 200 and exactly this body.
#[track_caller]
fn check(client: &mut Client, request: &str, expect: &str) {
    let answer = client.ask(request);
    assert_eq!((answer.status, answer.body.as_str()), (200, expect), "{request}");
    assert_eq!(answer.field("Content-Type"), Some("application/json"));
    assert_eq!(answer.field("Connection"), None);
}

/// Asks for a token, which looks as it should.
#[track_caller]
fn token(client: &mut Client, request: &str) -> String {
    let answer = client.ask(request);
    let inside = answer.body.strip_prefix(r#"{"ErrorCode":0,"Result":{"SessionToken":""#);
    let token = inside.and_then(|rest| rest.strip_suffix(r#""}}"#));
    let token = token.unwrap_or_else(|| panic!("{request}: {}", answer.body)).to_owned();
    assert!(!token.is_empty() && token.len() <= 50 && !token.contains('"'), "{token}");
    token
}

/// Demo accounts and their keys such that, among two shards, each has each: accounts with keys of their own
/// shard and of the other.
pub(crate) fn accounts_of_all_shards() -> Vec<(String, String)> {
    let partition = Partition::new(2);
    let mut found = vec![("default/admin".into(), "20fbd3b9-eef2-49cd-9976-50f0d34e7f7c".into())];
    let mut places = Vec::new();
    for number in 1..=40 {
        let (account, key) = (format!("default/player-{number:06}"), format!("demo-{number:06}"));
        let at = partition.owner(AccountRef::new(account.as_str()).hash().slot());
        let place = (at.index(), partition.owner(KeyHash::of(&key).slot()).index());
        if !places.contains(&place) {
            places.push(place);
            found.push((account, key));
        }
    }
    places.sort_unstable();
    assert_eq!(places, [(0, 0), (0, 1), (1, 0), (1, 1)]);
    found
}

const REFUSED_3: &str = r#"{"ErrorCode":-3}"#;
const REFUSED_5: &str = r#"{"ErrorCode":-5}"#;
const REFUSED_6: &str = r#"{"ErrorCode":-6}"#;

/// The three calls for every account, from a connection of every shard.
#[test]
fn the_three_calls() {
    for shards in [1, 2] {
        let server = demo().start(shards);
        for client in &mut server.clients() {
            for (account, key) in accounts_of_all_shards() {
                check(client, &balance(&account), DEMO_BALANCE);
                let first = token(client, &create_token(&account));
                let second = token(client, &create_token(&account));
                assert_ne!(first, second);
                assert!(!first.contains(&key) && !key.contains(&first));
                for token in [second, first] {
                    check(client, &redeem_token(&token), &redeemed(&account, &key));
                    check(client, &redeem_token(&token), REFUSED_3);
                }
            }
        }
    }
}

/// A token goes wherever it is redeemed, not only where it was made.
#[test]
fn tokens_are_redeemed_on_another_connection() {
    let server = demo().start(2);
    let mut clients = server.clients();
    for (account, key) in accounts_of_all_shards() {
        for (mint, redeem) in [(0, 1), (1, 0)] {
            let token = token(&mut clients[mint], &create_token(&account));
            check(&mut clients[redeem], &redeem_token(&token), &redeemed(&account, &key));
            check(&mut clients[mint], &redeem_token(&token), REFUSED_3);
        }
    }
}

/// A demo account whose balance is told with a refusal.
const REFUSED_15: &str = r#"{"ErrorCode":-15,"Balance":{"CurrencyCode":"GBP","CashFunds":1000000.00,"BonusFunds":0.00,"FundsPriority":"Unknown","Version":1}}"#;

#[test]
fn refusals() {
    for shards in [1, 2] {
        let server = demo().start(shards);
        for client in &mut server.clients() {
            for (account, _) in accounts_of_all_shards() {
                let id = format!(r#""OperatorAccountID":"{account}""#);
                check(client, &call("balance", &format!(r#"{id},"GameID":"11588""#)), DEMO_BALANCE);
                check(client, &call("balance", &format!(r#"{id},"GameID":"1""#)), REFUSED_15);
                check(client, &call("session/createtoken", &format!(r#"{id},"GameID":"1""#)), REFUSED_15);
                check(client, &call("session/createtoken", &id), REFUSED_6);
            }
            for account in ["default/nobody", "default/player-000201", "elsewhere/admin", "admin", "default/"]
            {
                check(client, &balance(account), REFUSED_5);
                check(client, &create_token(account), REFUSED_5);
            }
            for token in ["x", "demo-000001", &"A".repeat(24), &"E".repeat(24), &"\u{e9}".repeat(50)] {
                check(client, &redeem_token(token), REFUSED_3);
            }
            check(client, &redeem_token(""), REFUSED_6);
            check(client, &redeem_token(&"x".repeat(118)), REFUSED_6);
            check(client, &balance(""), REFUSED_6);
            check(client, &balance(&"a".repeat(51)), REFUSED_6);
        }
    }
}

/// The order of checks up to the body (protocol §1): who calls, what is said, whose key it is.
#[test]
fn credentials_and_bodies() {
    let server = demo().start(1);
    let client = &mut server.client();
    let good = r#""OperatorAccountID":"default/admin""#;
    let mut row = |fields: &str, body: &str, expect: &str| {
        check(client, &post("/v1.0/balance", fields, body), expect);
    };
    row(ADMIN, &body("L100", good), DEMO_BALANCE);
    row("", &body("L100", good), REFUSED_6);
    row(&basic("admin", "wrong"), &body("L100", good), REFUSED_6);
    row(&basic("admin", ""), &body("L100", good), REFUSED_6);
    row("Authorization: Bearer demo\r\n", &body("L100", good), REFUSED_6);
    row(ADMIN, &body("L101", good), REFUSED_6);
    row(ADMIN, &body("L100", ""), REFUSED_6);
    row(ADMIN, "", REFUSED_6);
    row(ADMIN, "[]", REFUSED_6);
    row(ADMIN, "{", REFUSED_6);
    row(ADMIN, &(body("L100", good) + "x"), REFUSED_6);
    row(ADMIN, &(body("L100", good) + " \r\n"), DEMO_BALANCE);
    row(ADMIN, &body("L100", &format!("{good},{good}")), REFUSED_6);
    row(ADMIN, &body("L100", r#""OperatorAccountID":7"#), REFUSED_6);
    row(ADMIN, &body("L100", r#""OperatorAccountID":null"#), REFUSED_6);
    row(ADMIN, &body("L100", &format!(r#"{good},"New":{{"a":[1,2,{{}}]}}"#)), DEMO_BALANCE);
    row(ADMIN, &body("L100", &format!(r#"{good},"New":{}{}"#, "[".repeat(65), "]".repeat(65))), REFUSED_6);
    row(ADMIN, &body("L100", good).replace("2021-06-07T", "2021-06-31T"), REFUSED_6);
    row(ADMIN, &body("L100", r#""OperatorAccountID":"default\/\u0061dmin""#), DEMO_BALANCE);
    row(&format!("{ADMIN}Content-Type: text/plain\r\nX-New: 1\r\n"), &body("L100", good), DEMO_BALANCE);
}

/// Two platforms, three domains with different currencies, two games.
pub(crate) const FILE: &str = r#"
operator_token = "operators-token"
games = ["11588", "g\u00e9"]

[[platform]]
key = "L100"
user = "one"
password = "first"
domains = ["gb", "jp"]

[[platform]]
key = "M2"
user = "two"
password = "second:with a colon"
domains = ["kw", "jp"]

[[domain]]
name = "gb"
currency = "GBP"

[[domain]]
name = "jp"
currency = "JPY"

[[domain]]
name = "kw"
currency = "KWD"
"#;

pub(crate) const TOKEN: &str = "operators-token";

struct Platform {
    key: &'static str,
    fields: String,
}

impl Platform {
    fn call(&self, path: &str, members: &str) -> String {
        post(&format!("/v1.0/{path}"), &self.fields, &body(self.key, members))
    }

    fn balance(&self, account: &str) -> String {
        self.call("balance", &format!(r#""OperatorAccountID":"{account}""#))
    }

    fn create_token(&self, account: &str, game: &str) -> String {
        let members = format!(r#""OperatorAccountID":"{account}","GameID":"{game}""#);
        self.call("session/createtoken", &members)
    }

    fn redeem_token(&self, token: &str) -> String {
        self.call("session/redeemtoken", &format!(r#""SessionToken":"{token}","IPAddress":"2001:db8::1""#))
    }
}

fn configured(shards: usize) -> (Server, Platform, Platform) {
    let server = Home::new(PURSER).configure_by(FILE).start(shards);
    let platform = |key, fields| Platform { key, fields };
    let one = platform("L100", basic("one", "first"));
    (server, one, platform("M2", basic("two", "second:with a colon")))
}

fn empty_balance(currency: &str, zero: &str) -> String {
    format!(
        r#""Balance":{{"CurrencyCode":"{currency}","CashFunds":{zero},"BonusFunds":{zero},"FundsPriority":"Unknown","Version":0}}}}"#
    )
}

#[test]
fn platforms_see_their_domains_in_their_currencies() {
    for shards in [1, 2] {
        let (server, one, two) = configured(shards);
        let domains = [("gb", "GBP", "0.00"), ("jp", "JPY", "0"), ("kw", "KWD", "0.000")];
        for number in 0..8 {
            for (domain, ..) in domains {
                server.put_account(&format!("{domain}/p{number}"));
            }
        }
        for client in &mut server.clients() {
            for number in 0..8 {
                for (domain, currency, zero) in domains {
                    let account = format!("{domain}/p{number}");
                    let funds = empty_balance(currency, zero);
                    let zero = format!(r#"{{"ErrorCode":0,{funds}"#);
                    let served = |yes: bool| if yes { zero.as_str() } else { REFUSED_5 };
                    check(client, &one.balance(&account), served(domain != "kw"));
                    check(client, &two.balance(&account), served(domain != "gb"));
                    // No session is open.
                    check(client, &one.create_token(&account, "11588"), REFUSED_5);
                }
            }
            check(client, &one.balance("jp/nobody"), REFUSED_5);
            check(client, &one.balance("us/p1"), REFUSED_5);
            // Each platform's credentials go with its own key alone.
            let mixed = Platform { key: "M2", fields: one.fields.clone() };
            check(client, &mixed.balance("jp/p1"), REFUSED_6);
            let game = |game| format!(r#""OperatorAccountID":"jp/p1","GameID":"{game}""#);
            let known = format!(r#"{{"ErrorCode":0,{}"#, empty_balance("JPY", "0"));
            check(client, &two.call("balance", &game("g\u{e9}")), &known);
            let unknown = format!(r#"{{"ErrorCode":-15,{}"#, empty_balance("JPY", "0"));
            check(client, &two.call("balance", &game("g")), &unknown);
        }
    }
}

#[test]
fn tokens_are_for_the_platforms_that_a_domain_is_served_to() {
    for shards in [1, 2] {
        let (server, one, two) = configured(shards);
        let mut operator = server.operator();
        let mut clients = server.clients();
        for number in 0..8 {
            let account = format!("gb/p{number}");
            server.put_account(&account);
            let path = format!("/operator/v1/accounts/{account}/sessions");
            let key = format!(r#"{{"SessionKey":"key {number}"}}"#);
            assert_eq!(operator.ask(&message::operator("POST", &path, TOKEN, &key)).status, 201);
            for client in &mut clients {
                let token = token(client, &one.create_token(&account, "11588"));
                check(client, &two.redeem_token(&token), REFUSED_3);
                check(client, &two.create_token(&account, "11588"), REFUSED_5);
                // The other platform has not used it up.
                check(client, &one.redeem_token(&token), &redeemed(&account, &format!("key {number}")));
            }
        }
    }
}
