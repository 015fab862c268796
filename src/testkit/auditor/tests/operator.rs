//! Rows of protocol §6.

use super::*;
use wallet::outcome::{AccountView, LineKind, RoundView, SessionView, Statement, StatementLine};
use wallet::restriction::Restrictions;

#[test]
fn accounts() {
    let mut story = Story::new();
    story.refused_to_operator(put("nowhere/x"), OperatorRefusal::NoDomain);
    story.refused_to_operator(put("default"), OperatorRefusal::NoDomain);
    story.check(put(ANNA), Outcome::AccountPut { created: false });
    for request in [
        get(BERT),
        Operation::SetStatus(operation::SetStatus { account: at(BERT), status: AccountStatus::Active }),
        Operation::SetLimits(operation::SetLimits {
            account: at(BERT),
            limits: Box::new(Restrictions::none()),
        }),
        Operation::GetStatement(operation::GetStatement { account: at(BERT), after: 0, limit: 1 }),
        transfer(BERT, Direction::In, "t", "1"),
    ] {
        story.refused_to_operator(request, OperatorRefusal::NoAccount);
    }
}

#[test]
fn deposits_and_withdrawals() {
    let mut story = Story::new();
    let (into, out) = (Direction::In, Direction::Out);
    let in_euros = |request: Request| match request {
        Operation::Transfer(operation::Transfer { account, direction, transaction, amount, .. }) => {
            Operation::Transfer(operation::Transfer {
                account,
                direction,
                transaction,
                amount,
                currency: Some(currency("EUR")),
            })
        }
        other => other,
    };
    story.refused_to_operator(in_euros(transfer(ANNA, into, "t", "1")), OperatorRefusal::WrongCurrency);
    story.refused_to_operator(transfer(ANNA, into, "t", "0.001"), OperatorRefusal::NotMoney);
    story.refused_to_operator(transfer(ANNA, into, "t", "1e14"), OperatorRefusal::NotMoney);
    story.refused_to_operator(transfer(ANNA, out, "t", "100.01"), OperatorRefusal::InsufficientFunds);
    story.moved(150);
    let right = Outcome::Transferred(story.balance());
    story.check(transfer(ANNA, into, "t", "1.5"), right.clone());
    story.check(transfer(ANNA, into, "t", "1.50"), right);
    story.refused_to_operator(transfer(ANNA, into, "t", "1.51"), OperatorRefusal::TransactionConflict);
    // A withdrawal's id is its own.
    story.moved(-200);
    let right = Outcome::Transferred(story.balance());
    story.check(transfer(ANNA, out, "t", "2"), right.clone());
    story.check(transfer(ANNA, out, "zero", "0"), right);
    story.later(RETENTION_MS);
    story.moved(151);
    let right = Outcome::Transferred(story.balance());
    story.check(transfer(ANNA, into, "t", "1.51"), right);
}

#[test]
fn nothing_goes_past_the_most_that_an_account_holds() {
    let mut story = Story::new();
    let most = 1_000_000_000_000_000;
    while story.cash <= i64::MAX - most {
        story.moved(most);
        let transferred = Outcome::Transferred(story.balance());
        let id = format!("t{}", story.version);
        story.accept(transfer(ANNA, Direction::In, &id, "1e13"), transferred);
    }
    story.refused_to_operator(transfer(ANNA, Direction::In, "t", "1e13"), OperatorRefusal::TooMuch);
    story.refused(credit("c", most), ErrorCode::NotCompleted);
    story.refused(win("r", "w", most), ErrorCode::NotCompleted);
}

fn view(story: &Story) -> AccountView {
    AccountView {
        id: ANNA.into(),
        profile: Profile::of(*b"GB"),
        status: AccountStatus::Active,
        balance: story.balance(),
        limits: Restrictions::none(),
        sessions: vec![SessionView { key: KEY.into(), started_ms: START_MS, used_ms: START_MS }],
        open_rounds: Vec::new(),
        open_rounds_count: 0,
        alerts: Vec::new(),
    }
}

#[test]
fn an_account_as_it_is_shown() {
    let mut story = Story::new();
    let right = view(&story);
    story.check(get(ANNA), Outcome::Account(Box::new(right)));
    story.later(1_000);
    story.done(first_bet("r", "b", 100), -100);
    story.done(void("r", "v", 30), 30);
    story.done(Play { ends_round: true, ..win("s", "w", 5) }, 5);
    story.done(win("t", "w", 5), 5);
    let mut right = view(&story);
    right.sessions[0].used_ms = story.now_ms;
    let round = |id: &str, staked, returned, orphan| RoundView {
        platform: platform(0),
        id: id.into(),
        game: Some(GAMES[0].into()),
        staked: pence(staked),
        returned: pence(returned),
        orphan,
        last_ms: START_MS + 1_000,
    };
    right.open_rounds = vec![round("r", 100, 30, false), round("t", 0, 0, true)];
    right.open_rounds_count = 2;
    let mut wrong = right.clone();
    wrong.open_rounds.reverse();
    let told = Outcome::Account(Box::new(wrong));
    assert!(story.clone().auditor.check(story.now_ms, &get(ANNA), &told).is_err());
    story.check(get(ANNA), Outcome::Account(Box::new(right)));
}

#[test]
fn statements() {
    let mut story = Story::new();
    story.done(first_bet("r", "b", 100), -100);
    story.done(rollback("r", "x", "b", 100), 100);
    story.done(rollback("r", "y", "b", 100), 0);
    // What was refused is not in it.
    story.refused(rollback("r", "z", "c", 1), ErrorCode::TransactionNotFound);
    let line = |number, kind, round: Option<&str>, id: &str, amount, balance_after| StatementLine {
        number,
        kind,
        platform: if round.is_some() { by(ANNA) } else { PlatformKey::NONE },
        round: round.map(CompactString::from),
        game: round.map(|_| GAMES[0].into()),
        transaction: id.into(),
        original: matches!(id, "x" | "y").then(|| "b".into()),
        amount: pence(amount),
        moved_nothing: id == "y",
        rolled_back: id == "b",
        balance_after: pence(balance_after),
        at_ms: START_MS,
    };
    let played = |number, kind, id, balance_after| {
        line(number, LineKind::Play(kind), Some("r"), id, 100, balance_after)
    };
    let lines = [
        line(1, LineKind::Deposit, None, "opening", OPENING, OPENING),
        played(2, PlayKind::Bet, "b", OPENING - 100),
        played(3, PlayKind::Rollback, "x", OPENING),
        played(4, PlayKind::Rollback, "y", OPENING),
    ];
    for (after, limit, shown, more) in
        [(0, 100, 0..4, false), (0, 2, 0..2, true), (2, 2, 2..4, false), (4, 9, 4..4, false)]
    {
        let page = |lines: &[StatementLine], more| {
            let (currency, lines) = (currency("GBP"), lines.to_vec());
            Outcome::Statement(Box::new(Statement { currency, lines, more, complete_from: 1 }))
        };
        let request = Operation::GetStatement(operation::GetStatement { account: at(ANNA), after, limit });
        let wrong = page(&lines[shown.clone()], !more);
        assert!(story.clone().auditor.check(story.now_ms, &request, &wrong).is_err());
        story.check(request, page(&lines[shown], more));
    }
}

/// A statement says where it begins once something was forgotten.
#[test]
fn statements_say_from_where_they_are_complete() {
    let mut story = Story::new();
    story.done(first_bet("open", "b", 100), -100);
    story.done(Play { ends_round: true, ..first_bet("closed", "b", 10) }, -10);
    story.later(RETENTION_MS);
    let request = Operation::GetStatement(operation::GetStatement { account: at(ANNA), after: 0, limit: 9 });
    let Outcome::Statement(page) = story.auditor.clone().answer(story.now_ms, &request) else {
        panic!("no statement");
    };
    let numbers: Vec<u64> = page.lines.iter().map(|line| line.number).collect();
    assert_eq!((numbers, page.complete_from), (vec![2], 4));
    let wrong = Outcome::Statement(Box::new(Statement { complete_from: 3, ..*page }));
    assert!(story.auditor.check(story.now_ms, &request, &wrong).is_err());
}
