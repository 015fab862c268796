//! What the operator is shown, byte for byte.

use compact_str::CompactString;

use super::answers::{balance, check};
use super::*;
use wallet::account::{AccountStatus, Date, Gender, Profile};
use wallet::amount::Amount;
use wallet::currency::Currency;
use wallet::operation::PlayKind;
use wallet::outcome::{
    AccountView, AlertView, LineKind, Outcome, RoundView, SessionView, Statement, StatementLine,
};
use wallet::restriction::{ByPeriod, Restrictions};

fn minor(minor_units: i64) -> Amount {
    Amount::from_minor(minor_units).unwrap()
}

fn plain_account() -> AccountView {
    AccountView {
        id: "default/admin".into(),
        profile: Profile::of(*b"GB"),
        status: AccountStatus::Active,
        balance: balance("GBP", 100_000_000, 1),
        limits: Restrictions::none(),
        sessions: Vec::new(),
        open_rounds: Vec::new(),
        open_rounds_count: 0,
        alerts: Vec::new(),
    }
}

#[track_caller]
fn check_account(account: AccountView, expect: &str) {
    check(Call::GetAccount, Outcome::Account(Box::new(account)), Status::Ok, expect);
}

#[test]
fn accounts() {
    check_account(
        plain_account(),
        concat!(
            r#"{"OperatorAccountID":"default/admin","CountryCode":"GB","Status":"active","Balance":{"CurrencyCode":"GBP","#,
            r#""CashFunds":1000000.00,"BonusFunds":0.00,"FundsPriority":"Unknown","Version":1},"Limits":{},"Sessions":[],"#,
            r#""OpenRounds":[],"OpenRoundsCount":0,"Alerts":[]}"#,
        ),
    );
    check_account(
        AccountView {
            id: "default/\"".into(),
            profile: Profile {
                gender: Some(Gender::Female),
                born: Date::new(1965, 5, 16),
                user_name: Some(CompactString::from("u")),
                display_name: Some(CompactString::from("d")),
                city: Some(CompactString::from("c")),
                ..Profile::of(*b"GB")
            },
            status: AccountStatus::Frozen,
            balance: balance("JPY", 7, 2),
            limits: Restrictions { stake: Some(minor(100)), ..Restrictions::none() },
            sessions: vec![
                SessionView { key: "k1".into(), started_ms: 0, used_ms: 1_623_064_576_216 },
                SessionView { key: "k\n".into(), started_ms: 951_782_400_000, used_ms: 951_868_800_000 },
            ],
            open_rounds: vec![
                RoundView {
                    platform: PlatformKey::new("L100").unwrap(),
                    id: "r\"1".into(),
                    game: Some("g\"".into()),
                    staked: minor(5),
                    returned: minor(0),
                    orphan: false,
                    last_ms: 0,
                },
                RoundView {
                    platform: PlatformKey::NONE,
                    id: "r2".into(),
                    game: None,
                    staked: minor(0),
                    returned: minor(3),
                    orphan: true,
                    last_ms: 1,
                },
            ],
            open_rounds_count: 102,
            alerts: vec![
                AlertView { at_ms: 0, details: r#"{"Source":"Gameflex","Data":"\"x"}"#.into() },
                AlertView { at_ms: 1, details: "{}".into() },
            ],
        },
        concat!(
            r#"{"OperatorAccountID":"default/\"","CountryCode":"GB","UserName":"u","DisplayName":"d","City":"c","#,
            r#""DateOfBirth":"1965-05-16T00:00:00","Gender":"F","Status":"frozen","Balance":{"CurrencyCode":"JPY","#,
            r#""CashFunds":7,"BonusFunds":0,"FundsPriority":"Unknown","Version":2},"Limits":{"Stake":100},"Sessions":["#,
            r#"{"GatewaySessionToken":"k1","StartedAt":"1970-01-01T00:00:00.000Z","LastUsedAt":"2021-06-07T11:16:16.216Z"},"#,
            r#"{"GatewaySessionToken":"k\n","StartedAt":"2000-02-29T00:00:00.000Z","LastUsedAt":"2000-03-01T00:00:00.000Z"}],"#,
            r#""OpenRounds":[{"GameRoundID":"r\"1","PlatformKey":"L100","GameID":"g\"","Staked":5,"Returned":0,"Orphan":false,"LastAt":"1970-01-01T00:00:00.000Z"},"#,
            r#"{"GameRoundID":"r2","Staked":0,"Returned":3,"Orphan":true,"LastAt":"1970-01-01T00:00:00.001Z"}],"#,
            r#""OpenRoundsCount":102,"Alerts":[{"At":"1970-01-01T00:00:00.000Z","Alert":{"Source":"Gameflex","Data":"\"x"}},"#,
            r#"{"At":"1970-01-01T00:00:00.001Z","Alert":{}}]}"#,
        ),
    );
}

#[track_caller]
fn check_limits(code: &str, limits: Restrictions<Amount>, expect: &str) {
    let currency = Currency::from_code(code).unwrap();
    let outcome = Outcome::LimitsSet { limits: Box::new(limits), currency };
    check(Call::SetLimits, outcome, Status::Ok, expect);
    // The account shows the same.
    let account = AccountView { limits, balance: balance(code, 0, 0), ..plain_account() };
    let mut body = Vec::new();
    super::super::encode(
        Call::GetAccount,
        &Outcome::<&str>::Account(Box::new(account)),
        |text| text,
        false,
        &mut body,
    );
    let shown = format!("\"Limits\":{expect},\"Sessions\":");
    assert!(str::from_utf8(&body).unwrap().contains(&shown), "{expect}");
}

#[test]
fn limits() {
    let none = Restrictions::none();
    check_limits("GBP", none, "{}");
    check_limits("GBP", Restrictions { stake: Some(minor(150)), ..none }, r#"{"Stake":1.50}"#);
    check_limits("GBP", Restrictions { stake: Some(minor(0)), ..none }, r#"{"Stake":0.00}"#);
    check_limits("GBP", Restrictions { session_minutes: Some(60), ..none }, r#"{"SessionMinutes":60}"#);
    let week = ByPeriod { week: Some(minor(1)), ..ByPeriod::none() };
    check_limits("KWD", Restrictions { wager: week, ..none }, r#"{"Wager":{"Week":0.001}}"#);
    check_limits("JPY", Restrictions { loss: week, ..none }, r#"{"Loss":{"Week":1}}"#);
    let all = |first| ByPeriod {
        day: Some(minor(first)),
        week: Some(minor(first + 1)),
        month: Some(minor(first + 2)),
    };
    check_limits(
        "GBP",
        Restrictions { stake: Some(minor(1)), wager: all(2), loss: all(5), session_minutes: Some(527_040) },
        r#"{"Stake":0.01,"Wager":{"Day":0.02,"Week":0.03,"Month":0.04},"Loss":{"Day":0.05,"Week":0.06,"Month":0.07},"SessionMinutes":527040}"#,
    );
}

#[test]
fn transfers() {
    for call in [Call::Deposit, Call::Withdraw] {
        check(
            call,
            Outcome::Transferred(balance("GBP", 1_000, 17)),
            Status::Ok,
            r#"{"Balance":{"CurrencyCode":"GBP","CashFunds":10.00,"BonusFunds":0.00,"FundsPriority":"Unknown","Version":17}}"#,
        );
    }
}

fn line(number: u64, kind: LineKind) -> StatementLine {
    StatementLine {
        number,
        kind,
        platform: PlatformKey::NONE,
        round: None,
        game: None,
        transaction: "t".into(),
        original: None,
        amount: minor(100),
        moved_nothing: false,
        rolled_back: false,
        balance_after: minor(900),
        at_ms: 0,
    }
}

#[track_caller]
fn check_statement(lines: Vec<StatementLine>, more: bool, expect: &str) {
    let currency = Currency::from_code("GBP").unwrap();
    let statement = Statement { currency, lines, more, complete_from: 7 };
    check(Call::GetStatement, Outcome::Statement(Box::new(statement)), Status::Ok, expect);
}

/// No line is longer than it is counted with.
#[test]
fn a_line_takes_no_more_than_it_is_counted_with() {
    let currency = Currency::from_code("KWD").unwrap();
    let bytes = |lines: Vec<StatementLine>| {
        let statement = Statement { currency, lines, more: false, complete_from: 7 };
        let mut body = Vec::new();
        super::super::encode(
            Call::GetStatement,
            &Outcome::<&str>::Statement(Box::new(statement)),
            |text| text,
            false,
            &mut body,
        );
        body.len()
    };
    let none = bytes(Vec::new());
    for text in ["", "t", "\u{1}", "\"", "\\", "\n", "\u{10ffff}", "\u{7f}"] {
        let text = CompactString::from(text.repeat(50));
        let longest = StatementLine {
            number: u64::MAX,
            platform: PlatformKey::new("\u{1}\u{1}\u{1}\u{1}").unwrap_or(PlatformKey::NONE),
            round: Some(text.clone()),
            game: Some(text.clone()),
            transaction: text.clone(),
            original: Some(text),
            amount: minor(i64::MAX),
            moved_nothing: true,
            rolled_back: true,
            balance_after: minor(i64::MAX),
            at_ms: 253_402_300_799_999,
            ..line(1, LineKind::Play(PlayKind::Win))
        };
        let (is, most) = (bytes(vec![longest.clone(); 2]) - none, 2 * longest.json_bytes_max());
        assert!(is <= most, "{is} of {most}");
    }
}

#[test]
fn statements() {
    check_statement(Vec::new(), false, r#"{"Transactions":[],"More":false,"CompleteFrom":7}"#);
    let bet = LineKind::Play(PlayKind::Bet);
    check_statement(
        vec![
            StatementLine {
                round: Some("r\"".into()),
                platform: PlatformKey::at_place(1),
                rolled_back: true,
                ..line(1, bet)
            },
            StatementLine {
                round: Some("r".into()),
                platform: second_platform(),
                game: Some("g\\".into()),
                original: Some("o\"".into()),
                moved_nothing: true,
                at_ms: 1_623_064_576_216,
                ..line(u64::MAX, LineKind::Play(PlayKind::Rollback))
            },
        ],
        true,
        concat!(
            r##"{"Transactions":[{"Number":1,"Type":"placebet","PlatformKey":"#2","GameRoundID":"r\"","TransactionID":"t","Amount":1.00,"##,
            r#""CurrencyCode":"GBP","BalanceAfter":9.00,"At":"1970-01-01T00:00:00.000Z","RolledBack":true},"#,
            r#"{"Number":18446744073709551615,"Type":"rollbackbet","PlatformKey":"M2é","GameRoundID":"r","GameID":"g\\","#,
            r#""TransactionID":"t","OriginalBetGameRoundTransactionID":"o\"","Amount":1.00,"#,
            r#""CurrencyCode":"GBP","BalanceAfter":9.00,"At":"2021-06-07T11:16:16.216Z","MovedNothing":true}],"More":true,"CompleteFrom":7}"#,
        ),
    );
    for (kind, name) in [
        (bet, "placebet"),
        (LineKind::Play(PlayKind::Win), "awardwinnings"),
        (LineKind::Play(PlayKind::Rollback), "rollbackbet"),
        (LineKind::Play(PlayKind::Void), "voidbet"),
        (LineKind::Credit, "credit"),
        (LineKind::Deposit, "deposit"),
        (LineKind::Withdrawal, "withdrawal"),
    ] {
        let expect = format!(
            r#"{{"Transactions":[{{"Number":7,"Type":"{name}","TransactionID":"t","Amount":1.00,"CurrencyCode":"GBP","BalanceAfter":9.00,"At":"1970-01-01T00:00:00.000Z"}}],"More":false,"CompleteFrom":7}}"#
        );
        check_statement(vec![line(7, kind)], false, &expect);
    }
}
