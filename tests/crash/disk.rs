//! A disk that is nearly full, full, or fails.

use std::fs;
use std::io::Write as _;

use crate::files::{names, shorten_segments};
use crate::message::{balance, create_token, get, redeem_token};
use crate::operation::Operation;
use crate::process::{Home, Process};

const ACCOUNTS: [&str; 4] = ["default/anna", "default/bert", "default/cleo", "default/dora"];

/// An account with 10.00 and a session.
#[track_caller]
fn create(process: &Process, account: &str) {
    process.operate(&format!("PUT {account}"), r#"{"CountryCode":"GB"}"#, 201);
    process.operate(
        &format!("POST {account}/sessions"),
        &format!(r#"{{"SessionKey":"key of {account}"}}"#),
        201,
    );
    process.operate(&format!("POST {account}/deposits"), r#"{"TransactionID":"d","Amount":10.00}"#, 200);
}

fn told(pounds: u32, version: u32) -> String {
    format!(
        r#"{{"ErrorCode":0,"Balance":{{"CurrencyCode":"GBP","CashFunds":{pounds}.00,"BonusFunds":0.00,"FundsPriority":"Unknown","Version":{version}}}}}"#
    )
}

/// Every call of a platform that would change something.
fn writes(account: &str) -> Vec<String> {
    let key = format!("key of {account}");
    let writes = [
        Operation::Bet { round: 1, id: 1, minor: 100, key, starts: true, ends: false },
        Operation::Win { round: 2, id: 2, minor: 100, ends: true },
        Operation::Rollback { round: 3, id: 3, bet: 4, minor: 100 },
        Operation::Void { round: 4, id: 5, minor: 100 },
        Operation::End { round: 5 },
        Operation::Credit { id: 6, minor: 100 },
    ];
    writes.iter().map(|write| write.request(account)).collect()
}

#[track_caller]
fn check_read_only(process: &Process, account: &str) {
    for write in writes(account) {
        process.check(&write, r#"{"ErrorCode":-1}"#);
    }
    for (asked, body) in [
        (format!("PUT {account}"), r#"{"CountryCode":"SE"}"#),
        ("PUT default/somebody".into(), r#"{"CountryCode":"SE"}"#),
        (format!("POST {account}/deposits"), r#"{"TransactionID":"e","Amount":1.00}"#),
        (format!("POST {account}/withdrawals"), r#"{"TransactionID":"e","Amount":1.00}"#),
        (format!("PUT {account}/status"), r#"{"Status":"frozen"}"#),
        (format!("PUT {account}/limits"), r#"{"Stake":1.00}"#),
        (format!("POST {account}/sessions"), r#"{"SessionKey":"another"}"#),
        (format!("DELETE {account}/sessions/key%20of%20{}", account.replace('/', "%2F")), ""),
    ] {
        process.operate(&asked, body, 503);
    }
    process.check(&balance(account), &told(10, 1));
    process.operate(&format!("GET {account}"), "", 200);
    let made = process.client().ask(&create_token(account)).body;
    let token = made.split('"').rev().nth(1).expect("a token");
    let redeemed = process.client().ask(&redeem_token(token)).body;
    assert!(redeemed.contains(&format!(r#""GatewaySessionToken":"key of {account}""#)), "{redeemed}");
}

#[test]
fn nothing_is_changed_where_the_disk_is_nearly_full() {
    for shards in [1, 2] {
        let mut home = Home::new();
        let process = home.start(shards);
        ACCOUNTS.iter().for_each(|account| create(&process, account));
        let views = || ACCOUNTS.map(|account| process.operate(&format!("GET {account}"), "", 200));
        let before = views();
        process.kill();

        home.configure(&[("default", "GBP")], "\n[storage]\nreserve_mib = 1000000000\n");
        let process = home.start(shards);
        let ready = process.operator().ask(&get("/readyz"));
        let reason = r#"{"Error":"The disk is nearly full: balances are told, and nothing is changed."}"#;
        assert_eq!((ready.status, ready.body.as_str()), (503, reason));
        assert_eq!(process.operator().ask(&get("/healthz")).status, 200);
        assert!(process.notes.contains("less than 1000000000 MiB are free"), "{}", process.notes);
        ACCOUNTS.iter().for_each(|account| check_read_only(&process, account));
        assert_eq!(process.stop(), "");

        home.configure(&[("default", "GBP")], "");
        let process = home.start(shards);
        assert_eq!(process.operator().ask(&get("/readyz")).status, 200);
        for (account, before) in ACCOUNTS.iter().zip(before) {
            // The session was used meanwhile, and nothing else.
            let now = process.operate(&format!("GET {account}"), "", 200);
            let used = |view: &str| {
                view.split_once(r#""LastUsedAt":""#)
                    .map(|(before, rest)| format!("{before}{}", &rest["2021-06-07T11:16:16.216Z".len()..]))
            };
            assert_eq!(used(&now), used(&before));
            assert!(process.client().ask(&writes(account)[0]).body.starts_with(r#"{"ErrorCode":0,"#));
            process.check(&balance(account), &told(9, 2));
        }
        process.operate("GET default/somebody", "", 404);
        assert_eq!(process.stop(), "");
    }
}

/// A write that fails ends the process: what of it is on the disk is not known, and nobody is told that it was done.
#[test]
fn a_write_that_fails_ends_the_process() {
    for shards in [1, 2] {
        for account in ACCOUNTS {
            let home = Home::new();
            let mut process = home.start(shards);
            create(&process, account);
            process.limit_files(Some(0));
            let mut client = process.client();
            let pay = Operation::Credit { id: 1, minor: 100 }.request(account);
            client.writer().write_all(pay.as_bytes()).expect("the server reads");
            assert!(client.read_answer(true).is_err(), "what is not durable was told");
            let code = process.wait().code();
            let words = process.last_words();
            assert_eq!(code, Some(74), "{words}");
            let [sentence] = words.lines().collect::<Vec<_>>()[..] else { panic!("{words}") };
            assert!(sentence.starts_with("purser: shard ") && sentence.contains(".journal"), "{sentence}");

            let process = home.start(shards);
            process.check(&balance(account), &told(10, 1));
            assert!(process.client().ask(&pay).body.starts_with(r#"{"ErrorCode":0,"#));
            process.check(&balance(account), &told(11, 2));
            assert_eq!(process.stop(), "");
        }
    }
}

/// A disk without room for a segment is told of at the start.
#[test]
fn a_start_needs_room_for_a_segment() {
    let mut home = Home::new();
    home.limit_files(Some(1024));
    for shards in [1, 2] {
        let sentence = home.refusal(shards);
        assert!(sentence.contains("segment-00000001.journal"), "{sentence}");
    }
    // What it has begun is no hindrance.
    home.limit_files(None);
    let process = home.start(2);
    create(&process, "default/anna");
    assert_eq!(process.stop(), "");
}

/// Where the next segment can't be made, what does not fit in the one in use waits, and nothing that was let in is lost.
/// Once the server knows of it nothing more is let in, until there is room again.
#[test]
fn changes_wait_for_the_next_segment() {
    const DEPOSITS: u32 = 400;
    let mut home = Home::new();
    let process = home.start(1);
    ACCOUNTS.iter().for_each(|account| create(&process, account));
    process.kill();
    shorten_segments(&home.data());
    let segment = |name: &String| name.ends_with("segment-00000002.journal");
    for name in names(&home.data()).iter().filter(|name| segment(name)) {
        fs::remove_file(name).expect("it is there");
    }
    home.limit_files(Some(1024));
    let process = home.start(1);
    let mut client = process.client();
    for id in 1..=DEPOSITS {
        let pay = Operation::Credit { id, minor: 100 }.request(ACCOUNTS[0]);
        client.writer().write_all(pay.as_bytes()).expect("the server reads");
    }
    process.check(&balance(ACCOUNTS[1]), &told(10, 1));
    assert!(!names(&home.data()).iter().any(segment), "there is no room for it");
    process.limit_files(None);
    let (mut funds, mut refused) = (10, Vec::new());
    for id in 1..=DEPOSITS {
        let answer = client.read_answer(true).expect("it goes on").body;
        if answer == r#"{"ErrorCode":-1}"# {
            refused.push(id);
            continue;
        }
        funds += 1;
        assert!(answer.contains(&format!(r#""CashFunds":{funds}.00,"#)), "{id}: {answer}");
    }
    for id in refused {
        let pay = Operation::Credit { id, minor: 100 }.request(ACCOUNTS[0]);
        // The server looks at its disk once a second; a million questions take far longer than that.
        let taken = (0..1_000_000).any(|_| client.ask(&pay).body.starts_with(r#"{"ErrorCode":0,"#));
        assert!(taken, "{id}: there is room again");
    }
    assert!(names(&home.data()).iter().any(segment));
    process.kill();
    home.limit_files(None);
    home.start(2).check(&balance(ACCOUNTS[0]), &told(10 + DEPOSITS, 1 + DEPOSITS));
}
