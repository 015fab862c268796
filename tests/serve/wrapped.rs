//! Tokens that platforms make themselves: session key, `-`, time (protocol §3, `wrapped`).
//!
//! A key and its account lie at two shards as often as not, so redeeming goes from one to the other and back.

use testkit::client::Client;
use testkit::message::{DEMO_TOKEN, create_token, operator, redeem_token, redeemed, wrapped};

use crate::demo;
use crate::protocol::accounts_of_all_shards;

#[track_caller]
fn check(client: &mut Client, token: &str, expect: &str) {
    assert_eq!(client.ask(&redeem_token(token)).body, expect, "{token}");
}

const REFUSED_3: &str = r#"{"ErrorCode":-3}"#;

#[test]
fn any_token_of_a_good_time_redeems() {
    for shards in [1, 2] {
        let server = demo().wrap_tokens().start(shards);
        for client in &mut server.clients() {
            for (account, key) in accounts_of_all_shards() {
                let redeemed = redeemed(&account, &key);
                let now = wrapped(&key, 0);
                // Not single-use.
                check(client, &now, &redeemed);
                check(client, &now, &redeemed);
                let life_ms = limits::TOKEN_LIFE_MS as i64;
                check(client, &wrapped(&key, -life_ms / 2), &redeemed);
                check(client, &wrapped(&key, -life_ms - 1_000), REFUSED_3);
                check(client, &wrapped(&key, limits::TOKEN_AHEAD_MS as i64), &redeemed);
                check(client, &wrapped(&key, life_ms), REFUSED_3);
                let (_, digits) = now.rsplit_once('-').expect("the time's digits");
                check(client, &format!("{key}-{}", digits.to_uppercase()), REFUSED_3);
                check(client, &key, REFUSED_3);
                check(client, &format!("{key}-"), REFUSED_3);
                check(client, &wrapped(&format!("{key}0"), 0), REFUSED_3);
            }
        }
    }
}

#[test]
fn createtoken_makes_it_of_the_newest_session() {
    for shards in [1, 2] {
        let server = demo().wrap_tokens().start(shards);
        let mut operators = server.operator();
        let mut clients = server.clients();
        let sessions = |account: &str| format!("/operator/v1/accounts/{account}/sessions");
        for (number, (account, demo_key)) in accounts_of_all_shards().into_iter().enumerate() {
            let own_key = format!("own-\u{e9}\"{number}");
            let mut keys = vec![demo_key];
            for newest in [None, Some(own_key)] {
                if let Some(key) = newest {
                    let written = key.replace('"', "\\\"");
                    let body = format!(r#"{{"SessionKey":"{written}"}}"#);
                    let opened = operators.ask(&operator("POST", &sessions(&account), DEMO_TOKEN, &body));
                    assert_eq!(opened.body, format!(r#"{{"GatewaySessionToken":"{written}"}}"#));
                    keys.push(written);
                }
                let key = keys.last().expect("there is one");
                for client in &mut clients {
                    let made = client.ask(&create_token(&account)).body;
                    let start = format!(r#"{{"ErrorCode":0,"Result":{{"SessionToken":"{key}-"#);
                    let time = made.strip_prefix(&start).and_then(|rest| rest.strip_suffix(r#""}}"#));
                    let time = time.unwrap_or_else(|| panic!("{made}"));
                    check(client, &format!("{key}-{time}"), &redeemed(&account, key));
                }
            }
        }
    }
}
