//! Promotional payments, alerts, deposits and withdrawals (protocol §4, §6).

use super::settings::{CurrencyChanged, DomainSettings};
use super::*;

pub(super) fn credit<'a>(account: &'a str, id: &'a str, minor: i64, currency: &str) -> Operation<&'a str> {
    Operation::Credit(operation::Credit {
        platform: platform(PLATFORM),
        account: AccountRef::new(account),
        transaction: id,
        kind: "1",
        currency: Currency::from_code(currency),
        amount: Amount::from_minor(minor).unwrap(),
    })
}

fn done(reference: &str, minor: i64, version: u64) -> Outcome<&str> {
    Outcome::Done { reference, staked: None, balance: funds("GBP", minor, version) }
}

fn refused_at<'a>(code: ErrorCode, minor: i64, version: u64) -> Outcome<&'a str> {
    Outcome::Refused { code, why: Why(""), balance: Some(funds("GBP", minor, version)) }
}

#[test]
fn credits() {
    let mut story = Story::new(TokenPolicy::SingleUse);
    story.check(&credit(ADMIN, "a", 100, "GBP"), &done("a", 1_100, 2));
    story.check(&credit(ADMIN, "a", 100, "GBP"), &done("a", 1_100, 2));
    story.check(&credit(ADMIN, "a", 101, "GBP"), &refused_at(ErrorCode::NotCompleted, 1_100, 2));
    story.check(&credit(ADMIN, "a", 100, "EUR"), &refused_at(ErrorCode::NotCompleted, 1_100, 2));
    story.check(&credit(ADMIN, "b", 100, "EUR"), &refused_at(ErrorCode::CurrencyMismatch, 1_100, 2));
    story.check(&credit(ADMIN, "b", 0, "XXX"), &refused_at(ErrorCode::CurrencyMismatch, 1_100, 2));
    story.check(&credit("default/nobody", "b", 1, "GBP"), &refusal(ErrorCode::AccountNotFound));
    story.check(&credit(YEN, "b", 1, "JPY"), &refusal(ErrorCode::AccountNotFound));
    story.check(&credit(ADMIN, "most", i64::MAX, "GBP"), &refused_at(ErrorCode::NotCompleted, 1_100, 2));
    // Taken even where the account is frozen.
    story.check(&status(ADMIN, AccountStatus::Frozen), &Outcome::StatusSet(AccountStatus::Frozen));
    story.check(&credit(ADMIN, "c", 0, "GBP"), &done("c", 1_100, 2));
    story.check(&credit(ADMIN, "d", 1, "GBP"), &done("d", 1_101, 3));
    // Known for the retention, and whether a sweep has come by or not.
    story.later(limits::RETENTION_MS - 1);
    story.check(&credit(ADMIN, "d", 1, "GBP"), &done("d", 1_101, 3));
    story.later(1);
    story.check(&credit(ADMIN, "d", 1, "GBP"), &done("d", 1_102, 4));
    sweep(&mut story);
    story.check(&credit(ADMIN, "d", 1, "GBP"), &done("d", 1_102, 4));
}

#[test]
fn deposits_and_withdrawals() {
    let mut story = Story::new(TokenPolicy::SingleUse);
    let transferred = |minor, version| Outcome::Transferred(funds("GBP", minor, version));
    let refused = Outcome::OperatorRefused;
    let deposit = |id, amount| transfer(ADMIN, Direction::In, id, amount);
    let withdraw = |id, amount| transfer(ADMIN, Direction::Out, id, amount);
    story.check(&deposit("a", "2.50"), &transferred(1_250, 2));
    story.check(&deposit("a", "2.5"), &transferred(1_250, 2));
    story.check(&deposit("a", "2.51"), &refused(OperatorRefusal::TransactionConflict));
    story.check(&withdraw("a", "2.50"), &transferred(1_000, 3));
    story.check(&withdraw("a", "2.50"), &transferred(1_000, 3));
    story.check(&withdraw("b", "10.01"), &refused(OperatorRefusal::InsufficientFunds));
    story.check(&withdraw("b", "10"), &transferred(0, 4));
    story.check(&withdraw("c", "0.01"), &refused(OperatorRefusal::InsufficientFunds));
    story.check(&deposit("c", "0.001"), &refused(OperatorRefusal::NotMoney));
    story.check(&deposit("c", "1e14"), &refused(OperatorRefusal::NotMoney));
    story.check(&transfer(YEN, Direction::In, "c", "0.5"), &refused(OperatorRefusal::NotMoney));
    let nobody = transfer("default/nobody", Direction::In, "c", "1");
    story.check(&nobody, &refused(OperatorRefusal::NoAccount));
    // A promotional payment of the same id is another transaction.
    story.check(&credit(ADMIN, "a", 1, "GBP"), &done("a", 1, 5));
    let most = credit(ADMIN, "most", i64::MAX - 1, "GBP");
    story.check(&most, &done("most", i64::MAX, 6));
    story.check(&deposit("d", "0.01"), &refused(OperatorRefusal::TooMuch));
    story.check(&status(ADMIN, AccountStatus::Frozen), &Outcome::StatusSet(AccountStatus::Frozen));
    story.check(&withdraw("d", "0.01"), &transferred(i64::MAX - 1, 7));
    let operation = Operation::GetStatement(operation::GetStatement {
        account: AccountRef::new(ADMIN),
        after: 0,
        limit: 1_000,
    });
    let Outcome::Statement(statement) = story.outcome(&operation) else { panic!("no statement") };
    let lines: Vec<_> =
        statement.lines.iter().map(|line| (line.number, &*line.transaction, &line.round)).collect();
    let expect = [(1, "opening"), (2, "a"), (3, "a"), (4, "b"), (5, "a"), (6, "most"), (7, "d")];
    assert_eq!(lines, expect.map(|(number, id)| (number, id, &None)));
    story.later(limits::RETENTION_MS);
    story.check(&withdraw("d", "0.01"), &transferred(i64::MAX - 2, 8));
}

#[test]
fn the_books_are_even() {
    let mut story = Story::new(TokenPolicy::SingleUse);
    story.check(&credit(ADMIN, "a", 100, "GBP"), &done("a", 1_100, 2));
    let totals: Vec<_> = story.wallet.totals().map(|(domain, _, minor)| (domain.to_owned(), minor)).collect();
    assert_eq!(totals, [("default".to_owned(), 1_100), ("nippon".to_owned(), 1_000)]);
}

#[test]
fn alerts() {
    let mut story = Story::new(TokenPolicy::SingleUse);
    let alert = |account: &'static str, details: &'static str| {
        Operation::Alert(operation::Alert {
            platform: platform(PLATFORM),
            account: AccountRef::new(account),
            details,
        })
    };
    story.check(&alert("default/nobody", "{}"), &refusal(ErrorCode::AccountNotFound));
    story.check(&status(ADMIN, AccountStatus::Frozen), &Outcome::StatusSet(AccountStatus::Frozen));
    for number in 0..=limits::ALERTS_SHOWN_MAX {
        let details = if number == 0 { r#"{"Type":"first"}"# } else { r#"{"Type":"later"}"# };
        story.check(&alert(ADMIN, details), &Outcome::Noted(funds("GBP", 1_000, 1)));
        story.later(1);
    }
    let operation = Operation::GetAccount(operation::GetAccount { account: AccountRef::new(ADMIN) });
    let Outcome::Account(view) = story.outcome(&operation) else { panic!("no account") };
    assert_eq!(view.alerts.len(), limits::ALERTS_SHOWN_MAX);
    assert!(view.alerts.iter().all(|alert| alert.details == r#"{"Type":"later"}"#), "the oldest made way");
    assert_eq!(view.alerts[0].at_ms, START_MS + 1);
}

#[test]
fn a_domain_keeps_its_currency() {
    let mut story = Story::new(TokenPolicy::SingleUse);
    let gbp = Currency::from_code("GBP").unwrap();
    let settings = |domains: &[(&str, &str)]| Settings {
        domains: domains
            .iter()
            .map(|(name, code)| DomainSettings {
                name: CompactString::from(*name),
                currency: Currency::from_code(code).unwrap(),
                calendar: None,
            })
            .collect(),
        ..Settings::default()
    };
    let before = story.wallet.settings().clone();
    assert_eq!(
        story.wallet.configure(START_MS, &settings(&[("default", "GBP")])),
        Ok(false),
        "none is forgotten"
    );
    assert_eq!(*story.wallet.settings(), before);
    let changed = story.wallet.configure(START_MS, &settings(&[("new", "EUR"), ("default", "EUR")]));
    let is = Currency::from_code("EUR").unwrap();
    assert_eq!(changed, Err(CurrencyChanged { domain: "default".into(), was: gbp, is }));
    assert_eq!(*story.wallet.settings(), before);
    assert_eq!(story.wallet.configure(START_MS, &settings(&[("new", "EUR")])), Ok(true));
    assert_eq!(story.wallet.settings().domains.len(), 3);
}

#[test]
fn a_transfer_may_name_its_currency() {
    let mut story = Story::new(TokenPolicy::SingleUse);
    let named = |currency: Option<&str>| {
        let Operation::Transfer(asked) = transfer(ADMIN, Direction::In, "named", "1") else { unreachable!() };
        Operation::Transfer(operation::Transfer { currency: currency.and_then(Currency::from_code), ..asked })
    };
    story.check(&named(Some("JPY")), &Outcome::OperatorRefused(OperatorRefusal::WrongCurrency));
    story.check(&named(Some("GBP")), &Outcome::Transferred(funds("GBP", 1_100, 2)));
    story.check(&named(None), &Outcome::Transferred(funds("GBP", 1_100, 2)));
}

/// The configuration has the domain of `ADMIN` no more.
#[test]
fn a_domain_that_is_gone_keeps_its_accounts_and_takes_no_further_ones() {
    let mut story = Story::new(TokenPolicy::SingleUse);
    let domain = Domain::new("nippon".into(), Currency::from_code("JPY").unwrap(), [platform(STRANGER)]);
    story.wallet.open(Arc::new(Catalog::new(vec![domain], [GAME.to_owned()])));
    story.check(&put(ADMIN), &Outcome::AccountPut { created: false });
    story.check(&put("default/new"), &Outcome::OperatorRefused(OperatorRefusal::NoDomain));
    story.check(&put("nippon/new"), &Outcome::AccountPut { created: true });
}
