//! What a start refuses, and what may change between two starts.

use testkit::home::{Home, Server};
use testkit::message::{self, balance, call};

use crate::{DEMO_ACCOUNTS, PURSER};

/// A refusal is one sentence that says this.
#[track_caller]
fn check_refusal(home: &Home, says: &[&str]) {
    let sentence = home.refusal(2);
    assert!(sentence.starts_with("purser: ") && sentence.lines().count() == 1, "{sentence}");
    for part in says {
        assert!(sentence.contains(part), "{part:?} in {sentence}");
    }
}

#[test]
fn a_second_server_is_refused() {
    let home = Home::new(PURSER);
    let process = home.start(2);
    let holder = format!("process {} uses it", process.id());
    check_refusal(&home, &["can't use the data directory", &holder]);
    // It has not hurt the first one.
    process.operate("PUT default/anna", r#"{"CountryCode":"GB"}"#, 201);
    assert_eq!(process.stop(), "");
    let process = home.start(2);
    process.operate("GET default/anna", "", 200);
    process.kill();
    home.start(2).operate("GET default/anna", "", 200);
}

#[test]
fn demo_data_and_others_are_kept_apart() {
    let mut home = Home::demo(PURSER, DEMO_ACCOUNTS);
    home.start(2).kill();
    home.configure(&[("default", "GBP")], "");
    check_refusal(&home, &["holds demo data, and other data are to be served", "--data"]);
    home.serve_demo(DEMO_ACCOUNTS);
    home.start(1).kill();

    let mut home = Home::new(PURSER);
    home.start(2).kill();
    home.serve_demo(DEMO_ACCOUNTS);
    check_refusal(&home, &["holds other data, and demo data are to be served", "--data"]);
    home.configure(&[("default", "GBP")], "");
    home.start(1).kill();
}

const SHORT_IDLE: &str = "\n[timeouts]\nsession_idle_ms = 1\n";
const SHORT_RETENTION: &str = "\n[rounds]\nretention_ms = 1\n";

/// An account with 10.00, a session, and a round that is over.
#[track_caller]
fn play(process: &Server, account: &str) {
    process.operate(&format!("PUT {account}"), r#"{"CountryCode":"GB"}"#, 201);
    log_in(process, account);
    process.operate(&format!("POST {account}/deposits"), r#"{"TransactionID":"d","Amount":11.00}"#, 200);
    assert!(process.client().ask(&bet(account, 1)).body.starts_with(r#"{"ErrorCode":0,"#));
}

#[track_caller]
fn log_in(process: &Server, account: &str) {
    let body = format!(r#"{{"SessionKey":"key of {account}"}}"#);
    process.operate(&format!("POST {account}/sessions"), &body, 201);
}

fn bet(account: &str, round: u32) -> String {
    message::bet(account, &format!("key of {account}"), &format!("r{round}"), "1.00", true)
}

fn end(account: &str, round: u32) -> String {
    message::play("end", account, &format!("r{round}"), "")
}

/// A call is answered with this code.
#[track_caller]
fn check_code(process: &Server, call: &str, code: i32) {
    let answer = process.client().ask(call).body;
    assert!(answer.starts_with(&format!("{{\"ErrorCode\":{code},")), "{code}: {answer}");
}

#[test]
fn settings_change_between_starts() {
    let accounts = ["default/anna", "default/bert", "default/cleo", "default/dora"];
    let told = r#"{"ErrorCode":0,"Balance":{"CurrencyCode":"GBP","CashFunds":9.00,"BonusFunds":0.00,"FundsPriority":"Unknown","Version":3}}"#;
    for shards in [1, 2] {
        let mut home = Home::new(PURSER);
        let default = [("default", "GBP")];
        let process = home.start(shards);
        for account in accounts {
            play(&process, account);
            check_code(&process, &end(account, 1), 0);
        }
        process.kill();
        home.configure(&default, SHORT_IDLE);
        let process = home.start(shards);
        for account in accounts {
            check_code(&process, &end(account, 1), 0);
            check_code(&process, &bet(account, 2), -3);
        }
        process.kill();
        home.configure(&default, SHORT_RETENTION);
        let process = home.start(shards);
        for account in accounts {
            check_code(&process, &end(account, 1), -14);
            // A session that was over stays over.
            process.check(&bet(account, 3), r#"{"ErrorCode":-3}"#);
            log_in(&process, account);
            check_code(&process, &bet(account, 3), 0);
            process.check(&balance(account), told);
        }
        process.kill();
        // What was done under each of them is recovered under it.
        home.configure(&default, "");
        let process = home.start(shards);
        for account in accounts {
            process.check(&balance(account), told);
            check_code(&process, &bet(account, 4), 0);
            check_code(&process, &end(account, 4), 0);
        }
        assert_eq!(process.stop(), "");
    }
}

#[test]
fn domains_come_and_go() {
    for shards in [1, 2] {
        let mut home = Home::new(PURSER);
        let only = [("default", "GBP")];
        let both = [("tokyo", "JPY"), ("default", "GBP")];
        let yen = r#"{"ErrorCode":0,"Balance":{"CurrencyCode":"JPY","CashFunds":700,"BonusFunds":0,"FundsPriority":"Unknown","Version":1}}"#;
        let process = home.start(shards);
        play(&process, "default/anna");
        process.operate("PUT tokyo/aki", r#"{"CountryCode":"JP"}"#, 404);
        process.kill();

        home.configure(&both, "");
        let process = home.start(shards);
        process.operate("PUT tokyo/aki", r#"{"CountryCode":"JP"}"#, 201);
        process.operate("POST tokyo/aki/deposits", r#"{"TransactionID":"d","Amount":700}"#, 200);
        process.check(&balance("tokyo/aki"), yen);
        check_code(&process, &bet("default/anna", 2), 0);
        process.kill();

        home.configure(&only, "");
        let process = home.start(shards);
        process.check(&balance("tokyo/aki"), r#"{"ErrorCode":-5}"#);
        check_code(&process, &bet("default/anna", 3), 0);
        process.kill();

        // Nor was it forgotten while it was not served.
        for (domains, domain, was, is) in [
            ([("tokyo", "GBP"), ("default", "GBP")], "tokyo", "JPY", "GBP"),
            ([("tokyo", "JPY"), ("default", "EUR")], "default", "GBP", "EUR"),
        ] {
            home.configure(&domains, "");
            check_refusal(&home, &[domain, was, is, "a domain keeps its currency"]);
        }

        home.configure(&both, "");
        let process = home.start(3 - shards);
        process.check(&balance("tokyo/aki"), yen);
        let pay = r#""OperatorAccountID":"tokyo/aki","AccountTransactionID":"c","AccountTransactionTypeID":"805","CurrencyCode":"JPY","Amount":1"#;
        let paid = process.client().ask(&call("accounttransaction/credit", pay)).body;
        assert!(paid.contains(r#""CashFunds":701,"#), "{paid}");
        check_code(&process, &bet("default/anna", 4), 0);
        assert_eq!(process.stop(), "");
    }
}
