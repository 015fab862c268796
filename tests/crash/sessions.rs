//! Sessions and their keys after a crash.

use testkit::home::{Home, Server};
use testkit::message::{create_token, redeem_token, wrapped};

use crate::PURSER;

const ACCOUNTS: [&str; 6] =
    ["default/anna", "default/bert", "default/cleo", "default/dora", "default/emil", "default/fred"];

fn log_in(process: &Server, account: &str, key: &str, status: u16) -> String {
    process.operate(&format!("POST {account}/sessions"), &format!(r#"{{"SessionKey":"{key}"}}"#), status)
}

#[track_caller]
fn check_redeems(process: &Server, account: &str, key: &str) {
    process.check(
        &redeem_token(&wrapped(key, 0)),
        &format!(
            r#"{{"ErrorCode":0,"Result":{{"OperatorAccountID":"{account}","CurrencyCode":"GBP","CountryCode":"GB","GatewaySessionToken":"{key}"}}}}"#
        ),
    );
}

/// A session is used by `redeemtoken` alone, which is journaled late, and the server killed at once.
#[test]
fn a_session_that_was_just_redeemed_is_live_after_a_crash() {
    for shards in [1, 2, 3] {
        let home = Home::new(PURSER);
        let process = home.start(shards);
        for account in ACCOUNTS {
            process.operate(&format!("PUT {account}"), r#"{"CountryCode":"GB"}"#, 201);
            log_in(&process, account, &format!("key-{account}"), 201);
        }
        let redeem = |process: &Server, account: &str| {
            let made = process.client().ask(&create_token(account)).body;
            let token = made.split('"').rev().nth(1).expect("a token").to_owned();
            let redeemed = process.client().ask(&redeem_token(&token)).body;
            assert!(redeemed.contains(&format!(r#""GatewaySessionToken":"key-{account}""#)), "{redeemed}");
            process
                .client()
                .ask(&create_token(account))
                .body
                .split('"')
                .rev()
                .nth(1)
                .expect("a token")
                .to_owned()
        };
        let tokens = ACCOUNTS.map(|account| redeem(&process, account));
        process.kill();
        let process = home.start(shards);
        for (account, token) in ACCOUNTS.iter().zip(tokens) {
            // A single-use token is forgotten, its session is not.
            process.check(&redeem_token(&token), r#"{"ErrorCode":-3}"#);
            redeem(&process, account);
        }
        assert_eq!(process.stop(), "");
    }
}

/// The directory of keys is made anew at a start.
#[test]
fn keys_have_their_holders_after_a_crash() {
    let mut home = Home::new(PURSER);
    home.wrap_tokens();
    let taken = r#"{"Error":"The session key belongs to another account."}"#;
    let mut process = home.start(2);
    for (number, account) in ACCOUNTS.iter().enumerate() {
        process.operate(&format!("PUT {account}"), r#"{"CountryCode":"GB"}"#, 201);
        for key in ["kept", "left"] {
            log_in(&process, account, &format!("{key}-{number}"), 201);
        }
        process.operate(&format!("DELETE {account}/sessions/left-{number}"), "", 200);
    }
    for shards in [2, 1, 3, 2] {
        process.kill();
        process = home.start(shards);
        for (number, account) in ACCOUNTS.iter().enumerate() {
            let other = ACCOUNTS[(number + 1) % ACCOUNTS.len()];
            let (kept, left) = (format!("kept-{number}"), format!("left-{number}"));
            check_redeems(&process, account, &kept);
            assert_eq!(log_in(&process, other, &kept, 409), taken);
            process.check(&redeem_token(&wrapped(&left, 0)), r#"{"ErrorCode":-3}"#);
            // What was logged out is free, for anybody, and again after that.
            log_in(&process, other, &left, 201);
            assert_eq!(log_in(&process, account, &left, 409), taken);
            check_redeems(&process, other, &left);
            process.operate(&format!("DELETE {other}/sessions/{left}"), "", 200);
        }
    }
    assert_eq!(process.stop(), "");
}
